# BBackup::Recorder - a base backup that somebody else takes, written down.
#
#	my $recorder = BBackup::Recorder->start($source);
#	... a base backup by way of $recorder->host and the source's port ...
#	$recorder->extract($directory);
#
# It listens on a socket as a server does, passes on all bytes in both
# directions, and keeps those of the source.  Then the judge of an import can
# recover the very pages that were imported: hint bits are set without WAL, so
# two base backups of a working server differ in them.

package BBackup::Recorder;

use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Utils;

sub start
{
	my ($class, $node) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir_short();
	my $socket = '.s.PGSQL.' . $node->port;
	my $listener = IO::Socket::UNIX->new(
		Local => "$directory/$socket",
		Listen => 10) or croak "could not listen in $directory: $!";
	my $self = bless { directory => $directory }, $class;

	$self->{pid} = fork // croak "could not fork: $!";
	if ($self->{pid} == 0)
	{
		$SIG{CHLD} = 'IGNORE';
		$SIG{TERM} = 'DEFAULT';
		for (my $number = 1;; $number++)
		{
			my $client = $listener->accept or next;

			next if fork;
			pass_on($client, $node->host . "/$socket",
				"$directory/stream.$number");
			POSIX::_exit(0);
		}
	}
	close $listener;
	return $self;
}

# pass_on - bytes in both directions until either side ends.
sub pass_on
{
	my ($client, $path, $record) = @_;
	my $server = IO::Socket::UNIX->new(Peer => $path) or return;
	my $select = IO::Select->new($client, $server);

	open my $out, '>', $record or return;
	while (my @ready = $select->can_read)
	{
		foreach my $from (@ready)
		{
			my $to = $from == $client ? $server : $client;
			my $n = sysread $from, my $bytes, 65536;

			return close $out if !$n;
			syswrite $out, $bytes if $from == $server;
			while (length $bytes)
			{
				my $written = syswrite $to, $bytes;

				return close $out if !defined $written;
				substr $bytes, 0, $written, '';
			}
		}
	}
	return;
}

sub host { return $_[0]{directory} }

sub stop
{
	my ($self) = @_;

	kill 'TERM', $self->{pid} if $self->{pid};
	waitpid $self->{pid}, 0 if $self->{pid};
	delete $self->{pid};
	return;
}

# extract - the archives of the last base backup, as pg_basebackup leaves them;
# with a backup_manifest that has no more than the end.
sub extract
{
	my ($self, $directory) = @_;
	my ($archive, %archives, $end);

	$self->stop;
	foreach my $stream (sort glob "$self->{directory}/stream.*")
	{
		open my $in, '<:raw', $stream or croak "$stream: $!";
		my @rows;

		while (read($in, my $header, 5) == 5)
		{
			my ($type, $length) = unpack 'a N', $header;

			read($in, my $body, $length - 4) == $length - 4 or last;
			push @rows, $body if $type eq 'D';
			next if $type ne 'd' || $length < 5;
			my $kind = substr $body, 0, 1;
			if ($kind eq 'n')
			{
				my ($name) = unpack 'x Z*', $body;

				close $archives{$archive} if defined $archive;
				$archive = $name;
				open $archives{$archive}, '>:raw',
				  "$self->{directory}/$archive"
				  or croak "$archive: $!";
			}
			elsif ($kind eq 'd' && defined $archive)
			{
				print { $archives{$archive} } substr $body, 1;
			}
		}
		# the last row of its connection that has an LSN is the end
		($end) = map { m{([0-9A-F]+/[0-9A-F]+)} ? $1 : () } reverse @rows
		  if defined $archive && !defined $end;
	}
	croak 'no base backup was recorded' if !defined $archive;
	close $archives{$archive};
	mkdir $directory, 0700;
	foreach my $name (keys %archives)
	{
		croak "tablespaces are not extracted: $name" if $name ne 'base.tar';
		system_or_bail('tar', '-x', '-f', "$self->{directory}/$name", '-C',
			$directory);
	}
	append_to_file("$directory/backup_manifest", qq("End-LSN": "$end"\n));
	return $directory;
}

sub DESTROY
{
	my ($self) = @_;

	$self->stop;
	return;
}

1;

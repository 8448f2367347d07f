# BBackup::CrashStates - what a crash may leave of a directory whose changes
# test/crash/recorder.c has recorded.
#
#	my $states = BBackup::CrashStates->new($before, $inodes, $log);
#	my $what = $states->write($directory, $n, $crash);
#
# What a system call has changed is in memory first.  A crash keeps what was
# fsynced: the bytes of a file by an fsync of the file, the names in a directory by
# an fsync of the directory.  Of all other changes it keeps some:
#
#	names	of each directory none, all, the first ones, or any of them; a rename
#			is kept as a whole or not at all
#	bytes	of each file none, all, those up to a byte, or zeros in their place

package BBackup::CrashStates;

use strict;
use warnings;

use BBackup::Files qw(slurp write_file);
use Carp;
use File::Basename qw(basename);
use File::Find;

# inodes - path => inode of all files of a directory; "" is the directory.
sub inodes
{
	my ($directory) = @_;
	my %inodes;

	find({
		wanted => sub {
			my $path = substr $File::Find::name, length $directory;
			$inodes{ $path =~ s{^/}{}r } = (lstat)[1];
		},
		no_chdir => 1
	}, $directory);
	return \%inodes;
}

# new - the changes of a log, made to a directory of which there is a copy; inodes
# are those that it had before.
sub new
{
	my ($class, $before, $inodes, $log) = @_;
	my $self = { before => {}, changes => [] };
	my $bytes = slurp($log);
	my $at = 0;

	foreach my $path (keys %$inodes)
	{
		$self->{before}{$path} = {
			inode => $inodes->{$path},
			bytes => -d "$before/$path" ? undef : slurp("$before/$path")
		};
	}
	while ($at < length $bytes)
	{
		my $end = index $bytes, "\n", $at;
		my %change;

		@change{qw(name inode offset length path to)} = split /\t/,
		  substr($bytes, $at, $end - $at), -1;
		$change{bytes} = substr $bytes, $end + 1, $change{length};
		$at = $end + 1 + $change{length};
		push @{ $self->{changes} }, \%change;
	}
	return bless $self, $class;
}

# changes - the changes, in order; name, path and to of each say what it was.
sub changes { return @{ $_[0]->{changes} } }

# --- files and directories
#
# A file has the bytes that are durable, and the changes of them since; a
# directory likewise the names, and for finding files the names as they are.

sub new_file
{
	return { durable => $_[0], since => [] };
}

sub new_directory
{
	return { durable => {}, since => [], names => {} };
}

# change_names - change names of a directory: name => file, or undef.
sub change_names
{
	my ($directory, %names) = @_;

	push @{ $directory->{since} }, \%names;
	set_names($directory->{names}, \%names);
	return;
}

sub set_names
{
	my ($names, $change) = @_;

	foreach my $name (keys %$change)
	{
		if (defined $change->{$name}) { $names->{$name} = $change->{$name} }
		else { delete $names->{$name} }
	}
	return;
}

sub split_path
{
	my ($path) = @_;

	return ($1, $2) if $path =~ m{^(.*)/([^/]+)\z}s;
	return ('', $path);
}

sub lookup
{
	my ($root, $path) = @_;
	my $at = $root;

	foreach my $name (split m{/}, $path)
	{
		$at = $at->{names}{$name} // croak "there is no $path";
	}
	return $at;
}

# after - the tree after the first n changes, as memory has it.
sub after
{
	my ($self, $n) = @_;
	my $root = new_directory();
	my %inodes;

	foreach my $path (sort keys %{ $self->{before} })
	{
		my $before = $self->{before}{$path};
		my $file = $path eq '' ? $root
		  : defined $before->{bytes} ? new_file($before->{bytes})
		  : new_directory();

		$inodes{ $before->{inode} } = $file;
		next if $path eq '';
		my ($above, $name) = split_path($path);
		my $directory = lookup($root, $above);
		$directory->{names}{$name} = $directory->{durable}{$name} = $file;
	}

	foreach my $change (@{ $self->{changes} }[ 0 .. $n - 1 ])
	{
		my $name = $change->{name};

		if ($name =~ /^(?:write|truncate|fsync)$/)
		{
			my $file = $inodes{ $change->{inode} } // croak "$name of what?";

			if ($name ne 'fsync') { push @{ $file->{since} }, $change }
			elsif (exists $file->{names})
			{
				$file->{durable} = { %{ $file->{names} } };
				$file->{since} = [];
			}
			else
			{
				$file->{durable} = bytes_after($file, @{ $file->{since} });
				$file->{since} = [];
			}
			next;
		}

		my ($above, $last) = split_path($change->{path});
		my $directory = lookup($root, $above);

		if ($name eq 'create' || $name eq 'mkdir')
		{
			my $file = $name eq 'create' ? new_file('') : new_directory();

			$inodes{ $change->{inode} } = $file;
			change_names($directory, $last => $file);
		}
		elsif ($name eq 'unlink' || $name eq 'rmdir')
		{
			change_names($directory, $last => undef);
		}
		elsif ($name eq 'rename')
		{
			my ($to_above, $to) = split_path($change->{to});

			croak "a rename between directories: $change->{path} $change->{to}"
			  if $to_above ne $above;
			change_names($directory,
				$to => $directory->{names}{$last},
				$last => undef);
		}
		else
		{
			croak "a change that cannot be replayed: $name $change->{path}";
		}
	}
	return $root;
}

sub bytes_after
{
	my ($file, @changes) = @_;
	my $bytes = $file->{durable};

	foreach my $change (@changes)
	{
		my $end = $change->{offset} + $change->{length};

		if ($change->{name} eq 'truncate')
		{
			$bytes = substr $bytes, 0, $change->{offset};
			$end = $change->{offset};
		}
		$bytes .= "\0" x ($end - length $bytes) if length $bytes < $end;
		substr($bytes, $change->{offset}, $change->{length}) = $change->{bytes}
		  if $change->{name} eq 'write';
	}
	return $bytes;
}

# --- what a crash leaves

# kept_bytes - the bytes of a file, and a word for what became of them.
sub kept_bytes
{
	my ($file) = @_;
	my @since = @{ $file->{since} };
	my $how = (qw(none zeros cut all))[ rand 4 ];
	my $all = bytes_after($file, @since);

	return ($all, '') if !@since;
	return ($file->{durable}, $how) if $how eq 'none';
	return ($all, $how) if $how eq 'all';
	if ($how eq 'zeros')
	{
		@since = map { { %$_, bytes => "\0" x $_->{length} } } @since;
		return (bytes_after($file, @since), $how);
	}
	my $length = length($file->{durable})
	  + int rand(1 + abs(length($all) - length $file->{durable}));
	return (substr($all, 0, $length), $how);
}

sub kept_names
{
	my ($directory, $how) = @_;
	my %names = %{ $directory->{durable} };
	my @since = @{ $directory->{since} };

	@since = () if $how eq 'none';
	splice @since, rand(1 + @since) if $how eq 'first';
	@since = grep { rand() < 0.5 } @since if $how eq 'any';
	set_names(\%names, $_) foreach @since;
	return \%names;
}

sub write_tree
{
	my ($tree, $path, $crash, $said) = @_;

	if (!exists $tree->{names})
	{
		my $bytes = bytes_after($tree, @{ $tree->{since} });
		my $how = '';

		($bytes, $how) = kept_bytes($tree) if $crash;
		push @$said, basename($path) . ": bytes $how" if $how ne '';
		write_file($path, $bytes);
		return;
	}

	my $names = $tree->{names};

	mkdir $path, 0700 or croak "$path: $!";
	if ($crash && @{ $tree->{since} })
	{
		my $how = (qw(none all first any))[ rand 4 ];

		push @$said, basename($path) . ": names $how";
		$names = kept_names($tree, $how);
	}
	write_tree($names->{$_}, "$path/$_", $crash, $said) foreach sort keys %$names;
	return;
}

# write - write what is there after the first n changes; with "crash", what a crash
# may leave of it, at random.  Returns what the crash did, in words.
sub write
{
	my ($self, $directory, $n, $crash) = @_;
	my @said;

	write_tree($self->after($n), $directory, $crash, \@said);
	return join ', ', @said;
}

1;

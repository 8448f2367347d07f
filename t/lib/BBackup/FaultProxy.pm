# BBackup::FaultProxy - an unreliable proxy between a client and a server.
#
# It forwards bytes.  Each connection takes the first of the remaining faults:
#
#	my $proxy = BBackup::FaultProxy->start($directory, $port);
#	$proxy->faults('reset', '503', 'cut 1000');
#	$proxy->{port}
#	$proxy->faults_left
#	$proxy->requests
#	$proxy->stop;
#
# reset			the connection is reset
# NNN [CODE]	an HTTP answer of that status, with S3's error code; headers may
#				follow, each "|NAME: VALUE", and other elements of the
#				document, "<NAME>VALUE</NAME>"
# cut N			the connection is closed after N bytes of answers
# flip N		byte N of the answers is changed
# stall			there is never an answer
# hang N		nothing follows N bytes of answers; hangs says if that happened
# ahead N		the server's clock is N seconds ahead, according to its answers
#
# hold PATH delays the next PUT of a path that contains PATH; wait_for_held waits
# until there is one, and release lets it continue.
#
# token TOKEN refuses requests with another session token, as one that has expired.
#
# keep_uploads keeps uploads: aborting one is answered, but not done.
#
# requests returns the first lines of all requests; heads also their headers.
# With an S3 server as third argument of start, the proxy does conditional PUT
# (If-Match, If-None-Match), which that server doesn't support: one after the
# other, each as a HEAD, a comparison and a PUT.  conditions returns the
# conditions and the statuses of the answers.

package BBackup::FaultProxy;

use strict;
use warnings;

use BBackup::Files qw(slurp write_file);
use parent 'BBackup::ChildServer';
use Carp;
use Fcntl qw(LOCK_EX);
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::Piece;

sub faults
{
	my ($self, @faults) = @_;

	open my $out, '>', "$self->{file}.new" or croak "$self->{file}: $!";
	print $out map { "$_\n" } @faults;
	close $out;
	rename "$self->{file}.new", $self->{file} or croak "$self->{file}: $!";
	return;
}

sub faults_left
{
	my ($self) = @_;

	open my $in, '<', $self->{file} or return 0;
	my @faults = <$in>;
	close $in;
	return scalar @faults;
}

# Take the first of the remaining faults.
sub next_fault
{
	my ($self) = @_;

	open my $in, '<', $self->{file} or return '';
	chomp(my @faults = <$in>);
	close $in;
	return '' unless @faults;
	my $fault = shift @faults;
	$self->faults(@faults);
	return $fault;
}

sub write_all
{
	my ($to, $bytes) = @_;

	while (length $bytes)
	{
		my $n = syswrite $to, $bytes;
		return 0 unless defined $n;
		substr $bytes, 0, $n, '';
	}
	return 1;
}

# Do a conditional PUT, whose first bytes these are.
sub put_on_condition
{
	my ($self, $client, $bytes) = @_;
	my $s3 = $self->{s3};
	my ($path) = $bytes =~ /^PUT (\S+)/;
	my ($none, $wanted) = $bytes =~ /^If-(None-)?Match: (.*)\r$/mi;
	my ($length) = $bytes =~ /^Content-Length: (\d+)/mi;
	my $start = 4 + index $bytes, "\r\n\r\n";
	my $body = "$self->{file}.body.$$";

	while (length($bytes) < $start + $length)
	{
		sysread $client, $bytes, 65536, length $bytes or return 0;
	}

	open my $log, '>>', "$self->{file}.conditions" or die;
	flock $log, LOCK_EX;
	my ($etag) = $s3->request('HEAD', $path, '-I') =~ /^etag: (\S+)/mi;
	my $status = 412;

	if ($none ? !defined $etag : defined $etag && $etag eq $wanted)
	{
		open my $out, '>:raw', $body or die;
		print $out substr $bytes, $start;
		close $out;
		$s3->request('PUT', $path, '--data-binary', "\@$body");
		$status = 200;
	}
	syswrite $log, ($none ? 'If-None-Match' : 'If-Match') . " $status\n";
	close $log;
	return write_all($client,
		"HTTP/1.1 $status Condition\r\nContent-Length: 0\r\n\r\n");
}

sub conditions
{
	my ($self) = @_;

	open my $in, '<', "$self->{file}.conditions" or return;
	chomp(my @lines = <$in>);
	return @lines;
}

# Note a request, if these bytes are the beginning of one.
sub note_request
{
	my ($self, $bytes) = @_;

	return unless $bytes =~ m{^[A-Z]+ \S+ HTTP/1\.1\r\n.*?\r\n\r\n}s;
	open my $log, '>>', "$self->{file}.requests" or die;
	syswrite $log, $&;
	close $log;
	return;
}

sub heads
{
	my ($self) = @_;

	open my $in, '<', "$self->{file}.requests" or return;
	local $/ = "\r\n\r\n";
	return <$in>;
}

sub requests
{
	my ($self) = @_;

	return map { /^(.*)\r\n/ } $self->heads;
}

sub keep_uploads
{
	my ($self) = @_;

	open my $mark, '>', "$self->{file}.keep_uploads" or die;
	close $mark;
	return;
}

# Answer an abort without doing it, if these bytes are one.
sub pretend_abort
{
	my ($self, $client, $bytes) = @_;

	return 0
	  unless $bytes =~ m{^DELETE \S*[?&]uploadId=\S* HTTP/}
	  && -e "$self->{file}.keep_uploads";
	return write_all($client, "HTTP/1.1 204 No Content\r\n\r\n");
}

sub hold
{
	my ($self, $path) = @_;

	open my $out, '>', "$self->{file}.hold.new" or die;
	print $out $path;
	close $out;
	rename "$self->{file}.hold.new", "$self->{file}.hold" or die;
	return;
}

# Wait, if these bytes begin a request that is to be held.
sub wait_for_release
{
	my ($self, $bytes) = @_;

	return unless -e "$self->{file}.hold" && $bytes =~ m{^PUT (\S+) HTTP/};
	my $asked = $1;
	open my $in, '<', "$self->{file}.hold" or return;
	my $path = <$in>;
	close $in;
	return
	  unless index($asked, $path) >= 0
	  && rename "$self->{file}.hold", "$self->{file}.held";
	select undef, undef, undef, 0.02 while -e "$self->{file}.held";
	return;
}

sub wait_for_held
{
	my ($self) = @_;

	select undef, undef, undef, 0.02 until -e "$self->{file}.held";
	return;
}

sub release
{
	my ($self) = @_;

	unlink "$self->{file}.held" or die "nothing is held";
	return;
}

sub hang
{
	my ($self) = @_;

	open my $mark, '>', "$self->{file}.hangs" or die;
	close $mark;
	sleep 600;
	return;
}

sub hangs { return -e "$_[0]{file}.hangs" }

# Change the Date of an answer by so many seconds, if these bytes contain it.
sub set_ahead
{
	my ($bytes, $seconds) = @_;
	my ($date) = $bytes =~ /^Date: (.*)\r$/m or return $bytes;
	my $time = Time::Piece->strptime($date, '%a, %d %b %Y %T GMT') + $seconds;
	my $later = $time->strftime('%a, %d %b %Y %T GMT');

	return $bytes =~ s/^Date: .*\r$/Date: $later\r/mr;
}

# answer_fault - an answer of that status, with S3's error code, other elements of
# the document and headers.
sub answer_fault
{
	my ($client, $status, $code, $elements, @headers) = @_;
	my $body = "<Error><Code>$code</Code>" . ($elements // '') . '</Error>';

	write_all(
		$client,
		join "\r\n",
		"HTTP/1.1 $status Fault",
		'Content-Length: ' . length $body,
		'Connection: close',
		@headers, '', $body);
	return;
}

sub token
{
	my ($self, $token) = @_;

	write_file("$self->{file}.token", $token);
	return;
}

# Refuse a request whose session token isn't the one that counts; returns true if
# so.
sub refuse_token
{
	my ($self, $client, $bytes) = @_;
	my $token = "$self->{file}.token";

	return 0 if !-e $token || $bytes !~ m{^[A-Z]+ \S+ HTTP/};
	my ($given) = $bytes =~ /^x-amz-security-token: (.*)\r$/mi;
	return 0 if defined $given && $given eq slurp($token);
	answer_fault($client, '403', 'ExpiredToken');
	return 1;
}

sub forward
{
	my ($self, $client, $port, $fault) = @_;
	my $cut = $fault =~ /^cut (\d+)/ ? $1 : undef;
	my $flip = $fault =~ /^flip (\d+)/ ? $1 : undef;
	my $hang = $fault =~ /^hang (\d+)/ ? $1 : undef;
	my $ahead = $fault =~ /^ahead (\d+)/ ? $1 : undef;
	my $passed = 0;
	my $server =
	  IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
	  or return;
	my $select = IO::Select->new($client, $server);

	while (1)
	{
		foreach my $from ($select->can_read)
		{
			my $n = sysread $from, my $bytes, 65536;
			return unless $n;
			note_request($self, $bytes) if $from == $client;
			return if $from == $client && refuse_token($self, $client, $bytes);
			next if $from == $client && pretend_abort($self, $client, $bytes);
			wait_for_release($self, $bytes) if $from == $client;
			if (   $self->{s3}
				&& $from == $client
				&& $bytes =~ /^PUT \S+ HTTP.*?\r\nIf-(?:None-)?Match: /is)
			{
				put_on_condition($self, $client, $bytes) or return;
				next;
			}
			if ($from == $server)
			{
				$bytes = substr $bytes, 0, $cut - $passed
				  if defined $cut && $passed + $n > $cut;
				if (defined $flip && $passed <= $flip && $flip < $passed + $n)
				{
					substr($bytes, $flip - $passed, 1) ^= "\x01";
				}
				$bytes = set_ahead($bytes, $ahead) if defined $ahead;
				$passed += $n;
			}
			write_all($from == $server ? $client : $server, $bytes)
			  or return;
			return if defined $cut && $passed >= $cut;
			hang($self) if defined $hang && $passed >= $hang;
		}
	}
}

sub serve
{
	my ($self, $client, $port, $fault) = @_;

	if ($fault eq 'reset')
	{
		setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
	}
	elsif ($fault =~ /^(\d{3}) ?(\w*)([^|<]*)((?:\|[^|<]*)*)(.*)/)
	{
		my @fault = ($1, $2, $5, grep { length } split /\|/, $4);

		sysread $client, my $request, 65536;
		answer_fault($client, @fault);
	}
	elsif ($fault eq 'stall')
	{
		sleep 600;
	}
	else
	{
		forward($self, $client, $port, $fault);
	}
	close $client;
	return;
}

sub start
{
	my ($class, $directory, $port, $s3) = @_;
	my $self = bless { file => "$directory/faults", s3 => $s3 }, $class;
	my $listen = IO::Socket::INET->new(
		Listen => 50,
		LocalAddr => '127.0.0.1',
		LocalPort => 0)
	  or croak "no free port: $!";

	$self->{port} = $listen->sockport;
	$self->faults();
	$self->{pid} = fork // croak "fork: $!";
	return $self if $self->{pid};

	setpgrp;
	local $SIG{CHLD} = 'IGNORE';
	while (1)
	{
		my $client = $listen->accept or next;
		my $fault = next_fault($self);
		my $pid = fork // next;

		if ($pid == 0)
		{
			close $listen;
			local $SIG{CHLD} = 'DEFAULT';
			eval { serve($self, $client, $port, $fault); 1 } or warn $@;
			require POSIX;
			POSIX::_exit(0);
		}
		close $client;
	}
}

# before - start a proxy in front of an S3 server.  Returns the proxy, and the
# server as its clients see it.
sub before
{
	my ($class, $s3) = @_;
	my $proxy =
	  $class->start(PostgreSQL::Test::Utils::tempdir(), $s3->{port}{proxy});
	my $through = $s3->directly;

	$through->{endpoint} = "http://127.0.0.1:$proxy->{port}";
	return ($proxy, $through);
}

1;

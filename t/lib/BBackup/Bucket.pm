# BBackup::Bucket - a proxy before an S3 server, with the rules of a bucket of
# Amazon's that the server lacks.
#
#	my $bucket = BBackup::Bucket->start($s3);
#	$bucket->{endpoint}
#	$bucket->rules(sse => 'aws:kms');
#	$bucket->requests; $bucket->stop;
#
# It reads each request, applies the rules, signs it anew and sends it to the
# server.  What the rules ask for has to be among the signed headers.
#
# It keeps what it was asked for with each object: its encryption, storage class
# and retention, and returns it as S3 does: the encryption in the answers to writes
# and HEAD, the others in those to HEAD.  A retention requires a right Content-MD5.
#
# sse => VALUE			a write without this encryption is denied
# ignore => REGEX		headers of this name are ignored, as if unknown
# token => FILE			the session token has to be the one in the file
# archived => REGEX		GET of such a key: 403 InvalidObjectState
# keep => REGEX			DELETE of such a key: 403 AccessDenied
# refuse => 'REGEX STATUS CODE'	a PUT or POST of such a key
#
# requests returns a line for each request: method, path, status.  kept returns what
# is kept of each object.

package BBackup::Bucket;

use strict;
use warnings;

use BBackup::Files qw(slurp write_file);
use parent 'BBackup::ChildServer';
use Carp;
use Digest::MD5 qw(md5_base64 md5_hex);
use Fcntl qw(LOCK_EX);
use IO::Socket::INET;

my @kept = qw(x-amz-server-side-encryption
  x-amz-server-side-encryption-aws-kms-key-id
  x-amz-server-side-encryption-bucket-key-enabled x-amz-storage-class
  x-amz-object-lock-mode x-amz-object-lock-retain-until-date);

sub rules
{
	my ($self, %rules) = @_;

	write_file("$self->{directory}/rules.new",
		join '', map { "$_\t$rules{$_}\n" } sort keys %rules);
	rename "$self->{directory}/rules.new", "$self->{directory}/rules"
	  or croak "rules: $!";
	return;
}

sub read_rules
{
	my ($self) = @_;

	return map { chomp; split /\t/, $_, 2 }
	  split /^/, slurp("$self->{directory}/rules");
}

sub requests
{
	my ($self) = @_;

	return -e "$self->{directory}/requests"
	  ? split /\n/, slurp("$self->{directory}/requests")
	  : ();
}

# The file with what is kept of an object.
sub file_of
{
	my ($self, $path) = @_;

	return "$self->{directory}/" . md5_hex($path =~ s/\?.*//sr);
}

# kept - return the paths of all objects that were written, and what is kept of
# each, a line for each header.
sub kept
{
	my ($self) = @_;

	return map { split /\n/, slurp($_), 2 }
	  grep { m{/[0-9a-f]{32}$} } glob "$self->{directory}/*";
}

sub write_all
{
	my ($to, $bytes) = @_;

	while (length $bytes)
	{
		my $n = syswrite $to, $bytes or return;
		substr $bytes, 0, $n, '';
	}
	return;
}

# Read the head and the body of a request; what follows it is the third value.
sub read_request
{
	my ($from, $bytes) = @_;

	while ($bytes !~ /\r\n\r\n/)
	{
		sysread $from, $bytes, 65536, length $bytes or return;
	}
	my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
	my ($length) = $head =~ /^content-length: *(\d+)/mi;

	$length //= 0;
	while (length $body < $length)
	{
		sysread $from, $body, 1 << 20, length $body or return;
	}
	return ($head, substr($body, 0, $length), substr $body, $length);
}

sub error
{
	my ($method, $status, $code) = @_;
	my $body = $method eq 'HEAD' ? '' : "<Error><Code>$code</Code></Error>";

	return ("HTTP/1.1 $status Rule\r\nContent-Length: " . length $body, $body);
}

# Why the rules refuse a request: a status and a code.
sub refusal
{
	my ($self, $method, $path, $headers, $body, $rules) = @_;
	my $lock = $headers->{'x-amz-object-lock-mode'};
	my ($signed) = ($headers->{authorization} // '') =~ /SignedHeaders=([^,]*)/;
	my %signed = map { $_ => 1 } split /;/, $signed // '';

	return (403, 'UnsignedHeader')
	  if grep { /^(x-amz-|content-md5)/ && !$signed{$_} } keys %$headers;
	return (400, 'ExpiredToken')
	  if $rules->{token}
	  && ($headers->{'x-amz-security-token'} // '') ne
	  slurp($rules->{token});
	return (403, 'InvalidObjectState')
	  if $rules->{archived} && $method eq 'GET' && $path =~ $rules->{archived};
	return (403, 'AccessDenied')
	  if $rules->{keep} && $method eq 'DELETE' && $path =~ $rules->{keep};
	if ($rules->{refuse} && $method =~ /^P/)
	{
		my ($pattern, $status, $code) = split / /, $rules->{refuse};

		return ($status, $code) if $path =~ $pattern;
	}
	return unless $method eq 'PUT' || $path =~ /\?uploads=/;
	return if $path =~ /uploadId=/;
	return (403, 'AccessDenied')
	  if $rules->{sse}
	  && ($headers->{'x-amz-server-side-encryption'} // '') ne $rules->{sse};
	return (400, 'InvalidRequest')
	  if ($lock || $path =~ /\?retention=/)
	  && $method eq 'PUT'
	  && !$headers->{'x-amz-copy-source'}
	  && ($headers->{'content-md5'} // '') ne md5_base64($body) . '==';
	return;
}

# Send a request to the server, signed anew.
sub forward
{
	my ($self, $method, $path, $headers, $body) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => $self->{s3}{endpoint} =~ m{//(.*)})
	  or return error($method, 502, 'NoServer');
	my @more = map { "$_: $headers->{$_}" }
	  grep { /^(range|if-|content-type|content-md5|x-amz-copy-source)/ } keys %$headers;
	my $copied = $headers->{'x-amz-copy-source'};
	my @signed = $self->{s3}->sign($method, $path,
		defined $copied ? ('x-amz-copy-source' => $copied) : ());

	# an answer of HTTP/1.0 ends with the connection, and is in one piece
	write_all($server,
		join("\r\n", "$method $path HTTP/1.0", @signed,
			(grep { !/^x-amz/ } @more),
			'Content-Length: ' . length $body, '', '')
		  . $body);
	my $all = do { local $/; <$server> };
	my ($head, $answer) = split /\r\n\r\n/, $all // '', 2;

	return error($method, 502, 'NoAnswer') unless defined $answer;
	$head =~ s{^HTTP/1.0}{HTTP/1.1};
	$head =~ s{\r\nConnection: close}{}i;
	$head .= "\r\nContent-Length: " . length $answer
	  unless $head =~ /\r\nContent-Length:/i || $head =~ m{^\S+ 204};
	return ($head, $answer);
}

# retain_until - change the retention of all objects of such paths that have one.
sub retain_until
{
	my ($self, $paths, $until) = @_;
	my %kept = $self->kept;

	foreach my $path (grep { $_ =~ $paths } keys %kept)
	{
		write_file($self->file_of($path),
			"$path\n" . $kept{$path} =~ s/(until-date: )\S+/$1$until/r);
	}
	return;
}

# Retain an object anew, until a later time, as the body of a request says.
sub retain
{
	my ($self, $path, $body) = @_;
	my ($mode) = $body =~ m{<Mode>(\w+)</Mode>};
	my ($until) = $body =~ m{<RetainUntilDate>([^<]+)</RetainUntilDate>};
	my $file = $self->file_of($path);

	return error('PUT', 404, 'NoSuchKey') unless -e $file;
	my $kept = slurp($file);
	my ($before) = $kept =~ /retain-until-date: (\S+)/;
	return error('PUT', 403, 'AccessDenied')
	  if defined $before && $before gt $until;
	$kept =~ s/^x-amz-object-lock-.*\n//mg;
	write_file($file, $kept . "x-amz-object-lock-mode: $mode\n"
		  . "x-amz-object-lock-retain-until-date: $until\n");
	return ("HTTP/1.1 200 OK\r\nContent-Length: 0", '');
}

# Keep what a write asked for, and return the headers of an answer.
sub kept_headers
{
	my ($self, $method, $path, $headers, $head) = @_;
	my $file = $self->file_of($path);
	my $writes = $method eq 'PUT' || $path =~ /\?uploads=/;
	my %object;

	return '' unless $head =~ m{^HTTP/1.1 2} && $path !~ /\?retention=/;
	if ($writes && $path !~ /uploadId=/)
	{
		%object = map { $_ => $headers->{$_} } grep { $headers->{$_} } @kept;
		write_file($file,
			($path =~ s/\?.*//sr) . "\n" . join '', map { "$_: $object{$_}\n" } sort keys %object);
	}
	elsif ($method eq 'HEAD' && -e $file)
	{
		%object = map { split /: /, $_, 2 } grep { /: / } split /\n/, slurp($file);
		delete $object{'x-amz-storage-class'}
		  if ($object{'x-amz-storage-class'} // '') eq 'STANDARD';
	}
	return join '', map { "\r\n$_: $object{$_}" }
	  grep { !$writes || /encryption/ } sort keys %object;
}

sub serve
{
	my ($self, $client) = @_;
	my $rest = '';

	while (my ($head, $body, $next) = read_request($client, $rest))
	{
		my ($method, $path) = $head =~ /^(\S+) (\S+)/;
		my %headers = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () }
		  split /\r\n/, $head;
		my %rules = $self->read_rules;
		my ($status, $code) =
		  $self->refusal($method, $path, \%headers, $body, \%rules);

		$rest = $next;
		delete @headers{ grep { $_ =~ $rules{ignore} } keys %headers }
		  if $rules{ignore};
		my ($answer, $content) =
			$status ? error($method, $status, $code)
		  : $path =~ /\?retention=/ ? $self->retain($path, $body)
		  : $self->forward($method, $path, \%headers, $body);
		$answer .=
		  $self->kept_headers($method, $path, \%headers, $answer);
		open my $log, '>>', "$self->{directory}/requests" or die;
		syswrite $log,
		  "$method $path " . join(' ', $answer =~ m{^HTTP/1.1 (\d+)}) . "\n";
		close $log;
		write_all($client, "$answer\r\n\r\n$content");
	}
	return;
}

sub start
{
	my ($class, $s3) = @_;
	my $self = bless {
		directory => PostgreSQL::Test::Utils::tempdir(),
		s3 => $s3->directly
	}, $class;
	my $listen = IO::Socket::INET->new(
		Listen => 50,
		LocalAddr => '127.0.0.1',
		LocalPort => 0)
	  or croak "no free port: $!";

	$self->{endpoint} = 'http://127.0.0.1:' . $listen->sockport;
	$self->rules;
	$self->{pid} = fork // croak "fork: $!";
	return $self if $self->{pid};

	setpgrp;
	local $SIG{CHLD} = 'IGNORE';
	local $SIG{PIPE} = "IGNORE";
	while (1)
	{
		my $client = $listen->accept or next;
		my $pid = fork // next;

		if ($pid == 0)
		{
			close $listen;
			local $SIG{CHLD} = 'DEFAULT';
			eval { $self->serve($client); 1 } or warn $@;
			require POSIX;
			POSIX::_exit(0);
		}
		close $client;
	}
}

1;

# BBackup::Metadata - the services of a cloud that give the keys of a role: the
# metadata of an instance (version 2), the agent of a container, and STS's
# AssumeRoleWithWebIdentity, by their documented protocols.
#
#	my $metadata = BBackup::Metadata->start($key, $secret);
#	$metadata->{endpoint}, $metadata->{token_file}
#	$metadata->set(expires => 3600);
#	$metadata->rotate;
#
# Each time that keys are given, the session token is a new one; the file has the
# one that is valid.  rotate makes another one valid, which nobody was given.
#
# expires => SECONDS	from now, of the next keys; may be negative
# fail => STATUS		all requests are answered by that; 0: no longer
# body => TEXT			the answer with keys is that
# no_role => 1			the instance has no role
# identity => TOKEN		of the container, or the web identity
#
# requests returns a line for each request: method and path.

package BBackup::Metadata;

use strict;
use warnings;

use BBackup::Files qw(slurp write_file);
use Carp;
use IO::Socket::INET;
use POSIX qw(strftime);

sub set
{
	my ($self, %state) = @_;

	%{ $self->{state} } = (%{ $self->{state} }, %state);
	write_file("$self->{directory}/state.new",
		join '', map { "$_\t$self->{state}{$_}\n" } sort keys %{ $self->{state} });
	rename "$self->{directory}/state.new", "$self->{directory}/state"
	  or croak "state: $!";
	return;
}

sub requests
{
	my ($self) = @_;

	return -e "$self->{directory}/requests"
	  ? split /\n/, slurp("$self->{directory}/requests")
	  : ();
}

sub forget_requests { unlink "$_[0]{directory}/requests"; return }

sub rotate
{
	my ($self) = @_;

	write_file("$self->{token_file}.new",
		sprintf 'SessionToken-%d-%s', ++$self->{tokens}, rand);
	rename "$self->{token_file}.new", $self->{token_file}
	  or croak "token: $!";
	return slurp($self->{token_file});
}

sub time_of
{
	my ($state) = @_;

	return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $state->{expires}));
}

sub keys_as_json
{
	my ($self, $state) = @_;

	return $state->{body} if $state->{body};
	return sprintf '{"Code" : "Success", "Type" : "AWS-HMAC",'
	  . ' "AccessKeyId" : "%s", "SecretAccessKey" : "%s", "Token" : "%s",'
	  . ' "Expiration" : "%s"}',
	  $self->{key}, $self->{secret}, $self->rotate, time_of($state);
}

sub keys_as_xml
{
	my ($self, $state) = @_;

	return $state->{body} if $state->{body};
	return sprintf
	  '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
	  . '<AssumeRoleWithWebIdentityResult><Credentials>'
	  . '<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>'
	  . '<SessionToken>%s</SessionToken><Expiration>%s</Expiration>'
	  . '</Credentials></AssumeRoleWithWebIdentityResult>'
	  . '</AssumeRoleWithWebIdentityResponse>',
	  $self->{key}, $self->{secret}, $self->rotate, time_of($state);
}

sub sts_error
{
	return "<ErrorResponse><Error><Type>Sender</Type><Code>$_[0]</Code>"
	  . '</Error></ErrorResponse>';
}

# The status and the body of an answer.
sub answer
{
	my ($self, $method, $path, $headers, $body, $state) = @_;
	my $roles = '/latest/meta-data/iam/security-credentials/';

	return ($state->{fail}, 'failed') if $state->{fail};
	if ($path eq '/latest/api/token')
	{
		return (405, '') unless $method eq 'PUT';
		return (403, '') if $headers->{'x-forwarded-for'};
		return (400, '')
		  unless ($headers->{'x-aws-ec2-metadata-token-ttl-seconds'} // '') =~ /^\d+$/;
		return (200, 'metadata-session');
	}
	if ($path =~ m{^/latest/})
	{
		return (401, '')
		  if ($headers->{'x-aws-ec2-metadata-token'} // '') ne
		  'metadata-session';
		return (404, '') if $state->{no_role} || $method ne 'GET';
		return (200, "backup-role\n") if $path eq $roles;
		return (200, $self->keys_as_json($state))
		  if $path eq "${roles}backup-role";
		return (404, '');
	}
	if ($path eq '/container')
	{
		return (401, '')
		  if ($headers->{authorization} // '') ne $state->{identity};
		return (200, $self->keys_as_json($state));
	}
	if ($path eq '/' && $method eq 'POST')
	{
		my %form = map { s/%([0-9A-F]{2})/chr hex $1/ger }
		  map { split /=/, $_, 2 } split /&/, $body;

		return (400, sts_error('InvalidAction'))
		  if $form{Action} ne 'AssumeRoleWithWebIdentity'
		  || $form{Version} ne '2011-06-15'
		  || $form{RoleSessionName} !~ /^[\w+=,.@-]{2,64}$/;
		return (403, sts_error('AccessDenied'))
		  if $form{RoleArn} ne 'arn:aws:iam::123456789012:role/backup';
		return (400, sts_error('ExpiredTokenException'))
		  if $form{WebIdentityToken} ne $state->{identity};
		return (200, $self->keys_as_xml($state));
	}
	return (404, '');
}

sub serve
{
	my ($self, $client) = @_;
	my $bytes = '';
	my %state = map { chomp; split /\t/, $_, 2 }
	  split /^/, slurp("$self->{directory}/state");

	while ($bytes !~ /\r\n\r\n/)
	{
		sysread $client, $bytes, 65536, length $bytes or return;
	}
	my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
	my ($method, $path) = $head =~ /^(\S+) (\S+)/;
	my %headers = map { /^([^:]+): *(.*)$/ ? (lc $1 => $2) : () }
	  split /\r\n/, $head;
	while (length $body < ($headers{'content-length'} // 0))
	{
		sysread $client, $body, 65536, length $body or return;
	}
	open my $log, '>>', "$self->{directory}/requests" or die;
	syswrite $log, "$method $path\n";
	close $log;
	my ($status, $content) =
	  $self->answer($method, $path, \%headers, $body, \%state);
	syswrite $client,
	  "HTTP/1.1 $status Answer\r\nContent-Length: "
	  . length($content)
	  . "\r\nConnection: close\r\n\r\n$content";
	return;
}

sub start
{
	my ($class, $key, $secret) = @_;
	my $self = bless {
		directory => PostgreSQL::Test::Utils::tempdir(),
		key => $key,
		secret => $secret,
		tokens => 0,
		state => { expires => 3600, fail => 0, identity => 'identity-1' }
	}, $class;
	my $listen = IO::Socket::INET->new(
		Listen => 50,
		LocalAddr => '127.0.0.1',
		LocalPort => 0)
	  or croak "no free port: $!";

	$self->{endpoint} = 'http://127.0.0.1:' . $listen->sockport;
	$self->{token_file} = "$self->{directory}/token";
	$self->rotate;
	$self->set;
	$self->{pid} = fork // croak "fork: $!";
	return $self if $self->{pid};

	while (1)
	{
		my $client = $listen->accept or next;

		eval { $self->serve($client); 1 } or warn $@;
		close $client;
	}
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	$self->stop;
	return;
}

1;

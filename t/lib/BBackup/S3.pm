# BBackup::S3 - an S3 server on loopback, for tests.
#
# It is OpenStack Swift with its s3api, from Debian's packages: four servers with
# four small configuration files, in a temporary directory (swift_servers.py starts
# them).  It verifies
# signatures, but doesn't support conditional PUT.  Started with tls => 1 it also
# serves HTTPS, with a certificate of a private authority.
#
#	my $s3 = BBackup::S3->start($directory);
#	$s3->create_bucket('bucket');
#	$s3->{endpoint}, $s3->{key}, $s3->{secret}
#	$s3->{tls_endpoint}, $s3->{ca_file}
#	$s3->stop;
#
# From a shell: perl -It/lib -MBBackup::S3 -e 'BBackup::S3::serve(DIRECTORY)'
# prints endpoint, key and secret, and serves until its input ends.

package BBackup::S3;

use strict;
use warnings;

use BBackup::Files qw(write_file);
use Carp;
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use File::Spec;
use IO::Socket::INET;
use Test::More;
use POSIX qw(strftime);
use Time::HiRes qw(sleep time);

use constant {
	ACCOUNT => 'test',
	USER => 'tester',
	SECRET => 'aVerySecretKey0123',
	PROGRAM => File::Spec->rel2abs(__FILE__) =~ s{[^/]*\z}{swift_servers.py}r,
};

my @storage = qw(account container object);

# Is it installed?
sub available
{
	return -x '/usr/bin/swift-proxy-server'
	  && -x '/usr/bin/swift-object-server'
	  && -r '/etc/swift/swift.conf';
}

sub free_ports
{
	my ($n) = @_;
	my @sockets = map {
		IO::Socket::INET->new(
			Listen => 1,
			LocalAddr => '127.0.0.1',
			LocalPort => 0)
		  or croak "no free port: $!"
	} 1 .. $n;

	return map { $_->sockport } @sockets;
}

sub run
{
	my (@command) = @_;

	system("@command >/dev/null 2>&1") == 0 or croak "@command: $?";
	return;
}

# Make a certificate for this machine, signed by an unknown authority.
sub make_certificates
{
	my ($directory) = @_;
	my $new = 'openssl req -newkey rsa:2048 -nodes -days 2 -x509';

	run("$new -keyout $directory/ca.key -out $directory/ca.pem"
		  . " -subj '/CN=bbackup tests'");
	run("$new -keyout $directory/tls.key -out $directory/tls.pem"
		  . " -CA $directory/ca.pem -CAkey $directory/ca.key"
		  . " -subj /CN=localhost -addext basicConstraints=CA:FALSE"
		  . " -addext subjectAltName=DNS:localhost,DNS:bucket.localhost");
	return;
}

# The servers that clients connect to.
sub proxies
{
	my ($self) = @_;

	return $self->{tls} ? ('proxy', 'tls') : 'proxy';
}

sub write_configuration
{
	my ($self, %port) = @_;
	my $directory = $self->{directory};
	my $user = getpwuid $<;
	my ($account, $tester, $secret) = (ACCOUNT, USER, SECRET);

	foreach my $server (@storage)
	{
		write_file("$directory/$server.conf", qq(
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port{$server}
workers = 0
mount_check = false
devices = $directory/devices
swift_dir = $directory
user = $user
log_address = /nonexistent
fallocate_reserve = 0
[pipeline:main]
pipeline = $server-server
[app:$server-server]
use = egg:swift#$server
));
	}
	# newer versions look for it in swift_dir, older ones in /etc/swift
	run("cp /etc/swift/swift.conf $directory");
	make_certificates($directory) if $self->{tls};
	foreach my $server ($self->proxies)
	{
		my $certificate =
		  $server eq 'tls'
		  ? "cert_file = $directory/tls.pem\nkey_file = $directory/tls.key"
		  : '';

		write_file("$directory/$server.conf", qq(
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port{$server}
$certificate
workers = 0
swift_dir = $directory
user = $user
log_address = /nonexistent
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging cache s3api tempauth bulk slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_${account}_$tester = $secret .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
# a bucket may be in the host's name
storage_domain = localhost
# pages small enough that tests see several
max_bucket_listing = 10
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$port{memcached}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
access_log_address = /nonexistent
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
));
	}
	return;
}

# Start a program, whose output is a file's.
sub spawn
{
	my ($self, $output, @command) = @_;
	my $pid = fork;

	croak "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDERR, '>>', "$self->{directory}/log";
		open STDOUT, '>&', $output // \*STDERR;
		exec @command or die "$command[0]: $!\n";
	}
	return $pid;
}

# Start servers of Swift with one process of swift_servers.py, which ends after them.
# Their clocks are so many seconds ahead.
sub launch
{
	my ($self, $ahead, @servers) = @_;

	pipe my $pids, my $output or croak "pipe: $!";
	my $launcher = $self->spawn($output, '/usr/bin/python3', PROGRAM,
		$self->{directory}, $ahead,
		map { "$_=$self->{port}{$_}" } @servers);

	close $output;
	chomp(my @pids = <$pids>);
	push @{ $self->{launched} }, { launcher => $launcher, pids => \@pids };
	croak "Swift does not start; see $self->{directory}/log"
	  if @pids != @servers;
	$self->wait_for_port($self->{port}{$_}) foreach @servers;
	return;
}

# End the servers that were started last.
sub end_launched
{
	my ($self) = @_;
	my $launched = pop @{ $self->{launched} };

	kill 'KILL', @{ $launched->{pids} };
	waitpid $launched->{launcher}, 0;
	return;
}

sub wait_for_port
{
	my ($self, $port) = @_;
	my $give_up = time + 300;

	until (
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port))
	{
		croak "nobody listens on port $port; see $self->{directory}/log"
		  if time > $give_up;
		sleep 0.05;
	}
	return;
}

sub start
{
	my ($class, $directory, %options) = @_;
	my $self =
	  bless { directory => $directory, launched => [], %options }, $class;
	my %port;

	my @servers = ('memcached', @storage, $self->proxies);

	@port{@servers} = free_ports(scalar @servers);
	$self->{port} = \%port;
	$self->{key} = ACCOUNT . ':' . USER;
	$self->{secret} = SECRET;
	$self->{endpoint} = "http://127.0.0.1:$port{proxy}";
	$self->{tls_endpoint} = "https://localhost:$port{tls}" if $self->{tls};
	$self->{ca_file} = "$directory/ca.pem";
	mkdir "$directory/devices";
	mkdir "$directory/devices/disk";
	$self->write_configuration(%port);
	$self->resume;
	return $self;
}

# start_or_skip - for a TAP test: start a server with a bucket "bucket", or skip
# the test if Swift is not installed.
sub start_or_skip
{
	my ($class, %options) = @_;

	plan skip_all => 'Swift is not installed' unless available();
	$ENV{no_proxy} = '*';
	my $self =
	  $class->start(PostgreSQL::Test::Utils::tempdir_short(), %options);
	$self->create_bucket('bucket');
	return $self;
}

# Start the processes, also after stop.  The clocks of those that clients connect
# to are so many seconds ahead.
sub resume
{
	my ($self, $ahead) = @_;
	my $port = $self->{port};

	$self->{memcached} = $self->spawn(undef, 'memcached', '-l', '127.0.0.1',
		'-p', $port->{memcached}, '-U', 0, '-m', 16);
	$self->wait_for_port($port->{memcached});
	if ($ahead)
	{
		$self->launch(0, @storage);
		$self->launch($ahead, $self->proxies);
	}
	else
	{
		$self->launch(0, @storage, $self->proxies);
	}
	return;
}

# restart_proxies - after resume with clocks that are ahead: start only the
# processes that clients connect to, with the right time.
sub restart_proxies
{
	my ($self) = @_;

	$self->end_launched;
	$self->launch(0, $self->proxies);
	return;
}

sub stop
{
	my ($self) = @_;

	$self->end_launched while @{ $self->{launched} };
	if (my $memcached = delete $self->{memcached})
	{
		kill 'KILL', $memcached;
		waitpid $memcached, 0;
	}
	return;
}

# sign - return headers that sign a request, and others, with AWS Signature Version
# 4.  (curl
# can sign, but its versions treat the colon in Swift's keys differently.)
sub sign
{
	my ($self, $method, $path, %others) = @_;
	my ($uri, $query) = split /\?/, $path, 2;
	my ($host) = $self->{endpoint} =~ m{//(.*)};
	my $time = strftime('%Y%m%dT%H%M%SZ', gmtime);
	my $scope = substr($time, 0, 8) . '/us-east-1/s3/aws4_request';
	my %headers = (
		'host' => $host,
		'x-amz-content-sha256' => 'UNSIGNED-PAYLOAD',
		'x-amz-date' => $time,
		%others);
	my $names = join ';', sort keys %headers;
	my $canonical = join "\n", $method, $uri,
	  join('&', sort map { /=/ ? $_ : "$_=" } split /&/, $query // ''),
	  (map { "$_:$headers{$_}" } sort keys %headers),
	  '', $names, $headers{'x-amz-content-sha256'};
	my $key = "AWS4$self->{secret}";

	$key = hmac_sha256($_, $key) foreach split m{/}, $scope;
	my $signature =
	  hmac_sha256_hex(
		join("\n", 'AWS4-HMAC-SHA256', $time, $scope, sha256_hex($canonical)),
		$key);

	$headers{Authorization} =
		"AWS4-HMAC-SHA256 Credential=$self->{key}/$scope,"
	  . "SignedHeaders=$names,Signature=$signature";
	return map { "$_: $headers{$_}" } sort keys %headers;
}

# request - send a signed request, by curl, and return the answer.
sub request
{
	my ($self, $method, $path, @options) = @_;

	open my $curl, '-|', 'curl', '-s', '--noproxy', '*', '-X', $method,
	  (map { ('-H', $_) } $self->sign($method, $path)), @options,
	  "$self->{endpoint}$path"
	  or croak "curl: $!";
	my $answer = do { local $/; <$curl> };
	close $curl or croak "curl $method $path failed";
	return $answer // '';
}

# directly - return the same server without its processes and without a proxy in
# front of it.
sub directly
{
	my ($self) = @_;

	return bless {
		%$self,
		endpoint => "http://127.0.0.1:$self->{port}{proxy}",
		launched => [],
		memcached => undef
	}, ref $self;
}

# list - return the keys of all objects whose names begin so.
sub list
{
	my ($self, $bucket, $prefix) = @_;
	my @keys;

	$prefix =~ s{/}{%2F}g;
	while (1)
	{
		my $after = @keys ? '&start-after=' . $keys[-1] =~ s{/}{%2F}gr : '';
		# in the order that signing requires
		my $answer = $self->request('GET',
			"/$bucket/?list-type=2&prefix=$prefix$after");
		my @page = $answer =~ m{<Key>([^<]*)</Key>}g;

		push @keys, @page;
		return @keys if !@page || $answer !~ m{<IsTruncated>true<};
	}
}

# check_logs - one test: no log of these nodes contains a secret, neither a key
# nor a signature.  A test adds other secrets to $s3->{secrets}.
sub check_logs
{
	my ($self, @nodes) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	check_files($self->{secrets} // [], map { $_->logfile } @nodes);
	return;
}

# check_files - the same for log files, at least one, and a list of secrets.
sub check_files
{
	my ($others, @files) = @_;
	my @secrets = map { quotemeta } SECRET, @$others;
	my $secret = join '|', @secrets, 'AWS4', 'Signature=', 'Credential=',
	  '(?i:authorization:)', '(?i:x-amz-)';
	my @found;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	croak 'there are no logs' unless @files;
	foreach my $file (@files)
	{
		open my $log, '<', $file or croak "$file: $!";
		push @found, grep { /$secret/ } <$log>;
		close $log;
	}
	is("@found", '', 'no key and no signature is in a log');
	return;
}

sub create_bucket
{
	my ($self, $bucket) = @_;
	my $answer = $self->request('PUT', "/$bucket");

	croak "could not create bucket: $answer" if $answer =~ /<Error>/;
	return;
}

# keep_versions - keep versions of the objects of a bucket from now on.
sub keep_versions
{
	my ($self, $bucket) = @_;
	my $answer = $self->request('PUT', "/$bucket?versioning=",
		'-d', '<VersioningConfiguration><Status>Enabled</Status>'
		  . '</VersioningConfiguration>');

	croak "could not turn versioning on: $answer" if $answer =~ /<Error>/;
	return;
}

# sql - return the statements that create a page store in it.
sub sql
{
	my ($self, $server, $url, $options) = @_;

	$options = defined $options ? ", $options" : '';
	return qq(
CREATE SERVER $server FOREIGN DATA WRAPPER bbackup
	OPTIONS (url '$url', endpoint '$self->{endpoint}' $options);
CREATE USER MAPPING FOR PUBLIC SERVER $server
	OPTIONS (access_key_id '$self->{key}',
			 secret_access_key '$self->{secret}');
);
}

# serve - serve until standard input ends; see above.
sub serve
{
	my ($directory) = @_;
	my $self = BBackup::S3->start($directory);

	$self->create_bucket('bucket');
	$| = 1;
	print "$self->{endpoint} $self->{key} $self->{secret}\n";
	1 while <STDIN>;
	$self->stop;
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

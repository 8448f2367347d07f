# Sources: their options, and which role may set and use them; passwords; TLS;
# several hosts; and servers that are none.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(slurp);
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use POSIX ();
use Time::HiRes qw(time);

my $certificates = PostgreSQL::Test::Utils::tempdir;
my $store = new_store('store');
my $source = PostgreSQL::Test::Cluster->new('source');

# --- A source with TLS, and passwords.

# an authority, and a certificate of it for localhost; and another authority
sub openssl
{
	my ($command) = @_;

	system("openssl $command 2>>$certificates/log") == 0
	  or die "openssl $command: " . slurp("$certificates/log");
	return;
}

sub authority
{
	my ($name) = @_;

	openssl("req -newkey rsa:2048 -nodes -days 2 -x509 -subj /CN=$name "
		  . "-keyout $certificates/$name.key -out $certificates/$name.crt");
	return;
}

authority('right');
authority('wrong');
openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost "
	  . "-keyout $certificates/server.key -out $certificates/server.csr");
openssl("x509 -req -days 2 -in $certificates/server.csr "
	  . "-CA $certificates/right.crt -CAkey $certificates/right.key "
	  . "-CAcreateserial -out $certificates/server.crt");
chmod 0600, "$certificates/server.key" or die $!;

$source->init(allows_streaming => 1);
$source->append_conf('postgresql.conf', qq(
listen_addresses = '127.0.0.1'
password_encryption = 'scram-sha-256'
log_statement = none
ssl = on
ssl_cert_file = '$certificates/server.crt'
ssl_key_file = '$certificates/server.key'
));
unlink $source->data_dir . '/pg_hba.conf' or die $!;
$source->append_conf('pg_hba.conf', q(
local	all	all	trust
local	replication	all	trust
host	replication	trusted	127.0.0.1/32	trust
host	replication	all	127.0.0.1/32	scram-sha-256
));
$source->start;
$source->safe_psql('postgres', q(
CREATE ROLE repl LOGIN REPLICATION PASSWORD 'open sesame';
CREATE ROLE trusted LOGIN REPLICATION;
CREATE ROLE plain LOGIN PASSWORD 'open sesame';
));
my $port = $source->port;

# --- Options.

sub create_server
{
	my ($options) = @_;

	return "CREATE SERVER never FOREIGN DATA WRAPPER bbackup_source "
	  . "OPTIONS ($options)";
}

sub refused
{
	my ($options, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fails_like($store, create_server($options), $expected, $name);
	return;
}

for my $name (qw(dbname replication options client_encoding))
{
	refused("$name 'x'",
		qr/ERROR:  HV00D: invalid option "$name".*HINT:  A source is a replication connection/s,
		"$name is bbackup's");
}
refused("service 'x'", qr/HV00D: .*HINT:  Options in files of services/s,
	'services');
refused("password 'x'", qr/HV00D: .*HINT:  Set it for a role/s,
	'a password is not of a server');
refused("fallback_application_name 'x'",
	qr/HV00D: .*HINT:  Valid options in this context are: host, hostaddr, port,/s,
	'an option without a meaning');
my %invalid = (
	sslmode => 'verify',
	port => '70000',
	connect_timeout => '-1',
	keepalives => 'yes',
	target_session_attrs => 'master',
	confirm => 'received',
	channel_binding => 'on',
	gssencmode => 'x',
	host => '',
	application_name => '');
for my $name (sort keys %invalid)
{
	refused("$name '$invalid{$name}'", qr/ERROR:  22023: /,
		"$name '$invalid{$name}'");
}
refused("wal_directory 'archive'", qr/22023: .*must be an absolute path/,
	'wal_directory is absolute');

# all that is right; libpq's own options have the values of its documentation
$store->safe_psql('postgres', create_server(<<'EOF'));
host 'a,b', hostaddr '127.0.0.1,127.0.0.2', port '5432,', sslmode 'verify-full',
target_session_attrs 'prefer-standby', connect_timeout '5', keepalives '1',
keepalives_idle '60', keepalives_interval '5', keepalives_count '3',
tcp_user_timeout '10000', sslrootcert '/none', sslcrl '/none', sslcrldir '/none',
ssl_min_protocol_version 'TLSv1.2', ssl_max_protocol_version 'TLSv1.3',
sslcompression '0', sslsni '1', channel_binding 'prefer', gssencmode 'disable',
krbsrvname 'postgres', application_name 'bb', confirm 'spool',
wal_directory '/archive', restore_command 'cp /archive/%f %p'
EOF
$store->safe_psql('postgres', 'DROP SERVER never');
fails_like($store, q(CREATE USER MAPPING FOR CURRENT_USER SERVER bbackup OPTIONS (user 'x')),
	qr/ERROR:  HV00D: /, 'a page store has no such options');

# --- Using sources.

# source - a source with these options, and a mapping of the superuser.
sub source
{
	my ($name, $options, $mapping) = @_;

	$store->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER bbackup_source OPTIONS ($options);"
		  . (defined $mapping
			? "CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS ($mapping)"
			: ''));
	return;
}

sub identify
{
	my ($name, $columns) = @_;

	$columns //= '*';
	return "SELECT $columns FROM bb_identify_source('$name')";
}

my $secret = "user 'repl', password 'open sesame'";
my $system = $source->safe_psql('postgres',
	'SELECT system_identifier FROM pg_control_system()');

source('shop', "host '127.0.0.1', port '$port'", $secret);
query_is($store,
	identify('shop',
		'host, role, encrypted, standby, version_num / 10000, system_identifier, tli, segment_size'),
	join('|',
		"127.0.0.1:$port", 'repl', 't', 'f',
		int($store->safe_psql('postgres', 'SHOW server_version_num') / 10000),
		$system, 1, 16 * 1024 * 1024),
	'a role with REPLICATION alone, and a password');
query_is($store, identify('shop', 'lsn > \'0/1000000\''), 't', 'the end of its WAL');

fails_like($store, identify('nowhere'),
	qr/ERROR:  42704: source "nowhere" does not exist.*bbackup_source/s,
	'a source that does not exist');
fails_like($store, identify('bbackup'),
	qr/ERROR:  42809: server "bbackup" is not a source/, 'a page store is none');

# a superuser needs no mapping, as with psql
source('socket', "host '@{[ $source->host ]}', port '$port'");
query_is($store, identify('socket', 'role = current_user, encrypted'),
	't|f', 'by a socket, without a mapping');
source('nohost', "port '$port'", $secret);
fails_like($store, identify('nohost'), qr/ERROR:  HV00J: source "nohost" has no host/,
	'no host is not a default host');
source('counts', "host 'a,b', port '1,2,3'", $secret);
fails_like($store, identify('counts'),
	qr/ERROR:  22023: .*DETAIL:  There are 2 names, 0 addresses and 3 ports/s,
	'as many ports as hosts');

# --- Passwords.

source('wrong', "host '127.0.0.1', port '$port'", "user 'repl', password 'close sesame'");
fails_like($store, identify('wrong'),
	qr/ERROR:  28P01: could not connect to source "wrong"\nDETAIL:  connection to server at "127.0.0.1", port $port failed: FATAL:  password authentication failed for user "repl"\n(?!.*auth_failed)/s,
	'a wrong password');
$source->safe_psql('postgres', q(ALTER ROLE repl PASSWORD 'changed'));
fails_like($store, identify('shop'), qr/ERROR:  28P01: /, 'a password that has changed');
$store->safe_psql('postgres',
	q(ALTER USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (SET password 'changed')));
query_is($store, identify('shop', 'role'), 'repl', 'and the mapping after it');
source('plain', "host '127.0.0.1', port '$port'", "user 'plain', password 'open sesame'");
fails_like($store, identify('plain'), qr/ERROR:  (42501|28000): .*(walsender|WAL sender)/s,
	'a role without REPLICATION');

# --- Rights.

$store->safe_psql('postgres', q(
CREATE ROLE alice;
CREATE ROLE bob;
GRANT USAGE ON FOREIGN DATA WRAPPER bbackup_source TO alice;
));

sub as_alice
{
	my ($query) = @_;

	return "SET ROLE alice; $query";
}

fails_like($store, as_alice(identify('shop')), qr/ERROR:  42501: permission denied for function/,
	'nothing is granted to PUBLIC');
$store->safe_psql('postgres',
	'GRANT EXECUTE ON FUNCTION bb_identify_source TO alice, bob');
fails_like($store, as_alice(identify('shop')),
	qr/ERROR:  42501: permission denied for foreign server shop/, 'USAGE on the server');
for my $files ("wal_directory '/archive'", "sslrootcert '/none'", "sslcrl '/none'",
	"sslcrldir '/none'")
{
	fails_like($store, as_alice(create_server("host 'x', $files")),
		qr/ERROR:  42501: .*pg_read_server_files/s, "$files needs files");
}
fails_like($store, as_alice(create_server("host 'x', restore_command 'true'")),
	qr/ERROR:  42501: .*pg_execute_server_program/s, 'a command needs another role');
$store->safe_psql('postgres', as_alice(
	"CREATE SERVER hers FOREIGN DATA WRAPPER bbackup_source OPTIONS (host '127.0.0.1', port '$port')"));
fails_like($store, as_alice(identify('hers')),
	qr/ERROR:  42501: role "alice" has no user mapping for source "hers"/, 'no mapping');
fails_like($store, identify('hers'),
	qr/ERROR:  42501: role ".*" has no user mapping for source "hers"/,
	'a superuser needs one for the source of another role');

sub her_mapping
{
	my ($options) = @_;

	return as_alice("DROP USER MAPPING IF EXISTS FOR alice SERVER hers;"
		  . "CREATE USER MAPPING FOR alice SERVER hers OPTIONS ($options)");
}

for my $identity (qw(sslcert sslkey passfile))
{
	fails_like($store, her_mapping("$identity '/none'"),
		qr/ERROR:  42501: only superusers can set the option "$identity"/,
		"$identity is the server's identity");
}
fails_like($store, her_mapping("password_required 'false'"), qr/ERROR:  42501: /,
	'password_required');
for my $empty ("user 'trusted'", "user 'trusted', password ''")
{
	$store->safe_psql('postgres', her_mapping($empty));
	fails_like($store, as_alice(identify('hers')),
		qr/ERROR:  42501: password is required for source "hers"/,
		"a mapping without a password: $empty");
}
$store->safe_psql('postgres', her_mapping("user 'trusted', password 'needless'"));
fails_like($store, as_alice(identify('hers')),
	qr/ERROR:  42501: source "hers" did not ask for a password/, 'a server that trusts');
$store->safe_psql('postgres', her_mapping("user 'repl', password 'changed'"));
query_is($store, as_alice(identify('hers', 'role')), 'repl', 'with a password');
$store->safe_psql('postgres',
	q(DROP USER MAPPING FOR alice SERVER hers;
	CREATE USER MAPPING FOR alice SERVER hers OPTIONS (user 'trusted', password_required 'false')));
query_is($store, as_alice(identify('hers', 'role')), 'trusted',
	'a superuser may allow that');
fails_like($store, as_alice(q(ALTER USER MAPPING FOR alice SERVER hers OPTIONS (SET user 'repl'))),
	qr/ERROR:  42501: /, 'but she cannot turn it elsewhere');
$store->safe_psql('postgres', 'GRANT pg_read_server_files TO alice');
$store->safe_psql('postgres',
	as_alice(create_server("wal_directory '/archive', sslrootcert '/none'") . '; DROP SERVER never'));

# --- TLS.

sub tls
{
	my ($name, $host, $mode, $root) = @_;

	source($name,
		"host '$host', port '$port', sslmode '$mode'"
		  . (defined $root ? ", sslrootcert '$certificates/$root.crt'" : ''),
		"user 'repl', password 'changed'");
	return;
}

tls('verified', 'localhost', 'verify-full', 'right');
query_is($store, identify('verified', 'host, encrypted'), "localhost:$port|t",
	'verify-full');
tls('untrusted', 'localhost', 'verify-full', 'wrong');
fails_like($store, identify('untrusted'), qr/ERROR:  08006: .*certificate verify failed/s,
	'an authority that is not trusted');
tls('othername', '127.0.0.1', 'verify-full', 'right');
fails_like($store, identify('othername'), qr/ERROR:  08006: .*does not match host name/s,
	'the name of another host');
tls('signed', '127.0.0.1', 'verify-ca', 'right');
query_is($store, identify('signed', 'encrypted'), 't', 'verify-ca');
tls('missing', 'localhost', 'verify-full', 'missing');
fails_like($store, identify('missing'), qr/ERROR:  08006: .*missing\.crt/s, 'no such file');
tls('without', 'localhost', 'disable');
query_is($store, identify('without', 'encrypted'), 'f', 'without TLS');

# --- Several hosts.

my $dead = PostgreSQL::Test::Cluster::get_free_port();
source('several', "host '127.0.0.1,127.0.0.1', port '$dead,$port'",
	"user 'repl', password 'changed'");
query_is($store, identify('several', 'host'), "127.0.0.1:$port", 'the second of two hosts');
source('dead', "host '127.0.0.1,localhost', port '$dead'", $secret);
fails_like($store, identify('dead'),
	qr/ERROR:  08006: could not connect to source "dead"\nDETAIL:  connection to server at "127.0.0.1", port $dead failed: .*host "localhost": .*refused/s,
	'each failure is told');
# an error of authentication is not one of a host, as in libpq
source('refused', "host '127.0.0.1,127.0.0.1', port '$port,$dead'", $secret);
fails_like($store, identify('refused'), qr/ERROR:  28P01: (?!.*port $dead)/s,
	'a host that refuses the password is the last');
source('unknown', "host 'host.invalid,127.0.0.1', port '$port'",
	"user 'repl', password 'changed'");
query_is($store, identify('unknown', 'host'), "127.0.0.1:$port",
	'a host with an unknown name is passed over');

$source->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($source, 'base', has_streaming => 1);
$standby->start;
my $standby_port = $standby->port;
$source->wait_for_catchup($standby);

for my $case (
	[ 'primary', 'f' ], [ 'read-write', 'f' ], [ 'standby', 't' ], [ 'read-only', 't' ],
	[ 'prefer-standby', 't' ], [ 'any', 't' ])
{
	my ($attributes, $expected) = @$case;

	source("attributes_$expected",
		"host '127.0.0.1,127.0.0.1', port '$standby_port,$port', target_session_attrs '$attributes'",
		"user 'repl', password 'changed'");
	query_is($store, identify("attributes_$expected", 'standby, system_identifier'),
		"$expected|$system", "target_session_attrs $attributes");
	$store->safe_psql('postgres', "DROP SERVER attributes_$expected CASCADE");
}
source('preference',
	"host '127.0.0.1,127.0.0.1', port '$dead,$port', target_session_attrs 'prefer-standby'",
	"user 'repl', password 'changed'");
query_is($store, identify('preference', 'standby'), 'f', 'no standby: the primary');
source('readwrite',
	"host '127.0.0.1', port '$standby_port', target_session_attrs 'read-write'",
	"user 'repl', password 'changed'");
fails_like($store, identify('readwrite'), qr/ERROR:  08006: .*session is read-only/s,
	'a standby is not read-write');

# --- Servers that are none.

# listener - a port; each connection is served by a child with this code.
my @listeners;

sub listener
{
	my ($serve) = @_;
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', Listen => 8, Proto => 'tcp') or die $!;
	my $pid = fork // die $!;

	if ($pid == 0)
	{
		$SIG{CHLD} = 'IGNORE';
		while (my $client = $socket->accept)
		{
			my $child = fork // POSIX::_exit(1);

			next if $child != 0;
			$client->autoflush(1);
			$serve->($client);
			close $client;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	push @listeners, $pid;
	return $socket->sockport;
}

END
{
	my $status = $?;

	kill 'KILL', @listeners;
	waitpid $_, 0 for @listeners;
	$? = $status;
}

sub fake
{
	my ($name, $serve, $more) = @_;

	source($name,
		"host '127.0.0.1', port '@{[ listener($serve) ]}'" . ($more // ''), $secret);
	return;
}

sub read_some { my ($client) = @_; sysread $client, my $bytes, 4096; return; }

fake('http', sub { read_some($_[0]); print { $_[0] } "HTTP/1.1 400 Bad Request\r\n\r\n"; });
fails_like($store, identify('http'), qr/ERROR:  08006: could not connect to source "http"/,
	'a server of another kind');
fake('ssh', sub { print { $_[0] } "SSH-2.0-OpenSSH_9.2p1\r\n"; read_some($_[0]) });
fails_like($store, identify('ssh'), qr/ERROR:  08006: could not connect/, 'another kind');
fake('closes', sub { read_some($_[0]) });
fails_like($store, identify('closes'), qr/ERROR:  08006: .*DETAIL:  .*closed/s,
	'a server that closes');
fake('noise', sub { read_some($_[0]); print { $_[0] } 'N'; read_some($_[0]);
		print { $_[0] } map { chr int rand 256 } 1 .. 5000; read_some($_[0]) });
fails_like($store, identify('noise'), qr/ERROR:  08006: could not connect/, 'noise');

my $silent = sub { 1 while sysread $_[0], my $bytes, 4096; };
fake('silent', $silent, ", connect_timeout '1'");
fails_like($store, identify('silent'), qr/ERROR:  08006: .*DETAIL:  .*timeout expired/s,
	'a server that says nothing');
# without a timeout, a cancel and the deadline of the call end it
fake('patient', $silent, ", connect_timeout '0'");
fails_like($store, "SET statement_timeout = '500ms'; " . identify('patient'),
	qr/ERROR:  57014: canceling statement due to statement timeout/, 'canceled');
fails_like($store, "SET bbackup.call_timeout = '500ms'; " . identify('patient'),
	qr/ERROR:  57014: canceling listing due to bbackup.call_timeout/, 'too late');

# --- Nothing is left of all that.

my $session = start_session($store);
my $before = backend_descriptors($session->{backend});
for my $name (qw(shop silent http wrong several verified) x 3)
{
	# some fail
	scalar ask($session, identify($name));
}
is(backend_descriptors($session->{backend}), $before,
	'no descriptor is left');
end_session($session);
ok( $source->poll_query_until('postgres',
		q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE backend_type = 'walsender' AND application_name = 'bbackup'))),
	'no connection is left');
my $log = slurp($store->logfile);
unlike($log, qr/DETAIL:.*(open|close) sesame/, 'no password in the log');

# --- The options are dumped.

my ($dump) = run_command([ 'pg_dump', '-s', '-d', $store->connstr('postgres') ]);
like($dump, qr/CREATE SERVER shop FOREIGN DATA WRAPPER bbackup_source OPTIONS \(/,
	'pg_dump has the sources');

done_testing();

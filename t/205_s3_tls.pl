# Object storage by HTTPS: which certificates are trusted; buckets in host names;
# session tokens; which user's keys are used.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::S3;

my $s3 = BBackup::S3->start_or_skip(tls => 1);
my $proxy = BBackup::FaultProxy->start(PostgreSQL::Test::Utils::tempdir,
	$s3->{port}{proxy});
my $source = new_source('source');
$source->stop;
my $base = $source->data_dir;
my $store = new_store('store');
import_directory($store, $base);

# server - create a page store with another endpoint, each with a different prefix.
sub server
{
	my ($name, $endpoint, $options) = @_;
	my $there = $s3->directly;

	$there->{endpoint} = $endpoint;
	$store->safe_psql('postgres',
		$there->sql($name, "s3://bucket/$name", $options));
	return;
}

my $right = $store->safe_psql('postgres', backup_md5('bbackup'));

sub works
{
	my ($server, $name, $settings) = @_;

	$settings //= '';
	$store->safe_psql('postgres',
		"$settings SELECT * FROM bb_import_directory('$base', '$server')");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	query_is($store, $settings . backup_md5($server), $right, $name);
	return;
}

# --- Certificates.

my $trust = "SET bbackup.s3_ca_file = '$s3->{ca_file}';";

server('tls', $s3->{tls_endpoint});
works('tls', 'a store by HTTPS', $trust);
fails_like($store, "SELECT * FROM bb_timelines('tls')",
	qr/ERROR:  08006: .*DETAIL:  SSL .*\(1 attempt\).*HINT:  Set bbackup.s3_ca_file/s,
	'an authority that nobody knows is refused');
fails_like($store,
	"SET bbackup.s3_ca_file = '/nonexistent'; SELECT * FROM bb_timelines('tls')",
	qr/ERROR:  08006: .*\(1 attempt\).*HINT:  Set bbackup.s3_ca_file/s,
	'a file that is not there is named');
server('wrong_name', $s3->{tls_endpoint} =~ s/localhost/127.0.0.1/r);
fails_like($store, "$trust SELECT * FROM bb_timelines('wrong_name')",
	qr/ERROR:  08006: .*DETAIL:  SSL: .*127\.0\.0\.1.*\(1 attempt\)/s,
	'so is a certificate of another host');
{
	my $there = $s3->directly;

	$there->{endpoint} = $s3->{tls_endpoint};
	$store->safe_psql('postgres',
		$there->sql('dots', 's3://my.bucket/dots', "path_style 'false'"));
}
fails_like($store, "$trust SELECT * FROM bb_timelines('dots')",
	qr/ERROR:  08006: .*DETAIL:  SSL: .*my\.bucket\.localhost.*HINT:  Set the server's option "path_style" to true/s,
	'and of a bucket with dots, which says what to do');
server('plain', $s3->{endpoint} =~ s/^http:/https:/r);
fails_like($store,
	"$trust SET bbackup.s3_retry_time = 0; SELECT * FROM bb_timelines('plain')",
	qr/ERROR:  08006: .*DETAIL:  .*SSL/s,
	'a server that does not speak it is no server');
fails_like($store, "LOAD 'bbackup'; CREATE ROLE eve; SET ROLE eve; $trust",
	qr/ERROR:  42501: permission denied to set parameter "bbackup.s3_ca_file"/,
	'whom to trust is a superuser\'s to say');

# --- The bucket in the host's name: localhost's subdomains are this machine.

server('by_host', "http://localhost:$proxy->{port}", "path_style 'false'");
works('by_host', 'a store by host name');
my @heads = $proxy->heads;
is( scalar(grep { !/^Host: bucket\.localhost:/m } @heads),
	0, 'which is in each request');
is(scalar(grep { m{^[A-Z]+ /bucket} } @heads), 0, 'and not in the path');
server('by_host_tls', $s3->{tls_endpoint}, "path_style 'false'");
works('by_host_tls', 'the same by HTTPS', $trust);

# --- A session token is sent, and signed.

my $token = 'Tok+en/With=Everything';
server('token', "http://127.0.0.1:$proxy->{port}");
$store->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER token"
	  . " OPTIONS (ADD session_token '$token')");
my $before = @heads;
works('token', 'a store with a session token');
@heads = $proxy->heads;
my @with = @heads[ $before .. $#heads ];
cmp_ok(scalar @with, '>', 5, 'there were requests');
is(scalar(
		grep {
			!(     /^x-amz-security-token: \Q$token\E\r$/mi
				&& /^Authorization: .*SignedHeaders=[^,]*x-amz-security-token/mi)
		} @with), 0, 'each has the token, and has it signed');

# --- Whose keys are used.

$store->safe_psql('postgres', qq(
CREATE ROLE bob;
GRANT EXECUTE ON FUNCTION bb_timelines(name) TO bob;
));
fails_like($store, "SET ROLE bob; SELECT * FROM bb_timelines('token')",
	qr/ERROR:  42501: permission denied for foreign server token/,
	'another role can not read the store');
query_is($store, 'SET ROLE bob; SELECT count(*) FROM pg_user_mappings'
	  . ' WHERE umoptions IS NOT NULL',
	0, 'nor see its keys');
$store->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER token TO bob');
query_is($store, "SET ROLE bob; SELECT count(*) FROM bb_timelines('token')", 1,
	'who may use it can');
query_is($store, 'SET ROLE bob; SELECT count(*) FROM pg_user_mappings'
	  . ' WHERE umoptions IS NOT NULL',
	0, 'and still does not see the keys');
fails_like($store, 'SET ROLE bob; SELECT umoptions FROM pg_user_mapping',
	qr/ERROR:  42501: /, 'by any way');
# other users can't use the mapping of a user
$store->safe_psql('postgres', qq(
DROP USER MAPPING FOR PUBLIC SERVER token;
CREATE USER MAPPING FOR CURRENT_USER SERVER token
	OPTIONS (access_key_id '$s3->{key}', secret_access_key '$s3->{secret}');
));
query_is($store, "SELECT count(*) FROM bb_timelines('token')", 1,
	'the keys of one user are his');
fails_like($store, "SET ROLE bob; SELECT * FROM bb_timelines('token')",
	qr/ERROR:  HV00\w: there are no keys for page store/,
	'and nobody else\'s');

push @{ $s3->{secrets} }, $token;
$s3->check_logs($store);
$proxy->stop;
done_testing();

# Object storage as it is in production: keys of roles, encryption by the server,
# storage classes, retention, versions.
#
# The services that give keys are those of BBackup::Metadata.  The bucket is one of
# OpenStack Swift, which keeps versions, behind BBackup::Bucket, which has the other
# rules.

use strict;
use warnings;
use BBackup;
use BBackup::Bucket;
use BBackup::Files qw(write_file);
use BBackup::Following qw(wait_for);
use BBackup::Metadata;
use BBackup::S3;
use File::Basename;

my $s3 = BBackup::S3->start_or_skip();
my $bucket = BBackup::Bucket->start($s3);
my $metadata = BBackup::Metadata->start($s3->{key}, $s3->{secret});

my $base = cold_backup(new_source('source'));
my $identity = PostgreSQL::Test::Utils::tempdir . '/identity';
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
bbackup.s3_retry_time = 2s
bbackup.upkeep = off
bbackup.upkeep_naptime = 1s
bbackup.verify_interval = 0
));
my $role = 'arn:aws:iam::123456789012:role/backup';

write_file($identity, "identity-1\n");

# new_server - create a page store behind the bucket, with these options.
sub new_server
{
	my ($name, $options, $keys) = @_;

	$store->safe_psql('postgres', qq(
CREATE SERVER $name FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 's3://bucket/$name', endpoint '$bucket->{endpoint}', upkeep 'false', $options);
));
	$store->safe_psql('postgres', qq(
CREATE USER MAPPING FOR PUBLIC SERVER $name
	OPTIONS (access_key_id '$s3->{key}', secret_access_key '$s3->{secret}');
)) if $keys;
	return;
}

sub timelines { return "SELECT count(*) FROM bb_timelines('$_[0]')" }

sub import_into { return "SELECT pages > 0 FROM bb_import_directory('$base', '$_[0]')" }

# ---- the keys of a role ----

my $from = "credentials_endpoint '$metadata->{endpoint}";
$bucket->rules(token => $metadata->{token_file});
new_server('instance', "credentials 'instance', $from'");
new_server('container',
	"credentials 'container', $from/container', credentials_token_file '$identity'");
new_server('web',
	"credentials 'web_identity', role_arn '$role', $from/', credentials_token_file '$identity'");
foreach my $kind ('instance', 'container', 'web')
{
	query_is($store, timelines($kind), 0, "$kind: a role gives keys");
}
query_is($store, import_into('instance'), 't', 'a timeline is written with them');
is_deeply([ ($metadata->requests)[ 0 .. 2 ] ],
	[
		'PUT /latest/api/token',
		'GET /latest/meta-data/iam/security-credentials/',
		'GET /latest/meta-data/iam/security-credentials/backup-role'
	],
	'the instance is asked by version 2 of the protocol');
query_is($store,
	"SELECT keys_from, renewable, expires > now() + '50 min' FROM bb_store_credentials('web')",
	'web_identity|t|t', 'bb_store_credentials tells where keys are from');

# A session keeps its keys, and renews them: when they expire, or are refused.
my $session = start_session($store);
$metadata->forget_requests;
send_query($session, timelines('instance')), answer($session) for 1 .. 3;
is(scalar(grep { /backup-role/ } $metadata->requests), 1, 'a session asks once');
$metadata->rotate;
send_query($session, timelines('instance'));
is(answer($session), 1, 'keys that S3 refuses are renewed');
is(scalar(grep { /backup-role/ } $metadata->requests), 2, 'once');
$metadata->set(expires => -5);
$metadata->rotate;
send_query($session, timelines('instance'));
is(answer($session), 1, 'keys that have expired are used while S3 accepts them');
query_is($store,
	"SELECT status, message ~ 'renewed' FROM bb_check('instance') WHERE check_name = 'credentials'",
	'critical|t', 'bb_check says so');
$metadata->set(expires => 3600);
end_session($session);

# What can go wrong, without a key in any message.
foreach my $case (
	[ instance => { fail => 500 }, qr/instance metadata service\nDETAIL:  It answered 500\./ ],
	[ instance => { fail => 403 }, qr/answered 403.*HINT:  The service is turned off/s ],
	[ instance => { no_role => 1 }, qr/answered 404.*HINT:  Attach a role to the instance/s ],
	[ instance => { body => '{"AccessKeyId": "SECRETKEY", ' }, qr/answer is not JSON/ ],
	[ instance => { body => '{"Code": "AssumeRoleUnauthorizedAccess"}' }, qr/no keys for the role/ ],
	[ instance => { body => '{"AccessKeyId": "A\r\nX-Injected: 1", "SecretAccessKey": "B"}' }, qr/answer has no keys/ ],
	[ container => { identity => 'other' }, qr/agent of the container\nDETAIL:  It answered 401/ ],
	[ web => { identity => 'other' }, qr/answered 400 ExpiredTokenException.*HINT:  The identity provider has to replace the token in/s ],
	[ web => { body => '<AssumeRoleWithWebIdentityResponse><SECRETKEY>' }, qr/answer can't be read/ ],
	[ web => { body => '<AssumeRoleWithWebIdentityResponse></AssumeRoleWithWebIdentityResponse>' }, qr/answer has no keys/ ],
  )
{
	my ($server, $state, $expected) = @$case;

	$metadata->set(%$state);
	fails_like($store, timelines($server),
		qr/ERROR:  08006: could not get keys from the .*$expected/s,
		"$server: " . join ' ', %$state);
	$metadata->set(fail => 0, no_role => '', body => '', identity => 'identity-1');
}
push @{ $s3->{secrets} }, 'SECRETKEY', 'SessionToken-', 'identity-1';
$store->safe_psql('postgres', "ALTER SERVER web OPTIONS (SET role_arn '${role}s')");
fails_like($store, timelines('web'),
	qr/answered 403 AccessDenied.*HINT:  The trust policy of "\Q${role}s\E"/s,
	'a role that may not be assumed');
$store->safe_psql('postgres',
	"ALTER SERVER web OPTIONS (SET credentials_token_file '/no/such/file')");
fails_like($store, timelines('web'),
	qr/ERROR:  58P01: could not open token file "\/no\/such\/file"/, 'no token');
new_server('nowhere', "credentials 'instance', credentials_endpoint 'http://127.0.0.1:1'");
fails_like($store, timelines('nowhere'),
	qr/ERROR:  08006: could not get keys from the instance metadata service.*HINT:  Is this an instance/s,
	'no service');
$store->safe_psql('postgres', "ALTER SERVER web OPTIONS (DROP role_arn)");
fails_like($store, timelines('web'),
	qr/ERROR:  HV00J: option "role_arn" of the page store is missing\nDETAIL:  The server's environment has no AWS_ROLE_ARN/,
	'neither option nor variable');
query_is($store,
	"SELECT status FROM bb_check('nowhere') WHERE check_name = 'credentials'",
	'critical', 'bb_check says that there are no keys');

# Who may use the machine's role, and who has keys of their own.
$store->safe_psql('postgres', q(
CREATE ROLE maker LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO maker;
CREATE SERVER mine FOREIGN DATA WRAPPER bbackup OPTIONS (url 's3://bucket/mine');
ALTER SERVER mine OWNER TO maker;
ALTER SERVER instance OWNER TO maker;
));
my $denied = qr/ERROR:  42501: permission denied to use the machine's role/;
foreach my $change (
	"ALTER SERVER mine OPTIONS (ADD credentials 'instance')",
	"ALTER SERVER instance OPTIONS (SET url 's3://other/x')",
	"CREATE SERVER new FOREIGN DATA WRAPPER bbackup OPTIONS (url 's3://bucket/x', credentials 'web_identity')"
  )
{
	fails_like($store, "SET ROLE maker; $change", $denied, $change);
}
$bucket->rules;
$metadata->forget_requests;
$store->safe_psql('postgres',
	"CREATE USER MAPPING FOR PUBLIC SERVER instance OPTIONS (access_key_id '$s3->{key}', secret_access_key '$s3->{secret}', session_token 'SessionToken-mine')");
query_is($store, timelines('instance'), 1, "a user's keys come before the role's");
is(join(' ', $metadata->requests), '', 'which is not asked for');
query_is($store,
	"SELECT status, message FROM bb_check('instance') WHERE check_name = 'credentials'",
	'warning|the session token expires, and cannot be renewed',
	'bb_check warns of a token that is not renewed');

# ---- encryption, storage class, retention ----

$bucket->rules(sse => 'aws:kms');
new_server('kms',
	"server_side_encryption 'aws:kms', kms_key_id 'alias/backup', bucket_key 'true'", 1);
query_is($store, import_into('kms'), 't', 'all writes ask for the encryption');
query_is($store, "SELECT bb_try_store('kms')", 't', 'small ones, too');
new_server('bare', "region 'us-east-1'", 1);
fails_like($store, import_into('bare'),
	qr/ERROR:  08006: .*403 AccessDenied/s, 'a policy that requires it is heeded');
$bucket->rules(ignore => 'encryption');
fails_like($store, "SELECT bb_try_store('kms')",
	qr/ERROR:  0A000: object storage ignored option "server_side_encryption" of page store "s3:\/\/bucket\/kms"/,
	'a server that ignores it is no success');
$bucket->rules(ignore => 'bucket-key');
fails_like($store, "SELECT bb_try_store('kms')",
	qr/ignored option "bucket_key"/, 'nor one that ignores a part of it');

$bucket->rules;
new_server('cold',
	"storage_class 'STANDARD_IA', object_lock_mode 'COMPLIANCE', object_lock_days '3'", 1);
query_is($store, import_into('cold'), 't', 'a storage class and a retention are asked for');
my %kept = $bucket->kept;
foreach my $path (sort keys %kept)
{
	my $kept = $kept{$path};

	next unless $path =~ m{/cold/};
	is( join(' ', $kept =~ /class: (\S+)/, $kept =~ /mode: (\S+)/),
		$path =~ m{/layers/} ? 'STANDARD_IA COMPLIANCE'
		: $path =~ m{/manifest$} ? 'COMPLIANCE'
		: '',
		"as it fits $path");
}

# Upkeep extends retentions, and never shortens one.
sub retentions
{
	my %kept = $bucket->kept;

	return map { $kept{$_} =~ /until-date: (\S+)/ } grep { m{/cold/} } keys %kept;
}

sub retain_anew
{
	my ($until, $expected, $name) = @_;

	$bucket->retain_until(qr{/cold/}, $until);
	$s3->request('DELETE', '/bucket/cold/timelines/main/retained');
	$store->safe_psql('postgres', $_)
	  foreach "ALTER SERVER cold OPTIONS (SET upkeep 'true')",
	  'ALTER SYSTEM SET bbackup.upkeep = on', 'SELECT pg_reload_conf()';
	ok( wait_for(
			'a round of retention',
			sub {
				grep { m{/retained$} } $s3->list('bucket', 'cold/timelines');
			}),
		"$name: a round is complete");
	like(join(' ', sort(retentions())), $expected, $name);
	$store->safe_psql('postgres', $_)
	  foreach 'ALTER SYSTEM SET bbackup.upkeep = off', 'SELECT pg_reload_conf()',
	  "ALTER SERVER cold OPTIONS (SET upkeep 'false')";
	ok( wait_for(
			'the end of upkeep',
			sub {
				!grep { /lock/ } $s3->list('bucket', 'cold/');
			}),
		"$name: upkeep has ended");
	return;
}

my $in_3_days = $store->safe_psql('postgres',
	"SELECT to_char((now() + '3 days') AT TIME ZONE 'UTC', 'YYYY-MM-DD')");
retain_anew('2026-01-01T00:00:00Z', qr/^(${in_3_days}T\S+ ?){2}$/,
	'layer and manifest are retained anew');
query_is($store,
	"SELECT count(*), bool_and(error IS NULL) FROM bb_stat_upkeep_jobs WHERE job = 'retain' AND why = 'retained 2 objects anew'",
	'1|t', 'which is a job of upkeep');
retain_anew('2099-01-01T00:00:00Z', qr/^(2099-01-01T00:00:00Z ?){2}$/,
	'what is retained for longer stays so');
query_is($store,
	"SELECT count(*) FROM bb_stat_upkeep_jobs WHERE job = 'retain' AND error IS NOT NULL",
	0, 'which is no error');

foreach my $case ([ 'storage-class', 'storage_class' ], [ 'object-lock', 'object_lock_mode' ])
{
	my ($header, $option) = @$case;

	$bucket->rules(ignore => $header);
	new_server("cold_$option",
		"storage_class 'STANDARD_IA', object_lock_mode 'COMPLIANCE', object_lock_days '3'", 1);
	fails_like($store, import_into("cold_$option"),
		qr/ERROR:  0A000: object storage ignored option "$option".*DETAIL:  Object "timelines\/main\/layers\//s,
		"a server that ignores $option is no success");
	is(join(' ', $s3->list('bucket', "cold_$option/")), '', 'and nothing is left');
}
$bucket->rules(refuse => '/layers/ 400 InvalidRequest');
fails_like($store, import_into('bare'),
	qr/400 InvalidRequest \(2 attempts\)/, 'a hash is tried if a server may want one');
$bucket->rules(archived => '/layers/');
fails_like($store, "SELECT count(*) FROM bb_basebackup_stream(store => 'cold')",
	qr/403 InvalidObjectState.*HINT:  The object is in an archive/s,
	'an archived layer is named');

# ---- what may not be removed ----

$bucket->rules(keep => '/layers/');
my ($out, $warnings);
$store->psql('postgres', "SELECT bb_drop_timeline('main', 'cold')",
	stdout => \$out, stderr => \$warnings, on_error_stop => 1);
like($warnings,
	qr/WARNING:  page store "s3:\/\/bucket\/cold" refuses to remove 1 object\n.*HINT:  Is there a retention/s,
	'a layer that may not be removed is a warning');
query_is($store, timelines('cold'), 0, 'and the timeline is dropped');
query_is($store, import_into('cold'), 't', 'its name can be used again');
$bucket->rules;
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main', 'cold')");
is(join(' ', $s3->list('bucket', 'cold/timelines')), '',
	'what stayed is removed as soon as that is allowed');
$bucket->rules(keep => '/manifest$');
fails_like($store, "SELECT bb_drop_timeline('main', 'kms')",
	qr/ERROR:  08006: page store "s3:\/\/bucket\/kms" refuses to remove object "timelines\/main\/manifest"/,
	'a manifest that may not be removed is an error');

# ---- versions: a store comes back ----

$s3->keep_versions('bucket');
$bucket->rules;
new_server('attacked', "region 'us-east-1'", 1);
$store->safe_psql('postgres', import_into('attacked'));
my $hash = "SELECT md5(string_agg(chunk, '')) FROM (SELECT bb_basebackup_stream("
  . "store => 'attacked') AS chunk) c";
my $before = $store->safe_psql('postgres', $hash);

# times of versions are whole seconds
my $at = $store->safe_psql('postgres',
	"SELECT date_trunc('second', now() + '2 s')");
$store->poll_query_until('postgres', "SELECT now() > '$at'::timestamptz + '2 s'")
  or die 'the clock stands still';
fails_like($store, "SELECT * FROM bb_recover_store('attacked', '2001-01-01')",
	qr/ERROR:  42704: page store "s3:\/\/bucket\/attacked" had no objects at that time/,
	'a time before all');
query_is($store, "SELECT count(*) FROM bb_recover_store('attacked', '$at')", 0,
	'nothing is put back of a store that is whole');
foreach my $key ($s3->list('bucket', 'attacked/'))
{
	$key =~ /manifest$/
	  ? $s3->request('PUT', "/bucket/$key", '-d', 'pay me')
	  : $s3->request('DELETE', "/bucket/$key");
}
query_is($store, timelines('attacked'), 0, 'a store is destroyed');
my $rows = "SELECT count(*) FILTER (WHERE object LIKE '%/layers/%' AND was = 'deleted'),"
  . " count(*) FILTER (WHERE object LIKE '%/manifest' AND was = 'overwritten')"
  . " FROM bb_recover_store('attacked', '$at'";
query_is($store, "$rows)", '1|1', 'a dry run says what it would put back');
query_is($store, timelines('attacked'), 0, 'and puts nothing back');
query_is($store, "$rows, false)", '1|1', 'versions are put back');
is($store->safe_psql('postgres', $hash), $before, 'the backup is the same again');
query_is($store, "$rows)", '0|0', 'and nothing is left to do');
fails_like($store, "SELECT * FROM bb_recover_store('bbackup', now())",
	qr/ERROR:  0A000: .* has no versions of objects/, 'a directory has no versions');

# The statements of docs/reference/stores.md, for a store that was destroyed again.
my ($statements) = slurp_file(dirname(__FILE__) . '/../docs/reference/stores.md') =~
  /^<!-- test: recover -->\n```sql\n(.*?)^```$/ms;
$statements =~ s/'cloud'/'attacked'/g;
$statements =~ s/'2026-[^']*'/'$at'/g;
$s3->request('DELETE', "/bucket/$_") foreach $s3->list('bucket', 'attacked/');
like($store->safe_psql('postgres', $statements),
	qr{^(timelines/main/\S+\|deleted\|.*\n){4}main\|[0-9A-F/]+\|1$},
	'the documented statements bring a store back');

$s3->check_logs($store);
done_testing();

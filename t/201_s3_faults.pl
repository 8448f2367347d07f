# Object storage that fails: temporary failures are retried, others are reported,
# and a page is either right or missing.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::S3;
use Time::HiRes qw(usleep);

my $s3 = BBackup::S3->start_or_skip();
my $proxy = BBackup::FaultProxy->start(PostgreSQL::Test::Utils::tempdir,
	$s3->{port}{proxy});
$s3->{endpoint} = "http://127.0.0.1:$proxy->{port}";

my $source = new_source('source', '--data-checksums');
create_rows($source, 50000);
$source->stop;

my $store = new_store('store', "bbackup.s3_timeout = 2\n");
my $cache = PostgreSQL::Test::Utils::tempdir;
$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/first'));
$store->safe_psql('postgres', $s3->sql(
		'cached', 's3://bucket/first', "cache_directory '$cache'"));
my $directory = $source->data_dir;

# ---- an empty prefix ----

my ($found, $said);
$store->psql('postgres', "SELECT count(*) FROM bb_timelines('cloud')",
	stdout => \$found, stderr => \$said);
is($found, 0, 'where nobody wrote there are no timelines');
like($said, qr/NOTICE:  page store "s3:\/\/bucket\/first" has no timelines\n.*HINT/,
	'which is said');

# ---- temporary failures ----

# every connection of an import fails once, each in a different way
$proxy->faults('reset', '503 SlowDown', '500 InternalError', 'cut 30');
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$directory', 'cloud')");
is($proxy->faults_left, 0, 'an import met all the faults');
import_directory($store, $directory);
my $query =
  "SELECT md5(string_agg(chunk, '')) FROM (SELECT bb_basebackup_stream("
  . "store => '%s') AS chunk) c";
my $right = $store->safe_psql('postgres', sprintf $query, 'bbackup');
like($right, qr/^[0-9a-f]{32}$/, 'a backup of a local store');

$proxy->faults('cut 100000', 'reset', '503 SlowDown', 'stall', 'cut 3000000');
is($store->safe_psql('postgres', sprintf $query, 'cached'),
	$right, 'a download that fails in five ways is right in the end');
is($proxy->faults_left, 0, 'and it met all of them');
$proxy->faults('cut 100000', 'reset', '500 InternalError', 'stall');
is($store->safe_psql('postgres', sprintf $query, 'cloud'),
	$right, 'so is a backup without a cache');
is($proxy->faults_left, 0, 'and it met all of them');

# ---- other failures ----

$proxy->faults('403 RequestTimeTooSkewed');
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*403 RequestTimeTooSkewed \(1 attempt\).*HINT:  Set the clock/s,
	'a clock that is off is named, at once');
$proxy->faults(
	'307 TemporaryRedirect|Location: https://bucket.s3.far.away:8443/x?X-Amz-Signature=secret'
);
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*307 TemporaryRedirect, a redirection to "https:\/\/bucket\.s3\.far\.away:8443" \(1 attempt\).*HINT:  The bucket is in another region or at another endpoint/s,
	'where a redirection leads to is named');
$proxy->faults(
	'301 PermanentRedirect|x-amz-bucket-region: eu-far-1<Endpoint>bucket.s3.amazonaws.com</Endpoint>'
);
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*301 PermanentRedirect, a redirection to "bucket\.s3\.amazonaws\.com" .*HINT:  The bucket is in region "eu-far-1"/s,
	'also where the document and a header tell it');
$proxy->faults(
	'400 AuthorizationHeaderMalformed<Region>eu-central-1</Region>');
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*400 AuthorizationHeaderMalformed .*HINT:  The bucket is in region "eu-central-1"/s,
	'and the region of a signature for another one');
$proxy->faults("307|Location: https://a\xffb/|x-amz-bucket-region: \"';");
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*307, a redirection to "https:\/\/a" .*HINT:  The bucket is in another region/s,
	'of what is no name nothing is told');
$proxy->faults(('503 SlowDown') x 50);
fails_like($store,
	"SET bbackup.s3_retry_time = 1; SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*503 SlowDown \(\d+ attempts\).*HINT:  Try again/s,
	'a server that is always busy is given up');
cmp_ok($proxy->faults_left, '<', 48, 'after several attempts');
$proxy->faults(('stall') x 3);
my $start = time;
fails_like($store,
	"SET bbackup.s3_timeout = 3600; SET statement_timeout = '1s';"
	  . " SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  57014: canceling statement due to statement timeout/,
	'a cancel ends a request that waits');
cmp_ok(time - $start, '<', 600, 'and does not wait for the answer');

# A cancel is signalled twice (signal_child in PostgreSQL's postmaster.c).  Here the
# second signal comes while the layers of the import are being removed.
my $session = start_session($store);
ask($session, "SET bbackup.layer_size = '1MB'");
$proxy->hold('/timelines/twice/layers/image-4');
send_query($session,
	"SELECT * FROM bb_import_directory('$directory', 'cloud', 'twice')");
$proxy->wait_for_held;
cmp_ok(scalar($s3->list('bucket', 'first/timelines/twice/layers/')),
	'>', 0, 'an import has layers');
$proxy->faults('stall');
kill 'INT', $session->{backend};
usleep 10_000 while $proxy->faults_left > 0;
kill 'INT', $session->{backend};
like(answer($session), qr/\AERROR:  57014: canceling statement/,
	'an import that is cancelled twice');
is(scalar($s3->list('bucket', 'first/timelines/twice/layers/')), 0, 'has none');
$proxy->release;
end_session($session);

# Wrong bytes: the CRC shows it, and the second download is right.
unlink glob "$cache/*/*image-*" or die 'nothing was cached';
$proxy->faults('flip 400000');
is($store->safe_psql('postgres', sprintf $query, 'cached'),
	$right, 'a download with a wrong byte is done again');
is($proxy->faults_left, 0, 'there was one');

# ---- a server that lists aborted uploads ----

my $left = '/bucket/first/timelines/late/layers/left';
like($s3->request('POST', "$left?uploads="),
	qr/<UploadId>/, 'somebody left an upload');
$proxy->keep_uploads;
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$directory', 'cloud', 'late')");
is(scalar(grep { /^DELETE \Q$left\E\?uploadId=/ } $proxy->requests),
	1, 'one that it lists for ever is aborted once');
like($s3->request('GET', '/bucket?uploads='),
	qr/\Q$left\E|timelines\/late\/layers\/left/, 'it is listed still');

# ---- a server with conditional PUT ----

my $able = BBackup::FaultProxy->start(PostgreSQL::Test::Utils::tempdir,
	$s3->{port}{proxy},
	$s3->directly);
$s3->{endpoint} = "http://127.0.0.1:$able->{port}";
$store->safe_psql('postgres', $s3->sql('able', 's3://bucket/second'));
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$directory', 'able')");
is($store->safe_psql('postgres', sprintf $query, 'able'),
	$right, 'an import by conditional puts');
my %asked = map { $_ => 1 } $able->conditions;
ok($asked{'If-None-Match 200'}, 'one that must not be there');
ok($asked{'If-Match 412'}, 'a condition that can not hold is tried');
$able->stop;

$s3->check_logs($store);
$proxy->stop;
done_testing();

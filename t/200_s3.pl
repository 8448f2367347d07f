# A page store in object storage works as a local store does, and its backups are
# the same bytes.

use strict;
use warnings;
use BBackup;
use BBackup::S3;
use File::Compare;

my $s3 = BBackup::S3->start_or_skip();

my ($base, $archive, $middle) = filled_archive('--data-checksums');

my $store = new_store('store', "bbackup.checkpoint_distance = 4MB\n");
$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/stores/first'));

# Import and ingest into both stores.
foreach my $server ('bbackup', 'cloud')
{
	query_is($store, "SELECT count(*) FROM bb_timelines('$server')", 0,
		"$server: nothing is there");
	$store->safe_psql('postgres',
		"SELECT * FROM bb_import_directory('$base', '$server')");
	$store->safe_psql('postgres',
		"SELECT * FROM bb_ingest('$archive', '$server')");
}
my $columns = 'timeline, start_lsn, end_lsn, system_identifier, generation,'
  . ' layers, bytes_stored';
is( $store->safe_psql('postgres', "SELECT $columns FROM bb_timelines('cloud')"),
	$store->safe_psql('postgres', "SELECT $columns FROM bb_timelines()"),
	'the timelines are the same');
cmp_ok($store->safe_psql('postgres', "SELECT count(*) FROM bb_layers('cloud')"),
	'>', 3, 'it has several layers');

# A second server with the same URL reads what the first one wrote.
my $reader = new_store('reader', "log_min_messages = debug1\n");
$reader->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/stores/first'));

my $local = fetch_backup($store);
is(compare($local, fetch_backup($store, "store => 'cloud'")),
	0, 'a backup without a cache has the same bytes');

# ---- resident layers ----

# cache_server - create a page store with the same URL and a cache of that size.
my $caches = PostgreSQL::Test::Utils::tempdir;
sub cache_server
{
	my ($name, $size) = @_;

	$reader->safe_psql('postgres', $s3->sql(
			$name,
			's3://bucket/stores/first',
			"cache_directory '$caches/$name', cache_size '$size'"));
	return;
}

sub cached_files
{
	my ($name) = @_;

	return grep { -f } glob "$caches/$name/*/*";
}

# The number of layers that the server has downloaded, from its log.
sub downloads
{
	return scalar(() = slurp_file($reader->logfile) =~
		  /DEBUG:  .* downloaded layer "[^"]+": \d+ bytes in \d+ ms/g);
}

# An empty cache, and several sessions that need the same layers.
my $layers =
  $reader->safe_psql('postgres', "SELECT count(*) FROM bb_layers('cloud')");
my $backup_hash =
  "SELECT md5(string_agg(chunk, '')) FROM (SELECT bb_basebackup_stream("
  . "store => 'whole') AS chunk) c";
cache_server('whole', '1GB');
my @sessions = map { start_session($reader) } 1 .. 4;
send_query($_, $backup_hash) foreach @sessions;
my %answers = map { answer($_) => 1 } @sessions;
end_session($_) foreach @sessions;
is(scalar keys %answers, 1, 'four backups at once are the same');
like((keys %answers)[0], qr/^[0-9a-f]{32}$/, 'and are backups');
is(downloads(), scalar cached_files('whole'), 'each layer came once');
unlike(slurp_file($reader->logfile),
	qr/downloaded layer .*\n.*(STATEMENT|CONTEXT):/,
	'a line for each, and no more');
cmp_ok(scalar cached_files('whole'), '<=', $layers, 'and no more');

# A full cache.
my $before = downloads();
is(compare($local, fetch_backup($reader, "store => 'whole'")),
	0, 'a backup out of the cache has the same bytes');
is(downloads(), $before, 'and downloads nothing');

# Resident layers need no permission to download; others do.
my $error = 'SET bbackup.download_behavior = error;';
is($reader->safe_psql('postgres', "$error $backup_hash"), (keys %answers)[0],
	'if all layers are resident, nothing is refused');
my ($image) = grep { m{_image-} } cached_files('whole');
unlink $image or die "$image: $!";
fails_like($reader, "$error $backup_hash",
	qr/ERROR:  55000: basebackup would have to download layer "[^"]*image-/,
	'error refuses, and names kind and layer');
ok(!-e $image, 'nothing was downloaded');
my ($stdout, $stderr);
$reader->psql(
	'postgres',
	"$error SET bbackup.on_demand_download_behavior_treat_error_as_warn = on;"
	  . " $backup_hash",
	stdout => \$stdout,
	stderr => \$stderr);
is($stdout, (keys %answers)[0], 'the kill switch downloads');
like($stderr, qr/WARNING:  basebackup needs to download layer "[^"]*image-/,
	'and warns');
ok(-e $image, 'it is resident');
unlink $image or die "$image: $!";
$reader->psql(
	'postgres',
	"SET bbackup.download_behavior = warn; $backup_hash",
	stdout => \$stdout,
	stderr => \$stderr);
is($stdout, (keys %answers)[0], 'warn downloads');
like($stderr, qr/WARNING:  basebackup needs to download layer "[^"]*image-/,
	'and warns');

# A crash during a download: the rest is fetched, and verified.
my $size = -s $image;
my ($directory, $file) = $image =~ m{^(.*)/(.*)$};
my $part = "$directory/.$file.$size.part";
rename $image, $part or die "$image: $!";
truncate $part, int($size / 2);
is($reader->safe_psql('postgres', $backup_hash),
	(keys %answers)[0], 'an interrupted download is continued');
ok(-e $image && !-e $part, 'and is complete');
rename $image, $part or die "$image: $!";
truncate $part, int($size / 2);
patch_file($part, 1000, 'rubbish');
is($reader->safe_psql('postgres', $backup_hash),
	(keys %answers)[0], 'a part with wrong bytes is downloaded again');
is(-s $image, $size, 'and is complete');

# A cache directory that a base backup of the server would include.
my $inside = $reader->data_dir . '/base/../cache';
my $forbidden =
  qr/ERROR:  22023: cache directory "[^"]+" is in the server's data directory\nDETAIL:  A base backup .*HINT:  Choose/s;
my $where = "ALTER SERVER whole OPTIONS (SET cache_directory '%s')";
symlink $reader->data_dir, "$caches/link" or die "$caches/link: $!";
fails_like($reader, sprintf($where, $reader->data_dir),
	$forbidden, 'the data directory is no place for a cache');
fails_like($reader, sprintf($where, $reader->data_dir . '/pg_new/cache'),
	$forbidden, 'nor is a directory that does not exist yet');
fails_like($reader, sprintf($where, "$caches/link/cache"),
	$forbidden, 'by whatever path');
cache_server('moved', '1GB');
symlink $reader->data_dir, "$caches/moved" or die "$caches/moved: $!";
fails_like($reader, "SELECT * FROM bb_layers('moved')",
	$forbidden, 'nor a directory that has become a link to it');
ok(!(grep { m{/[0-9a-f]{16}$} } glob $reader->data_dir . '/*'),
	'nothing was made in it');

# A cache that is too small.
cache_server('small', '1MB');
is(compare($local, fetch_backup($reader, "store => 'small'")),
	0, 'a backup with a cache too small has the same bytes');
my $used = 0;
$used += -s $_ foreach cached_files('small');
cmp_ok($used, '<=', 1024 * 1024, 'and the cache keeps its size');

# Branches; dropping them removes all objects.
$store->safe_psql('postgres',
	"SELECT bb_create_branch('branch', lsn => '$middle', store => 'cloud')");
query_is($reader,
	"SELECT string_agg(timeline, ' ') FROM bb_timelines('cloud')",
	'branch main', 'the other server sees the branch');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('$_', 'cloud')")
  foreach 'branch', 'main';
unlike($s3->request('GET', '/bucket/?list-type=2&prefix=stores'),
	qr/<Key>/, 'no object of the dropped timelines is left');

# ---- failures ----

# One writer at a time: another session has put up a flag.
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', 'cloud')");
$s3->request('PUT',
	'/bucket/stores/first/timelines/main/.writer.lock.0123456789abcdef',
	'-d', 'x');
fails_like($store, "SELECT * FROM bb_ingest('$archive', 'cloud')",
	qr/ERROR:  55006: timeline "main" is being written by another session/,
	'a second writer is refused');
$s3->request('DELETE',
	'/bucket/stores/first/timelines/main/.writer.lock.0123456789abcdef');

# Wrong keys, a missing bucket, no server.
my $secret = 'NotTheSecretAtAll';
$store->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER cloud"
	  . " OPTIONS (SET secret_access_key '$secret')");
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*403 SignatureDoesNotMatch.*HINT:  Is secret_access_key/s,
	'a wrong secret is named');
$store->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER cloud"
	  . " OPTIONS (SET secret_access_key '$s3->{secret}',"
	  . " SET access_key_id 'nobody:nowhere')");
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*403.*HINT:  /s, 'so is a wrong key');
$store->safe_psql('postgres', $s3->sql('missing', 's3://no-such-bucket/x'));
fails_like($store, "SELECT * FROM bb_timelines('missing')",
	qr/ERROR:  08006: .*404 NoSuchBucket.*HINT:  Create the bucket/s,
	'so is a missing bucket');
fails_like($store, "SELECT * FROM bb_import_directory('$base', 'missing')",
	qr/ERROR:  08006: .*404 NoSuchBucket.*HINT:  Create the bucket/s,
	'also when it is written to');

# A cancel ends the attempts at once.
$s3->stop;
fails_like($reader,
	"SET bbackup.call_timeout = 500; SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  57014: canceling listing due to bbackup.call_timeout/,
	'the time-out of a call counts');
fails_like($reader,
	"SET bbackup.s3_retry_time = 1; SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*\(\d+ attempts\).*HINT:  Is the server's option/s,
	'a server that is down is named');

# failed statements are logged, and must not contain a key
push @{ $s3->{secrets} }, $secret;
$s3->check_logs($store, $reader);

done_testing();

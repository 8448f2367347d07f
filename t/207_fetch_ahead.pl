# A worker fetches the layers that a backup is going to read: what is fetched, what
# isn't, which warnings there are; and the backup doesn't depend on it.

use strict;
use warnings;
use BBackup;
use BBackup::CacheLock;
use BBackup::S3;

my $s3 = BBackup::S3->start_or_skip();

my $source = new_source('source');
create_rows($source, 60000);
$source->stop;

my $reader = new_store('reader', q(
shared_preload_libraries = 'bbackup'
log_min_messages = debug1
bbackup.track_calls = 500
bbackup.layer_size = 1MB
bbackup.compression = none
));
my $caches = PostgreSQL::Test::Utils::tempdir;

sub cache_server
{
	my ($name, $size) = @_;

	return $s3->sql($name, 's3://bucket/first',
		"cache_directory '$caches/$name', cache_size '$size'");
}

$reader->safe_psql('postgres', $s3->sql('bare', 's3://bucket/first'));
$reader->safe_psql('postgres', cache_server($_, '1GB'))
  foreach qw(whole waits);
my $base = $source->data_dir;
$reader->safe_psql('postgres', "SELECT bb_import_directory('$base', 'bare')");

my $session = start_session($reader);
my $watcher = start_session($reader);

sub stream
{
	my ($store, $arguments) = @_;

	$arguments //= '';
	return "bb_basebackup_stream(store => '$store'$arguments)";
}

sub backup
{
	my ($store, $arguments) = @_;

	return "SELECT md5(string_agg(chunk, '')) FROM (SELECT "
	  . stream($store, $arguments)
	  . ' AS chunk) c';
}

# The number of running workers.
my $workers = "FROM pg_stat_activity WHERE backend_type = 'bbackup fetch'";

sub wait_until
{
	my ($query, $what) = @_;

	$reader->poll_query_until('postgres', "SELECT $query")
	  or die "never: $what";
	return;
}

# A worker was started and has ended.
my $came_and_went = "count(*) = 1 FROM bb_access_stats WHERE parent_link ="
  . " 'attached' AND state <> 'running'";

# Begin a backup and fetch one row only; wait until the worker has done all it can
# do.
sub begin_backup
{
	my ($store, $before) = @_;

	ask($watcher, 'SELECT bb_stat_reset()');
	ask($session, 'BEGIN; '
		  . ($before // '')
		  . ' DECLARE c CURSOR FOR SELECT '
		  . stream($store)
		  . ' AS chunk; FETCH 1 FROM c');
	wait_until($came_and_went, 'a worker ends');
	return;
}

# The row of the latest backup, and those of its workers.
sub backup_row
{
	my ($columns) = @_;

	return ask($watcher,
		"SELECT $columns FROM bb_access_stats WHERE function ="
		  . " 'bb_basebackup_stream' AND parent_link IS NULL"
		  . ' ORDER BY call_id DESC LIMIT 1');
}

sub worker_rows
{
	my ($columns) = @_;
	my $id = backup_row('call_id');

	return ask($watcher,
		"SELECT $columns FROM bb_access_stats WHERE parent_call_id = $id");
}

sub layers
{
	my ($columns, $store, $where) = @_;

	return ask($watcher,
		"SELECT $columns FROM bb_layer_stats('$store')"
		  . (defined $where ? " WHERE $where" : ''));
}

sub evict_all
{
	my ($store) = @_;

	return ask($watcher, "SELECT layers FROM bb_evict_idle('0', '$store')");
}

my $right = ask($session, backup('bare'));
like($right, qr/^[0-9a-f]{32}$/, 'a backup without a cache');
is(worker_rows('count(*)'), 0, 'needs no worker');
my $all = ask($watcher, "SELECT count(*) FROM bb_layers('bare')");
cmp_ok($all, '>', 8, 'there are some layers');

# --- All layers of a backup are fetched while it waits.

begin_backup('whole');
is(layers('count(*)', 'whole', 'resident'),
	$all, 'a backup that stands still has all its layers fetched');
ask($session, 'MOVE ALL FROM c; COMMIT');
is(backup_row('state, layers_downloaded'), "done|$all", 'they are counted');
is( worker_rows(
		'count(*), min(parent_link), min(task_kind), min(state),'
		  . ' min(function), min(store), min(timeline)'),
	'1|attached|prefetch|done|bb_basebackup_stream|whole|main',
	'the worker has a row of its own');
my ($layers, $bytes) = split /\|/,
  worker_rows('layers_downloaded, bytes_downloaded');
cmp_ok($layers, '>', 0, 'it downloaded some');
my ($total, $total_bytes) = split /\|/,
  backup_row('layers_downloaded, bytes_downloaded');
my $own = () = slurp_file($reader->logfile) =~
  /DEBUG:  basebackup \(call \d+\) downloaded layer/g;
is($layers + $own, $total, "the backup's are its own and the worker's");
is($total_bytes, layers('sum(bytes)', 'whole'), 'to the byte');
is(layers('min(downloads), max(downloads), sum(evictions)', 'whole'),
	'1|1|0', 'each came once');
query_is($session, backup('whole'), $right, 'and they are right');
is(worker_rows('count(*)'), 0, 'there is no worker where all is resident');

# --- Without permission to download, nothing is fetched.

evict_all('whole');
query_like($session,
	'SET bbackup.download_behavior = error; ' . backup('whole'),
	qr/ERROR:  55000: basebackup would have to download layer/,
	'where downloads are refused');
is(worker_rows('count(*)'), 0, 'nothing is fetched ahead');
is(layers('count(*)', 'whole', 'resident'), 0, 'nor at all');

# --- There is one warning per download.

my $switch = 'SET bbackup.on_demand_download_behavior_treat_error_as_warn';
foreach my $case (
	["$switch = on"],
	['SET bbackup.download_behavior = warn'],
	[ 'SET bbackup.download_behavior = warn', ', jobs => 2, progress => false' ])
{
	my ($how, $arguments) = @$case;

	evict_all('whole');
	my $answer = ask($session, "$how; " . backup('whole', $arguments));
	my %warned;

	$warned{$_}++
	  foreach $answer =~
	  /WARNING:  01000: basebackup needs to download layer "([^"]+)"/g;
	$how .= $arguments // '';
	is(scalar keys %warned, $all, "$how: warns of all layers");
	is(scalar(grep { $_ != 1 } values %warned), 0, 'once');
	like($answer, qr/^$right$/m, 'and is right');
	is(backup_row('layers_downloaded, downloads_warned, downloads_refused'),
		"$all|$all|0", 'and counts them');
}
ask($session, "$switch = off; SET bbackup.download_behavior = download");

# --- A cache that is too small: layers that fit are fetched, none is evicted.

$reader->safe_psql('postgres', cache_server('small', '4MB'));
# the last layer that is needed, as if it had not been used for long
my $last = layers('max(layer)', 'small', "layer LIKE 'image-%'");
ask($session, "SELECT count(*) FROM bb_layers('small')");
my ($from) = glob "$caches/whole/*/*$last*";
my ($to) = glob "$caches/small/*";
PostgreSQL::Test::Utils::system_or_bail('cp', $from, $to);
my ($kept) = glob "$to/*$last*";
utime 1000, 1000, $kept;
begin_backup('small');
ok(-e $kept, 'what the backup needs makes no room');
ask($session, 'MOVE ALL FROM c; COMMIT');
my $used = 0;
$used += -s $_ foreach glob "$to/* $to/.*.part";
cmp_ok($used, '<=', 4 * 1024 * 1024, 'the cache has its size');
is(layers('max(downloads)', 'small'), 1, 'nothing came twice');
query_is($session, backup('small'), $right, 'the backup is right');

# --- The backup continues when the worker ends; the worker ends with the backup.

foreach my $end ('pg_terminate_backend', 'pg_cancel_backend')
{
	evict_all('whole');
	my $lock = lock_room("$caches/whole");

	send_query($session, backup('whole'));
	wait_until("count(*) = 1 $workers", 'a worker');
	$reader->safe_psql('postgres', "SELECT $end(pid) $workers");
	wait_until("count(*) = 0 $workers", "$end ends it");
	close $lock;
	is(answer($session), $right, "$end of the worker is no harm");
}

evict_all('whole');
my $lock = lock_room("$caches/whole");
send_query($session, backup('whole'));
wait_until("count(*) = 1 $workers", 'a worker');
$reader->safe_psql('postgres',
	"SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/ERROR:  57014/, 'a backup is cancelled');
query_is($watcher, "SELECT count(*) $workers", 0, 'so is its worker');
close $lock;
is(layers('count(*)', 'whole', 'resident'), 0, 'which fetches no more');

# --- A worker sees committed changes only; a backup also those of its transaction.

my $log = -s $reader->logfile;
begin_backup('new', cache_server('new', '1GB'));
query_is($session, backup('new'), $right,
	'a store that the same transaction made');
ask($session, 'ROLLBACK');
like(slurp_file($reader->logfile, $log),
	qr/LOG:  page store "new" does not exist/, 'why it did not is in the log');
evict_all('whole');
my $change = "ALTER SERVER whole OPTIONS (SET cache_directory '$caches/other')";
$log = -s $reader->logfile;
begin_backup('whole', "$change;");
query_is($session, backup('whole'), $right,
	'options that the same transaction changed');
ok( !(grep { -f } glob "$caches/whole/*/[a-z]*"),
	'what had the old ones did nothing');
like(slurp_file($reader->logfile, $log),
	qr/LOG:  options of page store "whole" have changed/, 'and says why');
query_like($session, "SELECT bb_prefetch(store => 'whole', wait => true)",
	qr/ERROR:  55000: options of page store "whole" have changed\n.*HINT:  Try again/s,
	'a prefetch refuses');
ask($session, 'ROLLBACK');

# --- One of several layers is corrupted in the store.

evict_all('whole');
my @names = split /\n/,
  layers('layer', 'whole', "layer LIKE 'image-%' ORDER BY layer");
my $bad = $names[ @names / 2 ];
my $object = "/bucket/first/timelines/main/layers/$bad";
my $good = PostgreSQL::Test::Utils::tempdir . '/object';
append_to_file($good, $s3->request('GET', $object));
my $broken = "$good.broken";
append_to_file($broken, slurp_file($good));
patch_file($broken, 5000, 'rubbish');
$s3->request('PUT', $object, '--data-binary', "\@$broken");
foreach my $query ("SELECT bb_prefetch(store => 'whole', wait => true)",
	backup('whole'))
{
	query_like($session, $query,
		qr/ERROR:  XX001: layer "[^"]*\Q$bad\E" is not what the manifest says/,
		'a layer that is another one in the store');
	ok(!(glob "$caches/whole/*/*$bad*"), 'is not kept');
}
$s3->request('PUT', $object, '--data-binary', "\@$good");
ask($session, "SELECT bb_prefetch(store => 'whole', wait => true)");
is(layers('count(*)', 'whole', 'resident'), $all, 'until it is right again');

# --- No process is available for the worker.

end_session($_) foreach $session, $watcher;
$reader->append_conf('postgresql.conf', 'max_worker_processes = 0');
$reader->restart;
$session = start_session($reader);
$watcher = start_session($reader);
evict_all('whole');
query_is($session, backup('whole'), $right, 'a backup does without');
is(backup_row('layers_downloaded'), $all, 'it fetches all by itself');
is(worker_rows('count(*)'), 0, 'there was no worker');
end_session($_) foreach $session, $watcher;

done_testing();

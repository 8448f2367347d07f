# Which layers are resident, and why: download behaviours, eviction by name, age
# and shortage of room, prefetch, and their statistics.

use strict;
use warnings;
use BBackup;
use BBackup::CacheLock;
use BBackup::S3;
use File::Path qw(remove_tree);
use Time::HiRes qw(sleep);

my $s3 = BBackup::S3->start_or_skip();

my ($base, $archive, $middle) = filled_archive();

my $store = new_store('store',
	"bbackup.checkpoint_distance = 4MB\nbbackup.layer_size = 1MB\n");
$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/first'));
$store->safe_psql('postgres', "SELECT bb_import_directory('$base', 'cloud');"
	  . " SELECT bb_ingest('$archive', 'cloud')");
$store->stop;

# All calls below are in another server, whose statistics are shared.
my $reader = new_store('reader',
	"shared_preload_libraries = 'bbackup'\nbbackup.track_calls = 500\n");
my $caches = PostgreSQL::Test::Utils::tempdir;

sub cache_server
{
	my ($name, $size) = @_;

	$reader->safe_psql('postgres', $s3->sql($name, 's3://bucket/first',
			"cache_directory '$caches/$name', cache_size '$size'"));
	return;
}

cache_server('whole', '1GB');
$reader->safe_psql('postgres', $s3->sql('bare', 's3://bucket/first'));

my $session = start_session($reader);
my $watcher = start_session($reader);

sub layers
{
	my ($columns, $where) = @_;

	return ask($watcher,
		"SELECT $columns FROM bb_layer_stats('whole')"
		  . (defined $where ? " WHERE $where" : ''));
}

# The row of the newest call of a function in the view, not of its workers.
sub last_call
{
	my ($what, $function) = @_;

	return ask($watcher,
		"SELECT $what FROM bb_access_stats WHERE function = '$function'"
		  . " AND parent_link IS DISTINCT FROM 'attached'"
		  . ' ORDER BY call_id DESC LIMIT 1');
}

# The cache's file of a layer.
sub file_of
{
	my ($layer, $name) = @_;
	my @files = glob "$caches/" . ($name // 'whole') . "/*/*_$layer.*";

	return $files[0];
}

sub backup
{
	my ($arguments) = @_;

	return "SELECT md5(string_agg(chunk, '')) FROM (SELECT"
	  . ' bb_basebackup_stream('
	  . join(', ', "store => 'whole'", $arguments // ())
	  . ') AS chunk) c';
}

sub evict_all
{
	return ask($watcher, "SELECT layers FROM bb_evict_idle('0', 'whole')");
}

my $function = 'bb_basebackup_stream';
my $row = 'state, layers_downloaded, downloads_warned, downloads_refused,'
  . ' download_wait_ms > 0';

# --- An empty cache, and a full one.

my $all = ask($watcher, "SELECT count(*) FROM bb_layers('bare')");
cmp_ok($all, '>', 8, 'there are some layers');
is(layers('count(*), bool_or(resident), sum(downloads)'),
	"$all|f|0", 'of which none is resident');
my $whole = ask($session, backup());
like($whole, qr/^[0-9a-f]{32}$/, 'a backup');
my $needed = last_call('layers_downloaded', $function);
my $bytes = layers('sum(bytes)', 'resident');
is(last_call($row, $function), "done|$needed|0|0|t", 'downloads them');
is(last_call("bytes_downloaded >= $bytes", $function), 't', 'to the byte');
is(layers('count(*), min(downloads), max(downloads), sum(evictions),'
		  . ' bool_and(resident_since > first_access - interval \'1 minute\')',
		'resident'), "$needed|1|1|0|t", 'and each says so');
query_is($session, backup(), $whole, 'a second one');
is(last_call($row, $function), 'done|0|0|0|f', 'needs no download');

# --- Download behaviours: all resident, and all but one.

my $error = 'SET bbackup.download_behavior = error';
is(ask($session, "$error; " . backup()), $whole, 'error has nothing to refuse');
is(last_call("download_behavior, $row", $function),
	'error|done|0|0|0|f', 'and counts nothing');
my $layer = layers('min(layer)', "resident AND layer LIKE 'image%'");
is(ask($session, "SELECT bb_evict('$layer', 'whole')"), 't', 'one is evicted');
query_is($session, "SELECT bb_evict('$layer', 'whole')", 'f', 'only once');
is(layers('resident, resident_since IS NULL, downloads, evictions',
		"layer = '$layer'"), 'f|t|1|1', 'statistics know');
is(layers('count(*)', 'resident'), $needed - 1, 'the others stay');
query_like($session, backup(),
	qr/ERROR:  55000: basebackup would have to download layer "[^"]*\Q$layer\E"/,
	'error refuses, and names kind and layer');
is(last_call("download_behavior, $row", $function),
	'error|error|0|0|1|f', 'which counts');
my $switch = 'SET bbackup.on_demand_download_behavior_treat_error_as_warn';
my $warning =
  qr/WARNING:  01000: basebackup needs to download layer "[^"]*\Q$layer\E"/;
query_like($session, "$switch = on; " . backup(), qr/$warning.*$whole/s,
	'the kill switch warns');
is(last_call("download_behavior, $row", $function),
	'error|done|1|1|0|t', 'and downloads');
query_is($session, backup(), $whole, 'what is there is no reason to warn');
ask($session, "SELECT bb_evict('$layer', 'whole')");
query_like($session,
	"$switch = off; SET bbackup.download_behavior = warn; " . backup(),
	qr/$warning.*$whole/s, 'warn warns');
is(last_call("download_behavior, $row", $function),
	'warn|done|1|1|0|t', 'and downloads');
ask($session, "SELECT bb_evict('$layer', 'whole')");
ask($session, 'SET bbackup.download_behavior = download; ' . backup());
is(last_call("download_behavior, $row", $function),
	'download|done|1|0|0|t', 'download is silent');

# --- What counts as use.

sub file_times
{
	return join ' ', map { "$_ " . (stat)[9] } sort glob "$caches/whole/*/*";
}

utime 1000000000, 1000000000, glob "$caches/whole/*/*";
my $used = 'array_agg((first_access, last_access, accesses)::text'
  . ' ORDER BY layer)';
my ($times, $accesses) = (file_times(), layers($used));
ask($session, "SELECT count(*) FROM bb_relations(store => 'whole');"
	  . " SELECT count(*) FROM bb_files(store => 'whole')");
is(last_call('layers_visited > 0', 'bb_relations'),
	't', 'listings visit layers');
is(layers($used), $accesses, 'which is no access');
is(file_times(), $times, 'and renews none');
ask($session,
	'SELECT bb_get_page(tablespace, database, relfilenode, fork, 0,'
	  . " store => 'whole') FROM bb_relations(store => 'whole')"
	  . " WHERE fork = 'main' AND pages > 0 LIMIT 1");
isnt(layers($used), $accesses, 'reading a page is');
isnt(file_times(), $times, 'and does');
is(layers(
		"count(*), sum((accesses_by_task_kind -> 'page read')::int)",
		"accesses_by_task_kind ? 'page read'") =~ s/\|.*//r,
	scalar(grep { (stat)[9] > 1000000000 && !/\.locks$/ }
		  glob "$caches/whole/*/*"), 'the same in both');
evict_all();
ask($session, "SELECT count(*) FROM bb_relations(store => 'whole')");
is( scalar(grep { (stat)[9] != 0 } glob "$caches/whole/*/*"),
	0, 'what only a listing fetched was never used');
ask($session, backup());
is( scalar(grep { (stat)[9] == 0 } glob "$caches/whole/*/*"),
	0, 'until somebody uses it');

# --- In use.

ask($session,
	"BEGIN; DECLARE c CURSOR FOR SELECT length(bb_basebackup_stream(store =>"
	  . " 'whole')); FETCH 1 FROM c");
my $in_use = 0;
foreach my $name (split /\n/, layers('layer', 'resident'))
{
	my $answer = ask($watcher, "SELECT bb_evict('$name', 'whole')");

	next if $answer eq 't';
	$in_use++;
	$layer = $name;
	like($answer,
		qr/ERROR:  55006: layer "\Q$name\E" is in use.*HINT:  Try again/s,
		'a layer in use stays');
}
cmp_ok($in_use, '>', 0, 'some are in use');
is(layers('count(*)', 'resident'), $in_use, 'all others went');
is(evict_all(), 0, 'age is no reason to go either');
like(ask($session, 'FETCH ALL FROM c; COMMIT'), qr/^\d+$/m, 'the backup goes on');
ask($session, backup());
query_is($session, "SELECT bb_evict('$layer', 'whole')", 't',
	'then it can be evicted');
query_like($session, "SELECT bb_evict('image-0', 'whole')",
	qr/ERROR:  42704: timeline "main" has no layer "image-0"/,
	'one that there is not');

# --- The cache is removed while a session uses it.

remove_tree("$caches/whole");
my $cursor =
  "BEGIN; DECLARE c CURSOR FOR SELECT length(bb_basebackup_stream(store =>"
  . " 'whole')); FETCH 1 FROM c";
ask($session, $cursor);
cmp_ok($reader->safe_psql('postgres',
			"SELECT layers FROM bb_evict_idle('0', 'whole');"
		  . " SELECT count(*) FROM bb_layer_stats('whole') WHERE resident") =~
	  s/^.*\n//r, '>', 0,
	'what it uses in the new one stays, for sessions that came later, too');
query_like($session, 'FETCH ALL FROM c; COMMIT', qr/^\d+$/m,
	'and its backup goes on');

# --- A corrupted copy.

my $bad = layers('min(layer)', "resident AND layer LIKE 'image%'");
patch_file(file_of($bad), (-s file_of($bad)) - 8, 'XXXX');
my $broken = ask($session, backup());
like($broken,
	qr/ERROR:  XX001: layer "[^"]*$bad" is corrupted.*HINT:  The copy in the cache was read/s,
	'is not taken for the object');
my ($named) = $broken =~ /layer "([^"]+)"/;
query_is($session, "SELECT bb_evict('$named', 'whole')", 't',
	'and goes by the name that the message has');
query_is($session, backup(), $whole, 'then the object is read');

# --- A file is not renamed while another session lists the cache.

ask($session, "SELECT bb_evict('$bad', 'whole')");
my ($directory) = glob "$caches/whole/*";
my $final = "timelines_main_layers_$bad." . substr($bad, -16);
my $bad_bytes = layers('bytes', "layer = '$bad'");
my $part = "$directory/.$final.$bad_bytes.part";
append_to_file($part, '');
my $counts = lock_room("$caches/whole");
send_query($session, backup());
until (-e "$directory/$final" || -s $part == $bad_bytes)
{
	sleep 0.01;
}
query_is($watcher,
	"SELECT state FROM pg_stat_activity WHERE pid = $session->{backend}",
	'active', 'a download ends');
ok(-e $part && !-e "$directory/$final", 'but is a part still');
close $counts;
is(answer($session), $whole, 'and then a layer');
ok(!-e $part && -e "$directory/$final", 'of that name');

# --- By age.

ask($session, backup());
my @names = split /\n/, layers('layer', 'resident');
my $old = time - 3600;
my @old = @names[ 0, 1 ];
utime $old, $old, map { file_of($_) } @old;
my $size = 0;
$size += -s file_of($_) foreach @old;
query_is($session, "SELECT * FROM bb_evict_idle(store => 'whole')", '0|0',
	'without a threshold nothing is idle');
query_is($session, "SELECT * FROM bb_evict_idle('2 hours', 'whole')", '0|0',
	'nor for two hours');
query_is($session, "SELECT * FROM bb_evict_idle('30 minutes', 'whole')",
	"2|$size", 'two have been for half an hour');
is( layers('count(*)', 'NOT resident AND layer IN (' . join(', ', map { "'$_'" } @old) . ')'),
	2, 'these two');
query_like($session, "SELECT * FROM bb_evict_idle('-1 s', 'whole')",
	qr/ERROR:  22023: unused_for must not be negative/, 'not in the future');

# The setting: with each download, and for the function.
utime $old, $old, map { file_of($_) } @names[ 2, 3 ];
ask($session, "SET bbackup.eviction_threshold = '30min'");
is(ask($session, "SELECT * FROM bb_evict_idle(store => 'whole')") =~ s/\|.*//r,
	2, 'a threshold');
ask($session, 'SET bbackup.eviction_threshold = 0; ' . backup());
ask($session, "SELECT bb_evict('$layer', 'whole')");
@old = grep { $_ ne $layer } @names;
utime $old, $old, map { file_of($_) } @old;
my $start = ask($watcher, "SELECT start_lsn FROM bb_timelines('whole')");
my $page = "SELECT length(bb_get_page(1664, 0, 1262, 'main', 0, '$start',"
  . " 'whole'))";
query_is($session, "SET bbackup.eviction_threshold = '30min'; $page", 8192,
	'a page out of the cache');
is(layers('count(*)', 'resident'), $needed - 1,
	'without a download nothing is evicted');
utime $old, $old, map { file_of($_) } @old;
ask($session, backup());
my $left = layers('count(*)', 'resident');
is(last_call('layers_downloaded > 1', $function),
	't', 'with a download, all that was idle');
is($left, $needed, 'which a backup needs again');
ask($session, 'SET bbackup.eviction_threshold = 0');

# --- Shortage of room: the layer that was used longest ago is evicted.

my %size = map { split /\|/ } split /\n/, layers('layer, bytes', 'resident');
evict_all();
ask($session, $page);
my %on_page = map { $_ => 1 } split /\n/, layers('layer', 'resident');
my ($comes) = sort { $size{$b} <=> $size{$a} } keys %on_page;
ask($session, backup());
my @order = sort { $size{$b} <=> $size{$a} }
  grep { !$on_page{$_} } keys %size;
my $total = 0;
$total += $_ foreach values %size;
my $cache_size = int(($total - 1) / 1024 / 1024);
my $now = time;
utime $now - 1000 + $_, $now - 1000 + $_, file_of($order[$_])
  foreach 0 .. $#order;
my $goes = 0;
for (my $sum = $total; $sum > $cache_size * 1024 * 1024; $goes++)
{
	$sum -= $size{ $order[$goes] };
}
ask($session, "SELECT bb_evict('$comes', 'whole'); ALTER SERVER whole"
	  . " OPTIONS (SET cache_size '${cache_size}MB')");
query_is($session, $page, 8192, 'a page for which a layer comes');
is(last_call('layers_downloaded', 'bb_get_page'), 1, 'one');
is( join(' ', sort split /\n/, layers('layer', 'NOT resident AND evictions > 0')),
	join(' ', sort @order[ 0 .. $goes - 1 ]),
	"those used longest ago went ($goes)");
ask($session, "ALTER SERVER whole OPTIONS (SET cache_size '1GB')");

# --- Prefetch.

evict_all();
ask($session, 'SELECT bb_stat_reset()');
my $call = ask($session, "SELECT bb_prefetch(store => 'whole', wait => true)");
like($call, qr/^\d+$/, 'a prefetch');
is(layers('count(*)', 'resident') >= $needed, 1, 'has all that a backup needs');
is( ask($watcher,
		'SELECT c.function, c.task_kind, c.download_behavior, c.parent_link,'
		  . ' c.store, c.timeline, c.state, c.layers_downloaded,'
		  . " c.pid <> p.pid, c.usename = p.usename, p.pid ="
		  . " $session->{backend}, p.function, p.parent_link IS NULL,"
		  . ' p.layers_downloaded FROM bb_access_stats c JOIN bb_access_stats'
		  . " p ON p.call_id = c.parent_call_id WHERE c.call_id = $call"),
	'bb_prefetch|prefetch|download|detached|whole|main|done|'
	  . layers('count(*)', 'resident')
	  . '|t|t|t|bb_prefetch|t|0',
	'as a detached child on its own account');
query_is($session, "$error; " . backup(), $whole, 'a backup finds all there');
is(ask($session, "SELECT bb_prefetch(store => 'whole', wait => true) > $call"),
	't', 'again');
is(last_call('layers_downloaded, layers_visited > 0', 'bb_prefetch'),
	'0|t', 'there is nothing left to fetch');

foreach my $arguments ("'$middle'", "'$start'", "'$middle', false",
	'NULL, false')
{
	my $named = $arguments =~ s/^NULL/NULL::pg_lsn/r;

	evict_all();
	ask($session, "SELECT bb_prefetch($arguments, store => 'whole',"
		  . ' wait => true)');
	query_like($session, "SELECT md5(string_agg(chunk, '')) FROM (SELECT"
		  . " bb_basebackup_stream($named, store => 'whole')"
		  . ' AS chunk) c',
		qr/^[0-9a-f]{32}$/, "so it is for ($arguments)");
}
is(layers('bool_and(resident)'), 'f', 'a thin one does not need all');

# A branch needs its ancestor's layers up to the LSN of the branch.
ask($session, "SELECT bb_create_branch('branch', 'main', '$middle', 'whole')");
evict_all();
ask($session,
	"SELECT bb_prefetch(store => 'whole', timeline => 'branch', wait => true)");
my $on_branch = ask($session, backup("timeline => 'branch'"));
like($on_branch, qr/^[0-9a-f]{32}$/, 'a branch');
isnt($on_branch, $whole, 'of another LSN');

# In the background: the call returns while another session blocks downloads.
my $lock = lock_room("$caches/whole");
$call = ask($session, "SELECT bb_prefetch(store => 'whole')");
like($call, qr/^\d+$/, 'a prefetch in the background');
query_is($watcher, "SELECT state FROM bb_access_stats WHERE call_id = $call",
	'running', 'runs');
my $pid = ask($watcher, "SELECT pid FROM bb_access_stats WHERE call_id = $call");
query_is($watcher,
	"SELECT backend_type FROM pg_stat_activity WHERE pid = $pid",
	'bbackup prefetch', 'as a process of its own');
ask($watcher, "SELECT pg_terminate_backend($pid, 60000)");
query_is($watcher, "SELECT state FROM bb_access_stats WHERE call_id = $call",
	'cancelled', 'killed half-way');
send_query($session, "SELECT bb_prefetch(store => 'whole', wait => true)");
$reader->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type ="
	  . " 'bbackup prefetch'") or die 'no prefetch';
$reader->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/ERROR:  57014/, 'who waits can be cancelled');
query_is($watcher,
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE"
	  . " 'bbackup prefetch%'",
	0, 'and its worker goes');
close $lock;
is(scalar(() = glob "$caches/whole/*/.*.part"), 0, 'nothing is left over');
query_like($session, "SELECT bb_prefetch(store => 'whole', wait => true)",
	qr/^\d+$/, 'the next one works');
query_is($session, backup(), $whole, 'and so does a backup');

# A background prefetch that fails, when it has tried for a while.
evict_all();
ask($session, 'SET bbackup.s3_retry_time = 2');
$lock = lock_room("$caches/whole");
$call = ask($session, "SELECT bb_prefetch(store => 'whole')");
$s3->stop;
close $lock;
$reader->poll_query_until('postgres',
	"SELECT state = 'error' FROM bb_access_stats WHERE call_id = $call")
  or die 'it does not fail';
$pid = ask($watcher, "SELECT pid FROM bb_access_stats WHERE call_id = $call");
like(slurp_file($reader->logfile),
	qr/\[$pid\] .*ERROR:  could not read object/,
	'an error that nobody waits for is logged');
$s3->resume;
ask($session, 'RESET bbackup.s3_retry_time');
query_is($session, 'RESET bbackup.download_behavior; ' . backup(), $whole,
	'once it can be read again, it is');

# It needs the room of another layer, which looks newer than those it needs.
cache_server('tight', int($bytes / 1024 / 1024) + 1 . 'MB');
ask($session, "SELECT count(*) FROM bb_layers('tight')");
my ($tight) = glob "$caches/tight/*";
append_to_file("$tight/other.0000000000000001", 'x' x 1048576);
utime $now + 1000, $now + 1000, "$tight/other.0000000000000001";
ask($session, "SELECT bb_prefetch(store => 'tight', wait => true)");
query_is($session,
	"SELECT count(*) FROM bb_layer_stats('tight') WHERE resident", $needed,
	'it does not evict what it has fetched');
ok(!-e "$tight/other.0000000000000001", 'but another');

# Requests that are refused.
cache_server('small', '1MB');
query_like($session, "SELECT bb_prefetch(store => 'small')",
	qr/ERROR:  53400: cache is too small for what the backup reads\nDETAIL:  It reads \d+ layers of \d+ bytes; the cache holds 1048576 bytes.\n/,
	'a cache that is too small');
is(scalar(() = glob "$caches/small/*/*"), 0, 'is left alone');
foreach my $query ("bb_prefetch(store => '%s')", "bb_evict('x', '%s')",
	"bb_evict_idle('0', '%s')")
{
	like(ask($session, 'SELECT ' . sprintf $query, 'bbackup'),
		qr/ERROR:  55000: page store "bbackup" has no cache\nDETAIL:  It is a/,
		"$query: a local store has no cache");
	like(ask($session, 'SELECT ' . sprintf $query, 'bare'),
		qr/ERROR:  55000: page store "bare" has no cache\nHINT:  ALTER SERVER/,
		"$query: nor has one without");
}
query_like($session, "SELECT bb_prefetch(store => 'whole', lsn => '0/1')",
	qr/ERROR:  55000: /, 'an LSN that is too old');
ask($session,
	'CREATE ROLE carol; GRANT EXECUTE ON FUNCTION bb_prefetch(pg_lsn, boolean,'
	  . ' name, text, boolean), bb_evict(text, name, text) TO carol');
query_like($session, "SET ROLE carol; SELECT bb_prefetch(store => 'whole')",
	qr/ERROR:  42501: permission denied for foreign server whole/,
	'it takes USAGE');
query_like($session,
	"RESET ROLE; GRANT USAGE ON FOREIGN SERVER whole TO carol;"
	  . " SET ROLE carol; SELECT bb_prefetch(store => 'whole', wait =>"
	  . ' true)',
	qr/^\d+$/m, 'which is enough');
is(last_call('usename, parent_link', 'bb_prefetch'),
	'carol|detached', 'the worker is who asked');
ask($session, 'RESET ROLE');

# An open store is kept between calls, but not for another role.
ask($session,
	"CREATE USER MAPPING FOR carol SERVER whole OPTIONS (access_key_id 'nobody',"
	  . " secret_access_key 'nothing'); GRANT EXECUTE ON FUNCTION"
	  . ' bb_get_page(oid, oid, oid, text, bigint, pg_lsn, name, text)'
	  . ' TO carol');
query_like($session, qq(
DO \$\$
BEGIN
	FOR n IN 1 .. 2 LOOP
		RAISE NOTICE '% read %', current_user,
			length(bb_get_page(1664, 0, 1262, 'main', 0, '$start', 'whole'));
		SET LOCAL ROLE carol;
	END LOOP;
END
\$\$), qr/ read 8192\n.*ERROR:  08006: could not .*403/s,
	'nobody reads with keys of another');

# --- Twenty at once, on an empty cache.

cache_server('twenty', '1GB');
my @sessions = map { start_session($reader) } 1 .. 20;
ask($session, "SELECT count(*) FROM bb_layers('twenty')");
$lock = lock_room("$caches/twenty");
ask($session, 'SELECT bb_stat_reset()');
my $backup = backup() =~ s/'whole'/'twenty'/r;
send_query($_, $backup) foreach @sessions;
$reader->poll_query_until('postgres',
	"SELECT count(*) = 19 FROM pg_stat_activity WHERE state = 'active' AND"
	  . " wait_event_type = 'Extension' AND query LIKE '%twenty%'")
  or die 'they do not wait';
close $lock;
is(answer($_), $whole, 'one of twenty backups') foreach @sessions;
end_session($_) foreach @sessions;
query_is($watcher,
	'SELECT count(*), sum(layers_downloaded), min(download_wait_ms) > 0'
	  . " FROM bb_access_stats WHERE store = 'twenty' AND function ="
	  . " '$function' AND parent_link IS DISTINCT FROM 'attached'",
	"20|$needed|t", 'each layer came once, and each that waited says so');
unlike(slurp_file($reader->logfile), qr/downloaded layer/,
	'the log has no line for each');
is(scalar(() = glob "$caches/twenty/*/[a-z]*"), $needed, 'and is there');
query_is($watcher,
	'SELECT bool_and(t.calls = r.calls AND t.layers_downloaded ='
	  . ' r.layers AND t.bytes_downloaded = r.bytes AND'
	  . ' abs(t.download_wait_ms - r.wait) < 1) FROM bb_stat_totals t'
	  . ' JOIN (SELECT task_kind, download_behavior, count(*) AS calls,'
	  . ' sum(layers_downloaded) AS layers, sum(bytes_downloaded) AS'
	  . ' bytes, sum(download_wait_ms) AS wait FROM bb_access_stats'
	  . " WHERE state <> 'running' GROUP BY 1, 2) r"
	  . ' USING (task_kind, download_behavior)',
	't', 'totals are the sums of the rows');
end_session($_) foreach $session, $watcher;

# --- Without shared statistics, other sessions can't find the call.

$reader->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$reader->restart;
query_is($reader, "SELECT layers > 0 FROM bb_evict_idle('0', 'whole');"
	  . " SELECT bb_prefetch(store => 'whole', wait => true) IS NULL;"
	  . " SELECT count(*) FILTER (WHERE resident) >= $needed FROM"
	  . " bb_layer_stats('whole')",
	"t\nt\nt", 'prefetch needs nothing preloaded');

done_testing();

# Statistics of calls: running and ended, of other sessions, and their totals.

use strict;
use warnings;
use BBackup;

my $source = new_source('source');
$source->append_conf('postgresql.conf', 'wal_level = replica');
$source->restart;
create_rows($source, 300000);
$source->stop;
my $store = new_store('store',
	"shared_preload_libraries = 'bbackup'\nbbackup.track_calls = 50\n");
my $row = import_directory($store, $source->data_dir);
my $watcher = start_session($store);
my $session = start_session($store);

# The view's row for the newest call of a function in that session.
sub last_call
{
	my ($what, $function, $of) = @_;

	$of //= $session;
	return ask($watcher,
		"SELECT $what FROM bb_access_stats WHERE pid = $of->{backend}"
		  . " AND function = '$function' ORDER BY call_id DESC LIMIT 1");
}

my $stream = 'SELECT length(bb_basebackup_stream())';
my $all = "SELECT sum(length(c)) FROM (SELECT bb_basebackup_stream() AS c) s";

# --- A call that has ended.

is(ask($watcher, 'SELECT bb_stat_scope()'), 'shared', 'statistics are shared');
query_is($store, 'SELECT usename = current_user, task_kind, download_behavior,'
	  . ' parent_call_id, store, timeline, lsn, state, duration_ms > 1'
	  . " FROM bb_access_stats WHERE function = 'bb_import_directory'",
	"t|import|download||bbackup|main|$row->{lsn}|done|t",
	'an import has its row');
my $size = ask($session, $all);
is( last_call(
		'task_kind, store, timeline, lsn, state, bytes_out,'
		  . ' keys_requested > pages_requested, pages_requested > 2000,'
		  . ' layers_visited > 0, blocks_read > 0, images_used > 2000,'
		  . ' bytes_total_estimate, scope',
		'bb_basebackup_stream'),
	"basebackup|bbackup|main|$row->{lsn}|done|$size|t|t|t|t|t|$size|shared",
	'a backup has its row');
is(ask($session,
		'SELECT length(bb_basebackup(full_backup => false))'),
	last_call('bytes_out', 'bb_basebackup'), 'in one piece too');
is(last_call('bytes_total_estimate = bytes_out', 'bb_basebackup'),
	't', 'whose size is known before');
ask($session, "SELECT bb_get_page(1664, 0, 1262, 'main', 0)");
is(last_call(
		'task_kind, pages_requested, bytes_out, blocks_read > 0', 'bb_get_page'),
	'page read|1|8192|t', 'so has one page');

# --- A running call.

ask($session, "BEGIN; DECLARE c CURSOR FOR $stream");
my $got = ask($session, 'FETCH 1 FROM c');
is(last_call('state, bytes_out', 'bb_basebackup_stream'),
	"running|$got", 'a stream that a cursor holds is running');
my $duration = last_call('duration_ms', 'bb_basebackup_stream');
$got += $_ foreach split /\n/, ask($session, 'FETCH 10 FROM c');
is(last_call('state, bytes_out', 'bb_basebackup_stream'),
	"running|$got", 'and shows what it gave so far');
cmp_ok(last_call('duration_ms', 'bb_basebackup_stream'),
	'>', $duration, 'and goes on');
my $id = last_call('call_id', 'bb_basebackup_stream');
ask($session, 'CLOSE c; COMMIT');
is(last_call('call_id, state, bytes_out', 'bb_basebackup_stream'),
	"$id|done|$got", 'closed early, it is done');

# --- Ways to end.

sub ends
{
	my ($state, $name, $error) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(last_call("state, call_id > $id", 'bb_basebackup_stream'),
		"$state|t", $name);
	is(last_call(q(sqlstate, regexp_replace(message, ' in page store .*', '')), 'bb_basebackup_stream'),
		defined $error ? $error : '|', '... and its error');
	$id = last_call('call_id', 'bb_basebackup_stream');
	return;
}

ask($session, "SELECT count(c) FROM (SELECT bb_basebackup_stream() AS c LIMIT 2) s");
ends('done', 'LIMIT');
query_like($session, 'SELECT 1 / (length(bb_basebackup_stream()) % 1)',
	qr/ERROR:  22012:/, 'a consumer that fails');
ends('error', 'an error of the consumer', '22012|division by zero');
query_like($session, 'SELECT bb_basebackup_stream(timeline => \'nowhere\')',
	qr/ERROR:  42704/, 'a timeline that does not exist');
ends('error', 'is an error', '42704|timeline "nowhere" does not exist');
ask($session,
	q(DO $$ BEGIN PERFORM bb_basebackup_stream(timeline => 'nothing');)
	  . ' EXCEPTION WHEN OTHERS THEN NULL; END $$');
ends('error', 'one that is caught, too',
	'42704|timeline "nothing" does not exist');
is(last_call('timeline', 'bb_basebackup_stream'),
	'nothing', 'the row says what was requested');
ask($session,
	"BEGIN; DECLARE c CURSOR FOR $stream; FETCH 1 FROM c; SAVEPOINT s");
query_like($session, 'SELECT 1/0', qr/ERROR:  22012/,
	'an error in a subtransaction');
is(last_call('state', 'bb_basebackup_stream'),
	'running', 'an error in a part of the transaction leaves it alone');
ask($session, 'ROLLBACK TO s');
query_like($session, 'FETCH 1 FROM c', qr/^\d+$/, 'it goes on');
ask($session, 'COMMIT');
ends('done', 'and is done');
ask($session, "DO \$\$ BEGIN PERFORM 1 / (length(bb_basebackup_stream()) % 1);"
	  . ' EXCEPTION WHEN OTHERS THEN NULL; END $$');
ends('error', 'an error that was caught');

send_query($session, "SELECT length(bb_basebackup_stream()), pg_sleep(60)");
$store->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM bb_access_stats WHERE state = 'running'");
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/ERROR:  57014/, 'a cancel between two chunks');
ends('cancelled', 'is seen', '57014|canceling statement due to user request');
query_like($session,
	"SET bbackup.call_timeout = 1; $all; RESET bbackup.call_timeout",
	qr/ERROR:  57014/, 'a time-out');
ends('cancelled', 'too',
	'57014|canceling basebackup due to bbackup.call_timeout');
ask($session, 'RESET bbackup.call_timeout');

ask($session, "BEGIN; DECLARE c CURSOR FOR $stream; FETCH 1 FROM c");
$store->safe_psql('postgres',
	"SELECT pg_terminate_backend($session->{backend}, 10000)");
ends('cancelled', 'and the end of a session',
	'57P01|terminating connection due to administrator command');
is(ask($watcher, "SELECT count(*) FROM bb_access_stats WHERE state = 'running'"),
	0, 'nothing is left running');
end_session($session);
$session = start_session($store);

# --- Totals.

my @sums = qw(keys_requested pages_requested layers_visited blocks_read
  blocks_cached images_used records_applied layers_downloaded
  bytes_downloaded downloads_warned downloads_refused bytes_out);
my $sums = join ', ', map { "sum($_)" } @sums;
my $group = 'GROUP BY task_kind, download_behavior ORDER BY 1, 2';
my $of_rows = "SELECT task_kind, download_behavior, count(*),"
  . " count(*) FILTER (WHERE state = 'error'),"
  . " count(*) FILTER (WHERE state = 'cancelled'), round(sum(duration_ms)::"
  . "numeric, 3), $sums FROM bb_access_stats WHERE state <> 'running' $group";
my $of_totals = 'SELECT task_kind, download_behavior, calls, errors, cancelled,'
  . ' round(duration_ms::numeric, 3), '
  . join(', ', @sums)
  . ' FROM bb_stat_totals ORDER BY 1, 2';
my $totals = ask($watcher, $of_totals);
is($totals, ask($watcher, $of_rows), 'totals are the sums of the rows');
like($totals, qr/^basebackup\|download\|\d+\|4\|3\|/m, 'of all states');
like($totals, qr/^page read\|download\|1\|/m, 'and kinds');

ask($session, "BEGIN; DECLARE c CURSOR FOR $stream; FETCH 3 FROM c");
ask($watcher, 'SELECT bb_stat_reset()');
query_is($watcher, 'SELECT count(*) FROM bb_stat_totals', 0, 'a reset');
query_is($watcher, 'SELECT state FROM bb_access_stats', 'running',
	'leaves what runs');
ask($session, 'ROLLBACK');
query_is($watcher, 'SELECT calls, bytes_out > 700000, now() - stats_reset'
	  . " < interval '1 minute' FROM bb_stat_totals",
	'1|t|t', 'which counts when it ends');

# Many calls at once: each ends once.
my @sessions = map { start_session($store) } 1 .. 4;
ask($watcher, 'SELECT bb_stat_reset()');
foreach my $round (1 .. 3)
{
	send_query($_, $all) foreach @sessions;
	is(answer($_), $size, 'a backup of several at once') foreach @sessions;
}
query_is($watcher,
	'SELECT calls, bytes_out = 12 * ' . $size . ' FROM bb_stat_totals', '12|t',
	'all are counted once');
is(ask($watcher, $of_totals), ask($watcher, $of_rows), 'and have rows');
query_is($watcher,
	'SELECT count(DISTINCT call_id), count(DISTINCT pid) FROM bb_access_stats',
	'12|4', 'with a number each');

# --- No more calls are remembered than the setting says; more cursors than
# slots.

ask($session, 'SELECT count(*) FROM bb_timelines()') foreach 1 .. 60;
query_is($watcher, 'SELECT count(*) FROM bb_access_stats', 50,
	'bbackup.track_calls rows are kept');
is(ask($watcher, "SELECT calls FROM bb_stat_totals WHERE task_kind = 'listing'"),
	60, 'totals count all calls');
my $slots = 2 * (100 + 3 + 1 + 8 + 10 + 8);
my $cursors = join ';',
  map { "DECLARE c$_ CURSOR FOR SELECT length(bb_basebackup_stream("
	  . "full_backup => false)); FETCH 1 FROM c$_" } 1 .. $slots;
ask($watcher, 'SELECT bb_stat_reset()');
ask($session, "BEGIN; $cursors");
my $live =
  ask($watcher, "SELECT count(*) FROM bb_access_stats WHERE state = 'running'");
cmp_ok($live, '>', 200, 'many calls of one session');
cmp_ok($live, '<', $slots, 'are live while there is room');
ask($session, 'COMMIT');
query_is($watcher, 'SELECT calls FROM bb_stat_totals', $slots,
	'all are counted when they end');

# --- Progress, in the server's view for its own base backups.

# The streamed part of a backup, according to the view.
sub progress
{
	my ($columns) = @_;

	return ask($watcher, "SELECT $columns FROM pg_stat_progress_basebackup");
}

my $thin = $stream =~ s/\(\)/(full_backup => false)/r;
ask($session,
	"BEGIN; DECLARE c CURSOR FOR $stream; DECLARE d CURSOR FOR $thin");
is(progress('count(*)'), 0, 'no backup, no progress');
$got = ask($session, 'FETCH 1 FROM c');
is( progress(
		"pid = $session->{backend}, phase, backup_total, backup_streamed,"
		  . ' tablespaces_total, tablespaces_streamed'),
	"t|streaming database files|$size|$got|1|0",
	'a backup shows its progress');
$got += ask($session, 'FETCH 1 FROM c');
is(progress('backup_streamed'), $got, 'and goes on');
my $got_thin = ask($session, 'FETCH 1 FROM d');
is(progress('backup_streamed'), $got, 'a second one is not shown yet');
ask($session, 'CLOSE c');
is(progress('count(*)'), 0, 'closed, its progress is over');
$got_thin += ask($session, 'FETCH 1 FROM d');
is(progress('backup_streamed, backup_total < ' . $size), "$got_thin|t",
	'and the second is shown');
ask($session, 'CREATE TABLE indexed AS SELECT 1 AS i; CREATE INDEX ON indexed (i)');
is(progress('count(*)'), 0, 'until another command is shown instead');
$got_thin += ask($session, 'FETCH 1 FROM d');
is(progress('backup_streamed'), $got_thin, 'and the backup is shown again');
ask($session, 'ROLLBACK');
is(progress('count(*)'), 0, 'rolled back, it is over');
ask($session, "SELECT * FROM ($stream LIMIT 1) s");
query_like($session, 'SELECT 1 / (length(bb_basebackup_stream()) % 1)',
	qr/ERROR:  22012:/, 'a consumer that fails');
ask($session, 'SELECT length(bb_basebackup(full_backup => false))');
is(progress('count(*)'), 0, 'so is that of all others');

# COPY reports its own progress, which is not touched.
send_query($session,
	"COPY (SELECT encode(bb_basebackup_stream(), 'hex')) TO PROGRAM"
	  . " 'head -c 1000000 >/dev/null; sleep 20'");
$store->poll_query_until('postgres',
	'SELECT count(*) > 0 FROM pg_stat_progress_copy WHERE tuples_processed > 0'
) or die 'no COPY';
is(progress('count(*)'), 0, 'COPY shows its own progress');
query_is($watcher,
	"SELECT command, type FROM pg_stat_progress_copy WHERE pid = $session->{backend}",
	'COPY TO|PROGRAM', 'a backup in it does not change that');
$store->safe_psql('postgres', "SELECT pg_terminate_backend($session->{backend})");
scalar answer($session);
end_session($session);
$session = start_session($store);

# --- Layers.

my $used = 'SELECT count(*) FILTER (WHERE accesses > 0) > 0,'
  . ' sum(accesses), sum((accesses_by_task_kind ->> \'basebackup\')::int),'
  . ' sum((accesses_by_task_kind ->> \'page read\')::int),'
  . ' max(last_access) > now() - interval \'1 minute\','
  . ' bool_and(resident), bool_or(resident_since IS NOT NULL),'
  . ' sum(downloads), sum(evictions), min(scope)'
  . ' FROM bb_layer_stats()';
ask($watcher, 'SELECT bb_stat_reset()');
ask($session, $all);
my $visited = last_call('layers_visited', 'bb_basebackup_stream');
cmp_ok($visited, '>', 0, 'a backup visits layers');
query_is($watcher, $used, "t|$visited|$visited||t|t|f|0|0|shared",
	'each visit is an access, in that session or another');
ask($session, "SELECT bb_get_page(1664, 0, 1262, 'main', 0)");
my $visited_too = last_call('layers_visited', 'bb_get_page');
is(ask($watcher, $used), 't|'
	  . ($visited + $visited_too)
	  . "|$visited|$visited_too|t|t|f|0|0|shared",
	'by task kind');
query_is($watcher,
	'SELECT array_agg(layer ORDER BY layer) = (SELECT array_agg(layer'
	  . ' ORDER BY layer) FROM bb_layers()) FROM bb_layer_stats(timeline'
	  . " => 'main')",
	't', 'each layer has a row');
ask($watcher, 'SELECT bb_stat_reset()');
query_is($watcher,
	'SELECT sum(accesses), max(last_access) IS NULL FROM bb_layer_stats()',
	'0|f', 'a reset forgets the number of uses, not their times');

# --- Statistics of other users.

$store->safe_psql('postgres',
	'CREATE ROLE bob; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO bob;'
	  . ' GRANT USAGE ON FOREIGN SERVER bbackup TO bob;'
	  . ' GRANT SELECT ON ALL TABLES IN SCHEMA public TO bob');
ask($session, "BEGIN; DECLARE c CURSOR FOR $stream; FETCH 1 FROM c");
query_is($watcher, 'SET ROLE bob; SELECT count(*) FROM bb_timelines();'
	  . ' SELECT DISTINCT usename, function FROM bb_access_stats',
	"1\nbob|bb_timelines", 'another role sees its own calls only');
query_is($watcher, 'RESET ROLE; GRANT pg_read_all_stats TO bob; SET ROLE bob;'
	  . " SELECT function FROM bb_access_stats WHERE state = 'running'",
	'bb_basebackup_stream', 'or all calls, with pg_read_all_stats');
ask($watcher, 'RESET ROLE');
ask($session, 'ROLLBACK');
$store->safe_psql('postgres',
	'CREATE FUNCTION trusted() RETURNS bigint LANGUAGE sql SECURITY DEFINER'
	  . ' AS $$ SELECT count(*) FROM bb_layers() $$');
ask($session, 'SET ROLE bob; SELECT trusted(); RESET ROLE');
is(last_call('usename', 'bb_layers'),
	'bob', 'a call is of who asks, not of who defined the function');

# --- A server that was killed starts with empty statistics.

end_session($session);
$store->safe_psql('postgres', 'SELECT 1');
end_session($watcher);
$store->stop('immediate');
$store->start;
$watcher = start_session($store);
query_is($watcher, 'SELECT count(*) FROM bb_access_stats', 0,
	'a server that was killed starts with empty statistics');

# --- Not preloaded.

$store->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
end_session($watcher);
$store->restart;
$watcher = start_session($store);
$session = start_session($store);
query_is($session, 'SELECT bb_stat_scope()', 'session',
	'not preloaded, a session is by itself');
ask($session, $all);
query_is($session,
	'SELECT function, state, bytes_out, scope FROM bb_access_stats',
	"bb_basebackup_stream|done|$size|session", 'a session sees its own calls');
is(ask($session, $of_totals), ask($session, $of_rows), 'and their totals');
query_is($watcher, 'SELECT count(*) FROM bb_access_stats', 0,
	'but no calls of others');
scalar ask($session, "SELECT 1 / (length(bb_basebackup_stream()) % 1)");
query_is($session,
	'SELECT state FROM bb_access_stats ORDER BY call_id DESC LIMIT 1', 'error',
	'errors are seen');
ask($session, 'SELECT count(*) FROM bb_timelines()') foreach 1 .. 60;
query_is($session, 'SELECT count(*) FROM bb_access_stats', 50,
	'and the setting is obeyed');
ask($session, "BEGIN; $cursors");
query_is($session,
	"SELECT count(*) FROM bb_access_stats WHERE state = 'running'", 16,
	'some of many calls are live');
ask($session, 'COMMIT; SELECT bb_stat_reset()');
query_is($session, 'SELECT count(*) FROM bb_access_stats', 0, 'and a reset');

# --- An ingest reports its LSNs, also if it failed.

$source->start;
$source->safe_psql('postgres', 'INSERT INTO t SELECT i FROM generate_series(1, 1000) i');
$source->stop;
my $wal = $source->data_dir . '/pg_wal';
my $lsns = 'start_lsn, end_lsn, lsn, state, sqlstate, length(message)';
$lsns = "SELECT $lsns FROM bb_access_stats WHERE function = 'bb_ingest'"
  . ' ORDER BY call_id DESC LIMIT 1';
my $end = ask($session, "SELECT end_lsn FROM bb_ingest(wal_directory => '$wal')");
isnt($end, $row->{lsn}, 'there is some WAL');
is(ask($session, $lsns), "$row->{lsn}|$end|$end|done||", 'an ingest has its row');
my $long = 'x' x 200;
query_like($session, "SELECT bb_ingest(wal_directory => '/$long/$long')",
	qr/ERROR/, 'one that fails');
query_like($session, $lsns, qr/^$end\|$end\|\|error\|\w{5}\|255$/,
	'has its LSNs, too, and the truncated message');

end_session($_) foreach $session, $watcher, @sessions;
done_testing();

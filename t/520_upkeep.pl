# Upkeep: bb_upkeep() and the background worker do what there is to do, and say
# what they did.  Backups are the same before and after it.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use File::Copy qw(copy move);

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
bbackup.checkpoint_distance = 1MB
bbackup.upkeep_naptime = 1s
));

sub backups
{
	my ($timeline) = @_;

	return join ' ', map {
		$store->safe_psql('postgres',
			backup_md5('bbackup', "lsn => '$_', timeline => '$timeline'"))
	  } $middle,
	  $store->safe_psql('postgres',
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
}

# ---- by hand ----

query_is($store, 'SELECT * FROM bb_upkeep()', '',
	'a store without a timeline needs no upkeep');
$store->safe_psql('postgres', "SELECT * FROM bb_import_directory('$base')");
query_is($store, 'SELECT * FROM bb_upkeep()', '', '... nor does an import');
ingest($store, $archive);
$store->safe_psql('postgres',
	"SELECT bb_create_branch('$_') FROM bb_timelines() WHERE timeline = 'main'")
  foreach 'one', 'two', 'broken';

my $before = backups('main');
my ($layers, $runs) = split /\|/,
  $store->safe_psql('postgres',
	"SELECT count(*), count(DISTINCT start_lsn) FILTER (WHERE kind = 'delta')"
	  . " FROM bb_layers() WHERE timeline = 'main'");
cmp_ok($runs, '>', 10, "there are $runs runs, in $layers layers");

query_is($store, "SELECT * FROM bb_upkeep(timeline => 'main', max_jobs => 0)",
	'', 'no job at all');
query_is(
	$store, "SELECT * FROM bb_upkeep(timeline => 'main', max_time => '0')",
	'', 'no time at all');
query_is($store,
	"SELECT timeline, job IN ('merge', 'image'), layers_read > 1,"
	  . ' layers_written > 0, layers_removed IN (0, layers_read), bytes_read > 0, bytes_written > 0,'
	  . " duration_ms > 0, why <> '', keys ~ ' to '"
	  . " FROM bb_upkeep(timeline => 'main', max_jobs => 1)",
	'main|t|t|t|t|t|t|t|t|t', 'one job');
is(backups('main'), $before, '... after which backups are the same');
$store->safe_psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'main')");
is(backups('main'), $before, '... and after all jobs');
query_is($store, "SELECT * FROM bb_upkeep(timeline => 'main')",
	'', 'then there is nothing to do');
query_is($store,
	"SELECT count(DISTINCT start_lsn) < $runs / 2 FROM bb_layers()"
	  . " WHERE timeline = 'main' AND kind = 'delta'",
	't', 'there are fewer runs');

# ---- a branch ----

$store->safe_psql('postgres', "SELECT bb_create_branch('twig', lsn => '$middle')");
ingest($store, $archive, 'twig');
my $twig = backups('twig');
like(
	$store->safe_psql('postgres',
		"SET bbackup.image_percent = 1; SELECT job FROM bb_upkeep(timeline => 'twig')"),
	qr/^image$/m, 'a branch gets an image of its own');
query_is($store,
	"SELECT count(*) > 0, min(start_lsn) > '$middle' FROM bb_layers()"
	  . " WHERE timeline = 'twig' AND kind = 'image'",
	't|t', '... which is above its start');
is(backups('twig'), $twig, '... and its backups are the same');
query_is($store, "SELECT * FROM bb_verify(timeline => 'twig', level => 'pages')",
	'', '... and pages are whole');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('twig')");

# ---- what it says ----

query_is($store,
	"SELECT datname, state, job IS NOT NULL, jobs_done > 0, jobs_failed, layers > 0,"
	  . " runs < $runs / 2, depth <= runs, retired_layers > 0, bytes > 0,"
	  . ' bytes_ingested > 0, bytes_read > 0, bytes_written >= bytes_merged,'
	  . ' write_amplification > 0, failed_at IS NULL, error IS NULL'
	  . " FROM bb_stat_upkeep WHERE store = 'bbackup' AND timeline = 'main'",
	'postgres|idle|t|t|0|t|t|t|t|t|t|t|t|t|t|t',
	'bb_stat_upkeep has a row');
query_is($store,
	"SELECT bool_or(job = 'merge'), bool_and(why <> ''), bool_and(duration_ms > 0),"
	  . ' sum(bytes_written) = (SELECT bytes_written FROM bb_stat_upkeep'
	  . " WHERE timeline = 'main') FROM bb_stat_upkeep_jobs"
	  . " WHERE timeline = 'main' AND sqlstate IS NULL",
	't|t|t|t', 'bb_stat_upkeep_jobs has rows');

# ---- errors ----

fails_like($store, "SELECT * FROM bb_upkeep(timeline => 'none')",
	qr/timeline "none" does not exist/, 'no such timeline');
fails_like($store, "SELECT * FROM bb_upkeep(timeline => 'a/b')",
	qr/timeline name/, 'no name of a timeline');
fails_like($store, "SELECT * FROM bb_upkeep('none')",
	qr/page store "none" does not exist/, 'no such store');
$store->safe_psql('postgres', q(
CREATE ROLE alice;
CREATE ROLE bob;
GRANT EXECUTE ON FUNCTION bb_upkeep TO bob));
fails_like($store, 'SET ROLE alice; SELECT * FROM bb_upkeep()',
	qr/permission denied for function bb_upkeep/, 'it needs EXECUTE');
fails_like($store, 'SET ROLE bob; SELECT * FROM bb_upkeep()',
	qr/permission denied for foreign server bbackup/, '... and USAGE');

# An error of one timeline doesn't stop the others.
foreach my $name (qw(one two broken))
{
	$store->safe_psql('postgres',
		"SELECT bb_drop_timeline('$name');"
		  . "SELECT * FROM bb_import_directory('$base', timeline => '$name');"
		  . "SELECT * FROM bb_ingest('$archive', timeline => '$name')");
}
my $layer = $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers() WHERE timeline = 'broken' AND kind = 'delta'"
	  . ' ORDER BY end_lsn DESC LIMIT 1');
my $layers_of = store_directory($store) . '/timelines/broken/layers';
my $copy = PostgreSQL::Test::Utils::tempdir . '/layer';
move("$layers_of/$layer", $copy) or die "move $layer: $!";
my $other = backups('two');
my ($status, $out, $err) = $store->psql('postgres', 'SELECT * FROM bb_upkeep()');
is($status, 3, 'an error is an error in the end');
like($err, qr/WARNING:  upkeep of timeline "broken" failed: /,
	'... and a warning before');
like($err, qr/ERROR:  upkeep of 1 of 4 timelines of page store "bbackup" failed/,
	'... with the number of timelines');
query_is($store, "SELECT * FROM bb_upkeep(timeline => 'two')",
	'', 'the next timeline is done');
is(backups('two'), $other, '... and can be read');
query_is($store,
	'SELECT state, jobs_failed, failed_at IS NOT NULL, retry_at > failed_at,'
	  . " sqlstate, error ~ 'is missing from page store' FROM bb_stat_upkeep"
	  . " WHERE timeline = 'broken'",
	'waiting after error|1|t|t|58P01|t', 'bb_stat_upkeep has the error');
my $no_job = 'SET bbackup.merge_layers = 1000; SET bbackup.image_percent = 0;'
  . " SELECT * FROM bb_upkeep(timeline => 'broken')";
my $error_of = 'SELECT state, failed_at IS NULL, error IS NULL FROM bb_stat_upkeep'
  . " WHERE timeline = 'broken'";
fails_like($store, $no_job, qr/layer "delta-\S+" of timeline "broken" still can't be read/,
	'... also if no job would read it now');
query_is($store, $error_of, 'waiting after error|f|f', '... which stays');
copy($copy, "$layers_of/$layer") or die $!;
$store->safe_psql('postgres', $no_job);
query_is($store, $error_of, 'idle|t|t', '... until the layer is whole');

# Other errors end when there is no such job to do any more.
$store->safe_psql('postgres',
	"SELECT bb_drop_timeline('broken');"
	  . "SELECT * FROM bb_import_directory('$base', timeline => 'broken');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'broken'); $no_job");
chmod 0500, $layers_of or die $!;
$store->psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'broken')");
query_is($store, "$error_of AND error ~ 'ermission denied'",
	'waiting after error|f|f', 'a store that can not be written to is an error');
query_is($store, "$no_job; $error_of", 'idle|t|t',
	'... until there is no such job to do any more');
chmod 0700, $layers_of or die $!;
$layer = $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers() WHERE timeline = 'broken' AND kind = 'delta'"
	  . ' ORDER BY end_lsn LIMIT 1');
unlink "$layers_of/$layer" or die $!;
$store->psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'broken')");

# ---- kinds of jobs that do not depend on each other; what is left alone ----

my $elsewhere = PostgreSQL::Test::Utils::tempdir;

mkdir store_directory($store) . '/timelines/lost' or die $!;
append_to_file(store_directory($store) . '/timelines/lost/manifest', 'nothing');
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', timeline => 'three');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'three');"
	  . "SELECT bb_set_retention('1 day', timeline => 'three')");
my $jobs_of = "SELECT job, sqlstate, error ~ 'might be a branch' FROM bb_stat_upkeep_jobs"
  . " WHERE timeline = 'three' GROUP BY 1, 2, 3 ORDER BY 1";
my $failing = "SELECT * FROM bb_upkeep(timeline => 'three')";
($status, $out, $err) = $store->psql('postgres', $failing);
like($err, qr/ERROR:  upkeep of 1 of 1 timelines of page store/,
	'what can not be planned is an error');
query_is($store, "$jobs_of LIMIT 1", 'expire|55000|t',
	'... and has its row');
query_is($store,
	"SELECT count(*) > 1 FROM bb_stat_upkeep_jobs WHERE timeline = 'three'"
	  . " AND job IN ('merge', 'image') AND sqlstate IS NULL",
	't', '... while other kinds of jobs are done');
query_is($store,
	"SELECT state, failed_at IS NOT NULL FROM bb_stat_upkeep WHERE timeline = 'three'",
	'waiting after error|t', 'bb_stat_upkeep has it, too');
$store->psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'lost')");
query_is($store, "SELECT job, error IS NOT NULL FROM bb_stat_upkeep WHERE timeline = 'lost'",
	'look|t', '... and a timeline whose manifest can not be read');
$store->safe_psql('postgres',
	"SELECT bb_drop_timeline('lost'); SELECT bb_set_retention(NULL, timeline => 'three'); $failing");

$store->safe_psql('postgres', qq(
CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$elsewhere/second');
SELECT * FROM bb_replicate('two', 'bbackup', 'second');
SELECT * FROM bb_upkeep('second');
));
query_is($store, "SELECT timeline, state, layers > 0 FROM bb_stat_upkeep WHERE store = 'second'",
	'two|left: a copy|t', 'a copy has a row that says why nothing is done');
$store->safe_psql('postgres', 'DROP SERVER second');
query_is($store, "SELECT count(*) FROM bb_stat_upkeep WHERE store = 'second'",
	0, 'a page store that was dropped has none');

# ---- two at once; progress; cancel ----

my ($session, $watcher) = map { start_session($store) } 1 .. 2;
$store->safe_psql('postgres',
	"SELECT bb_drop_timeline('one');"
	  . "SELECT * FROM bb_import_directory('$base', timeline => 'one');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'one')");
my $stored = join ' ', stored_layers($store, 'one');
my $slow = "SET bbackup.compression = 'none'; SET bbackup.upkeep_rate = 1;"
  . " SELECT count(*) > 0 FROM bb_upkeep(timeline => 'one')";
send_query($session, $slow);
ok( wait_for(
		'a job',
		sub {
			ask($watcher,
				'SELECT pid, datname, job IS NOT NULL, bytes_total > 0, bytes_read > 0,'
				  . ' bytes_written > 0 FROM bb_stat_progress_upkeep') eq
			  "$session->{backend}|postgres|t|t|t|t";
		}),
	'bb_stat_progress_upkeep shows a job');
is(ask($watcher, "SELECT state FROM bb_stat_upkeep WHERE timeline = 'one'"),
	'running', '... and so does bb_stat_upkeep');
like(
	ask($watcher, "SELECT count(*) FROM bb_upkeep(timeline => 'one')"),
	qr/another process takes care of timeline "one".*\n?0/s,
	'only one process takes care of a timeline');
my $expiring = start_session($store);
send_query($expiring, "SELECT count(*) > 0 FROM bb_expire(false, timeline => 'one')");
ok( wait_for(
		'bb_expire',
		sub {
			ask($watcher, 'SELECT wait_event_type FROM pg_stat_activity'
				  . " WHERE pid = $expiring->{backend} AND state = 'active'") eq
			  'Extension';
		}),
	'bb_expire(false) waits for it');
ask($watcher, "SELECT pg_cancel_backend($session->{backend})");
is(answer($expiring), 't', '... and goes on when it has ended');
end_session($expiring);
like(answer($session), qr/canceling statement due to user request/,
	'it can be canceled');
is( join(' ', stored_layers($store, 'one')),
	$stored, '... and leaves no layer behind');
is( ask($watcher,
		"SELECT state, jobs_failed, retry_at FROM bb_stat_upkeep"
		  . " WHERE timeline = 'one'"),
	'idle|0|', '... which is no failure');
is(ask($watcher, 'SELECT count(*) FROM bb_stat_progress_upkeep'),
	0, '... nor progress');
end_session($_) foreach $session, $watcher;

# ---- the worker ----

# Its stores: one that is to be left alone, one that can't be used.
my $log_start = -s $store->logfile;
mkdir "$elsewhere/locked" or die $!;
chmod 0, "$elsewhere/locked";
$store->safe_psql('postgres', qq(
CREATE SERVER off FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://$elsewhere/off', upkeep 'off');
CREATE SERVER bad FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://$elsewhere/locked/bad');
SELECT * FROM bb_import_directory('$base', 'off');
SELECT * FROM bb_ingest('$archive', 'off');
SELECT pg_sleep(1.5);
));
query_is($store,
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'bbackup upkeep pass'",
	0, 'nothing runs while it is off');
$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep = on');
$store->reload;
ok( wait_for(
		'the worker',
		sub {
			$store->safe_psql('postgres',
				    "SELECT count(*) FROM bb_stat_upkeep WHERE timeline = 'one'"
				  . " AND jobs_done > 1 AND state = 'idle'") == 1
			  && $store->safe_psql('postgres',
				"SELECT count(*) FROM bb_upkeep(timeline => 'one')") == 0;
		}),
	'once it is on, it takes care of a timeline');
ok( wait_for(
		'all stores',
		sub {
			$store->safe_psql('postgres',
				    "SELECT count(*) FROM bb_stat_upkeep WHERE store = 'bad'"
				  . " AND timeline IS NULL AND state = 'waiting after error'"
				  . " AND job = 'look' AND retry_at > failed_at") == 1;
		}),
	'a store that cannot be used has its error');
query_is($store, "SELECT count(*) FROM bb_stat_upkeep WHERE store = 'off'",
	0, 'one with the option upkeep off is left alone');
is(backups('one'), $other, 'backups are the same');

# Errors are logged once, whatever the number of attempts.
ok( wait_for(
		'another attempt',
		sub {
			$store->safe_psql('postgres',
				    'SELECT count(*) FROM bb_stat_upkeep'
				  . " WHERE store = 'bad' AND jobs_done > 1") == 1;
		}),
	'it is tried again');
my $log = slurp_file($store->logfile, $log_start);
is(scalar(() = $log =~ /CONTEXT:  upkeep of page store "bad"/g),
	1, 'its error is logged once');
is(scalar(() = $log =~ /CONTEXT:  upkeep of timeline "broken"/g),
	0, '... and one that bb_upkeep() has raised isn\'t again');

# A call may run beside it, and it ends when it is switched off.
$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep_rate = 1');
$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.compression = none');
$store->reload;
$store->safe_psql('postgres',
	"SELECT bb_drop_timeline('one');"
	  . "SELECT * FROM bb_import_directory('$base', timeline => 'one');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'one')");
ok( wait_for(
		'a slow job',
		sub {
			$store->safe_psql('postgres',
				'SELECT count(*) FROM bb_stat_progress_upkeep') == 1;
		}),
	'a slow job runs');
$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep = off');
$store->reload;
ok( wait_for(
		'its end',
		sub {
			$store->safe_psql('postgres',
				'SELECT count(*) FROM pg_stat_activity'
				  . " WHERE backend_type = 'bbackup upkeep pass'") == 0;
		}),
	'... and ends when upkeep is switched off');
$store->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$store->reload;
is(backups('one'), $other, 'backups are the same once more');
$store->safe_psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'one')");
is(backups('one'), $other, '... and after the rest was done');

chmod 0700, "$elsewhere/locked";
done_testing();

# jobs => n: background workers make the same backup, and no worker is left
# however the backup ends.

use strict;
use warnings;
use BBackup;
use BBackup::S3;

# --- Some of everything, and a history that needs redo.

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"full_page_writes = off\n");
fill_source($source);
create_rows($source, 100000);
my $base = cold_backup($source);
$source->start;
$source->safe_psql('postgres', 'UPDATE t SET i = i + 1 WHERE i % 3 = 0');
my $middle =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->safe_psql('postgres',
	'UPDATE t SET i = i + 1 WHERE i % 5 = 0; SELECT pg_switch_wal()');
$source->stop;

my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
max_worker_processes = 16
restart_after_crash = on
bbackup.checkpoint_distance = 4MB
));
my $start = import_directory($store, $base)->{lsn};
ingest($store, $archive);
my $watcher = start_session($store);
my $session = start_session($store);

my $workers = "pg_stat_activity WHERE backend_type = 'bbackup pages'";

# A cursor over a backup's rows, the first of them fetched, with all of its n
# workers waiting for something to do.
sub open_cursor
{
	my ($arguments, $n) = @_;
	my $first = ask($session,
		"BEGIN; DECLARE c CURSOR FOR SELECT md5(bb_basebackup_stream("
		  . "progress => false, $arguments)); FETCH 1 FROM c");

	$store->poll_query_until('postgres',
		"SELECT count(*) = $n FROM $workers AND wait_event = 'Extension'")
	  or die "there are no $n workers";
	return $first;
}

# The same after each worker has made all its units, and waits for the backup.
sub open_cursor_at_work
{
	my $pages = 'SELECT count(*) FROM bb_access_stats WHERE pid IN'
	  . " (SELECT pid FROM $workers) AND pages_requested > 0";

	open_cursor('jobs => 2', 2);
	foreach (1 .. 20)
	{
		ask($session, 'FETCH 4 FROM c');
		last if ask($watcher, $pages) == 2;
	}
	$store->poll_query_until('postgres',
		"SELECT ($pages) = 2 AND count(*) = 2 FROM $workers"
		  . " AND wait_event = 'Extension'")
	  or die 'the workers do nothing';
	return;
}

sub fetch_all
{
	return ask($session, 'FETCH ALL FROM c');
}

sub none_left
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( $store->poll_query_until('postgres', "SELECT count(*) = 0 FROM $workers"),
		"no worker is left: $name");
	return;
}

# The row of the last backup includes the work of its workers, to the end.
sub contains_workers
{
	my ($name, $backend) = @_;
	$backend //= $session->{backend};
	my $contains = join ' AND ',
	  map { "max(p.$_) >= sum(c.$_)" }
	  qw(keys_requested pages_requested layers_visited blocks_read
	  blocks_cached images_used records_applied);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	query_is($watcher, "SELECT count(*), sum(c.pages_requested) > 0, $contains"
		  . ' FROM bb_access_stats c, (SELECT call_id AS id, * FROM'
		  . " bb_access_stats WHERE pid = $backend"
		  . ' ORDER BY call_id DESC LIMIT 1) p WHERE c.parent_call_id = p.id',
		'2|t|t', "its row has what they did: $name");
	return;
}

# --- The same bytes, and the same work.

my $counts = 'pages_requested, records_applied, bytes_out';
my $last = 'FROM bb_access_stats WHERE pid = '
  . "$session->{backend} ORDER BY call_id DESC LIMIT 1";
my %rows;
foreach my $lsn ("'$start'", "'$middle'", 'NULL')
{
	my @rows = split /\n/, open_cursor("lsn => $lsn", 0) . "\n" . fetch_all();

	ask($session, 'COMMIT');
	$rows{$lsn} = \@rows;
	cmp_ok(scalar @rows, '>', 100, "a backup at $lsn");
	my $expected = ask($watcher, "SELECT $counts $last");
	foreach my $jobs (2, 4)
	{
		@rows = split /\n/,
		  open_cursor("lsn => $lsn, jobs => $jobs", $jobs) . "\n"
		  . fetch_all();
		is_deeply(\@rows, $rows{$lsn}, "the same with $jobs workers");
		none_left('the backup is complete');
		ask($session, 'COMMIT');
		query_is($watcher, "SELECT $counts $last", $expected,
			'they did the same work');
		query_is($watcher, "SELECT count(*), count(DISTINCT c.pid),"
			  . ' bool_and(c.pages_requested > 0),'
			  . ' sum(c.pages_requested) <= max(p.pages_requested),'
			  . ' bool_and(c.function = p.function AND c.store = p.store'
			  . ' AND c.timeline = p.timeline AND c.lsn = p.lsn),'
			  . " string_agg(DISTINCT c.state || c.parent_link, ',')"
			  . ' FROM bb_access_stats c, (SELECT call_id AS id, *'
			  . " $last) p WHERE c.parent_call_id = p.id",
			"$jobs|$jobs|t|t|t|doneattached",
			'each has its row, as a part of the backup');
	}
}
query_like($watcher, "SELECT records_applied > 10000 $last", qr/^t$/,
	'which was redo, in the end');

my $hash = "SELECT md5(string_agg(c, '')) FROM"
  . ' (SELECT bb_basebackup_stream(%s) AS c) s';
my $thin = sprintf $hash, 'full_backup => false';
is(ask($session, $thin =~ s/false/false, jobs => 4/r),
	ask($session, $thin), 'a thin one needs no workers');
is(ask($session, 'SELECT md5(bb_basebackup(jobs => 3))'),
	ask($session, sprintf $hash, 'jobs => NULL'), 'in one piece');
query_is($session, 'SELECT jobs.n FROM (VALUES (1), (64)) jobs(n),'
	  . ' LATERAL (SELECT length(bb_basebackup(jobs => n))) s',
	"1\n64", 'from one to many');
query_is($watcher, 'SELECT (SELECT count(*) FROM bb_access_stats c'
	  . ' WHERE c.parent_call_id = p.id) <= p.bytes_out / (32 * 1024 * 1024)'
	  . " FROM (SELECT call_id AS id, bytes_out $last) p",
	't', 'of whom not more are started than is worth it');
fails_like($store, "SELECT bb_basebackup(jobs => $_)",
	qr/ERROR:  22023: $_ is outside the valid range for parameter "jobs" \(1 \.\. 64\)/,
	"$_ jobs") foreach (0, 65);

# --- Ways to end.

my $slow = 'SELECT count(c) FROM (SELECT bb_basebackup_stream(jobs => 2,'
  . ' progress => false, max_rate => 32) AS c) s';

open_cursor_at_work();
ask($session, 'CLOSE c');
none_left('a cursor that was closed');
contains_workers('closed');
ask($session, 'COMMIT');
like(ask($session, 'SELECT bb_basebackup_stream(jobs => 2, progress => false)'
		  . ' LIMIT 1'), qr/^\\x/, 'LIMIT');
none_left('LIMIT');

open_cursor_at_work();
query_like($session, 'SELECT 1/0', qr/ERROR/, 'an error of something else');
none_left('a transaction that was aborted');
contains_workers('aborted');
ask($session, 'ROLLBACK');

send_query($session, $slow);
$store->poll_query_until('postgres', "SELECT count(*) = 2 FROM $workers");
ask($watcher, "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/ERROR:  57014/, 'a cancelled backup');
none_left('cancelled');

query_like($session,
	"SET bbackup.call_timeout = 500; $slow; RESET bbackup.call_timeout",
	qr/ERROR:  57014: canceling basebackup due to bbackup.call_timeout/,
	'one that takes too long');
none_left('timed out');
ask($session, 'RESET bbackup.call_timeout');

open_cursor_at_work();
ask($watcher, "SELECT pg_terminate_backend(pid, 10000) FROM $workers LIMIT 1");
like(fetch_all(),
	qr/ERROR:  57P01: terminating background worker.*CONTEXT:.*background worker for pages/s,
	'a worker that was terminated');
none_left('a worker was terminated');
contains_workers('a worker was terminated');
ask($session, 'ROLLBACK');

open_cursor_at_work();
ask($watcher, "SELECT pg_terminate_backend($session->{backend}, 10000)");
none_left('the session was terminated');
contains_workers('the session was terminated');
end_session($session);
$session = start_session($store);

# The death of a process by SIGKILL ends all sessions.
foreach my $whom ('a worker', 'the session')
{
	my $killed;

	open_cursor('jobs => 2', 2);
	my @pids = split /\n/, ask($watcher, "SELECT pid FROM $workers");
	kill 'KILL', $whom eq 'a worker' ? $pids[0] : $session->{backend};
	end_session($_) foreach ($session, $watcher);
	foreach (1 .. 18000)
	{
		last if $killed = !grep { kill 0, $_ } @pids;
		select undef, undef, undef, 0.01;
	}
	ok($killed, "$whom was killed: no worker is left");
	wait_for_restart($store);
	$_ = start_session($store) foreach ($session, $watcher);
	is(join("\n", open_cursor('jobs => 2', 2), fetch_all()),
		join("\n", @{ $rows{NULL} }), 'then the next backup is right');
	ask($session, 'COMMIT');
}

# --- Privileges.

ask($watcher,
	'CREATE ROLE bob; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO bob;'
	  . ' CREATE FUNCTION backup() RETURNS SETOF text LANGUAGE sql'
	  . ' SECURITY DEFINER AS $$SELECT md5(bb_basebackup_stream(jobs => 2,'
	  . ' progress => false, max_rate => 32768))$$');
like(ask($session, 'SET ROLE bob; SELECT bb_basebackup(jobs => 2); RESET ROLE'),
	qr/ERROR:  42501/, 'a role without USAGE gets nothing');
is( ask($session, 'SET ROLE bob; SELECT count(*) FROM backup(); RESET ROLE'),
	scalar @{ $rows{NULL} },
	'but what a function gives that may use the store');
ask($watcher, 'GRANT USAGE ON FOREIGN SERVER bbackup TO bob');
ask($session, 'SET ROLE bob');
is(join("\n", open_cursor('jobs => 2', 2), fetch_all()),
	join("\n", @{ $rows{NULL} }), 'with USAGE it gets all');
ask($session, 'COMMIT; RESET ROLE');

# --- Holes: several segments, mostly zeros.

my $holes = copy_directory($base, PostgreSQL::Test::Utils::tempdir . '/holes');
my ($biggest) =
  sort { -s $b <=> -s $a } grep { m{/\d+$} } glob "$holes/base/*/*";
append_to_file("$biggest.1", '');
truncate $biggest, 1 << 30 or die $!;
truncate "$biggest.1", 3 * 8192 or die $!;
import_directory($store, $holes, 'holes');
my ($one, $three) = map {
	ask($session, "SELECT md5(string_agg(md5(c), '')), sum(length(c)) > 1 << 30"
		  . " FROM (SELECT bb_basebackup_stream(timeline => 'holes',"
		  . " jobs => $_) AS c) s")
} (1, 3);
is($three, $one, 'a relation of two segments');
like($one, qr/\|t$/, 'which is long');
cmp_ok(ask($watcher, "SELECT sum(pages_requested) FROM bb_access_stats"
		  . " WHERE timeline = 'holes' AND parent_link = 'attached'"),
	'>', 65536, 'was made by workers, mostly');

# --- A broken layer: the same error.

my ($image) = glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($image, (-s $image) / 2, "\x55\xaa");
my @errors;
foreach my $jobs (1, 2)
{
	open_cursor("jobs => $jobs", $jobs == 1 ? 0 : $jobs);
	my ($error) = fetch_all() =~ /^(ERROR: .*?)\nCONTEXT/ms;
	push @errors, $error;
	ask($session, 'ROLLBACK');
}
like($errors[0], qr/ERROR:  XX001/, 'a broken layer is an error');
is($errors[1], $errors[0], 'the same with workers');
none_left('an error');
patch_file($image, (-s $image) / 2, $old);

# --- Too few worker slots, and no shared statistics.

foreach my $slots (0, 1, 2)
{
	end_session($_) foreach ($session, $watcher);
	$store->append_conf('postgresql.conf', qq(
shared_preload_libraries = ''
max_logical_replication_workers = 0
max_worker_processes = $slots
));
	$store->restart;
	$_ = start_session($store) foreach ($session, $watcher);
	my $got = open_cursor('jobs => 3', $slots);
	my $notice = "making a base backup with $slots of 3 background workers";

	like($got, qr/^NOTICE:  .*: \Q$notice\E\n/, "a notice says $slots of 3");
	is(($got =~ /(\w+)\z/)[0] . "\n" . fetch_all(),
		join("\n", @{ $rows{NULL} }), 'the backup is the same');
	ask($session, 'COMMIT');
	my @row = split /\|/,
	  ask($session,
		'SELECT pages_requested, records_applied, scope FROM bb_access_stats');
	ask($session, 'SELECT bb_stat_reset()');
	ask($session, "SELECT count(c) FROM (SELECT bb_basebackup_stream() AS c) s");
	is(ask($session,
			'SELECT pages_requested, records_applied, scope FROM bb_access_stats'),
		join('|', @row), 'so is what the session knows of it');
}

# --- In object storage, with a cache that is too small for all layers.

SKIP:
{
	skip 'Swift is not installed', 3 unless BBackup::S3::available();
	local $ENV{no_proxy} = '*';
	my $s3 = BBackup::S3->start(PostgreSQL::Test::Utils::tempdir_short);
	my $cache = PostgreSQL::Test::Utils::tempdir;

	$s3->create_bucket('bucket');
	ask($watcher, $s3->sql('cloud', 's3://bucket/jobs',
			"cache_directory '$cache', cache_size '4MB'"));
	my $import = "SELECT FROM bb_import_directory('$base', 'cloud')";
	unlike(ask($session, "SET bbackup.layer_size = '1MB'; $import"),
		qr/ERROR/, 'a store in S3');
	my ($alone, $shared) = map {
		my $got = join "\n",
		  open_cursor("store => 'cloud', jobs => $_", $_ == 1 ? 0 : $_),
		  fetch_all();

		ask($session, 'COMMIT');
		$got;
	} (1, 2);
	is($shared, $alone, 'the same bytes');
	ask($session, 'SET bbackup.download_behavior = error');
	like(ask($session,
			sprintf $hash, "store => 'cloud', jobs => 2, progress => false"),
		qr/ERROR:  55000: basebackup would have to download layer/,
		'download_behavior holds for workers');
}

done_testing();

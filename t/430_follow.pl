# Following a server: import, WAL as it is written, waiting, the view.

use strict;
use warnings;
use BBackup;
use BBackup::Backups;
use BBackup::Files qw(slurp);
use BBackup::Following;
use BBackup::Sessions;
use List::Util qw(max);
use Time::HiRes qw(time);

my $source = new_followed_source('source');
my $store = new_following_store('store');

$source->safe_psql('postgres', 'CREATE TABLE t (i int PRIMARY KEY, d text)');
$source->safe_psql('postgres',
	"INSERT INTO t SELECT i, 'imported' FROM generate_series(1, 10000) i");
create_source($store, 'shop', $source);

# The rows of table t in a backup at an LSN, through a clone.
sub rows_at
{
	my ($lsn) = @_;
	my $clone = clone_of($store, 'shop', "lsn => '$lsn'");
	my $rows = $clone->safe_psql('postgres', 'SELECT count(*) FROM t');

	$clone->stop('immediate');
	return $rows;
}

# --- Two statements, and the store follows.

$store->safe_psql('postgres',
	"SELECT bb_follow('shop', timeline => 'shop', checkpoint => 'fast')");
my $lsn = wait_now($store, 'shop');
ok(defined $lsn, 'bb_wait(NULL) returns after the import');
ok(wait_for_state($store, 'streaming', 'shop'), 'it streams');
is(rows_at($lsn), 10000, 'the imported rows are there');
is(slots_of($source), 'bbackup_shop active', 'the slot is in use');
my %status = follow_status($store, 'shop');
is("$status{source} $status{store} $status{confirm}",
	'shop bbackup store', 'the view says what follows what');
like($status{host}, qr/:\d+$/, 'and where the source is');
is($status{last_error}, '', 'there was no error');
query_is($store,
	"SELECT string_agg(task_kind, ' ' ORDER BY task_kind) FROM bb_access_stats"
	  . " WHERE pid IN ($status{follower_pid}, $status{receiver_pid})"
	  . " AND state = 'running'",
	'follow receive', 'both workers have a call that runs');

# --- Each LSN that bb_wait returns has what was committed before.

my @known;
foreach my $round (1 .. 5)
{
	$source->safe_psql('postgres',
		"INSERT INTO t SELECT 10000 + 100 * $round + i, 'live'"
		  . ' FROM generate_series(1, 100) i');
	my $now = wait_now($store, 'shop');

	ok(defined $now, "round $round can be read");
	push @known, [ $now, 10000 + 100 * $round ];
}
foreach my $known (@known[ 0, 2, 4 ])
{
	is(rows_at($known->[0]), $known->[1],
		"the backup at $known->[0] has these rows");
}

# --- Without bb_wait, commits become readable by bbackup.flush_interval.

$source->safe_psql('postgres', "INSERT INTO t VALUES (0, 'by itself')");
my $committed =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
ok($store->poll_query_until('postgres',
		"SELECT readable_lsn >= '$committed' AND lag_bytes = 0"
		  . " FROM bb_stat_follow WHERE timeline = 'shop'"),
	'a commit can be read without being asked for');
query_is($store,
	"SELECT lag_seconds, confirmed_lsn <= readable_lsn,"
	  . ' readable_lsn <= source_lsn FROM bb_stat_follow',
	'0|t|t', 'and there is no lag');
ok($source->poll_query_until('postgres',
		"SELECT restart_lsn >= '$committed'"
		  . ' FROM pg_replication_slots'),
	'what the store has is confirmed to the source');

# --- The lag is the age of WAL that is missing, not the time without any.

$store->poll_query_until('postgres',
	'SELECT lag_bytes = 0 FROM bb_stat_follow');
sleep 5;
my $start = time;
$source->safe_psql('postgres', "INSERT INTO t VALUES (-1000000, 'idle')");
$committed = $source->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
my (@lags, @states);
do
{
	%status = follow_status($store, 'shop');
	push @lags, $status{lag_seconds} - (time - $start);
	push @states, $status{state};
} while ($store->safe_psql('postgres', "SELECT readable_lsn < '$committed'"
		  . ' FROM bb_stat_follow') eq 't');
cmp_ok(max(@lags), '<', 1.5, 'WAL after an idle time is as old as it is');
SKIP:
{
	skip 'it took long', 1 if time - $start > 2;
	is(join(' ', grep { $_ ne 'streaming' } @states),
		'', 'and it streams all the time');
}

# --- An asynchronous commit, whose WAL is cut in the midst of a record.

$source->safe_psql('postgres',
	'SET synchronous_commit = off; INSERT INTO t SELECT -i, NULL'
	  . ' FROM generate_series(1, 500) i');
ok(defined wait_now($store, 'shop'), 'WAL that ends within a record');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
ok(defined wait_now($store, 'shop'), 'WAL that ends with a segment');

# --- bb_wait's errors.

my $far = 'FFFFFFFF/0';
fails_like($store, "SELECT bb_wait('$far', 'shop', '200 ms')",
	qr/57014:.* could not be read at .* in time.*following is (streaming|catching up)/s,
	'a timeout says how following is');
fails_like($store, "SELECT bb_wait(NULL, 'nowhere')", qr/42704:.*does not follow/s,
	'a timeline that is not followed');
fails_like($store, "SELECT bb_wait('$far', 'nowhere')",
	qr/42704:.*does not exist/s, 'a timeline that does not exist');
query_is($store, "SELECT bb_create_branch('side', 'shop', '$lsn') = '$lsn',"
	  . " bb_wait('$lsn', 'side') = '$lsn'",
	't|t', 'an LSN of a timeline that is not followed');

# --- bb_follow's errors.

fails_like($store, "SELECT bb_follow('shop', timeline => 'shop')",
	qr/42710:.*already follows.*bb_unfollow/s, 'a timeline that is followed');
fails_like($store, "SELECT bb_drop_timeline('shop')",
	qr/55006:.*until bb_unfollow/s, 'nor can it be dropped');
fails_like($store, "SELECT bb_follow('none', timeline => 'other')",
	qr/42704:/, 'a source that does not exist');
fails_like($store, "SELECT bb_follow('bbackup', timeline => 'other')",
	qr/42809:/, 'a source that is a store');
fails_like($store,
	"SELECT bb_follow('shop', timeline => 'other', slot => 'Shop')",
	qr/42602:/, 'a slot with an invalid name');
fails_like($store,
	"SELECT bb_follow('shop', timeline => 'other', checkpoint => 'slow')",
	qr/22023:/, 'an unknown checkpoint');
fails_like($store,
	"SELECT bb_follow('shop', timeline => 'other', max_rate => 1)",
	qr/22023:/, 'a rate that is too low');
fails_like($store, "SELECT bb_unfollow('other')", qr/42704:/,
	'no such following');
my $foreign = new_followed_source('foreign');
create_source($store, 'foreign_one', $foreign);
fails_like($store, "SELECT bb_follow('foreign_one', timeline => 'side')",
	qr/22023:.*another system.*system identifier/s, 'another system');
$foreign->stop;
fails_like($store, "SELECT bb_follow('foreign_one', timeline => 'other')",
	qr/08\w{3}:/, 'a source that does not answer');
query_is($store, 'SELECT count(*) FROM bb_following', 1, 'no row is left');

# --- It doesn't hold up vacuum, and needs no more memory with each flush.

is( $store->safe_psql('postgres',
		'SELECT count(*) FROM pg_stat_activity WHERE backend_type'
		  . " ~ '^bbackup' AND (backend_xmin IS NOT NULL"
		  . ' OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)'),
	0, 'no worker has a transaction');

# --- The log says once what happens.

sub log_count
{
	my ($pattern) = @_;
	my @lines = slurp($store->logfile) =~ /$pattern/g;

	return scalar @lines;
}

my $receiving = qr/LOG:  receiving WAL of source "shop" from \S+ at \S+ on tli 1/;
is(log_count($receiving), 1, 'the beginning of receiving is in the log');
$source->stop;
ok(wait_for_state($store, 'waiting', 'shop'), 'the source is away');
ok( $store->poll_query_until(
		'postgres', 'SELECT lag_seconds > 2 FROM bb_stat_follow'),
	'which is a lag, too');
$source->start;
ok(wait_for('the log', sub { log_count($receiving) == 2 }),
	'the end of an outage is in the log, once');
ok(wait_for_state($store, 'streaming', 'shop'), 'it streams again');
is( log_count(qr/CONTEXT:  following source "shop" through replication slot "bbackup_shop_/),
	log_count(qr/LOG:  (?:could not connect to|connection to|source "shop" has ended)/),
	'an error of an outage says what it stops');
is( log_count(qr/timeline "shop" of page store "bbackup" follows source "shop"/),
	1, 'so is the beginning of following');
is(log_count(qr/source "shop" was imported as timeline "shop"/),
	1, 'and the import');
ok(defined wait_now($store, 'shop'), 'now it can be read');

# --- The end.

stop_following($source, $store, 'shop');
query_is($store, 'SELECT count(*) FROM bb_stat_follow', 0, 'the row is gone');
is(log_count(qr/timeline "shop" stops following source "shop"/),
	1, 'the log says that it is over');
is( $store->safe_psql('postgres', "SELECT end_lsn >= '$committed'"
		  . " FROM bb_timelines() WHERE timeline = 'shop'"),
	't', 'the timeline stays');
$store->safe_psql('postgres',
	"SELECT bb_follow('shop', timeline => 'shop')");
$source->safe_psql('postgres', "INSERT INTO t VALUES (1000000, 'again')");
ok(defined wait_now($store, 'shop'), 'following begins again where it ended');
ok(wait_for_state($store, 'streaming', 'shop'), 'and streams');
query_is($store, 'SELECT restarts, last_error FROM bb_stat_follow', '0|',
	'without an error');
stop_following($source, $store, 'shop');
done_testing();

# A new base of a running server into the timeline that followed it: after a
# gap, from a standby, over a failover, and what is refused.

use strict;
use warnings;
use BBackup;
use BBackup::Following;

srand draw_seed();

my $source = new_followed_source('source', q(
max_wal_size = 4MB
min_wal_size = 2MB
wal_keep_size = 0
allow_in_place_tablespaces = on
hot_standby = on
), '--wal-segsize=1', '--data-checksums');
$source->safe_psql('postgres', q(
CREATE TABLE still AS SELECT i, repeat(md5(i::text), 10) t
	FROM generate_series(1, 60000) i;
VACUUM FREEZE still;
CREATE TABLE t0 AS SELECT i, 0 n FROM generate_series(1, 3000) i;
CREATE TABLE changed (n int);
INSERT INTO changed VALUES (0);
CHECKPOINT;
));
my $standby = followed_standby($source, 'standby');
my $store =
  new_following_store('store', "wal_level = replica\nmax_wal_senders = 5\n");
create_source($store, 'shop', $source);
create_source($store, 'copy', $standby);

sub rebase_call
{
	my ($name, $timeline) = @_;

	return "SELECT * FROM bb_rebase_server('$name', timeline => '$timeline',"
	  . " checkpoint => 'fast')";
}

# The row of a rebase, as a hash.
sub rebase
{
	my @columns = qw(timeline gap_start gap_end pages pages_stored bytes_read
	  bytes_stored duration);
	my %row;

	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres', rebase_call(@_));
	note(join ', ', map { "$_ $row{$_}" } sort keys %row);
	return \%row;
}

sub end_of
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
}

sub md5_at
{
	my ($timeline, $lsn) = @_;

	return $store->safe_psql('postgres',
			"SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
		  . " bb_basebackup_stream('$lsn', timeline => '$timeline') AS chunk) c");
}

# lose_wal - until a node has removed the WAL at an LSN.
sub lose_wal
{
	my ($node, $lsn) = @_;

	for (1 .. 1000)
	{
		my $gone = $node->safe_psql('postgres', qq(
CREATE TABLE IF NOT EXISTS filler (i int);
INSERT INTO filler SELECT generate_series(1, 1000);
SELECT FROM pg_switch_wal();
CHECKPOINT;
SELECT count(*) = 0 FROM pg_ls_waldir()
WHERE name = pg_walfile_name('$lsn'::pg_lsn + 1);
));
		return if $gone =~ /t\s*\z/;
		$standby->poll_query_until('postgres',
			"SELECT pg_last_wal_replay_lsn() >= '"
			  . $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()')
			  . "'::pg_lsn")
		  if $node == $source && -e $standby->data_dir . '/postmaster.pid';
	}
	die 'WAL is not removed: '
	  . $node->safe_psql('postgres',
		'SELECT name FROM pg_ls_waldir(); SELECT * FROM pg_replication_slots');
}

# change - random changes, of tables that are there or not.
my ($tables, $databases, $spaces) = (1, 0, 0);

sub change
{
	my ($node, $times) = @_;

	for (1 .. $times)
	{
		my $dice = int rand 12;
		my $table = 't' . int rand $tables;
		my $n = 1 + int rand 5000;

		my $sql =
			$dice == 0 ? "DROP TABLE IF EXISTS $table"
		  : $dice == 1 ? "TRUNCATE $table"
		  : $dice == 2 ? "DELETE FROM $table WHERE i > $n; VACUUM $table"
		  : $dice == 3 ? "VACUUM FULL $table"
		  : $dice == 4 ? 'CREATE DATABASE d' . ++$databases
		  : $dice == 5 ? "DROP DATABASE IF EXISTS d$databases"
		  : $dice == 6
		  ? 'CREATE TABLESPACE s' . ++$spaces . " LOCATION '';"
		  . " ALTER TABLE $table SET TABLESPACE s$spaces"
		  : $dice == 7 ? "BEGIN; INSERT INTO $table VALUES (-1, $n);"
		  . " PREPARE TRANSACTION 'p$n'"
		  : $dice == 8 ? "CREATE INDEX ON $table (n)"
		  : $dice == 9 ? "UPDATE $table SET n = n + 1 WHERE i % 3 = 0"
		  : "INSERT INTO $table SELECT i, $n FROM generate_series(1, $n) i";
		my $new = 't' . $tables;

		note($sql);
		# a table may be gone or locked by what is prepared
		$node->psql('postgres', "SET lock_timeout = '100ms'; $sql");
		$node->safe_psql('postgres',
			"CREATE TABLE $new AS SELECT i, 0 n FROM generate_series(1, $n) i")
		  if rand() < 0.3 && $tables++;
	}
	return;
}

sub end_prepared
{
	my ($node) = @_;

	$node->safe_psql('postgres', "ROLLBACK PREPARED '$_'")
	  foreach split /\n/,
	  $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts');
	return;
}

# is_copy - a clone of the end has the rows of a server.
sub is_copy
{
	my ($node, $timeline, $name) = @_;
	my $clone = new_clone("clone_$name",
		fetch_backup($store, "timeline => '$timeline'"));

	$clone->start;
	end_prepared($clone);
	same_dump(
		(map { s/^SELECT pg_catalog.setval.*$//mgr } map { dump_all($_) }
			$clone, $node),
		"$name: the rows are the source's");
	$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
		"$name: pg_amcheck finds nothing");
	$clone->stop;
	command_ok([ 'pg_checksums', '--check', '-D', $clone->data_dir ],
		"$name: its checksums are right");
	$clone->clean_node;
	return;
}

# ---- a slot is lost ----

follow($store, 'shop');
ok(wait_now($store), 'the source is followed');

my %before;

foreach my $round (1 .. $ENV{BB_ROUNDS} // 4)
{
	my $name = "round $round";
	my $through = $round % 3 == 0 ? 'copy' : 'shop';

	change($source, 3 * $round);
	end_prepared($source) if $round == 1;
	wait_now($store);
	$store->safe_psql('postgres', 'SELECT bb_unfollow()');

	my $from = end_of('main');
	$before{$from} = md5_at('main', $from);

	if ($round == 1)
	{
		# random changes may have dropped all other tables
		$source->safe_psql('postgres', 'UPDATE changed SET n = 1');
	}
	else
	{
		change($source, 4 * $round);
	}
	lose_wal($source, $from);
	follow($store, 'shop');
	ok(wait_for_state($store, 'failed'), "$name: the gap is noticed");
	like({ follow_status($store) }->{last_error} // '',
		qr/misses WAL/, "$name: and reported");

	my $row = rebase($through, 'main');
	is($row->{gap_start}, $from, "$name: the gap begins at the end");
	cmp_ok($row->{pages_stored}, '<', $row->{pages} / 10,
		"$name: of $row->{pages} pages, $row->{pages_stored} are stored")
	  if $round == 1;
	is(md5_at('main', $from), $before{$from},
		"$name: before the gap nothing has changed");
	fails_like(
		$store,
		"SELECT bb_files('$row->{gap_end}'::pg_lsn - 1)",
		qr/55000: .*in a gap/,
		"$name: in the gap nobody reads");

	change($source, $round);
	follow($store, 'shop');
	wait_now($store)
	  or die 'it is not followed';
	pass("$name: the source is followed again");
	end_prepared($source);
	wait_now($store);
	is_copy($source, 'main', "round$round");
}
is(md5_at('main', $_), $before{$_}, "at $_, later gaps change nothing")
  foreach sort keys %before;
query_is($store, 'SELECT count(*), count(gap_end) FROM bb_gaps()',
	join('|', (scalar keys %before) x 2),
	'all gaps are listed');

# ---- what is refused ----

$store->safe_psql('postgres', 'SELECT bb_unfollow()');
my $from = end_of('main');
create_source($store, 'other', $store);
fails_like($store, rebase_call('other', 'main'),
	qr/22023: .*not of the cluster/, 'another cluster');
fails_like($store, rebase_call('shop', 'none'), qr/42704: /, 'no timeline');
is(end_of('main'), $from, 'nothing has changed');
query_is($source,
	q(SELECT count(*) FROM pg_replication_slots WHERE slot_name <> 'standby'),
	0, 'no slot is left');

# ---- a failover in the gap ----

$store->safe_psql('postgres', "SELECT bb_create_branch('old')");
change($source, 3);
end_prepared($source);

# kill -9 while the base is received
my $session = start_session($store);
send_query($session,
	"SELECT FROM bb_rebase_server('shop', checkpoint => 'fast', max_rate => 2000)"
);
wait_for_import($store, $session,
	"phase = 'receiving' AND bytes_done > 1000000");
kill 'KILL', $session->{backend};
answer($session);
end_session($session);
wait_for_restart($store);
forget_killed($store);
is(end_of('main'), $from, 'a rebase that was killed leaves the timeline');
query_is($store, 'SELECT count(*) FROM bb_gaps() WHERE gap_end IS NULL',
	0, 'and no gap');
ok( $source->poll_query_until('postgres',
		q(SELECT count(*) = 0 FROM pg_replication_slots WHERE slot_name <> 'standby')
	),
	'and no slot');

$standby->poll_query_until('postgres',
	"SELECT pg_last_wal_replay_lsn() >= '"
	  . $source->safe_psql('postgres', 'SELECT pg_current_wal_lsn()')
	  . "'::pg_lsn");
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby is not promoted';
change($standby, 5);
lose_wal($standby, $from);
my $row = rebase('copy', 'main');
query_is($store, q(SELECT tli FROM bb_timelines() WHERE timeline = 'main'),
	2, 'the base is of the new timeline ID');
follow($store, 'copy');
wait_now($store)
  or die 'the standby is not followed';
end_prepared($standby);
wait_now($store);
is_copy($standby, 'main', 'failover');
$store->safe_psql('postgres', 'SELECT bb_unfollow()');

# the old primary goes on, and a branch with it
$source->safe_psql('postgres',
	"SELECT pg_drop_replication_slot('standby')");
change($source, 5);
lose_wal($source, $from);
rebase('shop', 'old');
my ($status, $error);
$status = $store->psql('postgres', rebase_call('copy', 'old'),
	stderr => \$error);
like($error, qr/does not follow timeline "old".*left it at/s,
	'the new primary diverged from it');
my ($fork) = $error =~ /Branch at (\S+) by/;
is($fork, $from, 'the fork is in the gap: the hint names its start');
$store->safe_psql('postgres',
	"SELECT bb_create_branch('new', 'old', '$fork')");
rebase('copy', 'new');
is_copy($standby, 'new', 'branch');

$_->stop foreach $store, $standby, $source;
done_testing();

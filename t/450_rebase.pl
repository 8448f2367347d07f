# A new base into an existing timeline, where WAL was lost: before the gap the
# timeline is what it was, after it what recovery of the base makes, and in it
# nobody can read.

use strict;
use warnings;
use BBackup;
use BBackup::Compare;
use BBackup::Oracle;
use BBackup::OracleRun;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;

my $seed = oracle_seed();
my $before =
  '^(?:extend|heap|toast|copy|sequences|gin|brin|row locks|subtransactions)';
my $lost =
  '^(?:truncate|drops|rewrites|mapped|databases|prepared|gist|multixacts|large)';
my $during = '^(?:unlogged|visibility|btree|hash|owned)';
my $after = '^(?:spgist|messages|tablespaces|temporary)';

# What is there before the gap, what becomes of it there, and afterwards.
my $things = q(
CREATE TABLE bb_dropped AS SELECT i FROM generate_series(1, 20000) i;
CREATE TABLE bb_shorter AS SELECT i, md5(i::text) t FROM generate_series(1, 20000) i;
CREATE TABLE bb_full AS SELECT i FROM generate_series(1, 20000) i;
CREATE TABLE bb_updated AS SELECT i, 0 AS n FROM generate_series(1, 20000) i;
CREATE INDEX ON bb_updated (i);
SELECT lo_create(47120);
CREATE TABLESPACE bb_old LOCATION '';
CREATE TABLE bb_spaced TABLESPACE bb_old AS SELECT generate_series(1, 1000) i;
CREATE DATABASE bb_gone;
BEGIN;
INSERT INTO bb_updated VALUES (-1);
PREPARE TRANSACTION 'committed in the gap';
BEGIN;
INSERT INTO bb_updated VALUES (-2);
PREPARE TRANSACTION 'committed after the gap';
SELECT pg_replication_origin_create('bb_origin');
SELECT pg_replication_origin_advance('bb_origin', '0/1234');
);
my $change = q(
DROP TABLE bb_dropped;
DELETE FROM bb_shorter WHERE i > 100;
VACUUM bb_shorter;
DELETE FROM bb_full WHERE i % 3 = 0;
VACUUM FULL bb_full;
UPDATE bb_updated SET n = n + 1 WHERE i % 5 = 0;
SELECT lo_unlink(47120);
DROP TABLE bb_spaced;
DROP TABLESPACE bb_old;
DROP DATABASE bb_gone;
CREATE DATABASE bb_new;
CREATE TABLESPACE bb_space LOCATION '';
CREATE TABLE bb_spaced TABLESPACE bb_space AS SELECT generate_series(1, 9000) i;
COMMIT PREPARED 'committed in the gap';
BEGIN;
INSERT INTO bb_updated VALUES (-3);
PREPARE TRANSACTION 'of the gap';
SELECT pg_replication_origin_advance('bb_origin', '0/5678');
);
my $grow = q(
INSERT INTO bb_shorter SELECT i, md5(i::text) FROM generate_series(100, 30000) i;
COMMIT PREPARED 'committed after the gap';
COMMIT PREPARED 'of the gap';
UPDATE bb_updated SET n = n + 1 WHERE i % 7 = 0;
DROP DATABASE bb_new;
DROP TABLE bb_spaced;
DROP TABLESPACE bb_space;
);

# ---- the source, and three parts of its archive ----

my $source = new_workload_source('source', 'checksums');
my $directory = PostgreSQL::Test::Utils::tempdir;
my ($first_base, $new_base) = ("$directory/first", "$directory/new");
my %archive = map { $_ => "$directory/$_" } qw(before after);
mkdir $_ foreach values %archive;

# segments of the archive, of which the first name is at least "from"
sub copy_segments
{
	my ($to, $from) = @_;

	foreach my $path (glob $source->archive_dir . '/*')
	{
		my ($name) = $path =~ m{([^/]+)$};
		system_or_bail('cp', $path, $to)
		  if !defined $from || $name ge $from;
	}
	return;
}

# each statement by itself
sub run_sql
{
	my ($sql) = @_;

	$source->safe_psql('postgres', $sql);
	return;
}

sub switch_wal
{
	my ($node) = @_;
	my $segment = $node->safe_psql('postgres',
		'SELECT pg_walfile_name(pg_current_wal_lsn())');

	$node->safe_psql('postgres',
		"CREATE TABLE IF NOT EXISTS switches (); SELECT pg_switch_wal()");
	$node->poll_query_until('postgres',
		"SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
	  or die 'WAL is not archived: '
	  . $node->safe_psql('postgres', 'SELECT * FROM pg_stat_archiver');
	return $segment;
}

# equal pages make most of the cluster
$source->safe_psql('postgres',
	'CREATE TABLE still AS SELECT i, repeat(md5(i::text), 10) t'
	  . ' FROM generate_series(1, 20000) i; VACUUM FREEZE still; CHECKPOINT');
$source->stop;
BBackup::Oracle::keep_base($source, $first_base);
$source->start;
run_everything($source, $seed, $before);
run_sql($things);
switch_wal($source);
copy_segments($archive{before});

run_everything($source, $seed + 1, $lost);
run_sql($change);
my $finish = start_chapters($source, $during);
$source->command_ok(
	[
		'pg_basebackup', '-D', $new_base, '-c', 'fast', '--no-sync',
		'--max-rate=20M', '-X', 'stream', '-d', $source->connstr('postgres')
	],
	'a base backup of the running source');
$finish->();
run_sql($grow);
run_everything($source, $seed + 2, $after);
BBackup::Oracle::finish_archive($source);
slurp_file("$new_base/backup_label") =~ /^START WAL LOCATION: \S+ \(file (\w+)/m
  or die 'no start in backup_label';
copy_segments($archive{after}, $1);

# ---- the store ----

my $store = new_store('store', "restart_after_crash = on\n");
import_directory($store, $first_base);
my %ingested = ingest($store, $archive{before});
my $from = $ingested{end_lsn};

# The row of a rebase, as a hash.
sub rebase
{
	my ($node, $base, $timeline) = @_;
	my @columns = qw(timeline gap_start gap_end pages pages_stored bytes_read
	  bytes_stored duration);
	my %row;

	@row{@columns} = split /\|/,
	  $node->safe_psql('postgres',
		"SELECT * FROM bb_rebase_directory('$base', timeline => '$timeline')");
	return \%row;
}

sub facts
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		'SELECT start_lsn, end_lsn, prev_lsn, end_time, tli, layers,'
		  . " bytes_stored FROM bb_timelines() WHERE timeline = '$timeline'");
}

sub md5_at
{
	my ($timeline, $lsn) = @_;

	return $store->safe_psql('postgres',
			"SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
		  . " bb_basebackup_stream('$lsn', timeline => '$timeline') AS chunk) c");
}

fails_like($store, "SELECT bb_ingest('$archive{after}')",
	qr/58P01: .*missing/s, 'the WAL between cannot be ingested');
fails_like($store, "SELECT bb_rebase_directory('$new_base', timeline => 'x')",
	qr/42704: /, 'a timeline that is none');
fails_like($store, "SELECT bb_rebase_directory('$first_base')",
	qr/55000: .*does not begin after the end.*No WAL is missing/s,
	'an old base');

$store->safe_psql('postgres', "SELECT bb_create_branch('cut')");
# a branch without records has another signal file than its ancestor
my $branch_md5 = md5_at('cut', $from);
my $facts = facts('main');
my $md5 = md5_at('main', $from);
my $row = rebase($store, $new_base, 'main');
note(join ', ', map { "$_ $row->{$_}" } sort keys %$row);
my $until = $row->{gap_end};
is($row->{gap_start}, $from, 'the gap begins where the timeline ended');
cmp_ok($row->{pages_stored}, '<', $row->{pages} * 0.8,
	"of $row->{pages} pages, $row->{pages_stored} are stored");
query_is($store, 'SELECT timeline, gap_start, gap_end FROM bb_gaps()',
	"main|$from|$until", 'the gap is listed');
is(md5_at('main', $from), $md5, 'before the gap nothing has changed');

%ingested = ingest($store, $archive{after});
is($ingested{start_lsn}, $until, 'ingest goes on after the gap');

# ---- reads in the gap ----

my $inside = lsn_text(int((lsn_number($from) + lsn_number($until)) / 2));
foreach my $lsn (lsn_text(lsn_number($from) + 1),
	$inside, lsn_text(lsn_number($until) - 1))
{
	my $both = qr/55000: .*in a gap of timeline "main".*up to \Q$from\E, and from \Q$until\E/s;

	fails_like($store, "SELECT bb_basebackup('$lsn')", $both,
		"no backup at $lsn");
	fails_like($store, "SELECT bb_files('$lsn')", $both, 'no list of files');
	fails_like($store, "SELECT bb_databases('$lsn')", $both,
		'no list of databases');
	fails_like($store, "SELECT bb_create_branch('b', lsn => '$lsn')", $both,
		'no branch');
}
my ($start_time, $end_time) = split /\|/,
  $store->safe_psql('postgres', 'SELECT start_time, end_time FROM bb_gaps()');
fails_like(
	$store,
	"SELECT bb_lsn_at('$start_time'::timestamptz + interval '1.5 s')",
	qr/55000: .*in a gap of timeline "main".*up to \Q$from\E, and from \Q$until\E/s,
	'no LSN of a time in the gap');

# ---- what recovery makes ----

my %oracle = map {
	$_ => BBackup::Oracle->new(
		base => $_,
		archive => $source->archive_dir)
} $first_base, $new_base;
is($until, lsn_text($oracle{$new_base}->consistent_lsn),
	'the gap ends where the base is consistent');
my $wal = $oracle{$first_base}->wal;
is($ingested{end_lsn}, lsn_text($wal->end), 'all WAL after it is ingested');

srand $seed;
my ($low, $high) =
  (lsn_number($facts =~ /^([^|]+)/), lsn_number($from));
$oracle{$first_base}->check($store, 'main', $_->[0], $_->[1])
  foreach [ int($low + rand($high - $low)), 'before the gap' ],
  [ $high, 'where the gap begins' ];
$oracle{$new_base}->check($store, 'main', $_->[0], $_->[1])
  foreach $oracle{$new_base}
  ->wal->choose($seed, $ENV{BBACKUP_LSNS} // 4, lsn_number($until));

# the dump of a server that replayed the lost WAL, too
my $recovered = $oracle{$first_base}->recover(undef);
my $clone = new_clone('whole', fetch_backup($store, 'NULL'));
foreach my $node ($recovered, $clone)
{
	$node->append_conf('postgresql.conf', 'archive_mode = off');
	$node->start;
	BBackup::Oracle::end_prepared($node);
}
# WAL has a sequence ahead of its page in a base
same_dump(
	(map { s/^SELECT pg_catalog.setval.*$//mgr } map { dump_all($_) } $clone,
		$recovered),
	'its rows are those of a server that has the lost WAL');
$_->stop foreach $recovered, $clone;

# ---- branches beside a gap ----

my $at_end = $ingested{end_lsn};
$store->safe_psql('postgres',
	"SELECT bb_create_branch('low', lsn => '$from'),"
	  . " bb_create_branch('high', lsn => '$until')");
is(md5_at('low', $from), $branch_md5, 'a branch where the gap begins');
my %branch = ingest($store, $archive{after}, 'high');
is($branch{end_lsn}, $at_end, 'a branch after the gap takes WAL');
is(md5_at('high', $at_end), md5_at('main', $at_end), 'and has the same pages');
query_is($store, "SELECT count(*) FROM bb_gaps(timeline => 'high')", 0,
	'it has no gap');
fails_like($store,
	"SELECT bb_basebackup('$from', timeline => 'high')",
	qr/55000: .*before the history/s, 'nor what is before it');

# a branch from before the gap gets a gap of its own
$row = rebase($store, $new_base, 'cut');
is("$row->{gap_start} $row->{gap_end}", "$from $until", 'a branch is rebased');
ingest($store, $archive{after}, 'cut');
is(md5_at('cut', $at_end), md5_at('main', $at_end), 'and has the same pages');

# ---- kills ----

# kill a backend that rebases while its gap is open, if there is such a time
sub kill_in_gap
{
	my ($pid) = @_;

	$store->psql('postgres', qq(
DO \$\$
DECLARE
	gaps record;
BEGIN
	LOOP
		SELECT count(*) AS n, count(gap_end) AS closed INTO gaps
		FROM bb_gaps(timeline => 'killed');
		EXIT WHEN gaps.closed > 0;
		IF gaps.n > 0 THEN
			EXECUTE 'COPY (SELECT 1) TO PROGRAM ''kill -9 $pid''';
			EXIT;
		END IF;
	END LOOP;
END
\$\$;), stderr => \my $errors);
	kill 'KILL', $pid;
	return;
}

my ($kills, $resumed) = (0, 0);
$store->safe_psql('postgres',
	"SELECT bb_create_branch('killed', lsn => '$from')");
my $start = time;
rebase($store, $new_base, 'low');
my $within = (time - $start) * 1.1 + 0.2;
my @wrong;

sub enough
{
	my $wanted = $ENV{BB_KILLS} // 6;

	return $kills >= ($resumed > 0 ? $wanted : $wanted + 60);
}

until (enough())
{
	my $session = start_session($store);
	my $open;

	send_query($session,
		"SELECT * FROM bb_rebase_directory('$new_base', timeline => 'killed')");
	if ($kills % 2)
	{
		kill_in_gap($session->{backend});
	}
	else
	{
		select undef, undef, undef, rand $within;
		kill 'KILL', $session->{backend};
	}
	answer($session);
	end_session($session);
	wait_for_restart($store);
	forget_killed($store);
	$kills++;

	$open = $store->safe_psql('postgres',
		"SELECT count(*) FILTER (WHERE gap_end IS NULL), count(*)"
		  . " FROM bb_gaps(timeline => 'killed')");
	if ($open eq '1|1')
	{
		$resumed++;
		fails_like($store,
			"SELECT bb_ingest('$archive{after}', timeline => 'killed')",
			qr/55000: .*rebase of timeline "killed" was not completed/s,
			'an open gap is not continued');
		push @wrong, "open: end of the timeline after kill $kills"
		  if $store->safe_psql('postgres',
			"SELECT end_lsn FROM bb_timelines() WHERE timeline = 'killed'") ne
		  $from;
	}
	if ($open eq '0|1')
	{
		# it was through: again, from the beginning
		$store->safe_psql('postgres', "SELECT bb_drop_timeline('killed');"
			  . " SELECT bb_create_branch('killed', lsn => '$from')");
	}
	push @wrong, "pages before the gap after kill $kills"
	  if md5_at('killed', $from) ne $branch_md5;
}
note("$kills kills, of which $resumed left an open gap");
diag('no kill has left an open gap') if $resumed == 0;
is("@wrong", '', 'after kills, the timeline is what it was before the gap');
rebase($store, $new_base, 'killed')
  if $store->safe_psql('postgres',
	"SELECT count(gap_end) FROM bb_gaps(timeline => 'killed')") eq '0';
ingest($store, $archive{after}, 'killed');
is(md5_at('killed', $at_end), md5_at('main', $at_end),
	'and a rebase that was killed is made again');

$store->stop;
done_testing();

# Targets as recovery has them: restore points, transaction IDs, times and LSNs, of
# a workload that is drawn at random.  A stock server recovers to the same
# target, and says where it stopped; and our backup there is what it made.
#
#	BBACKUP_TARGETS=100 (default: 2 of each kind)

use strict;
use warnings;
use BBackup;
use BBackup::Oracle;
use BBackup::WAL qw(lsn_number lsn_text);

my $rounds = $ENV{BBACKUP_TARGETS} // 2;
my $seed = draw_seed();
my $archive = PostgreSQL::Test::Utils::tempdir;

srand $seed;
$ENV{TZ} = 'UTC';

sub one_of { return $_[ rand @_ ] }

# --- A workload.  What it did is read from its WAL.

my $source = new_archiving_source('source', $archive, "timezone = UTC\n");
$source->safe_psql('postgres', 'CREATE TABLE t (i int, what text)');
my $base = cold_backup($source);
my (@points, @subxids, @positions);
my $prepared = 0;
my @open;

# Each is a list of statements; a result is collected.
my @steps = (
	sub { return "INSERT INTO t VALUES ($_[0], 'alone');" },
	sub { return "INSERT INTO t VALUES ($_[0], 'alone');" },
	sub {
		return "BEGIN; INSERT INTO t VALUES ($_[0], 'together');"
		  . " UPDATE t SET i = i + 1 WHERE i % 7 = 0; "
		  . one_of('COMMIT', 'COMMIT', 'ROLLBACK') . ';';
	},
	sub {
		return "BEGIN; INSERT INTO t VALUES ($_[0], 'above'); SAVEPOINT s;"
		  . " INSERT INTO t VALUES ($_[0], 'below');"
		  . " SELECT 'sub ' || xmin FROM t WHERE i = $_[0] AND what = 'below'; "
		  . one_of('RELEASE s', 'ROLLBACK TO s') . '; '
		  . one_of('COMMIT', 'COMMIT', 'ROLLBACK') . ';';
	},
	# it holds no lock that another step waits for
	sub {
		return 'SELECT;' if @open == 8;
		push @open, ++$prepared;
		return "BEGIN; INSERT INTO t VALUES ($_[0], 'prepared');"
		  . " SAVEPOINT s; INSERT INTO t VALUES ($_[0], 'below'); RELEASE s;"
		  . " PREPARE TRANSACTION 'p$prepared';";
	},
	sub {
		my $at = int rand @open;

		return 'SELECT;' if !@open;
		my ($number) = splice @open, $at, 1;
		return one_of('COMMIT', 'ROLLBACK') . " PREPARED 'p$number';";
	},
	sub {
		return "SELECT 'point unique$_[0] ' || pg_create_restore_point('unique$_[0]');";
	},
	sub {
		my $name = one_of('nightly', 'before "it"');

		return "SELECT 'point $name ' || pg_create_restore_point('$name');";
	},
	sub { return "SELECT 'position ' || pg_current_wal_insert_lsn();" },
	# a record of several pages; a segment that ends early
	sub { return "SELECT pg_logical_emit_message(true, 'x', repeat('x', 30000)) IS NULL;" },
	sub { return one_of('CHECKPOINT', 'SELECT pg_switch_wal() IS NULL', 'VACUUM t') . ';' });

$source->start;
my @statements = (
	"SELECT 'point early ' || pg_create_restore_point('early');",
	(map { $steps[ rand @steps ]->($_) } 1 .. 75),
	# the window of a second, below, is counted in whole seconds
	'SELECT pg_sleep(2.1);',
	(map { $steps[ rand @steps ]->($_) } 76 .. 150));
foreach (
	split /\n/,
	$source->safe_psql('postgres',
		join "\n", "INSERT INTO t VALUES (0, 'first');",
		@statements, "SELECT 'point last ' || pg_create_restore_point('last');",
		"INSERT INTO t VALUES (0, 'last');"))
{
	push @points, [ $1, $2 ] if /^point (.*) (\S+)$/;
	push @positions, $1 if /^position (\S+)$/;
	push @subxids, $1 if /^sub (\d+)$/;
}
$source->safe_psql('postgres', "ROLLBACK PREPARED 'p$_'")
  foreach splice @open, 0, @open / 2;
my $still_prepared = @open
  ? $source->safe_psql('postgres',
	"SELECT transaction FROM pg_prepared_xacts LIMIT 1")
  : undef;
BBackup::Oracle::finish_archive($source, $archive);

my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);
my (@ends, %ended);
foreach (split /\n/,
	`pg_waldump -p '$archive' -s @{[ lsn_text($oracle->wal->{start}) ]} -r Transaction 2>/dev/null`)
{
	my ($tx, $what, $which, $time) =
	  /tx:\s+(\d+),.* desc: (COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED) (?:(\d+): )?(\S+ \S+) UTC/
	  or next;
	push @ends, { xid => $which // $tx, time => "$time+00", what => $what };
	$ended{ $which // $tx } = 1;
}
cmp_ok(scalar @ends, '>', 30, 'many transactions ended');

# --- The store.

my $store =
  new_store('store', "bbackup.checkpoint_distance = 1MB\nbbackup.removal_delay = 0\ntimezone = UTC\n");
import_directory($store, $base);
ingest($store, $archive);

sub ours
{
	my ($target, $inclusive) = @_;

	return $store->safe_psql('postgres',
		"SELECT bb_lsn_of_target(\$\$$target\$\$, '$inclusive')");
}

# --- What stock recovery says, target by target.

my @targets;
sub draw
{
	my ($kind, @all) = @_;

	foreach (1 .. (@all > $rounds ? $rounds : @all))
	{
		push @targets, [ $kind, splice(@all, rand @all, 1), one_of('on', 'off') ];
	}
	return;
}

my %times;
$times{ $_->[0] }++ foreach @points;
draw('name', map { $_->[0] } grep { $times{ $_->[0] } == 1 } @points);
draw('xid', map { $_->{xid} } @ends);
# with one of each way in which a transaction can end
foreach my $what (qw(ABORT COMMIT_PREPARED ABORT_PREPARED))
{
	my @such = grep { $_->{what} eq $what } @ends;

	push @targets, [ 'xid', one_of(@such)->{xid}, one_of('on', 'off') ]
	  if @such && $rounds > 2;
}
# the times of commits, and some between them
draw('time', map { $_->{time} } @ends[ 1 .. $#ends - 1 ]);
draw('lsn', @positions,
	map { lsn_text(lsn_number($_) + int rand 50) } @positions);

foreach (@targets)
{
	my ($kind, $value, $inclusive) = @$_;

	subtest "$kind $value, inclusive $inclusive" => sub {
		my $lsn = ours("$kind:$value", $inclusive);
		my $node = $oracle->recover(lsn_number($lsn), undef,
			"recovery_target_$kind = '" . $value =~ s/'/''/gr
			  . "'\nrecovery_target_inclusive = $inclusive\n");
		my ($stopped, $why) = $oracle->stopped_at($node);

		is($lsn, $stopped, "recovery stopped there: $why");
		my $clone = new_clone('clone',
			fetch_backup($store, "'$lsn', settings => 'source'"));
		$oracle->compare($node->data_dir, $clone->data_dir,
			lsn_number($lsn), 'and our backup is what it made');
		$_->clean_node foreach $node, $clone;
	};
}

# --- All targets, by what is known of them, before and after upkeep.

my %newest = map { @$_ } @points;
my @wanted = (
	(map { "name:$_" } sort keys %newest),
	(map { ("xid:$_->{xid}", "time:$_->{time}") } @ends[ 1 .. $#ends - 1 ]),
	(map { "lsn:$_" } @positions),
	'latest');
my $all = sub {
	return $store->safe_psql('postgres', join ';',
		map { ("SELECT bb_lsn_of_target(\$\$$_\$\$)",
				"SELECT bb_lsn_of_target(\$\$$_\$\$, false)") } @wanted);
};
my $before = $all->();

query_is($store,
	'SELECT count(*), min(lsn), max(lsn) FROM bb_restore_points()',
	join('|', scalar @points, $points[0][1], $points[-1][1]),
	'all restore points are listed');
is($store->safe_psql('postgres', "SELECT bb_lsn_of_restore_point('$_')"),
	$newest{$_}, "the newest \"$_\"")
  foreach grep { exists $newest{$_} } 'nightly', 'before "it"', 'last';
$store->safe_psql('postgres',
	"SELECT bb_create_branch('branch', 'main', '$points[-1][1]')");
query_is($store,
	"SELECT bb_lsn_of_restore_point('last', timeline => 'branch')"
	  . " = bb_lsn_latest(timeline => 'branch')",
	't', 'a branch has the restore point where it begins');
fails_like(
	$store,
	"SELECT bb_lsn_of_restore_point(\$\$$points[0][0]\$\$, timeline => 'branch')",
	qr{55000: .*in the past of timeline "branch".*DETAIL: .*\Q$points[-1][1]\E.*ancestor}s,
	'not those before');

$store->safe_psql('postgres',
	'SET bbackup.layer_size = 1; SELECT * FROM bb_upkeep()');
is($all->(), $before, 'all targets are the same after upkeep');

# --- Relative times, and what is no target.

query_is($store,
	"SELECT bb_lsn_at('$ends[20]{time}'::timestamptz) = bb_lsn_at('-' || (now() - '$ends[20]{time}'))",
	't', 'a time before now');
query_is($store,
	"SELECT bb_lsn_at('$ends[20]{time}'::timestamptz) = bb_lsn_at((now() - '$ends[20]{time}') || ' ago')",
	't', 'so long ago');
my $window = qr{DETAIL: .*It can be read from [0-9A-F]+/[0-9A-F]+ \(20\d\d-.*\) to [0-9A-F]+/[0-9A-F]+ \(20\d\d-.*\)}s;
fails_like($store, "SELECT bb_lsn_at('-10 min', store => 'bbackup')",
	qr/55000: .*in the past of timeline "main".*$window/s, 'before the start');
fails_like($store, "SELECT bb_lsn_at('2101-01-01', false)",
	qr/22023: .*in the future of timeline "main".*$window/s, 'in the future');
fails_like($store, "SELECT bb_lsn_of_restore_point('nowhere')",
	qr/42704: timeline "main" has no restore point "nowhere".*$window/s,
	'no restore point');
fails_like($store, "SELECT bb_lsn_of_xid('2000000000')",
	qr/22023: .*in the future.*$window/s, 'an ID that is not assigned yet');
fails_like($store, "SELECT bb_lsn_of_xid('$_->[1]')",
	qr/55000: .*no commit or abort of transaction $_->[1].*$window/s, $_->[0])
  foreach [ 'an ID before the start', 3 ],
  # one that was rolled back by itself has a record of that
  (map { [ 'of a subtransaction', $_ ] } (grep { !$ended{$_} } @subxids)[0] // ()),
  ($still_prepared ? [ 'that is still prepared', $still_prepared ] : ());
fails_like($store, "SELECT bb_lsn_of_target('lsn:' || bb_lsn_latest())",
	qr/22023: .*in the future.*$window.*exclusive/s,
	'no record starts at the end yet');
query_is($store,
	"SELECT bb_lsn_of_target('lsn:' || bb_lsn_latest(), false) = bb_lsn_latest()",
	't', 'but what is before that is known');
fails_like($store, "SELECT bb_lsn_of_target('lsn:0/1')",
	qr/55000: .*in the past.*$window/s, 'an LSN before the start');
fails_like($store, "SELECT bb_lsn_of_target('$_')",
	qr/22023: .*(?:unrecognized|not a transaction ID)/, "\"$_\"")
  foreach 'newest', 'xid:', 'xid:-5', 'xid:7x', 'lxn:0/1', '';

# --- Behind the window only what is pinned can be found.

my $late = ours("xid:$ends[-2]{xid}", 'on');
$store->safe_psql('postgres', q(
SELECT bb_pin(bb_lsn_of_restore_point('early'), 'early');
SELECT bb_set_retention('1 second', floor => '1 second');
SELECT * FROM bb_expire(dry_run => false);
SELECT * FROM bb_upkeep();
));
query_is($store,
	"SELECT bb_lsn_of_restore_point('early'), start_lsn > '$newest{early}', bb_lsn_of_xid('$ends[-2]{xid}') FROM bb_timelines() WHERE timeline = 'main'",
	"$newest{early}|t|$late", 'what is pinned, and what is in the window');
fails_like($store, "SELECT bb_lsn_of_xid('$ends[0]{xid}')",
	qr/55000: .*no commit or abort.*$window/s, 'a transaction before the window');
fails_like($store, "SELECT bb_lsn_at('$ends[1]{time}')",
	qr/55000: .*in the past.*$window/s, 'a time before the window');

done_testing();

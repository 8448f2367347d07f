# WAL records changed at random, with correct CRCs: whatever they say, no
# backend dies or takes much memory or time, and no page is wrong except those
# that the record refers to.
#
# Each round makes a branch at a record, changes that record, and ingests it
# and some records after it.  The correct bytes are those at the same LSN
# without the change.  Environment variables:
#
#	BB_SEED		what is drawn; printed
#	BB_ROUNDS	how many rounds; a thousand take about a minute
#	BB_ROUND	this round alone
#	BB_KINDS	a regular expression of kinds of records
#	BB_GRACE	how many seconds a call may outlive its timeout
#
# WAL of the same workload differs a little from run to run, so a failure also
# prints the record and what was changed in it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../test/fuzz";

use BBackup;
use BBackup::Oracle;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;
use Time::HiRes qw(time);
use WalMutation;
use WalRecord;

my $seed = draw_seed();
my $rounds = $ENV{BB_ROUNDS} // 300;
my $grace = $ENV{BB_GRACE} // 5;
my $timeout = 3;

# The memory that a backend may take: its own, the layers that it reads, and 64
# MB that one record may add to the open layer.
my $memory_limit_kb = 384 * 1024;

# The errors that a bad record may cause: data_corrupted,
# invalid_parameter_value, undefined_file, program_limit_exceeded,
# feature_not_supported, external_routine_exception, query_canceled,
# undefined_object, object_not_in_prerequisite_state.
my $expected_errors =
  qr/^(?:XX001|22023|58P01|54000|0A000|38000|57014|42704|55000)$/;

# diag, so that prove shows it when the test fails
srand $seed;

# --- WAL of many kinds, and the timeline for it

my $source = new_workload_source('source', 'segsize');
my $base = PostgreSQL::Test::Utils::tempdir . '/base';
my @methods = qw(off pglz lz4 zstd);
$source->append_conf('postgresql.conf',
	'wal_compression = ' . $methods[ rand @methods ]);
$source->stop;
BBackup::Oracle::keep_base($source, $base);
$source->start;
run_everything($source, $seed, $ENV{BBACKUP_CHAPTERS} // join '|',
	'truncate', 'drops on', 'heap', 'visibility', 'row locks', 'messages',
	'subtransactions', 'prepared', 'multixacts', 'mapped', 'databases',
	'tablespaces', 'settings', 'btree', 'hash', 'gin', 'gist', 'spgist', 'brin');
my $archive = BBackup::Oracle::finish_archive($source);

my $store = new_store('store', "bbackup.checkpoint_distance = 4MB\n");
import_directory($store, $base);
ingest($store, $archive);

my ($start, $end) = split /\|/, $store->safe_psql('postgres',
	"SELECT start_lsn, end_lsn FROM bb_timelines() WHERE timeline = 'main'");
my $wal = BBackup::WAL->new($archive, $start);
my $writer = WalRecord->new($archive, $wal->{segment_size});
my @kinds =
  grep { $_ =~ ($ENV{BB_KINDS} // '') } sort keys %{ $wal->{kinds} };
note("$wal->{count} records of " . @kinds . ' kinds');

# --- The session, which must survive everything

my $session;

sub connect_session
{
	$session = start_session($store);
	ask($session, "SET statement_timeout = '${timeout}s'");
	return;
}

connect_session();
my $backend = $session->{backend};
my $slowest = 0;
my %errors;
my $failures = 0;
my $compared = 0;

# failed - note a failure; the number of the round is enough to repeat it.
sub failed
{
	my ($round, $why) = @_;

	$failures++;
	fail("BB_SEED=$seed BB_ROUND=$round->{number}: $why");
	diag("record at @{[ lsn_text($round->{lsn}) ]}, $round->{kind}; "
		  . join '; ', @{ $round->{what} });
	return;
}

# call - return the answer of a query; undef: one of the allowed errors.
sub call
{
	my ($round, $query) = @_;
	my $began = time;
	my $answer = ask($session, $query);
	my $took = time - $began;

	$slowest = $took if $took > $slowest;
	if (!defined $answer || $answer =~ /server closed|connection to server/)
	{
		failed($round, "the backend died of $query");
		return undef;
	}
	failed($round, "$took s for $query") if $took > $timeout + $grace;
	if ($answer =~ /^(?:ERROR|FATAL|PANIC):  (\w{5}): (.*)/m)
	{
		$errors{$1}++;
		failed($round, "$1: $2 of $query") if $1 !~ $expected_errors;
		return undef;
	}
	return $answer =~ s/^(?:WARNING|NOTICE|DETAIL|HINT|LOCATION|CONTEXT).*\n?//gmr;
}

# --- Pages

# The pages that a range of records refers to.
sub blocks_of
{
	my ($from, $to) = @_;

	return map { WalRecord::blocks($writer->read($wal->start_of($_))->{bytes}) }
	  $from .. $to;
}

sub page_query
{
	my ($block, $lsn, $timeline) = @_;
	my ($spc, $db, $rel, $fork, $number) = @$block;
	my $name = (qw(main fsm vm init))[$fork] // 'none';

	return
	  "SELECT md5(bb_get_page(tablespace => $spc, database => $db,"
	  . " relfilenode => $rel, fork => '$name', block => $number,"
	  . " lsn => '@{[ lsn_text($lsn) ]}', timeline => '$timeline'))";
}

# Check that a page is as without the change.
sub check_page
{
	my ($round, $block, $lsn) = @_;
	my $right = call($round, page_query($block, $lsn, 'main'));

	return if !defined $right;
	my $got = call($round, page_query($block, $lsn, 'fuzz'));
	$compared++;
	failed($round, 'wrong page: ' . page_query($block, $lsn, 'fuzz'))
	  if !defined $got || $got ne $right;
	return;
}

sub some
{
	my ($count, @from) = @_;

	return map { @from ? splice(@from, int rand @from, 1) : () } 1 .. $count;
}

# --- A round

# Records that change only their blocks.
my $changes_blocks = qr/^(?:Heap|Heap2|Btree|Hash|Gin|Gist|SPGist|BRIN|Sequence|Generic|XLOG FPI)/;

sub check_pages
{
	my ($round, $floor, $reached) = @_;
	my $index = $round->{index};
	my @touched = (@{ $round->{blocks} }, WalRecord::blocks($round->{changed}));
	my %touched = map { join('/', @$_) => 1 } @touched;
	my %relations = map { join('/', @$_[ 0 .. 2 ]) => 1 } @touched;

	# before the record
	my $before = $index > 3 ? $index - 3 : 0;
	check_page($round, $_, $floor)
	  foreach some(2, blocks_of($before, $index - 1));
	return if $reached <= $floor;

	# the record, and those after it
	call($round, page_query($_, $reached, 'fuzz')) foreach some(3, @touched);
	call($round, "SELECT count(*) FROM bb_files(lsn => "
		  . "'@{[ lsn_text($reached) ]}', timeline => 'fuzz')")
	  if rand() < 0.2;
	return if $round->{kind} !~ $changes_blocks || $round->{other};
	my $last = $wal->index_at($reached);
	my @others = grep {
		my $relation = join '/', @$_[ 0 .. 2 ];

		# a heap record also changes the maps, without referring to them
		!$touched{ join '/', @$_ } && !($_->[3] > 0 && $relations{$relation})
	} blocks_of($before, $last);
	check_page($round, $_, $reached) foreach some(4, @others);
	return;
}

sub ingest_changed
{
	my ($round, $floor) = @_;
	my $last = $round->{index} + int rand 12;
	my $until;

	$last = $wal->{count} - 1 if $last >= $wal->{count};
	$until = lsn_text($wal->end_of($last));
	$writer->write($round->{record}, $round->{changed});
	call($round, "SELECT end_lsn FROM bb_ingest(wal_directory => '$archive',"
		  . " timeline => 'fuzz', until => '$until')");
	$writer->write($round->{record}, $round->{record}{bytes});
	my $reached = call($round,
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = 'fuzz'");
	return defined $reached && $reached ne '' ? lsn_number($reached) : $floor;
}

sub choose_record
{
	my ($number) = @_;
	my $kind = $kinds[ rand @kinds ];
	my $places = $wal->places_of($kind);
	my $index = $places->[ rand @$places ];

	$index = 1 if $index < 1;
	my $lsn = $wal->start_of($index);
	my $record = $writer->read($lsn);
	my @others = map { $writer->read($wal->start_of($_))->{bytes} }
	  map { $places->[ rand @$places ], int rand $wal->{count} } 1 .. 3;
	my ($changed, @what) = WalMutation::mutate($record->{bytes}, @others);
	return {
		number => $number,
		kind => $kind,
		index => $index,
		lsn => $lsn,
		record => $record,
		changed => $changed,
		what => \@what,
		blocks => [ WalRecord::blocks($record->{bytes}) ],
		# it may belong to another resource manager now
		other => substr($changed, 16, 2) ne substr($record->{bytes}, 16, 2)
	};
}

sub one_round
{
	my ($number) = @_;

	srand "$seed" + 1_000_003 * $number;
	my $round = choose_record($number);
	my $floor = $wal->end_of($round->{index} - 1);

	call($round,
		"SELECT bb_create_branch(timeline => 'fuzz', ancestor => 'main',"
		  . " lsn => '@{[ lsn_text($floor) ]}')") // return;
	check_pages($round, $floor, ingest_changed($round, $floor));
	call($round, "SELECT bb_drop_timeline(timeline => 'fuzz')");
	return;
}

my $began = time;
my @numbers = defined $ENV{BB_ROUND} ? $ENV{BB_ROUND} : 1 .. $rounds;
foreach my $number (@numbers)
{
	one_round($number);
	last if $failures >= 5;
}
my $took = time - $began;

# --- Remains

my $alive = ask($session, 'SELECT pg_backend_pid()');
is($alive, $backend, 'the backend lives');
my $peak = backend_status($backend, 'VmHWM');
cmp_ok($peak, '<', $memory_limit_kb, 'and took no more memory than it may')
  if $failures == 0;
end_session($session);
ok( slurp_file($store->logfile) !~
	  /(?:server process|background worker "[^"]*") \(PID \d+\) was terminated/,
	'no process of the server crashed');
is($failures, 0, 'nothing was wrong in ' . @numbers . ' rounds');
note(sprintf
	  '%d rounds, %d pages compared in %.1f s, the slowest call %.2f s, %d MB; errors: %s',
	scalar @numbers, $compared, $took, $slowest, $peak / 1024,
	join ', ', map { "$_ $errors{$_}" } sort keys %errors);
$store->stop;
done_testing();

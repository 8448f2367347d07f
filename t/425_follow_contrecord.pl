# Following a server that crashes while it sends a long record: it loses the
# record's end, and goes on with a record that overwrites it
# (XLOG_OVERWRITE_CONTRECORD).  The store has received a part of what was
# overwritten.

use strict;
use warnings;
use BBackup;
use BBackup::Backups;
use BBackup::Compare;
use BBackup::Following;
use BBackup::TcpProxy;

my $source = new_followed_source('source', '', '--wal-segsize=1');
my $store = new_following_store('store');
my $proxy = BBackup::TcpProxy->start($source);
my $pg_wal = $source->data_dir . '/pg_wal';

$source->safe_psql('postgres', "CREATE TABLE t AS SELECT 'imported' AS t");
create_source($store, 'shop', $proxy, confirm => 'spool');
follow($store, 'shop');
ok(wait_for_state($store, 'streaming'), 'it is followed');

# The name of the segment that has a position.
sub segment_of
{
	my ($lsn) = @_;
	my ($high, $low) = map { hex } split m{/}, $lsn;
	my $number = ($high << 32 | $low) >> 20;

	return sprintf('%08X%08X%08X', 1, $number >> 12, $number & 0xFFF);
}

foreach my $round (1 .. 3)
{
	my ($out, $err);
	my $before = wait_now($store);

	$proxy->order('end_after ' . (200_000 + int rand 2_000_000));
	$source->psql('postgres',
		"SELECT pg_logical_emit_message(false, 'long', repeat('x', 8000000))",
		stdout => \$out,
		stderr => \$err,
		on_error_die => 0);
	ok(wait_for('the cut', sub { $proxy->count == 0 }),
		"round $round: the store is cut off in a long record");
	$source->stop('immediate');

	ok( $store->poll_query_until('postgres',
			"SELECT received_lsn > '$before' FROM bb_stat_follow"),
		'it has a part of that');
	my %status = follow_status($store);
	my $last = segment_of($status{received_lsn});
	my @lost = grep { m{/[0-9A-F]{24}$} && substr($_, -24) gt $last }
	  glob "$pg_wal/*";
	ok(@lost > 0, 'the source loses the rest');
	unlink @lost;
	$source->start;
	$proxy->order('pass');
	$source->safe_psql('postgres', "INSERT INTO t VALUES ('round $round')");
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()') if $round == 2;
	$source->safe_psql('postgres', "INSERT INTO t VALUES ('later $round')");
	ok(defined wait_now($store), 'it is followed again');
	my ($next) = sort map { substr $_, -24 } @lost;
	like(scalar `pg_waldump -p $pg_wal $next 2>&1`,
		qr/OVERWRITE_CONTRECORD/, 'over a record that was overwritten');
	my $clone = clone_of($store, 'main');
	same_dump(dump_all($clone), dump_all($source), 'all is in the store');
	$clone->clean_node;
}

my %status = follow_status($store);
is("$status{state} $status{confirm}", 'streaming spool', 'it still streams');
stop_following($source, $store);
done_testing;

# bb_row_history(): the changes of single rows, of a table that is changed at random,
# are those that triggers wrote down: the transaction, the operation, the row.

use strict;
use warnings;
use BBackup;
use BBackup::Workload::Changes;

my $seed = draw_seed();
my $steps = $ENV{BB_STEPS} // 25;
my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"autovacuum = off\nmax_prepared_transactions = 5\nmax_wal_size = 2GB\n", '--data-checksums');

srand $seed;
$source->safe_psql('postgres', 'CREATE DATABASE shop');
create_changing_tables($source, 'shop');
my $base = cold_backup($source);
$source->start;
my @moments = change_tables($source, 'shop', $steps, keep => 1);

# What the triggers saw, in order: transaction, key and row before, and after.
my @audit = map { [ split /\|/, $_, -1 ] } split /\n/,
  $source->safe_psql('shop',
	q(SELECT xid, (before::acc).id, before, (after::acc).id, after FROM audit ORDER BY n));
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
my $session = start_session($store);
ask($session, 'CREATE SCHEMA past');
ask($session, 'IMPORT FOREIGN SCHEMA public LIMIT TO (acc, bag, rewritten) FROM SERVER bbackup INTO past'
	  . " OPTIONS (database 'shop')");

# The changes of a key between two moments: what each transaction has made of it.
sub expected
{
	my ($key, $from, $to) = @_;
	my (@order, %first, %last);

	foreach (@audit)
	{
		my ($xid, $before_key, $before, $after_key, $after) = @$_;
		my $ends = $before_key eq $key;
		my $begins = $after_key eq $key;

		next if !$to->{xids}{$xid} || $from->{xids}{$xid} || !($ends || $begins);
		if (!exists $first{$xid})
		{
			push @order, $xid;
			$first{$xid} = $ends ? $before : undef;
		}
		$last{$xid} = $begins ? $after : undef;
	}
	return join "\n", map {
		my ($before, $after) = ($first{$_}, $last{$_});

		    defined $before && defined $after ? "$_|UPDATE|$after"
		  : defined $after ? "$_|INSERT|$after"
		  : defined $before ? "$_|DELETE|$before"
		  : ();
	} @order;
}

my %changes;
foreach (@audit)
{
	my (undef, $before, undef, $after) = @$_;

	$changes{$_}++ foreach grep { $_ ne '' } $before, $after;
}
my @keys = sort { $changes{$b} <=> $changes{$a} || $a <=> $b } keys %changes;

# those that changed most, some others, and one that did not
@keys = (@keys[ 0 .. 7 ], map({ $keys[ rand @keys ] } 1 .. 10), 100000);
my $wrong = 0;
my $rows = 0;
foreach my $key (@keys)
{
	my ($i, $j) = sort { $a <=> $b } map { int rand @moments } 1, 2;

	($i, $j) = (0, $#moments) if rand() < 0.6;
	my $expected = expected($key, @moments[ $i, $j ]);
	my $got = ask($session, 'SELECT xid, op, image FROM bb_row_history('
		  . "NULL::past.acc, '{$key}', '$moments[$i]{lsn}', '$moments[$j]{lsn}')");

	$rows += () = $expected =~ /^/mg;
	next if $got eq $expected;
	is($got, $expected, "the row $key from $moments[$i]{lsn} to $moments[$j]{lsn}")
	  if ++$wrong <= 2;
}
is($wrong, 0, scalar(@keys) . " rows had $rows versions");

my ($first, $end) = ($moments[0]{lsn}, $moments[-1]{lsn});
query_is($session,
	"SELECT count(*) > 0, count(*) = count(DISTINCT lsn), bool_and(lsn > '$first'), bool_and(time IS NOT NULL)"
	  . " FROM bb_row_history(NULL::past.acc, '{$keys[0]}', '$first')",
	't|t|t|t', 'each with its LSN and time');
query_like($session, "SELECT * FROM bb_row_history(NULL::past.bag, '{1}', '$first')",
	qr/ERROR:  42809: "bag" does not show a primary key/, 'no key');
query_like($session, "SELECT * FROM bb_row_history(NULL::past.acc, '{1,2}', '$first')",
	qr/ERROR:  22023: the primary key has 1 columns, and key has 2 elements/, 'too many');
query_like($session, "SELECT * FROM bb_row_history(NULL::past.acc, '{one}', '$first')",
	qr/ERROR:  22P02: invalid input syntax for type integer/, 'not of the type');
query_like($session, "SELECT * FROM bb_row_history(NULL::past.acc, '{NULL}', '$first')",
	qr/ERROR:  22004/, 'NULL');
end_session($session);
done_testing();

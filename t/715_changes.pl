# bb_changes(): the rows that differ between two LSNs, of tables that are changed at
# random, are those that differ between what the source contained at them.  The same
# after upkeep has merged the layers, and where the start has moved.

use strict;
use warnings;
use BBackup;
use BBackup::Workload::Changes;

my $seed = draw_seed();
my $steps = $ENV{BB_STEPS} // 30;
my $pairs = $ENV{BB_PAIRS} // 40;
my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"autovacuum = off\nmax_prepared_transactions = 5\nmax_wal_size = 2GB\n", '--data-checksums');

srand $seed;
$source->safe_psql('postgres', 'CREATE DATABASE shop');
create_changing_tables($source, 'shop');
my $base = cold_backup($source);
$source->start;
my @moments = change_tables($source, 'shop', $steps);
$source->stop;

my $store = new_store('store', q(
bbackup.checkpoint_distance = 1MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.removal_delay = 0
));
import_directory($store, $base);
ingest($store, $archive);
my $session = start_session($store);
ask($session, 'CREATE SCHEMA past');
ask($session, "SET bbackup.as_of = '$moments[0]{lsn}'");
# labels of the enum are renamed, so it is text here
ask($session,
	'IMPORT FOREIGN SCHEMA public LIMIT TO (' . join(', ', changing_tables())
	  . ") FROM SERVER bbackup INTO past OPTIONS (database 'shop')");
ask($session, 'RESET bbackup.as_of');

# The difference of two moments, a line a row.
sub expected
{
	my ($from, $to, $table) = @_;
	my %left = %{ $from->{rows}{$table} };
	my %right = %{ $to->{rows}{$table} };
	my @lines;

	foreach my $row (keys %{ { %left, %right } })
	{
		my $surplus = ($right{$row} // 0) - ($left{$row} // 0);

		push @lines, ($surplus > 0 ? "+$row" : "-$row") x abs $surplus;
	}
	return join "\n", sort @lines;
}

sub compare
{
	my ($what) = @_;
	my $wrong = 0;
	my $rows = 0;

	foreach my $i (1 .. $pairs)
	{
		my ($from, $to) = sort { $a <=> $b } map { int rand @moments } 1, 2;

		# long ago, or just before
		$to = $from + 1 if rand() < 0.5 && $from < $#moments;
		foreach my $table (changing_tables())
		{
			my $expected = expected(@moments[ $from, $to ], $table);
			my $got = join "\n", sort split /\n/,
			  ask($session, 'SELECT op || (image)::text FROM bb_changes('
				  . "NULL::past.$table, '$moments[$from]{lsn}', '$moments[$to]{lsn}')");

			$rows += () = $expected =~ /^/mg;
			next if $got eq $expected;
			$wrong++;
			is($got, $expected, "$table from $moments[$from]{lsn} to $moments[$to]{lsn}")
			  if $wrong <= 2;
		}
	}
	is($wrong, 0, "$what: $pairs pairs of LSNs, $rows rows");
	return;
}

compare('as ingested');
ask($session, 'SELECT count(*) FROM bb_upkeep()');
compare('after upkeep');
end_session($session);
done_testing();

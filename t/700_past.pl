# Tables of the past: every table of a cluster is the same through foreign tables,
# as of an LSN, and in a clone that was restored at that LSN.
#
# By environment: BBACKUP_SEED, BBACKUP_LSNS (how many; few by default).

use strict;
use warnings;
use BBackup;
use BBackup::OddTables;
use BBackup::Oracle;
use BBackup::OracleRun qw(oracle_seed);
use BBackup::Past;
use BBackup::WAL qw(lsn_text);
use BBackup::Workload;

my $seed = oracle_seed();
my $number = $ENV{BBACKUP_LSNS} // 3;
my $source = new_workload_source('source', 'checksums');
$source->safe_psql('postgres', 'CREATE DATABASE shop');
create_odd_types($source, 'shop');
create_odd_tables($source, 'shop');
$source->stop;
my $base =
  BBackup::Oracle::keep_base($source, PostgreSQL::Test::Utils::tempdir . '/base');
$source->start;
foreach my $round (1 .. 8)
{
	change_odd_tables($source, 'shop', $round);
	$source->safe_psql('postgres', 'CHECKPOINT') if $round % 3 == 0;
}
my $archive = BBackup::Oracle::finish_archive($source);
my $wal = BBackup::Oracle->new(base => $base, archive => $archive)->wal;

my $store = new_store('store');
import_directory($store, $base);
my %whole = ingest($store, $archive);
$store->safe_psql('postgres', 'CREATE DATABASE shop');
$store->safe_psql('shop', 'CREATE EXTENSION bbackup');
create_odd_types($store, 'shop');
# labels that the source gets later; and names are resolved as they are there
$store->safe_psql('shop', "ALTER TYPE mood ADD VALUE 'mood $_'") foreach 1 .. 8;

srand $seed;
foreach my $at (map({ $wal->end_of(int rand $wal->{count}) } 1 .. $number),
	$wal->end)
{
	my $lsn = lsn_text($at);
	my $clone = new_clone("clone$at", fetch_backup($store, "'$lsn'"));

	$clone->start;
	foreach my $database ('shop', 'postgres')
	{
		import_past($store, $database, $lsn, 'past');
		my ($compared, @differences) =
		  past_differences($store, $clone, $database, 'past');

		is(join("\n", @differences),
			'', "$compared tables of $database are the same at $lsn");
		cmp_ok($compared, '>', 60, '... which are all');
	}
	$clone->clean_node;
}

done_testing();

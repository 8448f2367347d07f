# WAL out of an archive, and backups at LSNs in its midst: each boots, and has
# what a stock server has that was recovered up to there.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 4\n", '--data-checksums');
my $base = cold_backup($source);

my $store = new_store('store', "bbackup.checkpoint_distance = 2MB\n");
my $imported = import_directory($store, $base);

# each mark is an LSN, and what is true there
my @marks;
sub mark
{
	my ($what) = @_;

	push @marks,
	  [
		$what,
		$source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()'),
		dump_all($source)
	  ];
	return;
}

$source->start;
fill_source($source);
mark('filled');
$source->safe_psql('postgres', "COMMIT PREPARED 'first'");
$source->safe_psql('postgres', "ROLLBACK PREPARED 'second'");
mark('prepared transactions ended');
$source->safe_psql('postgres', q(
DELETE FROM plain WHERE id > 500;
VACUUM plain;
TRUNCATE toasted;
DROP TABLE indexed;
));
mark('truncated and dropped');
$source->safe_psql('postgres', 'DROP DATABASE by_wal_log');
$source->safe_psql('postgres',
	'ALTER DATABASE by_file_copy SET TABLESPACE elsewhere');
mark('database dropped, and moved');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->safe_psql('postgres', 'CREATE TABLE last AS SELECT 1');
mark('end');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

# ---- ingest ----

my %row = ingest($store, $archive);
is($row{start_lsn}, $imported->{lsn}, 'ingest begins where import ended');
cmp_ok($row{records}, '>', 10000, 'records');
cmp_ok($row{layers}, '>', 3, 'several flushes');
my %again = ingest($store, $archive);
is("$again{start_lsn} $again{end_lsn} $again{records} $again{layers}",
	"$row{end_lsn} $row{end_lsn} 0 0",
	'a second ingest of the same finds nothing to do');

# ---- clones ----

foreach my $i (0 .. $#marks)
{
	my ($what, $lsn, $dump) = @{ $marks[$i] };
	my $clone = new_clone("clone$i", fetch_backup($store, "'$lsn'"));

	$clone->append_conf('postgresql.conf', "archive_mode = off\n");
	$clone->start;
	same_dump(dump_all($clone), $dump, "$what: the same as the source had");
	$clone->safe_psql('postgres', 'CREATE TABLE new AS SELECT 1');
	$clone->stop;
	PostgreSQL::Test::Utils::command_ok(
		[ 'pg_checksums', '--check', '-D', $clone->data_dir ],
		"$what: all checksums are right");
	$clone->clean_node;
}

done_testing();

# A server is imported while it works; the judge is PostgreSQL's recovery of the
# same base backup: at the LSN of the import, and at LSNs of the WAL after it.

use strict;
use warnings;
use BBackup;
use BBackup::Oracle;
use BBackup::OracleRun;
use BBackup::Recorder;
use BBackup::ServerImport;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;

my $during = '^(?:extend|truncate|drops|unlogged|rewrites|heap|toast|copy'
  . '|visibility|btree|hash|gin|gist|brin|mapped)';
my $seed = oracle_seed();
my $variant = $ENV{BBACKUP_VARIANT}
  // (qw(checksums no_checksums no_fpw segsize))[ $seed % 4 ];
my $source = new_workload_source('source', $variant);
my $base = PostgreSQL::Test::Utils::tempdir . '/base';

note("variant $variant");
# pgbench_accounts is a file that becomes layers of its own
run_pgbench($source, 4, 400);
$source->safe_psql('postgres', q(
CREATE TABLESPACE early LOCATION '';
CREATE TABLE spaced_early TABLESPACE early AS
	SELECT generate_series(1, 1000) i;
CREATE UNLOGGED TABLE unlogged_early (i int);
INSERT INTO unlogged_early VALUES (1);
SELECT pg_replication_origin_create('early');
SELECT pg_replication_origin_advance('early', '0/ABCDEF');
BEGIN;
INSERT INTO spaced_early SELECT generate_series(1, 100);
PREPARE TRANSACTION 'from before';
));
$source->safe_psql('postgres', q(DO $$ BEGIN FOR i IN 1 .. 500 LOOP
	EXECUTE format('CREATE TABLE small_%s AS SELECT %s AS i', i, i);
	END LOOP; END $$));

my $store = new_store('store');
my $recorder = BBackup::Recorder->start($source);

create_source($store, 'shop', $source, "host '@{[ $recorder->host ]}'");

my $pgbench = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '2', '-T', '600', '-d',
		$source->connstr('postgres')
	],
	'>', '/dev/null', '2>', '/dev/null');
my $finish = start_chapters($source, $during);

# slowly, so that pages are of different ages
my $row = import_server($store, 'shop', 'main', 'max_rate => 40000');
$pgbench->signal('TERM');
$pgbench->finish;
$finish->();
$source->safe_psql('postgres', q(
COMMIT PREPARED 'from before';
DROP TABLE spaced_early;
));

$recorder->extract($base);
my $archive = BBackup::Oracle::finish_archive($source);
my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);

is( $row->{lsn},
	lsn_text($oracle->consistent_lsn),
	'the import ends where the base backup does');
query_is($store, 'SELECT start_lsn, end_lsn FROM bb_timelines()',
	"$row->{lsn}|$row->{lsn}",
	'the timeline begins where the backup is consistent');
my ($layers) = $store->safe_psql('postgres',
	"SELECT count(*) FROM bb_layers() WHERE kind = 'image'");
cmp_ok($layers, '>', 2, 'a large table has layers of its own');
query_is($store, "SELECT count(*) FROM pg_ls_tmpdir()", 0,
	'the temporary file is gone');

$oracle->check($store, 'main', lsn_number($row->{lsn}), 'the import');
ingest_archive($store, $archive, 'main');
my @chosen =
  $oracle->wal->choose($seed, $ENV{BBACKUP_LSNS} // 2,
	lsn_number($row->{lsn}));
$oracle->check($store, 'main', @$_) foreach @chosen;
$store->stop;
done_testing();

# Times into LSNs: point-in-time recovery in one SELECT; and what a call says
# of an LSN in the midst of a record.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
$source->safe_psql('postgres', 'CREATE TABLE t (i int, at timestamptz)');
$source->stop;

my $store = new_store('store');
import_directory($store, $source->data_dir);
fails_like($store, 'SELECT bb_lsn_at(now())',
	qr/55000: .*"main" has no transaction.*bb_ingest/s,
	'without WAL there are no times');

# ten transactions, and the times between them
$source->start;
my @times = ($source->safe_psql('postgres', 'SELECT clock_timestamp()'));
foreach my $i (1 .. 10)
{
	$source->safe_psql('postgres',
		"INSERT INTO t VALUES ($i, clock_timestamp())");
	push @times, $source->safe_psql('postgres', 'SELECT clock_timestamp()');
}
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;
my %ingested = ingest($store, $archive);

fails_like($store, "SELECT bb_lsn_at('2001-01-01')",
	qr/55000: .*in the past of timeline/, 'too early');
fails_like($store, "SELECT bb_lsn_at('2101-01-01')",
	qr/22023: .*in the future of timeline/, 'too late');

foreach my $i (1, 4, 9)
{
	my $lsn = $store->safe_psql('postgres', "SELECT bb_lsn_at('$times[$i]')");
	my $clone =
	  new_clone("clone$i", fetch_backup($store, "bb_lsn_at('$times[$i]')"));

	$clone->start;
	query_is($clone, 'SELECT count(*), max(i) FROM t', "$i|$i",
		"at $times[$i], which is $lsn");
	$clone->stop;
}

# An LSN in the midst of a record sees what ended before it.
my $lsn = $store->safe_psql('postgres', "SELECT bb_lsn_at('$times[5]')");
my ($md5, $notice, $inside);
$store->psql(
	'postgres',
	"SELECT md5(string_agg(chunk, '')) FROM (SELECT bb_basebackup_stream('$lsn')"
	  . ' AS chunk) c',
	stdout => \$md5,
	stderr => \$notice);
is($notice, '', 'a record ends there: nothing to say');
$store->psql(
	'postgres',
	"SELECT md5(string_agg(chunk, '')) FROM (SELECT bb_basebackup_stream("
	  . "'$lsn'::pg_lsn + 9) AS chunk) c",
	stdout => \$inside,
	stderr => \$notice);
like($notice, qr/NOTICE:  using LSN \Q$lsn\E, the end of the last record/,
	'none ends there: the LSN used is named');
is($inside, $md5, 'and it is the same backup');
fails_like($store, "SELECT bb_basebackup('$ingested{end_lsn}'::pg_lsn + 1)",
	qr/22023: .*past the end of timeline/, 'past the end');

done_testing();

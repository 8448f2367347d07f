# Clusters of other kinds: WAL segments of other sizes, no checksums, every
# compression, a relation over 1 GB, group access, configuration elsewhere.

use strict;
use warnings;
use BBackup;
use BBackup::Version;
use Fcntl ':mode';
use File::Compare;

my $store = new_store('store');

# Import and start a clone, which must dump as the source does.
sub roundtrip
{
	my ($source, $timeline, $settings) = @_;
	my $dump = dump_all($source);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$source->stop;
	import_directory($store, $source->data_dir, $timeline, $settings);
	my $clone = new_clone("clone_$timeline",
		fetch_backup($store, "timeline => '$timeline'"));
	$clone->start;
	unlike(slurp_file($clone->logfile),
		qr/redo starts|not properly shut down/, "$timeline: no recovery");
	same_dump(dump_all($clone), $dump, "$timeline: pg_dumpall is equal");
	$clone->safe_psql('postgres',
		'CREATE TABLE written AS SELECT generate_series(1, 10000) i;'
		  . ' CHECKPOINT; SELECT pg_switch_wal()');
	$clone->stop('immediate');
	$clone->start;
	query_is($clone, 'SELECT count(*) FROM written', 10000,
		"$timeline: writes survive a crash");
	return $clone;
}

# --- WAL segments of 1 MB, no checksums, every compression.

my $source =
  new_source('source_small', '--wal-segsize=1', without_checksums());
$source->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, repeat(\'x\', 100) FROM'
	  . ' generate_series(1, 50000) i');
my $clone = roundtrip($source, 'small');
query_is($clone, 'SHOW wal_segment_size', '1MB', 'WAL segments of 1 MB');
query_is($clone, 'SHOW data_checksums', 'off', 'without checksums');
$clone->stop;

my %stored;
my $md5 = `md5sum < '@{[ fetch_backup($store, "timeline => 'small'") ]}'`;
foreach my $compression ('none', split /\|/,
	$store->safe_psql('postgres',
		"SELECT 1; SELECT array_to_string(enumvals, '|') FROM pg_settings"
		  . " WHERE name = 'bbackup.compression'") =~ s/^.*\n//r)
{
	next if exists $stored{$compression};
	$stored{$compression} = import_directory($store, $source->data_dir,
		"with_$compression", "SET bbackup.compression = $compression;")
	  ->{bytes_stored};
	my $tar = fetch_backup($store, "timeline => 'with_$compression'");
	is(`md5sum < '$tar'`, $md5, "compression $compression: the same backup");
}
cmp_ok(scalar keys %stored, '>=', 2, 'there is a compression');
cmp_ok($stored{$_}, '<', $stored{none} / 2, "$_ makes it smaller")
  foreach grep { $_ ne 'none' } sort keys %stored;

# --- WAL segments of 64 MB, and group access.

$source = new_source('source_large', '--wal-segsize=64', '--data-checksums',
	'--allow-group-access');
$clone = roundtrip($source, 'large');
query_is($clone, 'SHOW wal_segment_size', '64MB', 'WAL segments of 64 MB');
is(S_IMODE((stat $clone->data_dir . '/global')[2]),
	0750, 'directories keep their mode');
is(S_IMODE((stat $clone->data_dir . '/global/pg_control')[2]),
	0640, 'files, too');
$clone->stop;

# --- A relation over 1 GB: three segments, mostly holes.

$source = new_source('source_huge');
$source->safe_psql('postgres',
	'CREATE TABLE huge (i int); INSERT INTO huge VALUES (1)');
my $relation =
  $source->safe_psql('postgres', "SELECT pg_relation_filepath('huge')");
$source->stop;
# new pages, as an extension that crashed leaves behind
my $path = $source->data_dir . "/$relation";
truncate $path, 1 << 30 or die $!;
foreach my $segment ("$path.1", "$path.2")
{
	append_to_file($segment, '');
	truncate $segment, $segment eq "$path.1" ? 1 << 30 : 5 * 8192 or die $!;
}
$source->start;
$source->safe_psql('postgres', q(
INSERT INTO huge SELECT 2 FROM generate_series(1, 1000);
VACUUM huge;
));
$source->stop;
import_directory($store, $source->data_dir, 'huge');
is($store->safe_psql(
		'postgres',
		"SELECT path ~ '[.]', size FROM bb_files(timeline => 'huge')"
		  . " WHERE path ~ '^$relation([.]|\$)' ORDER BY path"),
	join("\n",
		'f|1073741824', 't|1073741824',
		't|' . (-s "$path.2")), 'three files of the relation');
$clone = new_clone('clone_huge', fetch_backup($store, "timeline => 'huge'"));
foreach my $file ($relation, "$relation.1", "$relation.2")
{
	is( compare($source->data_dir . "/$file", $clone->data_dir . "/$file"),
		0, "$file is equal");
}
$clone->start;
query_is($clone, 'SELECT sum(i) FROM huge', 2001, 'which the clone can read');
$clone->stop;
$clone->clean_node;

# --- Configuration outside the data directory, as on Debian.

$source = new_source('source_debian');
$source->stop;
my $etc = PostgreSQL::Test::Utils::tempdir;
rename $source->data_dir . "/$_", "$etc/$_" or die $!
  foreach qw(postgresql.conf pg_hba.conf pg_ident.conf);
import_directory($store, $source->data_dir, 'debian');
$clone = new_clone('clone_debian', fetch_backup($store,
		"timeline => 'debian'"));
like(slurp_file($clone->data_dir . "/$_"),
	qr/^# Made by bbackup/, "$_ is generated")
  foreach qw(postgresql.conf pg_hba.conf pg_ident.conf);
$clone->start;
query_like($clone,
	'SHOW max_prepared_transactions; SHOW track_commit_timestamp',
	qr/^10\non$/, 'and fits the cluster');
$clone->stop;

done_testing();

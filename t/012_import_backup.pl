# Base backups as pg_basebackup writes them, with their WAL or with an archive;
# and backups that can't be imported.

use strict;
use warnings;
use BBackup;
use BBackup::Version;
use PostgreSQL::Test::RecursiveCopy;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 4\nshared_buffers = 1MB\n"
	  . (pg_major() >= 17 ? "summarize_wal = on\n" : ''), '--data-checksums');
$source->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, 0 AS n FROM generate_series(1, 20000) i');

# base_backup - makes a base backup in a new directory while a table is written.
sub base_backup
{
	my (@options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir . '/base';
	my $writer = start_session($source);

	send_query($writer, 'DO $$ BEGIN FOR round IN 1 .. 20 LOOP'
		  . ' UPDATE t SET n = n + 1 WHERE i % 20 = 0; COMMIT;'
		  . ' END LOOP; END $$; SELECT 1');
	PostgreSQL::Test::Utils::system_or_bail('pg_basebackup', '-D',
		$directory, '-d', $source->connstr('postgres'), '--no-sync', '-c',
		'fast', '--max-rate', '20M', @options);
	answer($writer);
	end_session($writer);
	return $directory;
}

# Copies the files of the running source, except WAL and similar files.
sub copy_live
{
	my ($directory) = @_;

	PostgreSQL::Test::RecursiveCopy::copypath(
		$source->data_dir,
		$directory,
		filterfn => sub { return $_[0] !~ m{^(pg_wal/.|postmaster\.)} });
	return;
}

# An incremental backup that is based on a full one, and both combined.
sub incremental_backups
{
	my ($full) = @_;
	my $combined = PostgreSQL::Test::Utils::tempdir . '/combined';

	my $incremental =
	  base_backup('-X', 'stream', '-i', "$full/backup_manifest");
	command_ok(
		[
			'pg_combinebackup', '--no-sync', '-o', $combined, $full,
			$incremental
		],
		'pg_combinebackup');
	return ($incremental, $combined);
}

my $store = new_store('store');
my $streamed = base_backup('-X', 'stream');
my $bare = base_backup('-X', 'none');
my ($incremental, $combined) =
  pg_major() >= 17 ? incremental_backups($streamed) : ();
my @incremental_tar =
  pg_major() >= 17
  ? base_backup('-Ft', '-X', 'stream', '-i', "$streamed/backup_manifest")
  : ();
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $dump = dump_all($source);
my $end = $source->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$source->stop;

# --- The backup's WAL makes it consistent.

my $imported = import_directory($store, $streamed, 'streamed');
query_is($store, "SELECT start_lsn, end_lsn FROM bb_timelines()"
	  . " WHERE timeline = 'streamed'",
	"$imported->{lsn}|$imported->{lsn}",
	'the timeline begins where the backup is consistent');
my ($label) = slurp_file("$streamed/backup_label") =~
  /START WAL LOCATION: ([0-9A-F\/]+)/;
fails_like($store, "SELECT bb_basebackup('$label', timeline => 'streamed')",
	qr/55000: .*before the history/, 'and not where its WAL does');

# --- A backup without WAL needs that of the archive.

fails_like($store, "SELECT bb_import_directory('$bare', timeline => 'bare')",
	qr/58P01: .*WAL segment ".*" is missing/, 'no WAL');
fails_like($store, "SELECT bb_import_directory('$bare', timeline => 'bare',"
	  . " wal_directory => '$streamed/pg_wal')",
	qr/58P01: .*(is missing|before the base backup is consistent)/,
	'the WAL of another backup');
query_is($store, "SELECT count(*) FROM bb_timelines() WHERE timeline = 'bare'",
	0, 'nothing is left of that');
$store->safe_psql('postgres',
	"SELECT bb_import_directory('$bare', timeline => 'bare',"
	  . " wal_directory => '$archive')");

# --- An incremental backup, from 17 on, has to be combined first.

foreach my $directory ($incremental // (), @incremental_tar)
{
	fails_like($store,
		"SELECT bb_import_directory('$directory', timeline => 'combined')",
		qr/0A000: .*is an incremental backup.*HINT: .*pg_combinebackup/s,
		'an incremental backup');
	query_is($store, "SELECT count(*) FROM bb_timelines()"
		  . " WHERE timeline = 'combined'",
		0, 'nothing is left of that');
	fails_like($store, "SELECT bb_rebase_directory('$directory',"
		  . " timeline => 'streamed')",
		qr/0A000: .*is an incremental backup.*HINT: .*pg_combinebackup/s,
		'nor is it a base for a timeline');
}
import_directory($store, $combined, 'combined') if $combined;

# --- All, with all later WAL, equal the source at its end.

foreach my $timeline ('streamed', 'bare', $combined ? 'combined' : ())
{
	ingest($store, $archive, $timeline);
	my $clone = new_clone("clone_$timeline",
		fetch_backup($store, "timeline => '$timeline'"));

	$clone->append_conf('postgresql.conf', 'archive_mode = off');
	$clone->start;
	same_dump(dump_all($clone), $dump, "$timeline: the dump is the source's");
	$clone->stop;
	command_ok([ 'pg_checksums', '--check', '-D', $clone->data_dir ],
		"$timeline: its checksums are right");
}

# --- Databases created and dropped while they were copied.

# A directory with PG_VERSION and the second segment of a large relation: the
# first files of CREATE DATABASE, and the last that DROP DATABASE removes.
my $early = PostgreSQL::Test::Utils::tempdir . '/early';
my $late = PostgreSQL::Test::Utils::tempdir . '/late';

$source->start;
my $backup = start_session($source);
# messages of psql would get into the label
ask($backup, 'SET client_min_messages = warning');
ask($backup, "SELECT pg_backup_start('early', fast => true)");
copy_live($early);
$source->safe_psql('postgres', 'CREATE DATABASE made');
my $oid = $source->safe_psql('postgres',
	"SELECT oid FROM pg_database WHERE datname = 'made'");
copy_live($late);
my $label_text = ask($backup, 'SELECT labelfile FROM pg_backup_stop()');
end_session($backup);
append_to_file("$_/backup_label", $label_text) foreach $early, $late;
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

mkdir "$early/base/$oid";
append_to_file("$early/base/$oid/PG_VERSION", $store->pg_version->{num}->[0] . "\n");
append_to_file("$early/base/$oid/99999.1", 'x' x 8192);
$store->safe_psql('postgres',
	"SELECT bb_import_directory('$early', timeline => 'early',"
	  . " wal_directory => '$archive')");
query_is($store, "SELECT count(*) FROM bb_files(timeline => 'early')"
	  . " WHERE path = 'base/$oid/pg_filenode.map'",
	1, 'a database being made: WAL brings its map');
query_is($store, "SELECT count(*) FROM bb_files(timeline => 'early')"
	  . " WHERE path LIKE 'base/$oid/99999%'",
	0, 'a segment without the first one is no relation');

unlink "$late/base/5/pg_filenode.map";
my ($ret, $out, $err) = $store->psql('postgres',
	"SELECT bb_import_directory('$late', timeline => 'late',"
	  . " wal_directory => '$archive')");
is($ret, 0, 'a database being dropped does no harm');
like($err, qr/WARNING:  database 5 has no relation map/, 'but is told');

# --- A torn page without an image in WAL is an error.

my $torn = copy_directory($streamed,
	PostgreSQL::Test::Utils::tempdir . '/torn');
patch_file("$torn/base/1/2618", 5000, 'garbage');	# pg_rewrite: all rules
fails_like($store, "SELECT bb_import_directory('$torn', timeline => 'torn')",
	qr/XX001: .*2618 main block 0 is corrupted in base backup.*no image/s,
	'a corrupt page that WAL does not restore');
query_is($store, "SELECT count(*) FROM bb_timelines() WHERE timeline = 'torn'",
	0, 'nothing is left of that');

# --- Directories that are no backups.

append_to_file("$torn/tablespace_map", "16400 /nowhere\n");
fails_like($store, "SELECT bb_import_directory('$torn', timeline => 'torn')",
	qr/55000: .*has no links to its tablespaces/, 'tablespaces in a tar');
unlink "$torn/tablespace_map";
unlink "$torn/backup_label";
append_to_file("$torn/backup_label", "nonsense\n");
fails_like($store, "SELECT bb_import_directory('$torn', timeline => 'torn')",
	qr/XX001: .*invalid data in file ".*backup_label"/, 'no backup_label');

done_testing();

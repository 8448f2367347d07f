# Clones beside the cluster that they came from: while it fails over, and in one
# archive with it.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $parent = new_archiving_source('parent', $archive, qq(
max_wal_senders = 4
archive_command = 'test ! -f "$archive/%f" && cp "%p" "$archive/%f"'
), '--data-checksums');
$parent->backup('base');
my $base = $parent->backup_dir . '/base';
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($parent, 'base', has_streaming => 1);
$standby->start;

my $store = new_store('store');
import_directory($store, $base);

sub insert
{
	my ($node, $what) = @_;

	$node->safe_psql('postgres', "INSERT INTO t VALUES ('$what')");
	my $lsn =
	  $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	return $lsn;
}

sub rows
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		"SELECT string_agg(what, ' ' ORDER BY what) FROM t");
}

sub tli
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
		'SELECT timeline_id FROM pg_control_checkpoint()');
}

# Wait until the last segment that the node has completed is archived.
sub wait_for_archive
{
	my ($node, $pattern) = @_;

	$node->poll_query_until('postgres',
		"SELECT last_archived_wal ~ '$pattern' FROM pg_stat_archiver")
	  or die 'nothing is archived';
	return;
}

$parent->safe_psql('postgres', 'CREATE TABLE t (what text)');
my $fork = insert($parent, 'one');
$parent->wait_for_catchup($standby);
my $segment = $parent->safe_psql('postgres',
	"SELECT pg_walfile_name('$fork')");
wait_for_archive($parent, $segment);
ingest($store, $archive);

# --- A clone uses the same tli and the same segment as production after its
# failover, and production can archive its segments all the same.

my $clone = new_clone('clone', fetch_backup($store));
$clone->start;
is(tli($clone), 2, 'a clone on tli 2');
insert($clone, 'of the clone');
query_is($clone, 'SELECT archived_count, failed_count FROM pg_stat_archiver',
	'0|0', 'it archives nothing');
my $before = join ' ', glob "$archive/00000002*";
is($before, '', 'there is nothing of tli 2 in the archive');

$parent->stop('immediate');
$standby->promote;
my $two = insert($standby, 'two');
my $name = $standby->safe_psql('postgres', "SELECT pg_walfile_name('$two')");
like($name, qr/^00000002/, 'production fails over to tli 2');
wait_for_archive($standby, $name);
query_is($standby, 'SELECT failed_count FROM pg_stat_archiver', 0,
	'all of its WAL is archived');
is(rows($clone), 'of the clone one', 'the clone goes on by itself');
$clone->stop;

my %row = ingest($store, $archive);
is($row{tli}, 2, 'what is ingested then is production\'s');
my $second = new_clone('second', fetch_backup($store));
$second->start;
is(rows($second), 'one two', '... with its rows');
is(tli($second), 3, '... and a clone of it is on tli 3');
$second->stop;

# --- A base backup with a history file that the store's WAL hasn't reached.

my $ahead = copy_directory($base, PostgreSQL::Test::Utils::tempdir . '/ahead');
PostgreSQL::Test::Utils::system_or_bail('cp', "$archive/00000002.history",
	"$ahead/pg_wal");
my $alone = new_store('alone');
import_directory($alone, $ahead);

sub histories
{
	my ($server) = @_;

	return $server->safe_psql('postgres',
		"SELECT string_agg(path, ' ' ORDER BY path) FROM bb_files() WHERE path ~ 'history\$'"
	);
}

is(histories($alone), 'pg_wal/00000002.history pg_wal/00000003.history',
	'a captured history file has taken its tli');
fails_like($alone, 'SELECT bb_basebackup(new_tli => 2)',
	qr/22023: new_tli 2 is a timeline ID that the source has/,
	'no backup gets it');
%row = ingest($alone, $archive);
is($row{tli}, 2, 'WAL comes to it');
is(histories($alone), 'pg_wal/00000002.history pg_wal/00000003.history',
	'then it is captured once, still');
my $place = PostgreSQL::Test::Utils::tempdir_short . '/restored';
$alone->safe_psql('postgres', "SELECT FROM bb_restore(directory => '$place')");
is(slurp_file("$place/pg_wal/00000002.history"),
	slurp_file("$archive/00000002.history"), 'a directory can be made of it');
like(slurp_file("$place/pg_wal/00000003.history"),
	qr/\A1\t[0-9A-F\/]+\t.*\n2\t\Q$row{end_lsn}\E\t/s, 'with the history');
$alone->stop;

# --- A clone that replaces production archives, including its history file.

my $own = PostgreSQL::Test::Utils::tempdir;
my $writer = new_clone('writer',
	fetch_backup($store, "lsn => '$two', settings => 'source'"));
$writer->append_conf('postgresql.conf',
	"archive_command = 'test ! -f \"$own/%f\" && cp \"%p\" \"$own/%f\"'\n");
$writer->start;
query_is($writer, 'SHOW archive_mode', 'on', 'settings of the source archive');
$writer->backup('later');
my $three = insert($writer, 'three');
$name = $writer->safe_psql('postgres', "SELECT pg_walfile_name('$three')");
wait_for_archive($writer, $name);
ok(-f "$own/00000003.history", 'the history file is archived');
ok( -f $writer->data_dir . '/pg_wal/archive_status/00000003.history.done',
	'as a server does it');
$writer->stop;

# With it, stock recovery can follow the clone's WAL.
my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($writer, 'later');
$recovered->append_conf('postgresql.conf',
	"archive_mode = off\nrestore_command = 'cp \"$own/%f\" \"%p\"'\n"
	  . "recovery_target_timeline = '3'\n");
$recovered->append_conf('recovery.signal', '');
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is(rows($recovered), 'one three two', 'stock recovery follows it');
$recovered->stop;

# --- The timeline ID of a branch of the store is taken.

$store->safe_psql('postgres',
	"SELECT bb_create_branch('branch', lsn => '$two')");
%row = ingest($store, $own, 'branch');
is($row{tli}, 3, 'a branch with the clone\'s WAL');
query_is($store,
	"SELECT string_agg(path, ' ') FROM bb_files() WHERE path ~ '4.history\$'",
	'pg_wal/00000004.history',
	'a clone of the other timeline keeps clear of it');
foreach my $tli (2, 3)
{
	fails_like($store, "SELECT bb_basebackup(new_tli => $tli)",
		qr/22023: new_tli $tli is a timeline ID that the source has.*HINT:  Omit/s,
		"tli $tli is not given");
}

$standby->stop;
done_testing();

# Import of a running server: what it stores, what it refuses, and what is left
# of it when it ends early.

use strict;
use warnings;
use BBackup;
use BBackup::ServerImport;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, q(
max_wal_senders = 6
shared_buffers = 16MB
bgwriter_lru_maxpages = 0
autovacuum = off
allow_in_place_tablespaces = on
), '--data-checksums');
fill_source($source);
$source->safe_psql('postgres', q(
-- 35 MB: layers of its own
CREATE TABLE large AS SELECT i, repeat('x', 100) t
	FROM generate_series(1, 250000) i;
CREATE TABLESPACE in_place LOCATION '';
CREATE TABLE placed TABLESPACE in_place AS SELECT generate_series(1, 9) i;
CREATE TABLE updated AS SELECT i, 0 n FROM generate_series(1, 200) i;
DO $$ BEGIN FOR i IN 1 .. 300 LOOP
	EXECUTE format('CREATE TABLE small_%s AS SELECT %s AS i', i, i);
	END LOOP; END $$;
));
my $temporary = start_session($source);
ask($temporary, 'CREATE TEMP TABLE temporary AS SELECT generate_series(1, 9)');

my $store = new_store('store', "restart_after_crash = on\n");
my $spools = $store->data_dir . '.bbackup_spool';
create_source($store, 'shop', $source);

# spools - of imports that run.
sub spools
{
	my @found = glob "$spools/import-*";

	return @found;
}

# nothing_left - of an import that has ended early, on either side.
sub nothing_left
{
	my ($timeline, $name) = @_;

	$source->poll_query_until('postgres',
		'SELECT count(*) = 0 FROM pg_replication_slots')
	  or die 'a slot stays: ' . $source->safe_psql('postgres',
		'SELECT * FROM pg_replication_slots');
	is( join(' ',
			stored_layers($store, $timeline), spools(),
			$store->safe_psql('postgres',
				'SELECT name FROM pg_ls_tmpdir() UNION ALL SELECT timeline'
				  . " FROM bb_timelines() WHERE timeline = '$timeline'")),
		'', "$name: nothing is left of it");
	return;
}

# fails - an import fails and leaves nothing.
sub fails
{
	my ($call, $expected, $name, $settings) = @_;

	fails_like($store, ($settings // '') . "SELECT $call", $expected, $name);
	nothing_left('failed', $name);
	return;
}

# receiving - start an import in a session, and wait until some has been received.
sub receiving
{
	my ($timeline, $rate) = @_;
	my $session = start_session($store);

	send_query($session,
		'SELECT lsn FROM '
		  . import_call('shop', $timeline, 'max_rate => ' . ($rate // 4000)));
	wait_for_import($store, $session,
		"phase = 'receiving' AND bytes_done > 1000000"
		  . ' AND bytes_total > bytes_done');
	return $session;
}

# clone_is - a backup at the end of a timeline has the dump of a server.
sub clone_is
{
	my ($timeline, $dump, $name) = @_;
	my $clone = new_clone("clone_$timeline",
		fetch_backup($store, "timeline => '$timeline'"));

	$clone->append_conf('postgresql.conf', 'archive_mode = off');
	$clone->start;
	same_dump(dump_all($clone), $dump, "$name: the dump is the source's");
	$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
		"$name: pg_amcheck finds nothing");
	$clone->stop;
	command_ok([ 'pg_checksums', '--check', '-D', $clone->data_dir ],
		"$name: its checksums are right");
	$clone->clean_node;
	return;
}

# --- A server at rest.

my $row = import_server($store, 'shop', 'main');
like($row->{lsn}, qr{^[0-9A-F]+/[0-9A-F]+$}, 'the row has an LSN');
is($row->{databases},
	$source->safe_psql('postgres', 'SELECT count(*) FROM pg_database'),
	'... the databases');
cmp_ok($row->{pages} * 8192, '>', 35_000_000, '... the pages');
cmp_ok($row->{bytes_read}, '>=', $row->{pages} * 8192, '... the bytes');
nothing_left('none', 'a whole import');
query_is($store, q(SELECT string_agg(path, ' ') FROM bb_files()
	WHERE path ~ '/t\d+_'), '', 'no temporary relations');
clone_is('main', dump_all($source), 'at rest');
cmp_ok(
	$store->safe_psql('postgres',
		"SELECT count(*) FROM bb_layers() WHERE kind = 'image'"),
	'>', 1, 'a large file has layers of its own');
$source->safe_psql('postgres', 'DELETE FROM large WHERE i % 2 = 0');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->poll_query_until('postgres', 'SELECT last_archived_wal ='
	  . ' pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver')
  or die 'WAL is not archived: '
  . $source->safe_psql('postgres', 'SELECT * FROM pg_stat_archiver');
ingest($store, $archive);
clone_is('main', dump_all($source), 'after more WAL');

# --- What is refused.

fails_like($store, 'SELECT ' . import_call('shop', 'main'),
	qr/42710: .*already exists/, 'a timeline that exists');
fails(import_call('nobody', 'failed'), qr/42704: /, 'no such source');
fails(import_call('bbackup', 'failed'), qr/42809: /, 'a store as source');
fails(import_call('shop', '../x'), qr/22023: |42602: /, 'a bad name');
fails(import_call('shop', 'failed', 'max_rate => 1'),
	qr/22023: .*max_rate is out of range/, 'a rate that is too low');
fails("bb_import_server('shop', timeline => 'failed', checkpoint => 'soon')",
	qr/22023: .*invalid checkpoint mode/, 'no such checkpoint');
$store->safe_psql('postgres', 'CREATE ROLE limited;'
	  . ' GRANT USAGE ON FOREIGN SERVER bbackup TO limited');
fails(
	import_call('shop', 'failed'),
	qr/42501: .*permission denied for function/,
	'without EXECUTE',
	'SET ROLE limited; ');
$store->safe_psql('postgres',
	'GRANT EXECUTE ON FUNCTION bb_import_server TO limited');
fails(
	import_call('shop', 'failed'),
	qr/42501: .*permission denied for foreign server/,
	'without USAGE of the source',
	'SET ROLE limited; ');

# --- Too little temporary space; then the same call succeeds.

fails(import_call('shop', 'failed'), qr/53400: .*temp_file_limit/,
	'temp_file_limit', "SET temp_file_limit = '1MB'; ");
import_server($store, 'shop', 'failed', undef,
	"SET temp_file_limit = '1GB';");
$store->safe_psql('postgres', "SELECT bb_drop_timeline('failed')");

# --- It ends in the midst: cancel, kill, the source.

my $session = receiving('failed');
is(scalar(spools()), 1, 'WAL is received meanwhile');
query_is($source, 'SELECT count(*) FROM pg_replication_slots WHERE temporary'
	  . ' AND restart_lsn IS NOT NULL', 1, '... by a temporary slot');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/canceling statement/, 'a cancel');
end_session($session);
nothing_left('failed', 'cancel');

$session = receiving('failed');
kill 'KILL', $session->{backend};
answer($session);
end_session($session);
wait_for_restart($store);
forget_killed($store);
import_server($store, 'shop', 'killed');
nothing_left('none', 'kill -9, then another import');
import_server($store, 'shop', 'failed');
is( scalar(stored_layers($store, 'failed')),
	$store->safe_psql('postgres',
		"SELECT count(*) FROM bb_layers(timeline => 'failed')"),
	'the next import of the timeline removes the layers of the killed one');
$store->safe_psql('postgres',
	"SELECT bb_drop_timeline(t) FROM unnest(ARRAY['failed', 'killed']) t");

$session = receiving('failed');
$source->safe_psql('postgres', 'SELECT pg_terminate_backend(pid)'
	  . " FROM pg_stat_replication WHERE state = 'backup'");
like(answer($session), qr/terminating connection/, 'the backup is terminated');
end_session($session);
nothing_left('failed', 'terminated');

# long before the backup would be complete
$session = receiving('failed', 1000);
$store->safe_psql('postgres', 'SELECT pg_terminate_backend(pid)'
	  . " FROM pg_stat_activity WHERE backend_type = 'bbackup receive'");
like(answer($session), qr/ERROR: /, 'the receiver of WAL is terminated');
end_session($session);
nothing_left('failed', 'receiver terminated');

$session = receiving('failed');
end_session($temporary);
$source->stop('immediate');
like(answer($session), qr/ERROR: .*/, 'the source stops');
end_session($session);
$source->start;
nothing_left('failed', 'source stopped');

# --- Pages that are corrupt at the source.

my $path = $source->safe_psql('postgres',
	"SELECT pg_relation_filepath('updated')");
my $large = $source->safe_psql('postgres',
	"SELECT pg_relation_filepath('large')");

# Of a page in shared buffers, only the file is corrupt.  WAL has an image of it
# if it is changed during the backup.
$source->safe_psql('postgres', 'CHECKPOINT');
$source->safe_psql('postgres', 'SELECT sum(n) FROM updated');
my $good = patch_file($source->data_dir . "/$path", 5000, 'garbage');
$session = receiving('torn', 10000);
$source->safe_psql('postgres', 'UPDATE updated SET n = n + 1');
like(answer($session), qr{^[0-9A-F]+/}, 'a torn page of which WAL has an image');
end_session($session);
clone_is('torn', dump_all($source), 'torn page');
$source->safe_psql('postgres', 'CHECKPOINT');

foreach my $case ([ $path, 0 ], [ $large, 1000 ])
{
	my ($file, $block) = @$case;
	my $place = $block * 8192 + 5000;

	$source->safe_psql('postgres', 'CHECKPOINT');
	my $bytes = patch_file($source->data_dir . "/$file", $place, 'garbage');
	fails(
		import_call('shop', 'failed'),
		qr/XX001: .*block $block is corrupted.*no image/s,
		"a corrupt page of $file");
	patch_file($source->data_dir . "/$file", $place, $bytes);
}
$store->safe_psql('postgres', "SELECT bb_drop_timeline('torn')");

# --- A relation of two segments, most of it zeros.

$source->safe_psql('postgres', 'CREATE TABLE wide AS SELECT 1 AS i');
my $wide = $source->data_dir . '/'
  . $source->safe_psql('postgres', "SELECT pg_relation_filepath('wide')");
$source->stop;
open my $file, '+<:raw', $wide or die "$wide: $!";
truncate $file, 1024 * 1024 * 1024 or die;
close $file;
append_to_file("$wide.1", "\0" x (2 * 8192));
$source->start;
$source->safe_psql('postgres', "INSERT INTO wide SELECT 2");
import_server($store, 'shop', 'wide');
query_is($store, "SELECT pages FROM bb_relations(timeline => 'wide')"
	  . " WHERE relfilenode = '" . ($wide =~ m{(\d+)$})[0] . "' AND fork = 'main'",
	131074, 'all blocks of a relation of two segments');
clone_is('wide', dump_all($source), 'two segments');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('wide')");
$source->safe_psql('postgres', 'DROP TABLE wide');

$store->stop;
done_testing();

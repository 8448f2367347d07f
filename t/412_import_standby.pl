# Import of a standby while it replays, and of the server that it becomes.

use strict;
use warnings;
use BBackup;
use BBackup::ServerImport;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $primary = new_archiving_source('primary', $archive,
	"max_wal_senders = 6\nshared_buffers = 1MB\n", '--data-checksums');
$primary->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, 0 AS n FROM generate_series(1, 20000) i;'
	  # layers of its own
	  . " CREATE TABLE large AS SELECT i, repeat('x', 100) t"
	  . ' FROM generate_series(1, 200000) i');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	"archive_mode = off\nlog_statement = none\n");
$standby->start;

my $store = new_store('store');
create_source($store, 'spare', $standby);

# clone_is - a backup at the end of a timeline has this dump.
sub clone_is
{
	my ($timeline, $dump) = @_;
	my $clone = new_clone("clone_$timeline",
		fetch_backup($store, "timeline => '$timeline'"));

	$clone->append_conf('postgresql.conf', 'archive_mode = off');
	$clone->start;
	same_dump(dump_all($clone), $dump, "$timeline: the dump is the source's");
	$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
		"$timeline: pg_amcheck finds nothing");
	$clone->stop;
	command_ok([ 'pg_checksums', '--check', '-D', $clone->data_dir ],
		"$timeline: its checksums are right");
	return;
}

# --- A standby.

my $writer = start_session($primary);
send_query($writer, 'DO $$ BEGIN FOR round IN 1 .. 200 LOOP'
	  . ' UPDATE t SET n = n + 1 WHERE i % 100 = 0;'
	  . ' UPDATE large SET i = i + 1 WHERE i % 1000 = 0; COMMIT;'
	  . ' END LOOP; END $$; SELECT 1');
my $row = import_server($store, 'spare', 'standby', 'max_rate => 20000');
answer($writer);
end_session($writer);
query_is($store,
	"SELECT start_lsn, end_lsn FROM bb_timelines()"
	  . " WHERE timeline = 'standby'",
	"$row->{lsn}|$row->{lsn}",
	'a timeline begins where the backup of the standby is consistent');
$primary->wait_for_catchup($standby);
query_is($standby, 'SELECT count(*) FROM pg_replication_slots', 0,
	'no slot stays');
my $dump = dump_all($primary);
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->stop;
ingest($store, $archive, 'standby');
clone_is('standby', $dump);

# --- The server that it becomes: its base backup has no history file.

$standby->promote;
$standby->safe_psql('postgres', 'CREATE TABLE later AS SELECT 1 AS i');
import_server($store, 'spare', 'promoted');
query_is(
	$store,
	"SELECT path FROM bb_files(timeline => 'promoted')"
	  . " WHERE path LIKE '%2.history'",
	'pg_wal/00000002.history',
	'the history file of timeline ID 2 is stored');
clone_is('promoted', dump_all($standby));

# --- A standby that is promoted during its backup: the server refuses.

my $again = PostgreSQL::Test::Cluster->new('again');
$standby->backup('base');
$again->init_from_backup($standby, 'base', has_streaming => 1);
$again->append_conf('postgresql.conf',
	"archive_mode = off\nlog_statement = none\n");
$again->start;
create_source($store, 'again', $again);
my $session = start_session($store);
send_query($session,
	'SELECT lsn FROM ' . import_call('again', 'failed', 'max_rate => 4000'));
wait_for_import($store, $session,
	"phase = 'receiving' AND bytes_done > 1000000");
$again->promote;
like(
	answer($session),
	qr/ERROR: .*standby was promoted during online backup/,
	'a promotion during the backup');
end_session($session);
is(join(' ', stored_layers($store, 'failed')), '', 'nothing is left of that');
$store->stop;
done_testing();

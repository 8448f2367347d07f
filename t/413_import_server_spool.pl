# More WAL is written during an import than the spool may keep: receiving waits
# for ingest, and ingest for nothing.  So it is, too, if the record of the
# checkpoint that the backup begins with is farther away than that.

use strict;
use warnings;
use BBackup;
use BBackup::ServerImport;

# A checkpoint that is spread lasts until it is asked to be fast: neither time nor
# WAL hurries it, and it has pages to write.
my $slow_checkpoints = q(
log_checkpoints = on
checkpoint_timeout = 1h
max_wal_size = 20GB
shared_buffers = 128MB
bgwriter_lru_maxpages = 0
);
my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 6\nwal_keep_size = 1GB\narchive_mode = off\n"
	  . $slow_checkpoints,
	'--wal-segsize=1', '--data-checksums');
$source->safe_psql('postgres',
	"CREATE TABLE large AS SELECT i, repeat('x', 100) t"
	  . ' FROM generate_series(1, 200000) i');
my $store = new_store('store', "bbackup.spool_size = 64MB\n");
create_source($store, 'shop', $source);

# Writes so many MB of WAL.
sub write_wal
{
	my ($n) = @_;

	$source->safe_psql('postgres',
		"DO \$\$ BEGIN FOR i IN 1 .. $n LOOP PERFORM pg_logical_emit_message("
		  . "false, 'test', repeat('x', 1000000)); COMMIT; END LOOP; END \$\$");
	return;
}

sub begin_import
{
	my ($timeline, $arguments, $phase) = @_;
	my $session = start_session($store);

	send_query($session,
		"SELECT lsn FROM bb_import_server('shop', timeline => '$timeline',"
		  . " $arguments)");
	wait_for_import($store, $session, "phase = '$phase'");
	return $session;
}

sub end_import
{
	my ($session, $timeline, $name) = @_;

	like(answer($session), qr{^[0-9A-F]+/[0-9A-F]+$}, $name);
	end_session($session);
	query_is($store, 'SELECT count(*) FROM bb_files(timeline =>'
		  . " '$timeline') WHERE path = 'PG_VERSION'", 1, '... can be read');
	return;
}

my $session = begin_import('main', "checkpoint => 'fast', max_rate => 8000",
	'receiving');
write_wal(150);
end_import($session, 'main', 'WAL of twice the size of the spool');

$source->safe_psql('postgres', 'UPDATE large SET i = i + 1');
my $log = -s $source->logfile;
$session = begin_import('spread', "checkpoint => 'spread'",
	'waiting for checkpoint');
$source->wait_for_log(qr/checkpoint starting: force wait$/m, $log);
write_wal(150);
$source->safe_psql('postgres', 'CHECKPOINT');
end_import($session, 'spread', 'a checkpoint that lasts longer than that');

my @spools = glob $store->data_dir . '.bbackup_spool/import-*';
is("@spools", '', 'no spool is left');
$store->stop;
done_testing();

# The configuration of a clone: without settings that would harm its source, and
# with settings that its data need.

use strict;
use warnings;
use BBackup;
use BBackup::Client;

my $elsewhere = PostgreSQL::Test::Utils::tempdir;
my $store = new_store('store');

sub setting
{
	my ($node, $name) = @_;

	return $node->safe_psql('postgres', "SHOW $name");
}

# The NOTICEs of a restore into a new directory.
my $places = PostgreSQL::Test::Utils::tempdir_short;
my $count = 0;

sub restore
{
	my ($arguments) = @_;
	my $place = "$places/" . ++$count;
	my $err;

	$store->psql(
		'postgres',
		"SELECT FROM bb_restore(directory => '$place', $arguments)",
		on_error_die => 1,
		stderr => \$err);
	return ($place, $err);
}

# --- A source with every setting that refers to itself or its neighbours.

my $source = new_source('source');
my $primary = 'host=127.0.0.1 port=1';
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS i');
$source->safe_psql('postgres',
	"ALTER SYSTEM SET primary_conninfo = '$primary'");
$source->stop;
my $data = $source->data_dir;
mkdir "$data/$_" or die $! foreach qw(conf.d empty.d sockets sockets/deep);
append_to_file("$data/conf.d/1.conf", qq(
wal_level = replica
max_wal_senders = 1
archive_mode = always
archive_command = 'touch "$elsewhere/archived"'
external_pid_file = '$elsewhere/pid'
));
$source->append_conf('postgresql.conf', qq(
include_dir = 'conf.d'
include_dir = 'empty.d'
data_directory = '$data'
logging_collector = on
log_directory = '$elsewhere/log'
log_filename = 'server.log'
primary_slot_name = 'slot'
restore_command = 'cp "$elsewhere/%f" "%p"'
recovery_target_lsn = '0/1'
recovery_target_action = shutdown
recovery_target_timeline = current
archive_cleanup_command = 'touch "$elsewhere/cleaned"'
recovery_end_command = 'touch "$elsewhere/ended"'
synchronous_standby_names = '*'
));
import_directory($store, $data);
$source->start;
my $pid = slurp_file("$elsewhere/pid");

my ($place, $err) = restore("settings => 'clone'");
is($err, '', 'nothing has to be said');
my $clone = start_clone($place, 'clone');
is(setting($clone, 'data_directory'),
	$clone->data_dir, 'the clone has a directory of its own');
query_is($clone, 'SELECT i FROM t', 1, '... with its table');
$clone->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
$clone->safe_psql('postgres', 'SELECT pg_switch_wal()');
query_is($clone, 'SELECT pg_is_in_recovery()', 'f', 'it is no standby');
my %expected = (
	archive_mode => 'off',
	primary_conninfo => '',
	primary_slot_name => '',
	restore_command => '',
	archive_cleanup_command => '',
	recovery_end_command => '',
	recovery_target => '',
	recovery_target_name => '',
	recovery_target_time => '',
	recovery_target_xid => '',
	recovery_target_lsn => '',
	recovery_target_inclusive => 'on',
	recovery_target_timeline => 'latest',
	recovery_target_action => 'pause',
	synchronous_standby_names => '',
	max_logical_replication_workers => '0',
	external_pid_file => '',
	log_directory => 'log');
foreach my $name (sort keys %expected)
{
	is(setting($clone, $name), $expected{$name}, "the clone's $name");
}
query_is($clone,
	"SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL AND name NOT IN ('port', 'unix_socket_directories')",
	0, 'no file has a parameter that the server does not know');
ok(-d $clone->data_dir . "/$_", "directory $_ is there")
  foreach qw(empty.d sockets/deep);
$clone->stop;
is(slurp_file("$elsewhere/pid"), $pid, 'the file with the PID is the source\'s');
ok(!-e "$elsewhere/archived", 'nothing was archived');
$source->stop;

# --- A clone of the clone has the block once, even if a server rewrote the file.

import_directory($store, $clone->data_dir, 'second');
($place) = restore("timeline => 'second'");
my $text = slurp_file("$place/postgresql.auto.conf");
is(scalar(() = $text =~ /^# begin of/mg), 1, 'a clone of a clone has it once');
like($text, qr/\n# end of settings[^\n]*\n\z/, '... at the end');
$clone->start;
$clone->safe_psql('postgres', 'ALTER SYSTEM SET archive_mode = on');
$clone->stop;
import_directory($store, $clone->data_dir, 'third');
($place) = restore("timeline => 'third'");
$clone = start_clone($place, 'third');
is(setting($clone, 'archive_mode'),
	'off', 'so it is when a server has rewritten the file');
$clone->stop;

# --- With the source's settings.

($place) = restore("settings => 'source'");
is(slurp_file("$place/$_"), slurp_file("$data/$_"), "$_ is the source's")
  foreach qw(postgresql.auto.conf postgresql.conf conf.d/1.conf);

# --- By the client, as tars and as a directory; again into a directory that
# lost an empty one.

connect_to($store);
my $made = "$places/client";
my ($status) = run_client('-D', $made, '--settings=source');
is($status, 0, 'the client has the option');
is(slurp_file("$made/postgresql.auto.conf"),
	slurp_file("$data/postgresql.auto.conf"), '... and passes it on');
ok(-d "$made/empty.d", '... and makes an empty directory');
rmdir "$made/$_" or die $! foreach qw(sockets/deep sockets empty.d);
$store->safe_psql('postgres',
	"SELECT FROM bb_restore(directory => '$made', delta => true)");
ok(-d "$made/$_", "a delta brings $_ back") foreach qw(sockets/deep empty.d);
like(slurp_file("$made/postgresql.auto.conf"),
	qr/^archive_mode = 'off'$/m, '... and makes a clone of it');

# --- Data that need more than the captured configuration has.

my $grown = new_source('grown');
# the setting that limits replication origins; 18 has a separate one
my $origins_limit =
  $grown->pg_version >= 18
  ? 'max_active_replication_origins'
  : 'max_replication_slots';
$grown->append_conf('postgresql.conf',
	"max_prepared_transactions = 1\ntrack_commit_timestamp = off\nmax_connections = 20\n");
$grown->restart;
$grown->stop;
import_directory($store, $grown->data_dir, 'grown');
$grown->append_conf('postgresql.conf', qq(
wal_level = logical
max_wal_senders = 3
wal_keep_size = 1GB
max_prepared_transactions = 12
track_commit_timestamp = on
$origins_limit = 30
max_connections = 100
));
$grown->start;
$grown->safe_psql('postgres', 'CREATE TABLE t (i int)');
$grown->safe_psql('postgres', 'INSERT INTO t VALUES (0)');
my $timestamps = 'SELECT i, pg_xact_commit_timestamp(xmin) FROM t ORDER BY i';
my $right = $grown->safe_psql('postgres', $timestamps);
foreach my $i (1 .. 3)
{
	$grown->safe_psql('postgres',
		"BEGIN; INSERT INTO t VALUES ($i); PREPARE TRANSACTION 'p$i'");
}
foreach my $i (1 .. 15)
{
	$grown->safe_psql('postgres', "SELECT pg_replication_origin_create('o$i')");
	$grown->safe_psql('postgres',
		"SELECT pg_replication_origin_advance('o$i', '0/$i')");
}
# many locks, in a small lock table
$grown->safe_psql('postgres',
	'DO $$ BEGIN FOR i IN 1 .. 3000 LOOP EXECUTE format(\'CREATE TABLE t%s ()\', i); COMMIT; END LOOP; END $$'
);
$grown->safe_psql('postgres',
	'BEGIN; DO $$ BEGIN FOR i IN 1 .. 3000 LOOP EXECUTE format(\'LOCK t%s\', i); END LOOP; END $$; INSERT INTO t VALUES (4); PREPARE TRANSACTION \'locks\''
);
$grown->stop;
ingest($store, $grown->data_dir . '/pg_wal', 'grown');
my %place;
foreach my $option ('clone', 'source')
{
	($place{$option}, $err) =
	  restore("timeline => 'grown', settings => '$option'");
	like($err, qr/NOTICE:  "$_"/, "$option: a NOTICE of $_")
	  foreach (qw(max_prepared_transactions max_locks_per_transaction
		track_commit_timestamp), $origins_limit);
	$clone = start_clone($place{$option}, "grown_$option");
	query_is($clone,
		"SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_prepared_xacts",
		'locks p1 p2 p3', "$option: prepared transactions are there");
	query_is($clone, $timestamps, $right, "$option: so are commit timestamps");
	query_is($clone, 'SELECT count(*) FROM pg_replication_origin_status', 15,
		"$option: and all replication origins");
	$clone->stop;
}

# --- A subscriber's clone leaves the publisher's slot to the subscriber.

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$_->safe_psql('postgres', 'CREATE TABLE t (i int)')
  foreach $publisher, $subscriber;
$publisher->safe_psql('postgres', 'CREATE PUBLICATION p FOR TABLE t');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION s CONNECTION '@{[ $publisher->connstr ]} dbname=postgres' PUBLICATION p"
);
$subscriber->wait_for_subscription_sync($publisher, 's');
$subscriber->stop;
$publisher->poll_query_until('postgres',
	'SELECT NOT active FROM pg_replication_slots');
import_directory($store, $subscriber->data_dir, 'subscriber');
($place) = restore("timeline => 'subscriber'");
$clone = start_clone($place, 'subscribed');
$publisher->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
query_is($clone,
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%'",
	0, 'a subscriber\'s clone has no workers');
query_is($publisher, 'SELECT active FROM pg_replication_slots', 'f',
	'the slot is free');
$subscriber->start;
$publisher->wait_for_catchup('s');
query_is($subscriber, 'SELECT i FROM t', 1,
	'and the subscriber gets its rows');
query_is($clone, 'SELECT count(*) FROM t', 0, 'its clone does not');
$clone->stop;
$subscriber->stop;
$publisher->stop;

done_testing();

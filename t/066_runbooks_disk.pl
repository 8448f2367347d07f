# The runbooks of docs/runbooks.md for full disks: that of the store, of the spool,
# and that of the source's WAL.  (All others: 065_runbooks.pl.)

use BBackup::SmallDisk size => '160m';
use strict;
use warnings;
use BBackup;
use BBackup::Following;
use BBackup::Runbooks;
use BBackup::StoreKind;
use BBackup::Version;
use File::Path qw(rmtree);

my $disk = BBackup::SmallDisk::directory();

plan skip_all => 'there is no small disk' if !defined $disk;
plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $place = PostgreSQL::Test::Utils::tempdir_short;
my $store = new_following_store('store', qq(
bbackup.store_directory = '$disk/store'
bbackup.spool_directory = '$place/spool'
bbackup.upkeep = on
bbackup.upkeep_naptime = 1
));
my $source = new_followed_source('source', 'wal_keep_size = 0');
my $rows = 0;

sub add_rows
{
	my ($node, $n) = @_;
	my $first = $rows + 1;

	$rows += $n;
	$node->safe_psql('postgres',
		"INSERT INTO t SELECT i, repeat('x', 500) || md5(i::text) FROM generate_series($first, $rows) i");
	return;
}

sub has_rows
{
	my ($timeline, $in) = @_;
	my $clone = clone_of($store, $timeline, "store => '$in'");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($clone->safe_psql('postgres', 'SELECT count(*) FROM t'),
		$rows, 'nothing is lost');
	$clone->clean_node;
	return;
}

sub check
{
	return $store->safe_psql('postgres', runbook('first'));
}

sub reserve
{
	PostgreSQL::Test::Utils::append_to_file($_[0], "\0" x (24 * 1024 * 1024));
	return;
}

sub run_reserve
{
	return system('sh', '-c', runbook('reserve', '/srv/bbackup' => $disk)) == 0;
}

# --- The store.

$source->safe_psql('postgres', 'CREATE TABLE t (i int, x text)');
reserve("$disk/store.reserve");
create_source($store, 'shop', $source);
follow($store, 'shop', 'shop');
add_rows($source, 1000);
ok(defined wait_now($store, 'shop'), 'following');
ok( wait_for(
		'a full disk',
		sub {
			BBackup::SmallDisk::fill();
			add_rows($source, 1000);
			return check() =~ /^following\|.*waiting.*No space left/m;
		}),
	'the disk of the store is full');
like(check(), qr/^space\|bbackup\|\|0 bytes of/m, 'bb_check() says so');
fails_like($store, "SELECT bb_set_retention('3 days', timeline => 'shop')",
	qr/No space left on device/, 'nothing can be given up then');
ok(run_reserve(), 'the reserve is removed');
ok( wait_for(
		'the statements',
		sub {
			return $store->psql('postgres',
				runbook('expire', '3 days' => '1 second', '1 day' => '1 second',
					'daily 7' => '')) == 0;
		}),
	'history is given up');
BBackup::SmallDisk::empty();
add_rows($source, 1000);
ok(defined wait_now($store, 'shop'), 'and following goes on');
has_rows('shop', 'bbackup');
is( $store->safe_psql('postgres',
		"SELECT retention FROM bb_window WHERE timeline = 'shop'"),
	'window 00:00:01, floor 00:00:01', 'with a shorter window');
$store->safe_psql('postgres',
	"SELECT bb_unfollow('shop'); SELECT bb_drop_timeline('shop')");
is(join(' ', glob "$disk/store/timelines/shop/layers/*"),
	'', 'the store has given back its room');
$source->stop;

# --- The source's WAL.

my $elsewhere = 'elsewhere';
my $wal = "$disk/wal";
my $full = PostgreSQL::Test::Cluster->new('full');
$full->init(allows_streaming => 1, extra => [ '-X', $wal, without_checksums() ]);
$full->append_conf('postgresql.conf', qq(
wal_keep_size = 0
min_wal_size = 32MB
wal_log_hints = off # a SELECT would fill the disk again
max_wal_size = 32MB
autovacuum = off
));
$full->start;
$rows = 0;
$full->safe_psql('postgres', 'CREATE TABLE t (i int, x text)');
reserve("$disk/reserve");
$store->safe_psql('postgres', qq(
CREATE SERVER $elsewhere FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/$elsewhere');
ALTER SERVER shop OPTIONS (SET host '@{[ $full->host ]}', SET port '@{[ $full->port ]}');
SELECT bb_follow('shop', '$elsewhere', 'shop', checkpoint => 'fast');
SELECT bb_wait(store => '$elsewhere', timeline => 'shop');
));
my $slot = $full->safe_psql('postgres',
	'SELECT slot_name FROM pg_replication_slots');

sub slots
{
	return $full->safe_psql('postgres', runbook('slots'));
}

# the receiver connects for it after the import
$full->poll_query_until('postgres',
	"SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'")
  or die;
like(slots(), qr/^$slot\|t\|reserved\|/, 'the slot is used');
$store->stop;
my $written = 0;
for (1 .. 1000)
{
	my $first = $written + 1;

	last
	  if $full->psql('postgres',
		"INSERT INTO t SELECT i, repeat('x', 500) || md5(i::text)"
		  . " FROM generate_series($first, $first + 999) i") != 0;
	$written += 1000;
}
like(slurp_file($full->logfile), qr/PANIC: .*No space left on device/,
	'the slot has filled the disk of the source');
$full->stop('immediate', fail_ok => 1);
$full->_update_pid(0);
ok(!$full->start(fail_ok => 1), 'which does not start');
unlink "$disk/reserve" or die $!;
$full->start;
like(slots(), qr/^$slot\|f\|\w+\|\d+ MB$/, 'but with some room');
$store->start;
$store->safe_psql('postgres',
	"SELECT bb_wait(store => '$elsewhere', timeline => 'shop')");
ok( $full->poll_query_until('postgres',
		"SELECT pg_current_wal_lsn() - restart_lsn < 16 * 1024 * 1024 FROM pg_replication_slots"
	),
	'the store takes what the slot has kept');
# only a checkpoint removes WAL, and what follows needs the room
$full->safe_psql('postgres', 'CHECKPOINT');
$rows = $full->safe_psql('postgres', 'SELECT count(*) FROM t');
cmp_ok($rows, '>=', $written, 'the source has what was committed');
has_rows('shop', $elsewhere);

# the slot is given up; few rows, so that the disk has room for these segments
$store->stop;
for (1 .. 4)
{
	add_rows($full, 100);
	$full->safe_psql('postgres', 'SELECT pg_switch_wal()');
}
my $before = () = glob "$wal/0*";
$full->safe_psql('postgres', $_)
  foreach split /\n/, runbook('drop-slot', 'bbackup_shop_f653faf0' => $slot);
is(slots(), '', 'the slot is gone');
cmp_ok(scalar(() = glob "$wal/0*"), '<', $before, 'and so is its WAL');
$store->start;
ok( wait_for(
		'what is missing',
		sub { check() =~ /^following\|.*failed.*misses WAL/m }),
	'which the store misses');

$full->stop;

# --- The spool.

rmtree([ "$disk/wal", "$disk/store" ]);
$store->safe_psql('postgres', qq(
SET client_min_messages = error;
SELECT bb_unfollow('shop', '$elsewhere');
SELECT bb_drop_timeline('shop', '$elsewhere');
ALTER SERVER shop OPTIONS (SET host '@{[ $source->host ]}', SET port '@{[ $source->port ]}', ADD confirm 'spool');
ALTER SYSTEM SET bbackup.spool_directory = '$disk/spool';
ALTER SYSTEM SET bbackup.flush_interval = 0;
));
$store->restart;
$source->start;
$store->safe_psql('postgres', qq(
SELECT bb_follow('shop', '$elsewhere', 'shop', checkpoint => 'fast');
SELECT bb_wait(store => '$elsewhere', timeline => 'shop');
));
$source->append_conf('postgresql.conf',
	"synchronous_standby_names = 'bbackup'");
$source->reload;
$source->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
$rows = $source->safe_psql('postgres', 'SELECT count(*) FROM t');
BBackup::SmallDisk::fill();
my $commit = start_session($source);
$rows += 60000;
send_query($commit, "INSERT INTO t SELECT i, repeat('x', 500) || md5(i::text) FROM generate_series(1, 60000) i");
ok( wait_for(
		'a full disk',
		sub { check() =~ /^following\|.*waiting.*spool.*No space left/m }),
	'the disk of the spool is full');
$source->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
pass('commits wait');
# as its configuration file names a standby, which ALTER SYSTEM overrides
$source->safe_psql('postgres', $_) foreach split /\n/, runbook('async');
is(answer($commit), '', 'the source goes on without the store');
end_session($commit);
{
	local %ENV = (
		%ENV,
		PGHOST => $store->host,
		PGPORT => $store->port,
		PGDATABASE => 'postgres');
	my $text = runbook(
		'spool-move',
		'/mnt/larger' => $place . '/larger',
		'/srv/spool' => "$disk/spool",
		'/var/lib/store.log' => $store->logfile,
		'/var/lib/store' => $store->data_dir);

	mkdir "$place/larger";
	is(system('sh', '-c', $text), 0, 'the spool is moved');
}
$store->_update_pid(1);
ok( wait_for(
		'following',
		sub {
			return $store->safe_psql('postgres',
				"SELECT bb_wait(store => '$elsewhere', timeline => 'shop', timeout => '10 s')");
		}),
	'and following goes on');
ok(-d "$place/larger/spool", 'where it is now');
has_rows('shop', $elsewhere);

$store->stop;
$source->stop;
done_testing();

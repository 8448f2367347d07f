# WAL that the source has no longer: a slot that is dropped, an archive that has
# the WAL, and none.  A timeline that is gone.

use strict;
use warnings;
use BBackup;
use BBackup::Backups;
use BBackup::Following;
use BBackup::Sessions;
use File::Path qw(rmtree);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_followed_source('source', qq(
archive_mode = on
archive_command = 'cp "%p" "$archive/%f"'
wal_keep_size = 0
));
my $store = new_following_store('store');
my $rows = 0;

$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
create_source($store, 'shop', $source);
follow($store, 'shop', 'shop');

sub add_row
{
	$rows++;
	$source->safe_psql('postgres', "INSERT INTO t VALUES ($rows)");
	return;
}

# All rows are in a backup of now.
sub all_there
{
	my ($name) = @_;
	my $lsn = wait_now($store, 'shop');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(0, $name) unless defined $lsn;
	my $clone = clone_of($store, 'shop', "lsn => '$lsn'");
	is($clone->safe_psql('postgres', 'SELECT count(*), max(i) FROM t'),
		"$rows|$rows", $name);
	$clone->stop('immediate');
	return;
}

# Let the source forget the slot, and all WAL that was written until now.
sub lose_wal
{
	$source->poll_query_until('postgres',
		'SELECT count(*) = 0 FROM pg_replication_slots WHERE active');
	$source->safe_psql('postgres',
		'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
	foreach (1 .. 3)
	{
		add_row();
		$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
		$source->safe_psql('postgres', 'CHECKPOINT');
	}
	my $last = $source->safe_psql('postgres',
		'SELECT pg_walfile_name(pg_current_wal_lsn())');
	$source->poll_query_until('postgres',
		"SELECT last_archived_wal >= '$last' OR '$last' > last_archived_wal"
		  . ' AND failed_count = 0 FROM pg_stat_archiver');
	return;
}

add_row();
all_there('following');

# --- A slot that is dropped while it is used.

my $dropped = 0;
for (1 .. 200)
{
	$dropped = $source->psql('postgres',
		'SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots'
		  . ' WHERE active; SELECT pg_drop_replication_slot(slot_name)'
		  . ' FROM pg_replication_slots') == 0;
	last if $dropped;
}
ok($dropped, 'the slot is dropped');
add_row();
all_there('it goes on');
is(slots_of($source), 'bbackup_shop active', 'with a new slot');

# --- The source has removed the WAL.

$store->stop;
lose_wal();
$store->start;
ok(wait_for_state($store, 'failed', 'shop'), 'WAL that nobody has');
my %status = follow_status($store, 'shop');
like(
	$status{last_error},
	qr{misses WAL that source "shop" has removed.*WAL from [0-9A-F]+/[0-9A-F]+ (?:to|on).*no wal_directory},
	'the view says what is missing');
fails_like($store, "SELECT bb_wait(NULL, 'shop')",
	qr/55000:.*has failed.*misses WAL/s, 'so does bb_wait, at once');
my $log = slurp_file($store->logfile);
is(scalar(() = $log =~ /LOG:  timeline "shop" misses WAL/g),
	1, 'and the log, once');
like($log, qr/HINT:.*bb_rebase_server\('shop', 'bbackup', 'shop'\)/,
	'with what can be done');

# --- An archive has it.

$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (ADD wal_directory '$archive')");
$store->safe_psql('postgres', "SELECT bb_follow('shop', timeline => 'shop')");
all_there('with an archive, bb_follow heals it');
is(slots_of($source), 'bbackup_shop active', 'with a new slot');
$store->stop;
lose_wal();
add_row();
$store->start;
all_there('the next gap heals by itself');

# Of several hosts, one may have the WAL, or get it.  (Here they are one server.)
my ($host, $port) = ($source->host, $source->port);
$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (SET host '$host,$host', SET port '$port,$port',"
	  . ' DROP wal_directory)');
$store->stop;
lose_wal();
add_row();
$store->start;
ok( wait_for(
		'the error',
		sub {
			my %now = follow_status($store, 'shop');
			return $now{state} eq 'waiting'
			  && $now{last_error} =~ /misses WAL/;
		}),
	'with several hosts, a gap is waited for');
$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (ADD restore_command 'cp \"$archive/%f\" \"%p\"')");
all_there('and heals by itself, also by a command');
is(join(' ', glob $store->data_dir . '/base/pgsql_tmp/*'),
	'', 'which leaves no file');

# --- The timeline.

fails_like($store, "SELECT bb_drop_timeline('shop')",
	qr/55006:/, 'a timeline that is followed cannot be dropped');

# A store that isn't there comes back.
my $directory = store_directory($store);
rename $directory, "$directory.away" or die "$directory: $!";
add_row();
ok( wait_for(
		'the error',
		sub {
			%status = follow_status($store, 'shop');
			return $status{state} eq 'waiting' && $status{last_error};
		}),
	'a store that is not there');
note($status{last_error});
$store->restart;
ok( wait_for(
		'the error',
		sub {
			%status = follow_status($store, 'shop');
			return $status{last_error} =~ /does not exist any more.*no timelines/;
		}),
	'nor after a restart');
rmtree($directory);
rename "$directory.away", $directory or die "$directory: $!";
all_there('it comes back');

# A timeline that is gone doesn't.
$store->safe_psql('postgres', "SELECT bb_create_branch('side', 'shop')");
rmtree("$directory/timelines/shop");
add_row();
ok(wait_for_state($store, 'failed', 'shop'), 'a timeline that is gone');
%status = follow_status($store, 'shop');
note($status{last_error});
$store->restart;
ok(wait_for_state($store, 'failed', 'shop'),
	'is not imported again by a restart');
%status = follow_status($store, 'shop');
like($status{last_error}, qr/does not exist any more/, 'which says so');
follow($store, 'shop', 'shop');
all_there('but by bb_follow');
stop_following($source, $store, 'shop');
done_testing();

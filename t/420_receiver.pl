# The receiver: what it does with slots, sources that lost WAL, and sources whose
# commits wait for it; and what an import by a session leaves.

use strict;
use warnings;
use BBackup;
use BBackup::Backups;
use BBackup::Following;
use PostgreSQL::Test::RecursiveCopy;

my $store = new_following_store('store');

# How often the store's log has this from an offset on.
sub log_has
{
	my ($node, $pattern, $offset) = @_;
	my $log = slurp_file($node->logfile, $offset // 0);

	return scalar(() = $log =~ /$pattern/g);
}

sub insert
{
	my ($source, $rows, $text) = @_;

	$source->safe_psql('postgres',
		"INSERT INTO t SELECT '$text' FROM generate_series(1, $rows)");
	return;
}

# End the connection of the receiver; the next one comes after a pause.
sub cut_connection
{
	my ($source) = @_;

	$source->safe_psql('postgres',
		'SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_replication');
	return;
}

sub confirmed_is
{
	my ($source, $lsn, $name) = @_;

	ok($source->poll_query_until('postgres',
			"SELECT restart_lsn >= '$lsn' FROM pg_replication_slots"
			  . " WHERE slot_name ~ '^bbackup'"),
		$name);
	return;
}

# --- confirm 'store': a source whose commits wait for it.

my $source = new_followed_source('source');
$source->safe_psql('postgres', 'CREATE TABLE t (d text)');
create_source($store, 'shop', $source);
follow($store, 'shop', 'shop');
ok(wait_for_state($store, 'streaming', 'shop'), 'it streams');
my $offset = -s $store->logfile;
is(log_has($store, 'commits on source'), 0, 'no commit waits for the store');
$source->append_conf('postgresql.conf',
	q(synchronous_standby_names = 'ANY 1 ("BBackup")'));
$source->reload;
foreach my $round (1 .. 2)
{
	cut_connection($source);
	# flush_interval passes before a commit returns
	insert($source, 10, "round $round");
	ok(defined wait_now($store, 'shop'), "round $round is readable");
}
is(log_has($store, 'WARNING:  commits on source "shop" wait until', $offset),
	1, 'the warning comes once');

# --- confirm 'spool': commits wait for the spool, and no longer.

$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (ADD confirm 'spool')");
# nothing is stored by itself any more
$store->append_conf('postgresql.conf', 'bbackup.flush_interval = 1d');
$store->reload;
$offset = -s $store->logfile;
cut_connection($source);
insert($source, 10, 'spooled');
my $lsn = $source->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
confirmed_is($source, $lsn, 'what the spool has is confirmed');
query_is($store,
	"SELECT confirmed_lsn >= '$lsn', readable_lsn < '$lsn' FROM bb_stat_follow",
	't|t', 'before the store has it');
is(log_has($store, 'LOG:  this server is a synchronous standby', $offset),
	1, 'the log says what we are');

# The store's server is killed: the WAL that only its spool has survives, even
# if the source doesn't.
insert($source, 10, 'killed');
$lsn = $source->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
$store->stop('immediate');
$source->stop('immediate');
$store->append_conf('postgresql.conf', 'bbackup.flush_interval = 200ms');
$store->start;
ok($store->poll_query_until('postgres',
		"SELECT readable_lsn >= '$lsn' FROM bb_stat_follow"),
	'without the source, all that was acknowledged is stored');
my $clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres', "SELECT count(*) FROM t WHERE d = 'killed'"),
	10, 'and can be read');
$clone->clean_node;
$source->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$source->start;
ok(defined wait_now($store, 'shop'), 'the source is followed again');
$store->safe_psql('postgres', 'ALTER SERVER shop OPTIONS (DROP confirm)');

# --- A wrong host in the list is an error until the list is corrected.

my $stranger = new_followed_source('stranger');
$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (SET port '@{[ $stranger->port ]}')");
$offset = -s $store->logfile;
cut_connection($source);
# more than one attempt
ok( wait_for(
		'attempts',
		sub {
			my $log = slurp_file($stranger->logfile);
			return 1 < scalar(() = $log =~ /command: IDENTIFY_SYSTEM/g);
		}),
	'another server is asked again and again');
my %status = follow_status($store, 'shop');
is($status{state}, 'waiting', 'it waits');
like($status{last_error}, qr/another server than/, 'the view says for what');
is(log_has($store, 'is another server than', $offset),
	1, 'it is in the log once');
is(slots_of($stranger), '', 'and no slot is made there');
$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (SET port '@{[ $source->port ]}')");
ok(defined wait_now($store, 'shop'), 'it goes on after ALTER SERVER');
$stranger->stop;

# --- A slot whose WAL was removed, and an archive that has it.

my $archive = PostgreSQL::Test::Utils::tempdir;
$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (ADD wal_directory '$archive')");
$source->append_conf('postgresql.conf', qq(
archive_mode = on
archive_command = 'cp "%p" "$archive/%f"'
max_slot_wal_keep_size = 1MB
min_wal_size = 32MB
max_wal_size = 64MB
));
$source->restart;
ok(defined wait_now($store, 'shop'), 'it is followed');
$store->stop('fast');
foreach my $segment (1 .. 4)
{
	insert($source, 100, "segment $segment");
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
}
$source->safe_psql('postgres', 'CHECKPOINT');
ok($source->poll_query_until('postgres',
		"SELECT wal_status = 'lost' FROM pg_replication_slots"),
	'the slot is lost');
$offset = -s $store->logfile;
$store->start;
ok(defined wait_now($store, 'shop'), 'the archive has what was lost');
like(slots_of($source), qr/^bbackup_shop active$/, 'the slot is made again');
ok(log_has($store, 'was created again', $offset) > 0, 'the log says so');
$clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres', "SELECT count(*) FROM t WHERE d ~ 'segment'"),
	400, 'nothing is missing');
$clone->clean_node;

# --- A source that is restored from an older copy, and goes on with other WAL
# under the same tli.

ok(defined wait_now($store, 'shop'), 'all is stored');
$store->stop('fast');
$source->stop('fast');
my $copy = $source->backup_dir . '/copy';
mkdir $source->backup_dir;
PostgreSQL::Test::RecursiveCopy::copypath($source->data_dir, $copy);
$source->start;
$store->start;
insert($source, 1000, 'of the past');
$lsn = wait_now($store, 'shop');
ok(defined $lsn, 'it is followed');
$store->stop('fast');
$source->stop('fast');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $source->data_dir);
PostgreSQL::Test::RecursiveCopy::copypath($copy, $source->data_dir);
chmod 0700, $source->data_dir;
$source->start;
# as much WAL as before, and more
insert($source, 1100, 'of now, too');
ok($source->poll_query_until('postgres',
		"SELECT pg_current_wal_flush_lsn() > '$lsn'"),
	'the source is beyond the point where it was before');
$offset = -s $store->logfile;
$store->start;
ok(wait_for_state($store, 'failed', 'shop'), 'the source has diverged');
%status = follow_status($store, 'shop');
like(
	$status{last_error},
	qr/diverged.*not known.*or before/,
	'the view says so');
is(log_has($store, 'HINT:.*bb_create_branch', $offset),
	0, 'no branch is offered');
is(log_has($store, 'HINT:.*bb_follow.*NEW', $offset), 1, 'a timeline is');
is( $store->safe_psql('postgres',
		"SELECT readable_lsn = '$lsn' FROM bb_stat_follow"),
	't', 'none of its WAL is stored');
$clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres',
		"SELECT count(*), min(d) FROM t WHERE d ~ '^of'"),
	'1000|of the past', 'the timeline is as it was');
$clone->clean_node;
stop_following($source, $store, 'shop');

# --- An import by a session that is killed leaves nothing that holds WAL, and
# the next one removes the rest.

# A base backup begins with a new segment: the slot would be lost at once.
$source->append_conf('postgresql.conf', 'max_slot_wal_keep_size = -1');
$source->reload;

sub import_spools
{
	return glob $store->data_dir . '.bbackup_spool/import-*';
}

# Start a slow import, which has its slot.
sub start_import
{
	my $session = start_session($store);

	send_query($session,
		"SELECT bb_import_server('shop', timeline => 'again',"
		  . " checkpoint => 'fast', max_rate => 32)");
	ok(wait_for(
			'the slot of an import',
			sub { slots_of($source) =~ /^bbackup_import\w* active temporary$/ }),
		'an import has a temporary slot');
	return $session;
}

sub nothing_is_left
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_for('no slot', sub { slots_of($source) eq '' }),
		"$name: no slot is left");
	ok(wait_for('no worker', sub { !following_workers($store, 'receive') }),
		"$name: no receiver is left");
	return;
}

my $session = start_import();
is(scalar(my @spools = import_spools()), 1, 'and a spool');
$store->safe_psql('postgres',
	"SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/57014/, 'it is cancelled');
nothing_is_left('cancelled');
is(scalar(my @left = import_spools()), 0, 'and no spool');
end_session($session);

$session = start_import();
kill 'KILL', $session->{backend};
nothing_is_left('killed');
ok(wait_for('the restart',
		sub { $store->safe_psql('postgres', 'SELECT 1') }),
	'the server restarts');
is(scalar(@left = import_spools()), 1, 'a spool is left');
$store->safe_psql('postgres',
	"SELECT bb_import_server('shop', timeline => 'other',"
	  . " checkpoint => 'fast')");
is(scalar(@left = import_spools()), 0, 'the next import removes it');
nothing_is_left('done');

# A receiver that fails ends the import at once.
$session = start_import();
$source->safe_psql('postgres',
	'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots');
like(answer($session), qr/57P01/, 'an error of the receiver is the import\'s');
end_session($session);
nothing_is_left('failed');

done_testing();

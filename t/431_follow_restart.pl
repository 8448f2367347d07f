# Following over restarts and crashes, terminated and killed workers; transactions
# that are rolled back; roles; a dump; what ends following.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(slurp);
use BBackup::Following;
use BBackup::Sessions;

my $source = new_followed_source('source');
my $store = new_following_store('store');
my $rows = 0;

$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
create_source($store, 'shop', $source);
follow($store, 'shop', 'shop');

# After something has happened to the store's server: it follows again, with one
# worker of a kind, and new rows arrive.
sub goes_on
{
	my ($after, $timelines) = @_;

	$timelines //= 1;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for('the server', sub { $store->safe_psql('postgres', 'SELECT 1') });
	$rows++;
	$source->safe_psql('postgres', "INSERT INTO t VALUES ($rows)");
	ok(defined wait_now($store, 'shop'), "it goes on after $after");
	ok(wait_for_state($store, 'streaming', 'shop'), 'and streams');
	ok( wait_for(
			'one worker of a kind',
			sub {
				following_workers($store, 'follow$') == $timelines
				  && following_workers($store, 'receive') == $timelines;
			}),
		'with one worker of a kind');
	return;
}

sub pid_of
{
	my ($kind) = @_;
	my ($pid) = following_workers($store, $kind);

	return $pid;
}

goes_on('the import');

# --- Restarts.

$store->restart;
goes_on('a restart');
$store->stop('immediate');
$store->start;
goes_on('a crash');
$source->restart;
goes_on('a restart of the source');
$source->stop('immediate');
$source->start;
goes_on('a crash of the source');

# --- Workers that are terminated, canceled and killed.

foreach my $kind ('follow$', 'receive')
{
	foreach my $signal (qw(terminate cancel))
	{
		my $pid = pid_of($kind);

		$store->safe_psql('postgres', "SELECT pg_${signal}_backend($pid)");
		# a receiver may take a cancel for an error that it survives
		wait_for('its end', sub { pid_of($kind) // 0 != $pid })
		  if $signal eq 'terminate';
		goes_on("pg_${signal}_backend of $kind");
	}
}
foreach my $kind ('follow$', 'receive', 'launcher')
{
	my $pid = pid_of($kind);

	kill 'KILL', $pid;
	wait_for('its end', sub { !kill 0, $pid });
	goes_on("kill -9 of $kind");
}

# --- Transactions.

my $slot = slots_of($source);
$store->safe_psql('postgres', "BEGIN; SELECT bb_unfollow('shop'); ROLLBACK");
goes_on('bb_unfollow that is rolled back');
is(slots_of($source), $slot, 'with its slot');
$store->safe_psql('postgres', "BEGIN; SAVEPOINT s;"
	  . " SELECT bb_unfollow('shop', drop_slot => false); ROLLBACK TO s; COMMIT");
goes_on('bb_unfollow in a subtransaction that is rolled back');
$store->safe_psql('postgres',
	"BEGIN; SELECT bb_unfollow('shop'); SAVEPOINT s;"
	  . " SELECT bb_follow('shop', timeline => 'shop'); RELEASE s; COMMIT");
goes_on('bb_unfollow and bb_follow in one transaction');
fails_like($store,
	"BEGIN; SELECT bb_unfollow('shop'); PREPARE TRANSACTION 'p'",
	qr/0A000:/, 'such a transaction cannot be prepared');
goes_on('that');
$store->safe_psql('postgres',
	"BEGIN; SELECT bb_follow('shop', timeline => 'none'); ROLLBACK");
query_is($store, 'SELECT count(*) FROM bb_following', 1,
	'bb_follow that is rolled back leaves nothing');
fails_like($store,
	"BEGIN READ ONLY; SELECT bb_follow('shop', timeline => 'none')",
	qr/25006:/, 'a transaction that only reads');

# --- A role that isn't a superuser.

$store->safe_psql('postgres', q(
CREATE ROLE alice LOGIN;
CREATE ROLE group_of_alice;
GRANT group_of_alice TO alice;
GRANT EXECUTE ON FUNCTION bb_follow, bb_unfollow, bb_get_stat_follow TO alice, group_of_alice;
GRANT SELECT ON bb_stat_follow TO alice));
my $user = getpwuid $<;
my $as_alice = "SET SESSION AUTHORIZATION alice; ";
my $by_alice =
  $as_alice . "SELECT bb_follow('shop', timeline => 'alices', checkpoint => 'fast')";

fails_like($store, $by_alice, qr/42501:/, 'a role without USAGE');
$store->safe_psql('postgres',
	'GRANT USAGE ON FOREIGN SERVER bbackup TO alice, group_of_alice');
fails_like($store, $by_alice, qr/42501:/, 'with USAGE of the store alone');
$store->safe_psql('postgres', qq(
GRANT USAGE ON FOREIGN SERVER shop TO alice, group_of_alice;
CREATE USER MAPPING FOR alice SERVER shop
	OPTIONS (user '$user', password_required 'false')));
fails_like($store,
	$as_alice . "SET ROLE group_of_alice;"
	  . " SELECT bb_follow('shop', timeline => 'alices')",
	qr/55000:.*not permitted to log in/s, 'a role that cannot log in');
$store->safe_psql('postgres', $by_alice);
ok(wait_for_state($store, 'streaming', 'alices'), 'a role with USAGE');
is( $store->safe_psql('postgres',
		'SELECT string_agg(DISTINCT usename, \',\') FROM pg_stat_activity'
		  . " WHERE pid IN (SELECT unnest(ARRAY[follower_pid, receiver_pid])"
		  . " FROM bb_stat_follow WHERE timeline = 'alices')"),
	'alice', 'whose workers act as that role');
query_is($store,
	$as_alice . 'SELECT string_agg(timeline, \',\') FROM bb_stat_follow',
	'alices', 'and which sees its own following only');
fails_like($store, $as_alice . "SELECT bb_unfollow('shop')",
	qr/42501:/, 'and cannot end that of another');
$store->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER bbackup FROM alice, group_of_alice');
$store->restart;
ok( wait_for(
		'the error',
		sub {
			my %status = follow_status($store, 'alices');
			return $status{state} eq 'waiting'
			  && $status{last_error} =~ /permission denied/;
		}),
	'without USAGE it waits');
$store->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER bbackup TO alice');
ok(wait_for_state($store, 'streaming', 'alices'), 'until it has it again');
$store->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER shop FROM alice, group_of_alice');
ok(wait_for_state($store, 'waiting', 'alices'),
	'without USAGE of the source, too');
$store->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER shop TO alice');
ok(wait_for_state($store, 'streaming', 'alices'), 'until it has that again');
$store->safe_psql('postgres', q(
ALTER ROLE alice NOLOGIN;
SELECT pg_terminate_backend(follower_pid) FROM bb_stat_follow
	WHERE timeline = 'alices'));
ok( wait_for(
		'the role',
		sub {
			my %status = follow_status($store, 'alices');
			return $status{state} eq 'stopped'
			  && $status{last_error} =~ /"alice" is not permitted to log in/;
		}),
	'a role that cannot log in any more is in the view');
my $refused = qr/FATAL:  role "alice" is not permitted to log in/;
ok(wait_for('the log', sub { slurp($store->logfile) =~ $refused }),
	'and in the log');
sleep 12;
is(scalar(() = slurp($store->logfile) =~ /$refused/g), 1, 'once');
$store->safe_psql('postgres', 'ALTER ROLE alice LOGIN');
ok(wait_for_state($store, 'streaming', 'alices'), 'it can again');
$store->safe_psql('postgres', q(
ALTER ROLE alice NOLOGIN;
SELECT pg_terminate_backend(receiver_pid) FROM bb_stat_follow
	WHERE timeline = 'alices'));
ok( wait_for(
		'the role',
		sub {
			my %status = follow_status($store, 'alices');
			return $status{state} eq 'stopped'
			  && $status{last_error} =~ /"alice" is not permitted to log in/;
		}),
	'the same if only the receiver has ended');
is(scalar(() = slurp($store->logfile) =~ /$refused/g), 1,
	'which is not started in vain');
$store->safe_psql('postgres', 'ALTER ROLE alice LOGIN');
ok(wait_for_state($store, 'streaming', 'alices'), 'it goes on later');

# --- A spool that can't be made, and a database that waits for a lock.

my $spools = $store->data_dir . '.bbackup_spool';
$store->stop;
rename($spools, "$spools.away") or die;
PostgreSQL::Test::Utils::append_to_file($spools, '');
$store->start;
ok( wait_for(
		'the log',
		sub {
			return slurp($store->logfile) =~
			  /LOG:  timeline "shop" cannot be followed\n.*DETAIL:  directory "\Q$spools\E\S*" cannot be used: Not a directory/;
		}),
	'a spool that cannot be made is in the log');
query_is($store,
	"SELECT state, last_error ~ '^directory .* cannot be used: Not a directory'"
	  . " FROM bb_stat_follow WHERE timeline = 'shop'",
	'stopped|t', 'and in the view');
unlink($spools) or die;
rename("$spools.away", $spools) or die;

# template1 comes before postgres
my $locker = start_session($store);
ask($locker, '\c template1');
is(ask($locker, 'BEGIN; LOCK TABLE pg_extension'), '', 'a lock');
$store->safe_psql('postgres',
	'SELECT pg_terminate_backend(' . pid_of('launcher') . ')');
ok( wait_for(
		'the log',
		sub {
			return slurp($store->logfile) =~
			  /could not look for followers in database 1 within/;
		}),
	'a database where a table is locked is left');
ok(wait_for_state($store, 'streaming', 'alices'), 'the others are not');
ok(wait_for_state($store, 'streaming', 'shop'), 'none of them');
end_session($locker);

# --- Options that change while a connection stands.

$store->safe_psql('postgres',
	"ALTER SERVER shop OPTIONS (ADD application_name 'other')");
ok( $source->poll_query_until(
		'postgres',
		"SELECT count(*) = 2 FROM pg_stat_replication"
		  . " WHERE application_name = 'other'"),
	'an option that has changed is used');
$store->safe_psql('postgres',
	'ALTER SERVER shop OPTIONS (DROP application_name)');
# by a superuser without a user mapping
$store->safe_psql('postgres', q(CREATE ROLE root SUPERUSER LOGIN;
ALTER SERVER shop OWNER TO alice));
my $warnings;
is( $store->psql('postgres',
		"SET SESSION AUTHORIZATION root; SELECT bb_unfollow('alices')",
		stderr => \$warnings),
	0, 'a superuser ends what another role follows');
is($warnings, '', 'and drops its slot');
unlike(slots_of($source), qr/alices/, 'which is gone');
goes_on('that of another timeline');

# --- A dump has the row.

my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$store->command_ok(
	[ 'pg_dump', '-f', $dump, '-d', $store->connstr('postgres') ],
	'pg_dump');
$store->safe_psql('postgres', 'CREATE DATABASE restored');
$store->safe_psql('restored', 'SELECT 1');
$store->command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d',
		$store->connstr('restored')
	],
	'what it says is restored');
is( $store->safe_psql('restored',
		'SELECT store, timeline, source, owner, imported FROM bb_following'),
	"bbackup|shop|shop|$user|t",
	'with what follows what');

# It competes with the first one for the timeline.
my $log = -s $store->logfile;
ok( wait_for(
		'the second follower',
		sub {
			return $store->safe_psql('restored',
				"SELECT state = 'waiting' AND last_error ~ 'another session'"
				  . ' FROM bb_stat_follow') eq 't';
		}),
	'a second one waits for the first');
$store->safe_psql('postgres', 'DROP DATABASE restored WITH (FORCE)');
ok( wait_for(
		'the end of its workers',
		sub { following_workers($store, 'follow$') == 1 }),
	'a database that is dropped ends it');
goes_on('that of another database');
$store->safe_psql('postgres',
	'SELECT pg_terminate_backend(' . pid_of('launcher') . ')');
my @spools;
ok( wait_for(
		'the end of its spool',
		sub {
			@spools = glob $store->data_dir . '.bbackup_spool/*-shop';
			return @spools == 1;
		}),
	'without a spool')
  or diag("@spools");

# --- The row is deleted, and the extension dropped, behind its back.

my ($spool) = glob $store->data_dir . '.bbackup_spool/*-shop';
$store->safe_psql('postgres', 'DELETE FROM bb_following');
ok(wait_for('the end of the workers', sub { !following_workers($store) }),
	'without its row, it ends');
ok(wait_for('the end of the spool', sub { !-e $spool }), 'without a spool');
follow($store, 'shop', 'shop');
goes_on('that');
fails_like(
	$store,
	'DROP SERVER shop CASCADE',
	qr/2BP01: .*cannot drop server "shop".*bb_unfollow\('shop', store => 'bbackup'\)/s,
	'a source is not dropped while it is followed');
create_source($store, 'spare', $source);
$store->safe_psql('postgres', 'DROP SERVER spare CASCADE');
$store->safe_psql('postgres',
	"BEGIN; SELECT bb_unfollow('shop', drop_slot => false);"
	  . ' DROP SERVER shop CASCADE; ROLLBACK');
goes_on('a DROP that is rolled back');
$store->safe_psql('postgres', 'DROP EXTENSION bbackup CASCADE');
ok(wait_for('the end of the workers', sub { !following_workers($store) }),
	'so it does without the extension');
$store->safe_psql('postgres', 'CREATE EXTENSION bbackup');
create_source($store, 'shop', $source);
$source->safe_psql('postgres',
	'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots'
	  . ' WHERE NOT active');
$store->stop;
unlike(slurp_file($store->logfile, $log),
	qr/(?:database \d+ does not exist.*){4}/s,
	'nothing tries again to follow in a database that was dropped');

# --- Without preloading.

$store->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$store->start;
my ($out, $err);
$store->psql('postgres', "SELECT bb_follow('shop', timeline => 'shop')",
	stdout => \$out, stderr => \$err);
like($err, qr/NOTICE:.*until the server stops.*shared_preload_libraries/s,
	'without preloading, a notice');
goes_on('that');
kill 'KILL', pid_of('follow$');
goes_on('kill -9, also without preloading');
$store->restart;
query_is($store,
	"SELECT state, last_error ~ 'shared_preload_libraries' FROM bb_stat_follow",
	'stopped|t', 'a restart ends it, and the view says why');
follow($store, 'shop', 'shop');
goes_on('bb_follow');

# --- No free worker.

$store->safe_psql('postgres', "SELECT bb_unfollow('shop')");
$store->append_conf('postgresql.conf',
	"max_logical_replication_workers = 0\nmax_worker_processes = 1\n");
$store->restart;
follow($store, 'shop', 'shop');
ok( wait_for(
		'the error',
		sub {
			my %status = follow_status($store, 'shop');
			return $status{last_error} =~ /could not start a background worker for receive.*max_worker_processes = 1 /s;
		}),
	'without a free worker, the view says so');
$store->safe_psql('postgres', "SELECT bb_unfollow('shop')");

# --- A source that can't be reached any more.

$store->append_conf('postgresql.conf', "max_worker_processes = 8\n");
$store->restart;
follow($store, 'shop', 'shop');
goes_on('all that');
$source->stop;
$store->psql('postgres', "SELECT bb_unfollow('shop')",
	stdout => \$out, stderr => \$err);
like($err, qr/WARNING:.*slot "bbackup_shop_\w+" of source "shop".*pg_drop_replication_slot/s,
	'bb_unfollow warns of the slot of a source that does not answer');
is(join(' ', following_workers($store)), '', 'and ends following');
done_testing();

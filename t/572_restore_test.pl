# bb_test_restore(): a backup is read, or a server is started with it; what goes
# wrong is said and noted; nothing is left behind, whatever ends it; and the server
# that is started does nothing that its source would do.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use Fcntl qw(:flock);

my $place = PostgreSQL::Test::Utils::tempdir;
my $witness = "$place/witness";
my $source = new_source('source', '--data-checksums');
fill_source($source);
# What would be missing here, or would be done elsewhere.  The server reads it at
# its next start only, which there is not.
$source->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'no_such_library'
archive_mode = on
archive_command = 'touch "$witness"'
external_pid_file = '$witness'
log_destination = csvlog
logging_collector = on
log_directory = '$place/log'
ssl = on
ssl_cert_file = '/nowhere/server.crt'
shared_buffers = '1000GB'
include 'no_such_file.conf'
));
$source->safe_psql('postgres', "ALTER DATABASE there SET session_preload_libraries = 'no_such_library'");
$source->stop;
my $store = new_store('store', 'restart_after_crash = on');
import_directory($store, $source->data_dir);
my $temporary = $store->data_dir . '/base/pgsql_tmp';

sub names_in
{
	my ($directory) = @_;

	opendir my $dir, $directory or return '';
	return join ' ', sort grep { !/^\.\.?$/ } readdir $dir;
}

# Processes whose command line or working directory has a text.
sub processes_of
{
	my ($text) = @_;
	my @found;

	foreach my $process (glob '/proc/[0-9]*')
	{
		my $line = eval { slurp_file("$process/cmdline") } // '';
		my $cwd = readlink("$process/cwd") // '';

		push @found, "$process $line $cwd"
		  if index("$line $cwd", $text) >= 0;
	}
	return join "\n", @found;
}

# Nothing is left: neither files nor processes nor shared memory.
sub nothing_left
{
	my ($name, $directory) = @_;
	$directory //= $temporary;
	my $left = 'not looked at';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( wait_for(
			'nothing is left',
			sub {
				$left = join "\n", names_in($directory),
				  processes_of("$directory/");
				return $left eq "\n";
			}),
		"$name: nothing is left")
	  or diag($left);
	return;
}

# The shared memory segment of the restored server (sysv_shmem.c), and whether it
# is there.
sub segment_of
{
	my ($file) = glob "$temporary/*/data/postmaster.pid";

	return (split ' ', (split /\n/, slurp_file($file))[6])[1];
}

sub has_segment
{
	my ($segment) = @_;

	return slurp_file('/proc/sysvipc/shm') =~ /^\s*-?\d+\s+$segment\s/m;
}

# --- A backup is read.

query_is($store, 'SELECT good_at, tested_at FROM bb_restore_tests', '|',
	'nothing was tested');
query_like($store,
	q(SELECT status, message FROM bb_check(write => false) WHERE check_name = 'restore_test'),
	qr/^warning\|no backup of it was tested/, 'which bb_check() says');
query_is($store, q(
SELECT t.restored_lsn = l.end_lsn, t.files = f.n, t.bytes = f.bytes, t.pages = f.pages, t.answer
FROM bb_timelines() l, bb_test_restore() t,
	(SELECT count(*) FILTER (WHERE kind <> 'directory') AS n, sum(size) AS bytes,
		sum(size) FILTER (WHERE kind = 'relation') / 8192 AS pages
	FROM bb_files(manifest => 'no')) f), 't|t|t|t|',
	'all files, bytes and pages are read');
query_is($store, q(
SELECT good_at = tested_at, good_lsn = lsn, started_at, start_server, error, duration > '0'
FROM bb_restore_tests), 't|t||f||t', 'which is noted');
query_like($store,
	q(SELECT status, message FROM bb_check(write => false) WHERE check_name = 'restore_test'),
	qr/^ok\|a backup was read at/, 'and bb_check() is content');
nothing_left('read');

# --- A server is started.

my $answer = $store->safe_psql('postgres',
	'SELECT answer FROM bb_test_restore(start_server => true)');
like($answer,
	qr/^by_file_copy: \d+, by_wal_log: \d+, postgres: \d+, template1: \d+, there: \d+$/,
	'each database answers');
query_is($store, 'SELECT started_at = tested_at, start_server, answer FROM bb_restore_tests',
	"t|t|$answer", 'which is noted');
nothing_left('start');
ok(!-e $witness && !-e "$place/log", 'nothing was done elsewhere');
query_is($store, q(SELECT answer FROM bb_test_restore(start_server => true, jobs => 2,
	dbname => 'postgres', query => $$SELECT concat_ws(' ', (SELECT count(*) FROM plain),
		(SELECT count(*) FROM moved), (SELECT count(*) FROM pg_prepared_xacts),
		current_setting('track_commit_timestamp'))$$)),
	'postgres: 18182 5000 2 on',
	'a query in a database; tablespaces, prepared transactions and what the data need are there');
query_is($store, q(SELECT answer FROM bb_test_restore(start_server => true,
	dbname => 'postgres', role => 'alice', query => 'SELECT current_user')),
	'postgres: alice', 'a role that is no superuser');

# --- What goes wrong.

fails_like($store,
	q(SELECT * FROM bb_test_restore(start_server => true, query => 'SELECT false')),
	qr/38000: the query returned false in database "by_file_copy"/,
	'a query that returns false');
query_like($store, q(SELECT error, good_at < tested_at, good_at = started_at FROM bb_restore_tests),
	qr/^the query returned false .*\|t\|t$/, 'is noted, beside the last good test');
query_like($store,
	q(SELECT status, message, hint FROM bb_check(write => false) WHERE check_name = 'restore_test'),
	qr/^critical\|the restore test at .* failed: the query returned false.*\|Call bb_test_restore/,
	'and bb_check() is not content');
query_is($store, q(SELECT value FROM bb_metrics WHERE metric = 'bbackup_restore_test_failing'),
	1, 'nor is bb_metrics');
fails_like($store,
	q(SELECT * FROM bb_test_restore(start_server => true, query => 'SELECT 1/0')),
	qr/22012: a query failed in database.*\n.*division by zero/, 'a query that fails');
fails_like($store,
	q(SELECT * FROM bb_test_restore(start_server => true, role => 'nobody')),
	qr/38000: could not connect to the restored server\n.*role "nobody" does not exist/,
	'a role that does not exist');
fails_like($store,
	q(SELECT * FROM bb_test_restore(start_server => true, dbname => 'nothing')),
	qr/38000: .*\n.*database "nothing" does not exist/, 'a database that does not exist');
fails_like($store, q(SELECT * FROM bb_test_restore(start_server => true,
	query => 'COPY (SELECT 1) TO PROGRAM ''kill -QUIT $(head -1 postmaster.pid); sleep 60''')),
	qr/38000: .*(?:the restored server has ended|a query failed)/, 'a server that ends');
fails_like($store, q(SELECT * FROM bb_test_restore(query => 'SELECT 1')),
	qr/22023: arguments "query", .* require start_server/, 'a query without a server');
nothing_left('errors');

my ($layer) = map { store_directory($store) . "/timelines/main/layers/$_" }
  split /\n/, $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers() WHERE kind = 'image' ORDER BY bytes DESC LIMIT 1");
rename $layer, "$layer.away" or die $!;
foreach my $start (qw(false true))
{
	fails_like($store, "SELECT * FROM bb_test_restore(start_server => $start)",
		qr/58P01: .*is missing/, "a layer that is lost, start_server => $start");
	query_like($store, 'SELECT error FROM bb_restore_tests', qr/is missing/,
		'which is noted');
}
rename "$layer.away", $layer or die $!;
nothing_left('a lost layer');

# A note that is broken is none.
my $note = store_directory($store) . '/timelines/main/tested';
PostgreSQL::Test::Utils::append_to_file($note, 'x');
query_is($store, 'SELECT tested_at FROM bb_restore_tests', '', 'a broken note');
$store->safe_psql('postgres', 'SELECT * FROM bb_test_restore()');
query_is($store, 'SELECT good_at = tested_at FROM bb_restore_tests', 't',
	'is replaced');

# --- Who may.

$store->safe_psql('postgres', q(
CREATE ROLE tester; GRANT USAGE ON FOREIGN SERVER bbackup TO tester;
GRANT EXECUTE ON FUNCTION bb_test_restore TO tester));
query_is($store, 'SET ROLE tester; SELECT pages > 0 FROM bb_test_restore()', 't',
	'USAGE is enough for a test that reads');
fails_like($store, 'SET ROLE tester; SELECT * FROM bb_test_restore(start_server => true)',
	qr/42501: .*\n.*pg_execute_server_program/, 'but not for one that starts a server');
$store->safe_psql('postgres', 'GRANT pg_execute_server_program TO tester');
query_like($store, 'SET ROLE tester; SELECT answer FROM bb_test_restore(start_server => true)',
	qr/there: \d+/, 'with that, it is');

# --- A test that is canceled, and one whose process is killed.

my $slow = q(SELECT * FROM bb_test_restore(start_server => true, dbname => 'postgres', query => 'SELECT pg_sleep(1000)'));

# Wait until the restored server runs the query.
sub wait_for_query
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( wait_for('the query runs',
			sub { processes_of("$temporary/pgsql_tmp_bbtest") =~ /SELECT/ }),
		'the restored server runs the query');
	return;
}

my $tested = $store->safe_psql('postgres', 'SELECT tested_at FROM bb_restore_tests');
my $session = start_session($store);
send_query($session, $slow);
wait_for_query();
my $segment = segment_of();
ok(has_segment($segment), 'it has shared memory');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/57014/, 'a cancel ends a test');
nothing_left('cancel');
ok(!has_segment($segment), 'nor shared memory');
like(ask($session, "SET bbackup.call_timeout = '3s'; $slow"), qr/57014: .*timeout/,
	'so does the timeout');
nothing_left('timeout');
query_is($store, 'SELECT tested_at FROM bb_restore_tests', $tested,
	'neither is noted');

send_query($session, "RESET bbackup.call_timeout; $slow");
wait_for_query();
$segment = segment_of();
kill 'KILL', $session->{backend};
wait_for_restart($store);
nothing_left('SIGKILL');
ok(!has_segment($segment), 'nor shared memory');

# While it is being restored, too.
$session = start_session($store);
send_query($session, "SELECT pg_backend_pid(); SET bbackup.redo_processes = 1; "
	  . "DO \$\$ BEGIN LOOP PERFORM bb_test_restore(start_server => true); END LOOP; END \$\$");
ok(wait_for('it begins', sub { names_in($temporary) =~ /bbtest/ }), 'a restore begins');
kill 'KILL', $session->{backend};
wait_for_restart($store);
nothing_left('SIGKILL while it restores');

# An immediate shutdown of the server.
$session = start_session($store);
send_query($session, $slow);
wait_for_query();
$store->stop('immediate');
nothing_left('immediate shutdown');
$store->start;

# --- Another directory; what a crash of the machine has left.

my $elsewhere = "$place/" . 'a path that is too long for a socket ' x 3;
mkdir $elsewhere or die $!;
my $left = "$elsewhere/pgsql_tmp_bbtest.1.1";
my $used = "$elsewhere/pgsql_tmp_bbtest.2.1";
mkdir $_ or die $! foreach $left, $used;
PostgreSQL::Test::Utils::append_to_file("$_/file", 'left') foreach $left, $used;
open my $lock, '<', $used or die $!;
flock $lock, LOCK_EX or die $!;
my $set = "SET bbackup.restore_test_directory = '$elsewhere';";
query_like($store, "$set SELECT answer FROM bb_test_restore(start_server => true)",
	qr/there: \d+/, 'another directory');
is(names_in($elsewhere), 'pgsql_tmp_bbtest.2.1',
	'what nobody uses is removed, and nothing else');
fails_like($store, "SET bbackup.restore_test_directory = '$elsewhere/none';"
	  . ' SELECT * FROM bb_test_restore(start_server => true)',
	qr/58P01: could not .*none/, 'a directory that does not exist');
fails_like($store, "SELECT count(*) FROM bb_timelines(); SET ROLE tester; SET bbackup.restore_test_directory = '/tmp'",
	qr/42501/, 'where it is, is not up to all');

# --- The background worker does it by itself.

$store->append_conf('postgresql.conf', q(
shared_preload_libraries = 'bbackup'
bbackup.upkeep = on
bbackup.upkeep_naptime = 1
bbackup.restore_test_interval = '1s'
));
$store->restart;
my $before = $store->safe_psql('postgres', 'SELECT good_at FROM bb_restore_tests');
$store->poll_query_until('postgres',
	"SELECT good_at > '$before' AND NOT start_server FROM bb_restore_tests")
  or die 'no test';
ok(1, 'a test each interval');
$store->append_conf('postgresql.conf', q(
bbackup.restore_test_start = on
bbackup.restore_test_query = 'SELECT 4711'
));
$store->reload;
$store->poll_query_until('postgres',
	"SELECT answer ~ 'there: 4711' AND started_at = tested_at FROM bb_restore_tests WHERE error IS NULL")
  or die 'no test';
ok(1, 'with a server, too');
$store->safe_psql('postgres', "CREATE ROLE owner; GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO owner;"
	  . "ALTER SERVER bbackup OWNER TO owner");
ok( wait_for(
		'the owner may not',
		sub {
			$store->safe_psql('postgres', 'SELECT error FROM bb_stat_upkeep') =~
			  /owner of page store "bbackup" may not start/;
		}),
	'if the owner of the store may');
$store->append_conf('postgresql.conf', 'bbackup.upkeep = off');
$store->reload;
nothing_left('upkeep');
like(slurp_file($store->logfile), qr/restore test of timeline "main" at .* was good/,
	'the log says so');

$store->stop;
unlike(slurp_file($store->logfile), qr/PANIC|TRAP:/, 'no crash');
done_testing();

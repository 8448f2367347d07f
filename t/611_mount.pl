# bb_mount: a clone that is mounted, written, killed, mounted again, and made whole.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use Time::HiRes qw(usleep);

my $missing =
    system('bb_mount --version > /dev/null 2>&1') != 0 ? 'bb_mount is not built'
  : !open(my $fuse, '+<', '/dev/fuse') ? "FUSE is not to be had: /dev/fuse: $!"
  : $> != 0 && system('fusermount3 -V > /dev/null 2>&1') != 0
  ? 'fusermount3 is missing'
  : undef;
plan skip_all => $missing if defined $missing;

my $source = new_source('source', '--data-checksums');
$source->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, repeat(i::text, 10) AS x FROM generate_series(1, 20000) i; CREATE INDEX ON t (i)'
);
$source->stop;
my $store = new_store('store');
if ($store->safe_psql('postgres',
		q(SELECT count(*) FROM pg_proc WHERE proname = 'bb_clone_files')) eq '0')
{
	$store->stop;
	plan skip_all => 'the extension has no bb_clone_files()';
}
import_directory($store, $source->data_dir);
connect_to($store);

my $directory = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $mount = "$directory/clone";
my $overlay = "$mount.overlay";
my $sum = 'SELECT count(*), sum(i), sum(length(x)) FROM t';
my $expected = '20000|200010000|' . (9 * 10 + 90 * 20 + 900 * 30 + 9000 * 40 + 10001 * 50);

# Mounts; returns what is said on standard error, and checks the exit code.
sub mount_clone
{
	my ($name, $expected_status, @options) = @_;
	my $stderr = '';

	IPC::Run::run [ 'bb_mount', @options ], '2>', \$stderr;
	is($? >> 8, $expected_status, $name) or diag($stderr);
	return $stderr;
}

sub unmount
{
	my ($path) = @_;

	my ($pid) = split /\n/, slurp_file("$path.overlay/bb_mount/pid");

	system_or_bail('fusermount3', '-u', $path);
	# the program syncs or removes the overlay after that
	usleep(50_000) while kill 0, $pid;
	return;
}

sub start_server
{
	my ($data) = @_;

	return system_or_bail('pg_ctl', '-s', '-w', '-D', $data, '-l',
		"$directory/log", '-o', "-p $port -k $directory -c listen_addresses=",
		'start');
}

sub stop_server
{
	my ($data, $mode) = @_;

	return system('pg_ctl', '-s', '-w', '-D', $data, '-m', $mode, 'stop');
}

sub clone_query
{
	my ($query) = @_;
	my ($stdout, $stderr) = run_command(
		[ 'psql', '-qAtX', '-h', $directory, '-p', $port, '-d', 'postgres', '-c',
			$query ]);

	return $stdout . $stderr;
}

# --- The files are those of a restore.

# The lease has a timeline ID of its own.
my $lease = $store->safe_psql('postgres',
	q(SELECT new_tli FROM bb_lease('probe')));
my $restored = "$directory/restored";
system_or_bail('bb_restore', '-D', $restored, '--new-tli', $lease,
	'--no-manifest');
$store->safe_psql('postgres', q(SELECT bb_release_lease('probe')));
mount_clone('a clone is mounted read-only', 0, '--read-only', '--ephemeral',
	'--new-tli', $lease, $mount);
my ($differences) = run_command([ 'diff', '-r', $restored, $mount ]);
is($differences, '', 'its files are those that a restore makes');
ok(!open(my $file, '>', "$mount/new"), 'it can not be written');
unmount($mount);
ok(!-e $overlay, 'the overlay is removed with the mount');
is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_leases()'),
	'0', 'so is the lease');

# --- A server.

mount_clone('a clone is mounted', 0, $mount);
like(mount_clone('it is not mounted twice', 1, $mount),
	qr/is mounted already/, 'and that is said');
start_server($mount);
is(clone_query($sum), $expected, 'its server answers');
is(clone_query('CREATE TABLE new AS SELECT * FROM t; DELETE FROM t WHERE i % 2 = 0'),
	'', 'it can be written');
is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_leases()'),
	'1', 'a lease keeps its LSN');
my ($list) = run_command([ 'bb_mount', '--list' ]);
like($list, qr/^\Q$overlay on $mount, all local: no\E$/m, 'it is listed');
ok(!-e "$overlay/global/pg_control", 'no server starts from its overlay');

# --- The store's server restarts.

$store->restart;
is(clone_query('SELECT count(*) > 0 FROM pg_proc, pg_operator'),
	't', 'a restart of the store is not noticed');

# --- The program is killed.

clone_query('CREATE TABLE acknowledged AS SELECT generate_series(1, 1000) i');
my ($pid) = split /\n/, slurp_file("$overlay/bb_mount/pid");
kill 'KILL', $pid;
system_or_bail('flock', $overlay, 'true');
stop_server($overlay, 'immediate');
system_or_bail('fusermount3', '-u', '-z', $mount);
mount_clone('after a kill it is mounted again', 0, $mount);
unlink "$mount/postmaster.pid";
start_server($mount);
is(clone_query('SELECT count(*) FROM acknowledged'), '1000', 'what was committed is there');
is(clone_query('SELECT count(*) FROM t'), '10000', 'and what was before');

# --- All becomes local.

is(system('bb_mount', '--finish', $mount), 0, 'the rest is fetched');
ok(-e "$overlay/global/pg_control", 'the overlay is a data directory');
is(clone_query('SELECT count(*) FROM t'), '10000', 'the server goes on');
is(stop_server($mount, 'fast'), 0, 'it is stopped');
unmount($mount);
is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_leases()'),
	'0', 'the lease is released');
$store->stop;
start_server($overlay);
is(clone_query('SELECT count(*) FROM new'), '20000', 'a server starts without the mount');
is(clone_query('SELECT count(*) FROM t'), '10000', 'with all that was written');
is( system('pg_amcheck', '-h', $directory, '-p', $port, '--all',
		'--install-missing'),
	0,
	'pg_amcheck finds nothing');
stop_server($overlay, 'fast');

done_testing();

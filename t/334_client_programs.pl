# The client programs that list, check and restore on the server.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use JSON::PP qw(decode_json);

my $source = new_source('source', '--data-checksums');
my $backup = $source->data_dir . '.cold';
$source->append_conf('postgresql.conf', "wal_level = replica\n");
$source->restart;
my $location = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
$source->safe_psql('postgres',
	'CREATE TABLE moved TABLESPACE elsewhere AS SELECT 1 AS a');
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS a');
my $tablespace = $source->safe_psql('postgres',
	"SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
$source->stop;
copy_directory($source->data_dir, $backup);
$source->start;
$source->safe_psql('postgres',
	q(UPDATE t SET a = 2; SELECT pg_create_restore_point('a "point"')));
$source->safe_psql('postgres', 'UPDATE t SET a = 3');
$source->stop;
# with statistics of all sessions, bb_check() knows of upkeep
my $store = new_store('store', "shared_preload_libraries = 'bbackup'\n");
import_directory($store, $backup);
ingest($store, $source->data_dir . '/pg_wal');
connect_to($store);

# What a program prints, as JSON.
sub json_of
{
	my ($name, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return decode_json(succeeds($name, '--json', @options));
}

# Its text has a number, not a string, as Perl tells them apart.
sub is_number
{
	my ($value, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like(JSON::PP->new->allow_nonref->encode($value), qr/^-?[\d.]+$/, $name);
	return;
}
my $iso = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d$/;

# --- bb_list

use_program('bb_list');
$ENV{PGTZ} = 'Asia/Kathmandu';
$ENV{PGOPTIONS} = '-c datestyle=german';
my $window = $store->safe_psql('postgres',
	"SELECT row_to_json(w) FROM (SELECT * FROM bb_window) w");
my $listed = json_of('timelines');
is_deeply([ keys %$listed ], ['timelines'], 'JSON has one key');
is(scalar @{ $listed->{timelines} }, 1, 'there is one timeline');
my $timeline = $listed->{timelines}[0];
my $expected = decode_json($window);
is_deeply([ sort keys %$timeline ],
	[ sort keys %$expected ], 'the columns are those of bb_window');
is($timeline->{$_}, $expected->{$_}, "$_ is that of bb_window")
  foreach qw(store timeline oldest_lsn newest_lsn gaps bytes retention wal_needed);
is_number($timeline->{$_}, "$_ is a number") foreach qw(gaps layers bytes points);
like($timeline->{$_}, $iso, "$_ is a time of ISO 8601")
  foreach qw(oldest_time newest_time);
is($timeline->{oldest_point}, undef, 'what there is not is null');
like($timeline->{newest_time}, qr/\+05:45$/, 'in the zone of the user');

my $table = succeeds('as a table');
like($table, qr/^ +Store +\| +Timeline +\| +Oldest LSN /, 'it has columns');
like($table, qr/\| main +\| \Q$timeline->{oldest_lsn}\E +\| \d{4}-\d\d-\d\d /,
	'and the timeline');
is(succeeds('of one store', '--store=bbackup', '--timeline=main'),
	$table, 'the only one');

$listed = json_of('restore points', '--restore-points');
my $point = $listed->{restore_points}[0];
is($point->{name}, 'a "point"', 'a name with quotes');
like($point->{time}, $iso, 'with its time');
is($store->safe_psql('postgres', "SELECT bb_lsn_of_restore_point('a \"point\"')"),
	$point->{lsn}, 'and LSN');
like(succeeds('as a table', '--restore-points'), qr/\| main +\| a "point" +\|/,
	'there it is, too');
is_deeply(json_of('gaps', '--gaps'), { gaps => [] }, 'there is no gap');
$store->safe_psql('postgres', "SELECT bb_pin('$point->{lsn}', 'kept', reason => E'to\\nkeep')");
my ($pin) = grep { $_->{kind} eq 'pin' } @{ json_of('keeps', '--keeps')->{keeps} };
is($pin->{name}, 'kept', 'a pin');
is($pin->{reason}, "to\nkeep", 'with a line feed in its reason');
is($pin->{holds}, JSON::PP::true, 'which is in force');

fails('a timeline that there is not', qr/error: there is no timeline "x"/,
	'--timeline=x');
fails('a store that there is not', qr/error: could not list timelines: .*"x"/,
	'--store=x');
fails('two lists', qr/only one of --gaps/, '--gaps', '--keeps');
is(system("bb_list > /dev/full 2> /dev/null") >> 8, 1, 'a full disk is an error');
delete @ENV{qw(PGTZ PGOPTIONS)};

# --- bb_restore

use_program('bb_restore');
my $directory = new_name('clone');
my $restored = json_of('restore', '-D', $directory, '--target=name:a "point"',
	'--settings=clone', '-j2', '-T', "$tablespace=" . new_name('with = sign') =~ s/=/\\=/r);
is($restored->{restored_lsn}, $point->{lsn}, 'to the LSN of the restore point');
is_number($restored->{$_}, "$_ is a number")
  foreach qw(files bytes bytes_written files_removed duration);
my $clone = start_clone($directory, 'clone');
query_is($clone, 'SELECT a FROM t', 2, 'the clone is as it was there');
$clone->stop;
$directory = new_name('again');
succeeds('another one', '-D', $directory, '-T', "$tablespace=$directory.space");
fails('a directory that is not empty', qr/error: restore failed: .*not empty\n.*hint/,
	'-D', $directory);
my $again = json_of('a delta', '-D', $directory, '--delta', '-T',
	"$tablespace=$directory.space");
cmp_ok($again->{bytes_written}, '<', $restored->{bytes} / 2, 'writes less');
like(succeeds('as a table', '-D', new_name('clone')),
	qr/^ +LSN +\| Files .*\(1 row\)$/ms, 'has the row');
like(succeeds('one database', '-D', new_name('one'), '--only-database=template1', '--only-database=postgres'),
	qr/\(1 row\)/, 'of its names');
fails('a database that there is not', qr/error: restore failed: .*database "no, \\"x" does not exist/,
	'-D', '/x', '--only-database=no, \\"x');
fails('no directory', qr/no target directory specified/);
fails('two places', qr/only one of --lsn/, '-D', '/x', '--lsn=0/1', '--target=latest');
fails('a tablespace that there is not', qr/has no tablespace 12345/,
	'-D', '/x', '-T', '12345=/y');
fails('a relative path', qr/error: restore failed: .*absolute/, '-D', 'x');

# A signal cancels what the server does, and the program waits for that.
my $slow = new_name('slow');
my $pid = fork // die;
if ($pid == 0)
{
	open STDERR, '>', "$slow.err";
	open STDOUT, '>', '/dev/null';
	$SIG{INT} = 'DEFAULT';
	exec 'bb_restore', '-D', "$slow", '-r', '512' or POSIX::_exit(127);
}
until (-s "$slow/PG_VERSION") { select undef, undef, undef, 0.01 }
kill 'INT', $pid;
waitpid $pid, 0;
is($? >> 8, 1, 'SIGINT: it fails');
like(slurp_file("$slow.err"), qr/interrupted by signal 2/, 'it says why');
ok(!-e $slow, 'and nothing is left');

# --- bb_check

use_program('bb_check');
my ($status, $stdout, $stderr) = run_client();
is($status, 1, 'no verification is a warning');
like($stdout, qr/^BBACKUP WARNING - 0 critical, [1-9]\d* warning, [1-9]\d* ok\n/,
	'the first line says so');
like($stdout, qr/\| warning \| .*\n.*\| Hint: /, 'the table has the warning and its hint');
($status, $stdout, $stderr) = run_client('-q');
unlike($stdout, qr/\| ok /, 'quiet: only what is not well');
($status, $stdout, $stderr) = run_client('--json');
is($status, 1, 'the same as JSON');
my $checked = decode_json($stdout);
is($checked->{status}, 'warning', 'with the status');
is_deeply([ sort keys %{ $checked->{checks}[0] } ],
	[qw(check_name hint message status store timeline)], 'and rows');
is(scalar @{ $checked->{checks} }, $store->safe_psql('postgres',
	'SELECT count(*) FROM bb_check()'), 'all of bb_check()');

$store->safe_psql('postgres', 'SELECT bb_verify(); SELECT bb_upkeep(); SELECT bb_test_restore()');
($status, $stdout, $stderr) = run_client('-q');
is($status, 0, 'after a verification, upkeep and a restore test: ok');
like($stdout, qr/^BBACKUP OK - 0 critical, 0 warning, \d+ ok\n\z/, 'and nothing else');
($status, $stdout, $stderr) = run_client('--max-age', '1 microsecond');
is($status, 2, 'a limit that is passed is critical');
like($stdout, qr/^BBACKUP CRITICAL - [1-9]/, 'the first line says so');
my $help = (run_client('--help'))[1];
foreach my $argument (split /\n/, $store->safe_psql('postgres',
	q(SELECT name FROM pg_proc, unnest(proargnames, proargmodes) AS a(name, mode)
	  WHERE proname = 'bb_check' AND mode = 'i')))
{
	my $option = $argument eq 'write' ? '--no-write' : '--' . $argument =~ tr/_/-/r;

	like($help, qr/^ +\Q$option\E[= ]/m, "$option is an option");
}
is((run_client('--max-age', '1 day', '--max-key-age', '1 year', '--max-lag', '1 day', '--max-lag-bytes',
	'1', '--max-copy-lag', '1 day', '--full-within', '1 second',
	'--min-free-percent', '0', '--pin-notice', '1 day', '--no-write',
	'--timeline', 'main', '--store', 'bbackup'))[0],
	0, 'all limits are taken');
exits('a limit that is none', 3, qr/error: could not check: /, '--max-age=x');
exits('an option that there is not', 3, qr/unrecognized option/, '--nothing');
exits('no server', 3, qr/connection to server .*failed/, '-h', '/nowhere');
is((run_client('--store=x'))[0], 2, 'a store that there is not is critical');
is(system("bb_check > /dev/full 2> /dev/null") >> 8, 3, 'a full disk is unknown');

$store->safe_psql('postgres', 'CREATE ROLE reader LOGIN; GRANT EXECUTE ON ALL'
	  . ' FUNCTIONS IN SCHEMA public TO reader');
exits('a role without a store', 3, qr/there is no page store to check\n.*hint/,
	'-U', 'reader');

# --- A server with an older version of the extension, and without it.

$store->safe_psql('postgres', 'CREATE DATABASE old');
$store->safe_psql('old', 'CREATE EXTENSION bbackup');
$store->safe_psql('old', $_) foreach (
	'ALTER EXTENSION bbackup DROP FUNCTION bb_check',
	'ALTER EXTENSION bbackup DROP VIEW bb_window',
	'ALTER EXTENSION bbackup DROP FUNCTION bb_get_window',
	'ALTER EXTENSION bbackup DROP FUNCTION bb_restore',
	'ALTER EXTENSION bbackup DROP PROCEDURE bb_import_copy');
my $old = qr/error: extension bbackup of the server has no function "\w+"\n.*hint: /;
my %runs = (
	bb_list => [],
	bb_restore => [ '-D', '/x' ],
	bb_import => [$backup],
	bb_check => []);
# a base backup, as far as the program looks
append_to_file("$backup/backup_label", "none\n");
foreach my $program (sort keys %runs)
{
	my $code = $program eq 'bb_check' ? 3 : 1;

	use_program($program);
	exits("$program: an older version", $code, $old, '-d', 'old', @{ $runs{$program} });
	exits("$program: no extension", $code, qr/isn't installed in database "template1"/,
		'-d', 'template1', @{ $runs{$program} });
	exits("$program: no password on the command line", $code,
		qr/option '--password' doesn't allow an argument/, '--password=x');
}

done_testing();

# The client program: its output, and its options.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use File::Basename;
use Time::HiRes qw(time usleep);

my $program = 'bb_basebackup';
program_help_ok($program);
program_version_ok($program);
program_options_handling_ok($program);

# --- A cluster with objects of all kinds, and a store that has it.

my $source = new_source('source');
fill_source($source);
my ($tablespace, $location) = split /\|/,
  $source->safe_psql('postgres',
	'SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace'
	  . " WHERE spcname = 'elsewhere'");
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
connect_to($store);

# --- Tar: the bytes that the server makes.

my $right = fetch_backup($store);
my $tar = new_name('main.tar');

succeeds('one file', '-f', $tar);
same($tar, $right, 'it is what bb_basebackup_stream() makes');
only_has(dirname($tar), 'main.tar', 'and nothing else is there');
is((stat $tar)[2] & 0777, 0600, 'nobody else may read it');
append_to_file("$tar.part", 'left by one that was killed') for 1 .. 1000;
succeeds('one file, once more', '-f', $tar, '--no-sync');
same($tar, $right, 'an older file, and what is left of one, are replaced');
only_has(dirname($tar), 'main.tar', 'and nothing else is there');

my $raw = new_name('raw.tar');
is(system("$program -D - -Ft > '$raw'"), 0, 'to standard output');
same($raw, $right, 'the same bytes');
is(system("$program -f - > '$raw'"), 0, 'to a file named "-"');
same($raw, $right, 'the same bytes');
is( system("bash -c '$program -f >(cat > \"$raw\"; touch \"$raw.done\")'"),
	0, 'to a pipe that has a name');
usleep 10_000 until -e "$raw.done";
same($raw, $right, 'the same bytes');

my $directory = new_name('archives');
succeeds('a directory of archives', '-Ft', '-D', $directory, '--max-rate=1024M');
only_has($directory, "$tablespace.tar backup_manifest base.tar",
	'one for each tablespace, one for the rest, and the manifest');
my $archives = new_name('archives');
my $bytes = $store->safe_psql('postgres',
	"SELECT bb_basebackup_to_file('$archives', tablespaces => 'archives')");
same($directory, $archives, 'as the server writes them');

# --- Plain.

$directory = new_name('new/clone');
succeeds('a directory', '-D', $directory);
my $extracted = new_name('extracted');
mkdir $extracted, 0700;
system_or_bail('tar', '-x', '-p', '-f', $right, '-C', $extracted);
same($directory, $extracted, 'what tar extracts');
is(join(' ', map { sprintf '%o', (stat "$directory/$_")[2] & 0777 }
		  ('', 'global', 'PG_VERSION')), '700 700 600',
	'with its permissions');

my $empty = new_name('empty');
mkdir $empty, 0700;
succeeds('a directory that is empty', '--pgdata', "$empty/", '-Fp', '-c',
	'fast', '-X', 'stream', '--no-slot', '--no-sync');
same($empty, $extracted, 'what tar extracts');
fails('a directory that is not', qr/error: directory "\Q$empty\E" exists but is not empty/,
	'-D', $empty);
same($empty, $extracted, 'nothing happened to it');

my $clone = start_clone($directory, 'clone');
$source->start;
same_dump(dump_all($clone), dump_all($source), 'it starts, with everything');
$source->stop;
$clone->stop;

# --- What is backed up.

my $end = $store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()');
$store->safe_psql('postgres', "SELECT bb_create_branch('branch')");
$store->safe_psql('postgres',
		"CREATE SERVER \"Other Store\" FOREIGN DATA WRAPPER bbackup OPTIONS"
	  . " (url 'file://@{[ store_directory($store) ]}')");
my %contents = (
	'a label' => [ "label => 'it''s \\ \"mine\"'", '-l', 'it\'s \\ "mine"' ],
	'an LSN' => [ "lsn => '$end'", '--lsn', $end ],
	'a target' => [ "lsn => '$end'", '--target=latest' ],
	'a target, exclusive' => [ "lsn => '$end'", '--target', "lsn:$end", '--exclusive' ],
	'a thin one' => [ 'full_backup => false', '--thin' ],
	'settings of the source' => [ "settings => 'source'", '--settings=source' ],
	'a new tli' => [ 'new_tli => 77', '--new-tli=77' ],
	'a compressed one' => [ "compression => 'gzip:level=5'", '-Z', 'gzip:level=5' ],
	'one that the server compresses' => [ "compression => 'gzip'", '-Z', 'server-gzip' ],
	'a level' => [ "compression => 'gzip:1'", '-Z1' ],
	'no compression' => [ '', '-z', '--compress=none' ],
	'no manifest' => [ "manifest => 'no'", '--no-manifest' ],
	'a manifest in hexadecimal' => [ "manifest => 'force-encode'", '--manifest-force-encode' ],
	'a manifest with SHA' => [ "manifest_checksums => 'sha256'", '--manifest-checksums=SHA256' ],
	'two jobs' => [ '', '-j', '2' ],
	'a store' => [ "store => 'Other Store'", '--store', 'Other Store' ],
	'a timeline' => [ "timeline => 'branch'", '--timeline', 'branch' ]);
foreach my $name (sort keys %contents)
{
	my ($arguments, @options) = @{ $contents{$name} };

	succeeds($name, '-f', $tar, '-N', @options);
	same($tar, fetch_backup($store, $arguments), "$name: the same bytes");
}
$directory = new_name('archives');
succeeds('a compressed archive', '-D', $directory, '-Ft', '--gzip');
only_has($directory, "$tablespace.tar.gz backup_manifest base.tar.gz",
	'has a name that says so');
fails('a compression that there is not', qr/error: backup failed: .*"level=x"|invalid/,
	'-f', "$tar.none", '-Z', 'gzip:level=x');
fails('an LSN that is none', qr/error: .*invalid input syntax for type pg_lsn/,
	'-f', $tar, '--lsn', "0/0'");
fails('a timeline that there is not', qr/error: .*"nowhere"/,
	'-f', "$tar.none", '--timeline', 'nowhere', '-P', '-v');
only_has(dirname($tar), 'main.tar', 'leaves nothing');

# A time, on a timeline with commits.
my $wal = new_source('wal');
$wal->append_conf('postgresql.conf', "wal_level = replica\n");
$wal->restart;
my $backup = $wal->data_dir . '.cold';
$wal->stop;
copy_directory($wal->data_dir, $backup);
$wal->start;
$wal->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS a');
my $time = $wal->safe_psql('postgres', 'SELECT clock_timestamp()');
$wal->safe_psql('postgres', 'CREATE TABLE too_late AS SELECT 1 AS a');
$wal->stop;
import_directory($store, $backup, 'timed');
ingest($store, $wal->data_dir . '/pg_wal', 'timed');
$directory = new_name('timed');
succeeds('a time', '-D', $directory, '--timeline=timed', '--time', $time);
my $timed = start_clone($directory, 'timed');
query_is($timed, "SELECT string_agg(relname, ' ') FROM pg_class"
	  . " WHERE relname IN ('t', 'too_late')",
	't', 'the cluster is as it was then');
$timed->stop;
fails('a target that there is not', qr/error: could not find the LSN of the target: .*\n.*detail: .*It can be read from/,
	'-D', $directory, '--timeline=timed', '--target=name:x');
fails('a time in the future', qr/error: could not find the LSN of the target: /,
	'-D', $directory, '--timeline=timed', '--time', 'infinity');

# --- Progress.

my $kb = int((-s $right) / 1024);
my ($status, $stdout, $stderr) = run_client('-f', $tar, '-P', '-N');
is($status, 0, 'with progress');
like( $stderr,
	qr{\A(?: *\d+/$kb kB \(\d+%\), 0/1 tablespace\n)*$kb/$kb kB \(100%\), 1/1 tablespace\n\z},
	'there is a line as pg_basebackup has it');
like($stderr, qr{\n.*\n}, 'and others before it');
same($tar, $right, 'the same bytes');

$directory = new_name('archives');
($status, $stdout, $stderr) =
  run_client('-Ft', '-D', $directory, '-P', '-v', '-N', '-r', '32M');
is($status, 0, 'archives, with progress');
like($stderr, qr{, 1/2 tablespaces \(.*base.tar *\)\n},
	'it counts tablespaces');
$bytes = int($bytes / 1024);
like($stderr, qr{^$bytes/$bytes kB \(100%\), 2/2 tablespaces *$}m,
	'to the last, and knows the size of all');

$directory = new_name('clone');
($status, $stdout, $stderr) = run_client('-D', $directory, '-P', '-v', '-N');
is($status, 0, 'with more progress');
like($stderr, qr{^ *\d+/$kb kB \(\d+%\), 0/1 tablespace \(.{35}\)$}m,
	'it has the file');
like($stderr, qr{\($directory/[^)]* *\)$}m, 'by its name')
  if length $directory < 20;
like($stderr, qr{^$kb/$kb kB \(100%\), 1/1 tablespace {41}$}m,
	'and at the end a line without one');
like($stderr, qr{base backup at LSN \Q$end\E$}m, 'the LSN');

($status, $stdout, $stderr) =
  run_client('-f', $tar, '-P', '-N', '--no-estimate-size');
like($stderr, qr{^$kb/$kb kB \(100%\), 1/1 tablespace\n\z}m,
	'without an estimate, at the end it is known');

($status, $stdout, $stderr) = run_client('-f', $tar, '-P', '-N', '-z');
$kb = int((-s $tar) / 1024);
like($stderr, qr{^$kb/$kb kB \(100%\), 1/1 tablespace\n\z}m,
	'nor is there one of a compressed tar');

my $terminal = new_name('typescript');
system("script -q -e -c \"$program -P -N -f '$tar'\" '$terminal' > '$terminal.out'");
is($?, 0, 'on a terminal');
like(slurp_file($terminal), qr{0/1 tablespace\r(?!\r?\n).*1/1 tablespace\r?\n}s,
	'progress stays on its line');

# --- The rate is a maximum.

my $size = length slurp_file(fetch_backup($store, 'full_backup => false'));
my $began = time;
succeeds("a rate: $_", '-f', $tar, '--thin', '-r', $_)
  foreach ('32M', '32MB', '32768', '32768 kB', '1G', '0.5 GB ');
cmp_ok(time - $began, '>=', ($size - 32768 * 128) / (32768 * 1024),
	"$size bytes are not faster than 32 MB/s");

# --- Tablespaces in other directories.

foreach my $old ($location, $tablespace)
{
	my $elsewhere = new_name('with = and space');

	$directory = new_name('clone');
	succeeds("mapping of $old", '-D', $directory, '-T',
		"$old=" . $elsewhere =~ s/=/\\=/r);
	is(readlink "$directory/pg_tblspc/$tablespace",
		$elsewhere, 'there is a link');
	same($directory, $extracted, 'that leads to the same files');
	command_ok([ 'pg_verifybackup', '-q', $directory ],
		'and those are what the manifest says');
	next if $old eq $location;
	my $moved = start_clone($directory, 'moved');
	is($moved->safe_psql('there', 'SELECT count(*) FROM t'),
		1000, 'and a server that finds them');
	query_is($moved, "SELECT pg_tablespace_location($tablespace)", $elsewhere,
		'there');
	$moved->stop;
}
$directory = new_name('clone');
my $full = new_name('full');
mkdir $full;
append_to_file("$full/file", 'mine');
$stderr = fails('a tablespace that is not empty',
	qr/error: directory "\Q$full\E" exists but is not empty/,
	'-D', $directory, '-T', "$location=$full");
like($stderr, qr/removing data directory "\Q$directory\E"/, 'is known late');
only_has($full, 'file', 'it is left alone');
ok(!-e $directory, 'and the data directory is gone');
fails("mapping of $_", qr/error: backup has no tablespace .*\bnowhere|12345/,
	'-D', $directory, '-T', "$_=/tmp/new")
  foreach '/nowhere', '12345';
ok(!-e $directory, 'nothing was made');

# --- Options that are refused.

foreach my $case (
	[ 'no target', qr/no target directory specified/ ],
	[ 'an argument', qr/too many command-line arguments/, '-D', 'x', 'y' ],
	[ 'two targets', qr/can't be used together/, '-D', 'x', '-f', 'y' ],
	[ 'a format', qr/invalid output format "x"/, '-F', 'x' ],
	[ 'a plain file', qr/can't have the plain format/, '-Fp', '-f', 'x' ],
	[ 'plain to stdout', qr/can't have the plain format/, '-D', '-' ],
	[ 'both', qr/only one of --lsn/, '-f', 'x', '--lsn=0/1', '--time=now' ],
	[ 'two', qr/only one of --lsn/, '-f', 'x', '--target=latest', '--time=now' ],
	[ 'before the end', qr/--exclusive needs/, '-f', 'x', '--exclusive' ],
	[ "a target of pg_basebackup", qr/-t.* does not apply here.*\n.*hint.*recovery/, '-f', 'x', '--target=server:/x' ],
	[ "its short form", qr/-t.* does not apply here/, '-f', 'x', '-t', 'x' ],
	[ 'a target to decode', qr/--decode can't be used/, '--decode', '-f', 'x', '--target=latest' ],
	[ 'a slow rate', qr/out of range/, '-f', 'x', '-r', '31' ],
	[ 'a fast rate', qr/out of range/, '-f', 'x', '-r', '1025M' ],
	[ 'a rate of NaN', qr/out of range/, '-f', 'x', '-r', 'nan' ],
	[ 'a negative rate', qr/greater than zero/, '-f', 'x', '-r', '-1' ],
	[ 'a word as rate', qr/not a valid value/, '-f', 'x', '-r', 'fast' ],
	[ 'a unit', qr/invalid --max-rate unit: "T"\n.*hint/, '-f', 'x', '-r', '1T' ],
	[ 'half a unit', qr/invalid --max-rate unit: "MiB"/, '-f', 'x', '-r', '32MiB' ],
	[ 'a faster rate', qr/out of range/, '-f', 'x', '-r', '1.1G' ],
	[ 'tli 0', qr/--new-tli must be in range/, '-f', 'x', '--new-tli=0' ],
	[ 'a method', qr/unrecognized compression algorithm: "lzma"/, '-f', 'x', '-Z', 'lzma:9' ],
	[ 'client side', qr/by the client is not supported.*\n.*hint/, '-f', 'x', '-Z', 'client-gzip' ],
	[ 'plain, compressed', qr/only tar mode/, '-D', 'x', '-z' ],
	[ 'tar, mapped', qr/only plain mode/, '-f', 'x', '-T', '/a=/b' ],
	[ 'relative', qr/not an absolute path/, '-D', 'x', '-T', 'a=/b' ],
	[ 'relative', qr/not an absolute path/, '-D', 'x', '-T', '/a=b' ],
	[ 'no mapping', qr/must be "OLDDIR=NEWDIR"/, '-D', 'x', '-T', '/a' ],
	[ 'two signs', qr/multiple "=" signs/, '-D', 'x', '-T', '/a=/b=/c' ],
	[ 'an OID', qr/invalid OID/, '-D', 'x', '-T', '4294967296=/c' ],
	[ 'manifests', qr/can't be used together/, '-D', 'x', '--no-manifest', '--manifest-checksums=none' ],
	[ 'no WAL', qr/does not apply here.*\n.*hint/, '-D', 'x', '-X', 'none' ],
	[ 'a WAL method', qr/invalid wal-method/, '-D', 'x', '-X', 'x' ],
	[ 'a checkpoint', qr/invalid checkpoint argument/, '-D', 'x', '-c', 'x' ],
	[ 'a standby', qr/-R.* does not apply here.*\n.*hint/, '-D', 'x', '-R' ],
	[ 'a slot', qr/-S.* does not apply here/, '-D', 'x', '-S', 'x' ],
	[ 'a label to decode', qr/--decode can't be used/, '--decode', '-f', 'x', '-l', 'x' ],
	[ 'a path to decode', qr/does not know which/, '--decode', '-D', 'x', '-T', '/a=/b' ])
{
	my ($name, $expected, @options) = @$case;

	fails($name, $expected, @options);
}

# --- The default database, and others.

{
	# a role without a database of its name
	$store->safe_psql('postgres', 'CREATE ROLE nobody_of_theirs SUPERUSER LOGIN');
	local $ENV{PGUSER} = 'nobody_of_theirs';
	my $service = new_name('service');
	append_to_file($service, "[here]\ndbname=from_service\n");
	local $ENV{PGSERVICEFILE} = $service;
	my $no = sub { qr/database "$_[0]" does not exist/ };

	foreach my $said (undef, '')
	{
		local $ENV{PGDATABASE} = $said;
		delete $ENV{PGDATABASE} unless defined $said;
		succeeds('the database postgres', '-f', $tar, '--thin');
		succeeds('the same with a connection string', '-f', $tar, '--thin',
			'-d', 'application_name=x');
		fails('another by its name', $no->('named'), '-f', $tar, '-d', 'named');
		fails('another in a connection string', $no->('written'),
			'-f', $tar, '-d', 'dbname=written');
		fails('another in a URI', $no->('written'),
			'-f', $tar, '-d', 'postgresql:///written');
		fails('another by a service', $no->('from_service'),
			'-f', $tar, '-d', 'service=here');
	}
	local $ENV{PGDATABASE} = 'of_environment';
	fails('another by the environment', $no->('of_environment'), '-f', $tar);
	fails('an option wins', $no->('named'), '-f', $tar, '-d', 'named');
}

# --- Servers without the extension, its functions or permissions.

$store->safe_psql('postgres', 'CREATE DATABASE none');
fails('no extension', qr/extension bbackup isn't installed in database "none"\n.*hint/,
	'-f', $tar, '-d', 'dbname=none');
fails('no database', qr/database "nowhere" does not exist/, '-f', $tar, '-d', 'nowhere');
fails('no server', qr/connection to server .*failed/, '-f', $tar, '-h', '/nowhere');

$store->safe_psql('none', 'CREATE SCHEMA "a b"; CREATE EXTENSION bbackup SCHEMA "a b"');
succeeds('an extension elsewhere', '-d', 'none', '-f', $tar);
same($tar, $right, 'the same bytes');

$store->safe_psql('postgres', 'CREATE ROLE bob LOGIN');
fails('nothing granted', qr/permission denied for function/, '-U', 'bob', '-f', $tar);
$store->safe_psql('postgres',
	'GRANT EXECUTE ON FUNCTION bb_basebackup_stream TO bob;'
	  . ' GRANT USAGE ON FOREIGN SERVER bbackup TO bob');
succeeds('EXECUTE on one function is enough', '-U', 'bob', '-f', $tar);
fails('but not for progress', qr/permission denied for function/, '-U', 'bob', '-f', $tar, '-P');

$store->safe_psql('none', 'ALTER EXTENSION bbackup DROP FUNCTION "a b".bb_basebackup_archives');
$directory = new_name('archives');
succeeds('a server without archives', '-d', 'none', '-Ft', '-D', $directory);
only_has($directory, 'base.tar', 'gives one');
same("$directory/base.tar", $right, 'with its bytes');
$store->safe_psql('none', 'ALTER EXTENSION bbackup DROP FUNCTION "a b".bb_basebackup_stream');
fails('an older extension', qr/has no function "bb_basebackup_stream"\n.*hint/, '-d', 'none', '-f', $tar);
$store->safe_psql('none', q{
CREATE FUNCTION "a b".bb_basebackup_stream() RETURNS SETOF bytea LANGUAGE sql AS 'VALUES (NULL::bytea)';
ALTER EXTENSION bbackup ADD FUNCTION "a b".bb_basebackup_stream()});
fails('an option that it does not know', qr/has no option "jobs"\n.*hint/,
	'-d', 'none', '-f', $tar, '-j', '2');

done_testing();

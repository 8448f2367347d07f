# The client program: what it makes, and what it leaves when it fails.

use strict;
use warnings;
use BBackup;
use File::Basename;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $program = 'bb_basebackup';
program_help_ok($program);
program_version_ok($program);
program_options_handling_ok($program);

# --- A cluster with everything, and the store that has it.

my $source = new_source('source');
fill_source($source);
my ($tablespace, $location) = split /\|/,
  $source->safe_psql('postgres',
	'SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace'
	  . " WHERE spcname = 'elsewhere'");
$source->stop;
my $store = new_store('store');
my $row = import_directory($store, $source->data_dir);
$ENV{PGHOST} = $store->host;
$ENV{PGPORT} = $store->port;
$ENV{PGDATABASE} = 'postgres';

# Runs it; the exit code, or "signal", with its two outputs.
sub run_client
{
	my @options = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run [ $program, @options ], '<', \undef, '>', \$stdout, '2>',
	  \$stderr;
	return ($? & 127 ? 'signal' : $? >> 8, $stdout, $stderr);
}

# Two tests: it succeeds, and has nothing to say.
sub succeeds
{
	my ($name, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, 0, "$name: succeeds");
	is($stderr, '', "$name: says nothing");
	return $stdout;
}

# One test: it fails with exit code 1, and says why.
sub fails
{
	my ($name, $expected, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($status eq '1' && $stderr =~ $expected, $name)
	  or diag("status $status, expected $expected, got: $stderr");
	return $stderr;
}

# A name in a new, empty directory.
sub new_name
{
	my ($name) = @_;

	return PostgreSQL::Test::Utils::tempdir_short . "/$name";
}

# One test: nothing is left beside what the directory is to have.
sub only_has
{
	my ($directory, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', sort map { basename $_ } glob "$directory/*"),
		$expected, $name);
	return;
}

# One test: two files, or trees, are the same.
sub same
{
	my ($one, $other, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(`diff -r '$one' '$other' 2>&1 | head -n 20`, '', $name);
	return;
}

# --- Tar: the bytes of the server's own.

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
same("$directory/base.tar", $right, 'the same bytes');
only_has($directory, 'base.tar', 'one archive');

# --- Plain.

$directory = new_name('new/clone');
succeeds('a directory', '-D', $directory);
my $extracted = new_name('extracted');
mkdir $extracted, 0700;
system_or_bail('tar', '-x', '-p', '-f', $right, '-C', $extracted);
same($directory, $extracted, 'what tar extracts');
is( join(' ', map { sprintf '%o', (stat "$directory/$_")[2] & 0777 }
		  ('', 'global', 'PG_VERSION')),
	'700 700 600',
	'with its permissions');

my $empty = new_name('empty');
mkdir $empty, 0700;
succeeds('a directory that is empty', '--pgdata', "$empty/", '-Fp', '-c',
	'fast', '-X', 'stream', '--no-slot', '--no-sync');
same($empty, $extracted, 'what tar extracts');
fails('a directory that is not', qr/error: directory "\Q$empty\E" exists but is not empty/,
	'-D', $empty);
same($empty, $extracted, 'nothing happened to it');

# A node in a directory that the program made.
sub start_clone
{
	my ($name, $from) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);

	rename $from, $clone->data_dir or die "$from: $!";
	$clone->append_conf('postgresql.conf',
			"port = "
		  . $clone->port
		  . "\nunix_socket_directories = '"
		  . $clone->host
		  . "'\n");
	$clone->start;
	return $clone;
}

my $clone = start_clone('clone', $directory);
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
	'a thin one' => [ 'full_backup => false', '--thin' ],
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
only_has($directory, 'base.tar.gz', 'has a name that says so');
fails('a compression that there is not', qr/error: backup failed: .*"level=x"|invalid/,
	'-f', "$tar.none", '-Z', 'gzip:level=x');
fails('an LSN that is none', qr/error: .*invalid input syntax for type pg_lsn/,
	'-f', $tar, '--lsn', "0/0'");
fails('a timeline that there is not', qr/error: .*"nowhere"/,
	'-f', "$tar.none", '--timeline', 'nowhere', '-P', '-v');
only_has(dirname($tar), 'main.tar', 'leaves nothing');

# A time, of a timeline with commits in it.
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
my $timed = start_clone('timed', $directory);
is( $timed->safe_psql('postgres',
		"SELECT string_agg(relname, ' ') FROM pg_class"
		  . " WHERE relname IN ('t', 'too_late')"),
	't',
	'the cluster is as it was then');
$timed->stop;
fails('a time in the future', qr/error: could not find the LSN of the time: /,
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

# --- A rate: never faster.

my $size = length slurp_file(fetch_backup($store, 'full_backup => false'));
my $began = time;
succeeds('a rate', '-f', $tar, '--thin', '-r', '32M');
cmp_ok(time - $began, '>=', ($size - 32768 * 128) / (32768 * 1024),
	"$size bytes are not faster than 32 MB/s");

# --- Tablespaces go elsewhere.

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
	my $moved = start_clone('moved', $directory);
	is($moved->safe_psql('there', 'SELECT count(*) FROM t'),
		1000, 'and a server that finds them');
	is( $moved->safe_psql('postgres',
			"SELECT pg_tablespace_location($tablespace)"),
		$elsewhere,
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

# --- Options that can't be meant.

foreach my $case (
	[ 'no target', qr/no target directory specified/ ],
	[ 'an argument', qr/too many command-line arguments/, '-D', 'x', 'y' ],
	[ 'two targets', qr/can't be used together/, '-D', 'x', '-f', 'y' ],
	[ 'a format', qr/invalid output format "x"/, '-F', 'x' ],
	[ 'a plain file', qr/can't have the plain format/, '-Fp', '-f', 'x' ],
	[ 'plain to stdout', qr/can't have the plain format/, '-D', '-' ],
	[ 'both', qr/--lsn and --time can't/, '-f', 'x', '--lsn=0/1', '--time=now' ],
	[ 'a slow rate', qr/out of range/, '-f', 'x', '-r', '31' ],
	[ 'a fast rate', qr/out of range/, '-f', 'x', '-r', '1025M' ],
	[ 'a rate of NaN', qr/out of range/, '-f', 'x', '-r', 'nan' ],
	[ 'a negative rate', qr/greater than zero/, '-f', 'x', '-r', '-1' ],
	[ 'a word as rate', qr/not a valid value/, '-f', 'x', '-r', 'fast' ],
	[ 'a unit', qr/invalid --max-rate unit: "G"/, '-f', 'x', '-r', '1G' ],
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

# --- An archive for each tablespace, of a server that has a function for it.

$store->safe_psql('postgres', 'CREATE DATABASE archives');
$store->safe_psql(
	'archives', q{
CREATE EXTENSION bbackup;
-- in short, what it takes and gives
CREATE FUNCTION bb_basebackup_archives(lsn pg_lsn DEFAULT NULL,
	OUT archive text, OUT data bytea)
RETURNS SETOF record LANGUAGE sql BEGIN ATOMIC
	SELECT '16385.tar', '\x00'::bytea
	UNION ALL
	SELECT 'base.tar', d FROM (SELECT bb_basebackup_stream(lsn) d) s;
END;
ALTER EXTENSION bbackup ADD FUNCTION bb_basebackup_archives;
});
$directory = new_name('archives');
succeeds('archives', '-d', 'archives', '-Ft', '-D', $directory);
only_has($directory, '16385.tar base.tar', 'a file each');
same("$directory/base.tar", $right, 'with its bytes');
$directory = new_name('archives');
(undef, undef, $stderr) =
  run_client('-d', 'archives', '-Ft', '-D', $directory, '-P', '-v');
like($stderr, qr{, 1/2 tablespaces \(.*base.tar *\)\n}, 'progress counts them');
like($stderr, qr{\(100%\), 2/2 tablespaces *\n}, 'to the last');
fails('an option that the server does not know', qr/has no option "jobs"\n.*hint/,
	'-d', 'archives', '-Ft', '-D', "$directory.none", '-j', '2');

# --- A server that doesn't have what it takes.

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

$store->safe_psql('none', 'ALTER EXTENSION bbackup DROP FUNCTION "a b".bb_basebackup_stream');
fails('an older extension', qr/has no function "bb_basebackup_stream"\n.*hint/, '-d', 'none', '-f', $tar);

# --- Standard input: the framing of a binary COPY.

my $framed = new_name('framed');
system_or_bail('sh', '-c',
	"psql -X -c 'COPY (SELECT bb_basebackup_stream()) TO STDOUT (FORMAT binary)' > '$framed'");

# Decodes a file; the exit code, and what it says.
sub decode
{
	my ($input, @options) = @_;
	my $stderr = '';

	IPC::Run::run [ $program, '--decode', @options ], '<', $input, '2>',
	  \$stderr;
	return ($? & 127 ? 'signal' : $? >> 8, $stderr);
}

unlink $tar;
is_deeply([ decode($framed, '-f', $tar) ], [ 0, '' ], 'a stream is decoded');
same($tar, $right, 'to the tar');
is(system("$program --decode -f - < '$framed' > '$raw'"), 0, 'or to stdout');
same($raw, $right, 'the tar');
$directory = new_name('decoded');
is_deeply([ decode($framed, '-D', $directory, '-T', "$tablespace=$directory.spc") ],
	[ 0, '' ], 'or to a directory');
same($directory, $extracted, 'what tar extracts');
is(readlink "$directory/pg_tblspc/$tablespace",
	"$directory.spc", 'its tablespace is where it should be');
$directory = new_name('decoded');
($status, $stderr) = decode($framed, '-D', $directory, '-T', '12345=/x');
is($status, 1, 'a tablespace that there is not');
like($stderr, qr/backup has no tablespace 12345/, 'is said');
ok(!-e $directory, 'and nothing is left');

# Framing, and tars, of our own.
my $start = "PGCOPY\n\377\r\n\0" . pack 'NN', 0, 0;

sub column
{
	my ($bytes) = @_;

	return pack('N', length $bytes) . $bytes;
}

sub row
{
	return pack('n', scalar @_) . join '', map { column($_) } @_;
}

sub member
{
	my ($name, $content, $type, $size) = @_;
	my $header = pack 'a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12',
	  $name, '0000600 ', '0000000 ', '0000000 ',
	  sprintf('%011o ', $size // length $content), '00000000000 ', '', $type // 0,
	  '', "ustar\0", '00', '', '', '', '', '';
	my $sum = unpack '%32C*', $header;

	substr $header, 148, 8, sprintf '%06o ' . "\0", $sum;
	return $header . $content . "\0" x (-length($content) % 512);
}

my $control =
    member('global/', '', 5)
  . member('empty', '')
  . member('file', 'x' x 600)
  . member('global/pg_control', 'control');
my $end_of_tar = "\0" x 1024;
my $small = $control . $end_of_tar;
my $whole =
    $start
  . row(substr $small, 0, 700)
  . row('')
  . row(substr $small, 700)
  . "\xff\xff";

# Decodes bytes; the exit code, and what it says.
sub decode_bytes
{
	my ($bytes, @options) = @_;
	my $input = new_name('input');

	append_to_file($input, $bytes);
	return decode($input, @options);
}

$tar = new_name('small.tar');
is_deeply([ decode_bytes($whole, '-f', $tar) ], [ 0, '' ],
	'rows of any size, also without bytes');
ok(slurp_file($tar) eq $small, 'give the tar');
unlink $tar;
$directory = new_name('small');
is_deeply([ decode_bytes($whole, '-D', $directory, '-N') ], [ 0, '' ],
	'a small directory');
is_deeply(
	[ files_below($directory) ],
	[ 'empty', 'file', 'global/', 'global/pg_control' ],
	'has its files');
is(slurp_file("$directory/file"), 'x' x 600, 'and what is in them');

# Every place in the framing, and some in the data.
my @cuts = grep {
	$_ < 32 || $_ % 97 == 0 || $_ > length($whole) - 8 || ($_ > 720 && $_ < 740)
} 0 .. length($whole) - 1;
my ($noticed, $left) = (0, 0);
$directory = new_name('cut');
foreach my $cut (@cuts)
{
	my ($file, $said) = decode_bytes(substr($whole, 0, $cut), '-f', $tar);
	my ($plain) = decode_bytes(substr($whole, 0, $cut), '-D', $directory);

	$noticed++ if $file eq '1' && $plain eq '1' && $said =~ /incomplete/;
	$left++ if -e $tar || -e "$tar.part" || -e $directory;
}
is($noticed, scalar @cuts, 'a stream that was cut anywhere is refused');
is($left, 0, 'and leaves nothing');
($status, $stdout, $stderr) = (system(
		"head -c 1000000 '$framed' | $program --decode -f - > '$raw' 2> '$raw.err'"
	) >> 8);
is($status, 1, 'on stdout too');
like(slurp_file("$raw.err"), qr/the stream was cut/, 'as far as that goes');

foreach my $case (
	[ 'nothing', '', qr/incomplete/ ],
	[ 'garbage', "\xa5" x 5000, qr/not that of a backup/ ],
	[ 'text', "\\\\x0123\n" x 100, qr/not that of a backup/ ],
	[ 'a tar', $small, qr/not that of a backup/ ],
	[ 'no row', "$start\xff\xff", qr/not that of a backup/ ],
	[ 'more', "$whole\0", qr/data behind its end/ ],
	[ 'two streams', "$whole$whole", qr/data behind its end/ ],
	[ 'flags', "PGCOPY\n\377\r\n\0" . pack('NN', 1 << 16, 0) . row($small) . "\xff\xff",
		qr/not that of a backup/ ],
	[ 'NULL', $start . pack('nN', 1, 0xffffffff) . "\xff\xff", qr/not that of a backup/ ],
	[ 'no column', $start . row() . "\xff\xff", qr/not that of a backup/ ],
	[ 'three columns', $start . row(1, 2, 3) . "\xff\xff", qr/not that of a backup/ ],
	[ 'columns that change', $start . row($small) . row('base.tar', '') . "\xff\xff",
		qr/not that of a backup/ ],
	[ 'a long name', $start . row('x' x 100, $small) . "\xff\xff", qr/not that of a backup/ ],
	[ 'a bad name', $start . row('../base.tar', $small) . "\xff\xff", qr/invalid name/ ],
	[ 'no name', $start . row('', $small) . "\xff\xff", qr/invalid name/ ],
	[ 'a hidden name', $start . row('.base.tar', $small) . "\xff\xff", qr/invalid name/ ])
{
	my ($name, $bytes, $expected) = @$case;
	my $archives = new_name('archives');
	my ($file, $said) = decode_bytes($bytes, '-D', $archives, '-Ft');

	ok($file eq '1' && $said =~ $expected, "input that is $name")
	  or diag("status $file, got: $said");
	ok(!-e $archives, '... leaves nothing');
}
my $extended = "PGCOPY\n\377\r\n\0" . pack('NN', 1, 3) . 'abc' . row($small) . "\xff\xff";
is_deeply([ decode_bytes($extended, '-f', $tar) ], [ 0, '' ],
	'a header may have an extension');
ok(slurp_file($tar) eq $small, 'which is skipped');
unlink $tar;

# Rows that say which archive they are of.
my $several =
    $start
  . row('16385.tar', $end_of_tar)
  . row('base.tar', substr $small, 0, 100)
  . row('base.tar', substr $small, 100)
  . "\xff\xff";
$directory = new_name('archives');
is_deeply([ decode_bytes($several, '-Ft', '-D', $directory) ], [ 0, '' ], 'archives');
only_has($directory, '16385.tar base.tar', 'a file each');
ok(slurp_file("$directory/base.tar") eq $small, 'with its bytes');
foreach my $to ([ '-f', $tar ], [ '-D', new_name('several') ])
{
	($status, $stderr) = decode_bytes($several, @$to);
	is($status, 1, "archives don't go with $to->[0]");
	like($stderr, qr/several archives.*\n.*hint/, 'which is said');
	ok(!-e $to->[1] && !-e "$to->[1].part", 'and nothing is left');
}
$several = $start . row('a.tar', $small) . row('b.tar', $small) . row('a.tar', $small) . "\xff\xff";
($status, $stderr) = decode_bytes($several, '-Ft', '-D', $directory = new_name('twice'));
like($stderr, qr/has the archive "a.tar" twice/, 'an archive comes once');
ok(!-e $directory, 'or nothing is left');

# Tars that can't be extracted.
foreach my $case (
	[ 'an absolute path', member('/tmp/x', 'x'), qr/unsafe path: "\/tmp\/x"/ ],
	[ 'a path up', member('../x', 'x'), qr/unsafe path/ ],
	[ 'a path up in the midst', member('a/../../x', 'x'), qr/unsafe path/ ],
	[ 'a path up at the end', member('a/..', ''), qr/unsafe path/ ],
	[ 'a dot', member('./x', ''), qr/unsafe path/ ],
	[ 'no path', member('', ''), qr/unsafe path/ ],
	[ 'a symbolic link', member('x', '', 2), qr/unknown type "2"/ ],
	[ 'a hard link', member('x', '', 1), qr/unknown type "1"/ ],
	[ 'a device', member('x', '', 3), qr/unknown type "3"/ ],
	[ 'a long name', member('x', 'long', 'L'), qr/unknown type "L"/ ],
	[ 'a directory with content', member('x', 'x', 5), qr/directory with content/ ],
	[ 'the same file twice', member('x', '') x 2, qr/File exists/ ],
	[ 'a bad checksum', member('x', '') =~ s/^x/y/r, qr/invalid header/ ],
	[ 'no tar', 'x' x 512, qr/invalid header/ ],
	[ 'gzip', "\x1f\x8b\x08" . 'x' x 509, qr/is compressed.*\n.*hint/ ])
{
	my ($name, $bytes, $expected) = @$case;

	$directory = new_name('unsafe');
	($status, $stderr) = decode_bytes(
		$start . row($bytes . $control . $end_of_tar) . "\xff\xff",
		'-D', $directory);
	ok($status eq '1' && $stderr =~ $expected, "a tar with $name")
	  or diag("status $status, got: $stderr");
	only_has(dirname($directory), '', '... leaves nothing');
}
foreach my $case (
	[ 'no pg_control', member('x', '') . $end_of_tar, qr/no file "global\/pg_control"/ ],
	[ 'no end', $control, qr/ends early/ ],
	[ 'half an end', $control . "\0" x 512, qr/ends early/ ],
	[ 'an end in the midst of a block', $small . "\0", qr/ends early/ ],
	[ 'an end in the midst of a file', $control . member('x', '', 0, 5), qr/ends early/ ],
	[ 'data behind its end', $small . 'x' x 512, qr/behind its end/ ])
{
	my ($name, $bytes, $expected) = @$case;

	$directory = new_name('unsafe');
	($status, $stderr) =
	  decode_bytes($start . row($bytes) . "\xff\xff", '-D', $directory);
	ok($status eq '1' && $stderr =~ $expected, "a tar with $name")
	  or diag("status $status, got: $stderr");
	ok(!-e $directory, '... leaves nothing');
}

# --- Disks that are full, and pipes that nobody reads.

$directory = new_name('limited');
$tar = new_name('limited.tar');
fails('a device that is full', qr/could not write to "\/dev\/full": No space left/, '-f', '/dev/full');
foreach my $options ("-D '$directory'", "-f '$tar'", "-Ft -D '$directory'")
{
	my $said = `bash -c "ulimit -f 1000; $program $options" 2>&1`;

	is($? >> 8, 1, "a file that grows too large: $options");
	like($said, qr/could not write to ".*": File too large/, 'is an error');
	ok(!-e $tar && !-e "$tar.part" && !-e $directory, 'and nothing is left');
}
is(system("$program -f - > /dev/full 2> '$raw.err'") >> 8, 1, 'standard output may be full');
like(slurp_file("$raw.err"), qr/could not write to "standard output": No space/, 'as well');
my @pipe = split ' ', `bash -c "$program -f - 2> '$raw.err' | head -c 100 > /dev/null; echo \\\${PIPESTATUS[\@]}"`;
is("@pipe", '1 0', 'a reader that goes away is an error');
like(slurp_file("$raw.err"), qr/could not write to "standard output": Broken pipe/, 'which is said');
fails('a directory that there is not', qr/could not create file/, '-f', '/nowhere/x.tar');
fails('a directory that can not be', qr/could not access directory/, '-D', '/dev/null/x');

# --- Programs that are at work.

# Starts a slow one, and waits until it has written something.
sub start_slowly
{
	my ($file, @options) = @_;
	my $errors = new_name('errors');
	my $pid = fork;

	if ($pid == 0)
	{
		open STDERR, '>', $errors;
		# the tests' own name is the same for all sessions
		$ENV{PGAPPNAME} = $program;
		exec $program, '-r', '512', @options or POSIX::_exit(127);
	}
	until (-s $file)
	{
		die "it ended early: " . slurp_file($errors)
		  if waitpid($pid, POSIX::WNOHANG()) != 0;
		usleep 10_000;
	}
	return ($pid, $errors);
}

# One test each: its exit code, what it said, and what is left.
sub ends
{
	my ($name, $pid, $errors, $expected, @gone) = @_;

	waitpid $pid, 0;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($?, 1 << 8, "$name: it fails");
	like(slurp_file($errors), $expected, "$name: it says why");
	is(join(' ', grep { -e } @gone), '', "$name: nothing is left");
	return;
}

my ($pid, $errors) = start_slowly("$tar.part", '-f', $tar);
fails('two programs and one file', qr/is being written by another program/, '-f', $tar);
ok(-s "$tar.part", 'the first one goes on');
kill 'INT', $pid;
ends('SIGINT', $pid, $errors, qr/interrupted by signal 2/, $tar, "$tar.part");
foreach my $signal ('TERM', 'HUP')
{
	($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
	ok(!-e "$directory/global/pg_control", 'no server starts there yet');
	kill $signal, $pid;
	ends("SIG$signal", $pid, $errors, qr/interrupted by signal.*removing data directory "\Q$directory\E"/s,
		$directory);
}
my $query = q(FROM pg_stat_activity WHERE application_name = 'bb_basebackup');
ok( $store->poll_query_until('postgres', "SELECT count(*) = 0 $query"),
	'the server has no session of theirs');

mkdir $directory;
($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
is($store->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $query"),
	't', 'there is a session of one');
ends('a backend that is terminated', $pid, $errors,
	qr/backup failed: terminating connection.*removing contents of data directory/s,
	"$directory/PG_VERSION");
only_has($directory, '', 'the directory that was there is empty again');

($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
$store->stop('immediate');
ends('a server that crashes', $pid, $errors, qr/error: backup failed: /, "$directory/PG_VERSION");
$store->start;

# --- A query that fails in the midst: a layer is damaged.

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
my $gone = new_name('gone');
foreach my $options ([ '-f', $gone ], [ '-Ft', '-D', $gone ], [ '-D', $gone ])
{
	$stderr = fails("a broken layer, @$options[0 .. $#$options - 1]",
		qr/error: backup failed: .*\n.*detail: /, @$options);
	only_has(dirname($gone), '', '... leaves nothing');
}
is(system("$program -f - > '$raw' 2> /dev/null") >> 8, 1, 'standard output');
cmp_ok(-s $raw, '>', 1 << 20, '... has some of it');

$stderr = fails('a broken layer, and what is there stays', qr/not removed at user's request/,
	'-D', $gone, '--no-clean');
ok(-s "$gone/PG_VERSION" && !-e "$gone/global/pg_control",
	'it does, and no server starts there');
$stderr = fails('a file stays', qr/file ".*.part" not removed/, '-f', $tar, '-n');
ok(-s "$tar.part" && !-e $tar, 'it does, without its name');
patch_file($layer, int((-s $layer) * 0.6), $old);
succeeds('with the layer whole again', '-f', $tar);
same($tar, $right, 'there is the tar');

# --- Memory, with more than 2 GB to go through it.

my $sparse = new_source('sparse');
$sparse->safe_psql('postgres', 'CREATE TABLE huge (i int)');
my $relation =
  $sparse->safe_psql('postgres', "SELECT pg_relation_filepath('huge')");
$sparse->stop;
my $path = $sparse->data_dir . "/$relation";
append_to_file("$path.1", '');
truncate $_, 1 << 30 or die $! foreach ($path, "$path.1");
import_directory($store, $sparse->data_dir, 'sparse');

# The peak of a program's memory, in kB, and its exit code.
sub peak
{
	my (@command) = @_;
	my $peak = 0;
	my $pid = fork // die $!;

	exec @command or POSIX::_exit(127) if $pid == 0;
	while (waitpid($pid, POSIX::WNOHANG()) == 0)
	{
		my $now = eval { backend_status($pid, 'VmHWM') };

		$peak = $now if defined $now && $now > $peak;
		usleep 20_000;
	}
	return ($peak, $?);
}

my $sparse_framed = "psql -X -c \"COPY (SELECT bb_basebackup_stream(timeline => 'sparse')) TO STDOUT (FORMAT binary)\"";
my ($little) = peak($program, '-f', '/dev/null', '--thin', '-r', '32M');
my ($much, $result) = peak($program, '-f', '/dev/null', '--timeline=sparse');
is($result, 0, 'more than 2 GB');
note "peak of memory: $much kB; of a small backup $little kB";
cmp_ok($much - $little, '<', 4096, 'take no more memory than few');
($much, $result) = peak('bash', '-c', "exec $program --decode -f /dev/null < <($sparse_framed)");
is($result, 0, 'nor');
cmp_ok($much - $little, '<', 4096, 'when they are decoded');

done_testing();

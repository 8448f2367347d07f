# Directories that can't be imported: the errors, and that nothing remains.

use strict;
use warnings;
use BBackup;

my $source = new_source('source', '--data-checksums');
my $from = $source->data_dir;
my $store = new_store('store');

# The contents of the store, which must stay empty.
sub leftovers
{
	my $directory = store_directory($store);

	return '' unless -d $directory;
	return join ' ', grep { !m{/$|(?:^|/)\.[^/]*\.lock$} }
	  files_below($directory);
}

sub import_fails
{
	my ($path, $expected, $name, $timeline) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$timeline //= 'main';
	fails_like($store, "SELECT * FROM bb_import_directory('$path',"
		  . " timeline => '$timeline')",
		$expected, $name);
	is(leftovers(), '', '... and leaves nothing');
	return;
}

# An import must fail while the file is changed.
sub import_fails_with
{
	my ($change, $undo, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$change->();
	import_fails($from, $expected, $name);
	$undo->();
	return;
}

sub import_fails_without
{
	my ($file, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	import_fails_with(sub { rename "$from/$file", "$from.away" or die $! },
		sub { rename "$from.away", "$from/$file" or die $! }, $expected,
		$name);
	return;
}

sub import_fails_patched
{
	my ($file, $offset, $bytes, $expected, $name) = @_;
	my $old;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	import_fails_with(
		sub { $old = patch_file("$from/$file", $offset, $bytes) },
		sub { patch_file("$from/$file", $offset, $old) },
		$expected, $name);
	return;
}

$source->safe_psql('postgres', q(
CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 10000) i;
BEGIN;
INSERT INTO t VALUES (0, 'prepared');
PREPARE TRANSACTION 'p';
));
my $relation =
  $source->safe_psql('postgres', "SELECT pg_relation_filepath('t')");
my $database = $relation =~ m{^(base/\d+)/} ? $1 : die;

# --- The state of the cluster.

import_fails($from,
	qr/55000: a server is running in data directory "\Q$from\E"/,
	'a running cluster');
$source->stop('immediate');
import_fails($from, qr/55000: .*was not shut down cleanly/,
	'one that was shut down in immediate mode');
append_to_file("$from/postmaster.pid", "1\n");
import_fails($from, qr/55000: .*\n.*postmaster\.pid.*exists.*\nHINT: .*crash/,
	'one whose server was killed');
unlink "$from/postmaster.pid" or die $!;
$source->start;
$source->stop;

# --- The directory.

import_fails('some/where', qr/22023: .*must be absolute: "some\/where"/,
	'a relative path');
import_fails("$from/nowhere", qr/58P01: .*nowhere": No such file/,
	'a path that leads nowhere');
import_fails("$from/PG_VERSION", qr/22023: .*is not a data directory/,
	'a file');
my $other = PostgreSQL::Test::Utils::tempdir;
import_fails($other,
	qr/22023: .*is not a data directory\n.*no file PG_VERSION.*\nHINT: .*Barman.*pgBackRest/,
	'an empty directory');
import_fails_patched('PG_VERSION', 0, '14',
	qr/55000: .*is of PostgreSQL 14\n.*This server is/,
	'another major version');
import_fails_patched('PG_VERSION', 0, 'xx',
	qr/22023: .*is not a data directory\n.*PG_VERSION has no valid data/,
	'a broken PG_VERSION');

# --- Backups as tars, and with a lock file.

{
	my $tars = PostgreSQL::Test::Utils::tempdir;

	foreach my $name ('base.tar', 'base.tar.gz')
	{
		append_to_file("$tars/$name", 'x');
		import_fails($_,
			qr/(?:08P01: invalid tar archive of a base backup|XX001: could not read archive).*CONTEXT: .*archive "\Q$tars\/$name\E"/s,
			"a broken $name")
		  foreach $tars, "$tars/$name";
		unlink "$tars/$name";
	}
}
import_fails_with(sub {
	append_to_file("$from/backup_label",
		    "START WAL LOCATION: 0/1000028 (file 000000010000000000000001)\n"
		  . "CHECKPOINT LOCATION: 0/1000060\nBACKUP METHOD: streamed\n"
		  . "BACKUP FROM: primary\nSTART TIME: 2026-01-01 00:00:00 UTC\n"
		  . "LABEL: x\nSTART TIMELINE: 1\n");
	append_to_file("$from/postmaster.pid", "1\n");
}, sub { unlink "$from/backup_label", "$from/postmaster.pid" },
	qr/55000: base backup ".*" has the lock file of a server\n.*HINT:  If no server runs in it, the file is a copy of the source's: remove it/s,
	'a base backup with postmaster.pid');

# --- The control file, and WAL.

import_fails_without('global/pg_control',
	qr/22023: .*\n.*no file global\/pg_control/, 'no control file');
import_fails_patched('global/pg_control', 100, "\xa5\x5a",
	qr/XX001: control file .* wrong checksum\n/, 'a broken control file');
my ($segment) =
  `pg_controldata -D '$from'` =~ /REDO WAL file:\s+([0-9A-F]{24})/;
import_fails_without("pg_wal/$segment", qr/58P01: .*\Q$segment\E/,
	'no WAL segment with the last record');
my ($checkpoint) =
  `pg_controldata -D '$from'` =~ m{checkpoint location:\s+\w+/(\w+)};
import_fails_patched("pg_wal/$segment", hex($checkpoint) % (16 << 20) + 30,
	"\xa5\x5a", qr/XX001: /, 'a broken last record');

# --- Files of the cluster.

import_fails_patched($relation, 3 * 8192 + 5000, "\xa5\x5a",
	qr/XX001: block 3 of file "\Q$from\/$relation\E" is corrupted\n.*HINT/s,
	'a broken page');
import_fails_patched(
	"$database/1259",
	30,
	"\xa5\x5a",
	qr/XX001: block 0 of file "\Q$from\/$database\E\/1259" is corrupted/,
	'a broken page of a catalog')
  if -e "$from/$database/1259";
import_fails_with(sub { append_to_file("$from/$relation", 'x') },
	sub { truncate "$from/$relation", (-s "$from/$relation") - 1 },
	qr/XX001: .*"\Q$from\/$database\E" has an impossible size.*\n.*middle of a block/,
	'a torn relation file');
import_fails_without("$database/pg_filenode.map",
	qr/XX001: .*\Q$database\E\/pg_filenode\.map" is missing/,
	'no relation map');
import_fails_without('global/pg_filenode.map',
	qr/XX001: .*global\/pg_filenode\.map" is missing/,
	'no relation map of the shared catalogs');
my ($twophase) = map { s{^\Q$from/\E}{}r } glob "$from/pg_twophase/*";
import_fails_patched($twophase, 50, "\xa5\x5a",
	qr/XX001: file ".*\Q$twophase\E" has a wrong checksum/,
	'a broken prepared transaction');
import_fails_with(sub { chmod 0, "$from/$relation" },
	sub { chmod 0600, "$from/$relation" },
	qr/42501: .*\Q$relation\E": Permission denied/,
	'a file that may not be read');

# --- Names of timelines.

import_fails($from, qr/22023: /, "timeline \"$_\"", $_)
  foreach ('', '../main', 'a/b', '.hidden', 'x' x 200);

# --- Interrupted imports.

# A file with a hole, so large that an import takes longer than these tests.
my $length = -s "$from/$relation";
truncate "$from/$relation", 1 << 30 or die $!;
foreach my $ms (1, 5, 20, 50)
{
	fails_like($store, "SET statement_timeout = $ms;"
		  . " SELECT * FROM bb_import_directory('$from')",
		qr/57014: canceling statement due to statement timeout/,
		"an import that is canceled after $ms ms");
	is(leftovers(), '', '... and leaves nothing');
}
fails_like($store,
	"SET bbackup.call_timeout = 30; SELECT * FROM bb_import_directory('$from')",
	qr/57014: .*bbackup/,
	'an import that takes longer than bbackup.call_timeout');
is(leftovers(), '', '... and leaves nothing');

# Empty directories are no timelines.
ok(-d store_directory($store) . '/timelines/main', 'a directory remains');
query_is($store, 'SELECT count(*) FROM bb_stat_verification', 0,
	'... which is no timeline to be verified');
query_is($store, 'SELECT count(*) FROM bb_restore_tests', 0, '... or tested');
query_is($store, "SELECT count(*) FROM bb_check() WHERE timeline <> ''", 0,
	'... nor checked');

# --- The same cluster can be imported afterwards.

truncate "$from/$relation", $length or die $!;
import_directory($store, $from);
query_is($store, 'SELECT timeline FROM bb_timelines()', 'main',
	'after all that, the cluster can be imported');
fails_like($store, "SELECT * FROM bb_import_directory('$from')",
	qr/42710: timeline "main" already exists .*\n.*HINT/,
	'a timeline that exists');
query_is($store, 'SELECT count(*) FROM bb_timelines()', 1, '... which stays');

# --- Without checksums, a page that is newer than the WAL is found, too.

my $plain = new_source('plain');
$plain->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS i; CHECKPOINT');
$relation = $plain->safe_psql('postgres', "SELECT pg_relation_filepath('t')");
$plain->stop;
$from = $plain->data_dir;
# pd_lsn, high half
patch_file("$from/$relation", 0, pack('L', 0x7000));
fails_like($store,
	"SELECT * FROM bb_import_directory('$from', timeline => 'plain')",
	qr/XX001: block 0 of file ".*\Q$relation\E" is corrupted\n/,
	'a page that is newer than the cluster');
query_is($store, 'SELECT count(*) FROM bb_timelines()', 1,
	'... and leaves no timeline');

done_testing();

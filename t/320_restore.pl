# bb_restore writes a data directory.

use strict;
use warnings;
use BBackup;
use BBackup::Tree;

my $source = new_source('source', '--data-checksums', '--allow-group-access');
fill_source($source);
my $location = $source->safe_psql('postgres',
	"SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'elsewhere'"
);
my $spc = $source->safe_psql('postgres',
	"SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
append_to_file($source->data_dir . '/secret.key', 'secret');
chmod 0400, $source->data_dir . '/secret.key' or die;
my $dump = dump_all($source);
my @left_out = split /\n/, $source->safe_psql('postgres',
	"SELECT 'base/' || oid FROM pg_database WHERE datname LIKE 'by_%' ORDER BY 1");
my $databases = $source->safe_psql('postgres', "SELECT pg_relation_filepath('pg_database')");
$source->stop;
# as in production, since fsync is one of the things that fail
my $store = new_store('store', "fsync = on\nrestart_after_crash = on\n");
import_directory($store, $source->data_dir);
my $base = PostgreSQL::Test::Utils::tempdir_short;

sub restore
{
	my ($directory, $more) = @_;

	return $store->safe_psql('postgres',
		"SELECT files, bytes, bytes_written, files_removed"
		  . " FROM bb_restore('$directory'" . ($more // '') . ')');
}

# --- The same as an extracted tar.

my $tar = fetch_backup($store);
mkdir "$base/tar", 0700 or die;
system_or_bail('tar', '-x', '-p', '-f', $tar, '-C', "$base/tar");
my $expected = tree("$base/tar");
my ($files, $bytes) = split /\|/,
  $store->safe_psql('postgres',
	"SELECT count(*), sum(size) FROM bb_files() WHERE kind <> 'directory'");

is(restore("$base/new"), "$files|$bytes|$bytes|0",
	'bb_restore reports what it did');
is_deeply(tree("$base/new"), $expected,
	'a restored tree is that of the tar, byte for byte, with modes');
is(mode("$base/new"), '0750', 'the directory has the mode of the source\'s');
is(mode("$base/new/secret.key"), '0400', 'a file has its mode');

command_ok([ 'pg_verifybackup', "$base/new" ], 'pg_verifybackup accepts it');

mkdir "$base/empty", 0755 or die;
restore("$base/empty");
is_deeply(tree("$base/empty"), $expected, 'a restore into an empty directory gives the same');
is(mode("$base/empty"), '0750', 'and sets its mode');

my $clone = start_clone("$base/new", 'clone');
same_dump(dump_all($clone), $dump, 'it starts, and has everything');
like(slurp_file($clone->logfile), qr/database system was shut down/,
	'without recovery');
$clone->stop;

restore("$base/parallel", ', jobs => 2');
is_deeply(tree("$base/parallel"), $expected, 'with jobs it is the same');
restore("$base/throttled", ', full_backup => false, max_rate => 1048576');
ok(-e "$base/throttled/zenith.signal", 'other options work');
query_like($store, "SELECT FROM bb_restore('$base/counted');"
	  . "SELECT bytes_out = $bytes, bytes_total_estimate = "
	  . (-s $tar)
	  . " FROM bb_access_stats WHERE function = 'bb_restore'",
	qr/t\|t/, 'the statistics have it');

# --- Tablespaces.

restore("$base/mapped", ", tablespace_mapping => '{$location=$base/ts}'");
is(readlink "$base/mapped/pg_tblspc/$spc", "$base/ts",
	'a mapped tablespace is a symbolic link');
is(mode("$base/ts"), '0750', 'its directory has the mode of the others');
my $there = { map { ($_ => $expected->{"pg_tblspc/$spc/$_"}) }
	  keys %{ tree("$base/ts") } };
is_deeply(tree("$base/ts"), $there, 'it has the files of the tablespace');
cmp_ok(scalar keys %$there, '==',
	scalar(grep { m{^pg_tblspc/$spc/} } keys %$expected), 'all of them');
command_ok([ 'pg_verifybackup', "$base/mapped" ],
	'pg_verifybackup accepts that, too');
$clone = start_clone("$base/mapped", 'mapped');
same_dump(dump_all($clone), $dump, 'it starts, and has everything');
$clone->stop;

mkdir "$base/a=b", 0700 or die;
restore("$base/by_oid", ", tablespace_mapping => ARRAY['$spc=$base/a\\=b']");
is(readlink "$base/by_oid/pg_tblspc/$spc",
	"$base/a=b", 'by OID, into an empty one with a "=" in its name');

# --- Some databases: the others have no relations, and pg_database says so.

my $only = ", only_databases => '{there}'";
restore("$base/some", "$only, jobs => 2");
my $some = tree("$base/some");
my $without = join '|', map { "$_/\\d" } @left_out;
is(join(' ', sort keys %$some), join(' ', sort grep { !m{^(?:$without)} } keys %$expected),
	'with only_databases, others have no relations');
is(join(' ', grep { $some->{$_} ne $expected->{$_} } sort keys %$some),
	"backup_manifest $databases", '... and pg_database differs');
command_ok([ 'pg_verifybackup', "$base/some" ], '... which is as the manifest says');
restore("$base/empty", "$only, delta => true");
is_deeply(tree("$base/empty"), $some, 'with delta it is the same');
$clone = start_clone("$base/some", 'some');
is($clone->safe_psql('there', 'SELECT count(*), (SELECT count(*) FROM pg_database WHERE datconnlimit = -2) FROM t'),
	'1000|2', 'it starts, and the others are invalid');
$clone->safe_psql('postgres', "DROP DATABASE $_") foreach qw(by_wal_log by_file_copy);
$clone->stop;

sub refused
{
	my ($directory, $more, $expected, $name) = @_;
	my $before = -e $directory ? tree($directory) : undef;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fails_like($store,
		"SELECT bb_restore('$directory'$more)", $expected, $name);
	is_deeply(-e $directory ? tree($directory) : undef,
		$before, '... and changes nothing');
	return;
}

my $map = sub { return ", tablespace_mapping => ARRAY['$_[0]']" };
my $no = "$base/no";
refused($no, $map->('/no=/where'),
	qr/42704: there is no tablespace "\/no" to be mapped\nDETAIL:  There are: $spc \("\Q$location\E"\)/,
	'a mapping of a missing tablespace is refused');
refused($no, $map->('1=/where'), qr/42704: there is no tablespace "1"/,
	'... nor one by its OID');
refused($no, $map->('/a'), qr/22023: invalid tablespace mapping format "\/a", must be "OLDDIR=NEWDIR"/, 'OLDDIR=NEWDIR');
refused($no, $map->('/a=/b=/c'), qr/22023: multiple "=" signs in tablespace mapping/, 'one "="');
refused($no, $map->('a=/b'), qr/22023: old directory is not an absolute path/, 'an absolute OLDDIR');
refused($no, $map->('/a=b'), qr/22023: new directory is not an absolute path/, 'an absolute NEWDIR');
refused($no, ", tablespace_mapping => '{NULL}'", qr/22004: /, 'no NULL');
refused($no, ", tablespace_mapping => '{$location=$base/x,$spc=$base/y}'",
	qr/22023: tablespace mapping .* contradicts another/, 'each once');
refused($no, $map->("$location=$base/tar"),
	qr/55000: directory "\Q$base\E\/tar" exists but is not empty/,
	'a NEWDIR that isn\'t empty is refused');
refused($no, $map->("$location=$no/x"),
	qr/55000: cannot write a backup to .*\nDETAIL:  It is in the data directory to be restored/,
	'as is one in the data directory');

# --- Directories that are refused.

refused("$base/tar", '', qr/55000: directory "\Q$base\E\/tar" exists but is not empty/, 'a directory that isn\'t empty is refused');
refused($store->data_dir, '', qr/55000: cannot write a backup to .*\n.*data directory of this server/, 'the own data directory');
refused($store->data_dir . '/base/new', '', qr/55000: cannot write a backup to .*\n.*data directory of this server/, 'one in there');
refused(store_directory($store) . '/new', '', qr/55000: cannot write a backup to .*\n.*the page store/, 'one in the store');
symlink store_directory($store), "$base/link" or die;
refused("$base/link/new", '', qr/55000: cannot write a backup to .*\n.*the page store/, 'by a symbolic link too');
symlink "$base/nowhere", "$base/dangling" or die;
refused("$base/dangling", '', qr/could not open directory "\Q$base\E\/dangling"/, 'a link to nowhere');
ok(!-e "$base/nowhere", 'is not followed');
refused('relative', '', qr/22023: path must be absolute/, 'a relative path');
fails_like($store, "SELECT bb_restore('/')", qr/22023: /, 'the root');
refused("$base/no/parent", '', qr/58P01: could not open directory "\Q$base\E\/no"/, 'one without a parent');
refused($tar, '', qr/could not open directory/, 'a file');
refused("$base/" . 'x' x 2000, '', qr/22023: directory name too long/, 'a long one');
refused('NULL', '', qr/22023: /, 'a word');
fails_like($store, 'SELECT bb_restore(NULL)', qr/22004: argument "directory"/, 'NULL');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->start;
fails_like($store, "SELECT bb_restore('@{[ $other->data_dir ]}')",
	qr/55000: directory .* exists but is not empty\nDETAIL:  A server is running in it/,
	'a directory with a running server');
query_is($other, 'SELECT 1', 1, 'the server keeps running');
$other->stop;

# --- Permissions.

$store->safe_psql('postgres', q(
CREATE ROLE bob;
GRANT USAGE ON FOREIGN SERVER bbackup TO bob;
DO $$ BEGIN EXECUTE (SELECT string_agg(format('GRANT EXECUTE ON FUNCTION %s TO bob', oid::regprocedure), ';')
	FROM pg_proc WHERE proname IN ('bb_restore', 'bb_basebackup_to_file')); END $$));
fails_like($store, "SET ROLE bob; SELECT bb_restore('$no')",
	qr/42501: .*\n.*pg_write_server_files/, 'it requires pg_write_server_files');
ok(!-e $no, '... and creates nothing');
$store->safe_psql('postgres', 'GRANT pg_write_server_files TO bob');
$store->safe_psql('postgres',
	"SET ROLE bob; SELECT bb_restore('$base/bobs', full_backup => false)");
ok(-e "$base/bobs/global/pg_control", '... and nothing else');

# --- A failure leaves nothing.

my $session = start_session($store);
ask($session, 'SELECT count(*) FROM bb_files()');
my @descriptors = sort(backend_descriptors($session->{backend}));

sub leaves_nothing
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!-e "$base/fail", "$name: the directory is gone");
	ok(!-e "$base/fail.ts", '... so is that of the tablespace');
	is_deeply([ sort(backend_descriptors($session->{backend})) ],
		\@descriptors, '... and no descriptor is left');
	return;
}

my $call = "SELECT bb_restore('$base/fail', tablespace_mapping => '{$spc=$base/fail.ts}'";
my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
query_like($session, "$call)", qr/XX001: /, 'a broken layer is an error');
leaves_nothing('a broken layer');

mkdir "$base/fail", 0700 or die;
mkdir "$base/fail.ts", 0700 or die;
query_like($session, "$call)", qr/XX001: /, 'and into empty directories');
is(names("$base/fail"), '', '... those stay, and are empty');
is(names("$base/fail.ts"), '', '... both');
rmdir "$base/fail" or die;
rmdir "$base/fail.ts" or die;
query_like($session,
	"DO \$\$ BEGIN PERFORM (SELECT s FROM ($call) AS s) s); EXCEPTION WHEN data_corrupted THEN RAISE NOTICE 'caught'; END \$\$",
	qr/caught/, 'a caught error');
leaves_nothing('caught');
patch_file($layer, int((-s $layer) * 0.6), $old);

query_like($session, "SET statement_timeout = '500ms'; $call, max_rate => 64)",
	qr/57014: canceling statement due to statement timeout/,
	'a timeout is an error');
leaves_nothing('a timeout');
ask($session, 'RESET statement_timeout');

# wait until there are files
sub wait_for_files
{
	foreach (1 .. 1000)
	{
		return if -e "$base/fail/base";
		select undef, undef, undef, 0.01;
	}
	die 'no file appeared';
}

send_query($session, "$call, max_rate => 64)");
wait_for_files();
append_to_file("$base/fail/mine", 'not yours');
ok(!-e "$base/fail/global/pg_control", 'while it runs, no server starts there');
fails_like($store, "SELECT bb_restore('$base/fail')",
	qr/55006: another backup is being written to directory/,
	'nor does another restore');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/57014: /, 'it can be cancelled');
is(names("$base/fail"), 'mine', 'the file of somebody else stays');
unlink "$base/fail/mine" or die;
rmdir "$base/fail" or die;
leaves_nothing('cancelled');

send_query($session, "$call, max_rate => 64)");
wait_for_files();
$store->safe_psql('postgres',
	"SELECT pg_terminate_backend($session->{backend}, 10000)");
ok(!-e "$base/fail" && !-e "$base/fail.ts", 'a terminated backend leaves nothing');
end_session($session);

# --- After kill -9, no server can start in what is left.

$session = start_session($store);
send_query($session, "$call, max_rate => 64)");
wait_for_files();
kill 'KILL', $session->{backend};
end_session($session);
wait_for_restart($store);
ok(-e "$base/fail/base" && !-e "$base/fail/global/pg_control",
	'after kill -9 there is no control file');
command_fails([ 'pg_controldata', "$base/fail" ], 'so no server starts');
refused("$base/fail", '',
	qr/exists but is not empty\nDETAIL:  It has no file "global\/pg_control", as after a restore that was killed.\nHINT:  Remove or empty/,
	'the next restore is refused with a reason');
refused("$base/fail", ', delta => true', qr/55000: ".*" is not a data directory/, 'a delta too');

# --- A full disk: the backend may not write large files.

PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$base/fail",
	"$base/fail.ts");
$session = start_session($store);
ask($session, 'SELECT count(*) FROM bb_files()');
@descriptors = sort(backend_descriptors($session->{backend}));
system_or_bail('prlimit', '--pid', $session->{backend}, '--fsize=1000000');
query_like($session, "$call)",
	qr/could not write file "\Q$base\E\/fail\/.*": File too large\nHINT:/,
	'a file that can\'t be written is an error');
leaves_nothing('a full disk');
end_session($session);
$store->stop;

done_testing();

# Data directories with unusual files: which are refused, which are omitted with
# a message, and which are stored.

use strict;
use warnings;
use BBackup;

my $source = new_source('source');
my $inside = $source->data_dir . '/tablespace';
mkdir $inside, 0700;
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS i');
$source->psql('postgres', "CREATE TABLESPACE inside LOCATION '$inside'");
$source->safe_psql('postgres', 'CREATE TABLE u TABLESPACE inside AS SELECT 2');
my $base_oid = $source->safe_psql('postgres',
	q(SELECT oid FROM pg_database WHERE datname = 'postgres'));
# rows, free space and all-visible pages, for the maps
$source->safe_psql('postgres', 'CREATE TABLE mapped AS SELECT generate_series(1, 5000) AS i');
$source->safe_psql('postgres', 'DELETE FROM mapped WHERE i < 1000; VACUUM mapped');
my $mapped =
  $source->safe_psql('postgres', "SELECT pg_relation_filepath('mapped')");
$source->stop;
my $good = $source->data_dir;
my $store = new_store('store');

# a copy of the cluster, to be changed
my $number = 0;

sub another
{
	return copy_directory($good,
		PostgreSQL::Test::Utils::tempdir . '/another' . $number++);
}

# import - imports a directory; returns the row, and the messages.
sub import_says
{
	my ($directory, $timeline) = @_;
	my ($stdout, $stderr);

	$store->psql(
		'postgres',
		"SELECT lsn FROM bb_import_directory('$directory',"
		  . " timeline => '$timeline')",
		stdout => \$stdout,
		stderr => \$stderr);
	return ($stdout, $stderr);
}

sub refuses
{
	my ($directory, $expected, $name) = @_;

	fails_like($store,
		"SELECT bb_import_directory('$directory', timeline => 'refused')",
		$expected, $name);
	query_is($store,
		"SELECT count(*) FROM bb_timelines() WHERE timeline = 'refused'", 0,
		'... and nothing is left of it');
	return;
}

# --- Damage that a server would find only when it starts on the backup.

my $directory = another();
patch_file("$directory/base/$base_oid/pg_filenode.map", 100, 'x');
refuses($directory, qr/XX001: .*pg_filenode\.map" is corrupted/,
	'a broken relation map');

$directory = another();
truncate "$directory/base/$base_oid/pg_filenode.map", 20;
refuses($directory, qr/XX001: .*pg_filenode\.map" is corrupted/,
	'a short relation map');

$directory = another();
my ($segment) = sort { $b cmp $a } grep { /[0-9A-F]{24}$/ }
  glob "$directory/pg_wal/*";
truncate "$directory/pg_wal/" . ($segment =~ s{.*/}{}r), 100;
my ($stdout, $stderr) = import_says($directory, 'short');
like($stderr || 'the checkpoint is in another segment',
	qr/: The file has 100 bytes|the checkpoint is in another segment/,
	'a short WAL segment');
$store->psql('postgres', "SELECT bb_drop_timeline('short')");

$directory = another();
my ($link) = glob "$directory/pg_tblspc/*";
unlink $link;
symlink '/nowhere/at/all', $link;
refuses($directory, qr/could not find tablespace \d+.*HINT/s,
	'a tablespace that is gone');

# --- Files that are omitted with a message.

$directory = another();
append_to_file("$directory/base/note.txt", 'x');
append_to_file("$directory/base/$base_oid/16384.bak", 'x');
append_to_file("$directory/pg_xact/00000", 'x');
append_to_file("$directory/bad\377name", 'x');
append_to_file("$directory/backup_label.saved", 'kept');
append_to_file("$directory/elsewhere.conf", "# in a link\n");
symlink "$directory/elsewhere.conf", "$directory/link.conf";
($stdout, $stderr) = import_says($directory, 'odd');
like($stdout, qr{^[0-9A-F]+/[0-9A-F]+$}, 'oddities are no reason to refuse');
foreach my $left ('base/note.txt', "base/$base_oid/16384.bak",
	'pg_xact/00000')
{
	like($stderr, qr/WARNING:  file ".*\Q$left\E" is omitted/, "$left: said");
}
like($stderr, qr/NOTICE:  file "link.conf" is a symbolic link to ".*"/,
	'where a link leads to: said');
query_is($store, q(SELECT string_agg(path, ' ' ORDER BY path)
		  FROM bb_files(timeline => 'odd')
		  WHERE path ~ 'saved|elsewhere|link|note|bad|bak'),
	'backup_label.saved bad\\xFFname elsewhere.conf link.conf',
	'what is kept');

# --- Files that a crash leaves of relations that were being dropped.

# orphans - returns those of the paths that a timeline has
sub orphans
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		"SELECT string_agg(path || ' ' || size, ', ' ORDER BY path)"
		  . " FROM bb_files(timeline => '$timeline') WHERE path ~ '/7777'");
}

my $database = "base/$base_oid";
$directory = another();
copy_directory("$directory/$mapped", "$directory/$database/77771");
copy_directory("$directory/$mapped", "$directory/$database/77772.1");
append_to_file("$directory/$database/77773", '');
copy_directory("$directory/$mapped", "$directory/$database/77773.1");
copy_directory("$directory/$mapped", "$directory/$database/77773.2");
append_to_file("$directory/$database/77774.1", '');
($stdout, $stderr) = import_says($directory, 'orphans');
like($stdout, qr{^[0-9A-F]+/[0-9A-F]+$}, 'orphaned segments are no reason to refuse');
is( join(' ', sort $stderr =~ m{WARNING:  file "\Q$directory/$database\E/(\S+)" is omitted}g),
	'77772.1 77773.1 77773.2',
	'those that the server would not read: said');
is( orphans('orphans'),
	"$database/77771 " . (-s "$directory/$mapped") . ", $database/77773 0",
	'and what it would read is kept');

# but a relation with a gap after its first blocks has lost data
append_to_file("$directory/$mapped.1", 'x' x 8192);
refuses($directory,
	qr/XX001: segment 1 of fork "main" .*\n.*The segment before it is not full\.\n.*HINT/,
	'a segment behind one that has blocks');

# --- Broken pages of maps, which the server reads as zeros.

foreach my $fork ('fsm', 'vm')
{
	my $page;

	$directory = another();
	ok(-s "$directory/${mapped}_$fork" > 0, "there is a file of fork $fork");
	patch_file("$directory/${mapped}_$fork", 100, 'broken');
	# break the header, since clusters without checksums have no other check
	patch_file("$directory/${mapped}_$fork", 12, "\xff" x 6);
	($stdout, $stderr) = import_says($directory, "broken_$fork");
	like($stdout, qr{^[0-9A-F]+/[0-9A-F]+$},
		"a broken page of fork $fork is no reason to refuse");
	like($stderr,
		qr/WARNING:  block 0 of file "\Q$directory\/${mapped}_$fork\E" is corrupted and becomes zeros/,
		'... and said');
	$page = $store->safe_psql('postgres',
		"SELECT encode(bb_read_file('${mapped}_$fork', timeline => 'broken_$fork'), 'hex')");
	like($page, qr/^0{16384}/, '... and is zeros');
}

# the server can read a page that is newer than the WAL, so it would use it
$directory = another();
my ($no_checksums) = map { /checksum version:\s+0$/m } `pg_controldata -D '$directory'`;
SKIP:
{
	skip 'checksums', 2 unless $no_checksums;
	patch_file("$directory/${mapped}_vm", 0, pack('L', 0x7000));
	refuses($directory, qr/XX001: block 0 of file ".*_vm" is corrupted\n/,
		'a page of a map from the future');
}

# --- A tablespace in the data directory is stored once, as a tablespace.

import_says($good, 'plain');
query_is($store,
	q(SELECT string_agg(kind, ' ') FROM bb_files(timeline => 'plain')
		  WHERE path ~ '^tablespace|^pg_tblspc/.*/[0-9]+$'),
	'directory relation', 'a tablespace in the data directory');

$directory = another();
unlink "$directory/base/$base_oid/PG_VERSION";
($stdout, $stderr) = import_says($directory, 'versionless');
like($stderr, qr/WARNING:  database $base_oid has no PG_VERSION/,
	'a database without PG_VERSION: said');

# --- A store inside the data directory that it stores.

$directory = another();
$store->safe_psql('postgres',
	'CREATE SERVER within FOREIGN DATA WRAPPER bbackup'
	  . " OPTIONS (url 'file://$directory/store')");
foreach my $timeline ('one', 'two')
{
	$store->safe_psql('postgres',
		"SELECT bb_import_directory('$directory', 'within', '$timeline')");
}
query_is($store,
	q(SELECT count(*) FROM bb_files(store => 'within', timeline => 'two')
		  WHERE path ~ '^store'), 0, 'a store does not store itself');

# --- An import that lost its lock removes nothing of the process that has it.

my $slow = another();
for my $i (1 .. 3)
{
	open my $hole, '>', "$slow/base/$base_oid/9999$i" or die $!;
	truncate $hole, 900 * 1024 * 1024;
	close $hole;
}
my $first = start_session($store);
send_query($first,
	"SELECT lsn FROM bb_import_directory('$slow', timeline => 'race')");
wait_for_import($store, $first, 'bytes_done > 0');
unlink store_directory($store) . '/timelines/race/.writer.lock';
($stdout, $stderr) = import_says($good, 'race');
like($stdout, qr{^[0-9A-F]+/}, 'the second import of a name succeeds');
like(answer($first), qr/ERROR:/, 'the first, which lost its lock, fails');
my ($rows) = $store->safe_psql('postgres',
	"SELECT count(*) > 0 FROM (SELECT bb_basebackup_stream(timeline => 'race')) b"
);
is($rows, 't', "and the second's timeline is whole");
end_session($first);

done_testing();

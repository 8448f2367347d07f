# Data directories with things in them that nobody put there with a backup in
# mind: what is refused, what is left out and said, what is stored.

use strict;
use warnings;
use BBackup;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_source('source');
my $inside = $source->data_dir . '/tablespace';
mkdir $inside, 0700;
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS i');
$source->psql('postgres', "CREATE TABLESPACE inside LOCATION '$inside'");
$source->safe_psql('postgres', 'CREATE TABLE u TABLESPACE inside AS SELECT 2');
my $base_oid = $source->safe_psql('postgres',
	q(SELECT oid FROM pg_database WHERE datname = 'postgres'));
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

# import - its row, and what it says besides.
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
	is( $store->safe_psql('postgres',
			"SELECT count(*) FROM bb_timelines() WHERE timeline = 'refused'"),
		0, '... and nothing is left of it');
	return;
}

# --- What a server would only find when it is started on the backup.

my $directory = another();
patch_file("$directory/base/$base_oid/pg_filenode.map", 100, 'x');
refuses($directory, qr/XX001: .*pg_filenode\.map" is corrupted/,
	'a broken relation map');

$directory = another();
truncate "$directory/base/$base_oid/pg_filenode.map", 20;
refuses($directory, qr/XX001: .*pg_filenode\.map" is missing or of the wrong/,
	'a short relation map');

$directory = another();
my ($segment) = sort { $b cmp $a } grep { /[0-9A-F]{24}$/ }
  glob "$directory/pg_wal/*";
truncate "$directory/pg_wal/" . ($segment =~ s{.*/}{}r), 100;
my ($stdout, $stderr) = import_says($directory, 'short');
like($stderr || 'the checkpoint is in another segment',
	qr/is too short|the checkpoint is in another segment/,
	'a short WAL segment');
$store->psql('postgres', "SELECT bb_drop_timeline('short')");

$directory = another();
my ($link) = glob "$directory/pg_tblspc/*";
unlink $link;
symlink '/nowhere/at/all', $link;
refuses($directory, qr/could not find tablespace \d+.*HINT/s,
	'a tablespace that is gone');

# --- What is left out, and said.

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
	'pg_xact/00000', '?')
{
	like($stderr, qr/WARNING:  file ".*\Q$left\E" is left out/, "$left: said");
}
like($stderr, qr/NOTICE:  file "link.conf" is a symbolic link to ".*"/,
	'where a link leads to: said');
is( $store->safe_psql(
		'postgres',
		q(SELECT string_agg(path, ' ' ORDER BY path)
		  FROM bb_files(timeline => 'odd')
		  WHERE path ~ 'saved|elsewhere|link|note|bad|bak')),
	'backup_label.saved elsewhere.conf link.conf',
	'what is kept');

# --- A tablespace in the data directory is stored as a tablespace, and once.

import_says($good, 'plain');
is( $store->safe_psql(
		'postgres',
		q(SELECT string_agg(kind, ' ') FROM bb_files(timeline => 'plain')
		  WHERE path ~ '^tablespace|^pg_tblspc/.*/[0-9]+$')),
	'directory relation', 'a tablespace in the data directory');

$directory = another();
unlink "$directory/base/$base_oid/PG_VERSION";
($stdout, $stderr) = import_says($directory, 'versionless');
like($stderr, qr/WARNING:  database $base_oid has no PG_VERSION/,
	'a database without PG_VERSION: said');

# --- A store inside of what it stores.

$directory = another();
$store->safe_psql('postgres',
	'CREATE SERVER within FOREIGN DATA WRAPPER bbackup'
	  . " OPTIONS (url 'file://$directory/store')");
foreach my $timeline ('one', 'two')
{
	$store->safe_psql('postgres',
		"SELECT bb_import_directory('$directory', 'within', '$timeline')");
}
is( $store->safe_psql(
		'postgres',
		q(SELECT count(*) FROM bb_files(store => 'within', timeline => 'two')
		  WHERE path ~ '^store')),
	0, 'a store does not store itself');

# --- An import that lost its lock takes nothing away from who has it.

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
$store->poll_query_until('postgres',
	'SELECT count(*) = 1 FROM bb_stat_progress_import WHERE bytes_done > 0')
  or die 'no import is running';
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

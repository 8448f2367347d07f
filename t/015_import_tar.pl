# Base backups in the tar format (pg_basebackup -Ft), as they are: each form of
# the same backup makes the same timeline.

use strict;
use warnings;
use BBackup;
use File::Basename;
use File::Copy qw(copy);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 4\nautovacuum = off\n", '--data-checksums');
my $location = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
# a file that goes to layers at once, and one in a tablespace
$source->safe_psql('postgres',
	"CREATE TABLE t AS SELECT i, repeat('x', 200) s FROM generate_series(1, 75000) i;"
	  . ' CREATE TABLE moved TABLESPACE elsewhere AS SELECT generate_series(1, 1000) i'
);

sub base_backup
{
	my (@options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir . '/base';

	PostgreSQL::Test::Utils::system_or_bail('pg_basebackup', '-Ft', '-D',
		$directory, '-d', $source->connstr('postgres'), '--no-sync', '-c',
		'fast', @options);
	return $directory;
}
my $tars = base_backup('-X', 'stream');
my $bare = base_backup('-X', 'none');
my @sent = PostgreSQL::Test::Utils::check_pg_config('#define USE_ZSTD 1')
  ? base_backup('-X', 'fetch', '--compress=server-zstd')
  : ();
$source->safe_psql('postgres', 'INSERT INTO moved VALUES (0); SELECT pg_switch_wal()');
my $dump = dump_all($source);
$source->stop;
my @names = map { basename $_ } glob "$tars/*.tar";
is(scalar @names, 3, 'the backup has three tars');

# The same backup as a directory.
sub extracted
{
	my $base = PostgreSQL::Test::Utils::tempdir . '/plain';

	mkdir $base, 0700 or die $!;
	run_log([ 'tar', '-x', '-p', '-f', "$tars/base.tar", '-C', $base ]) or die;
	run_log([ 'tar', '-x', '-f', "$tars/pg_wal.tar", '-C', "$base/pg_wal" ])
	  or die;
	my ($oid) = slurp_file("$base/tablespace_map") =~ /^(\d+) /;
	my $target = PostgreSQL::Test::Utils::tempdir;
	run_log([ 'tar', '-x', '-p', '-f', "$tars/$oid.tar", '-C', $target ]) or die;
	symlink $target, "$base/pg_tblspc/$oid" or die $!;
	unlink "$base/tablespace_map" or die $!;
	return $base;
}

my $store = new_store('store');
my $n = 0;
sub import_as
{
	my ($directory, $arguments) = @_;
	my $name = 'form' . ++$n;

	$store->safe_psql('postgres',
		"SELECT bb_import_directory('$directory', timeline => '$name'"
		  . ($arguments // '')
		  . ')');
	return $name;
}

# What its backup has.
sub content
{
	my ($timeline) = @_;

	return `md5sum < '@{[ fetch_backup($store, "timeline => '$timeline'") ]}'`;
}
my $right = content(import_as(extracted()));

is(content(import_as($tars)), $right, 'tars');
is(content(import_as("$tars/base.tar")), $right, 'named by the main one');

# (All methods, for WAL: 116_packed_archives.pl.)
my %programs = (gz => 'gzip -1', zst => 'zstd -q');
foreach my $suffix (sort keys %programs)
{
	my $packed = PostgreSQL::Test::Utils::tempdir;

	system("$programs{$suffix} < '$tars/$_' > '$packed/$_.$suffix'") == 0 or die
	  foreach @names;
	is(content(import_as($packed)), $right, "tars as .$suffix");
}

# The WAL of an archive, or of a command.
my $other = content(import_as($bare, ", wal_directory => '$archive'"));
is(content(import_as($bare, ", restore_command => 'cp $archive/%f %p'")),
	$other, 'a backup without WAL: an archive or a command');
foreach my $backup (@sent, $tars)
{
	my $name = import_as($backup);

	$store->safe_psql('postgres',
		"SELECT bb_ingest('$archive', timeline => '$name')");
	my $clone = new_clone("clone$n",
		fetch_backup($store, "timeline => '$name'"));
	$clone->append_conf('postgresql.conf', "archive_mode = off\n");
	$clone->start;
	is(dump_all($clone), $dump, "$name goes on");
	$clone->stop;
}

# ---- what is wrong with them ----

sub fails_with
{
	my ($name, $change, $expected) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;

	copy("$tars/$_", "$directory/$_") or die $! foreach @names;
	$change->($directory);
	fails_like($store,
		"SELECT bb_import_directory('$directory', timeline => 'bad')",
		$expected, $name);
	return;
}
my ($space) = grep { /^\d/ } @names;
fails_with('a tablespace is missing', sub { unlink "$_[0]/$space" },
	qr/58P01: archive "$space" of a tablespace is missing/);
fails_with('no WAL', sub { unlink "$_[0]/pg_wal.tar" },
	qr/58P01: WAL segment ".*" is missing from backup/);
fails_with('a truncated tar',
	sub { truncate "$_[0]/base.tar", (-s "$_[0]/base.tar") - 4096 },
	qr/08P01: invalid tar archive.*It ends early.*CONTEXT: .*base\.tar"/s);
fails_with(
	'a truncated .gz',
	sub {
		system 'gzip', '-1', "$_[0]/base.tar";
		truncate "$_[0]/base.tar.gz", (-s "$_[0]/base.tar.gz") / 2;
	},
	qr/XX001: could not read archive.*it ends too early/s);
fails_with('both', sub { copy("$tars/base.tar", "$_[0]/base.tar.gz") },
	qr/22023: directory .* has both/);
fails_with('a broken page',
	sub { system "perl -0777 -pi -e 's/x{200}/\"x\" x 100 . \"y\" x 100/e' '$_[0]/base.tar'" },
	qr/XX001|is torn/);
query_is($store, "SELECT count(*) FROM bb_timelines() WHERE timeline = 'bad'",
	0, 'nothing is left');
is(join(' ', glob $store->data_dir . '/base/pgsql_tmp/*'),
	'', 'nor are temporary files');

done_testing();

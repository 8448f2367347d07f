# A page store that another user can write to: forged values with correct CRCs,
# and links in its directory.  (t/132_fuzz_store.pl makes random changes; this
# test makes known ones.)

use strict;
use warnings;
use BBackup;
use BBackup::StoreKind;
use BBackup::Version;
use File::Copy;

plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $base = PostgreSQL::Test::Utils::tempdir;
my $mutate = "$base/store_mutate";
system_or_bail($ENV{CC} // 'cc', '-O1', '-o', $mutate,
	glob 'test/fuzz/mutate/*.c');

# its data checksum version is 0, and is forged
my $source = new_source('source', without_checksums());
$source->append_conf('postgresql.conf',
	"wal_level = replica\nwal_keep_size = '1GB'\n");
$source->restart;
$source->stop;

# Files whose paths have the same length as the forged ones.
my @evil = (
	'global/../../victim/postgresql.auto.conf', '/tmp/bbackup_was_here',
	'../victim/postgresql.auto.conf', 'conf.d/..', 'conf.d//x/y',
	'conf.d/./x/y', 'base/1/1259_vm', 'global/pg_control.bak',
	'pg_wal/00000001000000000000000F', 'standby.signal', 'backup_label');
my %evil;
mkdir $source->data_dir . '/c' or die;
foreach my $i (0 .. $#evil)
{
	my $name = sprintf 'c/%02d', $i;
	$name .= 'x' x (length($evil[$i]) - length $name);
	append_to_file($source->data_dir . "/$name", "# written by the store\n");
	$evil{$name} = $evil[$i];
}
my $group_writable = $source->data_dir . '/c/group_writable';
append_to_file($group_writable, '');
chmod 0666, $group_writable or die;

my $store = new_store('store', "bbackup.compression = 'none'\n");
import_directory($store, $source->data_dir);
my $timeline = store_directory($store) . '/timelines/main';
system_or_bail('cp', '-a', $timeline, "$base/good");

sub forge
{
	my (@what) = @_;

	system_or_bail('rm', '-rf', $timeline);
	system_or_bail('cp', '-a', "$base/good", $timeline);
	system_or_bail($mutate, @what, $timeline) if @what;
}

sub restore
{
	my ($directory, $more) = @_;

	return "SELECT files FROM bb_restore(directory => '$directory'"
	  . ($more // '') . ')';
}

# --- Paths.

$store->safe_psql('postgres', restore("$base/clone"));
is((stat "$base/clone/c/group_writable")[2] & 07777,
	0644, 'what others could write to in the source, they cannot in a clone');
mkdir "$base/victim" or die;
append_to_file("$base/victim/postgresql.auto.conf", '# mine');
foreach my $name (sort keys %evil)
{
	forge('file', $name, $evil{$name}, '600');
	foreach my $query (
		restore("$base/clone", ', delta => true'),
		restore("$base/new"),
		"SELECT bb_basebackup_to_file(path => '$base/x.tar')",
		'SELECT count(*) FROM bb_files()',
		"SELECT count(*) FROM bb_basebackup_stream(full_backup => false)")
	{
		fails_like($store, $query, qr/XX001: .*timeline "main" has an invalid entry for file/,
			"$evil{$name}: " . substr $query, 0, 50);
	}
	ok(!-e "$base/new" && !-e "$base/x.tar", 'and nothing is made');
}
is(slurp_file("$base/victim/postgresql.auto.conf"),
	'# mine', 'nothing was written outside');
ok(!-e '/tmp/bbackup_was_here', 'nor to an absolute path');

# --- Permissions, and other facts.

my ($name) = sort keys %evil;
foreach my $mode (qw(4755 2755 1755 666 622))
{
	forge('file', $name, $name, $mode);
	fails_like($store, restore("$base/new"), qr/XX001: .*invalid entry for file/,
		"a file with permissions $mode");
}
foreach my $case (
	[ 'directory mode', 0777 ], [ 'directory mode', 04700 ],
	[ 'WAL segment size', 0 ], [ 'WAL segment size', 12345 ],
	[ 'data checksum version', 7 ], [ 'tli', 0 ], [ 'end time', -1 ],
	[ 'start LSN', 0 ], [ 'end LSN', 1 ], [ 'pg_version_num', 0 ],
	[ 'generation', 0 ])
{
	my ($fact, $value) = @$case;

	forge('fact', $fact, $value);
	foreach my $query (
		restore("$base/new"),
		"SELECT end_lsn FROM bb_ingest('" . $source->data_dir . "/pg_wal')",
		"SELECT bb_create_branch('branch', 'main', '0/1')")
	{
		fails_like($store, $query,
			qr{XX001: manifest "timelines/main/manifest" .* is corrupted},
			"$fact $value: " . substr $query, 0, 40);
	}
}
# a newer version isn't damage
forge('fact', 'version', 99);
foreach my $query (
	restore("$base/new"),
	"SELECT end_lsn FROM bb_ingest('" . $source->data_dir . "/pg_wal')",
	"SELECT bb_set_retention('1 day')",
	"SELECT bb_create_branch('branch', 'main', '0/1')",
	"SELECT bb_drop_timeline('main')")
{
	fails_like($store, $query,
		qr{0A000: manifest "timelines/main/manifest" .* was written by a newer version of bbackup},
		'a newer version: ' . substr $query, 0, 40);
}
ok(-s "$timeline/manifest", 'and is not dropped');

# facts that have to agree with others
foreach my $fact ('system identifier', 'data checksum version')
{
	forge('fact', $fact, 1);
	fails_like($store, restore("$base/new"),
		qr/XX001: control file of timeline "main" at .* contradicts the manifest/, $fact);
}

# --- Links in the store's directory.

forge();
mkdir "$base/outside" or die;
mkdir "$base/outside/base" or die;
append_to_file("$base/outside/base/1259", 'data');
append_to_file("$base/outside/.x.tmp", 'data');
(my $layer = (glob "$base/good/layers/*")[0]) =~ s{.*/}{};
append_to_file("$base/outside/$layer", 'data');
symlink "$base/outside", "$timeline/layers/x" or die;
symlink "$base/outside", "$timeline/x" or die;
append_to_file("$timeline/layers/NOTES", 'data');
$source->start;
$source->safe_psql('postgres', 'CREATE TABLE t(a int)');
$source->stop;
my ($stdout, $stderr);
$store->psql('postgres',
	"SELECT end_lsn FROM bb_ingest('" . $source->data_dir . "/pg_wal')",
	stdout => \$stdout, stderr => \$stderr);
like($stdout, qr/^0\//, 'ingest goes on beside links and files of others');
like($stderr, qr/WARNING: .*1 object among the layers.*not from bbackup/, 'says so');
is_deeply([ files_below("$base/outside") ],
	[ sort '.x.tmp', $layer, 'base/', 'base/1259' ], 'and removes none');
ok(-e "$timeline/layers/NOTES", 'not even in its own directory');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main')");
is_deeply([ files_below("$base/outside") ],
	[ sort '.x.tmp', $layer, 'base/', 'base/1259' ], 'nor does a drop');

# a timeline that is a link, or whose parts are links
system_or_bail('rm', '-rf', $timeline);
symlink "$base/good", $timeline or die;
fails_like($store, restore("$base/new"), qr/XX001: .*symbolic link/, 'a timeline that is a link');
$store->psql('postgres', 'SELECT * FROM bb_timelines()', stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/symbolic link/, 'is said in the list');
unlink $timeline or die;
forge();
rename "$timeline/layers", "$base/layers" or die;
symlink "$base/layers", "$timeline/layers" or die;
my $before = join ' ', files_below("$base/layers");
fails_like($store, "SELECT end_lsn FROM bb_ingest('" . $source->data_dir . "/pg_wal')",
	qr/XX001: .*symbolic link/, 'layers in a directory that is a link');
is(join(' ', files_below("$base/layers")), $before, 'nothing was made or removed there');
done_testing();

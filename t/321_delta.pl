# bb_restore(…, delta => true) writes what differs in an existing clone.

use strict;
use warnings;
use BBackup;
use BBackup::Tree;
use File::Path qw(rmtree);
use POSIX 'mkfifo';

my $source = new_source('source');
# all of its WAL is ingested from pg_wal
$source->append_conf('postgresql.conf',
	"wal_level = replica\nwal_keep_size = '1GB'\n");
$source->restart;
my $location = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
$source->safe_psql('postgres', q(
CREATE TABLE big AS
	SELECT i, repeat('x', 100) AS t FROM generate_series(1, 100000) i;
CREATE TABLE there TABLESPACE elsewhere AS
	SELECT generate_series(1, 1000) AS i;
-- with checksums, the default from 18 on, reading pages writes to WAL, too
VACUUM big));
my $spc = $source->safe_psql('postgres',
	"SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
$source->stop;
# as in production, since fsync is one of the things that fail
my $store = new_store('store', "fsync = on\nrestart_after_crash = on\n");
my $first = import_directory($store, $source->data_dir)->{lsn};
$source->start;
$source->safe_psql('postgres', q(
UPDATE big SET t = 'changed' WHERE i = 77;
CREATE TABLE new AS SELECT 1 AS a;
INSERT INTO there VALUES (0)));
my $middle =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->safe_psql('postgres', q(
DROP TABLE new;
CREATE TABLE newer AS SELECT 2 AS b;
UPDATE big SET t = 'again' WHERE i = 99000));
my $last =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');

my $base = PostgreSQL::Test::Utils::tempdir_short;
my $clone = "$base/clone";

sub restore
{
	my ($lsn, $directory, $more) = @_;

	return split /\|/,
	  $store->safe_psql('postgres',
		"SELECT bytes, bytes_written, files_removed"
		  . " FROM bb_restore('$directory', '$lsn'"
		  . ($more // '') . ')');
}

# The tree of a new data directory at an LSN.
my %right;
foreach my $lsn ($first, $middle, $last)
{
	restore($lsn, "$base/right");
	$right{$lsn} = tree("$base/right");
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$base/right");
}

# A delta makes a clone the same; returns what it wrote and removed.
sub delta_ok
{
	my ($lsn, $name, $more) = @_;
	my ($bytes, @did) = restore($lsn, $clone, ', delta => true' . ($more // ''));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply(tree($clone), $right{$lsn}, $name);
	cmp_ok($did[0], '<', $bytes / 2, '... and writes only some of it');
	return @did;
}

# --- What differs is written.

restore($first, $clone);
my $control = 8192;
is_deeply([ delta_ok($first, 'a delta to the same LSN') ],
	[ $control, 0 ], 'writes only the control file');
delta_ok($last, 'to a newer LSN');
my ($wrote, $removed) = delta_ok($middle, 'to an older LSN');
cmp_ok($removed, '>', 0, '... and removes files');

sub started
{
	my ($query) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $result;

	system_or_bail('pg_ctl', '-s', '-w', '-D', $clone, '-l', "$base/log",
		'-o', "-k $base -p $port -c listen_addresses=", 'start');
	$result = $query->("host='$base' port=$port dbname=postgres");
	system_or_bail('pg_ctl', '-s', '-w', '-m', 'fast', '-D', $clone, 'stop');
	return $result;
}

sub query
{
	my ($connstr, $query) = @_;
	my ($out, $err);

	IPC::Run::run([ 'psql', '-X', '-A', '-t', '-d', $connstr, '-c', $query ],
		'>', \$out, '2>', \$err)
	  or die $err;
	return $out;
}

is(started(
		sub {
			query($_[0],
				"UPDATE big SET t = 'by the clone' WHERE i % 1000 = 0");
			query($_[0], 'CREATE TABLE its_own AS SELECT 1');
			query($_[0], 'SELECT count(*), (SELECT a FROM new), (SELECT count(*) FROM there) FROM big');
		}), "100000|1|1001\n", 'it starts');
delta_ok($middle, 'of a clone that was used');
is(started(
		sub {
			query($_[0],
				"SELECT count(*), to_regclass('its_own') IS NULL FROM big WHERE t = 'by the clone'"
			);
		}), "0|t\n", 'what the clone did is gone');

# --- Other files, links and directories.

sub write_file
{
	my ($file, $content) = @_;

	unlink $file;
	append_to_file($file, $content);
	return;
}

# A tree as one string.
sub flat
{
	my ($tree) = @_;

	return join "\n", map { "$_: $tree->{$_}" } sort keys %$tree;
}

my $outside = "$base/outside";
mkdir $outside, 0700 or die;
append_to_file("$outside/precious", 'precious');
my $big = $store->safe_psql('postgres',
	"SELECT path FROM bb_files('$middle') ORDER BY size DESC, path LIMIT 1 OFFSET 1"
);
my $there = $store->safe_psql('postgres',
	"SELECT path FROM bb_files('$middle') WHERE path LIKE 'pg_tblspc/%' AND kind = 'relation' ORDER BY size DESC LIMIT 1"
);
my %mess = (
	'an extra file' => sub { append_to_file("$clone/base/extra", 'x') },
	'an extra directory' => sub {
		mkdir "$clone/log";
		mkdir "$clone/log/deep";
		append_to_file("$clone/log/deep/file", 'x');
	},
	'a missing file' => sub { unlink "$clone/$big" or die },
	'a missing directory' =>
	  sub { rmdir "$clone/pg_logical/mappings" or die },
	'a longer file' => sub { append_to_file("$clone/$big", 'longer') },
	'a shorter file' => sub { truncate "$clone/$big", 12345 or die },
	'an empty file' => sub { truncate "$clone/PG_VERSION", 0 or die },
	'one changed byte' =>
	  sub { patch_file("$clone/$big", 300000, "\xa5\xa5\xa5") },
	'other permissions' => sub {
		chmod 0644, "$clone/$big" or die;
		chmod 0755, "$clone/base" or die;
		chmod 0400, "$clone/PG_VERSION" or die;
	},
	'a directory in place of a file' => sub {
		unlink "$clone/PG_VERSION" or die;
		mkdir "$clone/PG_VERSION" or die;
		append_to_file("$clone/PG_VERSION/file", 'x');
	},
	'a file in place of a directory' => sub {
		rmdir "$clone/pg_stat" or die;
		append_to_file("$clone/pg_stat", 'x');
	},
	'a link in place of a directory' => sub {
		PostgreSQL::Test::Utils::system_or_bail('mv', "$clone/pg_wal",
			"$outside/pg_wal");
		symlink "$outside/pg_wal", "$clone/pg_wal" or die;
	},
	'a link in place of a file' => sub {
		unlink "$clone/$there" or die;
		symlink "$outside/precious", "$clone/$there" or die;
	},
	'a link that is extra' =>
	  sub { symlink $outside, "$clone/base/link" or die },
	'a hard link' => sub {
		unlink "$clone/PG_VERSION" or die;
		link "$outside/precious", "$clone/PG_VERSION" or die;
	},
	'a FIFO' => sub {
		unlink "$clone/PG_VERSION" or die;
		mkfifo("$clone/PG_VERSION", 0600) or die;
	});
# Those of a row are in different files, and one delta mends them.
my @rows = (
	[
		'an extra file', 'an extra directory', 'a missing file',
		'a missing directory', 'an empty file',
		'a file in place of a directory', 'a link in place of a file',
		'a link that is extra'
	],
	[ 'a longer file', 'a directory in place of a file' ],
	[ 'a shorter file', 'a hard link' ],
	# a link in place of pg_wal
	[ 'one changed byte', 'a FIFO', 'a link in place of a directory' ],
	['other permissions']);
is(join(', ', sort map { @$_ } @rows), join(', ', sort keys %mess),
	'each difference is in a row');
my $same = flat($right{$middle});
delta_ok($middle, 'as before it was started');
foreach my $row (@rows)
{
	my $before = $same;

	foreach my $name (@$row)
	{
		$mess{$name}->();
		my $after = flat(tree($clone));
		isnt($after, $before, "$name is a difference");
		$before = $after;
	}
	delta_ok($middle, 'mended: ' . join(', ', @$row));
}
is(flat(tree($clone)), $same, 'nothing is left to be mended');
is(slurp_file("$outside/precious"), 'precious',
	'what links lead to stays as it was');
isnt(names("$outside/pg_wal"), '', '... directories too');

# --- Tablespaces.

my $map = ", tablespace_mapping => '{$location=$base/ts}'";
restore($last, $clone, ", delta => true$map");
is(readlink "$clone/pg_tblspc/$spc", "$base/ts", 'one in place can be mapped');
my $prefix = "pg_tblspc/$spc/";
sub its_files
{
	my ($lsn) = @_;

	return { map { substr($_, length $prefix) => $right{$lsn}{$_} }
		  grep { index($_, $prefix) == 0 } keys %{ $right{$lsn} } };
}
is_deeply(tree("$base/ts"), its_files($last), 'its files go there');
append_to_file("$base/ts/other", 'not yours');
my ($subdirectory) = glob "$base/ts/PG_*";
append_to_file("$subdirectory/extra", 'x');
(undef, $wrote, $removed) = restore($middle, $clone, ", delta => true$map");
cmp_ok($removed, '>=', 1, 'one that is mapped already');
unlink "$base/ts/other" or die 'the file of another cluster is gone';
is_deeply(tree("$base/ts"), its_files($middle), '... is mended');
rmtree("$base/ts");
restore($middle, $clone, ", delta => true$map");
is_deeply(tree("$base/ts"), its_files($middle),
	'... and created again if it is missing');
delta_ok($middle, 'a mapped one gets back in place');
is_deeply(tree("$base/ts"), its_files($middle),
	'... and the directory that it was mapped to stays');

# --- Files that were right already are made durable, too.

my $session;

# The files that a delta syncs; undef if that can't be traced.
sub synced
{
	my $trace = "$base/trace";

	$session = start_session($store);
	my $strace = eval {
		IPC::Run::start(
			[ 'strace', '-y', '-e', 'trace=fsync', '-o', $trace, '-p',
				$session->{backend} ],
			'2>', "$base/strace");
	};
	$strace->pump_nb while $strace && $strace->pumpable && !-s "$base/strace";
	my $watched = $strace && slurp_file("$base/strace") =~ / attached/;
	ask($session,
		"SELECT FROM bb_restore('$clone', '$middle', delta => true)")
	  if $watched;
	end_session($session);
	$strace->finish if $strace;
	return $watched
	  ? { map { $_ => 1 } slurp_file($trace) =~ /^fsync\(\d+<(.*)>\) += 0$/mg }
	  : undef;
}

SKIP:
{
	my $synced = synced();

	skip 'strace is not there, or not permitted', 1 unless $synced;
	# it was renamed later
	$synced->{"$clone/global/pg_control"} =
	  $synced->{"$clone/global/pg_control.new"};
	is( join(' ', grep { !$synced->{"$clone/$_"} } sort keys %{ tree($clone) }),
		'', 'a delta makes all files and directories durable');
}

# --- An interrupted one.

sub begin_slow
{
	$session = start_session($store);
	send_query($session,
		"SELECT bb_restore('$clone', '$last', delta => true, max_rate => 64)");
	foreach (1 .. 1000)
	{
		return if !-e "$clone/global/pg_control";
		select undef, undef, undef, 0.01;
	}
	die 'it did not begin';
}
my %ends = (
	cancelled => sub {
		$store->safe_psql('postgres',
			"SELECT pg_cancel_backend($session->{backend})");
		like(answer($session), qr/57014: /, 'one that is cancelled');
	},
	killed => sub {
		kill 'KILL', $session->{backend};
		answer($session);
		wait_for_restart($store);
	});
foreach my $end (sort keys %ends)
{
	begin_slow();
	$ends{$end}->();
	end_session($session);
	command_fails(
		[ 'pg_ctl', '-s', '-w', '-D', $clone, '-l', "$base/log", 'start' ],
		"$end: no server starts");
	unlink "$clone/postmaster.pid";
	fails_like($store, "SELECT bb_restore('$clone', '$last')",
		qr/exists but is not empty\nDETAIL:  It has no file "global\/pg_control"/,
		'... a full restore refuses');
	delta_ok($middle, '... it can be repeated');
}

# --- What it refuses.

sub refused
{
	my ($directory, $expected, $name) = @_;
	my $before = -e $directory ? tree($directory) : undef;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fails_like($store, "SELECT bb_restore('$directory', '$last', delta => true)",
		$expected, $name);
	is_deeply(-e $directory ? tree($directory) : undef,
		$before, '... and changes nothing');
	return;
}

is(started(
		sub {
			fails_like($store,
				"SELECT bb_restore('$clone', '$last', delta => true)",
				qr/55000: a server is running in data directory "\Q$clone\E"/,
				'a running server is refused');
			query($_[0], 'SELECT count(*) FROM big');
		}), "100000\n", '... and goes on');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
refused($other->data_dir,
	qr/55000: data directory ".*" is from a different database system\nDETAIL:  .*that of the backup/,
	'another system');
mkdir "$base/empty", 0700 or die;
refused("$base/empty", qr/55000: "\Q$base\E\/empty" is not a data directory/,
	'an empty directory');
refused("$base/no", qr/could not open directory "\Q$base\E\/no"/, 'none');
refused($outside, qr/55000: ".*" is not a data directory/, 'another directory');
fails_like($store,
	"SELECT bb_restore('@{[ $store->data_dir ]}', '$last', delta => true)",
	qr/55000: cannot write a backup to .*\n.*the data directory of this server/,
	'the own data directory');
truncate "$clone/global/pg_control", 100 or die;
refused($clone, qr/55000: ".*global\/pg_control" is not a control file/,
	'a broken control file');

# a store in the clone would be removed with other files
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $clone);
restore($first, $clone);
copy_directory(store_directory($store), "$clone/store");
$store->safe_psql('postgres',
	"CREATE SERVER inside FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$clone/store')"
);
fails_like($store,
	"SELECT bb_restore('$clone', '$last', store => 'inside', delta => true)",
	qr/55000: cannot write a backup to .*\nDETAIL:  It is around the page store/,
	'one with the store in it');
ok(-e "$clone/global/pg_control" && -e "$clone/store/timelines",
	'... and changes nothing');

# --- A broken layer.

PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', "$clone/store");
my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
fails_like($store, "SELECT bb_restore('$clone', '$first', delta => true)",
	qr/XX001: /, 'a broken layer is an error');
ok(!-e "$clone/global/pg_control", '... that leaves no directory in which a server starts');
patch_file($layer, int((-s $layer) * 0.6), $old);
delta_ok($first, '... and can be repeated');

done_testing();

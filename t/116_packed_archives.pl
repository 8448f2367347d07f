# Archives as they lie around: compressed, in the directories of backup tools,
# in several directories, or behind a restore_command.  (Those that the tools
# themselves have made: 117_archive_tools.pl.)

use strict;
use warnings;
use BBackup;
use Digest::SHA qw(sha1_hex);
use File::Copy qw(copy);
use File::Path qw(make_path);
use Time::HiRes qw(usleep);

use constant SEGMENT_SIZE => 1024 * 1024;

# The suffixes of names, and the programs that compress so.
my %programs = (
	gz => 'gzip',
	lz4 => 'lz4 -q',
	zst => 'zstd -q',
	bz2 => 'bzip2',
	xz => 'xz -0',
	lzma => 'lzma -0',
	br => 'brotli -q 1');

my $archive = PostgreSQL::Test::Utils::tempdir;
my $node =
  new_archiving_source('a', $archive, "autovacuum = off\n", '--wal-segsize=1');
$node->safe_psql('postgres', 'CREATE TABLE t (n int)');
my $base = cold_backup($node);
my $store = new_store('store');
import_directory($store, $base);

# Some segments, the last of them archived incomplete by a failover to tli 2.
$node->start;
foreach my $n (1 .. 4)
{
	$node->safe_psql('postgres',
		"INSERT INTO t SELECT $n FROM generate_series(1, 1000); SELECT pg_switch_wal()"
	);
}
$node->safe_psql('postgres', 'INSERT INTO t VALUES (5)');
$node->stop('immediate');
$node->append_conf('postgresql.conf', "restore_command = 'false'\n");
$node->set_standby_mode;
$node->start;
$node->promote;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (6); SELECT pg_switch_wal()');
$node->stop;

my @files = sort map { s{.*/}{}r }
  grep { m{/[0-9A-F]{24}(\.partial)?$|\.history$} } glob "$archive/*";
my @segments = grep { /^[0-9A-F]{24}$/ } @files;
ok((grep { /^00000002\.history$/ } @files), 'there is a history file');
ok((grep { /\.partial$/ } @files), 'and a partial segment');

my $branches = 0;
sub branch
{
	my $name = 'case' . ++$branches;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	return $name;
}

# What ingest makes of an archive, and what it says but for the change of tli.
sub outcome
{
	my ($directory, %arguments) = @_;
	my $timeline = branch();
	my ($stdout, $stderr);

	$arguments{wal_directory} = $directory if defined $directory;
	$arguments{timeline} = $timeline;
	$store->psql(
		'postgres',
		($arguments{settings} // '')
		  . 'SELECT end_lsn, tli, records, pages FROM bb_ingest('
		  . join(', ', map { "$_ => '$arguments{$_}'" }
			  grep { $_ ne 'settings' } sort keys %arguments)
		  . ')',
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$stderr =~ s/^.*NOTICE: .* goes on with WAL of timeline ID.*\nDETAIL: .*\nLOCATION: .*\n?//gm;
	return ($stdout, $stderr);
}

my ($all, $said) = outcome($archive);
is($said, '', 'the plain archive is ingested');
like($all, qr/\|2\|/, 'to tli 2');

sub same
{
	my ($name, $directory, %arguments) = @_;
	my ($result, $said) = outcome($directory, %arguments);

	is("$result$said", $all, $name);
	return;
}

# A new directory with the files of the archive, each written by $write->(FROM,
# TO), where TO has no suffix.
sub archive_by
{
	my ($write, @names) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;

	$write->("$archive/$_", "$directory/$_")
	  foreach @names ? @names : @files;
	return $directory;
}

sub pack_to
{
	my ($suffix, $from, $to) = @_;

	system("$programs{$suffix} < '$from' > '$to'") == 0 or die "$suffix: $?";
	return;
}

my $hexes = qr/[0-9A-F]{8}/;

# The directory below the first one that pgBackRest and Barman put a file in.
sub group_of
{
	my ($to) = @_;

	return $to unless $to =~ m{^(.*)/(($hexes$hexes)$hexes[^/]*)$};
	make_path("$1/$3");
	return "$1/$3/$2";
}

# ---- compression ----

foreach my $suffix (sort keys %programs)
{
  SKIP:
	{
		my ($program) = split / /, $programs{$suffix};

		skip "$program is not installed", 1
		  if system("command -v $program >/dev/null") != 0;
		same("all files as .$suffix",
			archive_by(sub { pack_to($suffix, $_[0], "$_[1].$suffix") }));
	}
}
same('one stream after the other',
	archive_by(
		sub {
			my ($from, $to) = @_;

			system("(head -c 100 '$from' | gzip; tail -c +101 '$from' | gzip) > '$to.gz'")
			  == 0 or die $?;
		}));

# The archive with the third segment made worse; what comes after it is removed
# if $last.
my ($victim, $after) = @segments[ -3, -2 ];
sub worse
{
	my ($last, $change) = @_;
	my $directory = archive_by(
		sub { copy(@_) or die $! },
		grep { !$last || ($_ lt $victim && /^[0-9A-F]{24}$/) } @files);

	unlink "$directory/$victim";
	$change->("$archive/$victim", "$directory/$victim");
	return $directory;
}

# What can't be read ends WAL; where there is more, it is an error.
sub refused
{
	my ($name, $change, $expected) = @_;
	my ($result, $said) = outcome(worse(1, $change));

	like($said, qr/NOTICE: .* ends at .*"$victim".*DETAIL: .*$expected/s,
		"$name at the end: said");
	($result, $said) = outcome(worse(0, $change));
	like($said, qr/ERROR: .*XX001.*DETAIL: .*"[^"]*$victim[^"]*" cannot be read\. $expected/s,
		"$name amid others: an error");
	return;
}
refused(
	'a truncated file',
	sub {
		pack_to('gz', $_[0], "$_[1].gz");
		truncate "$_[1].gz", (-s "$_[1].gz") / 2 or die $!;
	},
	qr/Its gzip data is broken: it ends too early\./);
refused(
	'a damaged file',
	sub {
		pack_to('lz4', $_[0], "$_[1].lz4");
		patch_file("$_[1].lz4", (-s "$_[1].lz4") / 2, "\x55" x 64);
	},
	qr/Its lz4 data is broken: /);
refused(
	'an empty file',
	sub { open my $handle, '>', "$_[1].zst" or die $!; close $handle },
	qr/Its zstd data is broken: it ends too early\./);
refused(
	'more than a segment',
	sub { system("(cat '$_[0]'; echo more) | zstd -q > '$_[1].zst'") == 0 or die $? },
	qr/It has more than 1048576 bytes\./);
refused(
	'another content than the name says',
	sub { copy($_[0], "$_[1]-" . sha1_hex('other')) or die $! },
	qr/Its content does not have the SHA-1 hash in its name\./);
refused(
	'an encrypted segment',
	sub {
		open my $handle, '>', "$_[1].lz4" or die $!;
		print $handle 'Salted__12345678 and so on';
		close $handle or die $!;
	},
	qr/It is encrypted\./);

# less than a segment that is whole otherwise
my ($result);
($result, $said) = outcome(
	worse(0,
		sub { system("head -c 16384 '$_[0]' | zstd -q > '$_[1].zst'") == 0 or die $? }
	));
like($said, qr/The file has 16384 bytes instead of 1048576/,
	'a short segment, well compressed');

# ---- other copies ----

my $bad = worse(0, sub { copy("$archive/$after", "$_[1].gz") or die $! });
copy("$archive/$victim", "$bad/$victim-" . sha1_hex(slurp_file("$archive/$victim")))
  or die $!;
same('a bad copy beside a good one', $bad);
my $half = archive_by(
	sub { pack_to('zst', $_[0], "$_[1].zst") },
	grep { $_ lt $victim } @files);
my $other = archive_by(sub { copy(@_) or die $! }, grep { $_ ge $victim } @files);
same('two directories', "$half:$other");
same('three, of which one has all, and one is empty',
	PostgreSQL::Test::Utils::tempdir . ":$other:$archive");
my $colon = PostgreSQL::Test::Utils::tempdir . '/a:b';
copy_directory($archive, $colon);
same('a directory whose name has a colon', $colon);
($result, $said) = outcome("$half:relative");
like($said, qr/22023: WAL directory "relative" is not an absolute path/,
	'each must be absolute');

# ---- layouts ----

# pgBackRest: the hash is that of the content before compression
my $repo = PostgreSQL::Test::Utils::tempdir . '/repo';
my $stanza = "$repo/archive/main/15-1";
make_path($stanza, "$repo/backup");
foreach my $name (@files)
{
	my $hash = '-' . sha1_hex(slurp_file("$archive/$name"));
	my $to = group_of("$stanza/$name");

	if ($name =~ /history$/)
	{
		copy("$archive/$name", "$stanza/$name") or die $!;
		next;
	}
	pack_to('gz', "$archive/$name", "$to$hash.gz");
}
same('as pgBackRest has it: ' . ($_ =~ s/^\Q$repo\E/REPO/r), $_)
  foreach $repo, "$repo/archive", "$repo/archive/main", $stanza;

# Barman: compressed, but named as if it weren't
my $home = PostgreSQL::Test::Utils::tempdir . '/barman';
my $wals = "$home/main/wals";
make_path($wals, "$home/main/base", "$home/main/streaming");
foreach my $name (@files)
{
	my $to = $name =~ /history$/ ? "$wals/$name" : group_of("$wals/$name");

	pack_to('bz2', "$archive/$name", $to);
}
append_to_file("$wals/xlog.db", "not read\n");
same('as Barman has it: ' . ($_ =~ s/^\Q$home\E/HOME/r), $_)
  foreach $home, "$home/main", $wals;

# WAL-G isn't in Debian: the names are those of its documentation
my $prefix = PostgreSQL::Test::Utils::tempdir . '/walg';
make_path("$prefix/wal_005", "$prefix/basebackups_005");
pack_to('lz4', "$archive/$_", "$prefix/wal_005/$_.lz4") foreach @files;
same('as WAL-G has it', $_) foreach $prefix, "$prefix/wal_005";

# Another cluster beside it, whose names are the same.
my $foreign = PostgreSQL::Test::Cluster->new('foreign');
$foreign->init(extra => ['--wal-segsize=1']);
foreach my $place ("$repo/archive/another/15-1", "$home/another/wals")
{
	foreach my $name (@segments)
	{
		my ($from) = glob $foreign->data_dir . '/pg_wal/0000*';

		copy($from, group_of("$place/$name")) or die $! if make_path($place) || 1;
	}
}
same('other clusters in a repository are passed over', $repo);
same('also in a home of Barman', $home);

# ---- restore_command ----

my $log = PostgreSQL::Test::Utils::tempdir . '/log';
my $cp = "echo %f >> $log; cp $archive/%f %p";
same('all of it fetched', undef, restore_command => $cp);
my %fetched;
$fetched{$_}++ foreach split /\n/, slurp_file($log);
is((grep { ($fetched{$_} // 0) != 1 } @segments[ 2 .. $#segments - 1 ]),
	0, 'each segment once');
same('some of it fetched', $half, restore_command => $cp);
unlink $log;
same('nothing needs to be fetched',
	$archive, restore_command => "echo %f >> $log; false");
unlike(slurp_file($log), qr/^\Q$segments[-2]\E$/m, 'nor is it');
same('placeholders', undef,
	restore_command => "test %r = $segments[-6] -o %r != 1 && echo %% | grep -qx % && cp $archive/%f %p");
same('compressed in its archive', undef,
	restore_command => "gzip -c < $archive/%f > %p");

sub temporary
{
	return join ' ', glob $store->data_dir . '/base/pgsql_tmp/*';
}

sub fails
{
	my ($name, $command, $expected, %arguments) = @_;

	my ($result, $said) = outcome(undef, restore_command => $command, %arguments);
	like($said, $expected, $name);
	is(temporary(), '', 'and nothing is left');
	return;
}
my $good = "cp $archive/%f %p || exit 1;";
fails('there is nothing', 'false',
	qr/^psql:\S* NOTICE:  00000: restore_command has fetched nothing\nDETAIL:  Command "false": .*exit code 1\.\nHINT: /);
fails('nor where %p was left out', "cp $archive/%f 2>&1",
	qr/NOTICE: .*fetched nothing\nDETAIL:  Command "cp \Q$archive\E\/0000000[0-9A-F]{17} 2>&1": .*exit code 1/);
fails('a segment that is not there ends WAL',
	"test %f != $victim || exit 1; test %f \\< $victim || exit 1; $good", qr/^$/);
fails('unless there is a later one', "test %f != $victim || exit 1; $good",
	qr/58P01: WAL segment "$victim" is missing/);
fails('exit code 126', "test %f != $victim || exit 126; $good",
	qr/38000: restore_command failed for "$victim".*not executable/s);
fails('no such command', 'no-such-command %f', qr/38000: restore_command failed/);
fails('a signal', "test %f != $victim || kill -9 \$\$; $good",
	qr/38000: restore_command failed for "$victim".*signal 9/s);
fails('success without a file', 'true', qr/WARNING: .*but wrote no file/);
fails(
	'a cancel',
	"test %f != $victim || sleep 1000; touch %p.leftover; mkdir -p %p.d/e; $good",
	qr/57014: canceling statement/,
	settings => 'SET statement_timeout = 3000; ');
is(`ps -eo args | grep -c '[s]leep 1000'`, "0\n", 'no process is left either');

# A backend that is terminated cleans up as well.
sub comes_true
{
	my ($condition) = @_;

	foreach (1 .. 1800)
	{
		return 1 if $condition->();
		usleep(100_000);
	}
	return 0;
}
my $session = start_session($store);
send_query($session,
	"SELECT bb_ingest(restore_command => 'sleep 2000', timeline => '@{[ branch() ]}')"
);
ok(comes_true(sub { `ps -eo args` =~ /^sleep 2000/m }), 'a command runs');
$store->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%sleep 2000%' AND pid <> pg_backend_pid()"
);
ok(comes_true(sub { `ps -eo args` !~ /^sleep 2000/m && temporary() eq '' }),
	'nothing is left of a backend that was terminated');

$store->safe_psql('postgres',
	'CREATE ROLE u; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO u; GRANT USAGE ON FOREIGN SERVER bbackup TO u; GRANT pg_read_server_files TO u'
);
fails(
	'the privilege',
	'true',
	qr/42501: .*pg_execute_server_program/s,
	settings => 'SET ROLE u; ');
($result, $said) = outcome(undef);
like($said, qr/22004: .*wal_directory/, 'one of the two is needed');

done_testing();

# The client program: the files that it leaves when it fails.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use File::Basename;
use POSIX ();
use Time::HiRes qw(usleep);

my $program = 'bb_basebackup';

my $source = new_source('source');
fill_source($source);
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
connect_to($store);
my $right = fetch_backup($store);
my $raw = new_name('raw.tar');

# --- Full disks, and pipes without a reader.

my $directory = new_name('limited');
my $tar = new_name('limited.tar');
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

# --- Programs that are running.

# Starts a slow program, and waits until it has written data.  A program that
# inherits ignored signals, from nohup or in the background of a shell, goes on
# ignoring them, like pg_basebackup.  So it starts with the default handling of
# signals, except for those in @ignored.
my @ignored;

sub start_slowly
{
	my ($file, @options) = @_;
	my $errors = new_name('errors');
	my $pid = fork;

	if ($pid == 0)
	{
		open STDERR, '>', $errors;
		# all sessions of the test have the same name by default
		$ENV{PGAPPNAME} = $program;
		$SIG{$_} = 'DEFAULT' foreach qw(HUP INT TERM);
		$SIG{$_} = 'IGNORE' foreach @ignored;
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

# Tests the exit code, the messages and the remaining files.
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

# signals that nohup and a shell ignore stay ignored, as in pg_basebackup
@ignored = ('HUP', 'INT');
($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
kill $_, $pid foreach @ignored;
usleep 500_000;
is(waitpid($pid, POSIX::WNOHANG()), 0, 'ignored signals end nothing');
kill 'TERM', $pid;
ends('SIGTERM, with others ignored', $pid, $errors, qr/interrupted by signal 15/, $directory);
@ignored = ();

my $query = q(FROM pg_stat_activity WHERE application_name = 'bb_basebackup');
ok( $store->poll_query_until('postgres', "SELECT count(*) = 0 $query"),
	'the server has no session of theirs');

mkdir $directory;
($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
query_is($store, "SELECT pg_terminate_backend(pid) $query", 't',
	'there is a session of one');
# a backend that waits for its client to read ends without a word
# (ProcessClientWriteInterrupt)
ends('a backend that is terminated', $pid, $errors,
	qr/backup\ failed:\ (?:terminating\ connection|server\ closed\ the\ connection)
		.*removing\ contents\ of\ data\ directory/sx,
	"$directory/PG_VERSION");
only_has($directory, '', 'the directory that was there is empty again');

($pid, $errors) = start_slowly("$directory/PG_VERSION", '-D', $directory);
$store->stop('immediate');
ends('a server that crashes', $pid, $errors, qr/error: backup failed: /, "$directory/PG_VERSION");
$store->start;

# --- A query that fails in the middle, since a layer is damaged.

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
my $gone = new_name('gone');
foreach my $options ([ '-f', $gone ], [ '-Ft', '-D', $gone ], [ '-D', $gone ])
{
	fails("a broken layer, @$options[0 .. $#$options - 1]",
		qr/error: backup failed: .*\n.*detail: /, @$options);
	only_has(dirname($gone), '', '... leaves nothing');
}
is(system("$program -f - > '$raw' 2> /dev/null") >> 8, 1, 'standard output');
cmp_ok(-s $raw, '>', 1 << 20, '... has some of it');

fails('a broken layer, and what is there stays', qr/not removed at user's request/,
	'-D', $gone, '--no-clean');
ok(-s "$gone/PG_VERSION" && !-e "$gone/global/pg_control",
	'it does, and no server starts there');
fails('a file stays', qr/file ".*.part" not removed/, '-f', $tar, '-n');
ok(-s "$tar.part" && !-e $tar, 'it does, without its name');
patch_file($layer, int((-s $layer) * 0.6), $old);
succeeds('with the layer whole again', '-f', $tar);
same($tar, $right, 'there is the tar');

done_testing();

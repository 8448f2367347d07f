# However a call ends, for every destination: it leaves nothing, and the next call
# in the same session works.

use strict;
use warnings;
use BBackup;
use BBackup::Tree;
use File::Find;
use Time::HiRes qw(time usleep);

srand draw_seed();

# --- A small cluster with incompressible data, and WAL for redo helpers.

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 1, extra => ['--wal-segsize=1']);
$source->append_conf('postgresql.conf',
	"autovacuum = off\nmin_wal_size = 2MB\nmax_wal_size = 64MB\nwal_keep_size = 256MB\n");
$source->start;
my $location = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
$source->safe_psql('postgres', $_) foreach (
	q(UPDATE pg_database SET datistemplate = false),
	'DROP DATABASE template0',
	'DROP DATABASE template1',
	q(CREATE TABLE noise TABLESPACE elsewhere AS
SELECT i, (SELECT string_agg(sha256((i || ' ' || j)::bytea), '')
		   FROM generate_series(1, 60) j) AS b
FROM generate_series(1, 8000) i));
$source->stop;
my $store = new_store('store', q(
restart_after_crash = on
max_worker_processes = 16
bbackup.redo_processes = 1
client_connection_check_interval = 50ms
));
my $first = import_directory($store, $source->data_dir)->{lsn};
$source->start;
$source->safe_psql('postgres', 'UPDATE noise SET i = i + 1 WHERE i % 10 = 0');
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');
my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';

# --- Destinations.  Each is a statement, for arguments; its result on disk is at
# $out.

my $base = PostgreSQL::Test::Utils::tempdir_short;
my $out = "$base/out";
my $clone = "$base/clone";
my $untouched; # that, as a tree
my $deltas = 0;
my %ways = (
	bb_basebackup => sub { "SELECT length(bb_basebackup($_[0]))" },
	bb_basebackup_stream => sub { stream(@_) },
	bb_basebackup_archives => sub {
		"SELECT count(a) FROM (SELECT bb_basebackup_archives($_[0]) AS a) s";
	},
	'COPY TO PROGRAM' => sub {
		'COPY (SELECT bb_basebackup_stream(' . $_[0] . '))'
		  . ' TO PROGRAM ' . "'bb_basebackup --decode -f $out' (FORMAT binary)";
	},
	bb_basebackup_lo => sub { "SELECT bb_basebackup_lo($_[0])" },
	bb_basebackup_to_program => sub { program("cat > /dev/null", @_) },
	bb_copy => sub { "CALL bb_copy($_[0]) \\g /dev/null\n" },
	bb_basebackup_to_file =>
	  sub { "SELECT bb_basebackup_to_file(path => '$out', $_[0])" },
	'bb_basebackup_to_file archives' => sub {
		"SELECT bb_basebackup_to_file(path => '$out', $_[0], tablespaces => 'archives')";
	},
	bb_restore => sub { restore($out, @_) },
	# to and fro, so that there is always work
	'bb_restore delta' => sub {
		restore($clone, @_, 'delta => true',
			$deltas++ % 2 ? "lsn => '$first'" : 'lsn => NULL');
	});

sub stream
{
	return "SELECT count(c) FROM (SELECT bb_basebackup_stream($_[0]) AS c) s";
}

sub program
{
	my ($command, $arguments) = @_;

	return
	  "SELECT bb_basebackup_to_program(command => '$command', $arguments)";
}

sub restore
{
	my ($directory, @arguments) = @_;

	return "SELECT files FROM bb_restore(directory => '$directory', "
	  . join(', ', @arguments) . ')';
}

my %writes_files = map { $_ => 1 } grep { /restore|to_file/ } keys %ways;
my $plain = 'progress => false';
my $busy = "progress => false, jobs => 2, settings => 'source'";

# --- What a call may leave.

my $watcher = start_session($store);
my $session;
my @baseline; # its descriptors

sub descriptors
{
	return
	  sort grep { !m{/base/|/global/|/pg_wal/} } backend_descriptors($session->{backend});
}

# The programs of its child processes.
sub children
{
	my ($pid) = @_;

	return split ' ', slurp_file("/proc/$pid/task/$pid/children");
}

# The names of everything left, except redo helpers, which the next call uses.
sub left_behind
{
	my @left;
	my $pid = $session->{backend};
	my $exe = readlink "/proc/$pid/exe";
	my @helpers;

	foreach my $child (children($pid))
	{
		my $program = readlink("/proc/$child/exe") // next;

		push @left, "process $program" if $program ne $exe;
		push @helpers, $child if $program eq $exe;
	}
	push @left, scalar(@helpers) . ' redo helpers' if @helpers > 1;
	push @left, 'threads' if 1 != (() = glob "/proc/$pid/task/*");
	my @now = descriptors();
	my %before;
	$before{$_}++ foreach @baseline;
	# those of the helper, which may be newer
	push @left, map { "descriptor $_" }
	  grep { --$before{$_} < 0 && !/^(socket:|pipe:|\/memfd:|anon_inode)/ } @now;
	push @left, 'descriptors: ' . scalar(@now) . ' for ' . scalar(@baseline)
	  if @now > @baseline;
	return (@left, left_in_server());
}

sub left_in_server
{
	my @left;

	# workers are terminated without waiting
	push @left, 'background workers'
	  if !$store->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'bbackup%'"
	  );
	push @left, 'large objects'
	  if ask($watcher,
		'SELECT count(*) FROM pg_largeobject_metadata') ne '0';
	push @left, glob $store->data_dir . '/base/pgsql_tmp/*';
	push @left, glob "$base/out*";
	return @left;
}

sub nothing_left
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(', ', left_behind()), '', "$name: nothing is left");
	return;
}

# The result of a successful call.
sub remove_made
{
	my ($way) = @_;

	$untouched = tree($clone) if $way =~ /delta/;
	ask($watcher, 'SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata');
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', glob "$base/out*");
	return;
}

sub new_session
{
	$session = start_session($store);
	return;
}

# Test that a call works.
sub works
{
	my ($way, $arguments, $name) = @_;
	my $answer = ask($session, $ways{$way}->($arguments));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($answer, qr/ERROR|FATAL|PANIC/, "$name: the next call works");
	remove_made($way);
	return;
}

# Test that the clone is unchanged, or incomplete, in which case no server starts
# there.
sub not_bootable
{
	my ($way, $name) = @_;

	return if $way !~ /delta/;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return pass("$name: no server starts there")
	  if !-e "$clone/global/pg_control";
	is_deeply(tree($clone), $untouched, "$name: nothing was touched yet");
	return;
}

# Wait until the session's backend runs the call.
sub at_work
{
	$store->poll_query_until('postgres',
		"SELECT state = 'active' FROM pg_stat_activity WHERE pid = $session->{backend}"
	) or die 'it does not begin';
	return;
}

# --- What ends calls.

# A call takes seconds and is interrupted at a random moment.
sub interrupt
{
	my ($way, $arguments, $interrupt) = @_;

	send_query($session, $ways{$way}->("$arguments, max_rate => 4096"));
	at_work();
	usleep rand 400_000;
	$interrupt->();
	return answer($session);
}

sub backend_ended
{
	my ($pid, @children) = @_;

	$store->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
	  or return 0;
	# a helper is killed when its parent has ended
	foreach (1 .. 18000)
	{
		return 1 if !grep { kill 0, $_ } @children;
		usleep 10_000;
	}
	return 0;
}

# Did the statement fail after its backup had got its name?  If so, test that the
# backup is as complete as after a successful call.
sub came_late
{
	my ($way, $arguments, $name) = @_;

	return 0 if !-e $out;
	my @found = files_made();
	remove_made($way);
	ask($session, $ways{$way}->($arguments));
	is_deeply(\@found, [ files_made() ],
		"$name, a timeout that comes late: what has its name is whole");
	return 1;
}

# The names and sizes of all files at $out.
sub files_made
{
	my @made;

	find({
		wanted => sub { push @made, $_ . (-f $_ ? ' ' . -s _ : '') },
		no_chdir => 1
	}, $out);
	@made = sort @made;
	return @made;
}

sub try_cancels
{
	my ($way, $arguments, $name) = @_;
	my $began = time;

	works($way, $arguments, $name);
	my $took = (time - $began) * 1000;
	@baseline = descriptors();
	nothing_left("$name, a success");
	# the server also signals the program of its COPY
	my $cancelled =
	  $way eq 'COPY TO PROGRAM'
	  ? qr/ERROR:  (57014|38000: .*\n.*signal 2)/
	  : qr/ERROR:  57014/;
	foreach (1 .. 4)
	{
		my $timeout = 1 + int rand $took;
		my $answer = ask($session,
			"SET statement_timeout = $timeout; " . $ways{$way}->($arguments));

		# which has to happen within that time
		1 while ask($session, 'RESET statement_timeout') =~ /ERROR/;
		my $late = $answer !~ /ERROR/ || came_late($way, $arguments, $name);
		like($answer, $cancelled, "$name, a timeout") if !$late;
		remove_made($way) if $late;
		nothing_left("$name, $timeout ms");
	}
	like(interrupt(
			$way,
			$arguments,
			sub {
				ask($watcher, "SELECT pg_cancel_backend($session->{backend})");
			}), $cancelled, "$name, a cancel");
	nothing_left("$name, a cancel");
	not_bootable($way, $name);
	works($way, $arguments, "$name, a cancel");
	return;
}

sub try_broken_layer
{
	my ($way, $arguments, $name) = @_;
	my $at = int((-s $layer) * (0.3 + rand 0.5));
	my $byte = ord substr slurp_file($layer), $at, 1;

	patch_file($layer, $at, chr($byte ^ 0xff));
	query_like($session, $ways{$way}->($arguments), qr/ERROR:  XX001/,
		"$name, a layer that is broken at $at");
	patch_file($layer, $at, chr $byte);
	nothing_left("$name, a broken layer");
	not_bootable($way, $name);
	works($way, $arguments, "$name, a broken layer");
	return;
}

sub try_full_disk
{
	my ($way, $arguments, $name) = @_;
	# more than the workers' shared memory, which is a file, too
	my $limit = 5_000_000 + int rand 5_000_000;

	# a large object is written to WAL, too, where the limit is a PANIC
	return if !$writes_files{$way};
	# a hard limit could not be raised again
	system_or_bail('prlimit', '--pid', $session->{backend},
		"--fsize=$limit:unlimited");
	query_like($session, $ways{$way}->($arguments),
		qr/ERROR:  .*: could not write file .*File too large/,
		"$name, files are limited to $limit bytes");
	system_or_bail('prlimit', '--pid', $session->{backend},
		'--fsize=unlimited:unlimited');
	nothing_left("$name, a full disk");
	not_bootable($way, $name);
	works($way, $arguments, "$name, a full disk");
	return;
}

# The client is killed or the backend is terminated, which ends the session.
sub try_ends
{
	my ($way, $arguments, $name) = @_;

	foreach my $case (
		[
			'a client that is killed',
			sub { kill 'KILL', $session->{pid} }
		],
		[
			'a backend that is terminated',
			sub {
				ask($watcher,
					"SELECT pg_terminate_backend($session->{backend})");
			}
		])
	{
		my ($what, $end) = @$case;
		my $pid = $session->{backend};
		my @children;

		interrupt($way, $arguments,
			sub { @children = children($pid); $end->() });
		ok(backend_ended($pid, @children), "$name, $what: all processes end");
		is(join(', ', left_in_server()), '', "$name, $what: nothing is left");
		not_bootable($way, $name);
		end_session($session);
		new_session();
		works($way, $arguments, "$name, $what");
	}
	return;
}

new_session();
ask($session, restore($clone, $plain));
foreach my $way (sort keys %ways)
{
	my $compressed =
	  $way =~ /restore/ ? '' : ", compression => 'zstd:level=1,workers=2'";

	foreach my $arguments ($plain, $busy . $compressed)
	{
		my $name = $way . ($arguments eq $plain ? '' : ' with workers');

		try_cancels($way, $arguments, $name);
		try_broken_layer($way, $arguments, $name);
		try_full_disk($way, $arguments, $name);
		try_ends($way, $arguments, $name);
	}
}

# --- The receiver of the stream fails.

ask($session, stream($plain));
@baseline = descriptors();
foreach my $arguments ($plain,
	"$busy, compression => 'zstd:level=1,workers=2'")
{
	my $copy = "COPY (SELECT bb_basebackup_stream($arguments)) TO";
	my $some = 1 + int rand 2_000_000;

	foreach my $case (
		[
			program('cat > /dev/full', $arguments),
			qr/38000: program .* failed/, 'bb_basebackup_to_program()'
		],
		[
			program("head -c $some > /dev/null", $arguments),
			qr/38000: program .* did not read all/,
			"a program that reads $some bytes"
		],
		[
			program("exit 3", $arguments),
			qr/38000: program .* failed/, 'a program that reads nothing'
		],
		[
			"$copy '/dev/full' (FORMAT binary)",
			qr/53100: could not write to COPY file: No space/, 'COPY TO'
		],
		[
			"$copy PROGRAM 'bb_basebackup --decode -f /dev/full 2>&-' (FORMAT binary)",
			qr/(38000: program .* failed|\w+: could not write to COPY program)/,
			'COPY TO PROGRAM'
		],
		[
			"$copy PROGRAM 'head -c $some > /dev/null' (FORMAT binary)",
			qr/(38000: program .* failed|\w+: could not write to COPY program)/,
			"COPY TO a program that reads $some bytes"
		],
		[
			stream($arguments) . ' WHERE 1 / (length(c) - length(c)) = 1',
			qr/22012/, 'a query'
		])
	{
		my ($query, $expected, $name) = @$case;

		query_like($session, $query, qr/ERROR:  $expected/, "$name fails");
		nothing_left($name);
		unlike(ask($session, stream($arguments)),
			qr/ERROR/, "$name: the next call works");
	}
}

# --- Killed backends: a result is complete, or absent.

foreach my $way (sort keys %ways)
{
	my $pid = $session->{backend};
	my @children;

	interrupt($way, $busy, sub {
		@children = grep {
			(readlink("/proc/$_/exe") // '') eq readlink "/proc/$pid/exe"
		} children($pid);
		kill 'KILL', $pid;
	});
	end_session($session);
	end_session($watcher);
	foreach (1 .. 18000)
	{
		last if !grep { kill 0, $_ } $pid, @children;
		usleep 10_000;
	}
	ok(!grep({ kill 0, $_ } $pid, @children),
		"$way, kill -9: redo helpers end");
	wait_for_restart($store);
	$watcher = start_session($store);
	ok( !-e "$out/global/pg_control" && (!-e $out || $way eq 'bb_restore'),
		"$way, kill -9: there is nothing that could be taken for a backup");
	not_bootable($way, "$way, kill -9");
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', glob "$base/out*");
	is(join(', ', left_in_server()), '', '... nor anything in the server');
	new_session();
	works($way, $busy, "$way, kill -9");
}
end_session($session);
end_session($watcher);

done_testing();

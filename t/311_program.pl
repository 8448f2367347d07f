# bb_basebackup_to_program() writes the raw tar to a program, however that ends.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(usleep);

my ($store, $right) = new_imported_store(
	"restart_after_crash = on\nshared_preload_libraries = 'bbackup'\n");
my $size = length $right;
my $directory = PostgreSQL::Test::Utils::tempdir_short;

my $session = start_session($store);
my $pid = $session->{backend};

sub call
{
	my ($command, $arguments) = @_;

	$arguments //= '';
	return "SELECT bb_basebackup_to_program(command => \$c\$$command\$c\$$arguments)";
}

# The content of a file that a command writes; waits for it.
sub written
{
	my ($file) = @_;

	usleep(10_000) until -s "$directory/$file";
	return slurp_file("$directory/$file");
}

# The open files of the backend, except those of tables.
sub descriptors
{
	return join ' ', grep { !m{/base/|/global/} } backend_descriptors($pid);
}

# no_leaks - test that the backend has no child, and the same open files.
ask($session, call('cat > /dev/null'));
my $descriptors = descriptors();

sub no_leaks
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(slurp_file("/proc/$pid/task/$pid/children"),
		'', "$name: no process is left");
	is(descriptors(), $descriptors, 'and no descriptor');
	return;
}

# --- A program that succeeds.

query_is($session, call("cat > $directory/a.tar"), $size,
	'it returns the bytes written');
ok(slurp_file("$directory/a.tar") eq $right, 'the program gets the tar');
query_is($session,
	"SELECT function, state, bytes_out FROM bb_access_stats WHERE pid = $pid ORDER BY call_id DESC LIMIT 1",
	"bb_basebackup_to_program|done|$size", 'they are counted');
query_is($session, call("head -c $size > /dev/null"), $size,
	'a program may exit when it has read everything');
query_is($session, call("mkdir $directory/tree && tar -x -C $directory/tree"),
	$size, 'tar reads to the end');
ok(-s "$directory/tree/global/pg_control", 'and makes a directory');
is( ask($session, call("sleep 1; cat > $directory/b.tar", ', max_rate => 1048576')),
	$size, 'a program that reads late');
no_leaks('success');

# --- One that fails.

foreach my $case (
	[ 'exit 3', qr/DETAIL:  child process exited with exit code 3$/m ],
	[ 'cat > /dev/null; exit 7', qr/child process exited with exit code 7/ ],
	[ 'kill -9 $$', qr/child process was terminated by signal 9/ ],
	[ '/no/such/command', qr/DETAIL:  command not found/ ],
	[ 'head -c 10 > /dev/null; exit 5', qr/exited with exit code 5/ ])
{
	my ($command, $how) = @$case;
	my $answer = ask($session, call($command));

	like($answer, qr/ERROR:  38000: program "\Q$command\E" failed/,
		"failure: $command");
	like($answer, $how, 'with its exit status');
}
foreach my $command ('true', 'head -c 10 > /dev/null',
	'head -c ' . ($size - 1000) . ' > /dev/null')
{
	query_like($session, call($command),
		qr/ERROR:  38000: program .* did not read all of the backup\nDETAIL:  child process exited with exit code 0/,
		"not all was read: $command");
}
query_like($session,
	call("echo \$\$ > $directory/deaf; exec 0<&-; sleep 1000"),
	qr/did not read all of the backup\nDETAIL:  It closed its standard input/,
	'the call does not wait for a program that reads no more');
ok(!-e '/proc/' . (written('deaf') + 0), 'and it is killed');
no_leaks('failure');

# --- A truncated stream: the program never sees its end.

# The file of a program that takes the end of its input for success.
my $count = 0;

sub credulous
{
	my ($before) = @_;
	my $mark = "$directory/mark" . ++$count;

	return ("$before echo \$\$ > $mark.pid; cat | cat > $mark.tar; echo whole > $mark",
		"mark$count");
}

sub not_fooled
{
	my ($mark, $name) = @_;
	my $program = written("$mark.pid") + 0;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!-e "/proc/$program", "$name: the program is killed");
	ok(!-e "$directory/$mark", 'and it has not seen the end of a backup');
	return;
}

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
foreach my $before ('', q(trap '' TERM;), q(trap 'exit 0' TERM;))
{
	my ($command, $mark) = credulous($before);

	query_like($session, call($command), qr/ERROR:  XX001:/, 'a broken layer');
	not_fooled($mark, $before);
}
my ($command, $mark) = credulous('');
query_is($session,
	"DO \$d\$BEGIN PERFORM bb_basebackup_to_program(command => \$c\$$command\$c\$); EXCEPTION WHEN data_corrupted THEN IF pg_stat_file('$directory/$mark', true) IS NOT NULL THEN RAISE 'fooled'; END IF; END\$d\$",
	'', 'a caught error');
not_fooled($mark, 'caught');
no_leaks('a broken layer');
patch_file($layer, int((-s $layer) * 0.6), $old);

# --- Cancelled, whether the program reads or not.

foreach my $program ('cat', 'sleep')
{
	foreach my $setting ('statement_timeout', 'bbackup.call_timeout', 'cancel')
	{
		($command, $mark) = credulous('');
		$command =~ s/cat \|/sleep 1000 |/ if $program eq 'sleep';
		ask($session, "SET $setting = 500") if $setting ne 'cancel';
		send_query($session, call($command, ', max_rate => 2000'));
		if ($setting eq 'cancel')
		{
			written("$mark.pid");
			$store->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		}
		like(answer($session), qr/ERROR:  57014:/, "$setting, $program");
		not_fooled($mark, $setting);
		no_leaks($setting);
		ask($session, "RESET $setting") if $setting ne 'cancel';
	}
}

# The program has read everything, and exits late.
send_query($session,
	call("cat > /dev/null; echo \$\$ > $directory/late; sleep 1000"));
my $late = written('late') + 0;
$store->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
like(answer($session), qr/ERROR:  57014:/, 'a call whose program does not exit is cancelled');
ok(!-e "/proc/$late", 'and the program is killed');
no_leaks('the same');
query_is($session, call('cat > /dev/null'), $size, 'the next call works');

# The shell itself leaves the process group.
foreach my $case ([ 'exec sleep 1000', 'in the midst' ],
	[ 'cat > /dev/null; exec sleep 1000', 'at the end' ])
{
	my ($does, $when) = @$case;
	my $file = 'left' . ++$count;

	send_query($session,
		call("exec setsid sh -c 'echo \$\$ > $directory/$file; $does'"));
	my $left = written($file) + 0;
	is(getpgrp($left), $left, "one leaves its process group, $when");
	$store->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	like(answer($session), qr/ERROR:  57014:/, 'and the call is cancelled');
	ok(!-e "/proc/$left", 'and it is killed');
	no_leaks('the same');
}

# --- The backend is terminated.

($command, $mark) = credulous('');
$command =~ s/cat \|/sleep 1000 |/;
send_query($session, call($command));
written("$mark.pid");
$store->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
answer($session);
$store->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
not_fooled($mark, 'a backend that ends');
end_session($session);

# --- Backends that can't kill the program; their guards do.

# A child of the shell takes the end of its input for a complete backup.
sub never_fooled
{
	my ($name, $count, $end) = @_;
	my @sessions = map { start_session($store) } 1 .. $count;
	my @files = map { "$name$_" } 1 .. $count;
	my @groups;

	foreach my $n (0 .. $#files)
	{
		my $file = "$directory/$files[$n]";

		send_query($sessions[$n], call(
				"echo \$\$ > $file.pid; cat | (cat > $file.part; mv $file.part $file)",
				', max_rate => 64'));
	}
	foreach my $file (@files)
	{
		written("$file.part");
		push @groups, getpgrp(written("$file.pid") + 0);
	}
	$end->(map { $_->{backend} } @sessions);
	foreach my $session (@sessions)
	{
		answer($session);
		end_session($session);
	}
	foreach my $group (@groups)
	{
		usleep(10_000) while kill 0, -$group;
	}
	is(join(' ', grep { -e "$directory/$_" } @files),
		'', "$name: no program has seen the end of a backup");
	return;
}

my $checkpointer =
  "pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
my $before = $store->safe_psql('postgres', "SELECT $checkpointer");
my ($postmaster) = slurp_file($store->data_dir . '/postmaster.pid') =~ /^(\d+)/;
never_fooled(
	'kill', 20,
	sub {
		# which would terminate the others when it notices the first
		kill 'STOP', $postmaster;
		kill 'KILL', @_ or die;
		kill 'CONT', $postmaster;
	});
$store->poll_query_until('postgres', "SELECT $before <> $checkpointer")
  or die 'no restart';
never_fooled('immediate', 5, sub { $store->stop('immediate') });
$store->start;

# --- Permissions.

$store->safe_psql('postgres', q(
CREATE ROLE bob;
GRANT USAGE ON FOREIGN SERVER bbackup TO bob;
));
fails_like($store, 'SET ROLE bob; ' . call('cat'),
	qr/42501: permission denied for function bb_basebackup_to_program/,
	'it is not for everybody');
$store->safe_psql('postgres',
	'GRANT EXECUTE ON FUNCTION bb_basebackup_to_program TO bob');
fails_like($store, 'SET ROLE bob; ' . call('cat'),
	qr/42501: permission denied to send a backup to a program.*\n.*pg_execute_server_program/,
	'except members of a role');
$store->safe_psql('postgres', 'GRANT pg_execute_server_program TO bob');
query_is($store, 'SET ROLE bob; ' . call('cat > /dev/null'), $size,
	'a member may call it');
fails_like($store, 'SELECT bb_basebackup_to_program(command => NULL)',
	qr/22004: argument "command" must not be null/,
	'the command must not be NULL');

done_testing();

# BBackup::Archive::Standalone - PostgreSQL in one process: postgres --single.
#
# It recovers from an archive, is promoted, runs SQL and ends, as a server
# does, in a tenth of the time: StartupXLOG() is the same.

package BBackup::Archive::Standalone;

use strict;
use warnings;

use BBackup::Files qw(slurp);
use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(run_standalone KILL);

# SQL that ends the process as a crash would.  (The program's parent is the
# process.)
use constant KILL => q(COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID');

# A process that takes longer hangs; seconds.
use constant PATIENCE => 120;

# run_standalone - start the data directory with these settings and run the
# statements, each of one line.  hot_standby is off, since from 17 on one process
# can not be a hot standby (SharedInvalBackendInit in PostgreSQL's sinvaladt.c
# is called twice).  Returns its log, and the values of all rows,
# as [ name, value ], ...
sub run_standalone
{
	my ($directory, $settings, @statements) = @_;
	my @command = (
		'timeout', PATIENCE, 'postgres', '--single', '-D', $directory,
		'-c', 'hot_standby=off',
		(map { ('-c', $_) } @$settings), 'postgres');
	my $in = join '', map { "$_\n" } @statements;
	my ($out, $log);

	IPC::Run::run(\@command, '<', \$in, '>', \$out, '2>', \$log);
	my $status = $?;
	forget_memory($directory);
	croak "$directory hangs: $log" if $status >> 8 == 124;
	my @values = map { [/^\t \d+: (\w+) = "(.*)"\t\(typeid/] }
	  grep { /^\t \d+: \w+ = "/ } split /\n/, $out =~ s/^backend> //mgr;
	return ($log, @values);
}

# A process that was killed leaves a segment of System V shared memory, which
# nothing else would remove.  The lock file has its key and id.
sub forget_memory
{
	my ($directory) = @_;
	my $lock = "$directory/postmaster.pid";

	return if !-e $lock;
	system("ipcrm -m $1 2>/dev/null")
	  if slurp($lock) =~ /^[ ]*\d+[ ]+(\d+)[ ]*$/m;
	unlink $lock;
	return;
}

1;

# The overlay of a mount: random operations on its files, kills and power cuts,
# against a model.  It needs neither FUSE nor a server.

use strict;
use warnings;
use BBackup;

my $seed = draw_seed();
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

# The tree may be read-only.
my $base = PostgreSQL::Test::Utils::tempdir;
system_or_bail('cp', '-R', qw(client test), $base);
{
	# a make that runs the tests must not pass its flags on
	local @ENV{qw(MAKEFLAGS MFLAGS)};
	my ($stdout, $stderr) = run_command([ 'make', '-s', '-C', "$base/test/mount",
			"PG_CONFIG=$pg_config" ]);
	is($stderr, '', 'the test program is built');
}

# Runs the program; returns its exit code and what it said last.
my $directories = 0;

sub run_program
{
	my ($runs, $its_seed, @options) = @_;
	my $directory = "$base/run" . $directories++;

	mkdir $directory or die $!;
	my ($stdout) = run_command(
		[ "$base/test/mount/overlay_test", @options, $directory, $its_seed, $runs ]);
	my $status = $? & 127 ? 'signal' : $? >> 8;
	system_or_bail('rm', '-rf', $directory);
	return ($status, $stdout);
}

foreach my $i (0 .. 3)
{
	my ($status, $stdout) = run_program(100, $seed + $i);

	is($status, 0, 'operations, kills and power cuts leave what they may')
	  or diag($stdout);
	like($stdout, qr/^100 runs, \d{4,} operations$/, 'many operations');
}

# What was written but not synced is lost in a power cut, though its bits may be
# there.  A program that trusts them returns pages of zeros.
my $noticed = 0;
foreach my $i (0 .. 3)
{
	my ($status, $stdout) = run_program(100, $seed + $i, '-t');

	$noticed++
	  if $status eq '1' && $stdout =~ /is wrong after a power cut/;
}
cmp_ok($noticed, '>', 0, 'bits that are trusted after a power cut lose data');

done_testing();

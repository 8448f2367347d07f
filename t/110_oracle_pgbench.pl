# The oracle, on pgbench.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Workload;
use Test::More;

run_oracle(
	$ENV{BBACKUP_VARIANT} // 'default',
	before => sub { run_pgbench($_[0], 2, 0) },
	work => sub {
		my ($source) = @_;

		run_pgbench($source, 0, 2000);
		$source->safe_psql('postgres', 'CHECKPOINT; VACUUM pgbench_branches');
		run_pgbench($source, 0, 2000);
	});
done_testing();

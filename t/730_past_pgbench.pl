# Tables of the past: pgbench, at random LSNs.
#
# By environment: see BBackup::PastOracle.

use strict;
use warnings;
use BBackup::PastOracle;
use BBackup::Workload;
use Test::More;

run_past_oracle(
	$ENV{BBACKUP_VARIANT} // 'default',
	before => sub { run_pgbench($_[0], 1, 0) },
	work => sub {
		my ($source) = @_;

		run_pgbench($source, 0, 1000);
		$source->safe_psql('postgres', 'CHECKPOINT; VACUUM pgbench_branches');
		run_pgbench($source, 0, 1000);
	},
	tables => 60);
done_testing();

# Tables of the past: everything that WAL can say, at random LSNs.
#
# By environment: see BBackup::PastOracle, and BBACKUP_CHAPTERS.

use strict;
use warnings;
use BBackup::PastOracle;
use BBackup::Workload;
use Test::More;

run_past_oracle(
	$ENV{BBACKUP_VARIANT} // 'checksums',
	work => sub { run_everything(@_) },
	tables => 60);
done_testing();

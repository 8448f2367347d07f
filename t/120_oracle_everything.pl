# The oracle, on everything that WAL can say.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Workload;
use Test::More;

run_oracle($ENV{BBACKUP_VARIANT} // 'default',
	work => sub { run_everything(@_) });
done_testing();

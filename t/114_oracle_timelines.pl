# The oracle, on WAL of two tlis: a standby is promoted and works on.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Workload;
use Test::More;

run_oracle(
	$ENV{BBACKUP_VARIANT} // 'checksums',
	lsns => 4,
	work => sub { run_everything(@_, '^(?:extend|unlogged|heap|row locks)') },
	promoted => sub { run_everything(@_, '^(?:drops|messages|btree|mapped)') }
);
done_testing();

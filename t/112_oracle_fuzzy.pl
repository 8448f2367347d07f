# The oracle, on a base backup that was taken while the source worked: pages
# in it are of any age between its start and its end, files may be missing
# that WAL removes later, or be there without what WAL does to them.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Workload;
use Test::More;

my $during = '^(?:extend|truncate|drops|unlogged|rewrites|heap|toast|copy'
  . '|visibility|btree|hash|gin|gist|brin|mapped)';
my $after = '^(?:sequences|row locks|messages|spgist|owned|databases'
  . '|tablespaces|subtransactions|prepared)';

run_oracle(
	$ENV{BBACKUP_VARIANT} // 'checksums',
	before => sub {
		my ($source) = @_;

		run_pgbench($source, 2, 400);
		$source->safe_psql('postgres', q(
CREATE TABLESPACE early LOCATION '';
CREATE TABLE spaced_early TABLESPACE early AS
	SELECT generate_series(1, 1000) i;
BEGIN;
INSERT INTO spaced_early SELECT generate_series(1, 100);
PREPARE TRANSACTION 'from before';
));
	},
	fuzzy => sub {
		my ($source) = @_;
		my $finish = start_chapters($source, $during);

		return sub {
			$finish->();
			$source->safe_psql('postgres', q(
COMMIT PREPARED 'from before';
DROP TABLE spaced_early;
DROP TABLESPACE early;
));
		};
	},
	work => sub { run_everything($_[0], $_[1], $after) });
done_testing();

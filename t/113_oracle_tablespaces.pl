# The oracle, on tablespaces that are elsewhere: symbolic links in the source
# and in what recovery makes, directories in a backup.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Workload;
use PostgreSQL::Test::Utils;
use Test::More;

my @places = map { PostgreSQL::Test::Utils::tempdir } 1 .. 2;

run_oracle(
	$ENV{BBACKUP_VARIANT} // 'checksums',
	locations => \@places,
	lsns => 5,
	before => sub {
		$_[0]->safe_psql(
			'postgres', qq(
CREATE TABLESPACE first LOCATION '$places[0]';
CREATE TABLE kept TABLESPACE first AS SELECT generate_series(1, 2000) i;
CREATE TABLE to_be_moved (i int PRIMARY KEY) TABLESPACE first;
INSERT INTO to_be_moved SELECT generate_series(1, 2000);
CREATE UNLOGGED TABLE quiet (i int PRIMARY KEY) TABLESPACE first;
INSERT INTO quiet SELECT generate_series(1, 100);
CREATE DATABASE inside TABLESPACE first;
));
	},
	work => sub {
		my ($source) = @_;

		$source->safe_psql('postgres', qq(
UPDATE kept SET i = i + 1 WHERE i % 10 = 0;
CREATE TABLESPACE second LOCATION '$places[1]';
ALTER TABLE to_be_moved SET TABLESPACE second;
ALTER INDEX to_be_moved_pkey SET TABLESPACE second;
DELETE FROM to_be_moved WHERE i % 3 = 0;
VACUUM to_be_moved;
CREATE UNLOGGED TABLE quiet_too (i int PRIMARY KEY) TABLESPACE second;
CREATE DATABASE copied TEMPLATE inside STRATEGY file_copy TABLESPACE second;
ALTER DATABASE inside SET TABLESPACE second;
CHECKPOINT;
CREATE TABLE new TABLESPACE first AS SELECT generate_series(1, 1000) i;
DROP DATABASE copied;
ALTER DATABASE inside SET TABLESPACE pg_default;
DROP TABLE to_be_moved, quiet_too;
DROP TABLESPACE second;
CREATE TABLESPACE second_again LOCATION '$places[1]';
CREATE TABLE again TABLESPACE second_again AS SELECT generate_series(1, 99) i;
));
		# a crash in between: recovery makes links and directories
		$source->stop('immediate');
		$source->start;
		$source->safe_psql('postgres', q(
ALTER TABLE again SET TABLESPACE first;
DROP TABLESPACE second_again;
INSERT INTO again VALUES (100);
));
	});
done_testing();

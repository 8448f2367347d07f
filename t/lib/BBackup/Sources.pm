# BBackup::Sources - clusters to be imported, their backups and WAL archives.

package BBackup::Sources;

use strict;
use warnings;

use BBackup::Files;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  new_source
  new_archiving_source
  new_small_source
  create_rows
  fill_source
  cold_backup
  filled_archive
  base_with_archive
);

# new_source - a running cluster that will be imported; initdb's options follow.
sub new_source
{
	my ($name, @options) = @_;
	my $source = PostgreSQL::Test::Cluster->new($name);

	$source->init(extra => \@options);
	$source->append_conf('postgresql.conf', q(
log_statement = none
autovacuum = off
max_prepared_transactions = 10
track_commit_timestamp = on
));
	$source->start;
	return $source;
}

# new_archiving_source - the same, which archives its WAL in a directory, with
# more lines of configuration; initdb's options follow.
sub new_archiving_source
{
	my ($name, $archive, $lines, @options) = @_;
	my $source = new_source($name, @options);

	$source->append_conf('postgresql.conf', qq(
wal_level = replica
archive_mode = on
archive_command = 'cp "%p" "$archive/%f"'
$lines));
	$source->restart;
	return $source;
}

# new_small_source - an archiving source with the database template1 alone, and
# in it a table t with an index, so that its store is small.
sub new_small_source
{
	my ($name, $archive) = @_;
	my $source = new_archiving_source($name, $archive, '',
		'--wal-segsize=1', '--data-checksums');

	$source->safe_psql('template1', $_)
	  foreach ('DROP DATABASE postgres',
		'ALTER DATABASE template0 IS_TEMPLATE false',
		'DROP DATABASE template0',
		'CREATE TABLE t AS SELECT i, md5(i::text) AS m FROM generate_series(1, 9000) i',
		'CREATE INDEX ON t (i)',
		'VACUUM t');
	return $source;
}

# create_rows - a table t with so many rows.
sub create_rows
{
	my ($node, $n) = @_;

	$node->safe_psql('postgres',
		"CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, $n) i"
	);
	return;
}

# fill_source - create something of every kind that has its kind of file.
sub fill_source
{
	my ($source) = @_;
	my $tablespace = PostgreSQL::Test::Utils::tempdir;

	$source->safe_psql('postgres', q(
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET work_mem = '5MB';

-- rows of all ages, for CLOG, free space and visibility maps
CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric);
INSERT INTO plain SELECT i, md5(i::text), i FROM generate_series(1, 20000) i;
UPDATE plain SET t = 'updated' WHERE id % 7 = 0;
DELETE FROM plain WHERE id % 11 = 0;
BEGIN;
INSERT INTO plain SELECT i, 'gone', i FROM generate_series(20001, 21000) i;
ROLLBACK;
VACUUM plain;
UPDATE plain SET t = 'again' WHERE id % 1000 = 0;
CREATE TABLE empty (a int);
CREATE TABLE no_columns ();
COMMENT ON TABLE empty IS 'a file of no bytes';

-- multixacts: a row locked and updated in one transaction
BEGIN;
SELECT count(*) FROM (SELECT * FROM plain LIMIT 500 FOR KEY SHARE) l;
SAVEPOINT s;
UPDATE plain SET n = n + 1 WHERE id < 500;
COMMIT;

-- TOAST, in line and out of line
CREATE TABLE toasted (id int, t text);
ALTER TABLE toasted ALTER t SET STORAGE external;
INSERT INTO toasted
SELECT i, (SELECT string_agg(md5((i * j)::text), '')
		   FROM generate_series(1, 1000) j)
FROM generate_series(1, 50) i;

-- an index of every access method
CREATE TABLE indexed (i int, a int[], p point, t text);
INSERT INTO indexed
SELECT i, ARRAY[i, i % 10], point(i, i % 100), 'text ' || i
FROM generate_series(1, 5000) i;
CREATE INDEX ON indexed USING btree (i, t);
CREATE INDEX ON indexed USING hash (t);
CREATE INDEX ON indexed USING gin (a);
CREATE INDEX ON indexed USING gist (p);
CREATE INDEX ON indexed USING spgist (t);
CREATE INDEX ON indexed USING brin (i);

-- unlogged, with index, sequence and TOAST
CREATE UNLOGGED TABLE unlogged (id serial PRIMARY KEY, t text);
INSERT INTO unlogged (t) SELECT 'x' FROM generate_series(1, 1000);
VACUUM unlogged;

CREATE SEQUENCE counter START 100 INCREMENT 7;
SELECT setval('counter', 1234);
CREATE MATERIALIZED VIEW matview AS SELECT t, count(*) FROM plain GROUP BY t;
SELECT lo_from_bytea(4711, decode(repeat('0123456789abcdef', 5000), 'hex'));

CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
CREATE INDEX ON parts (k);
INSERT INTO parts SELECT i, i::text FROM generate_series(0, 1999) i;

-- a mapped relation moves: another relation map
VACUUM FULL pg_class;
VACUUM FULL pg_database;

SELECT pg_replication_origin_create('origin');
SELECT pg_replication_origin_advance('origin', '0/ABCDEF');
));

	$source->safe_psql('postgres',
		"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
	$source->safe_psql('postgres',
		'CREATE DATABASE by_wal_log STRATEGY wal_log');
	$source->safe_psql('postgres',
		'CREATE DATABASE by_file_copy STRATEGY file_copy');
	$source->safe_psql('postgres',
		'CREATE DATABASE there TABLESPACE elsewhere');
	foreach my $database (qw(by_wal_log by_file_copy there))
	{
		$source->safe_psql($database, q(
CREATE TABLE t AS
	SELECT i, current_database() AS d FROM generate_series(1, 1000) i;
CREATE INDEX ON t (i);
));
	}
	$source->safe_psql('postgres', q(
CREATE TABLE moved (i int PRIMARY KEY USING INDEX TABLESPACE elsewhere)
	TABLESPACE elsewhere;
INSERT INTO moved SELECT generate_series(1, 5000);
CREATE UNLOGGED TABLE moved_unlogged (i int) TABLESPACE elsewhere;
));

	$source->safe_psql('postgres', q(
CREATE TABLE prepared (t text);
BEGIN;
INSERT INTO prepared SELECT 'first' FROM generate_series(1, 100);
PREPARE TRANSACTION 'first';
BEGIN;
INSERT INTO prepared VALUES ('second');
CREATE TABLE prepared_table (i int);
PREPARE TRANSACTION 'second';
));
	return;
}

# cold_backup - stop a cluster and copy its data directory; returns the copy.
sub cold_backup
{
	my ($node) = @_;

	$node->stop;
	return copy_directory($node->data_dir,
		PostgreSQL::Test::Utils::tempdir . '/base');
}

# filled_archive - a cold backup of an empty cluster, an archive of WAL after it,
# which fills it and deletes some again, and an LSN between; initdb's options
# follow.
sub filled_archive
{
	my @options = @_;
	my $archive = PostgreSQL::Test::Utils::tempdir;
	my $source = new_archiving_source('source', $archive, '', @options);
	my $base = cold_backup($source);

	$source->start;
	fill_source($source);
	my $middle =
	  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$source->safe_psql('postgres',
		'DELETE FROM plain; SELECT pg_switch_wal()');
	$source->stop;
	return ($base, $archive, $middle);
}

# base_with_archive - a cold backup of a cluster, and an archive of WAL after it
# that has records without full-page images; their directories.
sub base_with_archive
{
	my $archive = PostgreSQL::Test::Utils::tempdir;
	my $source =
	  new_archiving_source('source', $archive, "full_page_writes = off\n");

	create_rows($source, 50000);
	my $base = cold_backup($source);
	$source->start;
	$source->safe_psql('postgres',
		'UPDATE t SET i = i + 1 WHERE i % 3 = 0; SELECT pg_switch_wal()');
	$source->stop;
	return ($base, $archive);
}

1;

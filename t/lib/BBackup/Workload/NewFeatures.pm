# BBackup::Workload::NewFeatures - chapters of what each major version of
# PostgreSQL brought, from 15 on: they are there from that version on.

package BBackup::Workload::NewFeatures;

use strict;
use warnings;

use BBackup::Version;
use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  decoding_chapters
  new_chapters
);

sub new_chapters
{
	my $major = pg_major();

	return (
		chapters_of_15(),
		$major >= 16 ? chapters_of_16() : (),
		$major >= 17 ? (chapters_of_17(), index_chapters_of_17()) : (),
		$major >= 18 ? (chapters_of_18(), row_chapters_of_18()) : (),
		$major >= 19 ? chapters_of_19() : ());
}

# decoding_chapters - those with logical decoding, which waits for the end of all
# transactions, so none may be prepared.
sub decoding_chapters
{
	return pg_major() >= 19 ? decoding_chapters_of_19() : ();
}

sub chapters_of_15
{
	return (
		[ 'pg15 merge' => q(
CREATE TABLE stock (k int PRIMARY KEY, n int, t text) WITH (fillfactor = 60);
CREATE INDEX ON stock (n);
INSERT INTO stock SELECT i, i % 50, repeat('s', i % 400)
FROM generate_series(1, 4000) i;
VACUUM FREEZE stock;
MERGE INTO stock USING generate_series(3001, 5000) g ON stock.k = g
	WHEN MATCHED AND g % 4 = 0 THEN DELETE
	WHEN MATCHED AND g % 4 = 1 THEN UPDATE SET n = n + 1000
	WHEN MATCHED AND g % 4 = 2 THEN UPDATE SET t = t || 'hot'
	WHEN MATCHED THEN DO NOTHING
	WHEN NOT MATCHED AND g % 2 = 0 THEN INSERT VALUES (g, 0, repeat('new', 2000));
BEGIN;
MERGE INTO stock USING generate_series(1, 1000) g ON stock.k = g
	WHEN MATCHED THEN UPDATE SET k = stock.k + 100000;
ROLLBACK;
VACUUM stock;
) ],
		[ 'pg15 icu' => q(
CREATE DATABASE icu_15 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'
	LOCALE_PROVIDER icu ICU_LOCALE 'en-US' STRATEGY wal_log;
CREATE DATABASE icu_15_copy TEMPLATE template0 ENCODING 'UTF8'
	LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' STRATEGY file_copy;
\c icu_15
CREATE COLLATION numeric (provider = icu, locale = 'en-u-kn-true');
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',
	deterministic = false);
CREATE TABLE words AS SELECT i, chr(97 + i % 26) || i AS w
FROM generate_series(1, 3000) i;
CREATE INDEX ON words (w);
CREATE INDEX ON words (w COLLATE numeric);
CREATE UNIQUE INDEX ON words (w COLLATE loose);
DELETE FROM words WHERE i % 5 = 0;
VACUUM words;
INSERT INTO words SELECT i, 'W' || i FROM generate_series(5000, 6000) i;
ALTER DATABASE icu_15 REFRESH COLLATION VERSION;
\c postgres
DROP DATABASE icu_15_copy;
) ]);
}

sub chapters_of_16
{
	return (
		[ 'pg16 storage' => q(
CREATE TABLE stored (i int, t text STORAGE EXTERNAL, u text STORAGE MAIN);
INSERT INTO stored SELECT i, repeat('e', 4000), repeat('m', 1000)
FROM generate_series(1, 300) i;
CREATE DATABASE icu_base TEMPLATE template0 LOCALE_PROVIDER icu
	ICU_LOCALE 'und' ICU_RULES '&a < g' STRATEGY wal_log;
CREATE TABLE copied_default (i int DEFAULT 7, t text DEFAULT 'd');
COPY copied_default FROM PROGRAM 'seq 1 1000 | sed "s/$/\tDEF/"'
	WITH (DEFAULT 'DEF');
VACUUM (SKIP_DATABASE_STATS, BUFFER_USAGE_LIMIT '256kB') stored;
VACUUM (ONLY_DATABASE_STATS);
-- string_agg and array_agg in parallel, a full join in parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE aggregated AS
SELECT i % 10 AS k, string_agg(left(t, 20), ',') AS s, array_agg(i) AS a
FROM stored GROUP BY i % 10;
CREATE TABLE joined AS
SELECT s.i, c.t FROM stored s FULL JOIN copied_default c USING (i);
) ],
		[ 'pg16 bulk extension' => \&extend_together ]);
}

# Several sessions extend a relation at once, by many blocks each time.
sub extend_together
{
	my ($node) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir . '/insert.sql';

	append_to_file($script, "INSERT INTO extended SELECT i, repeat('x', 300)"
		  . " FROM generate_series(1, 400) i;\n");
	$node->safe_psql('postgres', 'CREATE TABLE extended (i int, t text)');
	$node->command_ok([
		'pgbench', '-n', '-c', '6', '-j', '2',
		'-t', '10', '-f', $script, 'postgres'
	], 'sessions extend a relation');
	$node->safe_psql('postgres',
		'DELETE FROM extended WHERE i % 3 = 0; VACUUM extended');
	return;
}

sub chapters_of_17
{
	return (
		[ 'pg17 merge' => q(
CREATE TABLE merged (k int, v text, n int GENERATED ALWAYS AS IDENTITY)
	PARTITION BY RANGE (k);
CREATE TABLE merged_1 PARTITION OF merged FOR VALUES FROM (0) TO (1000);
CREATE TABLE merged_2 PARTITION OF merged FOR VALUES FROM (1000) TO (2000);
CREATE TABLE merged_3 PARTITION OF merged FOR VALUES FROM (2000) TO (9000);
CREATE UNIQUE INDEX ON merged (k);
INSERT INTO merged (k, v) SELECT i, 'v' || i FROM generate_series(0, 1999) i;
CREATE VIEW merged_view AS SELECT k, v FROM merged;
MERGE INTO merged USING generate_series(500, 2500) g ON merged.k = g
	WHEN MATCHED AND g % 3 = 0 THEN UPDATE SET k = k + 4000
	WHEN MATCHED AND g % 3 = 1 THEN DELETE
	WHEN MATCHED THEN UPDATE SET v = 'merged'
	WHEN NOT MATCHED BY TARGET THEN INSERT (k, v) VALUES (g + 6000, 'new')
	WHEN NOT MATCHED BY SOURCE AND k < 100 THEN DELETE
	RETURNING merge_action(), merged.k;
MERGE INTO merged_view v USING generate_series(100, 200) g ON v.k = g
	WHEN MATCHED THEN UPDATE SET v = 'by view';
ALTER TABLE merged DETACH PARTITION merged_2 CONCURRENTLY;
ALTER TABLE merged
	ATTACH PARTITION merged_2 FOR VALUES FROM (1000) TO (2000);
VACUUM merged;
CREATE TABLE excluding (a int4range, b int, EXCLUDE USING gist (a WITH &&));
INSERT INTO excluding SELECT int4range(i * 2, i * 2 + 1), i
FROM generate_series(1, 2000) i;
ALTER TABLE excluding ADD g int GENERATED ALWAYS AS (b * 2) STORED;
ALTER TABLE excluding ALTER g SET EXPRESSION AS (b * 3);
) ],
		[ 'pg17 builtin collation' => q(
CREATE DATABASE builtin_base TEMPLATE template0 LOCALE_PROVIDER builtin
	BUILTIN_LOCALE 'C.UTF-8' STRATEGY wal_log;
CREATE DATABASE builtin_copy TEMPLATE template0 LOCALE_PROVIDER builtin
	BUILTIN_LOCALE 'C' STRATEGY file_copy;
\c builtin_base
CREATE TABLE t AS SELECT i, chr(97 + i % 26) || i AS x
FROM generate_series(1, 3000) i;
CREATE COLLATION own (provider = builtin, locale = 'C.UTF-8');
CREATE INDEX ON t (x COLLATE own);
CREATE INDEX ON t (upper(x));
DELETE FROM t WHERE i % 7 = 0;
VACUUM t;
\c postgres
DROP DATABASE builtin_copy;
) ],
		[
			# pg_database says which databases have one, by updates in place
			'pg17 login trigger' => q(
CREATE TABLE logins (who text, at timestamptz);
CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql AS
	'BEGIN
		IF NOT pg_is_in_recovery() THEN
			INSERT INTO logins VALUES (session_user, now());
		END IF;
	END';
CREATE EVENT TRIGGER of_login ON login EXECUTE FUNCTION on_login();
ALTER EVENT TRIGGER of_login ENABLE ALWAYS;
\c postgres
\c postgres
\c postgres
DROP EVENT TRIGGER of_login;
\c postgres
\c postgres
CREATE EVENT TRIGGER of_ddl ON ddl_command_end EXECUTE FUNCTION on_login();
CREATE TABLE after_trigger (i int);
DROP EVENT TRIGGER of_ddl;
CREATE ROLE keeper;
GRANT MAINTAIN ON logins TO keeper;
GRANT pg_maintain TO keeper;
) ],
		[
			# pruning and freezing are one record
			'pg17 prune and freeze' => q(
CREATE TABLE pruned (i int PRIMARY KEY, n int, t text) WITH (fillfactor = 50);
INSERT INTO pruned SELECT i, 0, repeat('p', 60)
FROM generate_series(1, 4000) i;
UPDATE pruned SET n = n + 1;
UPDATE pruned SET n = n + 1;
SELECT sum(n) FROM pruned;
DELETE FROM pruned WHERE i % 2 = 0;
SET vacuum_freeze_min_age = 0;
VACUUM (INDEX_CLEANUP off) pruned;
UPDATE pruned SET n = n + 1 WHERE i % 3 = 0;
VACUUM (INDEX_CLEANUP on) pruned;
BEGIN;
SELECT count(*) FROM (SELECT FROM pruned WHERE i < 500 FOR KEY SHARE) l;
SAVEPOINT a;
UPDATE pruned SET n = 9 WHERE i < 300;
COMMIT;
VACUUM (FREEZE, TRUNCATE off) pruned;
DELETE FROM pruned WHERE i > 1000;
VACUUM pruned;
) ],
		[ 'pg17 incremental backup' => \&back_up_incrementally ]);
}

# Traces of backups and the WAL summarizer in WAL and in the data directory.
sub back_up_incrementally
{
	my ($node) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my @options =
	  ('-c', 'fast', '--no-sync', '-d', $node->connstr('postgres'));

	$node->command_ok([ 'pg_basebackup', '-D', "$directory/full", @options ],
		'a full backup');
	$node->safe_psql('postgres',
		'CREATE TABLE between_backups AS SELECT generate_series(1, 5000) i');
	$node->command_ok([
		'pg_basebackup', '-D', "$directory/incremental", @options, '-i',
		"$directory/full/backup_manifest"
	], 'an incremental backup');
	return;
}

sub index_chapters_of_17
{
	return (
		[
			# BRIN's parallel build came with 17, GIN's with 18
			'pg17 builds in parallel' => q(
CREATE TABLE parallel (i int, a int[], p point, t text)
	WITH (parallel_workers = 4);
INSERT INTO parallel
SELECT i, ARRAY[i % 100, i % 77, i], point(i % 777, i % 991), md5(i::text)
FROM generate_series(1, 30000) i;
VACUUM (PARALLEL 4) parallel;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_maintenance_workers = 4;
SET maintenance_work_mem = '64MB';
CREATE INDEX parallel_btree ON parallel (i);
CREATE INDEX parallel_brin ON parallel USING brin (i)
	WITH (pages_per_range = 2);
CREATE INDEX parallel_gin ON parallel USING gin (a);
CREATE INDEX parallel_gist ON parallel USING gist (p);
CREATE INDEX parallel_hash ON parallel USING hash (t);
DELETE FROM parallel WHERE i % 4 = 0;
VACUUM (PARALLEL 4) parallel;
INSERT INTO parallel
SELECT i, ARRAY[i % 100, i % 77, i], point(i % 777, i % 991), md5(i::text)
FROM generate_series(30000, 31000) i;
REINDEX (CONCURRENTLY) INDEX parallel_brin;
REINDEX INDEX parallel_gin;
COPY parallel
FROM PROGRAM 'printf "1\t{1}\t(1,2)\tx\n2\tbroken\t(1,2)\tx\n"'
WITH (ON_ERROR ignore);
) ]);
}

sub chapters_of_18
{
	return (
		[ 'pg18 generated columns and constraints' => q(
CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL,
	c int GENERATED ALWAYS AS (a + 1),
	d int GENERATED ALWAYS AS (a * 7) STORED);
INSERT INTO generated (a) SELECT generate_series(1, 4000);
UPDATE generated SET a = a + 1 WHERE b % 6 = 0;
ALTER TABLE generated ADD v text GENERATED ALWAYS AS ('x' || a::text) VIRTUAL;
ALTER TABLE generated ALTER b SET EXPRESSION AS (a * 5);
ALTER TABLE generated ADD CONSTRAINT not_null NOT NULL a NOT VALID;
ALTER TABLE generated VALIDATE CONSTRAINT not_null;
ALTER TABLE generated ADD CONSTRAINT large CHECK (a > 1000000) NOT ENFORCED;
CREATE TABLE referenced (a int PRIMARY KEY);
INSERT INTO referenced SELECT generate_series(1, 100);
ALTER TABLE generated ADD CONSTRAINT reference FOREIGN KEY (a)
	REFERENCES referenced NOT ENFORCED;
DELETE FROM generated WHERE a > 100;
ALTER TABLE generated ALTER CONSTRAINT reference ENFORCED;
CREATE TABLE not_inherited (CONSTRAINT k NOT NULL a NO INHERIT, a int);
ALTER TABLE not_inherited ALTER CONSTRAINT k INHERIT;
CREATE TABLE generated_parts (k int, g int GENERATED ALWAYS AS (k % 10) VIRTUAL)
	PARTITION BY RANGE (k);
CREATE TABLE generated_parts_1 PARTITION OF generated_parts
	FOR VALUES FROM (0) TO (5000);
INSERT INTO generated_parts SELECT generate_series(0, 4999);
VACUUM ONLY generated_parts;
UPDATE generated SET a = a RETURNING old.a, new.b;
) ],
		[ 'pg18 databases' => q(
CREATE DATABASE pg_unicode_fast TEMPLATE template0 LOCALE_PROVIDER builtin
	BUILTIN_LOCALE 'PG_UNICODE_FAST' STRATEGY wal_log;
SET file_copy_method = clone;
CREATE DATABASE cloned TEMPLATE template1 STRATEGY file_copy;
RESET file_copy_method;
ALTER DATABASE postgres REFRESH COLLATION VERSION;
) ]);
}

sub row_chapters_of_18
{
	return (
		[ 'pg18 temporal constraints' => q(
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE room (id int, valid daterange, note text,
	CONSTRAINT room_pk PRIMARY KEY (id, valid WITHOUT OVERLAPS));
INSERT INTO room
SELECT i % 300, daterange('2020-01-01'::date + (i / 300) * 10,
	'2020-01-01'::date + (i / 300) * 10 + 9), 'n' || i
FROM generate_series(0, 5999) i;
CREATE TABLE booking (id int, room int, during daterange,
	CONSTRAINT booking_pk PRIMARY KEY (id, during WITHOUT OVERLAPS),
	CONSTRAINT booking_fk FOREIGN KEY (room, PERIOD during)
		REFERENCES room (id, PERIOD valid));
INSERT INTO booking SELECT i, i % 300, daterange('2020-01-02', '2020-01-05')
FROM generate_series(1, 1000) i;
CREATE TABLE without_overlaps (id int, m int4multirange,
	UNIQUE (id, m WITHOUT OVERLAPS));
INSERT INTO without_overlaps
SELECT i, int4multirange(int4range(i, i + 10), int4range(i + 20, i + 30))
FROM generate_series(1, 1500) i;
UPDATE room SET note = 'changed' WHERE id % 7 = 0;
DELETE FROM booking WHERE id % 2 = 0;
VACUUM booking;
UPDATE booking SET during = daterange('2020-01-03', '2020-01-06')
WHERE id % 3 = 0;
) ],
		[ 'pg18 skip scans and statistics' => q(
CREATE TABLE uuids (id uuid DEFAULT uuidv7() PRIMARY KEY, t text);
INSERT INTO uuids (t) SELECT i::text FROM generate_series(1, 5000) i;
CREATE TABLE skipped (a int, b int, c int);
INSERT INTO skipped SELECT i % 5, i, i FROM generate_series(1, 20000) i;
CREATE INDEX skipped_ab ON skipped (a, b);
ANALYZE skipped;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
DELETE FROM skipped WHERE b BETWEEN 100 AND 4000;
-- the scan marks what is dead
SELECT count(*) FROM skipped WHERE b BETWEEN 100 AND 4100;
SELECT count(*) FROM skipped WHERE b = 5000;
INSERT INTO skipped SELECT i % 5, i, i FROM generate_series(100, 1000) i;
VACUUM skipped;
SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'skipped',
	'version', 180000, 'relpages', 100, 'reltuples', 12345.0::real,
	'relallvisible', 5, 'relallfrozen', 2);
SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'skipped',
	'attname', 'a', 'inherited', false, 'version', 180000,
	'null_frac', 0.5::real, 'avg_width', 4, 'n_distinct', 5::real);
ALTER TABLE skipped SET (vacuum_truncate = off,
	autovacuum_vacuum_max_threshold = 1000,
	vacuum_max_eager_freeze_failure_rate = 1);
) ],
		[
			# pages that are all-visible are scanned eagerly; updates in place
			# have invalidations in WAL
			'pg18 eager freezing' => q(
CREATE TABLE eager (i int, t text);
INSERT INTO eager SELECT i, repeat('e', 100) FROM generate_series(1, 20000) i;
VACUUM eager;
UPDATE eager SET t = 'e2' WHERE i % 2000 = 0;
SET vacuum_freeze_min_age = 0;
SET vacuum_max_eager_freeze_failure_rate = 1;
VACUUM eager;
DELETE FROM eager WHERE i % 50 = 0;
VACUUM eager;
CREATE INDEX ON eager (i);
DROP INDEX eager_i_idx;
ANALYZE eager;
CREATE INDEX CONCURRENTLY eager_c ON eager (i);
) ]);
}

sub chapters_of_19
{
	return (
		[
			# the map's bits are set by the records that prune, freeze and insert
			'pg19 visibility map' => q(
CREATE TABLE mapped (i int PRIMARY KEY, n int, t text) WITH (fillfactor = 70);
INSERT INTO mapped SELECT i, 0, repeat('m', 100)
FROM generate_series(1, 5000) i;
-- a query prunes, and sets all-visible
UPDATE mapped SET n = 1 WHERE i % 3 = 0;
SELECT count(*), sum(n) FROM mapped;
DELETE FROM mapped WHERE i BETWEEN 1000 AND 2000;
SELECT count(*), sum(n) FROM mapped;
-- nothing is left to prune: the map alone changes
VACUUM mapped;
SET vacuum_freeze_min_age = 0;
-- all-visible becomes all-frozen
VACUUM (FREEZE) mapped;
BEGIN;
TRUNCATE mapped;
COPY mapped FROM PROGRAM 'seq 1 4000 | sed "s/$/\t0\tcopied/"' WITH (FREEZE);
COMMIT;
-- both pages of an update lose their bits, or one does
UPDATE mapped SET n = 2 WHERE i % 97 = 0;
UPDATE mapped SET t = repeat('moved', 300) WHERE i % 101 = 0;
SELECT count(*) FROM (SELECT FROM mapped WHERE i % 211 = 0 FOR UPDATE) l;
VACUUM mapped;
DELETE FROM mapped WHERE i > 500;
VACUUM (TRUNCATE off) mapped;
INSERT INTO mapped SELECT i, 3, 'again' FROM generate_series(501, 1500) i;
VACUUM (FREEZE) mapped;
) ],
		[ 'pg19 conflicts and copies' => q(
CREATE TABLE got (k int PRIMARY KEY, n int);
INSERT INTO got SELECT i, i FROM generate_series(1, 1000) i;
VACUUM FREEZE got;
INSERT INTO got SELECT i, -1 FROM generate_series(900, 1500) i
ON CONFLICT (k) DO SELECT FOR UPDATE RETURNING n;
COPY got FROM PROGRAM 'printf "9001\tx\n9002\t1\n"' WITH (ON_ERROR set_null);
CREATE PUBLICATION sequences FOR ALL SEQUENCES;
CREATE SEQUENCE published;
SELECT nextval('published') FROM generate_series(1, 100);
) ]);
}

sub decoding_chapters_of_19
{
	return (
		[
			# a table's new files, whole or while it is written
			'pg19 repack' => q(
CREATE TABLE repacked (i int PRIMARY KEY, j int, t text)
	WITH (fillfactor = 80);
CREATE INDEX repacked_j ON repacked (j);
INSERT INTO repacked SELECT i, i % 77, repeat('r', 200 + i % 900)
FROM generate_series(1, 3000) i;
DELETE FROM repacked WHERE i % 3 = 0;
REPACK repacked;
UPDATE repacked SET j = j + 1 WHERE i % 5 = 0;
REPACK repacked USING INDEX repacked_j;
DELETE FROM repacked WHERE i % 4 = 0;
REPACK (CONCURRENTLY) repacked;
UPDATE repacked SET t = repeat('toasted', 2000) WHERE i % 50 = 0;
REPACK (CONCURRENTLY, ANALYZE) repacked USING INDEX repacked_j;
UPDATE repacked SET j = 0 WHERE i % 7 = 0;
) ],
		[ 'pg19 repack beside writers' => \&repack_beside_writers ],
		[ 'pg19 logical decoding' => \&switch_logical_decoding ]);
}

# Rows change while a table is repacked.
sub repack_beside_writers
{
	my ($node) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir . '/write.sql';

	append_to_file($script, q(
\set k random(1, 3000)
UPDATE beside SET n = n + 1, t = repeat('u', :k) WHERE i = :k;
DELETE FROM beside WHERE i = :k + 1;
INSERT INTO beside VALUES (:k + 1, 0, 'back');
));
	$node->safe_psql('postgres', q(
CREATE TABLE beside (i int PRIMARY KEY, n int, t text);
INSERT INTO beside SELECT i, 0, repeat('b', 300)
FROM generate_series(1, 3001) i;
));
	my $writers = IPC::Run::start(
		[
			'pgbench', '-n', '-c', '2', '-t', '300', '-f', $script,
			$node->connstr('postgres')
		],
		'>', \my $out, '2>', \my $errors);
	$node->safe_psql('postgres', 'REPACK (CONCURRENTLY) beside')
	  foreach 1 .. 2;
	$writers->finish or croak "pgbench: $errors";
	return;
}

# Without wal_level logical, the first logical slot switches decoding on, and the
# end of the last one off.
sub switch_logical_decoding
{
	my ($node) = @_;
	my $level = $node->safe_psql('postgres', 'SHOW wal_level');

	$node->safe_psql('postgres', 'ALTER SYSTEM SET wal_level = replica');
	$node->restart;
	foreach my $round (1 .. 2)
	{
		$node->safe_psql('postgres', qq(
SELECT pg_create_logical_replication_slot('s$round', 'test_decoding');
CREATE TABLE decoded_$round AS SELECT generate_series(1, 500) i;
CHECKPOINT;
SELECT pg_drop_replication_slot('s$round');
INSERT INTO decoded_$round SELECT generate_series(1, 500);
));
		$node->poll_query_until('postgres', 'SHOW effective_wal_level',
			'replica')
		  or croak 'logical decoding stays enabled';
	}
	$node->safe_psql('postgres', "ALTER SYSTEM SET wal_level = $level");
	$node->restart;
	$node->safe_psql('postgres',
		'ALTER SYSTEM RESET wal_level; SELECT pg_reload_conf()');
	return;
}

1;

# BBackup::Workload::Chapters - everything that WAL can say.
#
# A chapter is a name and SQL for database postgres, or a function of the
# node.  Each cleans up some of what it made and leaves some, so that later
# ones (databases as templates, vacuum of everything) find a lot.

package BBackup::Workload::Chapters;

use strict;
use warnings;

use BBackup::Workload::Indexes;
use BBackup::Workload::NewFeatures;
use Exporter 'import';

our @EXPORT = qw(chapters);

sub chapters
{
	return (
		decoding_chapters(),
		storage_chapters(), row_chapters(),
		index_chapters(), catalog_chapters(),
		database_chapters(), transaction_chapters(),
		new_chapters(), freeze_chapters());
}

# --- Relations: created, extended, truncated, dropped, unlogged.

sub storage_chapters
{
	return (
		[ 'extend and truncate' => q(
CREATE TABLE grow (i int PRIMARY KEY, t text);
INSERT INTO grow SELECT i, repeat('x', 100) FROM generate_series(1, 10000) i;
VACUUM grow;
DELETE FROM grow WHERE i > 3000;
VACUUM grow;
INSERT INTO grow SELECT i, repeat('y', 50) FROM generate_series(3001, 4000) i;
CHECKPOINT;
INSERT INTO grow SELECT i, repeat('z', 50) FROM generate_series(4001, 9000) i;
VACUUM FREEZE grow;
DELETE FROM grow WHERE i > 100;
VACUUM grow;
INSERT INTO grow SELECT i, repeat('z', 50) FROM generate_series(5001, 7000) i;
CREATE TABLE emptied AS SELECT generate_series(1, 5000) i;
VACUUM emptied;
DELETE FROM emptied;
VACUUM emptied;
) ],
		[ 'truncate' => q(
CREATE TABLE cut (i serial PRIMARY KEY, t text);
INSERT INTO cut (t) SELECT repeat('a', 3000) FROM generate_series(1, 200);
BEGIN;
TRUNCATE cut RESTART IDENTITY;
INSERT INTO cut (t) SELECT 'rolled back' FROM generate_series(1, 1000);
ROLLBACK;
TRUNCATE cut RESTART IDENTITY;
INSERT INTO cut (t) SELECT 'one' FROM generate_series(1, 1000);
-- in its own transaction it is cut in place
BEGIN;
CREATE TABLE cut_new (i int PRIMARY KEY);
INSERT INTO cut_new SELECT generate_series(1, 5000);
TRUNCATE cut_new;
INSERT INTO cut_new SELECT generate_series(1, 100);
COMMIT;
) ],
		[ 'drops on commit and abort' => q(
CREATE TABLE dropped (i int PRIMARY KEY, t text);
INSERT INTO dropped SELECT i, i FROM generate_series(1, 2000) i;
VACUUM dropped;
DROP TABLE dropped;
BEGIN;
CREATE TABLE aborted (i int PRIMARY KEY, t text);
INSERT INTO aborted SELECT i, i FROM generate_series(1, 2000) i;
CREATE INDEX ON aborted USING gin (to_tsvector('simple', t));
ROLLBACK;
CREATE TABLE kept (i int);
BEGIN;
CREATE TABLE with_savepoint (i int);
INSERT INTO with_savepoint SELECT generate_series(1, 100);
SAVEPOINT one;
CREATE TABLE gone_with_savepoint (i int);
INSERT INTO gone_with_savepoint SELECT generate_series(1, 1000);
DROP TABLE kept;
SAVEPOINT two;
CREATE TABLE gone_with_inner (i int);
INSERT INTO gone_with_inner SELECT generate_series(1, 100);
ROLLBACK TO two;
INSERT INTO gone_with_savepoint SELECT generate_series(1, 1000);
ROLLBACK TO one;
SAVEPOINT three;
CREATE TABLE kept_with_savepoint (i int);
INSERT INTO kept_with_savepoint SELECT generate_series(1, 100);
RELEASE three;
DROP TABLE kept;
COMMIT;
-- many at once
BEGIN;
SELECT 'CREATE TABLE many_' || i || ' (i int PRIMARY KEY)'
FROM generate_series(1, 30) i \gexec
COMMIT;
INSERT INTO many_3 SELECT generate_series(1, 3000);
BEGIN;
SELECT 'DROP TABLE many_' || i FROM generate_series(1, 28) i \gexec
COMMIT;
) ],
		[ 'unlogged' => q(
CREATE UNLOGGED TABLE quiet (id int PRIMARY KEY, a int[], p point, t text);
CREATE INDEX ON quiet USING hash (t);
CREATE INDEX ON quiet USING gin (a);
CREATE INDEX ON quiet USING gist (p);
CREATE INDEX ON quiet USING spgist (t);
CREATE INDEX ON quiet USING brin (id);
INSERT INTO quiet SELECT i, ARRAY[i], point(i, i), i
FROM generate_series(1, 1000) i;
VACUUM quiet;
CREATE UNLOGGED SEQUENCE quiet_sequence START 7;
SELECT nextval('quiet_sequence') FROM generate_series(1, 100);
CREATE UNLOGGED TABLE quiet_then_logged (id serial PRIMARY KEY, t text);
INSERT INTO quiet_then_logged (t) SELECT i FROM generate_series(1, 2000) i;
ALTER TABLE quiet_then_logged SET LOGGED;
UPDATE quiet_then_logged SET t = 'logged' WHERE id % 3 = 0;
CREATE TABLE logged_then_quiet (id int PRIMARY KEY, t text);
INSERT INTO logged_then_quiet SELECT i, i FROM generate_series(1, 2000) i;
ALTER TABLE logged_then_quiet SET UNLOGGED;
INSERT INTO logged_then_quiet SELECT i, i FROM generate_series(2001, 3000) i;
CREATE UNLOGGED TABLE quiet_dropped (id serial PRIMARY KEY);
INSERT INTO quiet_dropped DEFAULT VALUES;
DROP TABLE quiet_dropped;
BEGIN;
CREATE UNLOGGED TABLE quiet_aborted (id serial PRIMARY KEY);
INSERT INTO quiet_aborted DEFAULT VALUES;
ROLLBACK;
TRUNCATE quiet;
INSERT INTO quiet SELECT i FROM generate_series(1, 100) i;
-- an xid that no WAL but the prepared state tells of
BEGIN;
INSERT INTO grow VALUES (20001, 'one');
SAVEPOINT s;
INSERT INTO quiet VALUES (10001);
PREPARE TRANSACTION 'unlogged subtransaction';
) ],
		[ 'sequences' => q(
CREATE SEQUENCE counter;
SELECT nextval('counter') FROM generate_series(1, 100);
SELECT setval('counter', 5000);
ALTER SEQUENCE counter RESTART WITH 17 INCREMENT BY 3 CACHE 10;
SELECT nextval('counter') FROM generate_series(1, 50);
BEGIN;
ALTER SEQUENCE counter RESTART WITH 1000000;
SELECT nextval('counter');
ROLLBACK;
CREATE TABLE identified (id int GENERATED ALWAYS AS IDENTITY, t text);
INSERT INTO identified (t) SELECT 'x' FROM generate_series(1, 500);
CREATE SEQUENCE dropped_counter;
DROP SEQUENCE dropped_counter;
) ],
		[ 'rewrites' => q(
CREATE TABLE rewritten (i int, t text, d date);
INSERT INTO rewritten
SELECT i, md5(i::text), DATE '2020-01-01' + i FROM generate_series(1, 3000) i;
CREATE INDEX rewritten_t ON rewritten (t);
CLUSTER rewritten USING rewritten_t;
ALTER TABLE rewritten ALTER i TYPE bigint;
ALTER TABLE rewritten ADD v float DEFAULT random();
ALTER TABLE rewritten ADD c int DEFAULT 17;
VACUUM FULL rewritten;
ALTER TABLE rewritten DROP COLUMN d;
UPDATE rewritten SET c = 18 WHERE i % 5 = 0;
REINDEX TABLE rewritten;
REINDEX TABLE CONCURRENTLY rewritten;
CREATE INDEX CONCURRENTLY rewritten_i ON rewritten (i);
DROP INDEX CONCURRENTLY rewritten_t;
CREATE MATERIALIZED VIEW view AS SELECT i % 10 AS k, count(*) FROM rewritten
	GROUP BY 1;
CREATE UNIQUE INDEX ON view (k);
REFRESH MATERIALIZED VIEW view;
DELETE FROM rewritten WHERE i % 10 = 3;
REFRESH MATERIALIZED VIEW CONCURRENTLY view;
BEGIN;
ALTER TABLE rewritten ALTER c TYPE bigint;
CLUSTER rewritten USING rewritten_i;
ROLLBACK;
) ]);
}

# --- Rows: all ways to write a heap, and what hangs on it.

sub row_chapters
{
	return (
		[ 'heap' => q(
CREATE TABLE heap (i int PRIMARY KEY, n int, t text) WITH (fillfactor = 70);
INSERT INTO heap SELECT i, 0, 'a' FROM generate_series(1, 3000) i;
UPDATE heap SET n = n + 1 WHERE i % 3 = 0;
UPDATE heap SET n = n + 1 WHERE i % 3 = 0;
SELECT count(*) FROM heap;
UPDATE heap SET n = n + 1 WHERE i % 3 = 0;
UPDATE heap SET i = i + 10000 WHERE i % 7 = 0;
UPDATE heap SET t = repeat('long', 200) WHERE i % 11 = 0;
DELETE FROM heap WHERE i % 13 = 0;
INSERT INTO heap VALUES (1, 1, 'x'), (50001, 1, 'y')
	ON CONFLICT (i) DO UPDATE SET n = heap.n + 1;
INSERT INTO heap SELECT i, 1, 'z' FROM generate_series(50000, 50100) i
	ON CONFLICT DO NOTHING;
MERGE INTO heap USING generate_series(1, 100) g ON heap.i = g
	WHEN MATCHED AND g % 2 = 0 THEN DELETE
	WHEN MATCHED THEN UPDATE SET n = 100
	WHEN NOT MATCHED THEN INSERT VALUES (g, 0, 'merged');
VACUUM heap;
SELECT count(*) FROM heap;
) ],
		[ 'toast' => q(
CREATE TABLE toasted (id int PRIMARY KEY, e text, m text COMPRESSION lz4);
ALTER TABLE toasted ALTER e SET STORAGE external;
INSERT INTO toasted
SELECT i, (SELECT string_agg(md5((i * j)::text), '')
		   FROM generate_series(1, 300) j),
	repeat('compress me ' || i, 5000)
FROM generate_series(1, 30) i;
UPDATE toasted SET e = e || 'more' WHERE id % 3 = 0;
DELETE FROM toasted WHERE id % 5 = 0;
VACUUM toasted;
) ],
		[ 'copy' => q(
CREATE TABLE copied (i int, t text);
COPY copied FROM PROGRAM 'seq 1 4000 | sed "s/$/\tsome text/"';
BEGIN;
CREATE TABLE copied_frozen (i int, t text);
COPY copied_frozen FROM PROGRAM 'seq 1 4000 | sed "s/$/\tsome text/"'
	WITH (FREEZE);
COMMIT;
BEGIN;
TRUNCATE copied;
COPY copied FROM PROGRAM 'seq 1 3000 | sed "s/$/\tsome text/"' WITH (FREEZE);
ROLLBACK;
-- frozen pages, changed
UPDATE copied_frozen SET t = 'changed' WHERE i % 100 = 0;
DELETE FROM copied_frozen WHERE i % 150 = 7;
) ],
		[ 'visibility map' => q(
CREATE TABLE seen (i int PRIMARY KEY, t text) WITH (fillfactor = 80);
INSERT INTO seen SELECT i, 'a' FROM generate_series(1, 5000) i;
VACUUM seen;
DELETE FROM seen WHERE i % 1000 = 1;
VACUUM seen;
INSERT INTO seen SELECT i, 'b' FROM generate_series(5001, 5010) i;
VACUUM FREEZE seen;
UPDATE seen SET t = 'hot' WHERE i % 700 = 2;
VACUUM FREEZE seen;
UPDATE seen SET i = i + 10000, t = repeat('moved', 300) WHERE i % 700 = 3;
VACUUM FREEZE seen;
-- locks clear all-frozen alone
BEGIN;
SELECT i FROM seen WHERE i % 900 = 4 FOR UPDATE;
ROLLBACK;
BEGIN;
SELECT i FROM seen WHERE i % 900 = 5 FOR KEY SHARE;
COMMIT;
COPY seen FROM PROGRAM 'seq 30000 30005 | sed "s/$/\tcopied/"';
VACUUM seen;
SET vacuum_freeze_min_age = 0;
VACUUM (DISABLE_PAGE_SKIPPING) seen;
CHECKPOINT;
DELETE FROM seen WHERE i % 500 = 6;
VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) seen;
BEGIN;
UPDATE seen SET t = 'not to be' WHERE i % 600 = 7;
ROLLBACK;
VACUUM seen;
) ],
		[ 'row locks' => q(
CREATE TABLE locked (i int PRIMARY KEY, n int DEFAULT 0);
CREATE TABLE locking (i int REFERENCES locked);
INSERT INTO locked SELECT generate_series(1, 500);
VACUUM FREEZE locked;
-- two lockers of each row, and an update over them
BEGIN;
SELECT count(*) FROM (SELECT FROM locked WHERE i <= 200 FOR KEY SHARE) l;
PREPARE TRANSACTION 'locker';
BEGIN;
SELECT count(*) FROM (SELECT FROM locked WHERE i <= 300 FOR KEY SHARE) l;
UPDATE locked SET n = n + 1 WHERE i <= 50;
SAVEPOINT s;
SELECT count(*) FROM (SELECT FROM locked WHERE i > 100 FOR NO KEY UPDATE) l;
ROLLBACK TO s;
INSERT INTO locking SELECT generate_series(1, 100);
COMMIT;
BEGIN;
SELECT count(*) FROM (SELECT FROM locked FOR KEY SHARE) l;
SAVEPOINT s;
UPDATE locked SET n = n + 1 WHERE i > 400;
ROLLBACK TO s;
PREPARE TRANSACTION 'second locker';
UPDATE locked SET n = n + 1 WHERE i % 2 = 0;
COMMIT PREPARED 'locker';
ROLLBACK PREPARED 'second locker';
DELETE FROM locked WHERE i > 450;
VACUUM locked;
-- a lock that follows an update to the new row
BEGIN;
UPDATE locked SET n = n + 1 WHERE i BETWEEN 20 AND 30;
PREPARE TRANSACTION 'updater';
SELECT count(*) FROM (SELECT FROM locked WHERE i < 40 FOR KEY SHARE) l;
COMMIT PREPARED 'updater';
-- left over, until the end
BEGIN;
SELECT count(*) FROM (SELECT FROM locked WHERE i < 10 FOR SHARE) l;
PREPARE TRANSACTION 'left-over locker';
) ],
		[ 'large objects' => q(
SELECT lo_from_bytea(4711, decode(repeat('0123456789abcdef', 5000), 'hex'));
SELECT lo_put(4711, 1000, 'something else');
SELECT lo_from_bytea(4712, 'small');
SELECT lo_unlink(4712);
BEGIN;
SELECT lo_from_bytea(4713, 'not to be');
ROLLBACK;
) ],
		[ 'messages and origins' => q(
SELECT pg_logical_emit_message(false, 'bb', 'not transactional');
BEGIN;
SELECT pg_logical_emit_message(true, 'bb', repeat('transactional', 1000));
COMMIT;
CREATE TABLE arrived (i int);
SELECT pg_replication_origin_create('here');
SELECT pg_replication_origin_create('there');
SELECT pg_replication_origin_create('gone');
SELECT pg_replication_origin_advance('there', '0/ABCDEF');
SELECT pg_replication_origin_advance('gone', '0/123456');
SELECT pg_replication_origin_session_setup('here');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/AAAA', '2024-01-01');
INSERT INTO arrived VALUES (1);
COMMIT;
BEGIN;
SELECT pg_replication_origin_xact_setup('0/BBBB', '2024-01-02');
INSERT INTO arrived VALUES (2);
PREPARE TRANSACTION 'from elsewhere';
BEGIN;
SELECT pg_replication_origin_xact_setup('0/CCCC', '2024-01-03');
INSERT INTO arrived VALUES (3);
ROLLBACK;
SELECT pg_replication_origin_xact_setup('0/DDDD', '2024-01-04');
COMMIT PREPARED 'from elsewhere';
SELECT pg_replication_origin_session_reset();
CHECKPOINT;
SELECT pg_replication_origin_drop('gone');
SELECT pg_create_restore_point('a restore point');
) ]);
}

# --- Transactions.

sub transaction_chapters
{
	return (
		[ 'subtransactions' => q(
CREATE TABLE nested (i int);
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		BEGIN
			INSERT INTO nested VALUES (i);
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
DO $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		BEGIN
			INSERT INTO nested VALUES (i);
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	NULL;
END $$;
) ],
		[ 'prepared' => q(
CREATE TABLE prepared (t text);
CREATE TABLE prepared_dropped (i int PRIMARY KEY);
INSERT INTO prepared_dropped SELECT generate_series(1, 1000);
BEGIN;
INSERT INTO prepared SELECT 'committed' FROM generate_series(1, 100);
SAVEPOINT s;
CREATE TABLE prepared_made (i int PRIMARY KEY);
INSERT INTO prepared_made SELECT generate_series(1, 1000);
DROP TABLE prepared_dropped;
PREPARE TRANSACTION 'to be committed';
BEGIN;
INSERT INTO prepared SELECT 'rolled back' FROM generate_series(1, 100);
SAVEPOINT s;
INSERT INTO prepared VALUES ('and more');
ROLLBACK TO s;
CREATE TABLE prepared_not_made (i int PRIMARY KEY);
INSERT INTO prepared_not_made SELECT generate_series(1, 1000);
PREPARE TRANSACTION 'to be rolled back';
BEGIN;
INSERT INTO prepared VALUES ('short');
PREPARE TRANSACTION 'short';
COMMIT PREPARED 'short';
CHECKPOINT;
BEGIN;
INSERT INTO prepared VALUES ('left over');
CREATE TABLE prepared_left (i int);
INSERT INTO prepared_left SELECT generate_series(1, 100);
PREPARE TRANSACTION 'left over';
COMMIT PREPARED 'to be committed';
ROLLBACK PREPARED 'to be rolled back';
BEGIN;
INSERT INTO prepared VALUES ('left over, too');
SELECT pg_logical_emit_message(true, 'bb', 'prepared');
PREPARE TRANSACTION 'left over, too';
) ],
		[ 'multixacts' => q(
CREATE TABLE shared (i int PRIMARY KEY, n int DEFAULT 0);
INSERT INTO shared SELECT generate_series(1, 10);
-- each round makes a multixact of its own: more than a segment of them
DO $$
BEGIN
	PERFORM FROM shared WHERE i = 1 FOR KEY SHARE;
	FOR r IN 1 .. 70000 LOOP
		BEGIN
			UPDATE shared SET n = 0 WHERE i = 1 AND false;
			PERFORM FROM shared WHERE i = 1 FOR SHARE;
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
) ],
		[ 'xids' => q(
-- each round takes an xid that no WAL tells of before the commit does
CREATE UNLOGGED TABLE burnt (i int);
CREATE PROCEDURE burn(xids int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. xids LOOP
		BEGIN
			INSERT INTO burnt VALUES (1);
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
CALL burn(20000);
) ]);
}

# --- Catalogs: mapped ones, and much at once.

sub catalog_chapters
{
	return (
		[ 'mapped catalogs' => q(
VACUUM FULL pg_class;
VACUUM FULL pg_database;
VACUUM FULL pg_authid;
CLUSTER pg_proc USING pg_proc_oid_index;
REINDEX TABLE pg_class;
REINDEX TABLE pg_database;
BEGIN;
REINDEX TABLE pg_class;
REINDEX TABLE pg_attribute;
ROLLBACK;
VACUUM FULL pg_attribute;
VACUUM pg_class, pg_attribute;
ANALYZE;
) ],
		[ 'owned' => q(
CREATE ROLE owner;
SET ROLE owner;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE owned_1 (i serial PRIMARY KEY, t text);
INSERT INTO owned_1 (t) SELECT 'x' FROM generate_series(1, 1000);
CREATE MATERIALIZED VIEW owned_2 AS SELECT * FROM owned_1;
CREATE TYPE owned_3 AS ENUM ('a', 'b');
RESET ROLE;
DROP OWNED BY owner;
DROP ROLE owner;
CREATE SCHEMA crowd
	CREATE TABLE a (i int PRIMARY KEY)
	CREATE TABLE b (i int REFERENCES a);
INSERT INTO crowd.a SELECT generate_series(1, 100);
INSERT INTO crowd.b SELECT generate_series(1, 100);
CREATE FUNCTION crowd.f() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE UPDATE ON crowd.a FOR EACH ROW EXECUTE FUNCTION
	crowd.f();
UPDATE crowd.a SET i = i;
DROP SCHEMA crowd CASCADE;
CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
CREATE INDEX ON parts (k);
INSERT INTO parts SELECT i, i::text FROM generate_series(0, 1999) i;
UPDATE parts SET k = k + 1000 WHERE k < 10;
ALTER TABLE parts DETACH PARTITION parts_1;
DROP TABLE parts_1;
) ],
		[ 'temporary' => q(
CREATE TEMP TABLE passing (i serial PRIMARY KEY, t text);
INSERT INTO passing (t) SELECT i FROM generate_series(1, 2000) i;
CREATE TABLE from_passing AS SELECT * FROM passing;
) ]);
}

# --- Databases and tablespaces.

sub database_chapters
{
	return (
		[ 'databases' => q(
CREATE DATABASE by_wal_log TEMPLATE template1 STRATEGY wal_log;
CREATE DATABASE by_file_copy TEMPLATE template1 STRATEGY file_copy;
\c by_wal_log
CREATE TABLE t AS
	SELECT i, current_database() AS d FROM generate_series(1, 2000) i;
CREATE UNLOGGED TABLE u (i int PRIMARY KEY);
INSERT INTO u SELECT generate_series(1, 1000);
CREATE INDEX ON t (i);
VACUUM t;
DELETE FROM t WHERE i % 100 = 0;
\c by_file_copy
CREATE TABLE t AS
	SELECT i, current_database() AS d FROM generate_series(1, 2000) i;
CREATE UNLOGGED TABLE u (i int PRIMARY KEY);
INSERT INTO u SELECT generate_series(1, 1000);
VACUUM t;
VACUUM FULL pg_class;
\c postgres
-- copies with something in them, crosswise
CREATE DATABASE copy_1 TEMPLATE by_wal_log STRATEGY file_copy;
CREATE DATABASE copy_2 TEMPLATE by_file_copy STRATEGY wal_log;
\c copy_1
UPDATE t SET d = 'copy' WHERE i % 7 = 0;
VACUUM t;
\c copy_2
UPDATE t SET d = 'copy' WHERE i % 7 = 0;
VACUUM t;
\c postgres
ALTER DATABASE copy_1 RENAME TO copy_1_renamed;
DROP DATABASE by_wal_log;
DROP DATABASE copy_2;
CREATE DATABASE short_lived STRATEGY file_copy;
DROP DATABASE short_lived;
) ],
		[ 'tablespaces' => q(
CREATE TABLESPACE here LOCATION '';
CREATE TABLESPACE there LOCATION '';
CREATE TABLE spaced (i int PRIMARY KEY USING INDEX TABLESPACE there, t text)
	TABLESPACE here;
INSERT INTO spaced SELECT i, i FROM generate_series(1, 3000) i;
VACUUM spaced;
CREATE UNLOGGED TABLE spaced_quiet (i int PRIMARY KEY) TABLESPACE here;
ALTER TABLE spaced SET TABLESPACE there;
UPDATE spaced SET t = 'moved' WHERE i % 9 = 0;
ALTER INDEX spaced_pkey SET TABLESPACE pg_default;
ALTER TABLE spaced_quiet SET TABLESPACE there;
CREATE DATABASE spaced_base TABLESPACE here STRATEGY wal_log;
CREATE DATABASE spaced_copy TEMPLATE by_file_copy TABLESPACE here
	STRATEGY file_copy;
\c spaced_base
CREATE TABLE t AS SELECT generate_series(1, 1000) i;
CREATE TABLE t_default (i int) TABLESPACE there;
INSERT INTO t_default SELECT generate_series(1, 1000);
\c postgres
ALTER DATABASE by_file_copy SET TABLESPACE there;
ALTER DATABASE spaced_copy SET TABLESPACE pg_default;
\c by_file_copy
INSERT INTO t SELECT i, 'moved' FROM generate_series(1, 500) i;
\c postgres
CHECKPOINT;
CREATE TABLESPACE nowhere LOCATION '';
CREATE TABLE nowhere_t TABLESPACE nowhere AS SELECT generate_series(1, 100) i;
DROP TABLE nowhere_t;
DROP TABLESPACE nowhere;
ALTER TABLESPACE there RENAME TO elsewhere;
DROP DATABASE spaced_base;
DROP TABLE spaced_quiet;
DROP TABLESPACE here;
) ],
		[
			'settings' => sub {
				my ($node) = @_;

				foreach my $setting ('full_page_writes = off',
					'full_page_writes = on')
				{
					$node->safe_psql('postgres', "ALTER SYSTEM SET $setting");
					$node->reload;
					$node->safe_psql('postgres',
						'CHECKPOINT; UPDATE heap SET n = n + 1');
				}
				$node->safe_psql('postgres',
					'ALTER SYSTEM RESET full_page_writes');
				# another set of parameters in the control file
				foreach my $setting ('track_commit_timestamp = off',
					'track_commit_timestamp = on')
				{
					$node->append_conf('postgresql.conf',
						"$setting\nmax_connections = 40");
					$node->restart;
					$node->safe_psql('postgres',
						'UPDATE heap SET n = n + 1 WHERE i % 2 = 0');
				}
			}
		]);
}

# --- The end: everything is frozen, old SLRU segments go.

sub freeze_chapters
{
	return (
		[
			'segments of xids' => sub {
				my ($node) = @_;

				# 1,048,576 xids are a segment of pg_xact
				$node->safe_psql('postgres', 'CALL burn(90000)') for 1 .. 12;
			}
		],
		[
			'freeze' => sub {
				my ($node) = @_;

				foreach my $gid ('left over', 'unlogged subtransaction',
					'left-over locker')
				{
					$node->safe_psql('postgres', "COMMIT PREPARED '$gid'")
					  if $node->safe_psql('postgres',
						'SELECT count(*) FROM pg_prepared_xacts'
						  . " WHERE gid = '$gid'") > 0;
				}
				$node->safe_psql('postgres', q(
DO $$ BEGIN
	IF EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = 'left over, too') THEN
		NULL;
	END IF;
END $$;
ALTER DATABASE template0 ALLOW_CONNECTIONS true));
				$node->safe_psql('postgres', "COMMIT PREPARED 'left over, too'")
				  if $node->safe_psql('postgres',
					'SELECT count(*) FROM pg_prepared_xacts') > 0;
				$node->command_ok([ 'vacuumdb', '--all', '--freeze', '-q' ],
					'everything can be frozen');
				$node->safe_psql('postgres', q(
ALTER DATABASE template0 ALLOW_CONNECTIONS false;
CHECKPOINT;
INSERT INTO prepared SELECT 'after all' FROM generate_series(1, 100);
BEGIN;
SELECT count(*) FROM (SELECT FROM locked WHERE i < 10 FOR SHARE) l;
PREPARE TRANSACTION 'last locker';
BEGIN;
SELECT count(*) FROM (SELECT FROM locked WHERE i < 10 FOR SHARE) l;
COMMIT;
));
			}
		]);
}

1;

# BBackup::OddTables - tables and types that are hard to read as of an LSN.
#
#	create_odd_types($node, 'shop');	both clusters may have them
#	create_odd_tables($node, 'shop');
#	change_odd_tables($node, 'shop', $round);

package BBackup::OddTables;

use strict;
use warnings;

use BBackup::Sessions;
use Exporter 'import';

our @EXPORT = qw(create_odd_types create_odd_tables change_odd_tables);

# create_odd_types - types that have other OIDs in each cluster.
sub create_odd_types
{
	my ($node, $database) = @_;

	$node->safe_psql($database, q(
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN more_positive AS positive CHECK (VALUE > 10);
CREATE TYPE pair AS (a int, b text, m mood);
CREATE TYPE float_range AS RANGE (subtype = float8);
));
	return;
}

sub create_odd_tables
{
	my ($node, $database) = @_;

	$node->safe_psql($database, q(
CREATE TABLE types (id int PRIMARY KEY, i2 int2, i8 int8, f4 float4, f8 float8,
	n numeric, t text, v varchar(20), c char(5), nm name, b bytea, ts timestamp,
	tz timestamptz, d date, tm time, iv interval, u uuid, ip inet, j json, jb jsonb,
	bo bool, ch "char", pt point, bx box, tsv tsvector, ia int[], ta text[][],
	r int4range, mr int4multirange, m mood, ma mood[], p positive, pa positive[],
	mp more_positive, co pair, coa pair[], f float_range, fm float_multirange,
	h hstore, ci citext, cia citext[], rc regclass, bt bit(7), vb varbit, mo money);
INSERT INTO types SELECT g, g, g * 10000000000, g / 3.0, g / 7.0, g * 1.1::numeric,
	'text ' || g, 'v' || g, 'c' || g % 1000, 'name' || g, decode(md5(g::text), 'hex'),
	'2020-01-01'::timestamp + g * interval '1 hour',
	'2020-01-01'::timestamptz + g * interval '1 hour', '2020-01-01'::date + g,
	'00:00'::time + g * interval '1 min', g * interval '1 day', md5(g::text)::uuid,
	('10.0.0.' || g % 250)::inet, json_build_object('g', g),
	jsonb_build_object('g', g, 'a', array[1, 2, g]), g % 2 = 0, 'x', point(g, g),
	box(point(g, g), point(0, 0)), to_tsvector('hello ' || g), array[g, NULL, g + 1],
	array[['a', 'b' || g], ['c', NULL]], int4range(g, g + 5),
	int4multirange(int4range(g, g + 2), int4range(g + 5, g + 9)),
	(array['sad', 'ok', 'happy'])[1 + g % 3]::mood, array['ok', 'happy']::mood[], g,
	array[g, g + 1]::positive[], g + 10, row(g, 'b' || g, 'ok')::pair,
	array[row(g, 'x', 'sad')::pair, row(NULL, NULL, 'happy')::pair],
	float_range(g, g + 0.5),
	float_multirange(float_range(g, g + 0.5), float_range(g + 1, g + 2)),
	('k=>' || g)::hstore, 'CiText' || g, array['A', 'b']::citext[],
	'types'::regclass, B'1010101', B'101', g::money
	FROM generate_series(1, 300) g;
INSERT INTO types (id) VALUES (1000);

-- out of line, compressed in both ways, and neither
CREATE TABLE toasty (id int PRIMARY KEY, big text, arr int[], jb jsonb);
INSERT INTO toasty SELECT g,
	(SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 300) i),
	(SELECT array_agg(((g * 7919::bigint * i) % 1000003)::int)
		FROM generate_series(1, 3000) i),
	jsonb_build_object('k', (SELECT string_agg(md5((g * 1000 + i)::text), '')
		FROM generate_series(1, 200) i)) FROM generate_series(1, 60) g;
INSERT INTO toasty SELECT g, repeat('abc', 1000) FROM generate_series(61, 90) g;
ALTER TABLE toasty ADD COLUMN st text;
ALTER TABLE toasty ALTER st SET STORAGE EXTERNAL;
UPDATE toasty SET st = repeat('q', 30000 + id) WHERE id % 10 = 0;

-- columns that were dropped, added, and never written
CREATE TABLE evolve (a int, b text, c int, d text);
INSERT INTO evolve SELECT g, 'b' || g, g * 2, 'd' || g FROM generate_series(1, 500) g;
ALTER TABLE evolve DROP COLUMN b;
ALTER TABLE evolve ADD COLUMN e int DEFAULT 42, ADD COLUMN f text DEFAULT 'missing',
	ADD COLUMN m mood DEFAULT 'happy', ADD COLUMN p pair DEFAULT row(1, 'x', 'sad'),
	ADD COLUMN arr int[] DEFAULT '{1,2,3}', ADD COLUMN nul text;
INSERT INTO evolve SELECT g, g * 2, 'd' || g, 7, 'here', 'sad', NULL, NULL, 'n'
	FROM generate_series(501, 550) g;
ALTER TABLE evolve ADD COLUMN gen int GENERATED ALWAYS AS (a + c) STORED;

-- without a rewrite after that: rows that are older than their columns
CREATE TABLE missing (a int);
INSERT INTO missing SELECT generate_series(1, 300);
ALTER TABLE missing ADD COLUMN e int DEFAULT 42, ADD COLUMN f text DEFAULT 'missing',
	ADD COLUMN m mood DEFAULT 'happy', ADD COLUMN p pair DEFAULT row(1, 'x', 'sad'),
	ADD COLUMN arr int[] DEFAULT '{1,2,3}', ADD COLUMN nul text;
INSERT INTO missing VALUES (2000, 1, 'x', 'ok', NULL, NULL, 'y');

-- types that only this cluster has
CREATE TYPE shade AS ENUM ('light', 'dark');
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TABLE own_types (s shade, e even, sa shade[]);
INSERT INTO own_types SELECT (array['light', 'dark'])[1 + g % 2]::shade, 2 * g,
	array['dark', 'light']::shade[] FROM generate_series(1, 20) g;

CREATE TABLE parted (id int, k int, v text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_2 (v text, junk int, k int, id int);
ALTER TABLE parted_2 DROP COLUMN junk;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100) TO (200);
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (200) TO (400)
	PARTITION BY LIST (k);
CREATE TABLE parted_3a PARTITION OF parted_3 FOR VALUES IN (0);
CREATE TABLE parted_3b PARTITION OF parted_3 DEFAULT;
INSERT INTO parted SELECT g, g % 3, 'v' || g FROM generate_series(0, 399) g;

CREATE TABLE par (id int, v text);
CREATE TABLE chi (extra text) INHERITS (par);
CREATE TABLE grand () INHERITS (chi);
INSERT INTO par VALUES (1, 'p');
INSERT INTO chi VALUES (2, 'c', 'e');
INSERT INTO grand VALUES (3, 'g', 'ee');

CREATE MATERIALIZED VIEW mv AS SELECT id, t FROM types;
CREATE MATERIALIZED VIEW never_filled AS SELECT 1 AS a WITH NO DATA;
CREATE SEQUENCE sq;
SELECT nextval('sq') FROM generate_series(1, 40);
CREATE UNLOGGED TABLE unlogged (a int);
INSERT INTO unlogged VALUES (1);
CREATE VIEW a_view AS SELECT 1 AS a;
CREATE SCHEMA app;
CREATE TABLE app.quoted ("Mixed Case" int, "order" text, "q""uote" int);
INSERT INTO app.quoted VALUES (1, 'a', 2);
CREATE TABLE empty (a int, b text);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;

-- changed by change_odd_tables()
CREATE TABLE work (id int PRIMARY KEY, v int, t text, big text);
INSERT INTO work SELECT g, 0, 'initial' FROM generate_series(1, 2000) g;
CREATE TABLE prepared (id int, t text);
INSERT INTO prepared SELECT generate_series(1, 50);
CREATE TABLE locked (id int PRIMARY KEY);
INSERT INTO locked SELECT generate_series(1, 60);
CREATE TABLE referred (id int PRIMARY KEY);
INSERT INTO referred SELECT generate_series(1, 50);
CREATE TABLE referring (id serial, r int REFERENCES referred);
));
	return;
}

# change_odd_tables - HOT updates, aborts, subtransactions, multixacts of all
# kinds, a prepared transaction that stays, and values that get out of line.
sub change_odd_tables
{
	my ($node, $database, $round) = @_;
	my @sessions = map { start_session($node, $database) } 1 .. 2;

	$node->safe_psql($database, qq(
UPDATE work SET v = v + 1 WHERE id % 7 = $round % 7;
DELETE FROM work WHERE id % 101 = $round % 101;
INSERT INTO work SELECT 10000 * $round + g, g, 'new', repeat(md5(g::text), 200)
	FROM generate_series(1, 50) g;
BEGIN;
UPDATE work SET t = 'never' WHERE id % 5 = 0;
ROLLBACK;
BEGIN;
UPDATE work SET t = 'outer' WHERE id % 11 = 0;
SAVEPOINT a;
UPDATE work SET t = 'aborted' WHERE id % 13 = 0;
ROLLBACK TO a;
SAVEPOINT b;
UPDATE work SET t = 'inner' WHERE id % 17 = 0;
RELEASE b;
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT id FROM locked WHERE id IN ($round, $round + 20, $round + 40) FOR KEY SHARE;
RELEASE a;
DELETE FROM locked WHERE id = $round;
UPDATE locked SET id = id + 1000 WHERE id = $round + 20;
SAVEPOINT b;
DELETE FROM locked WHERE id = $round + 40;
ROLLBACK TO b;
COMMIT;
UPDATE toasty SET big = big || '$round' WHERE id % 9 = $round % 9;
INSERT INTO referring (r) SELECT 1 + g % 50 FROM generate_series(1, 20) g;
BEGIN;
UPDATE prepared SET t = 'prepared' WHERE id = $round;
INSERT INTO empty VALUES ($round, 'prepared');
PREPARE TRANSACTION 'odd $round';
));
	# multixacts: two lockers; a locker and one that updates, not the key; a transaction
	# that locks, and then updates the key or deletes; and some that abort
	ask($sessions[0], 'BEGIN; SELECT id FROM referred WHERE id <= 20 FOR KEY SHARE');
	ask($sessions[1], 'BEGIN; SELECT id FROM referred WHERE id <= 10 FOR SHARE');
	ask($sessions[1], $round % 2 ? 'COMMIT' : 'ROLLBACK');
	ask($sessions[1], 'BEGIN; UPDATE referred SET id = id'
		  . ' WHERE id BETWEEN 11 AND 15');
	ask($sessions[1], $round % 2 ? 'ROLLBACK' : 'COMMIT');
	ask($sessions[0], 'COMMIT');
	end_session($_) foreach @sessions;
	$node->safe_psql($database, "COMMIT PREPARED 'odd $round'")
	  if $round % 3 == 1;
	$node->safe_psql($database, 'VACUUM FREEZE work') if $round % 4 == 2;
	$node->safe_psql($database, 'VACUUM FULL toasty') if $round % 4 == 3;
	$node->safe_psql($database, 'REFRESH MATERIALIZED VIEW mv;'
		  . " ALTER TYPE mood ADD VALUE IF NOT EXISTS 'mood $round'");
	return;
}

1;

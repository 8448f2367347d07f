# BBackup::Workload::Indexes - chapters for each index access method: build,
# inserts with splits, deletes, vacuum that empties pages.

package BBackup::Workload::Indexes;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(index_chapters);

sub index_chapters
{
	return (
		[ 'btree' => q(
CREATE TABLE b (i int, t text, k int);
CREATE INDEX b_i ON b (i);
CREATE INDEX b_t ON b (t) WITH (fillfactor = 50);
CREATE INDEX b_k ON b (k);
CREATE UNIQUE INDEX b_u ON b (i, t);
-- ascending, at random, duplicates
INSERT INTO b SELECT i, md5(i::text) || repeat('k', 100), i % 10
FROM generate_series(1, 6000) i;
DELETE FROM b WHERE i BETWEEN 1000 AND 4000;
VACUUM b;
INSERT INTO b SELECT i, md5(i::text), i % 3 FROM generate_series(1500, 3500) i;
-- kills in the index, and bottom-up deletion
UPDATE b SET k = k WHERE i < 300;
UPDATE b SET k = k + 1 WHERE i < 300;
SELECT count(*) FROM b WHERE i < 300;
UPDATE b SET k = k - 1 WHERE i < 300;
UPDATE b SET k = k + 1 WHERE i < 300;
DELETE FROM b WHERE i > 2000;
VACUUM b;
VACUUM b;
INSERT INTO b SELECT i, md5(i::text), i % 3 FROM generate_series(7000, 9000) i;
CREATE INDEX b_late ON b (k, t);
DELETE FROM b;
VACUUM b;
INSERT INTO b SELECT i, i, i FROM generate_series(1, 500) i;
) ],
		[ 'hash' => q(
CREATE TABLE h (i int, t text);
CREATE INDEX h_t ON h USING hash (t);
INSERT INTO h SELECT i, 'text ' || i FROM generate_series(1, 5000) i;
INSERT INTO h SELECT i, 'same' FROM generate_series(1, 2000) i;
DELETE FROM h WHERE i % 2 = 0;
VACUUM h;
UPDATE h SET t = 'other' WHERE i % 3 = 0;
SELECT count(*) FROM h WHERE t = 'same';
DELETE FROM h WHERE t = 'same';
VACUUM h;
INSERT INTO h SELECT i, 'text ' || i FROM generate_series(5001, 8000) i;
DELETE FROM h WHERE t = 'other';
-- an index scan marks what is dead
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM h WHERE t = 'other';
INSERT INTO h SELECT i, 'other' FROM generate_series(1, 1500) i;
VACUUM h;
CREATE INDEX h_i ON h USING hash (i);
) ],
		[ 'gin' => q(
CREATE TABLE g (i int, a int[], t tsvector);
CREATE INDEX g_a ON g USING gin (a) WITH (fastupdate = on);
CREATE INDEX g_t ON g USING gin (t) WITH (fastupdate = off);
INSERT INTO g SELECT i, ARRAY[i, i % 5, i % 100],
	to_tsvector('simple', 'word' || i % 50 || ' all other' || i)
FROM generate_series(1, 3000) i;
SELECT gin_clean_pending_list('g_a');
INSERT INTO g SELECT i, ARRAY[i, 1], to_tsvector('simple', 'all')
FROM generate_series(3001, 3500) i;
VACUUM g;
-- posting trees that lose pages
INSERT INTO g SELECT i, ARRAY[7], to_tsvector('simple', 'tree')
FROM generate_series(1, 12000) i;
VACUUM g;
DELETE FROM g WHERE a = ARRAY[7];
VACUUM g;
INSERT INTO g SELECT i, ARRAY[7, i % 3], to_tsvector('simple', 'tree')
FROM generate_series(1, 2000) i;
CREATE INDEX g_late ON g USING gin (a);
UPDATE g SET a = a || 99 WHERE i % 10 = 0;
) ],
		[ 'gist' => q(
CREATE TABLE s (i int, p point, r int4range);
CREATE INDEX s_r ON s USING gist (r);
CREATE INDEX s_p ON s USING gist (p);
INSERT INTO s SELECT i, point(i % 77, i % 91), int4range(i, i + 10)
FROM generate_series(1, 6000) i;
DELETE FROM s WHERE i BETWEEN 500 AND 5500;
VACUUM s;
VACUUM s;
INSERT INTO s SELECT i, point(i % 7, i % 9), int4range(i, i + 10)
FROM generate_series(1, 3000) i;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
DELETE FROM s WHERE p ~= point(1, 1);
SELECT count(*) FROM s WHERE p ~= point(1, 1);
INSERT INTO s SELECT i, point(1, 1), int4range(i, i + 10)
FROM generate_series(1, 1000) i;
CREATE INDEX s_sorted ON s USING gist (p);
CREATE INDEX s_buffered ON s USING gist (r) WITH (buffering = on);
ALTER TABLE s ADD EXCLUDE USING gist (int4range(i, i + 1) WITH =)
	WHERE (i > 5900 AND i < 5910);
) ],
		[ 'spgist' => q(
CREATE TABLE sp (i int, p point, t text, r int4range);
CREATE INDEX sp_t ON sp USING spgist (t);
CREATE INDEX sp_q ON sp USING spgist (p);
CREATE INDEX sp_k ON sp USING spgist (p kd_point_ops);
CREATE INDEX sp_r ON sp USING spgist (r);
INSERT INTO sp SELECT i, point(i % 77, i % 91),
	CASE i % 3 WHEN 0 THEN NULL ELSE repeat('prefix ', i % 20) || md5(i::text) END,
	int4range(i, i + i % 50)
FROM generate_series(1, 5000) i;
DELETE FROM sp WHERE i % 3 = 1;
VACUUM sp;
INSERT INTO sp SELECT i, point(5, 5), 'same', int4range(1, 5)
FROM generate_series(1, 1500) i;
DELETE FROM sp WHERE t = 'same';
VACUUM sp;
VACUUM sp;
CREATE INDEX sp_late ON sp USING spgist (t);
-- a prefix that has to be split
INSERT INTO sp SELECT i, NULL, repeat('a', 200) || i
FROM generate_series(1, 500) i;
INSERT INTO sp VALUES (0, NULL, repeat('a', 100) || 'b');
-- a root that is a leaf
CREATE TABLE sp_small AS SELECT i, i::text AS t FROM generate_series(1, 20) i;
CREATE INDEX ON sp_small USING spgist (t);
DELETE FROM sp_small WHERE i % 2 = 0;
VACUUM sp_small;
) ],
		[ 'brin' => q(
CREATE TABLE br (i int, t text) WITH (autovacuum_enabled = off);
CREATE INDEX br_i ON br USING brin (i)
	WITH (pages_per_range = 1, autosummarize = off);
CREATE INDEX br_m ON br USING brin (i int4_minmax_multi_ops)
	WITH (pages_per_range = 2);
CREATE INDEX br_b ON br USING brin (t text_bloom_ops)
	WITH (pages_per_range = 1);
INSERT INTO br SELECT i, repeat('x', 400) FROM generate_series(1, 3000) i;
SELECT brin_summarize_new_values('br_i');
SELECT brin_desummarize_range('br_i', 3);
SELECT brin_summarize_range('br_i', 3);
UPDATE br SET i = -i WHERE i % 50 = 0;
VACUUM br;
INSERT INTO br SELECT i, i FROM generate_series(1, 2000) i;
VACUUM br;
-- more ranges than a page of the range map has
INSERT INTO br SELECT i, repeat('y', 1500) FROM generate_series(1, 6000) i;
VACUUM br;
SELECT brin_desummarize_range('br_i', 10);
) ],
		[ 'bloom' => q(
CREATE EXTENSION bloom;
CREATE TABLE bl (i int, t text);
CREATE INDEX bl_x ON bl USING bloom (i, t);
INSERT INTO bl SELECT i, i FROM generate_series(1, 5000) i;
DELETE FROM bl WHERE i % 2 = 0;
VACUUM bl;
INSERT INTO bl SELECT i, i FROM generate_series(1, 1000) i;
DELETE FROM bl;
VACUUM bl;
INSERT INTO bl SELECT i, i FROM generate_series(1, 100) i;
) ]);
}

1;

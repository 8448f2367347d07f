# bb_transactions and bb_lsn_before: one case each, of tables that get new files, of
# names, of ranges and of errors.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, "autovacuum = off\n");

$source->safe_psql('postgres', 'CREATE DATABASE shop');
$source->safe_psql('shop', 'CREATE TABLE old (i int PRIMARY KEY); INSERT INTO old SELECT generate_series(1, 100)');
my $base = cold_backup($source);
$source->start;
$source->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '" . PostgreSQL::Test::Utils::tempdir_short . "'");

# --- what happened

sub run { $source->safe_psql('shop', $_) foreach @_; return }

run('CREATE SCHEMA s; CREATE TABLE s.t (i int, v text)',
	'INSERT INTO s.t SELECT g, g FROM generate_series(1, 1000) g',
	'CHECKPOINT',
	'DELETE FROM s.t WHERE i <= 10',
	'CHECKPOINT',
	'BEGIN; TRUNCATE s.t; INSERT INTO s.t VALUES (1), (2); COMMIT',
	'BEGIN; INSERT INTO s.t VALUES (3); SAVEPOINT a; TRUNCATE s.t; INSERT INTO s.t VALUES (4), (5), (6); COMMIT',
	'BEGIN; ALTER TABLE s.t ALTER i TYPE bigint; INSERT INTO s.t VALUES (7); COMMIT',
	'BEGIN; SAVEPOINT a; TRUNCATE s.t; ROLLBACK TO a; DELETE FROM s.t WHERE i = 7; COMMIT',
	'VACUUM FULL s.t', 'VACUUM FULL pg_class',
	'BEGIN; TRUNCATE s.t; ALTER TABLE s.t ALTER i TYPE numeric; INSERT INTO s.t VALUES (8); COMMIT',
	'ALTER TABLE s.t RENAME TO u', 'UPDATE s.u SET i = 9', 'DROP TABLE s.u',
	'CREATE TABLE s.t (i int); INSERT INTO s.t VALUES (1)',
	'DELETE FROM old WHERE i < 20', 'TRUNCATE old', 'DROP TABLE old',
	'CREATE TABLE p (i int) PARTITION BY RANGE (i); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)',
	'INSERT INTO p SELECT generate_series(1, 15)', 'UPDATE p SET i = 12 WHERE i = 2', 'DROP TABLE p2', 'TRUNCATE p',
	'CREATE MATERIALIZED VIEW m AS SELECT * FROM s.t', 'REFRESH MATERIALIZED VIEW m',
	'CREATE UNLOGGED TABLE g (i int)', 'CREATE VIEW w AS SELECT 1 AS one',
	'CREATE TEMP TABLE z AS SELECT 1',
	'CREATE TABLE moved (i int); INSERT INTO moved VALUES (1), (2)',
	'BEGIN; ALTER TABLE moved SET TABLESPACE elsewhere; INSERT INTO moved VALUES (3); COMMIT',
	'DELETE FROM moved WHERE i = 1',
	# its row in pg_class is written again, with the same file
	'BEGIN; ALTER TABLE moved ALTER i TYPE bigint; INSERT INTO moved VALUES (4), (5); ALTER TABLE moved SET (fillfactor = 50); COMMIT',
	# two files in one transaction, and after that its row in pg_class again
	'BEGIN; TRUNCATE moved; ALTER TABLE moved ALTER i TYPE numeric; INSERT INTO moved VALUES (6); ALTER TABLE moved SET (fillfactor = 60); COMMIT',
	'CREATE TABLE late (i int); INSERT INTO late VALUES (1)');

# speculative insertions that are taken back: both sessions insert before either has
# an entry in the index
run('CREATE TABLE spec (k text); CREATE FUNCTION slow(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN $1; END $$;'
	. 'CREATE UNIQUE INDEX ON spec (slow(k))');
foreach my $try (1 .. 3)
{
	my @sessions = map { start_session($source, 'shop') } 1 .. 2;

	send_query($_, "INSERT INTO spec VALUES ('k$try') ON CONFLICT DO NOTHING") foreach @sessions;
	answer($_) foreach @sessions;
	end_session($_) foreach @sessions;
}
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);

sub rows
{
	my ($relation, $more) = @_;

	return $store->safe_psql('postgres',
		"SELECT schema_name || '.' || table_name, inserted, updated, deleted, array_to_string(actions, ' ')"
		  . " FROM bb_transactions('shop', '$relation'" . ($more // '') . ') ORDER BY lsn, 1');
}

is(rows('s.t'), <<'ROWS' =~ s/\n\z//r, 'a table, and another of its name');
s.t|1000|0|0|
s.t|0|0|10|
s.t|2|0|0|truncated
s.t|4|0|0|truncated
s.t|1|0|0|rewritten
s.t|0|0|1|
s.t|0|0|0|rewritten
s.t|1|0|0|truncated rewritten
s.u|0|1|0|
s.u|0|0|0|dropped
s.t|1|0|0|
ROWS
is(rows('s.u'), <<'ROWS' =~ s/\n\z//r, 'a table by the name that it had when it was dropped');
s.t|1000|0|0|
s.t|0|0|10|
s.t|2|0|0|truncated
s.t|4|0|0|truncated
s.t|1|0|0|rewritten
s.t|0|0|1|
s.t|0|0|0|rewritten
s.t|1|0|0|truncated rewritten
s.u|0|1|0|
s.u|0|0|0|dropped
ROWS
is(rows('old'), "public.old|0|0|19|\npublic.old|0|0|0|truncated\npublic.old|0|0|0|dropped",
	'a table that is gone; public is the default');
is(rows('p'), <<'ROWS' =~ s/\n\z//r, 'partitions, of which one is gone');
public.p1|9|0|0|
public.p2|6|0|0|
public.p1|0|0|1|
public.p2|1|0|0|
public.p2|0|0|0|dropped
public.p1|0|0|0|truncated
ROWS
is(rows('m'), "public.m|1|0|0|\npublic.m|0|0|0|rewritten", 'a materialized view');
is(rows('moved'), "public.moved|2|0|0|\npublic.moved|1|0|0|rewritten\npublic.moved|0|0|1|\npublic.moved|2|0|0|rewritten\npublic.moved|1|0|0|truncated rewritten", 'in another tablespace, and rewritten');
is(rows('spec'), join("\n", ('public.spec|1|0|0|') x 3), 'insertions that are taken back');

# --- the LSN before

my $lsn = $store->safe_psql('postgres', "SELECT bb_lsn_before('public.old', 'drop', 'shop')");
my @old = split /\n/, $store->safe_psql('postgres', "SELECT lsn FROM bb_transactions('shop', 'old')");
ok($store->safe_psql('postgres', "SELECT pg_lsn '$lsn' < '$old[2]' AND pg_lsn '$lsn' >= '$old[1]'") eq 't',
	'drop: between the transactions');
$lsn = $store->safe_psql('postgres', "SELECT bb_lsn_before('public.old', 'delete', 'shop', more_than => 18)");
$store->safe_psql('postgres', 'CREATE DATABASE shop');
$store->safe_psql('shop', "CREATE EXTENSION bbackup; IMPORT FOREIGN SCHEMA public LIMIT TO (old) FROM SERVER bbackup INTO public OPTIONS (database 'shop', lsn '$lsn')");
is($store->safe_psql('shop', 'SELECT count(*) FROM old'), 100, 'delete: all rows are there just before');
fails_like($store, "SELECT bb_lsn_before('old', 'delete', 'shop', more_than => 19)",
	qr/ERROR:  P0002: no such "delete" of table "old"/, 'none of more rows');
fails_like($store, "SELECT bb_lsn_before('old', 'drop', 'shop', \"to\" => '$old[1]')",
	qr/ERROR:  P0002: no such "drop"/, 'none in the range');
fails_like($store, "SELECT bb_lsn_before('old', 'paint', 'shop')", qr/HINT:  Use drop, truncate/, 'an unknown act');

# --- errors

fails_like($store, "SELECT * FROM bb_transactions('shop', 'nothing')", qr/42P01: table "public.nothing" did not exist/, 'no table');
fails_like($store, "SELECT * FROM bb_transactions('shop', '$_')", qr/42809: "public.$_" of database "shop" has no rows/, "$_: no rows")
  foreach qw(g w);
fails_like($store, "SELECT * FROM bb_transactions('shop', 'a.b.c')", qr/42602: invalid name/, 'too many parts');
fails_like($store, "SELECT * FROM bb_transactions('none')", qr/3D000: database "none" does not exist/, 'no database');
fails_like($store, "SELECT * FROM bb_transactions('shop', \"from\" => '0/1')", qr/55000: .*DETAIL: .* can be read from/s, 'before the window');
fails_like($store, "SELECT * FROM bb_transactions('shop', \"to\" => 'F/0')", qr/22023: .*DETAIL: .* can be read from/s, 'behind it');
fails_like($store, "SELECT * FROM bb_transactions('shop', \"from\" => '$old[1]', \"to\" => '$old[0]')", qr/22023: "from"/, 'the wrong way round');
$store->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
fails_like($store, "SET ROLE nobody; SELECT * FROM bb_transactions('shop')", qr/42501: permission denied for function/, 'no privilege');
$store->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION bb_transactions TO nobody');
fails_like($store, "SET ROLE nobody; SELECT * FROM bb_transactions('shop')", qr/42501: permission denied for foreign server/, 'nor of the store');

# --- merged layers have the records, too

my $before = rows('s.t') . rows('p') . rows('m');
$store->safe_psql('postgres', "SELECT * FROM bb_upkeep(timeline => 'main')");
is(rows('s.t') . rows('p') . rows('m'), $before, 'the same after upkeep');
done_testing();

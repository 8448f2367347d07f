# Tables of the past in use: options, the setting bbackup.as_of, what is refused,
# whose rights count, what a session keeps, and errors in the middle.

use strict;
use warnings;
use BBackup;
use BBackup::OddTables;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, 'autovacuum = off');

$source->safe_psql('postgres', 'CREATE DATABASE shop');
create_odd_types($source, 'shop');
create_odd_tables($source, 'shop');
my $base = cold_backup($source);
$source->start;

# now - the end of the source's WAL, all of which a record ends at.
sub now
{
	return $source->safe_psql('shop', 'SELECT pg_current_wal_insert_lsn()');
}

$source->safe_psql('shop',
	"CREATE EXTENSION seg VERSION '1.3'; CREATE TABLE measured (s seg, a seg[]); INSERT INTO measured VALUES ('1 .. 2', '{3}')");
$source->safe_psql('shop',
	'CREATE ROLE "old ""Role"; CREATE TABLE a_commit (); GRANT SELECT ON a_commit TO "old ""Role" WITH GRANT OPTION; GRANT UPDATE ON a_commit TO PUBLIC');
my $acl = $source->safe_psql('shop', "SELECT relacl FROM pg_class WHERE relname = 'a_commit'");
my $before = now();
$source->safe_psql('shop', "SELECT pg_create_restore_point('before')");
my $time = $source->safe_psql('shop', 'SELECT clock_timestamp()');
$source->safe_psql('shop', 'DELETE FROM work WHERE id > 10');
my $deleted = now();
$source->safe_psql('shop',
	'ALTER TABLE work ADD COLUMN more int DEFAULT 7; DROP TABLE evolve');
end_segment();

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);

sub end_segment
{
	my $segment = $source->safe_psql('shop',
		'SELECT pg_walfile_name(pg_switch_wal())');

	$source->poll_query_until('shop',
		"SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
	  or die;
	return;
}

my $session = start_session($store);
ask($session, 'CREATE EXTENSION seg; CREATE SCHEMA past; CREATE SCHEMA now');
my $warnings = ask($session,
	'IMPORT FOREIGN SCHEMA public FROM SERVER bbackup INTO past'
	  . " OPTIONS (database 'shop', lsn '$before')");
like($warnings, qr/WARNING:  42809: table "unlogged" is left out\nDETAIL:  It is unlogged/,
	'an unlogged table is left out');
like($warnings, qr/table "never_filled" is left out/, 'so is an empty materialized view');
like(
	$warnings,
	qr/column "co" of table "types" is left out\nDETAIL:  This database has no type like public.pair\./,
	'and a column whose type is not here');
is(scalar(() = $warnings =~ /NOTICE:  00000: extension "seg" has version 1\.3 there, and 1\.4 here\n/g),
	1, 'an extension of another version is named, once');
query_is($session, "SELECT * FROM past.measured WHERE s && '1.5'", '1 .. 2|{3}', '... and read');
query_is($session,
	"SELECT string_agg(ftrelid::regclass::text, ' ' ORDER BY ftrelid::regclass::text)"
	  . " FROM pg_foreign_table WHERE NOT array_to_string(ftoptions, ' ') LIKE '%lsn=$before%'",
	'', 'each table says the LSN');
query_is($session,
	q(SELECT count(*) FROM pg_class WHERE relname ~ '^(parted_|a_view)'),
	0, 'there are no partitions, nor views');
query_is($session,
	"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid ="
	  . " 'past.types'::regclass AND attname IN ('m', 'p', 'rc', 'c', 'mp') ORDER BY attname",
	"character(5)\ntext\ninteger\ninteger\noid",
	'enums are text, domains their base types, names of objects their OIDs');
query_is($session, 'SELECT count(*), sum(v) FROM past.work', '2000|0',
	'before the rows were deleted');
query_is($session, 'SELECT count(*) FROM past.parted', 400, 'all partitions');
query_is($session, 'SELECT string_agg(v, NULL ORDER BY id) FROM past.par',
	'pcg', 'children, too');
query_is($session, 'SELECT count(*) FROM past.no_columns', 2,
	'a table without columns');
query_is($session, 'SELECT last_value, is_called FROM past.sq', '40|t',
	'a sequence');

ask($session, "IMPORT FOREIGN SCHEMA pg_catalog LIMIT TO (pg_class) FROM SERVER bbackup INTO now OPTIONS (database 'shop', lsn '$before')");
query_is($session, "SELECT pg_typeof(relacl), relacl FROM now.pg_class WHERE relname = 'a_commit'",
	"text[]|$acl", 'privileges have the names of roles there');
ask($session, 'ALTER FOREIGN TABLE now.pg_class ALTER relacl TYPE aclitem[]');
query_like($session, "SELECT relacl FROM now.pg_class WHERE relname = 'a_commit'",
	qr/ERROR:  42704: this server has no role "old ""Role", which a value of type aclitem in the page store names
HINT:  Make the column of type text/,
	'... of which no other role here gets any');
ask($session, 'DROP FOREIGN TABLE now.pg_class');

# ---- as of ----

ask($session,
	'IMPORT FOREIGN SCHEMA public LIMIT TO (work, sq) FROM SERVER bbackup INTO now'
	  . " OPTIONS (database 'shop')");
query_is($session, 'SELECT count(*), sum(more) FROM now.work', '10|70',
	'without lsn, a table is read at the end');
ask($session, "SET bbackup.as_of = '$deleted'");
query_like($session, 'SELECT sum(more) FROM now.work',
	qr/ERROR:  42703: column "more" of table "work" does not exist at \Q$deleted\E/,
	'a column that is not there yet is an error');
query_is($session, 'SELECT count(*), sum(id) FROM now.work', '10|55',
	'unless nobody asks for it');
ask($session, "SET bbackup.as_of = 'name:before'");
query_is($session, 'SELECT count(*) FROM now.work', 2000, 'a restore point');
ask($session, "SET bbackup.as_of = '$time'");
query_is($session, 'SELECT count(*) FROM now.work', 2000, 'a time');
ask($session, "SET bbackup.as_of = '-1 day'");
query_like($session, 'SELECT count(*) FROM now.work',
	qr/ERROR:  55000: time .* is in the past of timeline "main"/, 'an interval');
ask($session, "SET bbackup.as_of = '2001-01-01'");
query_like($session, 'SELECT count(*) FROM now.work',
	qr/ERROR:  55000: .*past of timeline "main"\nDETAIL:  .*It can be read from/,
	'a time before the timeline names what can be read');
ask($session, "SET bbackup.as_of = 'yesterdoy'");
query_like($session, 'SELECT count(*) FROM now.work',
	qr/ERROR:  22007: invalid input syntax for type timestamp/, 'no time at all');
ask($session, "SET bbackup.as_of = '$before'; PREPARE p AS SELECT count(*) FROM now.work");
query_is($session, 'EXECUTE p', 2000, 'a prepared statement');
ask($session, "SET bbackup.as_of = '$deleted'");
query_is($session, 'EXECUTE p', 10, '... heeds a later setting');
ask($session, 'RESET bbackup.as_of');
query_is($session,
	"SELECT (SELECT count(*) FROM past.work) - (SELECT count(*) FROM now.work)",
	1990, 'two LSNs in one query');
query_is($session, 'SELECT p.ctid = n.ctid AND p.xmin = n.xmin FROM past.work p'
	  . ' JOIN now.work n USING (id) WHERE id = 3', 't', 'system columns');
query_is($session,
	q(SELECT count(*) FROM now.sq s, LATERAL (SELECT * FROM now.work w WHERE w.id < s.last_value OFFSET 0) l),
	10, 'a scan is repeated');

# ---- options ----

my $options = "database 'shop', schema_name 'public', table_name 'work'";
foreach (
	[ 'lsn', "$options, lsn 'x'", qr/22P02: invalid input syntax for type pg_lsn/ ],
	[ 'LSN zero', "$options, lsn '0/0'", qr/22023: option "lsn" must not be 0\/0/ ],
	[ 'time', "$options, time 'x'", qr/22007: invalid input syntax/ ],
	[ 'both', "$options, time '-1 min', lsn '0/1'", qr/22023: options "lsn" and "time" exclude/ ],
	[ 'timeline', "$options, timeline '../x'", qr/22023: invalid timeline name/ ],
	[ 'an unknown option', "$options, colour 'red'", qr/HV00D: invalid option "colour"\nHINT:  .*table_name/ ])
{
	my ($what, $wrong, $error) = @$_;

	query_like($session,
		"CREATE FOREIGN TABLE wrong (id int) SERVER bbackup OPTIONS ($wrong)",
		qr/ERROR:  $error/, "$what is checked");
}
query_like($session,
	'IMPORT FOREIGN SCHEMA public FROM SERVER bbackup INTO now',
	qr/HV00J: option "database" is missing/, 'IMPORT needs a database');
query_like($session,
	"IMPORT FOREIGN SCHEMA nowhere FROM SERVER bbackup INTO now OPTIONS (database 'shop')",
	qr/HV00Q: schema "nowhere" of database "shop" does not exist at/, 'and a schema that is there');
query_like($session,
	"IMPORT FOREIGN SCHEMA public FROM SERVER bbackup INTO now OPTIONS (database 'nowhere')",
	qr/3D000: database "nowhere" does not exist at/, 'and a database that is there');
ask($session,
	'CREATE FOREIGN TABLE now.renamed (num int OPTIONS (column_name \'id\'))'
	  . " SERVER bbackup OPTIONS ($options, lsn '$before')");
query_is($session, 'SELECT sum(num) FROM now.renamed', 2001000, 'column_name');
ask($session, 'CREATE FOREIGN TABLE now.mistyped (id text)'
	  . " SERVER bbackup OPTIONS ($options)");
query_like($session, 'SELECT * FROM now.mistyped',
	qr/42804: column "id" has type pg_catalog.int4 in the page store, which cannot be read as text/,
	'a type that does not fit');
foreach (
	[ 'a_view', 'It is a view' ],
	[ 'unlogged', 'It is unlogged' ],
	[ 'never_filled', 'It has not been populated' ],
	[ 'work_pkey', 'It is not a table' ])
{
	my ($table, $why) = @$_;

	ask($session, "CREATE FOREIGN TABLE now.$table (a int) SERVER bbackup"
		  . " OPTIONS (database 'shop', schema_name 'public')");
	query_like($session, "SELECT * FROM now.$table",
		qr/ERROR:  42809: "$table" cannot be read as of .*\nDETAIL:  $why/,
		"$table is refused");
}
query_like($session, 'INSERT INTO past.work VALUES (1)',
	qr/ERROR:  .*cannot insert into foreign table "work"/, 'nothing can be written');

# ---- rights: the owner of the table opens the store ----

ask($session, 'CREATE ROLE owner; CREATE ROLE reader;'
	  . 'GRANT USAGE ON FOREIGN SERVER bbackup TO owner;'
	  . 'GRANT CREATE, USAGE ON SCHEMA now TO owner; GRANT USAGE ON SCHEMA now TO reader');
ask($session, 'SET ROLE owner');
ask($session,
	"IMPORT FOREIGN SCHEMA public LIMIT TO (toasty) FROM SERVER bbackup INTO now OPTIONS (database 'shop')");
query_is($session, 'SELECT count(*) FROM now.toasty', 90,
	'USAGE of the server is enough to make and to read a table');
ask($session, 'GRANT SELECT ON now.toasty TO reader; SET ROLE reader');
query_is($session, 'SELECT count(*) FROM now.toasty', 90,
	'SELECT on the foreign table is enough to read it');
query_like($session, 'SELECT count(*) FROM now.work',
	qr/ERROR:  42501: permission denied for foreign table work/, 'nothing less is');
query_like($session,
	"CREATE FOREIGN TABLE pg_temp.mine (id int) SERVER bbackup OPTIONS ($options)",
	qr/ERROR:  42501: permission denied for foreign server bbackup/,
	'nor does it make tables');
ask($session, 'RESET ROLE; REVOKE USAGE ON FOREIGN SERVER bbackup FROM owner; SET ROLE reader');
query_like($session, 'SELECT count(*) FROM now.toasty',
	qr/ERROR:  42501: permission denied for foreign server bbackup/,
	'if the owner may not use the store any more, nobody reads it');
ask($session, 'RESET ROLE');

# ---- EXPLAIN, ANALYZE, statistics ----

query_like($session, 'EXPLAIN (ANALYZE, VERBOSE, COSTS off, TIMING off, SUMMARY off)'
	  . ' SELECT id FROM past.work',
	qr/As Of: \Q$before\E\n *Table of the Past: public\.work of database shop, timeline main\n *Pages Read: [1-9]\d*\n *Rows Not Visible: 0\n *TOAST Values: 0/,
	'EXPLAIN shows what is read');
query_is($session,
	"SELECT count(*) FROM past.toasty WHERE id > 0", 90, 'a condition');
query_like($session, 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)'
	  . ' SELECT big FROM past.toasty WHERE id = 1',
	qr/TOAST Values: 0/, 'a value that nobody uses is not fetched');
query_like($session, 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)'
	  . ' SELECT md5(big) FROM past.toasty WHERE id = 1',
	qr/TOAST Values: 1/, '... and one that is used is');
ask($session, 'ANALYZE past.work');
query_is($session,
	"SELECT reltuples FROM pg_class WHERE oid = 'past.work'::regclass", 2000,
	'ANALYZE counts');
query_is($session,
	"SELECT n_distinct, null_frac FROM pg_stats WHERE schemaname = 'past' AND tablename = 'work' AND attname = 'id'",
	'-1|0', 'and samples');
query_is($session,
	"SELECT state, function, timeline, lsn FROM bb_access_stats WHERE task_kind ="
	  . " 'table read' AND pid = pg_backend_pid() ORDER BY call_id DESC LIMIT 1",
	"done|work|main|$before", 'a scan is a call');

# ---- what a session keeps ----

sub opened
{
	return ask($session, 'SELECT sum(layers_visited) FROM bb_stat_totals'
		  . " WHERE task_kind IN ('table read', 'listing')");
}
ask($session, 'SELECT count(*) FROM past.work');
my $opened = opened();
ask($session, 'SELECT count(*) FROM past.referred WHERE id < 0') foreach 1 .. 3;
cmp_ok(opened() - $opened, '<', 20, 'catalogs are read once');
query_like($session,
	'SELECT 1 / (id - 5) FROM past.work',
	qr/ERROR:  22012/, 'an error in the middle of a scan');
query_is($session, 'SELECT count(*) FROM past.work', 2000, '... leaves nothing broken');
query_like($session,
	'DO $$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id FROM past.work LOOP'
	  . ' BEGIN PERFORM 1 / (id - 7) FROM past.work WHERE id = 7 OR id = r.id;'
	  . ' EXCEPTION WHEN division_by_zero THEN n := n + 1; END;'
	  . ' EXIT WHEN r.id >= 20; END LOOP; RAISE NOTICE \'% errors\', n; END $$',
	qr/NOTICE:  .*20 errors/, 'nor do errors in queries within a query');
ask($session, 'BEGIN; DECLARE c CURSOR FOR SELECT id FROM now.work ORDER BY ctid;'
	  . ' DECLARE d CURSOR FOR SELECT id FROM past.work; FETCH 3 FROM d');
$source->safe_psql('shop', 'DELETE FROM work');
end_segment();
$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive')");
query_is($session, 'SELECT count(*) FROM (SELECT 1) x', 1, 'WAL is ingested meanwhile');
query_is($session, 'FETCH 2 FROM c', "1\n2", 'a cursor goes on at its LSN');
query_is($session, 'FETCH 2 FROM d', "4\n5", 'so does another');
ask($session, 'COMMIT');
query_is($session, 'SELECT count(*) FROM now.work', 0,
	'the next statement sees the new end');
ask($session, "SET statement_timeout = '1ms'");
query_like($session, 'SELECT count(*) FROM past.types a, past.types b, past.types c',
	qr/ERROR:  57014/, 'a cancel');
ask($session, 'RESET statement_timeout');
query_is($session, 'SELECT count(*) FROM past.work', 2000, '... leaves nothing broken');
my $descriptors = backend_descriptors($session);
foreach (1 .. 5)
{
	query_like($session, 'SELECT 1 / (id - 5) FROM past.work', qr/ERROR:  22012/,
		'an error again');
}
query_is($session, 'SELECT count(*) FROM past.work', 2000, '... and a success');
cmp_ok(backend_descriptors($session),
	'<=', $descriptors, 'errors leave no descriptors');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main')");
query_like($session, 'SELECT count(*) FROM past.work',
	qr/ERROR:  42704: timeline "main" does not exist/,
	'a timeline that was dropped is not read from memory');
import_directory($store, $base);
query_like($session, 'SELECT count(*) FROM past.work',
	qr/ERROR:  22023/, 'nor is one of that name that has not come so far');
query_is($session, 'SELECT count(*) FROM now.work', 2000, 'whose end is another');
end_session($session);

done_testing();

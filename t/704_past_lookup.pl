# Looking rows of the past up: what EXPLAIN says of indexes, which indexes are not
# used, ranges of blocks, LIMIT, plans that outlive their index, and indexes with
# broken pages.

use strict;
use warnings;
use BBackup;
use BBackup::Version;

my $seed = draw_seed();

srand $seed;

my $archive = PostgreSQL::Test::Utils::tempdir;
# its pages are changed by hand
my $source = new_archiving_source('source', $archive, 'autovacuum = off',
	without_checksums());

$source->safe_psql('postgres', q(
CREATE TABLE accounts (id int PRIMARY KEY, branch int, name text COLLATE "C", balance int);
INSERT INTO accounts SELECT g, g % 50, 'name ' || g, g FROM generate_series(1, 20000) g;
CREATE INDEX branch_name ON accounts (branch, name);
VACUUM ANALYZE accounts;

CREATE TABLE refused (id int, p int, e int, m float8, u text COLLATE "en-x-icu", h int,
	o text COLLATE "ucs_basic", c regclass);
INSERT INTO refused SELECT g, g, g, g, 'u' || g, g, 'o' || g,
	CASE g WHEN 7 THEN 'accounts'::regclass ELSE g END FROM generate_series(1, 2000) g;
CREATE INDEX partial ON refused (p) WHERE p > 0;
CREATE INDEX expression ON refused ((e + 1), e);
CREATE INDEX other_version ON refused (u);
CREATE INDEX other_method ON refused USING hash (h);
CREATE INDEX same_as_c ON refused (o);
CREATE INDEX object_id ON refused (c);
CREATE FUNCTION own_order(float8, float8) RETURNS int LANGUAGE sql IMMUTABLE
	AS 'SELECT btfloat8cmp($2, $1)';
CREATE OPERATOR CLASS own FOR TYPE float8 USING btree AS OPERATOR 1 > , OPERATOR 2 >= ,
	OPERATOR 3 = , OPERATOR 4 <= , OPERATOR 5 < , FUNCTION 1 own_order(float8, float8);
CREATE INDEX own_class ON refused (m own);
CREATE INDEX not_valid ON refused (id);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'not_valid'::regclass;
UPDATE pg_collation SET collversion = '0' WHERE collname = 'en-x-icu';
));
# Collations that are here, too, by another OID; that are not; that may not be used
my $collations = join '', map { qq(
CREATE SCHEMA "$_"; CREATE COLLATION "$_".both (provider = icu, locale = 'de');
)} 'own schema', 'secret';
$source->safe_psql('postgres', "$collations CREATE COLLATION there FROM \"C\";" . q(
CREATE TABLE sorted (id int, icu text COLLATE "de-x-icu", own varchar(20) COLLATE "own schema".both,
	other text COLLATE there, hidden text COLLATE secret.both, c char(9) COLLATE "C", n name, p text,
	a text[] COLLATE "en-x-icu", x name COLLATE "de-x-icu");
INSERT INTO sorted SELECT g, 'ä' || g, g, g, g, g, g, g, '{}', g FROM generate_series(1, 2000) g;
CREATE INDEX sorted_icu ON sorted (icu); CREATE INDEX sorted_own ON sorted (own);
VACUUM ANALYZE sorted));
my $wide = 'CREATE TABLE broken_%1$d (id int, v int);'
  . 'INSERT INTO broken_%1$d SELECT g, g %% 7 FROM generate_series(1, 1200) g;'
  . 'CREATE INDEX ON broken_%1$d (v, id) WITH (fillfactor = 30);'
  . 'DELETE FROM broken_%1$d WHERE id BETWEEN 300 AND 700; VACUUM broken_%1$d;'
  . 'ANALYZE broken_%1$d;';
my $tables = 40;
$source->safe_psql('postgres', join '', map { sprintf $wide, $_ } 1 .. $tables);
my @files = split /\n/, $source->safe_psql('postgres',
	'SELECT pg_relation_filepath(indexrelid) FROM pg_index'
	  . ' WHERE indrelid::regclass::text ~ \'^broken\' ORDER BY indexrelid');
my $base = cold_backup($source);

# Lay bytes at random over what leads a scan from page to page and item to item:
# line pointers, links, and items.  (The import checks headers.)
foreach my $file (@files)
{
	my $pages = (-s "$base/$file") / 8192;

	open my $handle, '+<:raw', "$base/$file" or die "$file: $!";
	foreach (1 .. 3)
	{
		my $page = int rand $pages;
		my $at = (24 + int(rand 60), 24 + int(rand 60), 8192 - 16 + int(rand 15),
			24 + int(rand 8160))[ rand 4 ];

		seek $handle, $page * 8192 + $at, 0;
		print $handle pack('C', int rand 256) x (1 + int rand 2);
	}
	close $handle;
}
$source->start;
my $before = $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->safe_psql('postgres', q(
DROP INDEX branch_name; CREATE INDEX name_only ON accounts (name);
DELETE FROM accounts WHERE id = 4711));
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
my $session = start_session($store);

ask($session, q(CREATE SCHEMA past;
IMPORT FOREIGN SCHEMA public FROM SERVER bbackup INTO past OPTIONS (database 'postgres')));

# plan_of - the plan of a query, and with "analyze" what it did.
sub plan_of
{
	my ($query, $analyze) = @_;

	return ask($session, 'EXPLAIN (COSTS off, TIMING off, SUMMARY off'
		  . ($analyze ? ', ANALYZE' : '') . ") $query");
}

ask($session, "SET bbackup.as_of = '$before'");
my $lookup = 'SELECT * FROM past.accounts WHERE id = 4711';
like(plan_of($lookup), qr/Indexes of the Past: accounts_pkey/, 'EXPLAIN names the index');
like( plan_of($lookup, 1),
	qr/rows=1(\.00)? .*Pages Read: 1\n\s*Index Pages Read: 3\n/s,
	'and with ANALYZE, the pages');
query_is($session, $lookup, '4711|11|name 4711|4711', 'a row');
query_is($session, 'SELECT count(*) FROM past.accounts WHERE branch = 7', 400,
	'several rows');
like(plan_of('SELECT * FROM past.accounts WHERE branch = 7 AND name > \'name 9\''),
	qr/Indexes of the Past: branch_name/, 'an index of two columns');
unlike(plan_of('SELECT * FROM past.accounts WHERE balance = 7'),
	qr/Indexes of the Past/, 'a column without an index');
ask($session, 'CREATE TABLE ids AS SELECT g * 100 AS id FROM generate_series(1, 20) g; ANALYZE ids');
my $join = 'SELECT count(*) FROM past.accounts JOIN ids USING (id)';
like(plan_of($join), qr/Nested Loop.*Indexes of the Past: accounts_pkey/s, 'a join by the key');
query_is($session, $join, 20, '... has its rows');
ask($session, 'SET enable_indexscan = off');
unlike(plan_of($lookup), qr/Indexes of the Past/, 'enable_indexscan = off');
ask($session, 'RESET enable_indexscan');
ask($session, 'PREPARE by_name AS SELECT id FROM past.accounts WHERE branch = 11 AND name = $1;'
	  . ' SET plan_cache_mode = force_generic_plan');
like(plan_of(q(EXECUTE by_name('name 4711'))), qr/branch_name/, 'a prepared statement');
query_is($session, q(EXECUTE by_name('name 4711')), 4711, '... by an index');
query_is($session, 'EXECUTE by_name(NULL)', '', '... by NULL');
ask($session, 'RESET bbackup.as_of');
like(plan_of(q(EXECUTE by_name('name 61'))), qr/name_only/, '... that is another one later');
query_is($session, q(EXECUTE by_name('name 61')), 61, '... or by no index');
query_is($session, q(EXECUTE by_name('name 4711')), '', '... does not find what is gone');

# ---- LIMIT, blocks ----

like(plan_of('SELECT * FROM past.accounts LIMIT 5', 1), qr/Pages Read: 1\n/,
	'LIMIT ends a scan');
like(plan_of('SELECT * FROM past.accounts WHERE id > 100 LIMIT 5', 1),
	qr/Pages Read: 1\n/, 'by an index, too');
my $blocks = q(ctid >= '(10,0)' AND ctid < '(12,0)');
like(plan_of("SELECT * FROM past.accounts WHERE $blocks", 1),
	qr/Block Range: by ctid\n\s*Pages Read: [23]\n/, 'a range of blocks');
foreach my $condition ($blocks, q(ctid = '(3,4)'), q(ctid > '(100,9)'), q(ctid <= '(0,7)'),
	q(ctid = ANY ('{"(5,1)","(9,2)","(90000,1)",NULL}')), q(ctid = '(90000,1)'),
	q('(2,1)' > ctid), q(ctid > '(4,0)' AND ctid < '(3,0)'), q(ctid <> '(0,1)'))
{
	my $query = "SELECT count(*), sum(id) FROM past.accounts WHERE $condition";
	my $found = ask($session, $query);

	ask($session, 'SET enable_tidscan = off');
	query_is($session, $query, $found, "the same rows with $condition");
	ask($session, 'RESET enable_tidscan');
}

# ---- not used ----

ask($session, 'SET random_page_cost = 0');
foreach (
	[ 'a partial index', 'p = 7' ],
	[ 'an expression', 'e = 7' ],
	[ 'a collation of another version', "u = 'u7'" ],
	[ 'another access method', 'h = 7' ],
	[ 'an operator class that is not built in', 'm = 7' ],
	[ 'an index that is not valid', 'id = 7' ])
{
	my ($what, $condition) = @$_;

	unlike(plan_of("SELECT * FROM past.refused WHERE $condition"),
		qr/Indexes of the Past/, "$what is not used");
	query_is($session, "SELECT id FROM past.refused WHERE $condition", 7, '... for a row');
}
# the OID here is another one
ask($session, 'CREATE TABLE accounts (); CREATE FOREIGN TABLE past.by_name (id int, c regclass)'
	  . " SERVER bbackup OPTIONS (database 'postgres', schema_name 'public', table_name 'refused')");
query_is($session, q(SELECT id FROM past.by_name WHERE id = 7 AND c = 'accounts'::regclass), 7,
	'an object that is found by its name');
like(plan_of(q(SELECT * FROM past.refused WHERE o COLLATE "ucs_basic" > 'o7')), qr/same_as_c/,
	'a collation that sorts as "C"');
like(plan_of(q(SELECT * FROM past.refused WHERE o = 'o7' COLLATE "en-x-icu")), qr/same_as_c/,
	'equality is the same in each collation');
unlike(plan_of(q(SELECT * FROM past.refused WHERE o > 'o7' COLLATE "en-x-icu")), qr/same_as_c/,
	'order is not');

# ---- collations ----

$store->safe_psql('postgres', "CREATE COLLATION padding FROM \"C\"; $collations" . q(
CREATE ROLE importer; GRANT USAGE ON FOREIGN SERVER bbackup TO importer;
GRANT USAGE ON SCHEMA "own schema" TO importer; GRANT CREATE ON DATABASE postgres TO importer;
SET ROLE importer; CREATE SCHEMA imported; SET search_path = 'own schema';
IMPORT FOREIGN SCHEMA public LIMIT TO (sorted) FROM SERVER bbackup INTO imported
	OPTIONS (database 'postgres')));
query_is($session, q(SELECT string_agg(attname || ' ' || nspname || '.' || collname, ', ' ORDER BY attnum)
	FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation
	JOIN pg_namespace n ON n.oid = collnamespace WHERE attrelid = 'imported.sorted'::regclass
		AND attnum > 0),
	'icu pg_catalog.de-x-icu, own own schema.both, other pg_catalog.default,'
	  . ' hidden pg_catalog.default, c pg_catalog.C, n pg_catalog.C, p pg_catalog.default,'
	  . ' a pg_catalog.en-x-icu, x pg_catalog.de-x-icu',
	'columns have the collations of the past that are here');
like(plan_of(q(SELECT * FROM imported.sorted WHERE icu < 'ä10')), qr/sorted_icu/,
	'... so their indexes are used');
query_is($session, q(SELECT count(*) FROM imported.sorted WHERE icu < 'ä10'), 1, '... for rows');
unlike(plan_of(q(SELECT * FROM imported.sorted WHERE own = '7')), qr/Indexes of the Past/,
	'an index in a collation outside pg_catalog is not used');
query_is($session, q(SELECT id FROM imported.sorted WHERE own = '7'), 7, '... for a row');

# ---- broken pages: an error, or rows that are there; no crash ----

my ($errors, $same) = (0, 0);
foreach my $table (map { "past.broken_$_" } 1 .. $tables)
{
	foreach my $condition ('v = 3', 'v > 2', 'v < 4 AND id > 5', 'v = 5 AND id BETWEEN 100 AND 900')
	{
		my $query = "SELECT count(DISTINCT id), sum(DISTINCT id) FROM $table WHERE $condition";
		my $found = ask($session, $query);

		ask($session, 'SET enable_indexscan = off');
		my $right = ask($session, $query);
		ask($session, 'RESET enable_indexscan');
		if ($found =~ /^ERROR:  (\w+):/)
		{
			$errors++;
			like($found, qr/^ERROR:  XX00[12]:/, "an error of $table") if $1 !~ /^XX00[12]$/;
			next;
		}
		$same++ if $found eq $right;
		cmp_ok(($found =~ /^(\d+)/)[0], '<=', ($right =~ /^(\d+)/)[0],
			"not too many rows of $table") if $found ne $right;
	}
}
note "$errors errors, $same right of " . 4 * $tables;
cmp_ok($errors, '>', 0, 'some pages are found to be broken');
query_like($session, 'SELECT count(*) FROM past.accounts', qr/^19999$/, 'the session lives');
end_session($session);
done_testing();

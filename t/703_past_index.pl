# Indexes of the past: a search by an index and a scan of all blocks find the same
# rows, for random tables, indexes, LSNs and conditions.
#
# LSNs are also in the middle of what changes an index: after a page was split, and
# before its parent knows; after a leaf was emptied, and before it is unlinked.
#
# By environment: BB_SEED, BBACKUP_CONDITIONS (how many for each table and LSN).

use strict;
use warnings;
use BBackup;
use BBackup::Version;
use BBackup::WAL qw(lsn_text);

my $seed = draw_seed();
my $number = $ENV{BBACKUP_CONDITIONS} // 40;

srand $seed;

# ---- columns: a type, a value made of a number, types to compare with ----

my %columns = (
	id => [ 'bigint', sub { $_[0] * 7 }, 'int', 'smallint' ],
	a => [ 'int', sub { $_[0] }, 'bigint', 'smallint' ],
	b => [ 'smallint', sub { $_[0] % 9 }, 'bigint', 'int' ],
	t => [ 'text COLLATE "C"', \&word, 'name' ],
	d => [ 'text', \&word ],
	n => [ 'numeric', sub { "$_[0].5" } ],
	z => [ 'timestamptz', sub { "'" . day($_[0]) . " 12:00+00'" }, 'date', 'timestamp' ],
	dt => [ 'date', sub { "'" . day($_[0]) . "'" }, 'timestamptz', 'timestamp' ],
	f => [ 'float8', sub { $_[0] % 7 == 3 ? "'NaN'" : $_[0] / 4 }, 'float4' ],
	nm => [ 'name', \&word, 'text' ],
	bo => [ 'bool', sub { $_[0] % 2 ? 'true' : 'false' } ],
	ar => [ 'int[]', sub { "'{" . $_[0] % 5 . ",$_[0]}'" } ],
	j => [ 'jsonb', sub { qq('{"k": "w$_[0]", "l": [$_[0]]}') } ],
	r => [ 'int4range', sub { "'[$_[0]," . ($_[0] + 2) . ")'" } ],
	v => [ 'varchar(90) COLLATE "C"', \&word ],
	c => [ 'char(20) COLLATE "C"', sub { word($_[0]) =~ s/-{9,}//r } ],
	p => [ 'place', sub { $_[0] } ],
	m => [ 'mood', sub { $_[0] % 2 ? "'sad'" : "'happy'" } ]);
my @names = sort keys %columns;

# Upper and lower case, digits and signs: collations differ in their order.
sub word
{
	my ($k) = @_;
	my @parts = ('a', 'B', 'b', 'A', 'z_', 'Z', '9', 'e-', 'E');

	return "'" . $parts[ $k % 9 ] . $parts[ ($k / 9) % 9 ] . '-' x 50 . ($k % 3) . "'";
}

sub day
{
	my ($k) = @_;

	return sprintf '2024-%02d-%02d', 1 + ($k / 28) % 12, 1 + $k % 28;
}

sub pick { return $_[ int rand @_ ] }

# ---- the source ----

my $archive = PostgreSQL::Test::Utils::tempdir;
# its pages are changed by hand
my $source = new_archiving_source('source', $archive, 'autovacuum = off',
	without_checksums());
my $types = q(CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN place AS int);
my $icu = $source->safe_psql('postgres',
	q(SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu'));

if ($icu)
{
	$columns{i} = [ 'text COLLATE "en-x-icu"', \&word ];
	push @names, 'i';
}
$source->safe_psql('postgres', 'CREATE DATABASE shop');
$source->safe_psql('shop', $types);

my @declared = map { "$_ $columns{$_}[0]" } @names;
my $list = join ', ', @declared;
my $other = join ', ', 'junk int', reverse @declared;

$source->safe_psql('shop', qq(
CREATE TABLE plain ($list);
CREATE TABLE old ($list);
CREATE TABLE parted ($list) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (900);
CREATE TABLE parted_2 ($other);
ALTER TABLE parted_2 DROP COLUMN junk;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (900) TO (MAXVALUE);
CREATE TABLE family ($list);
CREATE TABLE child (more int) INHERITS (family);
));

sub random_index
{
	my ($table) = @_;
	my %seen;
	my @columns = grep { !$seen{$_}++ } map { pick(@names) } 1 .. pick(1, 1, 2, 3);
	my @keys = map {
		$_ . pick('', '', ' DESC') . pick('', ' NULLS FIRST', ' NULLS LAST')
	} @columns;

	$keys[0] =~ s/^[tv]/$& text_pattern_ops/ if rand() < 0.3;
	push @keys, '(a % 3)' if rand() < 0.1;
	my $include = rand() < 0.2 ? ' INCLUDE (b, t)' : '';
	my $options = ' WITH (fillfactor = '
	  . pick(50, 90) . ', deduplicate_items = '
	  . ($include ? 'off' : pick('on', 'on', 'off')) . ')';

	return "CREATE INDEX ON $table (" . join(', ', @keys) . ")$include$options"
	  . (rand() < 0.05 ? ' WHERE a > 10' : '') . ';';
}

# Each column is the first one of an index somewhere.
my $indexes = "CREATE UNIQUE INDEX ON plain (id); CREATE INDEX ON parted (id);";
foreach my $table (qw(plain old parted_1 parted_2 child))
{
	$indexes .= random_index($table) foreach 1 .. 7;
}
$indexes .= "CREATE INDEX ON plain ($_);" foreach @names;
$source->safe_psql('shop', $indexes);

# The server treats an index as of version 3 if its first page says so, which is
# what pg_upgrade leaves of servers before 12.
my @old = split /\n/, $source->safe_psql('shop',
	q(SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid = 'old'::regclass));
$source->stop;
foreach my $file (@old)
{
	open my $handle, '+<:raw', $source->data_dir . "/$file" or die "$file: $!";
	# btm_version, btm_allequalimage
	foreach ([ 28, pack('L', 3) ], [ 64, "\0" ])
	{
		seek $handle, $_->[0], 0;
		print $handle $_->[1];
	}
	close $handle;
}
my $base = copy_directory($source->data_dir,
	PostgreSQL::Test::Utils::tempdir . '/base');
$source->start;
my $start = $source->safe_psql('shop', 'SELECT pg_current_wal_insert_lsn()');

# ---- its history ----

my $next = 0;

# Rows in random order, each value NULL now and then.
sub insert_rows
{
	my ($table, $n) = @_;
	my @rows;

	foreach my $id (sort { rand() <=> 0.5 } $next .. $next + $n - 1)
	{
		my $k = int rand 60;

		push @rows, '(' . join(
			', ',
			map {
				  $_ eq 'id' ? $id
				: rand() < 0.1 ? 'NULL'
				: $columns{$_}[1]->(rand() < 0.5 ? $k : int rand 60)
			} @names) . ')';
	}
	$next += $n;
	return "INSERT INTO $table (" . join(', ', @names) . ') VALUES '
	  . join(",\n", @rows) . ';';
}

sub change_rows
{
	my ($table) = @_;
	my $from = int rand $next;
	my $column = pick(grep { !/^(id|m)$/ } @names);

	return pick(
		"UPDATE $table SET $column = NULL WHERE id % 5 = " . int(rand 5) . ';',
		"UPDATE $table SET $column = " . $columns{$column}[1]->(int rand 60)
		  . " WHERE id BETWEEN $from AND $from + 100;",
		"UPDATE $table SET m = 'sad' WHERE id % 3 = 1;",
		"DELETE FROM $table WHERE id BETWEEN $from AND $from + 200;");
}

my @tables = qw(plain old parted family);
my $history = '';
foreach my $round (1 .. 3)
{
	foreach my $table (@tables, 'child')
	{
		$next = ($round - 1) * 600;
		$history .= 'BEGIN;' . insert_rows($table, $round < 3 ? 600 : 150)
		  . ($round == 3 ? 'ROLLBACK;' : 'COMMIT;');
		$history .= change_rows($table) foreach 1 .. 4;
	}
	$history .= 'CHECKPOINT;' if $round == 1;
}
# leaves that are empty, and then unlinked; and new ones in their place
foreach my $table (@tables)
{
	$history .= "DELETE FROM $table WHERE a > 20 OR id BETWEEN 100 AND 700; VACUUM $table;";
	$history .= insert_rows($table, 100);
}
$source->safe_psql('shop', $history);
$source->stop;

my $wal = BBackup::WAL->new($archive, $start);
my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
$store->safe_psql('postgres', 'CREATE DATABASE shop');
$store->safe_psql('shop', "CREATE EXTENSION bbackup; $types");

# ---- the judge ----

$store->safe_psql('shop', q(
CREATE SCHEMA past;
IMPORT FOREIGN SCHEMA public LIMIT TO (plain, old, parted, family)
	FROM SERVER bbackup INTO past OPTIONS (database 'shop');
CREATE TABLE queries (query text);
CREATE TABLE keys AS SELECT g % 45 AS a, (g % 9)::int2 AS b, g * 7::bigint AS id
	FROM generate_series(1, 30) g;
INSERT INTO keys VALUES (NULL, 1, 7), (3, NULL, NULL);

-- a join looks each row up, or reads the table once
CREATE FUNCTION set_plans(indexes bool) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('enable_indexscan', indexes::text, true),
		set_config('enable_hashjoin', (NOT indexes)::text, true),
		set_config('enable_mergejoin', (NOT indexes)::text, true)
$$;

CREATE FUNCTION result(query text, indexes bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	PERFORM set_plans(indexes);
	EXECUTE query INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RAISE EXCEPTION '%: %', query, SQLERRM;
END $$;

CREATE FUNCTION indexes_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; result text;
BEGIN
	PERFORM set_plans(true);
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := coalesce(substring(line FROM 'Indexes of the Past: (.*)'), result);
	END LOOP;
	RETURN result;
END $$;
));
# an index is used wherever there is one that serves
my $judge = start_session($store, 'shop');
ask($judge, 'SET random_page_cost = 0; SET cpu_index_tuple_cost = 0');

sub value
{
	my ($column, $type) = @_;
	my $value = $columns{$column}[1]->(int(rand 62) - 1);

	$type //= '';
	# a smallint holds each id
	return rand() < 0.02 ? 'NULL' : $type ? "$value\::$type" : $value;
}

sub condition
{
	my ($column) = @_;
	my ($type, undef, @others) = @{ $columns{$column} };
	my $other = @others && rand() < 0.3 ? pick(@others) : undef;
	my $operator = pick('=', '=', '<', '<=', '>', '>=');
	my $collation = $type =~ /text/ && rand() < 0.2
	  ? pick(' COLLATE "C"', ' COLLATE "default"') : '';
	my $element = ($type =~ /^(\S+)/)[0] =~ s/\(.*//r;
	my $value = value($column, $other);

	return pick(
		"p.$column$collation $operator $value",
		"p.$column$collation $operator $value",
		"$value " . ($operator =~ tr/<>/></r) . " p.$column$collation",
		"p.$column BETWEEN " . value($column) . ' AND ' . value($column),
		"p.$column IN (" . join(', ', map { value($column) } 1 .. pick(1, 2, 5)) . ')',
		$element =~ /\[/ ? "p.$column IS NULL"
		: "p.$column = ANY (ARRAY[" . join(', ', map { value($column) } 1 .. 4)
		  . ", NULL]::$element" . '[])',
		"p.$column IS NULL",
		"p.$column IS NOT NULL",
		$column eq 'bo' ? pick('p.bo', 'NOT p.bo') : "p.$column <> $value");
}

sub query
{
	my ($table) = @_;
	my @columns = map { pick(@names) } 1 .. pick(1, 2, 2, 3);
	my $from = "past.$table p";
	my @conditions = map { condition($_) } @columns;

	if (rand() < 0.15)
	{
		$from = "keys k JOIN $from ON "
		  . pick('p.id = k.id', 'p.a = k.a', 'p.a = k.id', 'p.b = k.b AND p.a = k.a',
			'p.a < k.b', 'k.id >= p.id');
		@conditions = @conditions[ 0 .. rand(2) - 1 ];
	}
	push @conditions, 'true' if !@conditions;
	return "SELECT count(*) || ' ' || coalesce(md5(string_agg(p.id::text, ','"
	  . " ORDER BY p.id)), '') FROM $from WHERE " . join ' AND ', @conditions;
}

my ($compared, $searched) = (0, 0);

sub compare_at
{
	my ($lsn, $why, $times) = @_;
	my @queries = map { my $table = $_; map { query($table) } 1 .. $times } @tables;

	ask($judge, "SET bbackup.as_of = '$lsn'; TRUNCATE queries; INSERT INTO queries VALUES "
		  . join(', ', map { "(\$q\$$_\$q\$)" } @queries));
	is( ask($judge,
			'SELECT query, indexes, scanned, searched FROM (SELECT query, indexes_of(query) AS indexes,'
			  . ' result(query, true) AS searched, result(query, false) AS scanned FROM queries OFFSET 0) x'
			  . ' WHERE searched IS DISTINCT FROM scanned LIMIT 3'),
		'', "the same rows $why, at $lsn");
	$compared += @queries;
	$searched += ask($judge,
		'SELECT count(indexes_of(query)) FROM queries');
	return;
}

compare_at(lsn_text($wal->end), 'at the end', $number);
compare_at(lsn_text($wal->end_of(int rand $wal->{count})), 'in between', $number);
foreach my $kind ('SPLIT_L', 'SPLIT_R', 'MARK_PAGE_HALFDEAD', 'UNLINK_PAGE', 'NEWROOT',
	'DEDUP')
{
	my @places = map { @{ $wal->places_of("Btree $kind$_") } } '', ' FPW';

	# most times, the right page of a split has entries that are visible
	foreach (1 .. ($kind =~ /SPLIT|DEAD/ ? 3 : 1))
	{
		compare_at(lsn_text($wal->end_of(pick(@places))), "after $kind", $number / 4)
		  if @places;
	}
	ok(scalar @places, "there is a record $kind");
}
note "$compared queries, $searched of them by an index";
cmp_ok($searched, '>', $compared / 3, 'many queries use an index');
end_session($judge);
done_testing();

# bb_undrop_table(): tables that come back are dumped as before they were dropped.

use strict;
use warnings;
use BBackup;
use BBackup::OddSchema;
use BBackup::OddTables;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');

$source->safe_psql('postgres', 'CREATE DATABASE shop');
create_odd_types($source, 'shop');
create_schema_needs($source, 'shop', 5);
my $base = cold_backup($source);
$source->start;

sub create_tablespace
{
	my ($node) = @_;

	$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '"
		  . PostgreSQL::Test::Utils::tempdir_short . "'");
	return;
}

create_tablespace($source);
create_odd_tables($source, 'shop');
create_odd_schema($source, 'shop');

# pg_dump of what matches a pattern, without the version of the server.
sub dump_of
{
	my ($node, $pattern, @options) = @_;
	my ($out, $error) = run_command([
		'pg_dump', '-h', $node->host, '-p', $node->port, '--no-sync',
		'--dbname=shop', @options, '-t', $pattern ]);

	return $error if $out eq '';
	$out =~ s/^--.*\n|^\n//gm;
	$out =~ s/^\\(?:un)?restrict .*\n//gm;
	return $out;
}

# The lines that are not in both.
sub difference
{
	my ($got, $expected) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my $lines;

	append_to_file("$directory/got", $got);
	append_to_file("$directory/expected", $expected);
	($lines) = run_command([ 'diff', '-U1', "$directory/expected", "$directory/got" ]);

	return $got eq $expected ? '' : substr $lines, 0, 5000;
}

# Extended statistics, which pg_dump leaves out if it dumps tables that match.
sub statistics_of
{
	my ($node) = @_;

	return $node->safe_psql('shop',
		q(SELECT pg_get_statisticsobjdef(oid), stxowner::regrole, stxstattarget,
			obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext ORDER BY 1));
}

# Grants of one object in any order.
sub sorted_grants
{
	my ($dump) = @_;

	$dump =~ s/((?:^(?:GRANT|REVOKE) .*\n)+)/join '', sort split m{^}m, $1/gem;
	return $dump;
}

my @tables = (
	odd_schema_tables(),
	map({ [ "public.$_", "public.$_" ] }
		qw(types toasty evolve missing own_types empty no_columns work prepared locked
		  referred referring)),
	[ 'parted', 'public.parted*' ],
	[ 'par', 'public.(par|chi|grand)' ],
	[ 'app.quoted', 'app.quoted' ]);
my %before = map { $_->[0] => sorted_grants(dump_of($source, $_->[1])) } @tables;
my $statistics = statistics_of($source);
my $structure = dump_of($source, 'public.unlogged*', '--schema-only');
my $lsn = $source->safe_psql('shop', 'SELECT pg_current_wal_insert_lsn()');

# the rest of the history: everything goes
$source->safe_psql('shop', 'DROP SCHEMA public, "Odd "" Schema", app CASCADE');
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
$store->safe_psql('postgres', 'CREATE DATABASE shop');
create_schema_needs($store, 'shop', 2);
create_odd_types($store, 'shop');
create_tablespace($store);
$store->safe_psql('shop', 'CREATE EXTENSION bbackup');

# ---- what is missing is named ----

my $session = start_session($store, 'shop');
query_like($session,
	"SELECT * FROM bb_undrop_table('own_types', '$lsn', run => true)",
	qr/ERROR:  42704: the table cannot be made as it was\nDETAIL:  column s of table public\.own_types needs type public\.shade, which is not in this database\n.*needs type public\.even/,
	'types that are missing');
query_is($session, "SELECT to_regclass('own_types') IS NULL", 't', '... so nothing is made');
$store->safe_psql('shop',
	"CREATE TYPE shade AS ENUM ('light', 'dark'); CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);"
	  . ' CREATE SCHEMA app');
query_like($session,
	"SELECT * FROM bb_undrop_table('nowhere', '$lsn')",
	qr/ERROR:  42P01: table "public\.nowhere" of database "shop" does not exist at/,
	'a table that is not there');
query_like($session,
	"SELECT * FROM bb_undrop_table('a_view', '$lsn')",
	qr/ERROR:  42809: "a_view" cannot be made again\nDETAIL:  It is not a table/,
	'a view');

# ---- each comes back ----

foreach my $table (@tables)
{
	my ($name, $pattern) = @$table;
	my $answer = ask($session,
		"SELECT count(*) FROM bb_undrop_table('$name', '$lsn', run => true)");

	unlike($answer, qr/ERROR/, "$name comes back");
	is(difference(sorted_grants(dump_of($store, $pattern)), $before{$name}),
		'', '... and is dumped as it was');
}

is(statistics_of($store), $statistics, 'extended statistics come back');

# ---- a part of what is there is dropped again ----

ask($session, "SELECT count(*) FROM bb_undrop_table('$_', '$lsn', run => true)")
  foreach 'unlogged', 'unlogged_serial';
is(difference(dump_of($store, 'public.unlogged*', '--schema-only'), $structure),
	'', 'unlogged tables come back');
query_is($session, 'SELECT count(*) FROM unlogged', 0, '... without its rows');

my $grandchild = dump_of($store, 'public.grandchild');
ask($session, 'DROP TABLE child CASCADE');
isnt(dump_of($store, 'public.grandchild'), $grandchild, 'a foreign key was dropped');
my $answer = ask($session,
	"SELECT object, problem FROM bb_undrop_table('child', '$lsn', run => true) WHERE problem <> ''");
like($answer,
	qr/NOTICE:  .*view public\.child_view depended on table public\.child, and does not come back with it/,
	'a view is named');
is(dump_of($store, 'public.grandchild'), $grandchild,
	'a foreign key of another table comes back');

my $son = dump_of($store, 'public.son');
ask($session, 'DROP TABLE son');
ask($session, "SELECT count(*) FROM bb_undrop_table('son', '$lsn', run => true)");
is(difference(dump_of($store, 'public.son'), $son),
	'', 'a table comes back without the default of its parent, which is still here');

my $measured = dump_of($store, 'public.measured*');
ask($session, 'DROP TABLE measured_1; DROP TABLE measured_rest');
ask($session, "SELECT count(*) FROM bb_undrop_table('$_', '$lsn', run => true)")
  foreach 'measured_1', 'measured_rest';
is(difference(dump_of($store, 'public.measured*'), $measured),
	'', 'partitions come back to a table that is still here');

# ---- the statements, run by psql in another database ----

my $script = PostgreSQL::Test::Utils::tempdir . '/script';
$store->safe_psql('postgres', 'CREATE DATABASE other');
create_schema_needs($store, 'other', 0, 'without roles');
ask($session,
	"CREATE TABLE script AS SELECT * FROM bb_undrop_table('\"Odd \"\" Schema\".\"Full\"', '$lsn', with_data => false)");
query_is($session, 'SELECT count(*) FROM script WHERE problem IS NOT NULL', 0,
	'nothing is missing');
append_to_file($script,
	$store->safe_psql('shop', "SELECT statement || ';' FROM script ORDER BY step"));
$store->command_ok(
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $store->connstr('other'), '-f', $script ],
	'the statements can be run elsewhere');
is( difference(
		dump_of($store, '"Odd "" Schema"."Full"', '--schema-only') ,
		dump_of($store, '"Odd "" Schema"."Full"', '--schema-only', '--dbname=other')),
	'', '... and make the same');

# ---- what an expression needs ----

ask($session, 'DROP TABLE measured, "Odd "" Schema"."Full" CASCADE; DROP FUNCTION needs.twice(int);'
	  . ' ALTER ROLE clerk RENAME TO other_clerk; ALTER TYPE needs.colour RENAME TO color;'
	  . ' ALTER TEXT SEARCH CONFIGURATION needs.ts RENAME TO ts2');
my $problems = ask($session,
	"SELECT object, problem FROM bb_undrop_table('\"Odd \"\" Schema\".\"Full\"', '$lsn') WHERE problem <> ''");
foreach (
	'generated column tw of table "Odd "" Schema"."Full"|needs function needs.twice(integer), which is not in this database',
	'generated column tsv of table "Odd "" Schema"."Full"|needs text search configuration needs.ts,',
	'column c of table "Odd "" Schema"."Full"|needs type needs.colour,',
	'constraint "Full_check" on table "Odd "" Schema"."Full"|needs type needs.colour,',
	'policy "odd ""policy" on table "Odd "" Schema"."Full"|needs role clerk,',
	'privileges on table "Odd "" Schema"."Full"|needs role clerk,',
	'index "Odd "" Schema"."Odd "" Index"|does not come back')
{
	like($problems, qr/\Q$_\E/, 'named: ' . s/\|.*//r);
}
query_like($session,
	"SELECT count(*) FROM bb_undrop_table('\"Odd \"\" Schema\".\"Full\"', '$lsn', run => true)",
	qr/ERROR:  42704: the table cannot be made as it was/, '... and nothing is run');

# ---- privileges ----

ask($session, 'CREATE ROLE anybody; GRANT CREATE ON SCHEMA public TO anybody;'
	  . ' DROP TABLE evolve, work;'
	  . ' ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC');
ask($session, 'SET ROLE anybody');
query_like($session, "SELECT * FROM bb_undrop_table('work', '$lsn')",
	qr/ERROR:  42501: permission denied for function bb_undrop_table/, 'not for everybody');
ask($session, 'RESET ROLE; GRANT EXECUTE ON FUNCTION bb_undrop_table TO anybody; SET ROLE anybody');
query_like($session, "SELECT * FROM bb_undrop_table('work', '$lsn')",
	qr/ERROR:  42501: permission denied for foreign server bbackup/, 'USAGE of the store is needed');
ask($session, 'RESET ROLE; GRANT USAGE ON FOREIGN SERVER bbackup TO anybody; SET ROLE anybody');
query_like($session, "SELECT * FROM bb_undrop_table('work', '$lsn', run => true)",
	qr/ERROR:  42501: .*\n(?:.*\n)*CONTEXT:  (?:.*\n)*bb_undrop_table: owner of TABLE public\.work/,
	'nobody becomes another role by it');
query_is($session, "SELECT to_regclass('work') IS NULL", 't', '... and nothing is left');
ask($session, 'RESET ROLE');
ask($session, "SELECT count(*) FROM bb_undrop_table('work', '$lsn', run => true)");
is(difference(dump_of($store, 'public.work'), $before{'public.work'}),
	'', 'default privileges give nobody what they had not then');
query_is($session, 'SHOW search_path', '"$user", public', 'settings are as they were');
query_is($session,
	q(SELECT count(*) FROM pg_class WHERE relkind = 'f' OR relname ~ '^bb_undrop'),
	0, 'no foreign table is left');
query_like($session, "SELECT * FROM bb_undrop_table('work', '$lsn', run => true)",
	qr/ERROR:  42P07: relation "work" already exists/, 'a table that is here is left alone');
ask($session, 'SET default_transaction_read_only = on');
query_like($session, "SELECT * FROM bb_undrop_table('evolve', '$lsn', run => true)",
	qr/ERROR:  25006: /, 'it cannot be run in a read-only transaction');
query_is($session, "SELECT count(*) > 5 FROM bb_undrop_table('evolve', '$lsn')", 't', '... but be shown');
end_session($session);
done_testing();

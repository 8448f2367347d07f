# The commands of docs/past.md, as they are there, with another time.

use strict;
use warnings;
use BBackup;
use File::Basename;

my $document = slurp_file(dirname(__FILE__) . '/../docs/past.md');
my %blocks = $document =~ /^<!-- test: (\S+) -->\n```sql\n(.*?)^```$/msg;
is( join(' ', sort keys %blocks),
	'as-of bring-back catalogs changes compare database import lsn-before one-row row-history schema tenant transactions undo undrop undrop-show',
	'the document has the examples');
is(scalar(() = $document =~ /^```\w/mg),
	scalar keys %blocks, 'and no block that is not tested');

sub dump_of
{
	my ($node, $database) = @_;
	my ($dump, $error) = run_command(
		[ 'pg_dump', '-h', $node->host, '-p', $node->port, '--no-sync', $database ]);

	# the WAL has values of sequences as up to 32 values later
	return $error ne '' ? $error : $dump =~ s/^(?:\\(?:un)?restrict |SELECT pg_catalog\.setval).*\n//gmr;
}

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
$source->safe_psql('postgres', 'CREATE DATABASE shop');
my $base = cold_backup($source);
$source->start;
$source->safe_psql('shop',
	'CREATE TABLE accounts (id int PRIMARY KEY, branch int, balance int);'
	  . 'INSERT INTO accounts SELECT g, g % 10, 100 FROM generate_series(1, 1000) g');
$source->safe_psql('shop',
	'CREATE TABLE orders (id serial PRIMARY KEY, account int REFERENCES accounts);'
	  . 'INSERT INTO orders (account) SELECT generate_series(1, 30);'
	  . 'CREATE VIEW late AS SELECT * FROM orders');
$source->safe_psql('shop', "SELECT pg_create_restore_point('before_release')");
# twenty tables of tenants, made in an order that is not that of their foreign keys
my $tenant_tables = join '',
  map({ "CREATE TABLE data_$_ (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant int NOT NULL, parent int);" } reverse 1 .. 19),
  'CREATE TABLE owners (tenant int PRIMARY KEY);',
  map({ "ALTER TABLE data_$_ ADD FOREIGN KEY (tenant) REFERENCES owners ON DELETE CASCADE,"
		  . ' ADD FOREIGN KEY (parent) REFERENCES data_' . ($_ > 1 ? $_ - 1 : 1) . ';' } 1 .. 19);
my $tenants = join '', 'INSERT INTO owners SELECT generate_series(1, 9);',
  map { "INSERT INTO data_$_ (tenant, parent) SELECT g, g FROM generate_series(1, 9) g;" } 1 .. 19;
my $all_tenants = join ' UNION ALL ', 'SELECT tenant, NULL::int AS id, NULL::int AS parent FROM owners',
  map { "SELECT tenant, id, parent FROM data_$_" } 1 .. 19;
$source->safe_psql('shop', $tenant_tables . $tenants);
$source->safe_psql('shop',
	'CREATE SCHEMA app; CREATE TABLE app.b (id int PRIMARY KEY); CREATE TABLE app.a (id int REFERENCES app.b);'
	  . 'CREATE TABLE app.c (id int PRIMARY KEY REFERENCES app.b); CREATE TABLE app."A b" (id int REFERENCES app.c);'
	  . 'INSERT INTO app.b VALUES (1), (2); INSERT INTO app.a VALUES (1); INSERT INTO app.c VALUES (2); INSERT INTO app."A b" VALUES (2)');
$source->safe_psql('postgres', 'CREATE DATABASE other');
$source->safe_psql('other', 'CREATE TABLE large AS SELECT generate_series(1, 100000)');
my $shop = dump_of($source, 'shop');
my $time = $source->safe_psql('shop', 'SELECT clock_timestamp()');
$source->safe_psql('shop',
	'DROP SCHEMA app CASCADE; DELETE FROM owners WHERE tenant = 7; DROP TABLE orders CASCADE; UPDATE accounts SET balance = 50 WHERE id = 7; DELETE FROM accounts WHERE branch = 3');
$source->safe_psql('shop', "SELECT pg_create_restore_point('before_release')");
$source->safe_psql('shop', 'DELETE FROM accounts WHERE branch = 4');
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
# the table as it is now
$store->safe_psql('postgres',
	'CREATE TABLE accounts (id int PRIMARY KEY, branch int, balance int);'
	  . ' INSERT INTO accounts SELECT g, g % 10, 100 FROM generate_series(1, 1000) g'
	  . ' WHERE g % 10 <> 3');

$store->safe_psql('postgres', $tenant_tables . $tenants . 'DELETE FROM owners WHERE tenant = 7');
my $directory = PostgreSQL::Test::Utils::tempdir_short . '/shop';

my $session = start_session($store);

sub run_block
{
	my ($name) = @_;

	return ask($session,
		$blocks{$name} =~ s/2026-11-24 22:58/$time/gr =~ s{/srv/shop}{$directory}r =~ s/;\n*\z//r);
}

is(run_block('import'), 100, 'the rows of before are there');
is(run_block('bring-back'), '', 'they are inserted');
query_is($session, 'SELECT count(*) FROM accounts WHERE branch = 3',
	100, 'and back');
like(run_block('changes'), qr{^-\|3\|3\|100\n-\|4\|4\|100\n-\|7\|7\|100\n\+\|7\|7\|50\n}, 'what has changed');
ask($session, 'DELETE FROM accounts WHERE branch = 4');
like(run_block('undo'), qr/^\z/, 'and is undone');
query_is($session, 'SELECT count(*) FROM accounts WHERE branch = 4', 100, '... which brings back what was deleted');
like(run_block('row-history'), qr{^[0-9A-F]+/[0-9A-F]+\|[^|]+\|\d+\|UPDATE\|50\z}, 'what happened to a row');
ask($session, 'UPDATE accounts SET balance = 1, branch = 0 WHERE id IN (6, 7)');
is(run_block('one-row'), '', 'one row');
query_is($session, 'SELECT balance FROM accounts WHERE id IN (6, 7) ORDER BY id', "1\n100", '... and no other, is as it was');
ask($session, 'UPDATE accounts SET balance = 100 WHERE id = 6');
run_block('tenant');
is($store->safe_psql('postgres', "$all_tenants ORDER BY 1, 2, 3"),
	join("\n", map({ my $tenant = $_; ("$tenant|$tenant|$tenant") x 19, "$tenant||" } 1 .. 9)),
	'a tenant is back in twenty tables');
run_block('schema');
query_is($session,
	q{SELECT (SELECT count(*) FROM app.a), (SELECT count(*) FROM app.b), (SELECT count(*) FROM app.c), (SELECT count(*) FROM app."A b"),
		(SELECT count(*) FROM pg_constraint WHERE connamespace = 'app'::regnamespace AND contype = 'f')},
	'1|2|1|1|3', 'a schema is back');
like(run_block('as-of'), qr{^NOTICE: .*\n900\z}s, 'as of the newest restore point of that name');
like(run_block('compare'), qr{^7\|100\|50\z}m, 'what has changed');
like(run_block('catalogs'), qr/^\w+\|[\d.-]+$/m, 'catalogs');
like(run_block('undrop-show'), qr/^CREATE TABLE public\.orders \(.*^INSERT INTO public\.orders/ms,
	'statements for a dropped table');
like(run_block('undrop'),
	qr/^view public\.late\|depended on table public\.orders, and does not come back with it$/m,
	'... which are run');
query_is($session, "SELECT count(*), nextval('orders_id_seq') > 30 FROM orders", '30|t',
	'... and bring it back');
like(run_block('transactions'), qr{^[0-9A-F/]+\|[^|]+\|\d+\|0\|0\|100\|\{\}\n[^|]+\|[^|]+\|\d+\|0\|0\|100\|\{\}\z},
	'what happened');
my $before = run_block('lsn-before');
query_is($session, "SELECT '$before' > lsn FROM bb_transactions('shop', 'accounts') WHERE updated = 1", 't',
	'the LSN before the last deletion');
like(run_block('database'), qr{^[0-9A-F/]+\|\d+\z}, 'one database');
query_like($session, "SELECT FROM bb_restore('$directory.2', only_databases => '{shop,nowhere}')",
	qr/ERROR:  3D000: database "nowhere" does not exist at/, 'a database that is not there');
query_like($session, "SELECT FROM bb_restore('$directory.2', only_databases => '{}')",
	qr/ERROR:  22023: only_databases must name a database/, 'none');
query_like($session, "SELECT FROM bb_restore('$directory.2', only_databases => '{shop}', full_backup => false)",
	qr/ERROR:  22023: only_databases is for full backups/, 'without relations');
end_session($session);

command_ok([ 'pg_verifybackup', '-n', $directory ], '... is as its manifest says');
my $clone = start_clone($directory, 'clone');
ok(dump_of($clone, 'shop') eq $shop, '... and as it was');
query_is($clone, 'SELECT datname FROM pg_database WHERE datconnlimit = -2', 'other', '... another is invalid');
is($clone->psql('other', 'SELECT 1'), 2, '... refuses connections');
$clone->safe_psql('postgres', 'VACUUM FREEZE pg_database');
$clone->safe_psql('postgres', 'DROP DATABASE other');
query_is($clone, q(SELECT datname FROM pg_database ORDER BY 1), "postgres\nshop\ntemplate0\ntemplate1", '... and can be dropped');
$clone->stop;
ok(!-e "$directory.2", 'nothing is made then');
done_testing();

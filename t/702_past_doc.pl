# The commands of docs/past.md, as they are there, with another time.

use strict;
use warnings;
use BBackup;
use File::Basename;

my $document = slurp_file(dirname(__FILE__) . '/../docs/past.md');
my %blocks = $document =~ /^<!-- test: (\S+) -->\n```sql\n(.*?)^```$/msg;
is( join(' ', sort keys %blocks),
	'as-of bring-back catalogs changes compare import lsn-before row-history transactions undo undrop undrop-show',
	'the document has the examples');
is(scalar(() = $document =~ /^```\w/mg),
	scalar keys %blocks, 'and no block that is not tested');

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
my $time = $source->safe_psql('shop', 'SELECT clock_timestamp()');
$source->safe_psql('shop',
	'DROP TABLE orders CASCADE; UPDATE accounts SET balance = 50 WHERE id = 7; DELETE FROM accounts WHERE branch = 3');
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

my $session = start_session($store);

sub run_block
{
	my ($name) = @_;

	return ask($session, $blocks{$name} =~ s/2026-11-24 22:58/$time/gr =~ s/;\n*\z//r);
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
end_session($session);
done_testing();

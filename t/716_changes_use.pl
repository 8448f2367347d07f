# bb_changes() in use: order and types of the result, how many pages are read, whose
# rights count, errors, and what it needs of the two LSNs.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"autovacuum = off\nmax_prepared_transactions = 2");

$source->safe_psql('postgres', 'CREATE DATABASE shop');
$source->safe_psql('shop', q(
CREATE TABLE wide (id int, part text, n numeric, t text, PRIMARY KEY (part, id));
INSERT INTO wide SELECT g, 'p' || g % 3, g, repeat('x', 1000) FROM generate_series(1, 3000) g;
CREATE TABLE small (a int, b text);
INSERT INTO small VALUES (1, 'one'), (2, 'two');
CREATE TABLE outside (t text);
CREATE TABLE filler (t text);
ALTER TABLE outside ALTER t SET STORAGE EXTERNAL;
ALTER TABLE filler ALTER t SET STORAGE EXTERNAL;
INSERT INTO outside VALUES (repeat('a', 5000));
));

# The IDs of TOAST tables' values that are there.
sub value_ids
{
	my ($table) = @_;
	my $toast = $source->safe_psql('shop', "SELECT reltoastrelid::regclass FROM pg_class WHERE oid = '$table'::regclass");

	return $source->safe_psql('shop', "SELECT DISTINCT chunk_id FROM $toast");
}

# soon the counter of OIDs goes round
my $value_id = value_ids('outside');
$source->stop;
system_or_bail('pg_resetwal', '-o', 4294967290, '-D', $source->data_dir);
$source->start;
my $base = cold_backup($source);
$source->start;

sub now
{
	return $source->safe_psql('shop', 'SELECT pg_current_wal_insert_lsn()');
}

my $held = start_session($source, 'shop');
ask($held, 'BEGIN; INSERT INTO small VALUES (4, \'prepared\')');
ask($held, "PREPARE TRANSACTION 'held'");
my $before = now();
$source->safe_psql('shop',
	q(UPDATE wide SET n = 7.0, t = repeat('x', 1000) WHERE id = 7; UPDATE wide SET n = n WHERE id = 2000;
	DELETE FROM wide WHERE id = 1; INSERT INTO wide VALUES (0, 'p9')));
my $changed = now();
ask($held, "COMMIT PREPARED 'held'");
my $committed = now();
$source->safe_psql('shop', 'ALTER TABLE small ADD COLUMN c int DEFAULT 3');
my $added = now();
# another value gets the ID that one had, at the same place of its table
my $filler = $source->safe_psql('shop', "SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'filler'::regclass");

sub fill_until
{
	my ($condition) = @_;

	$source->safe_psql('shop', "DO \$\$ BEGIN LOOP INSERT INTO filler VALUES (repeat('f', 3000));"
		  . " EXIT WHEN EXISTS (SELECT FROM $filler WHERE chunk_id $condition); END LOOP; END \$\$");
	return;
}

# the counter in the WAL is some thousand OIDs ahead of that of the server
fill_until('< 4000000000');
my $round = now();
$source->safe_psql('shop', 'DELETE FROM outside');
$source->safe_psql('shop', 'VACUUM outside');
fill_until("= $value_id - 1");
$source->safe_psql('shop', "INSERT INTO outside VALUES (repeat('b', 5000))");
my $again = now();
my $same_id = value_ids('outside') eq $value_id;
$source->safe_psql('shop', 'TRUNCATE small');
end_session($held);
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
$store->safe_psql('postgres', qq(
CREATE SCHEMA past;
IMPORT FOREIGN SCHEMA public FROM SERVER bbackup INTO past OPTIONS (database 'shop', lsn '$before');
CREATE ROLE reader LOGIN;
CREATE ROLE stranger LOGIN;
GRANT USAGE ON SCHEMA past TO reader, stranger;
GRANT EXECUTE ON FUNCTION bb_changes TO reader, stranger;
GRANT SELECT ON past.wide TO reader;
CREATE TABLE local_table (a int);
));
my $session = start_session($store);

sub changes
{
	my ($table, @lsns) = @_;

	return "bb_changes(NULL::past.$table, " . join(', ', map { "'$_'" } @lsns) . ')';
}

# ---- the result ----

query_is($session,
	'SELECT op, (image).id, (image).part, (image).n FROM ' . changes('wide', $before, $changed),
	"-|1|p1|1\n-|7|p1|7\n+|7|p1|7.0\n+|0|p9|",
	'by key, the old row before the new one; what was only written again is left out');
query_is($session, 'SELECT count(*) FROM ' . changes('wide', $changed, $committed),
	0, 'nothing');
query_is($session, 'SELECT count(*) FROM ' . changes('wide', $before, $before),
	0, 'one LSN');
query_is($session, 'SELECT op, image FROM ' . changes('small', $changed, $committed),
	'+|(4,prepared)', 'the rows of a transaction that had been prepared');
query_is($session, 'SELECT op, image FROM ' . changes('small', $committed) . ' ORDER BY image',
	"-|(1,one)\n-|(2,two)\n-|(4,prepared)", 'until the end, where it was truncated');
query_is($session,
	'SELECT count(*), sum((c.image).n) FROM generate_series(1, 2) g, LATERAL '
	  . changes('wide', $before, $changed) . ' c', '8|30.0', 'twice in a query');
query_is($session, 'SELECT op FROM ' . changes('wide', $before, $changed) . ' LIMIT 1',
	'-', 'a LIMIT');
ask($session, "SET work_mem = '64kB'");
query_is($session,
	'SELECT count(*) FROM ' . changes('wide', $before, $changed), 4, 'with little memory');
ask($session, 'RESET work_mem');

ok($same_id, 'the counter of OIDs has gone round');
foreach ([ $added, 'before the counter goes round' ], [ $round, 'after it' ])
{
	my ($from, $when) = @$_;

	query_is($session,
		'SELECT op, left((image).t, 1), length((image).t) FROM ' . changes('outside', $from, $again) . ' ORDER BY 2',
		"-|a|5000\n+|b|5000", "another value out of line whose ID is the same: $when");
}

# ---- pages ----

sub pages_of
{
	my ($query) = @_;

	ask($session, 'SELECT bb_stat_reset()');
	ask($session, $query);
	return ask($session, 'SELECT sum(images_used + records_applied) FROM bb_access_stats'
		  . " WHERE task_kind = 'table read'");
}

ask($session, 'SELECT count(*) FROM past.wide');
my $all = pages_of('SELECT sum(length(t)) FROM past.wide');
my $few = pages_of('SELECT count(*) FROM ' . changes('wide', $before, $changed));
cmp_ok($all, '>', 400, "a scan reads $all pages");
cmp_ok($few, '<', $all / 4, "few pages are read: $few");

# ---- rights ----

foreach my $role ('reader', 'stranger')
{
	my $query = "SET ROLE $role; SELECT count(*) FROM " . changes('wide', $before, $changed);

	if ($role eq 'reader')
	{
		query_is($session, $query, 4, 'SELECT on the foreign table is enough');
	}
	else
	{
		query_like($session, $query, qr/ERROR:  42501: permission denied for foreign table wide/,
			'without it, nobody reads');
	}
	ask($session, 'RESET ROLE');
}
ask($session, 'GRANT SELECT (id) ON past.wide TO stranger; SET ROLE stranger');
query_like($session, 'SELECT count(*) FROM ' . changes('wide', $before, $changed),
	qr/ERROR:  42501/, 'a column is not enough');
ask($session, 'RESET ROLE');

# ---- errors ----

query_like($session, 'SELECT * FROM ' . changes('wide', $changed, $before),
	qr/ERROR:  22023: from_lsn .* is after to_lsn/, 'the wrong order');
query_like($session, "SELECT * FROM bb_changes(NULL::past.wide, NULL)",
	qr/ERROR:  22004: from_lsn cannot be null/, 'no LSN');
query_like($session, "SELECT * FROM bb_changes(NULL::past.wide, '0/0')",
	qr/ERROR:  22023: from_lsn cannot be 0\/0/, 'LSN 0/0');
query_like($session, "SELECT * FROM bb_changes(NULL::past.wide, '0/1', '$changed')",
	qr/ERROR:  55000/, 'before the start');
query_like($session, "SELECT * FROM bb_changes(NULL::past.wide, '$changed', 'FF/1')",
	qr/ERROR:  22023/, 'after the end');
query_like($session, "SELECT * FROM bb_changes(NULL::local_table, '$before')",
	qr/ERROR:  42809: the first argument has type local_table, which is not a table of the past\nHINT/,
	'another table');
query_like($session, "SELECT * FROM bb_changes(1, '$before')",
	qr/ERROR:  42809: the first argument has type integer/, 'no table');
query_is($session, 'SELECT count(*) FROM ' . changes('small', $committed, $added),
	0, 'a column that the foreign table lacks does not matter');
ask($session, 'ALTER FOREIGN TABLE past.small ADD COLUMN c int');
query_like($session, 'SELECT * FROM ' . changes('small', $committed, $added),
	qr/ERROR:  42703: column "c" of table "small" does not exist at \Q$committed\E/,
	'a column that is not there at one of the LSNs is an error');
query_is($session, 'SELECT count(*) FROM ' . changes('wide', $before, $changed), 4,
	'after errors, all is well');
end_session($session);
done_testing();

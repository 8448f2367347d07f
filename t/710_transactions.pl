# bb_transactions: who changed which table, and how many rows, is what triggers noted in
# the same transactions.
#
# The triggers' table takes part in transactions, so what was rolled back is in neither.
# By environment: BB_SEED.

use strict;
use warnings;
use BBackup;

my $seed = draw_seed();
my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"track_commit_timestamp = on\nmax_prepared_transactions = 10\nautovacuum = off\n");

srand $seed;
$source->safe_psql('postgres', 'CREATE DATABASE shop');
$source->safe_psql('shop', <<'SQL');
CREATE TABLE audit (xid xid8 NOT NULL DEFAULT pg_current_xact_id(), origin text DEFAULT nullif(current_setting('test.origin', true), ''), relation text, what text);
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit (relation, what) VALUES (TG_TABLE_NAME, lower(TG_OP)); RETURN NULL; END $$;
CREATE TABLE a (id int PRIMARY KEY, n int, v text) WITH (fillfactor = 60);
CREATE TABLE b (id int PRIMARY KEY, n int, v text);
ALTER TABLE b ALTER v SET STORAGE EXTERNAL;
CREATE TABLE p (id int, n int, v text, PRIMARY KEY (id, n)) PARTITION BY LIST (n);
CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0, 1, 2, 3);
CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE INDEX ON a (n);
CREATE SEQUENCE s;
SELECT pg_replication_origin_create('far'), pg_replication_origin_create('near');
SQL
foreach my $table (qw(a b p))
{
	$source->safe_psql('shop',
		"CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON $table FOR EACH ROW EXECUTE FUNCTION note_row()");
}
$source->safe_psql('shop',
	"CREATE TRIGGER note_truncate AFTER TRUNCATE ON $_ FOR EACH STATEMENT EXECUTE FUNCTION note_row()")
  foreach qw(a b p0 p1);
my $base = cold_backup($source);
$source->start;

# --- the workload

my $next = 100;

sub some { return 1 + int rand $_[0] }

sub wide { return "repeat(md5(random()::text), " . (rand() < 0.2 ? 200 : 1) . ')' }

# "rows" rows with new keys, as a query.
sub new_rows
{
	my $from = $next;
	my $rows = rand() < 0.1 ? 300 : some(8);

	$next += $rows;
	return "SELECT g, g % 7, " . wide() . " FROM generate_series($from, $from + $rows - 1) g";
}

sub copy_rows
{
	my ($table) = @_;
	my $rows = rand() < 0.2 ? 400 : some(9);
	my @lines = map { $next++ . "\t" . int(rand 7) . "\tx" } 1 .. $rows;

	return "COPY $table FROM stdin;\n" . join("\n", @lines) . "\n\\.\n";
}

sub statement
{
	my $table = (qw(a b p))[ int rand 3 ];
	my $below = int(rand($next - 30));
	my $old = "id BETWEEN $below AND $below + " . some(20);
	my @kinds = (
		sub { "INSERT INTO $table " . new_rows() },
		sub { copy_rows($table) },
		sub { "UPDATE $table SET v = " . wide() . " WHERE $old" },
		sub { "UPDATE $table SET n = CASE WHEN n < 4 THEN n + 4 ELSE n - 4 END WHERE $old" },
		sub { "DELETE FROM $table WHERE $old" },
		sub {
			my $on = $table eq 'p' ? '(id, n)' : '(id)';
			"INSERT INTO $table SELECT g, 6, 'c' FROM generate_series($below, $below + 9) g"
			  . " WHERE NOT EXISTS (SELECT FROM $table o WHERE o.id = g AND o.n <> 6)"
			  . " ON CONFLICT $on DO UPDATE SET v = excluded.v || 'u'";
		},
		sub { "MERGE INTO $table t USING (SELECT g AS id FROM generate_series($below, $below + 12) g) m"
			  . " ON t.id = m.id WHEN MATCHED AND t.id % 3 = 0 THEN DELETE"
			  . " WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT VALUES (m.id, 6, 'n')" },
		sub { "SELECT count(*) FROM (SELECT FROM $table WHERE $old FOR KEY SHARE) l" },
		sub { "SELECT count(*) FROM $table" });

	push @kinds, sub { 'TRUNCATE ' . (qw(a b p0 p1))[ int rand 4 ] } if rand() < 0.1;
	push @kinds, sub {
		my $t = (qw(a b))[ int rand 2 ];
		my $to = (qw(bigint int))[ int rand 2 ];
		"ALTER TABLE $t ALTER n TYPE $to USING n + 0, ALTER v TYPE text USING v || ''; INSERT INTO audit (relation, what) VALUES ('$t', 'rewrite')";
	} if rand() < 0.1;
	my $text = $kinds[ int rand @kinds ]->();
	return $text =~ /\\\.\n\z/ ? $text : "$text;\n";
}

sub transaction
{
	my ($number) = @_;
	my $text = "BEGIN;\n";
	my $depth = 0;

	foreach (1 .. some(5))
	{
		my $luck = rand();

		if ($luck < 0.25) { $text .= 'SAVEPOINT s' . ++$depth . ";\n" }
		elsif ($luck < 0.35 && $depth) { $text .= "RELEASE s$depth;\n"; $depth-- }
		elsif ($luck < 0.5 && $depth) { $text .= "ROLLBACK TO s$depth;\n" }
		$text .= statement();
	}
	my $end = rand();
	if ($end < 0.15)
	{
		return $text . "PREPARE TRANSACTION 'g$number';\n" . (rand() < 0.3 ? "CHECKPOINT;\n" : '')
		  . (rand() < 0.7 ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'g$number';\n";
	}
	return $text . ($end < 0.3 ? "ROLLBACK;\n" : "COMMIT;\n");
}

# The first lines that are in one list only.
sub differences
{
	my ($got, $wanted) = @_;
	my %got = map { $_ => 1 } @$got;
	my %wanted = map { $_ => 1 } @$wanted;
	my @lines = (map({ "got $_" } grep { !$wanted{$_} } @$got),
		map({ "wanted $_" } grep { !$got{$_} } @$wanted));

	push @lines, @$got . ' rows, not ' . @$wanted if @$got != @$wanted;
	return join "\n", splice @lines, 0, 20;
}

my $script = '';
foreach my $number (1 .. 150)
{
	my $origin = rand() < 0.15 ? (qw(far near))[ int rand 2 ] : '';

	$script .= "SELECT pg_replication_origin_session_setup('$origin'); SET test.origin = '$origin';\n" if $origin;
	$script .= transaction($number);
	$script .= "SELECT pg_replication_origin_session_reset(); SET test.origin = '';\n" if $origin;
	$script .= "CHECKPOINT;\n" if rand() < 0.15;
	$script .= 'VACUUM ' . (qw(a b p))[ int rand 3 ] . ";\n" if rand() < 0.08;
	$script .= "VACUUM FULL a;\n" if rand() < 0.02;
	$script .= "CLUSTER b USING b_pkey;\n" if rand() < 0.02;
}
$source->psql('shop', $script, on_error_stop => 1, on_error_die => 1);
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');

my $expected = <<'SQL';
SELECT xid, relation, coalesce(max(origin), ''),
	count(*) FILTER (WHERE what = 'insert'), count(*) FILTER (WHERE what = 'update'),
	count(*) FILTER (WHERE what = 'delete'),
	concat(CASE WHEN bool_or(what = 'truncate') THEN 't' END, CASE WHEN bool_or(what = 'rewrite') THEN 'r' END),
	-- with an origin, the server notes the time of its first commit
	CASE WHEN max(origin) IS NULL THEN pg_xact_commit_timestamp(xid::text::xid) END
FROM audit GROUP BY xid, relation ORDER BY 1, 2
SQL
my @expected = split /\n/, $source->safe_psql('shop', $expected);
my $inserted = $source->safe_psql('shop', 'SELECT count(*) FROM audit');
$source->stop;

my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);

my $found = <<'SQL';
SELECT xid, table_name, coalesce(origin, ''), inserted, updated, deleted,
	concat(CASE WHEN 'truncated' = ANY (actions) THEN 't' END, CASE WHEN 'rewritten' = ANY (actions) THEN 'r' END),
	CASE WHEN origin IS NULL THEN "time" END
FROM bb_transactions(database_name => 'shop') WHERE table_name <> 'audit'
	AND NOT (inserted + updated + deleted = 0 AND actions = '{rewritten}' AND xid NOT IN (SELECT xid FROM noted))
ORDER BY 1, 2
SQL
my @xids = map { (split /\|/)[0] } @expected;
$store->safe_psql('postgres', 'CREATE TABLE noted (xid xid8); INSERT INTO noted VALUES ' . join ', ', map { "('$_')" } @xids);
my @found = split /\n/, $store->safe_psql('postgres', $found);
cmp_ok(scalar @expected, '>', 50, 'there are transactions');
ok(scalar(grep { /\|far\|/ } @expected), 'some have an origin') if $script =~ /'far'/;
is(differences(\@found, \@expected), '', 'transactions are those that triggers noted');
is( $store->safe_psql('postgres',
		"SELECT sum(inserted) FROM bb_transactions(database_name => 'shop', relation_name => 'public.audit')"),
	$inserted, 'one table alone');
is( $store->safe_psql('postgres',
		"SELECT count(*) FROM bb_transactions(database_name => 'shop') t WHERE bb_lsn_of_xid(t.xid) <> t.lsn OR NOT complete"),
	0, 'LSNs are those of the commits');

# parts of the range are the same rows; what began before a part is in its commit
my @all = split /\n/, $store->safe_psql('postgres',
	"SELECT t::text FROM bb_transactions(database_name => 'shop') t");
my @lsns = split /\n/, $store->safe_psql('postgres',
	"SELECT DISTINCT lsn FROM bb_transactions(database_name => 'shop') ORDER BY 1");
my @cuts = map { $lsns[$_] } sort { $a <=> $b } map { int rand @lsns } 1 .. 3;
my @parts = map { split /\n/, $store->safe_psql('postgres',
	'SELECT t::text FROM bb_transactions(database_name => \'shop\', "from" => ' . $_->[0] . ', "to" => ' . $_->[1] . ') t') }
  (['NULL', "'$cuts[0]'"], ["'$cuts[0]'", "'$cuts[1]'"], ["'$cuts[1]'", "'$cuts[2]'"], ["'$cuts[2]'", 'NULL']);
is(differences(\@parts, \@all), '', "parts, cut at @cuts, are the same as the whole");
done_testing();

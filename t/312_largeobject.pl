# bb_basebackup_lo() creates a large object, or nothing.

use strict;
use warnings;
use BBackup;

my ($store, $right) =
  new_imported_store("shared_preload_libraries = 'bbackup'\n");
my $size = length $right;
my $directory = PostgreSQL::Test::Utils::tempdir_short;

my $session = start_session($store);
my $pid = $session->{backend};

sub objects
{
	return $store->safe_psql('postgres',
		'SELECT (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_largeobject)'
	);
}

# --- Success.

my $oid = ask($session, 'SELECT bb_basebackup_lo()');
like($oid, qr/^\d+$/, 'it returns an OID');
ask($session, "SELECT lo_export($oid, '$directory/a.tar')");
ok(slurp_file("$directory/a.tar") eq $right, 'lo_export gives the tar');
query_is($session,
	"SELECT state, bytes_out FROM bb_access_stats WHERE pid = $pid AND function = 'bb_basebackup_lo'",
	"done|$size", 'its bytes are counted');
is(ask($session,
		'SELECT count(*) FROM (SELECT data, pageno FROM pg_largeobject) p WHERE length(data) < 2048'
	), $size % 2048 == 0 ? 0 : 1, 'it has whole pieces');
query_is($session, "SELECT lo_unlink($oid)", 1, 'it can be removed');
is(objects(), '0|0', 'then nothing is left');

$oid = ask($session, "BEGIN; SELECT bb_basebackup_lo(label => 'x'); ROLLBACK");
is(objects(), '0|0', 'a transaction that is rolled back leaves no large object');

# --- Errors remove the object.

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
query_like($session, 'SELECT bb_basebackup_lo()', qr/ERROR:  XX001:/,
	'a broken layer');
is(objects(), '0|0', 'leaves no large object');
query_is($session,
	'DO $$BEGIN PERFORM bb_basebackup_lo(); EXCEPTION WHEN data_corrupted THEN PERFORM lo_create(4711); END$$',
	'', 'a caught error');
is(objects(), '1|0', 'leaves none, either');
is(ask($session, 'SELECT lo_unlink(4711)'), 1, 'except the one created after it');
query_like($session, 'BEGIN; SAVEPOINT s; SELECT bb_basebackup_lo()',
	qr/ERROR:  XX001:/, 'an error in a subtransaction');
ask($session, 'ROLLBACK TO s; COMMIT');
is(objects(), '0|0', '... leaves none');
patch_file($layer, int((-s $layer) * 0.6), $old);

query_like($session,
	"SET statement_timeout = 500; SELECT bb_basebackup_lo(max_rate => 1000)",
	qr/ERROR:  57014:/, 'a cancel');
is(objects(), '0|0', 'leaves no large object');
ask($session, 'RESET statement_timeout');

# --- Permissions, and read-only transactions.

query_like($session, 'BEGIN READ ONLY; SELECT bb_basebackup_lo()',
	qr/ERROR:  25006: cannot execute bb_basebackup_lo\(\) in a read-only transaction/,
	'not in a read-only transaction');
ask($session, 'ROLLBACK');

$store->safe_psql('postgres', q(
CREATE ROLE bob;
GRANT USAGE ON FOREIGN SERVER bbackup TO bob;
));
fails_like($store, 'SET ROLE bob; SELECT bb_basebackup_lo()',
	qr/42501: permission denied for function bb_basebackup_lo/,
	'it is not for everybody');
$store->safe_psql('postgres',
	'GRANT EXECUTE ON FUNCTION bb_basebackup_lo TO bob');
$oid = $store->safe_psql('postgres',
	'SET ROLE bob; SELECT bb_basebackup_lo(full_backup => false)');
query_is($store,
	"SELECT lomowner::regrole FROM pg_largeobject_metadata WHERE oid = $oid",
	'bob', 'it is its maker\'s');
end_session($session);

done_testing();

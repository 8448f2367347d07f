# Copies that the background worker of upkeep keeps up to date.

use strict;
use warnings;
use BBackup;

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store',
	"shared_preload_libraries = bbackup\nbbackup.upkeep = on\nbbackup.upkeep_naptime = 1\n"
	  . "bbackup.checkpoint_distance = 1MB\n");
my $place = PostgreSQL::Test::Utils::tempdir;

foreach my $name ('second', 'third')
{
	$store->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/$name')"
	);
}
import_directory($store, $base);

sub wait_for_copies
{
	my ($condition, $name) = @_;

	ok( $store->poll_query_until('postgres',
			"SELECT bool_and($condition) FROM bb_stat_copies"),
		$name)
	  or diag($store->safe_psql('postgres', 'SELECT * FROM bb_stat_copies'));
	return;
}

$store->safe_psql('postgres',
	"SELECT * FROM bb_replicate('main', 'bbackup', '$_', continuously => true)")
  foreach 'second', 'third', 'second';
query_is(
	$store,
	'SELECT timeline, from_store, to_store, lag_bytes, lag, bytes_to_copy, problem, last_error FROM bb_stat_copies ORDER BY to_store',
	"main|bbackup|second|0|00:00:00|0||\nmain|bbackup|third|0|00:00:00|0||",
	'the first copies are made by the calls');

$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', until => '$middle')");
my $start = $store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()');
wait_for_copies("copy_lsn >= '$start' AND lag_bytes = 0 AND bytes_to_copy = 0",
	'the worker copies what is new');

# One copy can't be made for a while; the other one can.
rename "$place/third", "$place/away" or die;
PostgreSQL::Test::Utils::append_to_file("$place/third", 'no directory');
$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive')");
wait_for_copies("(to_store = 'second' AND lag_bytes = 0) OR (to_store = 'third' AND problem IS NOT NULL)",
	'a store that is away does not keep others from their copies');
wait_for_copies("last_error ~ 'third' AND last_error_time IS NOT NULL",
	'the error is shown');
unlink "$place/third" or die;
rename "$place/away", "$place/third" or die;
wait_for_copies('lag_bytes = 0 AND bytes_to_copy = 0 AND last_error IS NULL AND problem IS NULL',
	'later both are up to date');
my $right = $store->safe_psql('postgres', backup_md5('bbackup'));
is($store->safe_psql('postgres', backup_md5($_)), $right, "$_ has the same backup")
  foreach 'second', 'third';
cmp_ok(
	$store->safe_psql('postgres',
		"SELECT count(*) FROM bb_stat_upkeep_jobs WHERE job = 'copy' AND bytes_written > 0"),
	'>=', 2, 'its jobs are listed');

# The end.
fails_like($store, "SELECT * FROM bb_move('main', 'bbackup', 'second')",
	qr/is copied continuously, and cannot be moved/, 'it cannot be moved');
$store->safe_psql('postgres', 'CREATE ROLE bob;'
	  . 'GRANT EXECUTE ON FUNCTION bb_stop_replicating TO bob');
fails_like(
	$store,
	"SET ROLE bob; SELECT bb_stop_replicating('main', 'bbackup', 'second')",
	qr/were asked for by another role/,
	'another role may not end it');
$store->safe_psql('postgres',
	"SELECT bb_stop_replicating('main', 'bbackup', '$_')")
  foreach 'second', 'third';
query_is($store, 'SELECT count(*) FROM bb_stat_copies', 0, 'it ends');
fails_like(
	$store,
	"SELECT bb_stop_replicating('main', 'bbackup', 'second')",
	qr/is not copied to "second" continuously/,
	'once');
fails_like(
	$store,
	"BEGIN READ ONLY; SELECT * FROM bb_replicate('main', 'bbackup', 'second', continuously => true)",
	qr/cannot execute bb_replicate\(\) in a read-only transaction/,
	'a transaction that only reads cannot ask for it');
$store->safe_psql('postgres', "SELECT bb_detach_copy('main', 'second')");
pass('the copies stay');

done_testing();

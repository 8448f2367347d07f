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

# Nothing that a copy needs goes unnoticed.
fails_like($store, "DROP SERVER $_ CASCADE",
	qr/2BP01: cannot drop server "$_" because it is used to copy .*bb_stop_replicating\('main', 'bbackup', '(second|third)'\)/s,
	"server $_ cannot be dropped")
  foreach 'second', 'third';
fails_like($store, "SELECT bb_drop_timeline('main', 'second')",
	qr/55006: .*is a copy that is kept up to date/,
	'nor can a copy that would be made again');
$store->safe_psql('postgres', 'CREATE ROLE alice;'
	  . 'GRANT EXECUTE ON FUNCTION bb_detach_copy TO alice;'
	  . 'GRANT USAGE ON FOREIGN SERVER third TO alice');
fails_like(
	$store,
	"SET ROLE alice; SELECT bb_detach_copy('main', 'third')",
	qr/were asked for by another role/,
	'another role may not detach it');
my ($rc, $out, $err) =
  $store->psql('postgres', "SELECT bb_detach_copy('main', 'third')");
like($err, qr/NOTICE:  timeline "main" of page store "bbackup" is not copied to "third" continuously any more/,
	'a copy that is detached is not copied to any more');
query_is($store, 'SELECT to_store FROM bb_stat_copies', 'second',
	'and is no row any more');
$store->safe_psql('postgres', 'DROP SERVER third');

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
	"SELECT bb_stop_replicating('main', 'bbackup', 'second')");
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

# A source that is dropped, and made again.
$store->safe_psql('postgres',
	"SELECT * FROM bb_replicate('main', 'bbackup', 'second', continuously => true)");
($rc, $out, $err) =
  $store->psql('postgres', "SELECT bb_drop_timeline('main')");
like($err, qr/NOTICE:  the copy of timeline "main" in page store "second" is not updated any more.*bb_detach_copy\('main', 'second'\)/s,
	'who drops a source is told of its copy');
query_is($store, 'SELECT problem, copy_lsn IS NOT NULL FROM bb_stat_copies',
	'timeline "main" does not exist in page store "bbackup"|t',
	'which is seen');
import_directory($store, $base);
wait_for_copies("last_error ~ 'is not a copy of the one'",
	'a timeline of the same name is not copied over it');
is($store->safe_psql('postgres', backup_md5('second')), $right,
	'the copy stays');
$store->safe_psql('postgres', "SELECT bb_detach_copy('main', 'second')");
query_is($store, 'SELECT count(*) FROM bb_stat_copies', 0, 'and is detached');

done_testing();

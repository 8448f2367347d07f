# Readers that go on for long, while upkeep replaces, retires and removes all the
# layers that they read: streams that stand still, with workers and without; point
# reads of a session that keeps a store; a prefetch, and the worker that fetches
# ahead, whose layers have gone from object storage.

use strict;
use warnings;
use BBackup;
use BBackup::CacheLock;
use BBackup::S3;

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
max_worker_processes = 16
bbackup.checkpoint_distance = 2MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.removal_delay = 0
));

import_directory($store, $base);
my %whole = ingest($store, $archive);

# The same again, for upkeep.
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', timeline => 'other');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'other')");

my $upkeep = start_session($store);
my @arguments = map { ", progress => false$_" } '', ', jobs => 2',
  ', full_backup => false';

sub rows
{
	my ($timeline, $arguments, $server) = @_;

	$server //= 'bbackup';
	return 'SELECT md5(chunk) FROM (SELECT bb_basebackup_stream('
	  . "lsn => '$middle', store => '$server', timeline => '$timeline'"
	  . "$arguments) AS chunk) c";
}

sub layers
{
	my ($timeline, $server) = @_;

	$server //= 'bbackup';
	return split /\n/,
	  ask($upkeep, "SELECT layer FROM bb_layers('$server', '$timeline')");
}

my $page = "SELECT md5(string_agg(bb_get_page(tablespace, database, relfilenode,"
  . " fork, pages - 1, '$middle', timeline => '%s'), '' ORDER BY tablespace,"
  . ' database, relfilenode, fork)) FROM bb_relations('
  . "'$middle', timeline => '%1\$s') WHERE pages > 0";
my @right = map { $store->safe_psql('postgres', rows('main', $_)) } @arguments;
my $right_page = $store->safe_psql('postgres', sprintf $page, 'main');

# ---- streams that stand still ----

my @streams = map { start_session($store) } @arguments;
my @rows;

foreach my $n (0 .. $#streams)
{
	$rows[$n] = ask($streams[$n],
		    'BEGIN; DECLARE c CURSOR FOR '
		  . rows('other', $arguments[$n])
		  . '; FETCH 1 FROM c');
}
my $reader = start_session($store);
query_is($reader, sprintf($page, 'other'), $right_page, 'a point read');
my %before = map { $_ => 1 } layers('other');
$store->safe_psql('postgres',
	"SELECT bb_pin('$middle', 'middle', timeline => 'other');"
	  . "SELECT bb_set_retention('1 microsecond', timeline => 'other')");
my $jobs = ask($upkeep, "SELECT count(*) FROM bb_upkeep(timeline => 'other')");
cmp_ok($jobs, '>', 2, "upkeep does $jobs jobs");
my $left = grep { $before{$_} } stored_layers($store, 'other');
cmp_ok($left, '<', keys(%before) / 2,
	keys(%before) . " layers were there, $left are left");

foreach my $n (0 .. $#streams)
{
	my $rest = ask($streams[$n], 'FETCH ALL FROM c');

	is("$rows[$n]\n$rest", $right[$n],
		"a stream goes on to the same tar$arguments[$n]");
	ask($streams[$n], 'COMMIT');
}
query_is($reader, sprintf($page, 'other'),
	$right_page, 'so does a session that reads pages');
end_session($_) foreach @streams, $reader;

# ---- object storage: layers that were listed, then gone ----

SKIP:
{
	skip 'no S3 server is installed', 1 unless BBackup::S3->available;
	my $s3 = BBackup::S3->start_or_skip();
	my $caches = PostgreSQL::Test::Utils::tempdir;
	my $session = start_session($store);

	foreach my $what ('backup', 'prefetch')
	{
		my $url = "s3://bucket/$what";
		my $query =
		  $what eq 'backup'
		  ? rows('main', $arguments[0], 'backup_cached')
		  : "SELECT bb_prefetch('$middle', store => 'prefetch_cached',"
		  . ' wait => true) > 0';
		my $log = -s $store->logfile;

		$store->safe_psql('postgres',
			    $s3->sql($what, $url)
			  . $s3->sql("${what}_cached", $url,
				"cache_directory '$caches/$what', cache_size '200MB'")
			  . "SELECT * FROM bb_import_directory('$base', '$what');"
			  . "SELECT * FROM bb_ingest('$archive', '$what');"
			  . "SELECT count(*) FROM bb_relations('$middle', '${what}_cached')");
		# what says which layers are needed is resident now; blocks aren't
		my $lock = lock_room("$caches/$what");
		send_query($session, $query);
		$store->poll_query_until('postgres',
			'SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type ='
			  . " 'bbackup @{[ $what eq 'backup' ? 'fetch' : $what ]}'")
		  or die 'there is no worker';
		my %listed = map { $_ => 1 } layers('main', $what);
		ask($upkeep, "SELECT count(*) FROM bb_upkeep('$what')");
		my $gone = grep { !$listed{$_} } layers('main', $what);
		cmp_ok($gone, '>', 2, "$what: layers have been replaced");
		close $lock;
		is(answer($session), $what eq 'backup' ? $right[0] : 't',
			"$what: it goes on with those that there are now");
		$store->poll_query_until('postgres',
			'SELECT count(*) = 0 FROM pg_stat_activity'
			  . " WHERE backend_type ~ '^bbackup (fetch|prefetch)'");
		unlike(slurp_file($store->logfile, $log),
			qr/is missing from page store/, "$what: and logs nothing");
	}
	end_session($session);
}

end_session($upkeep);
done_testing();

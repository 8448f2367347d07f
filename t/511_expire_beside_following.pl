# The start of a timeline moves while a server is followed: the writer, which has
# read the manifest long before, doesn't move it back.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use Time::HiRes qw(sleep);

my $source = new_followed_source('source');
my $store = new_following_store('store', "bbackup.removal_delay = 0\n");

$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
create_source($store, 'shop', $source);
follow($store, 'shop');
ok(wait_for_state($store, 'streaming'), 'it is followed');
$store->safe_psql('postgres', "SELECT bb_set_retention('1 second', keep => '')");

my $start = $store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()');
foreach my $round (1 .. 3)
{
	foreach my $i (1 .. 3)
	{
		$source->safe_psql('postgres', "INSERT INTO t VALUES ($i)");
		ok(wait_now($store), "round $round: it is stored");
		sleep 1.1;
	}
	$store->safe_psql('postgres', 'SELECT count(*) FROM bb_expire(dry_run => false)');
	my $moved = $store->safe_psql('postgres',
		'SELECT start_lsn FROM bb_timelines()');
	cmp_ok($store->safe_psql('postgres', "SELECT '$moved'::pg_lsn - '$start'::pg_lsn"),
		'>', 0, "round $round: the start has moved");

	# several flushes, of which the first takes over the new manifest
	foreach my $i (1 .. 3)
	{
		$source->safe_psql('postgres', "INSERT INTO t VALUES ($i)");
		ok(wait_now($store), "round $round: it is followed on");
	}
	query_is($store, 'SELECT start_lsn FROM bb_timelines()', $moved,
		"round $round: and stays there");
	$start = $moved;
}

stop_following($source, $store);
done_testing();

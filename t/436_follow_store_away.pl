# The page store is away when its server starts: with confirm 'spool' the receiver
# begins from the spool, so that commits of a synchronous source don't wait, and
# the store gets all of it when it is back.

use strict;
use warnings;
use BBackup;
use BBackup::Following;

my $source = new_followed_source('source', 'wal_keep_size = 0',
	'--wal-segsize=1');
my $store = new_following_store('store', "bbackup.flush_interval = 200ms\n");
my $away = store_directory($store);
my $rows = 0;

$source->safe_psql('postgres', 'CREATE TABLE t (i int, x text)');
create_source($store, 'shop', $source, confirm => 'spool');
follow($store, 'shop');
ok(defined wait_now($store), 'following');
$source->append_conf('postgresql.conf', "synchronous_standby_names = 'bbackup'");
$source->reload;

# Commits of the source are acknowledged.
sub commits
{
	my ($n, $name) = @_;
	my ($out, $err, $timed_out);
	my $first = $rows + 1;

	$rows += $n;
	$source->psql(
		'postgres',
		"INSERT INTO t SELECT i, repeat('x', 1000)"
		  . " FROM generate_series($first, $rows) i",
		stdout => \$out,
		stderr => \$err,
		timeout => $PostgreSQL::Test::Utils::timeout_default,
		timed_out => \$timed_out);
	my %status = follow_status($store);
	return ok(!$timed_out, $name)
	  || diag(join "\n", $err, map { "$_: $status{$_}" } sort keys %status);
}

sub is_waiting
{
	my ($name) = @_;

	return ok(wait_for_state($store, 'waiting'), $name);
}

commits(100, 'a synchronous source');
foreach my $how ('immediate', 'fast')
{
	$store->stop($how);
	rename $away, "$away.away" or die "$away: $!";
	$store->start;
	is_waiting("after a stop $how the store is away");
	commits(100, '... and commits go on');
	# more than one segment, which the spool keeps
	commits(3000, '... and on');
	is_waiting('... while the store is away');
	if ($how eq 'fast')
	{
		# what is confirmed goes on from there, not from the manifest
		$store->stop('immediate');
		$store->start;
		commits(100, '... also after another start');
	}
	rename "$away.away", $away or die "$away: $!";
	ok(defined wait_now($store), 'the store is back');
	my $clone = clone_of($store, 'main');
	is($clone->safe_psql('postgres', 'SELECT count(*), max(i) FROM t'),
		"$rows|$rows", '... and no row is missing');
	$clone->stop('immediate');
}

# ---- the source is lost meanwhile ----

$store->stop;
rename $away, "$away.away" or die "$away: $!";
$store->start;
commits(50, 'commits without the store');
$source->stop('immediate');
$store->restart;
rename "$away.away", $away or die "$away: $!";
ok( wait_for(
		'the rows',
		sub {
			my $clone = clone_of($store, 'main');
			my $found =
			  $clone->safe_psql('postgres', 'SELECT count(*) FROM t');

			$clone->stop('immediate');
			$clone->clean_node;
			return $found == $rows;
		}),
	'what only the spool had is stored, without the source');
$store->stop;
done_testing();

# kill -9 of upkeep, by hand and in the worker, at random instants and again until
# it is through: each time the store opens, and a backup at a random LSN is right.
# What killed processes leave is removed later.

use strict;
use warnings;
use BBackup;
use BBackup::Following qw(wait_for);
use Time::HiRes qw(sleep time);

use constant KILLS => $ENV{BB_KILLS} // 8;

srand draw_seed();

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
restart_after_crash = on
bbackup.checkpoint_distance = 1MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.removal_delay = 0
bbackup.upkeep_naptime = 1s
bbackup.upkeep_cpu_share = 100
));

import_directory($store, $base);
$store->safe_psql('postgres', "SELECT bb_create_branch('whole')");
my %whole = ingest($store, $archive, 'whole');

# ---- what is right ----

my %right;

sub md5_of
{
	my ($timeline, $lsn) = @_;

	return $store->safe_psql('postgres',
		backup_md5('bbackup', "lsn => '$lsn', timeline => '$timeline'"));
}

foreach my $part (0 .. 9)
{
	my $lsn = $store->safe_psql('postgres',
		"SELECT '$whole{start_lsn}'::pg_lsn + trunc($part / 9.0 *"
		  . " ('$whole{end_lsn}'::pg_lsn - '$whole{start_lsn}'))");

	$right{$lsn} = md5_of('whole', $lsn);
}
$right{$middle} = md5_of('whole', $middle);

my (@wrong, $checks);

# Compare at a random LSN that the timeline promises.
sub check
{
	my ($timeline) = @_;
	my $start = $store->safe_psql('postgres',
		"SELECT start_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
	my @lsns = split /\n/,
	  $store->safe_psql('postgres',
		'SELECT l FROM unnest(ARRAY['
		  . join(',', map { "'$_'" } sort keys %right)
		  . "]::pg_lsn[]) l WHERE l >= '$start' OR l = '$middle'");
	my $lsn = $lsns[ rand @lsns ];

	$checks++;
	push @wrong, "$timeline at $lsn" if md5_of($timeline, $lsn) ne $right{$lsn};
	return;
}

# A branch that has much to do: merges, images, and after half of them a window.
my $branches = 0;

sub new_branch
{
	my $name = 'round' . ++$branches;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	ingest($store, $archive, $name);
	$store->safe_psql('postgres',
		    "SELECT bb_pin('$middle', 'middle', timeline => '$name');"
		  . " SELECT bb_set_retention('1 second', timeline => '$name')")
	  if $branches % 2 == 0;
	return $name;
}

# ---- by hand ----

my $name = new_branch();
my $start = time;
my $jobs = $store->safe_psql('postgres',
	"SELECT count(*) FROM bb_upkeep(timeline => '$name')");
my $within = time - $start;
check($name);
cmp_ok($jobs, '>', 2, "there are $jobs jobs to do");

my ($kills, $resumed) = (0, 0);

while ($kills < KILLS)
{
	my $killed = 0;

	$name = new_branch();
	while ($kills < KILLS)
	{
		my $session = start_session($store);

		send_query($session, "SELECT * FROM bb_upkeep(timeline => '$name')");
		sleep rand $within;
		kill 'KILL', $session->{backend};
		$kills++;
		answer($session);
		end_session($session);
		wait_for_restart($store);
		forget_killed($store);
		check($name);
		$killed++;
		last
		  if $store->safe_psql('postgres',
			"SELECT count(*) FROM bb_upkeep(timeline => '$name', max_jobs => 1)"
		  ) == 0;
	}
	$resumed++ if $killed > 1;
	$store->safe_psql('postgres', "SELECT * FROM bb_upkeep(timeline => '$name')");
	check($name) for 1 .. 2;
	$store->safe_psql('postgres', "SELECT bb_drop_timeline('$name')")
	  if $kills < KILLS;
}
cmp_ok($resumed, '>', 0, 'some went on after they had been killed');

# ---- the worker ----

# backups run beside it, and find layers gone
$store->safe_psql('postgres', $_)
  for 'ALTER SYSTEM SET bbackup.upkeep = on',
  'ALTER SYSTEM SET bbackup.upkeep_cpu_share = 5';
$store->reload;
my $worker_kills = 0;

foreach (1 .. 5 * KILLS)
{
	last if $worker_kills >= KILLS / 8;
	my $pid;

	$name = new_branch();
	$pid = wait_for(
		'a job of the worker',
		sub {
			$store->safe_psql('postgres',
				    'SELECT pid FROM bb_stat_progress_upkeep'
				  . ' JOIN pg_stat_activity USING (pid)'
				  . " WHERE backend_type = 'bbackup upkeep pass'");
		}) or last;
	# it may have ended
	next if !kill 'KILL', $pid;
	$worker_kills++;
	wait_for_restart($store);
	forget_killed($store);
	check($name);
}
cmp_ok($worker_kills, '>', 0, 'the worker was killed');
$store->safe_psql('postgres', 'ALTER SYSTEM RESET bbackup.upkeep_cpu_share');
$store->reload;
ok( wait_for(
		'the end',
		sub {
			$store->safe_psql('postgres',
				"SELECT count(*) FROM bb_upkeep(timeline => '$name')") eq '0';
		}),
	'... and does the rest');
$store->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$store->reload;
check($name);

is("@wrong", '', "the store is as if nobody had been killed, $checks times");
note "$kills kills by hand, $worker_kills of the worker, $branches branches";

# what killed processes left is swept, by the next ingest
ok( wait_for(
		'the sweep',
		sub {
			$store->safe_psql('postgres',
				"SELECT * FROM bb_upkeep(timeline => '$name')");
			ingest($store, $archive, $name);
			my @named = split /\n/,
			  $store->safe_psql('postgres',
				"SELECT layer FROM bb_layers(timeline => '$name')");
			return "@{[ sort @named ]}" eq "@{[ stored_layers($store, $name) ]}";
		}),
	'no layers are left that nobody names');

done_testing();

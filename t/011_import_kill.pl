# kill -9 of the importing backend, at random instants: the store stays at its
# last committed state.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep time);

use constant TRIES => $ENV{BB_KILLS} // 15;

srand draw_seed();

my $source = new_source('source', '--data-checksums');
create_rows($source, 50000);
$source->stop;
my $from = $source->data_dir;

# layers are small, so that there are many instants between two of them
my $store = new_store('store',
	"restart_after_crash = on\nbbackup.layer_size = 1MB\n");
import_directory($store, $from);
my $main = md5_of('main');

# The MD5 of a whole backup, which reads all data.
sub md5_of
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
			"SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
		  . " bb_basebackup_stream(timeline => '$timeline') AS chunk) c");
}

# The time within which an import is killed: at first, that of one that isn't.
# It becomes shorter when one is complete before that, since the load may change.
my $start = time;
import_directory($store, $from, 'kill');
my $within = time - $start;
$store->safe_psql('postgres', "SELECT bb_drop_timeline('kill')");

my ($broken_off, $complete, $with_leftovers) = (0, 0, 0);
my @wrong;

foreach my $try (1 .. TRIES)
{
	my $session = start_session($store);

	send_query($session,
		"SELECT * FROM bb_import_directory('$from', timeline => 'kill')");
	sleep rand $within * 1.1;
	kill 'KILL', $session->{backend};
	answer($session);
	end_session($session);
	wait_for_restart($store);
	forget_killed($store);

	my $timelines = $store->safe_psql('postgres',
		"SELECT string_agg(timeline, ' ' ORDER BY timeline DESC)"
		  . ' FROM bb_timelines()');
	if ($timelines eq 'main kill')
	{
		$complete++;
		$within *= 0.8;
		push @wrong, "try $try: committed, but not the same"
		  if md5_of('kill') ne $main;
		$store->safe_psql('postgres', "SELECT bb_drop_timeline('kill')");
	}
	elsif ($timelines eq 'main')
	{
		$broken_off++;
		$within *= 1.1;
		$with_leftovers++ if stored_layers($store, 'kill');
	}
	else
	{
		push @wrong, "try $try: timelines $timelines";
	}
	push @wrong, "try $try: main is not what it was" if md5_of('main') ne $main;
}
is("@wrong", '', 'the store stays at its last committed state');
cmp_ok($broken_off, '>', TRIES / 4, 'imports were broken off');
cmp_ok($with_leftovers, '>', 0, 'in the midst of writing layers');
note "$broken_off broken off, $with_leftovers left layers, $complete complete";

import_directory($store, $from, 'kill');
is(md5_of('kill'), $main, 'a new import of that name succeeds');
my @named = split /\n/,
  $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers(timeline => 'kill')");
is_deeply([ sort map { s{.*/}{}r } @named ], [ stored_layers($store, 'kill') ],
	'and has swept what the others left');

done_testing();

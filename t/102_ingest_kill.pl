# kill -9 of the ingesting backend, at random instants, and again until it is
# through: the store is as if nothing had happened.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep time);

use constant KILLS => $ENV{BB_KILLS} // 20;

srand draw_seed();

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
$source->stop;
my $store = new_store('store',
	"restart_after_crash = on\nbbackup.checkpoint_distance = 1MB\n");
import_directory($store, $source->data_dir);
$source->start;
fill_source($source);
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

# Of all that a backup has, at the end and somewhere before.
sub md5_of
{
	my ($timeline, $lsn) = @_;

	return $store->safe_psql('postgres',
			"SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
		  . " bb_basebackup_stream('$lsn', timeline => '$timeline') AS chunk) c");
}

sub branch
{
	my ($name) = @_;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	return;
}

branch('whole');
my $start = time;
my %whole = ingest($store, $archive, 'whole');
my $duration = time - $start;
my $middle = $store->safe_psql('postgres',
	"SELECT '$whole{start_lsn}'::pg_lsn + ('$whole{end_lsn}'::pg_lsn - '$whole{start_lsn}') / 2"
);

# Kills that come too late, or before anything was written, show little: the time
# within which they come follows what the machine makes of it.
my ($kills, $rounds, $resumed) = (0, 0, 0);
my $within = $duration * 0.9;
my @wrong;

sub enough
{
	return $kills >= ($resumed > 0 ? KILLS : KILLS + 100);
}

until (enough())
{
	my $name = 'round' . ++$rounds;
	my $end = '';

	branch($name);
	while ($end ne $whole{end_lsn})
	{
		my $session = start_session($store);

		send_query($session,
			"SELECT * FROM bb_ingest('$archive', timeline => '$name')");
		sleep rand $within;
		kill 'KILL', $session->{backend};
		$kills++;
		answer($session);
		end_session($session);
		wait_for_restart($store);
		forget_killed($store);
		my $now = $store->safe_psql('postgres',
			"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$name'");
		$resumed++ if $end ne '' && $now ne $end;
		$within *= $now eq $whole{end_lsn} ? 0.8 : $now eq $end ? 1.2 : 1;
		$end = $now;
		last if enough();
	}
	ingest($store, $archive, $name);
	foreach my $lsn ($whole{end_lsn}, $middle)
	{
		push @wrong, "round $rounds at $lsn"
		  if md5_of($name, $lsn) ne md5_of('whole', $lsn);
	}
	$store->safe_psql('postgres', "SELECT bb_drop_timeline('$name')");
}
is("@wrong", '', 'the store is as if nobody had been killed');
cmp_ok($resumed, '>', 0, 'ingest went on where it had been killed');
note "$kills kills in $rounds rounds";

# what killed writers left is swept
branch('last');
{
	my $session = start_session($store);

	send_query($session,
		"SELECT * FROM bb_ingest('$archive', timeline => 'last')");
	sleep $duration / 2;
	kill 'KILL', $session->{backend};
	answer($session);
	end_session($session);
	wait_for_restart($store);
	forget_killed($store);
}
ingest($store, $archive, 'last');
my @named = split /\n/,
  $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers(timeline => 'last')");
is_deeply([ sort map { s{.*/}{}r } @named ], [ stored_layers($store, 'last') ],
	'no layers are left that nobody names');

done_testing();

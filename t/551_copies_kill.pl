# kill -9 in a copy and in a move, at random instants, and again until they are
# through: a copy is always whole, and a timeline that is moved can be read in at
# least one of the stores, and be written to in one at most.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep time);

use constant KILLS => $ENV{BB_KILLS} // 5;

srand draw_seed();

my ($base, $archive) = filled_archive();
my $store = new_store('store',
	"restart_after_crash = on\nbbackup.checkpoint_distance = 1MB\n");
my $place = PostgreSQL::Test::Utils::tempdir;

$store->safe_psql('postgres',
	"CREATE SERVER $_ FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/$_')")
  foreach 'source', 'target';
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', 'source')");
$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', 'source')");
my $right = md5_of('source');

# md5_of - of a thin backup at the end; undef if the timeline can't be read.
sub md5_of
{
	my ($server) = @_;
	my ($code, $out) = $store->psql('postgres',
		backup_md5($server, 'full_backup => false'));

	return $code == 0 && $out ne '' ? $out : undef;
}

# is_whole - has a store the timeline, with all of it?
sub is_whole
{
	my ($server) = @_;

	return $store->safe_psql('postgres',
		"SELECT count(*) FROM bb_timelines('$server')") == 1
	  && (md5_of($server) // '') eq $right
	  && $store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('$server')") == 0;
}

# can_be_written - isn't the timeline of a store a copy?
sub can_be_written
{
	my ($server) = @_;
	my ($code, undef, $err) = $store->psql('postgres',
		"SELECT * FROM bb_ingest('$archive', '$server')");

	die $err if $code != 0 && $err !~ /is a copy, and cannot|does not exist/;
	return $code == 0;
}

my ($kills, $duration) = (0, 1);

# killed - run a query in a session and kill it; whether it was faster.  Then
# $resumed counts those that found layers of calls before.
my $resumed = 0;

sub killed
{
	my ($query) = @_;
	my $session = start_session($store);
	my $start = time;

	# half of the kills within the copying, half of them within the rest
	my $slow = rand() < .5;
	ask($session, 'SET bbackup.upkeep_rate = ' . ($slow ? 40 : 0));
	send_query($session, $query);
	sleep rand($slow ? 1.5 : $duration);
	kill 'KILL', $session->{backend};
	my $answer = answer($session);
	end_session($session);
	wait_for_restart($store);
	$kills++;
	return 0 unless defined $answer && $answer =~ /^main\|\d+\|\d+\|(\d+)/m;
	$resumed++ if $1 > 0;
	return 1;
}

# ---- copies ----

my $start = time;
$store->safe_psql('postgres',
	"SELECT * FROM bb_replicate('main', 'source', 'target')");
$duration = 1.2 * (time - $start);
ok(is_whole('target'), 'a copy is whole');

my $rounds = 0;
my @wrong;
while ($kills < KILLS)
{
	$store->safe_psql('postgres',
		"SELECT bb_drop_timeline('main', 'target')")
	  if $store->safe_psql('postgres', "SELECT count(*) FROM bb_timelines('target')");
	until (killed("SELECT * FROM bb_replicate('main', 'source', 'target')"))
	{
		last if $kills >= 4 * KILLS;
		my $exists = $store->safe_psql('postgres',
			"SELECT count(*) FROM bb_timelines('target')");
		push @wrong, "round $rounds" if $exists && !is_whole('target');
		last if $exists;
	}
	my (undef, undef, undef, $found) = split /\|/, $store->safe_psql('postgres',
		"SELECT * FROM bb_replicate('main', 'source', 'target')");
	$resumed++ if $found > 0;
	push @wrong, "end of round $rounds" unless is_whole('target');
	$rounds++;
}
is("@wrong", '', 'copies that were killed are whole, or not there');
note("$kills kills in $rounds copies; $resumed went on after layers that were there");

# ---- moves ----

$store->safe_psql('postgres', "SELECT bb_drop_timeline('main', 'target')");
my ($from, $to) = ('source', 'target');
($kills, $rounds, @wrong) = (0, 0);
my %seen;
while ($kills < KILLS)
{
	my $through = 0;

	until ($through)
	{
		$through = killed("SELECT * FROM bb_move('main', '$from', '$to')");
		my @readable = grep { is_whole($_) } $from, $to;
		my @written = grep { can_be_written($_) } $from, $to;

		push @wrong, "readable in @readable, written to in @written"
		  if @readable == 0 || @written > 1;
		$seen{"readable in " . @readable . ", written to in " . @written}++;
		# the end may have been reached without an answer
		$through = 1
		  if !$store->safe_psql('postgres', "SELECT count(*) FROM bb_timelines('$from')");
		last if !$through && $kills >= 4 * KILLS;
	}
	my ($code, undef, $err) =
	  $store->psql('postgres', "SELECT * FROM bb_move('main', '$from', '$to')");
	push @wrong, "round $rounds: $err"
	  if $code != 0 && $err !~ /"main" does not exist/;
	push @wrong, "round $rounds: it is not whole"
	  unless is_whole($to) && can_be_written($to);
	push @wrong, "round $rounds: something is left"
	  if glob "$place/$from/timelines/main/layers/{,.}*-*";
	($from, $to) = ($to, $from);
	$rounds++;
}
is("@wrong", '', 'moves that were killed lose nothing');
note("$kills kills in $rounds moves: "
	  . join('; ', map { "$seen{$_} x $_" } sort keys %seen));

done_testing();

# A crash of the machine in upkeep.  What one pass writes is recorded
# (test/crash/recorder.c).  Of a prefix of it, what a crash may leave is made: with
# all changes, or without some of those that weren't fsynced.  Each such store
# is whole, each LSN that it promises is read as before, and upkeep goes on there.
#
#	BB_CRASHES=1000 make installcheck REGRESS= PROVE_TESTS=t/560_crash_consistency.pl
#
# BB_SEED repeats a run; a failure says after which change, and what was lost.

use strict;
use warnings;
use BBackup;
use BBackup::CrashStates;
use BBackup::StoreKind;
use BBackup::Tree;
use Cwd qw(realpath);
use Time::HiRes qw(sleep time);

my $crashes = $ENV{BB_CRASHES} // 16;

plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();
my $cc = $ENV{CC} // 'cc';
plan skip_all => "there is no C compiler ($cc): writes can't be recorded"
  if system("$cc --version >/dev/null 2>&1") != 0;

my $seed = draw_seed();
srand $seed;

my $base = PostgreSQL::Test::Utils::tempdir;
system_or_bail('make', '-s', '-C', 'test/crash', "OUT=$base", "CC=$cc");

# ---- a store with a pin, a branch, and much to do

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_small_source('source', $archive);
my $cold = cold_backup($source);
my $store = new_store('store', q(
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.image_percent = 20
bbackup.removal_delay = 0
bbackup.upkeep_cpu_share = 100
));

import_directory($store, $cold);
my @lsns = $store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()');
$source->start;
my ($window_begins, $window_ends);

foreach my $piece (1 .. 9)
{
	# those up to the sixth are before the window
	if ($piece == 7)
	{
		sleep 2.5;
		$window_begins = time;
	}
	$source->safe_psql('template1',
		"UPDATE t SET m = md5(m) WHERE i % 5 = $piece % 5;"
		  . "INSERT INTO t SELECT i, '' FROM generate_series(1, 200) i");
	$window_ends = time;
	$source->safe_psql('template1', 'SELECT pg_switch_wal()');
	$source->poll_query_until('template1',
		'SELECT last_archived_wal >= pg_walfile_name('
		  . "pg_switch_wal() - 1) FROM pg_stat_archiver")
	  or die;
	push @lsns, { ingest($store, $archive) }->{end_lsn};
	# images, so that what is older can be retired
	$store->safe_psql('postgres', 'SELECT * FROM bb_upkeep()')
	  if $piece == 2 || $piece == 4 || $piece == 6;
}
$source->stop;
$store->safe_psql('postgres', "SELECT bb_pin('$lsns[2]', 'pinned')");
$store->safe_psql('postgres',
	"SELECT bb_create_branch('branch', lsn => '$lsns[3]')");
my $window = 1 + int($window_ends - $window_begins);
$store->safe_psql('postgres', "SELECT bb_set_retention('$window seconds')");

# ---- one pass of upkeep

my $directory = realpath(store_directory($store));
my $log = "$base/log";
my %jobs;

# the framework switches fsync off
$store->append_conf('postgresql.conf', "fsync = on\n");
{
	local $ENV{LD_PRELOAD} = "$base/recorder.so";
	local $ENV{BB_CRASH_STORE} = $directory;
	local $ENV{BB_CRASH_LOG} = $log;

	$store->restart;
}

# what can be read, and its digest
my %right;
my $session = start_session($store);

sub digest
{
	my ($lsn, $timeline, $server) = @_;

	return ask($session, backup_md5($server,
		"lsn => '$lsn', timeline => '$timeline'"));
}

foreach my $lsn (@lsns)
{
	$right{"main $lsn"} = digest($lsn, 'main', 'bbackup');
}
$right{"branch $lsns[3]"} = digest($lsns[3], 'branch', 'bbackup');
is((grep { !/^[0-9a-f]{32}$/ } values %right), 0, 'all can be read before');

my $before = copy_directory($directory, "$base/before");
my $inodes = BBackup::CrashStates::inodes($directory);

append_to_file($log, '');
%jobs = map { split /\|/ } split /\n/,
  ask($session, 'SELECT job, count(*) FROM bb_upkeep() GROUP BY 1');
rename $log, "$log.done" or die "$log: $!";
note join ', ', map { "$jobs{$_} x $_" } sort keys %jobs;
cmp_ok($jobs{$_} // 0, '>', 0, "$_ was done")
  foreach qw(merge image expire retire remove);
my $start = ask($session,
	"SELECT start_lsn FROM bb_timelines() WHERE timeline = 'main'");
end_session($session);

# stop recording, and the fsyncs, which take time
$store->append_conf('postgresql.conf', "fsync = off\n");
$store->restart;

my $states = BBackup::CrashStates->new($before, $inodes, "$log.done");
my @changes = $states->changes;
my %kinds;

$kinds{ $_->{name} }++ foreach @changes;
note join ', ', map { "$kinds{$_} x $_" } sort keys %kinds;
ok($kinds{$_}, "$_ was recorded") foreach qw(create write fsync rename unlink);

# the whole record makes what is there
sub content
{
	my ($where) = @_;
	my $tree = tree($where);

	return { map { $_ => $tree->{$_} =~ s/^\d+ //r } keys %$tree };
}

$states->write("$base/state", scalar @changes, 0);
is_deeply(content("$base/state"), content($directory),
	'nothing was missed by the recorder');
system_or_bail('rm', '-rf', "$base/state");

# ---- crashes

# the LSNs that are looked at: the first, the pin's, the new start and the end
my @looked = map { "main $_" } @lsns[ 0, 2 ], $lsns[-1];
my ($first_in_window) = grep {
	$store->safe_psql('postgres', "SELECT '$_'::pg_lsn >= '$start'") eq 't'
} @lsns;
splice @looked, 2, 0, "main $first_in_window"
  if $first_in_window ne $lsns[-1];
push @looked, "branch $lsns[3]";

my (%seen, @failures);

# check - what is wrong with a store.
sub check
{
	my ($server) = @_;
	my @wrong;
	my $timelines = ask($session,
		"SELECT string_agg(timeline, ' ' ORDER BY timeline)"
		  . " FROM bb_timelines('$server')");

	return "timelines: $timelines" if $timelines ne 'branch main';
	my $findings = ask($session, "SELECT * FROM bb_verify('$server')");
	push @wrong, "bb_verify: $findings" if $findings ne '';

	foreach my $where (@looked)
	{
		my ($timeline, $lsn) = split / /, $where;
		my $promised = ask($session,
			"SELECT '$lsn' BETWEEN start_lsn AND end_lsn"
			  . " OR EXISTS (SELECT FROM bb_keeps('$server') k"
			  . " WHERE k.timeline = t.timeline AND k.lsn = '$lsn' AND holds)"
			  . " FROM bb_timelines('$server') t WHERE timeline = '$timeline'");
		my $digest = digest($lsn, $timeline, $server);

		push @wrong, "$where is not promised"
		  if $promised ne 't' && $where ne $looked[0];
		if ($promised eq 't')
		{
			$seen{readable}++;
			push @wrong, "$where: $digest" if $digest ne $right{$where};
		}
		else
		{
			$seen{refused}++;
			push @wrong, "$where: $digest" if $digest !~ /ERROR:  55000: .*before/;
		}
	}
	return @wrong;
}

# Half of the crashes are soon after a commit, one commit after the other; the
# others are after any change, or one that replaces or removes something.
my @turns = grep { $changes[ $_ - 1 ]{name} =~ /^(?:rename|unlink)$/ }
  1 .. @changes;
my @commits = grep { $changes[ $_ - 1 ]{to} =~ m{/manifest\z} } @turns;
my $commits = 0;

cmp_ok(scalar @commits, '>=', 5, 'there are commits');

sub position
{
	my ($i) = @_;

	if ($i % 2 == 1)
	{
		my $n = $commits[ $commits++ % @commits ] + int rand 6;

		return $n < @changes ? $n : scalar @changes;
	}
	return rand() < 0.5 ? int rand(1 + @changes) : $turns[ rand @turns ];
}

my $began = time;
for my $i (1 .. $crashes)
{
	my $n = position($i);
	my $loses = $i % 4 != 0;
	my $said = $states->write("$base/state$i", $n, $loses);
	my $server = "crash$i";
	my @wrong;

	$seen{ !$loses ? 'all kept' : $said ne '' ? 'some lost' : 'nothing to lose' }++;
	$store->safe_psql('postgres',
		"CREATE SERVER $server FOREIGN DATA WRAPPER bbackup"
		  . " OPTIONS (url 'file://$base/state$i')");
	$session = start_session($store);
	@wrong = check($server);
	if (!@wrong)
	{
		my $answer = ask($session, "SELECT count(*) FROM bb_upkeep('$server')");

		if ($answer !~ /^\d+$/) { push @wrong, "upkeep: $answer" }
		else
		{
			$seen{'with jobs left'}++ if $answer > 0;
			push @wrong, map { "after upkeep: $_" } check($server);
			my $now = ask($session, 'SELECT start_lsn FROM'
				  . " bb_timelines('$server') WHERE timeline = 'main'");
			push @wrong, "after upkeep: the start is $now, not $start"
			  if $now ne $start;
		}
	}
	end_session($session);
	$store->safe_psql('postgres', "DROP SERVER $server");
	if (@wrong)
	{
		push @failures, $i;
		my $last = $n > 0 ? $changes[ $n - 1 ] : { name => 'nothing', path => '' };

		diag "state $i: after $n changes, the last one $last->{name}"
		  . " $last->{path}; " . ($loses ? "lost: $said" : 'all kept');
		diag "  $_" foreach @wrong;
	}
	system_or_bail('rm', '-rf', "$base/state$i");
	last if @failures >= 5;
}
is("@failures", '', "$crashes crashes in a pass of " . @changes . ' changes');
note join(', ', map { "$_: $seen{$_}" } sort keys %seen),
  sprintf(', %.1f s', time - $began);
ok($seen{$_}, "there were stores and LSNs: $_")
  foreach 'some lost', 'all kept', 'readable', 'refused', 'with jobs left';

done_testing();

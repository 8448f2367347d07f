# Chaos: while clients write down what a source acknowledges, everything that
# takes part in following it is killed, cut off, delayed and filled, at random.
# Nobody repairs anything by hand but what was taken away.  Then all that was
# acknowledged is in the store, and nothing else.
#
#	BB_CHAOS_S		how many seconds; 20 by default
#	BB_CHAOS		a regular expression of what happens
#	BB_CHAOS_STORE	"local" or "s3" (if there is a Swift); drawn by default in
#					a run of more than 100 s, since Swift is slow
#	BB_SEED			what happens, printed; times differ from run to run

use strict;
use warnings;
use BBackup::SmallDisk size => '48m';
use BBackup;
use BBackup::Acked;
use BBackup::FaultProxy;
use BBackup::Following;
use BBackup::S3;
use BBackup::TcpProxy;
use BBackup::WAL qw(lsn_number);
use Time::HiRes qw(time usleep);

my $seconds = $ENV{BB_CHAOS_S} // 20;
my $seed = draw_seed();
srand $seed;

my $kind = $ENV{BB_CHAOS_STORE}
  // ($seconds <= 100 || rand() < 0.5 ? 'local' : 's3');
$kind = 'local' if !BBackup::S3::available();

my $disk = BBackup::SmallDisk::directory();
diag('no small file system (unshare doesn\'t work here): the disk of the spool'
	  . ' is never full')
  if !defined $disk;

my $source = new_followed_source('source', q(
restart_after_crash = on
max_wal_size = 64MB
wal_keep_size = 0
# a broken connection is noticed soon
wal_sender_timeout = 5s
), '--wal-segsize=1');
BBackup::Acked::create_tables($source);
my $proxy = BBackup::TcpProxy->start($source);

my $store = new_following_store('store',
	(defined $disk ? "bbackup.spool_directory = '$disk/spool'\n" : '')
	. "bbackup.spool_size = 64MB\n");
my ($s3, $s3_proxy);
if ($kind eq 's3')
{
	$s3 = BBackup::S3->start_or_skip;
	($s3_proxy, my $through) = BBackup::FaultProxy->before($s3);
	$store->safe_psql('postgres',
		'ALTER SERVER bbackup RENAME TO bbackup_local;'
		  . $through->sql('bbackup', 's3://bucket/chaos'));
}
create_source($store, 'shop', $proxy);

my $acked = BBackup::Acked->start(
	$source->connstr('postgres'),
	seed => $seed,
	pause_ms => $seconds > 100 ? 20 : 5,
	large => 1_500_000);
$acked->wait_for(5);
follow($store, 'shop');
ok(wait_for_state($store, 'streaming'), 'it is followed');

# ---- what happens ----

# The server may be away, or wait for a store that is down.
sub try_psql
{
	my ($node, $sql) = @_;
	my ($out, $err);
	local $ENV{PGOPTIONS} = '-c statement_timeout=5s';

	$node->psql(
		'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_die => 0);
	return $out // '';
}

sub pause { usleep(1_000_000 * rand $_[0]) }

sub kill_workers
{
	my ($signal, $kind) = @_;

	kill $signal, following_workers($store, $kind);
	return;
}

# start_again - a server that has crashed: children of before may still hold its
# memory.
sub start_again
{
	my ($node) = @_;

	wait_for($node->name . ' starts',
		sub {
			# a start that failed may have found the old PID file
			$node->{_pid} = undef;
			return $node->start(fail_ok => 1);
		})
	  or BAIL_OUT($node->name . ' does not start');
	return;
}

sub crash
{
	my ($node) = @_;

	$node->kill9;
	pause(1);
	start_again($node);
	return;
}

# for_a_while - the network, the disk, the store are as they are for some time.
my %undo = (
	network => sub { $proxy->order('pass') },
	disk => sub { BBackup::SmallDisk::empty() },
	store => sub {
		$s3_proxy ? $s3_proxy->faults : chmod 0700, store_directory($store);
	});
my %ends;

sub for_a_while
{
	my ($what) = @_;

	$ends{$what} = time + 0.5 + rand($seconds > 100 ? 15 : 4);
	return;
}

# What bb_wait returned in between: all that was acknowledged before is there.
my @waited;

my @faults_of_s3 = ('reset', '503 SlowDown', '500 InternalError', 'cut 100',
	'cut 0', '403 AccessDenied');
my @chaos = (
	[ 'walsender killed', sub {
		kill 'KILL', split /\n/,
		  try_psql($source, 'SELECT pid FROM pg_stat_replication');
	} ],
	[ 'walsender terminated', sub {
		try_psql($source,
			'SELECT pg_terminate_backend(pid) FROM pg_stat_replication');
	} ],
	[ 'receiver killed', sub { kill_workers('KILL', 'receive') } ],
	[ 'receiver terminated', sub { kill_workers('TERM', 'receive') } ],
	[ 'follower killed', sub { kill_workers('KILL', 'follow$') } ],
	[ 'follower terminated', sub { kill_workers('TERM', 'follow$') } ],
	[ 'launcher killed', sub { kill_workers('KILL', 'follow starter$|launcher') } ],
	[ 'store crashes', sub { crash($store) } ],
	[ 'store stopped at once', sub {
		$store->stop('immediate');
		pause(1);
		start_again($store);
	} ],
	[ 'store restarted', sub {
		$store->stop('fast');
		start_again($store);
	} ],
	[ 'source crashes', sub { crash($source) } ],
	[ 'source stopped at once', sub {
		$source->stop('immediate');
		pause(1);
		start_again($source);
	} ],
	[ 'WAL switch', sub {
		try_psql($source, 'SELECT pg_switch_wal()') } ],
	[ 'checkpoint', sub { try_psql($source, 'CHECKPOINT') } ],
	[ 'cut', sub { $proxy->order('cut') } ],
	[ 'cut in a message', sub {
		$proxy->order('cut_after ' . int rand 200_000) } ],
	[ 'half closed', sub {
		$proxy->order('close ' . (rand() < 0.5 ? 'client' : 'server')) } ],
	[ 'network down', sub {
		$proxy->order('refuse');
		for_a_while('network');
	} ],
	[ 'network slow', sub {
		$proxy->order('delay both ' . int rand 500);
		for_a_while('network');
	} ],
	[ 'network in pieces', sub {
		$proxy->order('trickle ' . (1000 + int rand 3000));
		for_a_while('network');
	} ],
	[ 'network stalled', sub {
		$proxy->order('stall ' . qw(both client server)[ rand 3 ]);
		for_a_while('network');
	} ],
	[ 'disk full', sub {
		return if !defined $disk;
		BBackup::SmallDisk::fill();
		for_a_while('disk');
	} ],
	[ 'store down', sub {
		my $fault = $faults_of_s3[ rand @faults_of_s3 ];

		$s3_proxy
		  ? $s3_proxy->faults(($fault) x 1000)
		  : chmod 0, store_directory($store);
		for_a_while('store');
	} ],
	[ 'backup', sub {
		# of now, while it goes on
		try_psql($store,
			"SELECT sum(length(c)) FROM bb_basebackup_stream() c");
	} ],
	[ 'wait', sub {
		my $began = BBackup::Acked::now();
		my $lsn = try_psql($store, "SELECT bb_wait(NULL, 'main', '2 s')");

		push @waited,
		  { lsn => $lsn, began => $began, ended => BBackup::Acked::now() }
		  if $lsn =~ m{^\w+/\w+$};
	} ],
	[ 'nothing', sub { pause(2) } ]);
@chaos = grep { $_->[0] =~ ($ENV{BB_CHAOS} // '') } @chaos;

# Nothing is confirmed that isn't in the store: a machine that loses its spool
# would lose that.
my @confirmed_too_far;

sub check_confirmed
{
	my $slot = try_psql($source,
		"SELECT restart_lsn FROM pg_replication_slots WHERE NOT temporary");
	my $end = try_psql($store,
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = 'main'");

	push @confirmed_too_far, "$slot is confirmed, $end is stored"
	  if $slot =~ m{^\w+/\w+$}
	  && $end =~ m{^\w+/\w+$}
	  && lsn_number($slot) > lsn_number($end);
	return;
}

my $until = time + $seconds;
my %happened;
while (time < $until)
{
	my ($what, $do) = @{ $chaos[ rand @chaos ] };

	note(sprintf '%5.1f s left: %s', $until - time, $what);
	$happened{$what}++;
	$do->();
	foreach my $ended (grep { $ends{$_} < time } keys %ends)
	{
		note("over: $ended");
		$undo{$ended}->();
		delete $ends{$ended};
	}
	pause(rand() < 0.3 ? 3 : 0.7);
	check_confirmed();
}
$undo{$_}->() foreach keys %ends;
note("happened: $_ $happened{$_}") foreach sort keys %happened;

# ---- what is left of it ----

ok($acked->wait_for(20), 'the source works');
ok(wait_for('the store\'s server', sub { try_psql($store, 'SELECT 1') }),
	'the store works');
is("@confirmed_too_far", '', 'nothing was confirmed that was not stored');
$acked->stop;
my %n = $acked->acknowledged;
note("acknowledged: @{[ %n ]}");
$acked->is_kept($source, 'the source has what it acknowledged');

my $end = wait_now($store);
ok(defined $end, 'all of it can be read')
  or diag(`tail -n 60 '@{[ $store->logfile ]}'`);
my $clone = clone_of($store, 'main');
$acked->is_kept($clone, 'and so has the store');
$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
	'its pages and indexes are right');
$clone->clean_node;

# at LSNs when something was acknowledged
my $first = $store->safe_psql('postgres',
	"SELECT start_lsn FROM bb_timelines() WHERE timeline = 'main'");
my @marks = grep { lsn_number($_->{lsn}) >= lsn_number($first) } $acked->marks;
ok(@marks > 3, 'there are LSNs to look at');
foreach my $list (\@marks, \@marks, \@marks, \@waited, \@waited)
{
	my $mark = @$list ? $list->[ rand @$list ] : $marks[ rand @marks ];
	my $clone = clone_of($store, 'main', "lsn => '$mark->{lsn}'");

	$acked->is_kept($clone, "at $mark->{lsn} it has what was acknowledged then",
		$mark);
	$clone->clean_node;
}

ok(wait_for_state($store, 'streaming'), 'it streams');
ok( wait_for(
		'one slot', sub { slots_of($source) eq 'bbackup_main active' }),
	'the source has the slot, and no other')
  or diag(slots_of($source));
is( scalar(following_workers($store, '(follow|receive)$')),
	2, 'there are two processes');
stop_following($source, $store);
is( $source->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_replication'),
	0, 'and no connection');
$proxy->stop;
done_testing();

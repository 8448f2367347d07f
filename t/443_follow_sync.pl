# A store's server that is a synchronous standby, by confirm 'spool': each commit
# that the source acknowledged is kept, when the source's machine is lost for
# good, while the page store is far behind; also if the store's server crashes
# at the same time.  And warnings, where a source waits for a store unwillingly.
#
# What isn't shown here: that the spool survives a crash of the store's machine.
# A test can't drop what a file system has in memory; the unit tests of the
# spool check the order of its syncs instead.

use strict;
use warnings;
use BBackup;
use BBackup::Acked;
use BBackup::Following;
use BBackup::WAL qw(lsn_number);
use File::Path qw(remove_tree);
use Time::HiRes qw(usleep);

my $seed = draw_seed();
srand $seed;
my $store = new_following_store('store', "bbackup.flush_interval = 1h\n");

# A source that waits for the store, and clients of it.
sub synchronous_source
{
	my ($name) = @_;
	my $source = new_followed_source($name);

	BBackup::Acked::create_tables($source);
	create_source($store, $name, $source,
		confirm => 'spool', application_name => "bbackup_$name");
	follow($store, $name, $name);
	ok(wait_for_state($store, 'streaming|catching up', $name),
		"$name is followed");
	$source->append_conf('postgresql.conf',
		"synchronous_standby_names = 'bbackup_$name'");
	$source->reload;
	ok( wait_for(
			'synchronous standby',
			sub {
				return $source->safe_psql('postgres',
					'SELECT sync_state FROM pg_stat_replication') eq 'sync';
			}),
		'the store is its synchronous standby');
	my $acked = BBackup::Acked->start(
		$source->connstr('postgres'),
		seed => $seed,
		large => 500_000);
	ok($acked->wait_for(20), 'commits are acknowledged');
	return ($source, $acked);
}

# The machine is lost: no process of it says a word more, and no file is left.
sub lose
{
	my ($source) = @_;
	my $data = $source->data_dir;
	my @pids = split /\n/,
	  $source->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');

	kill 'KILL', $source->{_pid}, @pids;
	$source->{_pid} = undef;
	usleep(50_000) while grep { kill 0, $_ } @pids;
	remove_tree($data);
	return;
}

# is_all_there - what was acknowledged is in the store, after a flush.
sub is_all_there
{
	my ($name, $acked) = @_;
	my %status;

	ok( wait_for(
			'the spool\'s end',
			sub {
				%status = follow_status($store, $name);
				return ($status{received_lsn} // '') =~ m{/};
			}),
		'its spool is known');
	my $end = $status{received_lsn};
	my ($out, $err);
	# what is received may end in the midst of a record
	is( $store->psql(
			'postgres', "SELECT bb_wait('$end', '$name', '10 min')",
			stdout => \$out,
			stderr => \$err,
			on_error_die => 0),
		0,
		"all of it is stored, up to $end")
	  or diag($err, map { "\t$_: $status{$_}\n" } sort keys %status);
	my $clone = clone_of($store, $name);
	$acked->is_kept($clone, 'and it has what was acknowledged');
	my %n = $acked->acknowledged;
	note("acknowledged: @{[ %n ]}");
	$clone->clean_node;
	return;
}

# ---- the source is lost ----

my ($lost, $acked) = synchronous_source('lost');
my $stored = $store->safe_psql('postgres',
	"SELECT end_lsn FROM bb_timelines() WHERE timeline = 'lost'");
my $written = $lost->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');

cmp_ok(lsn_number($written), '>', lsn_number($stored),
	'the page store is behind');
lose($lost);
$acked->stop(0);
is_all_there('lost', $acked);

# ---- both are lost, and the store's server comes back ----

my ($both, $acked_too) = synchronous_source('two');
lose($both);
$store->stop('immediate');
$acked_too->stop(0);
$store->start;
is_all_there('two', $acked_too);

# ---- over a crash of the store, commits wait, and go on ----

my ($waits, $acked_on) = synchronous_source('waits');
for (1 .. 3)
{
	$store->stop('immediate');
	my %before = $acked_on->acknowledged;
	usleep(300_000);
	my %after = $acked_on->acknowledged;
	my $more = 0;

	$more += $after{$_} - $before{$_} foreach keys %after;
	cmp_ok($more, '<=', 3, 'without a store, no commit is acknowledged');
	$store->start;
	ok($acked_on->wait_for(10), 'with it, they are again');
}
lose($waits);
$acked_on->stop(0);
is_all_there('waits', $acked_on);

# The slots went with the sources.
foreach my $name (qw(lost two waits))
{
	my ($out, $err);

	is( $store->psql(
			'postgres',
			"SELECT bb_unfollow('$name', drop_slot => false)",
			stdout => \$out,
			stderr => \$err,
			on_error_die => 0),
		0,
		"following $name ends")
	  or diag($err);
}

# ---- warnings ----

# What the store's log says when a source with these settings is followed.
sub warnings_of
{
	my ($name, $conf, %options) = @_;
	my $source = new_followed_source($name, $conf);
	my $log_start = -s $store->logfile;

	create_source($store, $name, $source, %options);
	follow($store, $name, $name);
	ok(wait_for_state($store, 'streaming|catching up', $name),
		"$name is followed");
	my $log = slurp_file($store->logfile, $log_start);
	stop_following($source, $store, $name);
	$source->stop;
	return join '', grep { /WARNING|DETAIL|HINT/ } split /^/m, $log;
}

my $warning = qr/WARNING:  commits on source .* wait/;

unlike(warnings_of('plain', ''), $warning, 'no warning for nothing');
unlike(warnings_of('willing', "synchronous_standby_names = 'bbackup'\n",
		confirm => 'spool'),
	$warning, 'no warning where it is meant');
like(warnings_of('unwilling', "synchronous_standby_names = '*'\n"),
	$warning, 'a source that waits for the page store is warned of');
like(
	warnings_of(
		'applying', "synchronous_standby_names = 'bbackup'\n"
		  . "synchronous_commit = remote_apply\n",
		confirm => 'spool'),
	qr/WARNING:  commits on source .* may wait for ever/,
	'a source that waits for the replay of a store is warned of');
$store->stop;
done_testing();

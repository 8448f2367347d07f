# The end of following, while the receiver still confirms: a row that is deleted by
# hand takes no WAL with it that the source needn't keep any more.

use strict;
use warnings;
use BBackup;
use BBackup::Following;

my $source = new_followed_source('source');
my $store = new_following_store('store');

$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
create_source($store, 'shop', $source, confirm => 'spool');
$store->append_conf('postgresql.conf', "bbackup.flush_interval = '1h'\n");
$store->reload;
follow($store, 'shop', 'shop');
ok(defined wait_now($store, 'shop'), 'the import');
ok(wait_for_state($store, 'streaming', 'shop'), 'and the stream');
my ($spool) = glob $store->data_dir . '.bbackup_spool/*-shop';
my ($receiver) = following_workers($store, 'receive');

# The receiver stands still, with WAL of the source before it.  So far, all that it
# confirmed is stored.
ok( wait_for(
		'a moment when all is stored',
		sub {
			wait_now($store, 'shop');
			kill 'STOP', $receiver;
			my %status = follow_status($store, 'shop');
			return 1 if $status{confirmed_lsn} eq $status{readable_lsn};
			kill 'CONT', $receiver;
			return;
		}),
	'all that is confirmed is stored');
my $log = -s $store->logfile;
my $lsn = $source->safe_psql('postgres',
	"INSERT INTO t VALUES (1); SELECT pg_current_wal_insert_lsn()");
ok( wait_for(
		'the WAL sender',
		sub {
			$source->safe_psql('postgres',
				"SELECT sent_lsn >= '$lsn' FROM pg_stat_replication") eq 't';
		}),
	'WAL is sent');
$store->safe_psql('postgres', 'DELETE FROM bb_following');
ok( wait_for(
		'the end of the leader',
		sub {
			slurp_file($store->logfile, $log) =~ /stops following/;
		}),
	'the follower ends first');
kill 'CONT', $receiver;
ok(wait_for('the end of the workers', sub { !following_workers($store) }),
	'then the receiver');
is( $source->safe_psql('postgres',
		"SELECT restart_lsn >= '$lsn' FROM pg_replication_slots"),
	't', 'which has confirmed more');
ok(-d $spool && glob("$spool/0*"), 'so the spool is kept');

# Whoever follows again gets it.
follow($store, 'shop', 'shop');
ok(defined wait_now($store, 'shop'), 'it goes on');
$store->safe_psql('postgres', "SELECT bb_unfollow('shop')");
ok(!-e $spool, 'and nothing is left');
done_testing();

# Following goes on by itself after what would stop it for ever: a full spool
# without a flush interval, a wait for an LSN far away, a spool that is removed,
# a source that was another server.  And no spool is removed that has WAL which
# nobody else may have.

use strict;
use warnings;
use BBackup;
use BBackup::Backups;
use BBackup::Following;
use BBackup::Stores;
use BBackup::WAL qw(lsn_number);
use File::Path qw(rmtree);

my $source = new_followed_source('source');
my $store = new_following_store('store', qq(
bbackup.flush_interval = 0
bbackup.spool_size = 64MB
));
my $rows = 0;

$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
create_source($store, 'shop', $source, confirm => 'spool');
follow($store, 'shop', 'shop');

sub add_row
{
	$rows++;
	$source->safe_psql('postgres', "INSERT INTO t VALUES ($rows)");
	return;
}

sub spool_of
{
	my ($timeline) = @_;
	my ($spool) = glob $store->data_dir . ".bbackup_spool/*-$timeline";

	return $spool;
}

# What the source has now is received.
sub is_received
{
	my ($name) = @_;
	my $end = $source->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
	my %status;

	return ok(
		wait_for(
			'WAL that is received',
			sub {
				%status = follow_status($store, 'shop');
				return lsn_number($status{received_lsn} || '0/0') >=
				  lsn_number($end);
			}),
		$name)
	  || diag(join "\n", map { "$_: $status{$_}" } sort keys %status);
}

# ---- a full spool, and nothing that flushes ----

add_row();
ok(defined wait_now($store, 'shop'), 'following');
for (1 .. 8)
{
	add_row();
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
}
add_row();
is_received('a full spool is flushed, without a flush interval');

# ---- a wait for an LSN that is far away ----

fails_like($store, "SELECT bb_wait('FFFF/0', 'shop', '100 ms')",
	qr/57014:/, 'an LSN far away');
add_row();
my ($out, $err);
is( $store->psql(
		'postgres', "SELECT bb_wait(NULL, 'shop', '20 s')",
		stdout => \$out,
		stderr => \$err,
		on_error_die => 0),
	0,
	'does not keep others waiting')
  or diag($err);

# ---- a spool that is gone ----

my $spool = spool_of('shop');
rename $spool, "$spool.away" or die "$spool: $!";
for (1 .. 2)
{
	add_row();
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
}
ok(defined wait_now($store, 'shop'), 'it goes on with another spool');
is(scalar(() = following_workers($store, 'follow$')),
	1, 'and with one follower');
rmtree("$spool.away");
rmtree($spool);
add_row();
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
add_row();
ok(defined wait_now($store, 'shop'), 'also if it was removed');
my $clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres', 'SELECT count(*), max(i) FROM t'),
	"$rows|$rows", 'no row is missing');
$clone->stop('immediate');

# ---- a source that was another server, before the import ----

my $other = new_followed_source('other', "max_wal_senders = 1\n");
create_source($store, 'moved', $other);
follow($store, 'moved', 'moved');
ok( wait_for(
		'the error',
		sub {
			my %status = follow_status($store, 'moved');
			return ($status{last_error} // '') =~ /max_wal_senders/;
		}),
	'a server that has no room for an import');
$store->safe_psql('postgres',
	"ALTER SERVER moved OPTIONS (SET port '@{[ $source->port ]}')");
ok(defined wait_now($store, 'moved'), 'another one in its place is imported');
$store->safe_psql('postgres', "SELECT bb_unfollow('moved')");

# ---- WAL that was confirmed ----

add_row();
is_received('WAL is in the spool');
wait_for(
	'confirmation',
	sub {
		my %status = follow_status($store, 'shop');
		return lsn_number($status{confirmed_lsn}) >
		  lsn_number($status{readable_lsn});
	}) or diag('not confirmed');
my $directory = store_directory($store);
$store->stop('immediate');
rename $directory, "$directory.away" or die "$directory: $!";
$source->stop('immediate');
$store->start;
ok( wait_for(
		'the follower',
		sub {
			my %status = follow_status($store, 'shop');
			return ($status{state} // '') eq 'waiting';
		}),
	'the page store is away, and the source is lost');
(undef, undef, $err) =
  $store->psql('postgres', "SELECT bb_unfollow('shop')", on_error_die => 0);
like($err, qr/the spool ".*" is kept/, 'the spool is kept');
$spool = spool_of('shop');
ok($spool && glob("$spool/0*"), 'with its WAL');
rename "$directory.away", $directory or die "$directory: $!";

$store->stop;
done_testing();

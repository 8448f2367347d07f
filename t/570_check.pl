# bb_check(): each check is seen to be ok, and not to be, for real: a store that
# cannot be written, a follower that has stopped, a slot that is gone, a gap, a
# layer that is lost, ...

use strict;
use warnings;
use BBackup;
use BBackup::Following;

my $place = PostgreSQL::Test::Utils::tempdir;
my $source = new_followed_source('source', 'wal_keep_size = 0');
my $store = new_following_store('store',
	"bbackup.upkeep = on\nbbackup.upkeep_naptime = 1\n");
my $directory = store_directory($store);

# The disk of this machine is its own affair, except where it is asked for.
my $disk = "min_free_percent => 0, full_within => '0'";

# The rows of a check, one line each, without those that are ok.
sub check
{
	my ($what, $arguments) = @_;

	return $store->safe_psql('postgres',
		'SELECT store, timeline, status, message, hint FROM bb_check('
		  . join(', ', $disk, $arguments // ())
		  . ") WHERE check_name = '$what' ORDER BY store, timeline");
}

# Waits for a row of a check.
sub check_says
{
	my ($what, $expected, $name, $arguments) = @_;
	my $last = '';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( wait_for(
			"$what: $expected",
			sub { ($last = check($what, $arguments)) =~ /$expected/m }),
		"$what: $name")
	  or diag($last);
	return;
}

# --- All is well.

create_source($store, 'shop', $source);
create_rows($source, 100);
follow($store, 'shop');
$store->safe_psql('postgres', q(SELECT bb_wait(timeout => '60 s')));
$store->safe_psql('postgres',
	"CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/second');"
	  . "SELECT * FROM bb_replicate('main', 'bbackup', 'second', continuously => true);"
	  . "SELECT bb_pin(NULL, 'release', expires => now() + '30 days');"
	  . 'SELECT bb_test_restore()');
like(check('restore_test'), qr/^bbackup\|main\|ok\|a backup was read at .*\nsecond\|main\|warning\|no backup of it was tested\|.*bb_test_restore\(\)/,
	'restore_test: one timeline was tested, one was not');
$store->safe_psql('postgres', q(SELECT bb_test_restore(store => 'second')));
my $all = '';
ok( wait_for(
		'all is well',
		sub {
			$all = $store->safe_psql('postgres',
				"SELECT * FROM bb_check($disk) ORDER BY 1, 2, 3");
			return $all !~ /\|(?:warning|critical)\|/;
		}),
	'all checks are ok')
  or diag($all);
is( $store->safe_psql('postgres', "SELECT string_agg(DISTINCT check_name, ' '"
		  . " ORDER BY check_name) FROM bb_check($disk)"),
	'copies findings following gaps pins restore_test slot space store upkeep verification window',
	'and each of them has a row');
like(check('store'), qr/^bbackup\|\|ok\|can be written and read, and has 1 timeline\b/m,
	'the store was written');
ok(!-e "$directory/probe/object", 'and nothing is left of that');
like(check('store', 'write => false'), qr/^bbackup\|\|ok\|can be read, and/m,
	'it need not be');
is( $store->safe_psql('postgres', "SELECT DISTINCT store FROM bb_check('second')"),
	'second', 'one store can be asked for');
like(check('window', q(store => 'nowhere')), qr/^$/,
	'a store that does not exist has no timelines');
like(check('store', q(store => 'nowhere')),
	qr/^nowhere\|\|critical\|page store "nowhere" does not exist/,
	'but a row that says so');
like(check('window', q(timeline => 'none')),
	qr/^\|none\|critical\|timeline "none" does not exist/,
	'and so has such a timeline');

# What a role that monitors sees.
$store->safe_psql('postgres', 'CREATE ROLE watcher; GRANT pg_monitor TO watcher;'
	  . 'GRANT USAGE ON FOREIGN SERVER second TO watcher');
is($store->safe_psql('postgres', "SET ROLE watcher; SELECT string_agg(DISTINCT check_name, ' '"
		  . " ORDER BY check_name), string_agg(DISTINCT status, ' ') FROM bb_check($disk)"),
	'copies findings following gaps pins restore_test slot space store upkeep verification window|ok',
	'a member of pg_monitor sees the same');
like($store->safe_psql('postgres',
		"SET ROLE watcher; SELECT message FROM bb_check($disk) WHERE check_name = 'store'"),
	qr/^can be read, and/, 'but does not write');

# --- Limits.

like(check('pins', "pin_notice => '31 days'"),
	qr/^bbackup\|main\|warning\|pin "release" of LSN .* expires at .*\|Call bb_pin/,
	'pins: one that expires soon');
like(check('window', "max_age => '-1 s'"),
	qr/^bbackup\|main\|critical\|ends at .*\|Look at what ingests/m,
	'window: an end that is too old');
$disk = "full_within => '0', min_free_percent => 100";
like(check('space'), qr/^bbackup\|\|(?:warning|critical)\|.* is free .*\|Shorten/m,
	'space: less is free than wanted');
$disk = "min_free_percent => 0, full_within => '0'";

# --- A store that cannot be written, and one that cannot be read.

chmod 0500, $directory or die $!;
like(check('store'), qr/^bbackup\|\|critical\|could not .*Permission denied\|/m,
	'store: it cannot be written');
like(check('store', 'write => false'), qr/^bbackup\|\|ok\|/m, 'but read');
chmod 0700, $directory or die $!;
$store->safe_psql('postgres', q(
CREATE SERVER cloud FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 's3://bucket/prefix', endpoint 'http://127.0.0.1:9');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
	OPTIONS (access_key_id 'a', secret_access_key 'b');
ALTER ROLE CURRENT_USER SET bbackup.s3_retry_time = '1s'));
like(check('store'), qr/^bbackup\|\|ok\|.*\ncloud\|\|critical\|could not .*\|Is the server.*\nsecond\|\|ok\|/,
	'a store that cannot be reached does not keep others from being checked');
$store->safe_psql('postgres', 'DROP SERVER cloud CASCADE');

# --- A manifest and a layer that are lost.

my $manifest = "$directory/timelines/main/manifest";
$store->safe_psql('postgres', "SELECT bb_create_branch('branch')");
rename "$directory/timelines/branch/manifest", "$place/manifest" or die $!;
PostgreSQL::Test::Utils::append_to_file("$directory/timelines/branch/manifest", 'nonsense');
check_says('window', qr/^bbackup\|branch\|critical\|cannot be read: /,
	'a manifest that is broken');
check_says('upkeep', qr/^bbackup\|(?:branch)?\|warning\|fails since .*\|It is tried again/,
	'which upkeep notices, too');
rename "$place/manifest", "$directory/timelines/branch/manifest" or die $!;
$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");

my ($layer) = map { "$place/second/timelines/main/layers/$_" }
  split /\n/, $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers('second') WHERE kind = 'image' ORDER BY bytes DESC LIMIT 1");
rename $layer, "$layer.away" or die "$layer: $!";
$store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('second')");
like(check('findings'), qr/^bbackup\|main\|ok\|.*\nsecond\|main\|critical\|\d+ findings?\b.*\|See bb_findings/,
	'findings: a layer that is lost');
query_is($store, q(
SELECT metric, value FROM bb_get_metrics('second')
WHERE metric IN ('bbackup_store_up', 'bbackup_verification_findings') ORDER BY metric),
	"bbackup_store_up|1\nbbackup_verification_findings|1", 'its store is damaged, but not down');
rename "$layer.away", $layer or die $!;
$store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('second')");
unlike(check('findings'), qr/critical/, 'findings: none once it was verified again');

# --- A copy that is away.

rename "$place/second", "$place/away" or die $!;
PostgreSQL::Test::Utils::append_to_file("$place/second", 'no directory');
like(check('copies'), qr/^bbackup\|main\|critical\|copy in "second" is not well: /,
	'copies: one is away');
like(check('store'), qr/^second\|\|warning\|page store has no timelines/m,
	'store: and so is its store');
unlink "$place/second" or die $!;
rename "$place/away", "$place/second" or die $!;
$store->safe_psql('postgres', q(SELECT * FROM bb_replicate('main', 'bbackup', 'second')));
check_says('copies', qr/^bbackup\|main\|ok\|copy in "second" is .* behind/, 'it is back');
like(check('copies', "max_copy_lag => '-1 s'"), qr/^bbackup\|main\|critical\|.*behind/,
	'copies: one that is too far behind');
$store->safe_psql('postgres', q(SELECT bb_stop_replicating('main', 'bbackup', 'second'); DROP SERVER second));

# --- Upkeep and verification.

$store->append_conf('postgresql.conf',
	"bbackup.upkeep = off\nbbackup.verify_interval = '1s'\nbbackup.restore_test_interval = '1s'\n");
$store->reload;
check_says('restore_test', qr/^bbackup\|main\|critical\|a backup was read at .*\|The worker/,
	'the last one is too long ago');
check_says('verification', qr/^bbackup\|main\|critical\|was verified at .*\|The worker/,
	'the last one is too long ago');
$store->append_conf('postgresql.conf', "bbackup.verify_interval = '7d'\n");
$store->reload;
check_says('verification', qr/^bbackup\|main\|ok\|/, 'it is not, for a week');

# --- Following: the source is away, the slot is dropped, WAL is lost.

$source->stop('fast');
check_says('following', qr/^bbackup\|main\|(?:warning|critical)\|waiting, .* behind "shop": .+\|.*bb_identify_source/,
	'the source is away');
like(check('slot'), qr/^bbackup\|main\|warning\|.* keeps WAL, since following waits/, 'slot: nobody uses it');
check_says('following', qr/^bbackup\|main\|critical\|/, 'longer than may be',
	"max_lag => '100 ms'");
$source->start;
ok(wait_for_state($store, 'streaming'), 'it is back');
check_says('following', qr/^bbackup\|main\|ok\|/, 'all is well again');
check_says('slot', qr/^bbackup\|main\|ok\|slot .* is in use/, 'all is well again');

$store->stop;
$source->poll_query_until('postgres',
	'SELECT count(*) = 0 FROM pg_replication_slots WHERE active');
$source->safe_psql('postgres',
	'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
foreach my $i (1 .. 3)
{
	$source->safe_psql('postgres', "CREATE TABLE lost$i (i int); SELECT pg_switch_wal()");
	$source->safe_psql('postgres', 'CHECKPOINT');
}
$store->start;
check_says('upkeep', qr/^bbackup\|\|warning\|bbackup\.upkeep is off.*\|Turn it on/,
	'it is off, and nothing was done since the start');
check_says('following', qr/^bbackup\|main\|critical\|failed, .* behind "shop": .+\|It does not go on by itself/,
	'WAL is lost');
like(check('window'), qr/^bbackup\|main\|ok\|can be read from/, 'window: it can be read still');

# Without a worker, the source is asked for the slot.
$store->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$store->restart;
check_says('following', qr/^bbackup\|main\|critical\|stopped, .*\|No background worker/,
	'no worker runs');
check_says('slot', qr/^bbackup\|main\|warning\|slot .* is not in use, and keeps .* of WAL/,
	'it is not in use');
$source->poll_query_until('postgres',
	'SELECT count(*) = 0 FROM pg_replication_slots WHERE active');
$source->safe_psql('postgres',
	'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
check_says('slot', qr/^bbackup\|main\|critical\|slot .* does not exist in "shop"/, 'it is gone');

# Whoever asks the source may fail, and the check does not.
$source->stop('fast');
like(check('slot'), qr/^bbackup\|main\|critical\|could not connect to source "shop" \(/, 'slot: a source that cannot be asked');
$source->start;

# --- A gap.

$store->safe_psql('postgres', "SELECT bb_unfollow()");
like(check('gaps'), qr/^bbackup\|main\|ok\|has no gap/, 'gaps: none so far');
$store->safe_psql('postgres', "SELECT * FROM bb_rebase_server('shop', checkpoint => 'fast')");
like(check('gaps'), qr/^bbackup\|main\|warning\|has 1 gaps; the last one is from .*\|What was lost/,
	'gaps: one');

# --- The default store, if it was never used, is no store.

$store->safe_psql('postgres', 'CREATE DATABASE other');
$store->safe_psql('other', 'CREATE EXTENSION bbackup');
$store->stop;
rename $directory, "$directory.away" or die $!;
$store->start;
like($store->safe_psql('other', 'SELECT store, status FROM bb_check()'),
	qr/^bbackup\|warning/m, 'an empty store is a warning');
$store->safe_psql('other',
	"CREATE SERVER third FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$directory.away')");
is($store->safe_psql('other', 'SELECT DISTINCT store FROM bb_check()'),
	'third', 'unless it is the default one, and there is another one');

$store->stop;
$source->stop;
done_testing();

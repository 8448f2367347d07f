# A pass of verification: its state is kept in the store, a pass that was killed is
# gone on with, and the worker verifies each timeline in its turn.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(write_file);

srand draw_seed();

my $source = new_source('source', '--wal-segsize=1', '--data-checksums');
create_rows($source, 20000);
$source->stop;
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
restart_after_crash = on
bbackup.upkeep_naptime = 1
bbackup.verify_interval = 0
bbackup.compression = none
bbackup.layer_size = 1));
import_directory($store, $source->data_dir);
my $timeline = store_directory($store) . '/timelines/main';
my @layers = map { "$timeline/layers/$_" } stored_layers($store, 'main');
cmp_ok(scalar @layers, '>', 15, 'there are many layers');

my $state = q(SELECT store, timeline, level, layers, findings, running_level,
	running_layers > 0, running_findings FROM bb_stat_verification);
my $verify = 'SELECT count(*), min(kind) FROM bb_verify';

query_is($store, $state, 'bbackup|main||||||', 'nothing was verified');

# --- a whole pass is noted

query_is($store, "$verify(level => 'objects')", '0|', 'the store is whole');
query_is($store, $state, 'bbackup|main||||||',
	'a look at the objects is not noted');
query_is($store, "SET bbackup.upkeep_cpu_share = 100; $verify()",
	'0|', 'the store is whole');
my $all = @layers;
query_is($store, $state, "bbackup|main|blocks|$all|0|||", 'a pass is noted');
query_is($store, 'SELECT count(*) FROM bb_findings', '0', 'without findings');

# --- a bit flips in the layer that a pass reads first, and the pass is killed

my @ordered =
  sort { substr($a, -16) cmp substr($b, -16) } @layers;
my $old = patch_file($ordered[0], 5000, "\0");
patch_file($ordered[0], 5000, chr(ord($old) ^ 4));
my $session = start_session($store);
ask($session, 'SET bbackup.upkeep_cpu_share = 100');
ask($session, 'SET bbackup.upkeep_rate = 3');
send_query($session, 'SELECT * FROM bb_verify()');
$store->poll_query_until('postgres',
	"SELECT running_layers > 0 FROM bb_stat_verification")
  or die 'the pass is not noted';
kill 'KILL', $session->{backend};
wait_for_restart($store);
query_is($store, $state, "bbackup|main|blocks|$all|0|blocks|t|1",
	'the state of a pass that was killed is in the store');
my $done = $store->safe_psql('postgres',
	'SELECT running_layers FROM bb_stat_verification');
cmp_ok($done, '<', $all, 'it is not finished');
query_is($store, 'SELECT kind, layer FROM bb_findings',
	'block|' . $ordered[0] =~ s{.*/}{}r,
	'what it has found is shown');

# what was checked before isn't read again
patch_file($ordered[0], 5000, $old);
query_is($store, "SET bbackup.upkeep_cpu_share = 100;"
	  . "$verify(resume => true)", '1|block', 'it is gone on with');
query_is($store, $state, "bbackup|main|blocks|$all|1|||",
	'and ends with what it had found');
query_is($store, "SET bbackup.upkeep_cpu_share = 100; $verify(resume => true)",
	'0|', 'the next one begins anew');
query_is($store, $state, "bbackup|main|blocks|$all|0|||", 'and is noted');

# --- the note is nothing to rely on

foreach my $bytes ('', 'garbage',
	substr(slurp_file("$timeline/verified"), 0, -1))
{
	write_file("$timeline/verified", $bytes);
	query_is($store, $state, 'bbackup|main||||||',
		'a broken note is none: ' . length($bytes) . ' bytes');
}
query_is($store, "SET bbackup.upkeep_cpu_share = 100; $verify(resume => true)",
	'0|', 'a pass replaces it');
my $note = slurp_file("$timeline/verified");
my $wrong = 0;
foreach my $bit (0 .. 8 * length($note) - 1)
{
	next if rand(20) >= 1;
	my $broken = $note;
	vec($broken, $bit, 1) ^= 1;
	write_file("$timeline/verified", $broken);
	$wrong++
	  if $store->safe_psql('postgres', $state) ne 'bbackup|main||||||';
}
is($wrong, 0, 'each flipped bit makes it none');
unlink "$timeline/verified";
mkdir "$timeline/verified" or die;
my ($rc, $out, $err) = $store->psql('postgres',
	"SET bbackup.upkeep_cpu_share = 100; $verify()");
is($out, '0|', 'a pass goes on where it cannot be noted');
like($err, qr/WARNING:  the verification of timeline "main" is not recorded/,
	'and says so');
rmdir "$timeline/verified";

# --- the worker

$old = patch_file($ordered[-1], 5000, "\0");
patch_file($ordered[-1], 5000, chr(ord($old) ^ 4));
$store->append_conf('postgresql.conf', q(
bbackup.upkeep = on
bbackup.upkeep_cpu_share = 100
bbackup.verify_interval = '7d'));
$store->reload;
$store->poll_query_until('postgres',
	q(SELECT level = 'pages' FROM bb_stat_verification))
  or die 'the worker has not verified the timeline';
query_is($store,
	'SELECT findings > 0, running_level IS NULL FROM bb_stat_verification',
	't|t', 'the worker verifies, and finds');
like(slurp_file($store->logfile),
	qr/LOG:  verification of timeline "main" of page store "bbackup" has \d+ findings/,
	'the log says so');
query_is($store, "SELECT count(*) FROM bb_stat_upkeep_jobs WHERE job = 'verify'",
	'1', 'it is a job');
my $finished = $store->safe_psql('postgres',
	'SELECT finished_at FROM bb_stat_verification');
sleep 3;
query_is($store, 'SELECT finished_at FROM bb_stat_verification',
	$finished, 'it does not begin again before its time');

# --- the end

$store->append_conf('postgresql.conf', 'bbackup.upkeep = off');
$store->restart;
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main')");
ok(!-e $timeline, 'a timeline is dropped with its note');
query_is($store, 'SELECT count(*) FROM bb_stat_verification', '0', 'and gone');

done_testing();

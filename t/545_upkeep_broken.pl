# A layer that can't be read doesn't stop upkeep: what needs it is left out, and
# the rest is done.  When it has been mended, so is what was left out.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(write_file);
use BBackup::Following;

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
bbackup.checkpoint_distance = 1MB
bbackup.upkeep_naptime = 1s
bbackup.upkeep_cpu_share = 100
bbackup.image_percent = 0
));
my $place = PostgreSQL::Test::Utils::tempdir;

$store->safe_psql('postgres', qq(
CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/second');
SELECT * FROM bb_import_directory('$base');
SELECT * FROM bb_ingest('$archive');
SELECT * FROM bb_import_directory('$base', timeline => 'other');
SELECT * FROM bb_ingest('$archive', timeline => 'other');
SELECT * FROM bb_replicate('main', 'bbackup', 'second')));

sub digest { $store->safe_psql('postgres', backup_md5('bbackup')) }

# The layers over one another, in the order of LSNs.
sub runs
{
	my ($timeline) = @_;

	return split /\n/,
	  $store->safe_psql('postgres',
		'SELECT start_lsn, max(layer) FROM bb_layers()'
		  . " WHERE timeline = '$timeline' AND kind = 'delta' GROUP BY 1 ORDER BY 1");
}

sub above
{
	my ($lsn) = @_;

	return scalar grep { $_ > $lsn } map { lsn_number((split /\|/)[0]) } runs('main');
}

sub lsn_number
{
	my ($high, $low) = split m{/}, shift;

	return (hex($high) << 32) + hex $low;
}

my $whole = digest();
my @runs = runs('main');
cmp_ok(scalar @runs, '>=', 20, 'there are ' . @runs . ' runs');
my ($lsn, $layer) = split /\|/, $runs[@runs / 2];
my $file = store_directory($store) . "/timelines/main/layers/$layer";
my $bytes = slurp_file($file);
my $upkeep = "SELECT count(*) FROM bb_upkeep(timeline => 'main')";
my $state = 'SELECT state, failed_at IS NOT NULL, retry_at > failed_at, job'
  . " FROM bb_stat_upkeep WHERE timeline = 'main'";

# ---- a broken block in the middle

write_file($file, substr($bytes, 0, length($bytes) / 2)
	  . ~substr($bytes, length($bytes) / 2, 100)
	  . substr($bytes, length($bytes) / 2 + 100));
fails_like($store, $upkeep,
	qr/WARNING: .*upkeep of timeline "main" failed: layer "\S+\Q$layer\E" is corrupted.*ERROR: .*upkeep of 1 of 1 timelines/s,
	'bb_upkeep says which layer is broken');
my $left = above(lsn_number($lsn));
cmp_ok($left, '<=', 8, "... and merges those above it: $left are left");
cmp_ok(scalar runs('main') - $left, '<=', 9, '... and those below it');
is(scalar(grep { /\|\Q$layer\E$/ } runs('main')), 1, '... which stays');
query_is($store, $state, 'waiting after error|t|t|merge', 'the error is shown');
query_is($store, "SELECT status, message ~ 'is corrupted' FROM bb_check()"
	  . " WHERE check_name = 'upkeep' AND timeline = 'main'",
	'warning|t', '... by bb_check, too');
query_is($store,
	'SELECT count(*) FROM bb_stat_upkeep_jobs'
	  . " WHERE timeline = 'main' AND sqlstate IS NOT NULL",
	1, 'one job has failed');
my @stored = stored_layers($store, 'main');
fails_like($store, $upkeep, qr/layer "\Q$layer\E" of timeline "main" still can't be read/,
	'the next call says so again');
is(join(' ', stored_layers($store, 'main')), "@stored", '... and there is no more to do');


# ---- mended

query_is($store, "SELECT layer, mended FROM bb_mend('main', 'second')",
	"$layer|t", 'the layer is mended');
$store->safe_psql('postgres', $upkeep);
query_is($store, $state, 'idle|f||merge', '... and the error ends');
is(scalar(grep { /\|\Q$layer\E$/ } runs('main')), 0, '... and the layer is merged, too');
cmp_ok(scalar runs('main'), '<=', 8, '... so there are few layers');
query_is($store, $upkeep, 0, 'nothing is left to do');
is(digest(), $whole, 'backups are the same');

# ---- by the worker

my $log_start = -s $store->logfile;
$state =~ s/main/other/;
@runs = runs('other');
$layer = (split /\|/, $runs[@runs / 2])[1];
$file = store_directory($store) . "/timelines/other/layers/$layer";
rename $file, "$place/$layer" or die $!;
$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep = on');
$store->reload;
ok( wait_for(
		'the worker',
		sub {
			$store->safe_psql('postgres', $state) eq
			  'waiting after error|t|t|merge'
			  and runs('other') <= 17;
		}),
	'the worker does what it can, and shows the error');
my $visited = $store->safe_psql('postgres', 'SELECT now()');
ok( wait_for(
		'more visits',
		sub {
			$store->safe_psql('postgres',
				    "SELECT count(*) FROM bb_stat_upkeep WHERE timeline = 'other'"
				  . " AND visited_at > timestamptz '$visited' + interval '2 s'") == 1;
		}),
	'... and visits the timeline again');
is( scalar(() = slurp_file($store->logfile, $log_start) =~
		  /CONTEXT:  upkeep of timeline "other"/g),
	1, '... and logs its error once');
rename "$place/$layer", $file or die $!;
query_is($store, "SELECT * FROM bb_mend('other', 'second')", '',
	'bb_mend finds that the layer is whole again');
ok( wait_for(
		'the rest',
		sub {
			$store->safe_psql('postgres', $state) =~ /^idle\|f\|\|/
			  and runs('other') <= 8;
		}),
	'... after which upkeep does the rest, without waiting for its next attempt');
$store->safe_psql('postgres', 'ALTER SYSTEM RESET bbackup.upkeep');
$store->reload;
query_is($store, backup_md5('bbackup', "timeline => 'other'"), $whole,
	'backups are the same, too');

# ---- an image that needs a broken layer of the ancestor

$store->safe_psql('postgres', "SELECT bb_create_branch('twig', lsn => '$middle')");
ingest($store, $archive, 'twig');
my $branch = $store->safe_psql('postgres', backup_md5('bbackup', "timeline => 'twig'"));
($lsn, $layer) = split /\|/, (runs('main'))[0];
$file = store_directory($store) . "/timelines/main/layers/$layer";
rename $file, "$place/$layer" or die $!;
my $twig = 'SET bbackup.image_percent = 1; SET bbackup.merge_layers = 2;'
  . " SELECT count(*) FROM bb_upkeep(timeline => 'twig')";
my $jobs = 'SELECT job, sqlstate IS NULL, count(*) > 0 FROM bb_stat_upkeep_jobs'
  . " WHERE timeline = 'twig' GROUP BY 1, 2 ORDER BY 1, 2";
fails_like($store, $twig, qr/is missing from page store/,
	'an image of a branch needs a layer of its ancestor');
query_is($store, $jobs, "image|f|t\nmerge|t|t", '... without it, merges go on');
rename "$place/$layer", $file or die $!;
$store->safe_psql('postgres', $twig);
query_is($store, $jobs, "image|f|t\nimage|t|t\nmerge|t|t", '... and with it, the image is made');
query_is($store, "SELECT state, error IS NULL FROM bb_stat_upkeep WHERE timeline = 'twig'",
	'idle|t', '... and the error ends');
query_is($store, backup_md5('bbackup', "timeline => 'twig'"), $branch,
	'the branch is the same');

done_testing();

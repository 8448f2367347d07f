# bb_verify() with the level "pages": nothing is found in a whole store, at any
# LSN; what checksums can't show is found: values that were changed with all
# checksums made right.
#
# CI changes a dozen stores; BB_ROUNDS is the number by hand.

use strict;
use warnings;
use BBackup;

my $rounds = $ENV{BB_ROUNDS} // 12;
my $seed = draw_seed();

srand $seed;

# --- a store with everything in it is whole, at many LSNs

my ($base, $archive, $middle) =
  filled_archive('--wal-segsize=1', '--data-checksums');
my $store = new_store('store', "bbackup.upkeep_cpu_share = 100\n"
	  . "bbackup.compression = none\n");
import_directory($store, $base);
ingest($store, $archive, 'main', $middle);
ingest($store, $archive);
$store->safe_psql('postgres', "SELECT bb_create_branch('branch',"
	  . " lsn => '$middle')");

my $session = start_session($store);
is(ask($session, "SELECT * FROM bb_verify(timeline => '$_', level => 'pages')"),
	'', "nothing is found in timeline $_, at its start, middle and end")
  foreach qw(main branch);
my @lsns = split /\n/, ask($session,
	'SELECT start_lsn + (end_lsn - start_lsn) * i / 8 FROM bb_timelines(),'
	  . " generate_series(1, 7) i WHERE timeline = 'main'");
my $lsns = join ',', @lsns;
is( ask($session, "SELECT * FROM bb_verify(timeline => 'main',"
		  . " level => 'pages', lsns => '{$lsns}')"),
	'', 'nor at ' . @lsns . ' other LSNs');

# --- a lost layer is one row a timeline, not one a page and LSN

$store->safe_psql('postgres',
	"SELECT bb_create_branch('twig', 'branch', (SELECT end_lsn FROM bb_timelines() WHERE timeline = 'branch'))");
my $main = store_directory($store) . '/timelines/main/layers';

# rows of a verification while a layer is away: timelines and kinds
sub rows_without
{
	my ($layer, $arguments) = @_;

	rename "$main/$layer", "$main/../away" or die;
	my $rows = ask($session,
		"SELECT DISTINCT timeline, kind, layer FROM bb_verify($arguments) ORDER BY 1, 2");
	rename "$main/../away", "$main/$layer" or die;
	return $rows;
}

my $old = ask($session,
	q(SELECT layer FROM bb_layers() WHERE kind = 'image' AND timeline = 'main' ORDER BY bytes DESC LIMIT 1));
my $new = ask($session,
	"SELECT layer FROM bb_layers() WHERE kind = 'delta' AND start_lsn > '$middle' LIMIT 1");
my $everywhere = join "\n", map { "$_|missing|$old" } qw(branch main twig);
is(rows_without($old, "level => '$_'"), $everywhere,
	"what branches read through is listed for them: $_")
  foreach qw(objects blocks pages);
is(rows_without($old, "timeline => 'main'"), $everywhere,
	'also if only their ancestor is verified');
is( ask($session, 'SELECT DISTINCT timeline, kind, layer FROM bb_findings ORDER BY 1'),
	$everywhere, 'the view has them');
is(rows_without($old, "timeline => '$_'"), "$_|missing|$old",
	"and a verification of $_ knows what its ancestor lacked")
  foreach qw(branch twig);
like(ask($session, q(SELECT DISTINCT message FROM bb_findings WHERE timeline = 'twig')),
	qr/^In its ancestor "main": object "timelines.main.layers.\Q$old\E" is missing/,
	'which the message says');
is(rows_without($new, ''), "main|missing|$new",
	'a layer above their LSN does not concern them');
ask($session, 'SELECT * FROM bb_verify()');
is(ask($session, 'SELECT * FROM bb_findings'), '', 'all is there again');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('twig')");

my $layers = $store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()');

# the same after upkeep has merged layers and made images
$store->safe_psql('postgres', 'SET bbackup.merge_layers = 2;'
	  . 'SET bbackup.image_percent = 1; SELECT count(*) FROM bb_upkeep()');
isnt($store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()'),
	$layers, 'upkeep has changed layers');
is( ask($session, "SELECT * FROM bb_verify(timeline => 'main',"
		  . " level => 'pages', lsns => '{$lsns}')"),
	'', 'nothing is found after upkeep, either');
like(ask($session, "SELECT * FROM bb_verify(timeline => 'main',"
		  . " level => 'pages', lsns => '{FFFFFF/0}')"),
	qr/22023: timeline "main" cannot be read at FFFFFF\/0/,
	'an LSN has to be one of the timeline');
like(ask($session, "SELECT * FROM bb_verify(lsns => '{FFFFFF/0}')"),
	qr/22023: argument "lsns" requires/, 'which is one timeline');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");

# --- values that were changed, with all checksums right

my $place = PostgreSQL::Test::Utils::tempdir;
my $mutate = "$place/store_mutate";
system_or_bail($ENV{CC} // 'cc', '-O1', '-o', $mutate,
	glob 'test/fuzz/mutate/*.c');
my $timeline = store_directory($store) . '/timelines/main';
my $pristine = "$place/pristine";
system_or_bail('cp', '-a', $timeline, $pristine);
my $end = ask($session, 'SELECT end_lsn FROM bb_timelines()');

my (%kinds, %count, @failures);
foreach my $round (1 .. $rounds)
{
	my $round_seed = $seed + $round;

	system_or_bail('sh', '-c',
		"rm -rf '$timeline' && cp -al '$pristine' '$timeline'");
	my $said = `$mutate $round_seed '$timeline'`;
	die 'store_mutate failed' if $? != 0;

	my $found = ask($session,
		"SELECT string_agg(kind, ' ') FROM bb_verify(timeline => 'main',"
		  . " level => 'pages', lsns => '{$end}')")
	  // die "the session died: $round_seed, $said";
	my $answer = ask($session,
		"SELECT files FROM bb_restore('$place/restored', lsn => '$end')");
	my $bad = $answer =~ /ERROR/ ? 'cannot be read' : '';

	if (!$bad && system("pg_checksums --check -D '$place/restored' >/dev/null 2>&1") != 0)
	{
		$bad = 'has a page with a wrong checksum';
	}
	system_or_bail('rm', '-rf', "$place/restored");
	if ($found =~ /ERROR/)
	{
		push @failures, "$round_seed: bb_verify failed: $found: $said"
		  if $found !~ /42704|XX001|55000|22023: timeline "main" cannot be read at/;
		next;
	}
	$kinds{$_}++ foreach split / /, $found;
	$count{ $found ? 'found' : 'not found' }++;
	$count{'found, though a backup is possible'}++ if $found && !$bad;
	push @failures, "$round_seed: a backup $bad: $answer: $said"
	  if $bad && !$found;
}
is("@failures", '',
	"what makes a backup fail or wrong is found, from seed $seed on");
note join ', ', map { "$_: $count{$_}" } sort keys %count;
note join ', ', map { "$_: $kinds{$_}" } sort keys %kinds;
cmp_ok($count{found} // 0, '>', 0, 'something is found');
if ($rounds >= 100)
{
	ok($kinds{$_}, "findings of kind $_") foreach qw(page read);
}

end_session($session);
unlike(slurp_file($store->logfile), qr/PANIC|TRAP:/, 'no backend crashed');

done_testing();

# bb_mend(): layers that are lost or broken are replaced from a second copy, and
# by nothing but the bytes that the manifest describes.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(write_file);
use File::Copy;

srand draw_seed();

my ($base, $archive) = base_with_archive();
my $store = new_store('store', "bbackup.upkeep_cpu_share = 100\n"
	  . "bbackup.layer_size = 2\nbbackup.checkpoint_distance = 1MB\n");
import_directory($store, $base);
ingest($store, $archive);
my $place = PostgreSQL::Test::Utils::tempdir;
$store->safe_psql('postgres',
	"CREATE SERVER $_ FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/$_')"
) foreach qw(second empty);
$store->safe_psql('postgres', "SELECT bb_replicate('main', 'bbackup', 'second')");

my $directory = store_directory($store) . '/timelines/main/layers';
my $copy = "$place/second/timelines/main/layers";
my @layers = stored_layers($store, 'main');
cmp_ok(scalar @layers, '>=', 6, 'there are layers');
my %right = map { $_ => slurp_file("$directory/$_") } @layers;
my $digest = $store->safe_psql('postgres', backup_md5('bbackup'));
my $mend = q(SELECT layer, kind, mended FROM bb_mend('main', 'second'));

# differences - which layers aren't as they were?
sub differences
{
	my ($where) = @_;

	return join ' ', grep {
		!-f "$where/$_" || slurp_file("$where/$_") ne $right{$_}
	} @layers;
}

query_is($store, $mend, '', 'nothing is to be mended in a whole store');

# --- every kind of damage at once

sub damage
{
	my ($where) = @_;

	unlink "$where/$layers[0]" or die;
	truncate "$where/$layers[1]", 1000 or die;
	write_file("$where/$layers[2]", $right{ $layers[3] });
	foreach my $layer (@layers[ 4 .. $#layers ])
	{
		my $at = int rand length $right{$layer};

		patch_file("$where/$layer", $at,
			chr(ord(substr $right{$layer}, $at, 1) ^ (1 << int rand 8)));
	}
	return;
}

damage($directory);
my ($rc, $out, $err) = $store->psql('postgres', backup_md5('bbackup'));
isnt($rc, 0, 'a backup fails');
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_verify()');
cmp_ok($store->safe_psql('postgres', 'SELECT count(DISTINCT layer) FROM bb_findings'),
	'==', @layers - 1, 'all damages are found');
my @rows = split /\n/, $store->safe_psql('postgres', $mend);
is(scalar @rows, @layers - 1, 'each broken layer has a row');
is(scalar(grep { !/\|t$/ } @rows), 0, 'and is mended');
is(differences($directory), '', 'the layers are what they were');
query_is($store, backup_md5('bbackup'), $digest, 'and so is a backup');
query_is($store, "SELECT count(*) FROM bb_verify(level => 'pages')",
	'0', 'the store is whole');
query_is($store, $mend, '', 'nothing is left to be mended');
query_is($store, 'SELECT count(*) FROM bb_findings', '0',
	'what was mended is no finding');

# --- findings that were noted are forgotten by mending alone

unlink "$directory/$layers[0]" or die;
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_verify()');
query_is($store, 'SELECT DISTINCT layer FROM bb_findings', $layers[0],
	'a finding');
query_is($store, $mend, "$layers[0]|missing|t", 'is mended');
query_is($store, 'SELECT count(*) FROM bb_findings', '0', 'and forgotten');

# --- a layer that is broken there, too, or isn't there

sub unmended
{
	my ($from, $expected, $name) = @_;
	my ($rc, $out, $err) = $store->psql('postgres',
		"SELECT layer, mended, message FROM bb_mend('main', '$from')");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($out, qr/^\Q$layers[1]\E\|f\|$expected/, $name);
	like($err, qr/NOTICE:  1 layer of timeline "main" could not be mended/,
		'a notice says so');
	return;
}

unlink "$directory/$layers[1]" or die;
foreach my $bytes ($right{ $layers[2] },
	substr($right{ $layers[1] }, 0, -1), $right{ $layers[1] } ^ "\1", '')
{
	write_file("$copy/$layers[1]", $bytes);
	unmended('second', qr/layer .* is corrupted, and is not copied/,
		'a layer that is broken there is not taken: ' . length $bytes);
	ok(!-e "$directory/$layers[1]", 'nothing is put in its place');
}
unlink "$copy/$layers[1]" or die;
unmended('second', qr/The other page store does not have this layer/,
	'a layer that is not there');
unmended('empty', qr/The other page store does not have this layer/,
	'a store that is empty');
is(join(' ', glob "$directory/.*tmp"), '', 'nothing is left behind');
write_file("$copy/$layers[1]", $right{ $layers[1] });

# --- a store that can't be written, and one that is the same

my ($mode) = (stat $directory)[2];
chmod 0500, $directory or die;
unmended('second', qr/could not create file/, 'a store that is read only')
  if $> != 0;
chmod $mode & 07777, $directory or die;
fails_like($store, "SELECT bb_mend('main', 'bbackup')",
	qr/22023: a page store cannot be mended from itself/,
	'a store is no copy of itself');
fails_like($store, "SELECT bb_mend('none', 'second')",
	qr/42704: timeline "none" does not exist/, 'a timeline has to exist');

# --- several at once, of the same and of the copy

query_is($store, $mend, "$layers[1]|missing|t", 'mended at last');
my @sessions = map { start_session($store) } 1 .. 3;
damage($directory);
unlink "$directory/$layers[5]" or die;
send_query($_, 'SELECT count(*) FROM bb_mend(\'main\', \'second\') WHERE NOT mended')
  foreach @sessions;
is(answer($_), '0', 'several sessions mend at once') foreach @sessions;
is(differences($directory), '', 'and everything is mended');
end_session($_) foreach @sessions;

unlink "$copy/$layers[3]" or die;
query_is($store,
	q(SELECT layer, mended FROM bb_mend('main', 'bbackup', 'second')),
	"$layers[3]|t", 'a copy is mended from its source');
is(differences($copy), '', 'it is whole');

# --- the worker finds what is lost, even if upkeep cannot do without it

$store->append_conf('postgresql.conf', q(
shared_preload_libraries = 'bbackup'
bbackup.upkeep = on
bbackup.upkeep_naptime = 1));
$store->safe_psql('postgres', q(SELECT bb_set_retention('1 second')));
my $newest = (sort { (split /-/, $b)[3] cmp(split /-/, $a)[3] }
	  grep { /^delta-0[0-2]/ } @layers)[0];
unlink "$directory/$newest" or die;
unlink "$directory/../verified";
$store->restart;
ok( $store->poll_query_until('postgres',
		q(SELECT finished_at IS NOT NULL FROM bb_stat_verification WHERE store = 'bbackup')),
	'the worker verifies a timeline that it cannot do other work for');
query_is($store, q(SELECT sqlstate FROM bb_stat_upkeep WHERE store = 'bbackup'),
	'58P01', 'since what is lost is needed');
query_is($store,
	q(SELECT layer FROM bb_findings WHERE store = 'bbackup' AND kind = 'missing'),
	$newest, 'and finds what is lost');
query_is($store, $mend, "$newest|missing|t", 'which is mended, too');
ok( $store->poll_query_until('postgres',
		q(SELECT error IS NULL FROM bb_stat_upkeep WHERE store = 'bbackup')),
	'and upkeep goes on');

done_testing();

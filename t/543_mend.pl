# bb_mend(): layers that are lost or broken are replaced from a second copy, and
# by nothing but the bytes that the manifest describes.  What no copy has is
# stored anew from the source, from a new base on.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
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

$store->stop;

# --- from the source: a new base

my $shop = new_followed_source('shop', '', '--wal-segsize=1',
	'--data-checksums');
$shop->safe_psql('postgres', q(
CREATE TABLE big AS SELECT i, repeat(md5(i::text), 20) t
	FROM generate_series(1, 40000) i;
CREATE TABLE small AS SELECT i FROM generate_series(1, 1000) i;
CREATE TABLE dropped AS SELECT i FROM generate_series(1, 1000) i;
VACUUM FREEZE;
));
my $live = new_following_store('live', "bbackup.upkeep_cpu_share = 100\n"
	  . "bbackup.layer_size = 2\nbbackup.compression = none\n");
create_source($live, 'shop', $shop);
$live->safe_psql('postgres',
	"SELECT FROM bb_import_server('shop', checkpoint => 'fast')");
my $live_directory = store_directory($live) . '/timelines/main/layers';
my ($big) = $shop->safe_psql('postgres',
	"SELECT format('1663/%s/%s', d.oid, pg_relation_filenode('big'))"
	  . " FROM pg_database d WHERE datname = 'postgres'");
my $small = $shop->safe_psql('postgres',
	"SELECT pg_relation_filepath('small')");

sub end_of_live
{
	return $live->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()');
}

# mend_live - mend, and check what was said.
sub mend_live
{
	my ($from, $layers, $name) = @_;
	my ($rc, $out, $err) = $live->psql('postgres',
		"SELECT layer, mended, message FROM bb_mend('main', $from)");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($rc, 0, "$name: mended") or diag($err);
	is_deeply([ sort map { (split /\|/)[0] } split /\n/, $out ],
		[ sort @$layers ], "$name: each layer has a row");
	is(scalar(grep { !/\|f\|.*\. (What it had is lost, but from|The end of the timeline is read without) / } split /\n/, $out),
		0, "$name: which says what is lost");
	like($err, qr/NOTICE:  timeline "main" has a new base.*gap from/s,
		"$name: a notice says so");
	my ($stored, $all) = $err =~ /and (\d+) of (\d+) pages were stored/;
	return ($stored, $all);
}

# is_shop - a clone of the end has the rows of the source.
sub is_shop
{
	my ($name) = @_;
	my $clone = new_clone($name, fetch_backup($live));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$clone->start;
	same_dump((map { dump_all($_) } $clone, $shop),
		"$name: the end is the source's");
	$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
		"$name: pg_amcheck finds nothing");
	$clone->stop;
	$clone->clean_node;
	return;
}

# one of the layers that have nothing but blocks of the large table
my $narrow = $live->safe_psql('postgres',
	"SELECT layer FROM bb_layers() WHERE kind = 'image' AND"
	  . " start_key LIKE 'relation $big main%' AND end_key LIKE 'relation $big main%'"
	  . ' ORDER BY start_key LIMIT 1');
isnt($narrow, '', 'a layer has only blocks of one table');
my $before = end_of_live();
unlink "$live_directory/$narrow" or die;
my ($failed) = $live->psql('postgres', backup_md5('bbackup'));
isnt($failed, 0, 'without it there is no backup');
$shop->safe_psql('postgres',
	'UPDATE small SET i = -i; DROP TABLE dropped; UPDATE big SET i = -i WHERE i % 100 = 0');
fails_like($live,
	"SELECT FROM bb_rebase_server('shop', checkpoint => 'fast')",
	qr/58P01: /, 'a rebase alone fails');
my ($stored, $all) = mend_live(
	"from_source => 'shop', checkpoint => 'fast'", [$narrow], 'one layer');
cmp_ok($stored, '<', $all, "of $all pages, $stored are stored");
is_shop('mended');
query_is($live, "SELECT gap_start = '$before' AND gap_end IS NOT NULL FROM bb_gaps()",
	't', 'there is a gap behind what was there');
query_is($live, 'SELECT gaps FROM bb_window', '1', 'which the window shows');
query_is($live,
	"SELECT count(*) FROM bb_files('$before') WHERE path = '$small'", '1',
	'before the gap, the rest is read as before');
fails_like($live, backup_md5('bbackup', "lsn => '$before'"), qr/58P01: /,
	'and what is lost is not');
query_is($live,
	"SELECT DISTINCT layer, start_lsn = '$before' OR start_lsn <= '$before',"
	  . " end_lsn > '$before' FROM bb_verify()",
	"$narrow|t|t", 'it is the only finding, and ends with the base');

# it isn't needed any more
my ($rc2, $out2, $err2) = $live->psql('postgres',
	"SELECT layer, mended, message FROM bb_mend('main', from_source => 'shop')");
like($out2, qr/^\Q$narrow\E\|f\|.*The end of the timeline is read without this layer\.$/,
	'another call says that the end needs nothing');
query_is($live, 'SELECT count(*) FROM bb_gaps()', '1', 'and makes no base');

# the source is followed from there
follow($live, 'shop');
$shop->safe_psql('postgres', 'INSERT INTO small SELECT generate_series(1, 100)');
ok(wait_now($live), 'the source is followed from the new base on');
$live->safe_psql('postgres', 'SELECT bb_unfollow()');
is_shop('followed');

# all is lost
my @all = split /\n/, $live->safe_psql('postgres', 'SELECT layer FROM bb_layers()');
unlink "$live_directory/$_" or $_ eq $narrow or die foreach @all;
($stored, $all) = mend_live("from_source => 'shop', checkpoint => 'fast'",
	\@all, 'all layers');
is($stored, $all, 'all pages are stored');
is_shop('all_lost');

# from a data directory
@all = split /\n/, $live->safe_psql('postgres', 'SELECT layer FROM bb_layers()');
unlink "$live_directory/$_" foreach @all;
$shop->safe_psql('postgres', 'UPDATE small SET i = i + 1');
$shop->stop;
mend_live("from_directory => '@{[ $shop->data_dir ]}'", \@all, 'a directory');
$shop->start;
is_shop('from_directory');
fails_like($live, "SELECT bb_mend('main')",
	qr/22023: there is nothing to mend timeline "main" from/,
	'something has to be named');
fails_like($live, "SELECT bb_mend('main', from_source => 'shop', from_directory => '/tmp')",
	qr/22023: arguments .* exclude each other/, 'but not all');

done_testing();

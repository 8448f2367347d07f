# The disk of a page store gets full while upkeep merges, makes images, and commits:
# an error says so, nothing is left behind, reads go on, and so does upkeep as soon as
# there is room again.

use BBackup::SmallDisk size => '300m';
use strict;
use warnings;
use BBackup;

my $disk = BBackup::SmallDisk::directory();

plan skip_all => 'there is no small disk' if !defined $disk;

# so many times, there is a bit more room
my $rounds = $ENV{BB_ROUNDS} // 6;
my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', qq(
shared_preload_libraries = 'bbackup'
bbackup.store_directory = '$disk/store'
bbackup.checkpoint_distance = 1MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
));

import_directory($store, $base);
ingest($store, $archive);

sub backup
{
	return $store->safe_psql('postgres',
		backup_md5('bbackup', "lsn => '$middle'"));
}

# What is in the store is what the manifest names, with retired layers.
sub leftovers
{
	my %named = map { $_ => 1 } split /\n/,
	  $store->safe_psql('postgres', 'SELECT layer FROM bb_expire()');
	my @unnamed = grep { !$named{$_} } stored_layers($store, 'main');
	my @unfinished = glob "$disk/store/timelines/main/.*.tmp"
	  . " $disk/store/timelines/main/layers/.*.tmp";

	return "@unnamed @unfinished" =~ s/ $//r;
}

# Leave so many bytes of the disk.
sub leave
{
	my ($bytes) = @_;
	my $ballast = "$disk/ballast";

	BBackup::SmallDisk::fill();
	truncate $ballast, (-s $ballast) - $bytes or die "truncate: $!";
	return;
}

my $before = backup();
my ($failed, $done) = (0, 0);

foreach my $round (1 .. $rounds)
{
	# at first none at all, then enough for a part of a layer, for some layers
	leave($round == 1 ? 0 : 4096 * 6**$round % (6 * 1024 * 1024));
	my ($status, $out, $err) = $store->psql('postgres',
		'SELECT * FROM bb_upkeep()');

	if ($status == 0)
	{
		$done++;
	}
	else
	{
		$failed++;
		like($err, qr/could not .*No space left on device/,
			"round $round: the error says that the disk is full");
		query_is($store,
			"SELECT state, error ~ 'No space left' FROM bb_stat_upkeep"
			  . " WHERE timeline = 'main'",
			'waiting after error|t', '... and so does bb_stat_upkeep');
	}
	is(leftovers(), '', "round $round: nothing is left behind");
	is(backup(), $before, '... and reads go on');
}
cmp_ok($failed, '>', 0, "it failed $failed times, and was done $done times");

BBackup::SmallDisk::empty();
$store->safe_psql('postgres', 'SELECT * FROM bb_upkeep()');
is(leftovers(), '', 'with room, upkeep goes on');
is(backup(), $before, '... and reads, too');
query_is($store, 'SELECT * FROM bb_upkeep()', '', '... until all is done');
query_is($store,
	"SELECT state, failed_at IS NULL, jobs_done > jobs_failed FROM bb_stat_upkeep"
	  . " WHERE timeline = 'main'",
	'idle|t|t', '... and the error has been overcome');
query_is($store, 'SELECT * FROM bb_verify()', '', 'the store is whole');

$store->stop;
done_testing();

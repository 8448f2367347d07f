# Random gaps.  In WAL of tables, inserts, truncations, drops and free space maps
# are moved to other blocks and relations.  So forks grow by gaps, are truncated
# within them, dropped, created again, and copied with their database by both
# strategies.  The result is compared with recovery, on a timeline that is
# flushed all the time or never, and on a branch that begins in between.
#
#	BB_SEED		what is drawn; printed
#	BB_ROUNDS	how many archives
#	BB_CHECKS	how many LSNs of each are compared, in addition to the end

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../test/fuzz";

use BBackup;
use BBackup::Oracle;
use BBackup::WAL qw(lsn_text);
use BBackup::Workload;
use WalRecord;

my $seed = draw_seed();
my $rounds = $ENV{BB_ROUNDS} // 1;
my $checks = $ENV{BB_CHECKS} // 3;

my $source = new_workload_source('source', 'checksums');
my $base = PostgreSQL::Test::Utils::tempdir . '/base';
my @tables = qw(one two three);

# one row on each page, so that an insert initializes its page
$source->safe_psql('postgres',
		"CREATE TABLE $_ (i int, t char(5000));"
	  . "ALTER TABLE $_ ALTER t SET STORAGE plain;"
	  . "INSERT INTO $_ SELECT i, 'old' FROM generate_series(1, 1500) i")
  foreach @tables;
$source->safe_psql('postgres', 'CREATE TABLE cut (i int)');
my @relations = map {
	$source->safe_psql('postgres', "SELECT pg_relation_filenode('$_')")
} @tables;
$source->stop;
BBackup::Oracle::keep_base($source, $base);
$source->start;
foreach my $i (1 .. 14)
{
	$source->safe_psql('postgres',
		join('', map { "INSERT INTO $_ VALUES ($i, 'new');" } @tables)
		  . 'INSERT INTO cut SELECT generate_series(1, 1500);'
		  . 'DELETE FROM cut; VACUUM cut;'
		  . ($i % 4 == 0 ? 'CREATE TABLE gone (i int); DROP TABLE gone;' : ''));
	$source->safe_psql('template1',
		"CREATE DATABASE d$i TEMPLATE postgres STRATEGY "
		  . ($i % 2 ? 'file_copy' : 'wal_log'))
	  if $i % 5 == 0;
}
my $archive = BBackup::Oracle::finish_archive($source);
my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);
my $wal = BBackup::WAL->new($archive,
	$store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()'));

sub some_relation { return $relations[ rand @relations ] }

sub some_block
{
	my $dice = rand;

	return $dice < 0.3 ? int rand 1500
	  : $dice < 0.5 ? 1500 + int rand 200
	  : int rand 6000;
}

# moved - return a record's bytes with another place in them, and the place;
# nothing, for a record that stays.
sub moved
{
	my ($bytes) = @_;
	my ($info, $rmgr) = unpack 'x16 C C', $bytes;
	my @blocks = WalRecord::blocks($bytes);
	my %at = map { $_->[0] => $_->[1] } WalRecord::fields($bytes);
	my $relation = some_relation();
	my $block = some_block();
	my $put = sub { substr($bytes, $_[0], 4) = pack 'V', $_[1] };

	# Heap INSERT+INIT
	if (   $rmgr == 10
		&& ($info & 0xF0) == 0x80
		&& @blocks == 1
		&& grep { $_ == $blocks[0][2] } @relations)
	{
		$put->($at{'block 0 block'}, $block);
		$put->($at{'block 0 rel'}, $relation);
		return ($bytes, "block $block of $relation made");
	}
	# Storage TRUNCATE, of the heap, or of all forks
	if ($rmgr == 2 && ($info & 0xF0) == 0x20)
	{
		$block = 0 if rand() < 0.1;
		$put->($at{'main data'}, $block);
		$put->($at{'main data'} + 12, $relation);
		$put->($at{'main data'} + 16, rand() < 0.5 ? 7 : 1);
		return ($bytes, "$relation cut to $block");
	}
	# XLOG FPI, of a free space map
	if (   $rmgr == 0
		&& @blocks == 1
		&& $blocks[0][3] == 1
		&& $blocks[0][2] >= 16384)
	{
		$block = int rand(rand() < 0.5 ? 5 : 4000);
		$put->($at{'block 0 block'}, $block);
		$put->($at{'block 0 rel'}, $relation);
		return ($bytes, "block $block of the map of $relation made");
	}
	# Transaction COMMIT, of DROP TABLE
	if ($rmgr == 1 && ($info & 0xF0) == 0x80)
	{
		my $xinfo = unpack 'V', substr $bytes, $at{'main data'} + 8, 4;
		my $dropped = $at{'main data'} + 12 + ($xinfo & 1 ? 8 : 0);

		return if !($xinfo & 4) || ($xinfo & 2);
		$put->($dropped + 4 + 8, $relation);
		return ($bytes, "$relation dropped");
	}
	return;
}

# forge - make another archive; return its changes, as [ record, change ].
sub forge
{
	my ($forged) = @_;
	my @done;

	copy_directory($archive, $forged);
	my $records = WalRecord->new($forged, $wal->{segment_size});
	foreach my $number (0 .. $wal->{count} - 1)
	{
		my $record = $records->read($wal->start_of($number));
		my $rmgr = unpack 'x17 C', $record->{bytes};
		my ($bytes, $what) = moved($record->{bytes});

		push @done, [ $number, 'a database copied or made' ] if $rmgr == 4;
		next if !defined $bytes || rand() < 0.1;
		$records->write($record, WalRecord::seal($bytes));
		push @done, [ $number, $what ];
	}
	return @done;
}

local $ENV{BBACKUP_FILES_ONLY} = 1;
foreach my $round (1 .. $rounds)
{
	srand($seed + $round - 1);
	my $forged = PostgreSQL::Test::Utils::tempdir . "/forged$round";
	my @done = forge($forged);
	my $oracle = BBackup::Oracle->new(base => $base, archive => $forged);
	my $distance = rand() < 0.5 ? 1 : 256;
	my $parted = $done[ rand @done ][0];
	my ($timeline, $branch) = ("t$round", "b$round");
	my $begun = 'BB_SEED=' . ($seed + $round - 1)
	  . ", checkpoint_distance $distance";

	note("record $_->[0]: $_->[1]") foreach @done;
	import_directory($store, $base, $timeline);
	ingest($store, $forged, $timeline, lsn_text($wal->end_of($parted)));
	$store->safe_psql('postgres',
		"SELECT bb_create_branch(timeline => '$branch', ancestor => '$timeline',"
		  . " lsn => '@{[ lsn_text($wal->end_of($parted)) ]}')");
	$store->safe_psql('postgres',
		"SET bbackup.checkpoint_distance = $distance;"
		  . " SELECT end_lsn FROM bb_ingest(wal_directory => '$forged',"
		  . " timeline => '$_')")
	  foreach $timeline, $branch;
	foreach (1 .. $checks)
	{
		my ($number, $what) = @{ $done[ rand @done ] };

		$oracle->check($store,
			$number < $parted || rand() < 0.5 ? $timeline : $branch,
			$wal->end_of($number), "$begun: $what");
	}
	$oracle->check($store, $branch, $wal->end, "$begun: the end");
	is( $store->safe_psql('postgres',
			backup_md5('bbackup', "timeline => '$timeline', jobs => 2")),
		$store->safe_psql('postgres',
			backup_md5('bbackup', "timeline => '$branch'")),
		'the same on both, and with workers');
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $forged);
}

$store->stop;
done_testing();

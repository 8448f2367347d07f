# The oracle itself: two recoveries by different ways agree, and whatever is
# changed in a data directory is found.

use strict;
use warnings;
use BBackup;
use BBackup::Compare;
use BBackup::Oracle;
use BBackup::OracleRun;
use BBackup::Version;
use BBackup::WAL qw(lsn_text lsn_number);
use BBackup::Workload;

my $seed = oracle_seed();
$ENV{BBACKUP_CHAPTERS} //=
  '^(?:extend|unlogged|heap|toast|row locks|messages|prepared|mapped)';

my $variant = $ENV{BBACKUP_VARIANT} // 'checksums';
my $source = new_workload_source('source', $variant);
$source->stop;
my $base =
  BBackup::Oracle::keep_base($source, PostgreSQL::Test::Utils::tempdir . '/base');
$source->start;
run_everything($source, $seed);
BBackup::Oracle::end_prepared($source);
my $source_dump = dump_all($source);
my $archive = BBackup::Oracle::finish_archive($source);

my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);
my $wal = $oracle->wal;
note("$wal->{count} records of "
	  . keys(%{ $wal->{kinds} })
	  . ' kinds up to '
	  . lsn_text($wal->end));

# --- What is known of WAL: the server's own reader agrees.

my $middle = $wal->end_of(int($wal->{count} / 2));
is( $wal->floor($middle + 1),
	$middle, 'an LSN inside a record is brought down to the end before it');
is($wal->floor($middle), $middle, 'and an end is itself');
my %control = control_fields($source->data_dir);
is( lsn_text($wal->start_of($wal->{count} - 1)),
	$control{'Latest checkpoint location'},
	'the last record is the shutdown checkpoint');
my $gaps = 0;
# a crash may have left a record that never got its end
my %overwritten =
  map { $_ => 1 } @{ $wal->places_of('XLOG OVERWRITE_CONTRECORD') };
for my $i (1 .. $wal->{count} - 1)
{
	my $gap = $wal->start_of($i) - $wal->end_of($i - 1);

	# a page header may be between them
	$gaps++
	  if $gap != 0 && $gap != 24 && $gap != 40 && !$overwritten{$i};
}
is($gaps, 0, 'each record starts where the one before ends');
my @chosen = $wal->choose($seed, 30);
is(scalar @chosen, 30, 'LSNs are chosen');
is_deeply([ $wal->choose($seed, 30) ],
	\@chosen, 'the same ones for the same seed');

# --- Two ways lead to the same pages.

foreach my $place (0.4, 0.8)
{
	my $lsn = $wal->end_of(int($wal->{count} * $place));
	my $via = $wal->end_of(int($wal->{count} * $place / 2));
	my $straight = $oracle->recover($lsn);
	my $staged = $oracle->recover($lsn, $via);

	$oracle->compare($straight->data_dir, $staged->data_dir, $lsn,
		'recovery by way of ' . lsn_text($via) . ' makes the same');
	$_->clean_node foreach $straight, $staged;
}

# --- What promotion would change if the choice of the LSN were wrong.

my $prepared = $wal->places_of('Transaction PREPARE')->[-1];
my $before = $wal->end_of($prepared);
my $earlier = $oracle->recover($before);
my $later = $oracle->recover($wal->end_of($prepared + 20));
isnt(scalar(compare_directories($earlier->data_dir, $later->data_dir)),
	0, 'twenty records make a difference');
$later->clean_node;

# --- Each change is found.

my $expected = $earlier->data_dir;
my $changed = PostgreSQL::Test::Utils::tempdir . '/changed';
copy_directory($expected, $changed);
is(scalar(compare_directories($expected, $changed)),
	0, 'a copy has no differences');

# finds - one test: after the change, exactly this is found.  The change
# returns how to undo it.
sub finds
{
	my ($name, $file, $what, $change) = @_;
	my $undo = $change->();
	my @found = compare_directories($expected, $changed);

	ok( @found == 1
		  && $found[0]{file} eq $file
		  && $found[0]{what} =~ $what,
		"$name is found")
	  or diag(map { "$_->{file}: $_->{what}\n" } @found);
	$undo->();
	return;
}

sub flip
{
	my ($file, $offset) = @_;
	my $old = patch_file("$changed/$file", $offset,
		chr(ord(substr slurp_file("$changed/$file"), $offset, 1) ^ 1));

	return sub { patch_file("$changed/$file", $offset, $old) };
}

# Where pg_commit_ts/0000 has the time of an xid: 819 of 10 bytes in a page.
sub time_offset
{
	my ($xid) = @_;

	return int($xid / 819) * 8192 + $xid % 819 * 10;
}

my @files = files_below($expected);
my ($heap) = grep { m{^base/\d+/\d+$} && -s "$expected/$_" > 100_000 } @files;
my ($map) = grep { m{^base/\d+/\d+_vm$} && -s "$expected/$_" } @files;
my ($init) = grep { m{^base/\d+/\d+_init$} && -s "$expected/$_" } @files;
my ($twophase) = grep { m{^pg_twophase/\w+$} } @files;
my ($space) = grep { m{^base/\d+/\d+_fsm$} && -s "$expected/$_" } @files;

finds('a byte of a page', $heap, qr/lsn .* not lsn/,
	sub { flip($heap, 5 * 8192 + 8000) });
finds('a bit of a visibility map', $map, qr/differs/, sub { flip($map, 30) });
finds('a byte of an init fork', $init, qr/differs/, sub { flip($init, 30) });
finds('a byte of two-phase state',
	$twophase, qr/differs/, sub { flip($twophase, 30) });
my ($members) = grep { m{^pg_multixact/members/\w+$} } @files;
foreach my $file ('pg_xact/0000', 'pg_multixact/offsets/0000', $members,
	'global/pg_filenode.map')
{
	finds("a byte of $file", $file, qr/differs/, sub { flip($file, 200) });
}
# of the last xid: times of xids that are older than the oldest don't count
my ($next_xid) =
  { control_fields($expected) }->{"Latest checkpoint's NextXID"} =~ /:(\d+)/;
finds('a byte of pg_commit_ts', 'pg_commit_ts/0000', qr/differs/,
	sub { flip('pg_commit_ts/0000', time_offset($next_xid - 1)) });
finds('a page too few', $heap, qr/has \d+ pages, not \d+/, sub {
	my $size = -s "$changed/$heap";
	my $bytes = slurp_file("$changed/$heap");

	truncate "$changed/$heap", $size - 8192;
	return sub {
		append_to_file("$changed/$heap",
			substr $bytes, $size - 8192);
	};
});
finds('a missing file', $heap, qr/missing/, sub {
	rename "$changed/$heap", "$changed.moved";
	return sub { rename "$changed.moved", "$changed/$heap" };
});
foreach my $extra ('base/1/99999', 'pg_twophase/0000FFFF', 'pg_xact/0001')
{
	finds("a file too many, $extra", $extra, qr/should not exist/, sub {
		append_to_file("$changed/$extra", 'x');
		return sub { unlink "$changed/$extra" };
	});
}
finds('a directory too many', 'base/99999/', qr/should not exist/, sub {
	mkdir "$changed/base/99999";
	return sub { rmdir "$changed/base/99999" };
});
finds('an origin', 'pg_logical/replorigin_checkpoint', qr/has origins/,
	sub { flip('pg_logical/replorigin_checkpoint', 4 + 8) });

# CheckPoint in ControlFileData of catalog/pg_control.h; 19 has another field
# before them, and 8 bytes for NextMultiOffset
my %counters =
  pg_major() >= 19
  ? (
	NextXID => 72,
	NextOID => 80,
	NextMultiXactId => 84,
	NextMultiOffset => 88,
	oldestXID => 96,
	oldestMultiXid => 104,
	oldestCommitTsXid => 120,
	newestCommitTsXid => 124)
  : (
	NextXID => 64,
	NextOID => 72,
	NextMultiXactId => 76,
	NextMultiOffset => 80,
	oldestXID => 84,
	oldestMultiXid => 92,
	oldestCommitTsXid => 112,
	newestCommitTsXid => 116);
foreach my $field (sort keys %counters)
{
	finds("another $field", 'global/pg_control',
		qr/has \S+, not \S+: .*$field$/,
		sub { flip('global/pg_control', $counters{$field}) });
}

flip($space, 100);
is(scalar(compare_directories($expected, $changed)),
	0, 'free space maps are not compared');

# --- What recovery made is a server like any other.

BBackup::Oracle::check_life($earlier, $oracle->recover($before));
my $end = $oracle->recover(undef);
$end->start;
ok(dump_all($end) eq $source_dump,
	'recovery to the end has what the source had');
$end->stop;

done_testing();

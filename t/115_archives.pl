# Ingest makes of an archive what stock recovery makes of it, or raises an
# error: archives made at random out of real clusters.
#
#	BB_ARCHIVES		how many; some dozens by default
#	BB_SEED			FAMILY.NUMBER: that archive alone; FAMILY: begin there
#	BB_KEEP			a directory for the archives of failures, and all else
#					that is needed to look at them
#	BB_WORK			where to work; /dev/shm if there is room
#
# A family of clusters serves 20 archives.  See the modules below
# t/lib/BBackup/Archive.

use strict;
use warnings;
use BBackup;
use BBackup::Archive::Clusters;
use BBackup::Archive::Judge;
use BBackup::Archive::Maker;
use File::Temp;

use constant PER_FAMILY => 20;
# Of some archives the files are compared as well.
use constant FILES_EVERY => 5;
# A run of so many has all that there may be.
use constant BIG_RUN => 500;
# How many of a run's failures are told.
use constant TOLD => 20;

my ($first, $only) = split /\./, draw_seed();
my $wanted = defined $only ? 1 : $ENV{BB_ARCHIVES} // 40;

# A place that is fast and has room for a family and what is made of it.
sub work_directory
{
	my $parent = $ENV{BB_WORK};

	if (!defined $parent)
	{
		my ($free) = `df -Pk /dev/shm 2>/dev/null` =~ /(\d+)\s+\d+%/;

		$parent =
		  defined $free && $free > 2 * 1024 * 1024 && -w '/dev/shm'
		  ? '/dev/shm'
		  : PostgreSQL::Test::Utils::tempdir;
	}
	return File::Temp::tempdir('bbackup_XXXXXX', DIR => $parent,
		CLEANUP => 1);
}

my $work = work_directory();

# after a failure too: what is of interest is in BB_KEEP
END
{
	my $status = $?;

	system 'rm', '-rf', $work if defined $work;
	$? = $status;
}

my $store = new_store('store',
	"bbackup.store_directory = '$work/store'\nbbackup.redo_processes = 1\n");
my $judge = BBackup::Archive::Judge->new($store, $work);
my (%mutations, @failures);
my $made = 0;

sub keep_failure
{
	my ($seed, $archive, $report) = @_;
	my $keep = $ENV{BB_KEEP} // return '';
	my $directory = "$keep/$seed";

	system 'rm', '-rf', $directory;
	system 'mkdir', '-p', $directory;
	system 'cp', '-a', $archive->{directory}, "$directory/archive";
	system 'cp', '-a', $archive->{base}{directory}, "$directory/base";
	open my $file, '>', "$directory/report" or die $!;
	print $file $report;
	close $file;
	return "kept in $directory\n";
}

for (my $number = $first; $made < $wanted; $number++)
{
	my $family = BBackup::Archive::Clusters->new("$work/family", $number,
		sub { $judge->make_clone(@_) });

	$judge->import_bases($family);
	for my $i (defined $only ? $only : 0 .. PER_FAMILY - 1)
	{
		last if $made++ >= $wanted;
		my $archive = BBackup::Archive::Maker->new($family, "$work/archive",
			$number * 1000 + $i);
		my @faults = $judge->try($archive,
			defined $only || $i % FILES_EVERY == 0);

		$mutations{$_}++ foreach @{ $archive->{done} };
		if (@faults || defined $only)
		{
			my $report = join "\n", @{ $archive->{story} },
			  @{ $judge->{log} }, @faults, '';

			push @failures, "$number.$i" if @faults;
			$report .= keep_failure("$number.$i", $archive, $report)
			  if @faults;
			diag("BB_SEED=$number.$i\n$report")
			  if @failures <= TOLD;
		}
		system 'rm', '-rf', "$work/archive";
	}
	$judge->forget_bases($family);
	system 'rm', '-rf', "$work/family";
}
$judge->end;
$store->stop;

diag("$judge->{tries} archives; rows of "
	  . ($judge->{compared} // 0)
	  . ' ends compared, files of '
	  . ($judge->{files_compared} // 0));
foreach ([ 'mutations', \%mutations ], [ 'outcomes', $judge->{outcomes} ])
{
	my ($what, $counts) = @$_;

	diag("$what: "
		  . join(', ', map { "$_ $counts->{$_}" } sort keys %$counts));
}

# a generator that makes nothing but rubbish, or a product that refuses it all,
# would be noticed
my %outcomes = %{ $judge->{outcomes} };
my @expected = (
	'held where the tli is left', 'import', 'no import', 'nothing new',
	'refused: another system', 'refused: both go on', 'refused: broken link',
	'refused: broken record', 'refused: ends before until',
	'refused: history gap', 'refused: missing segment', 'refused: no WAL',
	'refused: no way', 'refused: not a file', 'the same end', 'until');

if ($wanted >= BIG_RUN)
{
	is( join(', ', grep { !$outcomes{$_} } @expected),
		'', 'there were outcomes of all kinds');
	is(join(', ',
			grep { !$mutations{$_} }
			  BBackup::Archive::Mutations::mutation_names()), '',
		'and mutations');
}
cmp_ok(20 * ($outcomes{'the same end'} // 0),
	'>', $wanted, 'WAL was ingested to its end often enough')
  if !defined $only;
is("@failures", '', 'bbackup makes of each archive what stock recovery does');

done_testing();

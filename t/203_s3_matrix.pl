# Tests of local stores, run with stores in S3: without a cache, with an empty
# cache, a cache that is too small, and one that has all layers.
#
#	BBACKUP_MATRIX=all		every possible test, in every state

use strict;
use warnings;
use BBackup::S3;
use BBackup::Version;
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'Swift is not installed' unless BBackup::S3::available();
plan skip_all => 'this is a run of the matrix' if $ENV{BBACKUP_STORE};

my @states = qw(s3 s3-empty s3-small s3-full);

# The tests that make sense there, and in which state each runs by default.  The
# others are about files of a local store, or have no store.
my %tests = (
	'001_clone' => 's3-empty',
	'002_variants' => undef,
	'011_import_kill' => undef,
	'012_import_backup' => undef,
	'040_stream' => undef,
	'041_content' => undef,
	'050_concurrency' => undef,
	'052_few_descriptors' => undef,
	'100_ingest' => undef,
	'102_ingest_kill' => 's3-empty',
	'103_ingest_tli' => 's3-full',
	'104_lsn_at' => undef,
	'110_oracle_pgbench' => 's3-small',
	'112_oracle_fuzzy' => undef,
	'113_oracle_tablespaces' => undef,
	'114_oracle_timelines' => undef,
	'120_oracle_everything' => undef);

# A few kills and LSNs are enough here, because requests make the difference, not
# records.
$ENV{BB_KILLS} //= 3;
$ENV{BBACKUP_LSNS} //= 1;

# run_in - one test: the file passes with a store in that state.
sub run_in
{
	my ($file, $state) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my $output = "$directory/output";

	# keep its clusters and logs apart from those of its run on a local store
	local %ENV =
	  (%ENV, test_directories($directory), BBACKUP_STORE => $state);
	my $status = system "'$^X' "
	  . join(' ', map { "-I '$_'" } @INC)
	  . " '$file' >'$output' 2>&1";
	my $text = slurp_file($output);
	my ($count) = $text =~ /^1\.\.(\d+)$/m;

	ok($status == 0 && $count, basename($file) . " with $state")
	  or diag(grep { !/^ok / } split /^/m, $text);
	BBackup::S3::check_files([], glob "$directory/tmp_check/log/*.log");
	return;
}

my $all = ($ENV{BBACKUP_MATRIX} // '') eq 'all';
foreach my $name (sort keys %tests)
{
	my $file = dirname($0) . "/$name.pl";

	run_in($file, $_)
	  foreach $all ? @states : grep { defined } $tests{$name};
}

done_testing();

# BBackup - what the TAP tests share.
#
# A typical test has a source cluster, which is filled and shut down cleanly; a
# server with the extension, the "store"; an import; a backup, fetched as a tar;
# and a clone, which is the tar, unpacked and started.
#
#	my $source = new_source('source');
#	fill_source($source);
#	$source->stop;
#	my $store = new_store('store');
#	import_directory($store, $source->data_dir);
#	my $clone = new_clone('clone', fetch_backup($store));
#	$clone->start;
#
# It exports what these modules export, Test::More and PostgreSQL::Test::Utils
# included, and draw_seed.  A test that dies says why where its results are
# printed, and not only in its log.

package BBackup;

use strict;
use warnings;

use BBackup::Backups;
use BBackup::Files;
use BBackup::Sessions;
use BBackup::Sources;
use BBackup::Stores;
use BBackup::Template;
use Exporter 'import';
use File::Basename qw(basename);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant {
	LOG_LINES => 25,
	TEST_MINUTES => 20,
};

our @EXPORT = (
	'draw_seed', @BBackup::Backups::EXPORT,
	@BBackup::Files::EXPORT, @BBackup::Sessions::EXPORT,
	@BBackup::Sources::EXPORT, @BBackup::Stores::EXPORT,
	@PostgreSQL::Test::Utils::EXPORT, @Test::More::EXPORT);

# draw_seed - the seed of a test's random choices: BB_SEED, if that is set.  In CI
# it is always the same, so that CI judges the change that it is given.
# Elsewhere each run makes other choices.
sub draw_seed
{
	my $seed = $ENV{BB_SEED} // ($ENV{CI} ? 1 : 1 + int rand 1_000_000);

	diag("BB_SEED=$seed") if !defined $ENV{BB_SEED};
	return $seed;
}

# The last lines of each server's log.
sub ends_of_logs
{
	my $prefix = "$PostgreSQL::Test::Utils::log_path/"
	  . basename($0) =~ s/\.pl$//r . '_';

	return map {
		my @lines = split /^/, slurp_file($_);
		my $first = @lines > LOG_LINES ? @lines - LOG_LINES : 0;

		("--- the end of $_\n", @lines[ $first .. $#lines ]);
	} glob "$prefix*.log";
}

# A server that does not start or stop ends the test, not the whole run.
{
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::BAIL_OUT = sub {
		my ($message) = @_;

		die "$message\n" if ${^GLOBAL_PHASE} ne 'END';
		fail($message);
	};
}

# In CI a test that waits for ever is an error, and the others go on.
if ($ENV{CI})
{
	$SIG{ALRM} = sub { die "the test was not done in " . TEST_MINUTES . " minutes\n" };
	alarm 60 * TEST_MINUTES;
}

# Processes that a test has forked handle their errors themselves.
my $test = $$;

$SIG{__DIE__} = sub {
	my ($message) = @_;

	# this isn't an error of the test if an eval, or the compiler, handles it
	return if !defined $^S || $^S || $$ != $test;
	diag($message, ends_of_logs());
};

1;

# BBackup::Version - differences between major versions of PostgreSQL, for the
# tests; base/compat.h has those for the C sources.

package BBackup::Version;

use strict;
use warnings;

use Carp;
use Exporter 'import';

our @EXPORT = qw(
  pg_major
  without_checksums
  test_directories
);

# pg_major - the major version of the tested server.
sub pg_major
{
	# the make rule sets the PATH
	`pg_config --version` =~ /^PostgreSQL (\d+)/ or croak 'no pg_config';
	return $1;
}

# without_checksums - initdb's options for a cluster without data checksums,
# which is the default before 18.
sub without_checksums
{
	return pg_major() >= 18 ? ('--no-data-checksums') : ();
}

# test_directories - the environment with the directories for the clusters and logs
# (in tmp_check/log) of a TAP test: TESTDIR up to 15, the others from 16 on.
sub test_directories
{
	my ($directory) = @_;

	return (
		TESTDIR => $directory,
		TESTDATADIR => "$directory/tmp_check",
		TESTLOGDIR => "$directory/tmp_check/log");
}

1;

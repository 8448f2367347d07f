# BBackup::Version - differences between major versions of PostgreSQL, for the
# tests; base/compat.h has those for the C sources.

package BBackup::Version;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  pg_major
  lsn_format
  without_checksums
  with_io_uring
  test_directories
  other_majors
);

# pg_major - the major version of the tested server.
my $major;

sub pg_major
{
	return $major if defined $major;
	# the make rule sets the PATH
	`pg_config --version` =~ /^PostgreSQL (\d+)/ or croak 'no pg_config';
	$major = $1;
	return $major;
}

# lsn_format - how the server writes an LSN (BB_LSN_FORMAT in base/compat.h).
sub lsn_format
{
	return pg_major() >= 19 ? '%X/%08X' : '%X/%X';
}

# without_checksums - initdb's options for a cluster without data checksums,
# which is the default before 18.
sub without_checksums
{
	return pg_major() >= 18 ? ('--no-data-checksums') : ();
}

# other_majors - the installations of other major versions that have bbackup: a
# hash from the version to its prefix, where bin/ is.  They are Debian's.
sub other_majors
{
	my %found;

	foreach my $library (glob '/usr/lib/postgresql/*/lib/bbackup.so')
	{
		my ($prefix, $major) = $library =~ m{^(.*/(\d+))/lib/};

		$found{$major} = $prefix
		  if $major != pg_major() && -x "$prefix/bin/initdb";
	}
	return %found;
}

# with_io_uring - a setting for a server whose backends read and write by io_uring,
# if the tested server can (18 and later) and the kernel lets it.
sub with_io_uring
{
	return '' if pg_major() < 18;
	# initdb runs a server with the setting
	my $probe = PostgreSQL::Test::Utils::tempdir . '/probe';
	if (!run_log([
			'initdb', '-A', 'trust', '-N', '-c', 'io_method=io_uring', $probe
		]))
	{
		note('the server can\'t use io_uring here');
		return '';
	}
	return "io_method = io_uring\n";
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

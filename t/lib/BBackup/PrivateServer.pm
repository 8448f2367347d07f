# BBackup::PrivateServer - a copy of the server's programs that has a directory of
# extensions, and one of libraries, of its own.  The server finds these by its
# location.

package BBackup::PrivateServer;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  private_server
);

# private_server - a node that is not initialized, and its directory of extensions.
# It has all extensions but bbackup, and all libraries; without_library leaves out
# that of bbackup.
sub private_server
{
	my ($name, %options) = @_;
	my $root = PostgreSQL::Test::Utils::tempdir_short;
	my %place;

	foreach my $part (qw(bindir pkglibdir sharedir))
	{
		$place{$part} = `pg_config --$part` =~ s/\n//r;
		system_or_bail('mkdir', '-p', $root . $place{$part});
	}
	# a program that starts others has to be a copy: it looks beside itself
	foreach my $program (qw(postgres initdb pg_ctl pg_config))
	{
		my $to = "$root$place{bindir}/$program";

		copy("$place{bindir}/$program", $to) or die "$program: $!";
		chmod 0755, $to;
	}
	mkdir "$root$place{sharedir}/extension" or die $!;
	foreach my $file (
		"$place{bindir}/psql",
		grep({ !$options{without_library} || !m{/bbackup\.so\z} }
			glob "$place{pkglibdir}/*"),
		grep({ !m{/extension\z} } glob "$place{sharedir}/*"),
		grep { !m{/bbackup} } glob "$place{sharedir}/extension/*")
	{
		symlink $file, $root . $file or die "$root$file: $!";
	}

	my $node = PostgreSQL::Test::Cluster->new($name,
		install_path => dirname("$root$place{bindir}"));
	return ($node, "$root$place{sharedir}/extension");
}

1;

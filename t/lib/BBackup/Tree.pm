# BBackup::Tree - the content of directories, to compare them.

package BBackup::Tree;

use strict;
use warnings;

use Carp;
use Digest::MD5;
use Exporter 'import';
use Fcntl ':mode';
use File::Find;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(tree names mode);

# tree - path => type, permissions, and the digest of a file or target of a link.
sub tree
{
	my ($directory) = @_;
	my %tree;

	find({
		wanted => sub {
			my $path = substr $File::Find::name, length $directory;
			my $mode = (lstat $_)[2];

			return if $path eq '';
			$path = substr $path, 1;
			$tree{$path} = sprintf '%o ', $mode;
			$tree{$path} .= readlink $_ if S_ISLNK($mode);
			$tree{$path} .= Digest::MD5::md5_hex(slurp_file($_))
			  if S_ISREG($mode);
		},
		no_chdir => 1
	}, $directory);
	return \%tree;
}

# names - the sorted names in a directory, in one string.
sub names
{
	my ($directory) = @_;

	opendir my $dir, $directory or croak "$directory: $!";
	return join ' ', sort grep { !/^[.][.]?$/ } readdir $dir;
}

# mode - the permission bits of a file, as four digits.
sub mode
{
	return sprintf '%04o', (stat $_[0])[2] & 07777;
}

1;

# BBackup::Files - reading, writing, copying and breaking files.

package BBackup::Files;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use File::Find;

our @EXPORT = qw(
  files_below
  copy_directory
  patch_file
);
our @EXPORT_OK = qw(write_file slurp);

# files_below - the sorted relative names of all files; directories end with a
# slash.  It follows symbolic links.
sub files_below
{
	my ($directory) = @_;
	my @found;

	find({
		wanted => sub {
			my $name = substr $File::Find::name, length $directory;

			return if $name eq '';
			push @found, substr($name, 1) . (-d $_ ? '/' : '');
		},
		no_chdir => 1,
		follow => 1
	}, $directory);
	return sort @found;
}

# copy_directory - copy a directory; files with holes keep them.
sub copy_directory
{
	my ($from, $to) = @_;

	system('cp', '-a', $from, $to) == 0 or croak "cp $from $to: $?";
	return $to;
}

# patch_file - overwrite bytes at an offset; returns the old ones.
sub patch_file
{
	my ($file, $offset, $bytes) = @_;
	my $old;

	open my $handle, '+<:raw', $file or croak "$file: $!";
	sysseek $handle, $offset, 0;
	sysread $handle, $old, length $bytes;
	sysseek $handle, $offset, 0;
	syswrite($handle, $bytes) == length $bytes or croak "$file: $!";
	close $handle;
	return $old;
}

sub write_file
{
	my ($name, $bytes) = @_;

	open my $file, '>:raw', $name or croak "$name: $!";
	print $file $bytes;
	close $file or croak "$name: $!";
	return;
}

sub slurp
{
	my ($name) = @_;

	open my $file, '<:raw', $name or croak "$name: $!";
	local $/;
	return <$file> // '';
}

1;

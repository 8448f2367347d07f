# BBackup::SmallDisk - a small file system, which a test can fill.
#
#	use BBackup::SmallDisk size => '100m';		# first of all
#
#	my $directory = BBackup::SmallDisk::directory();	# undef: there is none
#	BBackup::SmallDisk::fill();
#	BBackup::SmallDisk::empty();
#
# It is a tmpfs, mounted in a mount namespace that only the test and its
# children see.  A common user may have one of their own, within a user
# namespace (unshare of util-linux), where the kernel allows that.  In there the
# user is root; so the test runs in a second one, below it, as the user it was.
# All of it ends with the test's last process.

package BBackup::SmallDisk;

use strict;
use warnings;

use Carp;

sub import
{
	my ($class, %options) = @_;
	my $size = $options{size} // '100m';
	my ($user, $group) = ($<, $( + 0);

	return if exists $ENV{BB_SMALL_DISK};
	my $mount = $options{at} // '/mnt';
	my @outer = ('unshare', '--user', '--map-root-user', '--mount');
	my @inner =
	  ('unshare', '--user', "--map-user=$user", "--map-group=$group");
	my $script =
	  "mount -t tmpfs -o size=$size,mode=0700 none $mount && exec \"\$@\"";

	$ENV{BB_SMALL_DISK} = '';
	if ($user != 0
		&& system(join(' ', map { "'$_'" } @outer, 'sh', '-c', $script, 'sh',
				@inner, 'true') . ' 2>/dev/null') == 0)
	{
		$ENV{BB_SMALL_DISK} = $mount;
		exec @outer, 'sh', '-c', $script, 'sh', @inner, $^X,
		  (map { "-I$_" } @INC), $0, @ARGV
		  or croak "unshare: $!";
	}
	return;
}

sub directory { return $ENV{BB_SMALL_DISK} || undef }

# fill - leave no byte free.
sub fill
{
	my $file = directory() . '/ballast';

	open my $out, '>>', $file or croak "$file: $!";
	foreach my $size (1024 * 1024, 4096, 1)
	{
		1 while syswrite $out, "\0" x $size;
	}
	close $out;
	return;
}

sub empty
{
	unlink directory() . '/ballast';
	return;
}

1;

# BBackup::CacheLock - block the sessions that use a cache of layers.

package BBackup::CacheLock;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(F_SETLK F_WRLCK SEEK_SET);

our @EXPORT = qw(lock_room);

# lock_room - take the lock to make room in the only cache below a directory.  It
# blocks sessions that make room, or list the files, until the returned file is
# closed.
sub lock_room
{
	my ($directory) = @_;
	my ($file) = glob "$directory/*/.locks";

	# struct flock; cachelock.c says which byte
	my $byte = pack('s s x4 q q l x4', F_WRLCK, SEEK_SET, 2 << 60, 1, 0);

	open my $locks, '+<', $file or die "$file: $!";
	fcntl $locks, F_SETLK, $byte or die "fcntl: $!";
	return $locks;
}

1;

# BBackup::CacheLock - to be in the way of those who use a cache of layers.

package BBackup::CacheLock;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(F_SETLK F_WRLCK SEEK_SET);

our @EXPORT = qw(lock_room);

# lock_room - of the one cache below a directory: who makes room there, or counts
# what is there, keeps others from it until the file that's returned is closed.
sub lock_room
{
	my ($directory) = @_;
	my ($file) = glob "$directory/*/.locks";

	# struct flock; the byte is that of cachelock.c
	my $byte = pack('s s x4 q q l x4', F_WRLCK, SEEK_SET, 2 << 60, 1, 0);

	open my $locks, '+<', $file or die "$file: $!";
	fcntl $locks, F_SETLK, $byte or die "fcntl: $!";
	return $locks;
}

1;

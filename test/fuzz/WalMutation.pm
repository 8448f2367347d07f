# WalMutation - a WAL record, changed at random.
#
#	my ($changed, @what) = mutate($bytes);
#
# Lots are drawn by rand(), so that srand() repeats a change.  Headers of block
# references and the numbers in the main data get more of them than the bytes
# of images and tuples, as these are what is believed.

package WalMutation;

use strict;
use warnings;

use Exporter 'import';
use WalRecord;

our @EXPORT_OK = qw(mutate);

# Values at an edge: of an integer, a page, a segment.
my @edges = (
	0, 1, 2, 3, 4, 7, 8, 23, 24, 25, 32, 33,
	0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF, 512, 1023, 1024, 1025,
	8000, 8167, 8168, 8191, 8192, 8193, 0x7FFF, 0x8000, 0xFFFF,
	0x10000, 131071, 131072, 131073, 0x100000, 0x7FFFFFFF, 0x80000000,
	0x80000001, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF,
	1663, 1664, 16384);
my %format = (1 => 'C', 2 => 'v', 4 => 'V', 8 => 'Q<');

sub pick { return $_[ int rand @_ ] }

# A number of that many bytes: an edge, a neighbour of the old, or anything.
sub number
{
	my ($size, $old) = @_;
	my $dice = rand;
	my $new =
		$dice < 0.5 ? pick(@edges)
	  : $dice < 0.75 ? $old + pick(-2, -1, 1, 2, 8, 256)
	  : $dice < 0.85 ? $old ^ (1 << int rand(8 * $size))
	  : int rand(2**32);

	$new = $new << 32 | int rand(2**32) if $size == 8 && rand() < 0.3;
	return $size == 8 ? $new : $new & (2**(8 * $size) - 1);
}

sub set_number
{
	my ($bytes, $offset, $size) = @_;
	my $old = unpack $format{$size}, substr $$bytes, $offset, $size;
	my $new = number($size, $old);

	substr($$bytes, $offset, $size) = pack $format{$size}, $new;
	return sprintf 'at %d: %d to %d', $offset, $old, $new;
}

# A number somewhere in a field of any size, aligned.
sub change_data
{
	my ($bytes, $offset, $length) = @_;
	my $size = pick(grep { $_ <= $length } 1, 2, 4, 4, 4, 8);
	my $at = int rand int($length / $size);

	return set_number($bytes, $offset + $at * $size, $size);
}

sub scramble
{
	my ($bytes, $offset, $length) = @_;
	my $at = $offset + int rand $length;
	my $count = 1 + int rand 16;

	$count = $offset + $length - $at if $at + $count > $offset + $length;
	substr($$bytes, $at, $count) = pack 'C*', map { int rand 256 } 1 .. $count;
	return "$count bytes at $at";
}

sub change_once
{
	my ($bytes) = @_;
	my @fields = WalRecord::fields($$bytes);
	my @headers = grep { $_->[0] =~ /^block \d+ (?!image$|data$)/ } @fields;
	my @images = grep { $_->[0] =~ /^block \d+ (?:image length|hole|bimg)/ } @fields;
	my @main = grep { $_->[0] eq 'main data' } @fields;
	my $dice = rand;
	my $field;

	if (rand() < 0.3 && @images)
	{
		$field = pick(@images);
		return "$field->[0] "
		  . set_number($bytes, $field->[1], $field->[2]);
	}
	if ($dice < 0.35 && @headers)
	{
		$field = pick(@headers);
		return "$field->[0] "
		  . set_number($bytes, $field->[1], $field->[2]);
	}
	if ($dice < 0.75 && @main)
	{
		$field = $main[0];
		# most of what matters is at the beginning
		my $length =
		  $field->[2] > 64 && rand() < 0.6 ? 64 : $field->[2];
		return "$field->[0] " . change_data($bytes, $field->[1], $length);
	}
	if ($dice < 0.85)
	{
		$field = pick(@fields[ 0 .. 4 ]);
		return "$field->[0] "
		  . set_number($bytes, $field->[1], $field->[2]);
	}
	$field = pick(@fields);
	return "$field->[0] " . scramble($bytes, $field->[1], $field->[2]);
}

sub mutate
{
	my ($bytes) = @_;
	my @what;

	do { push @what, change_once(\$bytes) } while (rand() < 0.3 && @what < 5);
	return (rand() < 0.98 ? WalRecord::seal($bytes) : $bytes, @what);
}

1;

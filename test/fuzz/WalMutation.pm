# WalMutation - change a WAL record at random.
#
#	my ($changed, @what) = mutate($bytes, @others);
#
# Sometimes another record of the same length replaces it, or a new record is
# made.
#
# Changes are drawn by rand(), so that srand() repeats them.  Headers of block
# references and numbers in the main data are changed more often than bytes of
# images and tuples, because ingest relies on them.

package WalMutation;

use strict;
use warnings;

use Exporter 'import';
use WalRecord;

our @EXPORT_OK = qw(mutate);

# Boundary values of integers, pages and segments.
my @edges = (
	0, 1, 2, 3, 4, 7, 8, 23, 24, 25, 32, 33,
	0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF, 512, 1023, 1024, 1025,
	8000, 8167, 8168, 8191, 8192, 8193, 0x7FFF, 0x8000, 0xFFFF,
	0x10000, 131071, 131072, 131073, 0x100000, 0x7FFFFFFF, 0x80000000,
	0x80000001, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF,
	1663, 1664, 16384);
my %format = (1 => 'C', 2 => 'v', 4 => 'V', 8 => 'Q<');

sub pick { return $_[ int rand @_ ] }

# A number of so many bytes: a boundary, a neighbor of the old one, or any.
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
		# the beginning matters most
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

# Replace the record by another one of the same length, as if records had been
# reordered.
sub splice_in
{
	my ($bytes, @others) = @_;
	my $other =
	  pick(grep { length $_ == length $bytes && $_ ne $bytes } @others)
	  // return undef;

	substr($other, 8, 8) = substr $bytes, 8, 8;
	return $other;
}

# A block reference, and the number of bytes of data that it needs.
sub craft_block
{
	my ($id, $first, $locator, $room) = @_;
	my $flags = pick(0, 0, 0, 1, 2, 3);
	my $data = rand() < 0.5 ? int rand($room / 4 + 1) : 0;
	my $image = '';
	my $image_length = 0;

	$data = 0xFFFF if $data > 0xFFFF;
	$flags |= 0x20 if $data > 0;
	$flags |= 0x40 if rand() < 0.3;
	$flags |= 0x80 if !$first && rand() < 0.6;
	if (rand() < 0.4)
	{
		my $info = pick(0x03, 0x03, 0x03, 0x02, 0x06, 0x0A, 0x12, 0x07, 0x0B, 0x13);
		my $hole;

		$image_length = 1 + int rand($room / 3 + 1);
		$image_length = 8191 if $image_length > 8191;
		$hole = 8192 - $image_length;
		$flags |= 0x10;
		$image = pack 'v v C', $image_length, rand() < 0.9 ? int rand($image_length + 1) : pick(@edges) & 0xFFFF, $info;
		$image .= pack 'v', pick($hole, 1, 4000, 8191)
		  if ($info & 0x1C) && ($info & 0x01);
	}
	return (
		pack('C C v', $id, $flags, $data)
		  . $image
		  . ($flags & 0x80 ? '' : pack 'V3', @$locator)
		  . pack('V', rand() < 0.7 ? int rand 8 : pick(@edges) & 0xFFFFFFFF),
		$data + $image_length);
}

# Make a new record of the same length: any resource manager, up to 33 block
# references that fit, and main data of the old record or random ones.
sub craft
{
	my ($bytes) = @_;
	my $length = length $bytes;
	my @blocks = WalRecord::blocks($bytes);
	my $locator = @blocks ? $blocks[0] : [ 1663, 5, 16384 ];
	my $count = pick(0, 1, 1, 2, 3, 8, 33);
	my ($headers, $wanted) = ('', 0);
	my $left = $length - 24 - 5;

	for my $id (0 .. $count - 1)
	{
		my ($header, $more) =
		  craft_block($id, $headers eq '', $locator, $left);

		next if length($header) + $more > $left;
		$headers .= $header;
		$wanted += $more;
		$left -= length($header) + $more;
	}
	return undef if $left < 0;
	my $rest = pack 'C*', map { int rand 256 } 1 .. $wanted;
	my ($old) = grep { $_->[0] eq 'main data' } WalRecord::fields($bytes);
	my $main = $old ? substr $bytes, $old->[1], $old->[2] : '';
	$main .= pack 'V', pick(@edges) & 0xFFFFFFFF while length $main < $left;
	$main = substr $main, 0, $left;
	my $fixed = substr $bytes, 0, 24;
	substr($fixed, 16, 1) = pack 'C', (int rand 16) << 4 if rand() < 0.4;
	substr($fixed, 17, 1) = pack 'C', int rand 22 if rand() < 0.4;
	return $fixed . $headers . pack('C V', 0xFE, $left) . $rest . $main;
}

sub mutate
{
	my ($bytes, @others) = @_;
	my @what;
	my $dice = rand;
	my $whole = $dice < 0.15 ? splice_in($bytes, @others)
	  : $dice < 0.35 ? craft($bytes) : undef;

	return (WalRecord::seal($whole), $dice < 0.15 ? 'another record' : 'made anew')
	  if defined $whole;
	do { push @what, change_once(\$bytes) } while (rand() < 0.3 && @what < 5);
	return (rand() < 0.98 ? WalRecord::seal($bytes) : $bytes, @what);
}

1;

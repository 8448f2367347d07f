# WalRecord - find, parse and change WAL records in segment files, with correct
# CRCs.
#
#	my $wal = WalRecord->new($directory, $segment_size);
#	my $record = $wal->read($lsn);		bytes, and their places
#	my @fields = fields($record->{bytes});
#	$wal->write($record, seal($changed));
#	$wal->write($record, $record->{bytes});
#
# (Layouts from src/include/access/xlogrecord.h; the parts are walked as in
# DecodeXLogRecord.)

package WalRecord;

use strict;
use warnings;

use Carp;
use Exporter 'import';

our @EXPORT_OK = qw(seal fields blocks);

use constant {
	PAGE => 8192,
	HEADER => 24,
	SHORT_PAGE_HEADER => 24,
	LONG_PAGE_HEADER => 40
};

# CRC-32C
my @crc_table = map {
	my $c = $_;
	$c = $c & 1 ? 0x82F63B78 ^ ($c >> 1) : $c >> 1 for 1 .. 8;
	$c
} 0 .. 255;

sub crc32c
{
	my $crc = 0xFFFFFFFF;

	foreach my $byte (unpack 'C*', join '', @_)
	{
		$crc = $crc_table[ ($crc ^ $byte) & 0xFF ] ^ ($crc >> 8);
	}
	return $crc ^ 0xFFFFFFFF;
}

# seal - return the bytes with the correct CRC; of a record that claims to be
# shorter, the CRC of that part.
sub seal
{
	my ($bytes) = @_;
	my $length = unpack 'V', $bytes;

	$length = length $bytes if $length < HEADER || $length > length $bytes;
	substr($bytes, 20, 4) = pack 'V',
	  crc32c(substr($bytes, HEADER, $length - HEADER), substr($bytes, 0, 20));
	return $bytes;
}

# new - open a directory with segments of timeline ID 1.
sub new
{
	my ($class, $directory, $segment_size) = @_;

	return bless { directory => $directory, segment_size => $segment_size },
	  $class;
}

sub open_segment
{
	my ($self, $lsn, $mode) = @_;
	my $per_id = int(2**32 / $self->{segment_size});
	my $number = int($lsn / $self->{segment_size});
	my $path = sprintf '%s/00000001%08X%08X', $self->{directory},
	  int($number / $per_id), $number % $per_id;

	open my $file, $mode, $path or croak "$path: $!";
	binmode $file;
	seek $file, $lsn % $self->{segment_size}, 0 or croak "$path: $!";
	return $file;
}

# read_bytes - read bytes, at most of one page.
sub read_bytes
{
	my ($self, $lsn, $length) = @_;
	my $file = $self->open_segment($lsn, '<');
	my $bytes;

	read($file, $bytes, $length) == $length or croak 'segment is too short';
	return $bytes;
}

sub write_bytes
{
	my ($self, $lsn, $bytes) = @_;
	my $file = $self->open_segment($lsn, '+<');

	print $file $bytes or croak $!;
	close $file or croak $!;
	return;
}

# read - return the record that begins at an LSN: its bytes, and in "pieces" the
# LSN and length of its part in each page.
sub read
{
	my ($self, $lsn) = @_;
	my $left = unpack 'V', $self->read_bytes($lsn, 4);
	my @pieces;
	my $bytes = '';

	croak 'no record here' if $left < HEADER;
	while ($left > 0)
	{
		my $room = PAGE - $lsn % PAGE;
		my $here = $left < $room ? $left : $room;

		push @pieces, [ $lsn, $here ];
		$bytes .= $self->read_bytes($lsn, $here);
		$left -= $here;
		$lsn += $here;
		$lsn += $lsn % $self->{segment_size} == 0 ? LONG_PAGE_HEADER
		  : SHORT_PAGE_HEADER
		  if $lsn % PAGE == 0;
	}
	return { bytes => $bytes, pieces => \@pieces };
}

# write - replace the bytes of a record by as many others.
sub write
{
	my ($self, $record, $bytes) = @_;
	my $at = 0;

	croak 'the length has changed'
	  if length $bytes != length $record->{bytes};
	foreach my $piece (@{ $record->{pieces} })
	{
		$self->write_bytes($piece->[0], substr $bytes, $at, $piece->[1]);
		$at += $piece->[1];
	}
	return;
}

# parse - return the fields of a record, as [ name, offset, size ], and its
# block references, as [ spc, db, rel, fork, block ].  It omits parts that can't
# be parsed.
sub parse
{
	my ($bytes) = @_;
	my @fields = (
		[ 'xl_tot_len', 0, 4 ],
		[ 'xl_xid', 4, 4 ],
		[ 'xl_prev', 8, 8 ],
		[ 'xl_info', 16, 1 ],
		[ 'xl_rmid', 17, 1 ]);
	my (@blocks, @data, $locator);
	my $at = HEADER;
	my $length = length $bytes;
	my $data_length = 0;

	while ($length - $at > $data_length)
	{
		my $id = unpack 'C', substr $bytes, $at, 1;

		if ($id == 0xFF || $id == 0xFE)
		{
			my $size = $id == 0xFF ? 1 : 4;

			last if $at + 1 + $size > $length;
			my $main = unpack $size == 1 ? 'C' : 'V',
			  substr $bytes, $at + 1, $size;
			push @fields, [ 'main data length', $at + 1, $size ];
			push @data, [ 'main data', $main ];
			$data_length += $main;
			$at += 1 + $size;
			last;
		}
		if ($id == 0xFD || $id == 0xFC)
		{
			my $size = $id == 0xFD ? 2 : 4;

			push @fields, [ $size == 2 ? 'origin' : 'top xid', $at + 1, $size ];
			$at += 1 + $size;
			next;
		}
		last if $id > 32 || $at + 4 > $length;

		my ($flags, $block_data) = unpack 'x C v', substr $bytes, $at, 4;
		push @fields, [ "block $id id", $at, 1 ],
		  [ "block $id fork_flags", $at + 1, 1 ],
		  [ "block $id data_length", $at + 2, 2 ];
		$at += 4;
		if ($flags & 0x10)
		{
			last if $at + 5 > $length;
			my ($image, $info) = unpack 'v x2 C', substr $bytes, $at, 5;
			push @fields, [ "block $id image length", $at, 2 ],
			  [ "block $id hole_offset", $at + 2, 2 ],
			  [ "block $id bimg_info", $at + 4, 1 ];
			$at += 5;
			if (($info & 0x1C) && ($info & 0x01))
			{
				push @fields, [ "block $id hole_length", $at, 2 ];
				$at += 2;
			}
			push @data, [ "block $id image", $image ];
			$data_length += $image;
		}
		push @data, [ "block $id data", $block_data ];
		$data_length += $block_data;
		if (!($flags & 0x80))
		{
			last if $at + 12 > $length;
			push @fields, [ "block $id spc", $at, 4 ],
			  [ "block $id db", $at + 4, 4 ], [ "block $id rel", $at + 8, 4 ];
			$locator = [ unpack 'V3', substr $bytes, $at, 12 ];
			$at += 12;
		}
		last if !defined $locator || $at + 4 > $length;
		push @fields, [ "block $id block", $at, 4 ];
		push @blocks,
		  [ @$locator, $flags & 0x0F, unpack('V', substr $bytes, $at, 4) ];
		$at += 4;
	}
	foreach my $part (@data)
	{
		my ($name, $size) = @$part;

		last if $at + $size > $length;
		push @fields, [ $name, $at, $size ] if $size > 0;
		$at += $size;
	}
	# a record that was changed may refer to parts that it doesn't have
	@fields = grep { $_->[1] + $_->[2] <= $length } @fields;
	return (\@fields, \@blocks);
}

sub fields { return @{ (parse($_[0]))[0] } }
sub blocks { return @{ (parse($_[0]))[1] } }

1;

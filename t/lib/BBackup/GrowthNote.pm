# BBackup::GrowthNote - the note "growth" of a page store, with a history made up.
#
#	write_growth($file, [ $days_ago, $used, $total, $free ], …);	in bytes

package BBackup::GrowthNote;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(write_growth);

sub crc32c
{
	my $crc = 0xFFFFFFFF;

	foreach my $byte (unpack 'C*', $_[0])
	{
		$crc ^= $byte;
		$crc = ($crc >> 1) ^ ($crc & 1 ? 0x82F63B78 : 0) for 1 .. 8;
	}
	return $crc ^ 0xFFFFFFFF;
}

sub write_growth
{
	my ($file, @samples) = @_;
	my $bytes = "bbgrow\r\n" . pack 'VV', 1, scalar @samples;

	foreach my $sample (@samples)
	{
		my ($days, @sizes) = @$sample;
		my $at = (time() - 946684800 - $days * 86400) * 1e6;    # as a TimestampTz

		$bytes .= pack 'q<Q<Q<Q<', $at, @sizes;
	}
	unlink $file;
	PostgreSQL::Test::Utils::append_to_file($file,
		$bytes . pack 'V', crc32c($bytes));
	return;
}

1;

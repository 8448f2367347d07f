# BBackup::Template - clusters that are copied instead of made by initdb.
#
# initdb takes as long as many a test.  If BB_TEMPLATES names a directory, which all
# tests of a run share, the first initdb with given options makes a template there,
# and the next ones copy it.  A copy gets a system identifier of its own, as a
# cluster of initdb has.

package BBackup::Template;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Fcntl qw(:flock :seek O_RDWR);
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(gettimeofday);

# Where a segment of WAL has it (XLogLongPageHeaderData in xlog_internal.h).
use constant SYSID_IN_WAL => 24;

# More than the control file's data have, without the zeros behind them.
use constant MAX_CONTROL => 508;

my $made = 0;

# Calls $each->(length, CRC-32C) for each beginning of the data that it covers.
sub each_crc
{
	my ($data, $each) = @_;
	my $crc = 0xFFFFFFFF;
	my $length = 0;

	foreach my $byte (unpack 'C*', $data)
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? $crc >> 1 ^ 0x82F63B78 : $crc >> 1 for 1 .. 8;
		$each->(++$length, $crc ^ 0xFFFFFFFF);
	}
	return;
}

sub change_bytes
{
	my ($path, $at, $bytes) = @_;

	sysopen my $file, $path, O_RDWR or die "could not open $path: $!\n";
	sysseek $file, $at, SEEK_SET or die "could not seek in $path: $!\n";
	syswrite($file, $bytes) == length $bytes
	  or die "could not write $path: $!\n";
	close $file or die "could not write $path: $!\n";
	return;
}

# Give a cluster another system identifier, made as BootStrapXLOG makes it.  The
# control file begins with it, and its CRC is behind all that it covers.
sub set_sysid
{
	my ($pgdata) = @_;
	my ($seconds, $microseconds) = gettimeofday();
	my $sysid = pack 'Q',
	  $seconds << 32 | $microseconds << 12 | ($$ + $made++ & 0xFFF);
	my $path = "$pgdata/global/pg_control";
	my $control = PostgreSQL::Test::Utils::slurp_file($path);
	my ($at, $crc);

	each_crc(substr($control, 0, MAX_CONTROL), sub {
		my ($length, $value) = @_;

		$at //= $length
		  if $length % 4 == 0 && $value == unpack "x$length V", $control;
	});
	die "could not find the CRC of $path\n" if !defined $at;
	substr $control, 0, 8, $sysid;
	each_crc(substr($control, 0, $at), sub { $crc = $_[1] });
	change_bytes($path, 0, $sysid);
	change_bytes($path, $at, pack 'V', $crc);
	change_bytes($_, SYSID_IN_WAL, $sysid) foreach glob "$pgdata/pg_wal/0*";
	return;
}

# The template of initdb's options; made, if this is the first who asks.
sub template
{
	my ($initdb, @options) = @_;
	my $template = "$ENV{BB_TEMPLATES}/" . md5_hex(join "\0", @options);

	open my $lock, '>', "$template.lock"
	  or die "could not create $template.lock: $!\n";
	flock $lock, LOCK_EX or die "could not lock $template.lock: $!\n";
	if (!-d $template)
	{
		$initdb->('initdb', '-D', "$template.new", @options);
		rename "$template.new", $template
		  or die "could not rename $template.new: $!\n";
	}
	close $lock;
	return $template;
}

# Options with which two calls of initdb make the same cluster.
sub is_common
{
	my $common =
	  qr/-A|trust|-N|-k|--(no-)?data-checksums|--allow-group-access|--wal-segsize=\d+/;

	return !grep { !/^(?:$common)\z/ } @_;
}

if (defined $ENV{BB_TEMPLATES})
{
	my $run = \&PostgreSQL::Test::Utils::system_or_bail;

	no warnings 'redefine';
	*PostgreSQL::Test::Utils::system_or_bail = sub {
		my ($program, $option, $pgdata, @options) = @_;

		return $run->(@_)
		  if $program ne 'initdb' || $option ne '-D' || !is_common(@options);
		$run->('cp', '-RPp', template($run, @options), $pgdata);
		set_sysid($pgdata);
		return;
	};
}

1;

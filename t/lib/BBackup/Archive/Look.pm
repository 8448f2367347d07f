# BBackup::Archive::Look - what a directory of WAL has.
#
# A part of BBackup::Archive::Judge.  A case has the "directory" and the
# "chosen" way (BBackup::Archive::History).

package BBackup::Archive::Look;

use strict;
use warnings;

use BBackup::Archive::Stock qw(is_on_way segment_number SEGMENT_SIZE);
use Exporter 'import';

our @EXPORT_OK = qw(record_start segment_at);

use constant PAGE_SIZE => 8192;

sub record_start
{
	my ($lsn) = @_;

	return $lsn + 40 if $lsn % SEGMENT_SIZE == 0;
	return $lsn + 24 if $lsn % PAGE_SIZE == 0;
	return $lsn;
}

sub segment_at { return int(record_start($_[0]) / SEGMENT_SIZE) }

# is_on - is a segment of a tli that is on there?
sub is_on
{
	my ($self, $case, $name) = @_;

	return is_on_way($case->{chosen}{way}, hex substr($name, 0, 8),
		segment_number($name));
}

# header_of - a hash of the fields of a segment's first page; undef: none.
sub header_of
{
	my ($self, $file, $number) = @_;
	my $bytes;

	open my $handle, '<:raw', $file or return undef;
	(read($handle, $bytes, 40) // 0) == 40 or return undef;
	my %header;
	@header{qw(magic info tli address rem_len system size)} =
	  unpack 'v v V Q< V x4 Q< V', $bytes;
	return undef
	  if $header{magic} != $self->magic
	  || !($header{info} & 2)
	  || $header{address} != $number * SEGMENT_SIZE;
	return \%header;
}

sub is_ours
{
	my ($self, $header) = @_;

	return $header->{system} == $self->{system}
	  && $header->{size} == SEGMENT_SIZE;
}

# The magic number of this version's WAL, from a segment that is right.
sub magic { return $_[0]{magic} }

# with_wal - the files of segments with WAL at its place, whole and partial:
# name, number, file.  Of this system, or of any.
sub with_wal
{
	my ($self, $directory, $any_system) = @_;
	my @found;

	foreach my $file (sort glob "$directory/*")
	{
		my ($name) = $file =~ m{/([0-9A-F]{24})(?:\.partial)?$} or next;
		my $number = segment_number($name);

		my $header = -f $file ? $self->header_of($file, $number) : undef;

		push @found, [ $name, $number, $file ]
		  if $header && ($any_system || $self->is_ours($header));
	}
	return @found;
}

# later - a segment after the LSN with WAL of the way, if there is one.
sub later
{
	my ($self, $case, $lsn) = @_;

	my @later = grep {
		$_->[1] > segment_at($lsn) && $self->is_on($case, $_->[0])
	} $self->with_wal($case->{directory});
	my @whole = grep { $_->[2] !~ /partial$/ } @later;

	return (@whole, @later)[0][2] =~ s{.*/}{}r
	  if @later;
	return undef;
}

# left_behind - a segment of a tli behind the one in which it is left, if its WAL
# is of that tli, as its name says.  The tli that comes next is "to" at the most.
sub left_behind
{
	my ($self, $case, $to) = @_;
	my %left = map { $_->[0] => $_->[1] }
	  grep { defined $_->[1] && $_->[0] < $to } @{ $case->{chosen}{way} };

	foreach my $segment ($self->with_wal($case->{directory}))
	{
		my ($name, $number, $file) = @$segment;
		my $tli = hex substr $name, 0, 8;
		my $left = $left{$tli};

		return $name
		  if defined $left
		  && $number > int(($left - 1) / SEGMENT_SIZE)
		  && $self->header_of($file, $number)->{tli} == $tli;
	}
	return undef;
}

sub has_other_system
{
	my ($self, $case) = @_;

	return scalar grep { !$self->is_ours($self->header_of(@$_[ 2, 1 ])) }
	  $self->with_wal($case->{directory}, 1);
}

sub has_nonfile
{
	my ($self, $case) = @_;

	return scalar grep { !-f $_ && -e $_ } glob "$case->{directory}/*";
}

1;

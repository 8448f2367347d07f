# BBackup::Archive::History - the rules by which a way through tlis is chosen.
#
# A history as PostgreSQL reads it (readTimeLineHistory of timeline.c), and
# which one recovery_target_timeline, or bb_ingest(tli), follows from a place.

package BBackup::Archive::History;

use strict;
use warnings;

use BBackup::WAL qw(lsn_text);
use Exporter 'import';

our @EXPORT_OK = qw(parse_history way_of choose_way history_text);

# parse_history - [ tli, begin, end ], ..., newest first; undef if the server
# refuses it.  The newest has no end.
sub parse_history
{
	my ($text, $target) = @_;
	my (@entries, $last);
	my $begin = 0;

	foreach my $line (split /\n/, $text)
	{
		next if $line =~ /^\s*(?:#|\0|$)/;
		# as sscanf with "%u\t%X/%X"
		$line =~ m{^\s*([+-]?\d+)\s*((?:0x)?[0-9A-F]+)/\s*((?:0x)?[0-9A-F]+)}i
		  or return undef;
		my ($tli, $end) = ($1, (hex($2) << 32) + hex($3));

		$tli += 2**32 if $tli < 0;
		return undef if defined $last && $tli <= $last;
		$last = $tli;
		unshift @entries, [ $tli, $begin, $end ];
		$begin = $end;
	}
	return undef if defined $last && $target <= $last;
	return [ [ $target, $begin, undef ], @entries ];
}

# history_text - the other way round.
sub history_text
{
	my ($entries) = @_;

	return join '', map { "$_->[0]\t" . lsn_text($_->[2]) . "\tno reason\n" }
	  grep { defined $_->[2] } reverse @$entries;
}

# way_of - from a place on, [ tli, LSN where it is left ], ..., oldest first;
# undef if the place isn't on it.  WAL at an LSN is of the newest tli that has
# begun there, since recovery looks for segments of the newest tli first: so a
# tli whose end is before its beginning is never on.
sub way_of
{
	my ($entries, $tli, $lsn) = @_;
	my @way;
	my $left;

	foreach my $entry (@$entries)
	{
		unshift @way, [ $entry->[0], $left ]
		  if !defined $left || $entry->[1] < $left || $entry->[0] == $tli;
		$left = $entry->[1] if !defined $left || $entry->[1] < $left;
		if ($entry->[0] == $tli)
		{
			my $end = $way[0][1];

			return undef if defined $end && $end < $lsn;
			return \@way;
		}
	}
	return undef;
}

# leads_from - is there a way to the tli?
sub leads_from
{
	my ($text, $target, $tli, $lsn) = @_;
	my $entries = defined $text ? parse_history($text, $target) : undef;

	return defined $entries && defined way_of($entries, $tli, $lsn);
}

# choose_way - histories: tli => text, or undef for a file that can't be read;
# choice: 'latest', 'current', or a number.  Returns the target and its way,
# or an error; a tli behind a gap in their numbers, to which a way leads; and the
# tlis that can't be used, and those that parted before.
sub choose_way
{
	my ($histories, $choice, $tli, $lsn) = @_;
	my %chosen = (
		target => $tli,
		way => [ [ $tli, undef ] ],
		unusable => [],
		parted => []);

	return \%chosen
	  if $choice eq 'current' || $choice =~ /^\d+$/ && $choice == $tli;
	my @candidates = sort { $b <=> $a } grep { $_ > $tli } keys %$histories;
	my $newest = $tli;

	$newest++ while exists $histories->{ $newest + 1 };
	if ($choice eq 'latest')
	{
		# one behind a gap that could be followed?
		($chosen{gap}) =
		  grep { leads_from($histories->{$_}, $_, $tli, $lsn) }
		  grep { $_ > $newest } @candidates;
		@candidates = grep { $_ <= $newest } @candidates;
	}
	else
	{
		@candidates = grep { $_ == $choice } @candidates;
	}
	foreach my $candidate (@candidates)
	{
		my $text = $histories->{$candidate};
		my $entries = defined $text ? parse_history($text, $candidate) : undef;

		if (!defined $entries)
		{
			push @{ $chosen{unusable} }, $candidate;
			next;
		}
		my $way = way_of($entries, $tli, $lsn);

		if (!defined $way)
		{
			push @{ $chosen{parted} }, $candidate
			  if grep { $_->[0] == $tli } @$entries;
			next;
		}
		@chosen{qw(target way entries)} = ($candidate, $way, $entries);
		return \%chosen;
	}
	$chosen{error} = "there is no way to tli $choice" if $choice ne 'latest';
	return \%chosen;
}

1;

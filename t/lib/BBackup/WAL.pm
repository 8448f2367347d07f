# BBackup::WAL - what an archive holds: where its records begin and end, of
# which kind they are, and LSNs that are worth a look.
#
#	my $wal = BBackup::WAL->new($archive, $start_lsn);
#	$wal->floor($lsn)			the last record end at or before it
#	$wal->choose($seed, 20)		[ LSN, why ], ...
#
# pg_waldump reads the records.  An archive may have millions of them, so only
# their bounds are kept, packed, and for each kind where its records are.
#
# LSNs are integers here; lsn_text and lsn_number convert.

package BBackup::WAL;

use strict;
use warnings;

use BBackup::Version;
use Carp;
use Exporter 'import';

our @EXPORT_OK = qw(lsn_number lsn_text);

# src/include/access/xlog_internal.h
use constant {
	PAGE_SIZE => 8192,
	SHORT_HEADER => 24,
	LONG_HEADER => 40
};

# How many places of a kind are remembered.
use constant PLACES => 50;

sub lsn_number
{
	my ($text) = @_;
	my ($high, $low) = $text =~ m{^([0-9A-F]+)/([0-9A-F]+)$}i
	  or croak "not an LSN: $text";

	return (hex($high) << 32) + hex($low);
}

sub lsn_text
{
	my ($lsn) = @_;

	return sprintf lsn_format(), $lsn >> 32, $lsn & 0xFFFFFFFF;
}

# new - read the archive from the LSN on, on the timelines that are given as
# [ tli, first LSN of the next ], ..., or on tli 1.
sub new
{
	my ($class, $archive, $start, @timelines) = @_;
	my $self = bless {
		archive => $archive,
		start => lsn_number($start),
		starts => '',
		ends => '',
		kinds => {},
		parameters => [],
		segment_size => segment_size($archive)
	}, $class;

	@timelines = ([ 1, undef ]) if !@timelines;
	my $from = $start;
	foreach my $timeline (@timelines)
	{
		$self->read_timeline($timeline->[0], $from, $timeline->[1]);
		$from = $timeline->[1];
	}
	$self->{count} = length($self->{starts}) / 8;
	croak "no records from $start on in $archive" if $self->{count} == 0;
	return $self;
}

# From the header of any segment.
sub segment_size
{
	my ($archive) = @_;
	my ($segment) = grep { m{/[0-9A-F]{24}$} } glob "$archive/*";
	my $header;

	croak "no WAL in $archive" if !defined $segment;
	open my $file, '<:raw', $segment or croak "$segment: $!";
	read($file, $header, LONG_HEADER) == LONG_HEADER or croak "$segment";
	return unpack 'x32 V', $header;
}

sub read_timeline
{
	my ($self, $tli, $from, $to) = @_;
	my @command = (
		'pg_waldump', '-p', $self->{archive}, '-t', $tli, '-s', $from);
	my $limit = defined $to ? lsn_number($to) : undef;
	my $seen = 0;

	# it ends with an error, where the archive does
	open my $dump, '-|', join(' ', map { "'$_'" } @command) . ' 2>/dev/null'
	  or croak "pg_waldump: $!";
	while (my $line = <$dump>)
	{
		my ($rmgr, $length, $high, $low, $description) = $line =~
		  m{^rmgr:\ (\S+)\s+len\ .rec/tot.:\s*\d+/\s*(\d+),\ tx:\s+\d+,
			\ lsn:\ ([0-9A-F]+)/([0-9A-F]+),\ prev\ [0-9A-F/]+,
			\ desc:\ (.*)}x
		  or next;
		my $lsn = (hex($high) << 32) + hex($low);

		last if defined $limit && $lsn >= $limit;
		my $end = $self->record_end($lsn, $length,
			$rmgr eq 'XLOG' && $description =~ /^SWITCH/);
		$self->{starts} .= pack 'Q', $lsn;
		$self->{ends} .= pack 'Q', $end;

		my $number = length($self->{starts}) / 8 - 1;
		$self->remember(kind_of($rmgr, $description), $number);
		push @{ $self->{parameters} }, [ $end, $description ]
		  if $rmgr eq 'XLOG' && $description =~ /^PARAMETER_CHANGE/;
	}
	close $dump;
	return;
}

# What tells one record from another: resource manager, name, and what makes
# a commit more than a commit.
sub kind_of
{
	my ($rmgr, $description) = @_;
	my ($name) = $description =~ /^([A-Z_+0-9]+)/;
	my $kind = "$rmgr " . ($name // '');

	if ($rmgr eq 'Transaction')
	{
		$kind .= " with $1" if $description =~ /;? (rels|subxacts): /;
		$kind .= ' and subxacts'
		  if $description =~ /rels: .* subxacts: /;
		$kind .= ' with origin' if $description =~ / origin: /;
	}
	elsif ($description =~ / FPW/)
	{
		$kind .= ' FPW';
	}
	return $kind;
}

# Some places of each kind, from all over the archive: all of them, then every
# 2nd, 4th, ...
sub remember
{
	my ($self, $kind, $number) = @_;
	my $known = $self->{kinds}{$kind} //= { count => 0, step => 1, places => [] };

	if ($known->{count}++ % $known->{step} == 0)
	{
		push @{ $known->{places} }, $number;
		if (@{ $known->{places} } > PLACES)
		{
			my $i = 0;

			$known->{places} = [ grep { $i++ % 2 == 0 } @{ $known->{places} } ];
			$known->{step} *= 2;
		}
	}
	return;
}

# record_end - where a record of that length ends, as EndRecPtr of xlogreader:
# past the headers of the pages that it continues on, and aligned.
sub record_end
{
	my ($self, $start, $length, $is_switch) = @_;
	my $segment = $self->{segment_size};
	my $position = $start;

	while (1)
	{
		my $room = PAGE_SIZE - $position % PAGE_SIZE;

		if ($length <= $room)
		{
			$position += $length;
			last;
		}
		$length -= $room;
		$position += $room;
		$position += $position % $segment == 0 ? LONG_HEADER : SHORT_HEADER;
	}
	$position = ($position + 7) & ~7;
	$position += ($segment - $position % $segment) % $segment if $is_switch;
	return $position;
}

sub start_of { return unpack 'Q', substr $_[0]{starts}, 8 * $_[1], 8 }
sub end_of { return unpack 'Q', substr $_[0]{ends}, 8 * $_[1], 8 }

sub end { return $_[0]->end_of($_[0]{count} - 1) }

# places_of - some of the records of a kind, by number.
sub places_of
{
	my ($self, $kind) = @_;

	return $self->{kinds}{$kind} ? $self->{kinds}{$kind}{places} : [];
}

# index_at - the last record that ends at or before the LSN, or -1.
sub index_at
{
	my ($self, $lsn) = @_;
	my ($low, $high) = (-1, $self->{count} - 1);

	while ($low < $high)
	{
		my $middle = ($low + $high + 1) >> 1;

		if ($self->end_of($middle) <= $lsn)
		{
			$low = $middle;
		}
		else
		{
			$high = $middle - 1;
		}
	}
	return $low;
}

# floor - the last record end at or before the LSN; where the archive is read
# from if there is none.
sub floor
{
	my ($self, $lsn) = @_;
	my $index = $self->index_at($lsn);

	return $index < 0 ? $self->{start} : $self->end_of($index);
}

# parameters_at - what XLOG_PARAMETER_CHANGE records up to the LSN say, as
# lines of postgresql.conf.
sub parameters_at
{
	my ($self, $lsn) = @_;
	my $found = '';

	foreach my $change (@{ $self->{parameters} })
	{
		last if $change->[0] > $lsn;
		$found = $change->[1];
	}
	my %value = $found =~ /(\w+)=(\w+)/g;
	my %setting = (
		max_prepared_xacts => 'max_prepared_transactions',
		max_locks_per_xact => 'max_locks_per_transaction');
	return join '',
	  map { ($setting{$_} // $_) . " = $value{$_}\n" } sort keys %value;
}

# choose - up to "budget" LSNs from "first" on, as [ LSN, why ], ascending: the
# first and the end; just before and after a record of each kind; any record
# ends; LSNs inside of records, at the bounds of pages and segments.
sub choose
{
	my ($self, $seed, $budget, $first) = @_;
	my (%chosen, @kinds, @others);

	$first //= $self->{start};
	srand $seed;
	$chosen{$first} = 'the first';
	$chosen{ $self->end } = 'the end';

	foreach my $kind (sort keys %{ $self->{kinds} })
	{
		my $places = $self->{kinds}{$kind}{places};
		my $index = $places->[ int rand @$places ];

		push @kinds, [ $self->floor($self->start_of($index)), "before $kind" ],
		  [ $self->end_of($index), "after $kind" ];
	}

	my ($from, $to) = ($self->index_at($first) + 1, $self->{count} - 1);
	my $last_page = $self->end - $self->end % PAGE_SIZE;
	for (1 .. $budget)
	{
		my $index = $from + int rand($to - $from + 1);
		my $page = int(rand($last_page - $first) + $first);
		my $inside = $self->start_of($index) + 8;

		$page -= $page % PAGE_SIZE;
		push @others, [ $self->end_of($index), 'a record end' ],
		  [ $inside, 'inside a record' ], [ $page, 'a page boundary' ],
		  [ $page + SHORT_HEADER, 'after a page header' ],
		  [ $page - $page % $self->{segment_size}, 'a segment boundary' ];
	}

	# Perl's rand is the same everywhere; List::Util's shuffle isn't
	@kinds = sort { $a->[2] <=> $b->[2] } map { [ @$_, rand ] } @kinds;
	@others = sort { $a->[2] <=> $b->[2] } map { [ @$_, rand ] } @others;
	while (%chosen < $budget && (@kinds || @others))
	{
		foreach my $candidate (shift @kinds, shift @kinds, shift @others)
		{
			next
			  if !defined $candidate
			  || $candidate->[0] < $first
			  || $candidate->[0] > $self->end;
			last if %chosen >= $budget;
			$chosen{ $candidate->[0] } //= $candidate->[1];
		}
	}
	return map { [ $_, $chosen{$_} ] } sort { $a <=> $b } keys %chosen;
}

1;

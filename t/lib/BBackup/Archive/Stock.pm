# BBackup::Archive::Stock - what stock recovery makes of a directory of WAL.
#
#	my $view = view_for_stock($directory, $archive_step, $state, $way);
#	my $stock = recover($directory, $base, $view, $target_tli, $lsn);
#
# The view is what a restore_command would give.  It differs from the
# directory that bb_ingest() reads where bbackup is meant to differ:
#
# - A ".partial" segment serves where there is no whole one of its name.  (A
#   server looks for whole ones only.)
# - A segment that was cut is filled up with zeros, from its last whole page
#   on; one that is too long is cut.  (A server gives up at a file of a wrong size, unless it is a standby:
#   then it waits for the rest.  bb_ingest() reads what there is.)
# - bb_ingest() goes on where the timeline ends, so it doesn't look at what is
#   before.  The view has that from where it came from when it was ingested.
# - A file that isn't regular counts as missing.
# - There may be several files of a segment: of tlis that part in it, partial
#   ones, such that are being copied.  Recovery takes the newest tli's; a standby
#   one of an older tli if that has the wrong size.  bb_ingest() takes a whole
#   one.  So there is a second view, which is composed, for where that matters.

package BBackup::Archive::Stock;

use strict;
use warnings;

use BBackup::Archive::History qw(history_text);
use BBackup::Archive::Standalone qw(run_standalone);
use BBackup::Files qw(copy_directory write_file slurp);
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;
use Cwd qw(abs_path);
use Exporter 'import';

our @EXPORT_OK = qw(view_for_stock recover digest histories_in
  is_on_way segments_in segment_number SEGMENT_SIZE DIGEST);

use constant SEGMENT_SIZE => 1024 * 1024;
use constant PAGE_SIZE => 8192;

# Who wrote how much, a digest of all rows, and the tables there are.
use constant DIGEST => q{SELECT }
  . q{(SELECT coalesce(string_agg(who || ':' || c, ' ' ORDER BY who), '')}
  . q{ FROM (SELECT who, count(*) AS c FROM w GROUP BY who) s)}
  . q{ || ' ' || (SELECT coalesce(md5(string_agg(concat_ws('|', who, n, t),}
  . q{ ',' ORDER BY who, n, t)), '') FROM w)}
  . q{ || ' ' || (SELECT coalesce(md5(string_agg(relname, ','}
  . q{ ORDER BY relname)), '') FROM pg_class WHERE relname LIKE 't\_%')}
  . q{ AS digest};

sub segment_number
{
	my ($name) = @_;

	return hex(substr $name, 8, 8) * (2**32 / SEGMENT_SIZE) +
	  hex substr $name, 16, 8;
}

sub names_in
{
	my ($directory) = @_;

	opendir my $dir, $directory or croak "$directory: $!";
	return grep { -f "$directory/$_" } readdir $dir;
}

# histories_in - tli => text; undef for what isn't a file.
sub histories_in
{
	my ($directory) = @_;
	my %found;

	opendir my $dir, $directory or croak "$directory: $!";
	foreach my $name (readdir $dir)
	{
		next if $name !~ /^([0-9A-F]{8})\.history$/;
		# a link to nothing isn't there
		next if !-e "$directory/$name";
		$found{ hex $1 } =
		  -f "$directory/$name" ? slurp("$directory/$name") : undef;
	}
	return \%found;
}

# segments_in - name => file: whole ones before partial ones.
sub segments_in
{
	my ($directory) = @_;
	my %found;

	foreach my $name (sort(names_in($directory)))
	{
		next if $name !~ /^([0-9A-F]{24})(\.partial)?$/;
		$found{$1} //= "$directory/$name";
	}
	return \%found;
}

# view_for_stock - state: lsn, tli, ancestors (as parse_history has them),
# consumed: name => file of segments up to the LSN.
sub view_for_stock
{
	my ($view, $directory, $state, $chosen, $is_composed) = @_;
	my $now = int($state->{lsn} / SEGMENT_SIZE);
	my $offset = $state->{lsn} % SEGMENT_SIZE;
	my $segments =
	  $is_composed
	  ? compose("$view.composed", $directory, $state, $chosen->{way})
	  : segments_in($directory);
	my %consumed = %{ $state->{consumed} };

	mkdir $view or croak "$view: $!";
	my ($mine) = grep { segment_number($_) == $now } keys %consumed;
	my $before =
	  $offset > 0 && defined $mine ? full($consumed{$mine}) : undef;
	foreach my $name (keys %$segments)
	{
		my $number = segment_number($name);

		next if $number < $now;
		if ($number == $now && defined $before)
		{
			write_file("$view/$name",
				joined($before, full($segments->{$name}), $offset));
		}
		elsif (-s $segments->{$name} != SEGMENT_SIZE)
		{
			write_file("$view/$name", full($segments->{$name}));
		}
		else
		{
			# of a symbolic link, what it leads to
			link abs_path($segments->{$name}), "$view/$name"
			  or croak "$view/$name: $!";
		}
	}
	foreach my $name (keys %consumed)
	{
		next if segment_number($name) > $now || -e "$view/$name";
		write_file("$view/$name", segment_number($name) < $now
			? slurp($consumed{$name})
			: substr($before // '', 0, $offset)
			  . "\0" x (SEGMENT_SIZE - $offset));
	}

	# histories: of the target, as far as it is bbackup's to know
	my $histories = histories_in($directory);
	foreach my $tli (keys %$histories)
	{
		write_file(sprintf('%s/%08X.history', $view, $tli),
			$histories->{$tli})
		  if defined $histories->{$tli};
	}
	my $target = $chosen->{target};
	my @entries = grep { $_->[0] >= $state->{tli} } @{ $chosen->{entries} // [] };
	if (   $target > 1
		&& (!$state->{fresh} || $target == $state->{tli})
		&& (@{ $state->{ancestors} } || @entries > 1))
	{
		write_file(sprintf('%s/%08X.history', $view, $target),
			history_text([ @entries, @{ $state->{ancestors} } ]));
	}
	return $view;
}

# compose - a segment each, out of the files that there are of it: WAL of each
# tli from one of that tli or a newer one on the way, of those that are whole
# the newest, or else of the others.  Where a file ends, the next best goes on.
sub compose
{
	my ($directory, $from, $state, $way) = @_;
	my (%files, %found);

	mkdir $directory or croak "$directory: $!";
	foreach my $name (sort(names_in($from)))
	{
		my ($segment, $partial) = $name =~ /^([0-9A-F]{24})(\.partial)?$/
		  or next;
		my $tli = hex substr $name, 0, 8;
		my $whole = !$partial && -s "$from/$name" == SEGMENT_SIZE;

		push @{ $files{ segment_number($name) } },
		  [ $tli, $whole ? 1 : 0, $partial ? 1 : 0, "$from/$name" ];
	}
	foreach my $number (keys %files)
	{
		my @files = sort {
			$b->[1] <=> $a->[1] || $b->[0] <=> $a->[0] || $a->[2] <=> $b->[2]
		} @{ $files{$number} };
		my $begin = $number * SEGMENT_SIZE;
		my $bytes = "\0" x SEGMENT_SIZE;
		my ($from, $last) = (0);

		foreach my $part (@$way)
		{
			my ($tli, $to) = @$part;
			my $low = $from > $begin ? $from - $begin : 0;
			my $high =
			  defined $to && $to < $begin + SEGMENT_SIZE
			  ? $to - $begin
			  : SEGMENT_SIZE;

			$from = $to;
			# (a tli may be left where the segment begins)
			next if $low >= SEGMENT_SIZE || $high <= $low;
			my @fitting = grep {
				my $file = $_;
				$file->[0] >= $tli && is_on_way($way, $file->[0], $number);
			} @files;

			for (my $at = $low; $at < $high;)
			{
				my $next = $at - $at % PAGE_SIZE + PAGE_SIZE;
				my ($file) = grep { -s $_->[3] >= $next } @fitting;

				last if !defined $file;
				$next = $high if $next > $high;
				my $page = page_of($file->[3], $at, $next - $at);
				substr($bytes, $at, length $page) = $page;
				$at = $next;
				$last = $tli if !defined $last || $file->[0] > $last;
			}
		}
		next if !defined $last;
		my $name = sprintf '%08X%08X%08X', $last, int($number / 4096),
		  $number % 4096;
		write_file("$directory/$name", $bytes);
		$found{$name} = "$directory/$name";
	}
	return \%found;
}

sub page_of
{
	my ($file, $at, $length) = @_;
	my $bytes;

	open my $handle, '<:raw', $file or croak "$file: $!";
	seek $handle, $at, 0;
	read $handle, $bytes, $length;
	return $bytes;
}

# is_on_way - is that segment of a tli on the way?
sub is_on_way
{
	my ($way, $tli, $number) = @_;
	my $from = 0;

	foreach my $part (@$way)
	{
		return $number >= int($from / SEGMENT_SIZE)
		  && (!defined $part->[1] || $number <= int($part->[1] / SEGMENT_SIZE))
		  if $part->[0] == $tli;
		$from = $part->[1];
	}
	return 0;
}

sub full
{
	my ($file) = @_;
	my $bytes = substr slurp($file), 0, SEGMENT_SIZE;

	# a page is read as a whole, or isn't (XLogPageRead)
	$bytes = substr $bytes, 0, length($bytes) - length($bytes) % PAGE_SIZE;
	return $bytes . "\0" x (SEGMENT_SIZE - length $bytes);
}

# The part that was ingested, and the rest of another file.  Headers of pages
# are looked at again: the first of the segment, and that of the page of the
# LSN.
sub joined
{
	my ($before, $after, $offset) = @_;
	my $page = $offset - $offset % PAGE_SIZE;
	my $bytes = substr($before, 0, $offset) . substr $after, $offset;

	foreach my $at (0, $page)
	{
		next if $at >= $offset;
		my $old = substr $bytes, $at, $at == 0 ? 40 : 24;
		my $new = substr $after, $at, length $old;

		# how much goes on from the page before is known
		substr($new, 2, 2) = substr $old, 2, 2
		  if unpack('x2 v', $new) < 16;
		substr($new, 16, 4) = substr $old, 16, 4;
		# all pages of a clone's first segment are of its own tli
		substr($new, 4, 4) = substr $old, 4, 4
		  if unpack('x4 V', $new) > unpack('x4 V', $old);
		substr($bytes, $at, length $new) = $new;
	}
	return $bytes;
}

# recover - a hash: log; lsn, tli and digest where it ended; or failed, why it
# didn't, and failed_at, the record.
sub recover
{
	my ($directory, $base, $view, $target, $lsn) = @_;
	my %stock;

	copy_directory($base->{lean}, $directory);
	write_file("$directory/recovery.signal", '');
	my ($log, @values) = run_standalone(
		$directory,
		[
			'archive_mode=off',
			"restore_command=cp $view/%f %p 2>/dev/null",
			"recovery_target_timeline=$target",
			defined $lsn
			? (
				'recovery_target_lsn=' . lsn_text($lsn),
				'recovery_target_inclusive=off',
				'recovery_target_action=promote')
			: ()
		],
		DIGEST,
		'SELECT timeline_id, prev_timeline_id FROM pg_control_checkpoint()');
	my %value = map { @$_ } @values;

	$stock{log} = $log;
	if (!defined $value{timeline_id})
	{
		($stock{failed}) = $log =~ /(?:FATAL|PANIC):  (.*)/;
		$stock{failed} //= $log;
		# the machine's trouble is no verdict
		croak $stock{failed}
		  if $stock{failed} =~ /No space left|could not create|out of memory/i;
		$stock{failed_at} = lsn_number($1)
		  if $log =~ /(?:FATAL|PANIC): .*\n(?:.*\n)*?.*CONTEXT:  WAL redo at (\S+)/;
	}
	else
	{
		my $history = slurp(sprintf '%s/pg_wal/%08X.history',
			$directory, $value{timeline_id});
		my ($end) = $history =~ m{^\d+\t(\S+)\t[^\n]*\n*\z}m;

		$stock{lsn} = lsn_number($end);
		$stock{tli} = $value{prev_timeline_id};
		$stock{digest} = $value{digest};
		$stock{restored} =
		  [ $log =~ /restored log file "([0-9A-F]{24})"/g ];
	}
	system 'rm', '-rf', $directory;
	return \%stock;
}

# digest - of a data directory that starts by itself.
sub digest
{
	my ($directory) = @_;
	my ($log, @values) =
	  run_standalone($directory, ['archive_mode=off'], DIGEST);
	my %value = map { @$_ } @values;

	return $value{digest} // "no start: $log";
}

1;

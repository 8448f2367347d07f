# BBackup::Archive::Judge - is what bb_ingest() makes of an archive what stock
# recovery makes of it?
#
#	my $judge = BBackup::Archive::Judge->new($store, $directory);
#	$judge->import_bases($family);
#	my @faults = $judge->try($archive, $with_files);
#	$judge->{outcomes}		how often each came
#
# For each call of bb_ingest() stock PostgreSQL recovers the same base with
# the same WAL.  Then, with X where stock ended and E where bbackup did:
#
# - Success: E is X, and on the same tli.
# - An error: it is of a kind that fits what is wrong, and E is X too, except
#   where bbackup refuses a directory before it reads it; then E isn't behind X.
# - In both cases a backup at E has the rows that stock has there, and, of some
#   archives, the files.
#
# Where bbackup is meant to differ from stock:
#
# - It has to fail where stock ends with a message in the log though the
#   directory has later WAL of the way: a file in a later segment, of a tli
#   that is on there, that begins as it should.
# - The tlis: 'latest' is the newest with a history that leads there from where
#   the timeline is.  Stock takes the newest, and fails if it leads elsewhere or
#   has a history that can't be read.  So stock is told the number
#   (BBackup::Archive::History).  Both know only tlis that are numbered without
#   a gap; bbackup refuses if there is one behind a gap that it could follow.
# - A tli begins where its history says, or it is an error.  Stock doesn't look.
# - Where a tli is left, it is left.  Stock reads on in the old tli's segment if
#   the new one's isn't there, past the point that the history names.
# - With 'latest', it refuses to leave a tli which goes on in the directory, in
#   segments after the one in which it is left.
# - Stock panics at a record that it can't replay.  bbackup fails before it.
# - BBackup::Archive::Stock has the files that bbackup reads and stock doesn't,
#   and the other way round.

package BBackup::Archive::Judge;

use strict;
use warnings;

use BBackup qw(ask start_session end_session wait_for_restart);
use BBackup::Archive::Calls;
use BBackup::Archive::History qw(choose_way parse_history);
use BBackup::Archive::Look qw(record_start segment_at);
use BBackup::Archive::Stock
  qw(view_for_stock recover digest histories_in segments_in segment_number
  SEGMENT_SIZE);
use BBackup::Compare;
use BBackup::Files qw(copy_directory write_file slurp);
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;
use Time::HiRes qw(usleep);

our @ISA = qw(BBackup::Archive::Calls BBackup::Archive::Look);

sub new
{
	my ($class, $store, $directory) = @_;
	my $self = bless {
		store => $store,
		directory => $directory,
		session => start_session($store),
		outcomes => {},
		tries => 0
	}, $class;

	$self->{has_tli} = ask($self->{session},
			q(SELECT 'tli' = ANY(proargnames[1:pronargs]) FROM pg_proc)
		  . q( WHERE proname = 'bb_ingest')) eq 't';
	ask($self->{session}, q(SET statement_timeout = '2min'));
	return $self;
}

sub count
{
	my ($self, $outcome) = @_;

	$self->{outcomes}{$outcome}++;
	return;
}

# ---- the way of an archive ----

# try - all steps of an archive; returns what is wrong, a text each.
sub try
{
	my ($self, $archive, $with_files) = @_;
	my $base = $archive->{base};
	my %state = (
		lsn => $base->{is_backup} ? $base->{redo} : $base->{lsn},
		tli => $base->{tli},
		fresh => 1,
		ancestors => [],
		consumed => $base->{is_backup} ? {} : {
			$base->{segment} =~ s{.*/}{}r => $base->{segment}
		});
	my @faults;

	my $known = parse_history($base->{history}, $base->{tli});
	shift @$known;
	$state{ancestors} = $known;
	$self->{number} = 0;
	$self->{log} = [];
	ask($self->{session},
			"SELECT bb_create_branch(timeline => 'try',"
		  . " ancestor => 'base$base->{number}')")
	  if !$base->{is_backup};
	foreach my $step (@{ $archive->{steps} })
	{
		if ($state{fresh} && $base->{is_backup})
		{
			@faults = $self->step(\%state, $base, $step->{directory}, 'import');
			last if @faults;
			# with the next step's WAL, perhaps
			next if $state{fresh};
		}

		my $choice = $self->{has_tli} ? $step->{tli} : 'latest';
		my $until = $step->{until};

		undef $until
		  if defined $until && lsn_number($until) < $state{lsn};
		@faults = $self->step(\%state, $base, $step->{directory}, $choice,
			$until, $with_files);
		last if @faults;
	}
	# it may not have been made
	scalar ask($self->{session}, "SELECT bb_drop_timeline('try')");
	$self->{tries}++;
	system 'rm', '-rf', glob "$self->{directory}/{view,stock,clone}*";
	return @faults;
}

# step - one call of bb_ingest().
sub step
{
	my ($self, $state, $base, $directory, $choice, $until, $with_files) = @_;
	my $is_import = $choice eq 'import';
	my $chosen = choose_way(histories_in($directory),
		$is_import ? 'latest' : $choice, $state->{tli}, $state->{lsn});
	my $ours =
	  $is_import
	  ? $self->import_backup($state, $base, $directory)
	  : $self->ingest($directory, $choice, $until);
	my (%case, @faults);

	foreach my $is_composed (0, 1)
	{
		my $view = view_for_stock("$self->{directory}/view" . ++$self->{number},
			$directory, $state, $chosen, $is_composed);
		my $stock = recover("$self->{directory}/stock",
			$base, $view, $chosen->{target});

		%case = (
			state => $state,
			base => $base,
			view => $view,
			directory => $directory,
			choice => $choice,
			until => defined $until ? lsn_number($until) : undef,
			chosen => $chosen,
			stock => $stock,
			ours => $ours);
		my @found = $self->judge(\%case);
		@found = $self->compare_rows(\%case)
		  if !@found && $ours->{lsn} > $state->{lsn};
		@found = $self->compare_files(\%case)
		  if !@found && $ours->{lsn} > $state->{lsn} && $with_files;
		$self->note_case(\%case, \@found);
		push @faults, @found;
		@faults = () if !@found;
		last if !@found || $ours->{crashed};
	}
	return @faults if @faults;
	$self->count($case{outcome});
	$self->go_on(\%case);

	# told which one, it goes on
	my $kind = $ours->{kind} // '';
	my $told =
	    $kind eq 'both go on' ? $chosen->{target}
	  : $kind eq 'history gap' ? $chosen->{gap}
	  : $kind eq 'no way' ? 'latest'
	  : undef;
	return $self->step($state, $base, $directory, $told, $until, $with_files)
	  if defined $told && $choice ne $told;
	return ();
}

sub note_case
{
	my ($self, $case, $faults) = @_;
	my ($state, $chosen, $stock, $ours) = @$case{qw(state chosen stock ours)};

	push @{ $self->{log} },
	  join "\n",
	  'from '
	  . lsn_text($state->{lsn})
	  . " on tli $state->{tli}, '$case->{choice}' is $chosen->{target} by "
	  . join(', ',
		map { $_->[0] . (defined $_->[1] ? ' to ' . lsn_text($_->[1]) : '') }
		  @{ $chosen->{way} }),
	  $ours->{call},
	  'stock: '
	  . (
		defined $stock->{failed}
		? $stock->{failed}
		: lsn_text($stock->{lsn}) . " on tli $stock->{tli}, $stock->{digest}"),
	  (grep { /restored log file "[0-9A-F]{24}"|prev|invalid|unexpected|record|redo/ }
		  split /\n/, $stock->{log}),
	  'bbackup: '
	  . (defined $ours->{lsn}
		? lsn_text($ours->{lsn}) . " on tli $ours->{tli}"
		: 'crashed'),
	  $ours->{messages},
	  map { "FAULT: $_" } @$faults;
	return;
}

# The WAL that has been ingested is the state for the next call.
sub go_on
{
	my ($self, $case) = @_;
	my ($state, $ours, $chosen) = @$case{qw(state ours chosen)};
	my $now = int($ours->{lsn} / SEGMENT_SIZE);
	my $view = segments_in($case->{view});

	return if $ours->{lsn} == $state->{lsn};
	# the file that recovery took of each: that of the newest tli on the way
	my %best;
	foreach my $name (sort keys %$view)
	{
		my $number = segment_number($name);

		next if $number > $now || !$self->is_on($case, $name);
		$best{$number} = $name;
	}
	my $consumed = $state->{consumed};
	delete $consumed->{$_}
	  foreach grep { $best{ segment_number($_) } } keys %$consumed;
	$consumed->{$_} = $view->{$_} foreach values %best;
	if ($ours->{tli} != $state->{tli})
	{
		my @left = grep { $_->[0] < $ours->{tli} } @{ $chosen->{entries} };

		$state->{ancestors} = [
			(grep { $_->[0] >= $state->{tli} } @left),
			@{ $state->{ancestors} }
		];
	}
	$state->{fresh} = 0;
	@$state{qw(lsn tli)} = @$ours{qw(lsn tli)};
	return;
}

# ---- the rules ----

# judge - the end, and the message.
sub judge
{
	my ($self, $case) = @_;
	my ($state, $chosen, $stock, $ours, $until) =
	  @$case{qw(state chosen stock ours until)};
	my $start = $state->{lsn};

	return 'the server crashed' if $ours->{crashed};
	return "an internal error: $ours->{error}"
	  if ($ours->{sqlstate} // '') =~ /^XX0/ && ($ours->{sqlstate} // '') ne 'XX001';
	return 'it took too long' if ($ours->{sqlstate} // '') eq '57014';
	return 'it went back' if $ours->{lsn} < $start;
	return "the row says $ours->{row_lsn} on tli $ours->{row_tli}"
	  if defined $ours->{row_lsn}
	  && ($ours->{row_lsn} ne lsn_text($ours->{lsn})
		|| $ours->{row_tli} != $ours->{tli});
	return "an error of no known kind: $ours->{error}"
	  if defined $ours->{error}
	  && !defined $ours->{kind}
	  && $case->{choice} ne 'import';

	# where it ends, if it is exact
	if ($case->{choice} eq 'import')
	{
		# stock fails where the base never gets consistent, and so does it
		return "it took a base that stock doesn't: $stock->{failed}"
		  if defined $stock->{failed} && !defined $ours->{error};
		return "it took no base: $ours->{error}"
		  if !defined $stock->{failed}
		  && defined $ours->{error}
		  && !$self->is_in_the_way($case);
		return "a timeline is left: $ours->{error}"
		  if defined $ours->{error} && $ours->{error} =~ /a timeline is left/;
		return 'it took more than there is'
		  if !defined $ours->{error} && $ours->{lsn} > $stock->{lsn};
		$case->{outcome} = defined $ours->{error} ? 'no import' : 'import';
		return ();
	}
	my $end = $stock->{lsn};
	my $tli = $stock->{tli};
	my $why = 'the same end';
	if (defined $stock->{failed_at})
	{
		$end = $stock->{failed_at};
		$why = 'stock panics';
	}
	elsif (defined $stock->{failed} || $end <= $start)
	{
		($end, $tli) = ($start, $state->{tli});
		$why = 'nothing new';
	}
	else
	{
		my $left = $self->left_at($case);

		if (defined $left && $end > $left)
		{
			$end = $left;
			$why = 'held where the tli is left';
		}
	}
	my $is_exact = $why eq 'the same end' || $why eq 'nothing new';
	my $limit = $end;
	if (defined $until && $until < $end)
	{
		$limit = $until;
		$is_exact = 0;
		$why = 'until';
	}
	return
		"it went on to "
	  . lsn_text($ours->{lsn})
	  . ", which is past "
	  . lsn_text($limit)
	  . ($why eq 'stock panics' ? ": $stock->{failed}" : '')
	  if $ours->{lsn} > $limit;

	return $self->judge_error($case, $end, $is_exact, $why)
	  if defined $ours->{error};

	return 'it found a way though ' . $chosen->{error} if $chosen->{error};
	return "it didn't mind that tli $chosen->{gap} has no history"
	  if defined $chosen->{gap};
	return 'it ended at '
	  . lsn_text($ours->{lsn})
	  . ' rather than '
	  . lsn_text($end)
	  if $is_exact && $ours->{lsn} != $end;
	return "it is on tli $ours->{tli} rather than $tli"
	  if $is_exact && $ours->{tli} != $tli;
	return "stock panics, and it says nothing: $stock->{failed}"
	  if $why eq 'stock panics';
	if (!$is_exact)
	{
		my $fault = $self->check_floor($case, $limit);

		return $fault if defined $fault;
	}
	# it read as far as it was told, and there may be anything after that
	my $is_told = defined $until && record_start($ours->{lsn}) >= $until;
	if ($why ne 'until' && !$is_told)
	{
		my $later = $self->later($case, $ours->{lsn});

		# of a partial one, which recovery doesn't know, it is enough to tell
		return 'it ended at '
		  . lsn_text($ours->{lsn})
		  . " without a word, though there is $later"
		  if defined $later
		  && ($later !~ /partial/
			|| $ours->{messages} !~ /NOTICE:.* ends at /);
		return 'it ended before '
		  . lsn_text($until)
		  . ' without a word'
		  if defined $until;
	}
	if ($self->{has_tli} && $case->{choice} eq 'latest' && $ours->{lsn} > $start)
	{
		my $left = $self->left_behind($case, $ours->{tli});

		return "it left a tli that goes on in $left" if defined $left;
	}
	$case->{outcome} = $why;
	return ();
}

# is_in_the_way - is there a reason to refuse the import of a base that stock
# recovers?  An end of ingest before the base is consistent does.
sub is_in_the_way
{
	my ($self, $case) = @_;
	my $kind = $case->{ours}{kind} // '';

	return $kind eq 'another system' && $self->has_other_system($case)
	  || $kind eq 'not a file' && $self->has_nonfile($case)
	  || $kind eq 'history gap' && defined $case->{chosen}{gap}
	  || $kind eq 'both go on' && defined $self->left_behind($case, $case->{chosen}{target})
	  || $kind eq 'fork in a record'
	  || $kind eq 'switch elsewhere';
}

# judge_error - is it one that fits, and has all before it been kept?
sub judge_error
{
	my ($self, $case, $end, $is_exact, $why) = @_;
	my ($ours, $until) = @$case{qw(ours until)};
	my $kind = $ours->{kind};
	my %fits = (
		'missing segment' => sub { defined $self->later($case, $ours->{lsn}) },
		'broken record' => sub { defined $self->later($case, $ours->{lsn}) },
		'other WAL' => sub { $why eq 'nothing new' },
		'ends before until' => sub { defined $until },
		'until is past' => sub { defined $until },
		'no WAL' => sub { !grep { /^[0-9A-F]{24}(?:\.partial)?$/ }
			  map { s{.*/}{}r } glob "$case->{directory}/*" },
		'another system' => sub { $self->has_other_system($case) },
		'not a file' => sub { $self->has_nonfile($case) },
		'wrong tli' => sub { $why eq 'stock panics' },
		'broken link' => sub { defined $self->later($case, $ours->{lsn}) },
		'fork in a record' => sub { $self->forks_inside($case) },
		'switch elsewhere' => sub {
			!grep { defined $_->[1] && $_->[1] == $ours->{lsn} }
			  @{ $case->{chosen}{way} };
		},
		'history gap' => sub { defined $case->{chosen}{gap} },
		'both go on' => sub { defined $self->left_behind($case, $case->{chosen}{target}) },
		'no way' => sub { defined $case->{chosen}{error} });

	$fits{'missing segment'} = sub { 1 }
	  if defined $until && record_start($ours->{lsn}) < $until;
	return "an error that nothing is behind: $ours->{error}"
	  if !$fits{$kind}->();

	# what is read has to be read up to there
	my $has_read = $kind =~ /missing|broken|ends before/;
	return 'it kept what is before '
	  . lsn_text($ours->{lsn})
	  . ', not all before '
	  . lsn_text($end)
	  if $has_read && $is_exact && $ours->{lsn} != $end;
	$case->{outcome} = "refused: $kind";
	return ();
}

# left_at - where stock left the way, if it did: it read a segment that isn't
# on it, or past the point where a tli is left.
sub left_at
{
	my ($self, $case) = @_;
	my $stock = $case->{stock};
	my @way = @{ $case->{chosen}{way} };
	my $strayed = (grep { !$self->is_on($case, $_) } @{ $stock->{restored} })[0];
	my $tli = defined $strayed ? hex substr $strayed, 0, 8 : $stock->{tli};
	my $left;

	# what was ingested before is no part of the way
	undef $strayed
	  if defined $strayed && $tli < $case->{state}{tli};
	foreach my $part (@way)
	{
		$left = $part->[1] if $part->[0] <= $tli;
	}
	return $left;
}

# check_floor - no record ends between where bbackup ended and the limit.
sub check_floor
{
	my ($self, $case, $limit) = @_;
	my $lsn = $case->{ours}{lsn};

	return undef if $lsn == $limit;
	# the record that begins there is the last one that stock replays
	my $stock = recover("$self->{directory}/stock", $case->{base},
		$case->{view}, $case->{chosen}{target}, record_start($lsn) + 1);
	my $next = $stock->{lsn} // $case->{stock}{lsn} // $lsn;

	return undef if $next > $limit || $next == $lsn;
	return 'it ended at '
	  . lsn_text($lsn)
	  . ' though there is a record from there to '
	  . lsn_text($next);
}

# forks_inside - is a tli left inside of the record that follows?
sub forks_inside
{
	my ($self, $case) = @_;
	my $lsn = $case->{ours}{lsn};
	my $stock = recover("$self->{directory}/stock", $case->{base},
		$case->{view}, $case->{chosen}{target}, record_start($lsn) + 1);
	my $next = $stock->{lsn} // $case->{stock}{lsn};

	return !defined $next
	  || grep { defined $_->[1] && $_->[1] > $lsn && $_->[1] < $next }
	  @{ $case->{chosen}{way} };
}

# stock_at - stock where bbackup is.
sub stock_at
{
	my ($self, $case) = @_;
	my ($stock, $ours) = @$case{qw(stock ours)};

	return $stock
	  if defined $stock->{lsn} && $stock->{lsn} == $ours->{lsn};
	return recover("$self->{directory}/stock",
		$case->{base}, $case->{view}, $case->{chosen}{target}, $ours->{lsn});
}

sub compare_rows
{
	my ($self, $case) = @_;
	my $ours = $case->{ours};
	my $stock = $self->stock_at($case);
	my ($clone, $answer) = $self->restore($ours->{lsn});

	return "stock can't be recovered to there: $stock->{failed}"
	  if defined $stock->{failed};
	return "no backup: $answer" if !defined $clone;
	return "stock ended at " . lsn_text($stock->{lsn}) . " when told to"
	  if $stock->{lsn} != $ours->{lsn};
	my $digest = digest($clone);

	system 'rm', '-rf', $clone;
	return "it has $digest; stock has $stock->{digest}"
	  if $digest ne $stock->{digest};
	$self->{compared}++;
	return ();
}

# compare_files - with those of a server that was recovered, promoted and
# stopped.
sub compare_files
{
	my ($self, $case) = @_;
	my $directory = "$self->{directory}/stockfiles";
	my $ours = $case->{ours};
	my $stock = $case->{stock};
	my $log = "$directory.log";

	copy_directory($case->{base}{lean}, $directory);
	write_file("$directory/recovery.signal", '');
	open my $conf, '>>', "$directory/postgresql.conf" or croak $!;
	print $conf qq(
archive_mode = off
unix_socket_directories = '$self->{directory}'
restore_command = 'cp $case->{view}/%f %p 2>/dev/null'
recovery_target_timeline = '$case->{chosen}{target}'
hot_standby = on
max_logical_replication_workers = 0
);
	print $conf "recovery_target_lsn = '" . lsn_text($ours->{lsn})
	  . "'\nrecovery_target_inclusive = off\n"
	  . "recovery_target_action = promote\n"
	  if !defined $stock->{lsn} || $stock->{lsn} != $ours->{lsn};
	close $conf;
	unlink $log;
	system("pg_ctl start -s -w -D $directory -l $log >/dev/null 2>&1");
	for (1 .. 3000)
	{
		last
		  if slurp($log) =~
		  /is ready to accept connections|FATAL|PANIC|shutting down/;
		usleep(20_000);
	}
	system("pg_ctl stop -s -w -D $directory >/dev/null 2>&1");
	return "a server doesn't recover: " . slurp($log)
	  if slurp($log) !~ /is ready to accept connections/;

	my ($clone, $answer) = $self->restore($ours->{lsn});
	return "no backup: $answer" if !defined $clone;
	# the number of the new tli is anybody's
	my @differences =
	  grep { $_->{what} !~ /TimeLineID$/ }
	  compare_directories($directory, $clone);

	system 'rm', '-rf', $clone, $directory;
	$self->{files_compared}++;
	return map {
		"$_->{file}" . (defined $_->{block} ? " block $_->{block}" : '')
		  . ": $_->{what}"
	} @differences;
}

sub end
{
	my ($self) = @_;

	end_session($self->{session});
	return;
}

1;

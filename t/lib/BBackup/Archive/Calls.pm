# BBackup::Archive::Calls - what the judge asks of bbackup.
#
# A part of BBackup::Archive::Judge: an object has the store's "session".

package BBackup::Archive::Calls;

use strict;
use warnings;

use BBackup qw(ask start_session wait_for_restart);
use BBackup::Files qw(slurp);
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;

# The text of an error, and its kind.
my @errors = (
	[ qr/^WAL segment .* is missing/, 'missing segment' ],
	[ qr/^WAL record at .* is broken/, 'broken record' ],
	[ qr/^WAL record at .* does not continue the WAL/, 'broken link' ],
	[ qr/^WAL record at .* does not agree with the timeline history/,
		'fork in a record' ],
	[ qr/^WAL in directory .* does not continue the timeline/, 'other WAL' ],
	[ qr/^WAL in directory .* goes on under timeline IDs/, 'both go on' ],
	[ qr/^WAL in directory .* ends at/, 'ends before until' ],
	[ qr/^LSN .* is before the end/, 'until is past' ],
	[ qr/^directory .* has no WAL/, 'no WAL' ],
	[ qr/another database system|another segment size/, 'another system' ],
	[ qr/not a regular file|could not (?:open|read|stat) file/, 'not a file' ],
	[ qr/^WAL changes from timeline ID .* don't say/, 'switch elsewhere' ],
	[ qr/^WAL changes from timeline ID|^checkpoint record at .* timeline ID/,
		'wrong tli' ],
	[ qr/^timeline history file .* is missing/, 'history gap' ],
	[
		qr/^timeline ID .* does not|^WAL of timeline ID .* cannot be followed|^timeline history file .* is not valid/,
		'no way'
	]);

# import_bases - each as a timeline, from which all archives branch.
sub import_bases
{
	my ($self, $family) = @_;

	foreach my $base (grep { !$_->{is_backup} } $family->bases)
	{
		my $lsn = ask($self->{session}, 'SELECT lsn FROM bb_import_directory('
			  . "'$base->{directory}', timeline => 'base$base->{number}')");

		$lsn =~ m{^[0-9A-F]+/[0-9A-F]+$} or croak "import: $lsn";
		$base->{lsn} = lsn_number($lsn);
		@$self{qw(magic system)} = unpack 'v x22 Q<', slurp($base->{segment});
	}
	return;
}

# make_clone - a data directory out of the store: the base, with the WAL that a
# restore_command would find in the directory, at an LSN, or at its end.
sub make_clone
{
	my ($self, $base, $wal, $lsn, $directory) = @_;
	my $session = $self->{session};

	ask($session, "SELECT bb_import_directory('$base->{directory}',"
		  . " timeline => 'parent')");
	ask($session, "SELECT bb_ingest('$wal', timeline => 'parent')");
	my $answer = ask($session, "SELECT 'row', restored_lsn FROM bb_restore("
		  . "directory => '$directory', timeline => 'parent'"
		  . (defined $lsn ? ", lsn => '$lsn'" : '') . ')');
	# where the LSN is not to be had
	$answer = ask($session,
			"SELECT 'row', restored_lsn FROM bb_restore("
		  . "directory => '$directory', timeline => 'parent')")
	  if $answer !~ /^row/m;
	ask($session, "SELECT bb_drop_timeline('parent')");
	return $answer =~ /^row/m;
}

sub forget_bases
{
	my ($self, $family) = @_;

	ask($self->{session}, "SELECT bb_drop_timeline('base$_->{number}')")
	  foreach grep { !$_->{is_backup} } $family->bases;
	return;
}

# ---- bbackup ----

sub ingest
{
	my ($self, $directory, $choice, $until) = @_;

	return $self->call("SELECT 'row', end_lsn, tli FROM bb_ingest('$directory',"
		  . " timeline => 'try'"
		  . (defined $until ? ", until => '$until'" : '')
		  . ($self->{has_tli} ? ", tli => '$choice'" : '')
		  . ')');
}

# call - a hash: error, sqlstate, kind; messages; and the timeline's state.
sub call
{
	my ($self, $call) = @_;
	my $answer = ask($self->{session}, $call);
	my %found = (call => $call, messages => $answer // 'psql is gone');

	if (!defined $answer || $answer =~ /server closed the connection|FATAL:|PANIC:/)
	{
		$found{crashed} = 1;
		wait_for_restart($self->{store});
		$self->{session} = start_session($self->{store});
		return \%found;
	}
	if ($answer =~ /^ERROR:  (\w{5}): (.*)$/m)
	{
		@found{qw(sqlstate error)} = ($1, $2);
		($found{kind}) =
		  map { $_->[1] } grep { $found{error} =~ $_->[0] } @errors;
	}
	else
	{
		@found{qw(row_lsn row_tli)} = $answer =~ /^row\|([^|]+)\|(\d+)$/m;
	}
	my $state = ask($self->{session},
		q(SELECT end_lsn, tli FROM bb_timelines() WHERE timeline = 'try'));
	if ($state =~ m{^([0-9A-F]+/[0-9A-F]+)\|(\d+)$})
	{
		@found{qw(lsn tli)} = (lsn_number($1), $2);
	}
	return \%found;
}

# import_backup - the same, of the import of a base backup with the WAL of a
# directory.
sub import_backup
{
	my ($self, $state, $base, $directory) = @_;
	my $found = $self->call("SELECT 'row', lsn, $state->{tli} FROM"
		  . " bb_import_directory('$base->{directory}', timeline => 'try',"
		  . " wal_directory => '$directory')");

	return $found if $found->{crashed};
	if (defined $found->{error})
	{
		my $left = ask($self->{session},
			q(SELECT count(*) FROM bb_timelines() WHERE timeline = 'try'));

		$found->{error} .= ' (and a timeline is left)' if $left ne '0';
		@$found{qw(lsn tli)} = @$state{qw(lsn tli)};
	}
	else
	{
		# that of the directory of the base says nothing of the way
		$found->{row_tli} = $found->{tli};
	}
	return $found;
}

# restore - a data directory of what was ingested.
sub restore
{
	my ($self, $lsn) = @_;
	my $directory = "$self->{directory}/clone";
	my $answer = ask($self->{session},
			"SELECT 'row', restored_lsn FROM bb_restore("
		  . "directory => '$directory', lsn => '" . lsn_text($lsn)
		  . "', timeline => 'try')");

	return $answer =~ /^row\|/m ? $directory : undef, $answer;
}

1;

# BBackup::Oracle - PostgreSQL's own recovery, which decides what is right.
#
#	my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);
#	foreach my $chosen ($oracle->wal->choose($seed, $budget))
#	{
#		$oracle->check($store, 'main', @$chosen);
#	}
#
# At an LSN, a stock server is restored from the base backup, replays the
# archive up to there, is promoted and shut down, with nobody connected.  What
# it leaves is compared with the backup that the store makes at that LSN.
#
# Why promoted: a server that stops at its target by itself
# (recovery_target_action = shutdown) writes no checkpoint, so its files are of
# any age.  What promotion changes in files that are compared:
#
# - unlogged relations get their main fork, a copy of the init fork
#   (ResetUnloggedRelations); a backup of ours has it as well;
# - prepared transactions are written to pg_twophase (CheckPointTwoPhase), and
#   xids that they alone know are skipped (PrescanPreparedTransactions); both
#   would be so at a shutdown, which is what a backup pretends;
# - the parts behind the next xid, multixact and member of the last pages of
#   the SLRUs are zeroed (TrimCLOG, TrimMultiXact); they are zero already;
# - the settings in the control file become those of the server, so the server
#   gets those that the control file has at the LSN;
# - nextXid and its like are what they are: nobody takes a number in between.
#
# Which LSN: recovery stops before the first record that starts at or after
# recovery_target_lsn if recovery_target_inclusive is off (recoveryStopsBefore
# in xlogrecovery.c).  An LSN of ours sees the records that end at or before
# it, so it is first brought down to a record's end.

package BBackup::Oracle;

use strict;
use warnings;

use BBackup;
use BBackup::Compare;
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# new - base: a data directory, as keep_base or pg_basebackup left it; archive:
# WAL, complete from the base on; locations: those of tablespaces, where each
# recovery puts them (nobody else may use them then); timelines: as
# BBackup::WAL's, if there is more than tli 1.
sub new
{
	my ($class, %self) = @_;
	my $self = bless {
		locations => [],
		timelines => [],
		recoveries => 0,
		settings => '',
		%self
	}, $class;
	my %control = control_fields($self->{base});
	my $start = $control{"Latest checkpoint's REDO location"};

	if (-e "$self->{base}/backup_label")
	{
		slurp_file("$self->{base}/backup_label") =~
		  /^START WAL LOCATION: (\S+)/m
		  or croak 'no start in backup_label';
		$start = $1;
		slurp_file("$self->{base}/backup_manifest") =~
		  /"End-LSN": "([^"]+)"/
		  or croak 'no end in backup_manifest';
		$self->{consistent} = lsn_number($1);
	}
	$self->{wal} =
	  BBackup::WAL->new($self->{archive}, $start, @{ $self->{timelines} });
	# of a base that was shut down, WAL begins with the checkpoint
	$self->{consistent} //= $self->{wal}->end_of(0);
	return $self;
}

sub wal { return $_[0]{wal} }

# consistent_lsn - the first one that the base can be recovered to: the end of
# the shutdown checkpoint, or of the backup.
sub consistent_lsn { return $_[0]{consistent} }

# tli - the last one of the archive, if it has more than one.
sub tli
{
	my ($self) = @_;

	return @{ $self->{timelines} } ? $self->{timelines}[-1][0] : undef;
}

# keep_base - a copy of the data directory of a node that is shut down, and of
# the tablespaces at the locations.
sub keep_base
{
	my ($node, $directory, @locations) = @_;

	copy_directory($node->data_dir, $directory);
	keep_locations($directory, @locations);
	return $directory;
}

sub keep_locations
{
	my ($base, @locations) = @_;

	foreach my $number (0 .. $#locations)
	{
		copy_directory($locations[$number], "$base.$number");
	}
	return;
}

sub restore_locations
{
	my ($self) = @_;

	foreach my $number (0 .. $#{ $self->{locations} })
	{
		my $location = $self->{locations}[$number];

		system_or_bail('find', $location, '-mindepth', '1', '-delete');
		system_or_bail('cp', '-a', "$self->{base}.$number/.", $location)
		  if -d "$self->{base}.$number";
	}
	return;
}

# finish_archive - stop a node that archives (into its own archive directory, or
# that), and put its last, partial segment there too.
sub finish_archive
{
	my ($node, $archive) = @_;

	$archive //= $node->archive_dir;
	$node->stop;
	my %control = control_fields($node->data_dir);
	my $segment = $control{"Latest checkpoint's REDO WAL file"};

	system_or_bail('cp', $node->data_dir . "/pg_wal/$segment", $archive);
	return $archive;
}

# recover - a node that recovered to the LSN (a record's end; undef: all there
# is), was promoted and is stopped.  If "via" is given, it stops there first, is
# shut down and goes on: another way to the same pages.  With other settings of a
# target, it stops there; the LSN then only says which settings the WAL needs.
sub recover
{
	my ($self, $lsn, $via, $target) = @_;
	my $node =
	  PostgreSQL::Test::Cluster->new('oracle_' . ++$self->{recoveries});
	my $directory = $node->data_dir;

	my $log_start = -s $node->logfile // 0;

	copy_directory($self->{base}, $directory);
	$self->restore_locations;
	# all WAL comes from the archive
	unlink glob "$directory/pg_wal/????????????????????????";
	unlink "$directory/postmaster.pid", "$directory/standby.signal";
	$node->append_conf('postgresql.conf', $self->settings($node, $lsn));
	$node->append_conf('recovery.signal', '');

	if (defined $via)
	{
		$node->append_conf('postgresql.conf',
			stop_at($via) . 'recovery_target_action = shutdown');
		# pg_ctl of 18 takes such a stop for success, and Cluster's start then
		# expects a running server
		system('pg_ctl', '-s', '-w', '-D', $directory, '-l', $node->logfile,
			'start');
		wait_until(sub { !-e "$directory/postmaster.pid" },
			$node, 'the stop on the way');
		$node->_update_pid(-1);
	}

	$node->append_conf('postgresql.conf',
		($target // stop_at($lsn)) . 'recovery_target_action = promote');
	$node->start(fail_ok => 1);
	wait_until(
		sub {
			# postmaster.pid says "ready" of a hot standby as well
			slurp_file($node->logfile, $log_start) =~
			  /database system is ready to accept connections/;
		},
		$node, 'promotion');
	$node->stop;

	my $log = slurp_file($node->logfile);
	croak "$directory: recovery did not stop where it should"
	  if defined $lsn
	  && !defined $target
	  && $log !~ /recovery stopping before WAL location/;
	return $node;
}

# stopped_at - the end of the last record that a node that recover returned has
# replayed, and why, as the history file of its new tli says.
sub stopped_at
{
	my ($self, $node) = @_;
	my $tli = ($self->tli // 1) + 1;
	my ($line) = slurp_file(
		sprintf '%s/pg_wal/%08X.history', $node->data_dir, $tli) =~
	  /^(\d+\t\S+\t.*)\n+\z/m
	  or croak 'no history';
	my (undef, $lsn, $why) = split /\t/, $line;

	return ($lsn, $why);
}

sub stop_at
{
	my ($lsn) = @_;

	return defined $lsn
	  ? "recovery_target_lsn = '" . lsn_text($lsn) . "'\n"
	  : "recovery_target_lsn = ''\n";
}

sub settings
{
	my ($self, $node, $lsn) = @_;
	my $tli = $self->tli // 'current';

	return
	  $self->{wal}->parameters_at($lsn // $self->{wal}->end)
	  . $self->{settings} . qq(
port = @{[ $node->port ]}
unix_socket_directories = '@{[ $node->host ]}'
listen_addresses = ''
restore_command = 'cp "$self->{archive}/%f" "%p"'
recovery_target_inclusive = off
recovery_target_timeline = '$tli'
archive_mode = off
# as it is by default: without it recovery learns no xids from assignments
hot_standby = on
autovacuum = off
max_logical_replication_workers = 0
log_min_messages = log
log_statement = none
);
}

# wait_until - with a short beat: there are many recoveries.
sub wait_until
{
	my ($condition, $node, $what) = @_;
	my $pid_file = $node->data_dir . '/postmaster.pid';

	for (1 .. 50 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if eval { $condition->() };
		usleep(20_000);
		last if !-e $pid_file && !eval { $condition->() };
	}
	return if eval { $condition->() };
	croak "no $what: " . slurp_file($node->logfile);
}

# records_of - what WAL says of a page up to the LSN, for a difference.
sub records_of
{
	my ($self, $difference, $lsn) = @_;
	my ($space, $database, $relation, $fork) =
	  $difference->{file} =~ m{^(?|base()/(\d+)/(\d+)|(global)/()(\d+)
		|pg_tblspc/(\d+)/[^/]+/(\d+)/(\d+))(?:_(\w+))?}x
	  or return '';

	return '' if !defined $difference->{block};
	$space = $space eq 'global' ? 1664 : $space || 1663;
	my @command = (
		'pg_waldump', '-p', $self->{archive}, '-t',
		$self->tli // 1, '-s', lsn_text($self->{wal}{start}),
		'-e', lsn_text($lsn), '-R', join('/', $space, $database || 0, $relation),
		'-B', $difference->{block}, '-F', $fork // 'main');
	my @records = split /\n/,
	  `@{[ join ' ', map { "'$_'" } @command ]} 2>/dev/null`;

	splice @records, 0, @records - 5 if @records > 5;
	return join '', map { "\n\t$_" } @records;
}

# compare - one test: the directory is what recovery made.
sub compare
{
	my ($self, $expected, $found, $lsn, $name) = @_;
	my @differences = compare_directories($expected, $found);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!@differences, $name) and return 1;
	diag(scalar(@differences) . ' differences from recovery at '
		  . lsn_text($lsn));
	my $told = 0;
	foreach my $difference (@differences)
	{
		last if ++$told > 20;
		diag("$difference->{file}"
			  . join('',
				map { defined $difference->{$_} ? " $_ $difference->{$_}" : () }
				  qw(block page))
			  . ": $difference->{what}"
			  . $self->records_of($difference, $lsn));
	}
	return 0;
}

# check - one subtest: the store's backup at an LSN is what recovery makes,
# boots, and lives.
sub check
{
	my ($self, $store, $timeline, $lsn, $why) = @_;
	my $text = lsn_text($lsn);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return subtest "$text, $why" => sub {
		my $end = $self->{wal}->floor($lsn);
		my $oracle =
		  $self->recover($end == $self->{wal}->end ? undef : $end);
		my $log_start = -s $store->logfile;
		my $tar = eval {
			# recovery leaves settings as they are
			fetch_backup($store,
				"lsn => '$text', timeline => '$timeline', settings => 'source'");
		};
		ok(defined $tar, 'there is a backup')
		  or return diag($@, grep { /ERROR|DETAIL/ } split /^/m,
			slurp_file($store->logfile, $log_start));
		my $clone = new_clone("clone_$self->{recoveries}", $tar);

		unlink $tar;
		$self->compare($oracle->data_dir, $clone->data_dir, $end,
			'it is what recovery makes');
		is( substr(
				slurp_file($clone->data_dir . '/postgresql.conf'),
				0,
				-s "$self->{base}/postgresql.conf"),
			slurp_file("$self->{base}/postgresql.conf"),
			'its configuration is the base\'s');
		check_life($clone, $oracle) if !$ENV{BBACKUP_FILES_ONLY};
		$_->clean_node foreach $oracle, $clone;
	};
}

# check_life - the clone does what the oracle's server does.
sub check_life
{
	my ($clone, $oracle) = @_;
	my $has_checksums =
	  { control_fields($clone->data_dir) }->{'Data page checksum version'};
	my @check = ('pg_checksums', '--check', '-D', $clone->data_dir);

	command_ok(\@check, 'its checksums are right') if $has_checksums;

	my $log_start = -s $clone->logfile // 0;
	foreach my $node ($oracle, $clone)
	{
		$node->append_conf('postgresql.conf',
			"archive_mode = off\nautovacuum = off\nlog_statement = none");
		$node->start;
		end_prepared($node);
	}
	unlike(slurp_file($clone->logfile, $log_start),
		qr/redo starts|not properly shut down|in archive recovery/,
		'it starts without recovery');
	same_dump(dump_or_error($clone), dump_or_error($oracle),
		'its dump is that of the recovered server');
	$oracle->stop;

	$clone->command_ok([ 'pg_amcheck', '--all', '--install-missing' ],
		'pg_amcheck finds nothing');
	ok( defined eval {
			$clone->safe_psql('postgres', q(
CREATE TABLE bb_oracle AS SELECT i FROM generate_series(1, 1000) i;
DELETE FROM bb_oracle WHERE i % 2 = 0;
VACUUM;
CHECKPOINT;
DROP TABLE bb_oracle;
));
		},
		'it takes writes') or diag($@);
	$clone->stop;
	command_ok(\@check, 'its checksums stay right') if $has_checksums;
	return;
}

# dump_or_error - right after a record of DROP TABLESPACE its row is still
# there and its link is not: no server can be dumped then, and says so.
sub dump_or_error
{
	my ($node) = @_;

	return eval { dump_all($node) } // $@;
}

# end_prepared - commit or roll back what is prepared, by its name.  Some hold
# locks that would stop a dump.
sub end_prepared
{
	my ($node) = @_;
	my $prepared = $node->safe_psql('postgres',
		'SELECT database, gid FROM pg_prepared_xacts ORDER BY gid');

	foreach (split /\n/, $prepared)
	{
		my ($database, $gid) = split /\|/;
		my $how = unpack('%8C*', $gid) % 2 ? 'COMMIT' : 'ROLLBACK';

		$node->safe_psql($database, "$how PREPARED '$gid'");
	}
	return;
}

1;

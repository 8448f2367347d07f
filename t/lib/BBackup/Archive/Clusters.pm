# BBackup::Archive::Clusters - a family of real clusters, and the WAL that
# they archived.
#
#	my $family =
#	  BBackup::Archive::Clusters->new($directory, $seed, $make_clone);
#	$family->bases		[ { directory, ... }, ... ]
#	$family->nodes		[ { who, tli, files, lineage, ... }, ... ]
#
# One cluster is made, and then others out of it, as a DBA or an accident
# would: they go on with a copy of a data directory (twice, perhaps: a split
# brain on one tli), recover to a point of what others have archived and are
# promoted, are promoted as standbys, are clones of bbackup's that archive,
# crash.  Some archive into the directory
# that all share, some into one of their own, so that a tli may come twice.
#
# Each server writes its name to the table "w".

package BBackup::Archive::Clusters;

use strict;
use warnings;

use BBackup::Archive::Standalone qw(run_standalone KILL);
use BBackup::Files qw(copy_directory write_file slurp);
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

use constant SEGMENT_SIZE => 1024 * 1024;

my $segment_name = qr/^[0-9A-F]{24}$/;

# new - the whole family, in a directory that is new.
sub new
{
	my ($class, $directory, $seed, $make_clone) = @_;
	my $self = bless {
		directory => $directory,
		make_clone => $make_clone,
		nodes => [],
		bases => [],
		shared => []
	}, $class;

	srand $seed;
	mkdir $directory or croak "$directory: $!";
	$self->make_first;
	my $wanted = 6 + int rand 7;
	for my $i (1 .. $wanted)
	{
		my $dice = rand;

		if ($dice < 0.25)
		{
			$self->go_on;
		}
		elsif ($dice < 0.70)
		{
			$self->recover_to_a_point;
		}
		elsif ($dice < 0.82)
		{
			$self->clone;
		}
		else
		{
			$self->fail_over;
		}
		$self->keep_base if rand() < 0.25;
		$self->back_up if rand() < 0.2;
	}
	return $self;
}

sub nodes { return @{ $_[0]{nodes} } }
sub bases { return @{ $_[0]{bases} } }

sub any { return $_[ int rand @_ ] }

# ---- the first one ----

sub initialize
{
	my ($directory) = @_;

	my $output;
	IPC::Run::run [ qw(initdb -N -A trust --wal-segsize=1 -U postgres -D),
		$directory ], '>&', \$output
	  or croak "initdb: $output";
	write_file("$directory/postgresql.conf", q(
fsync = off
# so that nothing stays in /dev/shm when it is killed
dynamic_shared_memory_type = mmap
shared_buffers = 8MB
max_connections = 10
max_wal_senders = 3
wal_level = replica
archive_mode = on
archive_command = 'false'
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 1GB
wal_recycle = off
log_min_messages = log
listen_addresses = ''
));
	return;
}

sub make_first
{
	my ($self) = @_;
	my $directory = "$self->{directory}/first";

	initialize($directory);
	run_standalone($directory, [], 'CREATE TABLE w (who text, n int, t text)',
		'CREATE INDEX ON w (n)',
		'UPDATE pg_database SET datistemplate = false',
		'DROP DATABASE template0', 'DROP DATABASE template1',
		"INSERT INTO w VALUES ('first', 0)");
	$self->add_node(
		kind => 'first',
		directory => $directory,
		lineage => [],
		shares => 1);
	$self->keep_base;
	# the tail is part of the base; the archive begins after it
	return;
}

# ---- work ----

# work - statements that write WAL, of some segments at the most.
sub work
{
	my ($who, $segments) = @_;
	my @statements;
	my $bytes = 0;
	my $n = 0;

	while ($bytes < $segments * SEGMENT_SIZE && @statements < 60)
	{
		my $dice = rand;

		$n++;
		if ($dice < 0.30)
		{
			my $rows = 1 + int rand 40;

			push @statements,
			  "INSERT INTO w SELECT '$who', $n * 100 + i, md5(i::text)"
			  . " FROM generate_series(1, $rows) i";
			$bytes += 100 * $rows;
		}
		elsif ($dice < 0.40)
		{
			push @statements, "UPDATE w SET t = '$who $n' WHERE n % 7 = "
			  . int rand 7;
			$bytes += 20000;
		}
		elsif ($dice < 0.45)
		{
			push @statements, 'DELETE FROM w WHERE n % 31 = ' . int rand 31;
		}
		elsif ($dice < 0.70)
		{
			# records over pages and segments, and of odd lengths
			my $length = int(10**(1 + rand 4.9));

			push @statements, 'SELECT pg_logical_emit_message('
			  . any('true', 'false')
			  . ", 'x', repeat('$who', $length / length('$who')))";
			$bytes += $length;
		}
		elsif ($dice < 0.80)
		{
			push @statements, 'SELECT pg_switch_wal()';
			$bytes += SEGMENT_SIZE / 2;
		}
		elsif ($dice < 0.86)
		{
			push @statements, 'CHECKPOINT';
		}
		elsif ($dice < 0.92)
		{
			push @statements, "BEGIN; INSERT INTO w VALUES ('$who', -$n);"
			  . ' SAVEPOINT s; ' . "DELETE FROM w WHERE n = $n; ROLLBACK TO s; "
			  . any('COMMIT', 'ROLLBACK');
		}
		else
		{
			push @statements,
			  "CREATE TABLE t_${who}_$n AS SELECT i FROM generate_series(1, $n) i";
			$bytes += 30000;
		}
		# up to where somebody may be recovered
		push @statements, 'SELECT pg_current_wal_insert_lsn()'
		  if rand() < 0.5;
	}
	return @statements;
}

# ---- a node, and what it leaves in an archive ----

# add_node - what is in the directory of a process that has ended.
sub add_node
{
	my ($self, %node) = @_;
	my $number = @{ $self->{nodes} };
	my $wal = "$node{directory}/pg_wal";
	my $pool = "$self->{directory}/pool$number";

	mkdir $pool or croak "$pool: $!";
	$node{number} = $number;
	$node{pool} = $pool;
	$node{files} = {};
	$node{points} //= [];
	# as the archiver would have taken them
	foreach my $ready (glob "$wal/archive_status/*.ready")
	{
		my ($name) = $ready =~ m{([^/]+)\.ready$};

		link "$wal/$name", "$pool/$name"
		  or system_or_bail('cp', "$wal/$name", "$pool/$name");
		$node{files}{$name} = "$pool/$name";
		rename $ready, $ready =~ s/ready$/done/r or croak "$ready: $!";
	}
	# and what it was at when it ended
	my $tail = $self->find_tail(\%node);

	if (defined $tail)
	{
		system_or_bail('cp', "$wal/$tail", "$pool/$tail.tail");
		$node{tail} = [ $tail, "$pool/$tail.tail" ];
	}
	$node{shared_before} = scalar @{ $self->{shared} };
	push @{ $self->{nodes} }, \%node;
	push @{ $self->{shared} }, $pool if $node{shares};
	return \%node;
}

# The last segment with WAL at its place, if it wasn't archived.
sub find_tail
{
	my ($self, $node) = @_;
	my $wal = "$node->{directory}/pg_wal";
	my $tail;

	foreach my $name (sort grep { /$segment_name/ } names($wal))
	{
		my ($tli, $number) = segment_of($name);

		next if defined $node->{tli} && $tli != $node->{tli};
		$tail = $name if begins_well("$wal/$name", $number);
	}
	return defined $tail && !$node->{files}{$tail} ? $tail : undef;
}

sub names
{
	my ($directory) = @_;

	opendir my $dir, $directory or croak "$directory: $!";
	return grep { !/^[.][.]?$/ } readdir $dir;
}

sub segment_of
{
	my ($name) = @_;
	my ($tli, $high, $low) =
	  map { hex } $name =~ /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})/;

	return ($tli, $high * (2**32 / SEGMENT_SIZE) + $low);
}

# begins_well - has the file WAL of the segment with this number?
sub begins_well
{
	my ($file, $number) = @_;
	my $header;

	open my $handle, '<:raw', $file or return 0;
	(read($handle, $header, 40) // 0) == 40 or return 0;
	my ($magic, $info, $tli, $address) = unpack 'v v V Q<', $header;
	return $magic >= 0xD000 && ($info & 2) && $address == $number * SEGMENT_SIZE;
}

# ---- the ways to make others ----

# Where a recovery gets its WAL from: what its ancestors have archived, and,
# if all of them shared, what others had until then.
sub restore_command
{
	my ($self, $node) = @_;
	my @pools = (
		@{ $node->{lineage} }, $node->{pool},
		$node->{shares} ? @{ $self->{shared} } : ());
	my %seen;

	@pools = grep { !$seen{$_}++ } @pools;
	return join ' || ',
	  map { ("cp $_/%f %p 2>/dev/null", "cp $_/%f.tail %p 2>/dev/null") }
	  @pools;
}

sub make_directory
{
	my ($self, $from) = @_;

	return copy_directory($from,
		"$self->{directory}/node" . scalar @{ $self->{nodes} });
}

sub name_of
{
	my ($self) = @_;

	return chr(ord('a') + @{ $self->{nodes} });
}

# A copy of a data directory goes on, on the same tli.
sub go_on
{
	my ($self) = @_;
	my $parent = any($self->nodes);
	my $directory = $self->make_directory($parent->{directory});

	return $self->run($directory, $parent, 'goes on', [],
		shares => rand() < 0.6);
}

sub run
{
	my ($self, $directory, $parent, $kind, $settings, %more) = @_;
	my $who = $self->name_of;
	my @end = rand() < 0.4 ? ("INSERT INTO w VALUES ('$who', 0)", KILL) : ();
	my ($log, @values) = run_standalone(
		$directory,
		$settings,
		'SELECT timeline_id FROM pg_control_checkpoint()',
		work($who, 0.2 + rand 3), @end);
	my ($tli) = map { $_->[1] } grep { $_->[0] eq 'timeline_id' } @values;

	if (!defined $tli)
	{
		# a recovery that isn't possible, such as to a tli that parted before
		$self->{failed}++;
		system_or_bail('rm', '-rf', $directory);
		return undef;
	}
	return $self->add_node(
		kind => $kind,
		who => $who,
		directory => $directory,
		tli => $tli,
		clean => !@end,
		parent => $parent->{number},
		lineage => [ @{ $parent->{lineage} }, $parent->{pool} ],
		points => [
			map { $_->[1] } grep { $_->[0] eq 'pg_current_wal_insert_lsn' }
			  @values
		],
		%more);
}

# A base recovers to a point of what a node has archived, and is promoted.
sub recover_to_a_point
{
	my ($self) = @_;
	my $base = any(grep { !$_->{is_backup} } $self->bases);
	my $parent = any($self->nodes);
	my $directory = $self->make_directory($base->{directory});
	my $target = rand() < 0.7 ? any(undef, @{ $parent->{points} }) : undef;
	my @settings = ('restore_command=' . $self->restore_command($parent));

	push @settings, "recovery_target_lsn=$target",
	  'recovery_target_action=promote',
	  'recovery_target_inclusive=' . any('on', 'off')
	  if defined $target;
	push @settings,
	  'recovery_target_timeline=' . any('latest', 'current', $parent->{tli})
	  if rand() < 0.6;
	write_file("$directory/recovery.signal", '');
	return $self->run($directory, $parent, 'recovered', \@settings,
		shares => rand() < 0.6);
}

# A standby replays all of a node's WAL, and is promoted as such: its WAL
# begins with another record (XLOG_END_OF_RECOVERY).
sub fail_over
{
	my ($self) = @_;
	my $base = any(grep { !$_->{is_backup} } $self->bases);
	my $parent = any($self->nodes);
	my $directory = $self->make_directory($base->{directory});
	my $log = "$directory.log";
	my $command = $self->restore_command($parent);
	my $options = "-c unix_socket_directories=$self->{directory}"
	  . " -c hot_standby=on -c wal_retrieve_retry_interval=20";

	write_file("$directory/standby.signal", '');
	open my $conf, '>>', "$directory/postgresql.conf" or croak $!;
	print $conf "restore_command = '", $command =~ s/'/''/gr, "'\n";
	close $conf;
	my $promoted =
	  system("pg_ctl start -s -w -t 10 -D $directory -l $log"
		  . " -o '$options' >/dev/null 2>&1") == 0
	  && system("pg_ctl promote -s -w -t 10 -D $directory >/dev/null 2>&1") ==
	  0;
	system("pg_ctl stop -s -m immediate -D $directory >/dev/null 2>&1");
	if (!$promoted)
	{
		$self->{failed}++;
		system_or_bail('rm', '-rf', $directory);
		return undef;
	}
	return $self->run($directory, $parent, 'standby', [],
		shares => rand() < 0.7);
}

# clone - a clone that bbackup makes of what a node has archived, and which
# archives.
sub clone
{
	my ($self) = @_;
	my $base = any(grep { !$_->{is_backup} } $self->bases);
	my $parent = any($self->nodes);
	my $number = @{ $self->{nodes} };
	my $directory = "$self->{directory}/node$number";
	my $wal = "$directory.wal";
	my $point = any(undef, @{ $parent->{points} });
	my $has_history = rand() < 0.7;
	my $shares = rand() < 0.5;

	mkdir $wal or croak "$wal: $!";
	foreach my $pool (@{ $parent->{lineage} }, $parent->{pool})
	{
		foreach my $name (names($pool))
		{
			my $to = "$wal/" . $name =~ s/\.tail$//r;

			link "$pool/$name", $to if !-e $to;
		}
	}
	my $made = $self->{make_clone}->($base, $wal, $point, $directory);
	system_or_bail('rm', '-rf', $wal);
	if (!$made)
	{
		$self->{failed}++;
		return undef;
	}
	my $node = $self->run($directory, $parent, 'clone', ['archive_mode=on'],
		shares => $shares);
	return undef if !$node;
	# it may archive its history file, or not
	my $name = sprintf '%08X.history', $node->{tli};

	delete $node->{files}{$name};
	if ($has_history)
	{
		system_or_bail('cp', "$directory/pg_wal/$name",
			"$node->{pool}/$name")
		  if !-e "$node->{pool}/$name";
		$node->{files}{$name} = "$node->{pool}/$name";
	}
	else
	{
		unlink "$node->{pool}/$name";
	}
	return $node;
}

# keep_base - a copy of the data directory of a node that was shut down, to
# begin with.
sub keep_base
{
	my ($self) = @_;
	my @clean = grep { $_->{clean} || $_->{kind} eq 'first' } $self->nodes;
	my $node = $clean[-1];
	my $number = @{ $self->{bases} };
	my $directory = "$self->{directory}/base$number";

	return if $node->{is_base};
	$node->{is_base} = 1;
	copy_directory($node->{directory}, $directory);
	my %control = `pg_controldata -D $directory` =~ /^(.+?):\s*(.*)$/mg;
	my $lean = copy_directory($directory, "$directory.lean");
	my $segment = $control{"Latest checkpoint's REDO WAL file"};

	unlink map { "$lean/pg_wal/$_" }
	  grep { !/\.history$/ && -f "$lean/pg_wal/$_" } names("$lean/pg_wal");
	unlink "$lean/postmaster.opts", glob "$lean/pg_wal/archive_status/*";
	unlink map { "$directory/pg_wal/$_" }
	  grep { /$segment_name/ && $_ ne $segment } names("$directory/pg_wal");
	push @{ $self->{bases} },
	  {
		number => $number,
		node => $node->{number},
		directory => $directory,
		lean => $lean,
		tli => $control{"Latest checkpoint's TimeLineID"},
		segment => "$directory/pg_wal/$segment",
		history => history_of($directory,
			$control{"Latest checkpoint's TimeLineID"})
	  };
	return;
}

# back_up - a base backup of a node while it works: files of different ages, a
# backup_label, no WAL.  The node goes on as another.
sub back_up
{
	my ($self) = @_;
	my $parent = any($self->nodes);
	my $directory = $self->make_directory($parent->{directory});
	my $number = @{ $self->{bases} };
	my $to = "$self->{directory}/base$number";
	my $who = $self->name_of;
	my $copy = sub { "COPY (SELECT 1) TO PROGRAM 'cp -a $directory/$_[0] $to'" };
	my ($log, @values) = run_standalone(
		$directory,
		[],
		'SELECT timeline_id FROM pg_control_checkpoint()',
		work($who, rand 1),
		q(SELECT pg_backup_start('base', true)),
		work($who, rand 1),
		"COPY (SELECT 1) TO PROGRAM 'mkdir $to'",
		$copy->('base'),
		work($who, rand 1),
		rand() < 0.5 ? 'CHECKPOINT' : (),
		$copy->('[c-z]*'),
		$copy->('PG_VERSION'),
		q(SELECT translate(labelfile, E'\n', '~') AS label)
		  . q( FROM pg_backup_stop(false)),
		work($who, rand 1),
		rand() < 0.4 ? ("INSERT INTO w VALUES ('$who', 0)", KILL) : ());
	my %value = map { @$_ } @values;
	my $label = $value{label};

	if (!defined $label)
	{
		$self->{failed}++;
		system_or_bail('rm', '-rf', $directory, $to);
		return;
	}
	write_file("$to/backup_label", $label =~ tr/~/\n/r);
	unlink "$to/postmaster.pid", "$to/postmaster.opts",
	  glob "$to/pg_wal/archive_status/*";
	unlink map { "$to/pg_wal/$_" }
	  grep { !/\.history$/ && -f "$to/pg_wal/$_" } names("$to/pg_wal");
	my ($redo, $segment) =
	  $label =~ m{^START WAL LOCATION: (\S+) \(file ([0-9A-F]{24})\)};
	my $node = $self->add_node(
		kind => 'backed up',
		who => $who,
		directory => $directory,
		tli => $value{timeline_id},
		clean => 0,
		parent => $parent->{number},
		shares => rand() < 0.7,
		lineage => [ @{ $parent->{lineage} }, $parent->{pool} ],
		points => [
			map { $_->[1] } grep { $_->[0] eq 'pg_current_wal_insert_lsn' }
			  @values
		]);

	push @{ $self->{bases} },
	  {
		number => $number,
		node => $node->{number},
		directory => $to,
		lean => $to,
		is_backup => 1,
		tli => hex substr($segment, 0, 8),
		redo => lsn_number($redo),
		segment => $segment,
		history => history_of($to, hex substr $segment, 0, 8)
	  };
	return;
}

# The text of the history file of the tli in a data directory.
sub history_of
{
	my ($directory, $tli) = @_;
	my $file = sprintf '%s/pg_wal/%08X.history', $directory, $tli;

	return -e $file ? slurp($file) : '';
}

1;

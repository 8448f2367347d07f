# BBackup::Acked - clients that write down what a server has acknowledged, and
# the judge of what is left of it.
#
#	BBackup::Acked::create_tables($source);
#	my $acked = BBackup::Acked->start($source->connstr('postgres'),
#		seed => 7, clients => 3);
#	$acked->wait_for(20);
#	$acked->stop;
#	is(join("\n", $acked->problems($clone)), '', 'nothing is lost');
#
# Each client is a process with a file.  It writes there what it is about to do,
# and what was acknowledged, before it does anything else.  After an error it
# connects again, for ever; libpq's several hosts may be in the connection
# string.
#
# The transaction N of a client is a function of the seed: rows that it inserts,
# updates and deletes, and its counter, which goes from N - 1 to N.  So the
# counter of a client says which rows it must have, all of them and no others:
# a row that is missing, a row of an older version, and a row that is there twice
# are all seen.  And the file says which counters are right: at least that of the
# last transaction that was acknowledged, at most that of the last that began.
#
# Some transactions are prepared first; some have savepoints, rollbacks, and
# rows of many pages; some are preceded by one that is rolled back.
#
# The file's lines have the time on the clock of the machine:
#
#	B N TIME			N is about to be sent
#	P N TIME			it is acknowledged as prepared
#	A N TIME			it is acknowledged as committed
#	V N TIME			it wasn't acknowledged, but is there after an error
#	M N LSN TIME TIME	the server's flushed LSN, asked for between these times
#	E TEXT				an error, after which it connects again
#	X TEXT				the server itself has lost something

package BBackup::Acked;

use strict;
use warnings;

use BBackup::Files qw(slurp);
use Carp;
use Digest::MD5 qw(md5 md5_hex);
use IPC::Open2;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(usleep clock_gettime CLOCK_MONOTONIC);

# create_tables - in database postgres of a server.
sub create_tables
{
	my ($node) = @_;

	$node->safe_psql('postgres', q(
CREATE TABLE acked_progress (client int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO acked_progress SELECT i, 0 FROM generate_series(1, 50) i;
CREATE TABLE acked_rows (client int, id bigint, n bigint NOT NULL,
	payload text NOT NULL, PRIMARY KEY (client, id));
CREATE INDEX ON acked_rows (n);
ALTER TABLE acked_rows ALTER payload SET STORAGE external;
));
	return;
}

# start - let so many clients of the connection string begin.
#
#	seed		of what they do
#	clients		3
#	pause_ms	between transactions, 2
#	large		a transaction in 50 has a record of so many bytes, 0: none
#	prepared	a transaction in 8 is prepared first, 1; the server must allow it
sub start
{
	my ($class, $connstr, %options) = @_;
	my $self = bless {
		connstr => $connstr,
		seed => 1,
		clients => 3,
		pause_ms => 2,
		large => 0,
		prepared => 1,
		directory => PostgreSQL::Test::Utils::tempdir(),
		owner => $$,
		%options
	}, $class;

	foreach my $client (1 .. $self->{clients})
	{
		my $parent = $$;
		my $pid = fork // croak "fork: $!";

		if ($pid == 0)
		{
			eval { $self->work($client, $parent); 1 }
			  or $self->note_down($client, "X $@");
			POSIX::_exit(0);
		}
		$self->{pid}{$client} = $pid;
	}
	return $self;
}

sub file { return "$_[0]{directory}/client_$_[1]" }

# stop - let each client end after its transaction.  One that still waits for an
# answer after some seconds is killed.
sub stop
{
	my ($self, $seconds) = @_;
	my %pid = %{ $self->{pid} };
	my $give_up = now() + ($seconds // 20);

	return if $self->{owner} != $$;
	kill 'USR1', values %pid;
	while (%pid)
	{
		foreach my $client (keys %pid)
		{
			delete $pid{$client}
			  if waitpid($pid{$client}, POSIX::WNOHANG()) != 0;
		}
		if (now() > $give_up)
		{
			kill 'TERM', values %pid;
			$give_up = now() + 5;
		}
		usleep(20_000) if %pid;
	}
	$self->{pid} = {};
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	$self->stop(0) if $self->{owner} == $$;
	return;
}

sub now { return clock_gettime(CLOCK_MONOTONIC) }

# ---- what a client does ----

# Numbers that depend on what is given only.
sub draw
{
	my ($self, @what) = @_;

	return unpack 'N', md5(join '/', $self->{seed}, @what);
}

# A payload is named by what it depends on.
sub payload
{
	my ($self, $client, $n, $id) = @_;
	my $dice = $self->draw('length', $client, $n, $id) % 100;
	my $words =
	  $dice < 80 ? 1 + $dice % 7 : $dice < 97 ? 40 + $dice : 400;

	return join '',
	  map { md5_hex(join '/', $self->{seed}, $client, $n, $id, $_) }
	  1 .. $words;
}

# What a client has before its first transaction.
sub new_model { return { next => 1, ids => [], version => {} } }

# apply - transaction N of a client: change the model, and return what it is.
sub apply
{
	my ($self, $model, $client, $n) = @_;
	my @changes;
	my $number = 1 + $self->draw('number', $client, $n) % 5;

	foreach my $i (1 .. $number)
	{
		my $dice = $self->draw('what', $client, $n, $i) % 100;
		my $ids = $model->{ids};
		my $at = @$ids ? $self->draw('which', $client, $n, $i) % @$ids : 0;
		# with many rows, more are deleted than inserted
		my $insert = @$ids > 300 ? 20 : 50;

		if (!@$ids || $dice < $insert)
		{
			my $id = $model->{next}++;

			push @$ids, $id;
			$model->{version}{$id} = $n;
			push @changes, [ 'insert', $id ];
		}
		elsif ($dice < $insert + 25)
		{
			$model->{version}{ $ids->[$at] } = $n;
			push @changes, [ 'update', $ids->[$at] ];
		}
		else
		{
			push @changes, [ 'delete', $ids->[$at] ];
			delete $model->{version}{ $ids->[$at] };
			$ids->[$at] = $ids->[-1];
			pop @$ids;
		}
	}
	return @changes;
}

# The statements of a transaction, without its beginning and end.
sub statements
{
	my ($self, $client, $n, @changes) = @_;
	my @sql = (
		'WITH u AS (UPDATE acked_progress SET n = '
		  . "$n WHERE client = $client AND n = $n - 1 RETURNING 1)"
		  # an error if the counter was another one
		  . ' SELECT 1 / count(*) FROM u');

	foreach my $change (@changes)
	{
		my ($what, $id) = @$change;
		my $payload =
		  $what eq 'delete' ? '' : $self->payload($client, $n, $id);

		push @sql,
			$what eq 'insert'
		  ? "INSERT INTO acked_rows VALUES ($client, $id, $n, '$payload')"
		  : $what eq 'update'
		  ? "UPDATE acked_rows SET n = $n, payload = '$payload'"
		  . " WHERE client = $client AND id = $id"
		  : "DELETE FROM acked_rows WHERE client = $client AND id = $id";
	}
	my $dice = $self->draw('extra', $client, $n) % 50;
	if ($dice < 5)
	{
		push @sql, 'SAVEPOINT s',
		  "INSERT INTO acked_rows VALUES (-$client, $n, $n, 'undone')",
		  'ROLLBACK TO s';
	}
	elsif ($dice < 10)
	{
		splice @sql, 1, 0, 'SAVEPOINT s';
	}
	elsif ($dice == 10 && $self->{large})
	{
		push @sql, "SELECT length(pg_logical_emit_message(true, 'acked',"
		  . " repeat('0123456789abcdef', $self->{large} / 16))::text)";
	}
	return @sql;
}

sub note_down
{
	my ($self, $client, $text) = @_;

	$text =~ s/\s+/ /g;
	open my $file, '>>', $self->file($client) or die;
	syswrite $file, "$text\n";
	close $file;
	return;
}

# send - let psql do this in one message; returns true if all of it was done,
# false if there was an error, and undef if the connection is lost.
sub send
{
	my ($self, $client, @sql) = @_;
	my ($out, $in) = @{ $self->{psql} }{qw(out in)};

	print $in join("\\;\n", @sql) . ";\n\\echo @ :ERROR :SQLSTATE\n"
	  or return undef;
	$self->{answer} = '';
	while (my $line = <$out>)
	{
		# psql has no SQLSTATE of an error of its own
		if ($line =~ /^@ (\w+) (\w*)/)
		{
			return 1 if $1 eq 'false';
			$self->note_down($client, "E $2");
			return 0;
		}
		$self->{answer} .= $line;
	}
	return undef;
}

sub connect
{
	my ($self, $client) = @_;

	$self->disconnect;
	my $pid = open2(my $out, my $in,
		"exec psql -XAtq -d \"$self->{connstr}\""
		  . " 2>>$self->{directory}/errors_$client");
	$in->autoflush(1);
	$self->{psql} = { pid => $pid, out => $out, in => $in };
	return;
}

sub disconnect
{
	my ($self) = @_;
	my $psql = delete $self->{psql} or return;

	close $psql->{in};
	kill 'KILL', $psql->{pid};
	close $psql->{out};
	waitpid $psql->{pid}, 0;
	return;
}

# resolve - find out what became of transaction N; returns true if it is there.
# Connects as often as need be.
sub resolve
{
	my ($self, $client, $n) = @_;

	while (!$self->{ended})
	{
		$self->connect($client);
		if ($self->send($client,
				"SELECT 'prepared' FROM pg_prepared_xacts"
				  . " WHERE gid = 'acked_${client}_$n'")
			&& ($self->{answer} !~ /prepared/
				|| $self->send($client,
					"COMMIT PREPARED 'acked_${client}_$n'"))
			&& $self->send($client,
				"SELECT 'n', n FROM acked_progress WHERE client = $client")
			&& $self->{answer} =~ /^n\|(\d+)/m)
		{
			return $1 == $n if $1 == $n || $1 == $n - 1;
			die "the server is at $1, and $n was about to be done\n";
		}
		usleep(100_000);
	}
	return 0;
}

sub work
{
	my ($self, $client, $parent) = @_;
	my $model = new_model();

	$self->{ended} = 0;
	local $SIG{USR1} = sub { $self->{ended} = 1 };
	local $SIG{TERM} = sub {
		$self->{ended} = 1;
		kill 'KILL', $self->{psql}{pid} if $self->{psql};
	};
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{CHLD} = 'DEFAULT';
	$self->resolve($client, 1);
	for (my $n = 1; !$self->{ended} && getppid == $parent; $n++)
	{
		my @changes = $self->apply($model, $client, $n);
		my @sql = $self->statements($client, $n, @changes);

		$self->note_down($client, "B $n " . now());
		until ($self->transaction($client, $n, @sql))
		{
			# what isn't resolved stays open
			last if $self->{ended};
			if ($self->resolve($client, $n))
			{
				$self->note_down($client, "V $n " . now());
				last;
			}
		}
		usleep(1000 * $self->{pause_ms}) if $self->{pause_ms};
	}
	$self->disconnect;
	return;
}

sub transaction
{
	my ($self, $client, $n, @sql) = @_;
	my $dice = $self->draw('how', $client, $n) % 16;

	if ($dice == 0)
	{
		$self->send($client, 'BEGIN',
			"INSERT INTO acked_rows VALUES (-$client, $n, $n, 'undone')",
			'ROLLBACK')
		  or return 0;
	}
	if ($dice < 3 && $self->{prepared})
	{
		my $gid = "acked_${client}_$n";

		$self->send($client, 'BEGIN', @sql, "PREPARE TRANSACTION '$gid'")
		  or return 0;
		$self->note_down($client, "P $n " . now());
		$self->send($client, "COMMIT PREPARED '$gid'") or return 0;
	}
	else
	{
		$self->send($client, 'BEGIN', @sql, 'COMMIT') or return 0;
	}
	$self->note_down($client, "A $n " . now());
	if ($dice > 12)
	{
		my $began = now();

		$self->send($client, 'SELECT \'lsn\', pg_current_wal_flush_lsn()')
		  or return 1;
		$self->note_down($client, "M $n $1 $began " . now())
		  if $self->{answer} =~ /^lsn\|(\S+)/m;
	}
	return 1;
}

# ---- what is known ----

# events - the lines of a client's file, split.
sub events
{
	my ($self, $client) = @_;

	return if !-e $self->file($client);
	return map { [ split ' ', $_ ] } split /\n/, slurp($self->file($client));
}

# acknowledged - the number of acknowledged transactions, by client.  Reads what
# the files have more than at the last call.
sub acknowledged
{
	my ($self) = @_;

	foreach my $client (1 .. $self->{clients})
	{
		my $read = $self->{read}{$client} //= { at => 0, count => 0 };

		open my $file, '<', $self->file($client) or next;
		seek $file, $read->{at}, 0;
		while (my $line = <$file>)
		{
			last if $line !~ /\n\z/;
			$read->{at} += length $line;
			$read->{count}++ if $line =~ /^A/;
			$self->{lost} .= "client $client: $line" if $line =~ /^X/;
		}
		close $file;
	}
	return map { $_ => $self->{read}{$_}{count} // 0 } 1 .. $self->{clients};
}

# wait_for - until each client has got so many acknowledgements more.
sub wait_for
{
	my ($self, $more) = @_;
	my %before = $self->acknowledged;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my %now = $self->acknowledged;

		return 1 if !grep { $now{$_} < $before{$_} + $more } keys %now;
		last if $self->{lost};
		usleep(50_000);
	}
	diag('the clients do not go on: ', $self->{lost} // '');
	return 0;
}

# lost - what the clients themselves found missing at the server.
sub lost
{
	my ($self) = @_;

	$self->acknowledged;
	return split /\n/, $self->{lost} // '';
}

# marks - LSNs with what is known of them: hashes with lsn, began and ended.
sub marks
{
	my ($self) = @_;
	my @marks;

	foreach my $client (1 .. $self->{clients})
	{
		push @marks, map { {
			client => $client,
			n => $_->[1],
			lsn => $_->[2],
			began => $_->[3],
			ended => $_->[4]
		} } grep { $_->[0] eq 'M' } $self->events($client);
	}
	@marks = sort { $a->{began} <=> $b->{began} } @marks;
	return @marks;
}

# bounds - the least and the greatest counter that a client may have at a mark
# (the end, if there is none), and one that is prepared if it isn't committed.
sub bounds
{
	my ($self, $client, $mark) = @_;
	my ($least, $greatest, $prepared) = (0, 0, 0);

	foreach my $event ($self->events($client))
	{
		my ($what, $n, $time) = @$event;

		next if $what !~ /^[BPAV]$/;
		$least = $n if $what eq 'A' && (!$mark || $time <= $mark->{began});
		$prepared = $n if $what eq 'P' && (!$mark || $time <= $mark->{began});
		$greatest = $n if $what eq 'B' && (!$mark || $time <= $mark->{ended});
	}
	return ($least, $greatest, $prepared);
}

# rows - what a client has at a counter, as id => version.
sub rows
{
	my ($self, $client, $n) = @_;
	my $model = new_model();

	$self->apply($model, $client, $_) foreach 1 .. $n;
	return $model->{version};
}

# problems - what is wrong with a server that runs, at a mark or at the end.
sub problems
{
	my ($self, $node, $mark) = @_;
	my @problems = $self->lost;
	my %prepared = map { $_ => 1 } split /\n/,
	  $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts');

	foreach my $scan ('seqscan', 'indexscan, bitmapscan, indexonlyscan')
	{
		my $off = join ' ', map { "SET enable_$_ = off;" } split /, /, $scan;
		my %digest;

		foreach (split /\n/, $node->safe_psql('postgres', qq($off
SELECT p.client, p.n, count(r.id), count(DISTINCT r.id),
	coalesce(md5(string_agg(r.id || ' ' || r.n || ' ' || md5(r.payload), ','
							ORDER BY r.id)), '')
FROM acked_progress p
	LEFT JOIN acked_rows r ON r.client = p.client
GROUP BY p.client, p.n)))
		{
			my ($client, @values) = split /\|/, $_, -1;

			push @problems, "client $client has two counters"
			  if $digest{$client};
			$digest{$client} = \@values;
		}
		foreach my $client (1 .. $self->{clients})
		{
			my ($least, $greatest, $ready) = $self->bounds($client, $mark);
			my $found = $digest{$client};
			my $where = "client $client (without $scan)";

			if (!$found)
			{
				push @problems, "$where has no counter";
				next;
			}
			my ($n, $count, $distinct, $md5) = @$found;

			push @problems, "$where is at $n, after $least was acknowledged"
			  if $n < $least;
			push @problems, "$where is at $n, when $greatest had just begun"
			  if $n > $greatest;
			push @problems, "$where is at $n, and $ready isn't prepared"
			  if $n < $ready && !$prepared{"acked_${client}_$ready"};

			my $rows = $self->rows($client, $n);
			my $expected = join ',', map {
				"$_ $rows->{$_} "
				  . md5_hex($self->payload($client, $rows->{$_}, $_))
			} sort { $a <=> $b } keys %$rows;
			next if $md5 eq ($expected eq '' ? '' : md5_hex($expected));
			push @problems,
			  "$where at $n has $count rows ($distinct ids) instead of "
			  . keys(%$rows)
			  . $self->differences($node, $client, $rows);
		}
	}
	my $undone = $node->safe_psql('postgres',
		'SELECT count(*) FROM acked_rows WHERE client < 0');
	push @problems, "$undone rows were rolled back" if $undone != 0;
	return @problems;
}

# differences - some of the rows that aren't as they should be.
sub differences
{
	my ($self, $node, $client, $rows) = @_;
	my %expected = %$rows;
	my @differences;

	foreach (split /\n/, $node->safe_psql('postgres',
			"SELECT id, n, md5(payload) FROM acked_rows WHERE client = $client"
		))
	{
		my ($id, $n, $md5) = split /\|/;
		my $version = delete $expected{$id};

		push @differences,
			!defined $version ? "row $id of $n should not be there"
		  : $version != $n ? "row $id is of $n, not of $version"
		  : $md5 ne md5_hex($self->payload($client, $n, $id))
		  ? "row $id has another payload"
		  : ();
	}
	push @differences, map { "row $_ of $expected{$_} is missing" }
	  sort { $a <=> $b } keys %expected;
	splice @differences, 5 if @differences > 5;
	return join '', map { "\n\t$_" } @differences;
}

# is_kept - one test: a server has what was acknowledged.
sub is_kept
{
	my ($self, $node, $name, $mark) = @_;
	my @problems = $self->problems($node, $mark);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(!@problems, $name) || diag(join "\n", @problems);
}

1;

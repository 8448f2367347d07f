# BBackup::Workload::Changes - tables whose rows change in all ways, and what they
# contained at many LSNs, as the source itself said.
#
#	create_changing_tables($source, 'shop');
#	my @moments = change_tables($source, 'shop', $steps);	random; see srand
#
# A moment is { lsn, rows => { table => { row as text => how often } },
# xids => { transaction that is in "audit" => 1 } }.  With keep => 1, "acc" is not
# rewritten.
#
# Three sessions change the tables: one by short transactions, with savepoints and
# errors, two by long ones, which last for some moments, or are prepared.  Each works
# on rows of its own, but these are in the same pages.  Triggers of the table "acc"
# write all that happened to it to "audit".

package BBackup::Workload::Changes;

use strict;
use warnings;

use BBackup::Sessions;
use Exporter 'import';

our @EXPORT = qw(create_changing_tables change_tables changing_tables);

# acc: with a primary key and TOAST; bag: without one, some rows more than once; part:
# partitioned; rewritten: by VACUUM FULL, TRUNCATE and ALTER TABLE.
my @tables = qw(acc bag part rewritten kinds);

sub changing_tables
{
	return @tables;
}

sub create_changing_tables
{
	my ($node, $database) = @_;

	$node->safe_psql($database, q(
CREATE TABLE acc (id int PRIMARY KEY, v int, t text, big text);
ALTER TABLE acc ALTER big SET STORAGE EXTERNAL;
CREATE TABLE bag (v int, t text, j json);
CREATE TABLE part (id int PRIMARY KEY, v int, t text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200) WITH (fillfactor = 50);
CREATE TABLE part_d PARTITION OF part DEFAULT;
CREATE TABLE rewritten (id int, v int, t text, x int);
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE kinds (id int PRIMARY KEY, size size, pair int[]);

CREATE TABLE audit (n serial, xid xid8 DEFAULT pg_current_xact_id(), op text, before text, after text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit (op, before, after) VALUES (TG_OP, OLD::text, NEW::text);
	RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON acc
	FOR EACH ROW EXECUTE FUNCTION note();

INSERT INTO acc SELECT g, g, repeat('x', g % 200),
	CASE WHEN g % 10 = 0 THEN repeat(md5(g::text), 100) END FROM generate_series(1, 900) g;
INSERT INTO bag SELECT g % 40, repeat('b', g % 40 * 5), '{}' FROM generate_series(1, 400) g;
INSERT INTO part SELECT g, g, repeat('p', g % 100) FROM generate_series(1, 300) g;
INSERT INTO rewritten SELECT g, g, 'row ' || g FROM generate_series(1, 200) g;
INSERT INTO kinds SELECT g, 'small', array[g] FROM generate_series(1, 50) g;
));
	return;
}

sub pick
{
	return $_[ rand @_ ];
}

# An id of a session: sessions have those of another remainder each.
sub id_of
{
	my ($who, $max) = @_;

	return 3 * int(rand($max / 3)) + $who;
}

# A random statement of a session.
sub statement
{
	my ($who) = @_;
	my $id = id_of($who, 990);
	my $other = id_of($who, 330);
	my $number = int rand 1000;

	return pick(
		"UPDATE acc SET v = $number WHERE id = $id",
		"UPDATE acc SET v = v WHERE id % 30 = $who",
		"UPDATE acc SET t = repeat('y', $number % 300) WHERE id = $id",
		"UPDATE acc SET big = big || '' WHERE id % 15 = $who",
		"UPDATE acc SET big = repeat(md5('$number'), 90) WHERE id = $id",
		"UPDATE acc SET big = NULL WHERE id = $id",
		"DELETE FROM acc WHERE id = $id",
		"DELETE FROM acc WHERE id BETWEEN $id AND $id + 9 AND id % 3 = $who",
		"INSERT INTO acc VALUES ($id, $number, 'new', repeat(md5('$id'), 80)) ON CONFLICT DO NOTHING",
		"INSERT INTO acc VALUES ($id, $number, 'again') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
		# and a key that changes
		"UPDATE acc SET id = 3000 + id WHERE id = $id AND NOT EXISTS (SELECT FROM acc WHERE id = 3000 + $id)",
		"SELECT count(*) FROM (SELECT FROM acc WHERE id % 9 = $who FOR UPDATE) q",
		"INSERT INTO bag SELECT $number % 40, repeat('b', $number % 40 * 5), '{}' FROM generate_series(1, 1 + $number % 3)",
		"DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE v = $number % 40 AND v % 3 = $who LIMIT 1)",
		"UPDATE bag SET t = t || 'c' WHERE v = $number % 40 AND v % 3 = $who",
		"UPDATE bag SET v = v WHERE v % 3 = $who",
		"UPDATE part SET v = $number WHERE id = $other",
		"UPDATE part SET id = id + 600 WHERE id = $other AND NOT EXISTS (SELECT FROM part WHERE id = $other + 600)",
		"DELETE FROM part WHERE id = $other",
		"INSERT INTO part VALUES ($other, $number) ON CONFLICT DO NOTHING",
		"UPDATE kinds SET pair = array[$number, v] FROM (SELECT $number % 7 AS v) q WHERE id = $id % 48");
}

# Some statements, in subtransactions that may end in an error.
sub transaction
{
	my ($session, $who, $statements, $end) = @_;

	ask($session, 'BEGIN');
	foreach my $i (1 .. $statements)
	{
		my $sub = rand() < 0.4;

		ask($session, "SAVEPOINT s$i") if $sub;
		ask($session, statement($who));
		next unless $sub;
		ask($session, pick("ROLLBACK TO s$i", "RELEASE s$i", "RELEASE s$i"));
	}
	ask($session, $end) if $end;
	return;
}

# What only a session that is alone can do.
sub alone
{
	my ($session, $state) = @_;
	my $number = int rand 1000;
	my $label = $state->{label} // 'small';
	my $new = "small$number";

	my ($kind, $sql) = @{
		pick(
			[ 'other', 'VACUUM FULL rewritten' ],
			[ 'other', 'VACUUM FULL acc' ],
			[ 'other', "TRUNCATE rewritten; INSERT INTO rewritten SELECT g, $number FROM generate_series(1, 50) g" ],
			[ 'other', 'ALTER TABLE rewritten ALTER x TYPE int USING x + 1' ],
			[ 'other', 'CLUSTER part_1 USING part_1_pkey' ],
			[ 'other', "ALTER TABLE rewritten DROP x; ALTER TABLE rewritten ADD x int DEFAULT $number" ],
			[ 'other', 'ALTER TABLE part DETACH PARTITION part_1; ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES FROM (0) TO (100)' ],
			[ 'other', "BEGIN; ALTER TABLE part DETACH PARTITION part_2; CREATE TABLE part_new (LIKE part_2); INSERT INTO part_new SELECT * FROM part_2; DROP TABLE part_2; ALTER TABLE part_new RENAME TO part_2; ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (100) TO (200); COMMIT" ],
			[ 'label', "ALTER TYPE size RENAME VALUE '$label' TO '$new'" ],
			# VACUUM truncates the table
			[ 'other', 'DELETE FROM acc WHERE (ctid::text::point)[0] >= (SELECT max((ctid::text::point)[0]) - 3 FROM acc); VACUUM acc' ])
	};

	return if $state->{keep} && $sql eq 'VACUUM FULL acc';
	ask($session, $_) foreach split /; /, $sql;
	$state->{label} = $new if $kind eq 'label';
	return;
}

# The rows of all tables, as a new session of the source sees them.
sub moment
{
	my ($node, $database) = @_;
	my $sql = "SELECT pg_current_wal_insert_lsn();\n";
	my %rows;

	$sql .= "SELECT '$_', r::text FROM $_ r;\n" foreach @tables;
	$sql .= "SELECT DISTINCT 'xid', xid FROM audit;\n";
	my ($lsn, @lines) = split /\n/,
	  $node->safe_psql($database, $sql);

	$rows{$_} = {} foreach @tables;
	foreach (@lines)
	{
		my ($table, $row) = split /\|/, $_, 2;

		$rows{$table}{$row}++;
	}
	return { lsn => $lsn, xids => delete $rows{xid} // {}, rows => \%rows };
}

sub end_long
{
	my ($session, $state) = @_;

	if ($state->{prepared})
	{
		ask($session, pick('COMMIT', 'COMMIT', 'ROLLBACK') . " PREPARED '$state->{name}'");
	}
	else
	{
		ask($session, pick('COMMIT', 'COMMIT', 'ROLLBACK'));
	}
	delete @$state{qw(open prepared)};
	return;
}

sub change_tables
{
	my ($node, $database, $steps, %options) = @_;
	my @sessions = map { start_session($node, $database) } 0 .. 2;
	my @long = map { { name => "long$_" } } 0 .. 2;
	my $state = {%options};
	my @moments = moment($node, $database);

	foreach my $step (1 .. $steps)
	{
		transaction($sessions[0], 0, 1 + int rand 4, pick('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'))
		  foreach 1 .. 1 + int rand 3;
		foreach my $who (1, 2)
		{
			my $long = $long[$who];

			if (!$long->{open})
			{
				next if rand() < 0.4;
				transaction($sessions[$who], $who, 1 + int rand 6, undef);
				$long->{open} = 1;
				if (rand() < 0.4)
				{
					ask($sessions[$who], "PREPARE TRANSACTION '$long->{name}'");
					$long->{prepared} = 1;
				}
			}
			elsif (rand() < 0.3)
			{
				end_long($sessions[$who], $long);
			}
		}
		ask($sessions[0], 'CHECKPOINT') if rand() < 0.2;
		ask($sessions[0], pick('VACUUM acc', 'VACUUM bag', 'VACUUM FREEZE acc', 'VACUUM part'))
		  if rand() < 0.3;
		if (rand() < 0.3)
		{
			$long[$_]{open} && end_long($sessions[$_], $long[$_]) foreach 1, 2;
			alone($sessions[0], $state);
		}
		push @moments, moment($node, $database);
	}
	$long[$_]{open} && end_long($sessions[$_], $long[$_]) foreach 1, 2;
	push @moments, moment($node, $database);
	end_session($_) foreach @sessions;
	return @moments;
}

1;

# Which tli ingest follows: the argument tli, archives with several branches,
# and base backups whose WAL is in segments of a newer tli.

use strict;
use warnings;
use BBackup;
use File::Copy qw(copy);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"autovacuum = off\nmax_wal_senders = 4\n", '--data-checksums');
$source->safe_psql('postgres', 'CREATE TABLE t (what text)');
my $base = cold_backup($source);
my $store = new_store('store');
import_directory($store, $base);

sub insert
{
	my ($node, $what) = @_;

	$node->safe_psql('postgres', "INSERT INTO t VALUES ('$what')");
	return $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
}

sub switch_wal
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	return;
}

# Until a server that archives has archived all that it could.
sub wait_archived
{
	my ($node) = @_;

	$node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_ls_archive_statusdir()"
		  . " WHERE name LIKE '%.ready')")
	  or die 'timed out';
	return;
}

# tli 1: three rows, all in one segment, and a base backup without WAL
$source->start;
my $bare = PostgreSQL::Test::Utils::tempdir . '/bare';
command_ok([
	'pg_basebackup', '-D', $bare, '-d', $source->connstr('postgres'),
	'-X', 'none', '-c', 'fast', '--no-sync'
], 'a base backup without WAL');
my $early = insert($source, 'one');
my $late = insert($source, 'two');
insert($source, 'three');
switch_wal($source);
wait_archived($source);
$source->stop('immediate');
my ($segment) = slurp_file("$bare/backup_label") =~ /\(file (\S+)\)/;

# A server that is recovered to an LSN, out of an archive, and archives there.
my $recovered = 0;
sub recover_to
{
	my ($archive, $lsn, $what) = @_;
	my $node = PostgreSQL::Test::Cluster->new('recovered' . ++$recovered);

	copy_directory("$base/.", $node->data_dir);
	own_address($node);
	$node->append_conf('postgresql.conf',
		"restore_command = 'cp \"$archive/%f\" \"%p\"'\n"
		  . "archive_command = 'cp \"%p\" \"$archive/%f\"'\n"
		  . "recovery_target_lsn = '$lsn'\nrecovery_target_inclusive = off\n"
		  . "recovery_target_action = promote\n");
	$node->append_conf('recovery.signal', '');
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'timed out';
	insert($node, $what);
	switch_wal($node);
	wait_archived($node);
	$node->stop('immediate');
	return;
}

my $branches = 0;
sub branch
{
	my $name = 'case' . ++$branches;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	return $name;
}

# "end_lsn|tli" and what ingest says.
sub outcome
{
	my ($directory, $timeline, $tli) = @_;
	my ($stdout, $stderr);

	$store->psql(
		'postgres',
		"SELECT end_lsn, tli FROM bb_ingest(wal_directory => '$directory',"
		  . " timeline => '$timeline'"
		  . (defined $tli ? ", tli => '$tli')" : ')'),
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ($stdout, $stderr);
}

my $clones = 0;
sub rows_of
{
	my ($timeline) = @_;
	my $clone = new_clone('clone' . ++$clones,
		fetch_backup($store, "lsn => NULL, timeline => '$timeline'"));

	$clone->append_conf('postgresql.conf',
		"archive_mode = off\nrestore_command = ''\n");
	$clone->start;
	my $rows = $clone->safe_psql('postgres',
		"SELECT string_agg(what, ' ' ORDER BY what) FROM t");
	$clone->stop;
	return $rows;
}

sub end_of
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
}

# ---- recovered twice, the second time to an earlier point ----

recover_to($archive, $late, 'first recovery');
recover_to($archive, $early, 'second recovery');
like(slurp_file("$archive/00000003.history"),
	qr/^1\t\Q$late\E\t.*^2\t\Q$early\E\t/ms,
	'a history with falling positions');

my $latest = branch();
my ($row, $said) = outcome($archive, $latest);
like($row, qr/\|3$/, 'the newest tli is followed');
like($said,
	qr/^psql:\S+ NOTICE: .*"$latest" goes on with WAL of timeline ID 3 at \Q$early\E/m,
	'a NOTICE says where');
is(rows_of($latest), 'one second recovery', 'its rows');

my $second = branch();
($row, $said) = outcome($archive, $second, 2);
like($row, qr/\|2$/, 'the one before it, by its number');
like($said, qr/NOTICE: .*timeline ID 2 at \Q$late\E/, 'a NOTICE says where');
is(rows_of($second), 'first recovery one two', 'its rows');
($row, $said) = outcome($archive, $second);
like($said,
	qr/WARNING: .*timeline ID 3 is not followed.*branch at \Q$early\E/s,
	'then the newest one is too late');

my $current = branch();
($row, $said) = outcome($archive, $current, 'current');
like($row, qr/\|1$/, 'no other tli');
is($said, '', 'nothing is said');
is(rows_of($current), 'one three two', 'its rows');
($row, $said) = outcome($archive, $current, 1);
like($row, qr/\|1$/, 'that by its number');

foreach my $case (
	[ 'newest', '22023: invalid timeline ID: "newest"' ],
	[ 7, '22023: timeline ID 7 does not exist' ],
	[ 2, '22023: WAL of timeline ID 2 cannot be followed.*branch at' ])
{
	my ($tli, $expected) = @$case;

	($row, $said) = outcome($archive, $current, $tli);
	like($said, qr/$expected/s, "tli $tli");
}
($row, $said) = outcome($archive, $latest, 1);
like($said, qr/22023: WAL of timeline ID 1 cannot be followed/, 'no way back');

# ---- production goes on, beside a recovery that archived ----

my $both = copy_directory($archive,
	PostgreSQL::Test::Utils::tempdir . '/both');
$source->append_conf('postgresql.conf',
	"archive_command = 'cp \"%p\" \"$both/%f\"'\n");
$source->start;
insert($source, 'production');
switch_wal($source);
wait_archived($source);
$source->stop('immediate');

my $chosen = branch();
foreach my $time ('once', 'again')
{
	($row, $said) = outcome($both, $chosen);
	like($said,
		qr/22023: WAL in directory "\Q$both\E" goes on under timeline IDs 1 and 3.*Timeline ID 3 forks from 1 at \Q$early\E, .*timeline ID 1 goes on in "00000001[0-9A-F]{16}".*HINT: .*tli => '3'.*tli => 'current'/s,
		"two branches are refused, $time");
	is(end_of($chosen), $early, 'all before the fork is kept');
}
my $other = branch();
outcome($both, $other, 'current');
is(rows_of($other), 'one production three two', 'production, as was asked for');
outcome($both, $chosen, 3);
is(rows_of($chosen), 'one second recovery', 'the recovery, as was asked for');

# The same, but the fork had been passed before production went on.
($row, $said) = outcome($both, $latest);
like($said,
	qr/WARNING: .*WAL of timeline ID 1 in directory .* goes on, but is not followed.*left at \Q$early\E.*HINT: .*branch at \Q$early\E/s,
	'production that goes on after the fork is told');
($row, $said) = outcome($both, $latest, 3);
is($said, '', 'not to those who said what they want');

# until is before the fork, so there's nothing to choose
$store->safe_psql('postgres',
	"SELECT FROM bb_ingest('$both', until => '$early',"
	  . " timeline => '" . branch() . "')");
pass('up to the fork it does not matter');

# ---- what isn't WAL doesn't count ----

my ($beyond) = reverse sort map { s{.*/}{}r }
  grep { /\/00000001[0-9A-F]{16}$/ } glob "$both/*";
my $made_ahead = copy_directory($both,
	PostgreSQL::Test::Utils::tempdir . '/made_ahead');
truncate "$made_ahead/$beyond", 0 or die $!;
truncate "$made_ahead/$beyond", -s "$both/$beyond" or die $!;
($row, $said) = outcome($made_ahead, branch());
like($row, qr/\|3$/, 'a segment of zeros is no branch');

# ---- a history without its segment ----

my $lacking = copy_directory($archive,
	PostgreSQL::Test::Utils::tempdir . '/lacking');
unlink glob "$lacking/00000003????????????????" or die $!;
my $lacks = branch();
($row, $said) = outcome($lacking, $lacks);
is($row, "$early|1", 'WAL ends at the fork');
like($said,
	qr/NOTICE: .*ends at \Q$early\E, where timeline ID 3 begins.*is missing/s,
	'which is said');
copy("$both/$beyond", $lacking) or die $!;
($row, $said) = outcome($lacking, $lacks);
like($said, qr/22023: WAL in directory .* goes on under timeline IDs 1 and 3/,
	'but not if the old tli goes on');

# ---- a branch that the timeline isn't on ----

my $sibling = copy_directory($archive,
	PostgreSQL::Test::Utils::tempdir . '/sibling');
append_to_file("$sibling/00000004.history", "1\t$early\tfrom a backup\n");
($row, $said) = outcome($sibling, $second);
like($said, qr/WARNING: .*timeline ID 3 is not followed/,
	'the nearest that can not be followed is told');
unlink "$sibling/00000003.history", "$sibling/00000004.history" or die $!;
append_to_file("$sibling/00000003.history", "1\t$early\tfrom a backup\n");
($row, $said) = outcome($sibling, $second);
like($said,
	qr/WARNING: .*timeline ID 3 is not followed.*"00000003\.history" does not have timeline ID 2/s,
	'also if it never was on that tli');

# ---- histories that are of no use ----

my ($forked) = reverse sort map { s{.*/}{}r }
  grep { /\/00000001[0-9A-F]{16}$/ } glob "$archive/*";
my $odd = copy_directory($archive, PostgreSQL::Test::Utils::tempdir . '/odd');
truncate "$odd/00000003.history", 0 or die $!;
($row, $said) = outcome($odd, branch());
like($row, qr/\|2$/, 'an empty history file blocks nothing');
like($said,
	qr/WARNING: .*"\Q$odd\E\/00000003\.history" is not valid.*timeline ID 3 .*is not followed/si,
	'but is told');
unlink "$odd/00000003.history", "$odd/00000002.history", "$odd/$forked"
  or die $!;
($row, $said) = outcome($odd, branch());
like($row, qr/\|1$/, 'without history files it stays');
like($said,
	qr/NOTICE: .*WAL of timeline ID [23] in directory .* is not followed.*no history file/s,
	'which is said');
copy("$archive/00000003.history", $odd) or die $!;
($row, $said) = outcome($odd, branch());
like($said,
	qr/55000: timeline history file "00000002\.history" is missing.*HINT: .*tli => '3'/s,
	'a gap in them is refused');

# ---- base backups: their WAL wherever ingest would find it ----

# only what a directory has of the files that match
sub part_of
{
	my ($from, @patterns) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;

	copy($_, $directory) or die $! foreach map { glob "$from/$_" } @patterns;
	return $directory;
}

sub imports
{
	my ($name, $directory, $timeline, $wal) = @_;
	my ($stdout, $stderr);

	$store->psql(
		'postgres',
		"SELECT lsn FROM bb_import_directory('$directory',"
		  . " timeline => '$timeline'"
		  . (defined $wal ? ", wal_directory => '$wal')" : ')'),
		stdout => \$stdout,
		stderr => \$stderr);
	like($stdout, qr/^[0-9A-F]+\/[0-9A-F]+$/, $name) or diag($stderr);
	return;
}

my $partial = part_of($archive, $segment);
rename "$partial/$segment", "$partial/$segment.partial" or die $!;
imports('a checkpoint in a partial segment', $bare, 'partial', $partial);
# ---- pg_rewind ----

my $standby = PostgreSQL::Test::Cluster->new('standby');
my $primary = new_source('primary', '--data-checksums');
$primary->append_conf('postgresql.conf',
	"wal_level = replica\nmax_wal_senders = 5\nautovacuum = off\n"
	  . "wal_keep_size = 64MB\n");
$primary->restart;
$primary->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, 0 AS n FROM generate_series(1, 3000) i;'
	  . ' CREATE TABLE gone AS SELECT 1 AS i FROM generate_series(1, 1000)');
$primary->backup('for_standby');
$standby->init_from_backup($primary, 'for_standby', has_streaming => 1);
own_address($standby);
$standby->start;
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
my $of_standby = PostgreSQL::Test::Utils::tempdir . '/of_standby';
command_ok([
	'pg_basebackup', '-D', $of_standby, '-d',
	$standby->connstr('postgres'),
	'-X', 'none', '-c', 'fast', '--no-sync'
], 'a base backup of a standby');

# The same with a control file that was copied first, as a tool may do that
# copies files by name: its minimum recovery point is before the newest page.
my $by_name = PostgreSQL::Test::Utils::tempdir . '/by_name';
my $before = $primary->lsn('insert');
$primary->safe_psql('postgres', 'DELETE FROM gone');
$primary->safe_psql('postgres', 'VACUUM (TRUNCATE off) gone');
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$standby->safe_psql('postgres', 'CHECKPOINT');
command_ok([
	'pg_basebackup', '-D', $by_name, '-d',
	$standby->connstr('postgres'),
	'-X', 'none', '-c', 'fast', '--no-sync'
], 'files of a standby, copied later');
for my $file ('backup_label', 'global/pg_control')
{
	copy("$of_standby/$file", "$by_name/$file") or die "$file: $!";
}
my $readable = $store->safe_psql('postgres',
	"SELECT lsn FROM bb_import_directory('$by_name', timeline => 'by_name',"
	  . " wal_directory => '"
	  . $primary->data_dir
	  . "/pg_wal')");
query_is($store, "SELECT '$readable'::pg_lsn > '$before'::pg_lsn", 't',
	"a standby's backup can be read from its newest page on, at $readable");

$standby->promote;
$primary->safe_psql('postgres',
	'UPDATE t SET n = 1 WHERE i % 3 = 0; CREATE TABLE lost AS SELECT 1 AS i');
$primary->stop;
$standby->safe_psql('postgres', 'CHECKPOINT');
$standby->safe_psql('postgres', 'UPDATE t SET n = 2 WHERE i % 5 = 0');
command_ok([
	'pg_rewind', '-D',
	$primary->data_dir, '--source-server',
	$standby->connstr('postgres')
], 'pg_rewind');
unlike(slurp_file($primary->data_dir . '/backup_label'),
	qr/START TIMELINE/, 'its label has no tli');
my $digest = 'SELECT count(*), sum(n), sum(i * n) FROM t';
my $expected = $standby->safe_psql('postgres', $digest);
$standby->stop;
imports('a directory that was rewound', $primary->data_dir, 'rewound');
($row, $said) = outcome($standby->data_dir . '/pg_wal', 'rewound');
like($row, qr/\|2$/, 'and goes on with the WAL of the other server');
my $rewound = new_clone('rewound',
	fetch_backup($store, "lsn => NULL, timeline => 'rewound'"));
$rewound->append_conf('postgresql.conf', "port = " . $rewound->port . "\n");
$rewound->start;
query_is($rewound, $digest, $expected, 'its rows');
$rewound->stop;

# the segment of the backup's checkpoint, only as the file of the newer tli
my $newer = part_of($standby->data_dir . '/pg_wal', '00000002*');
imports('a checkpoint in a segment of a newer tli',
	$of_standby, 'newer', $newer);
($row, $said) = outcome($newer, 'newer');
like($row, qr/\|2$/, 'and WAL goes on there');
unlink glob "$newer/*.history" or die $!;
fails_like($store,
	"SELECT bb_import_directory('$of_standby', timeline => 'nowhere',"
	  . " wal_directory => '$newer')",
	qr/58P01: WAL segment "00000001[0-9A-F]{16}" is missing/,
	'without a history file it is not looked for there');

done_testing();

# WAL of several tlis: a server that was recovered to a point and promoted,
# and a clone of ours, both archive where the source did.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $archiving = qq(wal_level = replica
archive_mode = on
archive_command = 'test ! -f "$archive/%f" && cp "%p" "$archive/%f"');
my $source = new_source('source', '--data-checksums');
$source->append_conf('postgresql.conf', $archiving);
$source->restart;
my $base = cold_backup($source);
my $store = new_store('store');
import_directory($store, $base);

sub insert_lsn
{
	my ($node) = @_;

	return $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
}

# tli 1: two rows, and what will be abandoned
$source->start;
$source->safe_psql('postgres', 'CREATE TABLE t (what text)');
$source->safe_psql('postgres', "INSERT INTO t VALUES ('one')");
my $fork = insert_lsn($source);
$source->safe_psql('postgres', "INSERT INTO t VALUES ('abandoned')");
my $abandoned = insert_lsn($source);
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

foreach my $name (qw(follows beyond at_fork))
{
	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
}
ingest($store, $archive, 'beyond');
my %row = ingest($store, $archive, 'at_fork', $fork);
is($row{end_lsn}, $fork, 'a timeline that ends where the tlis will part');

# tli 2: recovered to the fork, promoted
my $promoted = PostgreSQL::Test::Cluster->new('promoted');
copy_directory("$base/.", $promoted->data_dir);
own_address($promoted);
$promoted->append_conf('postgresql.conf',
	"restore_command = 'cp \"$archive/%f\" \"%p\"'\n"
	  . "recovery_target_lsn = '$fork'\nrecovery_target_inclusive = off\n"
	  . "recovery_target_action = promote\n");
$promoted->append_conf('recovery.signal', '');
$promoted->start;
$promoted->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
$promoted->safe_psql('postgres', "INSERT INTO t VALUES ('two')");
my $two = insert_lsn($promoted);
$promoted->safe_psql('postgres', 'SELECT pg_switch_wal()');
$promoted->stop;
ok(-f "$archive/00000002.history", 'there is a history file');

%row = ingest($store, $archive, 'follows');
is($row{tli}, 2, 'WAL is followed onto the new tli');
%row = ingest($store, $archive, 'at_fork');
is($row{tli}, 2, 'also from the very point where it begins');

my ($stdout, $stderr);
$store->psql(
	'postgres',
	"SELECT records, tli FROM bb_ingest('$archive', timeline => 'beyond')",
	stdout => \$stdout,
	stderr => \$stderr);
is($stdout, '0|1', 'past that point it is not followed');
like($stderr,
	qr/WARNING: .*timeline ID 2 is not followed.*HINT: .*branch at $fork/s,
	'which is said');

# What is in t, and which tli a clone of an LSN comes from.
my $clones = 0;
sub clone_of
{
	my ($timeline, $lsn) = @_;
	my $clone = new_clone('clone' . ++$clones,
		fetch_backup($store, "'$lsn', timeline => '$timeline'"));

	$clone->append_conf('postgresql.conf',
		"archive_mode = off\nrestore_command = ''\n");
	$clone->start;
	return $clone;
}

sub rows
{
	my ($clone) = @_;

	return $clone->safe_psql('postgres',
		"SELECT string_agg(what, ' ' ORDER BY what) FROM t");
}

sub tli
{
	my ($clone) = @_;

	return $clone->safe_psql('postgres',
		'SELECT timeline_id FROM pg_control_checkpoint()');
}

foreach my $case (
	[ 'follows', $fork, 'one' ],
	[ 'follows', $two, 'one two' ],
	[ 'at_fork', $two, 'one two' ],
	[ 'beyond', $abandoned, 'abandoned one' ])
{
	my ($timeline, $lsn, $expected) = @$case;
	my $clone = clone_of($timeline, $lsn);

	is(rows($clone), $expected, "$timeline at $lsn");
	if ($lsn eq $two)
	{
		is(tli($clone), 3, 'the clone is on a tli after that');
		my $history =
		  slurp_file($clone->data_dir . '/pg_wal/00000003.history');
		# of 19 on, the server's LSNs have zeros that those of our files lack
		my ($first, $second) = map { s{/0*}{/0*}r } $fork, $two;
		like($history, qr/^1\t$first\t.*^2\t$second\t/ms,
			'and its history has both before it');
	}
	$clone->stop;
}

# ---- WAL of a clone of ours, into a branch where it began ----

my $clone_archive = PostgreSQL::Test::Utils::tempdir;
$store->safe_psql('postgres',
	"SELECT bb_create_branch('clone', 'beyond', '$fork')");
my $clone = new_clone('writer', fetch_backup(
		$store, "lsn => '$fork', timeline => 'beyond', settings => 'source'"));
$clone->append_conf('postgresql.conf',
	"archive_command = 'cp \"%p\" \"$clone_archive/%f\"'\n");
$clone->start;
$clone->safe_psql('postgres', "INSERT INTO t VALUES ('cloned')");
my $cloned = insert_lsn($clone);
$clone->safe_psql('postgres', 'SELECT pg_switch_wal()');
$clone->stop;
ok(-f "$clone_archive/00000003.history", 'with its history file');

# its archive has no 00000002.history, so it has to be told
%row = ingest($store, $clone_archive, 'clone', undef, 3);
is($row{tli}, 3, "the clone's WAL continues a branch");
my $second = clone_of('clone', $cloned);
is(rows($second), 'cloned one', 'a clone of the clone');
$second->stop;

done_testing();

# History that expires under upkeep: what the window and points promise is read as
# before, byte for byte, and what they don't is refused by name.  A branch holds
# its ancestor.  A dry run says what then happens.  Killed in between, and with
# two servers on one store, nothing else comes out.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
$source->safe_psql('postgres',
	'CREATE TABLE t (i int, t text); INSERT INTO t SELECT i, md5(i::text)'
	  . ' FROM generate_series(1, 20000) i; CREATE INDEX ON t (t)');
$source->stop;
my $small = "restart_after_crash = on\nbbackup.removal_delay = 0\nbbackup.layer_size = 1MB\n"
  . "bbackup.merge_layers = 3\nbbackup.image_percent = 20\n";
my $store = new_store('store', $small);
import_directory($store, $source->data_dir);
my $first = $store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()');

# live - some commits, in a layer or two; returns the LSN that can be read after it.
my $lived = 0;

sub live
{
	my ($pause) = @_;

	$lived++;
	$source->safe_psql('postgres',
		"UPDATE t SET t = md5(t || $lived) WHERE i % 7 = $lived % 7;"
		  . "INSERT INTO t SELECT -$lived, 'x'");
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
	my %ingested = ingest($store, $archive);
	sleep $pause;
	return $ingested{end_lsn};
}

# The digest of a backup of a timeline at an LSN.
sub digest
{
	my ($lsn, $timeline) = @_;

	return $store->safe_psql('postgres', backup_md5('bbackup',
		"lsn => '$lsn', timeline => '" . ($timeline // 'main') . "'"));
}

sub upkeep
{
	return $store->safe_psql('postgres',
		"SELECT string_agg(DISTINCT job, ' ' ORDER BY job) FROM bb_upkeep()");
}

# --- A week in some seconds.

$source->start;
my @lsns = map { live(0.4) } 1 .. 8;
my %before = map { $_ => digest($_) } @lsns;

$store->safe_psql('postgres', "SELECT bb_pin('$lsns[1]', 'pinned')");
$store->safe_psql('postgres',
	"SELECT bb_create_branch('branch', lsn => '$lsns[3]')");
my $branch = digest($lsns[3], 'branch');

# Upkeep keeps all, as long as no retention is set.
upkeep();
is_deeply({ map { $_ => digest($_) } @lsns }, \%before,
	'all is read as before after upkeep');

push @lsns, map { live(0.4) } 1 .. 6;
sleep 1;
push @lsns, map { live(0.1) } 1 .. 4;
$before{$_} //= digest($_) foreach @lsns;
$store->safe_psql('postgres', "SELECT bb_set_retention('2 seconds')");
upkeep();
note(upkeep()) foreach 1 .. 3;

# check - what is promised is kept, and what isn't is refused.
sub check
{
	my ($what) = @_;
	my ($oldest, $newest, $held) = split /\|/,
	  $store->safe_psql('postgres',
		"SELECT oldest_lsn, newest_lsn, held_by FROM bb_window WHERE timeline = 'main'");
	my %points = map { $_ => 1 } split /\n/, $store->safe_psql('postgres',
		"SELECT lsn FROM bb_keeps(timeline => 'main') WHERE kind = 'point'");
	my ($read, $refused, @wrong) = (0, 0);

	foreach my $lsn (@lsns)
	{
		my $inside = $store->safe_psql('postgres',
			"SELECT '$lsn'::pg_lsn BETWEEN '$oldest' AND '$newest'") eq 't';

		if ($inside || $points{$lsn})
		{
			$read++;
			push @wrong, $lsn if digest($lsn) ne $before{$lsn};
		}
		else
		{
			my ($ret, $out, $err) =
			  $store->psql('postgres', "SELECT bb_basebackup('$lsn')");

			$refused++;
			push @wrong, "$lsn: $err"
			  if $err !~ /is before the history.*\Q$oldest\E/s;
		}
	}
	is("@wrong", '', "$what: $read are as before, and $refused are refused");
	return ($read, $refused, $held);
}

my ($read, $refused) = check('after upkeep');
cmp_ok($refused, '>=', 6, 'some have expired');
cmp_ok($read, '>=', 4, 'some have not');
query_is($store, "SELECT lsn, reason FROM bb_keeps(timeline => 'main')"
	  . " WHERE kind = 'point'",
	"$lsns[1]|pin \"pinned\"\n$lsns[3]|branch \"branch\"", 'the points');
is(digest($lsns[3], 'branch'), $branch, 'the branch is read as before');
fails_like($store, "SELECT bb_create_branch('late', lsn => '$lsns[2]')",
	qr/55000: LSN \Q$lsns[2]\E is before/, 'no branch of what has expired');

# --- A dry run says what happens.

push @lsns, live(0.5);
$before{ $lsns[-1] } = digest($lsns[-1]);
upkeep();
$store->safe_psql('postgres', "SELECT bb_unpin('pinned')");
my $dry = $store->safe_psql('postgres', 'SELECT * FROM bb_expire() ORDER BY 1');
my @gone = split /\n/, $store->safe_psql('postgres',
	"SELECT layer FROM bb_expire() WHERE action = 'goes' AND why !~ 'retired'");
is($store->safe_psql('postgres', 'SELECT * FROM bb_expire(false) ORDER BY 1'), $dry,
	'what is said is done');
query_is($store,
	'SELECT count(*) FROM bb_layers() WHERE layer IN ('
	  . join(', ', map { "'$_'" } '', @gone) . ')',
	'0', 'layers that go are not part of the timeline any more');
check('without the pin');
fails_like($store, "SELECT bb_basebackup('$lsns[1]')",
	qr/55000: LSN \Q$lsns[1]\E is before/, 'the pin has released its LSN');

# --- Without the branch, what it held goes.

$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");
upkeep();
query_is($store, 'SELECT points, held_by FROM bb_window', '0|window',
	'nothing but the window is kept');
check('without the branch');

# --- A manifest that can't be read may be a branch.

if (BBackup::StoreKind::is_local())
{
	my $timelines = store_directory($store) . '/timelines';

	mkdir "$timelines/broken" or die "mkdir: $!";
	append_to_file("$timelines/broken/manifest", 'nothing');
	fails_like($store, 'SELECT * FROM bb_expire(false)',
		qr/55000: nothing of timeline "main" can expire, since timeline "broken" might be a branch.*Restore that manifest/s,
		'a timeline that can not be read holds everything');
	query_is($store,
		"SELECT timeline, kind FROM bb_window JOIN bb_keeps() USING (timeline)",
		'main|window', 'listings show the others');
	$store->safe_psql('postgres', "SELECT bb_drop_timeline('broken')");
}

# --- Killed in the midst of it, several times.

$source->safe_psql('postgres', 'CHECKPOINT');
foreach my $i (1, 3)
{
	push @lsns, live(0.3);
	$before{ $lsns[-1] } = digest($lsns[-1]);
	my $session = start_session($store);

	send_query($session, 'SELECT count(*) FROM bb_upkeep()');
	sleep 0.02 * $i * $i;
	kill 'KILL', $session->{backend};
	answer($session);
	end_session($session);
	wait_for_restart($store);
	forget_killed($store);
	check("killed $i");
}
upkeep();
check('after that');

# --- Two servers with one store, each of which expires what it can, beside intake.

if (BBackup::StoreKind::is_local())
{
	my $other = new_store('other',
		"$small\nbbackup.store_directory = '" . store_directory($store) . "'\n");
	my @sessions = map { start_session($_) } $store, $other;
	my @answers;

	foreach (1 .. 2)
	{
		send_query($_, 'SELECT DISTINCT action FROM bb_expire(false);'
			  . 'SELECT count(*) >= 0 FROM bb_upkeep()')
		  foreach @sessions;
		push @lsns, live(0.2);
		push @answers, map { answer($_) } @sessions;
		$before{ $lsns[-1] } = digest($lsns[-1]);
	}
	end_session($_) foreach @sessions;
	is((grep { /ERROR/ && !/55006/ } @answers),
		0, 'two servers get in each other\'s way at most');
	upkeep();
	check('with two servers');
	$other->stop;
}

$store->stop;
$source->stop;
done_testing();

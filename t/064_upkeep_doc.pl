# The statements of docs/upkeep.md, in their order, as they are there.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use File::Basename;

# The blocks of the document, by name.
my $document = slurp_file(dirname(__FILE__) . '/../docs/upkeep.md');
my @names = $document =~ /^<!-- test: (\S+) -->$/mg;
my %blocks = $document =~ /^<!-- test: (\S+) -->\n```\w+\n(.*?)^```$/msg;
is( join(' ', @names),
	'on off cron watch retention pin look verify mend mend-source replicate continuously move map',
	'the document has the statements');
is(scalar(() = $document =~ /^```\w/mg),
	scalar keys %blocks, 'and no block that is not tested');

my $source = new_followed_source('source', 'wal_keep_size = 1GB');
my $store = new_following_store('store',
	"bbackup.upkeep_naptime = 1\nbbackup.upkeep_cpu_share = 100\n");
my $place = PostgreSQL::Test::Utils::tempdir;
my $changed = 0;

sub run
{
	my ($name) = @_;

	return $store->safe_psql('postgres', $blocks{$name});
}

# Commands as cron or a shell runs them.
sub shell
{
	my ($command) = @_;
	local %ENV = (%ENV, PGHOST => $store->host, PGPORT => $store->port,
		PGDATABASE => 'postgres');

	return system("cd '$place' && $command") == 0;
}

sub change
{
	my $lsn;

	$source->safe_psql('postgres', 'UPDATE t SET i = i + 1');
	$lsn = wait_now($store);
	$changed++;
	return $lsn;
}

sub has_changed
{
	my ($clone) = @_;

	is( $clone->safe_psql('postgres', 'SELECT min(i) - 1 FROM t'),
		$changed, 'a clone has what the source has');
	$clone->stop;
	return;
}

create_rows($source, 1000);
create_source($store, 'prod', $source);
$store->safe_psql('postgres',
	"CREATE SERVER $_ FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/$_')"
) foreach qw(archive second offsite new);
follow($store, 'prod');
ok(wait_now($store), 'a timeline follows a server');
$store->safe_psql('postgres', $_) foreach (
	"SELECT bb_replicate('main', 'bbackup', 'archive')",
	"SELECT bb_detach_copy('main', 'archive')");

# --- what upkeep is

run('on');
ok( $store->poll_query_until('postgres',
		"SELECT count(*) FROM bb_stat_upkeep WHERE store IN ('bbackup', 'archive')",
		2),
	'the worker goes round all stores');
run('off');
my ($command) = $blocks{cron} =~ /^(?:\S+ ){5}(.*)$/;
ok(shell($command), 'what cron runs works');
change() for 1 .. 12;
ok( $store->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM bb_stat_upkeep_jobs WHERE job = 'merge' AND error IS NULL"
	),
	'layers are merged');
like(run('watch'), qr/^bbackup\|main\|\w+\|\d+\|\d+\|[\d.]+\|\|$/m,
	'which can be watched');

# --- how long history is kept

change();
my $time = $store->safe_psql('postgres', 'SELECT clock_timestamp()');
change();
$blocks{pin} =~ s/2026-11-30 12:00/$time/;
$blocks{pin} =~ s/^(SELECT bb_unpin.*)\n//m or die;
run('retention');
run('pin');
my $pinned = "lsn => (SELECT lsn FROM bb_keeps() WHERE name = 'before-upgrade')";
my $digest = $store->safe_psql('postgres', backup_md5('bbackup', $pinned));
$store->safe_psql('postgres',
	"SELECT bb_set_retention('1 second', floor => '1 second')");
sleep 2;
my $end = change();
ok( $store->poll_query_until('postgres',
		"SELECT points > 0 AND held_by ~ 'before-upgrade' FROM bb_window WHERE store = 'bbackup'"
	),
	'history expires, but not the pin');
like( run('look'),
	qr/^bbackup\|main\|window.*^main\|pin\|before-upgrade\|.*\|upgrade to 18\|.*^(?:image|delta)-/ms,
	'what is kept can be looked at');
is( $store->safe_psql('postgres',
		backup_md5('bbackup', $pinned)),
	$digest, 'what is pinned is as it was');

# --- is it whole, and mending it

$store->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep = off');
$store->reload;
$store->poll_query_until('postgres',
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^bbackup upkeep' AND datid IS NOT NULL",
	0)
  or die 'the worker does not end';
$store->safe_psql('postgres',
	"SELECT bb_replicate('main', 'bbackup', 'second')");
is(run('verify'), '', 'the store is whole');
my $layer = $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers() WHERE timeline = 'main' ORDER BY bytes DESC LIMIT 1");
unlink store_directory($store) . "/timelines/main/layers/$layer" or die;
like(run('verify'), qr/^main\|missing\|\Q$layer\E\|/, 'a lost layer is found');
like(run('mend'), qr/^\Q$layer\E\|missing\|\d+\|t\|/, 'and mended');
is(run('verify'), '', 'the store is whole again');
is(run('mend-source'), '', 'so nothing is needed from the source');

# --- copies

like(run('replicate'), qr/^main\|\d+\|/, 'a copy is made');
run('on');
run('continuously');
change();
ok( $store->poll_query_until('postgres',
		"SELECT copy_lsn >= bb_wait() AND bytes_to_copy = 0 FROM bb_stat_copies"),
	'the worker keeps it up to date');
# t/065 has a copy that follows the server instead
$store->safe_psql('postgres', $_) foreach (
	"SELECT bb_stop_replicating('main', 'bbackup', 'offsite')",
	"SELECT bb_detach_copy('main', 'offsite')",
	"SELECT bb_unfollow('main')");
has_changed(clone_of($store, 'main', "store => 'offsite'"));
like(run('move'), qr/^main\|/, 'a timeline is moved');
is( $store->safe_psql('postgres',
		"SELECT count(*) FROM bb_window WHERE store IN ('bbackup', 'new')"),
	1, 'and is in one store');
ok( $store->poll_query_until('postgres',
		"SELECT count(*) FROM bb_stat_upkeep WHERE store = 'bbackup' AND timeline = 'main'",
		0),
	'upkeep forgets it where it was');
$store->safe_psql('postgres',
	"SELECT bb_unpin('before-upgrade', store => 'new')");

# --- a picture, of the default store that has a timeline again

$store->safe_psql('postgres',
	"SELECT bb_move('main', 'new', 'bbackup')");
ok(shell($blocks{map} =~ s/\n//r), 'the layers are drawn');
like(slurp_file("$place/layers.svg"), qr{<svg.*</svg>\n$}s, 'as a picture');

$store->stop;
$source->stop;
done_testing();

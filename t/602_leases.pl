# Leases: what they hold while retention lets everything else go; renewing, expiry,
# release; who sees them; what is refused.

use strict;
use warnings;
use BBackup;
use File::Basename;
use Time::HiRes qw(sleep);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
create_rows($source, 2000);
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
$store->append_conf('postgresql.conf', 'bbackup.removal_delay = 0');
$store->reload;

# --- Commits, some seconds apart, each in a layer of its own.

my @lsns;
$source->start;
my $file = $source->safe_psql('postgres', "SELECT pg_relation_filepath('t')");
foreach my $i (1 .. 4)
{
	$source->safe_psql('postgres', 'UPDATE t SET i = i + 1; SELECT pg_switch_wal()');
	my %ingested = ingest($store, $archive);

	push @lsns, $ingested{end_lsn};
	sleep 1.1;
}
$source->safe_psql('postgres', 'INSERT INTO t VALUES (7)');
$source->stop;
my %last = ingest($store, $archive);

# --- What is refused.

my $lease = sub { return "SELECT lsn, new_tli, expires > now() FROM bb_lease(" . join(', ', @_) . ')' };
fails_like($store, $lease->("'a b'"), qr/22023: invalid lease name "a b"/, 'a name that is none');
fails_like($store, $lease->("'a'", 'NULL', "'0'"), qr/22023: invalid duration of a lease/, 'no duration');
fails_like($store, $lease->("'a'", 'NULL', "'31 days'"), qr/22023: invalid duration.*bb_pin/s, 'a long one');
fails_like($store, $lease->("'a'", 'NULL', 'NULL'), qr/22004: argument "duration"/, 'none');
fails_like($store, $lease->("'a'", "'0/1'"), qr/55000: LSN 0\/0*1 is before/, 'an LSN that can not be read');
fails_like($store, $lease->("'a'", 'NULL', 'reason => ' . "repeat('x', 1001)"), qr/22023: reason of lease "a" is too long/, 'a long reason');
fails_like($store, $lease->("'a'", 'new_tli => 1'), qr/22023: new_tli 1 is a timeline ID that the source has/, 'a tli of the source');
fails_like($store, $lease->("'a'", 'new_tli => 0'), qr/22023: new_tli must be positive/, 'no tli');
fails_like($store, "SELECT bb_renew_lease('a')", qr/42704: timeline "main" has no lease "a".*bb_leases/s, 'no such lease');
query_is($store, "SELECT bb_release_lease('a')", 'f', 'no such lease is released');
query_is($store, "SELECT bb_pin('$lsns[2]', 'pinned')", $lsns[2], 'a pin');
fails_like($store, $lease->("'pinned'"), qr/42710: timeline "main" has a pin "pinned" already/, 'the name of a pin');
fails_like($store, "SELECT bb_release_lease('pinned')", qr/42809: "pinned" is a pin, not a lease.*bb_unpin/s, 'a pin is not released');
fails_like($store, "SELECT bb_renew_lease('pinned')", qr/42704: timeline "main" has no lease/, 'nor renewed');

# --- Leases, each with a timeline ID of its own.

query_is($store, $lease->("'long'", "'$lsns[0]'", "reason => 'a mount'"), "$lsns[0]|2|t", 'a lease');
query_is($store, $lease->("'short'", "'$lsns[1]'"), "$lsns[1]|3|t", 'another one has another tli');
fails_like($store, $lease->("'third'", 'new_tli => 3'), qr/22023: new_tli 3 is that of lease "short"/, 'a tli of a lease');
query_is($store, $lease->("'third'", 'new_tli => 9'), "$last{end_lsn}|9|t", 'one that is asked for, at the end');
query_is($store, "SELECT bb_release_lease('third')", 't', 'it is released');
query_is($store, $lease->("'long'"), "$lsns[0]|2|t", 'taking it again renews it');
query_is($store, $lease->("'long'", "'$lsns[0]'::pg_lsn + 1"), "$lsns[0]|2|t", 'at an LSN that stands for the same');
fails_like($store, $lease->("'long'", "'$lsns[1]'"), qr/42710: timeline "main" has a lease "long" already.*at \Q$lsns[0]\E, with new_tli 2/s, 'but not at another one');
fails_like($store, "SELECT bb_unpin('long')", qr/42809: "long" is a lease, not a pin.*bb_release_lease/s, 'it is no pin');
fails_like($store, "SELECT bb_pin('$lsns[0]', 'long')", qr/42710: timeline "main" has a lease "long" already.*bb_release_lease/s, 'and does not become one');
query_is($store, "SELECT timeline, name, lsn, new_tli, reason, owner = current_user, since <= now(), expires > now(), holds FROM bb_leases() ORDER BY name",
	"main|long|$lsns[0]|2|a mount|t|t|t|t\nmain|short|$lsns[1]|3||t|t|t|t", 'both are listed');
query_is($store, "SELECT kind, name, lsn, reason, holds FROM bb_keeps() WHERE kind IN ('pin', 'lease')",
	"lease|long|$lsns[0]|a mount|t\npin|pinned|$lsns[2]||t\nlease|short|$lsns[1]||t", 'bb_keeps() tells them from pins');
query_like($store, "SELECT status, message FROM bb_check() WHERE check_name = 'pins' AND message LIKE 'lease%'",
	qr/^ok\|lease "long" of LSN \Q$lsns[0]\E expires at .*\nok\|lease "short"/, 'so does bb_check()');

# --- Retention beside them, with a window of a second: the pages that they are at stay
# readable, as they were.

my $read = sub {
	my ($lsn) = @_;

	return "SELECT md5(bb_read_blocks(ARRAY['$file'], ARRAY[0]::bigint[],"
	  . " ARRAY[8], '$lsn'))";
};
my $list = "SELECT md5(string_agg(f::text, ';')) FROM bb_clone_files(lease => 'long') f";
my $session = start_session($store);
my %before = map { $_ => ask($session, $read->($_)) } @lsns;
my $files = ask($session, $list);
is(scalar(grep { /^[0-9a-f]{32}$/ } values %before, $files), 5, 'all LSNs are read');

sub upkeep
{
	$store->safe_psql('postgres', 'SELECT bb_expire(false); SELECT count(*) FROM bb_upkeep()');
	return;
}
my $held = sub { return "SELECT lsn, reason FROM bb_keeps() WHERE kind = 'point'" };
$store->safe_psql('postgres', "SELECT bb_set_retention('1 second')");
upkeep();
query_like($store, $held->(), qr/^\Q$lsns[0]\E\|lease "long"\n/, 'the point of a lease is held by it');
query_is($store, 'SELECT held_by FROM bb_window', 'lease "long"', 'bb_window says so');
query_is($session, $read->($lsns[0]), $before{ $lsns[0] }, 'a session reads on at a lease');
query_is($store, $read->($lsns[0]), $before{ $lsns[0] }, 'and so does a new one');
query_is($store, $list, $files, 'the list is the same');
query_is($store, $read->($lsns[2]), $before{ $lsns[2] }, 'as at a pin');

# --- Expiry: upkeep removes a lease that has expired, and its point goes.

$store->safe_psql('postgres', "SELECT bb_renew_lease('short', '1 second')");
$store->poll_query_until('postgres', "SELECT NOT holds FROM bb_leases() WHERE name = 'short'")
  or die 'the lease does not expire';
upkeep();
query_is($store, 'SELECT name FROM bb_leases()', 'long', 'it is removed');
fails_like($store, $read->($lsns[1]), qr/55000: LSN \Q$lsns[1]\E is before the history/, 'and holds nothing');
fails_like($store, "SELECT bb_renew_lease('short')",
	qr/42704: timeline "main" has no lease "short".*it expired and was removed/s, 'it is not renewed');
fails_like($store, $lease->("'short'", "'$lsns[1]'"), qr/55000: LSN/, 'nor taken again');

# --- One that is renewed outlives its first duration, and one that isn't removed yet can
# be renewed.

query_is($store, "SELECT bb_renew_lease('long', '1 second') < now() + interval '3 seconds'", 't', 'a lease is shortened');
$store->poll_query_until('postgres', "SELECT NOT holds FROM bb_leases() WHERE name = 'long'")
  or die 'the lease does not expire';
query_is($store, "SELECT bb_renew_lease('long', '1 hour') > now()", 't', 'it is renewed before upkeep comes');
upkeep();
query_is($store, $read->($lsns[0]), $before{ $lsns[0] }, 'and holds on');
query_is($store, "SELECT new_tli FROM bb_leases()", 2, 'with its tli');

# --- After its release, its pages go.

query_is($store, "SELECT bb_release_lease('long')", 't', 'a lease is released');
query_is($store, $read->($lsns[0]), $before{ $lsns[0] }, 'until upkeep comes, nothing has gone');
upkeep();
fails_like($store, $read->($lsns[0]), qr/55000: LSN \Q$lsns[0]\E is before the history/, 'then it has');
fails_like($store, $list, qr/42704: timeline "main" has no lease "long"/, 'and the list');
query_is($store, 'SELECT name FROM bb_leases()', '', 'no lease is left');
end_session($session);

# --- Without a window, what has expired is removed, too.

$store->safe_psql('postgres', "SELECT bb_set_retention(NULL)");
query_is($store, "SELECT lsn, new_tli FROM bb_lease('short', duration => '1 second')", "$last{end_lsn}|2", 'a lease without retention');
$store->poll_query_until('postgres', "SELECT NOT holds FROM bb_leases()") or die 'the lease does not expire';
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_upkeep()');
query_is($store, 'SELECT name FROM bb_leases()', '', 'it is removed');

# --- Taking a lease removes those that have expired, and uses their tli again.

$store->safe_psql('postgres', $lease->("'short'", 'NULL', "'1 second'"));
$store->poll_query_until('postgres', "SELECT NOT holds FROM bb_leases()") or die 'the lease does not expire';
query_is($store, $lease->("'next'"), "$last{end_lsn}|2|t", 'another lease');
query_is($store, 'SELECT name FROM bb_leases()', 'next', 'is the only one');

# --- The commands of docs/wire.md, as they are there.

my $document = slurp_file(dirname(__FILE__) . '/../docs/wire.md');
my %blocks = $document =~ /^<!-- test: (\S+) -->\n```sql\n(.*?)^```$/msg;
is(join(' ', sort keys %blocks), 'blocks lease list', 'the document has the examples');
is(scalar(() = $document =~ /^```\w/mg), scalar keys %blocks, 'and no block that is not tested');
like($store->safe_psql('postgres', $blocks{lease}), qr/^\Q$last{end_lsn}\E\|3\|\S+ \S+\n\S+ \S+$/, 'a lease');
like($store->safe_psql('postgres', $blocks{list}), qr/^base\/1\/1259\|relation\|\d+\|384\|\|$/m, 'the list');
my $blocks = $blocks{blocks} =~ s/bb_read_blocks\((.*)\)/octet_length(bb_read_blocks($1))/sr;
query_is($store, $blocks, 3 * 8192, 'blocks');

done_testing();

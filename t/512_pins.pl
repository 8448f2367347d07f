# What holds history: the retention and its floor, pins that are set, expire and
# are removed, points of days and hours; the window, as a view shows it.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
$source->safe_psql('postgres', 'CREATE TABLE t (i int)');
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);

# --- Before there is WAL.

query_is($store, 'SELECT retention, held_by, points, gaps FROM bb_window',
	'everything is kept|no retention is set|0|0', 'by default, all is kept');
query_is($store, "SELECT DISTINCT action, why FROM bb_expire()",
	'stays|no retention is set', 'nothing expires');

# --- Commits, some seconds apart, each in a layer of its own.

my @lsns;
my @times;
$source->start;
foreach my $i (1 .. 6)
{
	$source->safe_psql('postgres', "INSERT INTO t VALUES ($i)");
	$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
	my %ingested = ingest($store, $archive);

	push @lsns, $ingested{end_lsn};
	push @times, $source->safe_psql('postgres', 'SELECT clock_timestamp()');
	sleep 1.1;
}
$source->safe_psql('postgres', 'INSERT INTO t VALUES (7)');
$source->stop;
my %ingested = ingest($store, $archive);
my $start = $store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()');

# --- The retention is checked.

my $set = sub { return 'SELECT bb_set_retention(' . join(', ', @_) . ')' };

fails_like($store, $set->("'0 seconds'"), qr/22023: invalid window/, 'no window');
fails_like($store, $set->("'-1 day'"), qr/22023: invalid window/, 'before the end');
fails_like($store, $set->("'1 day'", "keep => 'daily'"),
	qr/22023: invalid list of points.*'hourly 24, daily 30/s, 'no number');
fails_like($store, $set->("'1 day'", "keep => 'daily 3, daily 4'"),
	qr/22023: .*not valid from "daily 4" on/s, 'twice');
fails_like($store, $set->("'1 day'", "keep => 'daily 100001'"),
	qr/22023: invalid list/, 'too many');
fails_like($store, $set->("'1 day'", "timeline => 'other'"),
	qr/42704: timeline "other" does not exist/, 'of no timeline');
$store->safe_psql('postgres',
	$set->("'7 days'", "'2 days'", "' Yearly 5,daily 30 '"));
query_is($store, "SELECT reason FROM bb_keeps() WHERE kind = 'window'",
	'window 7 days, floor 2 days, keep daily 30, yearly 5', 'it is set');
$store->safe_psql('postgres', $set->("'36:00'", "'12:30'", "''"));
query_is($store, 'SELECT retention FROM bb_window',
	'window 1 day 12:00:00, floor 12:30:00', 'and changed');
fails_like($store, $set->("'12:29:59'"),
	qr/22023: the window is below the floor.*would be 12:29:59.*floor is 12:30:00.*lower the floor, too/s,
	'not below the floor');
fails_like($store, $set->("'1 day'", "'2 days'"),
	qr/22023: the window is below the floor.*A floor is at most/s,
	'no floor above the window');
is($store->safe_psql('postgres', $set->("'12:30'", "keep => 'hourly 3'")), '',
	'the floor stays if nothing is said of it');
query_is($store, 'SELECT retention FROM bb_window',
	'window 12:30:00, floor 12:30:00, keep hourly 3', 'it does');
query_is($store, "SELECT DISTINCT action, why ~ '^window' FROM bb_expire(false)",
	'stays|t', 'all is in the window');

# --- Pins.

my $pin = sub { return "SELECT bb_pin('$_[0]', " . join(', ', @_[ 1 .. $#_ ]) . ')' };

fails_like($store, $pin->($lsns[0], "'a b'"), qr/22023: invalid pin name "a b"/,
	'a name that is none');
fails_like($store, $pin->($lsns[0], "'a'", "repeat('x', 1001)"),
	qr/22023: reason of pin "a" is too long/, 'a long reason');
fails_like($store, $pin->($lsns[0], "'a'", "expires => now() - interval '1 day'"),
	qr/22023: pin "a" would have expired/, 'an expiry in the past');
fails_like($store, $pin->('0/1', "'a'"), qr/55000: LSN 0\/0*1 is before/,
	'an LSN that can not be read');
fails_like($store, "SELECT bb_unpin('a')", qr/42704: timeline "main" has no pin "a"/,
	'no such pin');
query_is($store, $pin->($lsns[1], "'release-1'", "'before the upgrade'"), $lsns[1],
	'a pin');
query_is($store, $pin->($lsns[1], "'release-1'", "'asked twice'"), $lsns[1],
	'again');
fails_like($store, $pin->($lsns[2], "'release-1'"),
	qr/42710: timeline "main" has a pin "release-1" already.*at \Q$lsns[1]\E/s,
	'not at another LSN');
query_is($store, $pin->($lsns[0], "'audit'", "expires => now() + interval '15 seconds'"),
	$lsns[0], 'one that expires');
query_is($store,
	"SELECT kind, name, lsn, reason, owner = current_user, since IS NOT NULL,"
	  . " expires > now(), holds FROM bb_keeps() WHERE kind = 'pin'",
	"pin|audit|$lsns[0]||t|t|t|t\npin|release-1|$lsns[1]|asked twice|t|t||t",
	'both are listed');

# --- The window moves; what is pinned stays a point.

my $md5 = backup_md5('bbackup', "lsn => '$lsns[5]'");
my $before = $store->safe_psql('postgres', $md5);

query_is($store, $set->("'2 seconds'", "'0'", "''"), '', 'a window of two seconds');
my $dry = $store->safe_psql('postgres', 'SELECT * FROM bb_expire()');
query_is($store, 'SELECT start_lsn FROM bb_timelines()', $start,
	'a dry run changes nothing');
is($store->safe_psql('postgres', 'SELECT * FROM bb_expire(false)'), $dry,
	'what a dry run says is what happens');
my ($oldest, $newest) = split /\|/,
  $store->safe_psql('postgres', 'SELECT oldest_lsn, newest_lsn FROM bb_window');
query_is($store, "SELECT '$oldest'::pg_lsn > '$lsns[2]', '$newest'",
	"t|$ingested{end_lsn}", 'the start has moved');
query_is($store,
	"SELECT '$oldest' <= bb_lsn_at(newest_time - interval '2 seconds') FROM bb_window",
	't', 'not beyond the window');
query_is($store, $md5, $before, 'a backup in the window is what it was');
query_is($store,
	'SELECT points, oldest_point, held_by FROM bb_window',
	"2|$lsns[0]|pin \"audit\"", 'points hold the oldest');
query_is($store, "SELECT lsn, reason FROM bb_keeps() WHERE kind = 'point'",
	"$lsns[0]|pin \"audit\"\n$lsns[1]|pin \"release-1\"", 'one for each pin');
fails_like($store, "SELECT bb_basebackup('$start')",
	qr/55000: LSN \Q$start\E is before the history.*\Q$oldest\E to \Q$newest\E/s,
	'before them, the error names the window');
fails_like($store, $pin->($start, "'late'"), qr/55000: .*\Q$start\E/,
	'what has expired can not be pinned');
query_is($store, $pin->($lsns[1], "'second'"), $lsns[1], 'a point can be pinned');

# --- Pins that expired or were removed don't hold.

$store->poll_query_until('postgres',
	"SELECT NOT holds FROM bb_keeps() WHERE name = 'audit'")
  or die 'the pin does not expire';
$store->safe_psql('postgres', "SELECT bb_unpin('release-1')");
$store->safe_psql('postgres', 'SELECT bb_expire(false)');
query_is($store, "SELECT lsn, reason FROM bb_keeps() WHERE kind = 'point'",
	"$lsns[1]|pin \"second\"", 'only one that holds is left');
$store->safe_psql('postgres', "SELECT bb_unpin('second')");
query_is($store, 'SELECT held_by FROM bb_window', 'nothing any more',
	'its point is to go');
$store->safe_psql('postgres', 'SELECT bb_expire(false)');
query_is($store, 'SELECT points, held_by FROM bb_window', '0|window', 'and goes');

# --- A longer window, and what it can't bring back.

my ($out, $notice);
$store->psql('postgres', $set->('NULL'), stdout => \$out, stderr => \$notice);
like($notice,
	qr/NOTICE:  what has expired of timeline "main" does not come back.*from \Q$oldest\E on/s,
	'a NOTICE says what does not come back');
query_is($store, 'SELECT oldest_lsn, held_by FROM bb_window',
	"$oldest|no retention is set", 'it does not');

# --- The archive: the segment that holds the end is needed, older ones aren't.

query_is($store,
	"SELECT wal_needed FROM bb_window",
	$source->start && $source->safe_psql('postgres',
		"SELECT pg_walfile_name('$newest'::pg_lsn + 1)"),
	'the archive is needed from the segment with the end on');
$source->stop;

done_testing();

# bb_metrics: the metrics of a store, checked by promtool, and the alert rules and
# the dashboard of contrib, which are made of metrics that there are.

use strict;
use warnings;
use BBackup;
use BBackup::GrowthNote;
use File::Basename;

my $source = new_source('source');
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_verify()');

query_is($store, q(SELECT labels, value FROM bb_metrics
WHERE metric IN ('bbackup_store_up', 'bbackup_store_timelines', 'bbackup_timeline_layers')
ORDER BY metric),
	qq({"store": "bbackup"}|1\n{"store": "bbackup"}|1\n)
	  . '{"store": "bbackup", "timeline": "main"}|'
	  . $store->safe_psql('postgres', 'SELECT layers FROM bb_window'),
	'metrics of the store and of a timeline');
query_is($store, q(SELECT count(*) FROM bb_metrics
WHERE metric = 'bbackup_window_newest_timestamp_seconds'
	AND to_timestamp(value) = (SELECT newest_time FROM bb_window)), 1,
	'times are seconds since 1970');
query_is($store, q(SELECT labels, abs(value - extract(epoch FROM now())) < 60
FROM bb_metrics WHERE metric = 'bbackup_time_seconds'), '{}|t', 'that of the server is one');
query_is($store, q(SELECT value BETWEEN 1 AND extract(epoch FROM now())
FROM bb_metrics WHERE metric = 'bbackup_verification_timestamp_seconds'), 't',
	'so is that of the verification');

# A store that cannot be read is one metric, and keeps no other away.
$store->safe_psql('postgres', q(
CREATE SERVER broken FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file:///dev/null/store');
CREATE ROLE watcher; GRANT pg_monitor TO watcher;
GRANT USAGE ON FOREIGN SERVER broken TO watcher));
query_is($store, q(SET ROLE watcher; SELECT labels, value FROM bb_metrics
WHERE metric = 'bbackup_store_up' ORDER BY value),
	qq({"store": "broken"}|0\n{"store": "bbackup"}|1), 'a broken store is 0');

# A plan that is made for any user, after some calls, asks for no more privileges.
query_is($store, 'SET ROLE watcher;' . q(
SELECT (SELECT count(*) FROM bb_metrics WHERE metric = 'bbackup_metrics_errors')
	+ (SELECT count(*) FROM bb_check('bbackup') WHERE message ~ 'permission denied');) x 8,
	join("\n", (0) x 8), 'a role that monitors gets all parts each time');

# The text that Prometheus reads, with type and help.
my $text = $store->safe_psql('postgres', 'SELECT bb_metrics_text()') . "\n";
like($text, qr/^# HELP bbackup_store_up Whether .*\n# TYPE bbackup_store_up gauge\nbbackup_store_up\{store="bbackup"\} 1\nbbackup_store_up\{store="broken"\} 0\n/m,
	'the text has help and type once, before all values');
like($text, qr/^bbackup_time_seconds \d/m, 'and no braces without labels');
my $file = PostgreSQL::Test::Utils::tempdir . '/metrics';
PostgreSQL::Test::Utils::append_to_file($file, $text);

# The alert rules name metrics that bb_run_metrics makes.
my $contrib = dirname(__FILE__) . '/../contrib';
my $rules = slurp_file("$contrib/bbackup_alerts.yml");
my $sql = slurp_file(dirname(__FILE__) . '/../sql/bbackup--1.0.sql');
my $dashboard = slurp_file("$contrib/bbackup_dashboard.json");
my %named = map { $_ => 1 } "$rules$dashboard" =~ /\b(bbackup_[a-z_]+)/g;
cmp_ok(scalar keys %named, '>=', 30,
	'the alert rules and the dashboard name metrics');
is(join(' ', grep { $sql !~ /'$_'/ } sort keys %named), '', 'which there are');

SKIP:
{
	skip 'promtool is not installed', 2 if system('which promtool >/dev/null 2>&1');
	is(system("promtool check metrics < '$file'"), 0, 'promtool takes the metrics');
	is(system("promtool check rules '$contrib/bbackup_alerts.yml'"), 0,
		'promtool takes the alert rules');
}

# --- How the store grows, and when its disk is full, from histories that we make
# up: days ago => GB used.

my $note = store_directory($store) . '/growth';
my $total = 1e15;

sub write_history
{
	my (@samples) = @_;

	write_growth($note,
		map { [ $_->[0], 1e9 * $_->[1], $total, $total - 1e9 * $_->[1] ] } @samples);
	return;
}

# What the forecast says: GB a day, and how long what is free lasts at that.
sub forecast
{
	return $store->safe_psql('postgres', q(
SELECT round(bytes_per_day / 1e9, 1),
	abs(extract(epoch FROM full_in) / 86400 - bytes_free::numeric / nullif(bytes_per_day, 0)) <= 1
FROM bb_store_forecast()));
}

ok(!-e $note, 'nothing is noted');
is(forecast(), '|', 'no history and a short window say nothing');
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_upkeep()');
query_is($store, q(
SELECT g.bytes = w.bytes, g.bytes_total = s.bytes_total, g.at > now() - interval '1 hour'
FROM bb_store_growth() g, bb_window w, bb_store_space() s), 't|t|t', 'upkeep notes the size');
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_upkeep()');
query_is($store, 'SELECT count(*) FROM bb_store_growth()', 1, 'not each time');
is(forecast(), '|', 'one sample says nothing');

write_history(map { [ $_ / 4, 500 - $_ / 4 * 10 ] } reverse 0 .. 80);
is(forecast(), '10.0|t', 'steady growth');
write_history([ 0.9, 0 ], [ 0.5, 10 ], [ 0, 20 ]);
is(forecast(), '|', 'less than a day says nothing');
write_history((map { [ $_, 100 ] } reverse 3 .. 29), [ 2, 100 ], [ 1, 150 ], [ 0, 200 ]);
is(forecast(), '50.0|t', 'growth that has begun two days ago');
write_history(map { [ $_, $_ % 7 + 10 ] } reverse 0 .. 28);
like(forecast(), qr/^[01]\.\d\|/, 'what comes and goes by the week hardly grows');
write_history(map { [ $_, 100 + $_ ] } reverse 0 .. 20);
is(forecast(), '0.0|', 'what shrinks is never full');
write_history((map { [ $_, 1000 - $_ * 20 ] } reverse 35 .. 50), map { [ $_, 300 ] } reverse 0 .. 29);
is(forecast(), '0.0|', 'what is long ago does not count');
write_history([ -2, 5 ], [ -1, 6 ], [ 2, 10 ], [ 1, 20 ], [ 0.01, 29.9 ]);
is(forecast(), '10.0|t', 'nor does what is yet to come');

# The check and the metric, on a disk that is full in some days.
my $free = $store->safe_psql('postgres', 'SELECT bytes_free / 1e9 FROM bb_store_space()');
foreach my $row ([ 40, 'ok' ], [ 10, 'warning' ], [ 2, 'critical' ])
{
	my ($days, $status) = @$row;
	my $rate = $free / $days;

	write_history(map { [ $_, 1000 - $_ * $rate ] } reverse 0 .. 5);
	query_like($store,
		"SELECT status, message, hint FROM bb_check('bbackup', min_free_percent => 0) WHERE check_name = 'space'",
		qr/^$status\|.* which lasts \d+ days at \d+ \w+ a day\|/, "full in $days days: $status");
	query_is($store, qq(
SELECT abs(value / 86400 - $days) <= 1.5 FROM bb_metrics
WHERE metric = 'bbackup_store_full_seconds' AND labels ->> 'store' = 'bbackup'), 't', 'the metric says so, too');
}

# A note that is broken, cut, or has impossible values is none.
my $whole = slurp_file($note);
foreach my $broken ('', 'x', substr($whole, 0, 50), $whole . 'x', $whole =~ s/(.{40})./$1x/sr)
{
	unlink $note;
	PostgreSQL::Test::Utils::append_to_file($note, $broken);
	query_is($store, 'SELECT count(*) FROM bb_store_growth()', 0,
		'a broken note is none: ' . length $broken);
}
$total = 1;
write_history([ 2, 5 ], [ 1, 6 ], [ 0, 7 ]);
query_is($store, 'SELECT count(*) FROM bb_store_growth()', 0,
	'neither is one with impossible values');
$store->safe_psql('postgres', 'SELECT count(*) FROM bb_upkeep()');
query_is($store, 'SELECT count(*) FROM bb_store_growth()', 1, 'it is replaced');

$store->stop;
done_testing();

# The files of contrib for Prometheus, with the real programs, where they are
# installed: each exporter, each query of the dashboard, each alert that can be
# brought about.  (Debian's packages prometheus, prometheus-postgres-exporter and
# prometheus-sql-exporter.  CI has none of them: they are large.)

use strict;
use warnings;
use BBackup;
use BBackup::GrowthNote;
use BBackup::Following;
use File::Basename;
use JSON::PP;

my @programs = qw(prometheus promtool prometheus-postgres-exporter
  prometheus-sql-exporter);
my @missing = grep { system("which $_ >/dev/null 2>&1") != 0 } @programs;
plan(skip_all => "@missing: not installed") if @missing;

my $contrib = dirname(__FILE__) . '/../contrib';
my $place = PostgreSQL::Test::Utils::tempdir;

# --- A store that has all metrics.

my $source = new_followed_source('source', 'wal_keep_size = 0');
my $store = new_following_store('store',
	"bbackup.upkeep = on\nbbackup.upkeep_naptime = 1\nlisten_addresses = '127.0.0.1'\n");
create_source($store, 'shop', $source);
create_rows($source, 100);
follow($store, 'shop');
$store->safe_psql('postgres', q(SELECT bb_wait(timeout => '60 s')));
$store->safe_psql('postgres', qq(
CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/second', upkeep 'off');
SELECT * FROM bb_replicate('main', 'bbackup', 'second', continuously => true);
SELECT bb_test_restore(start_server => true);
SELECT count(*) FROM bb_verify();
CREATE ROLE monitor LOGIN;
GRANT pg_monitor TO monitor;
GRANT USAGE ON FOREIGN SERVER second TO monitor));
my $hba = $store->data_dir . '/pg_hba.conf';
PostgreSQL::Test::Utils::append_to_file($hba, "host all monitor 127.0.0.1/32 trust\n");
$store->reload;
# how large it was, as if it had grown for days
my $growth = store_directory($store) . '/growth';
ok( wait_for(
		'upkeep runs',
		sub {
			-e $growth && $store->safe_psql('postgres',
				"SELECT count(*) FROM bb_metrics WHERE metric IN ('bbackup_upkeep_depth', 'bbackup_copy_lag_seconds')") >= 2;
		}),
	'all parts have metrics');

# A disk that fills by so many TB a day.
sub fill_disk
{
	my ($rate) = @_;

	write_growth($growth,
		map { [ $_, 1e9, 1e17, 5e16 + $_ * $rate * 1e12 ] } reverse 0 .. 4);
	return;
}
fill_disk(0.000001);

# --- The programs.

my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() }
  qw(postgres_exporter sql_exporter prometheus);
my @running;

# Start a program with the environment %$environment.
sub start_program
{
	my ($name, $environment, @command) = @_;
	my $pid = fork() // die $!;

	if ($pid == 0)
	{
		$ENV{$_} = $environment->{$_} foreach keys %$environment;
		open STDOUT, '>', "$place/$name.log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec @command or POSIX::_exit(127);
	}
	push @running, $pid;
	return;
}

END
{
	my $status = $?;

	foreach my $pid (@running)
	{
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	$? = $status;
}

# A file of contrib, changed, in our place.
sub changed_copy
{
	my ($name, $change) = @_;
	local $_ = slurp_file("$contrib/$name");

	$change->();
	unlink "$place/$name";
	PostgreSQL::Test::Utils::append_to_file("$place/$name", $_);
	return "$place/$name";
}

my $address = 'monitor@127.0.0.1:' . $store->port . '/postgres?sslmode=disable';
start_program('postgres_exporter',
	{ DATA_SOURCE_NAME => "postgresql://$address" },
	'prometheus-postgres-exporter', '--disable-default-metrics', '--disable-settings-metrics',
	"--extend.query-path=$contrib/bbackup_postgres_exporter.yml",
	"--web.listen-address=127.0.0.1:$port{postgres_exporter}");
my $job = changed_copy('bbackup_sql_exporter.yml',
	sub { s{postgres://\S+}{postgres://$address} or die; s/15s/1s/ or die });
start_program('sql_exporter', {}, 'prometheus-sql-exporter',
	"-config.file=$job", "-web.listen-address=127.0.0.1:$port{sql_exporter}");
# Alerts have to last for a second.
sub copy_alerts
{
	my ($change) = @_;

	changed_copy('bbackup_alerts.yml', sub {
			s/for: \w+/for: 1s/g;
			s/time_seconds > 120/time_seconds > 20/ or die;
			$change->() if $change;
		});
	return;
}
copy_alerts();
my $configuration = changed_copy('bbackup_prometheus.yml', sub {
		s/localhost:9187/127.0.0.1:$port{postgres_exporter}/ or die;
		s/localhost:9237/127.0.0.1:$port{sql_exporter}/ or die;
		$_ .= "\nglobal: {scrape_interval: 1s, evaluation_interval: 1s}\n";
	});
start_program('prometheus', {}, 'prometheus',
	"--config.file=$configuration", "--storage.tsdb.path=$place/tsdb",
	"--web.listen-address=127.0.0.1:$port{prometheus}");

# The rows of a query: "NAME{LABELS} => VALUE @[TIME]".
sub rows
{
	my ($query) = @_;
	my ($out, $err);

	return '' unless IPC::Run::run [ 'promtool', 'query', 'instant',
		"http://127.0.0.1:$port{prometheus}", $query ], '>', \$out, '2>', \$err;
	return $out;
}

sub query_says
{
	my ($query, $expected, $name) = @_;
	my $last = '';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_for($name, sub { ($last = rows($query)) =~ $expected }), $name)
	  or diag("$query: $last");
	return;
}

# --- Names and labels come through both exporters.

foreach my $exporter (qw(postgres_exporter sql_exporter))
{
	query_says(qq(bbackup_store_up{job="bbackup_$exporter",store="second"}),
		qr/ => 1 @/, "$exporter: a metric of a store");
	query_says(qq(bbackup_follow_lag_seconds{job="bbackup_$exporter",source="shop",timeline="main"}),
		qr/ => [\d.e-]+ @/, "$exporter: labels");
	query_says(qq(bbackup_calls_total{job="bbackup_$exporter",task_kind="verify"}),
		qr/ => [1-9]/, "$exporter: a counter");
	my $names = $store->safe_psql('postgres', 'SELECT count(DISTINCT metric) FROM bb_metrics');
	query_says(qq(count(count by (__name__) ({__name__=~"bbackup_.+", job="bbackup_$exporter"}))),
		qr/ => $names @/, "$exporter: all of them");
}
query_says('{__name__=~"bbackup_value|sql_bbackup"}', qr/^$/, 'no metric keeps its name');

# --- Each query of the dashboard has data.

my $dashboard = decode_json(slurp_file("$contrib/bbackup_dashboard.json"));
my (%ids, $panels);
foreach my $panel (@{ $dashboard->{panels} })
{
	$ids{ $panel->{id} }++;
	next if $panel->{type} eq 'row';
	$panels++;
	foreach my $target (@{ $panel->{targets} })
	{
		my $query = $target->{expr};

		$query =~ s/\$store/.*/g;
		$query =~ s/\$__rate_interval/20s/g;
		unlike($query, qr/\$/, "$panel->{title}: all variables are known");
		query_says($query, qr/ => (?!NaN)\S+ @/, "$panel->{title}: data");
	}
}
is(scalar(grep { $_ != 1 } values %ids), 0, 'panels have an ID of their own');
cmp_ok($panels, '>', 15, 'there are panels');

# --- Alerts.

sub alerts
{
	my ($name, $labels) = @_;

	return qq(ALERTS{alertname="Bbackup$name",alertstate="firing",$labels});
}

sub fires
{
	my ($name, $labels, $why) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	query_says(alerts($name, $labels), qr/ => 1 @/, "$name: $why");
	return;
}

sub passes
{
	my ($name, $why) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	query_says(alerts($name, ''), qr/^$/, "$name passes: $why");
	return;
}

# What the disk of this machine has free is its own affair.
is( join("\n", grep { !/BbackupDiskFull|BbackupRestoreTestOld.*second|BbackupNotVerified.*second/ } split /\n/, rows('ALERTS{alertstate="firing"}')),
	'', 'at first, nothing is wrong');
fires('RestoreTestOld', 'store="second"', 'a copy that was never tested');
fires('NotVerified', 'store="second"', 'nor verified');

my ($note, $manifest) = map { store_directory($store) . "/timelines/$_" } 'main/tested', 'branch/manifest';
$store->psql('postgres', q(SELECT bb_test_restore(start_server => true, query => 'SELECT false')));
fires('RestoreTestFailed', 'store="bbackup",timeline="main"', 'a restore test has failed');
$store->safe_psql('postgres', 'SELECT bb_test_restore()');
passes('RestoreTestFailed', 'one that was good');

$store->safe_psql('postgres', "SELECT bb_create_branch('branch')");
rename $manifest, "$place/manifest" or die $!;
PostgreSQL::Test::Utils::append_to_file($manifest, 'nonsense');
fires('NoRestorablePoint', 'store="bbackup"', 'a timeline that cannot be read');
fires('UpkeepFailing', 'store="bbackup"', 'nor taken care of');
rename "$place/manifest", $manifest or die $!;
passes('NoRestorablePoint', 'it can be read');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");

fill_disk(0.0001 * 1e6);
fires('DiskFull', 'store="bbackup"', 'a disk that will be full');
fill_disk(0.000001);

rename "$place/second", "$place/away" or die $!;
PostgreSQL::Test::Utils::append_to_file("$place/second", 'no directory');
fires('CopyStale', 'to_store="second"', 'a copy that is away');
unlink "$place/second" or die $!;
rename "$place/away", "$place/second" or die $!;
passes('CopyStale', 'it is back');

my ($layer) = map { "$place/second/timelines/main/layers/$_" }
  split /\n/, $store->safe_psql('postgres',
	"SELECT layer FROM bb_layers('second') WHERE kind = 'image' ORDER BY bytes DESC LIMIT 1");
rename $layer, "$layer.away" or die "$layer: $!";
$store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('second')");
fires('Damaged', 'store="second"', 'a layer that is lost');
rename "$layer.away", $layer or die $!;
$store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('second')");
passes('Damaged', 'it is there again');

$store->safe_psql('postgres', q(
CREATE SERVER broken FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file:///dev/null/store', upkeep 'off');
GRANT USAGE ON FOREIGN SERVER broken TO monitor));
fires('StoreDown', 'store="broken"', 'a store that cannot be read');
$store->safe_psql('postgres', 'DROP SERVER broken');
passes('StoreDown', 'it is gone');

$source->stop('fast');
fires('FollowingDown', 'source="shop",timeline="main"', 'the source is away');
$source->start;
passes('FollowingDown', 'it is back');

$store->stop;
fires('ServerDown', qq(job="bbackup_sql_exporter"),
	'the server of the stores is down, and the exporter goes on with the last values');
$store->start;
passes('ServerDown', 'it is up');

# Stale takes five minutes of lag, so its limit is lower here.
copy_alerts(sub { s/lag_seconds > 300/lag_seconds > 2/ or die });
kill 'HUP', $running[-1];
$source->stop('fast');
fires('FollowingStale', 'source="shop",timeline="main"', 'following is behind');

$store->stop;
done_testing();

# The statements of docs/operations.md, as they are there.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use File::Basename;

# The blocks of the document, by name.
my $document = slurp_file(dirname(__FILE__) . '/../docs/operations.md');
my %statements =
  $document =~ /^ *<!-- test: (\S+) -->\n *```\w+\n(.*?)^ *```$/msg;
is( join(' ', sort keys %statements),
	'check follow metrics reserve restore-test role roles schedule settings source spool textfile unfollow wait watch',
	'the document has the statements');
is(scalar(() = $document =~ /^ *```\w/mg),
	scalar keys %statements, 'and no block that is not tested');

my $place = PostgreSQL::Test::Utils::tempdir_short;
my $source = new_followed_source('source');
mkdir "$place/$_" foreach 'bbackup', 'restore';
my $store = new_following_store('store', statements('settings'));

# With the host, the port and the directories of this test.
sub statements
{
	my ($name) = @_;
	my $text = $statements{$name};

	$text =~ s/host '[^']*'/host '@{[ $source->host ]}'/;
	$text =~ s/port '[^']*'/port '@{[ $source->port ]}'/;
	$text =~ s{/srv\b}{$place}g;
	$text =~ s{'/restore'}{'$place/restore'};
	$text =~ s/-l 1G/-l 1M/;
	# there is no object storage here
	$text =~ s{url 's3://[^)]*}{url 'file://$place/offsite'};
	$text =~ s/^CREATE USER MAPPING .* SERVER offsite .*\n//m;
	return $text;
}

sub shell
{
	my ($name) = @_;
	local %ENV = (%ENV, PGHOST => $store->host, PGPORT => $store->port);

	return system('sh', '-c', statements($name)) == 0;
}

# The password is demanded, as the document says.
$source->safe_psql('postgres', statements('source'));
create_rows($source, 1000);
open my $hba, '>', $source->data_dir . '/pg_hba.conf' or die $!;
print $hba "local replication bbackup scram-sha-256\nlocal all all trust\n";
close $hba;
$source->reload;

$store->safe_psql('postgres', 'DROP EXTENSION IF EXISTS bbackup CASCADE');
$store->safe_psql('postgres', statements('follow'));
$source->safe_psql('postgres', 'CHECKPOINT');
like($store->safe_psql('postgres', statements('wait')),
	qr/\bshop\|bbackup\|shop\|/, 'a server is followed');
ok(wait_for_state($store, 'streaming', 'shop'), 'its WAL arrives');
$source->safe_psql('postgres', 'CREATE TABLE later AS SELECT 1 AS i');
wait_now($store, 'shop');
my $clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres', 'SELECT i FROM later'),
	1, 'and a clone has what it had');
$clone->stop;

like($store->safe_psql('postgres', statements('watch')),
	qr/^bbackup\|shop\|\d+\|/m, 'upkeep can be watched');

# What is set up.
ok(-d "$place/bbackup/store/timelines/shop" && -d "$place/spool",
	'directories are where the settings say');
ok(shell('reserve'), 'there is a reserve');
is(-s "$place/bbackup/store.reserve", 2**20, 'of some size');
ok(shell('roles'), 'roles are made');
$store->safe_psql('postgres', statements('role'));
my $all = "SELECT count(*) > 5, bool_or(check_name = 'following') FROM bb_check()";
is($store->safe_psql('postgres', "SET ROLE monitoring; $all"),
	't|t', 'monitoring sees all checks');
is( $store->safe_psql('postgres',
		"SET ROLE restorer; SELECT count(*) > 100 FROM bb_files(timeline => 'shop')"),
	't', 'who restores sees files');
is($store->safe_psql('postgres', "SET ROLE dba; SELECT timeline FROM bb_stat_follow"),
	'shop', 'the DBA sees what is followed');
$store->safe_psql('postgres', statements('schedule'));
is($store->safe_psql('postgres', "SELECT retention FROM bb_window WHERE store = 'offsite'"),
	'window 7 days, floor 3 days, keep daily 30, monthly 12',
	'there is a copy, which has the retention');
is( $store->safe_psql('postgres', 'SET ROLE monitoring; SELECT status, message'
		  . " FROM bb_check() WHERE message ~ 'permission'"),
	'',
	'which monitoring may check');
ok( $store->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM bb_stat_upkeep WHERE timeline = 'shop' AND store = 'bbackup'"
	),
	'and upkeep runs');
# The disk of this machine is its own affair.
like($store->safe_psql('postgres', statements('check')),
	qr/^(?:.*\|.*\n)*[tf]$/, 'which can be checked');
like($store->safe_psql('postgres', statements('metrics')),
	qr/^bbackup\|shop\|[\d.]+$/, 'and measured');
like($store->safe_psql('postgres', statements('restore-test')),
	qr/^[^\n]+\n.*postgres: \d+.*\npostgres: t\n(?:.*\n)?bbackup\|shop\|[^|\n]+\|[^|\n]+\|(?:\n|$)/,
	'restores can be tested');
my $textfiles = PostgreSQL::Test::Utils::tempdir;
{
	local %ENV = (%ENV, PGHOST => $store->host, PGPORT => $store->port,
		PGDATABASE => 'postgres');

	is(system('sh', '-ec', "cd '$textfiles'\n" . statements('textfile')),
		0, 'metrics can be written to a file');
}
like(slurp_file("$textfiles/bbackup.prom"),
	qr/^bbackup_follow_up\{source="shop",store="bbackup",timeline="shop"\} 1$/m,
	'in the format of Prometheus');
ok(!-e "$textfiles/bbackup.prom.new", 'at once');

$store->safe_psql('postgres', statements('spool'));
ok( wait_for(
		'an option that was changed',
		sub { return { follow_status($store, 'shop') }->{confirm} eq 'spool' }),
	'a changed option is used');
$store->safe_psql('postgres', statements('unfollow'));
is(slots_of($source), '', 'no slot stays');
is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_stat_follow'),
	0, 'and nothing is followed');

$store->stop;
$source->stop;
done_testing();

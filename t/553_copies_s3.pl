# Copies to, from and within object storage, also when requests fail.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::S3;

my $s3 = BBackup::S3->start_or_skip();
my ($proxy, $through) = BBackup::FaultProxy->before($s3);

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', "bbackup.checkpoint_distance = 4MB\n");
my $place = PostgreSQL::Test::Utils::tempdir;

import_directory($store, $base);
$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', until => '$middle')");
$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/stores/cloud'));
$store->safe_psql('postgres', $s3->sql('region', 's3://bucket/stores/region'));
$store->safe_psql('postgres', $through->sql('faulty', 's3://bucket/stores/faulty'));
$store->safe_psql('postgres',
	"CREATE SERVER back FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/back')"
);

sub replicate
{
	my ($from, $to) = @_;

	return $store->safe_psql('postgres',
		"SELECT layers_copied, layers_found FROM bb_replicate('main', '$from', '$to')");
}

# Backups from object storage without a cache take long; layers are immutable, so
# that they are whole says enough.
sub is_whole
{
	my ($server) = @_;

	is( $store->safe_psql('postgres',
			"SELECT count(*) FROM bb_verify('$server')"),
		0, "the timeline in $server is whole");
	return;
}

my $layers = $store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()');
is(replicate('bbackup', 'cloud'), "$layers|0", 'from a directory to object storage');
is_whole('cloud');
is(replicate('cloud', 'region'), "$layers|0", 'from there to another prefix');
is(replicate('region', 'back'), "$layers|0", 'and from there to a directory');
is( $store->safe_psql('postgres', backup_md5('back')),
	$store->safe_psql('postgres', backup_md5('bbackup')),
	'the backup is the same');
is(replicate('bbackup', 'cloud'), '0|0', 'there is nothing more to copy');

# --- Requests that fail.

$proxy->faults('503 SlowDown', 'reset', 'cut 100', '500 InternalError');
is(replicate('bbackup', 'faulty'), "$layers|0",
	'a copy goes on after requests that fail');
is($proxy->faults_left, 0, 'they did fail');
is_whole('faulty');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main', 'faulty')");

# A request that is refused ends the copy; the next call goes on after it.
$proxy->faults('403 AccessDenied');
fails_like($store, "SELECT * FROM bb_replicate('main', 'bbackup', 'faulty')",
	qr/AccessDenied|403/, 'a request that is refused ends a copy');
query_is($store, "SELECT count(*) FROM bb_timelines('faulty')", 0, 'nothing names it');
my ($copied, $found) = split /\|/, replicate('bbackup', 'faulty');
is($copied + $found, $layers, 'the next call has all layers');
is($store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('faulty')"),
	0, 'and they are whole');

# --- Updates, and a move.

$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive')");
my $more = $store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()') - $layers;
is(replicate('bbackup', 'cloud'), "$more|0", 'only the difference is copied');
is(replicate('cloud', 'region'), "$more|0", 'from copy to copy, too');
is_whole('region');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('main', 'cloud')");
$store->safe_psql('postgres', "SELECT * FROM bb_move('main', 'bbackup', 'cloud')");
is_whole('cloud');
query_is($store, 'SELECT count(*) FROM bb_timelines()', 0, 'a move leaves nothing behind');

done_testing();

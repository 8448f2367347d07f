# A server in single-user mode, which has no postmaster and no background
# workers: reading, writing, redo helpers, object storage.

use strict;
use warnings;
use BBackup;
use BBackup::S3;
use BBackup::StoreKind;

plan skip_all => 'this test has stores of its own'
  unless BBackup::StoreKind::is_local();
local $ENV{no_proxy} = '*';

my ($base, $archive) = base_with_archive();

my $place = PostgreSQL::Test::Utils::tempdir;
my $store = new_store('store', "shared_preload_libraries = 'bbackup'\n");
import_directory($store, $base);
ingest($store, $archive);
my $s3;
if (BBackup::S3::available())
{
	$s3 = BBackup::S3->start(PostgreSQL::Test::Utils::tempdir_short);
	$s3->create_bucket('bucket');
	$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/store',
			"cache_directory '$place/cache', cache_size '1GB'"));
	$store->safe_psql('postgres',
		"SELECT bb_import_directory(directory => '$base', store => 'cloud');"
		  . " SELECT bb_ingest(wal_directory => '$archive', store => 'cloud');"
		  . " SELECT bb_evict_idle(unused_for => '0', store => 'cloud')");
}

sub backup
{
	my ($arguments) = @_;

	return "SELECT md5(string_agg(md5(c), '')) AS digest FROM"
	  . " (SELECT bb_basebackup_stream($arguments) AS c) s";
}

my $expected = $store->safe_psql('postgres', backup(''));
$store->stop;

# Returns the answers of a stand-alone server to some queries, one for each line.
sub single_user
{
	my (@queries) = @_;
	my $input = join '', map { "$_\n" } @queries;
	my ($out, $err);

	IPC::Run::run [ 'postgres', '--single', '-D', $store->data_dir,
		'-c', 'shared_preload_libraries=', '-c', 'log_min_messages=notice',
		'postgres' ],
	  '<', \$input, '>', \$out, '2>', \$err;
	return ([ $out =~ /(?:digest|n) = "([^"]*)"/g ], $err);
}

my ($rows, $messages) = single_user(backup(''), backup(''));
is_deeply($rows, [ $expected, $expected ], 'a backup, and once more');
unlike($messages, qr/ERROR|WARNING:/, 'without errors');

($rows, $messages) =
  single_user(backup('jobs => 2, progress => false'));
is_deeply($rows, [$expected], 'with jobs');
like($messages,
	qr/NOTICE:  making a base backup with 0 of \d background workers\n[^\n]*DETAIL:  There are no background workers in single-user mode/,
	'the backup runs without workers');

($rows, $messages) = single_user(
	"SELECT count(*) AS n FROM bb_import_directory(directory => '$base',"
	  . " timeline => 'other')",
	"SELECT count(*) AS n FROM bb_ingest(wal_directory => '$archive',"
	  . " timeline => 'other')",
	backup("timeline => 'other'"),
	"SELECT count(*) AS n FROM bb_restore(directory => '$place/clone')",
	"SELECT bb_basebackup_to_program(command => 'cat > $place/a.tar') > 0 AS n",
	"SELECT bb_basebackup_to_file(path => '$place/b.tar', max_rate => 1048576)"
	  . ' > 0 AS n',
	'SELECT count(*) > 0 AS n FROM bb_get_access_stats()');
is_deeply($rows, [ 1, 1, $rows->[2], 1, 't', 't', 't' ], 'everything else works');
is(-s "$place/a.tar", -s "$place/b.tar", 'and returns the same bytes');
unlike($messages, qr/ERROR|WARNING:/, 'without errors');

SKIP:
{
	skip 'Swift is not installed', 4 unless defined $s3;

	($rows, $messages) = single_user(backup("store => 'cloud'"),
		backup("store => 'cloud'"));
	is_deeply($rows, [ $expected, $expected ], 'a backup out of S3');
	unlike($messages, qr/ERROR|WARNING:/, 'without errors');
	($rows, $messages) = single_user("SELECT bb_prefetch(store => 'cloud')");
	like($messages,
		qr/ERROR:  could not start a background worker for prefetch\n[^\n]*DETAIL:  There are no background workers in single-user mode/,
		'bb_prefetch has no worker, and says why');
	unlike($messages, qr/HINT/, 'with no hint to try again');
}

done_testing();

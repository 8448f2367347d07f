# Upkeep of a store in object storage: two servers take care of it at once while
# a third one ingests, on storage with and without conditional put.  What upkeep
# reads doesn't push out of a cache what backups need; the worker keeps the disk
# of a cache from filling up.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::Following qw(wait_for);
use BBackup::S3;

my $s3 = BBackup::S3->start_or_skip();
my ($base, $archive, $middle) = filled_archive();
my $conf = q(
shared_preload_libraries = 'bbackup'
bbackup.checkpoint_distance = 4MB
bbackup.layer_size = 2MB
bbackup.merge_layers = 2
bbackup.upkeep_naptime = 1s
bbackup.upkeep_cpu_share = 100
);
my @nodes = map { new_store($_, $conf) } qw(intake first second);
my ($intake, $first, $second) = @nodes;

# What is right.
import_directory($intake, $base);
my %whole = ingest($intake, $archive);
my @lsns = ($middle, $whole{end_lsn});
my %right = map {
	$_ => $intake->safe_psql('postgres', backup_md5('bbackup', "lsn => '$_'"))
} @lsns;

sub backups_are_right
{
	my ($node, $store, $name) = @_;
	my @wrong = grep {
		$node->safe_psql('postgres', backup_md5($store, "lsn => '$_'")) ne
		  $right{$_}
	} @lsns;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is("@wrong", '', $name);
}

my $endpoint = $s3->{endpoint};

foreach my $kind ('able', 'unable')
{
	my $name = "storage that is $kind to put on a condition";
	my $proxy = BBackup::FaultProxy->start(PostgreSQL::Test::Utils::tempdir,
		$s3->{port}{proxy}, $kind eq 'able' ? $s3->directly : undef);

	$s3->{endpoint} = "http://127.0.0.1:$proxy->{port}";
	$_->safe_psql('postgres', $s3->sql($kind, "s3://bucket/stores/$kind"))
	  foreach @nodes;
	$intake->safe_psql('postgres',
		"SELECT * FROM bb_import_directory('$base', '$kind')");

	# so that there is something to do from the beginning
	my $share = "('$whole{end_lsn}'::pg_lsn - '$whole{start_lsn}')";
	$intake->safe_psql('postgres',
		"SELECT bb_ingest('$archive', '$kind', until =>"
		  . " '$whole{start_lsn}'::pg_lsn + trunc($share * $_ / 16))")
	  foreach 1 .. 4;

	# many short ingests and upkeeps, all at once
	my @sessions = map { start_session($_) } @nodes;
	my ($jobs, $refusals, $ingests) = (0, 0, 0);

	foreach my $part (1 .. 3)
	{
		my $until =
		  $part < 3
		  ? $intake->safe_psql('postgres',
			"SELECT '$whole{start_lsn}'::pg_lsn + trunc($share * (1 + $part) / 4)")
		  : undef;

		send_query($sessions[0],
			"SELECT 'ingested' FROM bb_ingest('$archive', '$kind', until => "
			  . (defined $until ? "'$until'" : 'NULL')
			  . ')');
		send_query($_, "SELECT count(*) FROM bb_upkeep('$kind')")
		  foreach @sessions[ 1, 2 ];
		$ingests++ if answer($sessions[0]) =~ /^ingested$/m;
		foreach (@sessions[ 1, 2 ])
		{
			my $answer = answer($_);

			$refusals++ if $answer =~ /takes care|in use/;
			if ($answer =~ /^(\d+)$/m) { $jobs += $1 }
			else { diag($answer) }
		}
	}
	end_session($_) foreach @sessions;
	is($ingests, 3, "$name: intake goes on beside upkeep");
	cmp_ok($jobs, '>', 0, "... which did $jobs jobs");
	note "$refusals times, the other server was at it";
	backups_are_right($second, $kind, '... and backups are right');
	$first->safe_psql('postgres', "SELECT * FROM bb_upkeep('$kind')");
	backups_are_right($second, $kind, '... to the end');
	query_is($second, "SELECT count(*) FROM bb_verify('$kind')",
		0, '... and nothing is wrong');
	is( (grep { / 200$/ } $proxy->conditions) > 0,
		$kind eq 'able', '... as the storage is meant to be');
	$s3->{endpoint} = $endpoint;
	$_->safe_psql('postgres', "DROP SERVER $kind CASCADE") foreach @nodes;
	$proxy->stop;
}

# ---- the cache ----

my $cache = PostgreSQL::Test::Utils::tempdir;

$first->safe_psql('postgres',
	$s3->sql('cached', 's3://bucket/stores/cached',
		"cache_directory '$cache', cache_size '100MB'"));
$first->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', 'cached')");
$first->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', 'cached')");

sub resident
{
	return $first->safe_psql('postgres',
		"SELECT count(*) FILTER (WHERE resident) FROM bb_layer_stats('cached')");
}

# of what ingest has read
$first->safe_psql('postgres', "SELECT * FROM bb_evict_idle('0', 'cached')");
is(resident(), 0, 'no layer is resident');
cmp_ok($first->safe_psql('postgres', "SELECT count(*) FROM bb_upkeep('cached')"),
	'>', 0, 'upkeep has something to do');
is(resident(), 0, '... for which no layer becomes resident');
backups_are_right($first, 'cached', 'backups are right');
cmp_ok(resident(), '>', 0, '... and make layers resident');

# More than any disk has.
$first->safe_psql('postgres',
	"ALTER SYSTEM SET bbackup.cache_free_space = '1000TB'");
$first->safe_psql('postgres', 'ALTER SYSTEM SET bbackup.upkeep = on');
$first->reload;
ok(wait_for('room', sub { resident() == 0 }),
	'the worker relieves a disk that is full');
query_like($first,
	'SELECT why, layers_removed > 0 FROM bb_stat_upkeep_jobs'
	  . " WHERE store = 'cached' AND job = 'room' ORDER BY id LIMIT 1",
	qr/bbackup\.cache_free_space.*\|t$/,
	'... and says so');
backups_are_right($first, 'cached', 'backups are right');

done_testing();

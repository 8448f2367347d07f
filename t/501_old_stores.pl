# Page stores that earlier versions have made (test/stores/make) are read as
# these versions read them, and are the same after upkeep.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(slurp);
use FindBin;

my $fixtures = "$FindBin::RealBin/../test/stores";
my $newest = 4;
my $store = new_store('store', "bbackup.removal_delay = 0\n");

plan skip_all => 'the stores are of clusters of PostgreSQL 15'
  if $store->safe_psql('postgres', "SELECT current_setting('server_version_num')::integer / 10000") != 15;

# manifest_version - the version of a store's manifest.
sub manifest_version
{
	my ($place) = @_;

	return unpack 'x8 V', slurp("$place/timelines/main/manifest");
}

# files_at - the state of all files at some LSNs, as in the fixtures.
sub files_at
{
	my ($name, @lsns) = @_;

	return join "\n", map {
		$store->safe_psql('postgres', qq(
SELECT '$_', count(*), md5(string_agg(path || ' ' ||
		md5(bb_read_file(path, '$_', '$name')), E'\\n' ORDER BY path COLLATE "C"))
	FROM bb_files('$_', store => '$name')
	WHERE path ~ '^(base/.*/|pg_xact/|pg_commit_ts/|pg_multixact/.*/)[0-9A-Z]+\$'))
	} @lsns;
}

# What only this version's store has.
my %particular = (
	v2 => sub {
		query_is($store, "SELECT gap_start, gap_end FROM bb_gaps('v2')",
			'0/70DB00|0/9000A0', 'v2: the gap is known');
		fails_like($store, "SELECT bb_read_file('PG_VERSION', '0/800000', 'v2')",
			qr/gap/, 'v2: ... and can not be read');
	},
	v3 => sub {
		query_is($store, "SELECT kind, name, lsn, reason FROM bb_keeps('v3') WHERE kind = 'pin'",
			'pin|release|0/70DB00|the release', 'v3: the pin is kept');
		query_is($store,
			"SELECT retention ~ '^window .*daily 30, monthly 12' FROM bb_window WHERE store = 'v3'",
			't', 'v3: so is the retention');
	});

foreach my $version (1 .. 3)
{
	my $name = "v$version";
	my $place = PostgreSQL::Test::Utils::tempdir;
	my $recorded = slurp("$fixtures/$name.files");
	my @lsns = $recorded =~ /^([^|]+)/mg;

	chomp $recorded;
	cmp_ok(scalar @lsns, '>', 10, "$name: there are LSNs");
	system_or_bail('tar', '-xzf', "$fixtures/$name.tar.gz", '-C', $place);
	is(manifest_version($place), $version, "$name: the manifest is of version $version");
	$store->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place')");
	is(files_at($name, @lsns), $recorded, "$name: it is read as it was");
	query_is($store, "SELECT * FROM bb_verify(store => '$name', level => 'pages')",
		'', "$name: it is whole");
	$particular{$name}->() if $particular{$name};

	my $layers = () = stored_layers_of($place);
	my $jobs = $store->safe_psql('postgres',
		'SET bbackup.merge_layers = 2; SET bbackup.image_percent = 50;'
		  . " SELECT string_agg(DISTINCT job, ' ') FROM bb_upkeep('$name')");
	# that of version 3 has an image already
	like($jobs, $version == 3 ? qr/merge/ : qr/image.*merge/, "$name: upkeep merges, and makes images");
	like($jobs, qr/remove/, "$name: ... and removes what it has merged");
	my $left = () = stored_layers_of($place);
	cmp_ok($left, '<', $layers, "$name: there are fewer layers");
	is(manifest_version($place), $newest, "$name: the manifest is of the newest version");
	is(files_at($name, @lsns), $recorded, "$name: it is read as it was");
	query_is($store, "SELECT * FROM bb_verify(store => '$name', level => 'pages')",
		'', "$name: it is whole");
	$particular{$name}->() if $particular{$name};
	$store->safe_psql('postgres', "SELECT bb_create_branch('twig', lsn => '$lsns[2]', store => '$name')");
	is($store->safe_psql('postgres', "SELECT end_lsn FROM bb_timelines('$name') WHERE timeline = 'twig'"),
		$lsns[2], "$name: it can have branches");
}

sub stored_layers_of
{
	my ($place) = @_;

	return glob "$place/timelines/main/layers/*";
}

# Negative control: a layer of another LSN isn't taken for the right one.
my $place = PostgreSQL::Test::Utils::tempdir;
system_or_bail('tar', '-xzf', "$fixtures/v1.tar.gz", '-C', $place);
my ($some, $other) = grep { /delta-/ } stored_layers_of($place);
rename $some, $other or die $!;
$store->safe_psql('postgres',
	"CREATE SERVER wrong FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place')");
query_is($store, "SELECT count(*) >= 2 FROM bb_verify(store => 'wrong')",
	't', 'a store with another file in place of a layer is not whole');

done_testing();

# bb_basebackup_archives(): an archive for each tablespace, as pg_basebackup
# makes them.

use strict;
use warnings;
use BBackup;
use File::Path qw(make_path rmtree);

my $source = new_source('source', '--data-checksums');
fill_source($source);
# one with a name that the map has to escape, one without any file in it, one
# that is in place
my $strange = PostgreSQL::Test::Utils::tempdir . '/a \\ strange one';
my $empty = PostgreSQL::Test::Utils::tempdir;
mkdir $strange, 0700 or die $!;
$source->safe_psql('postgres', "CREATE TABLESPACE strange LOCATION '$strange'");
$source->safe_psql('postgres', "CREATE TABLESPACE empty LOCATION '$empty'");
$source->safe_psql('postgres',
	"SET allow_in_place_tablespaces = on; CREATE TABLESPACE here LOCATION ''");
$source->safe_psql('postgres',
	'CREATE TABLE strange TABLESPACE strange AS SELECT generate_series(1, 100000) i;'
	  . ' CREATE TABLE here TABLESPACE here AS SELECT generate_series(1, 100) i'
);
my $dump = dump_all($source);
my %oids = map { split /\|/ } split /\n/,
  $source->safe_psql('postgres',
	"SELECT spcname, oid FROM pg_tablespace WHERE oid >= 16384");
is(scalar keys %oids, 4, 'the source has four tablespaces');
$source->stop;

my $store = new_store('store');
import_directory($store, $source->data_dir);

# fetch_archives - return the names of the archives, in order, and a directory
# with them.
sub fetch_archives
{
	my ($arguments) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my @names;

	open my $psql, '-|:raw', 'psql', '-X', '-q', '-A', '-t', '-F', ' ', '-d',
	  $store->connstr('postgres'), '-c',
	  "SELECT (a).archive, encode((a).data, 'hex')"
	  . " FROM (SELECT bb_basebackup_archives($arguments) AS a) s"
	  or die "psql: $!";
	while (<$psql>)
	{
		my ($name, $data) = split;

		push @names, $name if !@names || $names[-1] ne $name;
		open my $archive, '>>:raw', "$directory/$name" or die $!;
		print $archive pack 'H*', $data;
		close $archive;
	}
	close $psql or die "bb_basebackup_archives($arguments) failed";
	return ($directory, @names);
}

sub extract
{
	my ($tar, $directory) = @_;

	make_path($directory, { mode => 0700 });
	system_or_bail('tar', '-x', '-p', '-f', $tar, '-C', $directory);
	return;
}

# The lines of the files in a manifest.
sub listed
{
	my ($manifest) = @_;

	return map { s/,$//r } grep { /"Path"/ } split /\n/,
	  slurp_file($manifest);
}

# --- The archives, their order and content.

my @numbers = sort { $a <=> $b } values %oids;
my ($archives, @names) = fetch_archives('');
is("@names", join(' ', (map { "$_.tar" } @numbers), 'base.tar',
		'backup_manifest'),
	'an archive a tablespace, the rest, the manifest, each in one piece');
my ($again) = fetch_archives('');
is(slurp_file("$again/$_"), slurp_file("$archives/$_"),
	"$_ has the same bytes again")
  foreach @names;

my @members = map {
	my $name = $_;
	my $prefix = $name =~ /^(\d+)/ ? "pg_tblspc/$1/" : '';

	map { "$prefix$_" } tar_members("$archives/$name");
} grep { /tar$/ } @names;
is( $store->safe_psql('postgres',
		"SELECT path FROM bb_files(tablespaces => 'archives')"),
	join("\n", @members, 'backup_manifest'),
	'bb_files() lists what is in them, in order');
like((tar_members("$archives/$oids{elsewhere}.tar"))[0],
	qr/^PG_\d+_\d+$/, 'paths begin below the link');
is( join(' ', grep { m{^pg_tblspc/} } tar_members("$archives/base.tar")),
	'', 'the rest has nothing of them');
is((tar_members("$archives/base.tar"))[-1],
	'global/pg_control', 'and pg_control last');

# the reported size is the size of the archives
my $bytes = 0;
$bytes += -s "$archives/$_" foreach @names;
is($store->safe_psql('postgres',
		"SELECT count(a) FROM (SELECT bb_basebackup_archives() AS a) s;"
		  . " SELECT bytes_out, bytes_total_estimate"
		  . " FROM bb_access_stats WHERE function = 'bb_basebackup_archives'"
	) =~ s/^.*\n//r, "$bytes|$bytes", 'its size is known');
query_is($store, 'SELECT sum(length(data)) FROM bb_basebackup_archives()',
	$bytes, 'in FROM, too');

# --- The progress counts archives as the server does.

my $watcher = start_session($store);
my $reader = start_session($store);

# The name and the progress of each row except the last, which ends the backup;
# the first of equal ones.
sub progress_of
{
	my ($call, $name) = @_;
	my $progress = 'tablespaces_total, tablespaces_streamed'
	  . ' FROM pg_stat_progress_basebackup';
	my @seen;

	ask($reader, "BEGIN; DECLARE c CURSOR FOR SELECT $name FROM"
		  . " (SELECT $call AS a) s");
	while ((my $archive = ask($reader, 'FETCH 1 FROM c')) ne '')
	{
		my $line = ask($watcher, "SELECT '$archive', $progress");

		push @seen, $line if $line ne '' && (!@seen || $seen[-1] ne $line);
	}
	ask($reader, 'COMMIT');
	return @seen;
}

my @seen = progress_of('bb_basebackup_archives()', '(a).archive');
foreach my $n (1 .. @numbers)
{
	my $archive = $numbers[ $n - 1 ];

	is((grep { /^\Q$archive\E\.tar\|/ } @seen)[-1],
		"$archive.tar|5|$n", "tablespace $n of 5 was streamed");
}
# the manifest comes last; it is seen here if it has more than one chunk
@seen = grep { !/^backup_manifest/ } @seen;
is("@seen[-2 .. -1]", 'base.tar|5|4 base.tar|5|5', 'with the last, all');
is(join(' ', progress_of('bb_basebackup_stream()', "'all'")),
	'all|1|0 all|1|1', 'in one tar there is but one');
end_session($_) foreach $watcher, $reader;

# --- The map.

my $base = PostgreSQL::Test::Utils::tempdir . '/base';
extract("$archives/base.tar", $base);
my $escaped = $strange =~ s/\\/\\\\/gr;
my $map = slurp_file("$base/tablespace_map");
like($map, qr/^$oids{strange} \Q$escaped\E$/m, 'the map escapes');
like($map, qr/^$oids{empty} \Q$empty\E$/m, 'it has those without files');
unlike($map, qr/^$oids{here} /m, 'and none that are in place');

# --- The same files as in one tar.

my $one_tar = fetch_backup($store);
my $one = PostgreSQL::Test::Utils::tempdir . '/one';
extract($one_tar, $one);
my $together = PostgreSQL::Test::Utils::tempdir . '/together';
extract("$archives/base.tar", $together);
extract("$archives/$_.tar", "$together/pg_tblspc/$_") foreach @numbers;
is(`diff -r -x tablespace_map -x backup_manifest '$one' '$together' 2>&1`,
	'', 'all archives together have what the one tar has');
is( join("\n",
		sort grep { !/"tablespace_map"/ }
		  listed("$archives/backup_manifest")),
	join("\n", sort(listed("$one/backup_manifest"))),
	'and the manifest lists the same files');
is(scalar(grep { /"tablespace_map"/ } listed("$archives/backup_manifest")),
	1, 'and the map');

# --- Extracted to other places, it verifies and starts.

my $clone = PostgreSQL::Test::Cluster->new('clone');
my $directory = $clone->data_dir;
my $places = PostgreSQL::Test::Utils::tempdir;
extract("$archives/base.tar", $directory);
foreach my $number (@numbers)
{
	if ($number == $oids{here})
	{
		extract("$archives/$number.tar", "$directory/pg_tblspc/$number");
		next;
	}
	extract("$archives/$number.tar", "$places/$number");
	symlink "$places/$number", "$directory/pg_tblspc/$number" or die $!;
}
system_or_bail('cp', "$archives/backup_manifest", $directory);
command_ok([ 'pg_verifybackup', $directory ],
	'pg_verifybackup is content with it');
my ($relation) = grep { m{/\d+$} && -s } glob "$places/$oids{strange}/PG*/*/*";
my $old = patch_file($relation, 1000, 'x');
my $said = `pg_verifybackup -n '$directory' 2>&1`;
like($said, qr{checksum mismatch for file "pg_tblspc/$oids{strange}/PG},
	'and notices what is damaged in a tablespace');
patch_file($relation, 1000, $old);

own_address($clone);
$clone->start;
same_dump(dump_all($clone), $dump, 'a clone of it works');
query_is($clone, "SELECT pg_tablespace_location($oids{strange})",
	"$places/$oids{strange}", 'and has its tablespaces where they were put');
ok(!-e "$directory/tablespace_map", 'the map is out of the way');
$clone->stop;

# --- Variants.

my ($variant) = fetch_archives('jobs => 2');
is(`diff -r '$archives' '$variant' 2>&1`,
	'', 'two workers make the same archives');
($variant, my @variant_names) = fetch_archives("compression => 'gzip'");
is("@variant_names", join(' ', map { /tar$/ ? "$_.gz" : $_ } @names),
	'compressed ones say so; the manifest stays as it is');
system_or_bail('gzip', '-d', glob "$variant/*.gz");
is(`diff -r '$archives' '$variant' 2>&1`, '', 'and have the same in them');

($archives, @names) =
  fetch_archives("full_backup => false, manifest => 'no'");
is($names[-1], 'base.tar', 'without a manifest');
is(join(' ',
		map { s/^\d+$/OID/r }
		grep { !/^PG/ || m{/\d+$} && !m{^PG[^/]*/\d+$} }
		  map { s{.*/(\d+)_init$}{}r } tar_members("$archives/$oids{strange}.tar")
	), '', 'a thin one has no relations in tablespaces');
like(join(' ', tar_members("$archives/$oids{elsewhere}.tar")),
	qr{/(\d+) \S*/\1_init}, 'but for what is unlogged');

my $session = start_session($store);
query_like($session,
	"SELECT (a).archive FROM (SELECT bb_basebackup_archives(manifest_checksums => 'sha256') AS a) s LIMIT 2",
	qr/\A(\d+\.tar\s*){2}\z/, 'a consumer that stops early gets no message');
is(join(' ', grep { /bbackup|pgsql_tmp/ }
		backend_descriptors($session->{backend})), '', 'and leaves nothing');
end_session($session);

# Without tablespaces there is no map.
my $plain = new_source('plain');
$plain->stop;
import_directory($store, $plain->data_dir, 'plain');
($archives, @names) = fetch_archives("timeline => 'plain'");
is("@names", 'base.tar backup_manifest', 'a cluster without tablespaces');
ok( !grep({ $_ eq 'tablespace_map' } tar_members("$archives/base.tar")),
	'has no map');

done_testing();

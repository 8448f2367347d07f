# libFuzzer (test/fuzz) tests the decoders that need no server, for two seconds
# each, with a corpus of real data.
#
#	BB_FUZZ_SECONDS=600 make installcheck REGRESS= PROVE_TESTS=t/133_fuzz_decoders.pl

use strict;
use warnings;
use BBackup;
use BBackup::StoreKind;

# Sizes in a layer file.
use constant { HEADER => 28, BLOCK_HEADER => 16, FOOTER => 110 };

my $seconds = $ENV{BB_FUZZ_SECONDS} // 2;
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

plan skip_all => 'clang is missing: the decoders are not fuzzed'
  if `make -s -C test/fuzz clang PG_CONFIG='$pg_config'` !~ /\S/;
plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $base = PostgreSQL::Test::Utils::tempdir;
my $fuzz = "$base/tree/test/fuzz";
my $corpus = "$base/corpus";

# Build in a copy, since the source tree may be read-only.
mkdir "$base/tree" or die;
system_or_bail('cp', '-R', 'src', 'client', "$base/tree");
mkdir "$base/tree/test" or die;
system_or_bail('cp', '-R', 'test/fuzz', "$base/tree/test");
my $log = "$base/make.log";
my $built =
  system("make -s -C '$fuzz' -j2 PG_CONFIG='$pg_config' > '$log' 2>&1") == 0;
ok($built, 'the targets are built') or diag slurp_file($log);

# --- A corpus.

mkdir $corpus or die;
my %number;

sub seed
{
	my ($target, $bytes) = @_;
	my $directory = "$corpus/$target";

	mkdir $directory;
	open my $out, '>:raw', "$directory/seed" . ++$number{$target} or die $!;
	print $out $bytes;
	close $out;
}

my $source = new_source('source');
fill_source($source);
$source->append_conf('postgresql.conf', "wal_level = replica\nwal_keep_size = '1GB'\n");
$source->restart;
$source->stop;
my $store = new_store('store', "bbackup.compression = 'lz4'\n");
import_directory($store, $source->data_dir);
$source->start;
$source->safe_psql('postgres',
	'CREATE TABLE fuzz AS SELECT generate_series(1, 3000) AS i; VACUUM fuzz; DELETE FROM fuzz WHERE i % 7 = 0');
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');
my $timeline = store_directory($store) . '/timelines/main';

seed('manifest', slurp_file("$timeline/manifest"));
# those of all versions
my $golden = slurp_file('test/unit/test_golden.c');
while ($golden =~ /\bmanifest_v\d\[\] =\n([^;]+);/g)
{
	seed('manifest', pack 'H*', join '', $1 =~ /"(\w+)"/g);
}
is($number{manifest}, 7, 'manifests of each version');
foreach my $path (glob "$timeline/layers/*")
{
	my $layer = slurp_file($path);
	my ($filter) = unpack 'x12 Q<', substr $layer, -FOOTER;
	my $end = $filter || length($layer) - FOOTER;
	my ($at, $n) = (HEADER, 0);

	while ($at < $end)
	{
		my ($level, $stored) = unpack 'C x7 V', substr $layer, $at, BLOCK_HEADER;

		# some of each level, since index blocks are few
		seed('block', substr $layer, $at, BLOCK_HEADER + $stored)
		  if $level > 0 || $n++ % 50 == 0;
		$at += BLOCK_HEADER + $stored;
	}
}

# Native records, one of each type, on the pages that they belong to.
sub key
{
	return pack 'C N N N C N', @_;
}

foreach my $case (
	[ key(0x31, 0, 0, 0, 0, 0), pack('C C v v', 1, 1, 3, 700) ],
	[ key(0x31, 3, 0, 0, 0, 0), pack('C q< v v', 2, 5, 0, 18) ],
	[ key(0x31, 1, 0, 0, 0, 0), pack('C v V', 3, 7, 100) ],
	[ key(0x31, 2, 0, 0, 0, 0), pack('C v V C', 4, 7, 700, 1) ],
	[ key(0x42, 1663, 5, 1259, 2, 0), pack('C v C', 5, 7, 1) ],
	[ key(0x42, 1663, 5, 1259, 2, 0), pack('C v C', 6, 7, 1) ],
	[ key(0x42, 1663, 5, 1259, 2, 0), pack('C v', 7, 7) ],
	[ key(0x42, 1663, 5, 1259, 1, 3), pack('C v', 8, 7) ],
	[ key(0x42, 1663, 5, 1259, 2, 0), pack('C v C', 9, 7, 1) ])
{
	my ($key, $record) = @$case;

	seed('native', $key . pack('v', length $record) . $record x 2);
}
seed('xml',
	'<?xml version="1.0"?><ListBucketResult xmlns="http://s3/"><Name>b</Name><IsTruncated>false</IsTruncated>'
	  . '<Contents><Key>a/b&amp;c&#x41;</Key><Size>12</Size></Contents><Contents/></ListBucketResult>');
seed('xml', '<Error><Code>NoSuchKey</Code><!-- x --><Message>&lt;no&gt;</Message></Error>');

my $n = 0;
foreach my $case ([ 0x10, '/srv/space' ], [ 0x11, "\1" ], [ 0x41, pack 'V', 7 ],
	[ 0x30, pack 'V', 3 ], [ 0x20, pack('V Q<', 0600, 10) . 'conf.d/a.conf' ],
	[ 0x50, pack 'V', 100 ], [ 0x60, pack 'Q<', 7 ])
{
	my ($kind, $value) = @$case;
	my @fields = $kind == 0x20 || $kind == 0x60 ? (0, 0, 7) : (16400, 7, 9);

	seed('catalog', chr($n++) . (key($kind, @fields, 0, 0) . chr(length $value) . $value) x 2);
}
my $data = $source->data_dir;
my $control = slurp_file("$data/global/pg_control");
seed('clusterfile', "\0" . substr $control, 0, 296);
seed('clusterfile', "\1" . substr $control, 40, 88);
seed('clusterfile', "\2" . slurp_file("$data/global/pg_filenode.map"));
seed('clusterfile', "\3" . slurp_file("$data/pg_logical/replorigin_checkpoint"))
  if -e "$data/pg_logical/replorigin_checkpoint";

# The beginning and the end of a tar archive, also as a stream.
my $tar = slurp_file(fetch_backup($store, 'full_backup => false'));
my $short = substr($tar, 0, 512 * 60) . "\0" x 1024;
seed('tar', "\x20$short");
seed('basetar', "\x20$short");
seed('copy', "\x20PGCOPY\n\377\r\n\0" . pack('NN', 0, 0)
	  . pack('n N', 1, length $short) . $short . "\xff\xff");
seed('copy', "\7PGCOPY\n\377\r\n\0" . pack('NN', 0, 0)
	  . pack('n N', 2, 8) . 'base.tar' . pack('N', 20) . 'x' x 20 . "\xff\xff");

seed('history', "1\t0/3000000\tno recovery target specified\n\n# x\n2\t0/5000000\tbefore 2026\n");
seed('label',
	"START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n"
	  . "BACKUP METHOD: streamed\nBACKUP FROM: standby\nSTART TIME: x\nLABEL: y\nSTART TIMELINE: 1\n");

# --- Each target.

foreach my $target (split ' ', `make -s -C '$fuzz' targets`)
{
	my $result = system("make -s -C '$fuzz' run TARGETS=$target CORPUS='$corpus' FUZZ_SECONDS=$seconds"
		  . " PG_CONFIG='" . ($ENV{PG_CONFIG} // 'pg_config') . "' > '$log' 2>&1");

	ok($built && $result == 0, "$target") or diag slurp_file($log);
	note $_ foreach split /\n/, slurp_file($log);
}
done_testing();

# One bad timeline in a page store: the others are listed, and it can be dropped.

use strict;
use warnings;
use BBackup;
use File::Copy;
use POSIX ();

my $source = new_source('source');
$source->stop;
my $store = new_store('store');
my $timelines = store_directory($store) . '/timelines';
import_directory($store, $source->data_dir);
$store->safe_psql('postgres',
	"SELECT bb_create_branch('a'); SELECT bb_create_branch('bad');"
	  . " SELECT bb_create_branch('leaf', 'bad'); SELECT bb_create_branch('z')");
my $layers =
  $store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()');

# One test: the others are listed, and a WARNING says what is omitted and why.
sub lists_others
{
	my ($others, $warning, $name) = @_;
	my ($out, $err);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$store->psql(
		'postgres',
		q(SELECT string_agg(timeline, ' ') FROM bb_timelines();)
		  . 'SELECT count(*) FROM bb_layers()',
		stdout => \$out,
		stderr => \$err);
	my $count = () = $err =~ /WARNING:  $warning/g;
	is("$out, $count", "$others\n$layers, 2", $name) or diag($err);
	return;
}

# --- Names that no timeline can have.

mkdir "$timelines/ok (copy)" or die $!;
lists_others('a bad leaf main z', qr/skipping "ok \(copy\)" in page store/,
	'a name that is no timeline\'s');
is($store->safe_psql(
		'postgres', q(SELECT bb_create_branch('b'); SELECT bb_drop_timeline('b'))
	) =~ tr/\n//, 1, 'and branches are made and dropped');
rmdir "$timelines/ok (copy)" or die $!;

# --- Manifests that can't be read.

my $manifest = "$timelines/bad/manifest";
copy($manifest, "$manifest.copy") or die $!;
my %damages = (
	'a manifest that was truncated' => [
		sub { truncate $manifest, 100 },
		qr/skipping timeline "bad": manifest "timelines.bad.manifest" .* is corrupted/
	],
	'a manifest with a flipped bit' => [
		sub { patch_file($manifest, 50, "\xff") },
		qr/skipping timeline "bad": manifest "timelines.bad.manifest" .* is corrupted/
	],
	'a FIFO in its place' => [
		sub { unlink $manifest; POSIX::mkfifo($manifest, 0600) },
		qr/skipping timeline "bad": "\S+bad.manifest" is not a regular file/
	],
	'a manifest that may not be read' => [
		sub { chmod 0, $manifest },
		qr/skipping timeline "bad": could not open file "\S+bad.manifest": Perm/
	],
	'a directory that may not be read' => [
		sub { chmod 0, "$timelines/bad" },
		qr/skipping timeline "bad": could not open file "\S+bad.manifest": Perm/
	]);
foreach my $damage (sort keys %damages)
{
	my ($make, $warning) = @{ $damages{$damage} };

	$make->();
	lists_others('a leaf main z', $warning, $damage);
	fails_like($store, q(SELECT * FROM bb_layers(timeline => 'bad')),
		qr/ERROR:  (?:XX001|42501): /,
		"$damage: asked for by name, it is an error");
	fails_like($store, q(SELECT bb_drop_timeline('a')),
		qr/ERROR:  2BP01: cannot drop timeline "a" because timeline "bad" might be a branch of it\n.*HINT:.*"bad" first/s,
		"$damage: it may be a branch of any");
	chmod 0700, "$timelines/bad";
	unlink $manifest;
	copy("$manifest.copy", $manifest) or die $!;
}
unlink "$manifest.copy" or die $!;

# --- Dropping it.

truncate $manifest, 0 or die $!;
fails_like($store, q(SELECT bb_drop_timeline('bad')),
	qr/ERROR:  2BP01: .*timeline "leaf" is a branch of it/,
	'a broken timeline with a branch is not dropped');
truncate "$timelines/leaf/manifest", 10 or die $!;
$store->safe_psql('postgres',
	q(SELECT bb_drop_timeline('bad'); SELECT bb_drop_timeline('leaf')));
ok(!-e "$timelines/bad" && !-e "$timelines/leaf",
	'broken timelines are dropped');
query_is($store, q(SELECT bb_drop_timeline('a');)
	  . q(SELECT string_agg(timeline, ' ') FROM bb_timelines()),
	"\nmain z", 'and then others can be');

done_testing();

# The picture of a timeline's layers: it is a document that a renderer draws, it
# has what the timeline has, and it can be made when layers are lost.

use strict;
use warnings;
use BBackup;

my ($base, $archive, $middle) = filled_archive();
my $store = new_store('store', "bbackup.checkpoint_distance = 1MB\n");
import_directory($store, $base);
ingest($store, $archive);
$store->safe_psql('postgres',
	"SELECT bb_create_branch('other', 'main', '$middle')");

# picture - the picture of a timeline, which has to be a well-formed document.
my $has_xml =
  $store->safe_psql('postgres', 'SELECT xml_is_well_formed_document(\'<a/>\')')
  if $store->psql('postgres', 'SELECT xml_is_well_formed_document(\'<a/>\')') == 0;

sub picture
{
	my ($timeline) = @_;
	my $svg = $store->safe_psql('postgres',
		"SELECT bb_layer_map(timeline => '$timeline')");

	ok(!$has_xml || $store->safe_psql('postgres',
			"SELECT xml_is_well_formed_document(bb_layer_map(timeline => '$timeline'))"
		) eq 't',
		"the picture of $timeline is well-formed");
	unlike($svg, qr/[^\x20-\x7E\n]/, 'and ASCII');
	return $svg;
}

# render - draw it with a real renderer; returns the picture's size.
sub render
{
	my ($svg) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my $png;

	PostgreSQL::Test::Utils::append_to_file("$directory/a.svg", $svg);
	command_ok([ 'rsvg-convert', '-o', "$directory/a.png", "$directory/a.svg" ],
		'a renderer draws it');
	$png = slurp_file("$directory/a.png");
	return length($png) . ' ' . join('x', unpack('x16NN', $png));
}

my $svg = picture('main');
my ($deltas, $images, $bytes) = split /\|/, $store->safe_psql('postgres',
	"SELECT count(*) FILTER (WHERE kind = 'delta'),"
	  . " count(*) FILTER (WHERE kind = 'image'), sum(bytes) FROM bb_layers()");
cmp_ok($deltas, '>', 3, 'there are several delta layers');
like($svg, qr/>$deltas delta and $images image layers, /, 'it counts the layers');
foreach my $layer (split /\n/,
	$store->safe_psql('postgres',
		"SELECT layer FROM bb_layers() WHERE kind = 'delta' LIMIT 3"))
{
	like($svg, qr/<title>\Q$layer\E, /, 'a layer has a tooltip with its name');
}
my ($start, $end, $time) = split /\|/, $store->safe_psql('postgres',
	'SELECT start_lsn, end_lsn, to_char(end_time AT TIME ZONE \'UTC\','
	  . ' \'YYYY-MM-DD HH24:MI:SS\') FROM bb_timelines() WHERE timeline = \'main\'');
like($svg, qr{Readable from $start.* to $end \($time\)}, 'it says what can be read');
like($svg, qr{>branch other<title>$middle \(20[\d: -]+\)</title>},
	'the branch has a note, with the time of its LSN');

my $has_renderer = !system 'command -v rsvg-convert >/dev/null 2>&1';
SKIP:
{
	skip 'there is no rsvg-convert', 3 unless $has_renderer;
	my $size = render($svg);

	like($size, qr/^\d{5,} 1280x\d{3}$/, 'in its size, with something on it');
	note("picture: $size");
}

$svg = picture('other');
like($svg, qr/>A branch of main from $middle on/, 'a branch names its ancestor');
like($svg, qr/>0 delta and 0 image layers/, 'and has no layers yet');

# Without its layers, a timeline has a picture, if no times.
if (BBackup::StoreKind::is_local())
{
	my $layers = store_directory($store) . '/timelines/main/layers';
	my ($code, $out, $err);

	unlink glob "$layers/*";
	($code, $out, $err) = $store->psql('postgres', 'SELECT bb_layer_map()');
	is($code, 0, 'a timeline whose layers are lost has a picture');
	like($out, qr/>$deltas delta and $images image layers, /, 'with all of them');
	like($err, qr/NOTICE:  the picture has no times: /, 'and the reason for having no times');
}
command_fails_like(
	[
		'psql', '-X', '-d', $store->connstr('postgres'),
		'-c',   "SELECT bb_layer_map(timeline => 'none')"
	],
	qr/timeline "none" does not exist/,
	'there is no picture of no timeline');

done_testing();

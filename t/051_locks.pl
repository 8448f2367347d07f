# Locks end with the call that took them, however it ends, and leave no files.

use strict;
use warnings;
use BBackup;

my $source = new_source('source');
$source->stop;
my $from = $source->data_dir;
my $store = new_store('store');
my $timelines = store_directory($store) . '/timelines';
import_directory($store, $from);

# Everything below the directory of timelines, except files of layers.
sub there
{
	return join ' ', grep { !m{/layers/.} } files_below($timelines);
}

my $main = there();
is($main, 'main/ main/layers/ main/manifest', 'an import leaves no lock');

# --- Two calls in one query.

query_is($store, q(SELECT bb_create_branch('a') = bb_create_branch('b')), 't',
	'two branches in one query');
query_is($store,
	qq(SELECT (bb_import_directory('$from', timeline => t)).timeline
		FROM unnest(ARRAY['c', 'd']) t), "c\nd", 'two imports');
query_is($store, "SELECT (bb_ingest('$from/pg_wal', timeline => t)).timeline"
	  . q( FROM unnest(ARRAY['c', 'c']) t),
	"c\nc", 'two ingests of one timeline');
$store->safe_psql('postgres', 'SELECT bb_drop_timeline(t)'
	  . q( FROM unnest(ARRAY['a', 'b', 'c', 'd']) t));
is(there(), $main, 'of timelines that were dropped nothing is left');

# --- After an error.

$store->safe_psql('postgres', qq(
DO \$\$
BEGIN
	PERFORM bb_create_branch('a');
	BEGIN
		PERFORM bb_drop_timeline('main');
		RAISE 'it was dropped';
	EXCEPTION WHEN dependent_objects_still_exist THEN
		PERFORM bb_drop_timeline('a');
	END;
	BEGIN
		PERFORM bb_import_directory('$from');
		RAISE 'it was imported';
	EXCEPTION WHEN duplicate_object THEN
		PERFORM bb_ingest('$from/pg_wal');
	END;
END
\$\$));
is(there(), $main, 'calls that fail let others in, and leave nothing');
fails_like($store,
	"SELECT * FROM bb_import_directory('$from', timeline => 'e',"
	  . " wal_directory => '$from/base')",
	qr/ERROR:  \w{5}: /, 'an import without WAL fails');
is(there(), $main, 'and leaves nothing');

# --- The next writer removes what a killed one left.

append_to_file("$timelines/main/.manifest.tmp", 'leftover');
append_to_file("$timelines/main/.writer.lock", '');
$store->safe_psql('postgres', "SELECT bb_ingest('$from/pg_wal')");
is(there(), $main, 'the next writer sweeps what one left that was killed');

done_testing();

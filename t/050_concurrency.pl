# Concurrent calls: two imports of one timeline, reads during an import.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(sleep);

my $source = new_source('source', '--data-checksums');
create_rows($source, 500000);
$source->safe_psql('postgres', 'CREATE TABLE huge (i int)');
my $huge = $source->data_dir . '/'
  . $source->safe_psql('postgres', "SELECT pg_relation_filepath('huge')");
$source->stop;
my $from = $source->data_dir;
my $store = new_store('store', "bbackup.layer_size = 4MB\n");

my $md5 = q(SELECT md5(string_agg(md5(chunk), '')) FROM
	(SELECT bb_basebackup_stream(timeline => '%s') AS chunk) c);

# --- Two imports of one name: one succeeds, the other one fails with the reason.

my @sessions = map { start_session($store) } 1 .. 2;
send_query($_, "SELECT timeline FROM bb_import_directory('$from')")
  foreach @sessions;
my @answers = map { answer($_) } @sessions;
is(scalar(grep { $_ eq 'main' } @answers),
	1, 'of two imports of a timeline, one succeeds');
like(join("\n", @answers), qr/ERROR:  (?:55006|42710|55P03): .*"main"/,
	'and the other is told why not');
my $right = ask($sessions[0], sprintf $md5, 'main');
like($right, qr/^[0-9a-f]{32}$/, 'what the one wrote can be read');

# --- Progress, and reads of one timeline while another one is imported.  With
# holes of some gigabytes, an import takes long enough to be observed.

foreach my $file ($huge, map { "$huge.$_" } 1 .. 3)
{
	append_to_file($file, '');
	truncate $file, 1 << 30 or die $!;
}
send_query($sessions[0], "SELECT timeline FROM bb_import_directory('$from',"
	  . " timeline => 'second')");
wait_for_import($store, $sessions[0], 'bytes_done > 0');
query_is($store,
	"SELECT pid = $sessions[0]->{backend}, datname, bytes_done > 0,"
	  . ' bytes_done <= bytes_total, files_done <= files_total,'
	  . ' phase IS NOT NULL FROM bb_stat_progress_import',
	't|postgres|t|t|t|t', 'an import shows its progress');
query_is($store, 'SELECT count(*) FROM bb_timelines()', 1,
	'its timeline is not there yet');
is(ask($sessions[1], sprintf $md5, 'main'),
	$right, 'while an import runs, others are read');
is(answer($sessions[0]), 'second', 'and the import is none the worse');
query_is($store, 'SELECT count(*) FROM bb_stat_progress_import', 0,
	'its progress is over');
is( ask($sessions[1], "SELECT max(pages) FROM bb_relations(timeline => 'second')"),
	4 << 17,
	'its timeline is there');

# --- Two imports of the unchanged cluster with two names.

unlink map { "$huge.$_" } 1 .. 3;
truncate $huge, 0 or die $!;
send_query($sessions[$_],
	"SELECT timeline FROM bb_import_directory('$from',"
	  . " timeline => 'at_once_$_')") foreach 0 .. 1;
is(answer($sessions[$_]), "at_once_$_", 'two imports at once')
  foreach 0 .. 1;
is(ask($sessions[$_], sprintf $md5, "at_once_$_"), $right, 'both are right')
  foreach 0 .. 1;

# --- Many readers at once.

my @readers = map { start_session($store) } 1 .. 4;
send_query($_, sprintf $md5, 'main') foreach @readers;
is(answer($_), $right, 'readers at once') foreach @readers;
end_session($_) foreach @readers;

# --- A timeline is dropped during a read: the result is correct, or an error.

ask($sessions[0], 'BEGIN; DECLARE c CURSOR FOR'
	  . " SELECT md5(bb_basebackup_stream(timeline => 'at_once_0'))");
ask($sessions[0], 'FETCH 3 FROM c');
ask($sessions[1], "SELECT bb_drop_timeline('at_once_0')");
my $rest = ask($sessions[0], 'FETCH ALL FROM c');
like($rest, qr/ERROR:  58P01: .*image-|^(?:[0-9a-f]{32}\n)+[0-9a-f]{32}$/,
	'a reader whose timeline is dropped gets the rest, or an error');
ask($sessions[0], 'ROLLBACK');

# --- A cancel from outside.

foreach my $file ($huge, map { "$huge.$_" } 1 .. 3)
{
	append_to_file($file, '');
	truncate $file, 1 << 30 or die $!;
}
send_query($sessions[0], "SELECT timeline FROM bb_import_directory('$from',"
	  . " timeline => 'canceled')");
wait_for_import($store, $sessions[0], 'bytes_done > 0');
$store->safe_psql('postgres',
	"SELECT pg_cancel_backend($sessions[0]->{backend})");
like(answer($sessions[0]), qr/ERROR:  57014: /, 'an import can be canceled');
# S3 may get a request to write after the one to remove
cmp_ok(scalar stored_layers($store, 'canceled'),
	'<=', BBackup::StoreKind::is_local() ? 0 : 1, 'and leaves no layers');

send_query($sessions[0], "SELECT timeline FROM bb_import_directory('$from',"
	  . " timeline => 'terminated')");
wait_for_import($store, $sessions[0], 'bytes_done > 0');
$store->safe_psql('postgres',
	"SELECT pg_terminate_backend($sessions[0]->{backend}, 5000)");
answer($sessions[0]);
end_session($sessions[0]);
query_is($store, 'SELECT count(*) FROM bb_timelines()'
		. " WHERE timeline IN ('canceled', 'terminated')",
	0, 'nor does one whose backend is terminated make a timeline');
query_is($store, 'SELECT count(*) FROM bb_stat_progress_import', 0,
	'or leave its progress behind');
end_session($sessions[1]);

done_testing();

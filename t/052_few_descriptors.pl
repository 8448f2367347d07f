# Few file descriptors: many layers, redo helpers, several backups at once.

use strict;
use warnings;
use BBackup;

my $source = new_source('source', '--data-checksums');
$source->append_conf('postgresql.conf',
	"wal_level = replica\nwal_keep_size = 1GB\n");
$source->restart;
$source->safe_psql('postgres', q(
CREATE TABLE plain AS
	SELECT i AS id, md5(i::text) AS t FROM generate_series(1, 40000) i;
CREATE TABLE other AS TABLE plain;
CREATE INDEX ON plain (id)));
$source->stop;

# The fewest that the server accepts, and more helpers than these allow.
my $store = new_store('store', q(
max_files_per_process = 64
bbackup.layer_size = 1MB
bbackup.checkpoint_distance = 1MB
bbackup.redo_processes = 16
));
import_directory($store, $source->data_dir);
$source->start;
foreach my $round (1 .. 16)
{
	$source->safe_psql('postgres', qq(
UPDATE plain SET t = 'round $round' WHERE id % 5 = 0;
UPDATE other SET t = 'round $round' WHERE id % 7 = 0));
}
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');
cmp_ok($store->safe_psql(
		'postgres', q(SELECT count(*) FROM bb_layers() WHERE kind = 'delta')),
	'>', 64, 'there are more delta layers than the process may have files');

my $session = start_session($store);
my $md5 = q(SELECT md5(string_agg(md5(chunk), '')) FROM
	(SELECT bb_basebackup_stream(timeline => '%s') AS chunk) c);
my $right = ask($session, sprintf $md5, 'main');
like($right, qr/^[0-9a-f]{32}$/, 'a backup reads them all');

# Helpers stay with the session, and leave it the descriptors that it needs.
query_is($session, q(SELECT bb_create_branch('b1') IS NOT NULL;)
	  . q(SELECT count(bb_create_branch('b' || i, 'b' || i - 1))
		FROM generate_series(2, 10) i), "t\n9",
	'the same session makes branches');
like(ask($session, sprintf $md5, 'b10'), qr/^[0-9a-f]{32}$/,
	'and reads through ten ancestors');
query_is($session, 'BEGIN;'
	  . join('',
			map { "DECLARE c$_ CURSOR FOR SELECT bb_basebackup_stream();" }
			  1 .. 4)
	  . join('', map { "MOVE 30 FROM c$_;" } 1 .. 4)
	  . join('', map { "MOVE ALL FROM c$_;" } 1 .. 4)
	  . 'COMMIT',
	'', 'four backups at once');
query_is($session, "SELECT timeline FROM bb_import_directory('"
	  . $source->data_dir
	  . "', timeline => 'again')",
	'again', 'an import');
end_session($session);

my $clone = new_clone('clone', fetch_backup($store));
$clone->start;
is($clone->safe_psql('postgres', 'SELECT md5(string_agg(p::text, chr(10)'
		  . ' ORDER BY id)) FROM plain p'),
	do
	{
		$source->start;
		$source->safe_psql('postgres', 'SELECT md5(string_agg(p::text, chr(10)'
			  . ' ORDER BY id)) FROM plain p');
	}, 'and the backup is right');

done_testing();

# bb_basebackup_stream(): memory and descriptors, also if its consumer stops.

use strict;
use warnings;
use BBackup;

# A sparse cluster: more than 2 GB to stream, little to store.
my $source = new_source('source');
$source->safe_psql('postgres', 'CREATE TABLE huge (i int)');
my $relation =
  $source->safe_psql('postgres', "SELECT pg_relation_filepath('huge')");
$source->stop;
my $path = $source->data_dir . "/$relation";
append_to_file($_, '') foreach ("$path.1");
truncate $_, 1 << 30 or die $! foreach ($path, "$path.1");

my $store = new_store('store');
my $session = start_session($store);
my $pid = $session->{backend};

# Tests that the backend has no file of the store open.
sub no_leaks
{
	my ($name) = @_;
	my @left = grep { /bbackup/ } backend_descriptors($pid);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("@left", '', $name);
	return;
}

# The open files of a backend that hasn't used bbackup.
ask($session, 'SELECT count(*) FROM pg_class');
my $idle = backend_status($pid, 'RssAnon');

# --- Memory.

my $import =
  ask($session, 'SELECT bytes_read FROM bb_import_directory(\''
	  . $source->data_dir . '\')');
cmp_ok($import, '>', 2 << 30, 'more than 2 GB are imported');
my $after_import = backend_status($pid, 'RssAnon');
note "anonymous memory: idle $idle kB, after import $after_import kB";
cmp_ok($after_import - $idle, '<', 16 * 1024, 'the import keeps little memory');

end_session($session);
$session = start_session($store);
$pid = $session->{backend};
ask($session, 'SELECT count(*) FROM pg_class');
my $peak_idle = backend_status($pid, 'VmHWM');

my $size = ask($session,
	'SELECT sum(length(c)) FROM (SELECT bb_basebackup_stream() AS c) s');
cmp_ok($size, '>', 2 << 30, 'and streamed');
my $grown = backend_status($pid, 'VmHWM') - $peak_idle;
note "a stream of $size bytes took $grown kB at its peak";
cmp_ok($grown, '<', 64 * 1024, 'in less than 64 MB');
no_leaks('and leave nothing open');

# --- Consumers that stop early.

# what the last call has read
sub pages_read
{
	return ask($session,
		'SELECT pages_requested FROM bb_access_stats'
		  . ' ORDER BY call_id DESC LIMIT 1');
}

query_is($session,
	'SELECT count(c) FROM (SELECT bb_basebackup_stream() AS c LIMIT 3) s', 3,
	'LIMIT 3 gives three chunks');
cmp_ok(pages_read(), '<', 1000, 'without building the rest');
no_leaks('and closes what it read');
ask($session, 'SELECT bb_basebackup_stream() IS NULL LIMIT 1');
my $descriptors = scalar backend_descriptors($pid);
ask($session, 'SELECT bb_basebackup_stream() IS NULL LIMIT 1') foreach 1 .. 500;
no_leaks('nor do 500 of them leave anything open');
is(scalar backend_descriptors($pid), $descriptors, 'of any kind');
my $before = backend_status($pid, 'RssAnon');
ask($session, 'SELECT bb_basebackup_stream() IS NULL LIMIT 1') foreach 1 .. 500;
cmp_ok(backend_status($pid, 'RssAnon') - $before, '<', 2048, 'nor memory');

query_like($session, 'SELECT count(1 / (length(c) - length(c))) FROM'
	  . ' (SELECT bb_basebackup_stream() AS c) s',
	qr/ERROR:  22012/, 'a consumer that fails');
no_leaks('leaves nothing');

ask($session,
	'BEGIN; DECLARE c CURSOR FOR SELECT length(bb_basebackup_stream())');
query_like($session, 'FETCH 2 FROM c', qr/^\d+\n\d+$/, 'a cursor fetches');
my @open = grep { /bbackup/ } backend_descriptors($pid);
cmp_ok(scalar @open, '>', 0, 'and has files of the store open');
query_like($session, 'FETCH 2 FROM c', qr/^\d+\n\d+$/, 'and goes on');
ask($session, 'CLOSE c');
no_leaks('closed, it leaves nothing');
ask($session, 'ROLLBACK');

ask($session,
	'BEGIN; DECLARE c CURSOR FOR SELECT length(bb_basebackup_stream());'
	  . ' FETCH 1 FROM c');
ask($session, 'ROLLBACK');
no_leaks('neither when the transaction is rolled back');

ask($session,
	'BEGIN; DECLARE c CURSOR FOR SELECT length(bb_basebackup_stream());'
	  . ' FETCH 1 FROM c; SAVEPOINT s');
query_like($session, 'FETCH 1 FROM c; SELECT 1/0', qr/ERROR:  22012:/,
	'an error in a subtransaction');
ask($session, 'ROLLBACK TO s; COMMIT');
no_leaks('... leaves nothing open');

# --- Ways to call it.

my $count = 'SELECT count(*) FROM (SELECT bb_basebackup_stream('
  . 'full_backup => false) AS c) s';
my $chunks = ask($session, $count);
cmp_ok($chunks, '>', 1, 'a thin backup has several chunks');
query_is($session,
	'SELECT count(*) FROM bb_basebackup_stream(full_backup => false)', $chunks,
	'as many in FROM');
query_is($session,
	'SELECT count(*) FROM (SELECT bb_basebackup_stream(full_backup =>'
	  . ' false), generate_series(1, 2)) s',
	$chunks, 'next to another set-returning function');
query_is($session,
	'SELECT count(*) FROM (SELECT bb_basebackup_stream(full_backup =>'
	  . ' false) FROM generate_series(1, 3)) s',
	3 * $chunks, 'and once for each row');
query_is($session,
	'SELECT md5(string_agg(c, \'\')) = (SELECT md5(bb_basebackup('
	  . 'full_backup => false))) FROM (SELECT bb_basebackup_stream('
	  . 'full_backup => false) AS c) s',
	't', 'bb_basebackup has the same bytes');

# --- Too large, too slow, canceled.

query_like($session, 'SELECT length(bb_basebackup())',
	qr/ERROR:  54000: .*\n(?:.*\n)?HINT:.*bb_basebackup_stream/,
	'a bytea of over 1 GB is refused');
is(pages_read(), 0, 'before the backup is built');
cmp_ok(backend_status($pid, 'VmHWM') - $peak_idle,
	'<', 64 * 1024, 'and without using memory');

query_like($session, 'SET statement_timeout = 10; SELECT count(c) FROM'
	  . ' (SELECT bb_basebackup_stream() AS c) s',
	qr/ERROR:  57014: canceling statement due to statement timeout/,
	'a backup can be canceled');
no_leaks('and leaves nothing');
query_like($session, 'RESET statement_timeout; SET bbackup.call_timeout = 10;'
	  . ' SELECT count(c) FROM (SELECT bb_basebackup_stream() AS c) s',
	qr/ERROR:  57014: .*bbackup/, 'bbackup.call_timeout ends it');
no_leaks('and leaves nothing');
end_session($session);

done_testing();

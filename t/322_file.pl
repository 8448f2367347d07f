# bb_basebackup_to_file: the tar as a file on the server.

use strict;
use warnings;
use BBackup;
use BBackup::Tree;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = new_source('source');
$source->safe_psql('postgres',
	'CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 200000) i'
);
$source->stop;
# as everywhere but in tests: fsync is one of the things that go wrong
my $store = new_store('store', "fsync = on\nrestart_after_crash = on\n");
import_directory($store, $source->data_dir);
my $base = PostgreSQL::Test::Utils::tempdir_short;
mkdir "$base/d", 0700 or die;

# --- The same bytes as those of the stream.

my $tar = fetch_backup($store);
is( $store->safe_psql('postgres',
		"SELECT bb_basebackup_to_file(NULL, '$base/d/base.tar')"),
	-s $tar,
	'it returns the size');
is(slurp_file("$base/d/base.tar") eq slurp_file($tar),
	1, 'the file is that of the stream');
is(mode("$base/d/base.tar"), '0600', 'for the server\'s user only');
is(names("$base/d"), 'base.tar', 'and there is nothing else');
$store->safe_psql('postgres',
	"SELECT bb_basebackup_to_file(NULL, '$base/d/./x/../thin.tar', full_backup => false, label => 'thin', max_rate => 1048576)"
);
cmp_ok(scalar(grep { $_ eq 'zenith.signal' } tar_members("$base/d/thin.tar")),
	'==', 1, 'options do what they say');
unlink "$base/d/thin.tar" or die;

# --- What it refuses.

symlink "$base/d/nowhere", "$base/d/link" or die;
my $before = tree("$base/d");
foreach my $case (
	[ "$base/d/base.tar", qr/58P02: file ".*base.tar" already exists/ ],
	[ "$base/d/link", qr/58P02: file ".*link" already exists/ ],
	[ "$base/d", qr/58P02: file ".*d" already exists/ ],
	[ "$base/no/base.tar", qr/58P01: could not open directory/ ],
	[ "$base/d/base.tar/x", qr/could not open directory/ ],
	[ 'base.tar', qr/22023: path must be absolute/ ],
	[ '/', qr/22023: / ],
	[ $store->data_dir . '/base.tar', qr/55000: cannot write a backup to .*\n.*data directory of this server/ ],
	[ store_directory($store) . '/base.tar', qr/55000: cannot write a backup to .*\n.*the page store/ ])
{
	my ($path, $expected) = @$case;

	fails_like($store, "SELECT bb_basebackup_to_file(NULL, '$path')",
		$expected, "\"$path\" is refused");
}
fails_like($store, 'SELECT bb_basebackup_to_file(NULL, NULL)',
	qr/22004: argument "path"/, 'NULL is');
is_deeply(tree("$base/d"), $before, 'nothing was changed');
ok(!-e $store->data_dir . '/base.tar.part', 'nor made');
unlink "$base/d/link" or die;

$store->safe_psql('postgres', q(
CREATE ROLE bob;
GRANT USAGE ON FOREIGN SERVER bbackup TO bob;
DO $$ BEGIN EXECUTE (SELECT format('GRANT EXECUTE ON FUNCTION %s TO bob',
	oid::regprocedure)
	FROM pg_proc WHERE proname = 'bb_basebackup_to_file'); END $$));
fails_like($store,
	"SET ROLE bob; SELECT bb_basebackup_to_file(NULL, '$base/d/bob')",
	qr/42501: .*\n.*pg_write_server_files/,
	'it takes pg_write_server_files');

# --- Whatever fails leaves nothing.

my $session = start_session($store);
ask($session, 'SELECT count(*) FROM bb_files()');
my @descriptors = sort(backend_descriptors($session->{backend}));
my $call = "SELECT bb_basebackup_to_file(NULL, '$base/d/fail.tar'";

sub leaves_nothing
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(names("$base/d"), 'base.tar', "$name: nothing is left");
	is_deeply([ sort(backend_descriptors($session->{backend})) ],
		\@descriptors, '... and no descriptor');
	return;
}

sub wait_for_file
{
	foreach (1 .. 1000)
	{
		return if -e "$base/d/fail.tar.part";
		select undef, undef, undef, 0.01;
	}
	die 'nothing came';
}

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
like(ask($session, "$call)"), qr/XX001: /, 'a broken layer is an error');
leaves_nothing('a broken layer');
patch_file($layer, int((-s $layer) * 0.6), $old);

like(ask($session, "SET statement_timeout = '300ms'; $call, max_rate => 64)"),
	qr/57014: /, 'a timeout is');
leaves_nothing('a timeout');
ask($session, 'RESET statement_timeout');

send_query($session, "$call, max_rate => 64)");
wait_for_file();
ok(!-e "$base/d/fail.tar", 'while it runs, there is no file of that name');
fails_like($store, "$call)",
	qr/58P02: could not create file ".*fail.tar.part": File exists\nHINT:/,
	'nor can another be written');
append_to_file("$base/d/fail.tar", 'another');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/57014: /, 'it can be cancelled');
is(slurp_file("$base/d/fail.tar"), 'another', 'a file of others stays');
unlink "$base/d/fail.tar" or die;
leaves_nothing('a cancel');

# a file that appears meanwhile isn't replaced
send_query($session, "$call, full_backup => false, max_rate => 8192)");
wait_for_file();
append_to_file("$base/d/fail.tar", 'another');
like(answer($session), qr/58P02: file ".*fail.tar" already exists/,
	'nor is one replaced that comes meanwhile');
is(slurp_file("$base/d/fail.tar"), 'another', '... it stays');
unlink "$base/d/fail.tar" or die;
leaves_nothing('another file');

system_or_bail('prlimit', '--pid', $session->{backend}, '--fsize=1000000');
like(ask($session, "$call)"),
	qr/could not write file ".*fail.tar": File too large\nHINT:/,
	'a full disk is an error');
leaves_nothing('a full disk');
end_session($session);

$session = start_session($store);
send_query($session, "$call, max_rate => 64)");
wait_for_file();
kill 'KILL', $session->{backend};
end_session($session);
wait_for_restart($store);
is(names("$base/d"), 'base.tar fail.tar.part',
	'after kill -9 there is no file of that name');
fails_like($store, "$call)", qr/HINT:  .*remove it/, 'a hint says so');
unlink "$base/d/fail.tar.part" or die;
$store->safe_psql('postgres', "$call)");
is(-s "$base/d/fail.tar", -s $tar, 'then it works');

done_testing();

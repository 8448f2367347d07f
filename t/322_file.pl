# bb_basebackup_to_file writes a tar to a file on the server, or archives to a
# directory.

use strict;
use warnings;
use BBackup;
use BBackup::Tree;

my $source = new_source('source');
create_rows($source, 200000);
my $elsewhere = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$elsewhere'");
$source->safe_psql('postgres',
	'CREATE TABLE there TABLESPACE elsewhere AS SELECT generate_series(1, 30000) i'
);
my $oid = $source->safe_psql('postgres',
	"SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
$source->stop;
# as in production, since fsync is one of the things that fail
my $store = new_store('store', "fsync = on\nrestart_after_crash = on\n");
import_directory($store, $source->data_dir);
my $base = PostgreSQL::Test::Utils::tempdir_short;
mkdir "$base/d", 0700 or die;

# --- The same bytes as those of the stream.

my $tar = fetch_backup($store);
is($store->safe_psql('postgres',
		"SELECT bb_basebackup_to_file('$base/d/base.tar')"), -s $tar,
	'it returns the size');
is(slurp_file("$base/d/base.tar") eq slurp_file($tar),
	1, 'the file is that of the stream');
is(mode("$base/d/base.tar"), '0600', 'for the server\'s user only');
is(names("$base/d"), 'base.tar', 'and there is nothing else');
$store->safe_psql('postgres',
	"SELECT bb_basebackup_to_file('$base/d/./x/../thin.tar', full_backup => false, label => 'thin', max_rate => 1048576)"
);
cmp_ok(scalar(grep { $_ eq 'zenith.signal' } tar_members("$base/d/thin.tar")),
	'==', 1, 'options work');
unlink "$base/d/thin.tar" or die;

# --- A directory of archives.

my $archives = "tablespaces => 'archives'";
my ($bytes, $counted) = split /\n/, $store->safe_psql('postgres',
	"SELECT bb_basebackup_to_file('$base/d/archives/', $archives);"
	  . " SELECT bytes_out, bytes_total_estimate FROM bb_access_stats");
is(names("$base/d/archives"), "$oid.tar backup_manifest base.tar",
	'one for each tablespace, one for the rest, and the manifest');
is(names("$base/d"), 'archives base.tar', 'in a directory of that name');
is(mode("$base/d/archives") . mode("$base/d/archives/$_"),
	'07000600', "for the server's user only: $_")
  foreach split / /, names("$base/d/archives");
my $sum = 0;
foreach my $name ("$oid.tar", 'base.tar', 'backup_manifest')
{
	$sum += -s "$base/d/archives/$name";
	is($store->safe_psql('postgres',
			"SELECT md5(string_agg((a).data, '')) FROM (SELECT bb_basebackup_archives() AS a) s WHERE (a).archive = '$name'"
		), $store->safe_psql('postgres',
			"SELECT md5(pg_read_binary_file('$base/d/archives/$name'))"),
		"$name is that of bb_basebackup_archives()");
}
is($bytes, $sum, 'it returns the bytes of all');
is($counted, "$bytes|$bytes", 'which are counted, and were known');
$store->safe_psql('postgres',
	"SELECT bb_basebackup_to_file('$base/d/compressed', $archives, compression => 'gzip', manifest => 'no', jobs => 2)"
);
is(names("$base/d/compressed"), "$oid.tar.gz base.tar.gz", 'compressed');

# pg_verifybackup of 18 reads tars, but not the WAL in them
SKIP:
{
	skip 'pg_verifybackup reads no tars before 18', 3
	  if $store->pg_version < 18;

	my @manifest = ('-m', "$base/d/archives/backup_manifest");
	my $old = patch_file("$base/d/archives/$oid.tar",
		int((-s "$base/d/archives/$oid.tar") / 2), "\xa5\x5a\xa5");
	like( `pg_verifybackup -n '$base/d/archives' 2>&1`,
		qr{checksum mismatch for file "pg_tblspc/$oid/PG},
		'pg_verifybackup notices damage in an archive');
	patch_file("$base/d/archives/$oid.tar",
		int((-s "$base/d/archives/$oid.tar") / 2), $old);
	command_ok([ 'pg_verifybackup', '-n', "$base/d/archives" ],
		'and is content with the archives');
	command_ok([ 'pg_verifybackup', '-n', @manifest, "$base/d/compressed" ],
		'and with compressed ones');
}

system_or_bail('gzip', '-d', glob "$base/d/compressed/*");
command_ok(
	[ 'pg_verifybackup', '-n', '-m', "$base/d/archives/backup_manifest", extracted("$base/d/compressed") ],
	'and extracted, the manifest fits');

sub extracted
{
	my ($from) = @_;
	my $to = PostgreSQL::Test::Utils::tempdir . '/extracted';

	foreach my $case ([ 'base', $to ], [ $oid, "$to/pg_tblspc/$oid" ])
	{
		mkdir $case->[1], 0700;
		system_or_bail('tar', '-x', '-p', '-f', "$from/$case->[0].tar",
			'-C', $case->[1]);
	}
	return $to;
}

foreach my $path ("$base/d/base.tar", "$base/d/archives", '/dev/null')
{
	fails_like($store, "SELECT bb_basebackup_to_file('$path', $archives)",
		$path eq '/dev/null' ? qr/42501: could not create directory "\/dev\/null.part"/
		: qr/58P02: file "\Q$path\E" already exists/,
		"\"$path\" is not replaced");
}
fails_like(
	$store,
	"SELECT bb_basebackup_to_file('$_->[0]/archives', $archives)",
	qr/55000: cannot write a backup to .*\n.*$_->[1]/,
	"nor does it write to $_->[1]"
  ) foreach (
	[ $store->data_dir, 'the data directory of this server' ],
	[ store_directory($store), 'the page store' ]);
fails_like($store,
	"SELECT bb_basebackup_to_file('$base/d/x', tablespaces => 'x')",
	qr/42601: unrecognized tablespaces option/, 'there are two ways');
is(names("$base/d"), 'archives base.tar compressed', 'no more was made');
PostgreSQL::Test::Utils::system_or_bail('rm', '-r', "$base/d/archives",
	"$base/d/compressed");

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

	fails_like($store, "SELECT bb_basebackup_to_file('$path')",
		$expected, "\"$path\" is refused");
}
fails_like($store, 'SELECT bb_basebackup_to_file(NULL)',
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
fails_like($store, "SET ROLE bob; SELECT bb_basebackup_to_file('$base/d/bob')",
	qr/42501: .*\n.*pg_write_server_files/, 'it takes pg_write_server_files');

# --- A failure leaves nothing.

my $session = start_session($store);
ask($session, 'SELECT count(*) FROM bb_files()');
my @descriptors = sort(backend_descriptors($session->{backend}));
my $call = "SELECT bb_basebackup_to_file('$base/d/fail.tar'";

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
query_like($session, "$call)", qr/XX001: /, 'a broken layer is an error');
leaves_nothing('a broken layer');
patch_file($layer, int((-s $layer) * 0.6), $old);

query_like($session, "SET statement_timeout = '300ms'; $call, max_rate => 64)",
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

# A file appears during the call; then the disk is full for the file $written.
sub another_file_and_a_full_disk
{
	my ($statement, $written) = @_;

	send_query($session, "$statement, full_backup => false, max_rate => 8192)");
	wait_for_file();
	append_to_file("$base/d/fail.tar", 'another');
	like(answer($session), qr/58P02: file ".*fail.tar" already exists/,
		'a file that appears meanwhile is not replaced');
	is(slurp_file("$base/d/fail.tar"), 'another', '... it stays');
	unlink "$base/d/fail.tar" or die;
	leaves_nothing('another file');

	system_or_bail('prlimit', '--pid', $session->{backend}, '--fsize=1000000');
	query_like($session, "$statement)",
		qr/could not write file "$written": File too large\nHINT:/,
		'a full disk is an error');
	leaves_nothing('a full disk');
	end_session($session);
	return;
}

another_file_and_a_full_disk($call, qr/.*fail.tar/);

# --- The same with directories.

$session = start_session($store);
ask($session, 'SELECT count(*) FROM bb_files()');
@descriptors = sort(backend_descriptors($session->{backend}));
my $directory = "$call, $archives, progress => false";

$old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
query_like($session, "$directory)", qr/XX001: /, 'a broken layer is an error');
leaves_nothing('a broken layer');
patch_file($layer, int((-s $layer) * 0.6), $old);

send_query($session, "$directory, max_rate => 64)");
wait_for_file();
ok(!-e "$base/d/fail.tar", 'while it runs, there is nothing of that name');
fails_like($store, "$directory)",
	qr/55006: another backup is being written to directory ".*fail.tar.part"/,
	'nor can another be written');
append_to_file("$base/d/fail.tar.part/another", 'another');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/57014: /, 'it can be cancelled');
is(names("$base/d/fail.tar.part"), 'another', 'a file of others stays');
fails_like($store, "$directory)",
	qr/55000: directory ".*fail.tar.part" exists but is not empty/,
	'and is in the way');
PostgreSQL::Test::Utils::system_or_bail('rm', '-r', "$base/d/fail.tar.part");
leaves_nothing('a cancel');

another_file_and_a_full_disk($directory, qr/.*fail.tar.part\/\w+.tar/);

# --- A killed backend leaves only unfinished files.

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

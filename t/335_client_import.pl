# bb_import: base backups of the client's machine, in each form, and what is left
# of those that fail.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use BBackup::Frontend;
use BBackup::Version;
use JSON::PP qw(decode_json);
use POSIX ();
use Time::HiRes qw(usleep);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 4\nautovacuum = off\n", '--data-checksums');
# a file that goes to layers at once
my $large =
  "CREATE TABLE t AS SELECT i, repeat('x', 200) s FROM generate_series(1, 75000) i";
$source->safe_psql('postgres', $large);
my $file = $source->safe_psql('postgres', "SELECT pg_relation_filepath('t')");

sub base_backup
{
	my ($node, @options) = @_;
	my $to = PostgreSQL::Test::Utils::tempdir_short . '/base';

	@options = map { $_ eq '-T' ? ($_, "$options[-1]=$to.space") : $_ } @options;
	pop @options if grep { $_ eq '-T' } @options;
	system_or_bail('pg_basebackup', '-D', $to, '-d',
		$node->connstr('postgres'), '--no-sync', '-c', 'fast', @options);
	return $to;
}

# One tar with everything, as "pg_basebackup -D -" writes it: its name.
sub base_stream
{
	my ($node, @options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir_short;
	my $connstr = $node->connstr('postgres');

	system("pg_basebackup -D - -Ft -c fast -d '$connstr' @options > $directory/base.tar 2> $directory/err") == 0
	  or die slurp_file("$directory/err");
	return "$directory/base.tar";
}
my $whole = base_stream($source, '-X', 'fetch');
my $bare = base_stream($source, '-X', 'none');
my $location = PostgreSQL::Test::Utils::tempdir_short;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
$source->safe_psql('postgres',
	'CREATE TABLE moved TABLESPACE elsewhere AS SELECT generate_series(1, 1000) i'
);
my $plain = base_backup($source, '-Fp', '-X', 'stream', '-T', $location);
my $tars = base_backup($source, '-Ft', '-X', 'stream');
my $packed = base_backup($source, '-Ft', '-X', 'stream', '--gzip');
my $no_wal = base_backup($source, '-Ft', '-X', 'none');
$source->stop;

my $store = new_store('store', "client_min_messages = notice\n");
connect_to($store);
use_program('bb_import');

# What is stored, as the bytes of its backup.
sub content
{
	my ($timeline) = @_;

	return `md5sum < '@{[ fetch_backup($store, "timeline => '$timeline'") ]}'`;
}

# What the server makes of it by itself.
my $n = 0;
sub right
{
	my ($directory, $arguments) = @_;
	my $name = 'right' . ++$n;

	$store->safe_psql('postgres',
		"SELECT bb_import_directory('$directory', timeline => '$name'"
		  . ($arguments // '') . ')');
	return content($name);
}

sub imports
{
	my ($name, $right, @options) = @_;
	my $timeline = 'sent' . ++$n;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $said = succeeds($name, "--timeline=$timeline", '--json', @options);
	is(content($timeline), $right, "$name: the same as on the server");
	return decode_json($said);
}

# --- Each form of a backup.

my $right = right($whole);
my $row = imports('a tar', $right, $whole);
is_deeply([ sort keys %$row ],
	[qw(bytes_read bytes_stored databases duration lsn pages relations timeline)],
	'JSON has the row');
is($row->{lsn}, $store->safe_psql('postgres',
	"SELECT start_lsn FROM bb_timelines() WHERE timeline = '$row->{timeline}'"),
	'with the first LSN');
imports('a directory', right($plain), "$plain/", '--store=bbackup');
ok(!-e $_, "$_ isn't needed") foreach "$plain/tablespace_map";
my $right_tars = right($tars);
imports('a directory of tars', $right_tars, $tars);
imports('compressed', right($packed), $packed);

sub run_bash
{
	my ($command) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run [ 'timeout', '300', 'bash', '-c', "set -o pipefail; $command" ], '<', \undef,
	  '>', \$out, '2>', \$err;
	return ($? >> 8, $err);
}
my %programs = (gz => 'gzip -1', zst => 'zstd -q', lz4 => 'lz4 -q', xz => 'xz -0');
foreach my $suffix ('', sort keys %programs)
{
	my $pipe = $suffix eq '' ? 'cat' : $programs{$suffix};
	my ($status, $err) = run_bash("$pipe < $whole | bb_import --timeline=in_$suffix -");

	is($status, 0, "standard input $suffix") or diag $err;
	is(content("in_$suffix"), $right, 'is the same');
}

# What tar makes of a directory: tablespaces, but files in any order.
my ($status, $err) = run_bash("cd $tars && tar -c base.tar [1-9]*.tar pg_wal.tar |"
	  . ' bb_import --timeline=of_tars -');
is($status, 0, 'tars in a tar') or diag $err;
is(content('of_tars'), $right_tars, 'are the same');

my ($out, $errors) = ('', '');
($status, $out, $errors) = run_client('-P', '--timeline=shown', $plain);
like($errors, qr{^ *\d+/\d+ kB \(\d+%\), 0/1 tablespace\n(?:.*\n)*(\d+)/\1 kB \(100%\), 1/1 tablespace\n\z},
	'progress');
like($out, qr/^ +timeline +\|.*\n.*\n +shown +\| /, 'and the row as a table');

# --- WAL.

my $right_bare = right($bare, ", wal_directory => '$archive'");
imports('WAL of an archive', $right_bare, $bare, "--wal-directory=$archive");
imports('WAL of a command', $right_bare, $bare,
	"--restore-command=cp $archive/%f %p");

# --- What fails leaves nothing.

sub nothing_left
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$store->poll_query_until('postgres',
		q(SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'active' AND query ~ '^CALL .*bb_import_copy'));
	is($store->safe_psql('postgres',
			"SELECT count(*) FROM bb_timelines() WHERE timeline = 'bad'"),
		0, "$name: there is no timeline");
	is( join(' ', glob(store_directory($store) . '/timelines/bad/layers/*'),
			glob($store->data_dir . '/base/pgsql_tmp/*')),
		'', "$name: nothing is left");
	return;
}

sub fails_to_import
{
	my ($name, $expected, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fails($name, qr/error: import failed: $expected/, '--timeline=bad', @options);
	nothing_left($name);
	return;
}

sub fails_to_pipe
{
	my ($name, $command, $expected) = @_;
	my ($code, $said) = run_bash("($command) 2> /dev/null | bb_import --timeline=bad -");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	isnt($code, 124, "$name: it ends");
	like($said, qr/error: import failed: $expected/, "$name: it says why");
	nothing_left($name);
	return;
}

fails_to_import('no WAL', qr/WAL segment "(\w{24})" is missing .*\n.*detail: .*from 0\/\w+ to 0\/\w+, segments \1 to \w{24}\.\n.*hint: /,
	$bare);
fails_to_import('no WAL beside tars', qr/WAL segment .* is missing .*\n.*segments \w{24} to/, $no_wal);
fails('a timeline that exists', qr/error: import failed: timeline "shown" already exists/,
	'--timeline=shown', $plain);
($status, $err) = run_bash('cat /dev/zero | bb_import --timeline=shown -');
like($err, qr/already exists/, 'which is known before anything is sent');

fails_to_pipe('half a tar', "head -c 10000000 $whole", qr/invalid tar archive.*\n.*It ends early/);
fails_to_pipe('the end of a tar is missing', "head -c -1024 $whole", qr/invalid tar archive.*\n.*It ends early/);
fails_to_pipe('nothing', 'false', qr/base backup "STDIN" is empty/);
fails_to_pipe('half a .gz', "gzip -1 < $whole | head -c 500000", qr/could not decompress.*\n.*ends too early/);
fails_to_pipe('bytes after the end', "cat $whole $whole", qr/invalid tar archive.*\n.*bytes after its end/);
fails_to_pipe('another tar', "tar -c -C $archive .", qr/./);
# the server refuses it at once, and the program doesn't go on until its end
fails_to_pipe('bytes without an end', 'cat /dev/urandom', qr/invalid tar archive/);
fails_to_pipe('a member twice', "tar -c --hard-dereference -C $plain backup_label backup_label global", qr/.*has file "backup_label" twice/);
fails_to_pipe('no control file', "tar -c -C $plain backup_label PG_VERSION", qr/control file .* is missing/);
fails_to_pipe('tars in the wrong order', "cd $tars && tar -c pg_wal.tar base.tar", qr/.*does not begin with base\.tar/);
fails_to_pipe('base.tar twice', "cd $tars && tar -c --hard-dereference base.tar base.tar", qr/.*has base\.tar twice/);
fails_to_pipe('a tablespace is missing', "cat $tars/base.tar", qr/archive "\d+\.tar" of a tablespace is missing/);
fails_to_pipe('a tablespace that there is not', "cd $tars && cp pg_wal.tar 77.tar && tar -c base.tar 77.tar; rm 77.tar", qr/.*has no tablespace 77/);

fails('no backup', qr/no base backup specified/);
fails('two of them', qr/too many command-line arguments/, 'a', 'b');
fails('a file that there is not', qr/could not stat "\/nowhere"/, '/nowhere');
fails('a directory of something else', qr/has neither a data directory nor a base.tar\n.*hint: .*pgBackRest/, $archive);
my $cold = PostgreSQL::Test::Utils::tempdir_short;
append_to_file("$cold/PG_VERSION", "15\n");
fails('a data directory', qr/is not a base backup.*\n.*hint: /, $cold);
fails_to_import('a directory without privilege', qr/permission denied/,
	'--wal-directory=/', '-U', 'loader', $bare)
  if $store->safe_psql('postgres', 'CREATE ROLE loader LOGIN;'
	  . ' GRANT ALL ON PROCEDURE bb_import_copy TO loader;'
	  . ' GRANT USAGE ON FOREIGN SERVER bbackup TO loader; SELECT 1');
succeeds('USAGE is enough without', '--timeline=of_loader', '-U', 'loader', $whole);

# --- Pages, when it isn't known yet whether they have checksums.

# Changes a byte of block 5 of the large table.
sub change_page
{
	my ($from, $at, $bytes) = @_;
	my $to = PostgreSQL::Test::Utils::tempdir_short . '/changed.tar';
	my $tar = BBackup::Files::slurp($from);
	my ($offset) = 0;

	while ($offset < length $tar)
	{
		my ($name, $size) = unpack "x$offset Z100 x24 Z12", $tar;

		last if $name eq $file;
		$offset += 512 + 512 * int((oct($size) + 511) / 512);
	}
	die 'there is no such member' if $offset >= length $tar;
	substr($tar, $offset + 512 + 5 * 8192 + $at, length $bytes) = $bytes;
	BBackup::Files::write_file($to, $tar);
	return $to;
}
fails_to_import('a page with a wrong checksum', qr/.*is corrupted in base backup/,
	change_page($whole, 4000, 'changed'));
fails_to_import('a page without a checksum', qr/block 5 of file .* has no checksum/,
	change_page($whole, 8, "\0\0"));

my $unchecked = new_source('unchecked', without_checksums());
$unchecked->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 4\n");
$unchecked->restart;
$unchecked->safe_psql('postgres', $large);
my $without = base_stream($unchecked, '-X', 'fetch');
imports('no checksums', right($without), $without);
$unchecked->stop;
system_or_bail('pg_checksums', '--enable', '-N', '-D', $unchecked->data_dir);
system_or_bail('pg_checksums', '--disable', '-N', '-D', $unchecked->data_dir);
$unchecked->start;
my $once = base_stream($unchecked, '-X', 'fetch');
imports('checksums of once that are right', right($once), $once);
$unchecked->safe_psql('postgres', 'UPDATE t SET i = -i WHERE i < 100; CHECKPOINT');
$once = base_stream($unchecked, '-X', 'fetch');
fails_to_import('checksums of once that are wrong', qr/block \d+ of file .* has a wrong checksum\n.*detail: .*\n.*hint: /,
	$once);
my $once_plain = base_backup($unchecked, '-Fp', '-X', 'fetch');
imports('which a directory tells at once', right($once_plain), $once_plain);
$unchecked->stop;

# --- Programs that end, and servers.

# Starts to send a tar through a pipe that stays open; returns the pid and the file
# of its messages, when the server has layers.
sub start_sending
{
	my (@options) = @_;
	my $said = new_name('said');

	pipe(my $read, my $write) or die $!;
	my $pid = fork // die;
	if ($pid == 0)
	{
		open STDIN, '<&', $read;
		open STDERR, '>', $said;
		open STDOUT, '>', '/dev/null';
		close $write;
		$SIG{INT} = $SIG{TERM} = 'DEFAULT';
		exec 'bb_import', '--timeline=bad', '-', @options or POSIX::_exit(127);
	}
	close $read;
	$write->autoflush(1);
	my $tar = BBackup::Files::slurp($whole);
	print $write substr($tar, 0, length($tar) - 1000000);
	usleep 10_000
	  until glob(store_directory($store) . '/timelines/bad/layers/*')
	  or waitpid($pid, POSIX::WNOHANG()) != 0;
	return ($pid, $said, $write);
}

sub ends
{
	my ($name, $pid, $said, $expected) = @_;

	waitpid $pid, 0;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($?, 1 << 8, "$name: it fails");
	like(slurp_file($said), $expected, "$name: it says why");
	nothing_left($name);
	return;
}

foreach my $signal ('INT', 'TERM')
{
	my ($pid, $said, $write) = start_sending();
	kill $signal, $pid;
	ends("SIG$signal", $pid, $said, qr/interrupted by signal/);
}
my ($pid, $said, $write) = start_sending();
kill 'KILL', $pid;
waitpid $pid, 0;
nothing_left('a client that is killed');

($pid, $said, $write) = start_sending();
$store->safe_psql('postgres',
	q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL .*bb_import_copy'));
print $write 'x' x 600000;
close $write;
ends('a backend that is terminated', $pid, $said, qr/error: import failed: /);

($pid, $said, $write) = start_sending();
$store->stop('immediate');
$store->start;
print $write 'x' x 600000;
close $write;
waitpid $pid, 0;
is($?, 1 << 8, 'a server that crashes: it fails');
like(slurp_file($said), qr/error: import failed: /, 'it says why');
succeeds('the next import', '--timeline=bad', $whole);
is(content('bad'), $right, 'is as good');
$store->safe_psql('postgres', "SELECT bb_drop_timeline('bad')");

# while the server works on its own
my $waits = new_name('waits');
$pid = fork // die;
if ($pid == 0)
{
	open STDERR, '>', "$waits.err";
	$SIG{INT} = 'DEFAULT';
	exec 'bb_import', '--timeline=bad', $bare,
	  "--restore-command=touch $waits; exec sleep 1000"
	  or POSIX::_exit(127);
}
usleep 10_000 until -e $waits;
kill 'INT', $pid;
ends('SIGINT while WAL is fetched', $pid, "$waits.err", qr/interrupted by signal 2/);

# --- The protocol.

my $client = BBackup::Frontend->new($store);
my $tar = BBackup::Files::slurp($whole);

# Sends a stream; returns the types of the answers, and the last error's text.
sub exchange
{
	my ($query, @messages) = @_;

	$client->send_query($query);
	$client->send_message(@$_) foreach @messages;
	my @answers = $client->answer;
	my ($error) = map { $_->{body} } grep { $_->{type} eq 'E' } @answers;

	return (BBackup::Frontend::types(@answers), $error // '');
}
my @data = map { [ 'd', $_ ] } unpack '(a300000)*', $tar;
my $call = "CALL bb_import_copy(timeline => 'bad')";
is((exchange($call =~ s/bad/by_hand/r, [ 'd', '' ], @data, [ 'H', '' ], [ 'c', '' ]))[0],
	'GTDCZ', 'the answers of a whole stream');
is(content('by_hand'), $right, 'which is stored');
my ($types, $error) = exchange($call, @data[ 0 .. 9 ], [ 'f', "of itself\0" ]);
is($types, 'GNEZ', 'the answers of one that the client gives up');
like($error, qr/C57014\0.*gave up the import: of itself/, 'with its reason');
nothing_left('CopyFail');
($types, $error) = exchange($call, @data[ 0 .. 9 ], [ 'd', 'x' x 1000000 ], [ 'd', 'more' ], [ 'c', '' ]);
is($types, 'GNEZ', 'the answers of one that the server refuses');
is((exchange('SELECT 1'))[0], 'TDCZ', 'the session goes on');
($types, $error) = exchange(q(DO $$DECLARE t text := 'bad'; l pg_lsn;
 n bigint; d interval; BEGIN
 CALL bb_import_copy('bbackup', t, NULL, NULL, l, n, n, n, n, n, d); END$$));
like($error, qr/C0A000\0.*can only be called by a CALL/, 'not in a DO block');
($types, $error) = exchange($call, [ 'Q', "SELECT 1\0" ]);
like($error, qr/C08P01\0.*unexpected message type 0x51/, 'no other message');
nothing_left('another message');

done_testing();

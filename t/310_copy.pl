# CALL bb_copy() sends the raw tar to the client, as a COPY stream.

use strict;
use warnings;
use BBackup;
use BBackup::Frontend;
use Digest::MD5 qw(md5_hex);

# An imported cluster, with some WAL for redo helpers.
my $source = new_source('source', '--data-checksums');
$source->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 0\n");
$source->restart;
create_rows($source, 100000);
$source->stop;
my $store = new_store('store', "shared_preload_libraries = 'bbackup'\n");
import_directory($store, $source->data_dir);
$source->start;
$source->safe_psql('postgres', 'UPDATE t SET i = i + 1 WHERE i % 100 = 0');
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');

my $right = slurp_file(fetch_backup($store));
my $right_md5 = md5_hex($right);
my $thin_md5 =
  md5_hex(slurp_file(fetch_backup($store, 'full_backup => false')));
my $directory = PostgreSQL::Test::Utils::tempdir_short;
my $psql = "psql -X -q -d '" . $store->connstr('postgres') . "'";

# run_bash - test that a command of bash succeeds, or fails.
sub run_bash
{
	my ($command, $success, $name) = @_;
	my $status = system 'bash', '-c', "set -o pipefail; $command";

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(($status == 0) == !!$success, $name);
	return;
}

sub file_md5
{
	return md5_hex(slurp_file("$directory/$_[0]"));
}

# --- What a user types.

run_bash("$psql -c 'CALL bb_copy()' > $directory/a.tar", 1, 'psql -c');
is(file_md5('a.tar'), $right_md5, 'gives the tar');
run_bash("mkdir $directory/tree && $psql -c 'CALL bb_copy()' |"
	  . " tar -x -C $directory/tree",
	1, 'psql | tar');
ok(-s "$directory/tree/global/pg_control", 'gives a directory');
run_bash("psql -X -d '"
	  . $store->connstr('postgres')
	  . "' -c 'CALL bb_copy()' > $directory/b.tar",
	1, 'without -q');
is(file_md5('b.tar'), $right_md5, 'the tar has no output of psql');
$store->safe_psql('postgres', "CALL bb_copy() \\g $directory/c.tar\n");
is(file_md5('c.tar'), $right_md5, '\g FILE');
$store->safe_psql('postgres', "CALL bb_copy() \\g |cat > $directory/d.tar\n");
is(file_md5('d.tar'), $right_md5, '\g |COMMAND');
run_bash("PGOPTIONS='-c client_min_messages=debug5' $psql -c 'CALL bb_copy()'"
	  . " > $directory/e.tar 2> $directory/e.err",
	1, 'with messages of the server in the stream');
is(file_md5('e.tar'), $right_md5, 'the tar has none of them');
cmp_ok(-s "$directory/e.err", '>', 0, 'the client gets them');

# --- The messages.

my $client = BBackup::Frontend->new($store);
my @messages = $client->query('CALL bb_copy()');
is(BBackup::Frontend::types(@messages),
	'HdcCZ', 'the answer is a COPY and a command that is complete');
is(md5_hex(BBackup::Frontend::copied(@messages)), $right_md5, 'of the tar');
is($messages[0]->{body}, "\1\0\0", 'a binary one, without columns');
is((grep { $_->{type} eq 'C' } @messages)[0]->{body}, "CALL\0", 'CALL');

@messages = $client->extended('stmt',
	'CALL bb_copy($1, timeline => $2, full_backup => $3)',
	$store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()'),
	'main', 'false');
is(BBackup::Frontend::types(@messages),
	'12nHdcCZ', 'the extended protocol, with parameters');
is(md5_hex(BBackup::Frontend::copied(@messages)), $thin_md5, 'the same tar');
@messages = $client->extended('', "CALL bb_copy(full_backup => 'no')");
is(md5_hex(BBackup::Frontend::copied(@messages)),
	$thin_md5, 'an unnamed statement');

is(BBackup::Frontend::types(
		$client->query(
			'SELECT 1; CALL bb_copy(full_backup => false); SELECT 2')),
	'TDCHdcCTDCZ', 'between other statements');
is(BBackup::Frontend::types(
		$client->query('BEGIN READ ONLY; SAVEPOINT s;'),
		$client->query('CALL bb_copy(full_backup => false)'),
		$client->query('CALL bb_copy(full_backup => false); COMMIT')),
	'CZHdcCZHdcCZ', 'in a transaction block');
query_is($store,
	"SELECT bytes_out FROM bb_access_stats WHERE function = 'bb_copy' AND pid = $client->{pid} ORDER BY call_id LIMIT 1",
	length $right, 'its bytes are counted');

# --- Refused within any statement of the client.

$store->safe_psql('postgres', q(
CREATE FUNCTION by_plpgsql() RETURNS pg_lsn LANGUAGE plpgsql AS
$$BEGIN CALL bb_copy(full_backup => false); RETURN NULL; END$$;
CREATE FUNCTION by_execute(query text) RETURNS pg_lsn LANGUAGE plpgsql AS
$$BEGIN EXECUTE query; RETURN NULL; END$$;
CREATE FUNCTION by_sql() RETURNS void LANGUAGE sql AS
$$CALL bb_copy(full_backup => false)$$;
CREATE FUNCTION in_sql() RETURNS pg_lsn LANGUAGE sql AS
$$SELECT by_sql(); SELECT NULL::pg_lsn$$;
CREATE PROCEDURE by_procedure() LANGUAGE plpgsql AS
$$BEGIN CALL bb_copy(full_backup => false); END$$;
CREATE FUNCTION caught() RETURNS pg_lsn LANGUAGE plpgsql AS
$$BEGIN CALL bb_copy(full_backup => false); RETURN NULL;
EXCEPTION WHEN feature_not_supported THEN RETURN NULL; END$$;
));
$client->extended('prepared', 'CALL bb_copy(full_backup => $1)', 'false');
foreach my $query (
	'DO $$BEGIN CALL bb_copy(full_backup => false); END$$',
	'SELECT by_plpgsql()',
	q(SELECT by_execute('CALL bb_copy()')),
	'SELECT by_sql()',
	'CALL by_procedure()',
	'CALL bb_copy(by_plpgsql())',
	q(CALL bb_copy(by_execute('CALL bb_copy()'))),
	'CALL bb_copy(in_sql())',
	"EXECUTE prepared('false')",
	q(CALL bb_copy(by_execute('EXECUTE prepared(false)'))))
{
	foreach my $block ('', 'BEGIN; ')
	{
		@messages = $client->query("$block$query");
		is(BBackup::Frontend::types(@messages),
			($block ? 'C' : '') . ($query =~ /^SELECT/ ? 'TEZ' : 'EZ'),
			"refused without a byte: $block$query");
		like((grep { $_->{type} eq 'E' } @messages)[0]->{body},
			qr/C0A000\0.*bb_copy\(\) can only be called by a CALL/,
			'and clearly');
		$client->query('ROLLBACK') if $block;
	}
}
is(BBackup::Frontend::types(
		$client->query('CALL bb_copy(caught(), full_backup => false)')),
	'HdcCZ', 'one that was refused does not disturb another');
fails_like($store, 'SELECT bb_copy()', qr/42809: bb_copy\(\) is a procedure/,
	'it is not a function');

# --- Errors.

is(BBackup::Frontend::types(
		$client->query(q(CALL bb_copy(timeline => 'nowhere')))), 'EZ',
	'an error at once');

my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");
foreach my $block ('', 'BEGIN; ')
{
	@messages = $client->query("${block}CALL bb_copy()");
	is(BBackup::Frontend::types(@messages),
		$block ? 'CHdEZ' : 'HdEZ', 'an error in the midst');
	like($messages[-2]->{body}, qr/CXX001\0/, 'says so');
	is_deeply([ grep { /bbackup/ } backend_descriptors($client->{pid}) ], [],
		'and no file of the store is open');
	$client->query('ROLLBACK') if $block;
	is(BBackup::Frontend::types($client->query('SELECT 1')),
		'TDCZ', 'the session goes on');
}
run_bash("$psql -c 'CALL bb_copy()' > $directory/broken.tar 2> $directory/err",
	0, 'psql reports an error in the midst');
like(slurp_file("$directory/err"), qr/ERROR/, 'with its message');
cmp_ok(-s "$directory/broken.tar", '>', 1 << 20, 'after a part of the tar');
patch_file($layer, int((-s $layer) * 0.6), $old);

# --- Cancelled: a client that reads, and one that doesn't.

sub running
{
	my ($pid) = @_;

	return $store->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM bb_access_stats WHERE pid = $pid AND state = 'running' AND bytes_out > 0"
	);
}

$client->send_query('CALL bb_copy(max_rate => 256)');
ok(running($client->{pid}), 'a slow one runs');
query_is($store,
	"SELECT backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $client->{pid}",
	't', 'without a snapshot that would hold back VACUUM');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($client->{pid})");
@messages = $client->answer;
is(BBackup::Frontend::types(@messages), 'HdEZ', 'and is cancelled');
like($messages[-2]->{body}, qr/C57014\0/, 'which it says');

my $pid = $client->{pid};
foreach my $case (
	[ '', sub { $store->safe_psql('postgres', "SELECT pg_cancel_backend($pid)") } ],
	[ 'SET statement_timeout = 500', sub { sleep 1 } ],
	[ 'SET bbackup.call_timeout = 500', sub { sleep 1 } ])
{
	my ($setting, $cancel) = @$case;

	$client->query($setting) if $setting;
	$client->send_query('CALL bb_copy()');
	ok(running($pid), 'a call of a client that does not read runs');
	$cancel->();
	@messages = $client->answer;
	is(BBackup::Frontend::types(@messages), 'HdEZ',
		'and is cancelled when it reads again, the stream in order');
	like($messages[-2]->{body}, qr/C57014\0/, 'which is the right one');
	$client->query('RESET ALL');
	is(md5_hex(BBackup::Frontend::copied($client->query('CALL bb_copy()'))),
		$right_md5, 'and the session can do it again');
}

# --- The client, or the backend, ends.

sub gone
{
	my ($pid, @children) = @_;

	return $store->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
	  && !grep { -e "/proc/$_" && slurp_file("/proc/$_/stat") !~ /\) Z/ }
	  @children;
}

$client->send_query('CALL bb_copy()');
ok(running($pid), 'a client that does not read');
my @children = children($pid);
cmp_ok(scalar @children, '>', 0, 'its backend has helpers');
close $client->{socket};
ok(gone($pid, @children), 'hangs up: its backend ends, and its helpers');

my $shell = start_psql();
my $backend = backend_of_psql();
ok(running($backend), 'a psql');
@children = children($backend);
kill 'KILL', $shell;
waitpid $shell, 0;
ok(gone($backend, @children), 'is killed: its backend ends');

$client = BBackup::Frontend->new($store);
$client->send_query('CALL bb_copy()');
ok(running($client->{pid}), 'a client that does not read');
@children = children($client->{pid});
$store->safe_psql('postgres', "SELECT pg_terminate_backend($client->{pid})");
ok(gone($client->{pid}, @children), 'does not keep its backend from ending');

# The child processes of a process.
sub children
{
	my ($pid) = @_;

	return split ' ', slurp_file("/proc/$pid/task/$pid/children");
}

sub start_psql
{
	my $pid = fork // die "fork: $!\n";

	return $pid if $pid != 0;
	open STDOUT, '>', '/dev/null' or die "/dev/null: $!\n";
	exec "exec $psql -c 'CALL bb_copy(max_rate => 256)'" or die "psql: $!\n";
}

sub backend_of_psql
{
	my $query =
	  "SELECT pid FROM bb_access_stats WHERE function = 'bb_copy' AND state = 'running'";

	$store->poll_query_until('postgres', "SELECT EXISTS ($query)");
	return $store->safe_psql('postgres', $query);
}

# --- Not for everybody, and not without a client.

$store->safe_psql('postgres', 'CREATE ROLE bob');
fails_like($store, 'SET ROLE bob; CALL bb_copy()',
	qr/42501: permission denied for procedure bb_copy/,
	'it is not for everybody');

$store->stop;
my ($out, $err) = ('', '');
my $in = "CALL bb_copy()\n";
IPC::Run::run [ 'postgres', '--single', '-D', $store->data_dir, 'postgres' ],
  '<', \$in, '>', \$out, '2>', \$err;
like($err, qr/bb_copy\(\) needs a client/, 'without a client it is refused');

done_testing();

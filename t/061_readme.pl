# The session on the first screen of the README, and the commands of the
# reference (docs/reference), as they are there.

use strict;
use warnings;
use BBackup;
use File::Basename;

# The commands in the first block.
my ($session) =
  slurp_file(dirname(__FILE__) . '/../README.md') =~ /^```\n(.*?)^```$/ms;
my $typed = join '', $session =~ /^postgres[=-]# (.*\n)/mg;
like($typed, qr/bb_import_directory.*bb_ingest.*bb_restore/s,
	'the README has a session');

my $directory = PostgreSQL::Test::Utils::tempdir_short;
my $source = new_source('source');
mkdir "$directory/wal";
$source->append_conf('postgresql.conf', qq(
wal_level = replica
archive_mode = on
archive_command = 'cp "%p" "$directory/wal/%f"'
max_wal_senders = 4
));
$source->restart;
$source->command_ok([ 'pgbench', '-i', '-q', '-s', '5', 'postgres' ],
	'a cluster as the README has it');
$source->command_ok(
	[ 'pg_basebackup', '-D', "$directory/base", '-c', 'fast', '--no-sync' ],
	'a base backup of it');
$source->command_ok([ 'pgbench', '-n', '-t', '100', 'postgres' ],
	'and some work after that');
my $time = $source->safe_psql('postgres', 'SELECT clock_timestamp()');
$source->safe_psql('postgres', 'DELETE FROM pgbench_accounts');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;
my $server = PostgreSQL::Test::Cluster->new('server');
$server->init;
$server->start;

# Replace the names and numbers by ours.
my $port = PostgreSQL::Test::Cluster::get_free_port();
my %ours = (
	'/backups' => $directory,
	'-p 5433' => "-p $port");
foreach my $theirs (keys %ours)
{
	ok($typed =~ s/\Q$theirs\E/$ours{$theirs}/g, "it says $theirs");
}
ok($typed =~ s/bb_lsn_at\('[^']*'\)/bb_lsn_at('$time')/, 'it gives a time');

my ($stdout, $stderr);
{
	# for the psql in the session: the clone has its source's configuration
	local %ENV =
	  (%ENV, PGHOST => $source->host, PGDATABASE => 'postgres');
	IPC::Run::run [
		'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d',
		$server->connstr('postgres')
	  ],
	  '<', \$typed, '>', \$stdout, '2>', \$stderr;
}
$stdout =~ s/ +$//mg;
is($stderr, '', 'the session runs without an error');
like($stdout, qr/^CREATE EXTENSION\n.*\(1 row\)\n.*\(1 row\)\n/s,
	'it imports the base backup, and ingests the WAL');
like($stdout, qr/^ restored_lsn .*\(1 row\)\n.*server started\n/ms,
	'it makes a clone, which starts');
my ($result) = $session =~ /^( count .*)\z/ms;
like($stdout, qr/\Q$result\E/, 'and says what the README says');
like(slurp_file("$directory/clone.log"), qr/database system was shut down/,
	'its log too');
unlike(slurp_file("$directory/clone.log"),
	qr/redo starts/, 'and not that it recovers');

system_or_bail('pg_ctl', 'stop', '-m', 'fast', '-D', "$directory/clone");

# The reference: its generated parts, its SQL, the options of the client.
my $top = dirname(__FILE__) . '/..';
my %page = map { basename($_, '.md') => slurp_file($_) } glob "$top/docs/reference/*.md";
command_ok([ $^X, "$top/.ci/reference", '--check' ],
	'the generated parts of the reference are up to date');

my $sql = '';
foreach my $name (sort keys %page)
{
	$sql .= $1 while $page{$name} =~ /^```sql\n(.*?)^```$/msg;
	$sql .= "$1\n" while $page{$name} =~ /^    (SELECT .*;)$/mg;
}
# there is no object storage to read from, and no source to connect to
$sql =~ s/^SELECT .*(?:bb_prefetch|bb_identify_source|'cloud'|'production').*\n//mg;
$sql =~ s/'…'/'key'/g;
$sql =~ s{/(srv|var/cache)/bbackup}{$directory/$1}g;
append_to_file("$directory/key", ('0123456789abcdef' x 4) . "\n");
chmod 0600, "$directory/key";
$sql =~ s{/etc/bbackup/key|/srv/vault}{$directory . '/' . basename($&)}ge;
like($sql, qr/pages_requested.*CREATE SERVER archive.*CREATE SERVER cloud/s,
	'the reference has SQL');
my $errors;
is( $server->psql('postgres', $sql, stderr => \$errors, on_error_stop => 1),
	0, 'it runs')
  or diag($errors);

my $help = join '', map { (run_command([ $_, '--help' ]))[0] }
  qw(bb_basebackup bb_check bb_import bb_list bb_restore);
my @options = $page{client} =~ /(?<=`)(--?\w[\w-]*)/g;
is_deeply([ grep { $help !~ /(?<![\w-])\Q$_\E(?![\w])/ } @options ],
	[], 'and only options that the client has');

done_testing();

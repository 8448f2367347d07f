# A server that runs as a user ID without an entry in the password file, as in
# containers: redo helpers start, and everything else works, too.

use strict;
use warnings;
use BBackup;

# In a user namespace, an unprivileged user may have any user ID.
my $uid = 54321;
$uid++ while defined getpwuid $uid;
my @as_nobody = ('unshare', '--user', "--map-user=$uid", "--map-group=$uid");

plan skip_all => 'there are no user namespaces'
  if system("@as_nobody true 2>/dev/null") != 0;

my ($base, $archive) = base_with_archive();

my $store = new_store('store', "max_worker_processes = 16\n");
import_directory($store, $base);
ingest($store, $archive);

my $backup = "SELECT md5(string_agg(md5(c), '')) FROM"
  . ' (SELECT bb_basebackup_stream(ARGUMENTS) AS c) s';
my $expected = $store->safe_psql('postgres', $backup =~ s/ARGUMENTS//r);
$store->stop;

my $log = $store->logfile;
my $data = $store->data_dir;
my $started = 0;

# A server in a namespace is stopped from outside.
END
{
	my $status = $?;

	system('pg_ctl', '-s', '-D', $data, '-m', 'immediate', 'stop')
	  if $started;
	$? = $status;
}

sub start_as_nobody
{
	my ($lines) = @_;

	$store->append_conf('postgresql.conf', $lines);
	system_or_bail(@as_nobody, 'pg_ctl', '-s', '-w', '-D', $data, '-l', $log,
		'start');
	$started = 1;
	return;
}

sub stop_nobody
{
	system_or_bail('pg_ctl', '-s', '-w', '-D', $data, '-m', 'fast', 'stop');
	$started = 0;
	return;
}

start_as_nobody('');
my $postmaster = (split /\n/, slurp_file("$data/postmaster.pid"))[0];
like(slurp_file("/proc/$postmaster/uid_map"),
	qr/^\s*$uid\s/, "the server runs as user ID $uid");
isnt(system(
		"@as_nobody postgres --single -D $data postgres </dev/null 2>/dev/null"),
	0, 'a stand-alone server does not start');

query_is($store, $backup =~ s/ARGUMENTS//r, $expected,
	'a backup by redo helpers');
query_is($store, $backup =~ s/ARGUMENTS/jobs => 2, progress => false/r,
	$expected, 'and by those of background workers');
my $place = PostgreSQL::Test::Utils::tempdir;
query_is($store,
	"SELECT bb_basebackup_to_program(command => 'cat > $place/a.tar') > 0",
	't', 'to a program');
query_is($store,
	"SELECT files > 0 FROM bb_restore(directory => '$place/clone')", 't',
	'and a data directory');
query_is($store,
	"SELECT count(*) FROM bb_import_directory(directory => '$base',"
	  . " timeline => 'another')",
	1, 'an import');

# The client runs as such a user, too, if it is given a role to connect as.
{
	local $ENV{PGUSER} = $store->safe_psql('postgres', 'SELECT current_user');

	ok(system(@as_nobody, 'bb_basebackup', '-d', $store->connstr('postgres'),
			'-D', "$place/by_client") == 0, 'the client');
}
stop_nobody();

start_as_nobody("shared_preload_libraries = 'bbackup'\n");
query_is($store, $backup =~ s/ARGUMENTS//r, $expected,
	'with the library preloaded');
stop_nobody();

done_testing();

# The session on the first screen of the README, as it stands there.

use strict;
use warnings;
use BBackup;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What the reader types, of the first block.
my ($session) =
  slurp_file(dirname(__FILE__) . '/../README.md') =~ /^```\n(.*?)^```$/ms;
my $typed = join '', $session =~ /^postgres[=-]# (.*\n)/mg;
like($typed, qr/bb_import_directory.*bb_basebackup_stream/s,
	'the README has a session');

my $source = new_source('source');
$source->command_ok([ 'pgbench', '-i', '-q', '-s', '5', 'postgres' ],
	'a cluster as the README has it');
$source->stop;
my $server = PostgreSQL::Test::Cluster->new('server');
$server->init;
$server->start;

# The reader's names and numbers become ours.
my $directory = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my %ours = (
	'/var/lib/postgresql/15/shop' => $source->data_dir,
	'/backups' => $directory,
	'-p 5433' => "-p $port");
foreach my $theirs (keys %ours)
{
	ok($typed =~ s/\Q$theirs\E/$ours{$theirs}/g, "it says $theirs");
}
# the LSN is what the import says: asked for by \gset, in the reader's stead
ok($typed =~ s{'[0-9A-F]+/[0-9A-F]+'}{:'lsn'}, 'it gives an LSN');
ok( $typed =~ s{(bb_import_directory\('[^']*'\));}
	{$1 \\gset\n\\echo imported :databases databases},
	'which is that of the import');

my ($stdout, $stderr);
{
	# for the psql that it starts: the clone has its source's configuration
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
like($stdout, qr/^CREATE EXTENSION\nimported 3 databases\n/,
	'it imports the cluster');
like($stdout, qr/^COPY \d+\n.*server started\n/ms, 'the clone starts');
my ($result) = $session =~ /^( count .*)\z/ms;
like($stdout, qr/\Q$result\E/, 'and says what the README says');
like(
	slurp_file("$directory/clone.log"),
	qr/database system was shut down/,
	'its log too');
unlike(slurp_file("$directory/clone.log"),
	qr/redo starts/, 'and not that it recovers');

system_or_bail('pg_ctl', 'stop', '-m', 'fast', '-D', "$directory/clone");

done_testing();

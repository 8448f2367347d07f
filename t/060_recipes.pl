# The recipes of docs/recipes.md, as they are there.  (Those that read what other
# tools have written: 117_archive_tools.pl.)

use strict;
use warnings;
use BBackup;
use BBackup::Tree;
use File::Basename;
use Time::HiRes qw(usleep);

# The blocks of the document, by name.
my $document = slurp_file(dirname(__FILE__) . '/../docs/recipes.md');
my %recipes =
  $document =~ /^<!-- test: (\S+) -->\n```\w+\n(.*?)^```$/msg;
is( join(' ', sort keys %recipes),
	'archives barman barman-get bytea check client copy copy-directory delta directory extract file import-directory import-pipe large-object list majors pgbackrest pgbackrest-get pgbackrest-restore picture program psql redo-bindir restore restore-program source start tar tar-backup tar-import upgraded wal-g',
	'the document has the recipes');
is(scalar(() = $document =~ /^```\w/mg),
	scalar keys %recipes, 'and no block that is not tested');

my $source = new_source('source', '--data-checksums');
create_rows($source, 100000);
my $tablespace = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
$source->safe_psql('postgres',
	'CREATE TABLE moved TABLESPACE elsewhere AS SELECT generate_series(1, 1000) i'
);
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
my $right = `md5sum < '@{[ fetch_backup($store) ]}'`;

# Returns a recipe for a directory of ours, optionally with one more argument.
sub recipe
{
	my ($name, $directory, $argument) = @_;
	my $text = $recipes{$name} =~ s{/backups\b}{$directory}gr;

	if (defined $argument)
	{
		$text =~ s/(bb_(?:basebackup(?:_\w+)?|copy)\()\)/$1$argument)/
		  or $text =~ s/(bb_basebackup_to_\w+\()/$1$argument, / or die;
	}
	return $text;
}

sub new_directory
{
	return PostgreSQL::Test::Utils::tempdir_short;
}

# Runs a recipe in the client's shell; returns whether it succeeds.
sub run_client
{
	my ($name, $directory, $argument) = @_;
	my $text = recipe($name, $directory, $argument);

	local %ENV = (
		%ENV,
		PGHOST => $store->host,
		PGPORT => $store->port,
		PGDATABASE => 'postgres');
	return system('bash', '-c', $text) == 0;
}

# --- The recipes do what the document says.

foreach my $case (
	[ 'tar', 'main.tar' ],
	[ 'file', 'main.tar' ],
	[ 'bytea', 'small.tar' ],
	[ 'large-object', 'object.tar' ])
{
	my ($name, $file) = @$case;
	my $directory = new_directory();

	$store->safe_psql('postgres', recipe($name, $directory));
	is(`md5sum < '$directory/$file'`, $right, "recipe \"$name\" makes a tar");
	is(join(' ', map { basename $_ } glob "$directory/*"),
		$file, 'and nothing else');
}

my $directory = new_directory();
$store->safe_psql('postgres', recipe('program', $directory));
is(`gunzip < '$directory/main.tar.gz' | md5sum`,
	$right, 'recipe "program" makes a tar');

$directory = new_directory();
$store->safe_psql('postgres', recipe('directory', $directory));
my $start = recipe('start', $directory);
my $clone_port = PostgreSQL::Test::Cluster::get_free_port();
$start =~ s/5433/$clone_port -k $directory/ or die;
command_ok([ 'sh', '-c', $start ],
	'recipe "directory" makes a directory that verifies and starts');
is(`psql -X -A -t -h '$directory' -p $clone_port -d postgres -c 'SELECT count(*) FROM t'`,
	"100000\n", 'with everything in it');
command_ok([ 'pg_ctl', 'stop', '-m', 'fast', '-D', "$directory/clone" ],
	'and stops again');

$directory = new_directory();
$store->safe_psql('postgres', recipe('restore', $directory));
my $restored = tree("$directory/clone");
$start = recipe('start', $directory);
$start =~ s/5433/$clone_port -k $directory/ or die;
command_ok([ 'sh', '-c', $start ],
	'recipe "restore" makes a directory that verifies and starts');
command_ok([ 'pg_ctl', 'stop', '-m', 'fast', '-D', "$directory/clone" ],
	'and stops again');
$store->safe_psql('postgres', recipe('delta', $directory));
is_deeply(tree("$directory/clone"), $restored, 'recipe "delta" repairs it');

$directory = new_directory();
$store->safe_psql('postgres', recipe('source', $directory));
unlike(slurp_file("$directory/clone/postgresql.auto.conf"),
	qr/archive_mode/, 'recipe "source" makes one with the source\'s settings');

$directory = new_directory();
ok(run_client('client', $directory), 'recipe "client" runs');
is(`md5sum < '$directory/client.tar'`, $right, 'and makes a tar');
ok(run_client('copy', $directory), 'recipe "copy" runs');
is(`md5sum < '$directory/client.tar'`, $right, 'and makes a tar');
ok(run_client('copy-directory', $directory), 'recipe "copy-directory" runs');
ok(-s "$directory/clone/global/pg_control", 'and makes a directory');
ok(run_client('psql', $directory), 'recipe "psql" runs');
like(slurp_file("$directory/nightly/backup_label.old"),
	qr/^LABEL: nightly$/m, 'and makes a directory');

ok(run_client('picture', $directory), 'recipe "picture" runs');
like(slurp_file("$directory/layers.svg"),
	qr/^<svg .*Timeline main of.*<\/svg>\s*$/s, 'and draws the layers');

$directory = new_directory();
$store->safe_psql('postgres', recipe('archives', $directory));
command_ok([ 'sh', '-c', recipe('extract', $directory) ],
	'recipes "archives" and "extract" make a directory that verifies');
is(scalar(grep { -l } glob "$directory/clone/pg_tblspc/*"),
	1, 'with a link to a tablespace');
$start = recipe('start', $directory) =~ s/5433/$clone_port -k $directory/r;
command_ok([ 'sh', '-c', $start ], 'it starts');
is( `psql -X -A -t -h '$directory' -p $clone_port -d postgres -c 'SELECT count(*) FROM moved'`,
	"1000\n",
	'with the content of the tablespace');
command_ok([ 'pg_ctl', 'stop', '-m', 'fast', '-D', "$directory/clone" ],
	'and stops again');

# --- The recipes notice a query that fails, at once or in the middle.

# A damaged layer: a part of the backup comes, then an error.
my ($layer) = sort { -s $b <=> -s $a }
  glob store_directory($store) . '/timelines/main/layers/image-*';
my $old = patch_file($layer, int((-s $layer) * 0.6), "\xa5\x5a\xa5");

# The program may still run when the query has failed.
sub wait_for_programs
{
	my ($directory) = @_;

	usleep 10_000 while `ps -e -o args` =~ m{[ =]\Q$directory\E/};
	return;
}

foreach my $name ('tar', 'bytea', 'directory', 'program', 'file', 'large-object')
{
	foreach my $argument (undef, "timeline => 'nowhere'")
	{
		my $when = defined $argument ? 'at once' : 'in the midst';

		$directory = new_directory();
		fails_like($store, recipe($name, $directory, $argument),
			defined $argument ? qr/42704: .*"nowhere"/ : qr/XX001: /,
			"recipe \"$name\", with a query that fails $when");
		wait_for_programs($directory);
		is(join(' ', grep { !/[.]gz[.]part$/ } glob "$directory/*"),
			'', '... leaves nothing');
	}
}
foreach my $name ('client', 'copy', 'psql')
{
	$directory = new_directory();
	ok(!run_client($name, $directory), "recipe \"$name\" fails with its query");
	is(join(' ', grep { !/[.]tar[.]part$/ } glob "$directory/*"),
		'', '... and leaves nothing');
}
$directory = new_directory();
my ($out, $err);
{
	local %ENV = (
		%ENV,
		PGHOST => $store->host,
		PGPORT => $store->port,
		PGDATABASE => 'postgres');
	IPC::Run::run [ 'bash', '-c', recipe('copy-directory', $directory) ],
	  '>', \$out, '2>', \$err;
}
like($err, qr/ERROR.*this is no backup/s,
	'recipe "copy-directory" reports that its query failed');
ok(!-e "$directory/clone/global/pg_control",
	'... and leaves nothing that starts');

$directory = new_directory();
fails_like($store, recipe('archives', $directory),
	qr/XX001: /, 'recipe "archives", with a query that fails');
command_fails([ 'sh', '-c', recipe('extract', $directory) ],
	'... which "extract" notices');
ok(!-e "$directory/clone", '... and makes nothing');
patch_file($layer, int((-s $layer) * 0.6), $old);

# --- The recipes stream: the server's memory stays constant.

my $session = start_session($store);
$directory = new_directory();
ask($session, 'SELECT count(*) FROM pg_class');
my $idle = backend_status($session->{backend}, 'VmHWM');
ask($session, recipe('tar', $directory) =~ s/;\s*\z//r);
is(`md5sum < '$directory/main.tar'`, $right, 'with the layer repaired');
cmp_ok(backend_status($session->{backend}, 'VmHWM') - $idle,
	'<', 64 * 1024, 'a recipe that streams takes little memory');
end_session($session);

# --- The client programs, on the machine of the source.

$source->append_conf('postgresql.conf',
	"wal_level = replica\nmax_wal_senders = 4\n");
$source->start;
# standard output takes a backup without tablespaces
$source->safe_psql('postgres', "DROP TABLE moved");
$source->safe_psql('postgres', "DROP TABLESPACE elsewhere");
$directory = new_directory();
{
	local %ENV = (
		%ENV,
		PGHOST => $source->host,
		PGPORT => $source->port,
		STORE => $store->connstr('postgres'));
	my $run = sub { [ 'bash', '-c', recipe($_[0], $directory) ] };

	command_ok($run->('import-pipe'), 'recipe "import-pipe" runs');
	system_or_bail('pg_basebackup', '-X', 'stream', '-D', "$directory/base");
	command_ok($run->('import-directory'), 'recipe "import-directory" runs');
	command_like($run->('list'), qr/ piped .* sent .*"timeline": "sent"/s,
		'recipe "list" shows what they have made');
	command_checks_all($run->('check'), 1, [qr/^BBACKUP WARNING - 0 critical/],
		[qr/^\z/], 'recipe "check" checks');
	command_ok($run->('restore-program'), 'recipe "restore-program" runs');
}
command_ok([ 'pg_verifybackup', '-q', "$directory/clone" ],
	'and makes a directory that verifies');

done_testing();

# The extension in a directory of its own, as packaging/image-volume makes one:
# PostgreSQL 18 finds it by extension_control_path and dynamic_library_path.  Redo
# helpers and background workers load the library from there, too.  (The server
# drops the "$libdir/" of a library's name: load_external_function in dfmgr.c.)

use strict;
use warnings;
use BBackup;
use BBackup::PrivateServer;
use BBackup::StoreKind;
use BBackup::Version;
use File::Basename qw(dirname);
use JSON::PP ();

plan skip_all => 'extension_control_path is new in PostgreSQL 18'
  if pg_major() < 18;
plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $volume = PostgreSQL::Test::Utils::tempdir_short . '/bbackup';
{
	# a make that runs the tests must not pass its flags on
	local @ENV{qw(MAKEFLAGS MFLAGS)};
	command_ok([ dirname(__FILE__) . '/../packaging/image-volume', $volume ],
		'a directory with the extension');
}
ok(-s "$volume/$_", "it has $_")
  foreach qw(lib/bbackup.so share/extension/bbackup.control licenses/bbackup);

# What a server with the extension in its own directories says.
my ($base, $archive) = base_with_archive();
my $usual = new_store('usual');
my $backup = "SELECT md5(bb_basebackup(label => 'same'))";
import_directory($usual, $base);
ingest($usual, $archive);
my $expected = $usual->safe_psql('postgres', $backup);
$usual->stop;

my ($server) = private_server('server', without_library => 1);
$server->init;
$server->append_conf('postgresql.conf', qq(
extension_control_path = '$volume/share:\$system'
dynamic_library_path = '$volume/lib:\$libdir'
log_statement = none
));
$server->start;
$server->safe_psql('postgres', 'CREATE EXTENSION bbackup');
my $place = PostgreSQL::Test::Utils::tempdir_short;
my $number = 0;

foreach my $preload ('', 'bbackup')
{
	my $how = $preload ? 'preloaded' : 'not preloaded';

	if ($preload)
	{
		$server->append_conf('postgresql.conf',
			"shared_preload_libraries = 'bbackup'\n");
		$server->restart;
	}
	else
	{
		import_directory($server, $base);
		ingest($server, $archive);
	}
	is($server->safe_psql('postgres', $backup),
		$expected, "$how: redo helpers make the same backup");

	# without its workers, a backup goes on with a NOTICE
	my ($out, $err);
	my $clone = "$place/clone" . ++$number;
	$server->psql('postgres', "SELECT bb_restore('$clone', jobs => 3)",
		stdout => \$out, stderr => \$err);
	is($err, '', "$how: background workers help");
	ok(-e "$clone/PG_VERSION", 'there is a clone');
}
unlike(slurp_file($server->logfile), qr/could not (?:access|load)/,
	'no process missed the library');
is($server->safe_psql('postgres',
		q(SELECT module_name, version FROM pg_get_loaded_modules()
		  WHERE module_name = 'bbackup')),
	'bbackup|' . JSON::PP::decode_json(
		slurp_file(dirname(__FILE__) . '/../META.json'))->{version},
	'the library says its version');

$server->stop;
done_testing();

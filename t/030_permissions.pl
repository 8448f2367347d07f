# Permissions: a base backup reads past every table privilege.

use strict;
use warnings;
use BBackup;

my $source = new_source('source');
$source->stop;
my $from = $source->data_dir;
my $store = new_store('store');
import_directory($store, $from);
my $elsewhere = PostgreSQL::Test::Utils::tempdir . '/store';

$store->safe_psql('postgres', 'CREATE ROLE bob; CREATE ROLE eve');
my $functions = $store->safe_psql('postgres', q(
SELECT string_agg(p.oid::regprocedure::text, ';')
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refobjid =
	(SELECT oid FROM pg_extension WHERE extname = 'bbackup')));
my @functions = split /;/, $functions;
cmp_ok(scalar @functions, '>=', 14, 'the extension has its functions');

# Runs queries as a role.
sub bob_may
{
	my ($query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	query_is($store, "SET ROLE bob; $query", $expected, $name);
	return;
}

sub bob_may_not
{
	my ($query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fails_like($store, "SET ROLE bob; $query", $expected, $name);
	return;
}

# Functions that read a store, and functions that write to one.
my %reads = (
	bb_timelines => 'SELECT count(*) FROM bb_timelines()',
	bb_layers => 'SELECT count(*) > 0 FROM bb_layers()',
	bb_layer_map => 'SELECT bb_layer_map() LIKE \'<svg%\'',
	bb_verify => 'SELECT count(*) = 0 FROM bb_verify()',
	bb_databases => 'SELECT count(*) > 0 FROM bb_databases()',
	bb_tablespaces => 'SELECT count(*) >= 0 FROM bb_tablespaces()',
	bb_relations => 'SELECT count(*) > 0 FROM bb_relations()',
	bb_files => 'SELECT count(*) > 0 FROM bb_files()',
	bb_read_file => "SELECT length(bb_read_file('PG_VERSION')) > 0",
	bb_read_blocks => "SELECT length(bb_read_blocks(ARRAY['global/1262'],"
	  . ' ARRAY[0]::bigint[], ARRAY[1])) > 0',
	bb_clone_files => 'SELECT count(*) > 0 FROM bb_clone_files()',
	bb_leases => 'SELECT count(*) = 0 FROM bb_leases()',
	bb_release_lease => "SELECT NOT bb_release_lease('nosuch')",
	bb_get_page => 'SELECT length(bb_get_page(1664, 0, 1262, \'main\', 0)) > 0',
	bb_basebackup =>
	  'SELECT length(bb_basebackup(full_backup => false)) > 0',
	bb_basebackup_archives =>
	  'SELECT count(*) > 0 FROM (SELECT bb_basebackup_archives()) s',
	bb_basebackup_stream =>
	  'SELECT count(*) > 0 FROM (SELECT bb_basebackup_stream()) s');
my %writes = (
	bb_import_directory => "SELECT * FROM bb_import_directory('$from',"
	  . " timeline => 'bobs')",
	bb_create_branch => "SELECT bb_create_branch('branch')",
	bb_restore => "SELECT bb_restore('$elsewhere.restored')",
	bb_basebackup_to_file =>
	  "SELECT bb_basebackup_to_file('$elsewhere.tar')",
	bb_drop_timeline => "SELECT bb_drop_timeline('main')");

# --- Without privileges, a role can do nothing.

bob_may_not(
	$reads{$_},
	qr/42501: permission denied for function $_/,
	"$_ is not for everybody") foreach sort keys %reads;
bob_may_not(
	$writes{$_},
	qr/42501: permission denied for function $_/,
	"$_ is not for everybody") foreach sort keys %writes;
query_is($store, q(
SELECT count(*) FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refobjid =
	(SELECT oid FROM pg_extension WHERE extname = 'bbackup')
	AND has_function_privilege('bob', p.oid, 'EXECUTE')), 0,
	'so is any other function');
bob_may_not('SELECT * FROM bb_stat_progress_import',
	qr/42501: permission denied/, 'so is the view');

# --- With EXECUTE alone, a role can't use a store.

$store->safe_psql('postgres', "GRANT EXECUTE ON ROUTINE $_ TO bob")
  foreach @functions;
bob_may_not(
	$reads{$_},
	qr/42501: permission denied for foreign server bbackup/,
	"$_ wants USAGE on the server") foreach sort keys %reads;
bob_may_not(
	$writes{$_},
	qr/42501: permission denied for foreign server bbackup/,
	"$_ wants USAGE on the server") foreach sort keys %writes;

# --- USAGE allows reading and writing.  Other files of the server need more.

my %takes = (
	bb_import_directory => 'pg_read_server_files',
	bb_restore => 'pg_write_server_files',
	bb_basebackup_to_file => 'pg_write_server_files');

$store->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER bbackup TO bob');
bob_may($reads{$_}, $_ eq 'bb_timelines' ? 1 : 't', "now bob may use $_")
  foreach sort keys %reads;
bob_may_not($writes{$_}, qr/42501: .*\n.*$takes{$_}/, "$_ wants $takes{$_}")
  foreach sort keys %takes;
bob_may('SELECT bb_create_branch(timeline => \'branch\') IS NOT NULL',
	't', 'bob may create a branch');
bob_may('SELECT bb_drop_timeline(timeline => \'branch\')', '', 'and drop it');
$store->safe_psql('postgres', 'GRANT pg_write_server_files TO bob');
bob_may("SELECT files > 0 FROM bb_restore('$elsewhere.restored',"
	  . ' full_backup => false)', 't', 'now bob may restore');
bob_may("SELECT bb_basebackup_to_file('$elsewhere.tar',"
	  . ' full_backup => false) > 0', 't', 'and write a tar to a file');
bob_may_not($writes{bb_import_directory},
	qr/42501: .*\n.*pg_read_server_files/, 'but not import');
$store->safe_psql('postgres',
	'REVOKE pg_write_server_files FROM bob; GRANT pg_read_server_files TO bob');
bob_may("SELECT timeline FROM bb_import_directory('$from',"
	  . " timeline => 'bobs')", 'bobs',
	'pg_read_server_files allows importing');
bob_may("SELECT bb_drop_timeline('bobs')", '', 'and drop that');
$store->safe_psql('postgres', 'REVOKE pg_read_server_files FROM bob');

# --- Other stores.

my $create = "CREATE SERVER other FOREIGN DATA WRAPPER bbackup"
  . " OPTIONS (url 'file://$elsewhere')";
bob_may_not($create,
	qr/42501: permission denied for foreign-data wrapper bbackup/,
	'a new store requires USAGE on the wrapper');
$store->safe_psql('postgres',
	'GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO bob');
bob_may_not($create, qr/42501: .*\n?.*(?:pg_read_server_files|pg_write_server)/,
	'and the right to read and write files');
$store->safe_psql('postgres',
	'GRANT pg_write_server_files, pg_read_server_files TO bob');
bob_may("$create; SELECT timeline"
	  . " FROM bb_import_directory('$from', 'other')",
	'main', 'with it, it is bob\'s');
fails_like($store,
	"GRANT EXECUTE ON FUNCTION bb_timelines(name) TO eve; SET ROLE eve;"
	  . " SELECT * FROM bb_timelines('other')",
	qr/42501: permission denied for foreign server other/, 'and not eve\'s');
$store->safe_psql('postgres',
	'REVOKE pg_write_server_files, pg_read_server_files FROM bob');
bob_may_not("ALTER SERVER other OPTIONS (SET url 'file:///elsewhere')",
	qr/42501: .*\n?.*(?:pg_read_server_files|pg_write_server)/,
	'bob may not change the URL without that privilege');
bob_may('SELECT count(*) FROM bb_timelines(\'other\')',
	1, 'using the store does not require the privilege');
bob_may('SELECT bb_create_branch(timeline => \'branch\', store => \'other\')'
	  . ' IS NOT NULL', 't', 'nor does writing to the store');
foreach my $change (
	"ADD region 'eu-central-1'",
	"ADD endpoint 'http://localhost'",
	"ADD cache_directory '/elsewhere'",
	"SET url 'file://$elsewhere'")
{
	bob_may_not("ALTER SERVER other OPTIONS ($change)",
		qr/42501: .*\n?.*pg_read_server_files/,
		"but any change of a server with a directory: $change");
}
bob_may_not(
	"CREATE SERVER another FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url '$_')",
	qr/ERROR:  (?:42501|22023|HV00\w)/,
	"no way around: $_")
  foreach "file://$elsewhere", "file:$elsewhere", "FILE://$elsewhere",
  " file://$elsewhere", "file://localhost$elsewhere";

# A new owner who may not set that URL: USAGE that the old owner granted stays.
$store->safe_psql('postgres',
	'GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO eve;'
	  . ' ALTER SERVER other OWNER TO eve');
bob_may_not("SELECT bb_drop_timeline(timeline => 'branch', store => 'other')",
	qr/42501: permission denied for foreign server other/,
	'a previous owner has no privileges left');
fails_like($store,
	"SET ROLE eve; ALTER SERVER other OPTIONS (SET url 'file:///elsewhere')",
	qr/42501: .*\n?.*pg_read_server_files/,
	'a new owner can not change the URL');
$store->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION'
	  . ' bb_drop_timeline(text, name) TO eve');
query_is($store,
	"SET ROLE eve; SELECT bb_drop_timeline('branch', store => 'other')", '',
	'but use it');
fails_like($store, "SET ROLE eve; SELECT * FROM bb_drop_timeline('main')",
	qr/42501: permission denied for foreign server bbackup/, 'and no other');

# A SECURITY DEFINER function of a superuser gives access to the store, but not
# to a directory.
$store->safe_psql('postgres', q(
CREATE FUNCTION lent() RETURNS bigint LANGUAGE sql SECURITY DEFINER
	AS 'SELECT count(*) FROM bb_timelines()';
GRANT EXECUTE ON FUNCTION lent() TO eve;
));
is( $store->safe_psql('postgres',
		"SET ROLE eve; SET bbackup.store_directory = '/elsewhere';"
		  . ' SELECT lent()'),
	$store->safe_psql('postgres', 'SELECT count(*) FROM bb_timelines()'),
	'a caller can not choose the directory for a function of another role');

# --- Only the extension's own server has the default directory, whatever its
# name.

my $count = $store->safe_psql('postgres', 'SELECT count(*) FROM bb_timelines()');
$store->safe_psql('postgres', 'ALTER SERVER bbackup RENAME TO renamed');
query_is($store, q(SELECT count(*) FROM bb_timelines('renamed')), $count,
	'the default server can be renamed');
$store->safe_psql('postgres',
	'SET ROLE bob; CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup');
bob_may_not('SELECT * FROM bb_timelines()',
	qr/HV00J: page store "bbackup" has no URL/,
	'a server with its name does not get its directory');
$store->safe_psql('postgres',
	'DROP SERVER bbackup; ALTER SERVER renamed RENAME TO bbackup');

# --- Other functions.

bob_may_not("SELECT count(*) FROM bb_timelines();"
	  . " SET bbackup.store_directory = '/elsewhere'",
	qr/42501: permission denied to set parameter "bbackup.store_directory"/,
	'superusers decide where the default store is');
bob_may("SET bbackup.store_directory = '/elsewhere';"
	  . ' SELECT count(*) FROM bb_timelines()',
	1, 'also before the library is loaded');
fails_like($store, 'SELECT * FROM bb_timelines(\'nobody\')',
	qr/42704: page store "nobody" does not exist/,
	'a store that does not exist');
$store->safe_psql('postgres',
	'CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw'
);
fails_like($store, 'SELECT * FROM bb_timelines(\'files\')',
	qr/ERROR:  \w+: .*"files"/, 'a server that is not a page store');
foreach my $options (
	"url 'file:relative'", "url 'ftp://host/'", "url ''",
	"url 'file:///'", "url 'file:///a/../b'", "url 'file:///a', path '/b'")
{
	fails_like($store,
		"CREATE SERVER bad FOREIGN DATA WRAPPER bbackup OPTIONS ($options)",
		qr/ERROR:  (?:22023|HV00\w): /, "the validator refuses: $options");
}

done_testing();

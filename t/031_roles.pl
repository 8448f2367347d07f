# The roles of contrib/bbackup_roles.sql, and pg_monitor: what each may do, and
# what it may not.

use strict;
use warnings;
use BBackup;

my $source = new_source('source');
$source->stop;
my $from = $source->data_dir;
my $store = new_store('store');
import_directory($store, $from);
my $elsewhere = PostgreSQL::Test::Utils::tempdir;
my $script = $store->config_data('--sharedir') . '/extension/bbackup_roles.sql';

# Runs the script in a database.
sub make_roles
{
	my ($node, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok(
		[ 'psql', '-X', '-q', '-d', $node->connstr($database), '-f', $script ],
		"the script in database $database");
	return;
}

# What the three roles may do in a database.
my $granted = q(
SELECT a.grantee::regrole, count(*), string_agg(o.name || ' '
	|| a.privilege_type, ',' ORDER BY o.name COLLATE "C", a.privilege_type)
FROM (SELECT oid::regprocedure::text AS name, proacl AS acl FROM pg_proc
	UNION ALL SELECT oid::regclass::text, relacl FROM pg_class
	UNION ALL SELECT srvname, srvacl FROM pg_foreign_server) o,
	aclexplode(o.acl) a
WHERE a.grantee::regrole::text ~ '^bbackup_'
GROUP BY a.grantee ORDER BY a.grantee::regrole::text);

# --- The script makes the roles once, and what it grants in each database.

$store->safe_psql('postgres', 'CREATE DATABASE bare');
$store->command_fails_like(
	[ 'psql', '-X', '-q', '-d', $store->connstr('bare'), '-f', $script ],
	qr/database "bare" does not have the extension bbackup\nHINT:  CREATE EXTENSION/,
	'a database without the extension is an error');
query_is($store, q(SELECT count(*) FROM pg_roles WHERE rolname ~ '^bbackup_'),
	0, 'which makes no role');
make_roles($store, 'postgres');
my $rights = $store->safe_psql('postgres', $granted);
like($rights, qr/^bbackup_read\|\d+\|.*bb_timelines\(name\) EXECUTE/m,
	'there are grants');
make_roles($store, 'postgres');
query_is($store, $granted, $rights, 'once more, nothing changes');
$store->safe_psql('postgres', 'CREATE DATABASE second');
$store->safe_psql('second', 'CREATE EXTENSION bbackup');
is($store->safe_psql('second', $granted), '',
	'another database is independent of that');
make_roles($store, 'second');
is($store->safe_psql('second', $granted),
	$rights, 'until the script was run there');
query_is($store,
	q(SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles
	WHERE rolname ~ '^bbackup_' AND NOT (rolcanlogin OR rolsuper
	OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)),
	'bbackup_admin bbackup_backup bbackup_read',
	'the roles have no attributes');

# Every function is somebody's job; the validators are nobody's.
query_is($store, q(
SELECT count(*) FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refobjid =
	(SELECT oid FROM pg_extension WHERE extname = 'bbackup')
	AND (p.proname !~ '_validator$') <> has_function_privilege('bbackup_admin',
		p.oid, 'EXECUTE')), 0, 'bbackup_admin may call all functions');

# --- The jobs.

$store->safe_psql('postgres', q(
CREATE ROLE reader LOGIN; GRANT bbackup_read TO reader;
CREATE ROLE keeper LOGIN; GRANT bbackup_backup TO keeper;
CREATE ROLE dba LOGIN; GRANT bbackup_admin TO dba;
CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher));
my $page = "bb_get_page(1664, 0, 1262, 'main', 0)";
my %jobs = (
	watch => [
		'SELECT count(*) = 1 FROM bb_window',
		'SELECT count(*) = 0 FROM bb_findings',
		'SELECT count(*) = 1 FROM bb_stat_verification',
		'SELECT count(*) = 0 FROM bb_stat_copies',
		'SELECT count(*) = 1 FROM bb_restore_tests',
		'SELECT bytes > 0 FROM bb_store_forecast()',
		'SELECT count(*) >= 0 FROM bb_store_growth()',
		'SELECT count(*) = 1 FROM bb_store_space()',
		'SELECT count(*) = 1 FROM bb_timeline_states()',
		'SELECT count(*) > 0 FROM bb_metrics',
		'SELECT count(*) > 0 FROM bb_metrics_text()',
		q(SELECT count(*) > 0 FROM bb_check() WHERE status <> 'critical'),
		'SELECT count(*) = 1 FROM bb_timelines()',
		'SELECT count(*) = 1 FROM bb_keeps()',
		'SELECT count(*) = 0 FROM bb_leases()',
		'SELECT count(*) = 0 FROM bb_gaps()',
		'SELECT count(*) = 0 FROM bb_stat_follow',
		'SELECT count(*) >= 0 FROM bb_stat_upkeep',
		'SELECT count(*) >= 0 FROM bb_stat_upkeep_jobs',
		'SELECT count(*) >= 0 FROM bb_stat_progress_upkeep',
		'SELECT count(*) >= 0 FROM bb_stat_progress_import',
		'SELECT count(*) >= 0 FROM bb_stat_progress_ingest',
		'SELECT count(*) >= 0 FROM bb_access_stats'
	],
	list => [
		'SELECT count(*) > 0 FROM bb_layers()',
		'SELECT count(*) > 0 FROM bb_layer_stats()',
		"SELECT bb_layer_map() LIKE '<svg%'",
		'SELECT count(*) > 0 FROM bb_databases()',
		'SELECT count(*) > 0 FROM bb_relations()',
		'SELECT count(*) = 0 FROM bb_tablespaces()',
		'SELECT count(*) > 0 FROM bb_files()',
		'SELECT NOT encrypted FROM bb_encryption()'
	],
	backup => [
		"SELECT length($page) > 0",
		"SELECT length(bb_read_file('PG_VERSION')) > 0",
		'SELECT count(*) > 0 FROM bb_clone_files()',
		"SELECT new_tli > 0 FROM bb_lease('cloner')",
		"SELECT bb_renew_lease('cloner') > now()",
		"SELECT length(bb_read_blocks(ARRAY['global/1262'],"
		  . ' ARRAY[0]::bigint[], ARRAY[1])) = 8192',
		"SELECT bb_release_lease('cloner')",
		'SELECT length(bb_basebackup(full_backup => false)) > 0',
		'SELECT count(*) > 0 FROM (SELECT bb_basebackup_stream('
		  . 'full_backup => false)) s',
		'SELECT count(*) > 0 FROM (SELECT bb_basebackup_archives('
		  . 'full_backup => false)) s',
		'SELECT bb_basebackup_lo(full_backup => false) > 0',
		'SELECT bb_wait(end_lsn) = end_lsn FROM bb_timelines()',
		'SELECT pages > 0 FROM bb_test_restore()'
	],
	admin => [
		"SELECT bb_pin(NULL, 'kept') IS NOT NULL",
		"SELECT bb_unpin('kept')::text = ''",
		"SELECT bb_set_retention('7 days')::text = ''",
		'SELECT count(*) > 0 FROM bb_expire()',
		'SELECT count(*) >= 0 FROM bb_upkeep()',
		'SELECT count(*) = 0 FROM bb_verify()',
		'SELECT bb_try_store()',
		"SELECT bb_create_branch('branch') IS NOT NULL",
		"SELECT bb_drop_timeline('branch')::text = ''"
	],
	files => [
		"SELECT bb_import_directory('$from', timeline => 'copy') IS NOT NULL",
		"SELECT * FROM bb_restore('$elsewhere/restored')",
		"SELECT bb_basebackup_to_file('$elsewhere/backup.tar') > 0",
		"SELECT bb_basebackup_to_program('cat') > 0"
	]);
my %may = (
	watcher => { watch => 1 },
	reader => { watch => 1, list => 1 },
	keeper => { watch => 1, list => 1, backup => 1 },
	dba => { watch => 1, list => 1, backup => 1, admin => 1 });
foreach my $role (qw(watcher reader keeper dba))
{
	foreach my $job (qw(watch list backup admin files))
	{
		foreach my $query (@{ $jobs{$job} })
		{
			if ($may{$role}{$job})
			{
				query_is($store, "SET ROLE $role; $query", 't',
					"$role may: $query");
			}
			else
			{
				fails_like($store, "SET ROLE $role; $query",
					$role eq 'dba'
					? qr/42501: .*\n.*pg_(?:read_server_files|write_server_files|execute_server_program)/
					: qr/42501: permission denied for (?:function|procedure) /,
					"$role may not: $query");
			}
		}
	}
}

fails_like($store,
	"SET ROLE $_; SELECT answer FROM bb_test_restore(start_server => true)",
	qr/42501: .*\n.*pg_execute_server_program/, "$_ may not start a server")
  foreach qw(keeper dba);

# The client, as a role that makes backups.
$store->command_ok(
	[
		'bb_basebackup', '-d', $store->connstr('postgres') . ' user=keeper',
		'-D', "$elsewhere/clone"
	],
	'a backup by the client');
ok(-f "$elsewhere/clone/PG_VERSION", 'which has a data directory');

# Another page store is nobody's until it is granted.
$store->safe_psql('postgres',
	"CREATE SERVER other FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url 'file://$elsewhere/other')");
fails_like($store, "SET ROLE dba; SELECT count(*) FROM bb_timelines('other')",
	qr/42501: permission denied for foreign server other/,
	'another store has to be granted');
$store->safe_psql('postgres',
	'GRANT USAGE ON FOREIGN SERVER other TO bbackup_read');
query_is($store,
	"SET ROLE reader; SELECT count(*) FROM bb_timelines('other')",
	0, 'and then can be used');
fails_like($store,
	"SET ROLE dba; ALTER SERVER bbackup OPTIONS (ADD url 'file:///x')",
	qr/42501: must be owner of foreign server/,
	'where a store is, is not up to bbackup_admin');
fails_like($store,
	"SET ROLE dba; CREATE SERVER mine FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url 'file://$elsewhere/mine')",
	qr/42501: permission denied for foreign-data wrapper/,
	'nor can it make one');

# --- A dump has the roles and their grants.

$rights = $store->safe_psql('postgres', $granted);
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init;
$restored->start;
$restored->command_ok(
	[ 'pg_dumpall', '-d', $store->connstr('postgres'), '-f',
		"$elsewhere/all.sql" ],
	'pg_dumpall');
$restored->command_ok(
	[ 'psql', '-X', '-q', '-d', $restored->connstr('postgres'), '-f',
		"$elsewhere/all.sql" ],
	'and psql');
query_is($restored, $granted, $rights, 'the grants are the same');
query_is($restored,
	"SELECT pg_has_role('dba', 'bbackup_read', 'USAGE')", 't',
	'and so are the members');
make_roles($restored, 'postgres');
query_is($restored, $granted, $rights, 'and the script finds nothing to do');

# --- The extension and the roles can be dropped.

$restored->safe_psql($_, 'DROP EXTENSION bbackup CASCADE')
  foreach qw(postgres second);
$restored->safe_psql('postgres',
	'DROP ROLE bbackup_read, bbackup_backup, bbackup_admin');
$restored->safe_psql('postgres', 'CREATE EXTENSION bbackup');
make_roles($restored, 'postgres');
like($restored->safe_psql('postgres', $granted),
	qr/^bbackup_admin\|/m, 'and made again');

done_testing();

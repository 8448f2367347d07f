# Page stores survive pg_dump, pg_upgrade and a renamed data directory; if
# something is lost, a message says so.

use strict;
use warnings;
use BBackup;
use BBackup::StoreKind;

plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $source = new_source('source');
$source->stop;
my $base = $source->data_dir;
my $place = PostgreSQL::Test::Utils::tempdir;

my $old = new_store('old');
import_directory($old, $base);
my $default = store_directory($old);
$old->safe_psql('postgres', qq(
CREATE ROLE bob;
CREATE SERVER files FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://$place/files');
CREATE SERVER cloud FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 's3://bucket/prefix', endpoint 'http://localhost:9',
			 region 'eu-central-1', cache_directory '$place/cache',
			 cache_size '1GB');
CREATE USER MAPPING FOR PUBLIC SERVER cloud
	OPTIONS (access_key_id 'a', secret_access_key 'b');
CREATE USER MAPPING FOR bob SERVER cloud
	OPTIONS (access_key_id 'c', secret_access_key 'd', session_token 'e');
GRANT USAGE ON FOREIGN SERVER bbackup TO bob;
GRANT USAGE ON FOREIGN SERVER files TO bob;
GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO bob;
GRANT EXECUTE ON FUNCTION bb_timelines TO bob;
SELECT bb_import_directory('$base', 'files');
));

# --- Objects that a dump would omit can't be made, not even in the first
# statement of a session.

my $refused = qr/ERROR:  0A000: server "bbackup" of the extension "bbackup" can have no (?:options|user mappings)\n.*pg_dump.*\n.*CREATE SERVER/;

fails_like($old, $_, $refused, "refused: $_")
  foreach "ALTER SERVER bbackup OPTIONS (ADD url 'file://$place/files')",
  "ALTER SERVER bbackup OPTIONS (ADD cache_size '1GB')",
  "SELECT count(*) FROM bb_timelines();"
  . " ALTER SERVER bbackup OPTIONS (ADD region 'eu-central-1')",
  'CREATE USER MAPPING FOR PUBLIC SERVER bbackup',
  "CREATE USER MAPPING FOR bob SERVER bbackup OPTIONS (access_key_id 'a')";

# A server that got options in another way is refused.
fails_like($old, q(BEGIN; SET allow_system_table_mods = on;
UPDATE pg_foreign_server SET srvoptions = '{url=file:///elsewhere}'
	WHERE srvname = 'bbackup';
SELECT * FROM bb_timelines()), $refused,
	'options that were set in another way are refused');

# The definition of all page stores, and their privileges.
my $all = q(
SELECT s.srvname,
	(SELECT string_agg(o, ',' ORDER BY o COLLATE "C")
	 FROM unnest(s.srvoptions) o),
	(SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C")
	 FROM unnest(s.srvacl) a),
	(SELECT string_agg(m.usename || m.umoptions::text, ',' ORDER BY m.usename)
	 FROM pg_user_mappings m WHERE m.srvid = s.oid),
	(SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C")
	 FROM unnest(w.fdwacl) a),
	(SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C")
	 FROM pg_proc p, unnest(p.proacl) a WHERE p.proname = 'bb_timelines')
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
ORDER BY s.srvname);
my $expected = $old->safe_psql('postgres', $all);
like($expected, qr/session_token=e/, 'there is much to dump');
my $backup = backup_md5('files', "label => 'same'");
my $digest = $old->safe_psql('postgres', $backup);

# Rows and messages of a query.
sub said
{
	my ($node, $query) = @_;
	my ($out, $err);

	$node->psql('postgres', $query, stdout => \$out, stderr => \$err);
	return "$out\n$err";
}

my $missing = sub {
	my ($directory) = @_;

	return qr/^0\n.*NOTICE:  directory "\Q$directory\E" of page store "bbackup" does not exist\nHINT:  .*bbackup\.store_directory/;
};
my $count = 'SELECT count(*) FROM bb_timelines()';

# --- pg_dump and psql.

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init;
$restored->start;
$restored->safe_psql('postgres', 'CREATE ROLE bob');
my $dump = "$place/dump.sql";
command_ok([ 'pg_dump', '-d', $old->connstr('postgres'), '-f', $dump ],
	'pg_dump');
$restored->command_ok([
	'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
	$restored->connstr('postgres'), '-f', $dump
], 'and psql');
query_is($restored, $all, $expected,
	'stores, options, keys and rights are the same');
query_is($restored, $backup, $digest,
	'a store that has a URL gives the same backup');
like(said($restored, $count), $missing->($restored->data_dir . '.bbackup'),
	'another data directory has another default store, and a NOTICE says so');
fails_like($restored, 'SELECT bb_basebackup()',
	qr/ERROR:  42704: timeline "main" does not exist.*\nDETAIL:  The directory of the page store does not exist/,
	'also for a read from it');
like(said($restored, 'SELECT count(*) FROM bb_layers()'),
	$missing->($restored->data_dir . '.bbackup'), 'or a list of its layers');
unlike(said($restored, "SELECT count(*) FROM bb_timelines('files')"),
	qr/NOTICE/, 'no NOTICE for a store that exists');
$restored->append_conf('postgresql.conf',
	"bbackup.store_directory = '$default'\n");
$restored->reload;
is(said($restored, $count), "1\n", 'with bbackup.store_directory, the store is found');
$restored->stop;

# --- pg_upgrade.

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$old->stop;
my $bin = $old->config_data('--bindir');
chdir $place or die "$place: $!";
command_ok([
	'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin,
	'-B', $bin, '-s', $new->host, '-p', $old->port, '-P', $new->port
], 'pg_upgrade');
$new->start;
query_is($new, $all, $expected,
	'stores, options, keys and rights are the same');
query_is($new, $backup, $digest,
	'a store that has a URL gives the same backup');
like(said($new, $count), $missing->($new->data_dir . '.bbackup'),
	'the default store does not exist, and a NOTICE says so');
fails_like($new, "ALTER SERVER bbackup OPTIONS (ADD cache_size '1GB')",
	$refused, 'the server is still the extension\'s');
rename $default, $new->data_dir . '.bbackup' or die $!;
is(said($new, $count), "1\n", 'after renaming, the store is found');

# --- Another name of the data directory.

$new->stop;
my $moved = $new->data_dir . '.moved';
rename $new->data_dir, $moved or die $!;
command_ok([
	'pg_ctl', '-s', '-w', '-D', $moved, '-l', $new->logfile, 'start'
], 'a renamed data directory');
like(said($new, $count),
	$missing->("$moved.bbackup"), 'the default store does not exist');
rename $new->data_dir . '.bbackup', "$moved.bbackup" or die $!;
is(said($new, $count), "1\n", 'after renaming, it does');
command_ok([ 'pg_ctl', '-s', '-w', '-D', $moved, 'stop' ], 'stopped');
rename $moved, $new->data_dir or die $!;

done_testing();

# ALTER EXTENSION bbackup UPDATE: from each released version to the present one,
# and from that to a next one, which this test makes.  Afterwards the objects are
# those of a new extension, and what was there is as before: stores, privileges,
# rows of the extension's tables.
#
# test/upgrade/releases lists the released scripts.

use strict;
use warnings;
use BBackup;
use BBackup::PrivateServer;
use Digest::SHA;
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use List::Util qw(uniq);

my $top = dirname(__FILE__) . '/..';
my ($present) =
  slurp_file("$top/bbackup.control") =~ /^default_version = '(.*)'$/m;
my %script = map { basename($_) => slurp_file($_) } glob "$top/sql/*.sql";
my @released = map { [ split ] }
  grep { !/^#/ } split /\n/, slurp_file("$top/test/upgrade/releases");

# --- A released script does not change.

foreach my $release (@released)
{
	my ($version, $tag, $sum) = @$release;
	my $name = "bbackup--$version.sql";

	is(Digest::SHA::sha256_hex($script{$name} // ''), $sum,
		"$name is that of $tag: a change belongs into an upgrade script");
}
ok($script{"bbackup--$present.sql"}, 'there is a script of the present version');

# --- A library has the functions of all versions, as they were.

my $library = `pg_config --pkglibdir` =~ s/\n//r . '/bbackup.so';
my %exported = map { $_ => 1 } `nm -D --defined-only '$library'` =~ /(\w+)$/mg;
my @symbols = uniq map { /AS 'MODULE_PATHNAME', '(\w+)'/g } values %script;
my $named = () = join('', values %script) =~ /'MODULE_PATHNAME'/g;

cmp_ok(scalar(@symbols), '>', 60, 'the scripts name symbols of the library');
cmp_ok($named, '>=', scalar(@symbols), 'in full');
is_deeply([ grep { !$exported{$_} || !$exported{"pg_finfo_$_"} } @symbols ],
	[], 'and it exports them');

# --- A server with a directory of extensions that this test fills.

my ($server, $extensions) = private_server('server');

copy("$top/bbackup.control", $extensions) or die $!;

sub write_script
{
	my ($name, $text) = @_;

	unlink "$extensions/$name";
	append_to_file("$extensions/$name", $text);
	return;
}

write_script($_, $script{$_}) foreach keys %script;

# The next version has what versions bring: functions, views, tables, and a
# comment that changed.
my $next = '99';
my ($comment) = $script{"bbackup--$present.sql"} =~
  /^(COMMENT ON FUNCTION bb_timelines IS\n'.*?';\n)/ms;
ok($comment, 'a comment that will change');
my $reworded = $comment =~ s/IS\n'/IS\n'as of the next version: /r;
my %part = (
	function => qq{CREATE FUNCTION bb_next_timelines() RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS 'SELECT timeline FROM \@extschema\@.bb_timelines()';
},
	function_comment => "COMMENT ON FUNCTION bb_next_timelines IS 'the next';\n",
	view => "CREATE VIEW bb_next AS SELECT * FROM bb_next_timelines() AS name;\n",
	view_grant => "GRANT SELECT ON bb_next TO pg_monitor;\n",
	table => "CREATE TABLE bb_next_rows (timeline text PRIMARY KEY);\n",
	dump => "SELECT pg_catalog.pg_extension_config_dump('bb_next_rows', '');\n",
	revoke => "REVOKE ALL ON FUNCTION bb_next_timelines FROM PUBLIC;\n",
	comment => $reworded);
my @order =
  qw(function function_comment view view_grant table dump revoke comment);
my $full = $script{"bbackup--$present.sql"};

$full =~ s/\Q$comment\E//;
write_script("bbackup--$next.sql", $full . join '', @part{@order});
write_script("bbackup--$present--$next.sql", join '', @part{@order});

$server->init;
$server->append_conf('postgresql.conf',
	"log_statement = none\nautovacuum = off\nfsync = off\n");
$server->start;
$server->safe_psql('postgres', 'CREATE ROLE bob');

# objects - what pg_upgrade would take over of a database: each object of the
# extension, with comment, privileges, and which rows are dumped.
sub objects
{
	my ($database) = @_;
	my ($dump) = run_command([
		'pg_dump', '--binary-upgrade', '--schema-only', '-d',
		$server->connstr($database) ]);

	# object IDs, and the lines that differ in each dump
	$dump =~ s/'\d+'::pg_catalog\.oid/OID/g;
	$dump =~ s/(?<=oid = )'\d+'/OID/g;
	$dump =~ s/'\{[\d,]+\}'/OIDS/g;
	$dump =~ s/(?<=(?:frozenxid|inmxid) = )'\d+'/XID/g;
	$dump =~ s/^\\(?:un)?restrict .*\n//mg;
	$dump =~ s/^-- For binary upgrade, (?:must )?preserve .*\n//mg;
	$dump =~ s/^SELECT pg_catalog\.binary_upgrade_set_\w+\(.*\);\n//mg;
	return sort(
		split(/^--\n(?=-- Name: )/m, $dump),
		split /^/, $server->safe_psql($database, q(
SELECT 'dumped: ', c.oid::regclass::text, c.condition
FROM pg_extension, unnest(extconfig, extcondition) AS c (oid, condition)
WHERE extname = 'bbackup'
UNION ALL
SELECT 'initially: ', o.identity,
	(SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(i.initprivs) a)
FROM pg_init_privs i, pg_identify_object(classoid, objoid, objsubid) o
WHERE i.privtype = 'e')) . "\n");
}

# differences - what one database has and the other has not.
sub differences
{
	my ($one, $other) = @_;
	my %count;

	$count{$_}++ foreach objects($one);
	$count{$_}-- foreach objects($other);
	return map { $count{$_} > 0 ? "old: $_" : "new: $_" }
	  grep { $count{$_} != 0 } sort keys %count;
}

# signatures - how the SQL functions call the library: a line for each symbol.
sub signatures
{
	my ($database) = @_;

	return split /^/, $server->safe_psql($database, q(
SELECT prosrc, proargtypes::regtype[], proallargtypes::regtype[], proargmodes,
	prorettype::regtype, proretset
FROM pg_proc WHERE probin ~ 'bbackup' ORDER BY prosrc)) . "\n";
}

# changed_signatures - symbols that two versions call in different ways.
sub changed_signatures
{
	my ($one, $other) = @_;
	my (%calls, %found);

	$calls{$_} = 1 foreach signatures($one), signatures($other);
	$found{ (split /\|/)[0] }++ foreach keys %calls;
	return grep { $found{$_} > 1 } sort keys %found;
}

sub new_database
{
	my ($name, $version) = @_;

	$server->safe_psql('postgres', "CREATE DATABASE $name");
	$server->safe_psql($name, "CREATE EXTENSION bbackup VERSION '$version'");
	return $name;
}

my $source = new_source('source');
$source->stop;
my $base = $source->data_dir;
my $store_dir = PostgreSQL::Test::Utils::tempdir;

# uses - what a version is used for, before the update.
sub uses
{
	my ($database) = @_;

	$server->safe_psql($database, qq(
CREATE SERVER files FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://$store_dir/$database');
SELECT bb_import_directory('$base', 'files');
SELECT bb_create_branch('branch', store => 'files');
SELECT bb_set_retention('7 days', store => 'files');
GRANT EXECUTE ON FUNCTION bb_timelines TO bob;
GRANT USAGE ON FOREIGN SERVER files TO bob;
CREATE VIEW mine AS SELECT timeline FROM bb_timelines('files');
INSERT INTO bb_replicating VALUES ('branch', 'files', 'bbackup', 'bob');
));
	return;
}

sub answers
{
	my ($database) = @_;

	return $server->safe_psql($database, q(
SELECT md5(bb_basebackup(store => 'files', timeline => 'branch',
						 label => 'same'));
SELECT * FROM mine ORDER BY 1;
SELECT * FROM bb_replicating;
SELECT has_function_privilege('bob', 'bb_timelines(name)', 'EXECUTE'),
	has_server_privilege('bob', 'files', 'USAGE');
SELECT start_lsn, end_lsn, bytes_stored FROM bb_timelines('files') ORDER BY 1;));
}

# --- From each released version to the present one.

new_database('fresh', $present);
foreach my $release (@released)
{
	my $version = $release->[0];
	my $database = new_database("from_$version" =~ tr/./_/r, $version);

	uses($database);
	my $before = answers($database);
	$server->safe_psql($database, "ALTER EXTENSION bbackup UPDATE TO '$present'");
	is(answers($database), $before, "$version to $present: it answers as before");
	my $plain = new_database($database . '_plain', $version);
	$server->safe_psql($plain, "ALTER EXTENSION bbackup UPDATE TO '$present'");
	is(join('', differences($plain, 'fresh')),
		'', "$version to $present: the objects are those of a new extension");
	# the library may be newer or older than the objects until it is loaded anew
	my $old = new_database($database . '_old', $version);
	is_deeply([ changed_signatures($old, 'fresh') ],
		[], 'functions that changed have other symbols');
}

# --- From the present version to the next one.

new_database('next', $next);
new_database('used', $present);
uses('used');
my $before = answers('used');
like($before, qr/^[0-9a-f]{32}\nbranch\nmain\nbranch\|files\|bbackup\|bob\nt\|t\n/,
	'the present version is in use');
$server->safe_psql('used', "ALTER EXTENSION bbackup UPDATE TO '$next'");
is(answers('used'), $before, 'and answers as before after the update');
is($server->safe_psql('used', 'SELECT name FROM bb_next'),
	'', 'the next version has its view');

new_database('plain', $present);
isnt(join('', differences('plain', 'next')), '', 'the versions differ');
$server->safe_psql('plain', "ALTER EXTENSION bbackup UPDATE TO '$next'");
is(join('', differences('plain', 'next')),
	'', 'after the update the objects are those of a new extension');

# --- The comparison finds what an upgrade script can forget.

my %forgotten = (
	'a comment' => [ 'function_comment', '', qr/the next/ ],
	'a changed comment' => [ 'comment', '', qr/as of the next version/ ],
	'a REVOKE' => [ 'revoke', '', qr/initially.*bb_next_timelines/ ],
	'a GRANT' => [ 'view_grant', '', qr/GRANT SELECT .* pg_monitor/ ],
	'rows to dump' => [ 'dump', '', qr/dumped: \|bb_next_rows/ ],
	'a key' => [ 'table', $part{table} =~ s/ PRIMARY KEY/ NOT NULL/r,
		qr/PRIMARY KEY/ ],
	'a property' => [ 'function', $part{function} =~ s/STABLE //r, qr/STABLE/ ]);
my $number = 0;
foreach my $what (sort keys %forgotten)
{
	my ($part, $text, $difference) = @{ $forgotten{$what} };
	my $database = 'without_' . ++$number;
	my %without = (%part, $part => $text);

	write_script("bbackup--$present--$next.sql", join '', @without{@order});
	new_database($database, $present);
	$server->safe_psql($database, "ALTER EXTENSION bbackup UPDATE TO '$next'");
	like(join('', differences($database, 'next')), $difference,
		"it finds that $what is missing");
}

# --- So does that of what the library is called with.

is_deeply([ changed_signatures('plain', 'fresh') ], [],
	'the next version calls the library as the present one does');
$server->safe_psql('without_1', q(
ALTER EXTENSION bbackup DROP FUNCTION bb_identify_source(name);
DROP FUNCTION bb_identify_source(name);
CREATE FUNCTION bb_identify_source(source name, OUT host text, OUT tli integer)
RETURNS record AS '$libdir/bbackup', 'bb_sql_identify_source' LANGUAGE C;));
is_deeply([ changed_signatures('without_1', 'fresh') ],
	['bb_sql_identify_source'], 'it finds columns that changed');

# --- A script that needs a newer library changes nothing.

write_script("bbackup--$present--$next.sql", $part{function} . q(
CREATE FUNCTION bb_future() RETURNS void
AS 'MODULE_PATHNAME', 'bb_sql_future' LANGUAGE C;
));
new_database('future', $present);
my $error;
$server->psql('future', "ALTER EXTENSION bbackup UPDATE TO '$next'",
	stderr => \$error);
like($error, qr/could not find function "bb_sql_future" in file ".*bbackup\.so"/,
	'a function that the library does not have');
is(join('', differences('future', 'fresh')), '', 'nothing has changed');

$server->stop;
done_testing();

# Names in another encoding: of files, directories, tablespaces and links.
# Backups have their bytes; rows and messages have valid text.

use strict;
use warnings;
use BBackup;
use Encode;

# "ä" in Latin 1, which is invalid in UTF-8
my $odd = "latin\xe4";
my $shown = 'latin\xE4';

my $base = PostgreSQL::Test::Utils::tempdir;
my $source = new_source('source', '-E', 'UTF8', '--locale', 'C');
my $tablespace = "$base/$odd.ts";
mkdir $tablespace, 0700 or die $!;
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS i');
mkdir "$base/plain", 0700 or die $!;
$source->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$base/plain'");
$source->safe_psql('postgres', 'CREATE TABLE u TABLESPACE elsewhere AS SELECT 2 AS i');
$source->stop;
my $directory = $source->data_dir;

# move the tablespace to a path that is invalid in UTF-8
my ($link) = glob "$directory/pg_tblspc/*";
my ($spc) = $link =~ m{/(\d+)$};
rmdir $tablespace or die $!;
rename "$base/plain", $tablespace or die $!;
unlink $link or die $!;
symlink $tablespace, $link or die $!;

append_to_file("$directory/$odd.conf", "# a file\n");
append_to_file("$directory/back\\slash \xc3\xa4.conf", "# text\n");
mkdir "$directory/dir$odd", 0700 or die $!;
append_to_file("$directory/dir$odd/$odd", "# below a directory\n");
append_to_file("$directory/dir$odd/large", '');
truncate "$directory/dir$odd/large", 17 << 20 or die $!;
append_to_file("$base/target$odd", "# behind a link\n");
symlink "$base/target$odd", "$directory/link$odd" or die $!;
append_to_file("$directory/base/$odd", 'x');

my $store = new_store('store');

# is_text - tests that a string is valid UTF-8.
sub is_text
{
	my ($bytes, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(defined eval { Encode::decode('UTF-8', my $copy = $bytes, Encode::FB_CROAK) }, $name)
	  or diag($bytes);
	return;
}

# asks - runs a query in a database; tests its result and its messages.
sub asks
{
	my ($database, $query, $name) = @_;
	my ($stdout, $stderr);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$store->psql($database, $query, stdout => \$stdout, stderr => \$stderr);
	is_text("$stdout\n$stderr", "$name: text");
	return ($stdout, $stderr);
}

# --- Import: all files are stored, and omitted ones are named.

my ($stdout, $stderr) = asks('postgres',
	"SELECT lsn FROM bb_import_directory(directory => '$directory')",
	'an import');
like($stdout, qr{^[0-9A-F]+/[0-9A-F]+$}, 'it succeeds');
like($stderr, qr/WARNING:  file ".*\/dir\Q$shown\E\/large" is omitted/,
	'a file in a directory of such a name is named');
like($stderr, qr/WARNING:  file ".*\/base\/\Q$shown\E" is omitted/,
	'and one in base');
like($stderr,
	qr/NOTICE:  file "link\Q$shown\E" is a symbolic link to ".*target\Q$shown\E"/,
	'and a link');

# --- Lists.

my $list = q(SELECT string_agg(path, ' ' ORDER BY path) FROM bb_files()
	WHERE path ~ 'latin|slash');
($stdout) = asks('postgres', $list, 'bb_files()');
is( $stdout,
	"back\\slash \xc3\xa4.conf dir$shown dir$shown/$shown $shown.conf link$shown",
	'it has all of them');
($stdout) = asks('postgres', 'SELECT location FROM bb_tablespaces()',
	'bb_tablespaces()');
is($stdout, "$base/$shown.ts", 'it has where the tablespace is');
($stdout) = asks('postgres',
	"SELECT convert_from(bb_read_file(path => '$shown.conf'), 'UTF8')",
	'bb_read_file()');
like($stdout, qr/^# a file$/m, 'it takes the name that is shown');

# --- Backups have the bytes.

my $clone = "$base/clone";
$store->safe_psql('postgres', "SELECT bb_restore(directory => '$clone',"
	  . " tablespace_mapping => '{\"$base/latin\\\\xE4.ts=$base/mapped\"}')");
foreach my $name ("$odd.conf", "back\\slash \xc3\xa4.conf", "dir$odd/$odd",
	"link$odd")
{
	is(slurp_file("$clone/$name"), slurp_file("$directory/$name"),
		'a file of the clone is as it was');
}
is(readlink "$clone/pg_tblspc/$spc", "$base/mapped",
	'a mapping takes the location that is shown');
command_ok([ 'pg_verifybackup', '-q', $clone ],
	'the manifest has the names, too');
my %names = map { $_ => 1 } tar_members(fetch_backup($store));
ok($names{'latin\344.conf'}, 'a tar has them');
($stdout, $stderr) = asks('postgres',
	"SELECT bb_restore(directory => '$clone', delta => true,"
	  . " tablespace_mapping => '{/nowhere=$base/mapped}')",
	'an error');
like($stderr, qr/DETAIL:  There are: $spc \(".*\Q$shown\E\.ts"\)/,
	'it names the location');
# a file with such a name is in the way of a delta
chmod 0, "$clone/dir$odd/$odd";
append_to_file("$clone/dir$odd/extra", 'x');
asks('postgres', "SELECT bb_restore(directory => '$clone', delta => true,"
	  . " tablespace_mapping => '{$spc=$base/mapped}')",
	'a delta');

is_text(slurp_file($store->logfile), "the server's log: text");

# --- Other encodings see the same store.

foreach my $encoding ('LATIN1', 'SQL_ASCII', 'EUC_JP')
{
	my $database = lc $encoding;

	$store->safe_psql('postgres',
		"CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding'"
		  . " LOCALE 'C'");
	$store->safe_psql($database, 'CREATE EXTENSION bbackup');
	# the bytes in the file system are valid in one encoding only
	local $ENV{PGCLIENTENCODING} = $encoding;
	my ($out, $err);
	$store->psql(
		$database,
		"SET client_min_messages = warning; SELECT lsn FROM bb_import_directory(directory => '$directory', timeline => '$database')",
		stdout => \$out,
		stderr => \$err);
	like($out, qr{^[0-9A-F]+/[0-9A-F]+$}, "$encoding: an import");
	$store->psql($database, $list =~ s/\(\)/(timeline => '$database')/r,
		stdout => \$out);
	my $as = $encoding eq 'EUC_JP' ? $shown : $odd;
	like($out, qr/(^| )\Q$as\E\.conf/, '... and what it shows');
	local $ENV{PGCLIENTENCODING};
	delete $ENV{PGCLIENTENCODING};
	($stdout) = asks('postgres', $list =~ s/\(\)/(timeline => '$database')/r,
		"$encoding: its timeline in UTF-8");
	like($stdout, qr/(^| )\Q$shown\E\.conf/, '... has the same files');
}

done_testing();

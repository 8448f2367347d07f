# backup_manifest, verified by stock pg_verifybackup.

use strict;
use warnings;
use BBackup;
use File::Path qw(rmtree);

srand draw_seed();

# Enough files that the manifest exceeds the memory that it may use.
my $source = new_source('source', '--data-checksums');
fill_source($source);
$source->safe_psql('postgres', 'DO $$ BEGIN FOR i IN 1..7000 LOOP'
	  . ' EXECUTE format(\'CREATE TABLE many_%s (a int)\', i);'
	  . ' IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$');
my $dump = dump_all($source);
$source->stop;
mkdir $source->data_dir . '/conf.d';
append_to_file($source->data_dir . "/conf.d/$_", "# $_\n")
  foreach 'a "quoted" name', 'back\\slash', "a tab\t", "caf\xc3\xa9", '{}';

my $store = new_store('store');
import_directory($store, $source->data_dir);

# extract - extract a backup with these arguments into a new directory.
sub extract
{
	my ($arguments, $name) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir . "/$name";
	my $tar = fetch_backup($store, $arguments);

	mkdir $directory, 0700 or die "$directory: $!";
	system_or_bail('tar', '-x', '-f', $tar, '-C', $directory);
	return ($directory, $tar);
}

sub verifies
{
	my ($directory, $name) = @_;
	my ($out, $err);
	my $result = IPC::Run::run [ 'pg_verifybackup', $directory ], '>', \$out,
	  '2>', \$err;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($result && $out =~ /successfully verified/ && $err eq '', $name)
	  or diag "$out$err";
	return;
}

# pg_verifybackup reports one of these.
sub complaint
{
	my ($directory, @options) = @_;
	my ($out, $err);
	my $result = IPC::Run::run [ 'pg_verifybackup', @options, $directory ],
	  '>', \$out, '2>', \$err;

	return $result ? 'none' : $err;
}

# --- Every variant verifies, and has the size that was reported.

foreach my $variant (
	'',
	'full_backup => false',
	"label => 'with a label'",
	"settings => 'source'",
	'new_tli => 77',
	"manifest => 'force-encode'",
	"manifest => 'on'",
	map { "manifest_checksums => '$_'" }
	qw(none crc32c sha224 sha256 sha384 SHA512))
{
	my $what = $variant || 'the defaults';
	my ($directory, $tar) = extract($variant, 'variant');
	my $checksum = $variant =~ /checksums => '(\w+)'/ ? uc $1 : 'CRC32C';
	my $manifest = slurp_file("$directory/backup_manifest");
	my %checksums =
	  map { $_ => 1 } $manifest =~ /"Checksum-Algorithm": "(\w+)"/g;

	verifies($directory, "$what: pg_verifybackup is content");
	is(join(' ', keys %checksums),
		$checksum eq 'NONE' ? '' : $checksum, "... with $checksum");
	ok(($variant =~ /force/) == ($manifest !~ /"Path"/),
		'... and paths as wanted');
	is( (tar_members($tar))[-1],
		'backup_manifest', '... and the manifest is the last member');
	is($store->safe_psql('postgres',
			    'SELECT sum(512 + (size + 511) / 512 * 512) + 1024 FROM'
			  . " bb_files($variant)"),
		-s $tar, '... and bb_files() knows its size');
	rmtree $directory;
}
ok(!grep({ $_ eq 'backup_manifest' }
		tar_members(fetch_backup($store, "manifest => 'no'"))),
	'no manifest with manifest => no');
query_is($store,
	"SELECT count(*) FROM bb_files(manifest => 'off') WHERE kind = 'manifest'",
	0, 'which bb_files() knows');

my ($full, $full_tar) = extract('', 'full');
is(slurp_file($full_tar), slurp_file(fetch_backup($store)),
	'a backup with a manifest has the same bytes again');
cmp_ok(-s "$full/backup_manifest",
	'>', 1 << 20, 'it was spooled to a temporary file');
like(slurp_file("$full/backup_manifest"),
	qr/"Path": "conf.d\/a \\"quoted\\" name"/, 'odd names are escaped');

# --- One byte of any file.

my ($thin) = extract('full_backup => false', 'thin');

# Files that pg_verifybackup ignores: see its documentation.
my $ignored = qr{^(?:pg_wal/.*|postgresql\.auto\.conf|backup_manifest)$};

# Change a byte, verify, and change it back.
sub flip
{
	my ($directory, $file, $offset, @options) = @_;
	my $old = patch_file("$directory/$file", $offset, "\0");

	patch_file("$directory/$file", $offset, chr(ord($old) ^ 1 << rand 8));
	my $said = complaint($directory, @options);
	patch_file("$directory/$file", $offset, $old);
	return $said;
}

sub contents
{
	my ($directory) = @_;

	return grep { !m{/$} && !/$ignored/ && -s "$directory/$_" }
	  files_below($directory);
}

# From 17 on, the control file is read before its checksum is verified.
sub is_noticed
{
	my ($file, $said) = @_;

	return $said =~ /checksum mismatch for file "\Q$file\E"/
	  || $file eq 'global/pg_control' && $said =~ /CRC is incorrect/;
}

my @thin = contents($thin);
my @full = contents($full);
my @unnoticed;
cmp_ok(scalar @thin, '>', 20, 'a thin backup has some files');
foreach my $file (@thin)
{
	my $said = flip($thin, $file, int rand -s "$thin/$file", '-n');

	push @unnoticed, "$file: $said" if !is_noticed($file, $said);
}
foreach (1 .. 30)
{
	my $file = $full[ rand @full ];
	my $said = flip($full, $file, int rand -s "$full/$file", '-n');

	push @unnoticed, "$file: $said" if !is_noticed($file, $said);
}
is("@unnoticed", '', 'a changed byte of any file is noticed');
like(flip($thin, 'backup_manifest', int rand -s "$thin/backup_manifest"),
	qr/error/, 'and one of the manifest');

# --- Missing files and extra files.

my ($relation) = grep { m{^base/\d+/\d+$} } @full;
rename "$full/$relation", "$full/../aside" or die $!;
like(complaint($full),
	qr/"\Q$relation\E" is present in the manifest but not on disk/,
	'a missing file is noticed');
rename "$full/../aside", "$full/$relation" or die $!;
append_to_file("$full/base/stray", 'x');
like(complaint($full),
	qr/"base\/stray" is present on disk but not in the manifest/,
	'and one too many');
unlink "$full/base/stray";

# --- The WAL.

my ($lsn, $tli) = slurp_file("$full/backup_manifest") =~
  /"Timeline": (\d+), "Start-LSN": "(\S+)"/
  ? ($2, $1)
  : die 'no WAL range';
is($tli, 2, 'the WAL is on the tli of the clone');
# of 19 on, pg_controldata's LSNs have zeros that those of our files don't have
my $location = $lsn =~ s{/0*}{/0*}r;
like(`pg_controldata -D '$full'`, qr{^Latest checkpoint location: +$location$}m,
	'and begins with the checkpoint of pg_control');
my ($segment) = grep { m{^pg_wal/[0-9A-F]{24}$} } files_below($full);
my ($offset) = map { hex($_) & 0xFFFFFF } $lsn =~ m{/(\w+)};
like(flip($full, $segment, $offset + 40),
	qr/WAL parsing failed for timeline 2/, 'a damaged record is noticed');
rename "$full/$segment", "$full/../aside" or die $!;
like(complaint($full),
	qr/WAL parsing failed for timeline 2/, 'and WAL that is missing');
rename "$full/../aside", "$full/$segment" or die $!;

verifies($full, 'after all that, it verifies again');
my $clone = new_clone('clone', $full_tar);
$clone->start;
same_dump(dump_all($clone), $dump, 'a clone with a manifest works');
$clone->stop;

# --- A consumer that stops early leaves nothing behind: checksums and files
# belong to no transaction.

my $session = start_session($store);

sub leaves_nothing
{
	my ($name) = @_;
	my @open = grep { /pgsql_tmp|bbackup/ }
	  backend_descriptors($session->{backend});
	my @files = glob $store->data_dir . '/base/pgsql_tmp/*';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("@open @files", ' ', $name);
	return;
}

my $chunk = "SELECT length(bb_basebackup_stream(manifest_checksums => 'sha512'))";
my $chunks = ask($session,
	"SELECT count(*) FROM (SELECT bb_basebackup_stream(manifest_checksums => 'sha512')) s"
);
leaves_nothing('a whole stream leaves nothing behind');
query_like($session, "$chunk LIMIT 3", qr/\A\d+\n\d+\n\d+\z/,
	'a few chunks come without a warning');
leaves_nothing('one that is given up');

ask($session, 'BEGIN; SAVEPOINT outer_one');
ask($session, "DECLARE c CURSOR FOR $chunk");
ask($session, 'SAVEPOINT inner_one');
# far enough for a temporary file
query_like($session, 'FETCH ' . ($chunks - 8) . ' FROM c',
	qr/\A(?:\d+\n)+\d+\z/, 'a cursor is read in a savepoint');
cmp_ok(scalar(grep { /pgsql_tmp/ } backend_descriptors($session->{backend})),
	'>', 0, 'it has its temporary file open');
query_is($session, 'ROLLBACK TO inner_one', '',
	'whose rollback does not touch it');
query_like($session, 'FETCH ALL FROM c', qr/\A(?:\d+\n)+\d+\z/,
	'the rest comes after that');
query_is($session, 'ROLLBACK TO outer_one; COMMIT', '', 'the end is silent');
leaves_nothing('a cursor leaves nothing');

ask($session, "BEGIN; DECLARE c CURSOR FOR $chunk");
ask($session, 'FETCH ' . ($chunks - 8) . ' FROM c');
query_like($session, 'SELECT 1/0', qr/\AERROR:  22012/, 'an error');
query_is($session, 'ROLLBACK', '', 'ends one silently');
leaves_nothing('an error leaves nothing');

ask($session, "BEGIN; DECLARE c CURSOR WITH HOLD FOR $chunk LIMIT 3; COMMIT");
query_like($session, 'FETCH ALL FROM c', qr/\A\d+\n\d+\n\d+\z/,
	'a cursor with hold');
ask($session, 'CLOSE c');
leaves_nothing('leaves nothing either');

query_like($session, "SET statement_timeout = '300ms';"
	  . " SELECT length(bb_basebackup_stream(max_rate => 32, manifest_checksums => 'sha512'))",
	qr/57014: canceling/, 'one that is cancelled');
leaves_nothing('leaves nothing');
ask($session, 'RESET statement_timeout');

# temp_file_limit applies to it
query_like($session, "SET temp_file_limit = 100; $chunk",
	qr/53400: temporary file size exceeds/, 'temp_file_limit holds');
leaves_nothing('which leaves nothing');
end_session($session);
unlike(slurp_file($store->logfile), qr/leak/,
	'nothing was leaked, says the server');

done_testing();

# Encrypted page stores: they work as others do, no plaintext is on disk, another
# program decrypts them, keys are given in three ways, rotated and never shown.

use strict;
use warnings;
use BBackup;
use BBackup::Decrypt;
use BBackup::Files qw(slurp write_file);
use BBackup::S3;
use File::Basename;
use File::Path qw(make_path);

srand draw_seed();

my ($base, $archive, $middle) = filled_archive('--data-checksums');
my $store = new_store('store',
	"bbackup.checkpoint_distance = 4MB\nlog_min_messages = debug1\n");
my $place = PostgreSQL::Test::Utils::tempdir;
my @keys = map { join '', map { sprintf '%02x', int rand 256 } 1 .. 32 } 1 .. 3;

sub write_keys
{
	my ($file, @which) = @_;

	write_file("$place/$file", join '', map { "$_\n" } @which);
	chmod 0600, "$place/$file";
	return "$place/$file";
}

sub create
{
	my ($name, $directory, $options) = @_;

	$store->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER bbackup"
		  . " OPTIONS (url 'file://$place/$directory'"
		  . (defined $options ? ", $options" : '') . ')');
	return;
}

# fails - one test: a statement raises an error that matches.
sub fails
{
	my ($sql, $pattern, $name, @options) = @_;
	my (undef, undef, $error) = $store->psql('postgres', $sql, @options);

	like($error, $pattern, $name);
	return;
}

sub md5_of
{
	my ($server, $arguments) = @_;

	return $store->safe_psql('postgres', backup_md5($server, $arguments));
}

sub objects_of
{
	my ($directory) = @_;

	return grep { -f "$directory/$_" } files_below($directory);
}

# contains - which of some texts are in the files of a directory?
sub contains
{
	my ($directory, @texts) = @_;
	my $all = join "\n", map { slurp("$directory/$_") } objects_of($directory);

	return join ' ', grep { index($all, $_) >= 0 } @texts;
}

# ---- the same store, plain and encrypted ----

write_keys('key', "# the key of the test", $keys[0]);
create('vault', 'vault', "encryption_key_file '$place/key'");
foreach my $server ('bbackup', 'vault')
{
	$store->safe_psql('postgres',
		"SELECT * FROM bb_import_directory('$base', '$server')");
	$store->safe_psql('postgres',
		"SELECT * FROM bb_ingest('$archive', '$server')");
}
my $columns = 'timeline, start_lsn, end_lsn, generation, layers, bytes_stored';
is( $store->safe_psql('postgres', "SELECT $columns FROM bb_timelines('vault')"),
	$store->safe_psql('postgres', "SELECT $columns FROM bb_timelines()"),
	'the timelines are the same');
my $md5 = md5_of('bbackup');
my $md5_middle = md5_of('bbackup', "lsn => '$middle'");
is(md5_of('vault'), $md5, 'so is a backup');
is(md5_of('vault', "lsn => '$middle'"), $md5_middle, 'and one before');

# What is in every layer and manifest, and in pages.
my @texts = ("bblayer\n", "bbfoot1\n", "bbmanif\n", 'pg_catalog', 'pg_default');
my $plain = store_directory($store);
is(contains($plain, @texts), "@texts", 'texts are in the plain store');
is(contains("$place/vault", @texts), '', 'and not in the encrypted one');

query_is($store,
	"SELECT encrypted, store_key = given_key, data_keys,"
	  . " data_key_created > now() - interval '1 hour' FROM bb_encryption('vault')",
	't|t|1|t', 'its keys');
query_is($store, 'SELECT encrypted, store_key FROM bb_encryption()',
	'f|', 'a plain store has none');

# ---- decrypted by another program ----

my %data_keys = open_keyring(slurp("$place/vault/keyring"), pack 'H*', $keys[0]);
my @names = grep { /^timelines/ } objects_of("$place/vault");
my ($manifest) = grep { /manifest$/ } @names;
like(open_checked(slurp("$place/vault/$manifest"), $manifest, %data_keys),
	qr/^bbmanif\n.*main/s, 'the manifest is decrypted as format.md says');
foreach my $name (@names)
{
	make_path(dirname("$place/decrypted/$name"));
	write_file("$place/decrypted/$name",
		open_object(slurp("$place/vault/$name"), $name, %data_keys));
}
create('decrypted', 'decrypted');
is(md5_of('decrypted'), $md5, 'and so are all objects: a plain store');
ok(!eval { open_keyring(slurp("$place/vault/keyring"), pack 'H*', $keys[1]) },
	'by the right key only');

# Damaged layers.
my @layers = grep { /layers/ } objects_of("$place/vault");
my @old = map { patch_file("$place/vault/$_", 200, 'damaged') } @layers;
fails(backup_md5('vault'), qr/encrypted object "[^"]+" is corrupted/,
	'damage is noticed');
query_is($store, "SELECT count(DISTINCT layer) FROM bb_verify('vault')",
	scalar @layers, 'verification names the layers');
patch_file("$place/vault/$layers[$_]", 200, $old[$_]) foreach 0 .. $#layers;
is(md5_of('vault'), $md5, 'and repaired');

# ---- keys that are missing or wrong ----

write_keys('wrong', $keys[1]);
create('wrong', 'vault', "encryption_key_file '$place/wrong'");
create('nokey', 'vault');
create('none', 'vault', "encrypted 'true'");
fails("SELECT * FROM bb_timelines('wrong')",
	qr/wrong encryption key for page store.*needs the key with the id [0-9a-f]{16}; given: [0-9a-f]{16}/s,
	'a wrong key');
fails(backup_md5('nokey'), qr/page store "[^"]*" is encrypted.*HINT/s,
	'no key');
fails("SELECT * FROM bb_import_directory('$base', 'nokey', 'other')",
	qr/page store "[^"]*" is encrypted/, 'nothing plain is added');
fails("SELECT * FROM bb_timelines('none')",
	qr/there is no encryption key for the page store/, 'a key is required');
chmod 0644, "$place/wrong";
fails("SELECT * FROM bb_timelines('wrong')", qr/is not private/,
	'a file that others can read');
$store->safe_psql('postgres',
	"CREATE SERVER late FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url 'file://$plain', encryption_key_file '$place/key')");
fails(backup_md5('late'),
	qr/not encrypted, but the page store is.*bb_replicate/s,
	'a plain store does not become encrypted');
fails("SELECT * FROM bb_import_directory('$base', 'late', 'other')",
	qr/has objects, but no key ring/, 'nor is it written to as one');
is(contains("$place/vault", @texts), '', 'still nothing plain is there');

# ---- by a command, and in user mappings ----

create('told', 'vault',
	"encryption_key_command 'env > $place/env; cat $place/key'");
is(md5_of('told'), $md5, 'a command prints the key');
unlike(slurp("$place/env"), qr/$keys[0]/, 'which is not in its environment');
create('broken', 'vault', "encryption_key_command 'exit 7'");
fails("SELECT * FROM bb_timelines('broken')",
	qr/encryption_key_command of the page store failed.*exit code 7/s,
	'a command that fails');

$store->safe_psql('postgres', qq(
CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER bbackup TO ann;
GRANT USAGE ON FOREIGN SERVER none TO ann, bob;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO ann, bob;
CREATE USER MAPPING FOR ann SERVER none OPTIONS (encryption_key '$keys[0]')));
is($store->safe_psql('postgres', backup_md5('none'), extra_params => [ '-U', 'ann' ]),
	$md5, 'a user mapping has the key');
fails("SELECT * FROM bb_timelines('none')", qr/there is no encryption key/,
	'other users do not', extra_params => [ '-U', 'bob' ]);
fails("CREATE SERVER a FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url 's3://bucket', encryption_key_$_ '/x')",
	qr/permission denied.*pg_(read_server_files|execute_server_program)/s,
	"a $_ takes a privilege", extra_params => [ '-U', 'ann' ])
  foreach 'file', 'command';

# ---- rotation ----

my %before = map { $_ => slurp("$place/vault/$_") } objects_of("$place/vault");
write_keys('key', $keys[1]);
fails("SELECT * FROM bb_rotate_key('vault')", qr/wrong encryption key/,
	'the old key is needed to rotate');
write_keys('key', @keys[ 1, 0 ]);
query_is($store, "SELECT store_key = given_key FROM bb_encryption('vault')",
	'f', 'the new key is given');
query_is($store,
	"SELECT store_key = given_key, data_keys FROM bb_rotate_key('vault')",
	't|1', 'and becomes the key of the store');
my @changed = grep { slurp("$place/vault/$_") ne $before{$_} } sort keys %before;
is("@changed", 'keyring', 'only the key ring was written');
write_keys('key', $keys[1]);
is(md5_of('vault'), $md5, 'the old key is not needed any more');
fails("SELECT * FROM bb_timelines('none')", qr/wrong encryption key/,
	'nor is it of any use', extra_params => [ '-U', 'ann' ]);

my $session = start_session($store);
is(ask($session, backup_md5('vault')), $md5, 'a session knows one data key');
query_is($store,
	"SELECT data_keys FROM bb_rotate_key('vault', new_data_key => true)",
	2, 'another data key');
$store->safe_psql('postgres', "SELECT bb_create_branch('b', store => '$_')")
  foreach 'bbackup', 'vault';
is( ask($session, backup_md5('vault', "timeline => 'b'")),
	md5_of('bbackup', "timeline => 'b'"),
	'the session finds the new one');
end_session($session);
%data_keys = open_keyring(slurp("$place/vault/keyring"), pack 'H*', $keys[1]);
is(scalar keys %data_keys, 2, 'the key ring has both');
$manifest = 'timelines/b/manifest';
is(unpack('x16V', slurp("$place/vault/$manifest")), 2, 'the new one is used');
like(open_checked(slurp("$place/vault/$manifest"), $manifest, %data_keys),
	qr/^bbmanif\n/, 'by what is written now');

# ---- copies, moves, upkeep, verification ----

write_keys('other', $keys[2]);
create('second', 'second', "encryption_key_file '$place/other'");
$store->safe_psql('postgres', "SELECT * FROM bb_replicate('main', 'bbackup', 'second')");
is(md5_of('second'), $md5, 'a copy of a plain store is encrypted');
is(contains("$place/second", @texts), '', 'as nothing in it is plain');
create('third', 'third');
$store->safe_psql('postgres', "SELECT bb_detach_copy('main', 'second')");
$store->safe_psql('postgres', "SELECT bb_move('main', 'second', 'third')");
is(md5_of('third'), $md5, 'moved to a plain store, it is plain again');
is(contains("$place/third", @texts), "@texts", 'all of it');
$store->safe_psql('postgres', "SELECT count(*) FROM bb_upkeep('vault')");
is(md5_of('vault', "lsn => '$middle'"), $md5_middle, 'after upkeep');
query_is($store, "SELECT count(*) FROM bb_verify('vault')", 0,
	'verification finds nothing');

# ---- nothing shows a key ----

my $log = slurp($store->logfile);
my $stats = $store->safe_psql('postgres',
	'SELECT string_agg(s::text, $$,$$) FROM bb_access_stats s')
  . $store->safe_psql('postgres', 'SELECT string_agg(query, $$,$$) FROM pg_stat_activity');
my $shown = join ' ', grep { $log =~ /$_/i || $stats =~ /$_/i } @keys;

is($shown, '', 'no key is in the log or in statistics');

# ---- object storage, with a cache ----

SKIP:
{
	skip 'Swift is not installed', 4 unless BBackup::S3::available();
	my $s3 = BBackup::S3->start_or_skip;

	write_keys('key', $keys[0]);
	$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/vault',
			"encryption_key_file '$place/key',"
			  . " cache_directory '$place/cache', cache_size '1GB'"));
	$store->safe_psql('postgres',
		"SELECT * FROM bb_import_directory('$base', 'cloud');"
		  . "SELECT * FROM bb_ingest('$archive', 'cloud')");
	is(md5_of('cloud'), $md5, 'a backup from object storage');
	cmp_ok(scalar(objects_of("$place/cache")), '>', 1, 'the cache has layers');
	is(contains("$place/cache", @texts), '', 'which are encrypted');
	is(contains("$s3->{directory}/devices", @texts),
		'', 'as those in the bucket are');
}

done_testing();

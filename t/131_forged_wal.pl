# WAL records that no server writes, with correct CRCs: ingest raises an error
# that names the record and the problem, and keeps everything before it.  Also
# records that a server could have written, of blocks far beyond the end of a
# file: the result is that of recovery, without the memory or time that their
# block numbers suggest.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../test/fuzz";

use BBackup;
use BBackup::Oracle;
use BBackup::Version;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;
use WalRecord;

my $source = new_workload_source('source', 'segsize');
my $base = PostgreSQL::Test::Utils::tempdir . '/base';

$source->append_conf('postgresql.conf', 'wal_compression = lz4');
$source->safe_psql('postgres', q(
-- a row a page, so that a page has one record, which initialises it
CREATE TABLE wide (i int, t char(5000));
ALTER TABLE wide ALTER t SET STORAGE plain;
CREATE TABLE cut (i int);
CREATE TABLE deep (i int, t char(5000));
ALTER TABLE deep ALTER t SET STORAGE plain;
INSERT INTO deep SELECT i, 'old' FROM generate_series(1, 3000) i;
));
my %rel = map {
	$_ => $source->safe_psql('postgres', "SELECT pg_relation_filenode('$_')")
} qw(wide cut deep);
my $db = $source->safe_psql('postgres',
	q(SELECT oid FROM pg_database WHERE datname = 'postgres'));
$source->stop;
BBackup::Oracle::keep_base($source, $base);
$source->start;
$source->safe_psql('postgres', "INSERT INTO wide VALUES ($_, 'a')")
  foreach 1 .. 30;
$source->safe_psql('postgres', q(
INSERT INTO cut SELECT generate_series(1, 5000);
DELETE FROM cut;
VACUUM cut;
));
$source->safe_psql('postgres', "INSERT INTO wide VALUES ($_, 'b')")
  foreach 31 .. 35;
$source->safe_psql('postgres', q(
DELETE FROM deep;
VACUUM deep;
INSERT INTO deep VALUES (1, 'new');
CREATE TABLE indexed AS SELECT i, ARRAY[i, i % 7] a FROM generate_series(1, 2000) i;
CREATE INDEX ON indexed USING gin (a);
CREATE INDEX ON indexed USING hash (i);
VACUUM indexed;
BEGIN; SAVEPOINT s; INSERT INTO cut VALUES (1); RELEASE s;
INSERT INTO cut VALUES (2); COMMIT;
CREATE TABLE gone AS SELECT 1 AS i; DROP TABLE gone;
BEGIN; INSERT INTO cut VALUES (3); PREPARE TRANSACTION 'p';
VACUUM FULL pg_class;
CREATE DATABASE copied STRATEGY file_copy;
DROP DATABASE copied;
CREATE TABLESPACE there LOCATION '';
SELECT * FROM indexed WHERE i = 1 FOR SHARE;
SELECT pg_create_restore_point('here');
CHECKPOINT;
));
my $archive = BBackup::Oracle::finish_archive($source);
my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive);

my $start = $store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()');
my $wal = BBackup::WAL->new($archive, $start);
my $records = WalRecord->new($archive, $wal->{segment_size});

# --- Finding and changing records

# Some records of a kind, by number.
sub numbers_of { return @{ $wal->places_of($_[0]) } }

# All records that initialize a page of a relation by inserting a row.
sub inserts_of
{
	my ($rel) = @_;

	return grep {
		my $bytes = $records->read($wal->start_of($_))->{bytes};
		my ($info, $rmgr) = unpack 'x16 C C', $bytes;

		$rmgr == 10 && ($info & 0xF0) == 0x80
		  && grep { $_->[2] == $rel } WalRecord::blocks($bytes)
	} 0 .. $wal->{count} - 1;
}

# set - change fields of a record: name => number or a function of the present
# number; for a part, "name + offset" => packed bytes.
sub set
{
	my ($bytes, %values) = @_;
	my %format = (1 => 'C', 2 => 'v', 4 => 'V', 8 => 'Q<');

	foreach my $key (sort keys %values)
	{
		my ($name, $offset) = $key =~ /^(.*?)(?: \+ (\d+))?$/;
		my ($field) = grep { $_->[0] eq $name } WalRecord::fields($bytes);

		die "no $name" if !defined $field;
		if (defined $offset)
		{
			substr($bytes, $field->[1] + $offset, length $values{$key}) =
			  $values{$key};
		}
		else
		{
			my $value = $values{$key};

			$value = $value->(unpack $format{ $field->[2] },
				substr $bytes, $field->[1], $field->[2])
			  if ref $value;
			substr($bytes, $field->[1], $field->[2]) =
			  pack $format{ $field->[2] }, $value;
		}
	}
	return WalRecord::seal($bytes);
}

# Make a branch that ends before a record.
sub branch_before
{
	my ($number) = @_;

	$store->safe_psql('postgres', "SELECT bb_drop_timeline('forged')")
	  if $store->safe_psql('postgres',
		"SELECT count(*) FROM bb_timelines() WHERE timeline = 'forged'");
	$store->safe_psql('postgres',
		"SELECT bb_create_branch(timeline => 'forged', lsn => '"
		  . lsn_text($wal->end_of($number - 1)) . "')");
	return;
}

# refused - one test: with these fields changed, ingest says what is wrong, in
# its message or the detail.
sub refused
{
	my ($kind, $values, $expected, $name, $number) = @_;
	$number //= (numbers_of($kind))[-1];

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return fail("$name: there is no $kind") if !defined $number;
	my $lsn = $wal->start_of($number);
	my $record = $records->read($lsn);

	branch_before($number);
	$records->write($record, set($record->{bytes}, %$values));
	my $text = lsn_text($lsn);
	fails_like($store,
		"SELECT bb_ingest(wal_directory => '$archive', timeline => 'forged')",
		qr/ERROR:  XX001: (?:WAL record at $text, \S+, is not valid\n.*DETAIL:  .*|checkpoint record at $text is .*)$expected/s,
		$name);
	$records->write($record, $record->{bytes});
	return;
}

# --- Block references

my $fpi = 'XLOG FPI FPW';
my ($image) = grep {
	grep { $_->[0] eq 'block 0 image' && $_->[2] > 200 }
	  WalRecord::fields($records->read($wal->start_of($_))->{bytes})
} numbers_of($fpi);
refused($fpi, { 'block 0 hole_offset' => 8000 },
	qr/hole of \d+ bytes at offset 8000/, 'a hole that ends outside of the page');
refused($fpi, { 'block 0 hole_length' => 60000 },
	qr/hole of 60000 bytes/, 'a hole longer than a page');
refused($fpi, { 'block 0 bimg_info' => 0x02 | 0x01 | 0x04 | 0x08 },
	qr/several compression methods/, 'two compression methods');
refused($fpi, { 'block 0 image + 0' => "\0" x 64 },
	qr/can't be decompressed to \d+ bytes/, 'an image that is no image', $image);
refused($fpi, { 'block 0 hole_length' => 24 },
	qr/can't be decompressed to 8168 bytes/,
	'an image that is too short for the page', $image);
refused($fpi, { 'block 0 fork_flags' => 0x10 | 0x09 },
	qr/impossible fork 9/, 'a fork that there is none');
refused($fpi, { 'block 0 block' => 0xFFFFFFFF },
	qr/impossible block 4294967295/, 'the block that is none');
refused($fpi, { 'block 0 rel' => 0 },
	qr{impossible relation 1663/\d+/0}, 'a relation without a number');
refused($fpi, { 'block 0 spc' => 1664 },
	qr{impossible relation 1664/}, 'a relation of a database in pg_global');
SKIP:
{
	skip '19 and later have no Heap2 VISIBLE', 2 if pg_major() >= 19;
	refused('Heap2 VISIBLE', { 'block 0 fork_flags' => sub { $_[0] & 0xF0 } },
		qr/not that of the heap block/, 'a visibility map that is none');
	refused('Heap2 VISIBLE', { 'block 0 block' => 7 },
		qr/not that of the heap block/, 'another page of the visibility map');
}

# --- Main data

my $negative = pack 'l<', -1;
my $large = pack 'l<', 0x7FFFFFFF;

refused('Transaction PREPARE', { 'main data + 8' => pack 'L<', 4_000_000_000 },
	qr/prepares 4000000000/, 'a transaction that is not its own');
refused('Transaction PREPARE', { 'main data + 36' => $negative },
	qr/do not agree with the counts and lengths/, 'a prepared transaction with -1 children');
refused('Transaction PREPARE', { 'main data + 40' => $large },
	qr/do not agree with the counts and lengths/, 'a prepared transaction that drops 2 billion relations');
refused('Transaction PREPARE', { 'main data + 4' => $large },
	qr/do not agree with the counts and lengths/, 'a state file of another length');
refused('Transaction COMMIT with rels', { 'main data + 20' => $large },
	qr/do not agree with the counts and lengths/, 'a commit with more than it has');
refused('Transaction COMMIT', { 'main data + 0' => pack 'Q<', 1 << 62 },
	qr/time 4611686018427387904 is impossible/, 'a commit in the year 148115');
refused('Transaction COMMIT', { 'main data + 0' => pack 'q<', -1 << 52 },
	qr/time -4503599627370496 is impossible/, 'a commit in the year 1857');
refused('XLOG RESTORE_POINT', { 'main data + 0' => pack 'Q<', 1 << 62 },
	qr/time 4611686018427387904 is impossible/, 'a restore point in the year 148115');
refused('XLOG RESTORE_POINT', { 'main data + 8' => 'x' x 64 },
	qr/name has no end/, 'a restore point whose name goes on');
refused('Storage CREATE', { 'main data + 12' => pack 'l<', 9 },
	qr/cannot be a fork 9/, 'a fork 9 created');
refused('Storage CREATE', { 'main data + 8' => pack 'l<', 0 },
	qr/cannot be a relation/, 'relation 0 created');
refused('RelMap UPDATE', { 'main data + 8' => $large },
	qr/relation map of 2147483647 bytes/, 'a relation map of 2 GB');
refused('RelMap UPDATE', { 'main data + 16' => $large },
	qr/relation map is not valid: Its magic number is/, 'a relation map that is damaged');
refused('Database CREATE_FILE_COPY', { 'main data + 0' => pack 'l<', 0 },
	qr/cannot be a database 0/, 'database 0 created');
refused('Database DROP', { 'main data + 4' => $large },
	qr/claims 2147483647 items/, 'a database dropped in 2 billion tablespaces');
refused('Tablespace CREATE', { 'main data + 0' => pack 'l<', 1663 },
	qr/Tablespace 1663 is neither/, 'pg_default created');
refused('Tablespace CREATE', { 'main data + 0' => pack 'l<', 5 },
	qr/Tablespace 5 is neither/, 'a tablespace of the system created');
refused('XLOG CHECKPOINT_ONLINE', { 'main data + 8' => pack 'l<', 7 },
	qr/timeline ID 7, but WAL is of timeline ID 1/, 'a checkpoint of another timeline ID');
refused('XLOG CHECKPOINT_ONLINE', { 'main data + 16' => "\2" },
	qr/instead of true or false/, 'a boolean that is neither');
# (CheckPoint in pg_control.h)
my $next = pg_major() >= 19 ? 32 : 24;
refused('XLOG CHECKPOINT_ONLINE', { "main data + $next" => pack 'Q<', 1 },
	qr/cannot be a next transaction 1/, 'a next transaction that is none');

# --- Blocks far beyond the end: the result of recovery

my $forged = PostgreSQL::Test::Utils::tempdir . '/forged';
copy_directory($archive, $forged);
my $forgery = WalRecord->new($forged, $wal->{segment_size});

sub forge
{
	my ($number, %values) = @_;
	my $record = $forgery->read($wal->start_of($number));

	$forgery->write($record, set($record->{bytes}, %values));
	return;
}

my @wide = inserts_of($rel{wide});
my ($deep) = inserts_of($rel{deep});
# of the heap and its maps
my ($truncate) = grep { $_ > $wide[29] } numbers_of('Storage TRUNCATE');

is(scalar @wide, 35, 'each row of the table has a page');
forge($wide[20], 'block 0 block' => 4020);
forge($truncate, 'main data + 0' => pack('V', 2000),
	'main data + 12' => pack('V', $rel{wide}));
forge($wide[34], 'block 0 block' => 9000);
forge($deep, 'block 0 block' => 2500);

my $oracle = BBackup::Oracle->new(base => $base, archive => $forged);
local $ENV{BBACKUP_FILES_ONLY} = 1;

# once entirely in memory, once flushed all the time
foreach my $distance (256, 1)
{
	my $timeline = "gaps$distance";

	import_directory($store, $base, $timeline);
	$store->safe_psql('postgres',
		"SET bbackup.checkpoint_distance = $distance; SELECT end_lsn"
		  . " FROM bb_ingest(wal_directory => '$forged',"
		  . " timeline => '$timeline', until => '"
		  . lsn_text($wal->end_of($deep))
		  . "')");
	$oracle->check($store, $timeline, $wal->end_of($_->[0]), $_->[1])
	  foreach (
		[ $wide[20], 'a gap' ],
		[ $wide[29], 'pages in the gap' ],
		[ $truncate, 'a truncation into the gap' ],
		[ $wide[34], 'a second gap behind' ],
		[ $deep, 'a gap where other pages were' ]);
	is( $store->safe_psql('postgres',
			backup_md5('bbackup', "timeline => '$timeline', jobs => 2")),
		$store->safe_psql('postgres',
			backup_md5('bbackup', "timeline => '$timeline'")),
		'the same with workers');
}
query_is($store, "SELECT bb_get_page(tablespace => 1663, database => $db,"
	  . " relfilenode => $rel{deep}, fork => 'main', block => 2400,"
	  . " timeline => 'gaps1') = decode(repeat('00', 8192), 'hex')",
	't', 'a page of the gap is read by itself');
ok( (grep { /^image-42/ } stored_layers($store, 'gaps1')) >= 3,
	'what was there before is hidden by layers');

# --- Block 4 billion

my $far = 4_000_000_000;
my $number = $wide[5];
my $record = $records->read($wal->start_of($number));
my $changed = set($record->{bytes}, 'block 0 block' => $far);

branch_before($number);
$records->write($record, $changed);
my $session = start_session($store);
my $before = backend_status($session->{backend}, 'VmHWM');
ask($session, "SET statement_timeout = '60s'");
my $until = lsn_text($wal->end_of($number));
query_is($session, "SELECT end_lsn FROM bb_ingest(wal_directory => '$archive',"
	  . " timeline => 'forged', until => '$until')",
	$until, 'a record of block 4 billion is ingested');
$records->write($record, $record->{bytes});
cmp_ok(backend_status($session->{backend}, 'VmHWM') - $before,
	'<', 64 * 1024, 'in little memory');
query_is($session, "SELECT pages FROM bb_relations(timeline => 'forged')"
	  . " WHERE relfilenode = $rel{wide} AND fork = 'main'",
	$far + 1, 'the relation has as many pages');
my $get = "SELECT md5(bb_get_page(tablespace => 1663, database => $db,"
  . " relfilenode => $rel{wide}, fork => 'main', timeline => 'forged',"
  . ' block => ';
is(ask($session, "$get 3999999999))"),
	ask($session, q(SELECT md5(decode(repeat('00', 8192), 'hex')))),
	'its pages are zeros');
isnt(ask($session, "$get $far))"), ask($session, "$get 17))"), 'but the last');
query_is($session, "SELECT count(*) FROM bb_files(timeline => 'forged')"
	  . " WHERE path ~ '/$rel{wide}(\\.|\$)'",
	30518, 'it would be a backup of 30518 segments');
query_like($session, "SET statement_timeout = '2s'; SELECT sum(length(c)) FROM"
	  . " bb_basebackup_stream(timeline => 'forged') c",
	qr/57014/, 'which is cancelled at once');
end_session($session);

$store->stop;
done_testing();

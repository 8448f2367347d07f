# What ingest refuses, and that it keeps all before it.

use strict;
use warnings;
use BBackup;
use File::Copy qw(copy);
use POSIX qw(mkfifo);

use constant SEGMENT_SIZE => 1024 * 1024;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '', '--wal-segsize=1');
$source->stop;
my $store = new_store('store');
my $imported = import_directory($store, $source->data_dir);
my $start = $imported->{lsn};

# a few segments of WAL
$source->start;
create_rows($source, 50000);
my $middle =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->safe_psql('postgres', 'UPDATE t SET i = i + 1');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

my @segments = sort map { s{.*/}{}r } grep { /\/[0-9A-F]{24}$/ }
  glob "$archive/*";
cmp_ok(scalar @segments, '>', 8, 'there are some segments');

# A copy of the archive, with something done to it.
sub archive_with
{
	my ($change) = @_;
	my $copy = copy_directory($archive,
		PostgreSQL::Test::Utils::tempdir . '/archive');

	$change->($copy) if defined $change;
	return $copy;
}

sub end_of
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
}

# one test: "a < b" as LSNs
sub before
{
	my ($a, $b, $name) = @_;

	query_is($store, "SELECT '$a'::pg_lsn < '$b'", 't', "$name ($a < $b)");
	return;
}

# Every case has a timeline of its own, all with the same beginning.
my $case = 0;
sub branch
{
	my $name = 'case' . ++$case;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	return $name;
}

sub ingest_sql
{
	my ($directory, $timeline, $until) = @_;

	return "SELECT * FROM bb_ingest('$directory', timeline => '$timeline'"
	  . (defined $until ? ", until => '$until')" : ')');
}

# ---- until ----

my $timeline = branch();
my %row = ingest($store, $archive, $timeline, $middle);
is($row{end_lsn}, $middle, 'until the end of a record: up to there');
fails_like($store, ingest_sql($archive, $timeline, $start),
	qr/22023: .* is before the end of timeline/, 'until before the end');
my $inside = $store->safe_psql('postgres', "SELECT '$middle'::pg_lsn + 3");
%row = ingest($store, $archive, $timeline, $inside);
is("$row{end_lsn} $row{records}", "$middle 0",
	'until within a record: up to the one before');
fails_like($store, ingest_sql($archive, $timeline, 'F/0'),
	qr/58P01: WAL segment .* is missing from directory/,
	'until beyond the end');
my $whole_end = end_of($timeline);
before($middle, $whole_end, 'all that there was is kept');

# ---- a gap ----

$timeline = branch();
my $gone = $segments[4];
my $gap = archive_with(sub { unlink "$_[0]/$gone" or die $! });
fails_like($store, ingest_sql($gap, $timeline),
	qr/58P01: WAL segment "$gone" is missing from directory .*there is later WAL, in "$segments[5]"/s,
	'a missing segment is named');
before($start, end_of($timeline), 'all before it is kept');
%row = ingest($store, $archive, $timeline);
is($row{end_lsn}, $whole_end, 'with the segment there it goes on');

# ---- the end of WAL: no error ----

$timeline = branch();
my $short = archive_with(sub {
	my $partial = $segments[3];

	unlink map { "$_[0]/$_" } @segments[ 4 .. $#segments ];
	rename "$_[0]/$partial", "$_[0]/$partial.partial" or die $!;
	truncate "$_[0]/$partial.partial", SEGMENT_SIZE / 2 or die $!;
});
%row = ingest($store, $short, $timeline);
cmp_ok($row{records}, '>', 100, 'a partial last segment');
%row = ingest($store, $archive, $timeline);
is($row{end_lsn}, $whole_end, 'and the whole archive after it');

# ---- a broken record ----

foreach my $in ($segments[4], $segments[$#segments - 1])
{
	$timeline = branch();
	my $broken = archive_with(
		sub { patch_file("$_[0]/$in", SEGMENT_SIZE / 2, "\x55" x 16) });
	my ($stdout, $stderr);
	$store->psql(
		'postgres', ingest_sql($broken, $timeline),
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr,
		qr/XX001: WAL record at ([0-9A-F]+\/[0-9A-F]+) is broken.*DETAIL: .*$in"/s,
		'a broken record is named');
	my ($lsn) = $stderr =~ /WAL record at (\S+) is broken/;
	my $end = end_of($timeline);
	query_is($store, "SELECT '$lsn'::pg_lsn - '$end'::pg_lsn < 48", 't',
		"all before it is kept ($lsn, $end)");
	%row = ingest($store, $archive, $timeline);
	is($row{end_lsn}, $whole_end, 'with the segment repaired it goes on');
}

# ---- WAL of others ----

my $other = new_source('other', '--wal-segsize=1');
$timeline = branch();
# as if it had been archived under that name
my $foreign = archive_with(sub {
	my ($copy) = @_;
	my ($own) = grep { /\/[0-9A-F]{24}$/ }
	  glob $other->data_dir . '/pg_wal/*';
	my $sysid = substr slurp_binary($own), 24, 8;

	patch_file("$copy/$segments[2]", 24, $sysid);
});
fails_like($store, ingest_sql($foreign, $timeline),
	qr/22023: WAL segment ".*$segments[2]" is of another database system/,
	'WAL of another system');
before($start, end_of($timeline), 'all before it is kept');

# nothing in it is later than what the timeline has
ingest($store, $archive, $timeline);
my $young = PostgreSQL::Test::Utils::tempdir;
my ($first) = sort grep { /\/[0-9A-F]{24}$/ }
  glob $other->data_dir . '/pg_wal/*';
copy($first, $young);
fails_like($store, ingest_sql($young, $timeline),
	qr/22023: WAL segment ".*" is of another database system/,
	'the directory of a younger system');
$other->stop;

sub slurp_binary
{
	my ($file) = @_;

	open my $handle, '<:raw', $file or die "$file: $!";
	local $/ = undef;
	return <$handle>;
}

# ---- directories that are none ----

$timeline = branch();
my $fifo = archive_with(sub {
	my ($copy) = @_;

	unlink "$copy/$segments[2]";
	mkfifo("$copy/$segments[2]", 0600);
});
fails_like($store, ingest_sql($fifo, $timeline),
	qr/22023: ".*$segments[2]" is not a regular file/, 'a FIFO');
my $empty = PostgreSQL::Test::Utils::tempdir;
fails_like($store, ingest_sql($empty, $timeline),
	qr/58P01: directory .* has no WAL/, 'an empty directory');
fails_like($store, ingest_sql("$empty/nothing", $timeline),
	qr/58P01: could not stat directory/, 'no directory');
fails_like($store, ingest_sql('relative', $timeline),
	qr/22023: .* is not an absolute path/, 'a relative path');
fails_like($store, ingest_sql($archive, 'nosuch'),
	qr/42704: timeline "nosuch" does not exist/, 'no such timeline');

# ---- wal_level minimal ----

$source->append_conf('postgresql.conf',
	"wal_level = minimal\narchive_mode = off\nmax_wal_senders = 0\n");
$source->start;
$source->safe_psql('postgres', 'CREATE TABLE minimal AS SELECT 1');
$source->stop;
%row = ingest($store, $archive, $timeline);
fails_like($store, ingest_sql($source->data_dir . '/pg_wal', $timeline),
	qr/55000: WAL at \S+ was written with wal_level = minimal/,
	'WAL of wal_level minimal');
before($whole_end, end_of($timeline), 'all before it is kept');

# ---- permissions ----

$store->safe_psql('postgres', q(
CREATE ROLE reader;
GRANT EXECUTE ON FUNCTION bb_ingest(text, name, text, pg_lsn, text, text) TO reader;
GRANT USAGE ON FOREIGN SERVER bbackup TO reader;
));
fails_like($store, "SET ROLE reader; " . ingest_sql($archive, $timeline),
	qr/42501: .*\n.*pg_read_server_files/,
	'reading WAL takes pg_read_server_files, and no other');
$store->safe_psql('postgres', 'GRANT pg_read_server_files TO reader');
$store->safe_psql('postgres',
	"SET ROLE reader; " . ingest_sql($archive, $timeline));

done_testing();

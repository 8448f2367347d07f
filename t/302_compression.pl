# Compressed backups: stock tools read them; their statistics; what they leave
# behind.
#
#	BBACKUP_WAYS=all	more than 2 GB as bytea by each method, too

use strict;
use warnings;
use BBackup;
use Digest::MD5 qw(md5_hex);

my $store = new_store('store');
# The methods that the server was built with and that can be decompressed here.
my %built = map { $_ => 1 } 'gzip', split /[{},]/,
  $store->safe_psql('postgres',
	"SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'");
my @specifications = grep {
	my $tool = tool_of($_);
	my $there = $built{$tool} && grep { -x "$_/$tool" } split /:/, $ENV{PATH};

	note "$_ can't be tried here" unless $there;
	$there
  } (
	qw(gzip gzip:level=1 gzip:9 lz4 lz4:level=1 lz4:level=9 zstd zstd:level=1
	  zstd:level=9 zstd:workers=0 zstd:workers=1),
	'zstd:level=3,workers=2',
	'zstd:level=1,workers=4');

# Each method has the name of its tool.
sub tool_of
{
	my ($specification) = @_;

	return $specification =~ s/:.*//r;
}

# Data that can't be compressed, and then more than 2 GB of holes.
my $source = new_source('source');
$source->safe_psql('postgres', q(
CREATE TABLE noise (b bytea);
INSERT INTO noise
SELECT (SELECT string_agg(sha256((i || ' ' || j)::bytea), '')
		FROM generate_series(1, 60) j)
FROM generate_series(1, 10000) i;
CHECKPOINT;
));
$source->stop;
import_directory($store, $source->data_dir, 'small');

$source->start;
$source->safe_psql('postgres', 'CREATE TABLE huge (i int)');
my $relation =
  $source->safe_psql('postgres', "SELECT pg_relation_filepath('huge')");
$source->stop;
my $path = $source->data_dir . "/$relation";
append_to_file("$path.1", '');
truncate $_, 1 << 30 or die $! foreach ($path, "$path.1");
import_directory($store, $source->data_dir, 'large');

# --- Stock tools read it.

my $plain = slurp_file(fetch_backup($store, "timeline => 'small'"));

foreach my $specification (@specifications)
{
	my $arguments = "timeline => 'small', compression => '$specification'";
	my $file = fetch_backup($store, $arguments);
	my $compressed = slurp_file($file);
	my $tool = tool_of($specification);

	cmp_ok(length $compressed,
		'<', length $plain, "$specification makes it smaller");
	note "$specification: ", length $compressed, ' of ', length $plain;
	system_or_bail("$tool -dc < '$file' > '$file.tar'");
	ok(slurp_file("$file.tar") eq $plain, "and $tool makes it the tar again");
	is( $store->safe_psql('postgres',
			"SELECT md5(string_agg(c, '')) FROM (SELECT bb_basebackup_stream($arguments) AS c) s"
		),
		md5_hex($compressed), 'the second time it has the same bytes');
	is($store->safe_psql('postgres', "SELECT md5(bb_basebackup($arguments))"),
		md5_hex($compressed), 'and so has bb_basebackup');
	unlink $file, "$file.tar";
}
ok(slurp_file(
		fetch_backup($store, "timeline => 'small', compression => 'none'")) eq
	  $plain, 'none changes nothing');

# --- Errors.

fails_like(
	$store,
	"SELECT bb_basebackup(compression => '$_->[0]')",
	qr/42601: .*$_->[1]/,
	"$_->[0] is refused"
  ) foreach grep { $built{ tool_of($_->[0]) } } (
	[ 'lz4:13', 'compression level between 1 and 12' ],
	[ 'lz4:workers=2', 'does not accept a worker count' ],
	[ 'zstd:level=99', 'expects a compression level' ],
	[ 'zstd:workers=two', 'must be an integer' ],
	[ 'zstd:workers', 'requires a value' ],
	[ 'zstd:', 'found empty string' ]);

# --- Statistics count the output; the progress counts the tar.

my ($name) = @specifications;
query_is($store, qq(
SELECT sum(length(c)) AS given
FROM (SELECT bb_basebackup_stream(timeline => 'small',
								  compression => '$name') AS c) s \\gset
SELECT bytes_out = :given, bytes_total_estimate FROM bb_access_stats
WHERE function = 'bb_basebackup_stream'), 't|' . length $plain,
	'bytes_out is what came out, bytes_total_estimate that of the tar');
query_is($store, qq(
BEGIN;
DECLARE c CURSOR FOR
	SELECT length(bb_basebackup_stream(timeline => 'small',
									   compression => '$name'));
FETCH c \\gset
SELECT backup_streamed > :length, backup_total
FROM pg_stat_progress_basebackup), 't|' . length $plain,
	'progress is that of the tar');

# --- More than 2 GB.

my @large =
  grep { /^(gzip:level=1|lz4|zstd|.*workers=[24])$/ } @specifications;

sub new_backend
{
	my $session = start_session($store);

	ask($session, 'SELECT count(*) FROM pg_class');
	return $session;
}

sub count_threads
{
	my ($session) = @_;

	return scalar(() = glob "/proc/$session->{backend}/task/*");
}

# what collects a bytea is the same for each method
my ($collected) = sort { ($b eq 'lz4') <=> ($a eq 'lz4') } @large;

foreach my $specification (@large)
{
	my $session = new_backend();
	my $before = backend_status($session->{backend}, 'VmHWM');

	cmp_ok(
		ask($session,
			"SELECT length(bb_basebackup(timeline => 'large', compression => '$specification'))"
		),
		'<',
		100 << 20,
		"$specification: more than 2 GB as bytea")
	  if $specification eq $collected || ($ENV{BBACKUP_WAYS} // '') eq 'all';
	cmp_ok(
		ask($session,
			"SELECT sum(length(c)) FROM (SELECT bb_basebackup_stream(timeline => 'large', compression => '$specification') AS c) s"
		),
		'<',
		100 << 20,
		"$specification: more than 2 GB streamed");
	my $grown = backend_status($session->{backend}, 'VmHWM') - $before;
	note "$specification took $grown kB at its peak";
	cmp_ok($grown, '<', 64 * 1024, 'in less than 64 MB');
	is(count_threads($session), 1, 'no thread is left');
	end_session($session);
}

# --- Consumers that stop early, and calls that are cancelled.

foreach my $specification (@large)
{
	my ($workers) = $specification =~ /workers=(\d)/;
	my $stream =
	  "bb_basebackup_stream(timeline => 'large', compression => '$specification')";
	my $session = new_backend();
	my @threads;

	# true if it was cancelled halfway
	my $cancel = sub {
		ask($session,
			"BEGIN; DECLARE c CURSOR FOR SELECT length($stream); FETCH 1 FROM c"
		);
		push @threads, count_threads($session);
		my $answer =
		  ask($session, 'SET LOCAL statement_timeout = 10; FETCH ALL FROM c');
		push @threads, count_threads($session);
		ask($session, 'ROLLBACK');
		return $answer =~ /ERROR:  57014: canceling statement/;
	};

	ok($cancel->(), "$specification can be cancelled");
	is("@threads", ($workers // 0) + 1 . ' 1',
		'its threads are there, and gone with it');
	@threads = ();
	ask($session, "SELECT length($stream) LIMIT 1");
	is(count_threads($session), 1, 'LIMIT 1 leaves no thread');
	ask($session,
		"BEGIN; DECLARE c CURSOR FOR SELECT length($stream); FETCH 1 FROM c");
	ask($session, 'CLOSE c; COMMIT');
	is(count_threads($session), 1, 'nor does a cursor that is closed');
	query_like($session,
		"SELECT 1 / (length(c) - length(c)) FROM (SELECT $stream AS c) s",
		qr/ERROR:  22012/, 'a consumer that fails');
	is(count_threads($session), 1, 'leaves no thread');

	$cancel->() foreach 1 .. 3;
	my $memory = backend_status($session->{backend}, 'RssAnon');
	is(scalar(grep { $cancel->() } 1 .. 20), 20, 'cancelled 20 times more');
	is(count_threads($session), 1, 'no thread is left');
	ask($session, "SELECT length($stream) LIMIT 1") foreach 1 .. 20;
	my $grown = backend_status($session->{backend}, 'RssAnon') - $memory;
	note "$specification: $memory kB, 40 calls later $grown kB more";
	# the C library keeps some memory of threads, as much as a call or two
	# take; that of forty calls would be half a gigabyte
	cmp_ok($grown, '<', ($workers ? 64 : 4) * 1024,
		'40 such calls leave no memory');
	end_session($session);
}

done_testing();

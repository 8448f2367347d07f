# WAL that isn't this timeline's, and WAL that ends in an odd way: what does not
# continue is never taken, and what can't be read is named.

use strict;
use warnings;
use BBackup;
use BBackup::WAL qw(lsn_text);
use File::Copy qw(copy);

use constant SEGMENT_SIZE => 1024 * 1024;

srand draw_seed();

# Two servers that think that they are the same: the second one is a copy of
# the first one's data directory, which a snapshot of a machine would be.
my $archive_a = PostgreSQL::Test::Utils::tempdir;
my $archive_b = PostgreSQL::Test::Utils::tempdir;
my $a =
  new_archiving_source('a', $archive_a, "autovacuum = off\n",
	'--wal-segsize=1', '--data-checksums');
$a->safe_psql('postgres', 'CREATE TABLE t (who text, n int)');
$a->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $base = cold_backup($a);
my $b = PostgreSQL::Test::Cluster->new('b');
copy_directory("$base/.", $b->data_dir);
own_address($b);
$b->append_conf('postgresql.conf',
	"archive_command = 'cp \"%p\" \"$archive_b/%f\"'\n");

my $store = new_store('store');
my $start = import_directory($store, $base)->{lsn};

# Each segment ends with a switch, so the next one begins with a record at the
# same place in the WAL of both servers.
sub work
{
	my ($node, $who, $segments) = @_;

	$node->start;
	foreach my $n (1 .. $segments)
	{
		$node->safe_psql('postgres',
			"INSERT INTO t SELECT '$who', $n FROM generate_series(1, "
			  . ($who eq 'b' ? $n + 1 : 1) . ')');
		$node->safe_psql('postgres', 'CHECKPOINT') if $who eq 'b';
		$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	}
	$node->stop;
	return;
}
work($a, 'a', 3);
work($b, 'b', 4);

# The segments of an archive that the timeline hasn't got.
sub segments
{
	my ($archive) = @_;
	my ($high, $low) = map { hex } split /\//, $start;
	my $first = sprintf '%08X%08X%08X', 1, $high, $low / SEGMENT_SIZE;

	return grep { $_ ge $first }
	  sort map { s{.*/}{}r } grep { /\/[0-9A-F]{24}$/ } glob "$archive/*";
}
my @a = segments($archive_a);
my @b = segments($archive_b);
cmp_ok(scalar @a, '>=', 3, 'the first server has archived');
cmp_ok(scalar @b, '>=', 4, 'and the second one');

# A new directory with segments of the two: FILE => ARCHIVE.
sub archive_of
{
	my (%from) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir;

	copy("$from{$_}/$_", "$directory/$_") or die $! foreach keys %from;
	return $directory;
}

my $branches = 0;
sub branch
{
	my $name = 'case' . ++$branches;

	$store->safe_psql('postgres', "SELECT bb_create_branch('$name')");
	return $name;
}

# Where ingest ends, and all that it says.
sub outcome
{
	my ($directory, $timeline) = @_;
	my ($stdout, $stderr);

	$store->psql(
		'postgres',
		"SELECT end_lsn FROM bb_ingest(wal_directory => '$directory',"
		  . " timeline => '$timeline')",
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ($stdout, $stderr);
}

sub end_of
{
	my ($timeline) = @_;

	return $store->safe_psql('postgres',
		"SELECT end_lsn FROM bb_timelines() WHERE timeline = '$timeline'");
}

# The LSN where a segment begins.
sub beginning
{
	my ($segment) = @_;
	my ($high, $low) = map { hex } $segment =~ /^.{8}(.{8})(.{8})$/;

	return lsn_text(($high << 32) + $low * SEGMENT_SIZE);
}

# ---- a split brain ----

my $split = archive_of($a[0] => $archive_a,
	map { $_ => $archive_b } grep { $_ gt $a[0] } @b);
my $timeline = branch();
my ($end, $said) = outcome($split, $timeline);
my $border = $store->safe_psql('postgres',
	"SELECT '" . beginning($a[1]) . "'::pg_lsn + 40");
like($said,
	qr/XX001: WAL record at \Q$border\E does not continue the WAL before it.*DETAIL: .*$a[1]"/s,
	'the first record of the other server is refused, and named');
is(end_of($timeline), beginning($a[1]), 'all before it is kept');
($end, $said) = outcome($split, $timeline);
like($said, qr/22023: WAL in directory .* does not continue the timeline/,
	'the next call refuses it too');

my $clone = new_clone('clone',
	fetch_backup($store, "lsn => NULL, timeline => '$timeline'"));
$clone->append_conf('postgresql.conf', "archive_mode = off\n");
$clone->start;
query_is($clone, 'TABLE t', 'a|1', 'the rows are those of the first server');
$clone->stop;

($end, $said) = outcome($archive_a, $timeline);
my $end_a = $end;
is("$said|" . end_of($timeline), "|$end", 'its own WAL goes on there');

# With nothing after it, it is where WAL ends, as in recovery.
my $last = archive_of($a[0] => $archive_a, $a[1] => $archive_b);
$timeline = branch();
($end, $said) = outcome($last, $timeline);
is($end, beginning($a[1]), 'a last segment of the other server: WAL ends');
like($said,
	qr/NOTICE: .* ends at \Q$end\E, in "$a[1]".*DETAIL: .*record at \Q$border\E follows/s,
	'which is said');

# ---- odd ends ----

# An archive that ends with the second last segment of the first server, with
# something done to that.
my $victim = $a[1];
my $before = beginning($victim);

sub archive_with
{
	my ($change) = @_;
	my $directory =
	  archive_of(map { $_ => $archive_a } grep { $_ le $victim } @a);

	$change->("$directory/$victim", $directory);
	return $directory;
}

sub garbage
{
	my ($file) = @_;

	open my $handle, '>:raw', $file or die "$file: $!";
	print $handle pack 'L*', map { int rand 2**32 } 1 .. SEGMENT_SIZE / 4;
	close $handle or die $!;
	return;
}

sub zero
{
	my ($file) = @_;

	truncate $file, 0 or die $!;
	truncate $file, SEGMENT_SIZE or die $!;
	return;
}

sub odd_end
{
	my ($name, $change, $expected) = @_;
	my $timeline = branch();
	my ($end, $said) = outcome(archive_with($change), $timeline);

	is($end, $before, "$name: WAL ends before it");
	like($said, $expected, "$name: what is said");
	($end, $said) = outcome($archive_a, $timeline);
	is("$end|$said", "$end_a|", "$name: with the archive repaired it goes on");
	return;
}

my $named = qr/NOTICE: .* ends at \Q$before\E, in "$victim".*DETAIL:\s+/s;
odd_end('random bytes', sub { garbage($_[0]) },
	qr/${named}Invalid magic number/);
odd_end('an empty file', sub { truncate $_[0], 0 or die $! },
	qr/${named}The file has 0 bytes instead of 1048576/);
odd_end('a file of zeros in an archive', sub { zero($_[0]) },
	qr/${named}Invalid magic number 0000/);
odd_end('the same in a pg_wal, made ahead',
	sub { zero($_[0]); mkdir "$_[1]/archive_status" or die $! }, qr/^$/);
odd_end('no next segment', sub { unlink $_[0] or die $! }, qr/^$/);
odd_end(
	'only the next segment, partial',
	sub {
		unlink $_[0] or die $!;
		copy("$archive_a/$a[2]", "$_[1]/$a[2].partial") or die $!;
	},
	qr/NOTICE: .* ends at \Q$before\E, as segment "$victim" is missing.*"$a[2]\.partial"/s
);
foreach my $suffix (qw(gpg gz.partial))
{
	odd_end(
		"the segment as .$suffix",
		sub { rename $_[0], "$_[0].$suffix" or die $! },
		qr/NOTICE: .*before segment "$victim".*There is a file "$victim\.$suffix"/s
	);
}
foreach my $suffix (qw(gz lz4 zst))
{
	odd_end(
		"a .$suffix that isn't compressed",
		sub { rename $_[0], "$_[0].$suffix" or die $! },
		qr/${named}The file "[^"]*$victim\.$suffix" cannot be read\. Its \w+ data is broken/
	);
}

# a record that is broken, and nothing after it
odd_end(
	'a broken record',
	sub { patch_file($_[0], 45, "\x55" x 4) },
	qr/${named}Incorrect resource manager data checksum in record at \Q$border\E/
);

# where there is WAL after it, it is no end
$timeline = branch();
my $compressed = archive_of(map { $_ => $archive_a } @a);
rename "$compressed/$victim", "$compressed/$victim.gpg" or die $!;
($end, $said) = outcome($compressed, $timeline);
like($said,
	qr/58P01: WAL segment "$victim" is missing.*HINT: .*"$victim\.gpg"/s,
	'an encrypted segment amid others is named');
my $all_compressed = archive_of(map { $_ => $archive_a } @a);
rename "$all_compressed/$_", "$all_compressed/$_.gpg" or die $! foreach @a;
($end, $said) = outcome($all_compressed, $timeline);
like($said, qr/58P01: directory .* has no WAL.*DETAIL: .*\.gpg"/s,
	'a directory of nothing but encrypted ones');

# ---- partial segments ----

sub takes_all
{
	my ($name, $change) = @_;
	my $directory = archive_of(map { $_ => $archive_a } @a);

	$change->("$directory/$victim");
	my ($end, $said) = outcome($directory, branch());
	is("$end|$said", "$end_a|", $name);
	return;
}
takes_all('a partial segment beside the whole one is not read',
	sub { garbage("$_[0].partial") });
takes_all('it is read if that was cut',
	sub { copy($_[0], "$_[0].partial"); truncate $_[0], 8192 * 3 });
takes_all('or if there is no other',
	sub { rename $_[0], "$_[0].partial" or die $! });

done_testing();

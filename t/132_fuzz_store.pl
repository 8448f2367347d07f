# Malicious page stores: a timeline is changed at random, with correct CRCs
# (test/fuzz/mutate), and every function that reads a store is called on it.  No
# backend dies, memory stays bounded, no call outlives its timeout, nothing is
# written outside of a target directory, and no page is wrong.
#
#	BB_FUZZ_ROUNDS=5000 BB_SEED=1 make installcheck REGRESS= PROVE_TESTS=t/132_fuzz_store.pl
#
# A failure prints the seed of its round; BB_SEED=SEED BB_FUZZ_ROUNDS=1 repeats
# that round.

use strict;
use warnings;
use BBackup;
use BBackup::StoreKind;
use File::Find;

# The timeout of a call, in seconds.  It may take one second more.
use constant TIMEOUT => 10;

# The memory that a backend may take, for caches and read-ahead; kB.
use constant MEMORY_KB => 400_000;

# Rows of the cluster's tables.
use constant ROWS => 3000;

# Pages that are read in each round.
use constant SAMPLE => 12;

plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $rounds = $ENV{BB_FUZZ_ROUNDS} // 60;
my $seed = draw_seed();
srand $seed;

my $base = PostgreSQL::Test::Utils::tempdir;
my $mutate = "$base/store_mutate";
system_or_bail($ENV{CC} // 'cc', '-O1', '-o', $mutate,
	glob 'test/fuzz/mutate/*.c');

# --- A store with image and delta layers.

my $source = new_source('source', '--data-checksums');
$source->append_conf('postgresql.conf',
	"wal_level = replica\nwal_keep_size = '1GB'\n");
$source->restart;
my $places = PostgreSQL::Test::Utils::tempdir_short;
mkdir "$places/space" or die;
$source->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$places/space'");
$source->safe_psql('postgres', <<"END");
CREATE TABLE t(a int PRIMARY KEY, b text);
INSERT INTO t SELECT i, repeat('x', i % 100) FROM generate_series(1, ${\ROWS}) i;
CREATE TABLE elsewhere(a int) TABLESPACE space;
INSERT INTO elsewhere SELECT generate_series(1, 500);
CREATE UNLOGGED TABLE u(a int PRIMARY KEY);
CREATE TABLE p(a int);
END
mkdir $source->data_dir . '/conf.d' or die;
append_to_file($source->data_dir . '/conf.d/a_file_with_a_long_name.conf',
	"# nothing\n" x 10);
$source->stop;
my $store = new_store('store',
	"bbackup.compression = 'none'\nrestart_after_crash = on\n");
import_directory($store, $source->data_dir);
$source->start;
my $time;
my @lsns = ($store->safe_psql('postgres',
	"SELECT end_lsn FROM bb_timelines()"));
for my $i (1 .. 3)
{
	$source->safe_psql('postgres', <<"END");
UPDATE t SET b = b || 'y' WHERE a % 7 = $i;
DELETE FROM t WHERE a % 100 = $i;
INSERT INTO t SELECT i, 'new' FROM generate_series(@{[ROWS * $i + 1]}, @{[ROWS * $i + 300]}) i;
VACUUM t;
SELECT pg_logical_emit_message(true, 'bb', 'x');
BEGIN;
INSERT INTO p VALUES ($i);
PREPARE TRANSACTION 'p$i';
CHECKPOINT;
END
	$time = $source->safe_psql('postgres', 'SELECT now()') if $i == 1;
	push @lsns, $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	# each round of changes makes WAL and a layer
	my %row = ingest($store, $source->data_dir . '/pg_wal', 'main', $lsns[-1])
	  if $i < 3;
	$lsns[-1] = $row{end_lsn} if $i < 3;
}
$source->stop;
my $wal = $source->data_dir . '/pg_wal';
pop @lsns;
my $end = $lsns[-1];

my @pages = split /\n/, $store->safe_psql('postgres', <<"END");
SELECT r.tablespace || ',' || r.database || ',' || r.relfilenode || ',''' || r.fork || ''',' || b
FROM bb_relations(lsn => '$end') r, generate_series(0, r.pages - 1) b
WHERE r.relfilenode >= 16384 OR r.relfilenode::bigint % 50 = 9
ORDER BY 1
END
cmp_ok(scalar @pages, '>', 100, 'there are pages');

# --- The queries.

my $directory = store_directory($store);
my $pristine = "$base/pristine";
system_or_bail('cp', '-a', "$directory/timelines/main", $pristine);
my $work = "$base/work";

# The queries of a round; the heavy ones take turns.
my $order = "WITH ORDINALITY AS s(chunk, n)";
my %light = (
	timelines => 'SELECT count(*) FROM bb_timelines()',
	layers => 'SELECT count(*) FROM bb_layers()',
	layer_map => 'SELECT bb_layer_map() LIKE \'<svg%</svg>_\'',
	relations => "SELECT md5(string_agg(r::text, ';')) FROM bb_relations(lsn => 'LSN') r",
	databases => "SELECT md5(string_agg(r::text, ';')) FROM bb_databases(lsn => 'LSN') r",
	tablespaces => "SELECT md5(string_agg(r::text, ';')) FROM bb_tablespaces(lsn => 'LSN') r",
	files => "SELECT md5(string_agg(r::text, ';')) FROM bb_files(lsn => 'LSN') r",
	read_file => "SELECT md5(bb_read_file('postgresql.conf', lsn => 'LSN'))",
	read_pg_control => "SELECT md5(bb_read_file('global/pg_control', lsn => 'LSN'))",
	lsn_at => "SELECT bb_lsn_at('$time')",
	lsn_of_xid => "SELECT bb_lsn_of_xid('745')",
	lsn_of_lsn => "SELECT bb_lsn_of_target('lsn:LSN')",
	restore_points => 'SELECT count(*) FROM bb_restore_points()');
my %heavy = (
	stream => "SELECT md5(string_agg(md5(chunk), ',' ORDER BY n)) FROM bb_basebackup_stream(lsn => 'LSN') $order",
	archives => "SELECT md5(string_agg(md5((r).data), ',')) FROM (SELECT bb_basebackup_archives(lsn => 'LSN') AS r) x",
	restore => "SELECT files FROM bb_restore(directory => '$work/new', lsn => 'LSN', jobs => 2)",
	delta => "SELECT files FROM bb_restore(directory => '$work/delta', lsn => 'LSN', delta => true)",
	ingest => "SELECT end_lsn FROM bb_ingest('$wal')",
	branch => "SELECT bb_create_branch('branch', 'main', 'LSN');\nSELECT md5(string_agg(md5(chunk), ',' ORDER BY n)) FROM bb_basebackup_stream(timeline => 'branch') $order",
	drop => "SELECT bb_drop_timeline('main')",
	to_file => "SELECT bb_basebackup_to_file(path => '$work/x.tar', lsn => 'LSN')",
	prefetch => 'SELECT bb_prefetch()');
# Queries that depend on the time, or on files of the server.
my %not_compared = map { $_ => 1 } qw(timelines layers lsn_at lsn_of_xid lsn_of_lsn restore_points ingest branch drop to_file prefetch restore delta archives);

# The answers: name => [ 'ok' or SQLSTATE, text, ms ].
sub ask_all
{
	my (%queries) = @_;
	my $script = "\\set VERBOSITY verbose\n\\timing on\nSET statement_timeout = '"
	  . TIMEOUT . "s';\nSET client_min_messages = error;\n";
	my ($out, %answers, $name) = ('');

	$script .= "\\echo \@\@$_\n$queries{$_};\n" foreach sort keys %queries;
	$script .= "\\echo \@\@memory\nSELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)');\n\\echo \@\@end\n";
	IPC::Run::run [ 'psql', '-X', '-q', '-A', '-t', '-d', $store->connstr('postgres') ],
	  '<', \$script, '>&', \$out;
	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^@@(\w+)$/)
		{
			$name = $1;
			$answers{$name} = [ 'ok', '', 0 ];
		}
		elsif (!defined $name) { next }
		elsif ($line =~ /^(?:psql:<stdin>:\d+: )?(?:ERROR|FATAL|PANIC):  (\w{5}): (.*)/)
		{
			$answers{$name}[0] = $1;
			$answers{$name}[1] .= $2;
		}
		elsif ($line =~ /^Time: ([\d.]+) ms/) { $answers{$name}[2] += $1 }
		elsif ($line !~ /^(?:DETAIL|HINT|CONTEXT|LOCATION|STATEMENT)|^ /)
		{
			$answers{$name}[1] .= $line;
		}
	}
	return ($out, %answers);
}

sub page_queries
{
	my ($lsn, @which) = @_;

	return map { ("page_$_" => "SELECT md5(bb_get_page($pages[$_], lsn => '$lsn'))") } @which;
}

sub with_lsn
{
	my ($lsn, %queries) = @_;

	return map { my $query = $queries{$_}; $query =~ s/LSN/$lsn/g; ($_ => $query) }
	  keys %queries;
}

sub new_work
{
	my ($delta) = @_;

	system_or_bail('rm', '-rf', $work);
	mkdir $work or die;
	system_or_bail('cp', '-a', "$base/clone", "$work/delta") if $delta;
}

# List everything below a directory, with mode and size.
sub below
{
	my ($top) = @_;
	my @found;

	find({ no_chdir => 1, wanted => sub {
				my @st = lstat $_ or return;
				push @found, sprintf '%s %o %s', substr($_, length $top),
				  $st[2], -l _ ? readlink : -d _ ? '' : $st[7];
			} }, $top);
	return join "\n", sort @found;
}

# --- The correct answers.

$store->safe_psql('postgres',
	"SELECT files FROM bb_restore(directory => '$base/clone', lsn => '$end')");
mkdir "$base/victim" or die;
append_to_file("$base/victim/$_", 'mine')
  foreach qw(postgresql.auto.conf pg_control 00000002.history);
my $victim = below("$base/victim");
my $content = join '', map { slurp_file($_) } glob "$base/victim/*";
my %right;
foreach my $lsn (@lsns)
{
	my ($out, %answers) =
	  ask_all(with_lsn($lsn, %light, stream => $heavy{stream}), page_queries($lsn, 0 .. $#pages));
	my @bad = grep { $answers{$_}[0] ne 'ok' && $_ !~ /^(?:lsn_|page_)/ } keys %answers;

	is("@bad", '', "everything can be read at $lsn") or diag $out;
	cmp_ok($answers{memory}[1], '<', MEMORY_KB, 'memory');
	$right{$lsn} = \%answers;
}

# --- Rounds.

my (%count, @failures);
for my $round (0 .. $rounds - 1)
{
	my $round_seed = $seed + $round;
	my $log = -s $store->logfile;

	srand $round_seed;
	my $lsn = $lsns[ rand @lsns ];
	my $heavy = (sort keys %heavy)[ rand keys %heavy ];
	my @sample = map { int rand @pages } 1 .. SAMPLE;
	my @problems;

	new_work($heavy eq 'delta');
	system_or_bail('sh', '-c',
		"rm -rf '$directory'/timelines/* && cp -al '$pristine' '$directory/timelines/main'");
	my $said = `$mutate $round_seed '$directory/timelines/main'`;
	die "store_mutate failed" if $? != 0;
	my ($effect, $what) = $said =~ /^(\w+) (.*)/s or die $said;
	chomp $what;

	my ($out, %answers) = ask_all(with_lsn($lsn, %light, "z_$heavy" => $heavy{$heavy}),
		page_queries($lsn, @sample));
	$count{$effect}++;

	foreach my $name (sort keys %answers)
	{
		my ($state, $text, $ms) = @{ $answers{$name} };
		my $plain = $name =~ s/^z_//r;
		my $right = $right{$lsn}{$plain};

		push @problems, "$name took $ms ms" if $ms > (TIMEOUT + 1) * 1000;
		push @problems, "$name: $state: $text"
		  if $state =~ /^(?:XX000|2201|22012|53|57P|08)/;
		$count{ $state eq 'ok' ? 'answers' : 'errors' }++ if $name ne 'end';
		next if $state ne 'ok' || $not_compared{$plain} || !defined $right;
		next if $effect eq 'any' || ($effect eq 'pages' && $name !~ /^page_/);
		push @problems, "$name differs"
		  if $name ne 'memory' && $name ne 'end' && $text ne $right->[1];
	}
	push @problems, "the session died: $out" if !defined $answers{end};
	push @problems, "memory: $answers{memory}[1] kB"
	  if ($answers{memory}[1] // 0) =~ /^\d+$/ && ($answers{memory}[1] // 0) > MEMORY_KB;
	my $logged = slurp_file($store->logfile, $log);
	if ($logged =~ /(server process .* was terminated by signal.*|PANIC.*|TRAP.*)/)
	{
		push @problems, "the server: $1";
		$store->poll_query_until('postgres', 'SELECT true');
	}
	push @problems, 'something was changed outside'
	  if below("$base/victim") ne $victim
	  || join('', map { slurp_file($_) } glob "$base/victim/*") ne $content;
	my $there = join ' ', sort map { s{.*/}{}r } glob "$base/*";
	push @problems, "something was made outside: $there"
	  if $there ne 'clone pristine store_mutate victim work';
	my @modes = split /\n/, `find '$work' -perm /7022 -not -type l`;
	push @problems, "modes: @modes" if @modes;
	my @links = split /\n/, `find '$work' -type l`;
	push @problems, "links: @links" if @links;

	if (@problems)
	{
		push @failures, $round_seed;
		diag "BB_SEED=$round_seed BB_FUZZ_ROUNDS=1 at $lsn, $heavy; $effect: $what";
		diag "  $_" foreach @problems;
	}
	elsif ($ENV{BB_FUZZ_VERBOSE})
	{
		note "$round_seed $lsn $heavy $effect: $what; "
		  . join ' ', map { "$_=$answers{$_}[0]" } grep { $answers{$_}[0] ne 'ok' } sort keys %answers;
	}
	last if @failures >= 20;
}
is("@failures", '', "$rounds stores that were changed, from seed $seed on");
note join ', ', map { "$_: $count{$_}" } sort keys %count;
cmp_ok($count{errors} // 0, '>', 0, 'changes are noticed') if $rounds > 20;

# The queries of the store did no harm to the server.
system_or_bail('sh', '-c',
	"rm -rf '$directory'/timelines/* && cp -al '$pristine' '$directory/timelines/main'");
my ($out, %answers) = ask_all(with_lsn($end, stream => $heavy{stream}));
is($answers{stream}[1], $right{$end}{stream}[1], 'and the store is read as before');
done_testing();

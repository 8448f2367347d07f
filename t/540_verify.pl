# bb_verify() finds each flipped bit and each removed file of a store, and nothing
# in a whole one.  What it says of them is true: what it doesn't name can be
# read as before, and what can't be read raises an error.
#
# CI flips a few hundred bits; BB_FLIPS is the number by hand.

use strict;
use warnings;
use BBackup;
use BBackup::WAL qw(lsn_text);
use File::Copy;

use constant PIECES => 5;    # of WAL, each with its delta layers

my $flips = $ENV{BB_FLIPS} // 300;

srand draw_seed();

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_small_source('source', $archive);
my @relation = split /,/, $source->safe_psql('template1',
	"SELECT '1663,' || (SELECT oid FROM pg_database) || ','"
	  . " || pg_relation_filenode('t')");
my $base = cold_backup($source);

my $store = new_store('store', 'bbackup.upkeep_cpu_share = 100');
import_directory($store, $base, 'main', 'SET bbackup.layer_size = 1;');
my @lsns = $store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()');
$source->start;
foreach my $piece (1 .. PIECES)
{
	$source->safe_psql('template1',
		"UPDATE t SET m = md5(m) WHERE i % 7 = $piece;"
		  . "INSERT INTO t SELECT i, '' FROM generate_series(1, 500) i;"
		  . 'CHECKPOINT');
	my $lsn = $source->safe_psql('template1',
		'SELECT pg_current_wal_insert_lsn()');
	$source->safe_psql('template1', 'SELECT pg_switch_wal()');
	$source->poll_query_until('template1',
		'SELECT last_archived_wal >= pg_walfile_name('
		  . "pg_switch_wal() - 1) FROM pg_stat_archiver")
	  or die;
	push @lsns, { ingest($store, $archive) }->{end_lsn};
}
$source->stop;

my $directory = store_directory($store) . '/timelines/main';
my @layers = map { "$directory/layers/$_" } stored_layers($store, 'main');
cmp_ok(scalar(grep { /delta-/ } @layers), '>=', PIECES, 'delta layers');
cmp_ok(scalar(grep { /image-/ } @layers), '>=', 3, 'and image layers');
my @files = (@layers, "$directory/manifest");

my $session = start_session($store);

# --- what is found

my @columns = qw(timeline kind layer byte_offset start_lsn end_lsn start_key
  end_key lost message);

# The findings, as hashes.
sub verify
{
	my ($level) = @_;
	my $answer = ask($session,
		"SELECT * FROM bb_verify(level => '$level')") // die;
	my @findings;

	die $answer if $answer =~ /ERROR|WARNING/;
	foreach my $line (split /\n/, $answer)
	{
		my %finding;
		@finding{@columns} = split /\|/, $line, -1;
		push @findings, \%finding;
	}
	return @findings;
}

is(ask($session, "SELECT * FROM bb_verify(level => '$_')"),
	'', "nothing is found in a whole store: $_")
  foreach qw(objects blocks pages);

# --- what can be read

my %right;

sub page_query
{
	my ($block, $lsn) = @_;

	return "SELECT md5(bb_get_page("
	  . join(', ', @relation)
	  . ", 'main', $block, '$lsn'))";
}

sub backup_query
{
	my ($lsn) = @_;

	return backup_md5('bbackup', "lsn => '$lsn'");
}

# Some blocks, among them some that all pieces change and the first of all.
my @blocks = (0, 3, 40, 70);

foreach my $lsn (@lsns)
{
	foreach my $query (backup_query($lsn), map { page_query($_, $lsn) } @blocks)
	{
		$right{$query} = ask($session, $query);
		like($right{$query}, qr/^[0-9a-f]{32}$/, 'can be read') or die;
	}
}

sub lsn_value
{
	my ($high, $low) = split m{/}, $_[0];

	return (hex($high) << 32) + hex $low;
}

# A key as a string that sorts as the key does.
my %kinds = (
	'start' => 0,
	'control file' => 1,
	'checkpoint' => 2,
	'commit time' => 3,
	'record ends' => 4,
	'tablespace' => 0x10,
	'database' => 0x11,
	'file' => 0x20,
	'file block' => 0x21,
	'directory' => 0x22,
	'SLRU segment' => 0x30,
	'SLRU segment page' => 0x31,
	'relation map' => 0x40,
	'relation' => 0x41,
	'relation block' => 0x42,
	'zeros of relation' => 0x43,
	'prepared transaction' => 0x50,
	'prepared transaction block' => 0x51,
	'replication origin' => 0x60,
	'end' => 0xFF);

sub key_value
{
	my ($text) = @_;
	my %forks = (main => 0, fsm => 1, vm => 2, init => 3);

	return pack 'CQ>', 4, lsn_value($1) / 8192
	  if $text =~ /^record ends of WAL page (.*)/;
	$text =~ s/\b(main|fsm|vm|init)\b/$forks{$1}/;
	my @numbers = $text =~ /(\d+)/g;
	my $kind = $kinds{ join ' ', grep { !/\d/ } split / /, $text }
	  // die "what is key \"$text\"";
	return pack 'CN*', $kind, @numbers;
}

sub covers
{
	my ($finding, $lsn, $key) = @_;
	my $value = lsn_value($lsn);

	return 0
	  if $finding->{start_lsn} ne ''
	  && $value < lsn_value($finding->{start_lsn});
	return 0
	  if $finding->{end_lsn} ne '' && $value >= lsn_value($finding->{end_lsn});
	return 1 if !defined $key;
	my $at = key_value($key);
	my $end = key_value($finding->{end_key});
	return 0 if $at lt key_value($finding->{start_key});
	# the key after one that has no number has the same text
	return $end =~ /^\x42/ ? $at lt $end : $at le $end;
}

my %failures;
my %seen;

sub failed
{
	my ($what, $where, $answer) = @_;

	$seen{$what}++;
	push @{ $failures{$what} }, "$where: " . ($answer // '');
	return;
}

sub report
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar keys %failures, 0, $what)
	  or diag explain {
		map { "$_ (" . @{ $failures{$_} } . ')' => $failures{$_}->[0] }
		  keys %failures
	  };
	%failures = ();
	return;
}

# Read, and compare with what the findings say.  "gone": the layer can't be
# opened at all, so everything that needs it fails.
sub check_claims
{
	my ($where, $gone, @findings) = @_;

	foreach my $lsn (@lsns)
	{
		my $wal = lsn_value($lsn) - lsn_value($lsn) % 8192;
		my $ends = 'record ends of WAL page ' . lsn_text($wal);

		foreach my $block (@blocks)
		{
			my $query = page_query($block, $lsn);
			my $answer = ask($session, $query);
			my $name = join('/', @relation) . ' main';
			my $lost = 0;

			# what a read of a page needs besides it
			foreach my $key ("relation $name block $block", "relation $name",
				'control file', $ends)
			{
				$lost ||= grep { covers($_, $lsn, $key) } @findings;
			}
			$seen{ $lost ? 'lost' : 'kept' }++;
			if ($answer eq $right{$query})
			{
				$seen{'lost, but readable'}++ if $lost;
			}
			elsif ($answer !~ /ERROR:\s+(XX001|58P01):/)
			{
				failed('a wrong page', $where, "$block $lsn: $answer");
			}
			elsif (!$lost)
			{
				failed('not said to be lost', $where, "$block $lsn: $answer");
			}
		}

		my $lost = grep { covers($_, $lsn) } @findings;
		my $answer = ask($session, backup_query($lsn));
		if (!$lost && $answer ne $right{ backup_query($lsn) })
		{
			failed('a backup is said to be possible', $where,
				"$lsn: $answer");
		}
		elsif ($lost && $gone && $answer !~ /ERROR:\s+(XX001|58P01):/)
		{
			failed('a backup is said to be impossible', $where,
				"$lsn: $answer");
		}
		$seen{ $lost ? 'backup lost' : 'backup kept' }++;
	}
	return;
}

# --- each bit

my %kinds_found;
my %message;

foreach my $try (1 .. $flips)
{
	my $file = $files[ rand @files ];
	my $size = -s $file;
	my $offset = int rand $size;

	# half of them in the structure: the header, or filter, root and footer
	$offset = int rand(2) ? int rand 60 : $size - 1 - int rand 800
	  if $try % 2;
	$offset = $offset % $size;
	my $bit = int rand 8;
	my $old = patch_file($file, $offset, "\0");
	patch_file($file, $offset, chr(ord($old) ^ (1 << $bit)));

	my $name = $file =~ s{.*/}{}r;
	my $where = "$name of $size bytes, bit $bit of byte $offset";
	my @findings = verify('blocks');

	failed('not found', $where) if !@findings;
	foreach my $finding (@findings)
	{
		$kinds_found{ $finding->{kind} }++;
		failed('another layer', $where, $finding->{layer})
		  if $finding->{layer} ne ($name eq 'manifest' ? '' : $name);
	}
	check_claims($where, 0, @findings)
	  if $name ne 'manifest' && $try % 20 == 0;
	patch_file($file, $offset, $old);
}
report("each of $flips bits is found, and what is said of it is true");
note join ', ', map { "$_: $kinds_found{$_}" } sort keys %kinds_found;
foreach my $kind (qw(header footer block filter manifest))
{
	ok($kinds_found{$kind}, "of kind $kind") if $flips >= 300;
}

# --- each file

foreach my $file (@layers)
{
	my $name = $file =~ s{.*/}{}r;

	rename $file, "$file.away" or die $!;
	foreach my $level (qw(objects blocks))
	{
		my @findings = verify($level);

		failed("not found by $level", $name) if !@findings;
		foreach my $finding (@findings)
		{
			failed("another finding by $level", $name, $finding->{kind})
			  if $finding->{layer} ne $name || $finding->{kind} ne 'missing';
		}
		check_claims($name, 1, @findings) if $level eq 'blocks';
	}

	copy("$file.away", $file) or die $!;
	truncate $file, (-s $file) - 1 - int rand(-s $file) or die $!;
	foreach my $level (qw(objects blocks))
	{
		my @findings = verify($level);

		failed("a wrong size is not found by $level", $name)
		  if @findings != 1
		  || $findings[0]->{layer} ne $name
		  || $findings[0]->{kind} ne 'size';
	}
	rename "$file.away", $file or die $!;
}
report('so is each file that is removed or cut off');
note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
ok($seen{$_}, "there were pages that are $_") foreach qw(lost kept);
ok($seen{"backup $_"}, "and LSNs where a backup is $_") foreach qw(lost kept);
cmp_ok($seen{'lost, but readable'}, '<', $seen{lost},
	'what is lost cannot be read, as a rule');

# --- several at once, and something else in a layer's place

rename $_, "$_.away" foreach @layers[ 0, -1 ];
my @findings = verify('blocks');
is( join(' ', sort map { $_->{layer} } @findings),
	join(' ', sort map { s{.*/}{}r } @layers[ 0, -1 ]),
	'a missing layer does not stop the pass');
mkdir $layers[0] or die $!;
like((join ' ', map { $_->{kind} } verify('blocks')),
	qr/unreadable/, 'nor does a directory in its place');
rmdir $layers[0] or die $!;
rename "$_.away", $_ foreach @layers[ 0, -1 ];
is(ask($session, 'SELECT * FROM bb_verify()'), '', 'all is well again');

# --- arguments

like(ask($session, "SELECT * FROM bb_verify(level => 'all')"),
	qr/22023: invalid level of verification: "all"/, 'a level has a name');
like(ask($session, "SELECT * FROM bb_verify(timeline => 'none')"),
	qr/42704: timeline "none" does not exist/, 'a timeline has to exist');
end_session($session);
unlike(slurp_file($store->logfile), qr/terminated by signal|PANIC|TRAP:/,
	'no backend crashed');

done_testing();

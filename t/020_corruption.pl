# Every kind of damage to the page store causes an error that names the file,
# never a crash, and never a wrong byte.

use strict;
use warnings;
use BBackup;
use File::Copy;

use constant {
	FLIPS => 3000,
	TRUNCATIONS => 20,    # of each file
};

srand draw_seed();

# The smallest cluster, since every check reads all of it.
my $source = new_source('source', '--wal-segsize=1', '--data-checksums');
$source->safe_psql('template1', $_)
  foreach ('CREATE TABLE t AS SELECT i FROM generate_series(1, 5000) i',
	'DROP DATABASE postgres', 'ALTER DATABASE template0 IS_TEMPLATE false',
	'DROP DATABASE template0');
my $relation = $source->safe_psql('template1',
	"SELECT '1663, ' || (SELECT oid FROM pg_database) || ', '"
	  . " || pg_relation_filenode('t')");
$source->stop;

my $store = new_store('store');
import_directory($store, $source->data_dir, 'main',
	'SET bbackup.layer_size = 1;');
my $directory = store_directory($store) . '/timelines/main';
my @files =
  map { "$directory/$_" } grep { !m{/$|(?:^|/)\.} } files_below($directory);
cmp_ok(scalar @files, '>=', 3, 'the store has a manifest and some layers');

# The ways to read, and their results without damage.
my $all = q(SELECT md5(string_agg(md5(chunk), ''))
	FROM (SELECT bb_basebackup_stream() AS chunk) c);
my $some = qq(SELECT md5(string_agg(path || size, '')) FROM bb_files()
	UNION ALL SELECT md5(bb_read_file('global/pg_control'))
	UNION ALL SELECT md5(bb_read_file('postgresql.conf'))
	UNION ALL SELECT md5(bb_get_page($relation, 'main', b))
	FROM generate_series(0, 20, 5) b);
my $session = start_session($store);
my $right_all = ask($session, $all);
my $right_some = ask($session, $some);
like($right_all, qr/^[0-9a-f]{32}$/, 'a whole backup can be read');
unlike($right_some, qr/ERROR/, 'and files and pages of it');

my %failures;
my %codes;

# With any damage, reading everything must fail, with an error that names the
# file.  Reading a part may also succeed, with the correct result.
sub check_damage
{
	my ($file, $what) = @_;
	my $name = $file =~ s{.*/}{}r;
	my $answer = ask($session, $all) // 'ERROR: the session is gone';

	if ($answer !~ /ERROR:/)
	{
		$failures{
			$answer eq $right_all ? 'not noticed' : 'a wrong backup' }
		  ->{"$name, $what"} = $answer;
	}
	elsif ($answer !~ /^ERROR:\s+(XX001|58P01): .*/m)
	{
		$failures{'another error'}->{"$name, $what"} = $answer;
	}
	elsif ($answer !~ /\Q$name\E/)
	{
		$failures{'an error that does not name the file'}->{"$name, $what"} =
		  $answer;
	}
	$codes{$1}++ if $answer =~ /^ERROR:\s+(\w+):/m;
	return;
}

sub check_some
{
	my ($file, $what) = @_;
	my $name = $file =~ s{.*/}{}r;
	my $answer = ask($session, $some) // 'ERROR: the session is gone';

	return if $answer eq $right_some || $answer =~ /^ERROR:\s+(XX001|58P01):/m;
	$failures{'a wrong page'}->{"$name, $what"} = $answer;
	return;
}

# One test for each kind of failure.
sub report
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar(keys %failures), 0, $what)
	  or diag explain {
		map {
			my $of = $failures{$_};
			my @some = (sort keys %$of)[ 0 .. 4 ];
			$_ . ' (' . keys(%$of) . ')' =>
			  { map { $_ => $of->{$_} } grep { defined } @some }
		} keys %failures
	  };
	%failures = ();
	return;
}

# --- Flipped bytes: half of them anywhere, half of them in the structure.

my $bytes = 0;
$bytes += -s $_ foreach @files;
my $flips = 0;
foreach my $try (1 .. FLIPS)
{
	my ($file, $offset);

	if ($try % 2)
	{
		my $at = int rand $bytes;

		foreach my $candidate (@files)
		{
			($file, $offset) = ($candidate, $at);
			last if $at < -s $candidate;
			$at -= -s $candidate;
		}
	}
	else
	{
		$file = $files[ rand @files ];
		my $size = -s $file;
		$offset = int rand($size < 400 ? $size : 400);
		# the footer and the root, more often than header and first block
		$offset = $size - 1 - $offset if $try % 8;
	}

	my $old = patch_file($file, $offset, "\0");
	my $new = chr(ord($old) ^ (1 + int rand 255));
	patch_file($file, $offset, $new);
	my $what = sprintf 'offset %d of %d, %02x -> %02x', $offset, -s $file,
	  ord $old, ord $new;
	check_damage($file, $what);
	check_some($file, $what) if $try % 8 == 0;
	patch_file($file, $offset, $old);
	$flips++;
}
report("each of $flips flipped bytes is noticed");
query_is($session, $all, $right_all, 'with the bytes back, all is well');

# --- Truncated, extended, missing, swapped, replaced.

foreach my $file (@files)
{
	copy($file, "$file.copy") or die $!;
	my $size = -s $file;

	foreach my $length (0, 1, $size - 1, map { int rand $size }
		1 .. TRUNCATIONS)
	{
		truncate $file, $length or die $!;
		check_damage($file, "truncated to $length of $size");
		check_some($file, "truncated to $length of $size");
		copy("$file.copy", $file) or die $!;
	}

	append_to_file($file, "\0");
	check_damage($file, 'extended by a byte');
	copy("$file.copy", $file) or die $!;

	unlink $file or die $!;
	if ($file =~ /manifest$/)
	{
		# without a manifest there is no such timeline
		query_like($session, $all, qr/ERROR:  42704: .*"main"/,
			'without a manifest there is no timeline');
	}
	else
	{
		check_damage($file, 'missing');
		check_some($file, 'missing');
	}

	mkdir $file or die $!;
	my $answer = ask($session, $all);
	$failures{'a directory in place of a file'}->{$file} = $answer
	  if $answer !~ /ERROR:.*\Q@{[ $file =~ s{.*\/}{}r ]}\E/;
	rmdir $file or die $!;

	rename "$file.copy", $file or die $!;
}
report('so is whatever is done to a whole file');

my @layers = grep { /image-/ } @files;
foreach my $i (1 .. $#layers)
{
	my ($one, $other) = @layers[ $i - 1, $i ];

	rename $one, "$one.copy" or die $!;
	copy($other, $one) or die $!;
	check_damage($one, 'replaced by another layer');
	rename "$one.copy", $one or die $!;
}
report('so is a layer in the place of another');

# --- The server is unaffected.

query_is($session, $all, $right_all, 'with everything back, all is well');
end_session($session);
unlike(slurp_file($store->logfile), qr/terminated by signal|PANIC|TRAP:/,
	'no backend crashed');
note join ', ', map { "$_: $codes{$_}" } sort keys %codes;

done_testing();

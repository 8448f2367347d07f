# What a clone is read by: bb_clone_files() and bb_read_blocks() give, at random LSNs,
# the files of bb_restore(), byte by byte, in any ranges; what they refuse; what a
# call costs.

use strict;
use warnings;
use BBackup;
use BBackup::Frontend;
use PostgreSQL::Test::Utils;
use BBackup::WAL qw(lsn_number lsn_text);
use Digest::MD5 qw(md5_hex);

use constant LSNS => 4;
use constant CALLS => 150;

my $seed = draw_seed();
srand $seed;

my ($base, $archive, $middle) = filled_archive('--data-checksums');
my $store = new_store('store');
import_directory($store, $base);
ingest($store, $archive, 'main', $middle);

# The arguments of bb_read_blocks() for ranges, each a path, a block and a number.
sub arguments
{
	my (@ranges) = @_;
	my $list = sub {
		my ($i) = @_;

		return join ', ', map { "'$_->[$i]'" } @ranges;
	};

	return sprintf 'ARRAY[%s]::text[], ARRAY[%s]::bigint[], ARRAY[%s]::integer[]',
	  map { $list->($_) } 0 .. 2;
}

# The list of a clone: path => kind, size, mode, and the content if it has one.
sub clone_files
{
	my ($arguments) = @_;
	my %files;

	foreach my $row (
		split /\n/,
		$store->safe_psql(
			'postgres', "SELECT path, kind, size, mode,
	offsets IS NOT NULL, array_to_string(offsets, ','), (SELECT string_agg(encode(c, 'hex'), ','
		ORDER BY n) FROM unnest(contents) WITH ORDINALITY u (c, n))
FROM bb_clone_files($arguments)"))
	{
		my ($path, $kind, $size, $mode, $whole, $offsets, $contents) =
		  split /\|/, $row, -1;
		my $content;

		if ($whole eq 't')
		{
			my @contents = split /,/, $contents;

			$content = "\0" x $size;
			foreach my $offset (split /,/, $offsets)
			{
				my $piece = pack 'H*', shift @contents;

				substr $content, $offset, length $piece, $piece;
			}
		}
		$files{$path} = {
			kind => $kind,
			size => $size,
			mode => $mode,
			content => $content
		};
	}
	return \%files;
}

# Compare a list with a directory that was restored.
sub is_list
{
	my ($files, $directory, $name) = @_;
	my %there = map { s{/$}{}r => 1 } files_below($directory);
	my @wrong;

	foreach my $path (sort keys %$files)
	{
		my $file = $files->{$path};
		my $full = "$directory/$path";

		push @wrong, "$path is missing" if !delete $there{$path};
		next if !-e $full;
		push @wrong, "$path: mode $file->{mode}"
		  if $file->{mode} != ((stat $full)[2] & 07777);
		push @wrong, "$path: not a directory"
		  if ($file->{kind} eq 'directory') != (-d $full);
		next if -d $full;
		push @wrong, "$path: size $file->{size}" if $file->{size} != -s $full;
		push @wrong, "$path: content"
		  if defined $file->{content} && $file->{content} ne slurp_file($full);
		push @wrong, "$path: " . (defined $file->{content} ? 'has' : 'no') . ' content'
		  if defined $file->{content} == ($file->{kind} =~ /^(?:relation|slru)$/);
	}
	is(join(', ', @wrong, map { "$_ is not listed" } sort keys %there), '', $name);
	return;
}

# A random range of a file of so many blocks.
sub random_range
{
	my ($path, $blocks) = @_;
	my $first = int rand $blocks;
	my $count = rand() < 0.5 ? 1 : int rand($blocks - $first + 1);

	return [ $path, $first, $count ];
}

# The bytes of ranges in a directory.
sub bytes_of
{
	my ($directory, @ranges) = @_;

	return join '', map {
		my ($path, $first, $count) = @$_;
		my $bytes = '';

		open my $in, '<:raw', "$directory/$path" or die "$path: $!";
		seek $in, 8192 * $first, 0;
		read $in, $bytes, 8192 * $count;
		die "$path is short" if length $bytes != 8192 * $count;
		$bytes;
	} @ranges;
}

# --- The lists and the blocks of a lease, at its LSN; another file list later has
# the same, whatever is ingested meanwhile.

my $session = start_session($store);
my $start = lsn_number($store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()'));
my $end = lsn_number($middle);
my @leases;
my $wrong = 0;
my $calls = 0;
my $place = PostgreSQL::Test::Utils::tempdir;

foreach my $i (1 .. LSNS)
{
	my $lsn = $i == 1 ? 'NULL' : "'" . lsn_text($start + int rand($end - $start)) . "'";
	my ($at, $tli) = split /\|/,
	  $store->safe_psql('postgres', "SELECT lsn, new_tli FROM bb_lease('clone-$i', $lsn)");
	my $directory = "$place/$i";

	note("lease $i at $at, new_tli $tli");
	$store->safe_psql('postgres', "SELECT bb_restore(directory => '$directory',"
		  . " lsn => '$at', new_tli => $tli, manifest => 'no')");
	my $files = clone_files("lease => 'clone-$i'");
	is_list($files, $directory, "the list at $at is what bb_restore() writes");
	push @leases, { name => "clone-$i", lsn => $at, tli => $tli, files => $files,
		directory => $directory };

	# files that are read by ranges: whole, and at random
	my @paths = grep { $files->{$_}{kind} =~ /^(?:relation|slru)$/ } sort keys %$files;
	my $blocks = sub { $files->{ $_[0] }{size} / 8192 };
	my @whole = map { [ $_, 0, $blocks->($_) ] } @paths;
	my @some = grep { $blocks->($_) > 0 } @paths;

	cmp_ok(scalar @some, '>', 200, 'there are many files');
	my @batches;
	push @batches, [ splice @whole, 0, 40 ] while @whole;
	push @batches, [ map { random_range($_, $blocks->($_)) }
		  map { $some[ rand @some ] } 1 .. 1 + rand 6 ]
	  for 1 .. CALLS;
	# neighbours, in one call and one after the other
	my ($large) = sort { $blocks->($b) <=> $blocks->($a) } @some;
	push @batches, [ map { [ $large, $_, 1 ] } 0 .. 19 ];
	push @batches, map { [ [ $large, $_, 8 ] ] } 0, 8, 16, 12, 0;
	foreach my $batch (@batches)
	{
		my $answer = ask($session,
			'SELECT md5(bb_read_blocks(' . arguments(@$batch) . ", '$at'))");

		$calls++;
		next if $answer eq md5_hex(bytes_of($directory, @$batch));
		diag("at $at: " . arguments(@$batch) . ": $answer") if $wrong++ < 5;
	}
}
is($wrong, 0, "$calls calls, and the bytes are those of bb_restore()");

ingest($store, $archive);
foreach my $lease (@leases)
{
	is_deeply(clone_files("lease => '$lease->{name}'"),
		$lease->{files}, "after ingest, the list of $lease->{name} is the same");
}
my ($lease) = grep { $_->{name} eq 'clone-1' } @leases;
my $files = $lease->{files};
query_is($store, "SELECT count(*), count(DISTINCT new_tli) FROM bb_leases()",
	LSNS . '|' . LSNS, 'each lease has a timeline ID of its own');

# --- Files that aren't in the list with their content, by parts.

my $directory = $lease->{directory};
my ($conf) = sort { $files->{$b}{size} <=> $files->{$a}{size} }
  grep { $files->{$_}{kind} eq 'config' } keys %$files;
$files = clone_files("lease => '$lease->{name}', content_max => $files->{$conf}{size} - 1");
is($files->{$conf}{content}, undef, 'a file that is larger has no content');
is(scalar(grep { $_->{kind} =~ /^(?:wal|control)$/ && !defined $_->{content} } values %$files),
	0, 'WAL and the control file have');
my $part = sub {
	my ($path, $offset, $length) = @_;

	return "SELECT md5(bb_read_file('$path', '$lease->{lsn}', \"offset\" => $offset, length => $length))";
};
foreach my $path ($conf, 'PG_VERSION', 'pg_xact/0000', 'base/1/1259')
{
	my $bytes = slurp_file("$directory/$path");
	my $bad = 0;

	foreach (1 .. 12)
	{
		my $offset = int rand(1 + length $bytes);
		my $length = int rand(1 + length $bytes);

		$bad++ if ask($session, $part->($path, $offset, $length)) ne
			md5_hex(substr $bytes, $offset, $length);
	}
	is($bad, 0, "parts of $path");
	query_is($session, $part->($path, length $bytes, 1), md5_hex(''), 'nothing after its end');
	query_is($session, $part->($path, 10 + length $bytes, 1), md5_hex(''), 'nor far after it');
	query_is($session, $part->($path, 0, 'NULL'), md5_hex($bytes), 'all of it');
}

# --- Binary, pipelined: what a client does; an error ends the pipeline, not the
# session.

my $client = BBackup::Frontend->new($store);
my @runs = map { [ "{base/1/1259,global/1260}", "{$_,0}", '{1,1}', $lease->{lsn} ] } 0 .. 4;
my $read = 'SELECT bb_read_blocks($1::text[], $2::bigint[], $3::integer[], $4::pg_lsn)';
my @answers = map { substr $_->{body}, 6 } grep { $_->{type} eq 'D' }
  $client->pipeline($read, @runs);
is_deeply(\@answers,
	[ map { bytes_of($directory, [ 'base/1/1259', $_, 1 ], [ 'global/1260', 0, 1 ]) } 0 .. 4 ],
	'five calls in a pipeline give the bytes');
$runs[2][2] = '{1,1000}';
@answers = $client->pipeline($read, @runs);
is(scalar(grep { $_->{type} eq 'D' } @answers), 2, 'calls before one that fails are answered');
like((grep { $_->{type} eq 'E' } @answers)[0]{body}, qr/1000 blocks from block 0 on are out of range/,
	'it is, with the error');
$runs[2][2] = '{1,1}';
is(scalar(grep { $_->{type} eq 'D' } $client->pipeline($read, @runs)), 5, 'and the session goes on');

# --- What is refused.

my $refused = sub {
	my ($arguments, $expected, $name) = @_;

	fails_like($store, "SELECT bb_read_blocks($arguments)", $expected, $name);
};
my $at = "'$lease->{lsn}'";
$refused->("ARRAY['base/1/1259'], ARRAY[0, 1]::bigint[], ARRAY[1], $at",
	qr/2202E: arrays of ranges differ.*1 paths, 2 blocks and 1 counts/s, 'arrays that differ');
$refused->("ARRAY['base/1/1259', NULL], ARRAY[0, 1]::bigint[], ARRAY[1, 1], $at",
	qr/22004: argument "paths" must not contain nulls/, 'nulls');
$refused->("NULL, NULL, NULL, $at", qr/22004: argument "paths" must not be null/, 'no array');
$refused->(arguments([ 'base/1/1259', 0, -1 ]), qr/22023: invalid number of blocks -1/, 'a negative number');
$refused->(arguments([ 'base/1/1259', -1, 1 ]), qr/22023: 1 blocks from block -1 on are out of range/, 'a negative block');
$refused->(arguments([ 'base/1/1259', 0, 2147483647 ]), qr/54000: too many blocks/, 'too many');
my $blocks = $lease->{files}{'base/1/1259'}{size} / 8192;
$refused->(arguments([ 'base/1/1259', $blocks - 1, 2 ]) . ", $at",
	qr/22023: 2 blocks from block \d+ on are out of range for file "base\/1\/1259".*has $blocks blocks/s,
	'blocks after the end');
foreach my $path ('base/1/1', 'base/1', 'base/1/01259', 'base/01/1259', 'base/1/1259.0', 'base/1/1259.00',
	'base/1/1259.1', 'base/1/1259_main', 'base/1/1259_', './base/1/1259', '../base/1/1259', 'base/1/1259/', 'base/1/4294968555',
	'global/1259', 'base/99/1259', 'pg_tblspc/1/base/1/1259', 'pg_xact/0', 'pg_xact/00000', 'pg_xact/FFFF',
	'postgresql.conf', 'global/pg_control', '', 'x' x 2000)
{
	$refused->(arguments([ $path, 0, 1 ]) . ", $at", qr/58P01: there is no relation or SLRU file/,
		'no such file: ' . substr $path, 0, 20);
}
$refused->(arguments([ 'base/1/1259', 0, 1 ]) . ", '0/1'", qr/55000: LSN 0\/0*1 is before the history/, 'an early LSN');
$refused->(arguments([ 'base/1/1259', 0, 1 ]) . ", 'F/0'", qr/22023: LSN F\/0+ is past the end/, 'a late LSN');
$refused->(arguments([ 'base/1/1259', 0, 1 ]) . ", $at, 'nosuch'", qr/42704: page store "nosuch"/, 'no such store');
$refused->(arguments([ 'base/1/1259', 0, 1 ]) . ", $at, timeline => 'nosuch'", qr/42704: timeline "nosuch"/, 'no such timeline');
query_is($store, 'SELECT length(bb_read_blocks(' . arguments() . ", $at))", 0, 'no ranges, no bytes');
fails_like($store, "SELECT bb_clone_files(lease => 'nosuch')",
	qr/42704: timeline "main" has no lease "nosuch"/, 'no such lease');
fails_like($store, "SELECT bb_clone_files('$middle', 'clone-2')",
	qr/22023: lease "clone-2" is not at LSN/, 'a lease of another LSN');
fails_like($store, 'SELECT bb_clone_files(content_max => -1)', qr/22023: invalid content_max/, 'no size');
fails_like($store, "SELECT bb_read_file('PG_VERSION', \"offset\" => -1)", qr/22023: argument "offset"/, 'no offset');
$store->safe_psql('postgres', 'CREATE ROLE nobody; CREATE ROLE reader; GRANT EXECUTE ON FUNCTION bb_read_blocks TO reader');
$refused = sub { fails_like($store, "SET ROLE $_[0]; SELECT bb_read_blocks(" . arguments([ 'base/1/1259', 0, 1 ]) . ')', $_[1], $_[2]) };
$refused->('nobody', qr/42501: permission denied for function bb_read_blocks/, 'no EXECUTE');
$refused->('reader', qr/42501: permission denied for foreign server bbackup/, 'no USAGE');

# --- A session that may no longer use the store is refused at the next call.

ask($session, 'SET ROLE reader');
$store->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER bbackup TO reader');
my $one = 'SELECT length(bb_read_blocks(' . arguments([ 'base/1/1259', 0, 1 ]) . ", $at))";
query_is($session, $one, 8192, 'a role that may');
$store->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER bbackup FROM reader');
query_like($session, $one, qr/permission denied for foreign server/, 'and may no longer');
ask($session, 'RESET ROLE');

# --- Statistics, and the deadline.

ask($session, $one) for 1 .. 2;
query_is($session, "SELECT task_kind, keys_requested, pages_requested, bytes_out, lsn = $at FROM bb_access_stats"
	  . " WHERE pid = pg_backend_pid() AND function = 'bb_read_blocks' ORDER BY call_id DESC LIMIT 1",
	'block read|1|1|8192|t', 'a call for a block reads one value: no list, no sizes');
my @large = map { [ $_, 0, $lease->{files}{$_}{size} / 8192 ] }
  grep { $lease->{files}{$_}{kind} eq 'relation' } keys %{ $lease->{files} };
query_like($session, "SET bbackup.call_timeout = 1; SELECT bb_read_blocks(" . arguments(@large) . ", $at)",
	qr/57014: canceling block read due to bbackup.call_timeout/, 'the deadline holds');
ask($session, 'RESET bbackup.call_timeout');
query_is($session, $one, 8192, 'after it, the session reads on');
end_session($session);

done_testing();

# The client program: decoding of standard input.

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use File::Basename;

my $program = 'bb_basebackup';

my $source = new_source('source');
fill_source($source);
my $tablespace = $source->safe_psql('postgres',
	"SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'");
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);
connect_to($store);
my $right = fetch_backup($store);
my $extracted = new_name('extracted');
mkdir $extracted, 0700;
system_or_bail('tar', '-x', '-p', '-f', $right, '-C', $extracted);
my $tar = new_name('main.tar');
my $raw = new_name('raw.tar');

# --- Standard input: the framing of a binary COPY.

my $framed = new_name('framed');
system_or_bail('sh', '-c',
	"psql -X -c 'COPY (SELECT bb_basebackup_stream()) TO STDOUT (FORMAT binary)' > '$framed'");

# Decodes a file; returns the exit code and the messages.
sub decode
{
	my ($input, @options) = @_;
	my $stderr = '';

	IPC::Run::run [ $program, '--decode', @options ], '<', $input, '2>',
	  \$stderr;
	return ($? & 127 ? 'signal' : $? >> 8, $stderr);
}

is_deeply([ decode($framed, '-f', $tar) ], [ 0, '' ], 'a stream is decoded');
same($tar, $right, 'to the tar');
is(system("$program --decode -f - < '$framed' > '$raw'"), 0, 'or to stdout');
same($raw, $right, 'the tar');
my $directory = new_name('decoded');
is_deeply([ decode($framed, '-D', $directory, '-T', "$tablespace=$directory.spc") ],
	[ 0, '' ], 'or to a directory');
same($directory, $extracted, 'what tar extracts');
is(readlink "$directory/pg_tblspc/$tablespace",
	"$directory.spc", 'its tablespace is where it should be');
$directory = new_name('decoded');
my ($status, $stderr) = decode($framed, '-D', $directory, '-T', '12345=/x');
is($status, 1, 'a tablespace that there is not');
like($stderr, qr/backup has no tablespace 12345/, 'is said');
ok(!-e $directory, 'and nothing is left');

# Functions that make framing and tars.
my $start = "PGCOPY\n\377\r\n\0" . pack 'NN', 0, 0;

sub column
{
	my ($bytes) = @_;

	return pack('N', length $bytes) . $bytes;
}

sub row
{
	return pack('n', scalar @_) . join '', map { column($_) } @_;
}

sub member
{
	my ($name, $content, $type, $size) = @_;
	my $header = pack 'a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a32 a32 a8 a8 a155 x12',
	  $name, '0000600 ', '0000000 ', '0000000 ',
	  sprintf('%011o ', $size // length $content), '00000000000 ', '', $type // 0,
	  '', "ustar\0", '00', '', '', '', '', '';
	my $sum = unpack '%32C*', $header;

	substr $header, 148, 8, sprintf '%06o ' . "\0", $sum;
	return $header . $content . "\0" x (-length($content) % 512);
}

my $control =
    member('global/', '', 5)
  . member('empty', '')
  . member('file', 'x' x 600)
  . member('global/pg_control', 'control');
my $end_of_tar = "\0" x 1024;
my $small = $control . $end_of_tar;
my $whole =
    $start
  . row(substr $small, 0, 700)
  . row('')
  . row(substr $small, 700)
  . "\xff\xff";

# Decodes bytes; returns the exit code and the messages.
sub decode_bytes
{
	my ($bytes, @options) = @_;
	my $input = new_name('input');

	append_to_file($input, $bytes);
	return decode($input, @options);
}

$tar = new_name('small.tar');
is_deeply([ decode_bytes($whole, '-f', $tar) ], [ 0, '' ],
	'rows of any size, also without bytes');
ok(slurp_file($tar) eq $small, 'give the tar');
unlink $tar;
$directory = new_name('small');
is_deeply([ decode_bytes($whole, '-D', $directory, '-N') ], [ 0, '' ],
	'a small directory');
is_deeply([ files_below($directory) ],
	[ 'empty', 'file', 'global/', 'global/pg_control' ], 'has its files');
is(slurp_file("$directory/file"), 'x' x 600, 'and what is in them');

# Cuts at every byte of the framing, and some in the data.
my @cuts = grep {
	$_ < 32 || $_ % 97 == 0 || $_ > length($whole) - 8 || ($_ > 720 && $_ < 740)
} 0 .. length($whole) - 1;
my ($noticed, $left) = (0, 0);
$directory = new_name('cut');
foreach my $cut (@cuts)
{
	my ($file, $said) = decode_bytes(substr($whole, 0, $cut), '-f', $tar);
	my ($plain) = decode_bytes(substr($whole, 0, $cut), '-D', $directory);

	$noticed++ if $file eq '1' && $plain eq '1' && $said =~ /incomplete/;
	$left++ if -e $tar || -e "$tar.part" || -e $directory;
}
is($noticed, scalar @cuts, 'a stream that was cut anywhere is refused');
is($left, 0, 'and leaves nothing');
is( system("head -c 1000000 '$framed' | $program --decode -f - > '$raw' 2> '$raw.err'") >> 8,
	1, 'on stdout too');
like(slurp_file("$raw.err"), qr/the stream was cut/, 'as far as that goes');

foreach my $case (
	[ 'nothing', '', qr/incomplete/ ],
	[ 'garbage', "\xa5" x 5000, qr/not that of a backup/ ],
	[ 'text', "\\\\x0123\n" x 100, qr/not that of a backup/ ],
	[ 'a tar', $small, qr/not that of a backup/ ],
	[ 'no row', "$start\xff\xff", qr/not that of a backup/ ],
	[ 'more', "$whole\0", qr/data after its end/ ],
	[ 'two streams', "$whole$whole", qr/data after its end/ ],
	[ 'flags', "PGCOPY\n\377\r\n\0" . pack('NN', 1 << 16, 0) . row($small) . "\xff\xff",
		qr/not that of a backup/ ],
	[ 'rows as one column', $start . row(pack('NNN', 2, 25, 8) . 'base.tar' . pack('N', 17) . column($small)) . "\xff\xff",
		qr/not that of a backup.*\n.*bb_basebackup_archives/ ],
	[ 'NULL', $start . pack('nN', 1, 0xffffffff) . "\xff\xff", qr/not that of a backup/ ],
	[ 'no column', $start . row() . "\xff\xff", qr/not that of a backup/ ],
	[ 'three columns', $start . row(1, 2, 3) . "\xff\xff", qr/not that of a backup/ ],
	[ 'columns that change', $start . row($small) . row('base.tar', '') . "\xff\xff",
		qr/not that of a backup/ ],
	[ 'a long name', $start . row('x' x 100, $small) . "\xff\xff", qr/not that of a backup/ ],
	[ 'a bad name', $start . row('../base.tar', $small) . "\xff\xff", qr/invalid name/ ],
	[ 'no name', $start . row('', $small) . "\xff\xff", qr/invalid name/ ],
	[ 'a hidden name', $start . row('.base.tar', $small) . "\xff\xff", qr/invalid name/ ])
{
	my ($name, $bytes, $expected) = @$case;
	my $archives = new_name('archives');
	my ($file, $said) = decode_bytes($bytes, '-D', $archives, '-Ft');

	ok($file eq '1' && $said =~ $expected, "input that is $name")
	  or diag("status $file, got: $said");
	ok(!-e $archives, '... leaves nothing');
}
my $extended = "PGCOPY\n\377\r\n\0" . pack('NN', 1, 3) . 'abc' . row($small) . "\xff\xff";
is_deeply([ decode_bytes($extended, '-f', $tar) ], [ 0, '' ],
	'a header may have an extension');
ok(slurp_file($tar) eq $small, 'which is skipped');
unlink $tar;

# Rows with the names of archives.
my $several =
    $start
  . row('16385.tar', $small)
  . row('base.tar', substr $small, 0, 100)
  . row('base.tar', substr $small, 100)
  . "\xff\xff";
$directory = new_name('archives');
is_deeply([ decode_bytes($several, '-Ft', '-D', $directory) ], [ 0, '' ], 'archives');
only_has($directory, '16385.tar base.tar', 'a file each');
ok(slurp_file("$directory/base.tar") eq $small, 'with its bytes');
foreach my $to ([ '-f', $tar ], [ '-D', new_name('several') ])
{
	($status, $stderr) = decode_bytes($several, @$to);
	is($status, 1, "archives don't go with $to->[0]");
	like($stderr, qr/several archives.*\n.*hint/, 'which is said');
	ok(!-e $to->[1] && !-e "$to->[1].part", 'and nothing is left');
}
$several = $start . row('a.tar', $small) . row('b.tar', $small) . row('a.tar', $small) . "\xff\xff";
($status, $stderr) = decode_bytes($several, '-Ft', '-D', $directory = new_name('twice'));
like($stderr, qr/has the archive "a.tar" twice/, 'an archive comes once');
ok(!-e $directory, 'or nothing is left');

# Tars that can't be extracted.
foreach my $case (
	[ 'an absolute path', member('/tmp/x', 'x'), qr/unsafe path: "\/tmp\/x"/ ],
	[ 'a path up', member('../x', 'x'), qr/unsafe path/ ],
	[ 'a path up in the midst', member('a/../../x', 'x'), qr/unsafe path/ ],
	[ 'a path up at the end', member('a/..', ''), qr/unsafe path/ ],
	[ 'a dot', member('./x', ''), qr/unsafe path/ ],
	[ 'no path', member('', ''), qr/not that of a backup/ ],
	[ 'a symbolic link', member('x', '', 2), qr/unknown type "2"/ ],
	[ 'a hard link', member('x', '', 1), qr/unknown type "1"/ ],
	[ 'a device', member('x', '', 3), qr/unknown type "3"/ ],
	[ 'a long name', member('x', 'long', 'L'), qr/unknown type "L"/ ],
	[ 'a directory with content', member('x', 'x', 5), qr/directory with content/ ],
	[ 'the same file twice', member('x', '') x 2, qr/File exists/ ],
	[ 'a bad checksum', member('x', '') =~ s/^x/y/r, qr/invalid header/ ],
	[ 'no tar', 'x' x 512, qr/invalid header/ ],
	[ 'gzip', "\x1f\x8b\x08" . 'x' x 509, qr/is compressed.*\n.*hint/ ])
{
	my ($name, $bytes, $expected) = @$case;

	$directory = new_name('unsafe');
	($status, $stderr) = decode_bytes(
		$start . row($bytes . $control . $end_of_tar) . "\xff\xff",
		'-D', $directory);
	ok($status eq '1' && $stderr =~ $expected, "a tar with $name")
	  or diag("status $status, got: $stderr");
	only_has(dirname($directory), '', '... leaves nothing');
}
foreach my $case (
	[ 'no pg_control', member('x', '') . $end_of_tar, qr/no file "global\/pg_control"/ ],
	[ 'no end', $control, qr/ends early/ ],
	[ 'half an end', $control . "\0" x 512, qr/ends early/ ],
	[ 'an end in the midst of a block', $small . "\0", qr/ends early/ ],
	[ 'an end in the midst of a file', $control . member('x', '', 0, 5), qr/ends early/ ],
	[ 'data after its end', $small . 'x' x 512, qr/after its end/ ])
{
	my ($name, $bytes, $expected) = @$case;

	$directory = new_name('unsafe');
	($status, $stderr) =
	  decode_bytes($start . row($bytes) . "\xff\xff", '-D', $directory);
	ok($status eq '1' && $stderr =~ $expected, "a tar with $name")
	  or diag("status $status, got: $stderr");
	ok(!-e $directory, '... leaves nothing');
}

done_testing();

# BBackup::Archive::Mutations - what happens to the files of an archive.
#
# A part of BBackup::Archive::Maker: an object has "files", name => what it
# contains (the name of a file; a reference to bytes; or, of what is no regular
# file, [ what, contents ]).

package BBackup::Archive::Mutations;

use strict;
use warnings;

use BBackup::Files qw(slurp);
use Carp;

use constant SEGMENT_SIZE => 1024 * 1024;
use constant PAGE_SIZE => 8192;

sub any { return $_[ int rand @_ ] }

# The names of mutations, each with its weight and what it does to the files;
# a function returns what it did, or undef if there was nothing to do it to.
my @mutations = (
	[ 'missing', 8, \&lose_segment ],
	[ 'cut', 6, \&cut ],
	[ 'zero-filled', 6, \&zero_fill ],
	[ 'garbage', 4, \&garble ],
	[ 'bit flip', 4, \&flip_bit ],
	[ 'partial', 6, \&rename_partial ],
	[ 'partial too', 5, \&duplicate_partial ],
	[ 'duplicate', 6, \&replace_by_anothers ],
	[ 'spliced', 6, \&splice_segments ],
	[ 'recycled', 4, \&recycle ],
	[ 'preallocated', 3, \&preallocate ],
	[ 'wrong tli', 4, \&copy_to_other_tli ],
	[ 'foreign', 2, \&put_foreign ],
	[ 'history missing', 5, \&lose_history ],
	[ 'history empty', 3, \&empty_history ],
	[ 'history cut', 3, \&cut_history ],
	[ 'history odd', 5, \&odd_history ],
	[ 'history moved', 4, \&move_history ],
	[ 'history of another', 4, \&replace_history ],
	[ 'history invented', 4, \&invent_history ],
	[ 'compressed', 2, \&compress ],
	[ 'other files', 3, \&add_other_files ],
	[ 'too long', 1, \&lengthen ],
	[ 'not a file', 2, \&replace_by_nonfile ],
	[ 'header', 3, \&change_header ]);

sub mutation_names { return map { $_->[0] } @mutations }

sub mutate
{
	my ($self) = @_;
	my $count = any(0, 0, 1, 1, 1, 1, 2, 2, 3, 5);
	my $total = 0;

	$total += $_->[1] foreach @mutations;
	for (1 .. $count)
	{
		my $dice = rand $total;

		foreach my $mutation (@mutations)
		{
			$dice -= $mutation->[1];
			next if $dice > 0;
			my $told = $mutation->[2]->($self);

			if (defined $told)
			{
				push @{ $self->{done} }, $mutation->[0];
				$self->tell("$mutation->[0]: $told");
			}
			last;
		}
	}
	return;
}

# ---- what is there ----

# Segments, of "tli 1" alone if that is given; biased to those that matter,
# which begin at the base.
sub segments
{
	my ($self, $pattern) = @_;
	my $first = substr $self->{base}{segment}, -16;

	$pattern //= qr/^[0-9A-F]{24}$/;
	return grep { /$pattern/ && substr($_, 8, 16) ge $first && $self->is_plain($_) }
	  sort keys %{ $self->{files} };
}

sub is_plain { return ref($_[0]{files}{ $_[1] }) ne 'ARRAY' }

sub any_segment
{
	my ($self) = @_;
	my @segments = $self->segments;

	return undef if !@segments;
	return rand() < 0.3 ? $segments[-1] : any(@segments);
}

sub any_history
{
	my ($self) = @_;

	return any(grep { /\.history$/ && $self->is_plain($_) }
		  sort keys %{ $self->{files} });
}

sub bytes
{
	my ($self, $name) = @_;
	my $file = $self->{files}{$name};

	return ref $file ? $$file : slurp($file);
}

# Where WAL of a segment ends, more or less: what is behind it is zeros.
sub used
{
	my ($bytes) = @_;

	return length($bytes =~ s/\0+\z//r);
}

# An offset that may matter: anywhere, near pages, near the end of the WAL.
sub any_offset
{
	my ($bytes) = @_;
	my $used = used($bytes) || 1;
	my $dice = rand;

	return 0 if $dice < 0.1;
	return int rand($used) if $dice < 0.4;
	return PAGE_SIZE * int(rand($used) / PAGE_SIZE) if $dice < 0.6;
	return PAGE_SIZE * int(rand($used) / PAGE_SIZE) + int rand 80
	  if $dice < 0.8;
	return $used - int rand 200 > 0 ? $used - int rand 200 : 0;
}

# ---- mutations of segments ----

sub lose_segment
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;

	delete $self->{files}{$name};
	return $name;
}

sub cut
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my $at = any_offset($bytes);

	$at = 0 if rand() < 0.1;
	$self->{files}{$name} = \substr($bytes, 0, $at);
	return "$name at $at";
}

sub zero_fill
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my $at = rand() < 0.4 ? 0 : any_offset($bytes);
	my $length = length($bytes) - $at;

	return undef if $length <= 0;
	$length = int rand $length if rand() < 0.3;
	substr($bytes, $at, $length) = "\0" x $length;
	$self->{files}{$name} = \$bytes;
	return "$name, $length bytes at $at";
}

sub garble
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my $at = rand() < 0.4 ? 0 : any_offset($bytes);
	my $length = length($bytes) - $at;

	return undef if $length <= 0;
	$length = 1 + int rand $length if rand() < 0.5;
	substr($bytes, $at, $length) =
	  substr pack('N*', map { int rand 2**32 } 0 .. $length / 4), 0, $length;
	$self->{files}{$name} = \$bytes;
	return "$name, $length bytes at $at";
}

sub flip_bit
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my $at = any_offset($bytes);

	return undef if $at >= length $bytes;
	substr($bytes, $at, 1) ^= chr(1 << int rand 8);
	$self->{files}{$name} = \$bytes;
	return "$name at $at";
}

sub rename_partial
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;

	$self->{files}{"$name.partial"} = delete $self->{files}{$name};
	return $name;
}

# As a server leaves it that archived both: the partial one has less.
sub duplicate_partial
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my $at = any_offset($bytes);

	substr($bytes, $at) = "\0" x (length($bytes) - $at)
	  if $at < length $bytes;
	if (rand() < 0.3)
	{
		$self->{files}{"$name.partial"} = $self->{files}{$name};
		$self->{files}{$name} = rand() < 0.5 ? \'' : \$bytes;
		return "$name has less than its .partial";
	}
	$self->{files}{"$name.partial"} = \$bytes;
	return "$name to $at";
}

# The same name, of another node.
sub others_of
{
	my ($self, $name) = @_;
	my @found;

	foreach my $node ($self->{family}->nodes)
	{
		push @found, $node->{files}{$name} if exists $node->{files}{$name};
		push @found, $node->{tail}[1]
		  if $node->{tail} && $node->{tail}[0] eq $name;
	}
	my $mine = $self->{files}{$name} // '';
	return grep { $_ ne $mine } @found;
}

sub replace_by_anothers
{
	my ($self) = @_;
	my @names = grep { $self->others_of($_) } $self->segments;
	my $name = any(@names) // return undef;
	my $other = any($self->others_of($name));

	$self->{files}{$name} = $other;
	return "$name is that of " . $other =~ s{.*/(pool\d+)/.*}{$1}r;
}

# The beginning of one, the rest of another: torn copies.
sub splice_segments
{
	my ($self) = @_;
	my @names = grep { $self->others_of($_) } $self->segments;
	my $name = any(@names) // return undef;
	my $bytes = $self->bytes($name);
	my $other = slurp(any($self->others_of($name)));
	my $at = any_offset($bytes);

	return undef if $at > length $other;
	substr($bytes, $at) = substr $other, $at;
	$self->{files}{$name} = \$bytes;
	return "$name, another's from $at";
}

# A later name over older WAL, as servers leave them in pg_wal.
sub recycle
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $to = next_name($name, 1 + int rand 3);

	return undef if exists $self->{files}{$to} && rand() < 0.5;
	$self->{files}{$to} = $self->{files}{$name};
	return "$name as $to";
}

sub preallocate
{
	my ($self) = @_;
	my $name = ($self->segments)[-1] // return undef;
	my $to = next_name($name, 1);

	$self->{files}{$to} = \("\0" x SEGMENT_SIZE);
	return $to;
}

sub next_name
{
	my ($name, $by) = @_;

	return substr($name, 0, 16)
	  . sprintf '%08X', hex(substr $name, 16, 8) + $by;
}

# WAL of one tli under the name of another.
sub copy_to_other_tli
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $to = sprintf '%08X%s', 1 + int rand 8, substr $name, 8;

	return undef if $to eq $name;
	$self->{files}{$to} = $self->{files}{$name};
	delete $self->{files}{$name} if rand() < 0.5;
	return "$name as $to";
}

# WAL of another system: the identifier is in the first page's header.
sub put_foreign
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);

	return undef if length $bytes < 40;
	substr($bytes, 24, 8) ^= "\1\2\3\4\5\6\7\1";
	$self->{files}{$name} = \$bytes;
	return $name;
}

# A header of a page: the magic number, flags, tli, address, what goes on from
# the page before; of a segment also the sizes.
sub change_header
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);
	my ($at, $format, $what, $value) = @{
		any(
			[ 0, 'v', 'magic', 0xD100 + int rand 32 ],
			[ 2, 'v', 'info', int rand 32 ],
			[ 4, 'V', 'tli', int rand 9 ],
			[ 8, 'Q<', 'address', SEGMENT_SIZE * int rand 40 ],
			[ 16, 'V', 'rem_len', int rand 9000 ],
			[ 32, 'V', 'segment size', 1 << (20 + int rand 5) ],
			[ 36, 'V', 'page size', 1 << (10 + int rand 5) ])
	};
	my $page = $at >= 32 ? 0 : PAGE_SIZE * int rand(used($bytes) / PAGE_SIZE);

	return undef if length $bytes < $page + 40;
	my $new = pack $format, $value;
	substr($bytes, $page + $at, length $new) = $new;
	$self->{files}{$name} = \$bytes;
	return "$name, $what $value at page " . $page / PAGE_SIZE;
}

sub compress
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $suffix = any('.gz', '.lz4', '.zst', '.bz2', '.xz', '');

	$self->{files}{"$name$suffix"} =
	  \("\x1f\x8b\x08\x00" . pack 'N*', map { int rand 2**32 } 1 .. 5000);
	delete $self->{files}{$name} if $suffix ne '';
	return "$name$suffix";
}

sub lengthen
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;

	$self->{files}{$name} =
	  \($self->bytes($name) . "\0" x any(1, 8192, SEGMENT_SIZE));
	return $name;
}

sub replace_by_nonfile
{
	my ($self) = @_;
	my $name = any($self->any_segment, $self->any_history) // return undef;
	my $what = any('directory', 'fifo', 'dangling', 'symlink');

	$self->{files}{$name} = [ $what, $self->{files}{$name} ];
	return "$name is a $what";
}

# Other files in archives.
sub add_other_files
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;

	foreach my $other (
		"$name.00000028.backup", "$name.tmp",
		lc($name) . 'x', 'RECOVERYXLOG',
		'.hidden', 'archive_status',
		"$name.partial.gz", 'zz' . substr($name, 2))
	{
		$self->{files}{$other} = \'something' if rand() < 0.6;
	}
	return "beside $name";
}

# ---- mutations of histories ----

sub lose_history
{
	my ($self) = @_;
	my $name = $self->any_history // return undef;

	delete $self->{files}{$name};
	return $name;
}

sub empty_history
{
	my ($self) = @_;
	my $name = $self->any_history // return undef;

	$self->{files}{$name} = any(\'', \"\n", \"# nothing\n");
	return $name;
}

sub cut_history
{
	my ($self) = @_;
	my $name = $self->any_history // return undef;
	my $bytes = $self->bytes($name);
	my $at = int rand length $bytes;

	$self->{files}{$name} = \substr $bytes, 0, $at;
	return "$name at $at";
}

# Forms that the server reads, or doesn't.
sub odd_history
{
	my ($self) = @_;
	my $name = $self->any_history // return undef;
	my $text = $self->bytes($name);
	my ($tli) = hex substr $name, 0, 8;
	my ($what, $change) = @{
		any(
			[ 'CR LF', sub { s/\n/\r\n/g } ],
			[ 'spaces', sub { s/\t/ /g } ],
			[ 'no end of line', sub { s/\n\z// } ],
			[ 'leading blanks', sub { s/^/ \t/mg } ],
			[ 'comments', sub { $_ = "# it\n\n$_\n  # was\n" } ],
			[ 'no reason', sub { s{^(\d+\t[0-9A-F/]+).*}{$1}mg } ],
			[ 'lower case', sub { $_ = lc } ],
			[ 'garbage', sub { $_ = join '', map { chr int rand 256 } 1 .. 60 } ],
			[ 'no position', sub { s{\t\S+/\S+}{}m } ],
			[ 'a word', sub { $_ .= "what is this\n" } ],
			[ 'itself', sub { $_ .= "$tli\t0/A00000\tit\n" } ],
			[ 'a later tli', sub { $_ .= ($tli + 2) . "\t0/F00000\tx\n" } ],
			[ 'twice', sub { $_ .= $_ } ],
			[ 'reversed', sub { $_ = join '', reverse /^.*\n/mg } ],
			[ 'without the first', sub { s/^.*\n// } ],
			[ 'without the last', sub { s/^.*\n\z//m } ],
			[ 'a zero byte', sub { s/\n/\0\n/ } ],
			[ 'a long line', sub { my $x = 'x' x 3000; s{\n}{$x\n} } ],
			[ 'tli 0', sub { $_ = "0\t0/100000\tx\n$_" } ],
			[ 'a negative tli', sub { s/^1\t/-1\t/m } ],
			[ 'zero position', sub { s{\t\S+/\S+}{\t0/0}m } ],
			[ 'position of the end', sub { s{\t\S+/\S+}{\tFFFFFFFF/FFFFFFFF}m } ],
			[ 'a hexadecimal prefix', sub { s{\t(\S+)/(\S+)}{\t0x$1/0x$2}m } ]
		)
	};

	$change->() for $text;
	$self->{files}{$name} = \$text;
	return "$name: $what";
}

# The position where a tli was left is another one.
sub move_history
{
	my ($self) = @_;
	my $name = $self->any_history // return undef;
	my $text = $self->bytes($name);
	my @lines = $text =~ /^.*\n/mg;

	return undef if !@lines;
	my $i = int rand @lines;
	$lines[$i] =~ m{^(\d+)\t(\S+)/(\S+)(.*)}s or return undef;
	my ($tli, $high, $low, $rest) = ($1, $2, $3, $4);
	my $by = any(-8, 8, -SEGMENT_SIZE, SEGMENT_SIZE, int(rand 4e6) - 2e6,
		-(hex($low) % SEGMENT_SIZE), 3 * SEGMENT_SIZE);
	my $lsn = hex($low) + int $by;

	return undef if $lsn < 0;
	$lines[$i] = sprintf "%u\t%s/%X%s", $tli, $high, $lsn, $rest;
	$self->{files}{$name} = \join '', @lines;
	return sprintf '%s: tli %u to %X', $name, $tli, $lsn;
}

sub replace_history
{
	my ($self) = @_;
	my @names = grep { /\.history$/ && $self->others_of($_) }
	  sort keys %{ $self->{files} };
	my $name = any(@names) // return undef;
	my $other = any($self->others_of($name));

	$self->{files}{$name} = $other;
	return "$name is that of " . $other =~ s{.*/(pool\d+)/.*}{$1}r;
}

# A tli that nobody has written yet, or one behind a gap.
sub invent_history
{
	my ($self) = @_;
	my $from = $self->any_history;
	my $tli = 2 + int rand 12;
	my $name = sprintf '%08X.history', $tli;
	my @lines = defined $from ? $self->bytes($from) =~ /^.*\n/mg : ();
	my ($parent) = defined $from ? hex substr $from, 0, 8 : 1;
	my $segment = $self->any_segment // return undef;

	return undef if exists $self->{files}{$name} || $parent >= $tli;
	push @lines, sprintf "%u\t0/%X\tinvented\n", $parent,
	  hex(substr $segment, 16, 8) * SEGMENT_SIZE +
	  any(0, 0x28, int rand SEGMENT_SIZE);
	$self->{files}{$name} = \join '', @lines;
	return "$name after $parent";
}

1;

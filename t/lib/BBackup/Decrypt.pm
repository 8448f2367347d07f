# BBackup::Decrypt - the objects of encrypted page stores, decrypted from
# docs/format.md alone: by AES of the openssl program, and GCM as NIST SP 800-38D
# describes it.

package BBackup::Decrypt;

use strict;
use warnings;

use Carp;
use Digest::SHA qw(sha256);
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(open_keyring open_object open_checked);

use constant CHUNK => 16384;

# aes - encrypt blocks of 16 bytes, each for itself.
sub aes
{
	my ($key, $blocks) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/blocks';

	open my $out, '>:raw', $file or croak "$file: $!";
	print $out $blocks;
	close $out;
	open my $openssl, '-|:raw', 'openssl', 'enc', '-aes-256-ecb', '-nopad',
	  '-K', unpack('H*', $key), '-in', $file
	  or croak "openssl: $!";
	local $/;
	my $result = <$openssl>;
	close $openssl or croak 'openssl failed';
	return $result;
}

# multiply - of two blocks, in the field of GCM; the second one is two numbers.
sub multiply
{
	my ($x, $h_high, $h_low) = @_;
	my ($high, $low) = (0, 0);

	foreach my $bit (split //, unpack 'B128', $x)
	{
		($high, $low) = ($high ^ $h_high, $low ^ $h_low) if $bit;
		my $odd = $h_low & 1;
		$h_low = ($h_low >> 1) | (($h_high & 1) << 63);
		$h_high >>= 1;
		$h_high ^= 0xe1 << 56 if $odd;
	}
	return pack 'Q>Q>', $high, $low;
}

# tag - the tag of a ciphertext.
sub tag
{
	my ($key, $nonce, $aad, $sealed) = @_;
	my ($zero, $first) = unpack 'a16a16',
	  aes($key, "\0" x 16 . $nonce . pack('N', 1));
	my @h = unpack 'Q>Q>', $zero;
	my $hash = "\0" x 16;
	my $data = join '',
	  (map { $_ . "\0" x (-length($_) % 16) } $aad, $sealed),
	  pack('Q>Q>', 8 * length $aad, 8 * length $sealed);

	$hash = multiply($hash ^ $_, @h) foreach unpack '(a16)*', $data;
	return $hash ^ $first;
}

# stream - what GCM combines so many bytes with, as a list of blocks.
sub stream
{
	my ($nonce, $length) = @_;

	return map { $nonce . pack('N', 1 + $_) } 1 .. int(($length + 15) / 16);
}

# unseal - decrypt what was encrypted under one nonce; dies if its tag is wrong.
sub unseal
{
	my ($key, $nonce, $aad, $sealed) = @_;
	my $text = substr $sealed, 0, -16;
	my $stream = aes($key, join '', stream($nonce, length $text));

	croak 'wrong tag' if tag($key, $nonce, $aad, $text) ne substr $sealed, -16;
	return $text ^ substr $stream, 0, length $text;
}

# open_keyring - return the data keys of a key ring, by their ids.
sub open_keyring
{
	my ($bytes, $key) = @_;
	my ($magic, $version, $length, $id, $nonce, $sealed) =
	  unpack 'a8VVa8a12a*', $bytes;

	croak 'no key ring' if $magic ne "bbkeyrg\n" || $version != 1;
	croak 'wrong length' if $length != length $sealed;
	croak 'another key'
	  if $id ne substr sha256("bbackup store key\n$key"), 0, 8;
	my ($n, $entries) =
	  unpack 'Va*', unseal($key, $nonce, substr($bytes, 0, 36), $sealed);
	croak 'wrong number' if length $entries != 44 * $n;
	return map { my ($number, $time, $data) = unpack 'VQ<a32', $_; ($number, $data) }
	  unpack '(a44)*', $entries;
}

# The key of an object, and its chunks.
sub parts
{
	my ($bytes, $name, %data_keys) = @_;
	my ($magic, $version, $chunk, $id, $nonce, $sealed, $rest) =
	  unpack 'a8VVVa12a48a*', $bytes;

	croak 'not encrypted'
	  if $magic ne "bbcrypt\n" || $version != 1 || $chunk != CHUNK;
	my $key =
	  unseal($data_keys{$id}, $nonce, substr($bytes, 0, 32) . $name, $sealed);
	return $key, unpack '(a' . (CHUNK + 16) . ')*', $rest;
}

sub chunk_nonce
{
	my ($number, $last) = @_;

	return pack 'Q<Cx3', $number, $last ? 1 : 0;
}

# open_object - decrypt an object, without looking at the tags of its chunks.
sub open_object
{
	my ($bytes, $name, %data_keys) = @_;
	my ($key, @chunks) = parts($bytes, $name, %data_keys);
	my @texts = map { substr $_, 0, -16 } @chunks;
	my $stream = aes(
		$key,
		join '',
		map { stream(chunk_nonce($_, $_ == $#texts), length $texts[$_]) }
		  0 .. $#texts);
	my $text = join '', @texts;

	return $text ^ substr $stream, 0, length $text;
}

# open_checked - the same, with the tags.
sub open_checked
{
	my ($bytes, $name, %data_keys) = @_;
	my ($key, @chunks) = parts($bytes, $name, %data_keys);

	return join '',
	  map { unseal($key, chunk_nonce($_, $_ == $#chunks), '', $chunks[$_]) }
	  0 .. $#chunks;
}

1;

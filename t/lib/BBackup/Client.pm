# BBackup::Client - what the tests of the client program share.

package BBackup::Client;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  connect_to
  run_client
  succeeds
  fails
  new_name
  only_has
  same
);

my $program = 'bb_basebackup';

# The server that it connects to from here on.
sub connect_to
{
	my ($node) = @_;

	$ENV{PGHOST} = $node->host;
	$ENV{PGPORT} = $node->port;
	$ENV{PGDATABASE} = 'postgres';
	return;
}

# Runs it; the exit code, or "signal", with its two outputs.
sub run_client
{
	my @options = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run [ $program, @options ], '<', \undef, '>', \$stdout, '2>',
	  \$stderr;
	return ($? & 127 ? 'signal' : $? >> 8, $stdout, $stderr);
}

# Two tests: it succeeds, and has nothing to say.
sub succeeds
{
	my ($name, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, 0, "$name: succeeds");
	is($stderr, '', "$name: says nothing");
	return $stdout;
}

# One test: it fails with exit code 1, and says why.
sub fails
{
	my ($name, $expected, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($status eq '1' && $stderr =~ $expected, $name)
	  or diag("status $status, expected $expected, got: $stderr");
	return $stderr;
}

# A name in a new, empty directory.
sub new_name
{
	my ($name) = @_;

	return PostgreSQL::Test::Utils::tempdir_short . "/$name";
}

# One test: nothing is left beside what the directory is to have.
sub only_has
{
	my ($directory, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', sort map { basename $_ } glob "$directory/*"),
		$expected, $name);
	return;
}

# One test: two files, or trees, are the same.
sub same
{
	my ($one, $other, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(`diff -r '$one' '$other' 2>&1 | head -n 20`, '', $name);
	return;
}

1;

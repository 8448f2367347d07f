# BBackup::Client - functions that the tests of the client programs share.

package BBackup::Client;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  connect_to
  use_program
  run_client
  succeeds
  exits
  fails
  new_name
  only_has
  same
);

my $program = 'bb_basebackup';

# Sets the program that the functions run.
sub use_program
{
	($program) = @_;
	return;
}

# Sets the server that the program connects to.
sub connect_to
{
	my ($node) = @_;

	$ENV{PGHOST} = $node->host;
	$ENV{PGPORT} = $node->port;
	$ENV{PGDATABASE} = 'postgres';
	return;
}

# Runs the program; returns the exit code or "signal", stdout and stderr.
sub run_client
{
	my @options = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run [ $program, @options ], '<', \undef, '>', \$stdout, '2>',
	  \$stderr;
	return ($? & 127 ? 'signal' : $? >> 8, $stdout, $stderr);
}

# Two tests: the program succeeds, and reports nothing.
sub succeeds
{
	my ($name, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, 0, "$name: succeeds");
	is($stderr, '', "$name: says nothing");
	return $stdout;
}

# One test: the program fails with exit code 1, and a message.
sub fails
{
	my ($name, $expected, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return exits($name, 1, $expected, @options);
}

# One test: the program ends with an exit code, and a message.
sub exits
{
	my ($name, $code, $expected, @options) = @_;
	my ($status, $stdout, $stderr) = run_client(@options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($status eq $code && $stderr =~ $expected, $name)
	  or diag("status $status, expected $expected, got: $stderr");
	return $stderr;
}

# Returns a path in a new, empty directory.
sub new_name
{
	my ($name) = @_;

	return PostgreSQL::Test::Utils::tempdir_short . "/$name";
}

# One test: the directory has the expected files only.
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

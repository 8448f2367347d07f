# BBackup::Backups - backups, clones that start from them, and their dumps.

package BBackup::Backups;

use strict;
use warnings;

use BBackup::Files qw(slurp);
use BBackup::Sources;
use BBackup::StoreKind;
use BBackup::Stores;
use Carp;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  fetch_backup
  backup_md5
  new_imported_store
  tar_members
  own_address
  start_clone
  new_clone
  dump_all
  same_dump
);

# fetch_backup - write the tar of bb_basebackup_stream(ARGUMENTS) to a file, a new
# one by default; returns its name.
sub fetch_backup
{
	my ($store, $arguments, $file) = @_;
	my $buffer;

	$arguments //= '';
	$file //= PostgreSQL::Test::Utils::tempdir . '/backup.tar';
	local $ENV{PGOPTIONS} =
	  BBackup::StoreKind::before_backup($store, $arguments);

	open my $tar, '>:raw', $file or croak "$file: $!";
	open my $psql, '-|:raw', 'psql', '-X', '-q', '-d',
	  $store->connstr('postgres'), '-c',
	  "COPY (SELECT bb_basebackup_stream($arguments))"
	  . " TO STDOUT (FORMAT binary)"
	  or croak "psql: $!";
	# a header of 19 bytes, 6 bytes before each row, 2 after the last
	read $psql, $buffer, 19;
	while (read($psql, $buffer, 2) == 2 && $buffer ne "\xff\xff")
	{
		read $psql, $buffer, 4;
		my $length = unpack 'N', $buffer;
		read($psql, $buffer, $length) == $length
		  or croak "backup ($arguments) broke off";
		print $tar $buffer;
	}
	close $psql or croak "backup ($arguments) failed";
	close $tar or croak "$file: $!";
	return $file;
}

# backup_md5 - a query for the digest of a full backup from a store; more
# arguments of bb_basebackup_stream() may follow.
sub backup_md5
{
	my ($server, $arguments) = @_;

	$arguments = defined $arguments ? ", $arguments" : '';
	return
	  "SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
	  . " bb_basebackup_stream(store => '$server' $arguments) AS chunk) c";
}

# new_imported_store - a store with so much configuration and a cluster of a
# table with 100,000 rows in it, and the tar of its backup.
sub new_imported_store
{
	my ($conf) = @_;
	my $source = new_source('source', '--data-checksums');

	create_rows($source, 100000);
	$source->stop;
	my $store = new_store('store', $conf);
	import_directory($store, $source->data_dir);
	return ($store, slurp(fetch_backup($store)));
}

# tar_members - the names of the members of a tar, in order.
sub tar_members
{
	my ($tar) = @_;

	return map { s{^\./|/$}{}gr } split /\n/, `tar -tf '$tar'`;
}

# own_address - append a clone's port and socket directory to its configuration,
# which has its source's.
sub own_address
{
	my ($clone) = @_;

	$clone->append_conf('postgresql.conf', "port = "
		  . $clone->port
		  . "\nunix_socket_directories = '"
		  . $clone->host
		  . "'\n");
	return;
}

# start_clone - move a data directory to a new node and start it.
sub start_clone
{
	my ($directory, $name) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);

	rename $directory, $clone->data_dir or croak "$directory: $!";
	own_address($clone);
	$clone->start;
	return $clone;
}

# new_clone - unpack a tar as a new node, without starting it.
sub new_clone
{
	my ($name, $tar) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);
	my $directory = $clone->data_dir;

	mkdir $directory, 0700 or croak "$directory: $!";
	PostgreSQL::Test::Utils::system_or_bail('tar', '-x', '-p', '-f', $tar,
		'-C', $directory);
	own_address($clone);
	return $clone;
}

# dump_all - dump all databases as SQL, without the rows of unlogged tables.
sub dump_all
{
	my ($node) = @_;
	my ($dump, $errors);

	IPC::Run::run [ 'pg_dumpall', '--no-sync', '--no-unlogged-table-data',
		'-d', $node->connstr('postgres') ],
	  '>', \$dump, '2>', \$errors
	  or croak "pg_dumpall failed: $errors";
	# each dump has a random word
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	# tablespaces of a clone are in its data directory
	$dump =~ s/^(CREATE TABLESPACE .*) LOCATION E?'.*'/$1/mg;
	return $dump;
}

# same_dump - test that two results of dump_all are equal.
sub same_dump
{
	my ($got, $expected, $name) = @_;
	my @got = split /\n/, $got;
	my @expected = split /\n/, $expected;
	my $at = 0;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return if ok($got eq $expected, $name);
	$at++ while $at < @got && $at < @expected && $got[$at] eq $expected[$at];
	diag(sprintf "line %d:\n  %s\ninstead of\n  %s",
		$at + 1, $got[$at] // 'none', $expected[$at] // 'none');
	return;
}

1;

# BBackup - what the TAP tests share.
#
# The ways of a test: a source cluster, filled and shut down cleanly; a server
# with the extension, the "store"; an import; a backup, fetched as a tar; and
# a clone, which is the tar, unpacked and started.
#
#	my $source = new_source('source');
#	fill_source($source);
#	$source->stop;
#	my $store = new_store('store');
#	import_directory($store, $source->data_dir);
#	my $clone = new_clone('clone', fetch_backup($store));
#	$clone->start;

package BBackup;

use strict;
use warnings;

use BBackup::StoreKind;
use Carp;
use Exporter 'import';
use File::Find;
use IPC::Open2;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  draw_seed
  new_store
  new_source
  new_archiving_source
  base_with_archive
  fill_source
  import_directory
  ingest
  fetch_backup
  backup_md5
  tar_members
  new_clone
  own_address
  start_clone
  dump_all
  same_dump
  files_below
  copy_directory
  store_directory
  stored_layers
  forget_killed
  wait_for_restart
  patch_file
  fails_like
  start_session
  send_query
  answer
  ask
  end_session
  backend_descriptors
  backend_status
);

# new_store - a running server with the extension in database postgres.  Its
# default page store is where BBackup::StoreKind has it.
sub new_store
{
	my ($name, $conf) = @_;
	my $store = PostgreSQL::Test::Cluster->new($name);

	$store->init;
	# thousands of queries, and bytea in them
	$store->append_conf('postgresql.conf', "log_statement = none\n");
	$store->append_conf('postgresql.conf',
		BBackup::StoreKind::configuration());
	$store->append_conf('postgresql.conf', $conf) if defined $conf;
	$store->start;
	$store->safe_psql('postgres', 'CREATE EXTENSION bbackup');
	BBackup::StoreKind::attach($store);
	return $store;
}

# Where its default page store is, for tests of local ones.
sub store_directory
{
	my ($store) = @_;

	croak 'this test is of stores in directories'
	  unless BBackup::StoreKind::is_local();
	return $store->data_dir . '.bbackup';
}

# stored_layers - the names of the files that layers of a timeline have, or
# what is left of them, in the default page store.
sub stored_layers
{
	my ($store, $timeline) = @_;
	my $below = "timelines/$timeline/layers/";
	my @found =
	  BBackup::StoreKind::is_local()
	  ? glob store_directory($store) . "/$below" . '{,.}*-*'
	  : BBackup::StoreKind::objects($store, $below);

	@found = sort map { s{.*/}{}r } @found;
	return @found;
}

# wait_for_restart - until a server takes connections again, after a crash of
# one of its processes; once for each.
#
# It may take some yet before it notices the crash, so its log has to say that
# it did.  (poll_query_until writes its query to a psql that may have gone by
# then, and dies of that.)
my %restarts;

sub wait_for_restart
{
	my ($node) = @_;
	my $attempts = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my $restarts = 0;
	my ($out, $err);

	for (1 .. $attempts)
	{
		$restarts = () = slurp_file($node->logfile) =~
		  /all server processes terminated; reinitializing/g;
		if ($restarts > ($restarts{ $node->name } // 0)
			&& IPC::Run::run [ 'psql', '-X', '-d', $node->connstr('postgres'),
				'-c', 'SELECT 1' ], '<', '/dev/null', '>', \$out, '2>', \$err)
		{
			$restarts{ $node->name } = $restarts;
			return;
		}
		usleep(100_000);
	}
	croak "the server did not come back";
}

# forget_killed - who was killed while writing to the default page store is
# gone.  A local one knows; elsewhere it takes time, which the test saves.
sub forget_killed
{
	my ($store) = @_;

	return BBackup::StoreKind::forget_killed($store);
}

# new_source - a running cluster to be imported; initdb's options follow.
sub new_source
{
	my ($name, @options) = @_;
	my $source = PostgreSQL::Test::Cluster->new($name);

	$source->init(extra => \@options);
	$source->append_conf(
		'postgresql.conf', q(
log_statement = none
autovacuum = off
max_prepared_transactions = 10
track_commit_timestamp = on
));
	$source->start;
	return $source;
}

# new_archiving_source - the same, with an archive of its WAL in a directory, and
# lines of its configuration; initdb's options follow.
sub new_archiving_source
{
	my ($name, $archive, $lines, @options) = @_;
	my $source = new_source($name, @options);

	$source->append_conf(
		'postgresql.conf', qq(
wal_level = replica
archive_mode = on
archive_command = 'cp "%p" "$archive/%f"'
$lines));
	$source->restart;
	return $source;
}

# fill_source - something of everything that has a file of its own sort.
sub fill_source
{
	my ($source) = @_;
	my $tablespace = PostgreSQL::Test::Utils::tempdir;

	$source->safe_psql(
		'postgres', q(
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET work_mem = '5MB';

-- rows of all ages, for CLOG, free space and visibility maps
CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric);
INSERT INTO plain SELECT i, md5(i::text), i FROM generate_series(1, 20000) i;
UPDATE plain SET t = 'updated' WHERE id % 7 = 0;
DELETE FROM plain WHERE id % 11 = 0;
BEGIN;
INSERT INTO plain SELECT i, 'gone', i FROM generate_series(20001, 21000) i;
ROLLBACK;
VACUUM plain;
UPDATE plain SET t = 'again' WHERE id % 1000 = 0;
CREATE TABLE empty (a int);
CREATE TABLE no_columns ();
COMMENT ON TABLE empty IS 'a file of no bytes';

-- multixacts: a row locked and updated in one transaction
BEGIN;
SELECT count(*) FROM (SELECT * FROM plain LIMIT 500 FOR KEY SHARE) l;
SAVEPOINT s;
UPDATE plain SET n = n + 1 WHERE id < 500;
COMMIT;

-- TOAST, in line and out of line
CREATE TABLE toasted (id int, t text);
ALTER TABLE toasted ALTER t SET STORAGE external;
INSERT INTO toasted
SELECT i, (SELECT string_agg(md5((i * j)::text), '')
		   FROM generate_series(1, 1000) j)
FROM generate_series(1, 50) i;

-- an index of every access method
CREATE TABLE indexed (i int, a int[], p point, t text);
INSERT INTO indexed
SELECT i, ARRAY[i, i % 10], point(i, i % 100), 'text ' || i
FROM generate_series(1, 5000) i;
CREATE INDEX ON indexed USING btree (i, t);
CREATE INDEX ON indexed USING hash (t);
CREATE INDEX ON indexed USING gin (a);
CREATE INDEX ON indexed USING gist (p);
CREATE INDEX ON indexed USING spgist (t);
CREATE INDEX ON indexed USING brin (i);

-- unlogged, with index, sequence and TOAST
CREATE UNLOGGED TABLE unlogged (id serial PRIMARY KEY, t text);
INSERT INTO unlogged (t) SELECT 'x' FROM generate_series(1, 1000);
VACUUM unlogged;

CREATE SEQUENCE counter START 100 INCREMENT 7;
SELECT setval('counter', 1234);
CREATE MATERIALIZED VIEW matview AS SELECT t, count(*) FROM plain GROUP BY t;
SELECT lo_from_bytea(4711, decode(repeat('0123456789abcdef', 5000), 'hex'));

CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
CREATE INDEX ON parts (k);
INSERT INTO parts SELECT i, i::text FROM generate_series(0, 1999) i;

-- a mapped relation moves: another relation map
VACUUM FULL pg_class;
VACUUM FULL pg_database;

SELECT pg_replication_origin_create('origin');
SELECT pg_replication_origin_advance('origin', '0/ABCDEF');
));

	$source->safe_psql('postgres',
		"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
	$source->safe_psql('postgres',
		'CREATE DATABASE by_wal_log STRATEGY wal_log');
	$source->safe_psql('postgres',
		'CREATE DATABASE by_file_copy STRATEGY file_copy');
	$source->safe_psql('postgres',
		'CREATE DATABASE there TABLESPACE elsewhere');
	foreach my $database (qw(by_wal_log by_file_copy there))
	{
		$source->safe_psql(
			$database, q(
CREATE TABLE t AS
	SELECT i, current_database() AS d FROM generate_series(1, 1000) i;
CREATE INDEX ON t (i);
));
	}
	$source->safe_psql(
		'postgres', q(
CREATE TABLE moved (i int PRIMARY KEY USING INDEX TABLESPACE elsewhere)
	TABLESPACE elsewhere;
INSERT INTO moved SELECT generate_series(1, 5000);
CREATE UNLOGGED TABLE moved_unlogged (i int) TABLESPACE elsewhere;
));

	$source->safe_psql(
		'postgres', q(
CREATE TABLE prepared (t text);
BEGIN;
INSERT INTO prepared SELECT 'first' FROM generate_series(1, 100);
PREPARE TRANSACTION 'first';
BEGIN;
INSERT INTO prepared VALUES ('second');
CREATE TABLE prepared_table (i int);
PREPARE TRANSACTION 'second';
));
	return;
}

# base_with_archive - a cold base backup of a cluster, and an archive of WAL after
# it that has records without full-page images; their directories.
sub base_with_archive
{
	my $archive = PostgreSQL::Test::Utils::tempdir;
	my $source =
	  new_archiving_source('source', $archive, "full_page_writes = off\n");

	$source->safe_psql('postgres',
		'CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i'
	);
	$source->stop;
	my $base = copy_directory($source->data_dir,
		PostgreSQL::Test::Utils::tempdir . '/base');
	$source->start;
	$source->safe_psql('postgres',
		'UPDATE t SET i = i + 1 WHERE i % 3 = 0; SELECT pg_switch_wal()');
	$source->stop;
	return ($base, $archive);
}

# import_directory - its row, as a hash.
sub import_directory
{
	my ($store, $directory, $timeline, $settings) = @_;
	my @columns = qw(timeline lsn databases relations pages bytes_read
	  bytes_stored duration);
	my %row;

	$timeline //= 'main';
	$settings //= '';
	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres',
		"$settings SELECT * FROM bb_import_directory('$directory',"
		  . " timeline => '$timeline')");
	return \%row;
}

# draw_seed - what a test draws its cases from; BB_SEED, if that is set.  In CI
# it is always the same, so that CI judges the change that it is given.
# Elsewhere each run draws other cases.
sub draw_seed
{
	my $seed = $ENV{BB_SEED} // ($ENV{CI} ? 1 : 1 + int rand 1_000_000);

	diag("BB_SEED=$seed") if !defined $ENV{BB_SEED};
	return $seed;
}

# ingest - bb_ingest's row, as a hash.
sub ingest
{
	my ($store, $directory, $timeline, $until, $tli) = @_;
	my @columns = qw(timeline start_lsn end_lsn tli records pages layers
	  bytes_stored duration);
	my %row;

	$timeline //= 'main';
	$until = defined $until ? "'$until'" : 'NULL';
	$tli //= 'latest';
	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres',
		"SELECT * FROM bb_ingest('$directory', timeline => '$timeline',"
		  . " until => $until, tli => '$tli')");
	return %row;
}

# fetch_backup - the name of a new file with the tar that
# bb_basebackup_stream(ARGUMENTS) makes.
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
	# 19 bytes ahead, 6 a row, 2 behind
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

# backup_md5 - a query for the digest of a backup from a store, which reads all
# of a timeline; other arguments of bb_basebackup_stream() follow.
sub backup_md5
{
	my ($server, $arguments) = @_;

	$arguments = defined $arguments ? ", $arguments" : '';
	return
	  "SELECT md5(string_agg(md5(chunk), '')) FROM (SELECT"
	  . " bb_basebackup_stream(store => '$server' $arguments) AS chunk) c";
}

# tar_members - their names, in order.
sub tar_members
{
	my ($tar) = @_;

	return map { s{^\./|/$}{}gr } split /\n/, `tar -tf '$tar'`;
}

# own_address - a node's own port and socket, behind what its source's
# configuration says.
sub own_address
{
	my ($clone) = @_;

	$clone->append_conf('postgresql.conf',
			"port = "
		  . $clone->port
		  . "\nunix_socket_directories = '"
		  . $clone->host
		  . "'\n");
	return;
}

# start_clone - a running node out of a data directory, which becomes its own.
sub start_clone
{
	my ($directory, $name) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);

	rename $directory, $clone->data_dir or croak "$directory: $!";
	own_address($clone);
	$clone->start;
	return $clone;
}

# new_clone - a node out of a tar, not started yet.
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

# dump_all - all databases as SQL; unlogged tables without their rows.
sub dump_all
{
	my ($node) = @_;
	my ($dump, $errors);

	IPC::Run::run [ 'pg_dumpall', '--no-sync', '--no-unlogged-table-data',
		'-d', $node->connstr('postgres') ],
	  '>', \$dump, '2>', \$errors
	  or croak "pg_dumpall failed: $errors";
	# a random word in each dump
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	# tablespaces of a clone are in its data directory
	$dump =~ s/^(CREATE TABLESPACE .*) LOCATION E?'.*'/$1/mg;
	return $dump;
}

# same_dump - one test: two results of dump_all are equal.
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

# files_below - relative names of files, sorted; directories end with a slash.
# Symbolic links are followed.
sub files_below
{
	my ($directory) = @_;
	my @found;

	find(
		{
			wanted => sub {
				my $name = substr $File::Find::name, length $directory;

				return if $name eq '';
				push @found, substr($name, 1) . (-d $_ ? '/' : '');
			},
			no_chdir => 1,
			follow => 1
		},
		$directory);
	return sort @found;
}

# copy_directory - a copy of a directory, holes left holes.
sub copy_directory
{
	my ($from, $to) = @_;

	PostgreSQL::Test::Utils::system_or_bail('cp', '-a', '--sparse=auto',
		$from, $to);
	return $to;
}

# patch_file - overwrite bytes at an offset; returns what was there.
sub patch_file
{
	my ($file, $offset, $bytes) = @_;
	my $old;

	open my $handle, '+<:raw', $file or croak "$file: $!";
	sysseek $handle, $offset, 0;
	sysread $handle, $old, length $bytes;
	sysseek $handle, $offset, 0;
	syswrite($handle, $bytes) == length $bytes or croak "$file: $!";
	close $handle;
	return $old;
}

# fails_like - one test: the query fails, and says so.
sub fails_like
{
	my ($node, $query, $expected, $name) = @_;
	my ($stdout, $stderr);
	my $result = $node->psql(
		'postgres', $query,
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($result != 0 && $stderr =~ $expected, $name)
	  or diag("status $result, expected $expected, got: $stderr");
	return;
}

# start_session - a psql that is asked many times.  (That of
# PostgreSQL::Test::BackgroundPsql notes every query in the test's output.)
sub start_session
{
	my ($node) = @_;
	my ($out, $in);
	my $connstr = $node->connstr('postgres');
	my $pid = open2($out, $in,
		"exec psql -X -q -A -t -v VERBOSITY=verbose -d \"$connstr\" 2>&1");
	my $session = { pid => $pid, out => $out, in => $in };

	$session->{backend} = ask($session, 'SELECT pg_backend_pid()');
	return $session;
}

# send_query - ask, without waiting for the answer: see answer.
sub send_query
{
	my ($session, $query) = @_;
	my $in = $session->{in};

	$in->autoflush(1);
	print $in "$query;\n\\echo <end of answer>\n";
	return;
}

# answer - what a query put out, its rows or an error, without the last
# newline; undef if psql is gone.
sub answer
{
	my ($session) = @_;
	my $out = $session->{out};
	my $answer = '';

	while (my $line = <$out>)
	{
		return $answer =~ s/\n\z//r if $line eq "<end of answer>\n";
		$answer .= $line;
	}
	return undef;
}

sub ask
{
	my ($session, $query) = @_;

	send_query($session, $query);
	return answer($session);
}

sub end_session
{
	my ($session) = @_;

	close $session->{in};
	close $session->{out};
	waitpid $session->{pid}, 0;
	return;
}

# What the process has open, by name.
sub backend_descriptors
{
	my ($pid) = @_;

	return grep { defined } map { readlink } glob "/proc/$pid/fd/*";
}

# backend_status - a number out of /proc/PID/status, in kB.
sub backend_status
{
	my ($pid, $field) = @_;
	my $status = slurp_file("/proc/$pid/status");

	return $status =~ /^$field:\s+(\d+)/m ? $1 : croak "no $field";
}

1;

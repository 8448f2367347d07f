# A server reads and keeps timelines of other major versions: backups at any LSN,
# with redo helpers of the other installation; images and merges; verification.
# And pg_upgrade between two of them.
#
# It takes servers of other major versions with bbackup: .ci/majors has them.

use strict;
use warnings;
use BBackup;
use BBackup::Version qw(pg_major other_majors);
use File::Basename qw(dirname);
use List::Util qw(first);

my $own = pg_major();
my %majors = other_majors();
my @missing = grep { $_ != $own && !$majors{$_} } 15 .. 19;

plan skip_all => 'no other major version is installed here with bbackup: '
  . join(', ', map { "PostgreSQL $_ is not tested" } @missing)
  . '; .ci/majors has them'
  unless %majors;
note "PostgreSQL $_ is not tested, since it isn't installed here with bbackup"
  foreach @missing;

my $place = PostgreSQL::Test::Utils::tempdir;
my ($recipe) = slurp_file(dirname(__FILE__) . '/../docs/recipes.md') =~
  /^<!-- test: redo-bindir -->\n```sql\n(.*?)^```$/ms;
my %middle_of; # LSNs that take redo, by major version
my $reader = new_store('reader', "shared_preload_libraries = 'bbackup'\n");

# A node of another major version; or of this one.
sub new_node
{
	my ($name, $major) = @_;
	my @path = $majors{$major} ? (install_path => $majors{$major}) : ();

	return PostgreSQL::Test::Cluster->new($name, @path);
}

# A server with a page store that it shares with the reader.
sub new_writer
{
	my ($major, $url) = @_;
	my $writer = new_node("writer$major", $major);

	$writer->init;
	$writer->start;
	$writer->safe_psql('postgres', qq(
CREATE EXTENSION bbackup;
CREATE SERVER shared FOREIGN DATA WRAPPER bbackup OPTIONS (url '$url')));
	return $writer;
}

# A cluster with some of everything whose files depend on the major version.
sub new_old_source
{
	my ($major) = @_;
	my $source = new_node("source$major", $major);

	mkdir "$place/ts$major" or die "$place: $!";
	$source->init(extra => ['-k']);
	$source->append_conf('postgresql.conf', q(
autovacuum = off
max_prepared_transactions = 10
track_commit_timestamp = on
wal_keep_size = 1GB
wal_level = replica
));
	$source->start;
	$source->safe_psql('postgres', $_)
	  foreach "CREATE TABLESPACE ts LOCATION '$place/ts$major'",
	  'CREATE TABLE t (a int PRIMARY KEY, b text) TABLESPACE ts',
	  "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g",
	  'CREATE INDEX ON t USING gin ((ARRAY[a, a % 10]))',
	  'CREATE INDEX ON t USING brin (a)', 'CREATE INDEX ON t USING hash (b)';
	return $source;
}

# Change it, by all kinds of redo; returns an LSN in the middle, and the rows then.
sub change
{
	my ($source) = @_;
	my $rows = 'SELECT count(*), sum(a), md5(string_agg(b, $$$$ ORDER BY a)) FROM t';
	my ($lsn, $then);

	$source->safe_psql('postgres', $_)
	  foreach "UPDATE t SET b = 'y' WHERE a % 7 = 0",
	  'DELETE FROM t WHERE a % 11 = 0', 'VACUUM t',
	  "INSERT INTO t SELECT g, 'new' FROM generate_series(6000, 7000) g",
	  'BEGIN; SELECT FROM t WHERE a = 1 FOR SHARE; SAVEPOINT s;'
	  . " UPDATE t SET b = 'z' WHERE a = 1; COMMIT";
	$then = $source->safe_psql('postgres', $rows);
	$lsn = $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$source->safe_psql('postgres', $_)
	  foreach 'DELETE FROM t WHERE a % 3 = 0', 'VACUUM FREEZE t',
	  "BEGIN; INSERT INTO t VALUES (100000, 'p'); PREPARE TRANSACTION 'p'",
	  'CREATE DATABASE other';
	return ($lsn, $rows, $then);
}

sub dump_with
{
	my ($node) = @_;
	local %ENV = $node->_get_env();

	return dump_all($node);
}

foreach my $major (sort { $a <=> $b } keys %majors)
{
	my $bin = "$majors{$major}/bin";
	my $url = "file://$place/store$major";
	my $writer = new_writer($major, $url);
	my $source = new_old_source($major);
	my $server = "pg$major";

	$source->stop;
	$writer->safe_psql('postgres',
		"SELECT bb_import_directory('@{[ $source->data_dir ]}', 'shared')");
	my $imported = $writer->safe_psql('postgres',
		q(SELECT end_lsn FROM bb_timelines('shared')));
	$source->start;
	my ($lsn, $rows, $then) = change($source);

	$middle_of{$major} = $lsn;
	my $dump = dump_with($source);
	$source->stop;
	$writer->safe_psql('postgres',
		"SELECT bb_ingest('@{[ $source->data_dir ]}/pg_wal', 'shared')");

	# --- Without helpers.

	$reader->safe_psql('postgres',
		"CREATE SERVER $server FOREIGN DATA WRAPPER bbackup OPTIONS (url '$url')");
	query_is($reader,
		"SELECT pg_version / 10000, redo FROM bb_timelines('$server')",
		"$major|f", "$major: the timeline says what it takes");
	$reader->safe_psql('postgres',
		"SELECT bb_restore('$place/images$major', lsn => '$imported', store => '$server')");
	pass("$major: what is in images is read");
	fails_like($reader, "SELECT bb_restore('$place/none', store => '$server')",
		qr/ERROR:  55000: this page takes a redo helper of PostgreSQL $major, and bbackup\.redo_bindir has no directory for it\n(?s:.*)HINT:  .*bbackup\.redo_bindir = '$major=/,
		"$major: a page that takes redo is an error, which names the setting");
	ok(!-e "$place/none", "$major: and leaves nothing");
	fails_like($reader,
		"SELECT bb_ingest('@{[ $source->data_dir ]}/pg_wal', '$server')",
		qr/ERROR:  55000: timeline "main" is of a PostgreSQL $major cluster\n(?s:.*)HINT:  .*on a server of PostgreSQL $major/,
		"$major: its WAL isn't ingested here");
	fails_like($reader,
		"SELECT bb_import_directory('@{[ $source->data_dir ]}', '$server', 'second')",
		qr/ERROR:  55000: .*\n(?s:.*)HINT:  Import it with a server of PostgreSQL $major/,
		"$major: nor a data directory imported");
	fails_like($reader,
		"SET bbackup.redo_bindir = '$major=@{[ $reader->config_data('--bindir') ]}'",
		qr/DETAIL:  .*is PostgreSQL $own, not $major/,
		"$major: a directory of another version is refused");

	# --- With helpers.

	$reader->safe_psql('postgres', $_)
	  foreach $recipe =~ s/= '.*'/= '$major=$bin'/r =~ /^(.*;)$/mg;
	$reader->poll_query_until('postgres',
		"SELECT redo FROM bb_timelines('$server')");

	my $middle = new_node("middle$major", $major);
	$reader->safe_psql('postgres',
		"SELECT bb_restore('@{[ $middle->data_dir ]}', lsn => '$lsn', store => '$server')");
	own_address($middle);
	$middle->start;
	query_is($middle, $rows, $then, "$major: a clone at an LSN has its rows");
	$middle->stop;
	query_is($reader, "SELECT count(*) FROM bb_verify('$server')",
		'0', "$major: verification finds nothing");

	# upkeep makes images and merges, and the backup is the same
	my $digest = $reader->safe_psql('postgres', backup_md5($server));
	query_is($reader,
		"SET bbackup.image_percent = 1; SET bbackup.merge_layers = 2;"
		  . " SELECT count(*) > 0 FROM bb_upkeep('$server') WHERE job = 'image'",
		't', "$major: upkeep makes images here");
	query_is($reader, backup_md5($server), $digest,
		"$major: of which a backup is the same");

	my $end = new_node("end$major", $major);
	$reader->safe_psql('postgres',
		"SELECT bb_restore('@{[ $end->data_dir ]}', store => '$server')");
	own_address($end);
	$end->start;
	same_dump(dump_with($end), $dump, "$major: a clone at the end is the source");
	query_is($end, 'SELECT gid FROM pg_prepared_xacts', 'p',
		"$major: with its prepared transaction");
	$end->stop;

	# its own server goes on with what this one has made
	query_is($writer, backup_md5('shared'), $digest,
		"$major: its own server reads the same");
	$writer->stop;
}

# --- A directory that isn't an installation any more.

my ($some) = sort keys %majors;
mkdir "$place/bin" or die "$place: $!";
$reader->safe_psql('postgres', 'ALTER SYSTEM RESET bbackup.redo_bindir');
$reader->append_conf('postgresql.conf',
	"bbackup.redo_bindir = '$some=$place/bin'\n");
$reader->restart;
my $wanted = "SELECT bb_basebackup('$middle_of{$some}', store => 'pg$some')";
fails_like($reader, $wanted,
	qr/could not run program "\Q$place\E\/bin\/postgres", which redo of PostgreSQL $some takes/,
	'an error says that the program has gone');
symlink "$majors{$some}/bin/postgres", "$place/bin/postgres" or die $!;
fails_like($reader, $wanted,
	qr/PostgreSQL $some in "\Q$place\E\/bin" has no library of bbackup(?s:.*)HINT:  Install bbackup for PostgreSQL $some/,
	'or that the library is missing');
unlink "$place/bin/postgres";
mkdir "$place/lib";
append_to_file("$place/bin/postgres", "#!/bin/sh\necho not really >&2\nexit 1\n");
chmod 0755, "$place/bin/postgres";
symlink "$majors{$some}/lib/bbackup.so", "$place/lib/bbackup.so" or die $!;
fails_like($reader, $wanted,
	qr/ERROR:  38000: redo helper did not start(?s:.*)it wrote: (?s:.*)HINT:  It is of PostgreSQL $some/,
	'or what a program says that is none');
unlink "$place/bin/postgres";
symlink $reader->config_data('--bindir') . '/postgres', "$place/bin/postgres"
  or die $!;
fails_like($reader, $wanted,
	qr/ERROR:  38000: redo helper did not start(?s:.*)HINT:  It is of PostgreSQL $some/,
	'or that it is of another version');

# --- The server of the store was upgraded itself, or the source was.

my $older = first { $majors{$_} || $_ == $own } 15 .. 18;
my $newer = first { $_ > $older && ($majors{$_} || $_ == $own) } reverse 15 .. 19;

if (defined $older && defined $newer)
{
	my $before = new_node('before_upgrade', $older);
	my $after = new_node('after_upgrade', $newer);
	my $url = "file://$place/upgraded";
	my $bin_of = sub { $majors{ $_[0] } ? "$majors{$_[0]}/bin"
		  : $reader->config_data('--bindir') };
	# before the PATH changes
	my ($old_bin, $new_bin) = map { $bin_of->($_) } $older, $newer;
	my %writers = map { $_ => new_node("up$_", $_) } $older, $newer;

	foreach my $major ($older, $newer)
	{
		$writers{$major}->init;
		$writers{$major}->start;
		$writers{$major}->safe_psql('postgres', qq(
CREATE EXTENSION bbackup;
CREATE SERVER shared FOREIGN DATA WRAPPER bbackup OPTIONS (url '$url')));
	}
	$before->init(extra => $older >= 18 ? [] : ['-k']);
	$before->start;
	$before->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS n');
	my $lsn = $before->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
	$before->stop;
	$writers{$older}->safe_psql('postgres',
		"SELECT bb_import_directory('@{[ $before->data_dir ]}', 'shared', 'old')");
	$after->init(extra => $newer >= 18 ? [] : ['-k']);
	chdir $place or die "$place: $!";
	{
		local $ENV{PATH} = "$new_bin:$ENV{PATH}";
		command_ok([
			"$new_bin/pg_upgrade", '-d', $before->data_dir, '-D',
			$after->data_dir, '-b', $old_bin, '-B', $new_bin, '-s',
			$after->host, '-p', $before->port, '-P', $after->port
		], "pg_upgrade from $older to $newer");
	}
	$writers{$newer}->safe_psql('postgres',
		"SELECT bb_import_directory('@{[ $after->data_dir ]}', 'shared', 'new');"
		  . "SELECT bb_set_upgraded_from('new', 'old', 'shared')");
	foreach my $major ($older, $newer)
	{
		query_is($writers{$major},
			"SELECT timeline, pg_version / 10000, upgraded_from FROM bb_timelines('shared') ORDER BY 1",
			"new|$newer|old\nold|$older|", "$major: the chain");
		fails_like($writers{$major},
			"SELECT bb_basebackup('$lsn', store => 'shared', timeline => 'new')",
			qr/HINT:  .*Timeline "old" has what was before/,
			"$major: an LSN before the upgrade is in the old timeline");
	}
}

done_testing();

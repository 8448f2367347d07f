# The main use: import a cluster with some of everything, and start a clone from
# the store with the stock server, without recovery.

use strict;
use warnings;
use BBackup;
use BBackup::WAL qw(lsn_text);
use File::Compare;

my $source = new_source('source', '--data-checksums');
fill_source($source);
$source->command_ok([ 'pgbench', '-i', '-q', '-s', '2', 'postgres' ],
	'pgbench fills the source');
$source->command_ok([ 'pgbench', '-n', '-t', '500', '-c', '2', 'postgres' ],
	'pgbench runs on the source');

my $source_dump = dump_all($source);
my $unlogged = $source->safe_psql('postgres', q(
SELECT pg_relation_filepath(oid) FROM pg_class
WHERE relpersistence = 'u' AND relkind IN ('r', 't', 'i', 'S')));
my %unlogged = map { $_ => 1 } split /\n/, $unlogged;
$source->stop;

my $store = new_store('store');
my $import = import_directory($store, $source->data_dir);
is($import->{timeline}, 'main', 'import names its timeline');
is($import->{databases}, 6, 'import counts databases');
cmp_ok($import->{pages}, '>', 5000, 'import counts pages');
query_is($store, 'SELECT end_lsn FROM bb_timelines()', $import->{lsn},
	'the timeline ends at the LSN of the import');

my $tar = fetch_backup($store);
my $clone = new_clone('clone', $tar);

# --- The files, before any server ran on them.

my $from = $source->data_dir;
my $to = $clone->data_dir;
my %in_clone = map { $_ => 1 } files_below($to);
my (@differ, @missing, $compared);

# Files that are not part of a backup, or are made for it.
my $not_compared = qr{^(?:
	postmaster\.opts | global/pg_control | pg_wal/.* | pg_logical/.*
	| (?:pg_stat|pg_stat_tmp|pg_replslot|pg_notify|pg_subtrans|pg_serial
		|pg_snapshots|pg_dynshmem)/.*
	| (?:.*/)?pg_internal\.init | .*/pgsql_tmp/.*
	| backup_manifest				# see 301_manifest.pl
	| postgresql\.conf				# new_clone appends to it
	| postgresql\.auto\.conf		# see 361_clone_settings.pl
	)$}x;

foreach my $file (files_below($from))
{
	# the main fork, free space map and visibility map of unlogged relations
	my ($relation, $fork) = $file =~ m{^(.*/\d+)(?:_(fsm|vm|init))?$};
	if (defined $relation && $unlogged{$relation})
	{
		$fork //= 'main';
		if ($fork eq 'main')
		{
			push @differ, $file
			  if compare("$from/${relation}_init", "$to/$file") != 0;
		}
		elsif ($fork ne 'init')
		{
			push @differ, "$file exists" if $in_clone{$file};
		}
		delete $in_clone{$file};
		next if $fork ne 'init';
	}

	my $exists = delete $in_clone{$file};
	next if $file =~ $not_compared;
	if (!$exists && !-e "$to/$file")
	{
		push @missing, $file;
	}
	elsif ($file !~ m{/$})
	{
		$compared++;
		push @differ, $file if compare("$from/$file", "$to/$file") != 0;
	}
}
is("@missing", '', 'every file that matters is in the clone');
is("@differ", '', 'and has the same bytes');
cmp_ok($compared, '>', 1000, 'many files were compared');
is( join(' ', grep { !/$not_compared/ } sort keys %in_clone),
	'', 'the clone has no other files');

my @slrus = grep { m{^(?:pg_xact|pg_multixact/\w+|pg_commit_ts)/\w+$} }
  files_below($to);
cmp_ok(scalar @slrus, '>=', 4, 'SLRU segments were among them');
is(scalar(() = glob "$to/pg_twophase/*"),
	2, 'both prepared transactions were among them');
ok((-d glob "$to/pg_tblspc/*") && !-l glob("$to/pg_tblspc/*"),
	'the tablespace is a directory in place');
ok(!-e "$to/neon.signal" && !-e "$to/zenith.signal",
	'a full backup has no signal files');
ok(!-e "$to/backup_label" && !-e "$to/recovery.signal",
	'nor anything that asks for recovery');

command_ok([ 'pg_checksums', '--check', '-D', $to ],
	'checksums are right before the first start');

my $control_from = `pg_controldata -D '$from'`;
my $control_to = `pg_controldata -D '$to'`;
foreach my $field ('Database system identifier', "Latest checkpoint's NextXID",
	"Latest checkpoint's NextOID", "Latest checkpoint's NextMultiXactId",
	'Database cluster state', 'Data page checksum version')
{
	my ($in_source) = $control_from =~ /^\Q$field\E:\s+(.*)$/m;
	my ($there) = $control_to =~ /^\Q$field\E:\s+(.*)$/m;
	is($there, $in_source, "$field is the source's");
}
like($control_to, qr/^Latest checkpoint's TimeLineID:\s+2$/m,
	'the clone is on a tli of its own');
like(slurp_file("$to/pg_wal/00000002.history"),
	qr{^1\t[0-9A-F]+/[0-9A-F]+\t}, 'which has a history file');
# of 19 on, the server's LSNs have zeros that those of our files don't have
my $parted = $import->{lsn} =~ s{/0*}{/0*}r;
like(slurp_file("$to/pg_wal/00000002.history"),
	qr{^1\t$parted\t}, 'that says where it parted');

# --- The clone starts.

$clone->start;
my $log = slurp_file($clone->logfile);
like($log, qr/database system was shut down at/, 'the clone starts at once');
unlike($log, qr/redo starts|not properly shut down|recovery/,
	'without recovery');
like($log, qr/recovering prepared transaction|shutdown/,
	'and finds its prepared transactions');

same_dump(dump_all($clone), $source_dump, 'pg_dumpall is equal to the source\'s');
query_is($clone, 'SELECT count(*) FROM unlogged', 0,
	'an unlogged table is empty');
query_is($clone, q(INSERT INTO unlogged (t) VALUES ('y') RETURNING t; 
		  INSERT INTO moved_unlogged VALUES (1) RETURNING i), "y\n1",
	'and usable');
query_is($clone, "SELECT nextval('counter')", 1241, 'a sequence goes on');
query_is($clone, "SELECT md5(lo_get(4711)) = md5(decode(repeat("
	  . "'0123456789abcdef', 5000), 'hex'))",
	't', 'a large object is there');
foreach my $database (qw(by_wal_log by_file_copy there))
{
	is( $clone->safe_psql($database, 'SELECT count(*), min(d) FROM t'),
		"1000|$database", "database $database is there");
}
query_is($clone, 'SELECT remote_lsn FROM pg_replication_origin_status',
	lsn_text(0xABCDEF), 'a replication origin is where it was');
query_is($clone, 'SELECT pg_xact_commit_timestamp(xmin) IS NOT NULL FROM plain'
	  . ' WHERE id = 1',
	't', 'commit timestamps are there');

query_is($clone,
	'SELECT string_agg(gid, \' \' ORDER BY gid) FROM pg_prepared_xacts',
	'first second', 'prepared transactions are there');
$clone->safe_psql('postgres', "COMMIT PREPARED 'first'");
$clone->safe_psql('postgres', "COMMIT PREPARED 'second'");
query_is($clone, 'SELECT t, count(*) FROM prepared GROUP BY t ORDER BY t;'
	  . 'SELECT count(*) FROM prepared_table',
	"first|100\nsecond|1\n0", 'and can be committed');

$clone->command_ok(
	[ 'pg_amcheck', '--all', '--install-missing', '--heapallindexed' ],
	'pg_amcheck finds nothing');

# --- The clone can be used: writes, a crash, an import from it.

$clone->command_ok([ 'pgbench', '-n', '-t', '200', '-c', '2', 'postgres' ],
	'the clone takes writes');
my $accounts = $clone->safe_psql('postgres',
	'SELECT sum(abalance), (SELECT count(*) FROM pgbench_history)'
	  . ' FROM pgbench_accounts');
$clone->stop('immediate');
$clone->start;
query_is($clone, 'SELECT sum(abalance), (SELECT count(*) FROM pgbench_history)'
	  . ' FROM pgbench_accounts',
	$accounts, 'and survives a crash');
like(slurp_file($clone->logfile), qr/redo done at/, 'by recovery');

my $clone_dump = dump_all($clone);
$clone->stop;
command_ok([ 'pg_checksums', '--check', '-D', $to ],
	'checksums are right after all that');

import_directory($store, $clone->data_dir, 'second');
my $grandchild =
  new_clone('grandchild', fetch_backup($store, "timeline => 'second'"));
$grandchild->start;
same_dump(dump_all($grandchild), $clone_dump, 'a clone can be imported again');
like(`pg_controldata -D '@{[ $grandchild->data_dir ]}'`,
	qr/^Latest checkpoint's TimeLineID:\s+3$/m, 'and its clone counts on');
like(slurp_file($grandchild->data_dir . '/pg_wal/00000003.history'),
	qr{^1\t.*\n2\t}, 'with a history of both');
$grandchild->stop;

done_testing();

# A backup at an LSN has the same bytes whether the timeline ends there or has
# continued since.

use strict;
use warnings;
use BBackup;

my $archive = PostgreSQL::Test::Utils::tempdir;
my $base = PostgreSQL::Test::Utils::tempdir . '/base';
my $source = new_archiving_source('source', $archive,
	"max_wal_senders = 4\n", '--data-checksums');
$source->stop;
my $store = new_store('store');
my %start = (stopped => import_directory($store, $source->data_dir, 'stopped')->{lsn});

# Records of all kinds before each mark: the last one may be a commit, a
# switch of segments, or the rest of one that crosses pages.
my @marks;
$source->start;
$source->command_ok([ 'pg_basebackup', '-D', $base, '-c', 'fast', '--no-sync' ],
	'a base backup');
$start{fuzzy} = import_directory($store, $base, 'fuzzy')->{lsn};

sub mark
{
	my ($sql) = @_;

	push @marks,
	  $source->safe_psql('postgres',
		"DO \$\$ BEGIN $sql; END \$\$; SELECT pg_current_wal_insert_lsn()");
	return;
}
mark('CREATE TABLE t AS SELECT 1 AS a');
mark('INSERT INTO t SELECT generate_series(1, 1000)');
mark("PERFORM pg_logical_emit_message(false, 'x', repeat('y', 20000))");
mark('PERFORM pg_switch_wal()');
mark('INSERT INTO t SELECT 2');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->stop;

foreach my $timeline (sort keys %start)
{
	my %early;
	my $backup = sub {
		my ($lsn) = @_;

		return slurp_file(
			fetch_backup($store, "'$lsn', timeline => '$timeline'"));
	};

	$early{ $start{$timeline} } = $backup->($start{$timeline});
	foreach my $mark (@marks)
	{
		# a mark may be before a page that has no record yet
		my %row = ingest($store, $archive, $timeline, $mark);

		$early{ $row{end_lsn} } = $backup->($row{end_lsn});
	}
	ingest($store, $archive, $timeline);
	foreach my $lsn (sort keys %early)
	{
		my $late = $backup->($lsn);
		my $same = $late eq $early{$lsn};

		ok($same, "\"$timeline\" at $lsn");
		next if $same;
		my $difference = $late ^ $early{$lsn};
		$difference =~ /[^\0]/;
		diag "lengths " . length($early{$lsn}) . ' ' . length($late)
		  . ", they differ from $-[0] on";
	}
}

done_testing();

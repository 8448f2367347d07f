# BBackup::OracleRun - a whole comparison with the oracle.
#
#	run_oracle('checksums', work => sub { run_everything($_[0], $_[1]) });
#	done_testing();
#
# A source of a variant (BBackup::Workload) works; a base backup from before
# and its WAL go into a store; at many LSNs the store's backup is compared with
# recovery.  By environment:
#
#	BBACKUP_SEED		what is drawn: the workload's accidents, the LSNs
#	BBACKUP_LSNS		how many LSNs; few by default
#	BBACKUP_LSN			this LSN alone
#	BBACKUP_FILES_ONLY	compare files, start no clone: for thousands of LSNs
#	BBACKUP_CHAPTERS	a regular expression of names of chapters

package BBackup::OracleRun;

use strict;
use warnings;

use BBackup;
use BBackup::Compare;
use BBackup::Oracle;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;
use Carp;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(run_oracle oracle_seed ingest_archive);

sub oracle_seed
{
	my $seed = $ENV{BBACKUP_SEED} // int(rand 1_000_000);

	# not note: prove shows this when it fails
	diag("BBACKUP_SEED=$seed") if !defined $ENV{BBACKUP_SEED};
	return $seed;
}

# ingest_archive - its row, as a hash.
sub ingest_archive
{
	my ($store, $archive, $timeline) = @_;
	my $row = $store->safe_psql('postgres',
		"SELECT to_json(i) FROM bb_ingest('$archive', timeline => '$timeline')"
		  . ' i');

	note("ingested: $row");
	return { $row =~ /"(\w+)":"?([^,"}]*)/g };
}

# promoted_standby - a running server that has replayed all of an archive, and
# goes on with it on tli 2.
sub promoted_standby
{
	my ($source, $base, $archive) = @_;
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	my %control = control_fields($source->data_dir);
	my $end = $control{'Latest checkpoint location'};

	copy_directory($base, $standby->data_dir);
	$standby->append_conf('postgresql.conf', qq(
port = @{[ $standby->port ]}
unix_socket_directories = '@{[ $standby->host ]}'
restore_command = 'cp "$archive/%f" "%p"'
archive_command = 'cp "%p" "$archive/%f"'
));
	$standby->set_standby_mode;
	$standby->start;
	$standby->poll_query_until('postgres',
		"SELECT pg_last_wal_replay_lsn() > '$end'::pg_lsn")
	  or croak 'the standby does not get to the end';
	$standby->promote;
	$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or croak 'the standby is not promoted';
	return $standby;
}

# run_oracle - the variant's name, then
#
#	work		what the source does, given it and the seed
#	before		the same, before the base backup
#	fuzzy		the base is a backup of the running source, while it works:
#				a function of the source that starts work and returns one
#				that waits for its end
#	promoted	what a standby of the source does that is promoted after its
#				end: work on another tli
#	locations	of tablespaces
#	lsns		how many LSNs, unless the environment says
#	store		lines of the store's configuration
#	stored		what is done to the store before the comparison, given it
sub run_oracle
{
	my ($variant, %options) = @_;
	my $seed = oracle_seed();
	my @locations = @{ $options{locations} // [] };
	my $source = new_workload_source('source', $variant);
	my $base = PostgreSQL::Test::Utils::tempdir . '/base';

	$options{before}->($source, $seed) if $options{before};
	if ($options{fuzzy})
	{
		my $finish = $options{fuzzy}->($source);

		$source->command_ok(
			[
				'pg_basebackup', '-D', $base, '-c', 'fast', '--no-sync',
				# slowly, so that pages are of different ages
				'--max-rate=20M', '-X', 'stream', '-d',
				$source->connstr('postgres')
			],
			'a base backup of the running source');
		$finish->();
	}
	else
	{
		$source->stop;
		BBackup::Oracle::keep_base($source, $base, @locations);
		$source->start;
	}
	$options{work}->($source, $seed);

	my $archive = BBackup::Oracle::finish_archive($source);
	my @timelines;
	if ($options{promoted})
	{
		my $standby = promoted_standby($source, $base, $archive);

		$options{promoted}->($standby, $seed);
		BBackup::Oracle::finish_archive($standby, $archive);
		slurp_file("$archive/00000002.history") =~ /^1\t(\S+)/
		  or croak 'no history';
		@timelines = ([ 1, $1 ], [2]);
	}
	my $oracle = BBackup::Oracle->new(
		base => $base,
		archive => $archive,
		locations => \@locations,
		timelines => \@timelines);
	my $wal = $oracle->wal;
	note("$wal->{count} records of "
		  . keys(%{ $wal->{kinds} })
		  . ' kinds, '
		  . lsn_text($wal->{start}) . ' to '
		  . lsn_text($wal->end));

	my $store = new_store('store', $options{store});
	$oracle->restore_locations;
	import_directory($store, $base);
	ingest_archive($store, $archive, 'main');
	my ($first, $end) = split /\|/,
	  $store->safe_psql('postgres',
		'SELECT start_lsn, end_lsn FROM bb_timelines()');
	is($end, lsn_text($wal->end), 'the timeline ends where WAL does');
	is($first, lsn_text($oracle->consistent_lsn),
		'and begins where the base is consistent');
	$options{stored}->($store) if $options{stored};

	my @chosen =
	  defined $ENV{BBACKUP_LSN}
	  ? [ lsn_number($ENV{BBACKUP_LSN}), 'as asked for' ]
	  : $wal->choose($seed, $ENV{BBACKUP_LSNS} // $options{lsns} // 4,
		$oracle->consistent_lsn);
	$oracle->check($store, 'main', @$_) foreach @chosen;
	$store->stop;
	return;
}

1;

# BBackup::Workload - sources that write WAL of every kind.
#
#	my $source = new_workload_source('source', $variant);
#	run_everything($source, $seed);
#
# "Everything" is a list of chapters, in their files' order, each with a name
# and what it does; checkpoints, WAL switches, restarts and crashes fall
# between them.

package BBackup::Workload;

use strict;
use warnings;

use BBackup::Version;
use BBackup::Workload::Chapters;
use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  new_workload_source
  run_everything
  run_pgbench
  start_chapters
  variant
  variants
);

# What the same workload is run with: initdb's options and settings.
my %variants = (
	default => {},
	no_checksums => { initdb => [ without_checksums() ] },
	checksums => { initdb => ['--data-checksums'] },
	hints => { conf => 'wal_log_hints = on' },
	no_fpw => { conf => 'full_page_writes = off' },
	pglz => { conf => 'wal_compression = pglz' },
	lz4 => { conf => 'wal_compression = lz4' },
	zstd => {
		initdb => ['--data-checksums'],
		conf => 'wal_compression = zstd'
	},
	segsize => {
		initdb => [ '--wal-segsize=1', '--data-checksums' ],
		conf => "wal_level = replica\nmax_wal_size = 16MB"
	},
	consistency => { conf => 'wal_consistency_checking = all' },
	# from 18 on
	io_uring => { conf => 'io_method = io_uring' });

sub variants { return sort keys %variants }

sub variant
{
	my ($name) = @_;

	return $variants{$name} // croak "no variant $name";
}

# new_workload_source - a running cluster with a WAL archive, of a variant.
sub new_workload_source
{
	my ($name, $variant) = @_;
	my $source = PostgreSQL::Test::Cluster->new($name);
	my $options = variant($variant);

	$source->init(
		has_archiving => 1,
		extra => [ @{ $options->{initdb} // [] } ]);
	$source->append_conf('postgresql.conf', qq(
log_statement = none
wal_level = logical
max_wal_senders = 5
max_replication_slots = 5
max_prepared_transactions = 20
max_connections = 30
track_commit_timestamp = on
# tablespaces in the data directory: a recovery must not write to its source's
allow_in_place_tablespaces = on
autovacuum = off
shared_buffers = 16MB
checkpoint_timeout = 1h
@{[ pg_major() >= 17 ? 'summarize_wal = on' : '' ]}
@{[ $options->{conf} // '' ]}
));
	start_beyond_32_bits($source) if pg_major() >= 19;
	$source->start;
	return $source;
}

# Offsets of members of multixacts have 64 bits from 19 on; begin beyond 32, at
# the first one of a page (and of a segment), which the first multixact makes.
sub start_beyond_32_bits
{
	my ($source) = @_;
	my $per_segment = 32 * 409 * 4;

	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '-O',
		100_000 * $per_segment, '-D', $source->data_dir);
	return;
}

# run_pgbench - some transactions of several clients.
sub run_pgbench
{
	my ($source, $scale, $transactions) = @_;

	$source->command_ok(
		[ 'pgbench', '-i', '-q', '-s', $scale, 'postgres' ],
		'pgbench fills its tables')
	  if $scale > 0;
	$source->command_ok(
		[
			'pgbench', '-n', '-c', '4', '-j', '2', '-t',
			int($transactions / 4), 'postgres'
		],
		'pgbench runs')
	  if $transactions > 0;
	return;
}

# start_chapters - those whose names fit, if they are SQL, in the background;
# returns a function that waits for their end.
sub start_chapters
{
	my ($source, $pattern) = @_;
	my $sql = join "\n",
	  map { ref $_->[1] || $_->[0] !~ /$pattern/ ? () : $_->[1] } chapters();
	my ($out, $errors);
	my $psql = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d',
			$source->connstr('postgres')
		],
		'<', \$sql, '>', \$out, '2>', \$errors);

	return sub {
		$psql->finish or croak "chapters $pattern: $errors";
	};
}

# run_everything - all chapters, or those whose names fit; what falls between
# them is drawn from the seed.
sub run_everything
{
	my ($source, $seed, $pattern) = @_;
	my $wanted = $ENV{BBACKUP_CHAPTERS} // $pattern // '';

	srand $seed;
	foreach my $chapter (chapters())
	{
		my ($name, $work) = @$chapter;

		next if $name !~ /$wanted/;
		note("workload: $name");
		ref $work ? $work->($source) : $source->safe_psql('postgres', $work);

		my $dice = rand;
		if ($dice < 0.3)
		{
			$source->safe_psql('postgres', 'CHECKPOINT');
		}
		elsif ($dice < 0.4)
		{
			$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
		}
		elsif ($dice < 0.45)
		{
			$source->restart;
		}
		elsif ($dice < 0.5)
		{
			$source->stop('immediate');
			$source->start;
		}
	}
	return;
}

1;

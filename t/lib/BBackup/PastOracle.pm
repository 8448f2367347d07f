# BBackup::PastOracle - tables of the past against clones, for a whole workload.
#
#	run_past_oracle('checksums', work => sub { run_everything($_[0], $_[1]) });
#
# A source of a variant (BBackup::Workload) works; a base backup from before and its
# WAL go into a store.  At random LSNs, each table of each database is read through
# foreign tables, and in a clone that was restored at that LSN.  By environment:
#
#	BBACKUP_SEED	what is drawn: the workload's accidents, the LSNs
#	BBACKUP_LSNS	how many LSNs; few by default
#	BBACKUP_LSN		this LSN alone

package BBackup::PastOracle;

use strict;
use warnings;

use BBackup;
use BBackup::Oracle;
use BBackup::OracleRun qw(oracle_seed);
use BBackup::Past;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(run_past_oracle);

# Databases of a clone that the store's server can have, too.
my $databases = q(
SELECT datname FROM pg_database
WHERE datallowconn AND encoding = (SELECT encoding FROM pg_database WHERE datname = 'template1')
ORDER BY 1);

# What a database has when the source ends: its types have to be on the store's
# server.
sub schemas_of
{
	my ($source) = @_;
	my %schemas;

	foreach my $database (split /\n/, $source->safe_psql('postgres', $databases))
	{
		$schemas{$database} = scalar run_log_of('pg_dump', '--schema-only',
			'--section=pre-data', '--no-owner', '--no-privileges', '-d',
			$source->connstr($database));
	}
	return %schemas;
}

sub run_log_of
{
	my ($out, $errors) = run_command([@_]);

	return $out;
}

# A database of the store's server that is named as the clone's.
sub make_database
{
	my ($store, $database, $schema) = @_;

	$store->safe_psql('postgres', "CREATE DATABASE \"$database\"")
	  if $store->safe_psql('postgres',
		"SELECT count(*) FROM pg_database WHERE datname = '$database'") eq '0';
	$store->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS bbackup');
	# some of it is there already, or is not needed
	$store->psql($database, $schema, on_error_stop => 0) if defined $schema;
	return;
}

# run_past_oracle - the variant's name, then
#
#	before		what the source does before the base backup, given it and the seed
#	stopped		the same while it is stopped, before the base backup
#	work		what it does then
#	lsns		how many LSNs, unless the environment says
#	tables		so many tables at least are compared in all databases
sub run_past_oracle
{
	my ($variant, %options) = @_;
	my $seed = oracle_seed();
	my $source = new_workload_source('source', $variant);

	$options{before}->($source, $seed) if $options{before};
	$source->stop;
	$options{stopped}->($source, $seed) if $options{stopped};
	my $base = BBackup::Oracle::keep_base($source,
		PostgreSQL::Test::Utils::tempdir . '/base');
	$source->start;
	$options{work}->($source, $seed);
	my %schemas = schemas_of($source);
	my $archive = BBackup::Oracle::finish_archive($source);
	my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);
	my $wal = $oracle->wal;
	my $store = new_store('store');

	import_directory($store, $base);
	ingest($store, $archive);
	make_database($store, $_, $schemas{$_}) foreach sort keys %schemas;

	srand $seed;
	my $first = $wal->index_at($oracle->consistent_lsn);
	my @lsns =
	  defined $ENV{BBACKUP_LSN}
	  ? (lsn_number($ENV{BBACKUP_LSN}))
	  : (map({ $wal->end_of($first + int rand($wal->{count} - $first)) }
			1 .. ($ENV{BBACKUP_LSNS} // $options{lsns} // 2) - 1), $wal->end);
	foreach my $at (@lsns)
	{
		compare_at($store, lsn_text($at), \%schemas, $options{tables} // 0);
	}
	$store->stop;
	return;
}

sub compare_at
{
	my ($store, $lsn, $schemas, $tables) = @_;
	my $clone = new_clone('clone' . ($lsn =~ s{/}{_}r), fetch_backup($store, "'$lsn'"));
	my ($compared, $lacking) = (0, 0);
	my @differences;

	$clone->start;
	foreach my $database (split /\n/, $clone->safe_psql('postgres', $databases))
	{
		make_database($store, $database) if !exists $schemas->{$database};
		$schemas->{$database} //= '';
		import_past($store, $database, $lsn, 'past');
		my ($n, @found) = past_differences($store, $clone, $database, 'past');

		# a type that was dropped later is not here
		$lacking += grep { / lacks a column$/ } @found;
		push @differences,
		  map { "$database: $_" } grep { !/ lacks a column$/ } @found;
		$compared += $n;
	}
	is(join("\n", @differences),
		'', "$compared tables are the same at $lsn, $lacking without a column");
	cmp_ok($compared, '>', $tables, '... which are all');
	cmp_ok($lacking, '<', 20, '... with nearly all columns');
	$clone->stop('immediate');
	$clone->clean_node;
	return;
}

1;

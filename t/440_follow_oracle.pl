# The oracle at LSNs of a stream: a source works while it is followed; then, at
# ends of flushes, at LSNs between two of them, and at records of many kinds, the
# store's backup is what recovery of the source's archive makes.
#
#	BBACKUP_SEED, BBACKUP_LSNS, BBACKUP_LSN, BBACKUP_FILES_ONLY,
#	BBACKUP_CHAPTERS, BBACKUP_VARIANT	as BBackup::OracleRun
#	BB_SLOW=1		also PostgreSQL's regression suite
#	BB_REGRESS		its directory, src/test/regress of the source package

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use BBackup::Oracle;
use BBackup::OracleRun;
use BBackup::WAL qw(lsn_number lsn_text);
use BBackup::Workload;
use IPC::Run;

my $seed = oracle_seed();
my $runs = 0;

# Ends of flushes that a list has, and LSNs between: [ LSN, why ], ..., so many
# of each.
sub ends_and_between
{
	my ($wal, $first, $number, @ends) = @_;
	my @chosen;

	@ends = grep { $_ > $first && $_ < $wal->end } @ends;
	note(scalar(@ends) . ' ends of flushes were seen');
	return if @ends < 2;
	for (1 .. $number)
	{
		my $i = 1 + int rand $#ends;
		my $between =
		  $ends[ $i - 1 ] + 1 + int rand($ends[$i] - $ends[ $i - 1 ] - 1);

		push @chosen, [ $ends[ int rand @ends ], 'the end of a flush' ],
		  [ $between, 'between two flushes' ];
	}
	return @chosen;
}

# follow_oracle - work is done by the source, given it and the seed.
sub follow_oracle
{
	my ($what, $variant, $lsns, $work) = @_;
	my $number = ++$runs;
	my $source = new_workload_source("source_$number", $variant);
	my $base = PostgreSQL::Test::Utils::tempdir . '/base';
	my $flushes = PostgreSQL::Test::Utils::tempdir . '/flushes';

	note("following $what");
	# Hint bits are on disk and not in WAL: a base backup of later would have
	# more of them.
	$source->append_conf('postgresql.conf', 'autovacuum = off');
	$source->safe_psql($_, 'VACUUM (FREEZE)')
	  foreach qw(postgres template1);
	$source->stop;
	BBackup::Oracle::keep_base($source, $base);
	$source->start;

	my $store = new_following_store("store_$number",
		"bbackup.flush_interval = 100ms\n");
	create_source($store, 'shop', $source);
	follow($store, 'shop');
	ok(wait_for_state($store, 'streaming'), "$what: it is followed");

	# what the ends of flushes are, while it works
	append_to_file("$flushes.sql",
		"SELECT end_lsn FROM bb_timelines()\n\\watch 0.05\n");
	my $watch = IPC::Run::start(
		[
			'psql', '-XAtq', '-d', $store->connstr('postgres'), '-f',
			"$flushes.sql"
		],
		'<', '/dev/null', '>', $flushes, '2>', "$flushes.errors");
	$work->($source, $seed);
	my $archive = BBackup::Oracle::finish_archive($source);
	my $oracle = BBackup::Oracle->new(base => $base, archive => $archive);
	my $wal = $oracle->wal;
	my $end = lsn_text($wal->end);

	is( $store->safe_psql('postgres',
			"SELECT bb_wait('$end', 'main', '10 min') >= '$end'"),
		't',
		"$what: the end is readable after the source has stopped");
	# psql writes what it has when it ends by itself
	$watch->signal('INT');
	eval { $watch->finish };
	is( $store->safe_psql('postgres', 'SELECT end_lsn FROM bb_timelines()'),
		$end, "$what: and it is the end");

	my $first = lsn_number(
		$store->safe_psql('postgres', 'SELECT start_lsn FROM bb_timelines()'));
	my %seen = map { $_ => 1 }
	  map { lsn_number($_) } grep { m{^\w+/\w+$} } split /\n/,
	  slurp_file($flushes);
	my $budget = $ENV{BBACKUP_LSNS} // $lsns;
	my @chosen = $wal->choose($seed, int(($budget + 1) / 2), $first);

	push @chosen,
	  ends_and_between($wal, $first, int(($budget + 3) / 4),
		sort { $a <=> $b } keys %seen);
	@chosen = [ lsn_number($ENV{BBACKUP_LSN}), 'as asked for' ]
	  if defined $ENV{BBACKUP_LSN};
	ok(@chosen >= 4, "$what: there are LSNs to look at");
	$oracle->check($store, 'main', @$_)
	  foreach sort { $a->[0] <=> $b->[0] } @chosen;

	$source->start;
	ok(wait_for_state($store, 'streaming'), "$what: the source is back");
	stop_following($source, $store);
	$_->stop foreach $source, $store;
	return;
}

# run_regress - PostgreSQL's regression suite, whatever its results are.
sub run_regress
{
	my ($source) = @_;
	my $directory = $ENV{BB_REGRESS};
	my $output = PostgreSQL::Test::Utils::tempdir;
	my ($regress) = glob `pg_config --pgxs` =~
	  s{/src/makefiles/pgxs.mk\n}{/src/test/regress/pg_regress}r;

	chomp(my ($include, $binaries) =
		  (`pg_config --includedir-server`, `pg_config --bindir`));
	my $built = 0 == system "cc -O1 -fPIC -shared -I'$include' -o"
	  . " '$output/regress.so' '$directory/regress.c' 2>'$output/cc'";

	diag('regress.c can\'t be compiled: some of the suite fails') if !$built;
	copy_directory("$directory/$_", $output)
	  foreach grep { -d "$directory/$_" } qw(sql expected data);
	system "'$regress' --use-existing --dbname=regression"
	  . " --bindir='$binaries' "
	  . "--inputdir='$directory' --outputdir='$output' --dlpath='$output'"
	  . ' --max-connections=10 --host=\'' . $source->host . "' --port="
	  . $source->port . " --schedule='$directory/parallel_schedule'"
	  . " >'$output/log' 2>&1";
	my @results = grep { /^(?:not )?ok|\.\.\. +(?:ok|FAILED)/ } split /\n/,
	  slurp_file("$output/log");
	my $failed = grep { /^not ok|FAILED/ } @results;

	diag(@results - $failed . ' of ' . @results . ' regression tests passed');
	ok(@results > 100, 'the regression suite ran');
	return;
}

my $variant = $ENV{BBACKUP_VARIANT} // 'default';

follow_oracle(
	'pgbench', $variant, 4,
	sub {
		my ($source) = @_;

		run_pgbench($source, 2, 2000);
		$source->safe_psql('postgres', 'CHECKPOINT; VACUUM pgbench_branches');
		run_pgbench($source, 0, 2000);
	}) if !defined $ENV{BBACKUP_CHAPTERS};
follow_oracle('everything', $variant, 6, sub { run_everything(@_) });

SKIP:
{
	skip 'the regression suite takes minutes: BB_SLOW is not set', 1
	  if !$ENV{BB_SLOW};
	if (!-d ($ENV{BB_REGRESS} // '') . '/sql')
	{
		fail('PostgreSQL\'s regression suite is not here: BB_REGRESS has to'
			  . ' be src/test/regress of its source'
			  . ' ("apt-get source postgresql-15")');
		last SKIP;
	}
	follow_oracle(
		'the regression suite',
		$variant, 20,
		sub {
			my ($source) = @_;

			$source->safe_psql('postgres', 'CREATE DATABASE regression');
			run_regress($source);
		});
}
done_testing();

# The oracle, of a store of many small layers after upkeep has merged them, made
# images, and moved the start up to a window.

use strict;
use warnings;
use BBackup;
use BBackup::OracleRun;
use BBackup::Workload;
use Test::More;

run_oracle(
	$ENV{BBACKUP_VARIANT} // 'default',
	lsns => 3,
	store => q(
shared_preload_libraries = 'bbackup'
bbackup.checkpoint_distance = 1MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.image_percent = 50
bbackup.removal_delay = 0
),
	work => sub { run_everything($_[0], $_[1]) },
	stored => sub {
		my ($store) = @_;
		my %jobs = map { split /\|/ } split /\n/,
		  $store->safe_psql('postgres',
			'SELECT job, count(*) FROM bb_upkeep() GROUP BY 1');

		note(join ', ', map { "$jobs{$_} x $_" } sort keys %jobs);
		cmp_ok($jobs{$_} // 0, '>', 0, "$_ was done") foreach qw(merge image);
		query_is($store, 'SELECT count(*) FROM bb_upkeep()',
			0, 'and nothing is left to do');
		query_is($store, "SELECT count(*) FROM bb_verify(level => 'blocks')",
			0, '... and nothing is wrong');
	});
done_testing();

# Tables of the past: a cluster whose xids, multixacts and members of multixacts wrap
# around, at random LSNs.
#
# By environment: see BBackup::PastOracle.

use strict;
use warnings;
use BBackup;
use BBackup::OddTables;
use BBackup::PastOracle;
use BBackup::Version;
use PostgreSQL::Test::Utils;
use Test::More;

# The last ones before the wraparound.  After the first multixact, the counter of a
# checkpoint is 0, since it has not wrapped around yet; from 19 on it is 1.  Of the
# first round's multixacts, one that updates has its second member, which updated, at
# offset 0; offsets of 19 have 64 bits, and do not wrap around.
my $limit = 2**32;
my $xid = $limit - 60;
my $multi = $limit - 1;
my $offset = $limit - 33;

# zeros - a segment of an SLRU, which the server finds there when it starts.
sub zeros
{
	my ($source, $file) = @_;

	append_to_file($source->data_dir . "/$file", "\0" x (32 * 8192));
	return;
}

sub approach
{
	my ($source) = @_;

	system_or_bail('pg_resetwal', '-x', $xid, '-u', $xid - 1000, '-m',
		"$multi," . ($multi - 1000), (pg_major() < 19 ? ('-O', $offset) : ()), '-D', $source->data_dir);
	zeros($source, 'pg_xact/0FFF');
	zeros($source, 'pg_multixact/offsets/' . (pg_major() < 19 ? 'FFFF' : '1FFFF'));
	zeros($source, 'pg_multixact/members/14078') if pg_major() < 19;
	# relfrozenxid is in the future now, and a clone would begin with autovacuum
	$source->start;
	$source->safe_psql($_, 'SET client_min_messages = error; VACUUM FREEZE')
	  foreach 'shop', 'template0', 'template1', 'postgres';
	$source->safe_psql('postgres', 'ALTER DATABASE template0 ALLOW_CONNECTIONS false');
	$source->stop;
	return;
}

sub work
{
	my ($source) = @_;

	my @sessions = map { start_session($source, 'shop') } 1 .. 2;

	ask($_, 'BEGIN; SELECT id FROM referred WHERE id = 50 FOR KEY SHARE')
	  foreach @sessions;
	ask($_, 'COMMIT') foreach @sessions;
	end_session($_) foreach @sessions;
	is( $source->safe_psql('postgres',
			'CHECKPOINT; SELECT next_multixact_id FROM pg_control_checkpoint()'),
		pg_major() < 19 ? 0 : 1,
		'a checkpoint after the last multixact');
	foreach my $round (2 .. 6)
	{
		change_odd_tables($source, 'shop', $round);
		$source->safe_psql('postgres', 'CHECKPOINT') if $round == 4;
	}
	my ($xids, $multis, $members) = split /\|/, $source->safe_psql('postgres',
		'CHECKPOINT; SELECT next_xid, next_multixact_id, next_multi_offset'
		  . ' FROM pg_control_checkpoint()');
	like($xids, qr/^1:\d{1,4}$/, 'xids have wrapped around');
	cmp_ok($multis, '<', 1000, 'multixacts have, too');
	cmp_ok($members, '<', 1000, 'and their members') if pg_major() < 19;
	return;
}

run_past_oracle(
	$ENV{BBACKUP_VARIANT} // 'checksums',
	before => sub {
		my ($source) = @_;

		$source->safe_psql('postgres', 'CREATE DATABASE shop');
		create_odd_types($source, 'shop');
		create_odd_tables($source, 'shop');
		$source->safe_psql('postgres',
			'ALTER DATABASE template0 ALLOW_CONNECTIONS true');
		# what is older than the new xids must be frozen
		$source->safe_psql($_, 'VACUUM FREEZE') foreach 'shop', 'postgres';
	},
	stopped => \&approach,
	work => \&work,
	tables => 120);
done_testing();

# The statements of docs/operations.md, as they are there.

use strict;
use warnings;
use BBackup;
use BBackup::Following;
use File::Basename;

# The blocks of the document, by name.
my $document = slurp_file(dirname(__FILE__) . '/../docs/operations.md');
my %statements =
  $document =~ /^<!-- test: (\S+) -->\n```sql\n(.*?)^```$/msg;
is( join(' ', sort keys %statements),
	'archive follow role source spool unfollow wait watch',
	'the document has the statements');
is(scalar(() = $document =~ /^```\w/mg),
	scalar keys %statements, 'and no block that is not tested');

my $source = new_followed_source('source');
my $store = new_following_store('store');
my $archive = PostgreSQL::Test::Utils::tempdir_short;

# With the host, the port and the archive of this test.
sub statements
{
	my ($name) = @_;
	my $text = $statements{$name};

	$text =~ s/host '[^']*'/host '@{[ $source->host ]}'/;
	$text =~ s/port '[^']*'/port '@{[ $source->port ]}'/;
	$text =~ s{/backups/wal}{$archive};
	return $text;
}

# The password is demanded, as the document says.
$source->safe_psql('postgres', statements('source'));
create_rows($source, 1000);
open my $hba, '>', $source->data_dir . '/pg_hba.conf' or die $!;
print $hba "local replication bbackup scram-sha-256\nlocal all all trust\n";
close $hba;
$source->reload;

$store->safe_psql('postgres', 'DROP EXTENSION IF EXISTS bbackup CASCADE');
$store->safe_psql('postgres', statements('follow'));
$source->safe_psql('postgres', 'CHECKPOINT');
like($store->safe_psql('postgres', statements('wait')),
	qr/\bshop\|bbackup\|shop\|/, 'a server is followed');
ok(wait_for_state($store, 'streaming', 'shop'), 'its WAL arrives');
$source->safe_psql('postgres', 'CREATE TABLE later AS SELECT 1 AS i');
wait_now($store, 'shop');
my $clone = clone_of($store, 'shop');
is($clone->safe_psql('postgres', 'SELECT i FROM later'),
	1, 'and a clone has what it had');
$clone->stop;

like($store->safe_psql('postgres', statements('watch')),
	qr/^bbackup\|shop\|\d+\|/m, 'upkeep can be watched');

$store->safe_psql('postgres', 'CREATE ROLE dba LOGIN');
$store->safe_psql('postgres', statements('role'));
is( $store->safe_psql('postgres',
		'SET ROLE dba; SELECT count(*) FROM bb_stat_follow'),
	0, 'a role that may follow sees what it follows');

$store->safe_psql('postgres', statements('spool'));
ok( wait_for(
		'an option that was changed',
		sub { return { follow_status($store, 'shop') }->{confirm} eq 'spool' }),
	'a changed option is used');
$store->safe_psql('postgres', statements('archive'));
wait_now($store, 'shop');

$store->safe_psql('postgres', statements('unfollow'));
is(slots_of($source), '', 'no slot stays');
is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_stat_follow'),
	0, 'and nothing is followed');

$store->stop;
$source->stop;
done_testing();

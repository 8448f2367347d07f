# pg_upgrade of the source: the upgraded cluster is a new timeline, which says
# which one it continues, and errors name that one.  (An upgrade within a major
# version does the same to a cluster; t/381_majors.pl has one between two.)

use strict;
use warnings;
use BBackup;
use BBackup::Following qw(create_source);
use File::Basename qw(dirname);

# The blocks of the document, by name.
my %recipes = slurp_file(dirname(__FILE__) . '/../docs/recipes.md') =~
  /^<!-- test: (\S+) -->\n```\w+\n(.*?)^```$/msg;

my $place = PostgreSQL::Test::Utils::tempdir;
my $old = new_source('before', '-N');
$old->append_conf('postgresql.conf', "wal_keep_size = 1GB\nwal_level = replica\n");
$old->restart;
$old->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS n');
$old->stop;

my $store = new_store('store');
import_directory($store, $old->data_dir);
$old->start;
$old->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
my $before = $old->safe_psql('postgres', 'SELECT now()');
my $between = $old->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$old->safe_psql('postgres', 'INSERT INTO t VALUES (3)');
$old->stop;
ingest($store, $old->data_dir . '/pg_wal');

my $new = PostgreSQL::Test::Cluster->new('after');
$new->init;
my $bin = $new->config_data('--bindir');
chdir $place or die "$place: $!";
command_ok([
	'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin,
	'-B', $bin, '-s', $new->host, '-p', $old->port, '-P', $new->port
], 'pg_upgrade');
$new->append_conf('postgresql.conf', "wal_keep_size = 1GB\nwal_level = replica\nmax_wal_senders = 5\n");
$new->start;
$new->safe_psql('postgres', 'INSERT INTO t VALUES (4)');
$new->stop;
import_directory($store, $new->data_dir, 'after');

# --- What can't be an upgrade is refused.

sub refused
{
	my ($timeline, $from, $expected, $name) = @_;

	fails_like($store, "SELECT bb_set_upgraded_from('$timeline', '$from')",
		$expected, $name);
	return;
}

refused('after', 'after', qr/ERROR:  22023: .*\nDETAIL:  Both have the system identifier \d+/,
	'a timeline is not upgraded from itself');
refused('main', 'after',
	qr/ERROR:  22023: timeline "main" was not upgraded from timeline "after"\nDETAIL:  Timeline "main" begins at .*, before the end of "after" at /,
	'the upgraded one is the later one');
refused('after', 'nobody', qr/ERROR:  42704: /, 'there is such a timeline');
refused('nobody', 'main', qr/ERROR:  42704: /, 'on both sides');
$store->safe_psql('postgres',
	"SELECT bb_create_branch('twig', 'after')");
refused('twig', 'main', qr/ERROR:  55000: timeline "twig" is a branch/,
	'a branch has an ancestor instead');

# --- Without the note, nothing is known of the old timeline.

my $wanted = "SELECT bb_basebackup('$between', timeline => 'after')";
my $timed = "SELECT bb_lsn_at('$before', timeline => 'after')";

fails_like($store, $wanted,
	qr/ERROR:  55000: LSN \S+ is before the history .*\nDETAIL: .*\n(?!HINT)/,
	'an LSN before the upgrade');

# --- With it.

my $state = "SELECT timeline, upgraded_from, redo FROM bb_timelines() ORDER BY 1";

$store->safe_psql('postgres', $recipes{upgraded} =~ s/main18/after/r);
query_is($store, $state, "after|main|t\nmain||t\ntwig||t",
	'bb_timelines() has the chain');
query_like($store, $recipes{majors}, qr/^after\|\d+\|t\|main$/m,
	'and so has the recipe');
fails_like($store, $wanted,
	qr/HINT:  .*pg_upgrade\. Timeline "main" has what was before/,
	'the error about an LSN before the upgrade names the old timeline');
fails_like($store, $timed,
	qr/HINT:  .*pg_upgrade\. Timeline "main" has what was before/,
	'and so does the one about a time');
$store->safe_psql('postgres',
	"SELECT bb_pin(NULL, 'now', timeline => 'after');"
	  . "SELECT bb_set_retention('1 hour', timeline => 'after')");
query_is($store, $state, "after|main|t\nmain||t\ntwig||t",
	'other changes of the timeline keep it');

my $clone = start_clone_of('main', $between, 'clone_before');
query_is($clone, 'SELECT string_agg(n::text, $$,$$ ORDER BY n) FROM t', '1,2',
	'the old timeline has the LSN');
$clone->stop;
$clone = start_clone_of('after', undef, 'clone_after');
query_is($clone, 'SELECT string_agg(n::text, $$,$$ ORDER BY n) FROM t',
	'1,2,3,4', 'the new one goes on');
$clone->stop;

sub start_clone_of
{
	my ($timeline, $lsn, $name) = @_;
	my $clone = new_clone($name,
		fetch_backup($store,
			(defined $lsn ? "'$lsn', " : '') . "timeline => '$timeline'"));

	$clone->start;
	return $clone;
}

# --- Who follows the source learns what to do.

$new->start;
create_source($store, 'shop', $new);
fails_like($store, "SELECT bb_follow('shop', timeline => 'main')",
	qr/ERROR:  22023: source "shop" is another system than timeline "main"\n(?s:.*)HINT:  .*new timeline.*bb_set_upgraded_from\(\)/,
	'following under the old name is refused, with a hint');
$new->stop;

$store->safe_psql('postgres', "SELECT bb_set_upgraded_from('after', NULL)");
query_is($store, $state, "after||t\nmain||t\ntwig||t", 'the note can be taken back');

done_testing();

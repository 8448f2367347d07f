# Archives and backups that the tools themselves have made, with the recipes of
# docs/recipes.md as they are there.

use strict;
use warnings;
use BBackup;
use File::Basename;
use File::Path qw(make_path);

my %recipes = slurp_file(dirname(__FILE__) . '/../docs/recipes.md') =~
  /^<!-- test: (\S+) -->\n```\w+\n(.*?)^```$/msg;

sub is_installed
{
	my ($program) = @_;

	return system("command -v $program >/dev/null 2>&1") == 0;
}

# Where all is that the recipes have in /backups.
my $backups = PostgreSQL::Test::Utils::tempdir_short;
my $config = "$backups/pgbackrest.conf";
# restore_command has the environment of the store's server
$ENV{PGBACKREST_CONFIG} = $config;
my $barman = "barman -c $backups/barman.conf";
make_path(
	(map { "$backups/barman/shop/$_" } qw(base errors incoming streaming wals)),
	"$backups/barman.d", "$backups/wal-g/wal_005");

my $source = new_source('source', '--wal-segsize=1', '--data-checksums');
append_to_file($config, qq([global]
repo1-path=$backups/pgbackrest
repo2-path=$backups/encrypted
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass=secret
log-level-file=off
lock-path=$backups/lock
compress-type=zst
start-fast=y
[shop]
pg1-path=@{[ $source->data_dir ]}
pg1-port=@{[ $source->port ]}
pg1-socket-path=@{[ $source->host ]}
));
append_to_file("$backups/barman.conf", qq([barman]
barman_home = $backups/barman
barman_user = @{[ scalar getpwuid $> ]}
log_file = $backups/barman.log
configuration_files_directory = $backups/barman.d
[shop]
description = "shop"
conninfo = host=@{[ $source->host ]} port=@{[ $source->port ]} dbname=postgres
streaming_conninfo = host=@{[ $source->host ]} port=@{[ $source->port ]}
backup_method = postgres
archiver = on
compression = gzip
path_prefix = @{[ dirname(`command -v pg_basebackup; true`) ]}
));

# A version of pgBackRest knows the versions of PostgreSQL before it.
my $has_pgbackrest = is_installed('pgbackrest');
if ($has_pgbackrest)
{
	my $said = `pgbackrest --stanza=shop stanza-create 2>&1`;

	$has_pgbackrest = $said !~ /unexpected control version|unsupported/i;
	note $said;
}
my @archiving = ("cp %p $backups/barman/shop/incoming/%f",
	"gzip < %p > $backups/wal-g/wal_005/%f.gz");
unshift @archiving, 'pgbackrest --stanza=shop archive-push %p'
  if $has_pgbackrest;
$source->append_conf('postgresql.conf',
	"wal_level = replica\nmax_wal_senders = 4\narchive_mode = on\narchive_command = '"
	  . join(' && ', @archiving)
	  . "'\n");
$source->restart;
my $store = new_store('store');

# Returns a recipe for our directory.
sub recipe
{
	my ($name) = @_;

	return $recipes{$name} =~ s{/backups\b}{$backups}gr
	  =~ s{\bbarman get}{$barman get}gr;
}

# Runs a command, and shows what it says if it fails.
sub run
{
	my ($command) = @_;
	my $said = `($command) 2>&1`;

	diag("$command\n$said") if $? != 0;
	return $? == 0;
}

# More WAL of the source, all of it archived.
my $rows = 0;
sub work
{
	$source->safe_psql('postgres',
		'CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t VALUES ('
		  . ++$rows . ')');
	my $last = $source->safe_psql('postgres',
		'SELECT pg_walfile_name(pg_switch_wal())');
	$source->poll_query_until('postgres',
		"SELECT last_archived_wal >= '$last' FROM pg_stat_archiver")
	  or die 'WAL is not archived';
	return;
}

sub is_whole
{
	my ($name) = @_;

	my $clone = new_clone("clone$rows", fetch_backup($store));
	$clone->append_conf('postgresql.conf', "archive_mode = off\n");
	$clone->start;
	query_is($clone, 'SELECT max(n) FROM t', $rows, $name);
	$clone->stop;
	$clone->clean_node;
	return;
}

sub drop_timeline
{
	$store->safe_psql('postgres', "SELECT bb_drop_timeline('main')");
	return;
}

# --- pgBackRest

SKIP:
{
	skip 'there is no pgBackRest for this PostgreSQL', 6
	  unless $has_pgbackrest;

	ok(run('pgbackrest --stanza=shop --repo=1 --type=full backup'),
		'pgBackRest makes a backup');
	work();
	make_path("$backups/base");
	ok(run(recipe('pgbackrest-restore')), 'and restores it');
	$store->safe_psql('postgres', recipe('pgbackrest'));
	is_whole('its repository is read');

	work();
	my ($result, $said);
	$store->psql(
		'postgres',
		"SELECT bb_ingest('$backups/encrypted')",
		stderr => \$said);
	like($said, qr/It is encrypted/, 'an encrypted repository is not read');
	$store->safe_psql('postgres',
		recipe('pgbackrest-get') =~ s/archive-get/--repo=2 archive-get/r);
	is_whole('but fetched by pgBackRest');
	$store->safe_psql('postgres', recipe('pgbackrest-get'));
	pass('the recipe runs as it is');
	drop_timeline();
}

# --- WAL-G: it isn't in Debian, so its directory is made by archive_command, with
# the names of its documentation, and the backup is that of another tool.

work();
my $base = "$backups/base";
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $base);
PostgreSQL::Test::Utils::system_or_bail('pg_basebackup', '-D', $base, '-d',
	$source->connstr('postgres'), '-X', 'none', '-c', 'fast');
work();
$store->safe_psql('postgres', recipe('wal-g'));
is_whole('an archive as WAL-G lays it out');
drop_timeline();

# --- pg_basebackup -Ft

PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $base);
{
	local %ENV = (%ENV, PGHOST => $source->host, PGPORT => $source->port);

	ok(run(recipe('tar-backup')), 'pg_basebackup -Ft makes a backup');
}
$store->safe_psql('postgres', recipe('tar-import'));
is_whole('which is imported as it is');
drop_timeline();

# --- Barman

SKIP:
{
	skip 'Barman is not installed', 4 unless is_installed('barman');

	ok(run("$barman cron") && run("$barman archive-wal shop"),
		'Barman has WAL');
	ok(run("$barman backup --wait shop"), 'and makes a backup');
	work();
	run("$barman archive-wal shop");
	my ($id) = map { basename $_ } glob "$backups/barman/shop/base/*";
	$store->safe_psql('postgres', recipe('barman') =~ s/20261130T010000/$id/r);
	is_whole('its directories are read');
	work();
	run("$barman archive-wal shop");
	$store->safe_psql('postgres', recipe('barman-get'));
	is_whole('and it fetches WAL');
}

done_testing();

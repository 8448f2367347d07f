# Where the database is read-only: every function on a hot standby, in READ ONLY
# and SERIALIZABLE transactions, as other roles, within SECURITY DEFINER
# functions, and in sessions whose settings a new session could not have.
#
#	BBACKUP_WAYS=all	also each function that takes long in each of them

use strict;
use warnings;
use BBackup;
use BBackup::S3;
use BBackup::StoreKind;
use List::Util qw(shuffle);

plan skip_all => 'this test has stores of its own'
  unless BBackup::StoreKind::is_local();
local $ENV{no_proxy} = '*';

# --- A primary and its standby, with the same stores.

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
create_rows($source, 100000);
my $base = cold_backup($source);
$source->start;
$source->safe_psql('postgres', 'UPDATE t SET i = i + 1 WHERE i % 3 = 0');
my $time = $source->safe_psql('postgres', 'SELECT clock_timestamp()');
$source->safe_psql('postgres',
	'UPDATE t SET i = i + 1 WHERE i % 50 = 0; SELECT pg_switch_wal()');
$source->stop;

my $primary = new_store('primary', q(
shared_preload_libraries = 'bbackup'
wal_level = replica
max_wal_senders = 5
max_worker_processes = 16
bbackup.track_calls = 1000
));
my $place = PostgreSQL::Test::Utils::tempdir;
$primary->safe_psql('postgres',
	"CREATE SERVER files FOREIGN DATA WRAPPER bbackup"
	  . " OPTIONS (url 'file://$place/store')");
my @stores = ('files');
if (BBackup::S3::available())
{
	my $s3 = BBackup::S3->start(PostgreSQL::Test::Utils::tempdir_short);

	$s3->create_bucket('bucket');
	$primary->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/store',
			"cache_directory '$place/cache', cache_size '1GB'"));
	push @stores, 'cloud';
	# it runs as long as the test
	our $keep = $s3;
}
$primary->safe_psql(
	'postgres', qq(
SELECT bb_import_directory(directory => '$base', store => '$_');
SELECT bb_ingest(wal_directory => '$archive', store => '$_');
)) foreach @stores;

# bob may use all functions and stores; eve may call a function of bob's;
# strict's transactions have the strictest settings.
$primary->safe_psql('postgres', q(
CREATE ROLE bob;
CREATE ROLE eve;
CREATE ROLE strict LOGIN SUPERUSER;
CREATE ROLE leaver LOGIN SUPERUSER;
ALTER ROLE strict SET default_transaction_isolation = 'serializable';
ALTER ROLE strict SET default_transaction_read_only = on;
ALTER ROLE strict SET default_transaction_deferrable = on;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO bob;
GRANT pg_read_server_files, pg_write_server_files,
	pg_execute_server_program TO bob;
CREATE FUNCTION run(query text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result;
	RETURN result;
END $$;
ALTER FUNCTION run OWNER TO bob;
REVOKE ALL ON FUNCTION run FROM PUBLIC;
GRANT EXECUTE ON FUNCTION run TO eve;
));
$primary->safe_psql('postgres',
	"GRANT USAGE ON FOREIGN SERVER $_ TO bob") foreach @stores;

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
query_is($standby, 'SELECT pg_is_in_recovery()', 't', 'a hot standby');

# --- A query for each function.  STORE and PLACE are replaced; each query
# returns a row that depends on the store alone.

my $some = "store => 'STORE'";
my $with_jobs = "$some, jobs => 2, progress => false";
my %reads = (
	bb_timelines => "SELECT count(*) FROM bb_timelines($some)",
	bb_lsn_at => "SELECT bb_lsn_at(\"time\" => '$time', $some)",
	bb_lsn_latest => "SELECT bb_lsn_latest($some)",
	bb_lsn_of_target => "SELECT bb_lsn_of_target('latest', $some)",
	bb_restore_points => "SELECT count(*) FROM bb_restore_points($some)",
	bb_transactions =>
	  "SELECT count(*) FROM bb_transactions('postgres', $some)",
	bb_layers => "SELECT count(*) FROM bb_layers($some)",
	bb_layer_map => "SELECT bb_layer_map($some) LIKE '<svg%'",
	bb_get_stat_verification =>
	  "SELECT count(*) FROM bb_get_stat_verification($some)",
	bb_get_findings => "SELECT count(*) FROM bb_get_findings($some)",
	bb_verify => "SELECT count(*) FROM bb_verify($some)",
	bb_databases => "SELECT md5(string_agg(d::text, ';'))"
	  . " FROM bb_databases($some) d",
	bb_tablespaces => "SELECT count(*) FROM bb_tablespaces($some)",
	bb_relations => "SELECT md5(string_agg(r::text, ';'))"
	  . " FROM bb_relations($some) r",
	bb_files => "SELECT md5(string_agg(f::text, ';')) FROM bb_files($some) f",
	bb_read_file => "SELECT md5(bb_read_file(path => 'base/1/1259', $some))",
	bb_read_blocks => "SELECT md5(bb_read_blocks(ARRAY['base/1/1259'],"
	  . " ARRAY[0]::bigint[], ARRAY[2], $some))",
	bb_clone_files => "SELECT md5(string_agg(f::text, ';'))"
	  . " FROM bb_clone_files($some) f",
	bb_get_page => 'SELECT md5(bb_get_page(tablespace => 1664,'
	  . ' database => 0, relfilenode => 1262, fork => \'main\','
	  . " block => 0, $some))",
	bb_layer_stats => "SELECT count(*) FROM bb_layer_stats($some)",
	bb_basebackup => "SELECT md5(bb_basebackup($with_jobs))",
	bb_basebackup_stream => "SELECT md5(string_agg(md5(c), ''))"
	  . " FROM (SELECT bb_basebackup_stream($with_jobs) AS c) s",
	bb_basebackup_archives => "SELECT md5(string_agg(a::text, ';'))"
	  . " FROM (SELECT bb_basebackup_archives($with_jobs) AS a) s",
	bb_basebackup_to_file =>
	  "SELECT bb_basebackup_to_file(path => 'PLACE', $with_jobs)",
	bb_basebackup_to_program => 'SELECT bb_basebackup_to_program('
	  . "command => 'cat > PLACE', $with_jobs)",
	bb_restore =>
	  "SELECT files, bytes FROM bb_restore(directory => 'PLACE', $with_jobs)",
	bb_gaps => "SELECT count(*) FROM bb_gaps($some)",
	bb_stat_scope => 'SELECT bb_stat_scope()',
	bb_stat_reset => 'SELECT bb_stat_reset()',
	bb_get_access_stats => 'SELECT count(*) >= 0 FROM bb_get_access_stats()',
	bb_get_stat_follow => 'SELECT count(*) FROM bb_get_stat_follow()',
	bb_get_stat_totals => 'SELECT count(*) >= 0 FROM bb_get_stat_totals()',
	bb_get_stat_progress_import => 'SELECT count(*) FROM bb_get_stat_progress_import()',
	bb_get_stat_progress_ingest => 'SELECT count(*) FROM bb_get_stat_progress_ingest()');

# Functions for a cache.
my %cached = (
	bb_prefetch => "SELECT bb_prefetch($some, wait => true) > 0",
	bb_evict => "SELECT bb_evict(layer => layer, $some)"
	  . " FROM bb_layers($some) LIMIT 1",
	bb_evict_idle =>
	  "SELECT count(*) FROM bb_evict_idle(unused_for => '1 day', $some)");

# A store isn't in the database, so functions that write to a store work, too.
my %fills = (
	bb_import_directory => 'SELECT count(*) FROM bb_import_directory('
	  . "directory => '$base', timeline => 'other', $some)",
	bb_ingest => 'SELECT count(*) FROM bb_ingest('
	  . "wal_directory => '$archive', timeline => 'other', $some)",
	bb_create_branch => 'SELECT bb_create_branch('
	  . "timeline => 'branch', ancestor => 'other', $some) IS NOT NULL",
	bb_drop_timeline => 'SELECT bb_drop_timeline(timeline => \'branch\','
	  . " $some), bb_drop_timeline(timeline => 'other', $some)");
my @fills =
  qw(bb_import_directory bb_ingest bb_create_branch bb_drop_timeline);

# These are tested below.
my @others =
  qw(bb_basebackup_lo bb_copy bb_fdw_handler bb_fdw_validator bb_import_copy);

# These need a source, or a gap: t/400, t/410, t/430, t/431, t/450 and t/451.
push @others, qw(bb_follow bb_identify_source bb_import_server
  bb_rebase_directory bb_rebase_server bb_source_validator bb_unfollow bb_wait);

# These belong to upkeep: t/510, t/512 and t/520.
push @others, qw(bb_expire bb_get_stat_progress_upkeep bb_get_stat_upkeep
  bb_get_stat_upkeep_jobs bb_get_window bb_keeps bb_pin bb_set_retention bb_unpin
  bb_upkeep);

# These need a table of the past: t/716 and t/717.
push @others, qw(bb_changes bb_row_history);

# These belong to clones that are read bit by bit: t/602.
push @others, qw(bb_lease bb_leases bb_release_lease bb_renew_lease);

# This needs an upgraded cluster: t/380.
push @others, qw(bb_set_upgraded_from);

# These need a restore point, or a transaction: t/108.
push @others, qw(bb_lsn_of_restore_point bb_lsn_of_xid);

# This needs a transaction that did something: t/711.
push @others, qw(bb_lsn_before);

# These belong to encryption: t/600.
push @others, qw(bb_encryption bb_rotate_key);

# These belong to object storage: t/208.
push @others, qw(bb_recover_store bb_store_credentials);

# These say how well stores are: t/570 to t/573.
push @others, qw(bb_check bb_get_metrics bb_get_restore_tests bb_metrics_text
  bb_run_checks bb_run_metrics bb_source_slot bb_store_forecast bb_store_growth
  bb_store_space bb_test_restore bb_timeline_states bb_try_store);

# This needs a database with tables: t/720.
push @others, qw(bb_undrop_table);

# These need a second store: t/543 and t/550.
push @others, qw(bb_detach_copy bb_get_stat_copies bb_mend bb_move
  bb_replicate bb_stop_replicating);

is_deeply([
		split /\n/,
		$primary->safe_psql(
			'postgres', q(
SELECT DISTINCT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refobjid =
	(SELECT oid FROM pg_extension WHERE extname = 'bbackup')
ORDER BY p.proname))
	], [ sort keys %reads, keys %cached, keys %fills, @others ],
	'every function is called');

my $places = 0;

sub query_of
{
	my ($query, $store) = @_;

	$places++;
	return $query =~ s/STORE/$store/gr =~ s/PLACE/$place\/out.$places/gr;
}

# --- Situations: the server, statements before and after the query, the role,
# how the query is called, and whether the store in S3 is queried, too.

my $odd = q(SET search_path = nowhere, public; SET nosuch.setting = 'x';
	SET client_encoding = latin1; SET statement_timeout = '10min';
	SET temp_tablespaces = 'doomed');
my @situations = (
	{ name => 'a primary', node => $primary, cloud => 1 },
	{ name => 'a standby', node => $standby, cloud => 1 },
	{
		name => 'a standby, READ ONLY',
		node => $standby,
		before => 'BEGIN READ ONLY',
		after => 'COMMIT'
	},
	{
		name => 'a standby, REPEATABLE READ',
		node => $standby,
		before => 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1',
		after => 'COMMIT'
	},
	{
		name => 'a standby, serializable by default',
		cloud => 1,
		node => $standby,
		user => 'strict',
		before => 'BEGIN ISOLATION LEVEL READ COMMITTED',
		after => 'COMMIT'
	},
	{
		name => 'a standby, SET ROLE',
		cloud => 1,
		node => $standby,
		before => 'SET ROLE bob'
	},
	{
		name => 'a standby, SECURITY DEFINER',
		cloud => 1,
		node => $standby,
		before => 'SET ROLE eve',
		wrap => 'run'
	},
	{
		name => 'a standby, odd settings',
		node => $standby,
		before => $odd
	},
	{
		name => 'READ ONLY',
		node => $primary,
		before => 'BEGIN READ ONLY; SELECT 1',
		after => 'COMMIT'
	},
	{
		name => 'SERIALIZABLE',
		node => $primary,
		before => 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1',
		after => 'COMMIT'
	},
	{
		name => 'SERIALIZABLE, READ ONLY, DEFERRABLE',
		cloud => 1,
		node => $primary,
		before =>
		  'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT 1',
		after => 'COMMIT'
	},
	{
		name => 'all that by default',
		node => $primary,
		user => 'strict'
	},
	{
		name => 'SET SESSION AUTHORIZATION',
		node => $primary,
		before => 'SET SESSION AUTHORIZATION bob'
	},
	{
		name => 'a setting that only its transaction can have',
		node => $primary,
		before => 'BEGIN; CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple);'
		  . ' SET default_text_search_config = mine',
		after => 'ROLLBACK'
	},
	{
		name => 'a subtransaction',
		node => $primary,
		before => 'BEGIN READ ONLY; SAVEPOINT s',
		after => 'COMMIT'
	},
	{
		name => 'odd settings',
		node => $primary,
		before => $odd
	});

# "odd" needs a tablespace, which is gone when workers begin.
sub make_doomed
{
	my ($make) = @_;
	my $doomed = "$place/doomed";

	mkdir $doomed;
	$primary->safe_psql('postgres', $make
		? "CREATE TABLESPACE doomed LOCATION '$doomed'"
		: 'DROP TABLESPACE doomed');
	$primary->wait_for_catchup($standby);
	return;
}

sub begin_situation
{
	my ($situation) = @_;
	local $ENV{PGUSER} = $situation->{user} if defined $situation->{user};
	my $session = start_session($situation->{node});
	my $is_odd = ($situation->{before} // '') eq $odd;

	make_doomed(1) if $is_odd;
	my $said = ask($session, $situation->{before} // '');
	make_doomed(0) if $is_odd;
	unlike($said, qr/ERROR/, "$situation->{name}: it begins");
	return $session;
}

sub ask_in
{
	my ($session, $situation, $query) = @_;

	$query = "SELECT $situation->{wrap}(\$\$$query\$\$)"
	  if defined $situation->{wrap};
	return ask($session, $query);
}

# Each situation has a third of what takes long: a random one, in which each is
# about as often.  The first situation, which says what is right, has all.
srand draw_seed();
my @long =
  shuffle('fills', grep { /^bb_(?:basebackup|restore\z)/ } sort keys %reads);
my %turn = map { $long[$_] => $_ } 0 .. $#long;
my $turns = 0;

sub is_tried
{
	my ($function, $situation) = @_;
	my $turn = $turn{ exists $fills{$function} ? 'fills' : $function };

	return 1 if ($ENV{BBACKUP_WAYS} // '') eq 'all' || !defined $turn;
	return $situation == $situations[0] || ($turns + $turn) % 3 == 0;
}

my %expected;
my %tried;

foreach my $situation (@situations)
{
	my $session = begin_situation($situation);

	foreach my $store (@stores)
	{
		next if $store eq 'cloud' && !$situation->{cloud};
		my %queries =
		  $store eq 'files' ? (%reads, %fills) : (%reads, %fills, %cached);
		my @order = grep { is_tried($_, $situation) }
		  ((sort grep { !exists $fills{$_} } keys %queries), @fills);

		$turns++;

		foreach my $function (@order)
		{
			my $query = query_of($queries{$function}, $store);
			my $got = ask_in($session, $situation, $query);

			$tried{$function}++;
			# SELECT INTO takes the first column
			my $wanted = $expected{$store}{$function} //= $got;
			$wanted =~ s/\|.*//, $got =~ s/^true$/t/
			  if defined $situation->{wrap};
			is($got, $wanted, "$situation->{name}: $function, $store");
			unlike($got, qr/ERROR|NOTICE|WARNING/,
				"$function has an answer")
			  if $situation == $situations[0];
		}
	}
	ask($session, $situation->{after}) if defined $situation->{after};
	end_session($session);
}

is(join(' ', grep { ($tried{$_} // 0) < 5 } sort keys %reads, keys %fills),
	'', 'each function was called in several situations');

# --- Background workers start, and work.

my $workers = "pg_stat_activity WHERE backend_type = 'bbackup pages'";
my $digest = $primary->safe_psql('postgres',
	"SELECT md5(string_agg(md5(c), E'\\n')) FROM"
	  . " (SELECT bb_basebackup_stream(store => 'files') AS c) s");

sub fetch_with_workers
{
	my ($session, $situation) = @_;
	my $outer = defined $situation->{after} ? '' : 'BEGIN; ';
	my $chunks = ask($session,
		"${outer}DECLARE c CURSOR FOR SELECT md5(bb_basebackup_stream("
		  . "store => 'files', jobs => 2, progress => false));"
		  . ' FETCH 1 FROM c');

	$chunks =~ s/.*\n//;
	ok( $situation->{node}->poll_query_until('postgres',
			"SELECT count(*) = 2 FROM $workers AND wait_event = 'Extension'"),
		"$situation->{name}: two workers run");
	$chunks .= "\n" . ask($session, 'FETCH ALL FROM c');
	is($situation->{node}
		  ->safe_psql('postgres', "SELECT md5(\$\$$chunks\$\$)"), $digest,
		"$situation->{name}: the backup is the same");
	ask($session, $situation->{after} // 'COMMIT');
	$situation->{node}
	  ->poll_query_until('postgres', "SELECT count(*) = 0 FROM $workers");
	return;
}

foreach my $situation (@situations)
{
	next if defined $situation->{wrap};
	my $session = begin_situation($situation);

	fetch_with_workers($session,
		$situation->{user} && $situation->{node} == $primary
		? { %$situation, after => undef }
		: $situation);
	end_session($session);
}

# --- A role that may not log in any more: backups run without workers.

{
	local $ENV{PGUSER} = 'leaver';
	my $session = start_session($primary);

	delete $ENV{PGUSER};
	$primary->safe_psql('postgres', 'ALTER ROLE leaver NOLOGIN');
	my $got = ask($session,
		"SELECT md5(string_agg(md5(c), E'\\n')) FROM (SELECT"
		  . " bb_basebackup_stream(store => 'files', jobs => 2,"
		  . ' progress => false) AS c) s');
	$got =~ s/^(?:NOTICE|DETAIL|LOCATION):.*\n//mg;
	is($got, $digest, 'LOGIN was revoked: the backup is made all the same');
	end_session($session);
}

# --- CALL bb_copy(), to a client.

my $copy = PostgreSQL::Test::Utils::tempdir . '/copy.tar';
my $stream = fetch_backup($primary, "store => 'files'");

foreach my $case (
	[ $standby, '' ],
	[ $standby, '-c default_transaction_read_only=on' ],
	[ $primary, '-c default_transaction_read_only=on' ],
	[
		$primary, '-c default_transaction_isolation=serializable'
		  . ' -c default_transaction_deferrable=on'
		  . ' -c default_transaction_read_only=on'
	])
{
	my ($node, $options) = @$case;
	local $ENV{PGOPTIONS} = $options;

	$node->safe_psql('postgres', "CALL bb_copy(store => 'files', jobs => 2,"
		  . " progress => false) \\g $copy\n");
	ok( system('cmp', '-s', $copy, $stream) == 0,
		'bb_copy on the ' . $node->name . " $options");
}

# --- A function that writes to the database fails before it begins.

my $lo = "SELECT bb_basebackup_lo(store => 'files')";
my $refused =
  qr/ERROR:  25006: cannot execute bb_basebackup_lo\(\) in a read-only transaction/;
fails_like($standby, $lo, $refused, 'no large object on a standby');
fails_like($primary, "BEGIN READ ONLY; $lo",
	$refused, 'nor in a READ ONLY transaction');
query_is($standby, "SELECT count(*) FROM bb_get_access_stats()"
	  . " WHERE function = 'bb_basebackup_lo' AND state <> 'error'",
	0, 'it fails before it begins');

# --- The client.

$standby->command_ok([
	'bb_basebackup', '-d', $standby->connstr('postgres'), '--store', 'files',
	'-j', '2', '-D', "$place/by_client"
], 'bb_basebackup from a standby');

# --- Everything works after promotion.

$standby->promote;
my $promoted = { name => 'promoted', node => $standby };
my $session = begin_situation($promoted);
fetch_with_workers($session, $promoted);
end_session($session);

done_testing();

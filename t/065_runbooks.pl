# The runbooks of docs/runbooks.md: each fault is made, and the commands of the
# page, as they are there, put it right.  (Those of full disks: 066_runbooks_disk.pl.)

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::Files qw(write_file);
use BBackup::Following;
use BBackup::Runbooks;
use BBackup::S3;
use BBackup::StoreKind;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(rmtree);

plan skip_all => 'this test is of stores in directories'
  unless BBackup::StoreKind::is_local();

my $place = PostgreSQL::Test::Utils::tempdir_short;
my $directory = "$place/store";
my $wanted = $ENV{BB_PART} // '';
my $user = getpwuid $<;
my $conf = qq(
bbackup.store_directory = '$directory'
bbackup.spool_directory = '$place/spool'
bbackup.upkeep = on
bbackup.upkeep_naptime = 1
wal_receiver_status_interval = 1
);
my $source = new_followed_source('source', 'wal_keep_size = 0');
my $store = new_following_store('store', $conf);
my $rows = 0;
my $parts = 0;

# The blocks of both files are all that there are.
is(join(' ', grep { !runbook_used_here($_) } runbook_names()),
	'async drop-slot expire reserve slots spool-move',
	'other blocks are in the other test');

# All checks, and all alerts, lead to a runbook.
my $page = slurp_file(dirname($0) . '/../docs/runbooks.md');
my ($table) = $page =~ /^(\| check of .*?)\n\n/ms;
my $rules = slurp_file(dirname($0) . '/../contrib/bbackup_alerts.yml');
my @alerts = $rules =~ /alert: (\w+)/g;
my %heading = map { (lc) =~ s/[^\w\- ]//gr =~ tr/ /-/r => 1 } $page =~ /^#+ (.*)$/mg;

is(join(' ', grep { $table !~ /`$_`/ } @alerts), '', 'each alert is in the table');
is( join(' ', grep { !$heading{$_} } $rules =~ /runbook: \S+#(\S+)/g),
	'', 'and names a runbook that there is');
is(scalar(() = $rules =~ /runbook: /g), scalar @alerts, 'each of them');

sub runbook_used_here
{
	my ($name) = @_;

	return slurp_file($0) =~ /run_(?:sql|shell)\(\s*'\Q$name\E'/;
}

# Run a block on the store's server, after changes of its text.
sub run_sql
{
	my ($name, %changes) = @_;
	my $text = runbook($name, %changes);

	note($text);
	return $store->safe_psql('postgres', $text);
}

sub run_shell
{
	my ($name, %changes) = @_;
	local %ENV = (
		%ENV,
		PGHOST => $store->host,
		PGPORT => $store->port,
		PGDATABASE => 'postgres');
	my $text = runbook(
		$name,
		'-h store' => "-p " . $store->port,
		'/restore' => $place,
		%changes);

	note($text);
	return system('bash', '-c', "cd '$place' && { $text\n}") == 0;
}

sub part
{
	my ($name, $code) = @_;

	# an empty pattern would be the last one that matched
	$parts++ if $name =~ /(?:$wanted)/;
	return subtest $name => $code if $name =~ /(?:$wanted)/;
	return;
}

# What a source has that a restore must have.
sub add_row
{
	$rows++;
	$source->safe_psql('shop', "INSERT INTO accounts VALUES ($rows)");
	return;
}

sub has_rows
{
	my ($node, $count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql('shop', 'SELECT count(*) FROM accounts'),
		$count, $name);
}

# A time, with a commit before it and one after it.
sub time_between
{
	my $time;

	add_row();
	$time = $source->safe_psql('shop', 'SELECT clock_timestamp()');
	$source->safe_psql('shop', 'CREATE TABLE IF NOT EXISTS later ();'
		  . ' DROP TABLE later');
	return $time;
}

# Begin a part with a timeline that follows, and its copy.
sub afresh
{
	my ($out, $err);

	foreach my $followed (split /\n/, $store->safe_psql('postgres',
			'SELECT timeline, store FROM bb_stat_follow'))
	{
		my ($timeline, $in) = split /\|/, $followed;

		$store->psql('postgres', "SELECT bb_unfollow('$timeline', '$in')",
			stderr => \$err);
	}
	$store->safe_psql('postgres', qq(
SET client_min_messages = error;
SELECT bb_stop_replicating(timeline, from_store, to_store) FROM bb_replicating;
SELECT bb_drop_timeline(timeline, s) FROM unnest(ARRAY['bbackup', 'offsite']::name[]) s,
	LATERAL (SELECT timeline FROM bb_timelines(s) ORDER BY ancestor NULLS LAST) t;
));
	$source->safe_psql('postgres',
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
	connect_source();
	follow($store, 'shop', 'shop');
	ok(defined wait_now($store, 'shop'), 'following');
	$store->safe_psql('postgres',
		"SELECT * FROM bb_replicate('shop', 'bbackup', 'offsite', continuously => true)");
	return;
}

sub connect_source
{
	$store->safe_psql('postgres', "ALTER SERVER shop OPTIONS (SET host '"
		  . $source->host . "', SET port '" . $source->port . "')");
	return;
}

# The statements that name hosts.
sub hosts
{
	return (
		q(host 'db1,db2', port '5432') => "host '" . $source->host
		  . "', port '" . $source->port . "'",
		q(SET host 'db3', SET port '5432') => "SET host '" . $source->host
		  . "', SET port '" . $source->port . "'");
}

sub check_says
{
	my ($check, $expected, $name) = @_;
	my $last = '';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( wait_for(
			$name,
			sub {
				$last = $store->safe_psql('postgres', runbook('first'));
				return $last =~ /^\Q$check\E\|.*$expected/m;
			}),
		$name)
	  or diag($last);
	return;
}

# A node whose data directory a block makes.
sub new_machine
{
	my ($name) = @_;

	return PostgreSQL::Test::Cluster->new($name);
}

sub start_machine
{
	my ($node) = @_;

	own_address($node);
	$node->append_conf('postgresql.conf', "autovacuum = off\n");
	$node->start;
	return;
}

$source->safe_psql('postgres', 'CREATE DATABASE shop');
$source->safe_psql('shop', 'CREATE TABLE accounts (i int PRIMARY KEY, x int DEFAULT 0); '
	  . "CREATE TABLE bulk AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i");
$store->safe_psql('postgres', qq(
CREATE SERVER offsite FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/offsite');
));
create_source($store, 'shop', $source);
afresh();
is( $store->safe_psql('postgres',
		"SELECT string_agg(DISTINCT check_name, ' ') FROM bb_check()"
		  . " WHERE position('`' || check_name || '`' IN \$\$$table\$\$) = 0"),
	'',
	'and so has each check');

part 'somebody deleted data' => sub {
	my $time = time_between();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my %changes = (
		'2026-11-30 14:05:00+00' => $time,
		'5433' => "$port -c autovacuum=off",
		'psql -X -p 5433 ' => "psql -X -p $port ",
		'-h db1' => '-p ' . $source->port);

	$source->safe_psql('shop', 'DELETE FROM accounts; INSERT INTO accounts VALUES (1, 1)');
	ok(defined wait_now($store, 'shop'), 'the store has it');
	ok(run_shell('deleted', %changes), 'the commands run');
	has_rows($source, $rows, 'the rows are back');
	is($source->safe_psql('shop', 'SELECT x FROM accounts WHERE i = 1'),
		1, 'and one that was new is not replaced');
	system_or_bail('pg_ctl', '-s', 'stop', '-D', "$place/before");
	run_sql('incident', %changes);
	is( $store->safe_psql('postgres',
			"SELECT name FROM bb_keeps() WHERE kind = 'pin'"),
		'incident',
		'the LSN is kept');
	$store->safe_psql('postgres',
		"SELECT bb_unpin('incident', timeline => 'shop')");
};

part 'a layer is broken' => sub {
	my $layer = $store->safe_psql('postgres',
		"SELECT layer FROM bb_layers() WHERE kind = 'image' ORDER BY bytes DESC LIMIT 1");
	my $file = "$directory/timelines/shop/layers/$layer";
	my %drill = ('5433' => PostgreSQL::Test::Cluster::get_free_port());

	ok(run_shell('drill', %drill), 'a restore works');
	ok(!-e "$place/drill", 'and nothing is left of it');
	$store->safe_psql('postgres',
		"SELECT * FROM bb_replicate('shop', 'bbackup', 'offsite')");
	patch_file($file, int((-s $file) / 2), "\xa5\x5a\xa5\x5a");
	ok(!run_shell('drill', %drill), 'with a broken layer it does not');
	isnt($store->safe_psql('postgres', 'SELECT * FROM bb_verify()'),
		'', 'bb_verify() finds it');
	check_says('findings', 'bb_mend', 'and bb_check() says so');
	my ($lost, $mended) = split /\n/, run_sql('broken');
	like($lost, qr/^shop\|block\|.*blocks?/, 'what is lost is shown');
	like($mended, qr/^\Q$layer\E\|block\|\d+\|t\|/, 'and mended');
	unlike(run_sql('first'), qr/^findings/m, 'all is well');
	ok(run_shell('drill', %drill), 'a restore works');

	patch_file($file, int((-s $file) / 2), "\xa5\x5a\xa5\x5a");
	like(run_sql('broken-source'), qr/^\Q$layer\E\|block\|/m,
		'without a copy, a new base is taken');
	ok(defined wait_now($store, 'shop'), 'and followed');
	ok(run_shell('drill', %drill), 'a restore works');
	check_says('gaps', 'has 1 gap', 'there is a gap');
};

part 'a manifest is broken' => sub {
	afresh();
	write_file("$directory/timelines/shop/manifest", 'nonsense');
	check_says('window', 'cannot be read: ', 'bb_check() says so');
	add_row();
	run_sql('manifest');
	has_rows(my $clone = clone_of($store, 'shop'), $rows, 'nothing is lost');
	$clone->clean_node;
	add_row();
	my $end = wait_now($store, 'shop');
	ok( $store->poll_query_until('postgres',
			"SELECT copy_lsn >= '$end' FROM bb_stat_copies"),
		'and the copy is kept up to date');
	is(slots_of($source), 'bbackup_shop active', 'by the same slot');
};

part 'the store is lost' => sub {
	afresh();
	rename $directory, "$directory.away" or die $!;
	add_row();
	check_says('store', 'page store has no timelines',
		'bb_check() says so');
	check_says('following', 'does not exist any more',
		'and so does following');
	rmtree($directory);
	rename "$directory.away", $directory or die $!;
	ok(wait_for_state($store, 'streaming', 'shop'),
		'if it was only not mounted, following goes on');
	has_rows(my $clone = clone_of($store, 'shop'), $rows, 'nothing is lost')
	  if defined wait_now($store, 'shop');
	$clone->clean_node;

	rmtree($directory);
	add_row();
	check_says('following', 'does not exist any more', 'it is lost');
	run_sql('lost-store');
	has_rows($clone = clone_of($store, 'shop', "store => 'offsite'"),
		$rows, 'nothing is lost in the copy');
	$clone->clean_node;
	is(slots_of($source), 'bbackup_shop active', 'there is one slot');

	# without a copy
	rmtree($directory);
	afresh();
	rmtree($directory);
	check_says('following', 'does not exist any more', 'it is lost again');
	run_sql('lost-store-anew');
	has_rows($clone = clone_of($store, 'shop'),
		$rows, 'a new import has the present');
	$clone->clean_node;
	is(slots_of($source), 'bbackup_shop active', 'there is one slot');
};

part 'upkeep fails' => sub {
	my $manifest = "$directory/timelines/branch/manifest";

	afresh();
	$store->safe_psql('postgres', "SELECT bb_create_branch('branch', 'shop')");
	rename $manifest, "$place/manifest" or die $!;
	write_file($manifest, 'nonsense');
	check_says('upkeep', 'fails since .*manifest', 'bb_check() says so');
	my ($status, $out, $err) = $store->psql('postgres', runbook('upkeep'));
	like($out, qr/^bbackup\|(?:branch)?\|.*manifest/m, 'the error can be seen');
	like($err, qr/ERROR:  upkeep of \d+ of \d+ timelines .*manifest/s, 'and is made at once');
	rename "$place/manifest", $manifest or die $!;
	run_sql('upkeep');
	ok( wait_for(
			'upkeep',
			sub { return run_sql('first') !~ /^upkeep/m }),
		'when its cause is gone, so is the error');
	$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");
};

part 'a store grows' => sub {
	$store->safe_psql('postgres',
		"SELECT bb_pin(NULL, 'release', reason => 'of May', timeline => 'shop')");
	like( run_sql('growth'),
		qr/^shop\|everything is kept\|.*^shop\|pin\|release\|.*\|of May\n.*^shop\|\d+\|/ms,
		'one can see why');
	$store->safe_psql('postgres', "SELECT bb_unpin('release', timeline => 'shop')");
};

part 'the source is lost' => sub {
	my $new = new_machine('db3');
	my $acked = 0;

	afresh();
	$store->safe_psql('postgres',
		"ALTER SERVER shop OPTIONS (ADD confirm 'spool')");
	ok(wait_for(
			'confirm',
			sub { return { follow_status($store, 'shop') }->{confirm} eq 'spool' }),
		'what is in the spool is confirmed');
	$source->append_conf('postgresql.conf',
		"synchronous_standby_names = 'bbackup'");
	$source->reload;
	$source->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
	add_row() foreach 1 .. 20;
	$source->stop('immediate');
	check_says('following', 'waiting.*could not connect|waiting.*was lost',
		'bb_check() says so');
	run_sql('lost-source');
	ok( run_shell(
			'lost-source-restore',
			'/var/lib/shop.log' => "$place/db3.log",
			'/var/lib/shop' => $new->data_dir,
			'pg_ctl' => 'true'),
		'the end is restored');
	start_machine($new);
	has_rows($new, $rows, 'no commit that was acknowledged is lost');
	$source->clean_node;
	$source = $new;
	run_sql('lost-source-follow', hosts());
	add_row();
	ok(defined wait_now($store, 'shop'), 'and following goes on');
	$store->safe_psql('postgres',
		"ALTER SERVER shop OPTIONS (DROP confirm)");
};

part 'the whole cluster to a point in time' => sub {
	afresh();
	my $time = time_between();
	my $wrong = $rows;
	add_row();
	my $right = time_between();
	my $before = $rows;
	my $new = new_machine('db4');
	my %times = (
		'2026-11-30 14:05:00+00' => $time,
		'2026-11-30 14:20:00+00' => $right,
		'/var/lib/shop' => $new->data_dir);

	ok(defined wait_now($store, 'shop'), 'the store has both times');
	$source->stop('fast');
	ok(run_shell('cluster', %times), 'a time is restored');
	start_machine($new);
	has_rows($new, $wrong, 'which has what it had then');
	$source->clean_node;
	$source = $new;
	run_sql('cluster-follow', %times, hosts());
	add_row();
	ok(defined wait_now($store, 'shop2'), 'a branch follows it');
	has_rows(my $clone = clone_of($store, 'shop2'), $wrong + 1, 'and has its rows');
	$clone->clean_node;

	# that was wrong
	$source->stop('fast');
	like(run_sql('wrong', %times), qr/^\d*\/?.*\|\d+$/m, 'another time is restored');
	start_machine($source);
	has_rows($source, $before, 'which has what it had then');
	$rows = $before;

	# who follows it in the old timeline is told what to do
	$store->safe_psql('postgres', "SELECT bb_follow('shop', timeline => 'shop')");
	check_says('following', 'failed, .*has diverged', 'it has diverged');
	my ($lsn) =
	  { follow_status($store, 'shop') }->{last_error} =~ /bb_create_branch\('NEW', 'shop', '([^']+)'/;
	run_sql('diverged', '0/15002D48' => $lsn, 'shop2' => 'shop3');
	has_rows($clone = clone_of($store, 'shop3'), $before, 'a branch goes on');
	$clone->clean_node;
	is(slots_of($source), 'bbackup_shop3 active', 'there is one slot');
};

# The slot is dropped while the store's server is away, and WAL is removed.
sub lose_wal
{
	my ($archive) = @_;

	$store->stop;
	$source->poll_query_until('postgres',
		'SELECT count(*) = 0 FROM pg_replication_slots WHERE active');
	$source->safe_psql('postgres',
		'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
	foreach (1 .. 3)
	{
		add_row();
		$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
		if (defined $archive)
		{
			copy($_, $archive) or die $!
			  foreach glob $source->data_dir . '/pg_wal/0*';
		}
		$source->safe_psql('postgres', 'CHECKPOINT');
	}
	$store->start;
	check_says('following', 'failed, .*misses WAL', 'bb_check() says so');
	return;
}

part 'wal is missing' => sub {
	afresh();
	mkdir "$place/wal";
	lose_wal("$place/wal");
	run_sql('archive', '/backups/wal' => "$place/wal");
	ok(defined wait_now($store, 'shop'), 'an archive fills the gap');
	is($store->safe_psql('postgres', 'SELECT count(*) FROM bb_gaps()'), 0, 'so there is none');
	$store->safe_psql('postgres', 'ALTER SERVER shop OPTIONS (DROP wal_directory)');

	lose_wal();
	like(run_sql('rebase'), qr/^shop\|/m, 'a new base is stored');
	has_rows(my $clone = clone_of($store, 'shop'), $rows, 'it has the present');
	$clone->clean_node;
};

part 'upgrades' => sub {
	my $bin = $store->config_data('--bindir');
	my $new = new_machine('store_new');
	my %changes = (
		'/var/lib/store.new' => $new->data_dir,
		'/var/lib/store.log' => $new->logfile,
		'/var/lib/store' => $store->data_dir,
		'"$OLDBIN"' => "'$bin'",
		'"$NEWBIN"' => "'$bin'",
		'pg_upgrade' => 'pg_upgrade --retain -s ' . $store->host . ' -p '
		  . $store->port . ' -P ' . $new->port,
		# its messages, if there are any
		'pg_ctl restart' => "pg_ctl restart -l '" . $store->logfile . "'");

	afresh();
	ok(run_shell('upgrade', %changes), 'the extension is upgraded');
	ok(wait_for_state($store, 'streaming', 'shop'), 'and following goes on');
	is( $store->safe_psql('postgres',
			"SELECT count(*) FROM pg_roles WHERE rolname ~ '^bbackup_'"),
		3, 'there are the roles');
	add_row();

	$new->init;
	$new->append_conf('postgresql.conf',
		$conf . "shared_preload_libraries = 'bbackup'\nmax_worker_processes = 16\n"
		  . 'port = ' . $store->port . "\n");
	# the new server takes the old one's port and log at its start
	ok(run_shell('upgrade-server', %changes), 'the server is upgraded');
	my $log = join '', map { slurp_file($_) }
	  glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server.log';
	like($log, qr/database system is ready/, 'there is a log of the upgrade');
	unlike($log, qr/follows source/, 'nothing followed during the upgrade');
	is(slots_of($source), 'bbackup_shop active', 'by the same slot');
	has_rows(my $clone = clone_of($store, 'shop'), $rows, 'it has the present');
	$clone->clean_node;
	system_or_bail('pg_ctl', '-s', 'stop', '-D', $new->data_dir);
	$store->{_pid} = undef;
	$store->start;
	ok(wait_for_state($store, 'streaming', 'shop'), 'and back');

	# of the source
	my $upgraded = new_machine('source_new');
	$upgraded->init(allows_streaming => 1);
	$source->stop;
	system_or_bail('sh', '-c', "cd '$place' && pg_upgrade -b '$bin' -B '$bin' -d '"
		  . $source->data_dir . "' -D '" . $upgraded->data_dir . "' -s '$place' -p "
		  . $source->port . ' -P ' . $upgraded->port . ' >/dev/null');
	$source = $upgraded;
	$source->start;
	connect_source();
	check_says('following', 'waiting, .*is another server than', 'bb_check() says so');
	run_sql('upgrade-source');
	has_rows($clone = clone_of($store, 'shop16'), $rows, 'a new timeline goes on');
	$clone->clean_node;
	like($store->safe_psql('postgres', 'SELECT timeline, retention FROM bb_window ORDER BY 1'),
		qr/^shop\|.*\nshop16\|window 7 days/m, 'beside the old one');
};

part 'the key of a store is rotated' => sub {
	my %changes = ('/etc/bbackup' => $place);

	afresh();
	write_file("$place/key", ('0123456789abcdef' x 4) . "\n");
	chmod 0600, "$place/key" or die $!;
	$store->safe_psql('postgres', qq(
CREATE SERVER vault FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://$place/vault', encryption_key_file '$place/key');
SELECT * FROM bb_replicate('shop', 'bbackup', 'vault')));
	ok(run_shell('rotate', %changes), 'a new key is made');
	my ($id, $given) = split /\|/, run_sql('rotate-sql');
	is($id, $given, 'it is the key of the store');
	my $both = slurp_file("$place/key");
	ok(run_shell('rotate-end', %changes), 'the old one is removed');
	is(scalar(() = slurp_file("$place/key") =~ /\n/g), 1, 'from the file');
	is($store->safe_psql('postgres', "SELECT * FROM bb_verify('vault')"), '', 'all can be read');
	unlike(run_sql('first'), qr/wrong encryption key/, 'and bb_check() is content');
	write_file("$place/key", (split /\n/, $both)[1] . "\n");
	check_says('store', "wrong encryption key.*$id", 'the old key does not fit');
	write_file("$place/key", $both);
	$store->safe_psql('postgres', 'DROP SERVER vault');
};

part 'the server of the store is lost' => sub {
	afresh();
	my ($slot) = split /\|/, $source->safe_psql('postgres',
		'SELECT slot_name FROM pg_replication_slots');
	$store->stop('immediate');
	rmtree($directory);
	rmtree("$place/spool");
	add_row();
	my $new = PostgreSQL::Test::Cluster->new('store_other');
	$new->init;
	$new->append_conf('postgresql.conf',
		$conf . "shared_preload_libraries = 'bbackup'\nmax_worker_processes = 16\n");
	$new->start;
	$store = $new;
	run_sql('lost-server', hosts(),
		'/mnt/offsite' => "$place/offsite",
		'bbackup_shop_f653faf0' => $slot,
		", target_session_attrs 'read-write'" => '',
		"user 'bbackup', password 'secret'" => "user '$user', password_required 'false'");
	has_rows(my $clone = clone_of($store, 'shop', "store => 'offsite'"),
		$rows, 'another server goes on with the copy');
	$clone->clean_node;
	is(slots_of($source), 'bbackup_shop active', 'and with the slot');

	# to another store, and on
	$store->safe_psql('postgres', "CREATE SERVER cloud FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/cloud')");
	add_row();
	run_sql('move', q('bbackup') => q('offsite'),
		"drop_slot" => "store => 'offsite', drop_slot");
	has_rows($clone = clone_of($store, 'shop', "store => 'cloud'"), $rows, 'a timeline is moved');
	$clone->clean_node;
	is($store->safe_psql('postgres', "SELECT count(*) FROM bb_timelines('offsite')"), 0, 'and is not where it was');
	is(slots_of($source), 'bbackup_shop active', 'its slot was kept');
	$store->safe_psql('postgres', "SELECT bb_unfollow('shop', 'cloud')");
	$store->safe_psql('postgres', 'DROP SERVER cloud');
};

part 's3 credentials expire' => sub {
	my $s3 = BBackup::S3->start_or_skip();
	my ($proxy, $through) = BBackup::FaultProxy->before($s3);

	afresh();
	$store->safe_psql('postgres', $through->sql('cloud', 's3://bucket/prod'));
	$store->safe_psql('postgres',
		"ALTER USER MAPPING FOR PUBLIC SERVER cloud OPTIONS (ADD session_token 'first')"
	);
	$proxy->token('first');
	add_row();
	run_sql('move-first');
	run_sql('move');
	like(run_sql('move-last'), qr/^shop\|/m, 'a moved timeline is copied from where it is');
	$store->safe_psql('postgres', "SELECT bb_stop_replicating('shop', 'cloud', 'offsite')");
	$proxy->token('second');
	add_row();
	check_says('following', 'waiting, .*Renew session_token', 'following says so');
	check_says('store', '403 ExpiredToken.*Renew session_token', 'and so does the store');
	run_sql('credentials', KEY => $s3->{key}, SECRET => $s3->{secret}, TOKEN => 'second');
	ok( wait_for(
			'new credentials',
			sub {
				return $store->safe_psql('postgres',
					"SELECT bb_wait(store => 'cloud', timeline => 'shop', timeout => '10 s')");
			}),
		'new credentials are used');
	has_rows(my $clone = clone_of($store, 'shop', "store => 'cloud'"), $rows, 'nothing is lost');
	$clone->clean_node;

	add_row();
	run_sql('move', q('bbackup') => q('cloud'), q('cloud') => q('bbackup'),
		'drop_slot' => "store => 'cloud', drop_slot");
	has_rows($clone = clone_of($store, 'shop'), $rows, 'a timeline is moved back');
	$clone->clean_node;
	is(slots_of($source), 'bbackup_shop active', 'by the same slot');
	$s3->stop;
};

$store->stop;
$source->stop;
# BB_PART is for a part, and without it there is none that was left out
cmp_ok($parts, '==', 13, 'all parts were run') if $wanted eq '';
done_testing();

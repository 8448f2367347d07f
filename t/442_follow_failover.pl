# Following over failovers: promotions in a chain of servers, in the midst of
# records; a follower that has more than what goes on; slots that vanish; sources
# that are standbys; several followers; TLS and passwords.

use strict;
use warnings;
use BBackup;
use BBackup::Acked;
use BBackup::Following;
use BBackup::TcpProxy;
use BBackup::WAL qw(lsn_number);
use IPC::Run;

my $seed = draw_seed();
srand $seed;
my $wanted = $ENV{BB_PART} // '';
my $store = new_following_store('store');

sub part
{
	my ($name, $code) = @_;

	return subtest $name => $code if $name =~ /(?:$wanted)/;
	return;
}

sub is_like_source
{
	my ($source, $timeline, $name) = @_;
	my $clone = clone_of($store, $timeline);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	same_dump(dump_all($clone), dump_all($source), $name);
	$clone->clean_node;
	return;
}

# A standby that is connected to its source by a proxy.
sub standby_behind_proxy
{
	my ($source, $name, $conf) = @_;
	my $proxy = BBackup::TcpProxy->start($source);
	my $standby = followed_standby($source, $name,
		"primary_conninfo = '"
		  . $proxy->connstr
		  . " application_name=$name'\n"
		  . ($conf // ''));

	$source->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_replication"
		  . " WHERE application_name = '$name' AND state = 'streaming'");
	return ($standby, $proxy);
}

# A record of many pages; returns when it is written, or the server has gone.
sub write_long_record
{
	my ($node, $bytes) = @_;
	my ($out, $err);

	$node->psql(
		'postgres',
		"SET synchronous_commit = off; SELECT pg_logical_emit_message(false,"
		  . " 'long', repeat('x', $bytes))",
		stdout => \$out,
		stderr => \$err,
		on_error_die => 0);
	return;
}

# promote - and wait until it takes writes.
sub promote
{
	my ($node) = @_;

	$node->promote;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	return;
}

part 'a chain of three servers' => sub {
	# a commit is acknowledged when the next one in the chain has it
	my $a = new_followed_source('a', "wal_keep_size = 1GB\n");
	BBackup::Acked::create_tables($a);
	my ($b, $proxy) =
	  standby_behind_proxy($a, 'b', "synchronous_standby_names = 'c'");
	my $c =
	  followed_standby($b, 'c',
		"synchronous_standby_names = ''\nrecovery_target_timeline = latest\n");
	$a->append_conf('postgresql.conf', "synchronous_standby_names = 'b'");
	$a->reload;

	my $hosts = join ',', map { $_->host } $a, $b, $c;
	my $ports = join ',', map { $_->port } $a, $b, $c;
	# what the store gets can be stopped: if it had more than the next one in
	# the chain, that would be a divergence
	my ($to_a, $to_b) = map { BBackup::TcpProxy->start($_) } $a, $b;
	create_source($store, 'chain', [ $to_a, $to_b, $c ],
		target_session_attrs => 'primary');
	my $acked = BBackup::Acked->start(
		"host=$hosts port=$ports dbname=postgres"
		  . ' target_session_attrs=read-write connect_timeout=3',
		seed => $seed,
		large => 1_000_000);
	follow($store, 'chain', 'chain');
	ok($acked->wait_for(10), 'the clients work');
	ok(wait_for_state($store, 'streaming', 'chain'), 'it is followed');

	# the standby gets the beginning of a long record, and no more; the store
	# less of it
	$to_a->order('end_after ' . (200_000 + int rand 200_000));
	$proxy->order('end_after ' . (2_000_000 + int rand 1_000_000));
	write_long_record($a, 8_000_000);
	ok(wait_for('the cut', sub { $proxy->count + $to_a->count == 0 }),
		'in a long record, the network is cut');
	$a->stop('immediate');
	promote($b);
	ok($acked->wait_for(10), 'the clients work on b');
	ok(defined wait_now($store, 'chain'), 'b is followed');
	my %status = follow_status($store, 'chain');
	like($status{host} // '', qr/@{[ $to_b->port ]}/, 'and named');

	$b->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_replication"
		  . " WHERE application_name = 'c' AND state = 'streaming'");
	$to_b->order('end_after ' . (200_000 + int rand 200_000));
	write_long_record($b, 4_000_000);
	ok(wait_for('the cut', sub { $to_b->count == 0 }),
		'in a long record, the store is cut off');
	$b->stop('immediate');
	promote($c);
	ok($acked->wait_for(10), 'the clients work on c');
	ok(defined wait_now($store, 'chain'), 'c is followed');
	$acked->stop;
	ok(defined wait_now($store, 'chain'), 'to its end');
	$acked->is_kept($c, 'c has what was acknowledged');
	my $clone = clone_of($store, 'chain');
	$acked->is_kept($clone, 'and so has the store');
	$clone->clean_node;
	is(slots_of($c), 'bbackup_chain active', 'c has the slot');
	stop_following($c, $store, 'chain');
	$c->stop;
	$proxy->stop;
};

sub flush_interval
{
	my ($interval) = @_;

	$store->safe_psql('postgres',
		"ALTER SYSTEM SET bbackup.flush_interval = '$interval'");
	$store->reload;
	return;
}

# What is received on a tli beyond the place where it was left.
sub beyond_the_switch
{
	my ($timeline, $durable) = @_;
	my $a = new_followed_source("a_$timeline");
	my ($b, $proxy) = standby_behind_proxy($a, "b_$timeline");

	create_source($store, $timeline, [ $a, $b ],
		target_session_attrs => 'primary');
	flush_interval('1h');
	follow($store, $timeline, $timeline);
	ok(wait_for_state($store, 'streaming', $timeline), 'it is followed');
	$a->safe_psql('postgres', "CREATE TABLE t AS SELECT 'before' AS t");
	$a->wait_for_catchup($b, 'replay', $a->lsn('insert'));
	ok(defined wait_now($store, $timeline), 'up to here both have it');

	$proxy->order('refuse');
	$a->safe_psql('postgres',
		"INSERT INTO t SELECT 'lost ' || i FROM generate_series(1, 1000) i;"
		  . 'CREATE TABLE lost (i int)');
	my $lost = $a->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');

	if ($durable)
	{
		is( $store->safe_psql('postgres',
				"SELECT bb_wait('$lost', '$timeline') >= '$lost'"),
			't', 'the store has what the standby has not');
	}
	else
	{
		ok( wait_for(
				'it is received',
				sub {
					my %status = follow_status($store, $timeline);

					return lsn_number($status{received_lsn}) >=
					  lsn_number($lost);
				}),
			'the spool has what the standby has not');
	}
	$a->stop('immediate');
	promote($b);
	$b->safe_psql('postgres', "INSERT INTO t VALUES ('after')");
	return ($b, $proxy, $lost);
}

part 'what is only received beyond the switch is dropped' => sub {
	my ($b, $proxy, $lost) = beyond_the_switch('received', 0);

	ok(defined wait_now($store, 'received'), 'it follows b');
	is_like_source($b, 'received', 'the store has what b has');
	flush_interval('200ms');
	stop_following($b, $store, 'received');
	$b->stop;
};

part 'what is durable beyond the switch is a divergence' => sub {
	my ($b, $proxy, $lost) = beyond_the_switch('durable', 1);

	ok(wait_for_state($store, 'failed', 'durable'), 'it stops');
	flush_interval('200ms');
	my %status = follow_status($store, 'durable');
	my $log = slurp_file($store->logfile);

	note("error: $status{$_}") foreach grep { /error/ } keys %status;
	my ($switch) = slurp_file($b->data_dir . '/pg_wal/00000002.history') =~
	  /^1\t(\S+)/;
	like($log, qr/bb_create_branch.*\Q$switch\E|\Q$switch\E.*bb_create_branch/s,
		'the log offers a branch, and says where');
	is( $store->safe_psql('postgres',
			"SELECT end_lsn >= '$lost' FROM bb_timelines()"
			  . " WHERE timeline = 'durable'"),
		't', 'what was stored is kept');

	# what the message says
	my ($hint) = $log =~ /HINT:  .*?(SELECT bb_create_branch\(.*'durable',.*)/;
	$hint =~ s/\bNEW\b/after_switch/g;
	$hint =~ s/\.\s*$//;
	note("as the hint says: $hint");
	$store->safe_psql('postgres', $hint);
	ok(defined wait_now($store, 'after_switch'), 'the branch follows b');
	is_like_source($b, 'after_switch', 'the branch has what b has');
	$store->safe_psql('postgres', "SELECT bb_unfollow('durable')");
	my $clone = clone_of($store, 'durable', "lsn => '$lost'");
	is( $clone->safe_psql('postgres', "SELECT count(*) FROM t"),
		1001, 'and the timeline has what only a had');
	$clone->clean_node;
	stop_following($b, $store, 'after_switch');
	$b->stop;
};

part 'a slot is dropped under it' => sub {
	my $a = new_followed_source('slotless', "wal_keep_size = 1GB\n");

	create_source($store, 'slotless', $a);
	follow($store, 'slotless', 'slotless');
	ok(wait_for_state($store, 'streaming', 'slotless'), 'it is followed');
	for (1 .. 2)
	{
		my $dropped = wait_for(
			'dropping the slot',
			sub {
				my ($out, $err);

				return $a->psql(
					'postgres',
					'SELECT pg_terminate_backend(active_pid)'
					  . ' FROM pg_replication_slots WHERE active;'
					  . 'SELECT pg_drop_replication_slot(slot_name)'
					  . ' FROM pg_replication_slots',
					stdout => \$out,
					stderr => \$err,
					on_error_die => 0) == 0
				  && $a->safe_psql('postgres',
					'SELECT count(*) FROM pg_replication_slots') == 0;
			});
		ok($dropped, 'the slot is dropped');
		$a->safe_psql('postgres',
			"CREATE TABLE t$_ AS SELECT generate_series(1, 1000)");
		ok(defined wait_now($store, 'slotless'), 'it goes on');
		is(slots_of($a), 'bbackup_slotless active', 'and has a slot again');
	}
	is_like_source($a, 'slotless', 'nothing is missing');
	stop_following($a, $store, 'slotless');
	$a->stop;
};

part 'a source that is a standby' => sub {
	my $a = new_followed_source('above');
	my ($b, $proxy) = standby_behind_proxy($a, 'below');

	$a->safe_psql('postgres', "CREATE TABLE t AS SELECT 'before' AS t");
	$a->wait_for_catchup($b, 'replay', $a->lsn('insert'));
	create_source($store, 'standby', $b);
	follow($store, 'standby', 'standby');
	# its base backup needs a checkpoint record of the primary
	$a->safe_psql('postgres', 'CHECKPOINT');
	ok(wait_for_state($store, 'streaming', 'standby'), 'it is followed');
	$a->safe_psql('postgres', "INSERT INTO t VALUES ('through')");
	$a->wait_for_catchup($b, 'replay', $a->lsn('insert'));
	ok(defined wait_now($store, 'standby'), 'up to what the standby has');
	is_like_source($a, 'standby', 'the store has what the primary has');

	# promoted in the midst of a record, whose beginning is in the spool; the
	# records that take its place are stored when that is asked for
	flush_interval('1h');
	$proxy->order('end_after 1000000');
	write_long_record($a, 8_000_000);
	ok(wait_for('the cut', sub { $proxy->count == 0 }),
		'in a long record, the standby is cut off');
	$a->stop('immediate');
	promote($b);
	$b->safe_psql('postgres', "INSERT INTO t VALUES ('promoted')");
	ok(defined wait_now($store, 'standby'), 'it follows over the promotion');
	flush_interval('200ms');
	is_like_source($b, 'standby', 'the store has what b has');
	is(slots_of($b), 'bbackup_standby active', 'b has the slot');
	stop_following($b, $store, 'standby');
	$b->stop;
};

part 'two followers of one source; two servers and one timeline' => sub {
	my $a = new_followed_source('both');
	my $other = new_following_store('other');

	BBackup::Acked::create_tables($a);
	my $acked = BBackup::Acked->start($a->connstr('postgres'), seed => $seed);
	foreach my $follower ($store, $other)
	{
		create_source($follower, 'twice', $a);
		follow($follower, 'twice', 'both');
	}
	ok(wait_for_state($_, 'streaming', 'both'), $_->name . ' follows')
	  foreach $store, $other;
	is( slots_of($a),
		'bbackup_both active bbackup_both active',
		'each has a slot of its own');
	ok($acked->wait_for(10), 'the source works');

	# the other server goes to the store of the first
  SKIP:
	{
		skip 'this is of stores in directories', 4
		  if !BBackup::StoreKind::is_local();
		$other->safe_psql('postgres', qq(
CREATE SERVER theirs FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 'file://@{[ store_directory($store) ]}')));
		my ($out, $err);
		my $result = $other->psql(
			'postgres',
			"SELECT bb_follow('twice', 'theirs', 'both')",
			stdout => \$out,
			stderr => \$err,
			on_error_die => 0);
		my $refused = sub {
			return $err =~ /in use|another|writ/ if $result != 0;
			my $error = $other->safe_psql('postgres',
				"SELECT to_json(s) FROM bb_stat_follow s WHERE store = 'theirs'"
			);
			return $error =~ /another (session|process)|in use|is being written/;
		};
		ok(wait_for('the refusal', $refused), 'the second is refused')
		  or diag($err, $other->safe_psql('postgres',
				'SELECT to_json(s) FROM bb_stat_follow s'));
		ok($acked->wait_for(10), 'the source works');
		ok(defined wait_now($store, 'both'), 'the first one goes on');
		$other->safe_psql('postgres', "SELECT bb_unfollow('both', 'theirs')")
		  if $result == 0;
	}
	$acked->stop;
	foreach my $follower ($store, $other)
	{
		ok(defined wait_now($follower, 'both'),
			$follower->name . ' has it all');
		my $clone = clone_of($follower, 'both');
		$acked->is_kept($clone, $follower->name . ' has what was acknowledged');
		$clone->clean_node;
	}
	$store->safe_psql('postgres', "SELECT bb_unfollow('both')");
	is(slots_of($a), 'bbackup_both active', 'the other slot is left');
	stop_following($a, $other, 'both');
	$_->stop foreach $a, $other;
};

part 'TLS, SCRAM and a password that changes' => sub {
	my $directory = PostgreSQL::Test::Utils::tempdir;
	my $new = "openssl req -newkey rsa:2048 -nodes -days 2 -x509";
	my $made = 0 == system "($new -keyout $directory/ca.key"
	  . " -out $directory/ca.pem -subj '/CN=bbackup tests' && "
	  . "$new -keyout $directory/tls.key -out $directory/tls.pem"
	  . " -CA $directory/ca.pem -CAkey $directory/ca.key -subj /CN=localhost"
	  . " -addext basicConstraints=CA:FALSE"
	  . " -addext subjectAltName=DNS:localhost) >$directory/log 2>&1";

	ok($made, 'there are certificates') or diag(slurp_file("$directory/log"));
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $a = new_followed_source('tls', q(
password_encryption = 'scram-sha-256'
));
	chmod 0600, "$directory/tls.key";
	$a->safe_psql('postgres',
		"CREATE ROLE streamer LOGIN REPLICATION PASSWORD 'first'");
	$a->append_conf('postgresql.conf', qq(
ssl = on
ssl_cert_file = '$directory/tls.pem'
ssl_key_file = '$directory/tls.key'
listen_addresses = 'localhost'
));
	my $hba = slurp_file($a->data_dir . '/pg_hba.conf');
	BBackup::Files::write_file($a->data_dir . '/pg_hba.conf', qq(
hostssl replication streamer all scram-sha-256
host replication streamer all reject
$hba));
	$a->restart;
	$store->safe_psql('postgres', qq(
CREATE SERVER tls FOREIGN DATA WRAPPER bbackup_source
	OPTIONS (host 'localhost', port '@{[ $a->port ]}', sslmode 'verify-full',
			 sslrootcert '$directory/ca.pem');
CREATE USER MAPPING FOR CURRENT_USER SERVER tls
	OPTIONS (user 'streamer', password 'first');
));
	follow($store, 'tls', 'tls');
	ok(wait_for_state($store, 'streaming', 'tls'), 'it is followed');
	is( $a->safe_psql('postgres',
			'SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_replication'
			  . ' USING (pid)'),
		't', 'by TLS');

	$a->safe_psql('postgres', "ALTER ROLE streamer PASSWORD 'second'");
	$a->safe_psql('postgres',
		'SELECT pg_terminate_backend(pid) FROM pg_stat_replication');
	$a->safe_psql('postgres', "CREATE TABLE t AS SELECT 'later' AS t");
	ok(wait_for_state($store, 'waiting|starting', 'tls'), 'it waits');
	my %status;
	ok( wait_for(
			'the error',
			sub {
				%status = follow_status($store, 'tls');
				return join(' ', %status) =~ /password authentication failed/;
			}),
		'and says why');
	$store->safe_psql('postgres',
		"ALTER USER MAPPING FOR CURRENT_USER SERVER tls"
		  . " OPTIONS (SET password 'second')");
	ok(wait_for_state($store, 'streaming', 'tls'),
		'it goes on with the new password');
	ok(defined wait_now($store, 'tls'), 'all of it can be read');
	is_like_source($a, 'tls', 'nothing is missing');
	unlike(slurp_file($store->logfile),
		qr/(?<!password )'(?:first|second)'|password=\w/,
		'no password is in the log');
	my $times = () = slurp_file($store->logfile) =~
	  /password authentication failed/g;
	cmp_ok($times, '<=', 2, 'the error is in the log once, not once a retry');
	stop_following($a, $store, 'tls');
	$a->stop;
};

$store->stop;
done_testing();

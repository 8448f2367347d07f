# BBackup::Following - sources that are followed, and stores that follow them.
#
#	my $source = new_followed_source('source');
#	my $store = new_following_store('store');
#	create_source($store, 'shop', $source);
#	follow($store, 'shop');
#	wait_now($store);					now it can be read
#	stop_following($source, $store);	and nothing is left of it

package BBackup::Following;

use strict;
use warnings;

use BBackup::Backups;
use BBackup::Files qw(slurp);
use BBackup::Sessions qw(start_session ask end_session);
use BBackup::Stores;
use Carp;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  new_followed_source
  followed_standby
  new_following_store
  create_source
  follow
  follow_status
  following_workers
  wait_for
  wait_for_state
  wait_now
  slots_of
  clone_of
  stop_following
);

# new_followed_source - a running cluster that can be followed, with more lines
# of configuration; initdb's options follow.
sub new_followed_source
{
	my ($name, $conf, @options) = @_;
	my $source = PostgreSQL::Test::Cluster->new($name);

	$source->init(allows_streaming => 1, extra => \@options);
	$source->append_conf('postgresql.conf', qq(
log_statement = none
max_prepared_transactions = 20
max_connections = 30
autovacuum = off
@{[ $conf // '' ]}
));
	$source->start;
	return $source;
}

# followed_standby - a running standby of a source, through a slot.
sub followed_standby
{
	my ($source, $name, $conf) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$source->safe_psql('postgres',
		"SELECT pg_create_physical_replication_slot('$name', true)");
	$source->backup("for_$name");
	$standby->init_from_backup($source, "for_$name", has_streaming => 1);
	$standby->append_conf('postgresql.conf', qq(
primary_slot_name = '$name'
wal_retrieve_retry_interval = 100ms
@{[ $conf // '' ]}
));
	$standby->start;
	return $standby;
}

# new_following_store - a store whose server has the library preloaded.
sub new_following_store
{
	my ($name, $conf) = @_;

	return new_store($name, qq(
shared_preload_libraries = 'bbackup'
max_worker_processes = 16
max_connections = 30
restart_after_crash = on
bbackup.flush_interval = 200ms
@{[ $conf // '' ]}
));
}

# create_source - a foreign server for nodes, or proxies: several are several
# hosts.  More options follow, as names and values.
sub create_source
{
	my ($store, $name, $nodes, %options) = @_;
	my @nodes = ref $nodes eq 'ARRAY' ? @$nodes : $nodes;
	my @hosts = map { $_->can('host') ? $_->host : '127.0.0.1' } @nodes;
	my $host = join ',', @hosts;
	my $port = join ',', map { $_->port } @nodes;
	my $options = join '', map { ", $_ '$options{$_}'" } sort keys %options;

	$store->safe_psql('postgres', qq(
CREATE SERVER $name FOREIGN DATA WRAPPER bbackup_source
	OPTIONS (host '$host', port '$port' $options);
CREATE USER MAPPING FOR CURRENT_USER SERVER $name
	OPTIONS (user '@{[ scalar getpwuid $< ]}', password_required 'false');
));
	return;
}

# follow - call bb_follow; the import's checkpoint is fast.
sub follow
{
	my ($store, $source, $timeline) = @_;

	$timeline //= 'main';
	$store->safe_psql('postgres',
		"SELECT bb_follow('$source', timeline => '$timeline',"
		  . " checkpoint => 'fast')");
	return;
}

# polled - the answer to a query in postgres, by a session that is kept for the
# next one, because tests poll for minutes.  undef after an error, or if the
# server doesn't answer.
my %sessions;

sub polled
{
	my ($store, $query) = @_;
	# a child of the test has its own
	my $name = $store->name . " $$";
	my $answer;
	local $SIG{PIPE} = 'IGNORE';

	if (defined $sessions{$name})
	{
		$answer = ask($sessions{$name}, $query);
		end_session(delete $sessions{$name}) if !defined $answer;
	}
	# the first, or the server has been restarted
	if (!defined $sessions{$name})
	{
		$sessions{$name} = start_session($store);
		scalar ask($sessions{$name}, 'SET client_min_messages = error');
		$answer = ask($sessions{$name}, $query);
		end_session(delete $sessions{$name}) if !defined $answer;
	}
	return defined $answer && $answer !~ /\AERROR:/ ? $answer : undef;
}

# follow_status - a row of bb_stat_follow as a hash; NULLs are ''.  Empty if the
# server doesn't answer.
sub follow_status
{
	my ($store, $timeline) = @_;

	$timeline //= 'main';
	my $answer = polled($store,
		"SELECT key, value FROM bb_stat_follow s, json_each_text(to_json(s))"
		  . " WHERE s.timeline = '$timeline'") // return;

	return map { /^(\w+)\|(.*)$/ ? ($1, $2) : () } split /\n/, $answer;
}

# following_workers - the PIDs of a store's processes of a kind, "follow",
# "receive", or both and the launcher.
sub following_workers
{
	my ($store, $kind) = @_;

	$kind //= '(follow|receive)';
	my $answer = polled($store,
		'SELECT pid FROM pg_stat_activity WHERE backend_type'
		  . " ~ '^bbackup $kind'") // return;

	return split /\n/, $answer;
}

# wait_for - until a function returns true; what that means is for the message.
# Returns what it returned.  The longer it takes, the less often it looks.
sub wait_for
{
	my ($what, $condition) = @_;
	my $give_up = time + 2 * $PostgreSQL::Test::Utils::timeout_default;
	my $pause = 50_000;

	while (1)
	{
		my $value = eval { $condition->() };

		return $value if $value;
		last if time > $give_up;
		usleep($pause);
		$pause *= 1.2 if $pause < 250_000;
	}
	diag("waited in vain: $what");
	return;
}

# wait_for_state - until a timeline is followed in this state; diags what there
# is otherwise.
sub wait_for_state
{
	my ($store, $state, $timeline) = @_;
	my %status;

	return 1
	  if wait_for(
		"state $state",
		sub {
			%status = follow_status($store, $timeline);
			return ($status{state} // '') =~ /^(?:$state)$/;
		});
	diag(join "\n", map { "$_: $status{$_}" } sort keys %status);
	return 0;
}

# wait_now - bb_wait(NULL), until the source's present end can be read; returns
# that LSN, or undef after an error, which is a diag.  As long as more can be
# read than before, it waits on.
sub wait_now
{
	my ($store, $timeline) = @_;
	my ($out, $err, %status);
	my $seconds = $PostgreSQL::Test::Utils::timeout_default;
	my $readable = '';

	$timeline //= 'main';
	while (1)
	{
		$store->psql(
			'postgres',
			"SELECT bb_wait(NULL, '$timeline', '$seconds s')",
			stdout => \$out,
			stderr => \$err,
			on_error_die => 0);
		return $out if $out =~ m{^[0-9A-F]+/[0-9A-F]+$};
		%status = follow_status($store, $timeline);
		last
		  if $err !~ /in time/ || ($status{readable_lsn} // '') eq $readable;
		$readable = $status{readable_lsn};
	}
	diag("bb_wait: $err\n",
		map { "\t$_: $status{$_}\n" } sort keys %status);
	return;
}

# slots_of - the slots of a source, each as "NAME active"; not those of the
# standbys that followed_standby made.
sub slots_of
{
	my ($source) = @_;

	return join ' ', split /\n/, $source->safe_psql('postgres',
		"SELECT regexp_replace(slot_name, '_[0-9a-f]{8}\$', ''),"
		  . " CASE WHEN active THEN 'active' ELSE 'idle' END"
		  . " || CASE WHEN temporary THEN ' temporary' ELSE '' END"
		  . ' || CASE WHEN restart_lsn IS NULL THEN \' lost\' ELSE \'\' END'
		  . " FROM pg_replication_slots WHERE slot_name ~ '^bbackup'"
		  . ' ORDER BY 1') =~ s/\|/ /gr;
}

# clone_of - a running server from a backup of a timeline; the others arguments
# are bb_basebackup_stream's.
my $clones = 0;

sub clone_of
{
	my ($store, $timeline, $arguments) = @_;
	my $tar = fetch_backup($store,
		"timeline => '$timeline'" . ($arguments ? ", $arguments" : ''));
	my $clone = new_clone('clone_' . ++$clones, $tar);

	unlink $tar;
	$clone->append_conf('postgresql.conf',
		"synchronous_standby_names = ''\nautovacuum = off\n"
		  . "archive_mode = off\n");
	$clone->start;
	return $clone;
}

# stop_following - one test: bb_unfollow leaves no slot at the sources, no
# process and no spool, or says why.
sub stop_following
{
	my ($sources, $store, $timeline) = @_;
	my (@left, $out, $err);

	$timeline //= 'main';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$store->psql(
		'postgres', "SELECT bb_unfollow('$timeline')",
		stdout => \$out,
		stderr => \$err,
		on_error_die => 1);
	push @left, map { slots_of($_) } ref $sources eq 'ARRAY'
	  ? @$sources
	  : $sources;
	my $others = $store->safe_psql('postgres',
		'SELECT count(*) FROM bb_stat_follow');

	push @left, map { "process $_" } following_workers($store, '(follow$|receive)')
	  if $others == 0;
	# what was confirmed and isn't stored is kept, with a warning
	push @left, map { "spool $_" } grep { -s $_ }
	  glob $store->data_dir . ".bbackup_spool/*-$timeline/0*"
	  unless $err =~ /the spool ".*" is kept/;
	@left = grep { length } @left;
	return is("@left", '', "nothing is left of following $timeline");
}

1;

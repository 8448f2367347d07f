# BBackup::Stores - servers with the extension and a default page store; import
# and ingest.

package BBackup::Stores;

use strict;
use warnings;

use BBackup::Sessions qw(answer);
use BBackup::StoreKind;
use Carp;
use Exporter 'import';
use IO::Select;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  new_store
  store_directory
  stored_layers
  wait_for_restart
  forget_killed
  wait_for_import
  import_directory
  ingest
);

# new_store - a running server with the extension in database postgres.
# BBackup::StoreKind decides where its default page store is.
sub new_store
{
	my ($name, $conf) = @_;
	my $store = PostgreSQL::Test::Cluster->new($name);

	$store->init;
	# tests run thousands of queries, some with bytea
	$store->append_conf('postgresql.conf', "log_statement = none\n");
	$store->append_conf('postgresql.conf',
		BBackup::StoreKind::configuration());
	$store->append_conf('postgresql.conf', $conf) if defined $conf;
	$store->start;
	$store->safe_psql('postgres', 'CREATE EXTENSION bbackup');
	BBackup::StoreKind::attach($store);
	return $store;
}

# store_directory - the directory of the default page store, in tests of local
# ones.
sub store_directory
{
	my ($store) = @_;

	croak 'this test is of stores in directories'
	  unless BBackup::StoreKind::is_local();
	return $store->data_dir . '.bbackup';
}

# stored_layers - the names of the files of a timeline's layers, finished or not,
# in the default page store.
sub stored_layers
{
	my ($store, $timeline) = @_;
	my $below = "timelines/$timeline/layers/";
	my @found =
	  BBackup::StoreKind::is_local()
	  ? glob store_directory($store) . "/$below" . '{,.}*-*'
	  : BBackup::StoreKind::objects($store, $below);

	@found = sort map { s{.*/}{}r } @found;
	return @found;
}

# wait_for_restart - wait until a server takes connections again after a process
# of it has crashed; call it once for each crash.
#
# A server may take more connections before it notices the crash, so its log has
# to have the restart.  (poll_query_until would die if psql ended before it had
# its query.)
my %restarts;

sub wait_for_restart
{
	my ($node) = @_;
	my $attempts = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my $restarts = 0;
	my ($out, $err);

	for (1 .. $attempts)
	{
		$restarts = () = slurp_file($node->logfile) =~
		  /all server processes terminated; reinitializing/g;
		if ($restarts > ($restarts{ $node->name } // 0)
			&& IPC::Run::run [ 'psql', '-X', '-d', $node->connstr('postgres'),
				'-c', 'SELECT 1' ], '<', '/dev/null', '>', \$out, '2>', \$err)
		{
			$restarts{ $node->name } = $restarts;
			return;
		}
		usleep(100_000);
	}
	croak "the server did not come back";
}

# forget_killed - release the lock of a killed writer of the default page store.
# A local store does that itself; elsewhere the lock would first have to expire.
sub forget_killed
{
	my ($store) = @_;

	return BBackup::StoreKind::forget_killed($store);
}

# wait_for_import - until bb_stat_progress_import shows the import that a session
# was sent, in a state that a condition describes.
sub wait_for_import
{
	my ($store, $session, $condition) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return
		  if $store->safe_psql('postgres',
			    'SELECT count(*) FROM bb_stat_progress_import'
			  . " WHERE pid = $session->{backend} AND $condition") == 1;
		croak "the import was over before $condition: " . answer($session)
		  if IO::Select->new($session->{out})->can_read(0);
		usleep(50_000);
	}
	croak "no import has $condition; there is: "
	  . $store->safe_psql('postgres', 'SELECT * FROM bb_stat_progress_import');
}

# import_directory - call bb_import_directory; returns its row as a hash.
sub import_directory
{
	my ($store, $directory, $timeline, $settings) = @_;
	my @columns = qw(timeline lsn databases relations pages bytes_read
	  bytes_stored duration);
	my %row;

	$timeline //= 'main';
	$settings //= '';
	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres',
		"$settings SELECT * FROM bb_import_directory('$directory',"
		  . " timeline => '$timeline')");
	return \%row;
}

# ingest - call bb_ingest; returns its row as a hash.
sub ingest
{
	my ($store, $directory, $timeline, $until, $tli) = @_;
	my @columns = qw(timeline start_lsn end_lsn tli records pages layers
	  bytes_stored duration);
	my %row;

	$timeline //= 'main';
	$until = defined $until ? "'$until'" : 'NULL';
	$tli //= 'latest';
	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres',
		"SELECT * FROM bb_ingest('$directory', timeline => '$timeline',"
		  . " until => $until, tli => '$tli')");
	return %row;
}

1;

# The judges of following themselves, on PostgreSQL's own standby: clients whose
# commits are written down, behind a bad network and a source that crashes.

use strict;
use warnings;
use BBackup;
use BBackup::Acked;
use BBackup::TcpProxy;
use Time::HiRes qw(usleep);

my $seed = draw_seed();
srand $seed;

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 1);
$source->append_conf('postgresql.conf', q(
log_statement = none
max_prepared_transactions = 10
wal_keep_size = 1GB
));
$source->start;
BBackup::Acked::create_tables($source);
my $proxy = BBackup::TcpProxy->start($source);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$source->backup('base');
$standby->init_from_backup($source, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	"primary_conninfo = '" . $proxy->connstr . "'\nhot_standby = on\n"
	  . "wal_retrieve_retry_interval = 100ms\n");
$standby->start;

my $acked = BBackup::Acked->start(
	$source->connstr('postgres'),
	seed => $seed,
	large => 300_000);

ok($acked->wait_for(10), 'the clients work');
my @orders = (
	'cut', 'cut_after ' . int(rand 50_000), 'delay both 20', 'trickle 1000',
	'stall both', 'stall client', 'refuse', 'close client', 'close server');
foreach my $order (@orders)
{
	$proxy->order($order);
	my $bytes = $proxy->bytes;
	ok($acked->wait_for(3), "the clients work: $order");
	is($proxy->bytes, $bytes, 'no byte passes') if $order =~ /stall|refuse/;
	$proxy->order('pass');
	# a half-closed connection is of no more use
	$proxy->order('cut') if $order =~ /close/;
}
foreach (1 .. 3)
{
	$source->stop('immediate');
	$source->start;
	ok($acked->wait_for(5), 'the clients work after a crash');
}
ok($standby->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_wal_receiver"
		  . " WHERE status = 'streaming'"),
	'the standby is back');
$acked->stop;
my %n = $acked->acknowledged;
note("acknowledged: @{[ %n ]}");
$acked->is_kept($source, 'the source has what it acknowledged');
$source->wait_for_catchup($standby, 'replay',
	$source->lsn('insert'));
$acked->is_kept($standby, 'and so has the standby');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
my @marks = $acked->marks;
ok(@marks > 5, 'there are LSNs to look at');

# What the judge must see.
sub is_seen
{
	my ($sql, $expected, $name) = @_;

	$standby->safe_psql('postgres', $sql);
	like(join("\n", $acked->problems($standby)), $expected, $name);
	return;
}

my $a_row = 'WHERE client = 2 AND id = (SELECT max(id) FROM acked_rows'
  . ' WHERE client = 2)';
is_seen("CREATE TABLE kept AS SELECT * FROM acked_rows $a_row;"
	  . "DELETE FROM acked_rows $a_row",
	qr/client 2 .*row \d+ of \d+ is missing/s, 'a lost row is seen');
is_seen("INSERT INTO acked_rows SELECT * FROM kept;"
	  . "UPDATE acked_rows SET n = n - 1 $a_row",
	qr/client 2 .*row \d+ is of \d+, not of \d+/s, 'an old row is seen');
is_seen("UPDATE acked_rows SET n = n + 1, payload = payload || 'x' $a_row",
	qr/client 2 .*row \d+ has another payload/s, 'a changed row is seen');
is_seen("DELETE FROM acked_rows $a_row;"
	  . 'INSERT INTO acked_rows SELECT * FROM kept',
	qr/^$/, 'and nothing else');
is_seen('ALTER TABLE acked_rows DROP CONSTRAINT acked_rows_pkey;'
	  . 'INSERT INTO acked_rows SELECT * FROM kept',
	qr/client 2 .*row \d+ of \d+ should not be there/s,
	'a row that is there twice is seen');
is_seen('UPDATE acked_progress SET n = n - 2 WHERE client = 1',
	qr/client 1 .* is at \d+, after \d+ was acknowledged/,
	'a lost transaction is seen');
is_seen('UPDATE acked_progress SET n = n + 3 WHERE client = 1',
	qr/client 1 .* is at \d+, when \d+ had just begun/,
	'a transaction that nobody began is seen');

# "At an LSN": the standby is now too new for an old mark.
like(join("\n", $acked->problems($source, $marks[1])),
	qr/had just begun/, 'a state of later is seen');
$proxy->stop;
done_testing();

# Large layers in S3: several requests fetch a layer at once, and the next session
# continues a download that was interrupted.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::S3;
use Time::HiRes qw(sleep);

# the size of a piece of a layer: PIECE_BYTES in cache_fetch.c
use constant PIECE => 4 * 1024 * 1024;

my $s3 = BBackup::S3->start_or_skip();
my ($proxy, $through) = BBackup::FaultProxy->before($s3);

my $source = new_source('source');
create_rows($source, 400000);
my $base = cold_backup($source);
my $store = new_store('store', q(
bbackup.layer_size = 64MB
bbackup.compression = none
));
my $caches = PostgreSQL::Test::Utils::tempdir;
$store->safe_psql('postgres', $s3->sql('cloud', 's3://bucket/first'));
foreach my $name ('cached', 'again')
{
	$store->safe_psql('postgres', $through->sql(
			$name, 's3://bucket/first', "cache_directory '$caches/$name'"));
}
$store->safe_psql('postgres',
	"SELECT bb_import_directory('$base'); SELECT bb_import_directory('$base', 'cloud')"
);

sub kilobytes_used
{
	my ($session) = @_;

	return ask($session,
		q{SELECT substring(pg_read_file('/proc/self/status')
		  FROM 'VmHWM:\s+(\d+)')});
}

my $right = $store->safe_psql('postgres', backup_md5('bbackup'));
my ($layer, $size) = split /\|/, $store->safe_psql(
	'postgres',
	"SELECT regexp_replace(layer, '.*/', ''), bytes FROM bb_layers('cloud')
	 ORDER BY bytes DESC LIMIT 1");
my $pieces = int(($size + PIECE - 1) / PIECE);
cmp_ok($pieces, '>', 8, 'there is a large layer');

# The ranges of the layer that were requested, after so many requests.
sub ranges
{
	my ($since) = @_;
	my @heads = $proxy->heads;

	return map { /^range: bytes=(\d+)-/im ? $1 : () }
	  grep { /^\S+ \S*\Q$layer\E / } @heads[ $since .. $#heads ];
}

# --- Several requests at once.

my $session = start_session($store);
ask($session, "SELECT count(*) FROM bb_layers('cached')");
# the session has one open connection now
$proxy->faults(('hang 100000') x 3);
send_query($session, backup_md5('cached'));
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	my ($part) = glob "$caches/cached/*/.*$layer*.part";

	last if $proxy->faults_left == 0 && defined $part && -s $part;
	sleep 0.05;
}
is($proxy->faults_left, 0, 'several connections are in use at once');
$store->safe_psql('postgres', "SELECT pg_cancel_backend($session->{backend})");
like(answer($session), qr/ERROR:  57014: /, 'a cancel ends all requests');

# --- The next session continues a download.

my ($part) = glob "$caches/cached/*/.*$layer*.part";
my $whole = (-s $part) / PIECE;
is($whole, 1, 'a piece is there');
my $since = () = $proxy->heads;
is(ask($session, backup_md5('cached')), $right, 'a backup that goes on with it');
my @ranges = sort { $a <=> $b } ranges($since);
is("@ranges", join(' ', map { PIECE * $_ } $whole .. $pieces - 1),
	'asks for what is missing');
ok(!-e $part, 'and leaves nothing that is not whole');

# --- Connections that break.

$since = () = $proxy->heads;
$proxy->faults('cut 3000000', 'reset', '503', 'cut 10', 'flip 2000000');
my $other = start_session($store);
my $before = kilobytes_used($other);
is(ask($other, backup_md5('again')) =~ s/^WARNING: .*\n//mgr,
	$right, 'connections that break are no obstacle');
is($proxy->faults_left, 0, 'some did');
cmp_ok(kilobytes_used($other) - $before,
	'<', 64 * 1024, 'a download takes little memory');
cmp_ok(scalar(ranges($since)), '>', $pieces, 'pieces came again');

# --- The object has another size.

my $object = "/bucket/first/timelines/main/layers/$layer";
my $bytes = $s3->request('GET', $object);
my $file = PostgreSQL::Test::Utils::tempdir . '/object';
is(length $bytes, $size, 'the layer');
foreach my $length (0, 100, PIECE, $size - 1, $size + 1)
{
	open my $out, '>:raw', $file or die;
	print $out substr("${bytes}x", 0, $length);
	close $out;
	$s3->request('PUT', $object, '--data-binary', "\@$file");
	unlink glob "$caches/again/*/*";
	query_like($session, backup_md5('again'),
		qr/ERROR:  XX001: layer \S*\Q$layer\E\S* is not what the manifest says.*Its size is wrong/s,
		"$length bytes are not the layer");
}
open my $out, '>:raw', $file or die;
print $out $bytes;
close $out;
$s3->request('PUT', $object, '--data-binary', "\@$file");
query_is($session, backup_md5('again'), $right, 'the right ones are');
end_session($_) foreach $session, $other;

$s3->check_logs($store);
$proxy->stop;
done_testing();

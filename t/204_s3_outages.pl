# Object storage that is restarted, that another server writes to, or whose clock
# is wrong; caches that can't be written to; downloaders that are killed; objects
# that were changed.

use strict;
use warnings;
use BBackup;
use BBackup::FaultProxy;
use BBackup::S3;
use IO::Select;
use Time::HiRes qw(sleep);

srand draw_seed();

my $s3 = BBackup::S3->start_or_skip();
my ($proxy, $through) = BBackup::FaultProxy->before($s3);

my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '', '--data-checksums');
create_rows($source, 100000);
my $base = cold_backup($source);
$source->start;
$source->safe_psql('postgres',
	'UPDATE t SET i = i + 1; SELECT pg_switch_wal()');
$source->stop;

# a busy machine needs time to start Swift, and to answer
my $conf =
  "bbackup.layer_size = 1MB\nbbackup.checkpoint_distance = 1MB\n"
  . "bbackup.s3_timeout = '10min'\nbbackup.s3_retry_time = '10min'\n";
my $store = new_store('store', $conf);
my $other = new_store('other', "$conf\nrestart_after_crash = on\n");
my $caches = PostgreSQL::Test::Utils::tempdir;
foreach my $node ($store, $other)
{
	$node->safe_psql('postgres', $through->sql('cloud', 's3://bucket/first'));
	foreach my $name ('kept', 'limited', 'killed')
	{
		$node->safe_psql('postgres', $through->sql(
				$name, 's3://bucket/first', "cache_directory '$caches/$name'"));
	}
}

import_directory($store, $base);
my $right = $store->safe_psql('postgres', backup_md5('bbackup'));
ingest($store, $archive);
my $right_at_end = $store->safe_psql('postgres', backup_md5('bbackup'));
isnt($right_at_end, $right, 'there are backups to compare with');

sub wait_for_log
{
	my ($node, $expected, $offset) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if slurp_file($node->logfile, $offset) =~ $expected;
		sleep 0.05;
	}
	die "there is no $expected in the log";
}

sub flags
{
	my ($timeline) = @_;

	return grep { m{/\.writer\.lock\.} }
	  $s3->list('bucket', "first/timelines/$timeline/");
}

# send_and_hold - send a query that writes to a timeline, and return when it waits
# with its first layer.  The query isn't in a commit then: a writer that is held
# in a commit until another one takes over does harm on a server without
# conditional PUT, such as Swift (s3_lock.c).
sub send_and_hold
{
	my ($session, $query, $timeline) = @_;

	$proxy->hold("/timelines/$timeline/layers/");
	send_query($session, $query);
	$proxy->wait_for_held;
	return;
}

# --- The server is restarted during an upload, and during a call.

my @sessions = map { start_session($_) } $store, $other;
my $import = "SELECT timeline FROM bb_import_directory('$base', 'cloud')";
query_is($sessions[0], $import, 'main', 'an import');
ask($sessions[1],
	'BEGIN; DECLARE c CURSOR FOR SELECT md5(chunk) AS m FROM (SELECT'
	  . " bb_basebackup_stream(store => 'cloud') AS chunk) s");
ask($sessions[1], 'FETCH 3 FROM c');
send_and_hold($sessions[0], $import =~ s/\)$/, 'during')/r, 'during');
my @offsets = map { -s $_->logfile } $store, $other;
$s3->stop;
$proxy->release;
send_query($sessions[1], 'FETCH ALL FROM c');
wait_for_log($store,
	qr/WARNING:  could not write .*\n.*DETAIL:  .*attempts.*\n.*HINT:  It is retried until/,
	$offsets[0]);
wait_for_log($other, qr/WARNING:  could not read object/, $offsets[1]);
$s3->resume;
like(answer($sessions[0]), qr/^WARNING:.*^during$/ms,
	'an import outlives a restart of the server');
my $rest = answer($sessions[1]);
like($rest, qr/^WARNING:.*^[0-9a-f]{32}\z/ms, 'so does a backup');
is(ask($sessions[1], 'ROLLBACK; ' . backup_md5('cloud', "timeline => 'during'")),
	$right, 'what was uploaded is right');
is($rest =~ s/^[A-Z]+: .*\n//mgr, ask($sessions[0],
		"SELECT md5(chunk) FROM (SELECT bb_basebackup_stream("
		  . "store => 'cloud') AS chunk) s OFFSET 3"),
	'and so is what was read');

# A cancel ends the attempts at once.
$s3->stop;
@offsets = (-s $store->logfile);
send_query($sessions[0], "SELECT * FROM bb_timelines('cloud')");
wait_for_log($store, qr/WARNING:  could not list/, $offsets[0]);
$store->safe_psql('postgres',
	"SELECT pg_cancel_backend($sessions[0]->{backend})");
like(answer($sessions[0]), qr/ERROR:  57014: /, 'a cancel ends the attempts');

# --- The server's clock is off by an hour.

$s3->resume(3600);
fails_like($store, "SELECT * FROM bb_timelines('cloud')",
	qr/ERROR:  08006: .*RequestTimeTooSkewed, and its clock is \d+ seconds ahead \(1 attempt\).*HINT:  Set the clock/s,
	'a clock that is off is named');
$s3->restart_proxies;

# --- Two writers.

my $ingest = "SELECT end_lsn FROM bb_ingest('$archive', 'cloud', 'during')";
$proxy->hold('/timelines/during/layers/');
send_query($_, $ingest) foreach @sessions;
$proxy->wait_for_held;
# the session with the lock waits with a layer, so the other one returns
my ($told) = IO::Select->new(map { $_->{out} } @sessions)->can_read;
my @in_order = sort { ($b->{out} == $told) <=> ($a->{out} == $told) } @sessions;
my @answers = (answer($in_order[0]));
$proxy->release;
push @answers, answer($in_order[1]);
is(scalar(grep { m{^[0-9A-F]+/[0-9A-F]+$}m } @answers),
	1, 'of two who ingest at once, one does')
  or diag(@answers);
is(scalar(
		grep {
			/ERROR:  55006: timeline "during" is being written by another/
		} @answers), 1, 'and the other is told');
query_is($sessions[1], backup_md5('kept', "timeline => 'during'"),
	$right_at_end, 'nothing is lost');

# A writer waits until another one has taken over.  Its flag is up, but too old
# by a clock that is ahead.
ask($sessions[0], "SELECT bb_create_branch('late', store => 'cloud')");
send_and_hold($sessions[0], $ingest =~ s/during/late/r, 'late');
fails_like($other, $ingest =~ s/during/late/r,
	qr/ERROR:  55006: timeline "late" is being written by another/,
	'a lock is heeded');
# times are in whole seconds, and those of objects are rounded up
$proxy->faults('ahead 63');
query_like($other, $ingest =~ s/during/late/r, qr{/},
	'one that is too old is not');
is($proxy->faults_left, 0, 'by a clock that is ahead');
is(join(' ', flags('late')), '', 'the flags are down');
$proxy->release;
like(answer($sessions[0]), qr/ERROR:  (?:55006|40001|58P01|55000): .*late/,
	'who was overtaken is told');
query_is($sessions[0], backup_md5('kept', "timeline => 'late'"), $right_at_end,
	'and has done no harm');

# A writer that takes longer than a lock is valid renews it.
ask($sessions[0], "SELECT bb_create_branch('slow', store => 'cloud')");
my $asked = $proxy->requests;
send_and_hold($sessions[0], $ingest =~ s/during/slow/r, 'slow');
my ($flag) = flags('slow');
sleep 16;
$proxy->release;
like(answer($sessions[0]), qr{^[0-9A-F]+/[0-9A-F]+$}, 'a slow writer');
my @requests = $proxy->requests;
cmp_ok(
	scalar(grep { m{^PUT \S*\Q$flag\E } } @requests[ $asked .. $#requests ]),
	'>', 1, 'renews its lock');

# --- A cache directory that can't be written to.

# like a full disk, this allows writing a file up to a size
system_or_bail('prlimit', '--pid', $sessions[0]->{backend},
	'--fsize=500000:unlimited');
query_like($sessions[0], backup_md5('limited'),
	qr/^WARNING:  53100: no space left in cache directory.*^$right\z/ms,
	'a full disk is no obstacle');
is(join(' ', glob "$caches/limited/*/.*.part"),
	'', 'and nothing is left there that is not whole');
system_or_bail('prlimit', '--pid', $sessions[0]->{backend},
	'--fsize=unlimited:unlimited');
query_is($sessions[0], backup_md5('limited'), $right, 'with space again,');
cmp_ok(scalar(() = glob "$caches/limited/*/*image-*"),
	'>', 3, 'layers are resident');

# --- A downloader is killed while another server waits for its layer.

my $cursor = start_session($other);
$proxy->faults('hang 700000');
send_query($cursor, backup_md5('killed'));
sleep 0.01 until $proxy->hangs;
send_query($sessions[0], backup_md5('killed'));
kill 'KILL', $cursor->{backend};
answer($cursor);
end_session($cursor);
is(answer($sessions[0]), $right, 'who waited for a killed one goes on');
wait_for_restart($other);
query_is($other,
	'SET bbackup.download_behavior = error; ' . backup_md5('killed'), $right,
	'and the cache is whole');
is(join(' ', glob "$caches/killed/*/.*.part"), '', 'nothing is left over');

# --- Objects that were changed, truncated or removed.

end_session($_) foreach @sessions;
my $reader = start_session($store);
my @objects = grep { m{/manifest$|/image-} }
  $s3->list('bucket', 'first/timelines/main/');
cmp_ok(scalar @objects, '>', 3, 'there are objects to change');
my %codes;
my @wrong;

my $tries = $ENV{BB_FLIPS} // 5;
foreach my $try (1 .. $tries)
{
	my $object = $objects[ rand @objects ];
	my $bytes = $s3->request('GET', "/bucket/$object");
	my $changed = $bytes;
	my $file = PostgreSQL::Test::Utils::tempdir . '/object';
	my $offset = int rand length $bytes;

	if ($try % 4)
	{
		substr($changed, $offset, 1) ^= chr(1 + int rand 255);
	}
	else
	{
		substr($changed, $offset) = '';
	}
	foreach my $content ($changed, $bytes)
	{
		open my $out, '>:raw', $file or die;
		print $out $content;
		close $out;
		$s3->request('PUT', "/bucket/$object", '--data-binary', "\@$file");
		# what is right again is read after the last one
		next if $content eq $bytes && $try < $tries;
		# by ranges, and whole
		unlink glob "$caches/limited/*/*";
		foreach my $server ('cloud', 'limited')
		{
			my $answer = ask($reader, backup_md5($server));
			my ($name) = $object =~ m{/([^/]+)$};

			next if $content eq $bytes && $answer eq $right;
			next
			  if $content ne $bytes
			  && $answer =~ /^ERROR:  XX001: .*\Q$name\E/m;
			push @wrong, "$server, $object at $offset, try $try: $answer";
		}
	}
}
is("@wrong", '', 'each changed object is an error that names it');
end_session($reader);

$s3->check_logs($store, $other);
$proxy->stop;
done_testing();

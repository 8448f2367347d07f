# Readers that go on for long, while upkeep replaces, retires and removes all the
# layers that they read: streams that stand still, with workers and without; COPY
# to programs that read slowly, of an LSN that is held, and of one that expires; point
# reads of a session that keeps a store; a prefetch, and the worker that fetches
# ahead, whose layers have gone from object storage.

use strict;
use warnings;
use BBackup;
use BBackup::CacheLock;
use BBackup::Following qw(wait_for);
use BBackup::S3;

# As filled_archive(), but $middle is before the last two seconds, and so is another
# commit: a short window begins after it.
my $archive = PostgreSQL::Test::Utils::tempdir;
my $source = new_archiving_source('source', $archive, '');
my $base = cold_backup($source);

$source->start;
fill_source($source);
my $middle =
  $source->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$source->safe_psql('postgres', 'CREATE TABLE later ()');
$source->safe_psql('postgres',
	'SELECT pg_sleep(2.2); DELETE FROM plain; SELECT pg_switch_wal()');
$source->stop;

my $store = new_store('store', q(
shared_preload_libraries = 'bbackup'
max_worker_processes = 16
bbackup.checkpoint_distance = 2MB
bbackup.layer_size = 1MB
bbackup.merge_layers = 2
bbackup.removal_delay = 0
));

import_directory($store, $base);
my %whole = ingest($store, $archive);

# The same again, for upkeep.
$store->safe_psql('postgres',
	"SELECT * FROM bb_import_directory('$base', timeline => 'other');"
	  . "SELECT * FROM bb_ingest('$archive', timeline => 'other')");

my $upkeep = start_session($store);
my @arguments = map { ", progress => false$_" } '', ', jobs => 2',
  ', full_backup => false';

sub rows
{
	my ($timeline, $arguments, $server) = @_;

	$server //= 'bbackup';
	return 'SELECT md5(chunk) FROM (SELECT bb_basebackup_stream('
	  . "lsn => '$middle', store => '$server', timeline => '$timeline'"
	  . "$arguments) AS chunk) c";
}

sub layers
{
	my ($timeline, $server) = @_;

	$server //= 'bbackup';
	return split /\n/,
	  ask($upkeep, "SELECT layer FROM bb_layers('$server', '$timeline')");
}

my $page = "SELECT md5(string_agg(bb_get_page(tablespace, database, relfilenode,"
  . " fork, pages - 1, '$middle', timeline => '%s'), '' ORDER BY tablespace,"
  . ' database, relfilenode, fork)) FROM bb_relations('
  . "'$middle', timeline => '%1\$s') WHERE pages > 0";
my @right = map { $store->safe_psql('postgres', rows('main', $_)) } @arguments;
my $right_page = $store->safe_psql('postgres', sprintf $page, 'main');

# ---- programs that read slowly ----

my $pipes = PostgreSQL::Test::Utils::tempdir;

# Begin a COPY to a program that stands still after some of it, until there is a
# file "go".  Then it writes the checksum of all to the file $name.
sub start_copy
{
	my ($name, $timeline) = @_;
	my $session = start_session($store);
	my $go = "$pipes/go";

	send_query($session, "COPY (SELECT bb_basebackup_stream(lsn => '$middle',"
		  . " timeline => '$timeline', progress => false)) TO PROGRAM"
		  . " '(dd bs=100000 count=1 iflag=fullblock 2>/dev/null;"
		  . " touch $pipes/$name.waits;"
		  . " until [ -e $go ]; do sleep 0.05; done; cat)"
		  . " | md5sum >$pipes/$name.part && mv $pipes/$name.part $pipes/$name'"
		  . ' (FORMAT binary)');
	wait_for("$name stands still", sub { -e "$pipes/$name.waits" }) or die;
	return $session;
}

sub checksum
{
	my ($name) = @_;

	return wait_for("the end of $name", sub { -e "$pipes/$name" })
	  && slurp_file("$pipes/$name");
}

append_to_file("$pipes/go", '');
my $copy = start_copy('right', 'main');
answer($copy);
end_session($copy);
my $right_copy = checksum('right');
unlink "$pipes/go" or die;
my %copies = (held => start_copy('held', 'other'),
	expired => start_copy('expired', 'main'));

# ---- streams that stand still ----

my @streams = map { start_session($store) } @arguments;
my @rows;

foreach my $n (0 .. $#streams)
{
	$rows[$n] = ask($streams[$n],
		    'BEGIN; DECLARE c CURSOR FOR '
		  . rows('other', $arguments[$n])
		  . '; FETCH 1 FROM c');
}
my $reader = start_session($store);
query_is($reader, sprintf($page, 'other'), $right_page, 'a point read');
my %before = map { $_ => 1 } layers('other');
$store->safe_psql('postgres',
	"SELECT bb_pin('$middle', 'middle', timeline => 'other');"
	  . "SELECT bb_set_retention('1 microsecond', timeline => 'other')");
my $jobs = ask($upkeep, "SELECT count(*) FROM bb_upkeep(timeline => 'other')");
cmp_ok($jobs, '>', 2, "upkeep does $jobs jobs");
my $left = grep { $before{$_} } stored_layers($store, 'other');
cmp_ok($left, '<', keys(%before) / 2,
	keys(%before) . " layers were there, $left are left");

foreach my $n (0 .. $#streams)
{
	my $rest = ask($streams[$n], 'FETCH ALL FROM c');

	is("$rows[$n]\n$rest", $right[$n],
		"a stream goes on to the same tar$arguments[$n]");
	ask($streams[$n], 'COMMIT');
}
query_is($reader, sprintf($page, 'other'),
	$right_page, 'so does a session that reads pages');
end_session($_) foreach @streams, $reader;

# main has no pin, so its LSN expires
ask($upkeep, "SELECT bb_set_retention('1 microsecond')");
like(
	ask($upkeep, "SELECT string_agg(job, ' ') FROM bb_upkeep()"),
	qr/^expire /, 'upkeep lets history expire');
my ($start) = ask($upkeep,
	"SELECT start_lsn FROM bb_timelines() WHERE timeline = 'main'");
append_to_file("$pipes/go", '');
is(answer($copies{held}) . checksum('held'),
	$right_copy, 'a COPY to a slow program goes on to the same bytes');
like(
	answer($copies{expired}),
	qr/ERROR:  55000: LSN \Q$middle\E of timeline "main" expired while it was read\nDETAIL:  It can be read from \Q$start\E to /,
	'one whose LSN expires ends, and names what can be read');
end_session($_) foreach values %copies;

# ---- object storage: layers that were listed, then gone ----

SKIP:
{
	skip 'no S3 server is installed', 1 unless BBackup::S3->available;
	my $s3 = BBackup::S3->start_or_skip();
	my $caches = PostgreSQL::Test::Utils::tempdir;
	my $session = start_session($store);

	foreach my $what ('backup', 'prefetch')
	{
		my $url = "s3://bucket/$what";
		my $query =
		  $what eq 'backup'
		  ? rows('main', $arguments[0], 'backup_cached')
		  : "SELECT bb_prefetch('$middle', store => 'prefetch_cached',"
		  . ' wait => true) > 0';
		my $log = -s $store->logfile;

		$store->safe_psql('postgres',
			    $s3->sql($what, $url)
			  . $s3->sql("${what}_cached", $url,
				"cache_directory '$caches/$what', cache_size '200MB'")
			  . "SELECT * FROM bb_import_directory('$base', '$what');"
			  . "SELECT * FROM bb_ingest('$archive', '$what');"
			  . "SELECT count(*) FROM bb_relations('$middle', '${what}_cached')");
		# what says which layers are needed is resident now; blocks aren't
		my $lock = lock_room("$caches/$what");
		send_query($session, $query);
		$store->poll_query_until('postgres',
			'SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type ='
			  . " 'bbackup @{[ $what eq 'backup' ? 'fetch' : $what ]}'")
		  or die 'there is no worker';
		my %listed = map { $_ => 1 } layers('main', $what);
		ask($upkeep, "SELECT count(*) FROM bb_upkeep('$what')");
		my $gone = grep { !$listed{$_} } layers('main', $what);
		cmp_ok($gone, '>', 2, "$what: layers have been replaced");
		close $lock;
		is(answer($session), $what eq 'backup' ? $right[0] : 't',
			"$what: it goes on with those that there are now");
		$store->poll_query_until('postgres',
			'SELECT count(*) = 0 FROM pg_stat_activity'
			  . " WHERE backend_type ~ '^bbackup (fetch|prefetch)'");
		unlike(slurp_file($store->logfile, $log),
			qr/is missing from page store/, "$what: and logs nothing");
	}
	end_session($session);
}

end_session($upkeep);
done_testing();

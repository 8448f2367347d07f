# Memory is constant: 3 GB to each destination.  (Streams that are only counted are
# in 040_stream.pl, compressed ones in 302_compression.pl.)

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use POSIX ();
use Time::HiRes 'usleep';

# Mostly holes, so much is written but little is stored.  After the store, blocks of
# zeros are like any others.
my $source = new_source('source');
my $location = PostgreSQL::Test::Utils::tempdir;
$source->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$location'");
$source->safe_psql('postgres', 'CREATE TABLE few (i int)');
$source->safe_psql('postgres', 'CREATE TABLE huge (i int) TABLESPACE elsewhere');
my ($few, $huge) = map {
	$source->data_dir . '/'
	  . $source->safe_psql('postgres', "SELECT pg_relation_filepath('$_')")
} qw(few huge);
$source->stop;
my $store = new_store('store', "max_worker_processes = 16\nmax_wal_size = 4GB\n");

truncate $few, 600 << 20 or die $!;
import_directory($store, $source->data_dir, 'small');
truncate $few, 0 or die $!;
foreach my $segment ("$huge", "$huge.1", "$huge.2")
{
	append_to_file($segment, '');
	truncate $segment, 1 << 30 or die $!;
}
import_directory($store, $source->data_dir, 'large');

my $base = PostgreSQL::Test::Utils::tempdir_short;
my $out = "$base/out";

# --- The server.

# The peak memory of a new backend above its initial memory, in kB, and the bytes
# that it wrote.
sub peak
{
	my ($query, $function) = @_;
	my $session = start_session($store);

	ask($session, 'SELECT count(*) FROM pg_class');
	my $before = backend_status($session->{backend}, 'VmHWM');
	my $shared = backend_status($session->{backend}, 'RssShmem');
	my $answer = ask($session, $query);
	my $grown = backend_status($session->{backend}, 'VmHWM') - $before;
	# touched shared buffers aren't memory of the backend
	$grown -= backend_status($session->{backend}, 'RssShmem') - $shared;
	my $bytes = ask($session,
		"SELECT bytes_out FROM bb_access_stats WHERE function = '$function' ORDER BY call_id DESC LIMIT 1"
	);
	diag($answer) if $answer =~ /ERROR/;
	end_session($session);
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', glob "$base/out*");
	return ($grown, $bytes);
}

my $large = "timeline => 'large'";
my %calls = (
	# function, statement, MB of memory, GB of output
	'an archive a tablespace' => [
		'bb_basebackup_archives',
		"SELECT count(a) FROM (SELECT bb_basebackup_archives($large, manifest_checksums => 'sha256', settings => 'source') AS a) s",
		16, 3
	],
	'with workers' => [
		'bb_basebackup_stream',
		"SELECT count(c) FROM (SELECT bb_basebackup_stream($large, jobs => 2) AS c) s",
		32, 3
	],
	'to a program' => [
		'bb_basebackup_to_program',
		"SELECT bb_basebackup_to_program(command => 'cat > /dev/null', $large)",
		16, 3
	],
	'to the client' =>
	  [ 'bb_copy', "CALL bb_copy($large) \\g /dev/null\n", 16, 3 ],
	'to COPY' => [
		'bb_basebackup_stream',
		"COPY (SELECT bb_basebackup_stream($large)) TO '/dev/null' (FORMAT binary)",
		16, 3
	],
	'to a file' => [
		'bb_basebackup_to_file',
		"SELECT bb_basebackup_to_file(path => '$out', $large)", 16, 3
	],
	'to files' => [
		'bb_basebackup_to_file',
		"SELECT bb_basebackup_to_file(path => '$out', $large, tablespaces => 'archives', jobs => 2)",
		32, 3
	],
	'to a directory' => [
		'bb_restore',
		"SELECT files FROM bb_restore(directory => '$out', $large)", 16, 3
	],
	# this is also written to WAL, and stays until a vacuum; less than 3 GB is
	# enough, since the limit is far below that
	'to a large object' => [
		'bb_basebackup_lo',
		"BEGIN; SELECT bb_basebackup_lo(timeline => 'small'); ROLLBACK",
		16, 0.5
	]);
foreach my $name (sort keys %calls)
{
	my ($function, $query, $limit, $gigabytes) = @{ $calls{$name} };
	my ($grown, $bytes) = peak($query, $function);

	cmp_ok($bytes, '>', $gigabytes * (1 << 30), "$gigabytes GB $name");
	note "$name: $bytes bytes took $grown kB at the peak";
	cmp_ok($grown, '<', $limit * 1024, "... in less than $limit MB");
}

# --- The client.

# The peak memory of a program, in kB, and its exit code.
sub client_peak
{
	my (@command) = @_;
	my $peak = 0;
	my $pid = fork // die $!;

	exec @command or POSIX::_exit(127) if $pid == 0;
	while (waitpid($pid, POSIX::WNOHANG()) == 0)
	{
		my $now = eval { backend_status($pid, 'VmHWM') };

		# the last one counts, since the first may be of our fork
		$peak = $now if defined $now;
		usleep 20_000;
	}
	return ($peak, $?);
}

connect_to($store);
my $framed =
  "psql -X -c \"COPY (SELECT bb_basebackup_stream($large)) TO STDOUT (FORMAT binary)\"";
foreach my $case (
	[ 'a file', 'bb_basebackup', '-f', '/dev/null', '--timeline=large' ],
	[ 'a directory', 'bb_basebackup', '-N', '-D', $out, '--timeline=large' ],
	[
		'decoded', 'bash', '-c',
		"exec bb_basebackup --decode -f /dev/null < <($framed)"
	])
{
	my ($name, @command) = @$case;
	my ($much, $result) = client_peak(@command);

	is($result, 0, "the client: 3 GB, $name");
	note "$name: the client took $much kB at its peak";
	cmp_ok($much, '<', 16 * 1024, '... in less than 16 MB');
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', glob "$base/out*");
}

done_testing();

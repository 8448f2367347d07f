# The disk of the spool is full: receiving waits, as it does when the spool is,
# which is reported once; and goes on by itself when there is room.

use BBackup::SmallDisk size => '100m';
use strict;
use warnings;
use BBackup;
use BBackup::Following;

my $disk = BBackup::SmallDisk::directory();

plan skip_all => 'there is no small disk' if !defined $disk;

my $source = new_followed_source('source', 'wal_keep_size = 0');
my $store = new_following_store('store', qq(
bbackup.spool_directory = '$disk/spool'
bbackup.spool_size = 64MB
));
my $rows = 0;
my %status;

$source->safe_psql('postgres', 'CREATE TABLE t (i int, x text)');
create_source($store, 'shop', $source, confirm => 'spool');
follow($store, 'shop');

sub add_rows
{
	my ($n) = @_;
	my $first = $rows + 1;

	$rows += $n;
	$source->safe_psql('postgres',
		"INSERT INTO t SELECT i, repeat('x', 1000)"
		  . " FROM generate_series($first, $rows) i");
	return;
}

# How often the log has an error of a write.
sub errors
{
	return scalar(() = slurp_file($store->logfile) =~
		  /could not (?:write to|open|create) file .*No space left/g);
}

sub show_status
{
	return diag(join "\n", map { "$_: $status{$_}" } sort keys %status);
}

# Fill the disk, and let the source write, until receiving waits.
sub wait_for_full_disk
{
	return wait_for(
		'a full disk',
		sub {
			BBackup::SmallDisk::fill();
			add_rows(100);
			%status = follow_status($store);
			return $status{state} eq 'waiting';
		});
}

add_rows(10);
ok(defined wait_now($store), 'following');
my ($receiver) = following_workers($store, 'receive$');

foreach my $round (1 .. 2)
{
	my $name = "round $round";
	my $errors = errors();

	# what is committed is removed, and so is room for a moment
	ok(wait_for_full_disk(), "$name: receiving waits") or show_status();
	like($status{last_error}, qr/could not .*No space left/,
		'... which the view explains');
	add_rows(40_000);
	# retries come once a second
	sleep 4;
	%status = follow_status($store);
	is($status{state}, 'waiting', '... and goes on waiting');
	is($status{restarts}, 0, '... without another connection');
	# the second time comes within a minute, perhaps, and then is no news
	cmp_ok(errors() - $errors, $round == 1 ? '==' : '<=', 1,
		'... reported once')
	  or show_status();

	BBackup::SmallDisk::empty();
	ok(defined wait_now($store), '... and goes on when there is room');
	is(join(' ', following_workers($store, 'receive$')),
		$receiver, '... in the same process');
}

# ---- both servers are killed meanwhile ----

wait_for_full_disk() or show_status();
$store->stop('immediate');
$store->start;
add_rows(20_000);
BBackup::SmallDisk::empty();
ok(defined wait_now($store), 'a crash on a full disk');
my $clone = clone_of($store, 'main');
is($clone->safe_psql('postgres', 'SELECT count(*), max(i) FROM t'),
	"$rows|$rows", 'no row is missing');
$clone->stop('immediate');
stop_following($source, $store);
$store->stop;
done_testing();

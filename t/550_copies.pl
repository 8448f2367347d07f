# Copies of timelines in other page stores: what is copied, when a copy can be
# used, who may change it, and moves.  t/551_copies_kill.pl kills them, and
# t/553_copies_s3.pl has object storage.

use strict;
use warnings;
use BBackup::SmallDisk size => '60m';
use BBackup;
use File::Basename;

srand draw_seed();

my ($base, $archive, $middle) = filled_archive('--data-checksums');
my $store = new_store('store',
	"bbackup.checkpoint_distance = 1MB\nbbackup.removal_delay = 0\n");
my $other = new_store('other', '');
my $place = PostgreSQL::Test::Utils::tempdir;

import_directory($store, $base);
$store->safe_psql('postgres',
	"CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/second')"
);
$store->safe_psql('postgres',
	"CREATE SERVER third FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/third')"
);
# another server reads the copy
$other->safe_psql('postgres',
	"CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/second')"
);

sub replicate
{
	my ($timeline, $from, $to) = @_;

	return $store->safe_psql('postgres',
		"SELECT timeline, layers_copied, layers_found, layers_retired"
		  . " FROM bb_replicate('$timeline', '$from', '$to')");
}

# same_backups - are backups at the end, and at random LSNs, the same bytes?
sub same_backups
{
	my ($timeline, $name) = @_;
	my ($from, $until) = split /\|/, $store->safe_psql('postgres',
		"SELECT start_lsn - '0/0', end_lsn - '0/0' FROM bb_timelines('second')"
		  . " WHERE timeline = '$timeline'");
	my @wrong;

	foreach my $lsn ($until, map { int($from + rand($until - $from)) } 1 .. 2)
	{
		my $arguments =
		  "lsn => '0/0'::pg_lsn + $lsn, timeline => '$timeline'";
		my $right = $store->safe_psql('postgres', backup_md5('bbackup', $arguments));
		my $copy = $other->safe_psql('postgres', backup_md5('second', $arguments));

		push @wrong, $lsn if $copy eq '' || $copy ne $right;
	}
	is("@wrong", '', $name);
	return;
}

# ---- a copy, and its updates while the source is written ----

my $images = $store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()');
is(replicate('main', 'bbackup', 'second'),
	"main|$images|0|0", 'the first call copies all layers');
is(replicate('main', 'bbackup', 'second'),
	'main|0|0|0', 'the next one has nothing to do');
same_backups('main', 'another server has the same backups from the copy');

my $session = start_session($store);
send_query($session, "SELECT end_lsn FROM bb_ingest('$archive')");
my ($rounds, $copied) = (0, 0);
until (IO::Select->new($session->{out})->can_read(0))
{
	my (undef, $layers) = split /\|/, replicate('main', 'bbackup', 'second');

	$copied += $layers;
	$rounds++;
	my $readable = $other->safe_psql('postgres',
		backup_md5('second', 'full_backup => false'));
	BAIL_OUT('the copy could not be read') if $readable eq '';
}
my $end = answer($session);
my (undef, $last) = split /\|/, replicate('main', 'bbackup', 'second');
note("$rounds calls copied $copied layers while the source was written, the last one $last");
query_is($other, "SELECT end_lsn FROM bb_timelines('second')",
	$end, 'the copy has all of it');
is( $other->safe_psql('postgres', "SELECT count(*) FROM bb_verify('second')"),
	0, 'and is whole');
is($copied + $last,
	$store->safe_psql('postgres', 'SELECT count(*) FROM bb_layers()') - $images,
	'each layer was copied once');
same_backups('main', 'backups are the same, also at LSNs between');

# ---- nobody else changes it ----

foreach my $case (
	[ 'ingest', "SELECT * FROM bb_ingest('$archive', 'second')" ],
	[ 'a new retention', "SELECT bb_set_retention('1 day', store => 'second')" ],
	[ 'a pin', "SELECT bb_pin('$end', 'mine', store => 'second')" ])
{
	my ($name, $query) = @$case;

	fails_like($store, $query, qr/timeline "main" is a copy, and cannot be changed/,
		"$name is refused");
}
fails_like(
	$store,
	"SELECT * FROM bb_replicate('main', 'bbackup', 'bbackup')",
	qr/same page store/,
	'a copy into the same store is refused');
fails_like(
	$store,
	"SELECT * FROM bb_replicate('main', 'second', 'bbackup')",
	qr/is itself a copy/,
	'and one back');
fails_like(
	$store,
	"SELECT * FROM bb_replicate('none', 'bbackup', 'second')",
	qr/"none" does not exist/,
	'and one of nothing');

$store->safe_psql('postgres',
	'CREATE ROLE bob; GRANT USAGE ON FOREIGN SERVER bbackup TO bob;'
	  . 'GRANT EXECUTE ON FUNCTION bb_replicate, bb_move, bb_detach_copy TO bob');
fails_like($store, "SET ROLE bob; $_",
	qr/permission denied for foreign server second/,
	'USAGE on both stores is needed')
  foreach "SELECT * FROM bb_replicate('main', 'bbackup', 'second')",
  "SELECT * FROM bb_replicate('main', 'second', 'bbackup')",
  "SELECT * FROM bb_move('main', 'bbackup', 'second')",
  "SELECT bb_detach_copy('main', 'second')";

# ---- branches ----

$store->safe_psql('postgres', "SELECT bb_create_branch('branch', 'main', '$middle')");
is(replicate('branch', 'bbackup', 'third') =~ s/\d+/N/gr,
	"main|N|N|N\nbranch|N|N|N", 'a branch takes its ancestor along');
$store->safe_psql('postgres',
	"SELECT bb_create_branch('own', 'main', '$middle', 'second');"
	  . "SELECT * FROM bb_ingest('$archive', 'second', 'own')");
is( $store->safe_psql('postgres', backup_md5('second', "timeline => 'own'")),
	$store->safe_psql('postgres', backup_md5('bbackup')),
	'a branch of a copy can be made, and written to');

# ---- a broken source; a full disk ----

my ($layer) = grep { /delta/ } stored_layers($store, 'main');
my $file = store_directory($store) . "/timelines/main/layers/$layer";
$store->safe_psql('postgres',
	"CREATE SERVER fourth FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$place/fourth')"
);
my $byte = unpack 'C', substr slurp_file($file), 100, 1;
patch_file($file, 100, chr($byte ^ 1));
fails_like(
	$store,
	"SELECT * FROM bb_replicate('main', 'bbackup', 'fourth')",
	qr/layer ".*\Q$layer\E" of page store .* is corrupted, and is not copied/,
	'a broken layer is refused by name');
query_is($store, "SELECT count(*) FROM bb_timelines('fourth')", 0,
	'and nothing names it');
patch_file($file, 100, chr $byte);
my ($found) =
  (replicate('main', 'bbackup', 'fourth') =~ /^main\|\d+\|(\d+)\|0$/);
cmp_ok($found, '>', 0, 'the next call goes on after the layers that were copied');
is($store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('fourth')"),
	0, 'and the copy is whole');

SKIP:
{
	my $disk = BBackup::SmallDisk::directory();

	skip 'there is no small disk', 3 unless defined $disk;
	mkdir "$disk/copy";
	$store->safe_psql('postgres',
		"CREATE SERVER small FOREIGN DATA WRAPPER bbackup OPTIONS (url 'file://$disk/copy')"
	);
	BBackup::SmallDisk::fill();
	fails_like(
		$store,
		"SELECT * FROM bb_replicate('main', 'bbackup', 'small')",
		qr/No space left on device/,
		'a full disk is an error');
	BBackup::SmallDisk::empty();
	like(replicate('main', 'bbackup', 'small'), qr/^main\|/, 'later there is room');
	is($store->safe_psql('postgres', "SELECT count(*) FROM bb_verify('small')"),
		0, 'and the copy is whole');
}

# ---- an independent copy ----

$store->safe_psql('postgres', "SELECT bb_detach_copy('main', 'second')");
fails_like(
	$store,
	"SELECT * FROM bb_replicate('main', 'bbackup', 'second')",
	qr/is not a copy of the one/,
	'a detached copy is not overwritten');
fails_like($store, "SELECT bb_detach_copy('main', 'second')",
	qr/timeline "main" is not a copy/, 'nor detached again');
$other->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', 'second')");
pass('it can be written to');

# ---- moves ----

fails_like(
	$store,
	"SELECT * FROM bb_move('main', 'bbackup', 'fourth')",
	qr/because timeline "branch" is a branch of it/,
	'a timeline with branches is not moved');
my $right = $store->safe_psql('postgres', backup_md5('bbackup'));
$store->safe_psql('postgres', "SELECT bb_drop_timeline('branch')");
$store->safe_psql('postgres', "SELECT * FROM bb_move('main', 'bbackup', 'fourth')");
query_is($store, 'SELECT count(*) FROM bb_timelines()', 0,
	'a timeline that was moved has gone');
is( scalar(() = stored_layers($store, 'main')),
	0, 'with its layers');
is($store->safe_psql('postgres', backup_md5('fourth')),
	$right, 'and is in the other store');
$store->safe_psql('postgres', "SELECT * FROM bb_ingest('$archive', 'fourth')");
fails_like(
	$store,
	"SELECT * FROM bb_move('main', 'bbackup', 'fourth')",
	qr/"main" does not exist/,
	'it is moved once');

end_session($session);
done_testing();

# Layers in object storage that are broken or lost: bb_verify() finds them, and
# bb_mend() replaces them by those of a copy in a directory.  Both look at the
# objects, whatever a cache has: a good copy of a broken object, or a broken copy
# of a good one.
#
# CI damages few objects; BB_FLIPS is the number by hand.

use strict;
use warnings;
use BBackup;
use BBackup::Files qw(write_file);
use BBackup::S3;

my $flips = $ENV{BB_FLIPS} // 3;

srand draw_seed();

my $s3 = BBackup::S3->start_or_skip();
my ($base, $archive) = base_with_archive();
my $store = new_store('store', "bbackup.upkeep_cpu_share = 100\n"
	  . "bbackup.layer_size = 2\n");
my $place = PostgreSQL::Test::Utils::tempdir;
my $url = 's3://bucket/stores/cloud';

$store->safe_psql('postgres',
	    $s3->sql('cloud', $url)
	  . $s3->sql('cached', $url,
		"cache_directory '$place/cache', cache_size '1GB'")
	  . 'CREATE SERVER second FOREIGN DATA WRAPPER bbackup OPTIONS (url'
	  . " 'file://$place/second')");
my $session = start_session($store);
ask($session, "SELECT * FROM bb_import_directory('$base', 'cloud')");
ask($session, "SELECT * FROM bb_ingest('$archive', 'cloud')");
ask($session, "SELECT * FROM bb_replicate('main', 'cloud', 'second')");

my $layers = 'stores/cloud/timelines/main/layers';
my %right = map { m{([^/]+)$} ? ($1 => $s3->request('GET', "/bucket/$_")) : () }
  $s3->list('bucket', $layers);
my @names = sort keys %right;
cmp_ok(scalar @names, '>=', 4, 'there are layers');

sub put
{
	my ($name, $bytes) = @_;

	write_file("$place/object", $bytes);
	$s3->request('PUT', "/bucket/$layers/$name", '--data-binary', "\@$place/object");
	return;
}

sub flip
{
	my ($bytes) = @_;

	substr($bytes, int rand length $bytes, 1) ^= chr(1 << int rand 8);
	return $bytes;
}

# The file of a layer in the cache.
sub cached
{
	my ($name) = @_;
	my ($file) = grep { /\Q$name\E/ } glob "$place/cache/*/*";

	return $file;
}

my $backup = backup_md5('cached');
my $mend = "SELECT layer, kind, mended FROM bb_mend('main', 'second', 'cloud')";
my $digest = ask($session, $backup);
like($digest, qr/^[0-9a-f]{32}$/, 'a backup, by the cache');
my @needed = grep { cached($_) } @names;
cmp_ok(scalar @needed, '>=', 2, 'layers are in the cache');
is(ask($session, "SELECT * FROM bb_verify('$_')"),
	'', "nothing is found in a whole store: $_")
  foreach 'cloud', 'cached';

# --- broken and lost objects

my @wrong;

sub expect
{
	my ($what, $query, $expected) = @_;
	my $answer = ask($session, $query);

	push @wrong, "$what: $answer instead of $expected"
	  unless ref $expected ? $answer =~ $expected : $answer eq $expected;
	return;
}

foreach my $try (1 .. $flips)
{
	my ($name, $other) = (@needed[ rand @needed ], @names[ rand @names ]);

	put($name, flip($right{$name}));
	$s3->request('DELETE', "/bucket/$layers/$other") if $other ne $name;
	foreach my $server ('cloud', 'cached')
	{
		expect("found in $server: $name, $other",
			"SELECT string_agg(DISTINCT layer, ' ' ORDER BY layer)"
			  . " FROM bb_verify('$server')",
			join ' ', $name eq $other ? $name : sort $name, $other);
	}
	expect("$name, broken behind its cached copy", $backup, $digest);

	# without one, and mended from where the cache is in use or not
	unlink cached($name);
	expect("$name, broken", $backup, qr/ERROR:  (?:XX001|58P01): .*\Q$name\E/s);
	expect("$name, mended",
		$try % 2 ? $mend : $mend =~ s/'cloud'/'cached'/r,
		qr/^\Q$name\E\|\w+\|t$/m);
	foreach my $layer ($name, $other)
	{
		push @wrong, "$layer isn't what it was"
		  if $s3->request('GET', "/bucket/$layers/$layer") ne $right{$layer};
	}
	expect("$name, after that", $backup, $digest);
}
is("@wrong", '', "broken and lost objects are found and mended, $flips times");

# --- copies in the cache that are broken

@wrong = ();
foreach my $try (1 .. $flips)
{
	my $name = @needed[ rand @needed ];
	my $file = cached($name);
	my $bytes = slurp_file($file);

	write_file($file, flip($bytes));
	expect("$name, found in the cache", "SELECT layer FROM bb_verify('cached')", '');
	expect("$name, mended in the cache", $mend =~ s/'cloud'/'cached'/r, '');
	my $answer = ask($session, $backup);
	push @wrong, "$name: $answer"
	  unless $answer eq $digest
	  || $answer =~ /ERROR:  XX001: .*\Q$name\E.*HINT: .*bb_evict/s;
	expect("$name, evicted", "SELECT bb_evict('$name', 'cached')", 't');
	expect("$name, fetched again", $backup, $digest);
}
is("@wrong", '', "a broken copy in a cache is no fault of the store, $flips times");

is(ask($session, "SELECT * FROM bb_verify('$_')"), '', "in the end, $_ is whole")
  foreach 'cloud', 'cached';
end_session($session);

done_testing();

# Every destination, with each kind of compression, manifest, tablespaces, settings
# and workers: all give the same tree, which pg_verifybackup accepts, and refuses
# after one byte was changed.
#
# By default each pair of values occurs at least once.
#
#	BBACKUP_WAYS=all		all combinations, some minutes

use strict;
use warnings;
use BBackup;
use BBackup::Client;
use BBackup::Tree;
use List::Util 'any';

srand draw_seed();

# --- A cluster as small as possible, with tablespaces, and some WAL for redo.

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(
	allows_streaming => 1,
	extra => [ '--wal-segsize=1', '--data-checksums' ]);
$source->append_conf('postgresql.conf',
	"autovacuum = off\nmin_wal_size = 2MB\nmax_wal_size = 8MB\nwal_keep_size = 64MB\n");
$source->start;
my @locations = map { PostgreSQL::Test::Utils::tempdir } 1 .. 2;
$source->safe_psql('postgres',
	"CREATE TABLESPACE $_->[0] LOCATION '$_->[1]'")
  foreach ([ 'used', $locations[0] ], [ 'empty', $locations[1] ]);
$source->safe_psql('postgres', $_) foreach (
	q(UPDATE pg_database SET datistemplate = false),
	'DROP DATABASE template0',
	'DROP DATABASE template1',
	q(CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 2000) i;
CREATE TABLE there TABLESPACE used AS SELECT i FROM generate_series(1, 5000) i;
CREATE UNLOGGED TABLE quiet (i int PRIMARY KEY) TABLESPACE used;
CREATE TABLE dropped TABLESPACE used AS SELECT 1 AS i));
my @oids = split /\n/, $source->safe_psql('postgres',
	'SELECT oid FROM pg_tablespace WHERE oid >= 16384 ORDER BY oid');
$source->stop;
mkdir $source->data_dir . '/empty' or die $!;
mkdir $source->data_dir . '/empty/below' or die $!;

my $store = new_store('store');
my $first = import_directory($store, $source->data_dir)->{lsn};
$source->start;
$source->safe_psql('postgres', q(
UPDATE t SET i = i + 1 WHERE i % 3 = 0;
DELETE FROM there WHERE i % 5 = 0;
CREATE TABLE later TABLESPACE used AS SELECT 1 AS i;
DROP TABLE dropped));
my $contents = 'SELECT md5(t::text), md5(u::text) FROM'
  . ' (SELECT array_agg(t ORDER BY i) AS t FROM t) x,'
  . ' (SELECT array_agg(i ORDER BY i) AS u FROM there) y';
my $right = $source->safe_psql('postgres', $contents);
$source->stop;
ingest($store, $source->data_dir . '/pg_wal');
connect_to($store);

# --- The values to choose from.

my %built = map { $_ => 1 } 'none', 'gzip', split /[{},]/,
  $store->safe_psql('postgres',
	"SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'");
my @compressions = grep { $built{ s/:.*//r } && there($_) }
  ('none', 'gzip:level=1', 'lz4', 'zstd:level=1,workers=2');

# Is there a program to decompress it?
sub there
{
	my $tool = $_[0] =~ s/:.*//r;

	return $tool eq 'none' || any { -x "$_/$tool" } split /:/, $ENV{PATH};
}

# For each name, the arguments of functions and the options of the client.
my %manifests = (
	'yes' => [ '', [] ],
	'no' => [ "manifest => 'no'", ['--no-manifest'] ],
	'force-encode' =>
	  [ "manifest => 'force-encode'", ['--manifest-force-encode'] ],
	'sha256' => [
		"manifest_checksums => 'sha256'", ['--manifest-checksums=sha256'] ]);

# A destination turns a combination into a tar or a tree at $to; see below.  With
# archives, tablespaces can't be in place; a directory can't be compressed.
my @tar = ('tar', 'in place');
my @archives = ('tar', 'apart');
my @directory = ('directory', 'in place', 'apart');
my %ways = (
	bb_basebackup => [ \&by_bytea, @tar ],
	bb_basebackup_stream => [ \&by_stream, @tar ],
	bb_basebackup_archives => [ \&by_archives, @archives ],
	bb_basebackup_lo => [ \&by_lo, @tar ],
	bb_basebackup_to_program => [ \&by_program, @tar ],
	bb_copy => [ \&by_copy, @tar ],
	bb_basebackup_to_file => [ \&by_file, @tar, 'apart' ],
	bb_restore => [ \&by_restore, @directory ],
	'bb_restore delta' => [ \&by_delta, @directory ],
	'bb_basebackup -Fp' => [ \&by_client_plain, @directory ],
	'bb_basebackup -Ft' => [ \&by_client_tar, @archives ],
	'bb_basebackup -f -' => [ \&by_client_stdout, @tar ],
	'--decode -f' => [ \&by_decode_file, @tar ],
	'--decode -Ft' => [ \&by_decode_archives, @archives ],
	'--decode -Fp' => [ \&by_decode_plain, @directory ]);

# --- Destinations.

my $session = start_session($store);

# The result of a query, which has to succeed.
sub get
{
	my ($query) = @_;
	my $answer = ask($session, $query);

	die "$query: $answer" if $answer =~ /^ERROR/m;
	return $answer;
}

sub shell
{
	my ($command) = @_;

	PostgreSQL::Test::Utils::system_or_bail('bash', '-c',
		"set -o pipefail; $command");
	return;
}

# SQL arguments, after the given ones.
sub arguments
{
	my ($combination, @more) = @_;

	push @more, "compression => '$combination->{compression}'"
	  if $combination->{compression} ne 'none';
	push @more, $manifests{ $combination->{manifest} }->[0];
	push @more, "settings => '$combination->{settings}'";
	push @more, "jobs => $combination->{jobs}" if $combination->{jobs} > 1;
	return join ', ', grep { $_ ne '' } @more;
}

# Options of the client.
sub options
{
	my ($combination) = @_;
	my @options = @{ $manifests{ $combination->{manifest} }->[1] };

	push @options, "--compress=$combination->{compression}"
	  if $combination->{compression} ne 'none';
	push @options, "--settings=$combination->{settings}";
	push @options, "--jobs=$combination->{jobs}" if $combination->{jobs} > 1;
	return @options;
}

# The directory of a mapped tablespace.
sub place
{
	my ($to, $oid) = @_;

	return "$to.tablespaces/$oid";
}

sub mapping
{
	my ($combination, $to) = @_;

	return () if $combination->{tablespaces} eq 'in place';
	mkdir "$to.tablespaces" or die $!;
	return map { "$_=" . place($to, $_) } @oids;
}

sub append_bytes
{
	my ($name, $bytes) = @_;

	open my $file, '>>:raw', $name or die "$name: $!";
	print $file $bytes;
	close $file or die "$name: $!";
	return;
}

sub by_bytea
{
	my ($combination, $to) = @_;

	append_bytes($to, pack 'H*',
		get("SELECT encode(bb_basebackup(@{[ arguments($combination) ]}), 'hex')"));
	return;
}

sub by_stream
{
	my ($combination, $to) = @_;

	fetch_backup($store, arguments($combination), $to);
	return;
}

sub by_archives
{
	my ($combination, $to) = @_;

	mkdir $to or die $!;
	foreach (
		split /\n/,
		get("SELECT (a).archive, encode((a).data, 'hex') FROM"
			  . " (SELECT bb_basebackup_archives(@{[ arguments($combination) ]}) AS a) s"
		))
	{
		my ($name, $data) = split /\|/;

		append_bytes("$to/$name", pack 'H*', $data);
	}
	return;
}

sub by_lo
{
	my ($combination, $to) = @_;
	my $oid = get("SELECT bb_basebackup_lo(@{[ arguments($combination) ]})");

	get("SELECT lo_export($oid, '$to'), lo_unlink($oid)");
	return;
}

sub by_program
{
	my ($combination, $to) = @_;

	get('SELECT bb_basebackup_to_program('
		  . arguments($combination, "command => 'cat > $to'")
		  . ')');
	return;
}

sub by_copy
{
	my ($combination, $to) = @_;

	shell("psql -qX -c \"CALL bb_copy(@{[ arguments($combination) ]})\" > $to");
	return;
}

sub by_file
{
	my ($combination, $to) = @_;
	my @more = ("path => '$to'");

	push @more, "tablespaces => 'archives'"
	  if $combination->{tablespaces} eq 'apart';
	get('SELECT bb_basebackup_to_file('
		  . arguments($combination, @more)
		  . ')');
	return;
}

sub restore_call
{
	my ($lsn, $combination, $to, $mapping, @more) = @_;

	unshift @more, "lsn => $lsn", "directory => '$to'";
	push @more, "tablespace_mapping => '{$mapping}'" if $mapping ne '';
	return
	  'SELECT FROM bb_restore(' . arguments($combination, @more) . ')';
}

sub by_restore
{
	my ($combination, $to) = @_;
	my $mapping = join ',', mapping($combination, $to);

	get(restore_call('NULL', $combination, $to, $mapping));
	return;
}

# The existing directory has another LSN.
sub by_delta
{
	my ($combination, $to) = @_;
	my $mapping = join ',', mapping($combination, $to);

	get(restore_call("'$first'", $combination, $to, $mapping));
	get(restore_call('NULL', $combination, $to, $mapping, 'delta => true'));
	return;
}

sub run_program
{
	my ($status, $stdout, $stderr) = run_client(@_);

	die "bb_basebackup @_: $stderr" if $status ne '0' || $stderr ne '';
	return;
}

sub by_client_plain
{
	my ($combination, $to) = @_;

	run_program('-D', $to, options($combination),
		map { "-T$_" } mapping($combination, $to));
	return;
}

sub by_client_tar
{
	my ($combination, $to) = @_;

	run_program('-Ft', '-D', $to, options($combination));
	return;
}

sub by_client_stdout
{
	my ($combination, $to) = @_;

	shell("bb_basebackup -f - @{[ options($combination) ]} > $to");
	return;
}

sub decode
{
	my ($combination, $select, @options) = @_;

	shell('psql -qX -c "COPY ('
		  . sprintf($select, arguments($combination))
		  . ') TO STDOUT (FORMAT binary)" |'
		  . " bb_basebackup --decode @options");
	return;
}

sub by_decode_file
{
	my ($combination, $to) = @_;

	decode($combination, 'SELECT bb_basebackup_stream(%s)', '-f', $to);
	return;
}

sub by_decode_archives
{
	my ($combination, $to) = @_;

	decode($combination,
		'SELECT (a).* FROM (SELECT bb_basebackup_archives(%s) AS a) s',
		'-Ft', '-D', $to);
	return;
}

sub by_decode_plain
{
	my ($combination, $to) = @_;

	decode($combination, 'SELECT bb_basebackup_stream(%s)',
		'-D', $to, map { "-T$_" } mapping($combination, $to));
	return;
}

# --- From the result to a tree.

sub extract
{
	my ($tar, $compression, $to) = @_;
	my $tool = $compression =~ s/:.*//r;

	mkdir $to, 0700 or die "$to: $!";
	shell($tool eq 'none' ? "tar -xpf $tar -C $to"
		: "$tool -dc < $tar | tar -xp -C $to");
	return;
}

# A directory of archives, a directory with one tar, or a tar.
sub extract_all
{
	my ($combination, $from, $to) = @_;
	my $compression = $combination->{compression};
	my ($base) = -d $from ? glob "$from/base.tar*" : $from;

	extract($base, $compression, $to);
	return if $combination->{tablespaces} eq 'in place';
	mkdir "$to.tablespaces" or die $!;
	foreach my $oid (@oids)
	{
		my $name = $base =~ s{/base(\.tar[^/]*)\z}{/$oid$1}r;

		extract($name, $compression, place($to, $oid));
		symlink place($to, $oid), "$to/pg_tblspc/$oid" or die $!;
	}
	my $manifest = "$from/backup_manifest";
	PostgreSQL::Test::Utils::system_or_bail('cp', '-p', $manifest, $to)
	  if -e $manifest;
	return;
}

# A tree as it would be with tablespaces in place, without files that differ by
# design.
sub comparable
{
	my ($combination, $directory) = @_;
	my $tree = tree($directory);

	delete $tree->{backup_manifest};
	delete $tree->{tablespace_map};
	return $tree if $combination->{tablespaces} eq 'in place';
	foreach my $oid (@oids)
	{
		my $place = place($directory, $oid);
		my $below = tree($place);
		my $link = "pg_tblspc/$oid";

		die "$link: $tree->{$link}" if $tree->{$link} !~ / \Q$place\E\z/;
		$tree->{$link} = sprintf '%o ', (lstat $place)[2];
		$tree->{"$link/$_"} = $below->{$_} foreach keys %$below;
	}
	return $tree;
}

# --- Combinations.

my @factors = qw(way compression manifest tablespaces settings jobs);
my @all;
foreach my $way (sort keys %ways)
{
	my (undef, $form, @tablespaces) = @{ $ways{$way} };

	foreach my $compression ($form eq 'tar' ? @compressions : 'none')
	{
		foreach my $manifest (sort keys %manifests)
		{
			foreach my $tablespaces (@tablespaces)
			{
				foreach my $settings ('clone', 'source')
				{
					foreach my $jobs (1, 2)
					{
						my %combination;

						@combination{@factors} = (
							$way, $compression, $manifest, $tablespaces,
							$settings, $jobs);
						push @all, \%combination;
					}
				}
			}
		}
	}
}

# The pairs of values of a combination.
sub pairs
{
	my ($combination) = @_;
	my @pairs;

	foreach my $i (0 .. $#factors)
	{
		push @pairs, map {
			"$factors[$i] $combination->{ $factors[$i] }, $_ $combination->{$_}"
		} @factors[ $i + 1 .. $#factors ];
	}
	return @pairs;
}

# A few combinations with all pairs: always the one with the most new ones.
sub all_pairs
{
	my %wanted = map { $_ => 1 } map { pairs($_) } @_;
	my @chosen;

	while (%wanted)
	{
		my ($best, $most) = (undef, 0);

		foreach my $combination (@_)
		{
			my $new = grep { $wanted{$_} } pairs($combination);

			($best, $most) = ($combination, $new) if $new > $most;
		}
		delete @wanted{ pairs($best) };
		push @chosen, $best;
	}
	return @chosen;
}

my @combinations =
  ($ENV{BBACKUP_WAYS} // '') eq 'all' ? @all : all_pairs(@all);
note scalar @combinations, ' of ', scalar @all, ' combinations';

# --- All of them.

my $base = PostgreSQL::Test::Utils::tempdir_short;
my $expected;
my %settings; # postgresql.auto.conf, by the option
my %started; # by where it has its tablespaces

sub verify
{
	my ($directory) = @_;
	my ($stdout, $stderr);

	# pg_waldump checks WAL only where that is complete
	return IPC::Run::run([ 'pg_verifybackup', $directory ],
		'>', \$stdout, '2>', \$stderr)
	  ? 'accepted' : $stderr;
}

# The answer of a server in the tree.
sub started
{
	my ($directory) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($out, $err);

	system_or_bail('pg_ctl', '-s', '-w', '-D', $directory, '-l', "$base/log",
		'-o', "-k $base -p $port -c listen_addresses=", 'start');
	IPC::Run::run([ 'psql', '-XAt', '-d',
			"host='$base' port=$port dbname=postgres", '-c', $contents ],
		'>', \$out, '2>', \$err)
	  or diag($err);
	system_or_bail('pg_ctl', '-s', '-w', '-m', 'fast', '-D', $directory, 'stop');
	return $out =~ s/\n\z//r;
}

# The name of a file that a manifest covers: it has bytes, isn't WAL, and
# pg_verifybackup doesn't ignore it.
sub any_file
{
	my ($combination, $directory) = @_;
	my @files = grep {
		!m{^(pg_wal/|backup_manifest$|postgresql\.auto\.conf$)}
		  && -f "$directory/$_" && -s _
	} files_below($directory);

	return $files[ rand @files ];
}

foreach my $combination (@combinations)
{
	my $name = join ' ', map { "$_=$combination->{$_}" } @factors;
	my $to = "$base/out";
	my $tree = "$base/tree";
	my ($make, $form) = @{ $ways{ $combination->{way} } };

	$make->($combination, $form eq 'tar' ? $to : $tree);
	extract_all($combination, $to, $tree) if $form eq 'tar';

	my $got = comparable($combination, $tree);
	$settings{ $combination->{settings} } //= $got->{'postgresql.auto.conf'};
	is(delete $got->{'postgresql.auto.conf'},
		$settings{ $combination->{settings} }, "$name: the settings");
	$expected //= $got;
	is_deeply($got, $expected, "$name: the same tree");
	if ($combination->{manifest} eq 'no')
	{
		ok(!-e "$tree/backup_manifest", '... without a manifest');
	}
	else
	{
		my $manifest = slurp_file("$tree/backup_manifest");

		is(verify($tree), 'accepted', '... that pg_verifybackup accepts');
		cmp_ok(!!($manifest =~ /"Encoded-Path"/), '==',
			$combination->{manifest} eq 'force-encode',
			'... with paths as wanted');
		cmp_ok(!!($manifest =~ /"SHA256"/), '==',
			$combination->{manifest} eq 'sha256',
			'... with checksums as wanted');

		my $file = any_file($combination, $tree);
		my $at = int rand(-s "$tree/$file");
		my $byte = ord substr slurp_file("$tree/$file"), $at, 1;

		patch_file("$tree/$file", $at, chr($byte ^ 1 << rand 8));
		like(verify($tree), qr/checksum mismatch for file "\Q$file\E"/,
			"... except byte $at of $file");
		patch_file("$tree/$file", $at, chr $byte);
	}

	is(started($tree), $right, "... and a clone has what it should")
	  if !$started{ $combination->{tablespaces} }++;
	PostgreSQL::Test::Utils::system_or_bail('rm', '-rf',
		glob "$base/{out,tree}*");
}
is(join(' ', sort keys %started), 'apart in place',
	'clones of both kinds were started');
isnt($settings{clone}, $settings{source}, 'settings make a difference');
ok($expected->{'empty/below'}, 'the tree has empty directories');
cmp_ok(scalar(grep { m{^pg_tblspc/\d+/.*/\d+$} } keys %$expected),
	'>', 1, 'the tree has relations in tablespaces');
end_session($session);

done_testing();

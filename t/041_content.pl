# The content of a backup: the same bytes each time; thin backups; prev_lsn,
# new_tli.

use strict;
use warnings;
use BBackup;

my $source = new_source('source', '--data-checksums');
fill_source($source);
my $init = $source->safe_psql('postgres', q(
SELECT pg_relation_filepath(oid) || '_init' FROM pg_class
WHERE relpersistence = 'u' AND relkind IN ('r', 't', 'i', 'S')));
$source->stop;
my $control = `pg_controldata -D '@{[ $source->data_dir ]}'`;
my ($prev_lsn) = $control =~ /^Latest checkpoint location:\s+(\S+)$/m;

my $store = new_store('store');
my $lsn = import_directory($store, $source->data_dir)->{lsn};

sub md5
{
	my ($file) = @_;

	return `md5sum < '$file'` =~ s/ .*//sr;
}

# The bytes of a file in a tar.
sub member
{
	my ($tar, $name) = @_;

	return scalar `tar -xOf '$tar' '$name'`;
}

# --- The same bytes, from this server, from another one, and again.

my $tar = fetch_backup($store);
is(md5(fetch_backup($store)), md5($tar), 'two backups are equal');
is(md5(fetch_backup($store, "'$lsn'")),
	md5($tar), 'one at the LSN of the end, too');
$store->restart;
is(md5(fetch_backup($store)), md5($tar), 'and after a restart');
import_directory($store, $source->data_dir, 'again',
	'SET bbackup.layer_size = 2; SET bbackup.compression = none;');
is(md5(fetch_backup($store, "timeline => 'again'")),
	md5($tar), 'and another import of the same cluster');
$store->safe_psql('postgres', "SELECT bb_create_branch('branch')");
my $of_branch = fetch_backup($store, "timeline => 'branch'");
is_deeply([ tar_members($of_branch) ],
	[ tar_members($tar) ], 'a branch has the same files');

# --- The order of the members, and bb_files().

my @members = tar_members($tar);
is("@members[-2, -1]", 'global/pg_control backup_manifest',
	'pg_control and the manifest are the last members');
my %seen;
is(join(' ', grep { $seen{$_}++ } @members), '', 'no member comes twice');
my @files = split /\n/,
  $store->safe_psql('postgres', 'SELECT path FROM bb_files()');
is_deeply(\@files, \@members, 'bb_files() lists the members, in order');
is($store->safe_psql('postgres', 'SELECT sum(512 + (size + 511) / 512 * 512)'
		  . ' + 1024 FROM bb_files()'),
	-s $tar, 'with their sizes');
my $listing = `LC_ALL=C TZ=UTC tar -tvf '$tar'`;
my %owners = map { (split)[1] => 1 } split /\n/, $listing;
my %times = map { (split)[3, 4] } split /\n/, $listing;
is(scalar keys %owners, 1, 'all have one owner');
is(scalar keys %times, 1, 'and one time');
foreach my $path ('PG_VERSION', 'postgresql.conf', 'global/pg_control',
	'pg_xact/0000', 'global/pg_filenode.map', 'global/1260')
{
	query_is($store, "SELECT md5(bb_read_file('$path'))",
		`tar -xOf '$tar' '$path' | md5sum` =~ s/ .*//sr,
		"bb_read_file('$path') has the same bytes");
}

# --- Thin backups.

my $thin = fetch_backup($store, 'full_backup => false');
my @thin = tar_members($thin);
my %thin = map { $_ => 1 } @thin;
is("@thin[-2, -1]", 'global/pg_control backup_manifest', 'of a thin one, too');
is(join(' ', grep { !$thin{$_} } split /\n/, $init),
	'', 'a thin backup has init forks');
my %init = map { $_ => 1, s/_init$//r => 1 } split /\n/, $init;
is(join(' ',
		grep { m{/\d+(?:_\w+)?(?:\.\d+)?$} && !m{^pg_} && !$init{$_}
			  && !m{^base/\d+$} } @thin), '', 'and no other relation');
is(join(' ',
		grep { !$thin{$_} && m{^pg_(?!tblspc/.*/\d+(_|$))} } @members), '',
	'all else is there');
cmp_ok(-s $thin, '<', 20 << 20, 'it is small');
ok(!grep({ /signal$/ } @members), 'a full backup has no signal files');
# of 19 on, the server's LSNs have zeros that those of our files don't have
my $prev_line = 'PREV LSN: ' . $prev_lsn =~ s{/0+(?=.)}{/}r;
is(member($thin, $_), $prev_line, "$_ says where the WAL ends")
  foreach qw(neon.signal zenith.signal);

# --- prev_lsn: known at the end, `none' at a branch point.

is(member(fetch_backup($store, "full_backup => false, prev_lsn => '$prev_lsn'"
		),
		'neon.signal'), $prev_line,
	'a prev_lsn that matches is taken');
fails_like($store,
	"SELECT bb_basebackup(full_backup => false, prev_lsn => '0/1000028')",
	qr/22023: prev_lsn does not match .*\nDETAIL:.*\Q$prev_lsn\E/,
	'one that does not is refused');
my $of_thin_branch =
  fetch_backup($store, "full_backup => false, timeline => 'branch'");
is(member($of_thin_branch, $_),
	'PREV LSN: none', "at a branch point, $_ says there is none")
  foreach qw(neon.signal zenith.signal);
fails_like($store,
	"SELECT bb_basebackup(full_backup => false, timeline => 'branch',"
	  . " prev_lsn => 'F/0')",
	qr/22023: prev_lsn .* is not below/, 'nor may it be above');

# --- LSNs outside the timeline.

fails_like(
	$store,
	"SELECT bb_basebackup('$_')",
	qr/ERROR:  (?:22023|55000): .*\n.*\Q$lsn\E/,
	"there is no LSN $_") foreach ('0/1000000', 'FF/0');
fails_like($store, "SELECT bb_basebackup(timeline => 'nowhere')",
	qr/42704: .*"nowhere"/, 'nor a timeline "nowhere"');

# --- new_tli.

my $later = fetch_backup($store, 'new_tli => 7');
ok((grep { $_ eq 'pg_wal/00000007.history' } tar_members($later)),
	'new_tli => 7 makes that history');
fails_like($store, 'SELECT bb_basebackup(new_tli => 1)',
	qr/22023: .*timeline ID that the source has.*HINT:  Omit new_tli/s,
	'not the source\'s own tli');
fails_like($store, 'SELECT bb_basebackup(new_tli => 0)',
	qr/22023: /, 'there is no tli 0');
fails_like($store, 'SELECT bb_basebackup(new_tli => -1)',
	qr/22023: /, 'nor a negative one');

foreach my $case ([ 'later', $later, 7 ])
{
	my ($name, $file, $tli) = @$case;
	my $clone = new_clone("clone_$name", $file);

	$clone->start;
	query_is($clone, 'SELECT timeline_id FROM pg_control_checkpoint()', $tli,
		"a clone on tli $tli starts");
	$clone->stop;
}

# --- pg_waldump reads the generated record.

my $directory = PostgreSQL::Test::Utils::tempdir;
system_or_bail('tar', '-xf', $tar, '-C', $directory, 'pg_wal',
	'global/pg_control');
my ($segment) = map { s{.*/}{}r } glob "$directory/pg_wal/0000000200*";
my $waldump = `pg_waldump -p '$directory/pg_wal' '$segment' 2>/dev/null`;
my $prev = sprintf '%s/%08s', split m{/}, $prev_lsn;
like($waldump, qr{^rmgr: XLOG .* prev \Q$prev\E, desc: CHECKPOINT_SHUTDOWN},
	'the WAL has one record, a shutdown checkpoint that links back');
is(scalar(() = $waldump =~ /^rmgr/mg), 1, 'and no other');

done_testing();

# BBackup::Compare - compare two data directories of stopped clusters.
#
#	my @differences = compare_directories($expected, $found);
#
# All files are compared byte by byte, and a difference in a page names the block.
# A rule below has the reason for each exception.  The expected directory is of a
# server that was recovered, promoted and shut down (BBackup::Oracle); the other
# one is a base backup at the same LSN that wasn't started yet.

package BBackup::Compare;

use strict;
use warnings;

use BBackup::Files qw(files_below slurp);
use BBackup::WAL qw(lsn_text);
use Carp;
use Exporter 'import';

our @EXPORT = qw(compare_directories control_fields);

use constant PAGE_SIZE => 8192;

# As in commit_ts.c and slru.c: bytes of a time, times of a page, pages of a
# segment.
use constant {
	TIME_SIZE => 10,
	TIMES_PER_PAGE => 819,
	SLRU_PAGES_PER_SEGMENT => 32
};

# How many differences of a file are reported.
use constant REPORTED => 5;

# The first rule that matches a file says how to compare it.  "skip" is an
# exception and has its reason.
my @rules = (
	[
		qr{^pg_wal/}, 'skip',
		'the backup has a generated segment that ends at the LSN;'
		  . ' a promoted server has written more'
	],
	[
		qr{^(?:pg_stat|pg_stat_tmp)/}, 'skip',
		'statistics are not in WAL, and not part of a backup'
	],
	[
		qr{^pg_replslot/}, 'skip',
		'slots are not in WAL, and not part of a backup'
	],
	[
		qr{^pg_logical/(?:snapshots|mappings)/}, 'skip',
		'they serve slots, which a backup does not have'
	],
	[
		qr{^(?:pg_notify|pg_subtrans|pg_serial|pg_snapshots|pg_dynshmem)/},
		'skip',
		'created at every start'
	],
	[
		qr{(?:^|/)pg_internal\.init(?:\.\d+)?$}, 'skip',
		'a cache, removed at start and created by the first session'
	],
	[
		qr{_fsm(?:\.\d+)?$}, 'skip',
		'a free space map is a hint that WAL does not keep: recovery updates'
		  . ' it from what it sees, and the store has no more than the images'
		  . ' that checkpoints make WAL carry'
	],
	[
		qr{^postmaster\.(?:pid|opts)$}, 'skip',
		'of the server that ran in the directory'
	],
	[
		qr{^(?:backup_label|tablespace_map)(?:\.old)?$|^backup_manifest$},
		'skip',
		'of the base backup that the oracle was restored from'
	],
	[
		qr{^(?:recovery|standby)\.signal$}, 'skip',
		'of the recovery that the oracle did'
	],
	[
		qr{^current_logfiles$|^log/}, 'skip',
		'of the server that ran in the directory'
	],
	[
		qr{(?:^|/)pgsql_tmp/?|(?:^|/)t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$},
		'skip',
		'temporary; removed at start'
	],
	[
		qr{^postgresql\.conf$}, 'skip',
		'tests append to it; see starts_with_configuration'
	],
	[
		qr{^postgresql\.auto\.conf$}, 'skip',
		'a backup raises settings there that its data need'
	],
	[ qr{^global/pg_control$}, 'control' ],
	[ qr{^pg_logical/replorigin_checkpoint$}, 'origins' ],
	[
		qr{^(?:base/\d+|global|pg_tblspc/\d+/PG_[^/]+/\d+)/\d+
			(?:_(?:vm|init))?(?:\.\d+)?$}x, 'pages'
	],
	[ qr{^(?:pg_xact|pg_multixact/\w+)/[0-9A-F]+$}, 'pages' ],
	# see commit_times
	[ qr{^pg_commit_ts/[0-9A-F]+$}, 'times' ],
	[ qr{}, 'bytes' ]);

# Lines of pg_controldata that are the same in both.  The others have positions in
# WAL, of which the oracle wrote more, facts of the build, or the counter of LSNs
# for unlogged relations, which isn't in WAL and which recovery resets, since it
# empties them.
my @fields = (
	'pg_control version number',
	'Catalog version number',
	'Database system identifier',
	'Database cluster state',
	"Latest checkpoint's TimeLineID",
	"Latest checkpoint's NextXID",
	"Latest checkpoint's NextOID",
	"Latest checkpoint's NextMultiXactId",
	"Latest checkpoint's NextMultiOffset",
	"Latest checkpoint's oldestXID",
	"Latest checkpoint's oldestXID's DB",
	"Latest checkpoint's oldestActiveXID",
	"Latest checkpoint's oldestMultiXid",
	"Latest checkpoint's oldestMulti's DB",
	"Latest checkpoint's oldestCommitTsXid",
	"Latest checkpoint's newestCommitTsXid",
	'wal_level setting',
	'wal_log_hints setting',
	'max_connections setting',
	'max_worker_processes setting',
	'max_wal_senders setting',
	'max_prepared_xacts setting',
	'max_locks_per_xact setting',
	'track_commit_timestamp setting',
	'Bytes per WAL segment',
	'Data page checksum version');

# compare_directories - a list of differences: hashes with a file, a text, and a
# block if it is in a page of a relation.
sub compare_directories
{
	my ($expected, $found) = @_;
	my %in_expected = map { $_ => 1 } files_below($expected);
	my %in_found = map { $_ => 1 } files_below($found);
	my %control = control_fields($expected);
	my $oldest_time = $control{"Latest checkpoint's oldestCommitTsXid"};
	my @differences;

	croak "nothing in $expected" if !%in_expected;
	foreach my $file (sort keys %{ { %in_expected, %in_found } })
	{
		my $how = how_compared($file);

		next if $how eq 'skip';
		if (!$in_found{$file})
		{
			push @differences, { file => $file, what => 'is missing' }
			  if !is_empty_segment("$expected/$file")
			  && ($how ne 'times'
				|| commit_times("$expected/$file", $oldest_time) =~ /[^\0]/);
		}
		elsif (!$in_expected{$file})
		{
			push @differences, { file => $file, what => 'should not exist' };
		}
		elsif ($file =~ m{/$})
		{
			next;
		}
		else
		{
			my $compare = {
				pages => \&compare_pages,
				times => sub {
					compare_pages(@_, sub { commit_times(@_, $oldest_time) });
				},
				bytes => \&compare_bytes,
				control => \&compare_control,
				origins => \&compare_origins
			}->{$how};

			push @differences,
			  map { { file => $file, %$_ } }
			  $compare->("$expected/$file", "$found/$file", $file);
		}
	}
	return @differences;
}

sub how_compared
{
	my ($file) = @_;

	foreach my $rule (@rules)
	{
		return $rule->[1] if $file =~ $rule->[0];
	}
	croak "no rule for $file";
}

# Truncation keeps segments that it has emptied (mdtruncate).
sub is_empty_segment
{
	my ($file) = @_;

	return $file =~ m{\.\d+$} && -f $file && -s _ == 0;
}

sub compare_bytes
{
	my ($expected, $found) = map { slurp($_) } @_[ 0, 1 ];

	return () if $expected eq $found;
	return {
		what => sprintf('differs at byte %d (sizes %d, %d)',
			first_difference($expected, $found),
			length $expected,
			length $found)
	};
}

# compare_pages - compare files of pages: relations, SLRUs.
sub compare_pages
{
	my ($expected_file, $found_file, $name, $read) = @_;
	my ($expected, $found) =
	  map { $read ? $read->($_) : slurp($_) } $expected_file, $found_file;
	my @differences;

	return () if $expected eq $found;
	push @differences,
	  {
		what => sprintf('has %g pages, not %g',
			length($found) / PAGE_SIZE,
			length($expected) / PAGE_SIZE)
	  }
	  if length $expected != length $found;

	my ($segment) = $name =~ /\.(\d+)$/;
	my $is_relation = $name !~ /^pg_(?:xact|multixact|commit_ts)/;
	my ($different, $block) = (0, 0);
	for (my $at = 0; $at < length $expected && $at < length $found;
		$at += PAGE_SIZE, $block++)
	{
		my $page = substr $expected, $at, PAGE_SIZE;
		my $other = substr $found, $at, PAGE_SIZE;

		next if $page eq $other;
		next if ++$different > REPORTED;
		push @differences,
		  $is_relation
		  ? {
			block => $block + ($segment // 0) * 131072,
			what => describe_page($page, $other)
		  }
		  : { page => $block, what => describe_bytes($page, $other) };
	}
	push @differences, { what => "$different pages differ" }
	  if $different > REPORTED;
	return @differences;
}

# commit_times - a segment of pg_commit_ts without the times of xids before the
# oldest, which nobody reads.  These may differ.  When commit times are turned off,
# DeactivateCommitTs removes the files, but not the pages in memory.  If they are
# turned on again, recovery may write old pages, which a server that was restarted
# in between does not.
sub commit_times
{
	my ($file, $oldest) = @_;
	my $bytes = slurp($file);
	my ($segment) = $file =~ /([0-9A-F]+)$/;
	my $xid = hex($segment) * SLRU_PAGES_PER_SEGMENT * TIMES_PER_PAGE;

	for (my $at = 0; $at < length $bytes && $xid < $oldest; $at += PAGE_SIZE)
	{
		my $old = $oldest - $xid;

		$old = TIMES_PER_PAGE if $old > TIMES_PER_PAGE;
		substr($bytes, $at, $old * TIME_SIZE) = "\0" x ($old * TIME_SIZE);
		$xid += TIMES_PER_PAGE;
	}
	return $bytes;
}

sub first_difference
{
	my ($one, $two) = @_;

	return ($one ^ $two) =~ /[^\0]/ ? $-[0] : length $one;
}

sub describe_bytes
{
	my ($expected, $found) = @_;
	my $at = first_difference($expected, $found);

	return sprintf 'differs in %d bytes, at %d first: %s, not %s',
	  scalar(() = ($expected ^ $found) =~ /[^\0]/g), $at,
	  map { unpack 'H*', substr $_, $at, 16 } $found, $expected;
}

# Adds fields of the page headers (PageHeaderData of bufpage.h).
sub describe_page
{
	my ($expected, $found) = @_;

	return describe_bytes($expected, $found) . '; '
	  . join ', not ',
	  map { sprintf 'lsn %X/%X checksum %04X flags %X lower %d upper %d',
		  unpack 'V V v v v v', $_ } $found, $expected;
}

# control_fields - the output of pg_controldata for a data directory, as a hash.
sub control_fields
{
	my ($directory) = @_;
	my $text = `pg_controldata -D '$directory'`;

	croak "no control file in $directory" if $? != 0;
	return $text =~ /^(.+?):\s*(.*)$/mg;
}

sub compare_control
{
	my ($expected_file, $found_file) = @_;
	my %expected = control_fields($expected_file =~ s{/global/.*}{}r);
	my %found = control_fields($found_file =~ s{/global/.*}{}r);
	my @differences;

	foreach my $field (@fields)
	{
		croak "no $field" if !defined $expected{$field};
		push @differences,
		  { what => "has $found{$field}, not $expected{$field}: $field" }
		  if $found{$field} ne $expected{$field};
	}
	return @differences;
}

# Compare replication origins, in any order (CheckPointReplicationOrigin).
sub compare_origins
{
	my ($expected, $found) = map { [ origins($_) ] } @_[ 0, 1 ];

	return () if "@$expected" eq "@$found";
	return { what => "has origins @$found, not @$expected" };
}

sub origins
{
	my ($file) = @_;
	my $bytes = slurp($file);
	my @found;

	# a magic number, 16 bytes for each origin, a CRC
	for (my $at = 4; $at + 16 <= length($bytes) - 4; $at += 16)
	{
		my ($id, $lsn) = unpack 'v x6 Q<', substr $bytes, $at, 16;

		push @found, "$id:" . lsn_text($lsn);
	}
	return sort @found;
}

1;

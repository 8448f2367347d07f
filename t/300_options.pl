# Options of all functions that make a backup: label, max_rate, progress,
# settings.

use strict;
use warnings;
use BBackup;
use Time::HiRes qw(time);

my $source = new_source('source');
$source->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS a');
$source->stop;
my $store = new_store('store');
import_directory($store, $source->data_dir);

# --- The label is in the file where a server leaves it after recovery.

my $tar = fetch_backup($store, "label => 'before the release'");
my $again = fetch_backup($store, "label => 'before the release'");
is(slurp_file($tar), slurp_file($again), 'a label has the same bytes again');
my $clone = new_clone('labelled', $tar);
my $label = slurp_file($clone->data_dir . '/backup_label.old');
like($label, qr/^LABEL: before the release$/m, 'the label is in a clone');
my ($start) = $label =~ /^START WAL LOCATION: (\S+) /m;
$clone->start;
query_is($clone, 'SELECT a FROM t', '1', 'which works');
query_is($clone,
	"SELECT checkpoint_lsn = '$start' FROM pg_control_checkpoint()", 't',
	'and started at the checkpoint that the label names');
like($label, qr/^START TIMELINE: 2$/m, 'the label has the tli of the clone');
$clone->stop;

query_is($store,
	"SELECT kind FROM bb_files(label => 'x') WHERE path = 'backup_label.old'",
	'label', 'bb_files() lists it');

# A backup of a clone has the label given for it, or no label.
my $second = new_store('second');
import_directory($second, $clone->data_dir);
$clone = new_clone('relabelled', fetch_backup($second, "label => 'second'"));
like(slurp_file($clone->data_dir . '/backup_label.old'),
	qr/^LABEL: second$/m, 'a label replaces a captured one');
is(scalar(grep { $_ eq 'backup_label.old' }
		  tar_members(fetch_backup($second, "label => 'second'"))), 1, 'once');

# --- max_rate: never faster, but it may be slower.

my $size = $store->safe_psql('postgres',
	'SELECT length(bb_basebackup(full_backup => false))');
my $rate = 32768;
my $began = time;
$store->safe_psql('postgres',
	"SELECT count(c) FROM (SELECT bb_basebackup_stream(full_backup => false, max_rate => $rate) AS c) s"
);
# nothing waits for the last sample
cmp_ok(time - $began, '>=', ($size - $rate * 128) / ($rate * 1024),
	"$size bytes are not faster than $rate kB/s");
my ($ret, $out, $err) = $store->psql('postgres',
	"SET statement_timeout = '1s'; SELECT count(c) FROM (SELECT bb_basebackup_stream(max_rate => 32) AS c) s"
);
like($err, qr/canceling statement due to statement timeout/,
	'a slow one can be cancelled');

# --- progress => false omits the size.

my $total = sub {
	my ($arguments) = @_;

	return $store->safe_psql('postgres',
		"SELECT count(c) FROM (SELECT bb_basebackup_stream($arguments) AS c) s;
		 SELECT bytes_total_estimate IS NOT NULL FROM bb_access_stats
		 WHERE function = 'bb_basebackup_stream'");
};
like($total->(''), qr/\nt$/, 'the size is known');
like($total->('progress => false'), qr/\nf$/, 'but not with progress => false');
is(slurp_file(fetch_backup($store, 'progress => false')),
	slurp_file(fetch_backup($store, '')), 'the bytes are the same');

# --- settings: t/361_clone_settings.pl tests their effect.

my $as_it_was = $source->data_dir . '/postgresql.auto.conf';
is($store->safe_psql('postgres',
		"SELECT size FROM bb_files(settings => 'source') WHERE path = 'postgresql.auto.conf'"
	), -s $as_it_was, "settings of the source are as they were");
isnt($store->safe_psql('postgres',
		"SELECT size FROM bb_files() WHERE path = 'postgresql.auto.conf'"),
	-s $as_it_was, 'by default they are a clone\'s');
is(slurp_file(fetch_backup($store, "settings => 'CLONE'")),
	slurp_file(fetch_backup($store)), 'in the same bytes each time');
fails_like($store, "SELECT bb_basebackup(settings => 'mine')",
	qr/42601: unrecognized settings option: "mine".*HINT/s,
	'there are no other settings');

done_testing();

# The oracle, without full-page images: what records do to pages isn't hidden
# by an image of them.  Pages that were logged as a whole are an exception: of
# CREATE DATABASE ... STRATEGY wal_log.
#
# The server of the store uses io_uring if it can; its helpers don't.

use strict;
use warnings;
use BBackup::OracleRun;
use BBackup::Version;
use BBackup::Workload;
use Test::More;

# files are enough: what boots and lives is the other tests' concern
$ENV{BBACKUP_FILES_ONLY} //= 1;
run_oracle(
	'no_fpw',
	lsns => 4,
	store => with_io_uring(),
	work => sub {
		run_everything(@_, '^(?:heap|visibility|row locks|databases)');
	});
done_testing();

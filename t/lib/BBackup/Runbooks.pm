# BBackup::Runbooks - the blocks of docs/runbooks.md, for tests that run them.
#
#	my @names = runbook_names();
#	my $text = runbook('lost-store', '/mnt/offsite' => $directory);
#
# Each change replaces all that it names; the longest come first.

package BBackup::Runbooks;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(runbook runbook_names);

my $page =
  slurp_file(dirname(__FILE__) . '/../../../docs/runbooks.md');
my @names = $page =~ /^<!-- test: (\S+) -->$/mg;
my %blocks = $page =~ /^<!-- test: (\S+) -->\n```\w+\n(.*?)^```$/msg;

croak 'docs/runbooks.md has a block that is not tested, or two of one name'
  if (() = $page =~ /^```\w/mg) != @names || @names != keys %blocks;

# runbook_names - the names of the blocks, sorted.
sub runbook_names { return sort @names }

# runbook - the text of a block, with changes.
sub runbook
{
	my ($name, %changes) = @_;
	my $text = $blocks{$name} // croak "no block $name";
	my @old = sort { length $b <=> length $a || $a cmp $b } keys %changes;
	my $pattern = join '|', map { quotemeta } @old;

	$text =~ s/($pattern)/$changes{$1}/g if @old;
	return $text;
}

1;

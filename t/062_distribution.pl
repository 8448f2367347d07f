# The files that a distribution needs: META.json, the licence, and links in the
# documentation that lead somewhere.

use strict;
use warnings;
use File::Basename;
use File::Find;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = dirname(__FILE__) . '/..';

# META.json agrees with the control file, and names files that exist.
my $meta = eval { decode_json(slurp_file("$top/META.json")) };
ok($meta, 'META.json is JSON') or diag $@;
foreach my $field (
	qw(name version abstract maintainer license provides meta-spec))
{
	ok($meta->{$field}, "META.json has the field $field");
}
my $provided = $meta->{provides}{bbackup};
my ($default) =
  slurp_file("$top/bbackup.control") =~ /^default_version = '(.*)'$/m;
is($meta->{version}, "$default.0", 'its version is that of the control file');
is($provided->{version}, $meta->{version}, 'and so is that of the extension');
ok(-f "$top/$provided->{$_}", "$provided->{$_} exists")
  foreach qw(file docfile);
like(slurp_file("$top/LICENSE"),
	qr/without fee, and without a written agreement/,
	'the licence is the PostgreSQL licence');

# The anchors of a page, made of its headings as the usual viewers make them.
sub anchors
{
	my ($file) = @_;
	my %anchors;

	foreach my $heading (slurp_file($file) =~ /^#+ +(.*)$/mg)
	{
		my $anchor = lc $heading;

		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ tr/ /-/;
		$anchors{$anchor} = 1;
	}
	return \%anchors;
}

my @pages;
find({
	no_chdir => 1,
	wanted => sub { push @pages, $_ if /\.md$/ && !m{/(?:\.git|tmp_check)/} }
}, $top);
my $links = 0;
my @broken;
foreach my $page (@pages)
{
	my $text = slurp_file($page);

	# links in examples are no links
	$text =~ s/^(`{3,}).*?^\1//msg;
	while ($text =~ /\]\(([^)\s]*)\)/g)
	{
		my ($path, $anchor) = split /#/, $1, 2;
		next if $path =~ /^\w+:/;
		my $file = $path eq '' ? $page : dirname($page) . "/$path";

		$links++;
		push @broken, "$page: $1"
		  if !-e $file || (defined $anchor && !anchors($file)->{$anchor});
	}
}
cmp_ok($links, '>', 20, 'the documentation has links');
is("@broken", '', 'and each of them leads somewhere');

# Source files that the documentation names, with or without "src/".
my @missing;
my $named = 0;
foreach my $page (@pages)
{
	my $text = slurp_file($page);

	while ($text =~ /`([\w.]+(?:\/[\w.]+)+\.(?:[ch]|pl|pm|sql))`/g)
	{
		my $path = $1;

		next if $path =~ /NAME|NNN/;
		$named++;
		push @missing, "$page: $path"
		  unless -e "$top/$path" || -e "$top/src/$path";
	}
}
cmp_ok($named, '>', 20, 'the documentation names source files');
is("@missing", '', 'and they exist');

done_testing();

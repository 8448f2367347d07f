# The files that a distribution needs: META.json, the licence, the descriptions of
# packages, and links in the documentation that lead somewhere.

use strict;
use warnings;
use File::Basename;
use File::Find;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = dirname(__FILE__) . '/..';

# META.json is as PGXN's specification 1.0.0 has it, agrees with the control file,
# and names files that exist.
my $meta = eval { decode_json(slurp_file("$top/META.json")) };
ok($meta, 'META.json is JSON') or diag $@;
my $semantic = qr/^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[A-Za-z][\w-]*)?$/;
my %pattern = (
	name => qr/^[^\s\/\\[:cntrl:]]{2,}$/,
	version => $semantic,
	abstract => qr/^\S.{1,100}$/,
	description => qr/\S/,
	maintainer => qr/\S/,
	license => qr/^(?:postgresql|apache_2_0|mit|bsd)$/,
	release_status => qr/^(?:stable|testing|unstable)$/);
foreach my $field (sort keys %pattern)
{
	like($meta->{$field}, $pattern{$field}, "META.json has the field $field");
}
like($meta->{'meta-spec'}{version}, $semantic, 'and that of the specification');
is_deeply([ grep { ref || !/^[^\/\\[:cntrl:]]{1,255}$/ } @{ $meta->{tags} } ],
	[], 'its tags are short words');
is(join(' ', map { "@$_" } map { [ %$_ ] }
		  map { $_->{requires} } values %{ $meta->{prereqs} }),
	'PostgreSQL 15.0.0', 'it names the server that is needed');
is(join(' ', keys %{ $meta->{provides} }), 'bbackup', 'it provides the extension');
my $provided = $meta->{provides}{bbackup};
my ($default) =
  slurp_file("$top/bbackup.control") =~ /^default_version = '(.*)'$/m;
like($meta->{version}, qr/^\Q$default\E\.\d+$/,
	'its version begins with that of the control file');
is($provided->{version}, $meta->{version}, 'and so does that of the extension');
is($provided->{file}, "sql/bbackup--$default.sql", 'it names the present script');
ok(-f "$top/$provided->{$_}", "$provided->{$_} exists")
  foreach qw(file docfile);

# --- Packages say the same version, need the same libraries, and name files that
# exist.

my $changelog = slurp_file("$top/debian/changelog");
my $control = slurp_file("$top/debian/control.in");
my $spec = slurp_file("$top/packaging/bbackup.spec");
my $dockerfile = slurp_file("$top/packaging/Dockerfile");

like($changelog, qr/^bbackup \(\Q$meta->{version}\E-\d+\) /,
	'debian/changelog begins with this version');
like($spec, qr/^Version: +\Q$meta->{version}\E$/m, 'the spec file has it');
is_deeply([ grep { length > 79 } map { split /\n/ } $spec =~ /^(%description.*?)^%(?:package|prep)/msg ],
	[], 'its descriptions have lines as short as rpmlint wants them in a package');
like($spec, qr/^\* .* - \Q$meta->{version}\E-1$/m, 'and so does its changelog');
is_deeply([ grep { !/-\Q$meta->{version}\E\./ }
		slurp_file("$top/docs/packages.md") =~ /(bbackup-\d\S*\.(?:zip|tar\.gz))/g ],
	[], 'docs/packages.md names the archives of this version');

# What says whether this version is released agrees, as CONTRIBUTING.md ("A release")
# has it.
my $stable = $meta->{release_status} eq 'stable';
my @released = grep { /^[^#]/ } split /\n/, slurp_file("$top/test/upgrade/releases");
my ($chapter) = slurp_file("$top/CHANGELOG.md") =~ /^## (.*)$/m;
is($chapter, ($meta->{version} =~ s/\.0$//r) . ($stable ? '' : ' (unreleased)'),
	'CHANGELOG.md begins with this version, and says whether it is released');
ok(!$stable || grep({ /^\Q$default\E v\Q$default\E\.\d+ / } @released),
	'the script of a release is in the list of released scripts');
is(slurp_file("$top/SECURITY.md") =~ /not released yet/ ? 0 : 1, @released ? 1 : 0,
	'SECURITY.md says whether there is a release');

# debian/control is made by "pg_buildext updatecontrol", for the supported versions.
my @majors = slurp_file("$top/debian/control") =~ /^Package: postgresql-(\d+)-/mg;
my ($binary) = $control =~ /^(Package: postgresql-PGVERSION.*?)(?=^$)/ms;
my $generated = $control;
$generated =~ s/\Q$binary\E/join "\n", map { $binary =~ s{PGVERSION}{$_}gr } @majors/e;
cmp_ok(scalar(@majors), '>', 0, 'debian/control has packages');
is(slurp_file("$top/debian/control"), $generated, 'as control.in describes them');

is_deeply([ grep { length > 80 } map { split /\n/ } $control =~ /^Description:.*((?:\n .*)+)/mg ],
	[], 'its descriptions have lines as short as lintian wants them');

# The libraries, by Debian's names.
my $tests = slurp_file("$top/.ci/lib.sh");
my ($listed) = $tests =~ /BUILD_PACKAGES=\((.*?)\)/s;
sub libraries
{
	return join ' ', sort grep { !/^libc6-dev$/ } $_[0] =~ /\b((?:lib|zlib)[\w.]+(?:-\w+)*-dev)\b/g;
}
my $libraries = libraries($listed);
like($libraries, qr/libpq-dev libseccomp-dev/, 'the build needs libraries');
my ($depends) = $control =~ /^Build-Depends:(.*?)^\S/ms;
is(libraries($depends), $libraries, 'debian/control.in needs the same');
is(libraries($dockerfile), $libraries, 'so does the Dockerfile');
my ($install) = slurp_file("$top/README.md") =~ /^## Install$(.*?)^## /ms;
my $from_source = join ' ', sort do { my %seen; grep { !$seen{$_}++ } split / /, libraries($install) };
is($from_source, $libraries, 'so does the README');
is(scalar(() = $spec =~ /^BuildRequires: +\S+-devel$/mg),
	scalar(split / /, $libraries), 'the spec file needs as many');

# Each program is in the lists, with its man page and its completion.
foreach my $program (map { basename($_, '.1.in') } glob "$top/client/*.1.in")
{
	like($spec, qr/^%\{pgbindir\}\/$program$/m, "the spec file has $program");
	like($spec, qr/^%doc .*\/$program\.1\*$/m, 'with its man page');
	like($spec, qr/completions\/$program$/m, 'and its completion');
	like(slurp_file("$top/debian/tests/clone"), qr/\b$program\b/,
		'the test of the packages runs it');
	like($control, qr/\b$program\b/, 'debian/control.in mentions it');
}

# Each package that is named exists, if this is Debian.
SKIP:
{
	my @named = ($dockerfile =~ /^\t\t([^#\n]*?) *(?:&& )?\\$/mg);
	my %known;

	@named = grep { !/^-|\$/ } map { split } @named;
	cmp_ok(scalar(@named), '>', 10, 'the Dockerfile installs packages');
	skip 'there is no apt-cache', 1 if system('apt-cache --version >/dev/null 2>&1');
	my ($release) = slurp_file('/etc/os-release') =~ /^VERSION_CODENAME=(\w+)$/m;
	skip "Debian isn't the Dockerfile's", 1
	  unless defined $release && $dockerfile =~ /^ARG BASE=\S+-$release$/m;
	my $policy = `apt-cache policy @named 2>/dev/null`;
	$known{$_} = 1
	  foreach $policy =~ /^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))/mg;
	is_deeply([ grep { !$known{$_} } @named ], [], 'Debian has them');
}

# What the Dockerfile copies of the tree, and debian/ installs.
my @copied = map { split } $dockerfile =~ /^COPY (?!--from)(.*) \S+$/mg;
cmp_ok(scalar(@copied), '>', 5, 'the Dockerfile copies files');
push @copied, map { split /\n/, slurp_file($_) }
  glob "$top/debian/*.{docs,examples}";
is_deeply([ grep { my @files = glob "$top/$_"; !@files || grep { !-e } @files } @copied ],
	[], 'they exist');
foreach my $needed (split ' ', `cd $top && make -s -f - wanted <<'EOT'
include Makefile
wanted: ; \@echo \$(DATA) \$(DOCS) \$(EXTENSION).control \$(MAKEFILE_LIST)
EOT`)
{
	next if $needed =~ m{^/|^-};
	ok(grep({ $needed =~ m{^\Q$_\E(?:/|$)} } @copied), "$needed is copied");
}
# What is built can be installed, and uninstalled.
my $root = PostgreSQL::Test::Utils::tempdir;
sub make_target
{
	my ($target) = @_;
	my @files;

	# a make that runs the tests must not pass its flags on
	local @ENV{qw(MAKEFLAGS MFLAGS)};
	command_ok([ 'make', '-s', '-C', $top, $target, 'with_llvm=no',
			"DESTDIR=$root" ], "make $target");
	find(sub { push @files, $_ if !-d }, $root);
	return join ' ', sort @files;
}
my @programs = qw(basebackup check import list restore);
push @programs, 'mount'
  if system('pkg-config --atleast-version=3.12 fuse3 2>/dev/null') == 0;
is(make_target('install'),
	join(' ', sort qw(bbackup.control bbackup.so),
		# each program, its completion and its man page
		(map { ("bb_$_", "bb_$_", "bb_$_.1") } @programs),
		map { basename($_) } glob "$top/{sql,contrib}/*"),
	'all files are installed');
is(make_target('uninstall'), '', 'none is left');

ok(-x "$top/debian/rules", 'debian/rules can be run');
ok(-x "$top/debian/tests/$_", "so can debian/tests/$_")
  foreach map { split } slurp_file("$top/debian/tests/control") =~ /^Tests: (.*)$/mg;

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

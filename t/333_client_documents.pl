# The client's --help, its man page and its completion for bash agree.

use strict;
use warnings;
use BBackup::Client;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

# --- They are installed, and uninstalled.

# The tree may be read-only.
my $base = PostgreSQL::Test::Utils::tempdir;
system_or_bail('cp', '-R', 'client', 'bbackup.control', $base);

sub make_target
{
	my ($target) = @_;

	# a make that runs the tests must not pass its flags on
	local @ENV{qw(MAKEFLAGS MFLAGS)};
	my ($stdout, $stderr) = run_command([ 'make', '-s', '-C', "$base/client",
			$target, "PG_CONFIG=$pg_config", "DESTDIR=$base/root" ]);
	is($stderr, '', $target);
	return;
}

sub installed_file
{
	my ($path) = @_;
	my @files;

	find(sub { push @files, $File::Find::name if -f && $File::Find::name =~ $path },
		"$base/root");
	return $files[0];
}

make_target('install-documents');
my $page = installed_file(qr{/man1/bb_basebackup\.1\z});
my $completion = installed_file(qr{/bash-completion/completions/bb_basebackup\z});
ok($page, 'the man page is installed');
ok($completion, 'so is the completion');

# --- The man page.

# Options, and what --help says of each.
my %help;
my $last;
my ($status, $stdout, $stderr) = run_client('--help');
foreach my $line (split /\n/, $stdout)
{
	if ($line =~ /^  ((?:-., |    )--\S+)(?: +(.*))?$/)
	{
		($last, my $text) = ($1, $2);
		$last =~ s/^ +//;
		$help{$last} = $text // '';
	}
	elsif ($line =~ /^ {25}(\S.*)$/)
	{
		$help{$last} .= ($help{$last} eq '' ? '' : ' ') . $1;
	}
}
cmp_ok(scalar(keys %help), '>', 35, '--help shows options');
is((grep { length > 79 } split /\n/, $stdout), 0, 'in lines that fit');

my $roff = slurp_file($page);
my %page;
like($roff, qr/^\.TH BB_BASEBACKUP 1 "" "bbackup \d+\.\d+"/, 'the page has a version');
while ($roff =~ /^\.TP\n(.*)\n(.*)$/mg)
{
	my ($option, $text) = map { s/\\f[BIR]//gr =~ s/\\-/-/gr } $1, $2;

	$page{$option} = $text;
}
is_deeply(\%page, \%help, 'the page has the same options and texts as --help');

SKIP:
{
	skip 'groff is missing', 1 if system('groff -v > /dev/null 2>&1') != 0;
	is(`groff -man -ww -z '$page' 2>&1`, '', 'the page is correct roff');
}

# --- The completion: the words that bash would offer after these.

sub offered
{
	my @words = @_;
	my $script = <<'EOT';
. "$1"; shift
COMP_WORDS=(bb_basebackup "$@")
COMP_CWORD=$#
_bb_basebackup bb_basebackup "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
EOT
	my ($offered) = run_command([ 'bash', '-c', $script, 'bash', $completion, @words ]);

	return $offered;
}

is(offered('--co'), '--compress', 'an option that has begun');
is_deeply([ sort split /\n/, offered('-') ],
	[ sort map { /(--[a-z-]+)/ } keys %help ], 'every option of --help');
is(offered('-P', '--no-man'), '--no-manifest', 'another option');
is(offered('-F', ''), "plain\ntar", 'values of a letter');
is(offered('--settings', 's'), 'source', 'a value that has begun');
is(offered('--settings', '='), "clone\nsource", 'values after "="');
is(offered('--settings', '=', 's'), 'source', 'a value after "="');
is(offered('-f', "$base/bb"), "$base/bbackup.control", 'a file');
is(offered('-D', "$base/c"), "$base/client", 'a directory');
is(offered('--lsn', ''), '', 'nothing, where any value can be');

make_target('uninstall-documents');
ok(!-e $_, "$_ is uninstalled") foreach $page, $completion;

done_testing();

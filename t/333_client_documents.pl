# The client programs' --help, man pages and completions for bash agree.

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
system_or_bail('cp', '-R', qw(client META.json version.mk), $base);

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

my @programs = qw(bb_basebackup bb_check bb_import bb_list bb_restore);
make_target('install-documents');
push @programs, 'bb_mount' if installed_file(qr{/man1/bb_mount\.1\z});
my %pages = map { $_ => installed_file(qr{/man1/$_\.1\z}) } @programs;
my %completions =
  map { $_ => installed_file(qr{/bash-completion/completions/$_\z}) } @programs;
foreach my $program (@programs)
{
	ok($pages{$program}, "$program: the man page is installed");
	ok($completions{$program}, "$program: so is the completion");
}

# --- --help.

# Options of a program, and what --help says of each.
sub help_of
{
	my ($program) = @_;
	my %help;
	my $last;

	use_program($program);
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
	is((grep { length > 79 } split /\n/, $stdout),
		0, "$program: --help has lines that fit");
	is($stderr, '', "$program: --help says nothing else");
	return %help;
}
my %helps = map { $_ => { help_of($_) } } @programs;
my %help = %{ $helps{bb_basebackup} };
cmp_ok(scalar(keys %help), '>', 35, '--help shows options');

# Programs have the same options for the same thing.
my %seen;
foreach my $program (@programs)
{
	foreach my $option (keys %{ $helps{$program} })
	{
		my ($name) = $option =~ /(--[a-z-]+)/;
		my $form = $option =~ s/SERVERDIR|DIRECTORY/DIRECTORY/r;

		is($form, $seen{$name} // $form, "$program $name: as elsewhere");
		$seen{$name} = $form;
	}
}
foreach my $program (grep { $_ ne 'bb_basebackup' } @programs)
{
	ok(exists $helps{$program}{'--json'}, "$program has --json");
	program_version_ok($program);
	program_options_handling_ok($program);
}

# --- The man pages.

foreach my $program (@programs)
{
	my $page = $pages{$program};
	my $roff = slurp_file($page);
	my %page;

	like($roff, qr/^\.TH \U$program\E 1 "" "bbackup \d+\.\d+\.\d+"/,
		"$program: the page has a version");
	like($roff, qr/^\.SH EXIT STATUS$/m, "$program: and exit codes");
	while ($roff =~ /^\.TP\n(.*--.*|.*\\-.*)\n(.*)$/mg)
	{
		my ($option, $text) = map { s/\\f[BIR]//gr =~ s/\\-/-/gr } $1, $2;

		$page{$option} = $text;
	}
	is_deeply(\%page, $helps{$program},
		"$program: the page has the same options and texts as --help");

  SKIP:
	{
		skip 'groff is missing', 1 if system('groff -v > /dev/null 2>&1') != 0;
		is(`groff -man -ww -z '$page' 2>&1`,
			'', "$program: the page is correct roff");
	}
}

# --- The completion: the words that bash would offer after these.

my $completing = 'bb_basebackup';

sub offered
{
	my @words = @_;
	my $script = <<'EOT';
. "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
complete -p "$1" > /dev/null
_bb_programs "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
EOT
	my ($offered) = run_command([ 'bash', '-c', $script, 'bash',
			$completions{$completing}, $completing, @words ]);

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
is(offered('-f', "$base/ME"), "$base/META.json", 'a file');
is(offered('-D', "$base/c"), "$base/client", 'a directory');
is(offered('--lsn', ''), '', 'nothing, where any value can be');

foreach my $program (@programs)
{
	$completing = $program;
	is_deeply([ sort split /\n/, offered('-') ],
		[ sort map { /(--[a-z-]+)/ } keys %{ $helps{$program} } ],
		"$program: every option of --help");
}
$completing = 'bb_import';
is(offered('-P', "$base/ME"), "$base/META.json", 'bb_import: a backup');
is(offered('--store', ''), '', 'bb_import: nothing, where any value can be');
$completing = 'bb_mount';
SKIP:
{
	skip 'bb_mount is not built', 1 unless $completions{$completing};
	is(offered('-v', "$base/c"), "$base/client", 'bb_mount: a mount point');
}

make_target('uninstall-documents');
ok(!-e $_, "$_ is uninstalled") foreach values %pages, values %completions;

done_testing();

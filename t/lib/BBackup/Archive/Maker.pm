# BBackup::Archive::Maker - an archive made at random out of what real
# clusters have archived.
#
#	my $archive = BBackup::Archive::Maker->new($family, $directory, $seed);
#	$archive->{base}			where it begins
#	$archive->{steps}			[ { directory, until, tli }, ... ]
#	$archive->{story}			what was done, a line each
#
# Of some nodes of the family the files go into a directory, in their order
# or in another; then things happen to them (BBackup::Archive::Mutations).  The
# steps are calls of bb_ingest(): the archive grows between them, or lies in
# several directories.

package BBackup::Archive::Maker;

use strict;
use warnings;

use BBackup::Archive::Mutations;
use BBackup::Files qw(write_file slurp);
use BBackup::WAL qw(lsn_number lsn_text);
use Carp;

our @ISA = qw(BBackup::Archive::Mutations);

use constant SEGMENT_SIZE => 1024 * 1024;

sub any { return $_[ int rand @_ ] }
sub any_offset { return BBackup::Archive::Mutations::any_offset(@_) }

sub new
{
	my ($class, $family, $directory, $seed) = @_;
	my $self = bless {
		family => $family,
		directory => $directory,
		files => {},    # name => contents' file, or \bytes, or [ what ]
		story => [],
		done => []
	}, $class;

	srand $seed;
	mkdir $directory or croak "$directory: $!";
	$self->compose;
	$self->mutate;
	$self->make_steps;
	return $self;
}

sub tell
{
	my ($self, $line) = @_;

	push @{ $self->{story} }, $line;
	return;
}

# ---- composition ----

# The files of a node and of its ancestors, perhaps of others, by name.  The
# first of a name stays, or the last does.
sub compose
{
	my ($self) = @_;
	my @nodes = $self->{family}->nodes;
	my $leaf = $nodes[ int((1 - rand(1)**2) * @nodes) - 1 ];
	my %wanted = ($leaf->{number} => 1);
	my $last_wins = rand() < 0.2;
	my $tails = any(0, 0.5, 1, 1);
	my $partials = any(0, 1, 1);

	if (rand() < 0.5)
	{
		for (my $at = $leaf; defined $at->{parent}; )
		{
			$at = $nodes[ $at->{parent} ];
			$wanted{ $at->{number} } = 1;
		}
	}
	else
	{
		# all whose pools it could see
		my %pool = map { $_ => 1 } @{ $leaf->{lineage} };
		$wanted{ $_->{number} } = 1
		  foreach grep { $pool{ $_->{pool} } } @nodes;
	}
	my $others = any(0, 0, 0, 1, 1, 2, 99);
	foreach my $node (@nodes)
	{
		last if $others == 0;
		next if $wanted{ $node->{number} };
		$wanted{ $node->{number} } = 1, $others-- if rand() < 0.5;
	}
	my @chosen = grep { $wanted{ $_->{number} } } @nodes;

	foreach my $node (@chosen)
	{
		foreach my $name (sort keys %{ $node->{files} })
		{
			next if $name =~ /\.partial$/ && rand() > $partials;
			next if exists $self->{files}{$name} && !$last_wins;
			$self->{files}{$name} = $node->{files}{$name};
		}
		if ($node->{tail} && rand() < $tails)
		{
			my ($name, $file) = @{ $node->{tail} };

			$name .= '.partial' if rand() < 0.3;
			$self->{files}{$name} = $file
			  if $last_wins || !exists $self->{files}{$name};
		}
	}
	# the histories of others, so that their numbers have no gap
	if (rand() < 0.6)
	{
		foreach my $node (@nodes)
		{
			$self->{files}{$_} //= $node->{files}{$_}
			  foreach grep { /\.history$/ } keys %{ $node->{files} };
		}
	}
	$self->choose_base;
	$self->tell("base $self->{base}{number} (tli $self->{base}{tli}); WAL of "
		  . join(', ',
			map { "$_->{kind} " . ($_->{who} // 'first') . " (tli "
				  . ($_->{tli} // 1) . ")" } @chosen)
		  . ($last_wins ? '; the last of a name' : ''));
	return;
}

# choose_base - mostly one whose WAL goes on in one of the files.
sub choose_base
{
	my ($self) = @_;
	my @bases = $self->{family}->bases;
	my @fitting = grep {
		my $number = substr $_->{segment}, -16;
		my $tli = $_->{tli};

		grep { /^([0-9A-F]{8})$number/ && hex $1 >= $tli }
		  keys %{ $self->{files} }
	} @bases;

	@fitting = @bases if !@fitting || rand() < 0.05;
	$self->{base} = rand() < 0.4 ? $fitting[0] : any(@fitting);
	return;
}

# ---- steps ----

# make_steps - the calls, each with a directory.  Between calls the archive
# grows; or it lies in several directories, to be given one after the other.
sub make_steps
{
	my ($self) = @_;
	my @names = sort keys %{ $self->{files} };
	my $count = any(1, 1, 1, 2, 3, 4);
	my $how = $count == 1 ? 'at once' : any('grows', 'grows', 'directories');
	my %arrives;

	if ($count > 1)
	{
		# segments in the order of their numbers, more or less
		my @numbers = sort { $a cmp $b }
		  map { /^[0-9A-F]{24}/ ? substr $_, 8, 16 : () } @names;

		foreach my $name (@names)
		{
			my $number =
			  $name =~ /^[0-9A-F]{24}/ ? substr($name, 8, 16)
			  : $self->history_arrives($name);
			my $rank = grep { $_ lt $number } @numbers;
			my $step = int $rank / (@numbers || 1) * $count;

			$step = int rand $count if rand() < 0.1;
			$arrives{$name} = $step < $count ? $step : $count - 1;
		}
	}
	for my $step (0 .. $count - 1)
	{
		my $directory = "$self->{directory}/step$step";

		mkdir $directory or croak "$directory: $!";
		foreach my $name (@names)
		{
			my $arrives = $arrives{$name} // 0;

			next
			  if $how eq 'directories'
			  ? $arrives != $step && $name !~ /\.history$/
			  : $arrives > $step;
			$self->put($directory, $name,
				$how eq 'grows' && $arrives == $step && $step < $count - 1);
		}
		push @{ $self->{steps} },
		  {
			directory => $directory,
			tli => any('latest', 'latest', 'latest', 'current', $self->any_tli),
			until => rand() < 0.15 ? $self->any_position : undef
		  };
	}
	$self->{how} = $how;
	$self->tell("$how, in $count") if $count > 1;
	return;
}

sub any_tli
{
	my ($self) = @_;
	my @tlis = map { /^([0-9A-F]{8})\.history$/ ? hex $1 : () }
	  sort keys %{ $self->{files} };

	return any(1 + int rand 6, @tlis, @tlis);
}

# A history comes when its tli begins.
sub history_arrives
{
	my ($self, $name) = @_;

	return '' if $name !~ /\.history$/ || !$self->is_plain($name);
	my @positions = $self->bytes($name) =~ m{\t([0-9A-F]+/[0-9A-F]+)}g;
	my $last = pop @positions // return '';
	my $number = int(lsn_number($last) / SEGMENT_SIZE);

	return sprintf '%08X%08X', $number / 4096, $number % 4096;
}

sub put
{
	my ($self, $directory, $name, $newest) = @_;
	my $file = $self->{files}{$name};
	my $to = "$directory/$name";

	if (ref $file eq 'ARRAY')
	{
		my ($what, $plain) = @$file;

		if ($what eq 'directory') { mkdir $to }
		elsif ($what eq 'fifo') { system('mkfifo', $to) }
		elsif ($what eq 'dangling') { symlink 'nowhere', $to }
		else
		{
			write_file("$self->{directory}/$name.real",
				ref $plain ? $$plain : slurp($plain));
			symlink "../$name.real", $to;
		}
	}
	elsif ($newest && $name =~ /^[0-9A-F]{24}$/ && rand() < 0.2)
	{
		# it is just being copied
		my $bytes = $self->bytes($name);

		write_file($to, substr $bytes, 0, any_offset($bytes));
	}
	elsif (ref $file)
	{
		write_file($to, $$file);
	}
	else
	{
		link $file, $to or croak "$file, $to: $!";
	}
	return;
}

# Where "until" may be.
sub any_position
{
	my ($self) = @_;
	my $name = $self->any_segment // return undef;
	my $bytes = $self->bytes($name);

	return lsn_text(
		hex(substr $name, 16, 8) * SEGMENT_SIZE + any_offset($bytes));
}

1;

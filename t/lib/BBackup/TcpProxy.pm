# BBackup::TcpProxy - a bad network between a client and a PostgreSQL server.
#
#	my $proxy = BBackup::TcpProxy->start($node);
#	$proxy->connstr			host and port, for libpq
#	$proxy->order('delay both 200');
#	$proxy->order('cut');
#
# One process forwards bytes between all its clients and the server, as the
# last orders say.  It ends with the test that started it.
#
#	pass				forget all other orders
#	cut					reset all connections
#	cut_after N			reset all connections after N more bytes of the server,
#						which usually is in the midst of a message
#	end_after N			end all connections after N more bytes of the server, which
#						the clients get, and refuse new ones
#	refuse				reset new connections, too
#	close SIDE			end one direction of all connections: bytes to "client"
#						or "server"
#	stall SIDE			take no more bytes for that side ("client", "server",
#						"both"); also of new connections
#	delay SIDE MS		hand each piece on so much later
#	trickle N			pieces have N bytes at most
#
# count returns how many connections there are; bytes how many bytes went to the
# clients; connected how many connections there have been.

package BBackup::TcpProxy;

use strict;
use warnings;

use Carp;
use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM SOL_SOCKET SO_LINGER SHUT_WR);
use Time::HiRes qw(time);

use constant {
	PIECE => 65536,
	# bytes on the way of one connection, above which the sender has to wait
	HELD => 1024 * 1024
};

# start - in front of a node, or of [ host or directory of the socket, port ].
sub start
{
	my ($class, $node) = @_;
	my ($host, $port) =
	  ref $node eq 'ARRAY' ? @$node : ($node->host, $node->port);
	my $listen = IO::Socket::INET->new(
		Listen => 50,
		LocalAddr => '127.0.0.1',
		LocalPort => 0,
		Blocking => 0)
	  or croak "no free port: $!";
	my $self = bless {
		port => $listen->sockport,
		listen => $listen,
		target => [ $host, $port ],
		owner => $$
	}, $class;
	my ($ours, $theirs) =
	  IO::Socket->socketpair(AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or croak "socketpair: $!";
	my $parent = $$;

	$self->{pid} = fork // croak "fork: $!";
	if ($self->{pid} == 0)
	{
		close $ours;
		$SIG{$_} = 'DEFAULT' foreach qw(INT TERM HUP CHLD ALRM);
		$SIG{PIPE} = 'IGNORE';
		$SIG{__DIE__} = 'DEFAULT';
		eval { $self->serve($theirs, $parent); 1 } or print STDERR "proxy: $@";
		POSIX::_exit(0);
	}
	close $theirs;
	close $listen;
	$self->{listen} = undef;
	$ours->autoflush(1);
	$self->{orders} = $ours;
	return $self;
}

sub port { return $_[0]{port} }

sub connstr { return "host=127.0.0.1 port=$_[0]{port}" }

# order - give an order and wait until it is in force; returns the answer.
sub order
{
	my ($self, $order) = @_;
	my $orders = $self->{orders};

	print $orders "$order\n";
	my $answer = <$orders> // croak 'the proxy has ended';
	chomp $answer;
	croak "proxy: $answer" if $answer =~ /^unknown/;
	return $answer;
}

sub count { return $_[0]->order('count') }
sub bytes { return $_[0]->order('bytes') }
sub connected { return $_[0]->order('connected') }

# retarget - new connections go to another node.
sub retarget
{
	my ($self, $node) = @_;

	return $self->order("target @{[ $node->port ]} @{[ $node->host ]}");
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid} && $self->{owner} == $$;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	$self->stop;
	return;
}

# ---- in the process of the proxy ----

# A connection has two directions, each with bytes on their way: [ time when
# they may go on, bytes ].  "from" is closed when it has ended.
sub new_connection
{
	my ($self, $client) = @_;
	my ($host, $port) = @{ $self->{target} };
	my $server =
	  $host =~ m{^/}
	  ? IO::Socket::UNIX->new(Peer => "$host/.s.PGSQL.$port")
	  : IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port);

	return reset_socket($client) if !defined $server;
	$_->blocking(0) foreach $client, $server;
	push @{ $self->{connections} },
	  {
		server => { from => $client, to => $server, pieces => [], held => 0 },
		client => { from => $server, to => $client, pieces => [], held => 0 }
	  };
	$self->{connected}++;
	return;
}

# The other side sees a reset, not an end.
sub reset_socket
{
	my ($socket) = @_;

	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
	close $socket;
	return;
}

sub end_connection
{
	my ($self, $connection, $reset) = @_;

	$reset ? reset_socket($_) : close $_
	  foreach map { $_->{to} } @$connection{qw(client server)};
	@{ $self->{connections} } =
	  grep { $_ != $connection } @{ $self->{connections} };
	return;
}

sub obey
{
	my ($self, $order) = @_;
	my ($word, @arguments) = split ' ', $order;
	my $all = $self->{connections};
	my @sides = ('client', 'server');

	@sides = $arguments[0]
	  if @arguments && $arguments[0] =~ /^(client|server)$/;
	if ($word eq 'pass')
	{
		delete @$self{qw(cut_after then refuse stall delay trickle)};
	}
	elsif ($word eq 'cut' || $word eq 'refuse')
	{
		$self->end_connection($_, 1) foreach @$all;
		$self->{refuse} = 1 if $word eq 'refuse';
	}
	elsif ($word eq 'cut_after' || $word eq 'end_after')
	{
		$self->{cut_after} = $arguments[0];
		$self->{then} = $word eq 'cut_after' ? 'cut' : 'end';
	}
	elsif ($word eq 'end')
	{
		# after a reset, the client would not get what it hasn't read yet
		$self->{refuse} = 1;
		foreach my $direction (map { $_->{client} } @$all)
		{
			@$direction{qw(ended closed held pieces)} = (1, 1, 0, []);
			shutdown $direction->{to}, SHUT_WR;
		}
	}
	elsif ($word eq 'close')
	{
		foreach my $connection (@$all)
		{
			shutdown $connection->{$_}{to}, SHUT_WR foreach @sides;
		}
	}
	elsif ($word eq 'stall')
	{
		$self->{stall}{$_} = 1 foreach @sides;
	}
	elsif ($word eq 'delay')
	{
		$self->{delay}{$_} = $arguments[-1] / 1000 foreach @sides;
	}
	elsif ($word eq 'trickle')
	{
		$self->{trickle} = $arguments[0];
	}
	elsif ($word eq 'target')
	{
		$self->{target} = [ reverse @arguments ];
	}
	elsif ($word eq 'count')
	{
		return scalar @$all;
	}
	elsif ($word eq 'bytes' || $word eq 'connected')
	{
		return $self->{$word};
	}
	else
	{
		return "unknown order: $order";
	}
	return 'done';
}

# Take what has arrived for a side; returns false if the connection is over.
sub take
{
	my ($self, $direction, $side) = @_;
	my $n = sysread $direction->{from}, my $bytes, $self->{trickle} // PIECE;

	return $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR if !defined $n;
	if ($n == 0)
	{
		$direction->{ended} = 1;
		return 1;
	}
	push @{ $direction->{pieces} },
	  [ time + ($self->{delay}{$side} // 0), $bytes ];
	$direction->{held} += $n;
	return 1;
}

# Hand on what is due; returns false if the connection is over.
sub give
{
	my ($self, $direction, $side) = @_;
	my $pieces = $direction->{pieces};

	while (@$pieces && $pieces->[0][0] <= time && !$self->{stall}{$side})
	{
		my $bytes = \$pieces->[0][1];
		my $limit = length $$bytes;

		$limit = $self->{cut_after}
		  if $side eq 'client'
		  && defined $self->{cut_after}
		  && $self->{cut_after} < $limit;
		my $n = $limit ? syswrite $direction->{to}, $$bytes, $limit : 0;
		return $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR
		  if !defined $n;
		substr $$bytes, 0, $n, '';
		$direction->{held} -= $n;
		shift @$pieces if $$bytes eq '';
		if ($side eq 'client')
		{
			$self->{bytes} += $n;
			if (defined $self->{cut_after})
			{
				$self->{cut_after} -= $n;
				if ($self->{cut_after} <= 0)
				{
					delete $self->{cut_after};
					$self->obey($self->{then});
					return 1;
				}
			}
		}
	}
	if ($direction->{ended} && !@$pieces && !$direction->{closed})
	{
		$direction->{closed} = 1;
		shutdown $direction->{to}, SHUT_WR;
	}
	return 1;
}

sub serve
{
	my ($self, $orders, $parent) = @_;
	my $text = '';

	@$self{qw(connections connected bytes)} = ([], 0, 0);
	# the test has ended, whatever children of it still have the other socket
	while (getppid == $parent)
	{
		my $reading = IO::Select->new($orders, $self->{listen});
		my $writing = IO::Select->new;
		my $pause = 0.25;

		foreach my $connection (@{ $self->{connections} })
		{
			foreach my $side ('client', 'server')
			{
				my $direction = $connection->{$side};

				next if $self->{stall}{$side};
				$reading->add($direction->{from})
				  if !$direction->{ended} && $direction->{held} < HELD;
				next if !@{ $direction->{pieces} };
				my $wait = $direction->{pieces}[0][0] - time;

				if ($wait <= 0)
				{
					$writing->add($direction->{to});
				}
				elsif ($wait < $pause)
				{
					$pause = $wait;
				}
			}
		}
		my ($readable) = IO::Select->select($reading, $writing, undef, $pause);
		my %readable = map { fileno($_) // -1 => 1 } @{ $readable // [] };

		if ($readable{ fileno $orders })
		{
			sysread $orders, $text, 4096, length $text or return;
			while ($text =~ s/^(.*)\n//)
			{
				syswrite $orders, $self->obey($1) . "\n";
			}
			# connections may have gone
			next;
		}
		if ($readable{ fileno $self->{listen} })
		{
			my $client = $self->{listen}->accept;

			$self->{refuse}
			  ? reset_socket($client)
			  : $self->new_connection($client)
			  if $client;
		}
		foreach my $connection (@{ [ @{ $self->{connections} } ] })
		{
			my $lives = 1;

			foreach my $side ('client', 'server')
			{
				my $direction = $connection->{$side};
				my $number = fileno $direction->{from};

				last if !defined $number;
				$lives &&= $self->take($direction, $side)
				  if $readable{$number}
				  && !$direction->{ended}
				  && !$self->{stall}{$side};
				$lives &&= $self->give($direction, $side);
			}
			$self->end_connection($connection, 1) if !$lives;
			$self->end_connection($connection, 0)
			  if $lives
			  && $connection->{client}{closed}
			  && $connection->{server}{closed};
		}
	}
	return;
}

1;

# BBackup::Frontend - a client that implements the protocol.
#
# It shows each message, and can stop to read, which psql can't.  It uses the
# socket of a node, whose authentication has to be trust.
#
#	my $client = BBackup::Frontend->new($node);
#	my @messages = $client->query('SELECT 1');
#	($_->{type}, $_->{body}) foreach @messages;

package BBackup::Frontend;

use strict;
use warnings;

use Carp;
use IO::Socket::UNIX;

# new - start a session in database postgres; {pid} is the PID of its backend.
sub new
{
	my ($class, $node) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or croak "$path: $!";
	my $self = bless { socket => $socket }, $class;
	my $startup = pack 'N(Z*Z*)2x', 3 << 16,
	  user => scalar getpwuid($<), database => 'postgres';

	$socket->autoflush(1);
	print $socket pack('N', 4 + length $startup), $startup;
	foreach my $message ($self->answer)
	{
		croak 'no session: ' . $message->{body} if $message->{type} eq 'E';
		$self->{pid} = unpack 'N', $message->{body}
		  if $message->{type} eq 'K';
	}
	return $self;
}

sub send_message
{
	my ($self, $type, $body) = @_;
	my $socket = $self->{socket};

	print $socket $type, pack('N', 4 + length $body), $body;
	return;
}

sub read_bytes
{
	my ($self, $n) = @_;
	my $bytes = '';

	while (length $bytes < $n)
	{
		sysread $self->{socket}, $bytes, $n - length $bytes, length $bytes
		  or return undef;
	}
	return $bytes;
}

# message - read the next message; undef if the server has gone.
sub message
{
	my ($self) = @_;
	my $head = $self->read_bytes(5) // return undef;
	my ($type, $length) = unpack 'a N', $head;

	return { type => $type, body => $self->read_bytes($length - 4) };
}

# answer - read all messages up to the next ReadyForQuery.
sub answer
{
	my ($self) = @_;
	my @messages;

	while (my $message = $self->message)
	{
		push @messages, $message;
		last if $message->{type} eq 'Z';
	}
	return @messages;
}

sub send_query
{
	my ($self, $query) = @_;

	$self->send_message('Q', pack 'Z*', $query);
	return;
}

sub query
{
	my ($self, $query) = @_;

	$self->send_query($query);
	return $self->answer;
}

# extended - run a query with text parameters, in a prepared statement of that name.
sub extended
{
	my ($self, $name, $query, @parameters) = @_;

	$self->send_message('P', pack 'Z*Z*n', $name, $query, 0);
	$self->send_message('B', pack 'Z*Z*n n(N/a*)' . @parameters . 'n',
		'', $name, 0, scalar @parameters, @parameters, 0);
	$self->send_message('D', pack 'aZ*', 'P', '');
	$self->send_message('E', pack 'Z*N', '', 0);
	$self->send_message('S', '');
	return $self->answer;
}

# pipeline - prepare a query, and run it once for each list of text parameters, without
# waiting in between; results are binary.  Returns the messages up to the end of
# all.
sub pipeline
{
	my ($self, $query, @runs) = @_;

	# after an error, the one before is left
	$self->send_message('C', pack 'aZ*', 'S', 'pipeline');
	$self->send_message('P', pack 'Z*Z*n', 'pipeline', $query, 0);
	foreach my $parameters (@runs)
	{
		$self->send_message('B', pack 'Z*Z*n n(N/a*)' . @$parameters . 'nn',
			'', 'pipeline', 0, scalar @$parameters, @$parameters, 1, 1);
		$self->send_message('E', pack 'Z*N', '', 0);
	}
	$self->send_message('S', '');
	return $self->answer;
}

# types - the types of messages as a string, with repeated types once.
sub types
{
	return join('', map { $_->{type} } @_) =~ tr/a-zA-Z0-9//sr;
}

# copied - the bytes of all CopyData messages.
sub copied
{
	return join '', map { $_->{body} } grep { $_->{type} eq 'd' } @_;
}

1;

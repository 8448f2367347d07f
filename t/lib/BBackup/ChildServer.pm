# BBackup::ChildServer - a server of the tests in a process of its own, which leads a
# process group of those that it forks; $self->{pid} is its ID.

package BBackup::ChildServer;

use strict;
use warnings;

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill '-KILL', $self->{pid};
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

1;

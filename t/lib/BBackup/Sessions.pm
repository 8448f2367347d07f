# BBackup::Sessions - sessions for many queries, their backends, and queries that
# fail.

package BBackup::Sessions;

use strict;
use warnings;

use BBackup::Files qw(slurp);
use Carp;
use Exporter 'import';
use IPC::Open2;
use Test::More;

our @EXPORT = qw(
  start_session
  send_query
  answer
  ask
  end_session
  query_is
  query_like
  fails_like
  backend_descriptors
  backend_status
);

# start_session - start a psql for many queries, in "postgres" or another database.
# (PostgreSQL::Test::BackgroundPsql
# would write every query to the test's output.)
sub start_session
{
	my ($node, $database) = @_;
	my ($out, $in);
	my $connstr = $node->connstr($database // 'postgres');
	my $pid = open2($out, $in,
		"exec psql -X -q -A -t -v VERBOSITY=verbose -d \"$connstr\" 2>&1");
	my $session = { pid => $pid, out => $out, in => $in };

	$session->{backend} = ask($session, 'SELECT pg_backend_pid()');
	return $session;
}

# send_query - send a query without waiting; answer waits.
sub send_query
{
	my ($session, $query) = @_;
	my $in = $session->{in};

	$in->autoflush(1);
	print $in "$query;\n\\echo <end of answer>\n";
	return;
}

# answer - the output of a query, its rows or an error, without the last newline;
# undef if psql has ended.  If nobody looks at it, an error ends the test.
sub answer
{
	my ($session) = @_;
	my $out = $session->{out};
	my $answer = '';

	while (1)
	{
		my $line = <$out> // return undef;

		last if $line eq "<end of answer>\n";
		$answer .= $line;
	}
	croak "a query failed: $answer"
	  if !defined wantarray && $answer =~ /^ERROR:/m;
	return $answer =~ s/\n\z//r;
}

# ask - send a query and wait for its answer.
sub ask
{
	my ($session, $query) = @_;

	send_query($session, $query);
	# in the caller's context
	return answer($session);
}

sub end_session
{
	my ($session) = @_;

	close $session->{in};
	close $session->{out};
	waitpid $session->{pid}, 0;
	return;
}

# The answer to a query, by a session or a node.
sub answer_of
{
	my ($where, $query) = @_;

	return ref $where eq 'HASH'
	  ? ask($where, $query)
	  : $where->safe_psql('postgres', $query);
}

# query_is, query_like - test the answer to a query, by a session or a node, as is
# and like do.
sub query_is($$$$)
{
	my ($where, $query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(answer_of($where, $query), $expected, $name);
}

sub query_like($$$$)
{
	my ($where, $query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(answer_of($where, $query), $expected, $name);
}

# fails_like - test that a query fails with this message.
sub fails_like
{
	my ($node, $query, $expected, $name) = @_;
	my ($stdout, $stderr);
	my $result = $node->psql(
		'postgres', $query,
		stdout => \$stdout,
		stderr => \$stderr,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($result != 0 && $stderr =~ $expected, $name)
	  or diag("status $result, expected $expected, got: $stderr");
	return;
}

# backend_descriptors - the names of the files that a process has open.
sub backend_descriptors
{
	my ($pid) = @_;

	return grep { defined } map { readlink } glob "/proc/$pid/fd/*";
}

# backend_status - a number from /proc/PID/status, in kB.
sub backend_status
{
	my ($pid, $field) = @_;
	my $status = slurp("/proc/$pid/status");

	return $status =~ /^$field:\s+(\d+)/m ? $1 : croak "no $field";
}

1;

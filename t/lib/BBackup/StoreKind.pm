# BBackup::StoreKind - where the default page store of a test is.
#
# Tests work with whatever page store new_store makes, so each of them can be
# one of S3 too.  The environment says which, in BBACKUP_STORE:
#
#	local		a directory; the default
#	s3			S3; layers are read by ranges
#	s3-empty	S3, with a cache that is emptied ahead of every backup
#	s3-small	S3, with a cache that has room for some of the layers
#	s3-full		S3, with a cache that has all layers before a backup begins,
#				which then may download none
#
# t/203_s3_matrix.pl runs a choice of tests in this way.

package BBackup::StoreKind;

use strict;
use warnings;

use BBackup::S3;
use Carp;
use PostgreSQL::Test::Utils;

my $kind = $ENV{BBACKUP_STORE} // 'local';
my %cache_size = (
	's3' => undef,
	's3-empty' => '1GB',
	's3-small' => '4MB',
	's3-full' => '1GB');

croak "BBACKUP_STORE is $kind"
  if $kind ne 'local' && !exists $cache_size{$kind};

# The server, one for all stores of a test; their caches, by the node's name.
my $s3;
my %caches;

sub is_local { return $kind eq 'local' }

# configuration - what the server of a store needs.
sub configuration
{
	# so that several layers fit into the small cache, and not all
	return $kind eq 's3-small' ? "bbackup.layer_size = 1MB\n" : '';
}

# attach - have the default store of a node elsewhere, if it is to be.
sub attach
{
	my ($node) = @_;
	my $name = $node->name;
	my $options = '';

	return if is_local();
	$s3 //= BBackup::S3->start_or_skip;
	if (defined $cache_size{$kind})
	{
		$caches{$name} = PostgreSQL::Test::Utils::tempdir;
		$options = ", cache_directory '$caches{$name}',"
		  . " cache_size '$cache_size{$kind}'";
	}
	$node->safe_psql(
		'postgres', qq(
ALTER SERVER bbackup RENAME TO bbackup_local;
CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 's3://bucket/$name', endpoint '$s3->{endpoint}' $options);
CREATE USER MAPPING FOR PUBLIC SERVER bbackup
	OPTIONS (access_key_id '$s3->{key}',
			 secret_access_key '$s3->{secret}');
));
	return;
}

# before_backup - bring the cache into the state that is asked for; returns
# settings for the session that makes the backup.
sub before_backup
{
	my ($node, $arguments) = @_;

	unlink glob "$caches{$node->name}/*/{,.}*"
	  if $kind eq 's3-empty';
	return '' if $kind ne 's3-full';
	$node->safe_psql('postgres',
		"SELECT count(c) FROM (SELECT bb_basebackup_stream($arguments) c) s");
	return '-c bbackup.download_behavior=error';
}

# objects - the names of all objects of the node's store below a prefix.
sub objects
{
	my ($node, $prefix) = @_;

	return map { substr $_, 1 + length $node->name }
	  $s3->list('bucket', $node->name . "/$prefix");
}

# forget_killed - a writer that was killed keeps others waiting for a minute:
# let that have passed.
sub forget_killed
{
	my ($node) = @_;

	return if is_local();
	$s3->request('DELETE', "/bucket/$_")
	  foreach grep { m{/\.[^/]*\.lock\.[0-9a-f]+$} }
	  $s3->list('bucket', $node->name . '/');
	return;
}

1;

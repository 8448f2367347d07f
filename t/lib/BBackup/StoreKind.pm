# BBackup::StoreKind - where the default page store of a test is.
#
# Tests use the page store that new_store makes, which may also be in S3.  The
# environment variable BBACKUP_STORE says which it is:
#
#	local		a directory; the default
#	encrypted	a directory, encrypted
#	s3			S3; layers are read by ranges
#	s3-empty	S3, with a cache that is emptied before every backup
#	s3-small	S3, with a cache that is too small for all layers
#	s3-full		S3, with a cache that has all layers before a backup begins;
#				the backup may not download any
#
# t/203_s3_matrix.pl runs some of the tests with each of them.

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
  if !is_local() && !exists $cache_size{$kind};

# The server of all stores of a test; their caches, by the name of the node.
my $s3;
my %caches;

sub is_local { return $kind eq 'local' || $kind eq 'encrypted' }

# configuration - return the settings that the server of a store needs.
sub configuration
{
	# the extension's own server must not read the encrypted store
	return "bbackup.store_directory = '/tmp/bbackup_no_such_store'\n"
	  if $kind eq 'encrypted';
	# so that the small cache has room for several layers, but not for all
	return $kind eq 's3-small' ? "bbackup.layer_size = 1MB\n" : '';
}

# Encrypt the default store of a node.
sub encrypt
{
	my ($node) = @_;
	my $key = PostgreSQL::Test::Utils::tempdir . '/key';

	open my $file, '>', $key or croak "$key: $!";
	print $file '5a' x 32, "\n";
	close $file;
	chmod 0600, $key;
	$node->safe_psql('postgres', "ALTER SERVER bbackup RENAME TO bbackup_plain;"
		  . 'CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup OPTIONS'
		  . " (url 'file://" . $node->data_dir . ".bbackup',"
		  . " encryption_key_file '$key')");
	return;
}

# attach - move the default store of a node to S3, unless it is local; or encrypt
# it.
sub attach
{
	my ($node) = @_;
	my $name = $node->name;
	my $options = '';

	encrypt($node) if $kind eq 'encrypted';
	return if is_local();
	$s3 //= BBackup::S3->start_or_skip;
	if (defined $cache_size{$kind})
	{
		$caches{$name} = PostgreSQL::Test::Utils::tempdir;
		$options = ", cache_directory '$caches{$name}',"
		  . " cache_size '$cache_size{$kind}'";
	}
	$node->safe_psql('postgres', qq(
ALTER SERVER bbackup RENAME TO bbackup_local;
CREATE SERVER bbackup FOREIGN DATA WRAPPER bbackup
	OPTIONS (url 's3://bucket/$name', endpoint '$s3->{endpoint}' $options);
CREATE USER MAPPING FOR PUBLIC SERVER bbackup
	OPTIONS (access_key_id '$s3->{key}',
			 secret_access_key '$s3->{secret}');
));
	return;
}

# before_backup - empty or fill the cache, as the kind of store requires.  Returns
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

# objects - return the names of all objects of the node's store below a prefix.
sub objects
{
	my ($node, $prefix) = @_;

	return map { substr $_, 1 + length $node->name }
	  $s3->list('bucket', $node->name . "/$prefix");
}

# forget_killed - remove the locks of killed writers, which would block others for
# a minute.
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

# BBackup::ServerImport - sources of a store, and imports of them.
#
#	create_source($store, 'shop', $node);
#	my $row = import_server($store, 'shop', 'main', "max_rate => 20000");

package BBackup::ServerImport;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(create_source import_server import_call);

# create_source - a foreign server for a node, or a recorder of it, with more
# options as they are written in OPTIONS, and a user mapping for the superuser.
sub create_source
{
	my ($store, $name, $node, @options) = @_;
	my $user = $store->safe_psql('postgres', 'SELECT current_user');
	my @host =
	  (grep { /^host / } @options) ? () : "host '@{[ $node->host ]}'";
	my $options = join ', ', @host, "port '@{[ $node->port ]}'", @options;

	$store->safe_psql('postgres', qq(
CREATE SERVER $name FOREIGN DATA WRAPPER bbackup_source OPTIONS ($options);
CREATE USER MAPPING FOR "$user" SERVER $name
	OPTIONS (user '$user', password_required 'false');
));
	return;
}

# import_call - bb_import_server(...), with a fast checkpoint.
sub import_call
{
	my ($name, $timeline, $arguments) = @_;

	return "bb_import_server('$name', timeline => '$timeline',"
	  . " checkpoint => 'fast'"
	  . (defined $arguments ? ", $arguments" : '') . ')';
}

# import_server - call it; returns its row as a hash.
sub import_server
{
	my ($store, $name, $timeline, $arguments, $settings) = @_;
	my @columns = qw(timeline lsn databases relations pages bytes_read
	  bytes_stored duration);
	my %row;

	$settings //= '';
	@row{@columns} = split /\|/,
	  $store->safe_psql('postgres',
		"$settings SELECT * FROM "
		  . import_call($name, $timeline // 'main', $arguments));
	return \%row;
}

1;

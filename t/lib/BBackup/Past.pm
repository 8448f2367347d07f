# BBackup::Past - tables of the past, compared with a clone of the same LSN.
#
#	import_past($store, $database, $lsn, 'past');
#	my @differences = past_differences($store, $clone, $database, 'past');

package BBackup::Past;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(import_past past_differences past_digests);

# The tables of a clone that a store can show: schema, name.
my $tables = q(
SELECT n.nspname, c.relname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S', 'p') AND c.relpersistence = 'p'
	AND NOT c.relispartition AND (c.relkind <> 'm' OR c.relispopulated)
	AND n.nspname NOT LIKE 'pg_temp%' AND n.nspname NOT LIKE 'pg_toast%'
ORDER BY 1, 2);

# import_past - make the schemas PREFIX.SCHEMA on the store's server, of all schemas
# of a database at an LSN, and return their names there.  The names of a clone's
# schemas are read from the past itself.
sub import_past
{
	my ($store, $database, $lsn, $prefix, $options) = @_;
	my @schemas;

	$options = ", $options" if $options;
	$options //= '';
	$store->safe_psql($database, qq(
DO \$\$ DECLARE s text; BEGIN
	FOR s IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^$prefix\\.' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', s);
	END LOOP; END \$\$;
CREATE SCHEMA "$prefix.pg_catalog";
IMPORT FOREIGN SCHEMA pg_catalog FROM SERVER bbackup INTO "$prefix.pg_catalog"
	OPTIONS (database '$database', lsn '$lsn'$options);
));
	foreach my $schema (
		split /\n/,
		$store->safe_psql($database, qq(
SELECT nspname FROM "$prefix.pg_catalog".pg_namespace
WHERE nspname !~ '^pg_(temp|toast|catalog)' ORDER BY 1)))
	{
		$store->safe_psql($database, qq(
CREATE SCHEMA "$prefix.$schema";
IMPORT FOREIGN SCHEMA "$schema" FROM SERVER bbackup INTO "$prefix.$schema"
	OPTIONS (database '$database', lsn '$lsn'$options);
));
		push @schemas, $schema;
	}
	return ('pg_catalog', @schemas);
}

# Columns of the foreign tables, with their types: schema, table, column, type.
# Privileges are shown with names of roles, which only the clone has.
sub columns_of
{
	my ($store, $database, $prefix) = @_;
	my %columns;

	foreach (
		split /\n/,
		$store->safe_psql($database, qq(
SELECT concat_ws(E'\\t', substr(n.nspname, length('$prefix.') + 1), c.relname,
	quote_ident(a.attname), format_type(a.atttypid, NULL))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	AND NOT a.attisdropped AND a.atttypid <> 'aclitem[]'::regtype
WHERE n.nspname ~ '^$prefix\\.' AND c.relkind = 'f'
ORDER BY 1)))
	{
		my ($schema, $table, $column, $type) = split /\t/, $_, -1;

		push @{ $columns{"$schema\t$table"} }, [ $column, $type ]
		  if defined $type;
		$columns{"$schema\t$table"} //= [];
	}
	return %columns;
}

# past_digests - the number of rows and a digest of each of these tables, by the
# columns and types that the foreign tables have.
sub past_digests
{
	my ($node, $database, $prefix, $columns) = @_;
	my @names = sort keys %$columns;
	my $sql = '';
	my %digests;

	foreach my $name (@names)
	{
		my ($schema, $table) = split /\t/, $name;
		my $row = join ', ',
		  map { "coalesce(($_->[0])::$_->[1]::text, '\\N')" }
		  @{ $columns->{$name} };

		$row = "''" if $row eq '';
		$sql .= "SELECT count(*), md5(string_agg(r, '' ORDER BY r)) FROM"
		  . " (SELECT md5(concat_ws('|', $row)) AS r FROM \"$prefix$schema\".\"$table\") q;\n";
	}
	@digests{@names} = split /\n/, $node->safe_psql($database, $sql);
	return %digests;
}

# How many columns a table has in the clone.
sub columns_there
{
	my ($clone, $database, $name) = @_;
	my ($schema, $table) = split /\t/, $name;

	return $clone->safe_psql($database,
		'SELECT count(*) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped'
		  . " AND attrelid = '\"$schema\".\"$table\"'::regclass");
}

# past_differences - the tables that are not the same in the clone, and the number
# of those that were compared.
sub past_differences
{
	my ($store, $clone, $database, $prefix) = @_;
	my %columns = columns_of($store, $database, $prefix);
	my @expected = map { s/\|/\t/r } split /\n/,
	  $clone->safe_psql($database, $tables);
	my @differences = map { "$_ is not imported" } grep { !$columns{$_} } @expected;
	my %there = map { $_ => 1 } @expected;

	push @differences, map { "$_ is not in the clone" }
	  grep { !$there{$_} } keys %columns;
	delete @columns{ grep { !$there{$_} } keys %columns };

	push @differences, map { "$_ lacks a column" }
	  grep { !/^(?:pg_catalog|information_schema)\t/ && @{ $columns{$_} } != columns_there($clone, $database, $_) }
	  sort keys %columns;

	my %past = past_digests($store, $database, "$prefix.", \%columns);
	my %clone = past_digests($clone, $database, '', \%columns);
	push @differences,
	  map { "$_: $past{$_} instead of $clone{$_}" }
	  grep { $past{$_} ne $clone{$_} } sort keys %columns;
	return (scalar(keys %columns), @differences);
}

1;

/*-------------------------------------------------------------------------
 *
 * tablespacemap.c
 *	  Where the tablespaces of a restored cluster go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "files/outdir.h"
#include "members/tablespacemap.h"
#include "port.h"

/* A mapping, parsed. */
typedef struct Mapping
{
	char		from[MAXPGPATH];
	char		to[MAXPGPATH];
} Mapping;

/* Parse a mapping (tablespace_list_append in PostgreSQL's pg_basebackup.c). */
static void
parse(const char *text, Mapping *mapping)
{
	char	   *part = mapping->from;
	char	   *end = part;

	for (const char *at = text; *at != '\0'; at++)
	{
		if (end - part >= MAXPGPATH - 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("directory name too long")));
		if (*at == '\\' && at[1] == '=')
			continue; /* drop the backslash of an escaped "=" */
		if (*at != '=' || (at > text && at[-1] == '\\'))
			*end++ = *at;
		else if (part == mapping->to)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("multiple \"=\" signs in tablespace mapping")));
		else
		{
			*end = '\0';
			part = end = mapping->to;
		}
	}
	*end = '\0';

	if (part == mapping->from || mapping->from[0] == '\0' ||
		mapping->to[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid tablespace mapping format \"%s\", must be \"OLDDIR=NEWDIR\"",
						text)));
	if (!is_absolute_path(mapping->to))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new directory is not an absolute path in tablespace mapping: %s",
						mapping->to)));
	canonicalize_path(mapping->from);
	canonicalize_path(mapping->to);
}

/* Is it an OID? */
static bool
is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

static char *
canonical_location(const BbTablespace *tablespace)
{
	char	   *location = pstrdup(tablespace->location);

	canonicalize_path(location);
	return location;
}

static void
report_unknown(const char *from, const List *tablespaces)
{
	StringInfoData there;
	ListCell   *cell;

	initStringInfo(&there);
	foreach(cell, tablespaces)
	{
		const BbTablespace *tablespace = lfirst(cell);

		appendStringInfo(&there, "%s%u (\"%s\")", there.len > 0 ? ", " : "",
						 tablespace->spc, canonical_location(tablespace));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no tablespace \"%s\" to be mapped", from),
			 there.len > 0 ? errdetail("There are: %s.", there.data)
			 : errdetail("The cluster has no tablespaces that can be mapped.")));
}

static Oid
find_tablespace(const char *from, const List *tablespaces)
{
	ListCell   *cell;

	if (!is_number(from) && !is_absolute_path(from))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("old directory is not an absolute path in tablespace mapping: %s",
						from),
				 errhint("It may also be the OID of a tablespace.")));
	foreach(cell, tablespaces)
	{
		const BbTablespace *tablespace = lfirst(cell);

		if (is_number(from)
				? tablespace->spc == strtoul(from, NULL, 10)
				: bb_text_names(from, canonical_location(tablespace)))
			return tablespace->spc;
	}
	report_unknown(from, tablespaces);
	return InvalidOid; /* not reached */
}

List *
bb_tablespacemap_new(const List *tablespaces, const List *mappings)
{
	List	   *result = NIL;
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, mappings)
	{
		BbMappedTablespace *mapped = palloc(sizeof(BbMappedTablespace));
		Mapping		mapping;

		parse(lfirst(cell), &mapping);
		mapped->spc = find_tablespace(mapping.from, tablespaces);
		mapped->directory = pstrdup(mapping.to);
		foreach(other, result)
		{
			const BbMappedTablespace *before = lfirst(other);

			if (before->spc == mapped->spc ||
				strcmp(before->directory, mapped->directory) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("tablespace mapping \"%s\" contradicts another",
								(char *) lfirst(cell))));
		}
		result = lappend(result, mapped);
	}
	return result;
}

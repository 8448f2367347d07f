/*-------------------------------------------------------------------------
 *
 * mapping.c
 *	  The new directories of tablespaces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/logging.h"
#include "common/string.h"
#include "mapping.h"

/*
 * Split a mapping at its "=".  As in pg_basebackup, "\=" is an equals sign that
 * belongs to a path.
 */
static void
split(const char *option, char **left, char **right)
{
	char	   *sides[2];
	char	   *to;
	int			side = 0;

	for (int i = 0; i < 2; i++)
		sides[i] = pg_malloc0(strlen(option) + 1);
	to = sides[0];
	for (const char *from = option; *from != '\0'; from++)
	{
		if (from[0] == '\\' && from[1] == '=')
			*to++ = *++from;
		else if (*from != '=')
			*to++ = *from;
		else if (++side < 2)
			to = sides[side];
		else
			pg_fatal("multiple \"=\" signs in tablespace mapping");
	}
	if (sides[0][0] == '\0' || sides[1][0] == '\0')
		pg_fatal("invalid tablespace mapping format \"%s\", must be "
				 "\"OLDDIR=NEWDIR\"",
				 option);
	*left = sides[0];
	*right = sides[1];
}

void
bb_mappings_add(BbMappings *mappings, const char *option)
{
	BbMapping  *mapping = pg_malloc0(sizeof(BbMapping));
	char	   *old;

	split(option, &old, &mapping->new_dir);
	if (strspn(old, "0123456789") == strlen(old))
	{
		char	   *end;
		unsigned long oid;

		errno = 0;
		oid = strtoul(old, &end, 10);
		if (errno != 0 || oid == 0 || oid > PG_UINT32_MAX)
			pg_fatal("invalid OID of a tablespace: \"%s\"", old);
		mapping->oid = (Oid) oid;
		pg_free(old);
	}
	else
	{
		if (!is_absolute_path(old))
			pg_fatal("old directory is not an absolute path in tablespace "
					 "mapping: %s",
					 old);
		canonicalize_path(old);
		mapping->old_dir = old;
	}
	if (!is_absolute_path(mapping->new_dir))
		pg_fatal("new directory is not an absolute path in tablespace "
				 "mapping: %s",
				 mapping->new_dir);
	canonicalize_path(mapping->new_dir);

	mapping->next = mappings->first;
	mappings->first = mapping;
}

void
bb_mappings_locate(BbMappings *mappings, Oid oid, const char *location)
{
	char	   *path = pg_strdup(location);

	canonicalize_path(path);
	for (BbMapping *mapping = mappings->first; mapping != NULL;
		 mapping = mapping->next)
	{
		if (mapping->old_dir != NULL && strcmp(mapping->old_dir, path) == 0)
			mapping->oid = oid;
		if (mapping->oid == oid)
			mapping->used = true;
	}
	pg_free(path);
}

const BbMapping *
bb_mappings_missing(const BbMappings *mappings)
{
	const BbMapping *mapping = mappings->first;

	while (mapping != NULL && mapping->used)
		mapping = mapping->next;
	return mapping;
}

const char *
bb_mappings_find(BbMappings *mappings, Oid oid)
{
	for (BbMapping *mapping = mappings->first; mapping != NULL;
		 mapping = mapping->next)
	{
		if (mapping->oid == oid)
		{
			mapping->used = true;
			return mapping->new_dir;
		}
	}
	return NULL;
}

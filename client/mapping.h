/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  The new directories of tablespaces: -T OLDDIR=NEWDIR, or -T OID=NEWDIR.
 *
 * A tablespace without a mapping becomes a directory in pg_tblspc.
 * (pg_basebackup uses its directory on the source, which is in use if the clone
 * is on the same machine.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_MAPPING_H
#define BB_CLIENT_MAPPING_H

typedef struct BbMapping
{
	struct BbMapping *next;
	char	   *old_dir; /* NULL: the option has the OID */
	char	   *new_dir;
	Oid			oid;  /* InvalidOid until bb_mappings_locate has found it */
	bool		used; /* the backup has the tablespace */
} BbMapping;

typedef struct BbMappings
{
	BbMapping  *first;
} BbMappings;

/* bb_mappings_add - add the value of an option; ends the program on error. */
extern void bb_mappings_add(BbMappings *mappings, const char *option);

/* bb_mappings_locate - set the directory that a tablespace has on the source. */
extern void bb_mappings_locate(BbMappings *mappings, Oid oid,
							   const char *location);

/* bb_mappings_missing - return a mapping without a tablespace so far, or NULL. */
extern const BbMapping *bb_mappings_missing(const BbMappings *mappings);

/* bb_mappings_find - return the new directory of a tablespace, or NULL. */
extern const char *bb_mappings_find(BbMappings *mappings, Oid oid);

#endif /* BB_CLIENT_MAPPING_H */

/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  Where tablespaces go: -T OLDDIR=NEWDIR, or -T OID=NEWDIR.
 *
 * A tablespace that isn't mapped becomes a directory in pg_tblspc.  (By
 * pg_basebackup it would go to where the source has it: there, a clone on the
 * source's machine is in its way.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_MAPPING_H
#define BB_CLIENT_MAPPING_H

typedef struct BbMapping
{
	struct BbMapping *next;
	char	   *old_dir; /* NULL: the OID was given */
	char	   *new_dir;
	Oid			oid;  /* InvalidOid until bb_mappings_locate has found it */
	bool		used; /* the backup has this tablespace */
} BbMapping;

typedef struct BbMappings
{
	BbMapping  *first;
} BbMappings;

/* bb_mappings_add - an option's value; ends the program if it's wrong. */
extern void bb_mappings_add(BbMappings *mappings, const char *option);

/* bb_mappings_locate - the source has this tablespace there. */
extern void bb_mappings_locate(BbMappings *mappings, Oid oid,
							   const char *location);

/* bb_mappings_missing - one without a tablespace so far, or NULL. */
extern const BbMapping *bb_mappings_missing(const BbMappings *mappings);

/* bb_mappings_find - the new directory of a tablespace, or NULL. */
extern const char *bb_mappings_find(BbMappings *mappings, Oid oid);

#endif /* BB_CLIENT_MAPPING_H */

/*-------------------------------------------------------------------------
 *
 * relmap.c
 *	  pg_filenode.map: the files of catalogs that pg_class can't know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
#include "heap/relmap.h"

/* The start of RelMapFile in PostgreSQL's relmapper.c. */
typedef struct Mapping
{
	Oid			oid;
	Oid			file;
} Mapping;

typedef struct MapFile
{
	int32		magic;
	int32		nmappings;
	Mapping		mappings[FLEXIBLE_ARRAY_MEMBER];
} MapFile;

const uint8 *
bb_relmap_read(const BbReqCtx *ctx, const BbSnapshot *snapshot, Oid tablespace,
			   Oid database)
{
	BbKey		key = bb_key_make(BB_KEY_RELMAP, tablespace, database, 0, 0,
								  0);
	const BbMajor *own = bb_major_own();
	BbValue		value = bb_pagestore_need(ctx, snapshot, &key,
										  own->relmap_size);
	uint8	   *map = palloc(own->relmap_size);

	memcpy(map, value.data, own->relmap_size);
	/* which also checks the number of mappings */
	if (bb_relmap_error(own, map, own->relmap_size) != NULL)
		bb_pagestore_report_invalid(&key);
	return map;
}

Oid
bb_relmap_find(const uint8 *map, Oid relation)
{
	const MapFile *file = (const MapFile *) map;

	for (int i = 0; i < file->nmappings; i++)
	{
		if (file->mappings[i].oid == relation)
			return file->mappings[i].file;
	}
	return InvalidOid;
}

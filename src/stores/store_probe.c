/*-------------------------------------------------------------------------
 *
 * store_probe.c
 *	  Trying a page store: can it be written, how much room has it?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "miscadmin.h"
#include "stores/store_probe.h"
#include "upkeep/growth.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_PROBE_BYTES 1024

/* REQUIRES: the lock of the probe. */
static void
write_read_remove(const BbReqCtx *ctx, BbObjectStore *objects)
{
	const char *name = BB_STORE_PROBE_OBJECT;
	char	   *written = psprintf("written by a check at %s, process %d\n",
								   timestamptz_to_str(GetCurrentTimestamp()),
								   MyProcPid);
	char	   *data;
	size_t		length;
	BbObjectTag tag = BB_OBJECT_ABSENT;

	if (!bb_objstore_get(ctx, objects, name, MAX_PROBE_BYTES, &data, &length,
						 &tag))
		tag = BB_OBJECT_ABSENT;
	if (!bb_objstore_put_if(ctx, objects, name, written, strlen(written), tag,
							&tag))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" of page store \"%s\" was changed by another process",
						name, bb_objstore_url(objects))));
	if (!bb_objstore_get(ctx, objects, name, MAX_PROBE_BYTES, &data, &length,
						 &tag) ||
		length != strlen(written) || memcmp(data, written, length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" of page store \"%s\" is not what was written",
						name, bb_objstore_url(objects)),
				 errhint("The store loses writes, or somebody else writes there.")));
	bb_objstore_remove(ctx, objects, name);
	bb_objstore_sweep(ctx, objects, BB_STORE_PROBE_DIRECTORY);
}

bool
bb_store_probe(const BbReqCtx *ctx, BbObjectStore *objects)
{
	/* it has the lock */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup store probe",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		locked = bb_objstore_lock(ctx, objects,
										  BB_STORE_PROBE_DIRECTORY);

	if (locked)
		write_read_remove(ctx, objects);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return locked;
}

bool
bb_store_room(const BbObjectStore *objects, BbStoreRoom *room)
{
	const char *directory = bb_objstore_local_directory(objects);
	struct statvfs st;

	if (directory == NULL)
		return false;
	if (statvfs(directory, &st) < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not look at the file system of directory \"%s\": %m",
						directory)));
	}
	room->total = (uint64) st.f_blocks * st.f_frsize;
	room->free = (uint64) st.f_bavail * st.f_frsize;
	return true;
}

void
bb_store_note_growth(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbStoreRoom room = {0};

	(void) bb_store_room(objects, &room);
	bb_growth_note(ctx, objects, room.total, room.free);
}

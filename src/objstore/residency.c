/*-------------------------------------------------------------------------
 *
 * residency.c
 *	  Stores without a cache, and the permission to download an object.
 *
 * All objects of a local store are resident, and none of a store elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "objstore/objstore_driver.h"

void
bb_download_check(const BbReqCtx *ctx, const BbWholeObject *object)
{
	BbDownloadBehavior behavior = ctx->download_behavior;

	if (behavior == BB_DOWNLOAD_ERROR && bb_setting_download_error_as_warn)
		behavior = BB_DOWNLOAD_WARN;
	switch (behavior)
	{
		case BB_DOWNLOAD_ALLOW:
			break;
		case BB_DOWNLOAD_WARN:
			BB_COUNT(ctx, downloads_warned, 1);
			ereport(WARNING,
					(errmsg("%s needs to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes.",
							   object->size)));
			break;
		case BB_DOWNLOAD_ERROR:
			BB_COUNT(ctx, downloads_refused, 1);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s would have to download layer \"%s\"",
							bb_task_kind_name(ctx->task_kind),
							object->name),
					 errdetail("It has " UINT64_FORMAT " bytes and is not "
							   "resident.",
							   object->size),
					 errhint("Set bbackup.download_behavior to \"download\" "
							 "or \"warn\", or call bb_prefetch() first.")));
	}
}

/* ---- stores without a cache ---- */

static bool
is_always(const BbObjectStore *objects, const BbWholeObject *object)
{
	return true;
}

static bool
is_never(const BbObjectStore *objects, const BbWholeObject *object)
{
	return false;
}

static uint64
no_cache_size(const BbObjectStore *objects)
{
	return 0;
}

static void
permit_download(const BbReqCtx *ctx, BbObjectStore *objects,
				const BbWholeObject *object)
{
	if (!bb_object_is_resident(objects, object))
		bb_download_check(ctx, object);
}

static BbObjectReader *
open_uncached(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbWholeObject *object)
{
	permit_download(ctx, objects, object);
	return bb_object_open(ctx, objects, object->name);
}

static const BbWholeObject *
find_missing(const BbReqCtx *ctx, BbObjectStore *objects, List *wanted,
			 BbFetched fetched, void *arg)
{
	ListCell   *cell;

	foreach(cell, wanted)
	{
		if (!bb_object_is_resident(objects, lfirst(cell)))
			return lfirst(cell);
	}
	return NULL;
}

static BbEviction
evict_nothing(BbObjectStore *objects, const BbWholeObject *object)
{
	return BB_EVICTION_NOT_RESIDENT;
}

static BbEvicted
evict_none_idle(const BbReqCtx *ctx, BbObjectStore *objects,
				TimestampTz before)
{
	return (BbEvicted){0};
}

#define UNCACHED                                                 \
	.open_resident = open_uncached, .cache_size = no_cache_size, \
	.hold = find_missing, .permit_download = permit_download,    \
	.evict = evict_nothing, .evict_idle = evict_none_idle

const BbResidencyOps bb_residency_all = {.residency = BB_RESIDENT_ALL,
										 .is_resident = is_always,
										 UNCACHED};

const BbResidencyOps bb_residency_none = {.residency = BB_RESIDENT_NONE,
										  .is_resident = is_never,
										  UNCACHED};

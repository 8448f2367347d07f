/*-------------------------------------------------------------------------
 *
 * crypt_cache.c
 *	  Encrypted stores: the operations of the cache of the store below.
 *
 * Callers know the sizes of the plaintext, the cache those of the ciphertext.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

static BbObjectStore *
below_of(const BbObjectStore *objects)
{
	return ((const BbCryptStore *) objects)->below;
}

static BbWholeObject
sealed_object(const BbWholeObject *object)
{
	BbWholeObject sealed = *object;

	sealed.size = bb_sealed_size(object->size);
	return sealed;
}

static BbObjectReader *
crypt_open_resident(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbWholeObject *object)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted object",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = CurrentMemoryContext;
	BbWholeObject sealed = sealed_object(object);
	BbObjectReader *below;
	BbObjectReader *reader;

	/* the cache's mark that the file is in use stays as long as our caller */
	below = below_of(objects)->cache_ops->open_resident(ctx, below_of(objects),
														&sealed);
	MemoryContextSwitchTo(context);
	reader = bb_crypt_reader(ctx, (BbCryptStore *) objects, object->name,
							 below);
	reader->objects = objects;
	reader->name = pstrdup(below->name);
	reader->copy = below->copy;
	MemoryContextSwitchTo(old);
	return reader;
}

static bool
crypt_is_resident(const BbObjectStore *objects, const BbWholeObject *object)
{
	BbWholeObject sealed = sealed_object(object);

	return bb_object_is_resident(below_of(objects), &sealed);
}

static uint64
crypt_cache_size(const BbObjectStore *objects)
{
	return bb_objstore_cache_size(below_of(objects));
}

/* An object that the cache is to hold, and what the caller called it. */
typedef struct Wanted
{
	BbWholeObject sealed; /* the first field */
	const BbWholeObject *object;
} Wanted;

typedef struct Fetched
{
	BbFetched	function;
	void	   *arg;
} Fetched;

static void
report_fetched(const BbReqCtx *ctx, const BbWholeObject *sealed, void *arg)
{
	const Fetched *fetched = arg;

	fetched->function(ctx, ((const Wanted *) sealed)->object, fetched->arg);
}

static const BbWholeObject *
crypt_hold(const BbReqCtx *ctx, BbObjectStore *objects, List *wanted,
		   BbFetched function, void *arg)
{
	Fetched		fetched = {.function = function, .arg = arg};
	List	   *all = NIL;
	const BbWholeObject *left;
	ListCell   *cell;

	foreach(cell, wanted)
	{
		Wanted	   *one = palloc(sizeof(Wanted));

		one->object = lfirst(cell);
		one->sealed = sealed_object(one->object);
		all = lappend(all, one);
	}
	left = bb_objects_hold(ctx, below_of(objects), all,
						   function != NULL ? report_fetched : NULL, &fetched);
	return left != NULL ? ((const Wanted *) left)->object : NULL;
}

static void
crypt_permit_download(const BbReqCtx *ctx, BbObjectStore *objects,
					  const BbWholeObject *object)
{
	BbWholeObject sealed = sealed_object(object);

	bb_object_permit_download(ctx, below_of(objects), &sealed);
}

static BbEviction
crypt_evict(BbObjectStore *objects, const BbWholeObject *object)
{
	BbWholeObject sealed = sealed_object(object);

	return bb_object_evict(below_of(objects), &sealed);
}

static BbEvicted
crypt_evict_idle(const BbReqCtx *ctx, BbObjectStore *objects,
				 TimestampTz before)
{
	return bb_objstore_evict_idle(ctx, below_of(objects), before);
}

static BbEvicted
crypt_relieve(const BbReqCtx *ctx, BbObjectStore *objects, uint64 min_free)
{
	return bb_objstore_relieve(ctx, below_of(objects), min_free);
}

static void
crypt_cool(BbObjectStore *objects, const BbWholeObject *object)
{
	BbWholeObject sealed = sealed_object(object);

	bb_object_cool(below_of(objects), &sealed);
}

const BbCacheOps bb_crypt_cache_ops = {
	.open_resident = crypt_open_resident,
	.is_resident = crypt_is_resident,
	.size = crypt_cache_size,
	.hold = crypt_hold,
	.permit_download = crypt_permit_download,
	.evict = crypt_evict,
	.evict_idle = crypt_evict_idle,
	.relieve = crypt_relieve,
	.cool = crypt_cool,
};

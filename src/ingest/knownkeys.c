/*-------------------------------------------------------------------------
 *
 * knownkeys.c
 *	  Known keys: the newest small values, which the next record may depend on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "common/hashfn.h"
#include "ingest/knownkeys.h"
#include "utils/memutils.h"

/* The number of bytes of a value that are kept. */
#define KEPT_BYTES 8

/* If more keys than this are known, a flush forgets them all. */
#define REMEMBERED_MAX 1000000

typedef struct KnownKey
{
	BbKey		key;
	char		status; /* of the hash table */
	bool		exists;
	uint32		length; /* of the value, of which at most 8 bytes are here */
	union
	{
		uint8		value[KEPT_BYTES];
		uint8	   *whole; /* of REL_ZEROS, in the directory's context */
	};
} KnownKey;

#define SH_PREFIX entries
#define SH_ELEMENT_TYPE KnownKey
#define SH_KEY_TYPE BbKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((key).bytes, BB_KEY_LENGTH)
#define SH_EQUAL(table, a, b) (bb_key_compare(&(a), &(b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct BbKnownKeys
{
	MemoryContext context; /* of the table */
	BbObjectStore *objects;
	BbOpenLayer *layer;
	const BbManifest *manifest; /* of the timeline, which is read at its end */
	MemoryContext view;			/* of the timeline */
	BbTimeline *timeline;		/* NULL: not open yet */
	entries_hash *entries;
};

BbKnownKeys *
bb_knownkeys_new(BbObjectStore *objects, BbOpenLayer *layer)
{
	BbKnownKeys *known = palloc0(sizeof(BbKnownKeys));

	known->view = AllocSetContextCreate(CurrentMemoryContext,
										"bbackup ingest view",
										ALLOCSET_DEFAULT_SIZES);
	known->context = AllocSetContextCreate(CurrentMemoryContext,
										   "bbackup known keys",
										   ALLOCSET_DEFAULT_SIZES);
	known->objects = objects;
	known->layer = layer;
	known->entries = entries_create(known->context, 1024, NULL);
	return known;
}

void
bb_knownkeys_rebase(BbKnownKeys *known, const BbManifest *manifest)
{
	known->timeline = NULL;
	MemoryContextReset(known->view);
	known->manifest = manifest;
	if (known->entries->members > REMEMBERED_MAX)
	{
		MemoryContextReset(known->context);
		known->entries = entries_create(known->context, 1024, NULL);
	}
}

BbTimeline *
bb_knownkeys_timeline(const BbReqCtx *ctx, BbKnownKeys *known)
{
	if (known->timeline == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(known->view);

		known->timeline = bb_timeline_open_manifest(ctx, known->objects,
													known->manifest);
		MemoryContextSwitchTo(old);
	}
	return known->timeline;
}

/* Keep all bytes of a value; NULL if the key was removed. */
static void
remember_whole(BbKnownKeys *known, KnownKey *entry, bool had_one,
			   const void *value, uint32 length)
{
	if (had_one)
		pfree(entry->whole);
	entry->whole = NULL;
	if (value != NULL)
	{
		entry->whole = MemoryContextAlloc(known->context, length + 1);
		memcpy(entry->whole, value, length);
	}
}

static KnownKey *
remember(BbKnownKeys *known, const BbKey *key, bool exists, const void *value,
		 uint32 length)
{
	bool		found;
	KnownKey   *entry = entries_insert(known->entries, *key, &found);

	if (key->bytes[0] == BB_KEY_REL_ZEROS)
		remember_whole(known, entry, found && entry->exists,
					   exists ? value : NULL, length);
	else
	{
		memset(entry->value, 0, KEPT_BYTES);
		if (length > 0)
			memcpy(entry->value, value, Min(length, KEPT_BYTES));
	}
	entry->exists = exists;
	entry->length = length;
	return entry;
}

/* Find a key.  The result is valid until the next call. */
static const KnownKey *
look_up(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key)
{
	const KnownKey *entry = entries_lookup(known->entries, *key);
	BbEntry		stored;

	if (entry != NULL)
		return entry;
	if (!bb_knownkeys_stored(ctx, known, key, &stored))
	{
		static KnownKey absent = {.exists = false};

		/* forged WAL may name any number of keys that don't exist */
		if (known->entries->members >= REMEMBERED_MAX)
			return &absent;
		return remember(known, key, false, NULL, 0);
	}
	return remember(known, key, true, stored.value, stored.length);
}

bool
bb_knownkeys_exists(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key)
{
	return look_up(ctx, known, key)->exists;
}

const uint8 *
bb_knownkeys_get(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
				 uint32 *length)
{
	const KnownKey *entry = look_up(ctx, known, key);

	Assert(key->bytes[0] == BB_KEY_REL_ZEROS);
	*length = entry->length;
	return entry->exists ? entry->whole : NULL;
}

/* Return the value's bytes; NULL if there is none. */
static const uint8 *
get(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key, uint32 length)
{
	const KnownKey *entry = look_up(ctx, known, key);

	if (!entry->exists)
		return NULL;
	if (entry->length != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of %s has an impossible length",
						bb_key_text(key)),
				 errdetail("It has %u bytes; %u are expected.", entry->length,
						   length)));
	return entry->value;
}

bool
bb_knownkeys_get_u8(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
					uint8 *value)
{
	const uint8 *bytes = get(ctx, known, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = *bytes;
	return true;
}

bool
bb_knownkeys_get_u32(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
					 uint32 *value)
{
	const uint8 *bytes = get(ctx, known, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = bb_get_le32(bytes);
	return true;
}

bool
bb_knownkeys_get_u64(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
					 uint64 *value)
{
	const uint8 *bytes = get(ctx, known, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = bb_get_le64(bytes);
	return true;
}

bool
bb_knownkeys_stored(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
					BbEntry *entry)
{
	return bb_timeline_get(ctx, bb_knownkeys_timeline(ctx, known), key,
						   known->manifest->end_lsn, entry);
}

void
bb_knownkeys_put(BbKnownKeys *known, const BbKey *key, XLogRecPtr lsn,
				 const void *value, uint32 length)
{
	remember(known, key, true, value, length);
	bb_openlayer_put(known->layer, key, lsn, BB_ENTRY_IMAGE, value, length);
}

void
bb_knownkeys_put_u32(BbKnownKeys *known, const BbKey *key, XLogRecPtr lsn,
					 uint32 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le32(bytes, value);
	bb_knownkeys_put(known, key, lsn, bytes, sizeof(bytes));
}

void
bb_knownkeys_put_u64(BbKnownKeys *known, const BbKey *key, XLogRecPtr lsn,
					 uint64 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le64(bytes, value);
	bb_knownkeys_put(known, key, lsn, bytes, sizeof(bytes));
}

void
bb_knownkeys_remove(const BbReqCtx *ctx, BbKnownKeys *known, const BbKey *key,
					XLogRecPtr lsn)
{
	if (!look_up(ctx, known, key)->exists)
		return;
	remember(known, key, false, NULL, 0);
	bb_openlayer_put(known->layer, key, lsn, BB_ENTRY_DELETED, NULL, 0);
}

List *
bb_knownkeys_list(const BbReqCtx *ctx, BbKnownKeys *known,
				  const BbKeyRange *range)
{
	List	   *keys = NIL;
	BbTimelineScan *scan;
	BbEntry		stored;
	entries_iterator iterator;
	KnownKey   *entry;

	/* remember all keys that the timeline has, then look at all known ones */
	scan = bb_timeline_scan_new(ctx, bb_knownkeys_timeline(ctx, known), range,
								known->manifest->end_lsn);
	while (bb_timeline_scan_next(ctx, scan, &stored))
	{
		bb_reqctx_check(ctx);
		if (entries_lookup(known->entries, stored.key) == NULL)
			remember(known, &stored.key, true, stored.value, stored.length);
	}
	bb_timeline_scan_close(scan);

	entries_start_iterate(known->entries, &iterator);
	while ((entry = entries_iterate(known->entries, &iterator)) != NULL)
	{
		if (entry->exists && bb_key_in_range(&entry->key, range))
		{
			BbKey	   *key = palloc(sizeof(BbKey));

			*key = entry->key;
			keys = lappend(keys, key);
		}
	}
	return keys;
}

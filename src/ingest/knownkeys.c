/*-------------------------------------------------------------------------
 *
 * knownkeys.c
 *	  What exists while WAL is ingested: small values by key, newest first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "common/hashfn.h"
#include "ingest/knownkeys.h"
#include "utils/memutils.h"

/* Values that are kept have up to so many bytes. */
#define KEPT_BYTES 8

/* More than these are forgotten at a flush. */
#define REMEMBERED_MAX 1000000

typedef struct DirectoryEntry
{
	BbKey		key;
	char		status; /* of the hash table */
	bool		exists;
	uint32		length; /* of the value, of which 8 bytes at most are here */
	union
	{
		uint8		value[KEPT_BYTES];
		uint8	   *whole; /* of REL_ZEROS, in the directory's context */
	};
} DirectoryEntry;

#define SH_PREFIX entries
#define SH_ELEMENT_TYPE DirectoryEntry
#define SH_KEY_TYPE BbKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((key).bytes, BB_KEY_LENGTH)
#define SH_EQUAL(table, a, b) (bb_key_compare(&(a), &(b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct BbDirectory
{
	MemoryContext context; /* of the table */
	BbOpenLayer *layer;
	BbTimeline *timeline;
	XLogRecPtr	lsn; /* that the timeline is looked at */
	entries_hash *entries;
};

BbDirectory *
bb_directory_new(BbOpenLayer *layer)
{
	BbDirectory *directory = palloc0(sizeof(BbDirectory));

	directory->context = AllocSetContextCreate(CurrentMemoryContext,
											   "bbackup directory",
											   ALLOCSET_DEFAULT_SIZES);
	directory->layer = layer;
	directory->entries = entries_create(directory->context, 1024, NULL);
	return directory;
}

void
bb_directory_rebase(BbDirectory *directory, BbTimeline *timeline,
					XLogRecPtr lsn)
{
	directory->timeline = timeline;
	directory->lsn = lsn;
	if (directory->entries->members > REMEMBERED_MAX)
	{
		MemoryContextReset(directory->context);
		directory->entries = entries_create(directory->context, 1024, NULL);
	}
}

/* All bytes of a value; NULL: there is none any more. */
static void
remember_whole(BbDirectory *directory, DirectoryEntry *entry, bool had_one,
			   const void *value, uint32 length)
{
	if (had_one)
		pfree(entry->whole);
	entry->whole = NULL;
	if (value != NULL)
	{
		entry->whole = MemoryContextAlloc(directory->context, length + 1);
		memcpy(entry->whole, value, length);
	}
}

static DirectoryEntry *
remember(BbDirectory *directory, const BbKey *key, bool exists,
		 const void *value, uint32 length)
{
	bool		found;
	DirectoryEntry *entry = entries_insert(directory->entries, *key, &found);

	if (key->bytes[0] == BB_KEY_REL_ZEROS)
		remember_whole(directory, entry, found && entry->exists,
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

/* Valid until the next call. */
static const DirectoryEntry *
look_up(const BbReqCtx *ctx, BbDirectory *directory, const BbKey *key)
{
	const DirectoryEntry *entry = entries_lookup(directory->entries, *key);
	BbEntry		stored;

	if (entry != NULL)
		return entry;
	if (!bb_timeline_get(ctx, directory->timeline, key, directory->lsn,
						 &stored))
	{
		static DirectoryEntry absent = {.exists = false};

		/* WAL may ask for any number of keys that no server has ever had */
		if (directory->entries->members >= REMEMBERED_MAX)
			return &absent;
		return remember(directory, key, false, NULL, 0);
	}
	return remember(directory, key, true, stored.value, stored.length);
}

bool
bb_directory_exists(const BbReqCtx *ctx, BbDirectory *directory,
					const BbKey *key)
{
	return look_up(ctx, directory, key)->exists;
}

const uint8 *
bb_directory_get(const BbReqCtx *ctx, BbDirectory *directory, const BbKey *key,
				 uint32 *length)
{
	const DirectoryEntry *entry = look_up(ctx, directory, key);

	Assert(key->bytes[0] == BB_KEY_REL_ZEROS);
	*length = entry->length;
	return entry->exists ? entry->whole : NULL;
}

/* The value's bytes; NULL when there is none. */
static const uint8 *
get(const BbReqCtx *ctx, BbDirectory *directory, const BbKey *key,
	uint32 length)
{
	const DirectoryEntry *entry = look_up(ctx, directory, key);

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
bb_directory_get_u8(const BbReqCtx *ctx, BbDirectory *directory,
					const BbKey *key, uint8 *value)
{
	const uint8 *bytes = get(ctx, directory, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = *bytes;
	return true;
}

bool
bb_directory_get_u32(const BbReqCtx *ctx, BbDirectory *directory,
					 const BbKey *key, uint32 *value)
{
	const uint8 *bytes = get(ctx, directory, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = bb_get_le32(bytes);
	return true;
}

bool
bb_directory_get_u64(const BbReqCtx *ctx, BbDirectory *directory,
					 const BbKey *key, uint64 *value)
{
	const uint8 *bytes = get(ctx, directory, key, sizeof(*value));

	if (bytes == NULL)
		return false;
	*value = bb_get_le64(bytes);
	return true;
}

bool
bb_directory_stored(const BbReqCtx *ctx, BbDirectory *directory,
					const BbKey *key, BbEntry *entry)
{
	return bb_timeline_get(ctx, directory->timeline, key, directory->lsn,
						   entry);
}

void
bb_directory_put(BbDirectory *directory, const BbKey *key, XLogRecPtr lsn,
				 const void *value, uint32 length)
{
	remember(directory, key, true, value, length);
	bb_openlayer_put(directory->layer, key, lsn, BB_ENTRY_IMAGE, value,
					 length);
}

void
bb_directory_put_u32(BbDirectory *directory, const BbKey *key, XLogRecPtr lsn,
					 uint32 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le32(bytes, value);
	bb_directory_put(directory, key, lsn, bytes, sizeof(bytes));
}

void
bb_directory_put_u64(BbDirectory *directory, const BbKey *key, XLogRecPtr lsn,
					 uint64 value)
{
	uint8		bytes[sizeof(value)];

	bb_put_le64(bytes, value);
	bb_directory_put(directory, key, lsn, bytes, sizeof(bytes));
}

void
bb_directory_remove(const BbReqCtx *ctx, BbDirectory *directory,
					const BbKey *key, XLogRecPtr lsn)
{
	if (!look_up(ctx, directory, key)->exists)
		return;
	remember(directory, key, false, NULL, 0);
	bb_openlayer_put(directory->layer, key, lsn, BB_ENTRY_DELETED, NULL, 0);
}

List *
bb_directory_list(const BbReqCtx *ctx, BbDirectory *directory,
				  const BbKeyRange *range)
{
	List	   *keys = NIL;
	BbTimelineScan *scan;
	BbEntry		stored;
	entries_iterator iterator;
	DirectoryEntry *entry;

	/* all that the timeline has are remembered, then all that are looked at */
	scan = bb_timeline_scan_new(ctx, directory->timeline, range,
								directory->lsn);
	while (bb_timeline_scan_next(ctx, scan, &stored))
	{
		bb_reqctx_check(ctx);
		if (entries_lookup(directory->entries, stored.key) == NULL)
			remember(directory, &stored.key, true, stored.value,
					 stored.length);
	}
	bb_timeline_scan_close(scan);

	entries_start_iterate(directory->entries, &iterator);
	while ((entry = entries_iterate(directory->entries, &iterator)) != NULL)
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

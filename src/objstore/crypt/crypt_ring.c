/*-------------------------------------------------------------------------
 *
 * crypt_ring.c
 *	  The key ring of an encrypted store: its data keys, in an object that a key
 *	  of the store encrypts.
 *
 * The first session that writes to an empty store makes it.  It is replaced by
 * conditional puts, so two sessions don't undo each other's change.  A data key
 * stays for as long as the store, since any object may need it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "base/codec.h"
#include "base/resource.h"
#include "objstore/crypt/crypt_internal.h"

#define RING_MAGIC "bbkeyrg\n"
#define RING_VERSION 1
#define RING_HEADER_BYTES (8 + 4 + 4 + BB_KEY_ID_BYTES + BB_NONCE_BYTES)
#define ENTRY_BYTES (4 + 8 + BB_KEY_BYTES)
#define MAX_DATA_KEYS 10000
#define RING_MAX_BYTES \
	(RING_HEADER_BYTES + 4 + MAX_DATA_KEYS * ENTRY_BYTES + BB_TAG_BYTES)

/* How often to try to replace a key ring that others replace. */
#define ROTATE_TRIES 20

/* Memory that is wiped with its context. */
typedef struct Secret
{
	void	   *bytes;
	size_t		length;
} Secret;

static void
wipe(void *arg)
{
	Secret	   *secret = arg;

	explicit_bzero(secret->bytes, secret->length);
}

static void *
alloc_secret(size_t length)
{
	Secret	   *secret = palloc(sizeof(Secret));

	secret->bytes = palloc0(length);
	secret->length = length;
	bb_on_reset(CurrentMemoryContext, wipe, secret);
	return secret->bytes;
}

static void
make_random(void *bytes, size_t length)
{
	if (!pg_strong_random(bytes, length))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
}

pg_noreturn static void
broken(const BbObjectStore *below, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the key ring of page store \"%s\" is corrupted",
					below->url),
			 errdetail_internal("%s", detail),
			 errhint("Restore the object \"" BB_RING_OBJECT
					 "\" from a copy. Without it, nothing in the page store "
					 "can be read.")));
}

/* ---- the bytes ---- */

static void
parse_entries(const BbObjectStore *below, const uint8 *plain, size_t length,
			  BbKeyRing *ring)
{
	BbReader	reader;

	bb_reader_init(&reader, plain, length);
	ring->n = bb_reader_le32(&reader);
	if (reader.failed || ring->n == 0 || ring->n > MAX_DATA_KEYS ||
		length != 4 + ring->n * ENTRY_BYTES)
		broken(below, "It has an impossible number of data keys.");
	ring->keys = alloc_secret(ring->n * sizeof(BbDataKey));
	for (uint32 i = 0; i < ring->n; i++)
	{
		BbDataKey  *key = &ring->keys[i];

		key->id = bb_reader_le32(&reader);
		key->created = (int64) bb_reader_le64(&reader);
		memcpy(key->bytes, bb_reader_bytes(&reader, BB_KEY_BYTES),
			   BB_KEY_BYTES);
		if (key->id <= (i > 0 ? ring->keys[i - 1].id : 0))
			broken(below, "Its data keys are out of order.");
	}
}

static const BbStoreKey *
find_key(const BbStoreKeys *keys, const uint8 *id)
{
	for (int i = 0; i < keys->n; i++)
	{
		if (memcmp(keys->keys[i].id, id, BB_KEY_ID_BYTES) == 0)
			return &keys->keys[i];
	}
	return NULL;
}

pg_noreturn static void
wrong_key(const BbObjectStore *below, const uint8 *id, const BbStoreKeys *keys)
{
	StringInfoData given;

	initStringInfo(&given);
	for (int i = 0; i < keys->n; i++)
		appendStringInfo(&given, "%s%s", i > 0 ? ", " : "",
						 bb_storekey_name(keys->keys[i].id));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PASSWORD),
			 errmsg("wrong encryption key for page store \"%s\"", below->url),
			 errdetail("Its key ring needs the key with the id %s; given: %s.",
					   bb_storekey_name(id), given.data),
			 errhint("The id is made of the key, so you can compare it with "
					 "the ids of the keys that you have kept. Without the "
					 "key, nothing in the page store can be read.")));
}

static BbKeyRing *
parse(const BbReqCtx *ctx, const BbObjectStore *below,
	  const BbObjectStoreOptions *options, const char *data, size_t length)
{
	const uint8 *bytes = (const uint8 *) data;
	const uint8 *id = bytes + 16;
	const BbStoreKeys *keys = bb_storekeys_read(ctx, options, false);
	const BbStoreKey *key;
	BbKeyRing  *ring = palloc0(sizeof(BbKeyRing));
	size_t		sealed = length - RING_HEADER_BYTES;
	uint8	   *plain;

	if (length < RING_HEADER_BYTES + 4 + BB_TAG_BYTES ||
		memcmp(bytes, RING_MAGIC, 8) != 0)
		broken(below, "It is no key ring.");
	if (bb_get_le32(bytes + 8) != RING_VERSION)
		broken(below, "It has a version that this program doesn't know.");
	key = find_key(keys, id);
	if (key == NULL && options->encryption_key_command != NULL)
	{
		keys = bb_storekeys_read(ctx, options, true);
		key = find_key(keys, id);
	}
	if (key == NULL)
		wrong_key(below, id, keys);
	plain = alloc_secret(sealed);
	if (bb_get_le32(bytes + 12) != sealed ||
		!bb_aead_open(bb_aead_new(key->bytes, false),
					  bytes + RING_HEADER_BYTES - BB_NONCE_BYTES, bytes,
					  RING_HEADER_BYTES, bytes + RING_HEADER_BYTES, sealed,
					  plain))
		broken(below, "It isn't what was written with its key.");
	parse_entries(below, plain, sealed - BB_TAG_BYTES, ring);
	memcpy(ring->wrapped_by, id, BB_KEY_ID_BYTES);
	return ring;
}

/* Put a key ring, wrapped by a key, if it is still in the state of its tag. */
static bool
put(const BbReqCtx *ctx, BbObjectStore *below, const BbStoreKey *key,
	BbKeyRing *ring)
{
	size_t		length = 4 + ring->n * ENTRY_BYTES;
	uint8	   *plain = alloc_secret(length);
	uint8	   *bytes = palloc(RING_HEADER_BYTES + length + BB_TAG_BYTES);
	uint8	   *at = plain + 4;

	bb_put_le32(plain, ring->n);
	for (uint32 i = 0; i < ring->n; i++, at += ENTRY_BYTES)
	{
		bb_put_le32(at, ring->keys[i].id);
		bb_put_le64(at + 4, (uint64) ring->keys[i].created);
		memcpy(at + 12, ring->keys[i].bytes, BB_KEY_BYTES);
	}
	memcpy(bytes, RING_MAGIC, 8);
	bb_put_le32(bytes + 8, RING_VERSION);
	bb_put_le32(bytes + 12, (uint32) length + BB_TAG_BYTES);
	memcpy(bytes + 16, key->id, BB_KEY_ID_BYTES);
	make_random(bytes + RING_HEADER_BYTES - BB_NONCE_BYTES, BB_NONCE_BYTES);
	bb_aead_seal(bb_aead_new(key->bytes, true),
				 bytes + RING_HEADER_BYTES - BB_NONCE_BYTES, bytes,
				 RING_HEADER_BYTES, plain, length, bytes + RING_HEADER_BYTES);
	memcpy(ring->wrapped_by, key->id, BB_KEY_ID_BYTES);
	return below->ops->put_if(ctx, below, BB_RING_OBJECT, bytes,
							  RING_HEADER_BYTES + length + BB_TAG_BYTES,
							  ring->tag, &ring->tag);
}

/* ---- the object ---- */

BbKeyRing *
bb_keyring_read(const BbReqCtx *ctx, BbObjectStore *below,
				const BbObjectStoreOptions *options)
{
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	BbKeyRing  *ring;

	if (!below->ops->get(ctx, below, BB_RING_OBJECT, RING_MAX_BYTES, &data,
						 &length, &tag))
		return NULL;
	ring = parse(ctx, below, options, data, length);
	ring->tag = tag;
	return ring;
}

/* Append a new data key. */
static void
add_data_key(BbKeyRing *ring)
{
	BbDataKey  *keys = alloc_secret((ring->n + 1) * sizeof(BbDataKey));
	BbDataKey  *added = &keys[ring->n];

	if (ring->n == MAX_DATA_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a key ring can't have more than %d data keys",
						MAX_DATA_KEYS)));
	if (ring->n > 0)
		memcpy(keys, ring->keys, ring->n * sizeof(BbDataKey));
	added->id = ring->n > 0 ? keys[ring->n - 1].id + 1 : 1;
	added->created = (int64) time(NULL);
	make_random(added->bytes, BB_KEY_BYTES);
	ring->keys = keys;
	ring->n++;
}

BbKeyRing *
bb_keyring_make(const BbReqCtx *ctx, BbObjectStore *below,
				const BbObjectStoreOptions *options)
{
	BbKeyRing  *ring = palloc0(sizeof(BbKeyRing));

	if (below->ops->list(ctx, below, "timelines") != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has objects, but no key ring",
						below->url),
				 errdetail("An existing page store can't become encrypted."),
				 errhint("To encrypt it, copy its timelines to an empty "
						 "encrypted store by bb_replicate() or bb_move(). "
						 "If it was encrypted, restore the object \""
						 BB_RING_OBJECT "\" from a copy.")));
	add_data_key(ring);
	if (put(ctx, below, &bb_storekeys_read(ctx, options, false)->keys[0],
			ring))
		return ring;
	/* another session has made it */
	ring = bb_keyring_read(ctx, below, options);
	if (ring == NULL)
		broken(below, "It has vanished.");
	return ring;
}

BbKeyRing *
bb_keyring_rotate(const BbReqCtx *ctx, BbObjectStore *below,
				  const BbObjectStoreOptions *options, bool data_key)
{
	const BbStoreKeys *keys = bb_storekeys_read(ctx, options, true);

	for (int tries = 0; tries < ROTATE_TRIES; tries++)
	{
		BbKeyRing  *ring = bb_keyring_read(ctx, below, options);

		if (ring == NULL)
			return bb_keyring_make(ctx, below, options);
		if (data_key)
			add_data_key(ring);
		if (put(ctx, below, &keys->keys[0], ring))
			return ring;
		bb_reqctx_check(ctx);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("the key ring of page store \"%s\" is being replaced by "
					"other sessions",
					below->url),
			 errhint("Try again.")));
}

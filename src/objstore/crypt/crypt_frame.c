/*-------------------------------------------------------------------------
 *
 * crypt_frame.c
 *	  The bytes of an encrypted object: a header and chunks.
 *
 *	  +--------+-------------+-----+-------------+-----+-----+------+-----+
 *	  | header | 16384 bytes | tag | 16384 bytes | tag |  …  | rest | tag |
 *	  +--------+-------------+-----+-------------+-----+-----+------+-----+
 *
 * The header has the object's key, wrapped by a data key together with the
 * object's name.  The nonce of a chunk is its number and whether it is the last
 * one.  So chunks that were exchanged, also with another object's, a lost end
 * and an object under another name are noticed.
 *
 * Sizes don't depend on the header, so that they can be computed in listings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

/* Where the parts of the header are. */
#define HEADER_VERSION 8
#define HEADER_CHUNK_BYTES 12
#define HEADER_DATA_KEY 16
#define HEADER_NONCE 20
#define HEADER_SEALED_KEY (HEADER_NONCE + BB_NONCE_BYTES)

StaticAssertDecl(HEADER_SEALED_KEY + BB_KEY_BYTES + BB_TAG_BYTES ==
					 BB_CRYPT_HEADER_BYTES,
				 "size of the header");

/* ---- sizes ---- */

uint64
bb_chunk_count(uint64 plain)
{
	return plain == 0 ? 1 : (plain - 1) / BB_CHUNK_BYTES + 1;
}

uint64
bb_sealed_at(uint64 chunk)
{
	return BB_CRYPT_HEADER_BYTES + chunk * BB_SEALED_CHUNK_BYTES;
}

uint64
bb_sealed_size(uint64 plain)
{
	return BB_CRYPT_HEADER_BYTES + plain +
		bb_chunk_count(plain) * BB_TAG_BYTES;
}

bool
bb_plain_size(uint64 sealed, uint64 *plain)
{
	uint64		body;
	uint64		chunks;

	*plain = 0;
	if (sealed < BB_CRYPT_HEADER_BYTES + BB_TAG_BYTES)
		return false;
	body = sealed - BB_CRYPT_HEADER_BYTES;
	chunks = (body - 1) / BB_SEALED_CHUNK_BYTES + 1;
	if (body < chunks * BB_TAG_BYTES)
		return false;
	*plain = body - chunks * BB_TAG_BYTES;
	return bb_sealed_size(*plain) == sealed;
}

/* ---- the header ---- */

/* Return the key ring, again from the store if "again"; NULL: there is none. */
static BbKeyRing *
ring_of(const BbReqCtx *ctx, BbCryptStore *crypt, bool again)
{
	MemoryContext old;

	if (crypt->ring != NULL && !again)
		return crypt->ring;
	crypt->ring = NULL;
	if (crypt->ring_context != NULL)
		MemoryContextReset(crypt->ring_context);
	else
		crypt->ring_context = AllocSetContextCreate(GetMemoryChunkContext(
														crypt),
													"bbackup key ring",
													ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(crypt->ring_context);
	crypt->ring = bb_keyring_read(ctx, crypt->below, &crypt->options);
	MemoryContextSwitchTo(old);
	return crypt->ring;
}

static const BbDataKey *
find_data_key(const BbKeyRing *ring, uint32 id)
{
	for (uint32 i = 0; ring != NULL && i < ring->n; i++)
	{
		if (ring->keys[i].id == id)
			return &ring->keys[i];
	}
	return NULL;
}

/* What is authenticated with the object's key: the header before, the name. */
static char *
associated(const uint8 *header, const char *name, size_t *length)
{
	size_t		name_length = strlen(name);
	char	   *data = palloc(HEADER_SEALED_KEY + name_length);

	memcpy(data, header, HEADER_SEALED_KEY);
	memcpy(data + HEADER_SEALED_KEY, name, name_length);
	*length = HEADER_SEALED_KEY + name_length;
	return data;
}

void
bb_frame_begin(const BbReqCtx *ctx, BbCryptStore *crypt, const char *name,
			   uint8 *header, uint8 *key)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup object key",
												  ALLOCSET_SMALL_SIZES);
	BbKeyRing  *ring = ring_of(ctx, crypt, false);
	MemoryContext old;
	const BbDataKey *data_key;
	char	   *aad;
	size_t		aad_length;

	if (ring == NULL)
	{
		old = MemoryContextSwitchTo(crypt->ring_context);
		ring = crypt->ring = bb_keyring_make(ctx, crypt->below,
											 &crypt->options);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(scratch);
	data_key = &ring->keys[ring->n - 1];
	memcpy(header, BB_CRYPT_MAGIC, BB_CRYPT_MAGIC_BYTES);
	bb_put_le32(header + HEADER_VERSION, BB_CRYPT_VERSION);
	bb_put_le32(header + HEADER_CHUNK_BYTES, BB_CHUNK_BYTES);
	bb_put_le32(header + HEADER_DATA_KEY, data_key->id);
	if (!pg_strong_random(header + HEADER_NONCE, BB_NONCE_BYTES) ||
		!pg_strong_random(key, BB_KEY_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random key")));
	aad = associated(header, name, &aad_length);
	bb_aead_seal(bb_aead_new(data_key->bytes, true), header + HEADER_NONCE,
				 aad, aad_length, key, BB_KEY_BYTES,
				 header + HEADER_SEALED_KEY);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* Find the data key that a header names; a new one isn't in an old key ring. */
static const BbDataKey *
data_key_of(const BbReqCtx *ctx, BbCryptStore *crypt, const uint8 *header)
{
	uint32		id = bb_get_le32(header + HEADER_DATA_KEY);
	const BbDataKey *key = find_data_key(ring_of(ctx, crypt, false), id);

	if (key == NULL)
		key = find_data_key(ring_of(ctx, crypt, true), id);
	if (crypt->ring == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("page store \"%s\" has no key ring",
						crypt->base.url),
				 errhint("Restore the object \"" BB_RING_OBJECT
						 "\" from a copy. Without it, nothing in the page "
						 "store can be read.")));
	return key;
}

static bool
unwrap(const BbDataKey *data_key, const char *name, const uint8 *header,
	   uint8 *key)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup object key",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	size_t		aad_length;
	char	   *aad = associated(header, name, &aad_length);
	bool		right;

	right = bb_aead_open(bb_aead_new(data_key->bytes, false),
						 header + HEADER_NONCE, aad, aad_length,
						 header + HEADER_SEALED_KEY,
						 BB_KEY_BYTES + BB_TAG_BYTES, key);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return right;
}

bool
bb_frame_try(const BbReqCtx *ctx, BbCryptStore *crypt, const char *name,
			 const uint8 *header, uint8 *key)
{
	const BbDataKey *data_key;

	if (memcmp(header, BB_CRYPT_MAGIC, BB_CRYPT_MAGIC_BYTES) != 0 ||
		bb_get_le32(header + HEADER_VERSION) != BB_CRYPT_VERSION ||
		bb_get_le32(header + HEADER_CHUNK_BYTES) != BB_CHUNK_BYTES)
		return false;
	data_key = data_key_of(ctx, crypt, header);
	return data_key != NULL && unwrap(data_key, name, header, key);
}

static const char *
detail_of(const uint8 *header)
{
	if (memcmp(header, BB_CRYPT_MAGIC, BB_CRYPT_MAGIC_BYTES) != 0)
		return "It is not encrypted, but the page store is.";
	if (bb_get_le32(header + HEADER_VERSION) != BB_CRYPT_VERSION)
		return "It has a version that this program doesn't know.";
	return "Its header isn't what was written under this name.";
}

void
bb_frame_open(const BbReqCtx *ctx, BbCryptStore *crypt, const char *name,
			  const uint8 *header, uint8 *key)
{
	if (!bb_frame_try(ctx, crypt, name, header, key))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" is not an object of the encrypted "
						"page store \"%s\"",
						name, crypt->base.url),
				 errdetail_internal("%s", detail_of(header)),
				 memcmp(header, BB_CRYPT_MAGIC, BB_CRYPT_MAGIC_BYTES) != 0
				 ? errhint("An existing page store can't become encrypted: "
						   "copy its timelines to an empty encrypted store "
						   "by bb_replicate() or bb_move().")
				 : errhint("Restore this object from a copy of the page "
						   "store.")));
}

/* ---- chunks ---- */

static void
set_nonce(uint8 *nonce, uint64 chunk, bool last)
{
	memset(nonce, 0, BB_NONCE_BYTES);
	bb_put_le64(nonce, chunk);
	nonce[8] = last;
}

void
bb_chunk_seal(BbAead *aead, uint64 chunk, bool last, const void *data,
			  size_t length, uint8 *sealed)
{
	uint8		nonce[BB_NONCE_BYTES];

	set_nonce(nonce, chunk, last);
	bb_aead_seal(aead, nonce, NULL, 0, data, length, sealed);
}

bool
bb_chunk_open(BbAead *aead, uint64 chunk, bool last, const uint8 *sealed,
			  size_t sealed_length, void *data)
{
	uint8		nonce[BB_NONCE_BYTES];

	set_nonce(nonce, chunk, last);
	return bb_aead_open(aead, nonce, NULL, 0, sealed, sealed_length, data);
}

void
bb_chunk_broken(const char *name, uint64 chunk)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("encrypted object \"%s\" is corrupted", name),
			 errdetail("The chunk at offset " UINT64_FORMAT
					   " isn't what was written there.",
					   bb_sealed_at(chunk)),
			 errhint("Restore this object from a copy of the page store, or, "
					 "if it is a copy in a cache, remove it by "
					 "bb_evict().")));
}

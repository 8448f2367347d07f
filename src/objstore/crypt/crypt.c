/*-------------------------------------------------------------------------
 *
 * crypt.c
 *	  Encrypted stores: the operations, opening a store, rotating its keys.
 *
 * Tags of small objects are those of the ciphertext, so that put_if of the store
 * below compares what it has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

static BbObjectStore *
below_of(const BbObjectStore *objects)
{
	return ((const BbCryptStore *) objects)->below;
}

/* ---- small objects ---- */

/* Decrypt a whole object. */
static char *
open_whole(const BbReqCtx *ctx, BbCryptStore *crypt, const char *name,
		   const uint8 *sealed, size_t sealed_length, size_t *length)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted object",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old;
	uint8		key[BB_KEY_BYTES];
	BbAead	   *aead;
	uint64		plain;
	uint64		chunks;
	char	   *data;

	if (sealed_length < BB_CRYPT_HEADER_BYTES)
	{
		uint8		header[BB_CRYPT_HEADER_BYTES] = {0};

		memcpy(header, sealed, sealed_length);
		bb_frame_open(ctx, crypt, name, header, key);
	}
	else
		bb_frame_open(ctx, crypt, name, sealed, key);
	if (!bb_plain_size(sealed_length, &plain))
		bb_chunk_broken(name, 0);
	data = palloc(plain + 1);
	old = MemoryContextSwitchTo(scratch);
	aead = bb_aead_new(key, false);
	explicit_bzero(key, sizeof(key));
	chunks = bb_chunk_count(plain);
	for (uint64 i = 0; i < chunks; i++)
	{
		uint64		at = bb_sealed_at(i);

		if (!bb_chunk_open(aead, i, i == chunks - 1, sealed + at,
						   Min(BB_SEALED_CHUNK_BYTES, sealed_length - at),
						   data + i * BB_CHUNK_BYTES))
			bb_chunk_broken(name, i);
	}
	data[plain] = '\0';
	*length = plain;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return data;
}

static bool
crypt_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
		  size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	char	   *sealed;
	size_t		sealed_length;

	if (!below_of(objects)->ops->get(ctx, below_of(objects), name,
									 bb_sealed_size(max_length), &sealed,
									 &sealed_length, tag))
		return false;
	*data = open_whole(ctx, (BbCryptStore *) objects, name,
					   (const uint8 *) sealed, sealed_length, length);
	pfree(sealed);
	return true;
}

static bool
crypt_put_if(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			 const void *data, size_t length, BbObjectTag expected,
			 BbObjectTag *tag)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted put",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	uint64		size = bb_sealed_size(length);
	uint8	   *sealed = palloc_extended(size, MCXT_ALLOC_HUGE);
	uint64		chunks = bb_chunk_count(length);
	uint8		key[BB_KEY_BYTES];
	BbAead	   *aead;
	bool		put;

	bb_frame_begin(ctx, (BbCryptStore *) objects, name, sealed, key);
	aead = bb_aead_new(key, true);
	explicit_bzero(key, sizeof(key));
	for (uint64 i = 0; i < chunks; i++)
	{
		uint64		at = i * BB_CHUNK_BYTES;

		bb_chunk_seal(aead, i, i == chunks - 1, (const uint8 *) data + at,
					  Min(BB_CHUNK_BYTES, length - at),
					  sealed + bb_sealed_at(i));
	}
	put = below_of(objects)->ops->put_if(ctx, below_of(objects), name, sealed,
										 size, expected, tag);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return put;
}

/* ---- names, which aren't encrypted ---- */

static List *
crypt_list(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	List	   *infos = below_of(objects)->ops->list(ctx, below_of(objects),
													 prefix);
	ListCell   *cell;

	foreach(cell, infos)
	{
		BbObjectInfo *info = lfirst(cell);

		(void) bb_plain_size(info->size, &info->size);
	}
	return infos;
}

static List *
crypt_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *prefix)
{
	return below_of(objects)->ops->list_parts(ctx, below_of(objects), prefix);
}

static List *
crypt_remove(const BbReqCtx *ctx, BbObjectStore *objects, List *names)
{
	return below_of(objects)->ops->remove(ctx, below_of(objects), names);
}

static void
crypt_keys_state(const BbReqCtx *ctx, BbObjectStore *objects,
				 BbKeysState *state)
{
	below_of(objects)->ops->keys_state(ctx, below_of(objects), state);
}

static void
crypt_retain(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	below_of(objects)->ops->retain(ctx, below_of(objects), name);
}

static List *
crypt_versions(const BbReqCtx *ctx, BbObjectStore *objects)
{
	return below_of(objects)->ops->versions(ctx, below_of(objects));
}

static void
crypt_put_back(const BbReqCtx *ctx, BbObjectStore *objects,
			   const BbObjectVersion *version)
{
	below_of(objects)->ops->put_back(ctx, below_of(objects), version);
}

static void
crypt_sweep(const BbReqCtx *ctx, BbObjectStore *objects, const char *prefix)
{
	below_of(objects)->ops->sweep(ctx, below_of(objects), prefix);
}

static bool
crypt_lock(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	return below_of(objects)->ops->lock(ctx, below_of(objects), name);
}

/* ---- keys ---- */

static void
describe(const BbReqCtx *ctx, const BbObjectStoreOptions *options,
		 const BbKeyRing *ring, BbEncryption *about)
{
	about->given_key = bb_storekey_name(
		bb_storekeys_read(ctx, options, false)->keys[0].id);
	if (ring == NULL)
		return;
	about->store_key = bb_storekey_name(ring->wrapped_by);
	about->data_keys = ring->n;
	about->data_key_created = ring->keys[ring->n - 1].created;
}

static BbEncryption
crypt_encryption(const BbReqCtx *ctx, BbObjectStore *objects, bool rotate,
				 bool data_key)
{
	const BbObjectStoreOptions *options = &((BbCryptStore *) objects)->options;
	BbEncryption about = {.encrypted = true};

	describe(ctx, options,
			 rotate
				 ? bb_keyring_rotate(ctx, below_of(objects), options, data_key)
				 : bb_keyring_read(ctx, below_of(objects), options),
			 &about);
	return about;
}

/* ---- the store ---- */

static const BbObjectStoreOps crypt_ops = {
	.scheme = "encrypted",
	.get = crypt_get,
	.put_if = crypt_put_if,
	.list = crypt_list,
	.list_parts = crypt_list_parts,
	.remove = crypt_remove,
	.sweep = crypt_sweep,
	.lock = crypt_lock,
	.create = bb_crypt_create,
	.write = bb_crypt_write,
	.finish = bb_crypt_finish,
	.open_object = bb_crypt_open_object,
	.read = bb_crypt_read,
	.close = bb_crypt_close,
	.begin_part = bb_crypt_begin_part,
	.end_part = bb_crypt_end_part,
	.keys_state = crypt_keys_state,
	.retain = crypt_retain,
	.versions = crypt_versions,
	.put_back = crypt_put_back,
	.encryption = crypt_encryption,
};

static void
wipe_store(void *arg)
{
	BbCryptStore *crypt = arg;

	explicit_bzero(crypt->part_key, sizeof(crypt->part_key));
	if (crypt->options.encryption_key != NULL)
		explicit_bzero(unconstify(char *, crypt->options.encryption_key),
					   strlen(crypt->options.encryption_key));
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

BbObjectStore *
bb_crypt_open(BbObjectStore *below, const BbObjectStoreOptions *options)
{
	BbCryptStore *crypt = palloc0(sizeof(BbCryptStore));

	crypt->base.ops = &crypt_ops;
	crypt->base.residency = below->residency;
	crypt->base.url = below->url;
	crypt->base.directory = below->directory;
	crypt->base.retention_days = below->retention_days;
	crypt->below = below;
	below->add_checked = true; /* what it gets is encrypted */
	crypt->options.encryption_key = copy_or_null(options->encryption_key);
	crypt->options.encryption_key_file = copy_or_null(
		options->encryption_key_file);
	crypt->options.encryption_key_command = copy_or_null(
		options->encryption_key_command);
	bb_on_reset(CurrentMemoryContext, wipe_store, crypt);
	if (below->cache_ops != NULL)
	{
		crypt->base.cache_ops = &bb_crypt_cache_ops;
		below->check_ops = &bb_crypt_check_ops;
		below->check_arg = crypt;
	}
	return &crypt->base;
}

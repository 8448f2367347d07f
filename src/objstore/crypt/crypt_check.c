/*-------------------------------------------------------------------------
 *
 * crypt_check.c
 *	  Encrypted stores: verifying what the cache downloads.
 *
 * The cache sees ciphertext.  Here the bytes of an object arrive in order, and
 * are decrypted to compare the CRC of the plaintext, without being kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

typedef struct Check
{
	MemoryContext context;
	BbCryptStore *crypt;
	const BbWholeObject *object; /* its size is the sealed one */
	BbAead	   *aead;			 /* NULL: the header isn't complete */
	bool		wrong;
	uint64		at; /* so many bytes have arrived */
	uint64		chunk;
	pg_crc32c	crc;
	size_t		filled;
	uint8		bytes[BB_SEALED_CHUNK_BYTES]; /* of the header, or a chunk */
	uint8		plain[BB_CHUNK_BYTES];
} Check;

static void *
check_begin(const BbReqCtx *ctx, void *arg, const BbWholeObject *object)
{
	Check	   *check = palloc0(sizeof(Check));

	check->context = CurrentMemoryContext;
	check->crypt = arg;
	check->object = object;
	INIT_CRC32C(check->crc);
	return check;
}

static void
take_header(const BbReqCtx *ctx, Check *check)
{
	uint8		key[BB_KEY_BYTES];
	MemoryContext old = MemoryContextSwitchTo(check->context);

	check->wrong = !bb_frame_try(ctx, check->crypt, check->object->name,
								 check->bytes, key);
	if (!check->wrong)
		check->aead = bb_aead_new(key, false);
	explicit_bzero(key, sizeof(key));
	MemoryContextSwitchTo(old);
}

static void
take_chunk(Check *check)
{
	size_t		length = check->filled - BB_TAG_BYTES;
	bool		last = check->at == check->object->size;

	check->wrong = !bb_chunk_open(check->aead, check->chunk++, last,
								  check->bytes, check->filled, check->plain);
	if (!check->wrong)
		check->crc = bb_crc32c(check->crc, check->plain, length);
	explicit_bzero(check->plain, sizeof(check->plain));
}

static void
check_add(const BbReqCtx *ctx, void *arg, const void *data, size_t length)
{
	Check	   *check = arg;
	const uint8 *from = data;

	while (length > 0 && !check->wrong)
	{
		size_t		full = check->aead == NULL ? BB_CRYPT_HEADER_BYTES
											   : BB_SEALED_CHUNK_BYTES;
		size_t		n = Min(length, full - check->filled);

		memcpy(check->bytes + check->filled, from, n);
		check->filled += n;
		check->at += n;
		from += n;
		length -= n;
		if (check->filled < full && check->at < check->object->size)
			continue;
		if (check->aead == NULL)
			take_header(ctx, check);
		else
			take_chunk(check);
		check->filled = 0;
	}
}

static bool
check_end(void *arg)
{
	Check	   *check = arg;

	FIN_CRC32C(check->crc);
	return !check->wrong && check->at == check->object->size &&
		check->crc == check->object->crc;
}

const BbContentCheckOps bb_crypt_check_ops = {
	.begin = check_begin,
	.add = check_add,
	.end = check_end,
};

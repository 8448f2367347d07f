/*-------------------------------------------------------------------------
 *
 * crypt_write.c
 *	  Encrypted stores: writing objects, chunk by chunk.
 *
 * A full chunk is held back until there are more bytes, because the last one is
 * marked as such.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

typedef struct CryptWriter
{
	BbObjectWriter base;
	MemoryContext context; /* owns the writer */
	BbObjectWriter *below;
	BbAead	   *aead;
	uint64		chunk; /* the number of the one being filled */
	size_t		filled;
	uint8		plain[BB_CHUNK_BYTES];
	uint8		sealed[BB_SEALED_CHUNK_BYTES];
} CryptWriter;

static void
wipe_writer(void *arg)
{
	CryptWriter *writer = arg;

	explicit_bzero(writer->plain, sizeof(writer->plain));
}

BbObjectWriter *
bb_crypt_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbCryptStore *crypt = (BbCryptStore *) objects;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	CryptWriter *writer = palloc(sizeof(CryptWriter));
	uint8		header[BB_CRYPT_HEADER_BYTES];
	uint8		key[BB_KEY_BYTES];

	writer->context = context;
	writer->chunk = 0;
	writer->filled = 0;
	bb_on_reset(context, wipe_writer, writer);
	bb_frame_begin(ctx, crypt, name, header, key);
	writer->aead = bb_aead_new(key, true);
	explicit_bzero(key, sizeof(key));
	writer->below = bb_object_create(ctx, crypt->below, name);
	bb_object_write(ctx, writer->below, header, sizeof(header));
	MemoryContextSwitchTo(old);
	return &writer->base;
}

static void
write_chunk(const BbReqCtx *ctx, CryptWriter *writer, const void *data,
			size_t length, bool last)
{
	bb_chunk_seal(writer->aead, writer->chunk++, last, data, length,
				  writer->sealed);
	bb_object_write(ctx, writer->below, writer->sealed, length + BB_TAG_BYTES);
}

void
bb_crypt_write(const BbReqCtx *ctx, BbObjectWriter *base, const void *data,
			   size_t length)
{
	CryptWriter *writer = (CryptWriter *) base;
	const uint8 *from = data;

	while (length > 0)
	{
		size_t		n;

		if (writer->filled == BB_CHUNK_BYTES)
		{
			write_chunk(ctx, writer, writer->plain, BB_CHUNK_BYTES, false);
			writer->filled = 0;
		}
		/* chunks that are whole needn't be copied first */
		for (; writer->filled == 0 && length > BB_CHUNK_BYTES;
			 from += BB_CHUNK_BYTES, length -= BB_CHUNK_BYTES)
			write_chunk(ctx, writer, from, BB_CHUNK_BYTES, false);
		n = Min(length, BB_CHUNK_BYTES - writer->filled);
		memcpy(writer->plain + writer->filled, from, n);
		writer->filled += n;
		from += n;
		length -= n;
	}
}

void
bb_crypt_finish(const BbReqCtx *ctx, BbObjectWriter *base)
{
	CryptWriter *writer = (CryptWriter *) base;

	write_chunk(ctx, writer, writer->plain, writer->filled, true);
	bb_object_finish(ctx, writer->below);
	MemoryContextDelete(writer->context);
}

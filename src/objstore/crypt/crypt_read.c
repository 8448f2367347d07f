/*-------------------------------------------------------------------------
 *
 * crypt_read.c
 *	  Encrypted stores: reading objects.
 *
 * A range is read as the chunks that it touches.  A reader holds the chunk that
 * the last read touched in part, since the next read often continues there.
 *
 * A truncated object is noticed when its size is compared with the manifest's,
 * or when its end is read: what then is the last chunk wasn't sealed as the last
 * one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "objstore/crypt/crypt_internal.h"
#include "utils/memutils.h"

/* How many chunks are read at once. */
#define PIECE_CHUNKS 256

#define NO_CHUNK PG_UINT64_MAX

typedef struct CryptReader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	BbCryptStore *crypt;
	BbObjectReader *below;
	BbAead	   *aead;
	char	   *name; /* for messages */
	uint64		chunks;
	uint64		held; /* the number of the chunk in "plain" */
	uint8		plain[BB_CHUNK_BYTES];
} CryptReader;

static void
wipe_reader(void *arg)
{
	CryptReader *reader = arg;

	explicit_bzero(reader->plain, sizeof(reader->plain));
}

pg_noreturn static void
report_size(const BbObjectStore *objects, const char *name, uint64 size)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("object \"%s\" is not an object of the encrypted page "
					"store \"%s\"",
					name, objects->url),
			 errdetail("No encrypted object has " UINT64_FORMAT " bytes.",
					   size)));
}

BbObjectReader *
bb_crypt_reader(const BbReqCtx *ctx, BbCryptStore *crypt, const char *name,
				BbObjectReader *below)
{
	CryptReader *reader = palloc(sizeof(CryptReader));
	uint8		header[BB_CRYPT_HEADER_BYTES];
	uint8		key[BB_KEY_BYTES];

	memset(reader, 0, offsetof(CryptReader, plain));
	reader->context = CurrentMemoryContext;
	reader->crypt = crypt;
	reader->below = below;
	reader->name = pstrdup(name);
	reader->held = NO_CHUNK;
	bb_on_reset(CurrentMemoryContext, wipe_reader, reader);
	if (!bb_plain_size(below->size, &reader->base.size))
		report_size(&crypt->base, name, below->size);
	reader->chunks = bb_chunk_count(reader->base.size);
	below->objects->ops->read(ctx, below, 0, header, sizeof(header));
	bb_frame_open(ctx, crypt, name, header, key);
	reader->aead = bb_aead_new(key, false);
	explicit_bzero(key, sizeof(key));
	return &reader->base;
}

BbObjectReader *
bb_crypt_open_object(const BbReqCtx *ctx, BbObjectStore *objects,
					 const char *name)
{
	BbCryptStore *crypt = (BbCryptStore *) objects;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted object",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbObjectReader *below = crypt->below->ops->open_object(ctx, crypt->below,
														   name);
	BbObjectReader *reader = NULL;

	if (below != NULL)
	{
		below->objects = crypt->below;
		below->name = pstrdup(name);
		reader = bb_crypt_reader(ctx, crypt, name, below);
	}
	MemoryContextSwitchTo(old);
	if (reader == NULL)
		MemoryContextDelete(context);
	return reader;
}

void
bb_crypt_close(BbObjectReader *base)
{
	CryptReader *reader = (CryptReader *) base;

	bb_object_close(reader->below);
	MemoryContextDelete(reader->context);
}

/* ---- ranges ---- */

/* Bytes to be read, and the chunks that they are in. */
typedef struct Range
{
	uint64		offset;
	size_t		length;
	uint8	   *data;
	uint64		chunks; /* of the object */
	const char *name;
	BbAead	   *aead;
} Range;

/* The plaintext of a chunk that a range needs only a part of. */
typedef struct Held
{
	uint64	   *chunk;
	uint8	   *plain;
} Held;

static uint64
first_chunk(const Range *range)
{
	return range->offset / BB_CHUNK_BYTES;
}

static uint64
end_chunk(const Range *range)
{
	return (range->offset + range->length - 1) / BB_CHUNK_BYTES + 1;
}

/* Copy what a range has of a chunk's plaintext. */
static void
copy_chunk(const Range *range, uint64 chunk, const uint8 *plain)
{
	uint64		begin = chunk * BB_CHUNK_BYTES;
	uint64		from = Max(begin, range->offset);
	uint64		end = Min(begin + BB_CHUNK_BYTES,
						  range->offset + range->length);

	memcpy(range->data + (from - range->offset), plain + (from - begin),
		   end - from);
}

/* Decrypt a chunk into the range. */
static void
open_chunk(const Range *range, uint64 chunk, const uint8 *sealed,
		   size_t sealed_length, Held held)
{
	uint64		begin = chunk * BB_CHUNK_BYTES;
	size_t		length = sealed_length - BB_TAG_BYTES;
	bool		whole = begin >= range->offset &&
		begin + length <= range->offset + range->length;
	uint8	   *to = whole ? range->data + (begin - range->offset)
						   : held.plain;

	if (!whole)
		*held.chunk = NO_CHUNK;
	if (!bb_chunk_open(range->aead, chunk, chunk == range->chunks - 1, sealed,
					   sealed_length, to))
		bb_chunk_broken(range->name, chunk);
	if (!whole)
	{
		copy_chunk(range, chunk, held.plain);
		*held.chunk = chunk;
	}
}

/* Decrypt chunks that follow each other; they have so many bytes together. */
static void
open_chunks(const Range *range, uint64 chunk, const uint8 *sealed,
			size_t length, Held held)
{
	while (length > 0)
	{
		size_t		n = Min(length, BB_SEALED_CHUNK_BYTES);

		open_chunk(range, chunk++, sealed, n, held);
		sealed += n;
		length -= n;
	}
}

/* A buffer that all readers of the store share. */
static uint8 *
sealed_buffer(BbCryptStore *crypt, size_t length)
{
	if (crypt->sealed_bytes < length)
	{
		if (crypt->sealed != NULL)
			pfree(crypt->sealed);
		crypt->sealed_bytes = 0;
		crypt->sealed = MemoryContextAlloc(GetMemoryChunkContext(crypt),
										   length);
		crypt->sealed_bytes = length;
	}
	return crypt->sealed;
}

void
bb_crypt_read(const BbReqCtx *ctx, BbObjectReader *base, uint64 offset,
			  void *data, size_t length)
{
	CryptReader *reader = (CryptReader *) base;
	BbObjectReader *below = reader->below;
	Range		range = {.offset = offset,
						 .length = length,
						 .data = data,
						 .chunks = reader->chunks,
						 .name = reader->name,
						 .aead = reader->aead};
	Held		held = {.chunk = &reader->held, .plain = reader->plain};
	uint64		chunk;
	uint64		end;

	if (length == 0)
		return;
	chunk = first_chunk(&range);
	end = end_chunk(&range);
	if (chunk == reader->held)
		copy_chunk(&range, chunk++, reader->plain);
	if (chunk < end && end - 1 == reader->held)
		copy_chunk(&range, --end, reader->plain);
	while (chunk < end)
	{
		uint64		piece_end = Min(end, chunk + PIECE_CHUNKS);
		uint64		from = bb_sealed_at(chunk);
		size_t		n = Min(bb_sealed_at(piece_end), below->size) - from;
		uint8	   *sealed = sealed_buffer(reader->crypt, n);

		below->objects->ops->read(ctx, below, from, sealed, n);
		open_chunks(&range, chunk, sealed, n, held);
		chunk = piece_end;
	}
}

/* ---- parts ---- */

typedef struct CryptPart
{
	BbObjectPart base;
	BbCryptStore *crypt;
	const char *name;
	BbObjectPart *below;
	Range		range;
	uint64		from; /* where the sealed bytes begin; 0: with the header */
	size_t		sealed_length;
	uint8	   *sealed;
} CryptPart;

BbObjectPart *
bb_crypt_begin_part(const BbReqCtx *ctx, BbObjectStore *objects,
					const BbWholeObject *object, uint64 offset, void *data,
					size_t length)
{
	BbCryptStore *crypt = (BbCryptStore *) objects;
	CryptPart  *part = palloc0(sizeof(CryptPart));
	BbWholeObject whole = *object;

	whole.size = bb_sealed_size(object->size);
	part->crypt = crypt;
	part->name = pstrdup(object->name);
	part->range = (Range){.offset = offset,
						  .length = length,
						  .data = data,
						  .chunks = bb_chunk_count(object->size),
						  .name = part->name};
	part->from = offset < BB_CHUNK_BYTES
		? 0
		: bb_sealed_at(first_chunk(&part->range));
	part->sealed_length = Min(bb_sealed_at(end_chunk(&part->range)),
							  whole.size) -
		part->from;
	part->sealed = palloc(part->sealed_length);
	part->below = bb_object_begin_part(ctx, crypt->below, &whole, part->from,
									   part->sealed, part->sealed_length);
	return &part->base;
}

/*
 * Set the store's part_key to that of an object.  The first part of an object
 * has its header; the parts after it use the key that was found then.
 */
static void
need_part_key(const BbReqCtx *ctx, CryptPart *part)
{
	BbCryptStore *crypt = part->crypt;
	uint8		header[BB_CRYPT_HEADER_BYTES];
	BbObjectReader *below;

	if (part->from > 0 && crypt->part_name != NULL &&
		strcmp(crypt->part_name, part->name) == 0)
		return;
	if (part->from == 0)
		memcpy(header, part->sealed, sizeof(header));
	else
	{
		below = bb_object_open(ctx, crypt->below, part->name);
		crypt->below->ops->read(ctx, below, 0, header, sizeof(header));
		bb_object_close(below);
	}
	if (crypt->part_name != NULL)
		pfree(crypt->part_name);
	crypt->part_name = NULL;
	bb_frame_open(ctx, crypt, part->name, header, crypt->part_key);
	crypt->part_name = MemoryContextStrdup(GetMemoryChunkContext(crypt),
										   part->name);
}

static void
open_part(const BbReqCtx *ctx, CryptPart *part)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup encrypted part",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	size_t		skip = part->from == 0 ? BB_CRYPT_HEADER_BYTES : 0;
	uint64		chunk = NO_CHUNK;
	Held		held = {.chunk = &chunk, .plain = palloc(BB_CHUNK_BYTES)};

	need_part_key(ctx, part);
	part->range.aead = bb_aead_new(part->crypt->part_key, false);
	open_chunks(&part->range, first_chunk(&part->range), part->sealed + skip,
				part->sealed_length - skip, held);
	explicit_bzero(held.plain, BB_CHUNK_BYTES);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

bool
bb_crypt_end_part(const BbReqCtx *ctx, BbObjectPart *base)
{
	CryptPart  *part = (CryptPart *) base;
	BbObjectStore *below = part->crypt->below;

	if (!below->ops->end_part(ctx, part->below))
		return false;
	open_part(ctx, part);
	pfree(part->sealed);
	pfree(part);
	return true;
}

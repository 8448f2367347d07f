/*-------------------------------------------------------------------------
 *
 * copylayer.c
 *	  Copying one layer from an object store to another.
 *
 * Of a store elsewhere, several parts are under way at once, since a connection
 * waits for most of the time of a request.  A cache is bypassed, so copies
 * don't push out what backups need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "upkeep/copylayer.h"
#include "upkeep/pace.h"
#include "utils/memutils.h"

#define LOCAL_PIECE (1024 * 1024)
#define PART_PIECE (2 * 1024 * 1024)
#define PARTS 4

/* Bytes of an object, one piece after another. */
typedef struct Pieces
{
	BbObjectStore *objects;
	BbWholeObject object;
	uint64		at; /* where the next piece begins */
	char	   *piece;
	BbObjectReader *reader; /* of a local store */

	/* of a store elsewhere: a ring of parts under way */
	uint64		asked; /* up to here */
	int			first;
	char	   *buffers[PARTS];
	BbObjectPart *parts[PARTS];
} Pieces;

/*
 * Begin to read.  Returns false if the object has another size.  Raises an
 * error if there is none.
 */
static bool
pieces_begin(const BbReqCtx *ctx, Pieces *pieces)
{
	if (bb_objstore_residency(pieces->objects) != BB_RESIDENT_ALL)
	{
		for (int i = 0; i < PARTS; i++)
			pieces->buffers[i] = palloc(PART_PIECE);
		return true;
	}
	pieces->piece = palloc(LOCAL_PIECE);
	pieces->reader = bb_object_open(ctx, pieces->objects, pieces->object.name);
	return bb_object_size(pieces->reader) == pieces->object.size;
}

/* Returns the length of the next part of a store elsewhere; 0: other size. */
static size_t
next_part(const BbReqCtx *ctx, Pieces *pieces)
{
	size_t		length = Min(PART_PIECE, pieces->object.size - pieces->at);
	int			slot = pieces->first;

	/* the buffer of the piece before is free now */
	while (pieces->asked < pieces->object.size &&
		   pieces->asked < pieces->at + PARTS * (uint64) PART_PIECE)
	{
		int			free = (int) (pieces->asked / PART_PIECE % PARTS);

		pieces->parts[free] = bb_object_begin_part(ctx, pieces->objects,
												   &pieces->object,
												   pieces->asked,
												   pieces->buffers[free],
												   Min(PART_PIECE,
													   pieces->object.size -
														   pieces->asked));
		pieces->asked += PART_PIECE;
	}
	pieces->first = (slot + 1) % PARTS;
	pieces->piece = pieces->buffers[slot];
	return bb_object_end_part(ctx, pieces->parts[slot]) ? length : 0;
}

/*
 * Read the next piece; returns its length.  0: the object has another size.
 *
 * REQUIRES: at < size.
 */
static size_t
pieces_next(const BbReqCtx *ctx, Pieces *pieces)
{
	size_t		length;

	if (pieces->reader == NULL)
		length = next_part(ctx, pieces);
	else
	{
		length = Min(LOCAL_PIECE, pieces->object.size - pieces->at);
		bb_object_read(ctx, pieces->reader, pieces->at, pieces->piece, length);
	}
	pieces->at += length;
	return length;
}

/*
 * Read an object, and write it to *writer unless that is NULL.  Returns whether
 * size and CRC are right.
 */
static bool
transfer(const BbReqCtx *ctx, BbObjectStore *objects,
		 const BbWholeObject *object, BbObjectWriter *writer)
{
	Pieces		pieces = {.objects = objects, .object = *object};
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	if (!pieces_begin(ctx, &pieces))
		return false;
	while (pieces.at < object->size)
	{
		size_t		length = pieces_next(ctx, &pieces);

		if (length == 0)
			return false;
		crc = bb_crc32c(crc, pieces.piece, length);
		if (writer != NULL)
			bb_object_write(ctx, writer, pieces.piece, length);
		bb_upkeeppace(ctx, writer != NULL ? length : 0);
	}
	FIN_CRC32C(crc);
	return crc == object->crc;
}

typedef enum Outcome
{
	MISSING,
	BROKEN,
	WHOLE
} Outcome;

static Outcome
transfer_and_finish(const BbReqCtx *ctx, BbObjectStore *from,
					BbObjectStore *to, const BbWholeObject *object)
{
	BbObjectWriter *writer = to ? bb_object_create(ctx, to, object->name)
								: NULL;

	if (!transfer(ctx, from, object, writer))
		return BROKEN;
	if (writer != NULL)
		bb_object_finish(ctx, writer);
	return WHOLE;
}

/* The same in a context of its own; a missing object isn't an error. */
static Outcome
try_transfer(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
			 const BbWholeObject *object)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "bbackup layer copy",
												  ALLOCSET_DEFAULT_SIZES);
	volatile Outcome outcome = MISSING;

	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		outcome = transfer_and_finish(ctx, from, to, object);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNDEFINED_FILE)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return outcome;
}

bool
bb_copylayer(const BbReqCtx *ctx, BbObjectStore *from, BbObjectStore *to,
			 const char *timeline, const BbLayerDesc *desc)
{
	BbWholeObject object = bb_layer_object(timeline, desc);
	Outcome		outcome = try_transfer(ctx, from, to, &object);

	if (outcome == BROKEN)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("layer \"%s\" of page store \"%s\" is corrupted, and is not copied",
						object.name, bb_objstore_url(from)),
				 errdetail("Its size or checksum is not the one that the manifest has: " UINT64_FORMAT
						   " bytes, CRC %08X.",
						   desc->size, desc->crc),
				 errhint("bb_verify() shows what is lost. The copy stays as it was.")));
	return outcome == WHOLE;
}

bool
bb_copylayer_is_whole(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline, const BbLayerDesc *desc)
{
	BbWholeObject object = bb_layer_object(timeline, desc);

	return try_transfer(ctx, objects, NULL, &object) == WHOLE;
}

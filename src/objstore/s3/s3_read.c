/*-------------------------------------------------------------------------
 *
 * s3_read.c
 *	  The S3 driver: reading objects, small ones as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/s3_internal.h"
#include "utils/memutils.h"

/*
 * A request takes as long as the transfer of some hundred kB.  So a small read
 * fetches this many bytes, and the next reads are served from them: a layer's
 * footer and root are next to each other, and so are the blocks of small
 * relations.
 */
#define FETCH_BYTES (256 * 1024)

/*
 * A scan may have hundreds of objects open, so all readers of a store share
 * FETCHED_BYTES_MAX.  The more readers there are, the less each fetches at a
 * time, down to a minimum that is worth a request.
 */
#define FETCHED_BYTES_MAX (16 * 1024 * 1024)
#define FETCH_BYTES_MIN (16 * 1024)

typedef struct S3Reader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	BbS3Store  *objects;
	MemoryContextCallback callback;
	dlist_node	node; /* among the store's; the one used last is at the tail */
	char	   *name;
	size_t		allocated;	  /* of fetched */
	uint64		next;		  /* where the last read ended */
	char	   *fetched;	  /* NULL: none */
	uint64		fetched_from; /* offset of these bytes */
	size_t		fetched_length;
} S3Reader;

bool
bb_s3_get_etag(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
			   size_t max_length, char **data, size_t *length,
			   BbObjectTag *tag, char **etag)
{
	BbS3Request request = {.action = "read object",
						   .method = "GET",
						   .name = name,
						   .capacity = max_length,
						   .tolerate = BB_S3_MISSING};
	BbS3Answer	answer;

	if (!bb_s3_request(ctx, objects, &request, &answer))
		return false;
	if (answer.http.too_long)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object \"%s\" is too large", name),
				 errdetail("At most %zu bytes are expected.", max_length)));
	*length = answer.http.length;
	*data = answer.http.body != NULL ? answer.http.body : pstrdup("");
	*tag = bb_object_tag(*data, *length);
	if (etag != NULL)
		*etag = pstrdup(answer.http.etag);
	return true;
}

bool
bb_s3_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
		  size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	return bb_s3_get_etag(ctx, (BbS3Store *) objects, name, max_length, data,
						  length, tag, NULL);
}

/* Free what a reader has fetched. */
static void
forget_fetched(S3Reader *reader)
{
	if (reader->fetched == NULL)
		return;
	reader->objects->fetched_bytes -= reader->allocated;
	pfree(reader->fetched);
	reader->fetched = NULL;
	reader->fetched_length = 0;
}

static void
leave_store(void *arg)
{
	S3Reader   *reader = arg;

	forget_fetched(reader);
	dlist_delete(&reader->node);
	reader->objects->nreaders--;
}

static S3Reader *
new_reader(BbS3Store *objects, const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup S3 object",
												  ALLOCSET_SMALL_SIZES);
	S3Reader   *reader = MemoryContextAllocZero(context, sizeof(S3Reader));

	reader->context = context;
	reader->objects = objects;
	reader->name = MemoryContextStrdup(context, name);
	dlist_push_tail(&objects->readers, &reader->node);
	objects->nreaders++;
	reader->callback.func = leave_store;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(context, &reader->callback);
	return reader;
}

BbObjectReader *
bb_s3_open_object(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *name)
{
	BbS3Store  *s3 = (BbS3Store *) objects;
	S3Reader   *reader;
	uint64		size;

	if (!bb_s3_look(ctx, s3, "read object", name, &size))
		return NULL;
	reader = new_reader(s3, name);
	reader->base.size = size;
	return &reader->base;
}

/* A part of an object that is being read. */
typedef struct S3Part
{
	BbObjectPart base;
	BbS3Store  *objects;
	BbS3Request request;
	BbS3Answer	answer;
	BbHttpTransfer *transfer;
} S3Part;

static S3Part *
begin_range(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
			uint64 whole_size, uint64 offset, void *data, size_t length)
{
	S3Part	   *part = palloc0(sizeof(S3Part));

	part->objects = objects;
	part->request.action = "read object";
	part->request.method = "GET";
	part->request.name = name;
	part->request.range_start = offset;
	part->request.range_length = length;
	part->request.whole_size = whole_size;
	part->request.buffer = data;
	part->request.capacity = length;
	part->request.tolerate = BB_S3_MISSING;
	part->transfer = bb_s3_begin(ctx, objects, &part->request, &part->answer);
	return part;
}

bool
bb_s3_end_part(const BbReqCtx *ctx, BbObjectPart *base)
{
	S3Part	   *part = (S3Part *) base;
	const BbS3Request *request = &part->request;
	bool		found = bb_s3_end(ctx, part->objects, part->transfer, request,
								  &part->answer);

	if (part->answer.other_size)
		return false;
	if (!found)
		bb_object_missing(&part->objects->base, request->name);
	if (part->answer.http.too_long)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("answer for object \"%s\" has too many bytes",
						request->name),
				 errdetail("%zu bytes were requested, at offset " UINT64_FORMAT
						   ".",
						   request->capacity, request->range_start)));
	BB_COUNT(ctx, bytes_downloaded, request->range_length);
	pfree(part);
	return true;
}

BbObjectPart *
bb_s3_begin_part(const BbReqCtx *ctx, BbObjectStore *objects,
				 const BbWholeObject *object, uint64 offset, void *data,
				 size_t length)
{
	return &begin_range(ctx, (BbS3Store *) objects, object->name, object->size,
						offset, data, length)
				->base;
}

static void
read_range(const BbReqCtx *ctx, S3Reader *reader, uint64 offset, void *data,
		   size_t length)
{
	S3Part	   *part = begin_range(ctx, reader->objects, reader->name, 0,
								   offset, data, length);

	(void) bb_s3_end_part(ctx, &part->base);
}

/* How much a small read fetches, with as many readers as there are now. */
static size_t
fetch_bytes(const BbS3Store *objects)
{
	size_t		share = FETCHED_BYTES_MAX / Max(objects->nreaders, 1);

	return Max(Min(share, FETCH_BYTES), FETCH_BYTES_MIN);
}

/*
 * Allocate so many bytes for a reader.  Those of the readers that were used
 * longest ago are freed to stay below the limit.
 */
static void
need_room(S3Reader *reader, size_t length)
{
	BbS3Store  *objects = reader->objects;
	dlist_mutable_iter iter;

	if (reader->fetched != NULL && reader->allocated >= length)
		return;
	forget_fetched(reader);
	dlist_foreach_modify(iter, &objects->readers)
	{
		if (objects->fetched_bytes + length <= FETCHED_BYTES_MAX)
			break;
		forget_fetched(dlist_container(S3Reader, node, iter.cur));
	}
	reader->fetched = MemoryContextAlloc(reader->context, length);
	reader->allocated = length;
	objects->fetched_bytes += length;
}

/*
 * Fetch bytes from "offset" on.  Near the end of the object, also fetch bytes
 * before "offset", unless the object is being read front to back.
 */
static void
fetch(const BbReqCtx *ctx, S3Reader *reader, uint64 offset)
{
	uint64		size = reader->base.size;
	size_t		most = fetch_bytes(reader->objects);
	uint64		from = offset;
	size_t		length;

	if (offset != reader->next && offset + most > size)
		from = size - Min(size, most);
	length = Min(size - from, most);
	need_room(reader, length);
	reader->fetched_length = 0; /* in case of an error */
	read_range(ctx, reader, from, reader->fetched, length);
	reader->fetched_from = from;
	reader->fetched_length = length;
}

void
bb_s3_read(const BbReqCtx *ctx, BbObjectReader *base, uint64 offset,
		   void *data, size_t length)
{
	S3Reader   *reader = (S3Reader *) base;

	if (length == 0)
		return;
	if (length >= fetch_bytes(reader->objects) || length == base->size)
	{
		read_range(ctx, reader, offset, data, length);
		/* large reads hardly continue with what was fetched */
		forget_fetched(reader);
	}
	else
	{
		dlist_move_tail(&reader->objects->readers, &reader->node);
		if (offset < reader->fetched_from ||
			offset + length > reader->fetched_from + reader->fetched_length)
			fetch(ctx, reader, offset);
		memcpy(data, reader->fetched + (offset - reader->fetched_from),
			   length);
	}
	reader->next = offset + length;
}

void
bb_s3_close(BbObjectReader *base)
{
	MemoryContextDelete(((S3Reader *) base)->context);
}

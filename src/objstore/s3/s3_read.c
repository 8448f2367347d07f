/*-------------------------------------------------------------------------
 *
 * s3_read.c
 *	  The S3 driver: reading objects, small ones as a whole; listings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "objstore/s3/s3_internal.h"
#include "objstore/s3/s3_time.h"
#include "objstore/s3/xml.h"
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
						   .name = name,
						   .tolerate = BB_S3_MISSING,
						   .http = {.method = "GET", .capacity = max_length}};
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

BbObjectReader *
bb_s3_open_object(const BbReqCtx *ctx, BbObjectStore *objects,
				  const char *name)
{
	BbS3Store  *s3 = (BbS3Store *) objects;
	MemoryContext context;
	S3Reader   *reader;
	uint64		size;

	if (!bb_s3_look(ctx, s3, "read object", name, &size))
		return NULL;
	context = AllocSetContextCreate(CurrentMemoryContext, "bbackup S3 object",
									ALLOCSET_SMALL_SIZES);
	reader = MemoryContextAllocZero(context, sizeof(S3Reader));
	reader->base.size = size;
	reader->context = context;
	reader->objects = s3;
	reader->name = MemoryContextStrdup(context, name);
	bb_on_reset(context, leave_store, reader);
	dlist_push_tail(&s3->readers, &reader->node);
	s3->nreaders++;
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
	part->request = (BbS3Request){.action = "read object",
								  .name = name,
								  .whole_size = whole_size,
								  .tolerate = BB_S3_MISSING,
								  .http = {.method = "GET",
										   .range_start = offset,
										   .range_length = length,
										   .buffer = data,
										   .capacity = length}};
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
						   request->http.capacity,
						   request->http.range_start)));
	BB_COUNT(ctx, bytes_downloaded, request->http.range_length);
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

/* ---- listings (ListObjectsV2), page by page ---- */

#define LISTING "list the objects"

/* A page has at most 1000 names, of 1 kB at most. */
#define PAGE_CAPACITY (16 * 1024 * 1024)

/*
 * Add the objects of a page to *list.  Returns the token of the next page, NULL
 * after the last one.
 */
static char *
take_page(BbS3Store *objects, const char *document, List **list)
{
	BbXml		xml;
	const char *path;
	const char *text;
	BbS3Listed	listed = {0};
	char	   *next = NULL;
	bool		more = false;
	size_t		prefix_length = strlen(objects->prefix);

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, "ListBucketResult/Contents/Key") == 0)
			listed.object.name = pstrdup(text);
		else if (strcmp(path, "ListBucketResult/Contents/Size") == 0)
			listed.object.size = strtou64(text, NULL, 10);
		else if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0)
			listed.modified = bb_s3_time_parse(text);
		else if (strcmp(path, "ListBucketResult/Contents") == 0)
		{
			if (listed.object.name == NULL ||
				strncmp(listed.object.name, objects->prefix, prefix_length) !=
					0)
				bb_s3_bad_answer(objects, LISTING,
								 "It lists what was not asked for.");
			listed.object.name += prefix_length;
			*list = lappend(*list,
							memcpy(palloc(sizeof(listed)), &listed,
								   sizeof(listed)));
			memset(&listed, 0, sizeof(listed));
		}
		else if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
			more = strcmp(text, "true") == 0;
		else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0)
			next = pstrdup(text);
		else if (strncmp(path, "ListBucketResult", 16) != 0)
			bb_s3_bad_answer(objects, LISTING, "It is no listing.");
	}
	if (xml.error != NULL)
		bb_s3_bad_answer(objects, LISTING, xml.error);
	if (more && next == NULL)
		bb_s3_bad_answer(objects, LISTING, "It doesn't say how to go on.");
	return more ? next : NULL;
}

List *
bb_s3_list(const BbReqCtx *ctx, BbS3Store *objects, const char *start,
		   int64 *now)
{
	List	   *list = NIL;
	char	   *prefix = bb_s3_encode(
		psprintf("%s%s", objects->prefix, start));
	char	   *token = NULL;

	do
	{
		BbS3Request request = {.action = LISTING,
							   .http = {.method = "GET",
										.capacity = PAGE_CAPACITY}};
		BbS3Answer	answer;

		request.query = psprintf("%s%s%slist-type=2&prefix=%s",
								 token ? "continuation-token=" : "",
								 token ? bb_s3_encode(token) : "",
								 token ? "&" : "", prefix);
		(void) bb_s3_request(ctx, objects, &request, &answer);
		if (answer.http.too_long || answer.http.length == 0)
			bb_s3_bad_answer(objects, LISTING, "It has the wrong length.");
		*now = answer.http.date;
		token = take_page(objects, answer.http.body, &list);
		pfree(answer.http.body);
	} while (token != NULL);
	return list;
}

bool
bb_s3_is_ours(const char *name)
{
	bool		start = true;

	for (const char *p = name; *p; p++)
	{
		if (start && (*p == '.' || *p == '/'))
			return false;
		start = *p == '/';
	}
	return !start;
}

List *
bb_s3_list_objects(const BbReqCtx *ctx, BbObjectStore *objects,
				   const char *prefix)
{
	List	   *infos = NIL;
	ListCell   *cell;
	int64		now;

	foreach(cell,
			bb_s3_list(ctx, (BbS3Store *) objects, psprintf("%s/", prefix),
					   &now))
	{
		BbObjectInfo *info = &((BbS3Listed *) lfirst(cell))->object;

		if (bb_s3_is_ours(info->name))
			infos = lappend(infos, info);
	}
	return infos;
}

List *
bb_s3_list_parts(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *prefix)
{
	List	   *parts = NIL;
	ListCell   *cell;

	foreach(cell, bb_objstore_list(ctx, objects, prefix))
	{
		const char *name = ((BbObjectInfo *) lfirst(cell))->name;
		const char *part = name + strlen(prefix) + 1;
		size_t		length = strcspn(part, "/");
		const char *last = parts != NIL ? llast(parts) : NULL;

		/* names are ordered, so those with the same part follow each other */
		if (last == NULL || strlen(last) != length ||
			strncmp(last, part, length) != 0)
			parts = lappend(parts, pnstrdup(part, length));
	}
	return parts;
}

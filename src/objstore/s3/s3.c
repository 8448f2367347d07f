/*-------------------------------------------------------------------------
 *
 * s3.c
 *	  The object store driver for S3: the table of operations; reading.
 *
 * An object "NAME" of the store "s3://BUCKET/PREFIX" has the key "PREFIX/NAME".
 * Keys whose last part begins with a dot are no objects but locks.
 *
 * A store, its writers and its locks are released in the reverse order of
 * being made: none of them may outlive the store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/s3_internal.h"
#include "utils/memutils.h"

#define SCHEME_PREFIX "s3://"
#define DEFAULT_REGION "us-east-1"

/*
 * A request costs as much as some hundred kB do.  So small reads fetch so many
 * bytes, from which the next ones are served: a layer's footer and root lie
 * beside each other, and so do the blocks of small relations.
 */
#define FETCH_BYTES (256 * 1024)

/*
 * A scan may have hundreds of objects open, so all readers of a store share
 * so much; each gets less when there are more of them, but for a minimum that
 * is worth a request.
 */
#define FETCHED_BYTES_MAX (16 * 1024 * 1024)
#define FETCH_BYTES_MIN (16 * 1024)

typedef struct S3Reader
{
	BbObjectReader base;
	MemoryContext context; /* owns the reader */
	BbS3Store  *objects;
	MemoryContextCallback callback;
	dlist_node	node; /* among the store's, the last used at the tail */
	char	   *name;
	size_t		allocated;	  /* of fetched */
	uint64		next;		  /* where the last read ended */
	char	   *fetched;	  /* NULL: none */
	uint64		fetched_from; /* offset of these bytes */
	size_t		fetched_length;
} S3Reader;

/* The message doesn't repeat what may have a key in it. */
static void
invalid_url(const char *url, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 strchr(url, '@') == NULL
			 ? errmsg("invalid page store URL \"%s\"", url)
			 : errmsg("invalid page store URL"),
			 errdetail("%s", detail),
			 errhint("Write it as \"s3://bucket/prefix\".")));
}

static void
s3_check_url(const char *url)
{
	const char *bucket = url + strlen(SCHEME_PREFIX);
	size_t		length = strcspn(bucket, "/");
	const char *p;

	if (strlen(url) > 512)
		invalid_url(url, "It is too long.");
	for (p = bucket; p < bucket + length; p++)
	{
		if (!bb_is_name_character(*p))
			break;
	}
	if (length < 3 || length > 63 || p != bucket + length || *bucket == '.')
		invalid_url(url,
					"The name of a bucket has 3 to 63 letters, digits, "
					"\".\", \"_\" and \"-\".");

	for (; *p != '\0'; p++)
	{
		bool		begins = *p != '/' && p[-1] == '/';

		if ((*p != '/' && !bb_is_name_character(*p)) ||
			(begins && *p == '.') || (*p == '/' && p[1] == '/'))
			invalid_url(url,
						"A prefix has parts of letters, digits, \".\", "
						"\"_\" and \"-\", none of which begins with a "
						"dot.");
	}
}

static BbObjectStore *
s3_open(const BbReqCtx *ctx, const char *url,
		const BbObjectStoreOptions *options)
{
	BbS3Store  *objects = palloc0(sizeof(BbS3Store));
	const char *bucket = url + strlen(SCHEME_PREFIX);
	size_t		length = strcspn(bucket, "/");
	const char *prefix = bucket[length] == '/' ? bucket + length + 1 : "";
	const char *region = options->region ? options->region : DEFAULT_REGION;
	const char *endpoint = options->endpoint;
	const char *host;

	if (options->access_key_id == NULL || options->secret_access_key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("there are no keys for page store \"%s\"", url),
				 errhint("CREATE USER MAPPING FOR ... SERVER ... OPTIONS "
						 "(access_key_id '...', secret_access_key '...').")));
	if (endpoint == NULL)
		endpoint = psprintf("https://s3.%s.amazonaws.com", region);
	host = strstr(endpoint, "://") + 3;
	if (options->path_style)
		objects->bucket_url = psprintf("%s/%.*s/", endpoint, (int) length,
									   bucket);
	else
		objects->bucket_url = psprintf("%.*s%.*s.%s/", (int) (host - endpoint),
									   endpoint, (int) length, bucket, host);
	objects->dotted = !options->path_style &&
		memchr(bucket, '.', length) != NULL &&
		strncmp(endpoint, "https:", 6) == 0;
	if (*prefix == '\0')
		objects->prefix = pstrdup("");
	else
		objects->prefix = psprintf("%s%s", prefix,
								   prefix[strlen(prefix) - 1] == '/' ? ""
																	 : "/");
	dlist_init(&objects->readers);
	objects->keys.access_key_id = pstrdup(options->access_key_id);
	objects->keys.secret_access_key = pstrdup(options->secret_access_key);
	if (options->session_token != NULL)
		objects->keys.session_token = pstrdup(options->session_token);
	objects->keys.region = pstrdup(region);
	return &objects->base;
}

static const char *
s3_local_directory(const BbObjectStore *objects)
{
	return NULL;
}

bool
bb_s3_get(const BbReqCtx *ctx, BbS3Store *objects, const char *name,
		  size_t max_length, char **data, size_t *length, BbObjectTag *tag,
		  char **etag)
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

static bool
s3_get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
	   size_t max_length, char **data, size_t *length, BbObjectTag *tag)
{
	return bb_s3_get(ctx, (BbS3Store *) objects, name, max_length, data,
					 length, tag, NULL);
}

static void
s3_remove(const BbReqCtx *ctx, BbObjectStore *objects, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		BbS3Request request = {.action = "remove object",
							   .method = "DELETE",
							   .name = lfirst(cell),
							   .capacity = 64 * 1024,
							   .tolerate = BB_S3_MISSING};
		BbS3Answer	answer;

		(void) bb_s3_request(ctx, (BbS3Store *) objects, &request, &answer);
	}
}

/* Give back what a reader has fetched. */
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

static BbObjectReader *
s3_open_object(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	S3Reader   *reader = new_reader((BbS3Store *) objects, name);
	BbS3Request request = {.action = "read object",
						   .method = "HEAD",
						   .name = name,
						   .tolerate = BB_S3_MISSING};
	BbS3Answer	answer;

	if (!bb_s3_request(ctx, reader->objects, &request, &answer))
	{
		MemoryContextDelete(reader->context);
		return NULL;
	}
	reader->base.size = answer.http.content_length;
	return &reader->base;
}

/* Part of an object, being read. */
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

/* Returns false when the object has another size. */
static bool
end_range(const BbReqCtx *ctx, S3Part *part)
{
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
				 errmsg("object \"%s\" was answered with too many bytes",
						request->name),
				 errdetail("%zu bytes were asked for, at offset " UINT64_FORMAT
						   ".",
						   request->capacity, request->range_start)));
	BB_COUNT(ctx, bytes_downloaded, request->range_length);
	pfree(part);
	return true;
}

static BbObjectPart *
s3_begin_part(const BbReqCtx *ctx, BbObjectStore *objects,
			  const BbWholeObject *object, uint64 offset, void *data,
			  size_t length)
{
	return &begin_range(ctx, (BbS3Store *) objects, object->name, object->size,
						offset, data, length)
				->base;
}

static bool
s3_end_part(const BbReqCtx *ctx, BbObjectPart *part)
{
	return end_range(ctx, (S3Part *) part);
}

static void
read_range(const BbReqCtx *ctx, S3Reader *reader, uint64 offset, void *data,
		   size_t length)
{
	(void) end_range(ctx,
					 begin_range(ctx, reader->objects, reader->name, 0, offset,
								 data, length));
}

/* How much is fetched at a time for small reads, by now. */
static size_t
fetch_bytes(const BbS3Store *objects)
{
	size_t		share = FETCHED_BYTES_MAX / Max(objects->nreaders, 1);

	return Max(Min(share, FETCH_BYTES), FETCH_BYTES_MIN);
}

/*
 * Have room for so many bytes.  Who used his own longest ago makes it.
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
 * Have bytes from "offset" on among those that were fetched, or at the end of
 * the object from before it on; but who reads front to back has seen these.
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
	reader->fetched_length = 0; /* an error would leave it half done */
	read_range(ctx, reader, from, reader->fetched, length);
	reader->fetched_from = from;
	reader->fetched_length = length;
}

static void
s3_read(const BbReqCtx *ctx, BbObjectReader *base, uint64 offset, void *data,
		size_t length)
{
	S3Reader   *reader = (S3Reader *) base;

	if (length == 0)
		return;
	if (length >= fetch_bytes(reader->objects) || length == base->size)
	{
		read_range(ctx, reader, offset, data, length);
		/* who reads so much at a time hardly wants the rest */
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

static void
s3_close(BbObjectReader *base)
{
	MemoryContextDelete(((S3Reader *) base)->context);
}

const BbObjectStoreOps bb_objstore_s3 = {
	.scheme = "s3",
	.residency = &bb_residency_none,
	.check_url = s3_check_url,
	.open = s3_open,
	.local_directory = s3_local_directory,
	.get = s3_get,
	.put_if = bb_s3_put_if,
	.list = bb_s3_list_objects,
	.list_parts = bb_s3_list_parts,
	.remove = s3_remove,
	.sweep = bb_s3_sweep,
	.lock = bb_s3_lock,
	.create = bb_s3_create,
	.write = bb_s3_write,
	.finish = bb_s3_finish,
	.open_object = s3_open_object,
	.read = s3_read,
	.close = s3_close,
	.begin_part = s3_begin_part,
	.end_part = s3_end_part,
};

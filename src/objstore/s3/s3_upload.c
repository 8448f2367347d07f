/*-------------------------------------------------------------------------
 *
 * s3_upload.c
 *	  The S3 driver: writing objects, and sweeping what unfinished writers left.
 *
 * An object that fits into one part is put when it is finished.  A larger one
 * is a multipart upload: each part is sent when it is full, and completing the
 * upload makes an object of them:
 *
 *	  write ─ part 1 ─ part 2 ─ … ─ finish: last part, complete
 *
 * An upload that isn't completed isn't an object.  A writer that is freed
 * unfinished aborts its upload, and removes the object if it may exist because
 * an answer was lost.  The next sweep aborts uploads of processes that died.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "common/hashfn.h"
#include "objstore/s3/s3_internal.h"
#include "objstore/s3/xml.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define ACTION "write object"
#define LISTING "list the uploads"

#define MAX_PARTS 10000

#define UPLOADS_CAPACITY (16 * 1024 * 1024)

typedef struct S3Writer
{
	BbObjectWriter base;
	MemoryContext context; /* owns the writer */
	BbS3Store  *objects;
	char	   *name;
	char	   *upload;	   /* "uploadId=…"; NULL: none is under way */
	bool		finishing; /* the object may be there */
	int			parts;
	StringInfoData etags; /* of the parts, as an XML fragment for completing */
	uint64		total;	  /* bytes in parts */
	size_t		filled;	  /* bytes in the buffer */
	size_t		allocated;
	char	   *buffer;
} S3Writer;

static void
abort_upload(void *arg)
{
	S3Writer   *writer = arg;

	if (writer->upload != NULL)
		bb_s3_clean_up(writer->objects, writer->name, writer->upload);
	if (writer->finishing)
		bb_s3_clean_up(writer->objects, writer->name, NULL);
}

BbObjectWriter *
bb_s3_create(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup upload",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	S3Writer   *writer = palloc0(sizeof(S3Writer));

	writer->context = context;
	writer->objects = (BbS3Store *) objects;
	writer->name = pstrdup(name);
	writer->allocated = 64 * 1024;
	writer->buffer = palloc(writer->allocated);
	initStringInfo(&writer->etags);
	bb_on_reset(context, abort_upload, writer);
	MemoryContextSwitchTo(old);
	return &writer->base;
}

/*
 * Return the text of the element at "wanted" in an answer; NULL if there is
 * none, for instance because the answer is an error in spite of its status.
 */
static char *
element_of(const BbS3Answer *answer, const char *wanted)
{
	BbXml		xml;
	const char *path;
	const char *text;
	char	   *found = NULL;

	if (answer->http.length == 0)
		return NULL;
	bb_xml_init(&xml, answer->http.body);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, wanted) == 0)
			found = pstrdup(text);
	}
	return xml.error == NULL ? found : NULL;
}

static void
begin_upload(const BbReqCtx *ctx, S3Writer *writer)
{
	BbS3Request request = {.action = ACTION,
						   .name = writer->name,
						   .query = "uploads=",
						   .kind = BB_S3_LAYER,
						   .http = {.method = "POST",
									.body = "",
									.capacity = BB_S3_ANSWER_CAPACITY}};
	BbS3Answer	answer;
	char	   *id;

	(void) bb_s3_request(ctx, writer->objects, &request, &answer);
	bb_s3_check_encrypted(writer->objects, writer->name, &answer.http);
	id = element_of(&answer, "InitiateMultipartUploadResult/UploadId");
	if (id == NULL)
		bb_s3_bad_answer(writer->objects, "begin an upload",
						 "It has no upload ID.");
	writer->upload = MemoryContextStrdup(writer->context,
										 psprintf("uploadId=%s",
												  bb_s3_encode(id)));
}

/* PUT what the buffer contains: the object, or with a query a part of it. */
static void
put_buffer(const BbReqCtx *ctx, S3Writer *writer, const char *query,
		   BbS3Answer *answer)
{
	BbS3Request request = {.name = writer->name,
						   .query = query,
						   .kind = query == NULL ? BB_S3_LAYER
												 : BB_S3_NO_OBJECT,
						   .http = {.body = writer->buffer,
									.body_length = writer->filled}};

	(void) bb_s3_put(ctx, writer->objects, &request, answer);
}

static void
put_part(const BbReqCtx *ctx, S3Writer *writer)
{
	BbS3Answer	answer;

	if (writer->upload == NULL)
		begin_upload(ctx, writer);
	if (++writer->parts > MAX_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("object \"%s\" is too large", writer->name)));
	put_buffer(ctx, writer,
			   psprintf("partNumber=%d&%s", writer->parts, writer->upload),
			   &answer);
	if (answer.http.etag[0] == '\0' ||
		strpbrk(answer.http.etag, "<>&") != NULL)
		bb_s3_bad_answer(writer->objects, "write a part", "It has no ETag.");
	appendStringInfo(&writer->etags,
					 "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>",
					 writer->parts, answer.http.etag);
	writer->total += writer->filled;
	writer->filled = 0;
}

void
bb_s3_write(const BbReqCtx *ctx, BbObjectWriter *base, const void *data,
			size_t length)
{
	S3Writer   *writer = (S3Writer *) base;
	const char *from = data;

	while (length > 0)
	{
		size_t		n;

		if (writer->filled == BB_S3_PART_SIZE)
			put_part(ctx, writer);
		if (writer->filled == writer->allocated)
		{
			writer->buffer = repalloc(writer->buffer, writer->allocated * 2);
			writer->allocated *= 2;
		}
		n = Min(length, writer->allocated - writer->filled);
		memcpy(writer->buffer + writer->filled, from, n);
		writer->filled += n;
		from += n;
		length -= n;
	}
}

/* Does the object exist, with the size that it should have? */
static bool
is_there(const BbReqCtx *ctx, S3Writer *writer)
{
	uint64		size;

	return bb_s3_look(ctx, writer->objects, ACTION, writer->name, &size) &&
		size == writer->total;
}

static void
complete_upload(const BbReqCtx *ctx, S3Writer *writer)
{
	char	   *body = psprintf("<CompleteMultipartUpload>%s"
								"</CompleteMultipartUpload>",
								writer->etags.data);
	BbS3Request request = {.action = ACTION,
						   .name = writer->name,
						   .query = writer->upload,
						   .tolerate = BB_S3_MISSING,
						   .http = {.method = "POST",
									.body = body,
									.body_length = strlen(body),
									.capacity = BB_S3_ANSWER_CAPACITY}};
	BbS3Answer	answer;

	/*
	 * The server may begin to answer before the outcome is known, so status
	 * 200 can be an error.  And if an earlier attempt succeeded but its answer
	 * was lost, there is no upload any more.
	 */
	if ((!bb_s3_request(ctx, writer->objects, &request, &answer) ||
		 element_of(&answer, "CompleteMultipartUploadResult/ETag") == NULL) &&
		!is_there(ctx, writer))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not write object \"%s\" of page store \"%s\"",
						writer->name, writer->objects->base.url),
				 errdetail("The server could not combine its %d parts.",
						   writer->parts),
				 errhint("Try again.")));
	writer->upload = NULL;
}

void
bb_s3_finish(const BbReqCtx *ctx, BbObjectWriter *base)
{
	S3Writer   *writer = (S3Writer *) base;
	MemoryContext old = MemoryContextSwitchTo(writer->context);
	BbS3Answer	answer;

	if (writer->upload != NULL)
		put_part(ctx, writer);
	writer->finishing = true;
	if (writer->upload == NULL)
		put_buffer(ctx, writer, NULL, &answer);
	else
		complete_upload(ctx, writer);
	bb_s3_check_kept(ctx, writer->objects, writer->name);
	writer->finishing = false;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(writer->context);
}

/* ---- sweeping ---- */

/* Returns true the first time that this sweep meets an upload. */
static bool
is_new(HTAB *aborted, const char *name, const char *query)
{
	const char *key = psprintf("%s?%s", name, query);
	uint64		hash = hash_bytes_extended((const unsigned char *) key,
										   (int) strlen(key), 0);
	bool		found;

	(void) hash_search(aborted, &hash, HASH_ENTER, &found);
	return !found;
}

/*
 * Abort the uploads in a page of the listing, each once.  Returns whether there
 * were new ones.
 */
static bool
abort_uploads(const BbReqCtx *ctx, BbS3Store *objects, const char *document,
			  HTAB *aborted)
{
	BbXml		xml;
	const char *path;
	const char *text;
	char	   *key = NULL;
	char	   *id = NULL;
	bool		any = false;
	size_t		prefix_length = strlen(objects->prefix);

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, "ListMultipartUploadsResult/Upload/Key") == 0)
			key = pstrdup(text);
		else if (strcmp(path, "ListMultipartUploadsResult/Upload/UploadId") ==
				 0)
			id = pstrdup(text);
		else if (strcmp(path, "ListMultipartUploadsResult/Upload") == 0)
		{
			const char *name;
			const char *query;

			if (key == NULL || id == NULL ||
				strncmp(key, objects->prefix, prefix_length) != 0)
				bb_s3_bad_answer(objects, LISTING,
								 "It lists what was not asked for.");
			name = key + prefix_length;
			query = psprintf("uploadId=%s", bb_s3_encode(id));
			if (is_new(aborted, name, query))
			{
				bb_s3_delete(ctx, objects, "abort the upload of", name, query);
				any = true;
			}
			key = id = NULL;
		}
	}
	if (xml.error != NULL)
		bb_s3_bad_answer(objects, LISTING, xml.error);
	return any;
}

void
bb_s3_sweep(const BbReqCtx *ctx, BbObjectStore *base, const char *prefix)
{
	BbS3Store  *objects = (BbS3Store *) base;
	BbS3Request request = {.action = LISTING,
						   .http = {.method = "GET",
									.capacity = UPLOADS_CAPACITY}};
	HASHCTL		control = {.keysize = sizeof(uint64),
						   .entrysize = sizeof(uint64),
						   .hcxt = CurrentMemoryContext};
	HTAB	   *aborted = hash_create("bbackup aborted uploads", 64, &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	bool		any = true;

	request.query = psprintf("prefix=%s&uploads=",
							 bb_s3_encode(
								 psprintf("%s%s/", objects->prefix, prefix)));
	/*
	 * Aborted uploads are no longer listed, so the next page is the first one
	 * again.  But a server may list them for a while: a page without new
	 * uploads ends this sweep, and the next sweep does the rest.
	 */
	while (any)
	{
		BbS3Answer	answer;

		(void) bb_s3_request(ctx, objects, &request, &answer);
		if (answer.http.too_long || answer.http.length == 0)
			bb_s3_bad_answer(objects, request.action,
							 "It has the wrong length.");
		any = abort_uploads(ctx, objects, answer.http.body, aborted);
		pfree(answer.http.body);
	}
	hash_destroy(aborted);
}

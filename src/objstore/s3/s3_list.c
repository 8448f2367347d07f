/*-------------------------------------------------------------------------
 *
 * s3_list.c
 *	  The S3 driver: listings (ListObjectsV2), page by page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "objstore/s3/s3_internal.h"
#include "objstore/s3/xml.h"

#define ACTION "list the objects"

/* A page has at most 1000 names, of 1 kB at most. */
#define PAGE_CAPACITY (16 * 1024 * 1024)

/* Parse "2026-11-24T20:18:25.000Z" to a time_t; 0 if it isn't a time. */
static int64
parse_time(const char *text)
{
	struct tm	tm = {0};

	if (sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

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
	BbS3Listed	object = {0};
	char	   *next = NULL;
	bool		more = false;
	size_t		prefix_length = strlen(objects->prefix);

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, "ListBucketResult/Contents/Key") == 0)
			object.name = pstrdup(text);
		else if (strcmp(path, "ListBucketResult/Contents/Size") == 0)
			object.size = strtou64(text, NULL, 10);
		else if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0)
			object.modified = parse_time(text);
		else if (strcmp(path, "ListBucketResult/Contents") == 0)
		{
			if (object.name == NULL ||
				strncmp(object.name, objects->prefix, prefix_length) != 0)
				bb_s3_bad_answer(objects, ACTION,
								 "It lists what was not asked for.");
			object.name += prefix_length;
			*list = lappend(*list,
							memcpy(palloc(sizeof(object)), &object,
								   sizeof(object)));
			memset(&object, 0, sizeof(object));
		}
		else if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
			more = strcmp(text, "true") == 0;
		else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0)
			next = pstrdup(text);
		else if (strncmp(path, "ListBucketResult", 16) != 0)
			bb_s3_bad_answer(objects, ACTION, "It is no listing.");
	}
	if (xml.error != NULL)
		bb_s3_bad_answer(objects, ACTION, xml.error);
	if (more && next == NULL)
		bb_s3_bad_answer(objects, ACTION, "It doesn't say how to go on.");
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
		BbS3Request request = {.action = ACTION,
							   .method = "GET",
							   .capacity = PAGE_CAPACITY};
		BbS3Answer	answer;

		request.query = psprintf("%s%s%slist-type=2&prefix=%s",
								 token ? "continuation-token=" : "",
								 token ? bb_s3_encode(token) : "",
								 token ? "&" : "", prefix);
		(void) bb_s3_request(ctx, objects, &request, &answer);
		if (answer.http.too_long || answer.http.length == 0)
			bb_s3_bad_answer(objects, ACTION, "It has the wrong length.");
		*now = answer.http.date;
		token = take_page(objects, answer.http.body, &list);
		pfree(answer.http.body);
	} while (token != NULL);
	return list;
}

/* Is this the name of an object rather than of a lock or of another file? */
static bool
is_ours(const char *name)
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
		BbS3Listed *listed = lfirst(cell);
		BbObjectInfo *info;

		if (!is_ours(listed->name))
			continue;
		info = palloc(sizeof(BbObjectInfo));
		info->name = listed->name;
		info->size = listed->size;
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

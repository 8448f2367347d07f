/*-------------------------------------------------------------------------
 *
 * s3_versions.c
 *	  The S3 driver: versions of objects, in a bucket that keeps them.
 *
 * With versioning, a PUT adds a version, and a DELETE adds a mark, so what was
 * deleted or overwritten is still there.  Copying a version to its own key makes
 * it the present one again.  That takes fewer rights than removing what is after
 * it, and is possible where a retention forbids that.
 *
 * A listing is ordered by key, and the versions of a key from the newest to the
 * oldest.  But some servers list marks apart from versions, so both are sorted.
 *
 * (Facts: Amazon S3's API Reference, "ListObjectVersions",
 * "CopyObject".)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/s3_internal.h"
#include "objstore/s3/s3_time.h"
#include "objstore/s3/xml.h"

#define LISTING "list the versions"

/* A page has at most 1000 versions, of some kB at most. */
#define PAGE_CAPACITY (16 * 1024 * 1024)

/* Is it this element of a version or of a mark? */
static bool
is_element(const char *path, const char *element)
{
	static const char *const parents[] = {"ListVersionsResult/Version",
										  "ListVersionsResult/DeleteMarker"};

	for (int i = 0; i < lengthof(parents); i++)
	{
		size_t		length = strlen(parents[i]);

		if (strncmp(path, parents[i], length) == 0 &&
			strcmp(path + length, element) == 0)
			return true;
	}
	return false;
}

static void
end_version(BbS3Store *objects, BbObjectVersion *version, const char *path,
			List **versions)
{
	size_t		prefix_length = strlen(objects->prefix);

	if (version->name == NULL || version->id == NULL ||
		strncmp(version->name, objects->prefix, prefix_length) != 0)
		bb_s3_bad_answer(objects, LISTING, "It lists what was not asked for.");
	version->name += prefix_length;
	version->deleted = strcmp(path, "ListVersionsResult/DeleteMarker") == 0;
	version->number = list_length(*versions);
	if (bb_s3_is_ours(version->name))
		*versions = lappend(*versions,
							memcpy(palloc(sizeof(*version)), version,
								   sizeof(*version)));
	memset(version, 0, sizeof(*version));
}

/*
 * Add the versions of a page to *versions, and set *last to the last one that it
 * lists.  Returns whether there are more.
 */
static bool
take_page(BbS3Store *objects, const char *document, List **versions,
		  BbObjectVersion *last)
{
	BbXml		xml;
	const char *path;
	const char *text;
	BbObjectVersion version = {0};
	bool		more = false;
	bool		any = false;

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (is_element(path, "/Key"))
			version.name = pstrdup(text);
		else if (is_element(path, "/VersionId"))
			version.id = pstrdup(text);
		else if (is_element(path, "/ETag"))
			version.etag = pstrdup(text);
		else if (is_element(path, "/Size"))
			version.size = strtou64(text, NULL, 10);
		else if (is_element(path, "/LastModified"))
			version.modified = bb_s3_time_parse(text);
		else if (is_element(path, ""))
		{
			any = true;
			*last = version;
			end_version(objects, &version, path, versions);
		}
		else if (strcmp(path, "ListVersionsResult/IsTruncated") == 0)
			more = strcmp(text, "true") == 0;
		else if (strncmp(path, "ListVersionsResult", 18) != 0)
			bb_s3_bad_answer(objects, LISTING, "It is no listing.");
	}
	if (xml.error != NULL)
		bb_s3_bad_answer(objects, LISTING, xml.error);
	if (more && !any)
		bb_s3_bad_answer(objects, LISTING, "It doesn't say how to go on.");
	return more;
}

/*
 * By name, and then from the newest to the oldest.  IsLatest isn't used: Swift sets
 * it once on each page of a listing.
 */
static int
compare_versions(const ListCell *a, const ListCell *b)
{
	const BbObjectVersion *one = lfirst(a);
	const BbObjectVersion *other = lfirst(b);
	int			order = strcmp(one->name, other->name);

	if (order != 0)
		return order;
	if (one->modified != other->modified)
		return one->modified > other->modified ? -1 : 1;
	return one->number - other->number;
}

List *
bb_s3_versions(const BbReqCtx *ctx, BbObjectStore *base)
{
	BbS3Store  *objects = (BbS3Store *) base;
	char	   *prefix = bb_s3_encode(objects->prefix);
	List	   *versions = NIL;
	BbObjectVersion last = {0};
	bool		more;

	do
	{
		BbS3Request request = {.action = LISTING,
							   .http = {.method = "GET",
										.capacity = PAGE_CAPACITY}};
		BbS3Answer	answer;
		BbObjectVersion before = last;

		/* the markers in the answer are the same, but Swift has wrong ones */
		request.query = before.name == NULL
			? psprintf("prefix=%s&versions=", prefix)
			: psprintf("key-marker=%s&prefix=%s&version-id-marker=%s"
					   "&versions=",
					   bb_s3_encode(before.name), prefix,
					   bb_s3_encode(before.id));
		(void) bb_s3_request(ctx, objects, &request, &answer);
		if (answer.http.too_long || answer.http.length == 0)
			bb_s3_bad_answer(objects, LISTING, "It has the wrong length.");
		more = take_page(objects, answer.http.body, &versions, &last);
		if (more && before.name != NULL &&
			strcmp(before.name, last.name) == 0 &&
			strcmp(before.id, last.id) == 0)
			bb_s3_bad_answer(objects, LISTING, "It is the same page again.");
		pfree(answer.http.body);
	} while (more);
	list_sort(versions, compare_versions);
	return versions;
}

void
bb_s3_put_back(const BbReqCtx *ctx, BbObjectStore *base,
			   const BbObjectVersion *version)
{
	BbS3Store  *objects = (BbS3Store *) base;
	BbS3Request request = {.action = "copy a version of object",
						   .name = version->name,
						   .kind = bb_s3_kind_of(version->name)};
	BbS3Answer	answer;
	BbXml		xml;
	const char *path;
	const char *text;
	bool		copied = false;

	request.copy_source = psprintf("/%s/%s%s?versionId=%s", objects->bucket,
								   bb_s3_encode_path(objects->prefix),
								   bb_s3_encode_path(version->name),
								   bb_s3_encode(version->id));
	(void) bb_s3_put(ctx, objects, &request, &answer);
	/* an error may follow the status of success */
	bb_xml_init(&xml, answer.http.length > 0 ? answer.http.body : "");
	while (bb_xml_next(&xml, &path, &text))
		copied |= strcmp(path, "CopyObjectResult/ETag") == 0;
	if (!copied)
		bb_s3_bad_answer(objects, request.action, "It has no ETag.");
}

/*-------------------------------------------------------------------------
 *
 * ranges.c
 *	  Ranges of blocks of the files of a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "backup/ranges.h"
#include "base/compat.h"
#include "members/memberpath.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Paths of relation and SLRU segments are shorter. */
#define PATH_SIZE 128

/* So many members are remembered, about a kilobyte each. */
#define MEMBERS_MAX 2048

typedef struct Known
{
	char		path[PATH_SIZE]; /* the key */
	BbMember	member;
} Known;

struct BbRangeReader
{
	MemoryContext context;
	BbSnapshot	snapshot;
	HTAB	   *members;
};

static HTAB *
new_table(MemoryContext context)
{
	HASHCTL		control = {.keysize = PATH_SIZE,
						   .entrysize = sizeof(Known),
						   .hcxt = context};

	return hash_create("bbackup members", 64, &control,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

BbRangeReader *
bb_rangereader_new(const BbSnapshot *snapshot)
{
	BbRangeReader *reader = palloc0(sizeof(BbRangeReader));

	reader->context = CurrentMemoryContext;
	reader->snapshot = *snapshot;
	reader->members = new_table(reader->context);
	return reader;
}

const BbSnapshot *
bb_rangereader_snapshot(const BbRangeReader *reader)
{
	return &reader->snapshot;
}

static void
report_missing(const BbRangeReader *reader, const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("there is no relation or SLRU file \"%s\" at " BB_LSN_FORMAT,
					path, LSN_FORMAT_ARGS(reader->snapshot.lsn)),
			 errhint("bb_clone_files() lists the files; paths are relative to the "
					 "data directory.")));
}

/* A table that is full is emptied: what is used all the time is soon back. */
static const BbMember *
find_member(const BbReqCtx *ctx, BbRangeReader *reader, const char *path)
{
	Known	   *known;
	BbMember	member;

	if (strlen(path) >= PATH_SIZE)
		report_missing(reader, path);
	known = hash_search(reader->members, path, HASH_FIND, NULL);
	if (known != NULL)
		return &known->member;
	if (!bb_memberpath_find(ctx, &reader->snapshot, path, &member))
		report_missing(reader, path);
	if (hash_get_num_entries(reader->members) >= MEMBERS_MAX)
	{
		hash_destroy(reader->members);
		reader->members = new_table(reader->context);
	}
	known = hash_search(reader->members, path, HASH_ENTER, NULL);
	known->member = member;
	return &known->member;
}

static void
check_range(const BbRangeReader *reader, const BbMember *member,
			const BbFileRange *range)
{
	int64		blocks = (int64) (member->size / BLCKSZ);

	if (range->first >= 0 && range->count >= 0 && range->count <= blocks &&
		range->first <= blocks - range->count)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%lld blocks from block %lld on are out of range for file \"%s\"",
					(long long) range->count, (long long) range->first,
					range->path),
			 errdetail("It has %lld blocks at " BB_LSN_FORMAT ".",
					   (long long) blocks,
					   LSN_FORMAT_ARGS(reader->snapshot.lsn))));
}

static uint8 *
read_range(const BbReqCtx *ctx, BbContentReader *content,
		   const BbMember *member, const BbFileRange *range, uint8 *to)
{
	uint64		left = (uint64) range->count * BLCKSZ;
	const uint8 *data;
	uint32		length;

	bb_content_begin(ctx, content, member);
	(void) bb_content_seek(ctx, content, (uint64) range->first * BLCKSZ, left);
	while (left > 0 && bb_content_next(ctx, content, &data, &length))
	{
		Assert(length <= left);
		memcpy(to, data, length);
		to += length;
		left -= length;
	}
	if (left > 0)
		elog(ERROR, "content of file \"%s\" ended early", range->path);
	return to;
}

/* What is allocated on the way, and a scan, end with a context of the call. */
void
bb_rangereader_read(const BbReqCtx *ctx, BbRangeReader *reader,
					const BbFileRange *ranges, int nranges, uint8 *to)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup ranges",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbContentReader *content = bb_content_new_at(&reader->snapshot);

	for (int i = 0; i < nranges; i++)
	{
		const BbMember *member = find_member(ctx, reader, ranges[i].path);

		check_range(reader, member, &ranges[i]);
		to = read_range(ctx, content, member, &ranges[i], to);
	}
	bb_content_close(content);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

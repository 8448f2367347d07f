/*-------------------------------------------------------------------------
 *
 * relationfiles.c
 *	  The relation forks in one directory of a database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "common/relpath.h"
#include "import/relationfiles.h"
#include "storage/fd.h"
#include "utils/memutils.h"

/* One file: a segment of a fork. */
typedef struct Segment
{
	Oid			rel;
	ForkNumber	fork;
	uint32		number;
	uint64		size; /* bytes */
} Segment;

typedef struct SegmentList
{
	Segment	   *items;
	size_t		count;
	size_t		allocated;
} SegmentList;

/* Parse a number without leading zeros; returns false if there is none. */
static bool
parse_number(const char **text, uint32 *number)
{
	const char *p = *text;
	uint64		value = 0;

	if (*p < '1' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
	{
		value = value * 10 + (*p - '0');
		if (value > PG_UINT32_MAX)
			return false;
	}
	*number = (uint32) value;
	*text = p;
	return true;
}

/*
 * Is this the name of a permanent relation's file?  (This is the rule of
 * parse_filename_for_nontemp_relation in PostgreSQL's reinit.c, whose arguments
 * differ between versions.)
 */
static bool
parse_name(const char *name, Segment *segment)
{
	const char *p = name;
	uint32		rel;

	if (!parse_number(&p, &rel))
		return false;
	segment->rel = rel;
	segment->fork = MAIN_FORKNUM;
	segment->number = 0;
	if (*p == '_')
	{
		int			length = forkname_chars(p + 1, &segment->fork);

		if (length <= 0)
			return false;
		p += 1 + length;
	}
	if (*p == '.')
	{
		p++;
		if (!parse_number(&p, &segment->number))
			return false;
	}
	return *p == '\0';
}

/* Parse "NUMBER/"; returns false if there is none. */
static bool
parse_directory(const char **text, Oid *number)
{
	uint32		value;

	if (!parse_number(text, &value) || **text != '/')
		return false;
	(*text)++;
	*number = value;
	return true;
}

/* Skip a text; returns false if it isn't there. */
static bool
skip(const char **text, const char *expected)
{
	size_t		length = strlen(expected);

	if (strncmp(*text, expected, length) != 0)
		return false;
	*text += length;
	return true;
}

bool
bb_relationfiles_parse(const char *path, BbSourceFork *fork, uint32 *segment)
{
	const char *p = path;
	Segment		file;

	fork->db = InvalidOid;
	if (skip(&p, "global/"))
		fork->spc = GLOBALTABLESPACE_OID;
	else if (skip(&p, "base/"))
		fork->spc = DEFAULTTABLESPACE_OID;
	else if (!skip(&p, "pg_tblspc/") || !parse_directory(&p, &fork->spc) ||
			 !skip(&p, TABLESPACE_VERSION_DIRECTORY "/"))
		return false;
	if (fork->spc != GLOBALTABLESPACE_OID && !parse_directory(&p, &fork->db))
		return false;
	if (!parse_name(p, &file))
		return false;
	fork->rel = file.rel;
	fork->fork = file.fork;
	*segment = file.number;
	return true;
}

/*
 * Is it another file that belongs here, or one of a temporary relation
 * (t3_16384, t3_16384_fsm, …)?
 */
static bool
is_expected(const char *name)
{
	static const char *const names[] = {"PG_VERSION", "pg_filenode.map",
										"pg_control"};
	static const char *const prefixes[] = {"pg_internal.init",
										   PG_TEMP_FILES_DIR};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (int i = 0; i < lengthof(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return looks_like_temp_rel_name(name);
}

static void
add_segment(SegmentList *list, const Segment *segment)
{
	if (list->count == list->allocated)
	{
		list->allocated = Max(list->allocated * 2, 1024);
		list->items = list->items
			? repalloc_huge(list->items, list->allocated * sizeof(Segment))
			: palloc(list->allocated * sizeof(Segment));
	}
	list->items[list->count++] = *segment;
}

static int
compare_segments(const void *a, const void *b)
{
	const Segment *left = a;
	const Segment *right = b;

	if (left->rel != right->rel)
		return left->rel < right->rel ? -1 : 1;
	if (left->fork != right->fork)
		return left->fork < right->fork ? -1 : 1;
	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	return 0;
}

static void
read_directory(const BbReqCtx *ctx, const BbSourceTree *tree,
			   const char *below, const char *path, SegmentList *list)
{
	BbSourceList *names = bb_sourcetree_list(ctx, tree, below, false);
	const char *name;
	char		file[MAXPGPATH * 2];

	while ((name = bb_sourcelist_next(ctx, names)) != NULL)
	{
		Segment		segment;
		BbSourceStat st;

		if (!parse_name(name, &segment))
		{
			if (!is_expected(name))
				bb_datadir_warn(path, name,
								"It is not named like a file of a relation.");
			continue;
		}
		snprintf(file, sizeof(file), "%s/%s", below, name);
		if (!bb_sourcetree_stat(tree, file, true, &st))
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s/%s\": %m", path,
							name)));
		if (st.kind != BB_SOURCE_FILE)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("\"%s/%s\" is not a regular file", path, name)));
		segment.size = st.size;
		add_segment(list, &segment);
	}
	bb_sourcelist_close(names);
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(Segment), compare_segments);
}

/* Return the name of a segment's file, palloc'd. */
static char *
file_name(const Segment *segment)
{
	return psprintf("%u%s%s%s", segment->rel,
					segment->fork == MAIN_FORKNUM ? "" : "_",
					segment->fork == MAIN_FORKNUM ? ""
												  : forkNames[segment->fork],
					segment->number == 0 ? ""
										 : psprintf(".%u", segment->number));
}

/*
 * Is the first segment of a fork missing or empty, while others have data?
 *
 * A crash leaves this of a relation that was being dropped: the first segment
 * is truncated, then the others are removed one by one, and the next checkpoint
 * removes the first (mdunlinkfork in PostgreSQL's md.c).  The server sees no
 * block of such a fork (mdnblocks in md.c).  A fork with a gap after its first
 * blocks is another case: it has lost data.
 */
static bool
is_orphaned(const Segment *segments, size_t count)
{
	if (segments->number == 0 && segments->size > 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (segments[i].number > 0 && segments[i].size > 0)
			return true;
	return false;
}

static void
warn_orphaned(const char *path, const Segment *segments, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (segments[i].number > 0)
			bb_datadir_warn(
				path, file_name(&segments[i]),
				"The first segment of its relation is missing or empty, so the server does not read it.");
}

/*
 * Count the blocks of a fork.  The first segment that is not full is the last;
 * a truncation may leave empty ones after it (md.c).
 *
 * Files of a base backup may have grown, shrunk or disappeared while they were
 * copied.  As in recovery, the fork then ends at the first segment that isn't
 * full.
 */
static BlockNumber
count_blocks(const char *path, const Segment *segments, size_t count,
			 bool fuzzy)
{
	uint64		blocks = 0;
	bool		ended = false;

	for (size_t i = 0; i < count; i++)
	{
		const Segment *segment = &segments[i];
		uint64		here = segment->size / BLCKSZ;
		const char *complaint = NULL;

		if (fuzzy && (ended || segment->number != i))
			break;
		if (segment->number != i)
			complaint = "The segment before it is missing.";
		else if (here > RELSEG_SIZE)
			complaint = "It is larger than a segment can be.";
		else if (ended && segment->size > 0)
			complaint = "The segment before it is not full.";
		else if (segment->size % BLCKSZ != 0 && !fuzzy)
			complaint = "It ends in the middle of a block.";
		if (complaint != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("segment %u of fork \"%s\" of relation %u in \"%s\" has an impossible size or place",
							segment->number, forkNames[segment->fork],
							segment->rel, path),
					 errdetail("Its size is " UINT64_FORMAT " bytes. %s",
							   segment->size, complaint),
					 errhint("The cluster itself is damaged: restore the "
							 "relation there.")));
		blocks += here;
		ended = here < RELSEG_SIZE;
	}
	if (blocks > MaxBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("fork \"%s\" of relation %u in \"%s\" has too many blocks",
						forkNames[segments->fork], segments->rel, path)));
	return (BlockNumber) blocks;
}

static void
add_fork(BbInventory *inventory, const BbSourceFork *fork)
{
	if (inventory->nforks == inventory->allocated)
	{
		inventory->allocated = Max(inventory->allocated * 2, 1024);
		inventory->forks = inventory->forks
			? repalloc_huge(inventory->forks,
							inventory->allocated * sizeof(BbSourceFork))
			: MemoryContextAlloc(inventory->context,
								 inventory->allocated * sizeof(BbSourceFork));
	}
	inventory->forks[inventory->nforks++] = *fork;
	inventory->bytes += (uint64) fork->blocks * BLCKSZ;
}

void
bb_relationfiles_add(const BbReqCtx *ctx, const BbDataDir *dir,
					 const BbDatabase *database, BbInventory *inventory)
{
	char	   *below = GetDatabasePath(database->db, database->spc);
	char	   *path = psprintf("%s/%s", dir->path, below);
	SegmentList list = {0};
	size_t		end;

	read_directory(ctx, dir->tree, below, path, &list);
	for (size_t start = 0; start < list.count; start = end)
	{
		Oid			rel = list.items[start].rel;
		bool		unlogged = false;
		size_t		next;

		for (end = start; end < list.count && list.items[end].rel == rel;
			 end++)
			unlogged |= list.items[end].fork == INIT_FORKNUM;

		for (size_t at = start; at < end; at = next)
		{
			BbSourceFork fork;
			bool		orphaned;

			fork.spc = database->spc;
			fork.db = database->db;
			fork.rel = rel;
			fork.fork = list.items[at].fork;
			for (next = at; next < end && list.items[next].fork == fork.fork;)
				next++;
			if (unlogged && fork.fork != INIT_FORKNUM)
				continue;
			orphaned = is_orphaned(list.items + at, next - at);
			/* during a base backup, the relation may just be dropped */
			if (orphaned && dir->label == NULL)
				warn_orphaned(path, list.items + at, next - at);
			if (list.items[at].number != 0)
				continue;
			fork.blocks = count_blocks(path, list.items + at,
									   orphaned ? 1 : next - at,
									   dir->label != NULL);
			add_fork(inventory, &fork);
		}
	}

	if (list.items != NULL)
		pfree(list.items);
	pfree(path);
	pfree(below);
}

/*-------------------------------------------------------------------------
 *
 * inventory.c
 *	  The contents of a data directory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "common/relpath.h"
#include "import/capture.h"
#include "import/inventory.h"
#include "import/relationfiles.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "utils/memutils.h"

/* Handles an entry of a directory. */
typedef void (*Visit) (const BbReqCtx *ctx, const BbDataDir *dir,
					   const char *below, const char *name, void *arg);

/* Visit the entries of the directory "below" the data directory. */
static void
visit_directory(const BbReqCtx *ctx, const BbDataDir *dir, const char *below,
				Visit visit, void *arg)
{
	BbSourceList *list = bb_sourcetree_list(ctx, dir->tree, below, false);
	const char *name;

	while ((name = bb_sourcelist_next(ctx, list)) != NULL)
		visit(ctx, dir, below, name, arg);
	bb_sourcelist_close(list);
}

static uint64
size_of_file(const BbDataDir *dir, const char *below, const char *name)
{
	char	   *path = psprintf("%s/%s", below, name);
	BbSourceStat st;

	if (!bb_sourcetree_stat(dir->tree, path, true, &st))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s/%s\": %m", dir->path,
						path)));
	pfree(path);
	return st.size;
}

/* Is this an OID in decimal? */
static bool
parse_oid(const char *name, Oid *oid)
{
	size_t		length = strlen(name);

	if (length == 0 || length > 10 || strspn(name, "0123456789") != length ||
		name[0] == '0' || strtoull(name, NULL, 10) > PG_UINT32_MAX)
		return false;
	*oid = (Oid) strtoul(name, NULL, 10);
	return true;
}

/* ---- tablespaces and databases ---- */

static void
visit_tablespace(const BbReqCtx *ctx, const BbDataDir *dir, const char *below,
				 const char *name, void *arg)
{
	BbInventory *inventory = arg;
	BbTablespace *tablespace;
	char	   *path;
	BbSourceStat st;
	Oid			spc;

	if (!parse_oid(name, &spc))
		return;
	path = psprintf("%s/%s", below, name);
	if (!bb_sourcetree_stat(dir->tree, path, false, &st))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s/%s\": %m", dir->path,
						path)));

	tablespace = palloc0(sizeof(BbTablespace));
	tablespace->spc = spc;
	/* of an in-place tablespace, as pg_tablespace_location() shows it */
	tablespace->location = st.kind == BB_SOURCE_LINK
		? bb_sourcetree_link_target(dir->tree, path)
		: path;
	inventory->tablespaces = lappend(inventory->tablespaces, tablespace);
}

/* Omitting a tablespace that is missing would lose its data. */
static void
check_tablespace(const BbDataDir *dir, const BbTablespace *tablespace,
				 const char *below)
{
	BbSourceStat st;

	if (!bb_sourcetree_stat(dir->tree, below, true, &st))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not find tablespace %u: could not stat directory \"%s/%s\": %m",
						tablespace->spc, dir->path, below),
				 errhint("Restore its directory. If the tablespace was dropped, "
						 "remove \"%s/pg_tblspc/%u\".",
						 dir->path, tablespace->spc)));
}

typedef struct DatabaseVisit
{
	BbInventory *inventory;
	Oid			spc;
} DatabaseVisit;

static void
visit_database(const BbReqCtx *ctx, const BbDataDir *dir, const char *below,
			   const char *name, void *arg)
{
	DatabaseVisit *visit = arg;
	BbDatabase *database;
	char	   *path = psprintf("%s/%s", below, name);
	char	   *version;
	BbSourceStat st;
	Oid			db;

	if (!parse_oid(name, &db) ||
		!bb_sourcetree_stat(dir->tree, path, true, &st) ||
		st.kind != BB_SOURCE_DIRECTORY)
	{
		if (strncmp(name, PG_TEMP_FILES_DIR, strlen(PG_TEMP_FILES_DIR)) != 0)
			bb_datadir_warn(psprintf("%s/%s", dir->path, below), name,
							"It is not the directory of a database.");
		return;
	}
	database = palloc0(sizeof(BbDatabase));
	database->spc = visit->spc;
	database->db = db;
	version = psprintf("%s/PG_VERSION", path);
	database->default_tablespace = bb_sourcetree_stat(dir->tree, version, true,
													  &st);
	pfree(version);
	pfree(path);
	visit->inventory->databases = lappend(visit->inventory->databases,
										  database);
}

static int
compare_tablespaces(const ListCell *a, const ListCell *b)
{
	Oid			left = ((const BbTablespace *) lfirst(a))->spc;
	Oid			right = ((const BbTablespace *) lfirst(b))->spc;

	return left < right ? -1 : left > right ? 1 : 0;
}

static int
compare_databases(const ListCell *a, const ListCell *b)
{
	const BbDatabase *left = lfirst(a);
	const BbDatabase *right = lfirst(b);

	if (left->spc != right->spc)
		return left->spc < right->spc ? -1 : 1;
	return left->db < right->db ? -1 : left->db > right->db ? 1 : 0;
}

/*
 * Each database has one directory with its catalogs and a PG_VERSION file.  A
 * CREATE DATABASE that a crash interrupted may leave one without that file.
 */
static void
check_databases(const BbDataDir *dir, const BbInventory *inventory)
{
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, inventory->databases)
	{
		const BbDatabase *database = lfirst(cell);
		bool		whole = database->db == InvalidOid;

		foreach(other, inventory->databases)
		{
			const BbDatabase *candidate = lfirst(other);

			whole = whole ||
				(candidate->db == database->db &&
				 candidate->default_tablespace);
		}
		if (!whole)
			ereport(WARNING,
					(errmsg("database %u has no PG_VERSION in data directory \"%s\"",
							database->db, dir->path),
					 errhint("The database is damaged, unless a crash "
							 "interrupted its creation.")));
	}
}

static void
find_databases(const BbReqCtx *ctx, const BbDataDir *dir,
			   BbInventory *inventory)
{
	DatabaseVisit visit = {.inventory = inventory};
	BbDatabase *shared = palloc0(sizeof(BbDatabase));
	ListCell   *cell;

	visit_directory(ctx, dir, "pg_tblspc", visit_tablespace, inventory);
	list_sort(inventory->tablespaces, compare_tablespaces);

	visit.spc = DEFAULTTABLESPACE_OID;
	visit_directory(ctx, dir, "base", visit_database, &visit);

	shared->spc = GLOBALTABLESPACE_OID;
	inventory->databases = lappend(inventory->databases, shared);

	foreach(cell, inventory->tablespaces)
	{
		char	   *below;

		visit.spc = ((BbTablespace *) lfirst(cell))->spc;
		below = psprintf("pg_tblspc/%u/%s", visit.spc,
						 bb_major_version_directory(bb_major_own()));
		check_tablespace(dir, lfirst(cell), below);
		visit_directory(ctx, dir, below, visit_database, &visit);
		pfree(below);
	}
	list_sort(inventory->databases, compare_databases);
	check_databases(dir, inventory);

	foreach(cell, inventory->databases)
		bb_relationfiles_add(ctx, dir, lfirst(cell), inventory);
}

/* ---- SLRUs ---- */

typedef struct SlruVisit
{
	BbInventory *inventory;
	BbSlru		slru;
} SlruVisit;

/*
 * Names have up to six digits, or fifteen (SlruCorrectSegmentFilenameLength in
 * PostgreSQL's slru.c), and are what the server would write.
 */
static bool
parse_segment(BbSlru slru, const char *name, uint64 *segment)
{
	if (strlen(name) > 15)
		return false;
	*segment = strtoull(name, NULL, 16);
	return strcmp(name,
				  strrchr(bb_slru_path(bb_major_own(), slru, *segment), '/') +
					  1) == 0;
}

static void
visit_slru(const BbReqCtx *ctx, const BbDataDir *dir, const char *below,
		   const char *name, void *arg)
{
	SlruVisit  *visit = arg;
	BbSlruSegment *segment;
	uint64		number;
	uint64		size;

	if (!parse_segment(visit->slru, name, &number))
	{
		bb_datadir_warn(psprintf("%s/%s", dir->path, below), name,
						"It is not named like a segment.");
		return;
	}
	size = size_of_file(dir, below, name);
	if ((size % BLCKSZ != 0 && dir->label == NULL) ||
		size / BLCKSZ > SLRU_PAGES_PER_SEGMENT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/%s/%s\" has an impossible size", dir->path,
						below, name),
				 errdetail("It has " UINT64_FORMAT
						   " bytes; a segment has up to %d pages of %d bytes.",
						   size, SLRU_PAGES_PER_SEGMENT, BLCKSZ)));
	segment = palloc(sizeof(BbSlruSegment));
	segment->slru = visit->slru;
	segment->segment = number;
	segment->pages = (uint32) (size / BLCKSZ);
	visit->inventory->segments = lappend(visit->inventory->segments, segment);
	visit->inventory->bytes += size;
}

static int
compare_slru_segments(const ListCell *a, const ListCell *b)
{
	const BbSlruSegment *left = lfirst(a);
	const BbSlruSegment *right = lfirst(b);

	if (left->slru != right->slru)
		return left->slru < right->slru ? -1 : 1;
	return left->segment < right->segment ? -1
		: left->segment > right->segment  ? 1
										  : 0;
}

static void
find_slrus(const BbReqCtx *ctx, const BbDataDir *dir, BbInventory *inventory)
{
	for (int slru = 0; slru < BB_SLRU_COUNT; slru++)
	{
		SlruVisit	visit = {inventory, (BbSlru) slru};

		visit_directory(ctx, dir, bb_slru_directory(visit.slru), visit_slru,
						&visit);
	}
	list_sort(inventory->segments, compare_slru_segments);
}

char *
bb_inventory_slru_path(const BbSlruSegment *segment)
{
	return bb_slru_path(bb_major_own(), segment->slru, segment->segment);
}

/* ---- prepared transactions ---- */

static void
visit_twophase(const BbReqCtx *ctx, const BbDataDir *dir, const char *below,
			   const char *name, void *arg)
{
	const size_t digits = bb_major_own()->twophase_digits;
	BbInventory *inventory = arg;
	BbTwophase *twophase;
	uint64		size;

	if (strlen(name) != digits || strspn(name, "0123456789ABCDEF") != digits)
		return;
	size = size_of_file(dir, below, name);
	if (size <= sizeof(pg_crc32c) || size >= MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/%s/%s\" has an impossible size", dir->path,
						below, name),
				 errdetail("It has " UINT64_FORMAT " bytes.", size)));
	twophase = palloc(sizeof(BbTwophase));
	twophase->xid = strtoull(name, NULL, 16);
	twophase->size = (uint32) (size - sizeof(pg_crc32c));
	inventory->twophases = lappend(inventory->twophases, twophase);
	inventory->bytes += size;
}

static int
compare_twophases(const ListCell *a, const ListCell *b)
{
	uint64		left = ((const BbTwophase *) lfirst(a))->xid;
	uint64		right = ((const BbTwophase *) lfirst(b))->xid;

	return left < right ? -1 : left > right ? 1 : 0;
}

char *
bb_inventory_twophase_path(const BbTwophase *twophase)
{
	return psprintf("pg_twophase/%0*llX", bb_major_own()->twophase_digits,
					(unsigned long long) twophase->xid);
}

BbInventory *
bb_inventory_new(const BbReqCtx *ctx, const BbDataDir *dir,
				 const char *store_directory)
{
	BbInventory *inventory = palloc0(sizeof(BbInventory));

	inventory->context = CurrentMemoryContext;
	find_databases(ctx, dir, inventory);
	find_slrus(ctx, dir, inventory);
	visit_directory(ctx, dir, "pg_twophase", visit_twophase, inventory);
	list_sort(inventory->twophases, compare_twophases);
	bb_capture_find(ctx, dir, store_directory, inventory);
	return inventory;
}

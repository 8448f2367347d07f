/*-------------------------------------------------------------------------
 *
 * relfiles.c
 *	  The files that tables of the past had over time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "heap/syscat.h"
#include "heap/tables.h"
#include "history/relfiles_internal.h"
#include "utils/memutils.h"

/* More generations of partitions than this must be a loop. */
#define MAX_GENERATIONS 64

typedef struct TableNumber
{
	Oid			oid;
	int			number;
} TableNumber;

/* A search: what is wanted, and where. */
typedef struct Search
{
	BbRelFiles *files;
	const char *schema; /* NULL: all tables */
	const char *name;
	bool		found; /* something of that name, even if it has no file */
} Search;

/* A file that was dropped. */
typedef struct Drop
{
	XLogRecPtr	lsn;
	BbRelLocator locator;
	bool		looked_up;
	Oid			oid;   /* of the table, if it was; Invalid: it was no table */
	bool		noted; /* as an event */
} Drop;

BbPast *
bb_relfiles_open(const BbReqCtx *ctx, const BbRelFiles *files, XLogRecPtr lsn)
{
	BbSnapshot	snapshot = bb_snapshot_take(ctx, files->store, lsn);

	return bb_past_find(ctx, &snapshot, files->database);
}

/* ---- tables and files ---- */

int
bb_relfiles_number(const BbRelFiles *files, Oid oid)
{
	TableNumber *entry = hash_search(files->numbers, &oid, HASH_FIND, NULL);

	return entry == NULL ? -1 : entry->number;
}

static bool
has_rows(Form_pg_class row)
{
	return (row->relkind == RELKIND_RELATION ||
			row->relkind == RELKIND_MATVIEW) &&
		row->relpersistence == RELPERSISTENCE_PERMANENT;
}

static void
add_name(const BbReqCtx *ctx, BbRelFiles *files, BbPast *past,
		 Form_pg_class row, BbHistoryTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(files->context);
	BbNameAt   *at = palloc(sizeof(BbNameAt));
	char	   *schema = bb_table_schema_name(ctx, past, row->relnamespace);
	int			n = 0;

	at->lsn = past->snapshot.lsn;
	at->schema = schema != NULL ? schema : "";
	at->name = pstrdup(NameStr(row->relname));
	while (n < list_length(table->names) &&
		   ((BbNameAt *) list_nth(table->names, n))->lsn < at->lsn)
		n++;
	table->names = list_insert_nth(table->names, n, at);
	MemoryContextSwitchTo(old);
}

BbHistoryFile *
bb_relfiles_add_file(BbRelFiles *files, BbRelLocator locator, int table)
{
	bool		found;
	BbHistoryFile *file = hash_search(files->files, &locator, HASH_ENTER,
									  &found);

	if (!found)
	{
		file->table = table;
		file->rewritten = InvalidXLogRecPtr;
	}
	return file;
}

int
bb_relfiles_add_table(const BbReqCtx *ctx, BbRelFiles *files, BbPast *past,
					  HeapTuple tuple)
{
	Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);
	bool		found;
	TableNumber *number = hash_search(files->numbers, &row->oid, HASH_ENTER,
									  &found);

	if (!found)
	{
		if (files->ntables == files->allocated)
		{
			files->allocated *= 2;
			files->tables = repalloc_huge(files->tables,
										  files->allocated *
											  sizeof(BbHistoryTable));
		}
		number->number = files->ntables;
		files->tables[files->ntables++] = (BbHistoryTable){row->oid, NIL};
	}
	add_name(ctx, files, past, row, &files->tables[number->number]);
	(void) bb_relfiles_add_file(files, bb_syscat_locate(past, tuple),
								number->number);
	return number->number;
}

/* ---- what there is at one LSN ---- */

static HeapTuple
class_row(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	return bb_syscat_find_oid(ctx, past, RelationRelationId, ClassOidIndexId,
							  oid);
}

/* Add a table and everything below it. */
static void
add_tree(const BbReqCtx *ctx, Search *search, BbPast *past, Oid oid, int depth)
{
	HeapTuple	tuple = class_row(ctx, past, oid);
	ListCell   *cell;

	if (tuple == NULL || depth > MAX_GENERATIONS)
		return;
	search->found = true;
	if (has_rows(BB_SYSCAT_FORM(pg_class, tuple)))
		(void) bb_relfiles_add_table(ctx, search->files, past, tuple);
	foreach(cell, bb_table_children(ctx, past, bb_table_of(ctx, past, oid)))
		add_tree(ctx, search, past, lfirst_oid(cell), depth + 1);
}

static void
add_all(const BbReqCtx *ctx, Search *search, BbPast *past)
{
	BbTupleScan *scan = bb_syscat_scan(ctx, past, RelationRelationId);
	HeapTuple	tuple;

	while ((tuple = bb_tuplescan_next(ctx, scan)) != NULL)
	{
		Form_pg_class row = BB_SYSCAT_FORM(pg_class, tuple);

		if (has_rows(row) && row->oid >= FirstNormalObjectId)
			(void) bb_relfiles_add_table(ctx, search->files, past, tuple);
	}
	bb_tuplescan_close(scan);
}

static void
add_present(const BbReqCtx *ctx, Search *search, BbPast *past)
{
	Oid			schema;
	BbTable	   *table;

	if (search->name == NULL)
	{
		add_all(ctx, search, past);
		return;
	}
	schema = bb_table_schema(ctx, past, search->schema);
	table = OidIsValid(schema) ? bb_table_find(ctx, past, schema, search->name)
							   : NULL;
	if (table != NULL)
		add_tree(ctx, search, past, table->oid, 0);
}

/* ---- files that were dropped ---- */

static int
compare_drops(const void *a, const void *b)
{
	XLogRecPtr	left = ((const Drop *) a)->lsn;
	XLogRecPtr	right = ((const Drop *) b)->lsn;

	return left < right ? -1 : left > right;
}

/* List the main forks of the database that were dropped, by LSN. */
static Drop *
list_drops(const BbReqCtx *ctx, const BbRelFiles *files, int *n)
{
	BbKeyRange	range = bb_key_range_kind(BB_KEY_REL_SIZE);
	BbPageEntries *entries = bb_pagestore_entries_new(ctx, files->store,
													  &range, files->after,
													  files->until);
	int			allocated = 64;
	Drop	   *drops = palloc(allocated * sizeof(Drop));
	BbEntry		entry;

	*n = 0;
	while (bb_pagestore_entries_next(ctx, entries, &entry))
	{
		BbKeyFields key = bb_key_fields(&entry.key);

		if (entry.type != BB_ENTRY_DELETED || key.db != files->db ||
			key.fork != MAIN_FORKNUM)
			continue;
		if (*n == allocated)
		{
			allocated *= 2;
			drops = repalloc_huge(drops, allocated * sizeof(Drop));
		}
		drops[(*n)++] = (Drop){.lsn = entry.lsn,
							   .locator = BB_REL_LOCATOR(key.spc, key.db,
														 key.rel)};
	}
	bb_pagestore_entries_close(entries);
	qsort(drops, *n, sizeof(Drop), compare_drops);
	return drops;
}

/* The row of pg_class of the relation that has a file, or NULL. */
static HeapTuple
row_of_file(const BbReqCtx *ctx, BbPast *past, BbRelLocator locator)
{
	Oid			spc = BB_LOCATOR_SPC(locator);
	Datum		values[2];
	List	   *rows;

	values[0] = ObjectIdGetDatum(spc == past->db_tablespace ? InvalidOid
															: spc);
	values[1] = ObjectIdGetDatum(BB_LOCATOR_REL(locator));
	rows = bb_syscat_find(ctx, past, RelationRelationId,
						  ClassTblspcRelfilenodeIndexId, values, 2);
	return rows == NIL ? NULL : linitial(rows);
}

/* Has it the name, or is it below one that has it? */
static bool
is_named(const BbReqCtx *ctx, const Search *search, BbPast *past, Oid oid,
		 int depth)
{
	HeapTuple	tuple = class_row(ctx, past, oid);
	Datum		value = ObjectIdGetDatum(oid);
	Form_pg_class row;
	ListCell   *cell;

	if (tuple == NULL || depth > MAX_GENERATIONS)
		return false;
	row = BB_SYSCAT_FORM(pg_class, tuple);
	if (strcmp(NameStr(row->relname), search->name) == 0)
	{
		char	   *schema = bb_table_schema_name(ctx, past,
												  row->relnamespace);

		if (schema != NULL && strcmp(schema, search->schema) == 0)
			return true;
	}
	foreach(cell,
			bb_syscat_find(ctx, past, InheritsRelationId,
						   InheritsRelidSeqnoIndexId, &value, 1))
	{
		Form_pg_inherits link = BB_SYSCAT_FORM(pg_inherits, lfirst(cell));

		if (is_named(ctx, search, past, link->inhparent, depth + 1))
			return true;
	}
	return false;
}

/* Look the table of a dropped file up in the catalogs of before. */
static int
look_up_drop(const BbReqCtx *ctx, Search *search, Drop *drop)
{
	BbRelFiles *files = search->files;
	BbPast	   *before = bb_relfiles_open(ctx, files, drop->lsn - 1);
	HeapTuple	tuple = before == NULL
		? NULL
		: row_of_file(ctx, before, drop->locator);
	Form_pg_class row = tuple == NULL ? NULL : BB_SYSCAT_FORM(pg_class, tuple);
	int			number = -1;

	drop->looked_up = true;
	if (row != NULL && has_rows(row))
	{
		drop->oid = row->oid;
		if (search->name == NULL ? row->oid >= FirstNormalObjectId
								 : bb_relfiles_number(files, row->oid) >= 0 ||
					is_named(ctx, search, before, row->oid, 0))
		{
			search->found = true;
			number = bb_relfiles_add_table(ctx, files, before, tuple);
		}
	}
	if (before != NULL)
		bb_past_close(before);
	return number;
}

/* The number of the table that a dropped file was of; -1: none that is wanted. */
static int
table_of_drop(const BbReqCtx *ctx, Search *search, Drop *drop)
{
	BbHistoryFile *file = hash_search(search->files->files, &drop->locator,
									  HASH_FIND, NULL);

	if (file != NULL)
		return file->table;
	/* it may have become known by a later file */
	if (drop->looked_up && bb_relfiles_number(search->files, drop->oid) < 0)
		return -1;
	return look_up_drop(ctx, search, drop);
}

/* Note what a commit left of a table: nothing, or another file. */
static void
note_drop(const BbReqCtx *ctx, BbRelFiles *files, const Drop *drop, int table)
{
	BbPast	   *past = bb_relfiles_open(ctx, files, drop->lsn);
	HeapTuple	tuple = past == NULL
		? NULL
		: class_row(ctx, past, files->tables[table].oid);
	BbHistoryEvent *event = palloc(sizeof(BbHistoryEvent));

	*event = (BbHistoryEvent){.lsn = drop->lsn, .table = table};
	if (tuple == NULL)
		event->actions = BB_ACTION_DROPPED;
	else if (has_rows(BB_SYSCAT_FORM(pg_class, tuple)))
		(void) bb_relfiles_add_table(ctx, files, past, tuple);
	files->events = lappend(files->events, event);
	if (past != NULL)
		bb_past_close(past);
}

/* Go through the drops.  Returns whether there is a table more. */
static bool
pass_drops(const BbReqCtx *ctx, Search *search, Drop *drops, int n,
		   MemoryContext scratch)
{
	int			ntables = search->files->ntables;

	for (int i = 0; i < n; i++)
	{
		MemoryContext old;
		int			table;

		if (drops[i].noted)
			continue;
		old = MemoryContextSwitchTo(scratch);
		table = table_of_drop(ctx, search, &drops[i]);
		MemoryContextSwitchTo(old);
		if (table >= 0)
			note_drop(ctx, search->files, &drops[i], table);
		drops[i].noted = table >= 0;
		MemoryContextReset(scratch);
	}
	return search->files->ntables > ntables;
}

static int
compare_events(const ListCell *a, const ListCell *b)
{
	XLogRecPtr	left = ((const BbHistoryEvent *) lfirst(a))->lsn;
	XLogRecPtr	right = ((const BbHistoryEvent *) lfirst(b))->lsn;

	return left < right ? -1 : left > right;
}

/* A table that got its name late had files before, so there may be another pass. */
static void
add_drops(const BbReqCtx *ctx, Search *search)
{
	int			n;
	Drop	   *drops = list_drops(ctx, search->files, &n);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup dropped file",
												  ALLOCSET_DEFAULT_SIZES);

	while (pass_drops(ctx, search, drops, n, scratch))
		;
	list_sort(search->files->events, compare_events);
	MemoryContextDelete(scratch);
	pfree(drops);
}

/* ---- the search ---- */

static HTAB *
new_hash(const char *name, Size key, Size entry)
{
	HASHCTL		info = {.keysize = key,
						.entrysize = entry,
						.hcxt = CurrentMemoryContext};

	return hash_create(name, 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
report_nothing(const Search *search)
{
	const BbRelFiles *files = search->files;

	if (search->found)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" of database \"%s\" has no rows in the WAL",
						search->schema, search->name, files->database),
				 errdetail("Only tables and materialized views that are neither temporary nor unlogged do.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table \"%s.%s\" did not exist in database \"%s\" between " BB_LSN_FORMAT " and " BB_LSN_FORMAT,
					search->schema, search->name, files->database,
					LSN_FORMAT_ARGS(files->after),
					LSN_FORMAT_ARGS(files->until)),
			 errdetail("It was not there at the start of the range, nor at its end, nor was it dropped in between.")));
}

static void
add_at(const BbReqCtx *ctx, Search *search, BbPast *past)
{
	if (past == NULL)
		return;
	add_present(ctx, search, past);
	bb_past_close(past);
}

BbRelFiles *
bb_relfiles_new(const BbReqCtx *ctx, BbPageStore *store, const char *database,
				const char *schema, const char *name, XLogRecPtr after,
				XLogRecPtr until)
{
	BbRelFiles *files = palloc0(sizeof(BbRelFiles));
	Search		search = {files, schema, name, false};
	BbSnapshot	end = bb_snapshot_take(ctx, store, until);
	BbPast	   *past = bb_past_open(ctx, &end, database);

	files->context = CurrentMemoryContext;
	files->store = store;
	files->database = database;
	files->db = past->db;
	files->after = after;
	files->until = until;
	files->allocated = 64;
	files->tables = palloc(files->allocated * sizeof(BbHistoryTable));
	files->numbers = new_hash("bbackup tables", sizeof(Oid),
							  sizeof(TableNumber));
	files->files = new_hash("bbackup files of tables", sizeof(BbRelLocator),
							sizeof(BbHistoryFile));
	add_at(ctx, &search, past);
	add_at(ctx, &search, bb_relfiles_open(ctx, files, after));
	add_drops(ctx, &search);
	if (name != NULL && files->ntables == 0)
		report_nothing(&search);
	return files;
}

/* ---- names ---- */

static bool
same_name(const BbNameAt *a, const BbNameAt *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

/* Look the name up at an LSN.  False: the table was not there. */
static bool
look_up(const BbReqCtx *ctx, BbRelFiles *files, BbHistoryTable *table,
		XLogRecPtr lsn)
{
	BbPast	   *past = bb_relfiles_open(ctx, files, lsn);
	HeapTuple	tuple;

	if (past == NULL)
		return false;
	tuple = class_row(ctx, past, table->oid);
	if (tuple != NULL)
		add_name(ctx, files, past, BB_SYSCAT_FORM(pg_class, tuple), table);
	bb_past_close(past);
	return tuple != NULL;
}

const BbNameAt *
bb_relfiles_name(const BbReqCtx *ctx, BbRelFiles *files, int number,
				 XLogRecPtr lsn)
{
	BbHistoryTable *table = &files->tables[number];

	for (int tries = 0;; tries++)
	{
		const BbNameAt *before = NULL;
		const BbNameAt *behind = NULL;
		ListCell   *cell;

		foreach(cell, table->names)
		{
			const BbNameAt *at = lfirst(cell);

			if (at->lsn == lsn)
				return at;
			if (at->lsn < lsn)
				before = at;
			else if (behind == NULL)
				behind = at;
		}
		if (before != NULL && behind != NULL && same_name(before, behind))
			return before;
		if (tries > 0 || !look_up(ctx, files, table, lsn))
			return before != NULL ? before : behind;
	}
}

/*-------------------------------------------------------------------------
 *
 * swaps.c
 *	  Which files a table got by a transaction, out of the rows of pg_class that
 *	  it wrote.
 *
 *	  TRUNCATE				UPDATE of the table's row: a new, empty file
 *	  VACUUM FULL, ALTER	INSERT of a transient table's row: a new file
 *							UPDATE of the table's row: it has that file
 *	  SET TABLESPACE		UPDATE of the table's row: a new file elsewhere
 *
 * (ExecuteTruncateGuts and ATExecSetTableSpace in PostgreSQL's tablecmds.c,
 * make_new_heap and swap_relation_files in cluster.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "heap/deform.h"
#include "heap/pages.h"
#include "heap/relmap.h"
#include "heap/syscat.h"
#include "heap/xactends.h"
#include "history/relfiles_internal.h"
#include "history/rowchanges.h"

/* A transaction or subtransaction of a commit of an event. */
typedef struct Writer
{
	TransactionId xid;
	XLogRecPtr	commit;
} Writer;

/* A row of pg_class that was written. */
typedef struct Write
{
	XLogRecPtr	commit;
	XLogRecPtr	lsn;
	BbRelLocator catalog;
	BlockNumber block;
	OffsetNumber offset;
	bool		insert;
	/* what it says */
	Oid			oid;
	BbRelLocator locator;
} Write;

typedef struct Writes
{
	int			n;
	int			allocated;
	Write	   *items;
} Writes;

/* ---- which rows were written ---- */

static HTAB *
find_writers(const BbReqCtx *ctx, const BbRelFiles *files)
{
	HASHCTL		info = {.keysize = sizeof(TransactionId),
						.entrysize = sizeof(Writer),
						.hcxt = CurrentMemoryContext};
	HTAB	   *writers = hash_create("bbackup writers of pg_class", 64, &info,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	XLogRecPtr	last = InvalidXLogRecPtr;
	ListCell   *cell;

	foreach(cell, files->events)
	{
		const BbHistoryEvent *event = lfirst(cell);
		ListCell   *xid;

		if (event->lsn == last)
			continue;
		last = event->lsn;
		foreach(xid, bb_xactends_at(ctx, files->store, event->lsn))
		{
			Writer	   *writer = hash_search(writers, &lfirst_oid(xid),
											 HASH_ENTER, NULL);

			writer->commit = event->lsn;
		}
	}
	return writers;
}

/* Add the file of pg_class that a relation map has. */
static List *
add_catalog(const BbReqCtx *ctx, List *files, const BbSnapshot *snapshot,
			Oid tablespace, Oid db)
{
	const uint8 *map = bb_relmap_read(ctx, snapshot, tablespace, db);

	return list_append_unique_oid(files,
								  bb_relmap_find(map, RelationRelationId));
}

/* The files that pg_class had, VACUUM FULL of it included. */
static List *
list_catalogs(const BbReqCtx *ctx, const BbRelFiles *files, Oid tablespace)
{
	BbKey		key = bb_key_make(BB_KEY_RELMAP, tablespace, files->db, 0, 0,
								  0);
	BbSnapshot	snapshot = bb_snapshot_at(files->store, files->after);
	BbPageVersions *versions;
	List	   *catalogs = NIL;
	List	   *lsns = NIL;
	XLogRecPtr	lsn;
	BbValue		value;
	ListCell   *cell;

	if (bb_pagestore_get(ctx, &snapshot, &key, &value))
		catalogs = add_catalog(ctx, catalogs, &snapshot, tablespace,
							   files->db);
	versions = bb_pagestore_versions_new(ctx, files->store, &key, files->after,
										 files->until);
	while (bb_pagestore_versions_next(ctx, versions, &lsn, &value))
	{
		XLogRecPtr *at = palloc(sizeof(XLogRecPtr));

		*at = lsn;
		lsns = lappend(lsns, at);
	}
	bb_pagestore_versions_close(versions);
	foreach(cell, lsns)
	{
		snapshot = bb_snapshot_at(files->store, *(XLogRecPtr *) lfirst(cell));
		catalogs = add_catalog(ctx, catalogs, &snapshot, tablespace,
							   files->db);
	}
	return catalogs;
}

static void
add_write(Writes *writes, const Writer *writer, const BbRowChange *change)
{
	if (writes->n == writes->allocated)
	{
		writes->allocated *= 2;
		writes->items = repalloc_huge(writes->items,
									  writes->allocated * sizeof(Write));
	}
	writes->items[writes->n++] = (Write){
		.commit = writer->commit,
		.lsn = change->lsn,
		.catalog = change->relation,
		.block = change->block,
		.offset = change->offset,
		.insert = change->action == BB_ROW_INSERT,
	};
}

/* A transaction that changed pg_class had an origin. */
static void
note_origin(const BbRelFiles *files, XLogRecPtr commit, RepOriginId origin)
{
	ListCell   *cell;

	foreach(cell, files->events)
	{
		BbHistoryEvent *event = lfirst(cell);

		if (event->lsn == commit)
			event->origin = origin;
	}
}

static int
compare_writes(const void *a, const void *b)
{
	XLogRecPtr	left = ((const Write *) a)->lsn;
	XLogRecPtr	right = ((const Write *) b)->lsn;

	return left < right ? -1 : left > right;
}

static void
collect_writes(const BbReqCtx *ctx, const BbRelFiles *files, Oid tablespace,
			   HTAB *writers, Writes *writes)
{
	ListCell   *cell;

	foreach(cell, list_catalogs(ctx, files, tablespace))
	{
		BbRelLocator locator = BB_REL_LOCATOR(tablespace, files->db,
											  lfirst_oid(cell));
		BbKeyRange	range = bb_rowchanges_range(locator);
		BbRowChanges *changes = bb_rowchanges_new(ctx, files->store, &range,
												  files->after, files->until);
		BbRowChange change;

		while (bb_rowchanges_next(ctx, changes, &change))
		{
			Writer	   *writer = hash_search(writers, &change.xid, HASH_FIND,
											 NULL);

			if (writer == NULL || change.lsn > writer->commit)
				continue;
			if (change.origin != 0)
				note_origin(files, writer->commit, change.origin);
			if (change.action == BB_ROW_INSERT ||
				change.action == BB_ROW_UPDATE)
				add_write(writes, writer, &change);
		}
		bb_rowchanges_close(changes);
	}
	qsort(writes->items, writes->n, sizeof(Write), compare_writes);
}

/* ---- what they say ---- */

/* Read the row just after it was written. */
static void
read_write(const BbReqCtx *ctx, const BbRelFiles *files, Oid db_tablespace,
		   Write *write)
{
	BbSnapshot	snapshot = bb_snapshot_at(files->store, write->lsn);
	BbKey		key = bb_key_rel_block(BB_LOCATOR_SPC(write->catalog),
									   BB_LOCATOR_DB(write->catalog),
									   BB_LOCATOR_REL(write->catalog),
									   MAIN_FORKNUM, write->block);
	BbValue		value = bb_pagestore_need(ctx, &snapshot, &key, BLCKSZ);
	PGAlignedBlock page;
	ItemId		item;
	HeapTupleData tuple;
	Form_pg_class row;

	memcpy(page.data, value.data, BLCKSZ);
	if (!bb_page_is_sound(page.data) || write->offset < FirstOffsetNumber ||
		write->offset > PageGetMaxOffsetNumber(page.data))
		bb_pagestore_report_invalid(&key);
	item = PageGetItemId(page.data, write->offset);
	if (!ItemIdIsNormal(item) || !bb_item_is_sound(page.data, item))
		bb_pagestore_report_invalid(&key);
	tuple.t_len = ItemIdGetLength(item);
	tuple.t_data = (HeapTupleHeader) PageGetItem(page.data, item);
	if (!bb_tuple_is_sound(tuple.t_data, tuple.t_len))
		bb_pagestore_report_invalid(&key);
	row = BB_SYSCAT_FORM(pg_class, &tuple);
	write->oid = row->oid;
	write->locator = BB_REL_LOCATOR(OidIsValid(row->reltablespace)
										? row->reltablespace
										: db_tablespace,
									files->db, row->relfilenode);
}

/* Had a transient table the file before, in the same transaction? */
static bool
was_transient(const Writes *writes, int before)
{
	const Write *write = &writes->items[before];

	for (int i = before - 1; i >= 0; i--)
	{
		const Write *earlier = &writes->items[i];

		if (earlier->commit == write->commit && earlier->insert &&
			earlier->oid != write->oid &&
			BB_LOCATOR_EQUALS(earlier->locator, write->locator))
			return true;
	}
	return false;
}

/* The file that the table had before its row was written, if it is known. */
static const BbRelLocator *
file_before(const Writes *writes, int before, const BbRelLocator *first)
{
	const Write *write = &writes->items[before];

	for (int i = before - 1; i >= 0; i--)
	{
		const Write *earlier = &writes->items[i];

		if (earlier->oid == write->oid && earlier->commit == write->commit)
			return &earlier->locator;
	}
	return first;
}

static BbHistoryEvent *
find_event(const BbRelFiles *files, XLogRecPtr commit, int table)
{
	ListCell   *cell;

	foreach(cell, files->events)
	{
		BbHistoryEvent *event = lfirst(cell);

		if (event->lsn == commit && event->table == table)
			return event;
	}
	return NULL;
}

/* The file that a table had before a commit; Invalid: none. */
static BbRelLocator
file_at(const BbReqCtx *ctx, const BbRelFiles *files, Oid oid, XLogRecPtr lsn)
{
	BbPast	   *past = bb_relfiles_open(ctx, files, lsn);
	BbRelLocator locator = BB_REL_LOCATOR(InvalidOid, InvalidOid, InvalidOid);
	HeapTuple	tuple = past == NULL
		? NULL
		: bb_syscat_find_oid(ctx, past, RelationRelationId, ClassOidIndexId,
							 oid);

	if (tuple != NULL)
		locator = bb_syscat_locate(past, tuple);
	if (past != NULL)
		bb_past_close(past);
	return locator;
}

/* Take a row of a wanted table: has it got another file? */
static void
take_write(const BbReqCtx *ctx, BbRelFiles *files, const Writes *writes, int n,
		   int table)
{
	const Write *write = &writes->items[n];
	BbHistoryEvent *event = find_event(files, write->commit, table);
	BbRelLocator first;
	const BbRelLocator *before;
	BbHistoryFile *file;

	if (event == NULL)
		return;
	first = file_at(ctx, files, write->oid, write->commit - 1);
	before = file_before(writes, n, &first);
	if (BB_LOCATOR_EQUALS(*before, write->locator) ||
		!OidIsValid(BB_LOCATOR_REL(*before)))
		return;
	file = bb_relfiles_add_file(files, write->locator, table);
	if (was_transient(writes, n))
	{
		file->rewritten = write->lsn;
		event->actions |= BB_ACTION_REWRITTEN;
	}
	else if (BB_LOCATOR_SPC(*before) != BB_LOCATOR_SPC(write->locator))
		event->actions |= BB_ACTION_REWRITTEN;
	else
		event->actions |= BB_ACTION_TRUNCATED;
}

void
bb_relfiles_find_swaps(const BbReqCtx *ctx, BbRelFiles *files)
{
	Writes		writes = {0, 64, palloc(64 * sizeof(Write))};
	BbPast	   *past;
	Oid			tablespace;

	if (files->events == NIL)
		return;
	past = bb_relfiles_open(ctx, files, files->until);
	if (past == NULL)
		return;
	tablespace = past->db_tablespace;
	bb_past_close(past);

	collect_writes(ctx, files, tablespace, find_writers(ctx, files), &writes);
	for (int i = 0; i < writes.n; i++)
	{
		int			table;

		read_write(ctx, files, tablespace, &writes.items[i]);
		table = bb_relfiles_number(files, writes.items[i].oid);
		if (table >= 0)
			take_write(ctx, files, &writes, i, table);
	}
	pfree(writes.items);
}

/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Rows of the past as rows of a foreign table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "fdw/rows.h"
#include "heap/conversion.h"
#include "heap/deform.h"
#include "heap/tables.h"
#include "heap/toast.h"
#include "stores/table_options.h"
#include "utils/memutils.h"

/* A column of the foreign table in a part. */
typedef struct Column
{
	AttrNumber	there; /* 0: not needed */
	BbConversion *conversion;
	bool		lazy; /* if it is out of line, it is fetched when used */
	bool		varlena;
} Column;

/* One relation of the past. */
typedef struct Part
{
	BbTable	   *table;
	bool		ready;
	TupleDesc	desc;
	int			ndeformed; /* so many columns of a tuple are looked at */
	Column	   *columns;   /* of the foreign table */
	int			nused;
	int		   *used; /* those of them that are needed, from 0 on */
} Part;

struct BbRows
{
	const BbReqCtx *ctx;
	BbPast	   *past;
	MemoryContext context;
	Relation	local;
	bool	   *needed;
	bool		system;
	int			nparts;
	Part	   *parts;
	int			part;  /* at hand; -1: none yet */
	BbTupleScan *scan; /* of all its blocks; or else: */
	MemoryContext scan_context;
	BbProbe	   *probe; /* NULL: parts are scanned */
	bool		probing;
	BlockNumber blocks; /* of the part */
	BlockNumber block;	/* the last one; Invalid: none */
	MemoryContext fetch_context;
	Datum	   *values; /* of a tuple there */
	bool	   *isnull;
	BbTupleCounts counts;
	uint64		toasted;
};

BbRows *
bb_rows_new(const BbReqCtx *ctx, BbPast *past, Relation local, List *parts,
			const bool *needed, bool system)
{
	BbRows	   *rows = palloc0(sizeof(BbRows));
	int			natts = RelationGetDescr(local)->natts;
	ListCell   *cell;

	rows->ctx = ctx;
	rows->past = past;
	rows->context = CurrentMemoryContext;
	rows->local = local;
	rows->needed = palloc(natts * sizeof(bool) + 1);
	memcpy(rows->needed, needed, natts * sizeof(bool));
	rows->system = system;
	rows->parts = palloc0(list_length(parts) * sizeof(Part));
	foreach(cell, parts)
		rows->parts[rows->nparts++].table = lfirst(cell);
	rows->part = -1;
	rows->values = palloc(MaxTupleAttributeNumber * sizeof(Datum));
	rows->isnull = palloc(MaxTupleAttributeNumber * sizeof(bool));
	rows->scan_context = AllocSetContextCreate(CurrentMemoryContext,
											   "bbackup scan of the past",
											   ALLOCSET_SMALL_SIZES);
	rows->fetch_context = AllocSetContextCreate(CurrentMemoryContext,
												"bbackup row of the past",
												ALLOCSET_SMALL_SIZES);
	return rows;
}

void
bb_rows_use(BbRows *rows, BbProbe *probe)
{
	rows->probe = probe;
}

const BbTupleCounts *
bb_rows_counts(const BbRows *rows)
{
	return &rows->counts;
}

uint64
bb_rows_toasted(const BbRows *rows)
{
	return rows->toasted;
}

/* ---- columns ---- */

static AttrNumber
column_of_name(const BbRows *rows, const Part *part, const char *name)
{
	for (int i = 0; i < part->desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(part->desc, i);

		if (!column->attisdropped &&
			strcmp(NameStr(column->attname), name) == 0)
			return i + 1;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of table \"%s\" does not exist at " BB_LSN_FORMAT,
					name, NameStr(part->table->name),
					LSN_FORMAT_ARGS(rows->past->snapshot.lsn))));
}

static void
prepare_column(BbRows *rows, Part *part, int i)
{
	Form_pg_attribute here = TupleDescAttr(RelationGetDescr(rows->local), i);
	char	   *name = bb_tableoptions_column(RelationGetRelid(rows->local),
											  i + 1, NameStr(here->attname));
	Column	   *column = &part->columns[i];
	Form_pg_attribute there;

	column->there = column_of_name(rows, part, name);
	there = TupleDescAttr(part->desc, column->there - 1);
	if (there->attgenerated != '\0' &&
		there->attgenerated != ATTRIBUTE_GENERATED_STORED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of table \"%s\" is a virtual generated column",
						name, NameStr(part->table->name)),
				 errdetail("Its values are not stored.")));
	column->conversion = bb_conversion_new(rows->ctx, rows->past,
										   there->atttypid, here->atttypid,
										   name);
	/* what pg_attribute says decides how bytes are read as a value */
	if (column->conversion == NULL &&
		(there->attlen != here->attlen || there->attbyval != here->attbyval ||
		 there->attalign != here->attalign))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of table \"%s\" does not have the form of its type",
						name, NameStr(part->table->name))));
	column->varlena = there->attlen == -1;
	column->lazy = column->varlena && column->conversion == NULL &&
		bb_conversion_keeps_expanded(there->atttypid);
	part->ndeformed = Max(part->ndeformed, column->there);
}

static void
prepare_part(BbRows *rows, Part *part)
{
	TupleDesc	here = RelationGetDescr(rows->local);
	MemoryContext old = MemoryContextSwitchTo(rows->context);

	part->desc = bb_table_desc(rows->ctx, rows->past, part->table);
	part->columns = palloc0(here->natts * sizeof(Column));
	part->used = palloc(here->natts * sizeof(int) + 1);
	part->nused = 0;
	for (int i = 0; i < here->natts; i++)
	{
		if (!rows->needed[i] || TupleDescAttr(here, i)->attisdropped)
			continue;
		prepare_column(rows, part, i);
		part->used[part->nused++] = i;
	}
	part->ready = true;
	MemoryContextSwitchTo(old);
}

static Part *
ready_part(BbRows *rows, int number)
{
	Part	   *part = &rows->parts[number];

	if (!part->ready)
		prepare_part(rows, part);
	return part;
}

AttrNumber
bb_rows_column(BbRows *rows, int part, int i)
{
	return ready_part(rows, part)->columns[i].there;
}

/* ---- rows ---- */

static Datum
value_of(BbRows *rows, const Column *column, Datum value)
{
	if (column->varlena && bb_toast_is_pointer(value))
	{
		if (column->lazy)
			return bb_toast_lazy(rows->ctx, rows->past, value, &rows->toasted);
		value = bb_toast_fetch(rows->ctx, rows->past, value);
		rows->toasted++;
	}
	return bb_conversion_run(rows->ctx, rows->past, column->conversion, value);
}

/* A tuple that has the system columns of the one there. */
static void
store_with_header(TupleTableSlot *slot, HeapTuple there)
{
	HeapTuple	tuple = heap_form_tuple(slot->tts_tupleDescriptor,
										slot->tts_values, slot->tts_isnull);

	tuple->t_self = there->t_self;
	tuple->t_data->t_choice = there->t_data->t_choice;
	tuple->t_data->t_ctid = there->t_data->t_ctid;
	tuple->t_data->t_infomask = (tuple->t_data->t_infomask & ~HEAP_XACT_MASK) |
		(there->t_data->t_infomask & HEAP_XACT_MASK);
	ExecStoreHeapTuple(tuple, slot, false);
}

static void
store_row(BbRows *rows, const Part *part, HeapTuple tuple,
		  TupleTableSlot *slot)
{
	TupleDesc	here = slot->tts_tupleDescriptor;

	if (!bb_deform_heap(tuple, part->desc, part->ndeformed, rows->values,
						rows->isnull))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("row (%u,%u) of table \"%s\" is too short at " BB_LSN_FORMAT,
						ItemPointerGetBlockNumber(&tuple->t_self),
						ItemPointerGetOffsetNumber(&tuple->t_self),
						NameStr(part->table->name),
						LSN_FORMAT_ARGS(rows->past->snapshot.lsn))));
	memset(slot->tts_isnull, true, here->natts * sizeof(bool));
	for (int i = 0; i < part->nused; i++)
	{
		int			used = part->used[i];
		const Column *column = &part->columns[used];
		int			there = column->there - 1;

		if (rows->isnull[there])
			continue;
		slot->tts_values[used] = value_of(rows, column, rows->values[there]);
		slot->tts_isnull[used] = false;
	}
	if (rows->system)
		store_with_header(slot, tuple);
	else
		ExecStoreVirtualTuple(slot);
}

void
bb_rows_store(BbRows *rows, int part, HeapTuple tuple, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	store_row(rows, ready_part(rows, part), tuple, slot);
}

static void
begin_scan(BbRows *rows, const Part *part)
{
	BlockNumber from = 0;
	BlockNumber until = rows->blocks;
	MemoryContext old;

	if (rows->probe != NULL)
		bb_probe_blocks(rows->probe, rows->blocks, &from, &until);
	MemoryContextReset(rows->scan_context);
	old = MemoryContextSwitchTo(rows->scan_context);
	rows->scan = bb_tuplescan_new(rows->ctx, rows->past->pages,
								  rows->past->xacts, part->table->relation,
								  from, until, &rows->counts);
	MemoryContextSwitchTo(old);
}

/* Begin with the next part.  Returns false if there is none. */
static bool
next_part(BbRows *rows)
{
	Part	   *part;

	bb_rows_close(rows);
	if (rows->part + 1 >= rows->nparts)
		return false;
	part = ready_part(rows, ++rows->part);
	rows->blocks = bb_pages_blocks(rows->ctx, rows->past->pages,
								   part->table->relation);
	rows->block = InvalidBlockNumber;
	rows->probing = rows->probe != NULL &&
		bb_probe_index(rows->probe, part->table) != NULL;
	if (rows->probing)
		bb_probe_begin(rows->probe, part->table);
	else
		begin_scan(rows, part);
	return true;
}

/* The tuple that an entry of an index leads to; NULL: it has no visible one. */
static HeapTuple
fetch(BbRows *rows, const Part *part, ItemPointer tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	HeapTuple	tuple;
	MemoryContext old;

	if (block >= rows->blocks)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("an index of table \"%s\" leads to block %u, of %u, at " BB_LSN_FORMAT,
						NameStr(part->table->name), block, rows->blocks,
						LSN_FORMAT_ARGS(rows->past->snapshot.lsn)),
				 errhint("Set \"enable_indexscan\" to off to read the table without its indexes.")));
	MemoryContextReset(rows->fetch_context);
	old = MemoryContextSwitchTo(rows->fetch_context);
	tuple = bb_tuple_fetch(rows->ctx, rows->past->pages, rows->past->xacts,
						   part->table->relation, tid, BB_TUPLE_VISIBLE);
	MemoryContextSwitchTo(old);
	if (block != rows->block)
		rows->counts.pages++;
	rows->block = block;
	if (tuple != NULL)
		rows->counts.visible++;
	else
		rows->counts.invisible++;
	return tuple;
}

/* The next tuple of the part at hand; NULL at its end. */
static HeapTuple
next_tuple(BbRows *rows)
{
	ItemPointerData tid;
	HeapTuple	tuple = NULL;

	if (rows->scan != NULL)
		return bb_tuplescan_next(rows->ctx, rows->scan);
	while (rows->probing && tuple == NULL && bb_probe_next(rows->probe, &tid))
		tuple = fetch(rows, &rows->parts[rows->part], &tid);
	return tuple;
}

void
bb_rows_next(BbRows *rows, TupleTableSlot *slot)
{
	HeapTuple	tuple;

	ExecClearTuple(slot);
	while ((tuple = next_tuple(rows)) == NULL)
	{
		if (!next_part(rows))
			return;
	}
	store_row(rows, &rows->parts[rows->part], tuple, slot);
}

void
bb_rows_restart(BbRows *rows)
{
	bb_rows_close(rows);
	if (rows->probe != NULL)
		bb_probe_restart(rows->probe);
	rows->part = -1;
}

void
bb_rows_close(BbRows *rows)
{
	if (rows->scan != NULL)
		bb_tuplescan_close(rows->scan);
	rows->scan = NULL;
	rows->probing = false;
}

/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  SQL functions that take a table of the past: bb_changes(), bb_row_history().
 *
 * The table is the type of the argument: NULL::past.accounts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "base/foreigntext.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fdw/changes.h"
#include "fdw/kept.h"
#include "fdw/rowhistory.h"
#include "fdw/rows.h"
#include "fdw/scan.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stores/call.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
#include "utils/xid8.h"

BB_SQL_FUNCTION(bb_sql_changes);
BB_SQL_FUNCTION(bb_sql_row_history);

/* A call, between two LSNs of a table. */
typedef struct Call
{
	MemoryContext context;
	MemoryContext old;
	const BbReqCtx *ctx;
	Relation	relation;
	BbTableOptions options;
	BbBorrowed *from;
	BbBorrowed *until;
} Call;

static bool
is_table_of_the_past(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE &&
		GetFdwRoutineForRelation(relation, false)->BeginForeignScan ==
		bb_fdw_begin;
}

/* Raise an error unless the user may read all columns, as for table.*. */
static void
check_select(Relation relation)
{
	Oid			oid = RelationGetRelid(relation);
	AclResult	result = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		result = pg_attribute_aclcheck_all(oid, GetUserId(), ACL_SELECT,
										   ACLMASK_ALL);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE,
					   RelationGetRelationName(relation));
}

/* Open the table whose row type the first argument has. */
static Relation
open_table(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			oid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;
	Relation	relation = OidIsValid(oid)
		? try_relation_open(oid, AccessShareLock)
		: NULL;

	if (relation == NULL || !is_table_of_the_past(relation))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the first argument has type %s, which is not a table of the past",
						format_type_be(type)),
				 errhint("Name a foreign table of a page store: NULL::past.accounts.")));
	check_select(relation);
	return relation;
}

/* Borrow the database of the table at an LSN; Invalid: the end of the timeline. */
static BbBorrowed *
borrow(const BbReqCtx *ctx, FunctionCallInfo fcinfo, Relation relation,
	   BbTableOptions options, XLogRecPtr lsn)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	/* neither the options of the table nor bbackup.as_of decide */
	options.lsn = lsn;
	options.time = "";
	return bb_past_borrow(ctx, &options, relation->rd_rel->relowner,
						  rsinfo->econtext->ecxt_per_query_memory);
}

static XLogRecPtr
lsn_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		return InvalidXLogRecPtr;
	if (XLogRecPtrIsInvalid(PG_GETARG_LSN(n)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot be 0/0", name)));
	return PG_GETARG_LSN(n);
}

static void
check_order(const BbPast *from, const BbPast *until)
{
	if (from->snapshot.lsn > until->snapshot.lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_lsn " BB_LSN_FORMAT " is after to_lsn " BB_LSN_FORMAT,
						LSN_FORMAT_ARGS(from->snapshot.lsn),
						LSN_FORMAT_ARGS(until->snapshot.lsn))));
}

/* Arguments number "first" and the next one are the LSNs. */
static Call
begin_call(FunctionCallInfo fcinfo, const char *function, int first)
{
	Call		call = {.relation = open_table(fcinfo)};

	call.options = bb_tableoptions_of(RelationGetRelid(call.relation));
	if (PG_ARGISNULL(first))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("from_lsn cannot be null")));
	InitMaterializedSRF(fcinfo, 0);
	call.context = AllocSetContextCreate(CurrentMemoryContext,
										 "bbackup rows of the past",
										 ALLOCSET_DEFAULT_SIZES);
	call.old = MemoryContextSwitchTo(call.context);
	call.ctx = bb_call_begin(function, BB_TASK_TABLE_READ);
	call.from = borrow(call.ctx, fcinfo, call.relation, call.options,
					   lsn_arg(fcinfo, first, "from_lsn"));
	call.until = borrow(call.ctx, fcinfo, call.relation, call.options,
						lsn_arg(fcinfo, first + 1, "to_lsn"));
	check_order(bb_past_of(call.from), bb_past_of(call.until));
	return call;
}

static void
end_call(Call *call)
{
	bb_past_return(call->from);
	bb_past_return(call->until);
	bb_reqctx_end(call->ctx);
	MemoryContextSwitchTo(call->old);
	MemoryContextDelete(call->context);
	relation_close(call->relation, NoLock);
}

/* ---- bb_changes ---- */

static void
return_changes(FunctionCallInfo fcinfo, BbBagDifference *difference)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		signs[] = {CStringGetTextDatum("-"), CStringGetTextDatum("+")};
	bool		nulls[] = {false, false};
	bool		plus;
	Datum		row;

	while (bb_bagdifference_next(difference, &plus, &row))
	{
		Datum		values[] = {signs[plus], row};

		CHECK_FOR_INTERRUPTS();
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

/* bb_changes(relation anyelement, from_lsn pg_lsn, to_lsn pg_lsn) */
static Datum
bb_sql_changes_body(PG_FUNCTION_ARGS)
{
	Call		call = begin_call(fcinfo, "bb_changes", 1);
	BbPast	   *until = bb_past_of(call.until);
	BbBagDifference *difference;
	AttrNumber	keys[INDEX_MAX_KEYS];
	int			nkeys;

	nkeys = bb_changes_key(call.ctx, until, &call.options, call.relation,
						   keys);
	difference = bb_bagdifference_new(RelationGetDescr(call.relation), keys,
									  nkeys);
	bb_changes_read(call.ctx, bb_past_of(call.from), until, &call.options,
					call.relation, difference);
	bb_bagdifference_finish(difference);
	return_changes(fcinfo, difference);
	bb_bagdifference_close(difference);
	end_call(&call);
	return (Datum) 0;
}

/* ---- bb_row_history ---- */

/* Read the key, text[], by the input functions of the columns. */
static BbRowKey
key_arg(FunctionCallInfo fcinfo, Relation relation, const AttrNumber *columns,
		int n)
{
	BbRowKey	key = {.n = n};
	Datum	   *texts;
	bool	   *nulls;
	int			ntexts;

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" does not show a primary key",
						RelationGetRelationName(relation)),
				 errdetail("Rows are found by the primary key that the table has at to_lsn.")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &texts, &nulls, &ntexts);
	if (ntexts != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the primary key has %d columns, and key has %d elements",
						n, ntexts)));
	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation),
												 columns[i] - 1);
		TypeCacheEntry *type = lookup_type_cache(column->atttypid,
												 TYPECACHE_EQ_OPR_FINFO);
		Oid			input;
		Oid			parameter;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an element of key cannot be null")));
		if (!OidIsValid(type->eq_opr_finfo.fn_oid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("could not identify an equality operator for type %s",
							format_type_be(column->atttypid))));
		getTypeInputInfo(column->atttypid, &input, &parameter);
		key.columns[i] = columns[i];
		key.values[i] = OidInputFunctionCall(input,
											 TextDatumGetCString(texts[i]),
											 parameter, column->atttypmod);
		key.equal[i] = type->eq_opr_finfo;
		key.collations[i] = column->attcollation;
	}
	return key;
}

/* The row of an event, as a value of the row type, as of an LSN. */
static Datum
row_at(const BbReqCtx *ctx, FunctionCallInfo fcinfo, Relation relation,
	   BbTableOptions options, const BbRowEvent *event, XLogRecPtr lsn)
{
	BbBorrowed *borrowed = borrow(ctx, fcinfo, relation, options, lsn);
	BbPast	   *past = bb_past_of(borrowed);
	TupleDesc	desc = RelationGetDescr(relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	bool	   *needed = palloc(desc->natts * sizeof(bool) + 1);
	List	   *part = list_make1(bb_table_of(ctx, past, event->part));
	BbRows	   *rows;
	Datum		row;

	memset(needed, true, desc->natts * sizeof(bool));
	rows = bb_rows_new(ctx, past, relation, part, needed, false);
	bb_rows_store(rows, 0, event->tuple, slot);
	row = bb_bagdifference_image(desc, slot);
	ExecDropSingleTupleTableSlot(slot);
	bb_past_return(borrowed);
	return row;
}

static const BbRowEvent *
event_of(const List *events, int i)
{
	return i < list_length(events) ? list_nth(events, i) : NULL;
}

/*
 * Return a row for each event.  A version that ended, and one that began, at the same
 * commit are an update.
 */
static void
return_events(const BbReqCtx *ctx, FunctionCallInfo fcinfo, Relation relation,
			  const BbTableOptions *options, const List *events)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup row",
												  ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < list_length(events); i++)
	{
		const BbRowEvent *event = event_of(events, i);
		const BbRowEvent *next = event_of(events, i + 1);
		const BbRowEvent *shown = event;
		const char *op = event->plus ? "INSERT" : "DELETE";
		Datum		values[5];
		bool		nulls[5] = {false};
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (!event->plus && next != NULL && next->plus &&
			next->lsn == event->lsn)
		{
			op = "UPDATE";
			shown = next;
			i++;
		}
		old = MemoryContextSwitchTo(context);
		values[0] = LSNGetDatum(event->lsn);
		values[1] = TimestampTzGetDatum(event->commit.time);
		values[2] = FullTransactionIdGetDatum(
			FullTransactionIdFromU64(event->commit.xid));
		nulls[2] = event->commit.xid == 0;
		values[3] = CStringGetTextDatum(op);
		values[4] = row_at(ctx, fcinfo, relation, *options, shown,
						   shown->plus ? shown->lsn : shown->lsn - 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

/*
 * bb_row_history(relation anyelement, key text[], from_lsn pg_lsn, to_lsn pg_lsn)
 */
static Datum
bb_sql_row_history_body(PG_FUNCTION_ARGS)
{
	Call		call = begin_call(fcinfo, "bb_row_history", 2);
	AttrNumber	columns[INDEX_MAX_KEYS];
	int			n = bb_changes_key(call.ctx, bb_past_of(call.until),
								   &call.options, call.relation, columns);
	BbRowKey	key;
	List	   *events;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key cannot be null")));
	key = key_arg(fcinfo, call.relation, columns, n);
	events = bb_rowhistory_read(call.ctx, bb_past_of(call.from),
								bb_past_of(call.until), &call.options,
								call.relation, &key);
	return_events(call.ctx, fcinfo, call.relation, &call.options, events);
	end_call(&call);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What happened to tables: transactions, and the LSN before one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_type.h"
#include "funcs/arguments.h"
#include "history/transactions.h"
#include "nodes/value.h"
#include "stores/store_access.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

BB_SQL_FUNCTION(bb_sql_transactions);
BB_SQL_FUNCTION(bb_sql_lsn_before);

/* Take a name apart, "schema.table", quoted as in SQL; without a schema: public. */
static void
set_relation(BbTransactionsQuery *query, const char *relation)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(relation));

	if (list_length(names) > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a table: \"%s\"", relation),
				 errhint("Use schema.table, and the argument database_name.")));
	query->schema = list_length(names) == 2 ? strVal(linitial(names))
											: "public";
	query->name = strVal(llast(names));
}

/* ---- bb_transactions ---- */

static Datum
actions_array(int actions)
{
	static const struct
	{
		int			action;
		const char *name;
	}			names[] = {{BB_ACTION_TRUNCATED, "truncated"},
				 {BB_ACTION_REWRITTEN, "rewritten"},
				 {BB_ACTION_DROPPED, "dropped"}};
	Datum		texts[lengthof(names)];
	int			n = 0;

	for (int i = 0; i < lengthof(names); i++)
		if (actions & names[i].action)
			texts[n++] = CStringGetTextDatum(names[i].name);
	return PointerGetDatum(
		construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_row(void *arg, const BbTransactionRow *row)
{
	bool		nulls[12] = {0};
	Datum		values[12] = {
		LSNGetDatum(row->lsn),		 TimestampTzGetDatum(row->time),
		UInt64GetDatum(row->xid),	 bb_result_text(row->origin, &nulls[3]),
		bb_text_datum(row->schema),	 bb_text_datum(row->name),
		ObjectIdGetDatum(row->oid),	 Int64GetDatum(row->inserted),
		Int64GetDatum(row->updated), Int64GetDatum(row->deleted),
		actions_array(row->actions), BoolGetDatum(row->complete),
	};

	nulls[2] = row->xid == 0;
	bb_result_row((FunctionCallInfo) arg, values, nulls);
}

/*
 * bb_transactions(database_name text, relation_name text, from pg_lsn, to pg_lsn, store name,
 *				   timeline text)
 */
static Datum
bb_sql_transactions_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_TABLE_READ);
	BbTransactionsQuery query = {.database = bb_arg_text(fcinfo, 0,
														 "database_name"),
								 .from = bb_arg_lsn(fcinfo, 2, "from"),
								 .until = bb_arg_lsn(fcinfo, 3, "to")};
	char	   *timeline = bb_arg_text(fcinfo, 5, "timeline");

	if (!PG_ARGISNULL(1))
		set_relation(&query, bb_arg_text(fcinfo, 1, "relation_name"));
	query.store = bb_store_timeline(ctx, bb_arg_name(fcinfo, 4, "store"),
									timeline);
	bb_transactions_list(ctx, &query, bb_result_begin(fcinfo), put_row,
						 fcinfo);
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

/* ---- bb_lsn_before ---- */

typedef struct Sought
{
	int			action; /* BB_ACTION_*; 0: deleted rows */
	int64		rows;
	XLogRecPtr	lsn; /* of the last such commit; Invalid: none */
} Sought;

static void
look_at_row(void *arg, const BbTransactionRow *row)
{
	Sought	   *sought = arg;

	if (sought->action != 0 ? (row->actions & sought->action) != 0
							: row->deleted > sought->rows)
		sought->lsn = row->lsn;
}

static int
action_of(const char *what)
{
	if (pg_strcasecmp(what, "drop") == 0)
		return BB_ACTION_DROPPED;
	if (pg_strcasecmp(what, "truncate") == 0)
		return BB_ACTION_TRUNCATED;
	if (pg_strcasecmp(what, "rewrite") == 0)
		return BB_ACTION_REWRITTEN;
	if (pg_strcasecmp(what, "delete") == 0)
		return 0;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is nothing that can be looked for", what),
			 errhint("Use drop, truncate, delete or rewrite.")));
}

/*
 * bb_lsn_before(relation_name text, what text, database_name text, more_than bigint, from pg_lsn,
 *				 to pg_lsn, store name, timeline text)
 */
static Datum
bb_sql_lsn_before_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_TABLE_READ);
	BbTransactionsQuery query = {.database = bb_arg_text(fcinfo, 2,
														 "database_name"),
								 .from = bb_arg_lsn(fcinfo, 4, "from"),
								 .until = bb_arg_lsn(fcinfo, 5, "to")};
	char	   *relation = bb_arg_text(fcinfo, 0, "relation_name");
	char	   *what = bb_arg_text(fcinfo, 1, "what");
	char	   *timeline = bb_arg_text(fcinfo, 7, "timeline");
	Sought		sought = {.action = action_of(what),
						  .rows = bb_arg_int64(fcinfo, 3, "more_than")};
	XLogRecPtr	lsn;

	set_relation(&query, relation);
	query.store = bb_store_timeline(ctx, bb_arg_name(fcinfo, 6, "store"),
									timeline);
	bb_transactions_list(ctx, &query,
						 AllocSetContextCreate(CurrentMemoryContext,
											   "bbackup row",
											   ALLOCSET_SMALL_SIZES),
						 look_at_row, &sought);
	if (XLogRecPtrIsInvalid(sought.lsn))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no such \"%s\" of table \"%s\" is in the range", what,
						relation),
				 errhint("bb_transactions() lists what happened to the table.")));
	lsn = bb_snapshot_take(ctx, query.store, sought.lsn - 1).lsn;
	bb_reqctx_end(ctx);
	PG_RETURN_LSN(lsn);
}

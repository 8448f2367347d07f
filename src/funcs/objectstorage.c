/*-------------------------------------------------------------------------
 *
 * objectstorage.c
 *	  Page stores in object storage: bb_store_credentials(), bb_recover_store().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stores/store_access.h"
#include "upkeep/recover.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_store_credentials);
BB_SQL_FUNCTION(bb_sql_recover_store);

/* bb_store_credentials(store name) */
static Datum
bb_sql_store_credentials_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	BbObjectStore *objects = bb_store_open(ctx,
										   bb_arg_name(fcinfo, 0, "store"),
										   NULL);
	BbKeysState state;
	bool		elsewhere = bb_objstore_keys_state(ctx, objects, &state);
	bool		nulls[3] = {0};
	Datum		values[lengthof(nulls)];

	bb_reqctx_end(ctx);
	(void) bb_result_begin(fcinfo);
	if (!elsewhere)
		return (Datum) 0;
	values[0] = CStringGetTextDatum(state.source != NULL ? state.source
														 : "keys");
	nulls[1] = state.expires == 0;
	values[1] = TimestampTzGetDatum(state.expires);
	values[2] = BoolGetDatum(state.renewable);
	bb_result_row(fcinfo, values, nulls);
	return (Datum) 0;
}

/* bb_recover_store(store name, at timestamptz, dry_run boolean) */
static Datum
bb_sql_recover_store_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	TimestampTz at = bb_arg_int64(fcinfo, 1, "at");
	bool		dry_run = bb_arg_bool(fcinfo, 2, "dry_run");
	BbObjectStore *objects = bb_store_open(ctx, server, NULL);
	List	   *rows = bb_recover_rows(ctx, objects, timestamptz_to_time_t(at),
									   dry_run);
	ListCell   *cell;

	(void) bb_result_begin(fcinfo);
	foreach(cell, rows)
	{
		const BbRecovered *row = lfirst(cell);
		const BbObjectVersion *version = row->version;

		bb_result_row(fcinfo,
					  (Datum[]){CStringGetTextDatum(version->name),
								CStringGetTextDatum(row->was_deleted
														? "deleted"
														: "overwritten"),
								TimestampTzGetDatum(time_t_to_timestamptz(
									(pg_time_t) version->modified)),
								Int64GetDatum((int64) version->size)},
					  NULL);
	}
	bb_reqctx_end(ctx);
	return (Datum) 0;
}

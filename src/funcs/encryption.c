/*-------------------------------------------------------------------------
 *
 * encryption.c
 *	  The keys of encrypted stores: bb_encryption(), bb_rotate_key().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "funcs/arguments.h"
#include "stores/store_access.h"
#include "utils/timestamp.h"

BB_SQL_FUNCTION(bb_sql_encryption);
BB_SQL_FUNCTION(bb_sql_rotate_key);

/* One row about a store's keys. */
static Datum
result(FunctionCallInfo fcinfo, const BbEncryption *about)
{
	bool		nulls[5] = {0};
	Datum		values[lengthof(nulls)];

	values[0] = BoolGetDatum(about->encrypted);
	values[1] = bb_result_text(about->store_key, &nulls[1]);
	values[2] = bb_result_text(about->given_key, &nulls[2]);
	values[3] = Int32GetDatum((int32) about->data_keys);
	nulls[4] = about->data_keys == 0;
	values[4] = TimestampTzGetDatum(
		time_t_to_timestamptz((pg_time_t) about->data_key_created));
	(void) bb_result_begin(fcinfo);
	bb_result_row(fcinfo, values, nulls);
	return (Datum) 0;
}

/* bb_encryption(store name) */
static Datum
bb_sql_encryption_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	BbObjectStore *objects = bb_store_open(ctx, server, NULL);
	BbEncryption about = bb_objstore_encryption(ctx, objects);

	bb_reqctx_end(ctx);
	return result(fcinfo, &about);
}

/* bb_rotate_key(store name, new_data_key boolean) */
static Datum
bb_sql_rotate_key_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_MANAGEMENT);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	bool		data_key = bb_arg_bool(fcinfo, 1, "new_data_key");
	BbObjectStore *objects = bb_store_open(ctx, server, NULL);
	BbEncryption about = bb_objstore_rotate_key(ctx, objects, data_key);

	bb_reqctx_end(ctx);
	return result(fcinfo, &about);
}

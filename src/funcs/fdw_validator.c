/*-------------------------------------------------------------------------
 *
 * fdw_validator.c
 *	  The validator of the foreign-data wrapper "bbackup".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "base/foreigntext.h"
#include "stores/store_options.h"

BB_SQL_FUNCTION(bb_sql_fdw_validator);

/* bb_fdw_validator(options text[], catalog oid) */
static Datum
bb_sql_fdw_validator_body(PG_FUNCTION_ARGS)
{
	bb_storeoptions_check(untransformRelOptions(PG_GETARG_DATUM(0)),
						  PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

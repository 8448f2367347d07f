/*-------------------------------------------------------------------------
 *
 * largeobject.c
 *	  A base backup as a large object.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "base/foreigntext.h"
#include "funcs/backup_arguments.h"
#include "miscadmin.h"
#include "sinks/destinations.h"

BB_SQL_FUNCTION(bb_sql_basebackup_lo);

/* bb_basebackup_lo(lsn, …): see backup_arguments.h */
static Datum
bb_sql_basebackup_lo_body(PG_FUNCTION_ARGS)
{
	BbBackupCall call;
	BbSink	   *object;

	PreventCommandIfReadOnly("bb_basebackup_lo()");
	call = bb_backup_call_of(fcinfo);
	if (call.options.compression.algorithm == PG_COMPRESSION_NONE)
		bb_sink_largeobject_check_size(call.plan->size);
	object = bb_sink_largeobject_new();
	bb_backup_call_run(&call, BB_FORM_TAR, object);
	PG_RETURN_OID(bb_sink_largeobject_oid(object));
}

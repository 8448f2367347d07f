/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  CALL bb_copy(): a base backup to the client, as a COPY stream.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "base/foreigntext.h"
#include "funcs/backup_arguments.h"
#include "funcs/client_call.h"
#include "sinks/destinations.h"
#include "utils/memutils.h"

BB_SQL_FUNCTION(bb_sql_copy);

/* CALL bb_copy(lsn, …): see backup_arguments.h */
static Datum
bb_sql_copy_body(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext caller;
	BbBackupCall call;

	bb_client_call_check(fcinfo, "bb_copy", "bb_basebackup_stream");
	context = bb_client_call_context();
	caller = MemoryContextSwitchTo(context);
	call = bb_backup_call_of(fcinfo);
	bb_client_call_release_snapshot();
	bb_backup_call_run(&call, BB_FORM_TAR, bb_sink_copy_new());
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

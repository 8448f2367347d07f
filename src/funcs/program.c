/*-------------------------------------------------------------------------
 *
 * program.c
 *	  A base backup to a program's standard input.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/backup.h"
#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "sinks/destinations.h"

BB_SQL_FUNCTION(bb_sql_basebackup_to_program);

/* bb_basebackup_to_program(command, lsn, …): see backup_arguments.h */
static Datum
bb_sql_basebackup_to_program_body(PG_FUNCTION_ARGS)
{
	BbBackupCall call;
	char	   *command;

	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program",
					  "send a backup to a program");
	command = bb_arg_text(fcinfo, bb_arg_number(fcinfo, "command"), "command");
	call = bb_backup_call_of(fcinfo);
	bb_backup_call_run(&call, BB_FORM_TAR, bb_sink_program_new(command));
	PG_RETURN_INT64((int64) call.ctx->counters->bytes_out);
}

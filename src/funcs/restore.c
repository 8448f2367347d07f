/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Backups into files and programs of the server: bb_restore(),
 *	  bb_basebackup_to_file(), bb_basebackup_to_program().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/foreigntext.h"
#include "catalog/pg_authid.h"
#include "files/tree.h"
#include "funcapi.h"
#include "funcs/arguments.h"
#include "funcs/backup_arguments.h"
#include "members/tablespacemap.h"
#include "sinks/destinations.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

BB_SQL_FUNCTION(bb_sql_restore);
BB_SQL_FUNCTION(bb_sql_basebackup_to_file);
BB_SQL_FUNCTION(bb_sql_basebackup_to_program);

/*
 * bb_restore(directory text, lsn pg_lsn, …, tablespace_mapping text[],
 *			  delta boolean, only_databases text[]): see backup_arguments.h
 */
static Datum
bb_sql_restore_body(PG_FUNCTION_ARGS)
{
	int			mapping_n = bb_arg_number(fcinfo, "tablespace_mapping");
	int			delta_n = bb_arg_number(fcinfo, "delta");
	char	   *directory = bb_arg_text(fcinfo, 0, "directory");
	List	   *mappings = bb_arg_texts(fcinfo, mapping_n,
										"tablespace_mapping");
	bool		delta = bb_arg_bool(fcinfo, delta_n, "delta");
	BbBackupCall call;
	const BbPageStoreInfo *info;
	List	   *mapped;
	BbTree	   *tree;
	BbSink	   *sink;
	BbRestored	result;

	call = bb_backup_call_of(fcinfo);
	bb_call_need_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files",
					  "restore into a directory on the server");
	info = bb_pagestore_info(call.snapshot.store);
	mapped = bb_tablespacemap_new(call.plan->tablespaces, mappings);
	tree = bb_tree_open(directory, mapped, bb_backup_call_off_limits(&call),
						delta);
	sink = delta ? bb_sink_delta_new(tree, info->directory_mode,
									 &call.plan->seed->control)
				 : bb_sink_directory_new(tree, info->directory_mode);
	bb_backup_call_run(&call, BB_FORM_FILES, sink);
	result = bb_sink_tree_result(sink);

	return bb_result_record(fcinfo,
							(Datum[]){LSNGetDatum(call.snapshot.lsn),
									  Int64GetDatum(result.files),
									  Int64GetDatum(result.bytes),
									  Int64GetDatum(result.bytes_written),
									  Int64GetDatum(result.files_removed),
									  bb_result_elapsed(
										  call.ctx->started_at)});
}

/*
 * bb_basebackup_to_file(path text, lsn pg_lsn, …, tablespaces text): see
 * backup_arguments.h
 */
static Datum
bb_sql_basebackup_to_file_body(PG_FUNCTION_ARGS)
{
	char	   *path = bb_arg_text(fcinfo, 0, "path");
	BbBackupCall call;
	List	   *off_limits;
	bool		archives;
	BbSink	   *sink;

	call = bb_backup_call_of(fcinfo);
	bb_call_need_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files",
					  "write a backup to a file on the server");
	off_limits = bb_backup_call_off_limits(&call);
	archives = call.options.tablespaces == BB_TABLESPACES_ARCHIVES;
	sink = archives ? bb_sink_archives_new(path, off_limits)
					: bb_sink_file_new(path, off_limits);
	bb_backup_call_run(&call, BB_FORM_TAR, sink);
	PG_RETURN_INT64(archives ? bb_sink_archives_written(sink)
							 : bb_sink_file_written(sink));
}

/* bb_basebackup_to_program(command, lsn, …): see backup_arguments.h */
static Datum
bb_sql_basebackup_to_program_body(PG_FUNCTION_ARGS)
{
	BbBackupCall call;
	char	   *command;

	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program",
					  "send a backup to a program");
	command = bb_arg_text(fcinfo, 0, "command");
	call = bb_backup_call_of(fcinfo);
	bb_backup_call_run(&call, BB_FORM_TAR, bb_sink_program_new(command));
	PG_RETURN_INT64((int64) call.ctx->counters->bytes_out);
}

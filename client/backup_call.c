/*-------------------------------------------------------------------------
 *
 * backup_call.c
 *	  What the server says of a backup before it is made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "backup_call.h"
#include "cleanup.h"
#include "common/logging.h"

void
bb_call_place(BbCall *call, const BbBackupOptions *options)
{
	bb_call_argument(call, "store", options->store);
	bb_call_argument(call, "timeline", options->timeline);
}

void
bb_call_content(BbCall *call, const BbBackupOptions *options)
{
	bb_call_argument(call, "lsn", options->lsn);
	if (options->thin)
		bb_call_argument(call, "full_backup", "false");
	bb_call_place(call, options);
	bb_call_argument(call, "new_tli", options->new_tli);
	bb_call_argument(call, "settings", options->settings);
	bb_call_argument(call, "label", options->label);
	bb_call_argument(call, "manifest", options->manifest);
	bb_call_argument(call, "manifest_checksums", options->manifest_checksums);
}

/* Query the LSN of a target; what the server says of it isn't said again. */
static PGresult *
lsn_of_target(BbServer *server, const BbBackupOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_lsn_of_target");

	bb_call_argument(&call, "target",
					 options->time ? psprintf("time:%s", options->time)
								   : options->recovery_target);
	if (options->exclusive)
		bb_call_argument(&call, "inclusive", "false");
	bb_call_place(&call, options);
	return bb_server_ask(server, psprintf("SELECT %s", bb_call_end(&call)),
						 "could not find the LSN of the target");
}

/* Query the end of a timeline; no row if there is no such timeline. */
static PGresult *
lsn_at_end(BbServer *server, const BbBackupOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_timelines");
	const char *timeline = options->timeline ? options->timeline : "main";

	bb_call_argument(&call, "store", options->store);
	return bb_server_ask_quietly(
		server,
		psprintf("SELECT end_lsn FROM %s WHERE timeline = %s",
				 bb_call_end(&call), bb_server_literal(server, timeline)),
		"could not find the end of the timeline");
}

void
bb_server_find_lsn(BbServer *server, BbBackupOptions *options, bool needed)
{
	PGresult   *result;

	if (options->lsn != NULL)
		return;
	/* all queries have to be about the same LSN */
	if (options->time != NULL || options->recovery_target != NULL)
		result = lsn_of_target(server, options);
	else if (needed || options->mappings.first != NULL)
		result = lsn_at_end(server, options);
	else
		return;
	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		options->lsn = pg_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
}

int
bb_server_find_tablespaces(BbServer *server, BbBackupOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_tablespaces");
	const BbMapping *missing;
	PGresult   *result;
	int			count;

	bb_call_argument(&call, "lsn", options->lsn);
	bb_call_place(&call, options);
	result = bb_server_ask_quietly(
		server,
		psprintf("SELECT tablespace, location FROM %s", bb_call_end(&call)),
		"could not find the tablespaces");
	count = PQntuples(result);
	for (int row = 0; row < count; row++)
		bb_mappings_locate(&options->mappings,
						   (Oid) strtoul(PQgetvalue(result, row, 0), NULL, 10),
						   PQgetvalue(result, row, 1));
	PQclear(result);

	missing = bb_mappings_missing(&options->mappings);
	if (missing != NULL)
	{
		if (missing->old_dir != NULL)
			pg_log_error("backup has no tablespace in \"%s\"",
						 missing->old_dir);
		else
			pg_log_error("backup has no tablespace %u", missing->oid);
		pg_log_error_hint("bb_tablespaces() lists those that it has.");
		exit(1);
	}
	return count;
}

uint64
bb_server_find_size(BbServer *server, const BbBackupOptions *options,
					int archives)
{
	BbCall		call = bb_call_begin(server, "bb_files");
	PGresult   *result;
	uint64		size;
	const char *apart = "false";

	bb_call_content(&call, options);
	if (archives > 1)
	{
		bb_call_argument(&call, "tablespaces", "archives");
		apart = "path = 'backup_manifest'";
	}
	/* add headers, padding, and the ends of archives */
	result = bb_server_ask_quietly(
		server,
		psprintf("SELECT 1024 * %d + sum(CASE WHEN %s THEN size"
				 " ELSE 512 + (size + 511) / 512 * 512 END)"
				 " FROM %s",
				 archives, apart, bb_call_end(&call)),
		"could not find the size of the backup");
	size = strtou64(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return size;
}

/*-------------------------------------------------------------------------
 *
 * generatedfiles.c
 *	  The content of small files that a backup generates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "members/generatedfiles.h"
#include "pagestore/originfile.h"
#include "pgtime.h"

char *
bb_generatedfile_label(const BbSeed *seed, int64 mtime, const char *label)
{
	pg_time_t	time = mtime;
	char		time_text[64];
	char		segment[MAXFNAMELEN];

	pg_strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S UTC",
				pg_gmtime(&time));
	XLogFileName(segment, seed->wal.tli, seed->first_segment,
				 seed->wal.segment_size);
	return psprintf("START WAL LOCATION: " BB_FILE_LSN_FORMAT " (file %s)\n"
					"CHECKPOINT LOCATION: " BB_FILE_LSN_FORMAT "\n"
					"BACKUP METHOD: bbackup\n"
					"BACKUP FROM: page store\n"
					"START TIME: %s\n"
					"LABEL: %s\n"
					"START TIMELINE: %u\n",
					LSN_FORMAT_ARGS(seed->record_start), segment,
					LSN_FORMAT_ARGS(seed->record_start), time_text, label,
					seed->wal.tli);
}

void
bb_generatedfile_map(const List *tablespaces, StringInfo map)
{
	ListCell   *cell;

	initStringInfo(map);
	foreach(cell, tablespaces)
	{
		const BbTablespace *tablespace = lfirst(cell);

		if (!is_absolute_path(tablespace->location))
			continue;
		appendStringInfo(map, "%u ", tablespace->spc);
		for (const char *c = tablespace->location; *c != '\0'; c++)
		{
			if (*c == '\n' || *c == '\r' || *c == '\\')
				appendStringInfoChar(map, '\\');
			appendStringInfoChar(map, *c);
		}
		appendStringInfoChar(map, '\n');
	}
}

uint32
bb_generatedfile_origins(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						 StringInfo file)
{
	BbCatalogScan *scan;
	BbOrigin	origin;
	uint32		count = 0;

	initStringInfo(file);
	bb_originfile_begin(file);
	scan = bb_catalog_scan_new(ctx, snapshot, BB_KEY_REPLICATION_ORIGIN);
	while (bb_catalog_next_origin(ctx, scan, &origin))
	{
		bb_originfile_add(file, &origin);
		count++;
	}
	bb_catalog_scan_close(scan);
	bb_originfile_end(file);
	return count;
}

#define COMMENT                                                               \
	"# Made by bbackup: the data directory that this is a backup of had no\n" \
	"# such file; its server kept its configuration elsewhere.\n"

/*
 * What the server needs to start and to keep what it finds: a place for each
 * prepared transaction, and track_commit_timestamp, without which it removes
 * the commit timestamps.
 */
static char *
postgresql_conf(const BbControl *control)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, COMMENT);
	if (control->max_prepared_xacts > 0)
		appendStringInfo(&buf, "max_prepared_transactions = %d\n",
						 control->max_prepared_xacts);
	if (control->track_commit_timestamp)
		appendStringInfoString(&buf, "track_commit_timestamp = on\n");
	return buf.data;
}

void
bb_generatedfile_configuration(BbSmallFiles *files, const BbControl *control)
{
	char *const required[][2] = {
		{"postgresql.conf", postgresql_conf(control)},
		{"pg_hba.conf", pstrdup(COMMENT "local all all peer\n")},
		{"pg_ident.conf", pstrdup(COMMENT)},
	};

	for (int i = 0; i < lengthof(required); i++)
		if (!bb_smallfiles_has(files, required[i][0], false))
			bb_smallfiles_write(files, required[i][0], required[i][1],
								strlen(required[i][1]));
}

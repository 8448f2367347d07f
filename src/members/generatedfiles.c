/*-------------------------------------------------------------------------
 *
 * generatedfiles.c
 *	  The content of small files that a backup makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "members/generatedfiles.h"
#include "pagestore/catalog.h"
#include "pagestore/originfile.h"
#include "pgtime.h"

char *
bb_madefile_label(const BbSeed *seed, int64 mtime, const char *label)
{
	pg_time_t	time = mtime;
	char		time_text[64];
	char		segment[MAXFNAMELEN];

	pg_strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S UTC",
				pg_gmtime(&time));
	XLogFileName(segment, seed->wal.tli, seed->first_segment,
				 seed->wal.segment_size);
	return psprintf("START WAL LOCATION: %X/%X (file %s)\n"
					"CHECKPOINT LOCATION: %X/%X\n"
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
bb_madefile_map(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
				StringInfo map)
{
	BbCatalogScan *scan;
	BbTablespace tablespace;

	initStringInfo(map);
	scan = bb_catalog_scan_new(ctx, store, BB_KEY_TABLESPACE, lsn);
	while (bb_catalog_next_tablespace(ctx, scan, &tablespace))
	{
		if (is_absolute_path(tablespace.location))
		{
			appendStringInfo(map, "%u ", tablespace.spc);
			for (const char *c = tablespace.location; *c != '\0'; c++)
			{
				if (*c == '\n' || *c == '\r' || *c == '\\')
					appendStringInfoChar(map, '\\');
				appendStringInfoChar(map, *c);
			}
			appendStringInfoChar(map, '\n');
		}
		pfree(tablespace.location);
	}
	bb_catalog_scan_close(scan);
}

void
bb_madefile_origins(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr lsn,
					StringInfo file)
{
	BbCatalogScan *scan;
	BbOrigin	origin;

	initStringInfo(file);
	bb_originfile_begin(file);
	scan = bb_catalog_scan_new(ctx, store, BB_KEY_REPLICATION_ORIGIN, lsn);
	while (bb_catalog_next_origin(ctx, scan, &origin))
		bb_originfile_add(file, &origin);
	bb_catalog_scan_close(scan);
	bb_originfile_end(file);
}

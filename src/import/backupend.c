/*-------------------------------------------------------------------------
 *
 * backupend.c
 *	  Where the WAL ends that a base backup needs, as its backup_manifest says.
 *
 * The manifest lists the ranges of WAL behind the files, near its end, in a fixed
 * form (AddWALInfoToBackupManifest in PostgreSQL's backup_manifest.c):
 *
 *	  "WAL-Ranges": [
 *	  { "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" }
 *	  ],
 *	  "Manifest-Checksum": "…"}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/backupend.h"

#define MANIFEST_FILE "backup_manifest"
#define RANGES "\"WAL-Ranges\": ["
#define END_LSN "\"End-LSN\": \""

/* Enough for the checksum and some ranges. */
#define TAIL_BYTES 1024

/* Read the last bytes of the manifest, with a zero after them; NULL: none. */
static char *
read_tail(const BbReqCtx *ctx, const BbSourceTree *tree)
{
	BbSourceStat st;
	BbSourceFile *file;
	char	   *tail;
	uint64		length;

	/* a file can't be opened if there is something else of its name */
	if (!bb_sourcetree_stat(tree, MANIFEST_FILE, true, &st) ||
		st.kind != BB_SOURCE_FILE)
		return NULL;
	file = bb_sourcefile_open(ctx, tree, MANIFEST_FILE);
	if (file == NULL)
		return NULL;
	length = Min(file->size, TAIL_BYTES);
	file->at = file->size - length;
	tail = palloc0(TAIL_BYTES + 1);
	bb_sourcefile_read(ctx, file, tail, length);
	bb_sourcefile_close(file);
	return tail;
}

XLogRecPtr
bb_backupend_read(const BbReqCtx *ctx, const BbSourceTree *tree)
{
	char	   *at = read_tail(ctx, tree);
	uint32		high;
	uint32		low;
	XLogRecPtr	end = InvalidXLogRecPtr;

	if (at == NULL || strstr(at, RANGES) == NULL)
		return end;
	/* the range that comes last begins where the WAL does: the greatest counts */
	for (at = strstr(at, RANGES); (at = strstr(at, END_LSN)) != NULL;)
	{
		at += strlen(END_LSN);
		if (sscanf(at, "%X/%X", &high, &low) == 2)
			end = Max(end, (uint64) high << 32 | low);
	}
	return end;
}

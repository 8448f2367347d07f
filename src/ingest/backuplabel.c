/*-------------------------------------------------------------------------
 *
 * backuplabel.c
 *	  backup_label: where the WAL begins that a base backup needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ingest/backuplabel.h"
#include "ingest/sourcefile.h"

/* Larger than any: a label has up to 1 kB, besides a few short lines. */
#define LABEL_MAX_SIZE (64 * 1024)

/* What is behind "name: " at the beginning of a line; NULL: no such line. */
static const char *
find_line(const char *text, const char *name)
{
	size_t		length = strlen(name);

	for (const char *line = text; line != NULL;
		 line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
	{
		if (strncmp(line, name, length) == 0 &&
			strncmp(line + length, ": ", 2) == 0)
			return line + length + 2;
	}
	return NULL;
}

static bool
parse_lsn(const char *text, XLogRecPtr *lsn)
{
	uint32		high;
	uint32		low;

	if (text == NULL || sscanf(text, "%X/%X", &high, &low) != 2)
		return false;
	*lsn = ((uint64) high << 32) | low;
	return true;
}

BbBackupLabel *
bb_backuplabel_read(const BbReqCtx *ctx, const char *directory)
{
	size_t		length;
	char	   *text = bb_sourcefile_load(ctx, directory, BB_BACKUP_LABEL_FILE,
										  LABEL_MAX_SIZE, &length);
	BbBackupLabel *label;
	const char *tli;
	const char *from;

	if (text == NULL)
		return NULL;
	if (find_line(text, "INCREMENTAL FROM LSN") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is an incremental backup", directory),
				 errhint("Make a full one of it by pg_combinebackup.")));

	label = palloc0(sizeof(BbBackupLabel));
	tli = find_line(text, "START TIMELINE");
	from = find_line(text, "BACKUP FROM");
	if (!parse_lsn(find_line(text, "START WAL LOCATION"),
				   &label->start_lsn) ||
		!parse_lsn(find_line(text, "CHECKPOINT LOCATION"),
				   &label->checkpoint_lsn) ||
		tli == NULL || sscanf(tli, "%u", &label->tli) != 1 ||
		label->tli == 0 || from == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid data in file \"%s/" BB_BACKUP_LABEL_FILE "\"",
						directory)));
	label->from_standby = strncmp(from, "standby", strlen("standby")) == 0;
	pfree(text);
	return label;
}

/*-------------------------------------------------------------------------
 *
 * backuplabel.c
 *	  backup_label, which says where the WAL of a base backup begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "import/backuplabel.h"

/* No file is larger: it has a label of up to 1 kB and a few short lines. */
#define LABEL_MAX_SIZE (64 * 1024)

/* Find the text after "name: " at the beginning of a line, or NULL. */
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

/*
 * Parse the two lines that recovery needs.  Recovery takes the tli from the
 * name of the segment.  Labels of pg_rewind, and of servers before PostgreSQL
 * 11, have no START TIMELINE line.
 */
static bool
parse_start(const char *text, BbBackupLabel *label)
{
	uint32		high;
	uint32		low;
	uint32		checkpoint_high;
	uint32		checkpoint_low;
	char		segment[17];
	int			end = 0;

	if (sscanf(text,
			   "START WAL LOCATION: " BB_LSN_FORMAT " (file %08X%16[0-9A-F])\n"
			   "CHECKPOINT LOCATION: " BB_LSN_FORMAT "%n",
			   &high, &low, &label->tli, segment, &checkpoint_high,
			   &checkpoint_low, &end) != 6 ||
		text[end] != '\n')
		return false;
	label->start_lsn = ((uint64) high << 32) | low;
	label->checkpoint_lsn = ((uint64) checkpoint_high << 32) | checkpoint_low;
	return label->tli != 0;
}

const BbBackupLabel *
bb_backuplabel_parse(const char *text, const char **complaint)
{
	BbBackupLabel *label = palloc0(sizeof(BbBackupLabel));
	const char *line;
	uint32		tli;

	*complaint = NULL;
	if (!parse_start(text, label))
		*complaint =
			"It does not begin with START WAL LOCATION and CHECKPOINT LOCATION.";
	line = find_line(text, "START TIMELINE");
	if (*complaint == NULL && line != NULL &&
		(sscanf(line, "%u", &tli) != 1 || tli != label->tli))
		*complaint = psprintf(
			"Its START TIMELINE is not that of its segment, %u.", label->tli);
	if (*complaint != NULL)
		return NULL;

	line = find_line(text, "BACKUP FROM");
	label->from_standby = line != NULL &&
		strncmp(line, "standby", strlen("standby")) == 0;
	label->incremental = find_line(text, "INCREMENTAL FROM LSN") != NULL;
	return label;
}

const BbBackupLabel *
bb_backuplabel_read(const BbReqCtx *ctx, const BbSourceTree *tree)
{
	size_t		length;
	char	   *text = bb_sourcefile_load(ctx, tree, BB_BACKUP_LABEL_FILE,
										  LABEL_MAX_SIZE, &length);
	const BbBackupLabel *label;
	const char *complaint;

	if (text == NULL)
		return NULL;
	label = bb_backuplabel_parse(text, &complaint);
	if (label == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid data in file \"%s/" BB_BACKUP_LABEL_FILE "\"",
						tree->name),
				 errdetail("%s", complaint)));
	if (label->incremental)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is an incremental backup", tree->name),
				 errhint("Use pg_combinebackup to reconstruct a full backup.")));
	pfree(text);
	return label;
}

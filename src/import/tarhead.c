/*-------------------------------------------------------------------------
 *
 * tarhead.c
 *	  The archives of a base backup in the tar format: their names, and what
 *	  has to be known of them before the rest can be stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "archive/decompress.h"
#include "base/compat.h"
#include "import/backuplabel.h"
#include "import/tarhead.h"

#define MAP_FILE "tablespace_map"

/* No such file is larger. */
#define HEAD_FILE_MAX (1024 * 1024)

bool
bb_archive_named(const char *name, const char *archive)
{
	size_t		length = strlen(archive);
	size_t		suffix;

	return strncmp(name, archive, length) == 0 &&
		(name[length] == '\0' ||
		 (bb_decompress_suffix(name, &suffix) != NULL &&
		  suffix == strlen(name + length)));
}

/* ---- collecting ---- */

static const char *const head_names[] = {
	[BB_HEAD_LABEL] = BB_BACKUP_LABEL_FILE,
	[BB_HEAD_MAP] = MAP_FILE,
	[BB_HEAD_CONTROL] = XLOG_CONTROL_FILE,
};

void
bb_tarhead_init(BbTarHead *head)
{
	for (int i = 0; i < BB_HEAD_COUNT; i++)
		initStringInfo(&head->files[i]);
	head->at = BB_HEAD_COUNT;
}

static void
head_begin(void *arg, const BbTarMember *member)
{
	BbTarHead  *head = arg;

	for (head->at = 0; head->at < BB_HEAD_COUNT; head->at++)
		if (member->kind == BB_TAR_FILE &&
			strcmp(member->path, head_names[head->at]) == 0)
			break;
	if (head->at < BB_HEAD_COUNT && member->size > HEAD_FILE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is too large", member->path),
				 errdetail("It has " UINT64_FORMAT
						   " bytes; at most %d are expected.",
						   member->size, HEAD_FILE_MAX)));
	if (head->at < BB_HEAD_COUNT)
		resetStringInfo(&head->files[head->at]);
}

static void
head_data(void *arg, const char *data, size_t length)
{
	BbTarHead  *head = arg;

	if (head->at < BB_HEAD_COUNT)
		appendBinaryStringInfo(&head->files[head->at], data, (int) length);
}

static void
head_end(void *arg)
{
}

const BbTarEvents bb_tarhead_events = {
	.begin_member = head_begin,
	.data = head_data,
	.end_member = head_end,
};

/* ---- the label and the control file ---- */

void
bb_tarhead_use_label(BbImport *import, const BbTarHead *head)
{
	const char *complaint = NULL;
	const BbBackupLabel *label;

	if (head->files[BB_HEAD_LABEL].len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a base backup", import->path),
				 errdetail("Its archive has no file " BB_BACKUP_LABEL_FILE ".")));
	label = bb_backuplabel_parse(head->files[BB_HEAD_LABEL].data, &complaint);
	if (label == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/%s\" is not a backup label", import->path,
						BB_BACKUP_LABEL_FILE),
				 errdetail("%s", complaint)));
	import->lsn = label->start_lsn;
}

bool
bb_tarhead_has_checksums(const BbImport *import, const BbTarHead *head)
{
	ControlFileData control;

	if (head->files[BB_HEAD_CONTROL].len < sizeof(control))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of base backup \"%s\" is missing or too short",
						import->path)));
	memcpy(&control, head->files[BB_HEAD_CONTROL].data, sizeof(control));
	return control.data_checksum_version != 0;
}

/* ---- tablespaces ---- */

/*
 * A line has the OID, a space, and the path, in which a backslash escapes a
 * character.
 *
 * (read_tablespace_map in PostgreSQL's xlogrecovery.c)
 */
bool
bb_tarhead_next_tablespace(const BbTarHead *head, const char **text, Oid *spc,
						   StringInfo target)
{
	char	   *rest;

	if (*text == NULL)
		*text = head->files[BB_HEAD_MAP].data;
	resetStringInfo(target);
	if (**text == '\0')
		return false;
	errno = 0;
	*spc = (Oid) strtoul(*text, &rest, 10);
	if (rest == *text || *rest != ' ' || errno != 0 || *spc == InvalidOid)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid data in file \"%s\"", MAP_FILE)));
	for (rest++; *rest != '\0' && *rest != '\n' && *rest != '\r'; rest++)
	{
		if (rest[0] == '\\' && rest[1] != '\0')
			rest++;
		appendStringInfoChar(target, *rest);
	}
	while (*rest == '\n' || *rest == '\r')
		rest++;
	*text = rest;
	return true;
}

void
bb_tarhead_add_link(BbReceivedTree *tree, Oid spc, const char *target)
{
	BbSourceStat st = {.kind = BB_SOURCE_LINK, .mode = 0777};

	bb_receivedtree_add(tree, psprintf("pg_tblspc/%u", spc), &st,
						pstrdup(target), false);
}

void
bb_tarhead_map_done(BbReceivedTree *tree)
{
	BbSourceStat empty = {.kind = BB_SOURCE_FILE, .mode = 0600};

	bb_receivedtree_add(tree, MAP_FILE, &empty, NULL, false);
}

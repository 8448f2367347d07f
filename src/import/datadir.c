/*-------------------------------------------------------------------------
 *
 * datadir.c
 *	  A data directory that may be imported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/transam.h"
#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "common/controldata_utils.h"
#include "common/file_perm.h"
#include "import/datadir.h"
#include "miscadmin.h"

/* No PG_VERSION file is larger. */
#define VERSION_FILE_MAX 64

static void
report_no_data_directory(const BbDataDir *dir, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not a data directory", dir->path),
			 errdetail("%s", detail),
			 errhint("Give a base backup as pg_basebackup writes it, the directory \"data\" of a backup of Barman, or what pgBackRest or WAL-G has restored.")));
}

static void
set_owner(BbDataDir *dir, uint32 uid, uint32 gid, mode_t mode)
{
	dir->uid = uid;
	dir->gid = gid;
	/* as SetDataDirectoryCreatePerm in common/file_perm.c */
	dir->mode = (mode & PG_DIR_MODE_GROUP) == PG_DIR_MODE_GROUP
		? PG_DIR_MODE_GROUP
		: PG_DIR_MODE_OWNER;
}

static void
check_directory(BbDataDir *dir)
{
	struct stat st;

	if (!is_absolute_path(dir->path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path of a data directory must be absolute: \"%s\"",
						dir->path)));
	if (stat(dir->path, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat directory \"%s\": %m", dir->path)));
	if (!S_ISDIR(st.st_mode))
		report_no_data_directory(dir, "It is not a directory.");

	set_owner(dir, st.st_uid, st.st_gid, st.st_mode);
}

static void
check_version(const BbReqCtx *ctx, const BbDataDir *dir)
{
	size_t		length;
	char	   *text = bb_sourcefile_load(ctx, dir->tree, "PG_VERSION",
										  VERSION_FILE_MAX, &length);
	char	   *end;
	long		major;

	if (text == NULL)
		report_no_data_directory(dir, "It has no file PG_VERSION.");
	major = strtol(text, &end, 10);
	if (end == text || (*end != '\n' && *end != '.' && *end != '\0'))
		report_no_data_directory(dir,
								 "Its file PG_VERSION has no valid data.");
	if (major != PG_VERSION_NUM / 10000)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" is of PostgreSQL %ld",
						dir->path, major),
				 errdetail("This server is PostgreSQL %d.",
						   PG_VERSION_NUM / 10000),
				 errhint("Import it with a server of PostgreSQL %ld. It can use the same page store.",
						 major)));
	pfree(text);
}

/*
 * A postmaster creates the file before it touches any other file, and removes
 * it last.
 */
static void
check_not_running(const BbDataDir *dir)
{
	const char *const name = "postmaster.pid";
	BbSourceStat st;

	if (bb_sourcetree_stat(dir->tree, name, true, &st))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 dir->label == NULL
				 ? errmsg("a server is running in data directory \"%s\"",
						  dir->path)
				 : errmsg("base backup \"%s\" has the lock file of a server",
						  dir->path),
				 errdetail("Lock file \"%s/%s\" exists.", dir->path, name),
				 dir->label == NULL
				 ? errhint("Shut the server down. If no server runs, a crash "
						   "left the file: start the server and shut it down "
						   "cleanly.")
				 : errhint("If no server runs in it, the file is a copy of "
						   "the source's: remove it.")));
	if (errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s/%s\": %m", dir->path, name)));
}

static ControlFileData
read_control(const BbReqCtx *ctx, const BbDataDir *dir)
{
	size_t		length;
	ControlFileData control;
	pg_crc32c	crc;
	char	   *data = bb_sourcefile_load(ctx, dir->tree, XLOG_CONTROL_FILE,
										  PG_CONTROL_FILE_SIZE, &length);

	if (data == NULL)
		report_no_data_directory(dir, "It has no file " XLOG_CONTROL_FILE ".");
	if (length < sizeof(control))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of data directory \"%s\" is too short",
						dir->path),
				 errdetail("It has %zu bytes; at least %zu are expected.",
						   length, sizeof(control))));
	memcpy(&control, data, sizeof(control));
	pfree(data);

	/* a control file of another layout has its CRC elsewhere */
	if (control.pg_control_version != PG_CONTROL_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("control file of data directory \"%s\" has version %u",
						dir->path, control.pg_control_version),
				 errdetail("This server has version %u.",
						   PG_CONTROL_VERSION)));
	crc = bb_control_crc(bb_major_own(), &control);
	if (crc != control.crc)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of data directory \"%s\" has a wrong checksum",
						dir->path),
				 errdetail("The stored checksum is %08X, the calculated one %08X.", control.crc,
						   crc)));
	return control;
}

static void
check_control(const BbDataDir *dir)
{
	const ControlFileData *control = &dir->control;
	const char *complaint = bb_control_build_error(bb_major_own(), control);

	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" is of a differently built server",
						dir->path),
				 errdetail("%s", complaint),
				 errhint("Import it with a server that was built in the same "
						 "way.")));
	if (!IsValidWalSegSize(control->xlog_seg_size))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("control file of data directory \"%s\" has an impossible WAL segment size",
						dir->path),
				 errdetail("It says %u bytes.", control->xlog_seg_size)));

	if (dir->label != NULL)
		return; /* its WAL makes it consistent */
	if (control->state == DB_SHUTDOWNED_IN_RECOVERY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" is of a standby", dir->path),
				 errdetail("Its files need WAL to be consistent."),
				 errhint("Import a cluster that was shut down as a "
						 "primary.")));
	if (control->state != DB_SHUTDOWNED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" was not shut down cleanly",
						dir->path),
				 errhint("Start the server and shut it down in \"smart\" or "
						 "\"fast\" mode; or import a base backup of it, with "
						 "its " BB_BACKUP_LABEL_FILE ".")));
}

/*
 * A base backup that was a tar has no symbolic links to its tablespaces until a
 * server creates them.
 */
static void
check_tablespace_map(const BbDataDir *dir)
{
	const char *const name = "tablespace_map";
	BbSourceStat st;

	if (bb_sourcetree_stat(dir->tree, name, true, &st) && st.size > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" has no links to its tablespaces",
						dir->path),
				 errdetail("\"%s/%s\" lists them.", dir->path, name),
				 errhint("Create the symbolic links in pg_tblspc that it "
						 "lists, and remove it.")));
}

BbDataDir *
bb_datadir_open(const BbReqCtx *ctx, const char *path)
{
	BbDataDir  *dir = palloc0(sizeof(BbDataDir));
	char	   *canonical = pstrdup(path);

	canonicalize_path(canonical);
	dir->tree = bb_sourcedir_new(canonical);
	dir->path = dir->tree->name;
	check_directory(dir);
	check_version(ctx, dir);
	dir->label = bb_backuplabel_read(ctx, dir->tree);
	check_not_running(dir);
	dir->control = read_control(ctx, dir);
	check_control(dir);
	check_tablespace_map(dir);
	return dir;
}

BbDataDir *
bb_datadir_received(const BbReqCtx *ctx, const BbSourceTree *tree)
{
	BbDataDir  *dir = palloc0(sizeof(BbDataDir));
	BbSourceStat st;

	dir->tree = tree;
	dir->path = tree->name;
	dir->received = true;
	check_version(ctx, dir);
	/* the server makes all its directories alike */
	if (!bb_sourcetree_stat(tree, "global", true, &st))
		report_no_data_directory(dir, "It has no directory \"global\".");
	set_owner(dir, st.uid, st.gid, st.mode);
	dir->label = bb_backuplabel_read(ctx, tree);
	if (dir->label == NULL)
		report_no_data_directory(dir,
								 "It has no file " BB_BACKUP_LABEL_FILE ".");
	dir->control = read_control(ctx, dir);
	check_control(dir);
	check_tablespace_map(dir);
	return dir;
}

void
bb_datadir_check_unchanged(const BbReqCtx *ctx, const BbDataDir *dir)
{
	ControlFileData now;

	if (dir->received)
		return;
	check_not_running(dir);
	now = read_control(ctx, dir);
	if (memcmp(&now, &dir->control, sizeof(now)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("data directory \"%s\" was used during the import",
						dir->path),
				 errhint("Shut the server down, and import again.")));
}

void
bb_datadir_warn(const char *path, const char *name, const char *detail)
{
	ereport(WARNING,
			(errmsg("file \"%s/%s\" is omitted from the import", path, name),
			 errdetail("%s", detail)));
}

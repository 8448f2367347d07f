/*-------------------------------------------------------------------------
 *
 * scratch.c
 *	  Creates and removes the data directories of redo helpers.
 *
 * initdb is not necessary: before the library takes control, the server only
 * reads PG_VERSION, the control file and the configuration, and lists two
 * directories.
 *
 * The directories are below base/pgsql_tmp and named like temporary files, so
 * that base backups omit them and the server removes them when it starts after a
 * crash (RemovePgTempFiles() in PostgreSQL's fd.c).  Those of killed backends are
 * removed by the next start of a helper.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/file_perm.h"
#include "common/file_utils.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "redo/helper.h"
#include "redo/process.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/pidfile.h"

#define TEMPORARY_DIRECTORY "base/" PG_TEMP_FILES_DIR
#define NAME_PREFIX PG_TEMP_FILE_PREFIX "_bbredo."

/*
 * The configuration of a helper: small, if possible without files or segments,
 * and with only fatal messages in the log.
 */
static const char fixed_settings[] =
	"dynamic_shared_memory_type = mmap\n"
	"fsync = off\n"
	"full_page_writes = off\n"
	"huge_pages = off\n"
	"lc_messages = 'C'\n"
	"log_line_prefix = ''\n"
	"log_min_messages = fatal\n"
	"max_connections = 5\n"
	"max_files_per_process = 100\n"
	"max_wal_senders = 0\n"
	"max_wal_size = '4GB'\n"
	"max_worker_processes = 0\n"
	/* statistics need more than their first segment, and can't create another */
	"min_dynamic_shared_memory = '4MB'\n"
	"min_wal_size = '2GB'\n" /* at least two segments of any size */
	"shared_buffers = '1MB'\n";

/*
 * Append a value of postgresql.conf, quoted (guc-file.l).
 */
static void
append_quoted(StringInfo text, const char *value)
{
	char	   *escaped = escape_single_quotes_ascii(value);

	if (escaped == NULL)
		elog(ERROR, "out of memory");
	appendStringInfo(text, "'%s'\n", escaped);
	free(escaped);
}

static char *
make_configuration(const BbRedoSetup *setup)
{
	StringInfoData text;
	StringInfoData libraries;

	/*
	 * bbackup is the last: its hook, which never returns, first calls the
	 * hooks of the others.
	 */
	initStringInfo(&libraries);
	if (setup->preload_libraries[0] != '\0')
		appendStringInfo(&libraries, "%s, ", setup->preload_libraries);
	appendStringInfo(&libraries, "\"%s\"", setup->installation.library);

	initStringInfo(&text);
	appendStringInfoString(&text, fixed_settings);
	if (setup->control.major->number >= 18)
		appendStringInfoString(&text, "io_method = sync\n");
	appendStringInfo(&text, "wal_log_hints = %s\n",
					 setup->control.wal_log_hints ? "on" : "off");
	appendStringInfoString(&text, "shared_preload_libraries = ");
	append_quoted(&text, libraries.data);
	return text.data;
}

/*
 * Write a file.  Returns false with errno set if that failed.
 */
static bool
write_file(const char *path, const void *data, size_t length)
{
	int			fd = OpenTransientFile(path,
									   O_WRONLY | O_CREAT | O_EXCL |
										   PG_BINARY);
	ssize_t		written;

	if (fd < 0)
		return false;
	errno = 0;
	written = write(fd, data, length);
	if (written >= 0 && written != length && errno == 0)
		errno = ENOSPC;
	if (written != length)
	{
		int			save_errno = errno;

		CloseTransientFile(fd);
		errno = save_errno;
		return false;
	}
	return CloseTransientFile(fd) == 0;
}

static bool
fill(const char *path, const BbRedoSetup *setup)
{
	char		control[PG_CONTROL_FILE_SIZE] = {0};
	char	   *configuration = make_configuration(setup);
	char	   *version = psprintf("%d\n", setup->control.major->number);

	memcpy(control, setup->control.bytes, setup->control.major->control_size);
	return MakePGDirectory(psprintf("%s/global", path)) == 0 &&
		MakePGDirectory(psprintf("%s/pg_dynshmem", path)) == 0 &&
		MakePGDirectory(psprintf("%s/pg_notify", path)) == 0 &&
		write_file(psprintf("%s/PG_VERSION", path), version,
				   strlen(version)) &&
		write_file(psprintf("%s/postgresql.conf", path), configuration,
				   strlen(configuration)) &&
		write_file(psprintf("%s/postgresql.auto.conf", path), "", 0) &&
		write_file(psprintf("%s/global/pg_control", path), control,
				   sizeof(control));
}

char *
bb_redo_scratch_new(const BbRedoSetup *setup)
{
	static int	number = 0;
	char	   *path = psprintf("%s/" TEMPORARY_DIRECTORY "/" NAME_PREFIX
								"%d.%d",
								DataDir, MyProcPid, ++number);
	int			result;

	/* the server also creates it when it is first needed */
	if (MakePGDirectory(TEMPORARY_DIRECTORY) < 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m",
						TEMPORARY_DIRECTORY)));
	result = MakePGDirectory(path);
	if (result < 0 && errno == EEXIST)
	{
		/* it was left by a backend with the same PID */
		bb_redo_scratch_remove(path);
		result = MakePGDirectory(path);
	}
	if (result < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", path)));

	if (!fill(path, setup))
	{
		int			save_errno = errno;

		bb_redo_scratch_remove(path);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fill scratch directory \"%s\": %m", path)));
	}
	return path;
}

/*
 * A helper that is killed before it has marked its segment for removal leaves it
 * behind.  postmaster.pid has the creator's PID and the segment.
 */
static void
remove_segment(const char *path)
{
	char		content[1024];
	char	   *line = content;
	int			fd;
	ssize_t		got;
	int			pid;
	unsigned long key;
	unsigned long id;
	struct shmid_ds segment;

	fd = OpenTransientFile(psprintf("%s/postmaster.pid", path),
						   O_RDONLY | PG_BINARY);
	if (fd < 0)
		return;
	got = read(fd, content, sizeof(content) - 1);
	CloseTransientFile(fd);
	content[Max(got, 0)] = '\0';

	/* a stand-alone server writes its PID with a minus sign */
	pid = abs(atoi(content));
	for (int i = 1; i < LOCK_FILE_LINE_SHMEM_KEY && line != NULL; i++)
	{
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	if (line == NULL || sscanf(line, "%lu %lu", &key, &id) != 2)
		return;
	if (shmctl((int) id, IPC_STAT, &segment) == 0 && segment.shm_cpid == pid &&
		segment.shm_nattch == 0)
		shmctl((int) id, IPC_RMID, NULL);
}

void
bb_redo_scratch_remove(const char *path)
{
	remove_segment(path);
	rmtree(path, true);
}

void
bb_redo_scratch_sweep(void)
{
	DIR		   *dir = AllocateDir(TEMPORARY_DIRECTORY);
	struct dirent *entry;

	if (dir == NULL && errno == ENOENT)
		return;
	while ((entry = ReadDirExtended(dir, TEMPORARY_DIRECTORY, LOG)) != NULL)
	{
		int			pid;

		if (strncmp(entry->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
			continue;
		pid = atoi(entry->d_name + strlen(NAME_PREFIX));
		if (pid != MyProcPid && BackendPidGetProc(pid) == NULL)
			bb_redo_scratch_remove(psprintf("%s/" TEMPORARY_DIRECTORY "/%s",
											DataDir, entry->d_name));
	}
	FreeDir(dir);
}

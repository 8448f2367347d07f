/*-------------------------------------------------------------------------
 *
 * output_directory.c
 *	  The output that extracts an archive into a data directory.
 *
 * No server starts in a directory without global/pg_control, so that file has
 * another name until all other files are complete and on disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "common/file_perm.h"
#include "common/logging.h"
#include "compat.h"
#include "newfile.h"
#include "output.h"
#include "progress.h"
#include "tar_reader.h"

#define CONTROL_FILE "global/pg_control"
#define CONTROL_FILE_PART CONTROL_FILE ".part"

/* Permission bits of others than the owner. */
#define OTHERS_BITS (S_IRWXG | S_IRWXO)

typedef struct DirectoryOutput
{
	BbOutput	base;
	const char *directory;
	BbMappings *mappings;
	bool		sync;
	BbTarReader *reader; /* NULL before and after the archive */
	bool		read;	 /* there was an archive */
	bool		control; /* global/pg_control was extracted */
	int			fd;		 /* of the open file, or -1 */
	char		path[MAXPGPATH];
} DirectoryOutput;

/*
 * The umask keeps the owner's bits only.  The group may read the backup of a
 * cluster that it may read.
 */
static void
set_mode(const char *path, mode_t mode)
{
	if ((mode & OTHERS_BITS) != 0 && chmod(path, mode) != 0)
		pg_fatal("could not set permissions of \"%s\": %m", path);
}

/* Return the OID of the tablespace at a path, or InvalidOid. */
static Oid
tablespace_at(const char *path)
{
	static const char prefix[] = "pg_tblspc/";
	const char *digits = path + strlen(prefix);
	uint64		number;

	if (strncmp(path, prefix, strlen(prefix)) != 0 || digits[0] == '\0' ||
		digits[strspn(digits, "0123456789")] != '\0')
		return InvalidOid;
	number = strtou64(digits, NULL, 10);
	return number <= PG_UINT32_MAX ? (Oid) number : InvalidOid;
}

static void
make_directory(DirectoryOutput *output, const BbTarMember *member)
{
	Oid			tablespace = tablespace_at(member->path);
	const char *elsewhere = NULL;

	if (OidIsValid(tablespace))
		elsewhere = bb_mappings_find(output->mappings, tablespace);
	if (elsewhere != NULL)
	{
		bb_cleanup_directory(elsewhere, "tablespace directory");
		if (symlink(elsewhere, output->path) != 0)
			pg_fatal("could not create symbolic link \"%s\": %m",
					 output->path);
		set_mode(elsewhere, member->mode);
		return;
	}
	if (mkdir(output->path, PG_DIR_MODE_OWNER) != 0)
		pg_fatal("could not create directory \"%s\": %m", output->path);
	set_mode(output->path, member->mode);
	/* the data directory itself is no member of the archive */
	if (strcmp(member->path, "global") == 0)
		set_mode(output->directory, member->mode);
}

static void
begin_member(void *arg, const BbTarMember *member)
{
	DirectoryOutput *output = arg;
	bool		control = strcmp(member->path, CONTROL_FILE) == 0;
	const char *path = control ? CONTROL_FILE_PART : member->path;

	if (snprintf(output->path, MAXPGPATH, "%s/%s", output->directory, path) >=
		MAXPGPATH)
		pg_fatal("path is too long: \"%s/%s\"", output->directory, path);
	bb_progress_file(output->path);

	output->fd = -1;
	if (member->directory)
	{
		make_directory(output, member);
		return;
	}
	output->fd = open(output->path,
					  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					  PG_FILE_MODE_OWNER);
	if (output->fd < 0)
		pg_fatal("could not create file \"%s\": %m", output->path);
	set_mode(output->path, member->mode);
	output->control |= control;
}

static void
member_data(void *arg, const char *data, size_t length)
{
	DirectoryOutput *output = arg;

	bb_write_all(output->fd, output->path, data, length);
}

static void
end_member(void *arg)
{
	DirectoryOutput *output = arg;

	if (output->fd >= 0 && close(output->fd) != 0)
		pg_fatal("could not close file \"%s\": %m", output->path);
	bb_interrupted();
}

static const BbTarEvents tar_events = {
	.begin_member = begin_member,
	.data = member_data,
	.end_member = end_member,
};

static void
directory_begin_archive(BbOutput *base, const char *name)
{
	DirectoryOutput *output = (DirectoryOutput *) base;

	if (output->read)
		bb_fatal_hint(
			"Use bb_basebackup_stream(), which makes one of everything.",
			"stream has several archives, which can't be extracted");
	output->reader = bb_tar_reader_new(&tar_events, output);
	output->read = true;
}

static void
directory_write(BbOutput *base, const char *data, size_t length)
{
	bb_tar_reader_feed(((DirectoryOutput *) base)->reader, data, length);
}

static void
directory_end_archive(BbOutput *base)
{
	DirectoryOutput *output = (DirectoryOutput *) base;

	bb_tar_reader_end(output->reader);
	output->reader = NULL;
}

static void
directory_finish(BbOutput *base)
{
	DirectoryOutput *output = (DirectoryOutput *) base;
	char	   *part = psprintf("%s/%s", output->directory, CONTROL_FILE_PART);
	char	   *control = psprintf("%s/%s", output->directory, CONTROL_FILE);
	const BbMapping *missing;

	if (!output->control)
		pg_fatal("backup has no file \"%s\"", CONTROL_FILE);
	missing = bb_mappings_missing(output->mappings);
	if (missing != NULL)
		pg_fatal("backup has no tablespace %u", missing->oid);

	if (output->sync)
	{
		bb_sync_data_directory(output->directory);
		bb_interrupted();
		if (fsync_parent_path(output->directory) != 0 ||
			durable_rename(part, control) != 0)
			exit(1); /* the error was reported */
	}
	else if (rename(part, control) != 0)
		pg_fatal("could not rename file \"%s\" to \"%s\": %m", part, control);
	pg_free(part);
	pg_free(control);
	pg_free(output);
}

static const BbOutputOps directory_ops = {
	.begin_archive = directory_begin_archive,
	.write = directory_write,
	.end_archive = directory_end_archive,
	.finish = directory_finish,
};

BbOutput *
bb_output_directory_new(const char *directory, BbMappings *mappings, bool sync)
{
	DirectoryOutput *output = pg_malloc0(sizeof(DirectoryOutput));

	output->base.ops = &directory_ops;
	output->directory = directory;
	output->mappings = mappings;
	output->sync = sync;
	output->fd = -1;
	bb_cleanup_directory(directory, "data directory");
	return &output->base;
}

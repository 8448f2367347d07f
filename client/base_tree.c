/*-------------------------------------------------------------------------
 *
 * base_tree.c
 *	  A base backup in a directory, as one tar.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <dirent.h>
#include <unistd.h>

#include "base_tree.h"
#include "cleanup.h"
#include "common/logging.h"

#define LABEL "backup_label"
#define CONTROL "global/pg_control"
#define MAP "tablespace_map"
#define MANIFEST "backup_manifest"
#define BASE "base.tar"

/* Files that come first, in this order. */
static const char *const first_files[] = {LABEL, MAP, CONTROL};

/* A walk through a directory: it writes, or only counts. */
typedef struct Walk
{
	const BbTarWriter *writer; /* NULL: count */
	uint64		bytes;
} Walk;

static void walk_directory(Walk *walk, const char *path, const char *name);

static bool
exists(const char *directory, const char *name)
{
	struct stat st;

	return stat(psprintf("%s/%s", directory, name), &st) == 0;
}

/* ---- tars ---- */

/* Is it an archive of a backup in the tar format, compressed or not? */
static bool
is_archive(const char *name)
{
	size_t		digits = strspn(name, "0123456789");
	const char *rest = digits > 0		  ? name + digits
		: strncmp(name, "base", 4) == 0	  ? name + 4
		: strncmp(name, "pg_wal", 6) == 0 ? name + 6
										  : "";

	if (strncmp(rest, ".tar", 4) != 0)
		return false;
	rest += 4;
	return rest[0] == '\0' ||
		(rest[0] == '.' && rest[1] != '\0' && strchr(rest + 1, '.') == NULL);
}

/* The order of archives: base.tar, tablespaces, WAL, the manifest. */
static int
place_of(const char *name)
{
	if (strncmp(name, BASE, strlen(BASE)) == 0)
		return 0;
	if (name[0] == 'p')
		return 2;
	return strcmp(name, MANIFEST) == 0 ? 3 : 1;
}

/* Call for each archive of one place. */
static int
walk_archives(Walk *walk, const char *directory, int place)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;
	int			found = 0;

	if (dir == NULL)
		pg_fatal("could not open directory \"%s\": %m", directory);
	while (errno = 0, (entry = readdir(dir)) != NULL)
	{
		const char *name = entry->d_name;
		char	   *path = psprintf("%s/%s", directory, name);
		struct stat st;

		if ((!is_archive(name) && strcmp(name, MANIFEST) != 0) ||
			place_of(name) != place)
			continue;
		found++;
		if (walk == NULL)
			continue;
		if (walk->writer != NULL)
			(void) bb_tar_file(walk->writer, path, name);
		else if (stat(path, &st) == 0)
			walk->bytes += st.st_size;
	}
	if (errno != 0)
		pg_fatal("could not read directory \"%s\": %m", directory);
	closedir(dir);
	return found;
}

/* ---- plain ---- */

/* The names of members have to fit into a tar. */
static void
omit(const char *path)
{
	pg_log_warning("file \"%s\" is omitted: its name or target is too long",
				   path);
}

static void
walk_link(Walk *walk, const char *path, const char *name,
		  const struct stat *st)
{
	char		target[MAXPGPATH];
	ssize_t		length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		pg_fatal("could not read symbolic link \"%s\": %m", path);
	target[length] = '\0';
	if (walk->writer != NULL && !bb_tar_link(walk->writer, name, target, st))
	{
		if (strncmp(name, "pg_tblspc/", strlen("pg_tblspc/")) == 0)
			pg_fatal("the target of symbolic link \"%s\" is too long", path);
		omit(path);
	}
	/* a tablespace is a part of the backup */
	if (strncmp(name, "pg_tblspc/", strlen("pg_tblspc/")) == 0 &&
		strchr(name + strlen("pg_tblspc/"), '/') == NULL)
		walk_directory(walk, path, name);
}

static void
walk_entry(Walk *walk, const char *path, const char *name)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		pg_fatal("could not stat \"%s\": %m", path);
	/* pg_wal may be elsewhere */
	if (S_ISLNK(st.st_mode) && strcmp(name, "pg_wal") == 0 &&
		stat(path, &st) != 0)
		pg_fatal("could not stat \"%s\": %m", path);
	if (S_ISLNK(st.st_mode))
		walk_link(walk, path, name, &st);
	else if (S_ISDIR(st.st_mode))
	{
		if (walk->writer != NULL && !bb_tar_directory(walk->writer, name, &st))
			omit(path);
		walk_directory(walk, path, name);
	}
	else if (!S_ISREG(st.st_mode))
		pg_log_warning("special file \"%s\" is omitted", path);
	else if (walk->writer == NULL)
		walk->bytes += st.st_size;
	else if (!bb_tar_file(walk->writer, path, name))
		omit(path);
}

static bool
comes_first(const char *name)
{
	for (int i = 0; i < lengthof(first_files); i++)
		if (strcmp(name, first_files[i]) == 0)
			return true;
	return false;
}

/* name: of the directory in the backup; "" is the data directory. */
static void
walk_directory(Walk *walk, const char *path, const char *name)
{
	DIR		   *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		pg_fatal("could not open directory \"%s\": %m", path);
	while (errno = 0, (entry = readdir(dir)) != NULL)
	{
		char	   *entry_path;
		char	   *entry_name;

		if (strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0)
			continue;
		entry_path = psprintf("%s/%s", path, entry->d_name);
		entry_name = psprintf("%s%s%s", name, name[0] ? "/" : "",
							  entry->d_name);
		if (!comes_first(entry_name))
			walk_entry(walk, entry_path, entry_name);
		pg_free(entry_path);
		pg_free(entry_name);
	}
	if (errno != 0)
		pg_fatal("could not read directory \"%s\": %m", path);
	closedir(dir);
}

static void
walk_plain(Walk *walk, const char *directory)
{
	for (int i = 0; i < lengthof(first_files); i++)
		if (exists(directory, first_files[i]))
			walk_entry(walk, psprintf("%s/%s", directory, first_files[i]),
					   first_files[i]);
	walk_directory(walk, directory, "");
}

/* ---- both ---- */

static void
walk_backup(Walk *walk, const char *directory, bool tars)
{
	if (!tars)
		walk_plain(walk, directory);
	else
		for (int place = 0; place <= 3; place++)
			(void) walk_archives(walk, directory, place);
}

bool
bb_base_check(const char *directory)
{
	int			bases;

	if (exists(directory, "PG_VERSION"))
	{
		if (!exists(directory, LABEL))
			bb_fatal_hint("Take one with pg_basebackup. A data directory of a "
						  "cluster that was shut down can be imported on the "
						  "server, by bb_import_directory().",
						  "directory \"%s\" is not a base backup: it has no "
						  "file \"%s\"",
						  directory, LABEL);
		return false;
	}
	bases = walk_archives(NULL, directory, 0);
	if (bases == 0)
		bb_fatal_hint("Give a base backup as pg_basebackup writes it, the "
					  "directory \"data\" of a backup of Barman, or what "
					  "pgBackRest or WAL-G has restored.",
					  "directory \"%s\" has neither a data directory nor a %s",
					  directory, BASE);
	if (bases > 1)
		pg_fatal("directory \"%s\" has more than one %s", directory, BASE);
	return true;
}

uint64
bb_base_size(const char *directory, bool tars)
{
	Walk		walk = {0};

	walk_backup(&walk, directory, tars);
	return walk.bytes;
}

void
bb_base_write(const BbTarWriter *writer, const char *directory, bool tars)
{
	Walk		walk = {.writer = writer};

	walk_backup(&walk, directory, tars);
	bb_tar_end(writer);
}

/*-------------------------------------------------------------------------
 *
 * clone.c
 *	  The clone that a mount shows: its lease, its list of files, what is kept of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "../cleanup.h"
#include "clone.h"
#include "common/logging.h"
#include "port/pg_bswap.h"

#define CLONE_PATH BB_STATE_DIRECTORY "/clone"

/* Files that the list doesn't have the contents of are read in parts. */
#define PART_BYTES (8 * 1024 * 1024)

/* ---- statements ---- */

static void
add_place(BbCall *call, const BbClone *clone)
{
	bb_call_argument(call, "store", clone->store);
	bb_call_argument(call, "timeline", clone->timeline);
}

char *
bb_clone_read_query(const BbServer *server, const BbClone *clone)
{
	BbCall		call = bb_call_begin(server, "bb_read_blocks");

	appendPQExpBufferStr(&call.text, "$1, $2, $3");
	call.arguments = 3;
	bb_call_argument(&call, "lsn", clone->lsn);
	add_place(&call, clone);
	return psprintf("SELECT %s", bb_call_end(&call));
}

char *
bb_clone_lease_query(const BbServer *server, const BbClone *clone,
					 const char *reason)
{
	BbCall		call = bb_call_begin(server, "bb_lease");

	bb_call_argument(&call, "name", clone->lease);
	bb_call_argument(&call, "lsn", clone->lsn);
	bb_call_argument(&call, "duration", BB_CLONE_LEASE);
	bb_call_argument(&call, "reason", reason);
	bb_call_argument(&call, "new_tli", clone->new_tli);
	add_place(&call, clone);
	return psprintf("SELECT lsn, new_tli FROM %s", bb_call_end(&call));
}

char *
bb_clone_release_query(const BbServer *server, const BbClone *clone)
{
	BbCall		call = bb_call_begin(server, "bb_release_lease");

	bb_call_argument(&call, "name", clone->lease);
	add_place(&call, clone);
	return psprintf("SELECT %s", bb_call_end(&call));
}

/* ---- the first mount ---- */

static char *
optional(const char *value)
{
	return value != NULL ? pg_strdup(value) : NULL;
}

BbClone
bb_clone_create(BbServer *server, const BbBackupOptions *options,
				const char *reason)
{
	BbClone		clone = {.lsn = optional(options->lsn),
						 .new_tli = optional(options->new_tli),
						 .store = optional(options->store),
						 .timeline = optional(options->timeline)};
	uint64		random;
	PGresult   *result;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		pg_fatal("could not generate a random number");
	clone.lease = psprintf("bb_mount-%016llx", (unsigned long long) random);
	result = bb_server_ask(server,
						   bb_clone_lease_query(server, &clone, reason),
						   "could not take a lease");
	pg_free(clone.lsn);
	pg_free(clone.new_tli);
	clone.lsn = pg_strdup(PQgetvalue(result, 0, 0));
	clone.new_tli = pg_strdup(PQgetvalue(result, 0, 1));
	PQclear(result);
	return clone;
}

/* The server's paths stay below the overlay, and don't meet its state. */
static void
check_path(const char *path)
{
	const char *at = path;

	if (strlen(path) >= MAXPGPATH || path[0] == '\0' ||
		strcmp(path, BB_STATE_DIRECTORY) == 0 ||
		strncmp(path, BB_STATE_DIRECTORY "/", 9) == 0)
		pg_fatal("server has sent an invalid path: \"%s\"", path);
	while (at != NULL)
	{
		size_t		length = strcspn(at, "/");

		if (length == 0 || strncmp(at, ".", length) == 0 ||
			strncmp(at, "..", length) == 0)
			pg_fatal("server has sent an invalid path: \"%s\"", path);
		at = at[length] == '/' ? at + length + 1 : NULL;
	}
}

static uint64
get_uint64(const PGresult *result, int row, int column)
{
	uint64		value;

	if (PQgetlength(result, row, column) != sizeof(value))
		pg_fatal("server has sent an unexpected result");
	memcpy(&value, PQgetvalue(result, row, column), sizeof(value));
	return pg_ntoh64(value);
}

static void
must(int error, const char *path)
{
	if (error != 0)
		pg_fatal("could not create \"%s\" in the overlay: %s", path,
				 strerror(-error));
}

/* Create a file of the rows [row, end), which have its pieces. */
static void
make_file(BbOverlay *overlay, const PGresult *result, int row, int end,
		  const char *path, uint64 size, uint32 mode)
{
	int			n = end - row;
	uint64	   *offsets = pg_malloc(n * sizeof(uint64));
	size_t	   *lengths = pg_malloc(n * sizeof(size_t));
	const char **contents = pg_malloc(n * sizeof(char *));
	int			pieces = 0;

	for (int i = row; i < end; i++)
	{
		if (PQgetisnull(result, i, 6))
			continue; /* empty */
		offsets[pieces] = get_uint64(result, i, 5);
		lengths[pieces] = PQgetlength(result, i, 6);
		contents[pieces] = PQgetvalue(result, i, 6);
		if (offsets[pieces] > size || lengths[pieces] > size - offsets[pieces])
			pg_fatal("server has sent more than file \"%s\" has", path);
		pieces++;
	}
	must(bb_overlay_file(overlay,
						 &(BbOverlayFile){path, mode, size, pieces, offsets,
										  lengths, contents}),
		 path);
	pg_free(offsets);
	pg_free(lengths);
	pg_free(contents);
}

/* Create a file that the list doesn't have the contents of. */
static void
read_file(BbServer *server, const BbClone *clone, BbOverlay *overlay,
		  const char *path, uint64 size, uint32 mode)
{
	int			fd;
	uint64		done = 0;

	must(bb_overlay_file(overlay,
						 &(BbOverlayFile){.path = path,
										  .mode = mode,
										  .size = size}),
		 path);
	fd = openat(overlay->root, path, O_WRONLY | O_CLOEXEC);
	while (done < size)
	{
		BbCall		call = bb_call_begin(server, "bb_read_file");
		PGresult   *result;
		unsigned char *data;
		size_t		length;

		bb_call_argument(&call, "path", path);
		bb_call_argument(&call, "lsn", clone->lsn);
		add_place(&call, clone);
		bb_call_argument(&call, "offset", psprintf(UINT64_FORMAT, done));
		bb_call_argument(&call, "length", psprintf("%d", PART_BYTES));
		result = bb_server_ask(server,
							   psprintf("SELECT %s", bb_call_end(&call)),
							   "could not read a file");
		data = PQunescapeBytea((unsigned char *) PQgetvalue(result, 0, 0),
							   &length);
		if (data == NULL || length == 0 || length > size - done || fd < 0 ||
			pwrite(fd, data, length, done) != (ssize_t) length)
			pg_fatal("could not write \"%s\" in the overlay: %m", path);
		done += length;
		PQfreemem(data);
		PQclear(result);
	}
	close(fd);
}

/* The rows of one file. */
static void
take_file(BbServer *server, const BbClone *clone, BbOverlay *overlay,
		  const PGresult *result, int row, int end)
{
	int			path_column = PQgetisnull(result, row, 4) ? 0 : 4;
	const char *path = PQgetvalue(result, row, path_column);
	const char *kind = PQgetvalue(result, row, 1);
	uint64		size = get_uint64(result, row, 2);
	uint32		mode = (uint32) get_uint64(result, row, 3) & 07777;

	check_path(path);
	bb_interrupted();
	if (strcmp(kind, "directory") == 0)
		must(bb_overlay_directory(overlay, path, mode), path);
	else if (PQgetisnull(result, row, 7))
	{
		if (strcmp(kind, "relation") != 0 && strcmp(kind, "slru") != 0)
			read_file(server, clone, overlay, path, size, mode);
		else if (size % BLCKSZ != 0 || size / BLCKSZ > PG_UINT32_MAX)
			pg_fatal("file \"%s\" has an invalid size", path);
		else
			bb_list_add(&overlay->list, path, size / BLCKSZ, mode);
	}
	else
		make_file(overlay, result, row, end, path, size, mode);
}

/* Keep what identifies the clone: a line each, empty where there is nothing. */
static void
write_clone(const BbClone *clone, BbOverlay *overlay)
{
	char	   *text = psprintf("%s\n%s\n%s\n%s\n%s\n", clone->lease,
								clone->lsn, clone->new_tli,
								clone->store ? clone->store : "",
								clone->timeline ? clone->timeline : "");
	uint64		offset = 0;
	size_t		length = strlen(text);
	const char *const contents[] = {text};

	must(bb_overlay_file(overlay,
						 &(BbOverlayFile){CLONE_PATH, 0600, length, 1, &offset,
										  &length, contents}),
		 CLONE_PATH);
	pg_free(text);
}

void
bb_clone_fill(BbServer *server, const BbClone *clone,
			  const BbBackupOptions *options, BbOverlay *overlay)
{
	BbCall		call = bb_call_begin(server, "bb_clone_files");
	PGresult   *result;
	char	   *query;
	int			rows;
	int			error = bb_overlay_begin(overlay);

	must(error, BB_STATE_DIRECTORY);
	bb_call_argument(&call, "lease", clone->lease);
	bb_call_argument(&call, "settings", options->settings);
	add_place(&call, clone);
	query = psprintf(
		"SELECT f.path, f.kind, f.size, f.mode::pg_catalog.int8, f.raw_path,"
		" p.at, p.content, f.offsets IS NOT NULL OR NULL"
		" FROM %s f LEFT JOIN LATERAL"
		" ROWS FROM (pg_catalog.unnest(f.offsets), pg_catalog.unnest(f.contents))"
		" p(at, content) ON true",
		bb_call_end(&call));
	result = PQexecParams(server->connection, query, 0, NULL, NULL, NULL, NULL,
						  1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		bb_server_fail(server, result, "could not list the files");
	rows = PQntuples(result);
	for (int row = 0, end; row < rows; row = end)
	{
		for (end = row + 1; end < rows; end++)
			if (PQgetlength(result, end, 0) != PQgetlength(result, row, 0) ||
				memcmp(PQgetvalue(result, end, 0), PQgetvalue(result, row, 0),
					   PQgetlength(result, row, 0)) != 0)
				break;
		take_file(server, clone, overlay, result, row, end);
	}
	PQclear(result);
	write_clone(clone, overlay);
	error = bb_overlay_complete(overlay);
	if (error != 0)
		pg_fatal("could not complete the overlay: %s", strerror(-error));
}

/* ---- later mounts ---- */

BbClone
bb_clone_read(const BbOverlay *overlay)
{
	char		text[1024];
	char	   *fields[5];
	char	   *at = text;
	int			fd = openat(overlay->root, CLONE_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t		length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length < 0)
		pg_fatal("could not read \"%s\" of the overlay: %m", CLONE_PATH);
	close(fd);
	text[length] = '\0';
	for (int i = 0; i < lengthof(fields); i++)
	{
		char	   *end = strchr(at, '\n');

		if (end == NULL)
			pg_fatal("file \"%s\" of the overlay is broken", CLONE_PATH);
		*end = '\0';
		fields[i] = at[0] != '\0' ? pg_strdup(at) : NULL;
		at = end + 1;
	}
	return (BbClone){fields[0], fields[1], fields[2], fields[3], fields[4]};
}

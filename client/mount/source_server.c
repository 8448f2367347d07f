/*-------------------------------------------------------------------------
 *
 * source_server.c
 *	  A source that reads blocks of a backup from the server with the page store.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "common/logging.h"
#include "common/string.h"
#include "pqexpbuffer.h"
#include "source_server.h"

/* Milliseconds between two attempts. */
#define RETRY_MS 200

#define STATEMENT "read"

typedef struct Line
{
	PGconn	   *connection; /* NULL: not connected */
	bool		used;
} Line;

typedef struct ServerSource
{
	BbSource	base;
	PQconninfoOption *info;
	char	   *read_query;
	int			timeout;
	Line	   *lines;
	int			count;
	int			background; /* lines that background reads use */
	int			waiting;	/* other reads that wait for a line */
	pthread_mutex_t lock;
	pthread_cond_t released;
	_Atomic bool stopped;
} ServerSource;

/* ---- lines ---- */

static Line *
take_line(ServerSource *source, bool background)
{
	Line	   *line = NULL;

	pthread_mutex_lock(&source->lock);
	if (!background)
		source->waiting++;
	while (line == NULL)
	{
		bool		allowed = !background ||
			(source->waiting == 0 &&
			 source->background < Max(1, source->count - 1));

		for (int i = 0; allowed && i < source->count && line == NULL; i++)
			if (!source->lines[i].used)
				line = &source->lines[i];
		if (line == NULL)
			pthread_cond_wait(&source->released, &source->lock);
	}
	line->used = true;
	if (background)
		source->background++;
	else
		source->waiting--;
	pthread_mutex_unlock(&source->lock);
	return line;
}

static void
release_line(ServerSource *source, Line *line, bool background)
{
	pthread_mutex_lock(&source->lock);
	line->used = false;
	if (background)
		source->background--;
	pthread_cond_broadcast(&source->released);
	pthread_mutex_unlock(&source->lock);
}

static void
disconnect(Line *line)
{
	PQfinish(line->connection);
	line->connection = NULL;
}

static bool
connect_line(ServerSource *source, Line *line)
{
	const char *names[64];
	const char *values[64];
	int			n = 0;
	PGresult   *result;
	bool		good;

	if (line->connection != NULL)
		return true;
	for (const PQconninfoOption *option = source->info;
		 option->keyword != NULL && n < lengthof(names) - 1; option++)
	{
		if (option->val == NULL || option->val[0] == '\0')
			continue;
		names[n] = option->keyword;
		values[n++] = option->val;
	}
	names[n] = values[n] = NULL;
	line->connection = PQconnectdbParams(names, values, 0);
	if (PQstatus(line->connection) != CONNECTION_OK)
		return false;
	result = PQexec(line->connection,
					"SELECT pg_catalog.set_config('search_path', '', false), "
					"pg_catalog.set_config('client_min_messages', 'error', "
					"false)");
	good = PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	if (!good)
		return false;
	result = PQprepare(line->connection, STATEMENT, source->read_query, 0,
					   NULL);
	good = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return good;
}

/*
 * May the error pass?  Those of libpq have no SQLSTATE.  Classes 08, 53 and 57P:
 * connection, resources, operator.
 */
static bool
may_pass(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state == NULL || strncmp(state, "08", 2) == 0 ||
		strncmp(state, "53", 2) == 0 || strncmp(state, "57P", 3) == 0;
}

static int64
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
report(const Line *line, const PGresult *result, const char *what,
	   const char *then)
{
	char	   *text = pg_strdup(result != NULL
									 ? PQresultErrorMessage(result)
									 : PQerrorMessage(line->connection));

	pg_strip_crlf(text);
	pg_log_warning("could not %s, %s: %s", what, then, text);
	pg_free(text);
}

/*
 * Execute until it succeeds, fails for good, or the time is over.  Returns the
 * result, or NULL.
 */
static PGresult *
execute(ServerSource *source, Line *line, const char *const *values,
		const char *what)
{
	int64		end = now_ms() + (int64) source->timeout * 1000;

	for (int attempt = 0;; attempt++)
	{
		PGresult   *result = NULL;
		bool		final = false;

		if (connect_line(source, line))
		{
			result = PQexecPrepared(line->connection, STATEMENT, 3, values,
									NULL, NULL, 1);
			if (PQresultStatus(result) == PGRES_TUPLES_OK)
				return result;
			final = PQstatus(line->connection) == CONNECTION_OK &&
				!may_pass(result);
		}
		final |= now_ms() >= end || atomic_load(&source->stopped);
		if (final || attempt == 0)
			report(line, result, what,
				   final ? "and this is an I/O error" : "and retry");
		PQclear(result);
		if (!final || PQstatus(line->connection) != CONNECTION_OK)
			disconnect(line);
		if (final)
			return NULL;
		pg_usleep(RETRY_MS * 1000L);
	}
}

/* ---- reading ---- */

/* The path as an array of one text. */
static void
append_array(PQExpBuffer buffer, const char *path)
{
	appendPQExpBufferStr(buffer, "{\"");
	for (; *path != '\0'; path++)
	{
		if (*path == '"' || *path == '\\')
			appendPQExpBufferChar(buffer, '\\');
		appendPQExpBufferChar(buffer, *path);
	}
	appendPQExpBufferStr(buffer, "\"}");
}

static int
server_read(BbSource *base, const char *path, uint32 first, uint32 count,
			char *data, bool background)
{
	ServerSource *source = (ServerSource *) base;
	char		first_text[16];
	char		count_text[16];
	char		what[1200];
	PQExpBufferData paths;
	Line	   *line;
	PGresult   *result;
	int			error = -EIO;

	initPQExpBuffer(&paths);
	append_array(&paths, path);
	snprintf(first_text, sizeof(first_text), "{%u}", first);
	snprintf(count_text, sizeof(count_text), "{%u}", count);
	snprintf(what, sizeof(what), "read %u blocks of \"%s\" from block %u on",
			 count, path, first);
	line = take_line(source, background);
	result = execute(source, line,
					 (const char *const[]){paths.data, first_text, count_text},
					 what);
	if (result != NULL && PQntuples(result) == 1 &&
		PQgetlength(result, 0, 0) == (int64) count * BLCKSZ)
	{
		memcpy(data, PQgetvalue(result, 0, 0), (size_t) count * BLCKSZ);
		error = 0;
	}
	else if (result != NULL)
		pg_log_warning("could not %s: the answer has a wrong length", what);
	PQclear(result);
	release_line(source, line, background);
	termPQExpBuffer(&paths);
	return error;
}

bool
bb_source_server_ask(BbSource *base, const char *query, char **message)
{
	ServerSource *source = (ServerSource *) base;
	Line	   *line = take_line(source, false);
	PGresult   *result = NULL;
	bool		good = false;

	if (connect_line(source, line))
	{
		result = PQexec(line->connection, query);
		good = PQresultStatus(result) == PGRES_TUPLES_OK;
	}
	if (!good)
	{
		*message = pg_strdup(PQerrorMessage(line->connection));
		pg_strip_crlf(*message);
		if (PQstatus(line->connection) != CONNECTION_OK)
			disconnect(line);
	}
	PQclear(result);
	release_line(source, line, false);
	return good;
}

void
bb_source_server_stop(BbSource *source)
{
	atomic_store(&((ServerSource *) source)->stopped, true);
}

static void
server_close(BbSource *base)
{
	ServerSource *source = (ServerSource *) base;

	for (int i = 0; i < source->count; i++)
		PQfinish(source->lines[i].connection);
	PQconninfoFree(source->info);
	pg_free(source->lines);
	pg_free(source->read_query);
	pg_free(source);
}

static const BbSourceOps server_ops = {
	.read = server_read,
	.close = server_close,
};

BbSource *
bb_source_server(const BbServerSourceOptions *options)
{
	ServerSource *source = pg_malloc0(sizeof(ServerSource));

	source->base.ops = &server_ops;
	source->info = PQconninfo(options->model);
	if (source->info == NULL)
		pg_fatal("out of memory");
	source->read_query = pg_strdup(options->read_query);
	source->timeout = options->timeout;
	source->count = options->connections;
	source->lines = pg_malloc0(source->count * sizeof(Line));
	pthread_mutex_init(&source->lock, NULL);
	pthread_cond_init(&source->released, NULL);
	return &source->base;
}

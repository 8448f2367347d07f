/*-------------------------------------------------------------------------
 *
 * trial_server.c
 *	  The server of a restore test: its configuration, and what it is asked.
 *
 * All configuration files of the backup are replaced by ours: those of the source
 * may lie outside of the data directory, need libraries, certificates and memory
 * that are not here, or have the server write to where its source does.  What the
 * data need is taken over (members/clonesettings.h).
 *
 * The socket is in the data directory, which nobody else may enter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/foreigntext.h"
#include "base/resource.h"
#include "catalog/pg_type_d.h"
#include "libpq-fe.h"
#include "libpq/pqcomm.h"
#include "members/confparse.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "trial/trial_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define PORT "5432"

/* How often to try to connect while the server starts. */
#define RETRY_MS 20

/* Of an answer, show so many bytes; of all answers, so many. */
#define ANSWER_BYTES 200
#define ANSWERS_BYTES 1000

/* A server that doesn't accept connections after so long never will. */
#define START_MS 300000

/* Against what roles and databases may have set. */
#define PRELOAD_OPTIONS \
	"-c session_preload_libraries= -c local_preload_libraries="
#if PG_VERSION_NUM >= 170000
#define SUPERUSER_OPTIONS PRELOAD_OPTIONS " -c event_triggers=off"
#else
#define SUPERUSER_OPTIONS PRELOAD_OPTIONS
#endif

#define USUAL_QUERY "SELECT count(*) FROM pg_catalog.pg_class"

static const char
	*const databases_query = "SELECT datname FROM pg_catalog.pg_database "
							 "WHERE datallowconn ORDER BY datname";

/* ---- configuration ---- */

/* Parameters that the data may need larger, or on. */
static const char *const needed_names[] = {
	"max_connections",
	"max_locks_per_transaction",
	"max_prepared_transactions",
	"max_replication_slots",
#if PG_VERSION_NUM >= 180000
	"max_active_replication_origins",
#endif
	"max_wal_size",
	"min_wal_size",
	"track_commit_timestamp",
};

static const char
	fixed_settings[] = "archive_mode = off\n"
					   "autovacuum = off\n"
					   "client_connection_check_interval = '1s'\n"
					   "dynamic_shared_memory_type = mmap\n"
					   "fsync = off\n"
					   "full_page_writes = off\n"
					   "huge_pages = off\n"
					   "jit = off\n"
					   "lc_messages = 'C'\n"
					   "listen_addresses = ''\n"
					   "log_line_prefix = ''\n"
					   "max_logical_replication_workers = 0\n"
					   "max_wal_senders = 0\n"
					   "port = " PORT "\n"
					   "restart_after_crash = off\n"
					   "shared_buffers = '32MB'\n"
					   "unix_socket_directories = '.'\n"
					   "unix_socket_permissions = 0700\n";

static void
replace_file(BbBackupPlan *plan, const char *path, char *text)
{
	bb_smallfiles_write(plan->files, path, text, strlen(text));
}

void
bb_trial_configure(const BbReqCtx *ctx, BbBackupPlan *plan)
{
	BbConf		conf = bb_conf_parse(ctx, plan->files);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, fixed_settings);
	for (int i = 0; i < lengthof(needed_names); i++)
	{
		const char *value = bb_conf_value(&conf, needed_names[i]);

		if (value != NULL && strpbrk(value, "'\\\r\n") == NULL)
			appendStringInfo(&text, "%s = '%s'\n", needed_names[i], value);
	}
	replace_file(plan, "postgresql.conf", text.data);
	replace_file(plan, PG_AUTOCONF_FILENAME, pstrdup(""));
	replace_file(plan, "pg_hba.conf", pstrdup("local all all trust\n"));
	replace_file(plan, "pg_ident.conf", pstrdup(""));
}

/* ---- connections ---- */

/* A connection; closed with the memory context. */
typedef struct Session
{
	PGconn	   *pg;
	PGresult   *result; /* the last one */
} Session;

typedef struct Question
{
	const BbReqCtx *ctx;
	const BbTrialPlace *place;
	const char *host;
	const char *role;
	const char *database;
	bool		plain; /* the role may not set what a superuser may */
} Question;

static void
close_session(void *arg)
{
	Session	   *session = arg;

	PQclear(session->result);
	session->result = NULL;
	PQfinish(session->pg);
	session->pg = NULL;
}

pg_noreturn static void
report_ended(const BbTrialPlace *place)
{
	const char *log = bb_trial_place_log(place);

	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("the restored server has ended"),
			 log[0] != '\0' ? errdetail("It wrote: %s", log) : 0));
}

/* Wait for an event of the socket, or a moment. */
static void
wait_for(const Question *question, const Session *session, int event)
{
	(void) WaitLatchOrSocket(MyLatch,
							 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | WL_TIMEOUT |
								 event,
							 session ? PQsocket(session->pg)
									 : PGINVALID_SOCKET,
							 session ? 1000 : RETRY_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	bb_reqctx_check(question->ctx);
}

/* Returns whether it is connected. */
static bool
connect_to(const Question *question, Session *session)
{
	const char *const keywords[] = {"host",
									"port",
									"user",
									"dbname",
									"sslmode",
									"gssencmode",
									"client_encoding",
									"application_name",
									"options",
									NULL};
	const char *const values[] = {question->host,
								  PORT,
								  question->role,
								  question->database,
								  "disable",
								  "disable",
								  "SQL_ASCII",
								  "bbackup restore test",
								  question->plain ? "" : SUPERUSER_OPTIONS,
								  NULL};
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	session->pg = PQconnectStartParams(keywords, values, 0);
	if (session->pg == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory")));
	PQsetErrorVerbosity(session->pg, PQERRORS_VERBOSE);
	while (PQstatus(session->pg) != CONNECTION_BAD &&
		   status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED)
	{
		wait_for(question, session,
				 status == PGRES_POLLING_READING ? WL_SOCKET_READABLE
												 : WL_SOCKET_WRITEABLE);
		status = PQconnectPoll(session->pg);
	}
	return status == PGRES_POLLING_OK;
}

/* Does the error of a connection have this SQLSTATE? */
static bool
failed_with(const Session *session, const char *sqlstate)
{
	return strstr(PQerrorMessage(session->pg),
				  psprintf(":  %s: ", sqlstate)) != NULL;
}

/* The others say where in its source the server raised the error. */
static const char *
first_line(const char *message)
{
	return bb_text_valid(pnstrdup(message, strcspn(message, "\n")));
}

/* Is there no socket yet, or does the server still start? */
static bool
is_starting(const Session *session)
{
	return strstr(PQerrorMessage(session->pg), "FATAL:  ") == NULL ||
		failed_with(session, "57P03");
}

/*
 * Try to connect.  Returns true if it is connected; else the question has been
 * changed for another attempt, or "roles" has none left.
 */
static bool
attempt(Question *question, Session *session, const List *roles,
		const ListCell **cell)
{
	bool		ended = bb_trial_place_ended(question->place);

	question->role = lfirst(*cell);
	if (connect_to(question, session))
		return true;
	if (is_starting(session))
	{
		if (ended)
			report_ended(question->place);
		wait_for(question, NULL, 0);
	}
	else if (!question->plain && failed_with(session, "42501"))
		question->plain = true;
	else
	{
		question->plain = false;
		*cell = lnext(roles, *cell);
	}
	return false;
}

/* Connect with the first role that can; the server may still be starting. */
static void
connect_first(Question *question, Session *session, const List *roles)
{
	const ListCell *cell = list_head(roles);
	TimestampTz began = GetCurrentTimestamp();
	const char *failure = "";

	while (cell != NULL &&
		   !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), START_MS))
	{
		close_session(session);
		if (attempt(question, session, roles, &cell))
			return;
		failure = first_line(PQerrorMessage(session->pg));
	}
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not connect to the restored server"),
			 errdetail_internal("%s", failure),
			 errhint("Name a role that may log in there, and a database, in the arguments of bb_test_restore().")));
}

/* ---- questions ---- */

pg_noreturn static void
report_failure(const Question *question, const Session *session)
{
	const PGresult *result = session->result;
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	int			code = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;

	if (bb_trial_place_ended(question->place))
		report_ended(question->place);
	if (state != NULL && strlen(state) == 5)
		code = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
	/* that would be taken for the end of this call */
	if (ERRCODE_TO_CATEGORY(code) ==
			ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		code == ERRCODE_SUCCESSFUL_COMPLETION)
		code = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	ereport(ERROR,
			(errcode(code),
			 errmsg("a query failed in database \"%s\" of the restored server",
					bb_text_valid(question->database)),
			 errdetail_internal("%s",
								message ? bb_text_valid(message)
										: first_line(PQerrorMessage(
											  session->pg)))));
}

/* Run a query; session->result becomes its last result, or NULL. */
static void
run_query(const Question *question, Session *session, const char *query)
{
	PGresult   *result;

	if (!PQsendQuery(session->pg, query))
		report_failure(question, session);
	for (;;)
	{
		while (PQisBusy(session->pg))
		{
			wait_for(question, session, WL_SOCKET_READABLE);
			if (!PQconsumeInput(session->pg))
				break;
		}
		result = PQgetResult(session->pg);
		if (result == NULL)
			return;
		PQclear(session->result);
		session->result = result;
		if (PQresultStatus(result) != PGRES_TUPLES_OK &&
			PQresultStatus(result) != PGRES_COMMAND_OK)
			report_failure(question, session);
	}
}

/* The first value; an error if it is false. */
static char *
answer_of(const Question *question, const Session *session)
{
	const PGresult *result = session->result;
	const char *value;

	if (result == NULL || PQntuples(result) == 0 || PQnfields(result) == 0)
		return pstrdup("no row");
	if (PQgetisnull(result, 0, 0))
		return pstrdup("null");
	value = PQgetvalue(result, 0, 0);
	if (PQftype(result, 0) == BOOLOID && strcmp(value, "f") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the query returned false in database \"%s\" of the restored server",
						bb_text_valid(question->database))));
	return pnstrdup(value, strnlen(value, ANSWER_BYTES));
}

static void
add_answer(StringInfo answers, const char *database, const char *answer)
{
	if (answers->len >= ANSWERS_BYTES)
		return;
	if (answers->len > 0)
		appendStringInfoString(answers, ", ");
	appendStringInfo(answers, "%s: %s", database, answer);
}

/* The databases that allow connections. */
static List *
databases_of(const Question *question, Session *session)
{
	List	   *names = NIL;

	run_query(question, session, databases_query);
	for (int i = 0; i < PQntuples(session->result); i++)
		names = lappend(names, pstrdup(PQgetvalue(session->result, i, 0)));
	return names;
}

static void
ask(const Question *question, Session *session, const char *query,
	StringInfo answers)
{
	run_query(question, session, query);
	add_answer(answers, question->database, answer_of(question, session));
}

/*
 * Where the socket is.  A path that is too long for the address of a socket gets
 * a short name, by the open directory.
 */
static const char *
host_of(const BbTrialPlace *place, BbFd *directory)
{
	const char *data = bb_trial_place_data(place);
	struct sockaddr_un address;

	if (strlen(data) + strlen("/.s.PGSQL." PORT) < sizeof(address.sun_path))
		return data;
	return psprintf("/proc/self/fd/%d", bb_fd_number(directory));
}

char *
bb_trial_ask(const BbReqCtx *ctx, const BbTrialPlace *place,
			 const BbTrialOptions *options)
{
	const char *query = options->query ? options->query : USUAL_QUERY;
	BbFd	   *directory = bb_fd_open(bb_trial_place_data(place),
									   O_RDONLY | O_DIRECTORY, 0);
	Session	   *session = palloc0(sizeof(Session));
	Question	question = {.ctx = ctx, .place = place};
	StringInfoData answers;
	ListCell   *cell;
	List	   *databases;

	if (directory == NULL)
		bb_report_file("could not open directory \"%s\": %m",
					   bb_trial_place_data(place));
	question.host = host_of(place, directory);
	question.database = options->database ? options->database : "template1";
	bb_on_reset(CurrentMemoryContext, close_session, session);
	initStringInfo(&answers);
	connect_first(&question, session, options->roles);
	if (options->database != NULL)
	{
		ask(&question, session, query, &answers);
		databases = NIL;
	}
	else
		databases = databases_of(&question, session);
	foreach(cell, databases)
	{
		close_session(session);
		question.database = lfirst(cell);
		connect_first(&question, session, list_make1((char *) question.role));
		ask(&question, session, query, &answers);
	}
	close_session(session);
	(void) bb_fd_close(directory);
	return (char *) bb_text_valid(answers.data);
}

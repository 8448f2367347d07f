/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  Replication connections, and their short commands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/resource.h"
#include "storage/fd.h"
#include "streaming/connection_internal.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* No history file is as large; one line for each tli. */
#define MAX_HISTORY_BYTES (1024 * 1024)

/* ---- opening and closing ---- */

/* Called when the context of a connection is reset. */
static void
close_connection(void *arg)
{
	BbReplConnection *connection = arg;

	PQclear(connection->result);
	PQfreemem(connection->copied);
	if (connection->events != NULL)
		FreeWaitEventSet(connection->events);
	PQfinish(connection->pg);
	if (connection->counted)
		ReleaseExternalFD();
}

static const char *
host_of(PGconn *pg)
{
	const char *host = PQhost(pg);

	if (host == NULL || host[0] == '\0')
		host = PQhostaddr(pg);
	return psprintf(strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host,
					PQport(pg));
}

/* What is known of the server without a command. */
static void
describe_server(BbReplConnection *connection)
{
	PGconn	   *pg = connection->pg;
	const char *standby = PQparameterStatus(pg, "in_hot_standby");

	connection->server.version_num = PQserverVersion(pg);
	connection->server.host = host_of(pg);
	connection->server.user = pstrdup(PQuser(pg));
	connection->server.encrypted = PQsslInUse(pg) || PQgssEncInUse(pg);
	connection->server.in_recovery = standby != NULL &&
		strcmp(standby, "on") == 0;
}

static void
check_version(const BbReplConnection *connection)
{
	int			theirs = connection->server.version_num;

	if (theirs / 10000 == PG_VERSION_NUM / 10000)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has another major version",
					connection->name),
			 errdetail("The server at %s has version %d.%d, this server has "
					   "version %d.",
					   connection->server.host, theirs / 10000, theirs % 10000,
					   PG_VERSION_NUM / 10000),
			 errhint("Use a server of the source's major version: WAL can be read only there. If the source was upgraded, import it there as a new timeline of the same page store, and let bb_set_upgraded_from() note which one it continues.")));
}

/* Returns a setting that is a number with a unit. */
static int
show_number(const BbReqCtx *ctx, BbReplConnection *connection,
			const char *setting, int unit)
{
	char	   *text = bb_repl_show(ctx, connection, setting);
	int			number;

	if (!parse_int(text, &number, unit, NULL) || number < 0)
		bb_repl_violation(connection, "Its setting %s is \"%.60s\".", setting,
						  text);
	return number;
}

BbReplConnection *
bb_repl_connect(const BbReqCtx *ctx, const BbReplTarget *target)
{
	MemoryContext
		context = AllocSetContextCreate(CurrentMemoryContext,
										"bbackup replication connection",
										ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbReplConnection *connection = palloc0(sizeof(BbReplConnection));

	connection->context = context;
	connection->name = pstrdup(target->name);
	bb_on_reset(context, close_connection, connection);
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not connect to source \"%s\": %m",
						target->name),
				 errdetail("There are too many open files in this server "
						   "process.")));
	connection->counted = true;
	bb_replconnect_open(ctx, connection, target);

	describe_server(connection);
	check_version(connection);
	(void) bb_repl_identify(ctx, connection);
	connection->server.segment_size = show_number(ctx, connection,
												  "wal_segment_size",
												  GUC_UNIT_BYTE);
	if (!IsValidWalSegSize(connection->server.segment_size))
		bb_repl_violation(connection, "Its segments have %u bytes.",
						  connection->server.segment_size);
	connection->server.sender_timeout_ms = show_number(ctx, connection,
													   "wal_sender_timeout",
													   GUC_UNIT_MS);
	MemoryContextSwitchTo(old);
	return connection;
}

const BbReplServer *
bb_repl_server(const BbReplConnection *connection)
{
	return &connection->server;
}

void
bb_repl_close(BbReplConnection *connection)
{
	MemoryContextDelete(connection->context);
}

/* ---- commands ---- */

const BbReplServer *
bb_repl_identify(const BbReqCtx *ctx, BbReplConnection *connection)
{
	BbReplServer *server = &connection->server;
	uint64		system;

	(void) bb_repl_query(ctx, connection, "IDENTIFY_SYSTEM", 0);
	bb_answer_shape(connection, 1, 3);
	system = bb_answer_number(connection, 0, 0, "system identifier", 1,
							  PG_UINT64_MAX);
	if (server->system_identifier != 0 && server->system_identifier != system)
		bb_repl_violation(connection,
						  "The system identifier was " UINT64_FORMAT
						  ", now it is " UINT64_FORMAT ".",
						  server->system_identifier, system);
	server->system_identifier = system;
	server->tli = bb_answer_number(connection, 0, 1, "timeline ID", 1,
								   PG_UINT32_MAX);
	server->lsn = bb_answer_lsn(connection, 0, 2, "position");
	return server;
}

char *
bb_repl_show(const BbReqCtx *ctx, BbReplConnection *connection,
			 const char *setting)
{
	(void) bb_repl_query(ctx, connection, psprintf("SHOW %s", setting), 0);
	bb_answer_shape(connection, 1, 1);
	return pstrdup(bb_answer_text(connection, 0, 0, "value"));
}

char *
bb_repl_history(const BbReqCtx *ctx, BbReplConnection *connection,
				TimeLineID tli)
{
	PGresult   *result = bb_repl_query(ctx, connection,
									   psprintf("TIMELINE_HISTORY %u", tli),
									   0);
	char		expected[MAXFNAMELEN];
	const char *name;
	const char *text;

	bb_answer_shape(connection, 1, 2);
	TLHistoryFileName(expected, tli);
	name = bb_answer_text(connection, 0, 0, "name of the history file");
	if (strcmp(name, expected) != 0)
		bb_repl_violation(connection,
						  "The name of the history file is \"%.60s\" instead "
						  "of \"%s\".",
						  name, expected);
	if (PQgetlength(result, 0, 1) > MAX_HISTORY_BYTES)
		bb_repl_violation(connection, "The history file has %d bytes.",
						  PQgetlength(result, 0, 1));
	text = bb_answer_text(connection, 0, 1, "history file");
	for (const char *p = text; *p; p++)
	{
		if ((unsigned char) *p < ' ' && strchr("\t\n\r\f\v", *p) == NULL)
			bb_repl_violation(connection,
							  "The history file has the byte %d at offset "
							  "%zu.",
							  *p, p - text);
	}
	return pstrdup(text);
}

BbReplSlot
bb_repl_slot_read(const BbReqCtx *ctx, BbReplConnection *connection,
				  const char *slot)
{
	BbReplSlot	found = {0};

	/* a logical slot is an error */
	if (bb_repl_query(ctx, connection,
					  psprintf("READ_REPLICATION_SLOT %s",
							   bb_repl_quoted(slot)),
					  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE) == NULL)
	{
		found.exists = true;
		return found;
	}
	bb_answer_shape(connection, 1, 3);
	if (bb_answer_null(connection, 0, 0))
		return found;
	found.exists = true;
	found.physical = strcmp(bb_answer_text(connection, 0, 0, "kind of slot"),
							"physical") == 0;
	if (bb_answer_null(connection, 0, 1))
		return found;
	found.restart_lsn = bb_answer_lsn(connection, 0, 1,
									  "position of the slot");
	if (!bb_answer_null(connection, 0, 2))
		found.restart_tli = bb_answer_number(connection, 0, 2,
											 "timeline ID of the slot", 1,
											 PG_UINT32_MAX);
	return found;
}

void
bb_repl_slot_create(const BbReqCtx *ctx, BbReplConnection *connection,
					const char *slot, bool temporary)
{
	(void) bb_repl_query(ctx, connection,
						 psprintf("CREATE_REPLICATION_SLOT %s %sPHYSICAL "
								  "(RESERVE_WAL)",
								  bb_repl_quoted(slot),
								  temporary ? "TEMPORARY " : ""),
						 0);
	bb_answer_shape(connection, 1, 2);
}

void
bb_repl_slot_drop(const BbReqCtx *ctx, BbReplConnection *connection,
				  const char *slot)
{
	(void) bb_repl_query(ctx, connection,
						 psprintf("DROP_REPLICATION_SLOT %s",
								  bb_repl_quoted(slot)),
						 ERRCODE_UNDEFINED_OBJECT);
}

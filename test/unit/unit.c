/*-------------------------------------------------------------------------
 *
 * unit.c
 *	  The SQL function that runs unit tests, and their fixtures.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/foreigntext.h"
#include "catalog/pg_collation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "redo/helper.h"
#include "stats/shared.h"
#include "storage/fd.h"
#include "unit.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_MODULE_MAGIC;

#define MAX_TESTS 1000

static struct
{
	const char *name;
	UnitFunction function;
}			tests[MAX_TESTS];
static int	ntests = 0;

static uint64 next_seed;

char	   *unit_last_error = NULL;
char	   *unit_last_detail = NULL;

extern PGDLLEXPORT void _PG_init(void);

/*
 * Redo helpers load this module as they would load bbackup itself.
 */
void
_PG_init(void)
{
	bb_redo_helper_init();
	bb_stats_init();
	unit_worker_init();
	if (process_shared_preload_libraries_in_progress)
		unit_helper_init();
}

void
unit_register(const char *name, UnitFunction function)
{
	if (ntests == MAX_TESTS)
	{
		fputs("there are more unit tests than MAX_TESTS\n", stderr);
		abort();
	}
	tests[ntests].name = name;
	tests[ntests].function = function;
	ntests++;
}

static void
remove_store(void *directory)
{
	struct stat st;

	if (stat(directory, &st) == 0)
		rmtree(directory, true);
}

static BbObjectStore *
open_new_directory(const BbReqCtx *ctx, const BbObjectStoreOptions *options)
{
	static int	number = 0;
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	const char *stores = getenv("BB_UNIT_STORES");
	char	   *directory = psprintf("%s/bb_unit.%d.%d",
									 stores ? stores
											: psprintf("%s/base/pgsql_tmp",
													   DataDir),
									 MyProcPid, ++number);

	callback->func = remove_store;
	callback->arg = directory;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return bb_objstore_open(ctx, psprintf("file://%s", directory), options);
}

BbObjectStore *
unit_store(const BbReqCtx *ctx)
{
	return open_new_directory(ctx, NULL);
}

BbObjectStore *
unit_encrypted_store(const BbReqCtx *ctx)
{
	BbObjectStoreOptions options = {.encrypted = true,
									.encryption_key = UNIT_KEY};

	return open_new_directory(ctx, &options);
}

static void
start_seeds(void)
{
	const char *wanted = getenv("BB_SEED");

	if (wanted != NULL)
		next_seed = strtou64(wanted, NULL, 10);
	else if (getenv("CI") != NULL)
		next_seed = 1;
	else
		next_seed = (uint64) GetCurrentTimestamp();
}

uint64
unit_seed(void)
{
	return next_seed++;
}

char *
unit_lsn(XLogRecPtr lsn)
{
	return psprintf(BB_LSN_FORMAT, LSN_FORMAT_ARGS(lsn));
}

MemoryContext
unit_enter(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "part of a unit test",
												  ALLOCSET_SMALL_SIZES);

	MemoryContextSwitchTo(context);
	return context;
}

void
unit_leave(MemoryContext context)
{
	MemoryContextSwitchTo(MemoryContextGetParent(context));
	MemoryContextDelete(context);
}

bool
unit_s3_available(void)
{
	return getenv("BB_TEST_S3_ENDPOINT") != NULL;
}

static BbObjectStore *
open_s3(const BbReqCtx *ctx, const char *cache_directory, bool encrypted)
{
	static int	number = 0;
	BbObjectStoreOptions options = {.path_style = true,
									.cache_directory = cache_directory,
									.cache_size_mb = 1,
									.encrypted = encrypted,
									.encryption_key = UNIT_KEY};

	options.endpoint = getenv("BB_TEST_S3_ENDPOINT");
	options.access_key_id = getenv("BB_TEST_S3_KEY");
	options.secret_access_key = getenv("BB_TEST_S3_SECRET");
	return bb_objstore_open(ctx,
							psprintf("s3://bucket/unit.%d.%d", MyProcPid,
									 ++number),
							&options);
}

BbObjectStore *
unit_s3_cached_store(const BbReqCtx *ctx, const char *cache_directory)
{
	return open_s3(ctx, cache_directory, false);
}

BbObjectStore *
unit_s3_store(const BbReqCtx *ctx)
{
	return open_s3(ctx, NULL, false);
}

BbObjectStore *
unit_s3_encrypted_store(const BbReqCtx *ctx, const char *cache_directory)
{
	return open_s3(ctx, cache_directory, true);
}

char *
unit_object_path(BbObjectStore *store, const char *name)
{
	return psprintf("%s/%s", bb_objstore_local_directory(store), name);
}

void
unit_psql(const char *database, const char *script)
{
	char	   *directory = pstrdup(my_exec_path);
	char	   *host = pstrdup(
		GetConfigOption("unix_socket_directories", false, false));
	char	   *path = psprintf("%s/base/pgsql_tmp/bb_unit.%d.sql", DataDir,
								MyProcPid);
	StringInfoData output;
	FILE	   *file;
	int			status;

	MakePGDirectory("base/pgsql_tmp");
	file = AllocateFile(path, "w");
	if (file == NULL || fputs(script, file) < 0 || FreeFile(file) != 0)
		elog(ERROR, "could not write \"%s\": %m", path);

	get_parent_directory(directory);
	host[strcspn(host, ",")] = '\0';
	file = OpenPipeStream(psprintf("\"%s/psql\" -X -q -v ON_ERROR_STOP=1 "
								   "-h \"%s\" -p %d -U \"%s\" -d \"%s\" "
								   "-f \"%s\" 2>&1",
								   directory, host, PostPortNumber,
								   GetUserNameFromId(GetUserId(), false),
								   database, path),
						  "r");
	if (file == NULL)
		elog(ERROR, "could not run psql: %m");

	/* other sessions may wait for this one to answer a barrier */
	initStringInfo(&output);
	for (;;)
	{
		struct pollfd ready = {.fd = fileno(file), .events = POLLIN};
		char		piece[1024];
		ssize_t		got;

		CHECK_FOR_INTERRUPTS();
		if (poll(&ready, 1, 10) <= 0)
			continue;
		got = read(fileno(file), piece, sizeof(piece));
		if (got == 0)
			break;
		if (got > 0)
			appendBinaryStringInfo(&output, piece, got);
	}
	status = ClosePipeStream(file);
	unlink(path);
	if (status != 0)
		elog(ERROR, "psql: %s: %s", wait_result_to_str(status), output.data);
}

/*
 * Run one test.  Returns NULL or why it failed.
 */
static char *
run(int i)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	ErrorData  *error = NULL;
	char	   *failure = NULL;

	context = AllocSetContextCreate(caller, "unit test",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	start_seeds();
	PG_TRY();
	{
		tests[i].function(
			bb_reqctx_root(BB_TASK_UNIT_TEST, BB_DOWNLOAD_ALLOW));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (error != NULL)
	{
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		failure = psprintf("%s%s%s%s%s", error->message,
						   error->detail ? ": " : "",
						   error->detail ? error->detail : "",
						   error->context ? "; " : "",
						   error->context ? error->context : "");
	}
	return failure;
}

/* Is a test one of those that bb_unit.pattern asks for? */
static bool
is_asked_for(const char *name)
{
	const char *only = GetConfigOption("bb_unit.pattern", true, false);

	return only == NULL ||
		DatumGetBool(DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID,
											 CStringGetTextDatum(name),
											 CStringGetTextDatum(only)));
}

BB_SQL_FUNCTION(bb_unit_run);

static Datum
bb_unit_run_body(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < ntests; i++)
	{
		char	   *failure;
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		if (!is_asked_for(tests[i].name))
			continue;
		failure = run(i);
		nulls[2] = failure == NULL;
		values[0] = CStringGetTextDatum(tests[i].name);
		values[1] = BoolGetDatum(failure == NULL);
		values[2] = failure ? CStringGetTextDatum(failure) : (Datum) 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

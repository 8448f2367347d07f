/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  Unit tests: C functions that run inside a server.
 *
 * A test is a function in one of the files test_*.c here:
 *
 *	  UNIT_TEST(block_roundtrip)
 *	  {
 *		  ...
 *		  CHECK(n == 3);
 *		  CHECK_ERROR(bb_layer_open(ctx, ...), ERRCODE_DATA_CORRUPTED);
 *	  }
 *
 * It gets a request context "ctx" and a new memory context.  It fails at the first
 * CHECK that is false, or by an ERROR that it doesn't catch.  SELECT * FROM
 * bb_unit_run() runs all tests; SET bb_unit.pattern = 'regexp' before it, those
 * whose names match.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UNIT_H
#define BB_UNIT_H

#include "base/reqctx.h"
#include "objstore/objstore.h"
#include "pagestore/pagestore_driver.h"
#include "utils/memutils.h"

typedef void (*UnitFunction) (const BbReqCtx *ctx);

/* Tests register themselves when the module is loaded. */
extern void unit_register(const char *name, UnitFunction function);

#define UNIT_TEST(name)                                            \
	static void name(const BbReqCtx *ctx);                         \
	__attribute__((constructor)) static void register_##name(void) \
	{                                                              \
		unit_register(#name, name);                                \
	}                                                              \
	static void name(const BbReqCtx *ctx)

#define CHECK(condition)                                                \
	do                                                                  \
	{                                                                   \
		if (!(condition))                                               \
			elog(ERROR, "%s:%d: CHECK failed: %s",                  \
				 strrchr("/" __FILE__, '/') + 1, __LINE__,          \
				 #condition); \
	} while (0)

/* A CHECK that says with which seed, a variable of the file, it fails. */
#define CHECK_SEED(condition)                                                 \
	do                                                                        \
	{                                                                         \
		if (!(condition))                                                     \
			elog(ERROR, "%s:%d: CHECK failed: %s (seed " UINT64_FORMAT ")", \
				 strrchr("/" __FILE__, '/') + 1, __LINE__,          \
				 #condition, seed); \
	} while (0)

/*
 * gcc warns of the variables around every PG_TRY; none of these is changed
 * between try and catch.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

/* Sets result to the sqlstate that code throws, 0 if it doesn't. */
#define ERROR_OF(code, result)                        \
	do                                                \
	{                                                 \
		MemoryContext caller_ = CurrentMemoryContext; \
		ErrorData  *error_;                           \
                                                      \
		(result) = 0;                                 \
		PG_TRY();                                     \
		{                                             \
			code;                                     \
		}                                             \
		PG_CATCH();                                   \
		{                                             \
			MemoryContextSwitchTo(caller_);           \
			error_ = CopyErrorData();                 \
			FlushErrorState();                        \
			unit_last_error = error_->message;        \
			unit_last_detail = error_->detail;        \
			(result) = error_->sqlerrcode;            \
		}                                             \
		PG_END_TRY();                                 \
	} while (0)

/* Message and detail of the last error that ERROR_OF caught. */
extern char *unit_last_error;
extern char *unit_last_detail;

#define CHECK_ERROR(code, expected)      \
	do                                   \
	{                                    \
		int			sqlstate_;           \
                                         \
		ERROR_OF(code, sqlstate_);       \
		if (sqlstate_ != (expected))     \
			elog(ERROR, "%s:%d: sqlstate %s instead of %s: %s",             \
				 strrchr("/" __FILE__, '/') + 1, __LINE__,                  \
				 pstrdup(unpack_sql_state(sqlstate_)), #expected, #code); \
	} while (0)

/*
 * Switch to a new memory context within the current one; switch back, and delete
 * it.
 */
extern MemoryContext unit_enter(void);
extern void unit_leave(MemoryContext context);

/*
 * A seed for random choices, another one with each call.  In CI the seeds of a
 * test are always the same, so that CI judges the change that it is given.
 * Elsewhere each run has others.  If the server's environment has BB_SEED, that
 * is a test's first seed.
 */
extern uint64 unit_seed(void);

/* An LSN as messages show it. */
extern char *unit_lsn(XLogRecPtr lsn);

/*
 * A local object store in a new directory, which is removed with everything
 * in it when the test is over.  It is in the directory that the environment's
 * BB_UNIT_STORES names, if any.
 */
extern BbObjectStore *unit_store(const BbReqCtx *ctx);
/* The same, encrypted by UNIT_KEY. */
#define UNIT_KEY \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
extern BbObjectStore *unit_encrypted_store(const BbReqCtx *ctx);
/* The path of one of its objects. */
extern char *unit_object_path(BbObjectStore *store, const char *name);

/*
 * An object store on the S3 server that the environment names
 * (BB_TEST_S3_ENDPOINT, BB_TEST_S3_KEY, BB_TEST_S3_SECRET), in its bucket
 * "bucket", with nothing in it.
 */
extern bool unit_s3_available(void);
extern BbObjectStore *unit_s3_store(const BbReqCtx *ctx);
extern BbObjectStore *unit_s3_cached_store(const BbReqCtx *ctx,
										   const char *cache_directory);
/* The same, encrypted by UNIT_KEY; without a cache if that is NULL. */
extern BbObjectStore *unit_s3_encrypted_store(const BbReqCtx *ctx,
											  const char *cache_directory);

/*
 * Run a script by psql, in another session, and wait for it.
 */
extern void unit_psql(const char *database, const char *script);

/*
 * In redo helpers: a resource manager that misbehaves on demand, and more; see
 * test_redo_rmgr.c.
 */
extern void unit_helper_init(void);

/* The tasks of this module's background workers; see test_worker.c. */
extern void unit_worker_init(void);

/*
 * A page store with its values in memory, for tests of its readers.  Values may
 * be put in any order; they exist at every LSN.
 */
extern BbPageStore *fixture_pagestore_new(const BbPageStoreInfo *info);
extern void fixture_put(BbPageStore *store, BbKey key, const void *value,
						size_t length);
/* A snapshot, palloc'd. */
extern const BbSnapshot *unit_snapshot(BbPageStore *store, XLogRecPtr lsn);
/* A captured file, of at most a block. */
extern void fixture_put_file(BbPageStore *store, uint32 ordinal,
							 const char *path, const char *content);

#endif /* BB_UNIT_H */

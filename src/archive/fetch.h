/*-------------------------------------------------------------------------
 *
 * fetch.h
 *	  Fetches files of WAL by a command, as recovery does by restore_command.
 *
 *	  get("…01") ──► sh -c COMMAND ──► private directory ──► path
 *	  ahead("…02"), … ──► sh -c COMMAND …
 *
 * In the command, %f is the name of the file, %p the path to write it to, %r the
 * name of the first segment that is needed, and %% is %.  The server's user runs
 * it, with the server's environment, output and working directory.
 *
 * Exit codes mean what they mean in recovery (RestoreArchivedFile in
 * PostgreSQL's xlogarchive.c): 0 that the file is there; more than 125, or a
 * signal, that nothing can be fetched, which is an error; any other that there is
 * no such file.
 *
 * Several commands run at once, in the process group of a guard.  The memory
 * context of the fetcher ends them, and removes the directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FETCH_H
#define BB_FETCH_H

#include "base/reqctx.h"

typedef struct BbFetcher BbFetcher;

/* bb_fetcher_new - create a fetcher, in CurrentMemoryContext; starts nothing. */
extern BbFetcher *bb_fetcher_new(const char *command);

/* bb_fetcher_begin - "oldest" is the first segment that is needed, for %r. */
extern void bb_fetcher_begin(BbFetcher *fetcher, const char *oldest);

/*
 * bb_fetcher_get - return the path of a file, and remove files that were asked for
 * earlier, except the last one.
 *
 * The path is valid until the second next call.  Returns NULL if there is no such
 * file.
 *
 * Errors: EXTERNAL_ROUTINE_EXCEPTION (the command failed); SYSTEM_ERROR;
 * INSUFFICIENT_RESOURCES; QUERY_CANCELED; errcode_for_file_access().
 */
extern const char *bb_fetcher_get(const BbReqCtx *ctx, BbFetcher *fetcher,
								  const char *name);

/*
 * bb_fetcher_ahead - begin to fetch a file that will be asked for.
 *
 * Does nothing if enough commands run already.
 *
 * Errors: those of bb_fetcher_get, except that of a command.
 */
extern void bb_fetcher_ahead(const BbReqCtx *ctx, BbFetcher *fetcher,
							 const char *name);

/*
 * bb_fetcher_report_nothing - raise a NOTICE if no file that was asked for was
 * there, with the command and the exit code for the segment that was.
 *
 * What a command that always fails looks like is an archive without more WAL.
 */
extern void bb_fetcher_report_nothing(const BbFetcher *fetcher);

/* bb_fetcher_forget - forget which files didn't exist: they may be there now. */
extern void bb_fetcher_forget(BbFetcher *fetcher);

#endif /* BB_FETCH_H */

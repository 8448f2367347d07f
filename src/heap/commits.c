/*-------------------------------------------------------------------------
 *
 * commits.c
 *	  Commits, by the LSN where their record ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "heap/commits.h"
#include "pagestore/snapshot.h"

/* Commits that are nearer than that are reached by reading on. */
#define NEAR_BYTES (256 * 1024)

struct BbCommits
{
	BbPageStore *store;
	XLogRecPtr	until;
	BbPageVersions *versions; /* NULL: none are open */
	XLogRecPtr	at; /* the LSN of "commit"; Invalid: nothing was read */
	BbCommit	commit;
};

BbCommits *
bb_commits_new(BbPageStore *store, XLogRecPtr until)
{
	BbCommits  *commits = palloc0(sizeof(BbCommits));

	commits->store = store;
	commits->until = until;
	return commits;
}

void
bb_commits_close(BbCommits *commits)
{
	if (commits->versions != NULL)
		bb_pagestore_versions_close(commits->versions);
	pfree(commits);
}

pg_noreturn static void
report_missing(const BbCommits *commits, XLogRecPtr lsn)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("timeline \"%s\" has no commit at " BB_LSN_FORMAT,
					bb_pagestore_info(commits->store)->timeline,
					LSN_FORMAT_ARGS(lsn)),
			 errdetail("A transaction that changed a table ended there.")));
}

void
bb_commits_need(const BbReqCtx *ctx, BbCommits *commits, XLogRecPtr lsn,
				BbCommit *commit)
{
	BbKey		key = bb_event_key(BB_KEY_COMMIT_TIME);
	BbValue		value;

	if (commits->versions != NULL && lsn > commits->at + NEAR_BYTES)
	{
		bb_pagestore_versions_close(commits->versions);
		commits->versions = NULL;
	}
	if (commits->versions == NULL)
	{
		commits->versions = bb_pagestore_versions_new(ctx, commits->store,
													  &key, lsn - 1,
													  commits->until);
		commits->at = InvalidXLogRecPtr;
	}
	while (commits->at < lsn)
	{
		if (!bb_pagestore_versions_next(ctx, commits->versions, &commits->at,
										&value))
			report_missing(commits, lsn);
		commits->commit = bb_snapshot_commit(&key, &value);
	}
	if (commits->at != lsn)
		report_missing(commits, lsn);
	*commit = commits->commit;
}

/*-------------------------------------------------------------------------
 *
 * pagestore_driver.h
 *	  The page store as its drivers see it.
 *
 * A driver is a struct that begins with BbPageStore, an operations table,
 * and a function that opens one:
 *
 *	  bb_pagestore_timeline	 layers of a timeline (pagestore_timeline.c)
 *	  fixture_pagestore_new	 values in memory (test/unit/fixture.c)
 *
 * A driver that a URL can name is chosen in bb_pagestore_open.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGESTORE_DRIVER_H
#define BB_PAGESTORE_DRIVER_H

#include "pagestore/snapshot.h"

typedef struct BbPageStoreOps
{
	bool		(*get) (const BbReqCtx *ctx, const BbSnapshot *snapshot,
						const BbKey *key, BbValue *value);
	/* The result begins with a BbPageScan, which the caller fills in. */
	BbPageScan *(*scan_new) (const BbReqCtx *ctx, const BbSnapshot *snapshot,
							 const BbKeyRange *range);
	bool		(*scan_next) (const BbReqCtx *ctx, BbPageScan *scan,
							  BbKey *key, BbValue *value);
	void		(*scan_seek) (const BbReqCtx *ctx, BbPageScan *scan,
							  const BbKey *key);
	void		(*scan_until) (BbPageScan *scan, const BbKey *key);
	void		(*scan_close) (BbPageScan *scan);
	/* The result begins with a BbPageVersions, which the caller fills in. */
	BbPageVersions *(*versions_new) (const BbReqCtx *ctx, BbPageStore *store,
									 const BbKey *key, XLogRecPtr after,
									 XLogRecPtr until);
	/* NULL: it can't tell */
	bool		(*versions_skip) (BbPageVersions *versions, TimestampTz time);
	bool		(*versions_next) (const BbReqCtx *ctx,
								  BbPageVersions *versions, XLogRecPtr *lsn,
								  BbValue *value);
	void		(*versions_close) (BbPageVersions *versions);
	/*
	 * The result begins with a BbPageEntries, which the caller fills in.  NULL: it
	 * has no entries.
	 */
	BbPageEntries *(*entries_new) (const BbReqCtx *ctx, BbPageStore *store,
								   const BbKeyRange *range, XLogRecPtr after,
								   XLogRecPtr until);
	bool		(*entries_next) (const BbReqCtx *ctx, BbPageEntries *entries,
								 BbEntry *entry);
	void		(*entries_close) (BbPageEntries *entries);
	List *(*tlis) (const BbReqCtx *ctx, BbPageStore *store);
	List *(*objects) (const BbReqCtx *ctx, const BbSnapshot *snapshot,
					  const BbKeyRange *ranges, int nranges);
	bool		(*is_current) (const BbReqCtx *ctx, const BbPageStore *store);
	bool		(*reload) (const BbReqCtx *ctx, const BbSnapshot *snapshot);
	uint64		(*identity) (const BbSnapshot *snapshot);
} BbPageStoreOps;

struct BbPageStore
{
	const BbPageStoreOps *ops;
	BbPageStoreInfo info;
	BbObjectStore *objects; /* NULL: it is not read from an object store */
};

struct BbPageScan
{
	BbSnapshot	snapshot;
	BbKey		last_key; /* where it is, for an error's context */
};

struct BbPageVersions
{
	BbPageStore *store;
};

struct BbPageEntries
{
	BbPageStore *store;
};

/*
 * bb_pagestore_timeline - open the page store that a timeline's layers hold.
 *
 * Errors: as bb_pagestore_open.
 */
extern BbPageStore *bb_pagestore_timeline(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const char *timeline);

#endif /* BB_PAGESTORE_DRIVER_H */

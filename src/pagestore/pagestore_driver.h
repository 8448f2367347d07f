/*-------------------------------------------------------------------------
 *
 * pagestore_driver.h
 *	  The page store as its drivers see it.
 *
 * A driver is a struct that begins with BbPageStore, an operations table,
 * and a function that makes it:
 *
 *	  bb_pagestore_timeline	 layers of a timeline (pagestore_timeline.c)
 *	  fixture_pagestore_new	 values in memory (test/unit/fixture.c)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGESTORE_DRIVER_H
#define BB_PAGESTORE_DRIVER_H

#include "pagestore/pagestore.h"

typedef struct BbPageStoreOps
{
	bool		(*get) (const BbReqCtx *ctx, BbPageStore *store,
						const BbKey *key, XLogRecPtr lsn, BbValue *value);
	/* The scan begins with a BbPageScan, whose "store" is filled in. */
	BbPageScan *(*scan_new) (const BbReqCtx *ctx, BbPageStore *store,
							 const BbKeyRange *range, XLogRecPtr lsn);
	bool		(*scan_next) (const BbReqCtx *ctx, BbPageScan *scan,
							  BbKey *key, BbValue *value);
	void		(*scan_seek) (const BbReqCtx *ctx, BbPageScan *scan,
							  const BbKey *key);
	void		(*scan_until) (BbPageScan *scan, const BbKey *key);
	void		(*scan_close) (BbPageScan *scan);
	/* These begin with a BbPageVersions, whose "store" is filled in. */
	BbPageVersions *(*versions_new) (const BbReqCtx *ctx, BbPageStore *store,
									 const BbKey *key, XLogRecPtr after,
									 XLogRecPtr until);
	bool		(*versions_next) (const BbReqCtx *ctx,
								  BbPageVersions *versions, XLogRecPtr *lsn,
								  BbValue *value);
	void		(*versions_close) (BbPageVersions *versions);
	List *(*tlis) (const BbReqCtx *ctx, BbPageStore *store);
} BbPageStoreOps;

struct BbPageStore
{
	const BbPageStoreOps *ops;
	BbPageStoreInfo info;
	MemoryContext context; /* that it was made in */
	List	   *tlis;	   /* see bb_pagestore_tlis; NIL: not known yet */
};

struct BbPageScan
{
	BbPageStore *store;
	XLogRecPtr	lsn;
	BbKey		last_key; /* where it is, for an error's context */
};

struct BbPageVersions
{
	BbPageStore *store;
};

#endif /* BB_PAGESTORE_DRIVER_H */

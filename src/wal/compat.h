/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences of WAL records between PostgreSQL 15, 16, 17, 18 and 19 that
 *	  only ingest needs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_COMPAT_H
#define BB_WAL_COMPAT_H

#include "access/xact.h"
#include "access/xlogreader.h"
#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
#else
#include "storage/relfilenode.h"
#endif

/* A fork of a relation that a WAL record names. */
typedef struct BbFork
{
	Oid			spc;
	Oid			db;
	Oid			rel;
	ForkNumber	fork;
} BbFork;

/* RelFileNode became RelFileLocator in 16. */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator BbWalLocator;
#define BB_WAL_LOCATOR(record) ((record)->rlocator)
#define BB_WAL_DROPPED(parsed) ((parsed)->xlocators)
#define BB_XACT_HAS_DROPPED XACT_XINFO_HAS_RELFILELOCATORS
#else
typedef RelFileNode BbWalLocator;
#define BB_WAL_LOCATOR(record) ((record)->rnode)
#define BB_WAL_DROPPED(parsed) ((parsed)->xnodes)
#define BB_XACT_HAS_DROPPED XACT_XINFO_HAS_RELFILENODES
#endif

static inline BbFork
bb_walcompat_fork(const BbWalLocator *locator, ForkNumber fork)
{
#if PG_VERSION_NUM >= 160000
	BbFork		made = {locator->spcOid, locator->dbOid, locator->relNumber,
						fork};
#else
	BbFork		made = {locator->spcNode, locator->dbNode, locator->relNode,
						fork};
#endif

	return made;
}

/* XLogFindNextRecord tells why it finds none from 19 on. */
static inline XLogRecPtr
bb_walcompat_find_next(XLogReaderState *reader, XLogRecPtr lsn)
{
#if PG_VERSION_NUM >= 190000
	char	   *message;

	return XLogFindNextRecord(reader, lsn, &message);
#else
	return XLogFindNextRecord(reader, lsn);
#endif
}

/* Get the fork and block of a block reference; false if there is none. */
static inline bool
bb_walcompat_block(XLogReaderState *record, uint8 id, BbFork *fork,
				   BlockNumber *block)
{
	BbWalLocator locator;
	ForkNumber	forknum;

	if (!XLogRecGetBlockTagExtended(record, id, &locator, &forknum, block,
									NULL))
		return false;
	*fork = bb_walcompat_fork(&locator, forknum);
	return true;
}

/* Page numbers of SLRUs in WAL. */
#if PG_VERSION_NUM >= 170000
typedef int64 BbWalSlruPage;
#else
typedef int BbWalSlruPage;
#endif

#endif /* BB_WAL_COMPAT_H */

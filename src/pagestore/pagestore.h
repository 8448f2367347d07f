/*-------------------------------------------------------------------------
 *
 * pagestore.h
 *	  The page store: an ordered map (key, LSN) -> value.
 *
 * This is what assembly, ingest and the SQL functions read through.  Where
 * the values come from is a driver's business (pagestore_driver.h): the
 * layers of a timeline in an object store, later a remote server; the unit
 * tests bring one that holds its values in memory.
 *
 * A value that a get or a scan returns belongs to the store and stays valid
 * until the next get, or the next step of the same scan.
 *
 * Errors: those of the driver, with an errcontext that names relation, block
 * and LSN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PAGESTORE_H
#define BB_PAGESTORE_H

#include "access/xlogdefs.h"
#include "base/key.h"
#include "base/reqctx.h"
#include "layer/manifest.h"
#include "objstore/objstore.h"

typedef struct BbPageStore BbPageStore;
typedef struct BbPageScan BbPageScan;
typedef struct BbPageVersions BbPageVersions;

/* What a page store says of the cluster and the history that it holds. */
typedef struct BbPageStoreInfo
{
	const char *timeline;
	uint32		pg_version_num;
	uint64		system_identifier;
	uint32		wal_segment_size; /* bytes */
	uint32		data_checksum_version;
	TimeLineID	tli; /* at end_lsn; bb_pagestore_tli_at for elsewhere */
	int			nswitches;
	const BbTliSwitch *switches;
	uint32		uid; /* owner of files in a tar */
	uint32		gid;
	mode_t		directory_mode;
	XLogRecPtr	start_lsn;	  /* first usable LSN */
	XLogRecPtr	end_lsn;	  /* last usable LSN */
	XLogRecPtr	prev_lsn;	  /* start of the record that ends at end_lsn */
	XLogRecPtr	ancestor_lsn; /* a branch: where it parts; else 0 */
	int64		end_time;	  /* time_t of that record */
} BbPageStoreInfo;

typedef struct BbValue
{
	const uint8 *data;
	uint32		length;
} BbValue;

/*
 * bb_pagestore_open - open a timeline of the store at a URL.
 *
 * The URL chooses the driver.  "options" are those of bb_objstore_open.
 *
 * Errors: those of bb_objstore_open; UNDEFINED_OBJECT (no such timeline);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the timeline is of another major version).
 */
extern BbPageStore *bb_pagestore_open(const BbReqCtx *ctx, const char *url,
									  const BbObjectStoreOptions *options,
									  const char *timeline);

/*
 * bb_pagestore_is_current - would opening the timeline again give the same
 * page store?
 */
extern bool bb_pagestore_is_current(const BbReqCtx *ctx,
									const BbPageStore *store);

/*
 * bb_pagestore_object_store - return the object store that reads of the page
 * store download from; NULL if there is none.
 */
extern BbObjectStore *bb_pagestore_object_store(const BbPageStore *store);

/*
 * bb_pagestore_objects - return the objects (BbWholeObject *) that reads of
 * these key ranges at an LSN need.
 *
 * Each object comes once, in the order in which a scan reaches them.  The list
 * is NIL if there is no object store.
 */
extern List *bb_pagestore_objects(const BbReqCtx *ctx, BbPageStore *store,
								  const BbKeyRange *ranges, int nranges,
								  XLogRecPtr lsn);

/*
 * bb_pagestore_identity - return a number for what is stored up to lsn.
 *
 * Another process gets the same number if and only if it reads the same
 * history.
 */
extern uint64 bb_pagestore_identity(const BbPageStore *store, XLogRecPtr lsn);

extern const BbPageStoreInfo *bb_pagestore_info(const BbPageStore *store);

/*
 * bb_pagestore_tlis - PostgreSQL's timeline IDs (TimeLineID, a list of OIDs)
 * that the store knows of this cluster, at any LSN, and in all timelines; the
 * list belongs to the page store.
 *
 * Each manifest of the store is read, once for each page store.
 */
extern List *bb_pagestore_tlis(const BbReqCtx *ctx, BbPageStore *store);

/*
 * bb_pagestore_check_lsn - the LSN to read at; Invalid stands for the end.
 *
 * Errors, with the range in the detail: OBJECT_NOT_IN_PREREQUISITE_STATE
 * (below it, or the timeline is not consistent yet); INVALID_PARAMETER_VALUE
 * (above it).
 */
extern XLogRecPtr bb_pagestore_check_lsn(const BbPageStore *store,
										 XLogRecPtr lsn);

/*
 * bb_pagestore_get - the value of a key at an LSN; false: there is none.
 */
extern bool bb_pagestore_get(const BbReqCtx *ctx, BbPageStore *store,
							 const BbKey *key, XLogRecPtr lsn, BbValue *value);

/*
 * bb_pagestore_need - as get, for a value that has to be there and, unless
 * length is zero, to have that many bytes.
 *
 * Errors: DATA_CORRUPTED.
 */
extern BbValue bb_pagestore_need(const BbReqCtx *ctx, BbPageStore *store,
								 const BbKey *key, XLogRecPtr lsn,
								 uint32 length);

/*
 * Scanning a key range in key order: new, next* until false, close.
 */
extern BbPageScan *bb_pagestore_scan_new(const BbReqCtx *ctx,
										 BbPageStore *store,
										 const BbKeyRange *range,
										 XLogRecPtr lsn);
extern bool bb_pagestore_scan_next(const BbReqCtx *ctx, BbPageScan *scan,
								   BbKey *key, BbValue *value);

/*
 * bb_pagestore_scan_seek - go on at the first key at or after "key".
 *
 * REQUIRES: key after what next returned last.
 */
extern void bb_pagestore_scan_seek(const BbReqCtx *ctx, BbPageScan *scan,
								   const BbKey *key);

/*
 * bb_pagestore_scan_until - next gives nothing at or after "key", and reads
 * nothing ahead there, until another key is named.
 */
extern void bb_pagestore_scan_until(BbPageScan *scan, const BbKey *key);
extern void bb_pagestore_scan_close(BbPageScan *scan);

/*
 * The versions of a key of which each is a whole value, above LSN "after" and
 * up to "until", oldest first, each with the LSN since when it holds.
 *
 * Errors, besides the driver's: DATA_CORRUPTED (a version that is no value).
 */
extern BbPageVersions *bb_pagestore_versions_new(const BbReqCtx *ctx,
												 BbPageStore *store,
												 const BbKey *key,
												 XLogRecPtr after,
												 XLogRecPtr until);
extern bool bb_pagestore_versions_next(const BbReqCtx *ctx,
									   BbPageVersions *versions,
									   XLogRecPtr *lsn, BbValue *value);
extern void bb_pagestore_versions_close(BbPageVersions *versions);

#endif /* BB_PAGESTORE_H */

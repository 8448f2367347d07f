/*-------------------------------------------------------------------------
 *
 * pagestore.h
 *	  The page store: an ordered map (key, LSN) -> value.
 *
 * Backups, ingest and the SQL functions read through this interface, at a
 * snapshot (snapshot.h).  A driver provides the values (pagestore_driver.h):
 * the layers of a timeline in an object store, later a remote server; the unit
 * tests have a driver with its values in memory.
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
#include "base/major.h"
#include "base/reqctx.h"
#include "datatype/timestamp.h"
#include "layer/manifest.h"
#include "objstore/objstore.h"

typedef struct BbPageStore BbPageStore;
typedef struct BbSnapshot BbSnapshot;
typedef struct BbPageScan BbPageScan;
typedef struct BbPageVersions BbPageVersions;
typedef struct BbPageEntries BbPageEntries;

/* The cluster and the history that a page store holds. */
typedef struct BbPageStoreInfo
{
	const char *timeline;
	uint32		pg_version_num;
	uint64		system_identifier;
	uint32		wal_segment_size; /* bytes */
	uint32		data_checksum_version;
	TimeLineID	tli; /* at end_lsn */
	int			nswitches;
	const BbTliSwitch *switches;
	uint32		uid; /* owner of files in a tar */
	uint32		gid;
	mode_t		directory_mode;
	XLogRecPtr	start_lsn;	   /* first usable LSN */
	XLogRecPtr	end_lsn;	   /* last usable LSN */
	XLogRecPtr	prev_lsn;	   /* start of the record that ends at end_lsn */
	XLogRecPtr	ancestor_lsn;  /* a branch: where it begins; else 0 */
	const char *upgraded_from; /* the timeline before pg_upgrade, or NULL */
	int64		end_time;	   /* time_t of that record */
	int			ngaps;		   /* that end before end_lsn, oldest first */
	const BbGap *gaps;
	int			npoints; /* LSNs before start_lsn that can be read, rising */
	const BbPoint *points;
} BbPageStoreInfo;

typedef struct BbValue
{
	const uint8 *data;
	uint32		length;
} BbValue;

/*
 * bb_pagestore_open - open a timeline of the store at a URL.
 *
 * Every URL is that of an object store with the layers of timelines.  "options"
 * are those of bb_objstore_open.
 *
 * Errors: those of bb_objstore_open; UNDEFINED_OBJECT (no such timeline);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (the timeline is of an unknown major version).
 */
extern BbPageStore *bb_pagestore_open(const BbReqCtx *ctx, const char *url,
									  const BbObjectStoreOptions *options,
									  const char *timeline);

/*
 * bb_pagestore_open_in - the same for a timeline of an object store.
 */
extern BbPageStore *bb_pagestore_open_in(const BbReqCtx *ctx,
										 BbObjectStore *objects,
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
 * these key ranges at the snapshot need.
 *
 * Each object comes once, in the order in which a scan reaches them.  The list
 * is NIL if there is no object store.
 */
extern List *bb_pagestore_objects(const BbReqCtx *ctx,
								  const BbSnapshot *snapshot,
								  const BbKeyRange *ranges, int nranges);

/*
 * bb_pagestore_reload - read from now on the layers that there are now.
 *
 * Returns false if they are those that are read already.  Reads do that on their
 * own when an object has gone that upkeep has replaced; who uses the list of
 * bb_pagestore_objects then needs a new one.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (the snapshot can't be read any more,
 * with the range in the detail; the timeline was replaced); those of
 * bb_pagestore_open.
 */
extern bool bb_pagestore_reload(const BbReqCtx *ctx,
								const BbSnapshot *snapshot);

/*
 * bb_pagestore_identity - return a number for what is stored up to the
 * snapshot's LSN.
 *
 * Another process gets the same number if and only if it reads the same
 * history.
 */
extern uint64 bb_pagestore_identity(const BbSnapshot *snapshot);

extern const BbPageStoreInfo *bb_pagestore_info(const BbPageStore *store);

/*
 * bb_pagestore_hint_at_past - an errhint, for ereport: where something before the
 * start of the timeline may be found.  There is none if nothing is known.
 */
extern int bb_pagestore_hint_at_past(const BbPageStore *store);

/* bb_pagestore_major - return the major version of the cluster. */
extern const BbMajor *bb_pagestore_major(const BbPageStore *store);

/*
 * bb_pagestore_tlis - return PostgreSQL's timeline IDs (TimeLineID, a list of
 * OIDs) that the store knows of this cluster, at any LSN and in all timelines.
 *
 * Reads every manifest of the store.  The list is palloc'd.
 */
extern List *bb_pagestore_tlis(const BbReqCtx *ctx, BbPageStore *store);

/*
 * bb_pagestore_check_lsn - check that the timeline can be read at lsn, and
 * return lsn, or the end of the timeline for Invalid.
 *
 * Errors, with the range in the detail: OBJECT_NOT_IN_PREREQUISITE_STATE
 * (lsn is below the range or in a gap, or the timeline is not consistent yet);
 * INVALID_PARAMETER_VALUE (lsn is above the range).
 */
extern XLogRecPtr bb_pagestore_check_lsn(const BbPageStore *store,
										 XLogRecPtr lsn);

/* bb_pagestore_is_point - is that one of the points (BbPoint)? */
extern bool bb_pagestore_is_point(const BbPageStore *store, XLogRecPtr lsn);

/* bb_pagestore_get - get the value of a key; returns false if there is none. */
extern bool bb_pagestore_get(const BbReqCtx *ctx, const BbSnapshot *snapshot,
							 const BbKey *key, BbValue *value);

/*
 * bb_pagestore_need - get a value that must exist and, unless length is zero,
 * must have that many bytes.
 *
 * Errors: DATA_CORRUPTED.
 */
extern BbValue bb_pagestore_need(const BbReqCtx *ctx,
								 const BbSnapshot *snapshot, const BbKey *key,
								 uint32 length);

/*
 * bb_pagestore_report_invalid - report that the value of a key can't be
 * decoded.
 *
 * Errors: DATA_CORRUPTED, always.
 */
pg_noreturn extern void bb_pagestore_report_invalid(const BbKey *key);

/*
 * Scanning a key range in key order: new, next until it returns false, close.
 */
extern BbPageScan *bb_pagestore_scan_new(const BbReqCtx *ctx,
										 const BbSnapshot *snapshot,
										 const BbKeyRange *range);
extern bool bb_pagestore_scan_next(const BbReqCtx *ctx, BbPageScan *scan,
								   BbKey *key, BbValue *value);

/*
 * bb_pagestore_scan_seek - go on at the first key at or after "key".
 *
 * REQUIRES: key is after the one that next returned last.
 */
extern void bb_pagestore_scan_seek(const BbReqCtx *ctx, BbPageScan *scan,
								   const BbKey *key);

/*
 * bb_pagestore_scan_until - end the scan before "key", and read nothing ahead
 * from there on, until another call moves the end.
 */
extern void bb_pagestore_scan_until(BbPageScan *scan, const BbKey *key);
extern void bb_pagestore_scan_close(BbPageScan *scan);

/*
 * Listing the versions of a key, each of which is a whole value, above LSN
 * "after" and up to "until": oldest first, each with the LSN from which it
 * holds.
 *
 * Errors, in addition to the driver's: DATA_CORRUPTED (a version that isn't a
 * whole value).
 */
extern BbPageVersions *bb_pagestore_versions_new(const BbReqCtx *ctx,
												 BbPageStore *store,
												 const BbKey *key,
												 XLogRecPtr after,
												 XLogRecPtr until);

/*
 * bb_pagestore_versions_skip - of the key COMMIT_TIME, leave versions out that are
 * known to be at or before "time", where that saves a read.
 *
 * Returns whether there are some.  To be called before the first next.
 */
extern bool bb_pagestore_versions_skip(BbPageVersions *versions,
									   TimestampTz time);
extern bool bb_pagestore_versions_next(const BbReqCtx *ctx,
									   BbPageVersions *versions,
									   XLogRecPtr *lsn, BbValue *value);
extern void bb_pagestore_versions_close(BbPageVersions *versions);

/*
 * Listing what WAL did to a key range, above LSN "after" and up to "until": records,
 * native records and whole values, in (key, LSN) order, as layers have them.  An
 * entry stays valid until the next step.
 *
 * In a gap, and below the start of the timeline, entries are missing.
 *
 * Errors, in addition to the driver's: FEATURE_NOT_SUPPORTED (the driver has no
 * layers).
 */
extern BbPageEntries *bb_pagestore_entries_new(const BbReqCtx *ctx,
											   BbPageStore *store,
											   const BbKeyRange *range,
											   XLogRecPtr after,
											   XLogRecPtr until);
extern bool bb_pagestore_entries_next(const BbReqCtx *ctx,
									  BbPageEntries *entries, BbEntry *entry);
extern void bb_pagestore_entries_close(BbPageEntries *entries);

#endif /* BB_PAGESTORE_H */

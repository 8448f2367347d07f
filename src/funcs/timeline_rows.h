/*-------------------------------------------------------------------------
 *
 * timeline_rows.h
 *	  Rows that are made of the manifests of one timeline, or of all.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TIMELINE_ROWS_H
#define BB_TIMELINE_ROWS_H

#include "fmgr.h"
#include "layer/manifest_values.h"
#include "objstore/objstore.h"

/* Adds the rows of a timeline, in a memory context for them. */
typedef void (*BbTimelineRows) (const BbReqCtx *ctx, FunctionCallInfo fcinfo,
								BbObjectStore *objects,
								const BbManifest *manifest, void *arg);

/*
 * bb_timeline_rows - run a set-returning function whose first arguments are (store
 * name, timeline text); timeline NULL: of all timelines.
 *
 * A timeline that is dropped while all are listed has no rows.
 *
 * Errors: those of bb_store_open, bb_manifest_read and bb_store_listed_timeline.
 */
extern void bb_timeline_rows(FunctionCallInfo fcinfo, BbTimelineRows rows,
							 void *arg);

#endif /* BB_TIMELINE_ROWS_H */

/*-------------------------------------------------------------------------
 *
 * store_targets.h
 *	  Targets of recovery, as a user names them, into LSNs; see
 *	  pagestore/target.h.
 *
 * Errors of all functions: INVALID_PARAMETER_VALUE (the target is in the future of
 * the timeline, or can't be parsed); OBJECT_NOT_IN_PREREQUISITE_STATE (it is in its
 * past or in a gap, or isn't known); UNDEFINED_OBJECT (there is no such restore
 * point).  The detail has the window, in LSNs and times.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STORE_TARGETS_H
#define BB_STORE_TARGETS_H

#include "pagestore/target.h"

/* bb_store_lsn_at - return the LSN where recovery_target_time would stop. */
extern XLogRecPtr bb_store_lsn_at(const BbReqCtx *ctx, BbPageStore *store,
								  TimestampTz time, bool inclusive);

/*
 * bb_store_time_of_text - parse a time: a timestamp, or an interval before the
 * start of the transaction, which begins with "-" or ends with "ago".
 *
 * Errors: those of the types' input.
 */
extern TimestampTz bb_store_time_of_text(const char *time);

/* bb_store_lsn_at_text - the same as bb_store_lsn_at for a time as text. */
extern XLogRecPtr bb_store_lsn_at_text(const BbReqCtx *ctx, BbPageStore *store,
									   const char *time, bool inclusive);

/* bb_store_lsn_of_xid - return the LSN where recovery_target_xid would stop. */
extern XLogRecPtr bb_store_lsn_of_xid(const BbReqCtx *ctx, BbPageStore *store,
									  uint64 xid, bool inclusive);

/*
 * bb_store_lsn_of_name - return the LSN where recovery_target_name would stop if
 * the base backup were just before it: that of the newest restore point.
 *
 * A NOTICE says if there are older ones.
 */
extern XLogRecPtr bb_store_lsn_of_name(const BbReqCtx *ctx, BbPageStore *store,
									   const char *name);

/* bb_store_lsn_latest - return the end of the timeline. */
extern XLogRecPtr bb_store_lsn_latest(const BbReqCtx *ctx, BbPageStore *store);

/*
 * bb_store_lsn_of_target - return the LSN of "name:…", "xid:…", "time:…", "lsn:…" or
 * "latest".
 */
extern XLogRecPtr bb_store_lsn_of_target(const BbReqCtx *ctx,
										 BbPageStore *store,
										 const char *target, bool inclusive);

#endif /* BB_STORE_TARGETS_H */

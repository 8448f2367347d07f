/*-------------------------------------------------------------------------
 *
 * leases.h
 *	  Leases: LSNs that stay readable while a client reads them.
 *
 *	  take ──► renew, renew, … ──► release
 *				   └──► expires_at passes ──► upkeep removes it
 *
 * A lease is a pin (manifest_keeps.h) that always expires.  It is in the manifest,
 * so every server that does upkeep heeds it.  It also fixes what a client that
 * reads a whole backup must see unchanged, though WAL is ingested meanwhile: the
 * LSN, which is that of a snapshot, and the tli of the clone.
 *
 * A lease that has expired, but hasn't been removed yet, can still be renewed if
 * its LSN can still be read.
 *
 * Errors: those of bb_manifest_edit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_LEASES_H
#define BB_UPKEEP_LEASES_H

#include "layer/manifest.h"

/* The shortest and the longest lease; seconds. */
#define BB_LEASE_MIN_S 1
#define BB_LEASE_MAX_S (INT64CONST(30) * 24 * 60 * 60)

typedef struct BbLeaseRequest
{
	const char *name;
	XLogRecPtr	lsn;	 /* Invalid: the end of the timeline */
	TimeLineID	new_tli; /* 0: choose one */
	const char *reason;	 /* what the client says of itself; "": nothing */
	const char *owner;
	int64		now; /* time_t */
	int64		duration_s;
} BbLeaseRequest;

/*
 * bb_lease_take - take a lease of an LSN, and return it.
 *
 * If there is a lease of that name, it is renewed; the request must not ask for
 * another LSN or tli.  The LSN becomes that of a snapshot (bb_snapshot_take).  The
 * tli is one that neither the source nor another lease has.
 *
 * Errors: INVALID_PARAMETER_VALUE (the name, the reason, the duration, the tli);
 * DUPLICATE_OBJECT (a lease or pin of that name at another LSN);
 * OBJECT_IN_USE (another session has taken the tli; try again); those of
 * bb_snapshot_take.
 */
extern BbPin bb_lease_take(const BbReqCtx *ctx, BbObjectStore *objects,
						   const char *timeline,
						   const BbLeaseRequest *request);

/*
 * bb_lease_renew - let a lease expire "duration_s" after "now", and return it.
 *
 * Errors: UNDEFINED_OBJECT; INVALID_PARAMETER_VALUE (the duration);
 * OBJECT_NOT_IN_PREREQUISITE_STATE (it had expired, and its LSN can't be read any
 * more).
 */
extern BbPin bb_lease_renew(const BbReqCtx *ctx, BbObjectStore *objects,
							const char *timeline, const char *name, int64 now,
							int64 duration_s);

/*
 * bb_lease_release - remove a lease; returns false if there is none of that name.
 *
 * Errors: WRONG_OBJECT_TYPE (a pin).
 */
extern bool bb_lease_release(const BbReqCtx *ctx, BbObjectStore *objects,
							 const char *timeline, const char *name);

/*
 * bb_lease_find - return a lease of a manifest.
 *
 * Errors: UNDEFINED_OBJECT.
 */
extern const BbPin *bb_lease_find(const BbManifest *manifest,
								  const char *name);

#endif /* BB_UPKEEP_LEASES_H */

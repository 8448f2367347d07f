/*-------------------------------------------------------------------------
 *
 * chores.h
 *	  What the background worker does for a timeline besides merging, images
 *	  and retention: verification, copies, restore tests, the
 *	  retention of objects.
 *
 * The worker goes from timeline to timeline.  At each it does the jobs of
 * upkeep that are due, and then a piece of each chore that is due, so none of
 * them keeps the others waiting for longer than a piece takes.  A piece should
 * take some seconds at most, and calls bb_upkeeppace in its loops.
 *
 * A chore that fails is noted as a job that fails is, and gets its next turn
 * after a pause that grows; the others go on.  A job that fails, or could not be
 * planned, does not keep the chores from their turn.
 *
 * To add a chore: a file keeper/NAME_chore.c, its declaration here, and a row in
 * the table of chores.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CHORES_H
#define BB_CHORES_H

#include "layer/manifest.h"

/* Where a chore is to be done. */
typedef struct BbChorePlace
{
	Oid			server; /* the foreign server of the store */
	const char *server_name;
	BbObjectStore *objects;
	const BbManifest
		*manifest; /* of the timeline, as it was some moments ago */
} BbChorePlace;

/* What a piece has done, for bb_stat_upkeep_jobs. */
typedef struct BbChoreReport
{
	const char *what; /* one phrase; NULL: nothing that is worth a row */
	uint64		objects_read;
	uint64		bytes_read;
	uint64		bytes_written;
	bool		more; /* there is another piece to do right away */
} BbChoreReport;

typedef struct BbChore
{
	const char *name; /* as users see it: "verify" */
	BbTaskKind	kind; /* of the request context of its pieces */

	/*
	 * Is a piece to be done?  Must be cheap: some requests to the store at most.
	 *
	 * Both are called outside of a transaction, in a memory context that is
	 * reset after them; an error is caught.
	 */
	bool		(*is_due) (const BbReqCtx *ctx, const BbChorePlace *place);
	void		(*run) (const BbReqCtx *ctx, const BbChorePlace *place,
						BbChoreReport *report);
} BbChore;

extern const BbChore bb_verify_chore;
extern const BbChore bb_copy_chore;
extern const BbChore bb_trial_chore;
extern const BbChore bb_retain_chore;

/* The table of chores. */
extern const BbChore *const bb_chores[];
extern const int bb_nchores;

/*
 * bb_keeper_open_store - open a store of this database as the owner of its
 * foreign server, with its keys, in CurrentMemoryContext.
 *
 * For a chore that needs another store, such as that of a copy.
 *
 * REQUIRES: the worker, outside of a transaction.
 *
 * Errors: those of bb_store_open.
 */
extern BbObjectStore *bb_keeper_open_store(const BbReqCtx *ctx, Oid server);

#endif /* BB_CHORES_H */

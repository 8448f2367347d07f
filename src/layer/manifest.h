/*-------------------------------------------------------------------------
 *
 * manifest.h
 *	  The manifest of a timeline: the sole truth about which layers exist.
 *
 * One object, "timelines/NAME/manifest", replaced atomically.  A layer is
 * durable before the manifest names it, and removed only after no manifest
 * names it, so a crash at any instant leaves the last committed state.
 * Layers that no manifest names are leftovers.
 *
 * Each commit raises the generation and succeeds only if the manifest is
 * still the one that was read: a writer that lost its lock can't commit.
 *
 * Errors: DATA_CORRUPTED (broken manifest, named); those of the object store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_H
#define BB_MANIFEST_H

#include "base/compat.h"
#include "layer/layer.h"

#define BB_TIMELINE_NAME_MAX 63

/*
 * The start of a timeline whose base backup isn't consistent yet: its WAL
 * says where it is.
 */
#define BB_LSN_UNKNOWN ((XLogRecPtr) PG_UINT64_MAX)

/* Up to and including "until" (a record's end), WAL is of "tli". */
typedef struct BbTliSwitch
{
	TimeLineID	tli;
	XLogRecPtr	until;
} BbTliSwitch;

typedef struct BbManifest
{
	char	   *timeline;
	uint64		generation; /* 1 at the first commit */
	BbObjectTag tag;		/* of the object it was read from */

	/* the cluster */
	uint32		pg_version_num; /* of the server that imported it */
	uint64		system_identifier;
	uint32		wal_segment_size; /* bytes */
	uint32		data_checksum_version;
	TimeLineID	tli;	   /* PostgreSQL's, at end_lsn */
	int			nswitches; /* tli switches before that, oldest first */
	BbTliSwitch *switches;
	uint32		uid; /* owner of the data directory, for the tar */
	uint32		gid;
	uint32		directory_mode; /* 0700 or 0750 */

	/* the history */
	XLogRecPtr	start_lsn; /* the first usable LSN; BB_LSN_UNKNOWN, or past
							* end_lsn, until an import is complete */
	XLogRecPtr	end_lsn;   /* the end of the last record known */
	XLogRecPtr	prev_lsn;  /* where that record starts; 0: not known */
	int64		end_time;  /* time_t of that record */
	char	   *ancestor;  /* NULL: none */
	XLogRecPtr	ancestor_lsn;

	int			nlayers;
	BbLayerDesc *layers;
} BbManifest;

/*
 * bb_timeline_name_check - may a timeline be called that?
 *
 * A letter or digit, then letters, digits, '_', '-' and '.', 63 in all.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern void bb_timeline_name_check(const char *name);
/* The same, without an error. */
extern bool bb_timeline_name_is_valid(const char *name);

/*
 * bb_timeline_missing - say that there is no such timeline.
 *
 * Errors: UNDEFINED_OBJECT, always.
 */
pg_noreturn extern void bb_timeline_missing(const BbObjectStore *store,
											const char *name);

/*
 * bb_tli_at - the TimeLineID of the record that ends at lsn; "last" is the one
 * after all switches.
 */
extern TimeLineID bb_tli_at(const BbTliSwitch *switches, int nswitches,
							TimeLineID last, XLogRecPtr lsn);

/*
 * Can the timeline be read?  If not, its import has not come to its end: it
 * is under way, or was killed.
 */
static inline bool
bb_manifest_consistent(const BbManifest *manifest)
{
	return manifest->start_lsn <= manifest->end_lsn;
}

/*
 * bb_manifest_copy - copy a manifest, with all that it points to, into
 * CurrentMemoryContext.
 */
extern BbManifest *bb_manifest_copy(const BbManifest *manifest);

/* NULL when there is no such timeline. */
extern BbManifest *bb_manifest_read(const BbReqCtx *ctx, BbObjectStore *store,
									const char *timeline);

/* Is a manifest that was read still that of its timeline? */
extern bool bb_manifest_is_current(const BbReqCtx *ctx, BbObjectStore *store,
								   const BbManifest *manifest);

/*
 * bb_manifest_try - as bb_manifest_read, but one that can't be read is no
 * error: NULL, with what is wrong in *error, which otherwise is NULL.
 */
extern BbManifest *bb_manifest_try(const BbReqCtx *ctx, BbObjectStore *store,
								   const char *timeline, ErrorData **error);

/*
 * bb_manifest_commit - replace the manifest that *manifest was read from
 * (tag, generation); a tag of BB_OBJECT_ABSENT makes the timeline.
 *
 * Returns false, with nothing changed, when it is no longer that one.
 *
 * After an error the outcome is not known (bb_objstore_put_if): who would
 * undo something has to read the manifest again.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (too many layers; nothing changed).
 */
extern bool bb_manifest_commit(const BbReqCtx *ctx, BbObjectStore *store,
							   BbManifest *manifest);

/*
 * bb_manifest_list - names (char *) of the timelines in a store, in order.
 *
 * Whether there is such a timeline, and not only something left of one, its
 * manifest says.  What can't be a timeline's name is passed over with a
 * WARNING.
 */
extern List *bb_manifest_list(const BbReqCtx *ctx, BbObjectStore *store);

/*
 * bb_manifest_tlis - PostgreSQL's timeline IDs (TimeLineID, a list of OIDs)
 * that the timelines of a cluster in this store are on, or were; each once.
 *
 * A timeline whose manifest can't be read is passed over.
 */
extern List *bb_manifest_tlis(const BbReqCtx *ctx, BbObjectStore *store,
							  uint64 system_identifier);

/*
 * bb_manifest_sweep - remove layers of a timeline that its manifest doesn't
 * name; all of them, when manifest is NULL.  And what unfinished writers left.
 * Objects whose names no layer can have are kept, with a WARNING.
 *
 * REQUIRES: the timeline's lock.
 */
extern void bb_manifest_sweep(const BbReqCtx *ctx, BbObjectStore *store,
							  const char *timeline,
							  const BbManifest *manifest);

/*
 * bb_manifest_remove - forget a timeline, then remove its layers.
 *
 * REQUIRES: the timeline's lock.
 */
extern void bb_manifest_remove(const BbReqCtx *ctx, BbObjectStore *store,
							   const char *timeline);

/*
 * bb_manifest_lock - be the timeline's only writer until
 * CurrentMemoryContext is reset.
 *
 * Errors: OBJECT_IN_USE.
 */
extern void bb_manifest_lock(const BbReqCtx *ctx, BbObjectStore *store,
							 const char *timeline);

/*
 * bb_manifest_lock_tree - be the only one who makes or drops branches, until
 * CurrentMemoryContext is reset.
 *
 * Errors: OBJECT_IN_USE.
 */
extern void bb_manifest_lock_tree(const BbReqCtx *ctx, BbObjectStore *store);

#endif /* BB_MANIFEST_H */

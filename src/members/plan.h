/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What a base backup needs to know before its first member.
 *
 *	  snapshot, options ──► plan ──┬─► size		 a walk over the members
 *								   ├─► driver	 a walk, with their content
 *								   └─► workers	 a walk, for relation blocks
 *
 * A plan is made once for a backup and doesn't change, except for its size.
 * Everything that isn't found by walking over the page store's catalog is in
 * it: tablespaces, captured files with the settings that a clone needs, the
 * control file and WAL, the tli.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PLAN_H
#define BB_PLAN_H

#include "members/backupmanifest.h"
#include "members/options.h"
#include "members/seed.h"
#include "members/smallfiles.h"

/*
 * Where a server puts backup_label once it has recovered.  Nothing has to be
 * recovered in a backup of ours, so the label is there from the start.
 */
#define BB_LABEL_FILE "backup_label.old"

typedef struct BbBackupPlan
{
	BbSnapshot	snapshot;
	BbBackupOptions options;
	uint64		size; /* bytes; set by bb_backup_measure; 0: not known */

	const BbMajor *major; /* of the cluster */
	int64		mtime;	  /* time_t of every member */
	mode_t		directory_mode;
	mode_t		file_mode;
	const BbSeed *seed;
	List	   *tablespaces; /* BbTablespace *, in the order of their OIDs */
	BbSmallFiles *files;
	char		version[16]; /* content of PG_VERSION */
	char		signal[64];	 /* content of the signal files */
	const char *label;		 /* content of BB_LABEL_FILE; NULL: no such file */
	StringInfoData origins;	 /* content of BB_ORIGIN_FILE */
	BbBackupManifest manifest; /* if options.manifest says that there is one */
	List	   *notices;	   /* BbSettingNotice *, about settings */
} BbBackupPlan;

/*
 * bb_plan_new - plan a backup of a snapshot.
 *
 * The plan is allocated in CurrentMemoryContext, and must not outlive the page
 * store and the texts in the options.
 *
 * Errors: those of the page store; INVALID_PARAMETER_VALUE (prev_lsn, new_tli);
 * PROGRAM_LIMIT_EXCEEDED (no tli is new); DATA_CORRUPTED (a captured history
 * file isn't text).
 */
extern BbBackupPlan *bb_plan_new(const BbReqCtx *ctx,
								 const BbSnapshot *snapshot,
								 const BbBackupOptions *options);

/* bb_plan_report - raise the NOTICEs about the settings of the backup. */
extern void bb_plan_report(const BbBackupPlan *plan);

/*
 * The tli of a backup is new to its cluster.
 *
 * A clone may run beside its source, and both may archive WAL in one place.
 * So its tli is above all that are known: those of all timelines of the
 * cluster in the page store, at any LSN, and those of captured history files,
 * even if the store's WAL hasn't reached them yet.  A switch in WAL that wasn't
 * ingested isn't known.
 */

/*
 * bb_clonetli_known - return the tlis (a list of OIDs) that are known of the
 * cluster.
 *
 * The history files that were captured up to the LSN of the backup are enough:
 * a later one belongs to a tli to which WAL switched, and the timeline's
 * manifest has that tli.  So no layers above the LSN are read.
 *
 * Errors: those of the page store, and of smallfiles.h.
 */
extern List *bb_clonetli_known(const BbReqCtx *ctx, BbPageStore *store,
							   const BbSmallFiles *files);

/*
 * bb_clonetli_choose - return the tli of a backup of a cluster that is on
 * source_tli: "wanted", or for 0 the first one above all that are known.
 *
 * Errors: INVALID_PARAMETER_VALUE ("wanted" is known, or is below the
 * source's); PROGRAM_LIMIT_EXCEEDED (no tli is above all that are known).
 */
extern TimeLineID bb_clonetli_choose(const List *known, TimeLineID source_tli,
									 TimeLineID wanted);

#endif /* BB_PLAN_H */

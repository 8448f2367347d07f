/*-------------------------------------------------------------------------
 *
 * verify.h
 *	  Verification: is a timeline whole?
 *
 *	  level		what is checked
 *	  objects	each layer of the manifest is in the store, with its size
 *	  blocks	each byte of each layer (layer/layer_check.h)
 *	  pages		the same; then every page at some LSNs is made, as a backup
 *				there would, and checked (verify_pages.h)
 *
 * A pass goes step by step: a layer, or some thousand pages.  Between steps its
 * state is all that there is, so it can be saved, and gone on with after a
 * restart.  Layers are checked in the order of their file ids, which upkeep's
 * changes don't disturb: layers that are made during a pass may have to wait
 * for the next one.
 *
 * Nothing stops a pass: what it finds is noted, and it goes on.  A layer that
 * the manifest doesn't name any more is no finding.  A branch has the findings
 * of its own layers; those of its ancestor are found there.
 *
 * Errors: those that say nothing of the timeline: CONNECTION_FAILURE,
 * QUERY_CANCELED, …; UNDEFINED_OBJECT (there is no such timeline).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_VERIFY_H
#define BB_VERIFY_H

#include "datatype/timestamp.h"
#include "upkeep/findings.h"

/* The numbers are stored. */
typedef enum BbVerifyLevel
{
	BB_VERIFY_OBJECTS = 1,
	BB_VERIFY_BLOCKS,
	BB_VERIFY_PAGES
} BbVerifyLevel;

/* A pass looks at the pages of so many LSNs at most. */
#define BB_VERIFY_LSNS_MAX 100

/* More than so many findings are counted, but not kept. */
#define BB_FINDINGS_MAX 1000

/* A pass over a timeline.  What it points to is in "context". */
typedef struct BbVerifyPass
{
	MemoryContext context;
	char	   *timeline;
	BbVerifyLevel level;
	TimestampTz started_at;
	TimestampTz finished_at; /* 0: it isn't finished */

	/* where it is: layers up to this file id have been checked */
	bool		layers_begun;
	uint64		file_id;
	bool		layers_done;

	/* the LSNs whose pages are checked, and where that is (verify_pages.h) */
	int			nlsns;
	XLogRecPtr	lsns[BB_VERIFY_LSNS_MAX];
	int			lsn_at;
	BbKey		key;

	uint64		layers_total; /* as of the last step */
	uint64		layers;		  /* checked */
	uint64		bytes;		  /* of them */
	uint64		pages;		  /* checked, of all LSNs */
	uint64		nfindings;
	List	   *findings; /* BbFinding *, the first BB_FINDINGS_MAX */

	/* BbInherited *: what is known of its ancestors, once pages are checked; not
	 * stored */
	bool		asked;
	List	   *inherited;
} BbVerifyPass;

/* "objects", "blocks", "pages". */
extern const char *bb_verify_level_name(BbVerifyLevel level);

/*
 * bb_verify_level_of - the level of that name.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern BbVerifyLevel bb_verify_level_of(const char *name);

/*
 * bb_verify_begin - begin a pass, allocated in CurrentMemoryContext.
 *
 * At level PAGES, it goes on to the pages of "lsns"; of the end of the timeline
 * if there is none.  An LSN that can't be read when its turn comes is omitted.
 */
extern BbVerifyPass *bb_verify_begin(const char *timeline, BbVerifyLevel level,
									 const XLogRecPtr *lsns, int nlsns);

/*
 * bb_verify_step - do the next piece of a pass.
 *
 * Returns false if that was the last one; then finished_at is set.
 */
extern bool bb_verify_step(const BbReqCtx *ctx, BbObjectStore *objects,
						   BbVerifyPass *pass);

/* bb_verify_lsn_readable - does the manifest say that this LSN can be read? */
extern bool bb_verify_lsn_readable(const BbManifest *manifest, XLogRecPtr lsn);

#endif /* BB_VERIFY_H */

/*-------------------------------------------------------------------------
 *
 * model.h
 *	  Timelines at which random things happen, and what should be seen there.
 *
 * Random things happen to some keys on a timeline.  They go into delta layers,
 * flush by flush, and image layers are made between; the model has them in a
 * list and applies them one by one.  The records are real ones, of the
 * simplest resource managers that there are, so real helpers apply them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MODEL_H
#define MODEL_H

#include "common/pg_prng.h"
#include "timeline/timeline.h"
#include "unit.h"

/* Where timelines start. */
#define START ((XLogRecPtr) 1000)

/* The relation whose blocks they have. */
#define SPC 1663
#define DB 5
#define REL 1000

/* The keys, in key order. */
#define NTIMES 1
#define NSLRU 10
#define NSIZES 8
#define NBLOCKS 40
#define NKEYS (NTIMES + NSLRU + NSIZES + NBLOCKS)

/* Something that happened. */
typedef struct ModelEvent
{
	int			k;
	XLogRecPtr	lsn;
	BbEntryType type;
	uint8	   *data;
	uint32		length;
} ModelEvent;

/* A timeline, and its model. */
typedef struct Model
{
	BbObjectStore *objects;
	BbManifest	manifest;
	struct Model *ancestor;
	ModelEvent *events;
	int			nevents;
	bool		exists[NKEYS]; /* at the end */
	/* the root only: what was imported, NULL for nothing */
	uint8	   *imported[NKEYS];
	uint32		imported_length[NKEYS];
} Model;

typedef struct ModelValue
{
	bool		exists;
	bool		touched;
	uint32		length;
	PGAlignedBlock page;
} ModelValue;

/* All randomness is from here. */
extern pg_prng_state model_prng;

/* In [0, n). */
extern int model_roll(int n);

/* Key number k. */
extern BbKey model_key(int k);

/* A manifest of LSNs 100 to 1000, with memory for 10 layers. */
extern BbManifest model_manifest(const char *timeline);

/* Block of a relation. */
extern BbKey model_block_key(uint32 block);

/* Write an image layer of blocks [from, to) at lsn; values are "LSN:block". */
extern BbLayerDesc *model_write_blocks(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *timeline, uint32 from,
									   uint32 to, XLogRecPtr lsn);

/* Write a delta layer of LSNs (from, to], of a key that no test reads. */
extern BbLayerDesc *model_write_delta(const BbReqCtx *ctx,
									  BbObjectStore *objects,
									  const char *timeline, XLogRecPtr from,
									  XLogRecPtr to);

/* An event's record: of a page that exists, that makes a page, of an SLRU. */
extern void model_make_generic(ModelEvent *event);
extern void model_make_sequence(ModelEvent *event);
extern void model_make_native(ModelEvent *event);

/* A timeline without layers; a branch, if it has an ancestor. */
extern Model *model_new(BbObjectStore *objects, const char *name,
						Model *ancestor, XLogRecPtr ancestor_lsn);

/* Random values at START, in image layers. */
extern void model_import(const BbReqCtx *ctx, Model *model);

/* A few flushes, and here and there an image layer, in the midst of one too. */
extern void model_live(const BbReqCtx *ctx, Model *model, int flushes);

/* Write an image layer of keys number [from, to) at lsn. */
extern void model_write_image(const BbReqCtx *ctx, Model *model, int from,
							  int to, XLogRecPtr lsn);

/* What is there at lsn. */
extern void model_value(const Model *model, int k, XLogRecPtr lsn,
						ModelValue *value);

#endif /* MODEL_H */

/*-------------------------------------------------------------------------
 *
 * model.h
 *	  Timelines with random changes, and the values that reads should return.
 *
 * A timeline gets random changes of some keys.  They are written into delta
 * layers, flush by flush, and image layers are made in between.  The model has
 * the changes in a list and applies them one by one.  The records are real
 * ones, of the simplest resource managers, so real helpers apply them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MODEL_H
#define MODEL_H

#include "common/pg_prng.h"
#include "timeline/timeline.h"
#include "unit.h"

/* The start of timelines. */
#define START ((XLogRecPtr) 1000)

/* The relation that has the blocks. */
#define SPC 1663
#define DB 5
#define REL 1000

/* The keys, in key order. */
#define NTIMES 1
#define NSLRU 10
#define NSIZES 8
#define NBLOCKS 40
#define NKEYS (NTIMES + NSLRU + NSIZES + NBLOCKS)

/* A change. */
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

/* The source of all random numbers. */
extern pg_prng_state model_prng;

/* Draws from [0, n). */
extern int model_roll(int n);

/* Returns key number k. */
extern BbKey model_key(int k);

/* A manifest of LSNs 100 to 1000, with memory for 10 layers. */
extern BbManifest model_manifest(const char *timeline);

/* Returns the key of a block of a relation. */
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

/* Replace a layer by one with the same entries, as upkeep does; the old one is
 * retired. */
extern void model_replace_layer(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *timeline,
								const BbLayerDesc *layer);

/* Make a record: for a page that exists, a new page, or an SLRU page. */
extern void model_make_generic(ModelEvent *event);
extern void model_make_sequence(ModelEvent *event);
extern void model_make_native(ModelEvent *event);
extern void model_make_generic_of(const BbKey *key, ModelEvent *event);
extern void model_make_sequence_of(const BbKey *key, ModelEvent *event);

/* Make a valid page of a relation, with a wrong checksum. */
extern uint8 *model_random_page(XLogRecPtr lsn);

/* Apply a change to the value that a key had before. */
extern void model_apply(const BbKey *key, const ModelEvent *event,
						ModelValue *value);

/* Create a timeline without layers; with an ancestor, a branch. */
extern Model *model_new(BbObjectStore *objects, const char *name,
						Model *ancestor, XLogRecPtr ancestor_lsn);

/* Write random values at START into image layers. */
extern void model_import(const BbReqCtx *ctx, Model *model);

/* Make some flushes, and image layers at random LSNs. */
extern void model_live(const BbReqCtx *ctx, Model *model, int flushes);

/* Write an image layer of keys [from, to) at lsn. */
extern void model_write_image(const BbReqCtx *ctx, Model *model, int from,
							  int to, XLogRecPtr lsn);

/* Find the value of a key at lsn. */
extern void model_value(const Model *model, int k, XLogRecPtr lsn,
						ModelValue *value);

#endif /* MODEL_H */

/*-------------------------------------------------------------------------
 *
 * upkeepmodel.h
 *	  A timeline without files: what flushes, merges and images do to its layers.
 *
 * The key space is cut into buckets.  A layer is its description, and how many
 * bytes of changes it has for each bucket.  A job of the policy is checked
 * against what it has to be, and then done: layers go and come, with sizes as
 * the model says.  So a month of minutely flushes takes seconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef UPKEEPMODEL_H
#define UPKEEPMODEL_H

#include "common/pg_prng.h"
#include "upkeep/policy.h"

/* Control file; ends of records; then relations. */
#define MODEL_JOURNAL 2
#define MODEL_DATA 128
#define MODEL_BUCKETS (MODEL_JOURNAL + MODEL_DATA)

typedef struct ModelSettings
{
	double		density; /* bytes in a delta layer, of one byte of WAL */
	double		flush;	 /* a flush compresses so many times worse; 0: no */
	double		image_bytes; /* of the import, in all buckets together */
	int			window;		 /* flushes that stay readable */
	BbPolicySettings policy;
} ModelSettings;

typedef struct ModelFigures
{
	double		wal_bytes;
	double		flush_bytes; /* written by flushes */
	double		merge_bytes;
	double		image_bytes;
	int			merges;
	int			images;
	int			jobs_at_once; /* the most after one flush */
	int			layers;		  /* the most */
	double		store_bytes;  /* at the end */
	int			reads;
	int			depth_sum;
	int			depths[64]; /* how many reads opened so many layers */
} ModelFigures;

typedef struct UpkeepModel UpkeepModel;

extern UpkeepModel *upkeepmodel_new(const ModelSettings *settings,
									uint64 seed);
extern BbManifest *upkeepmodel_manifest(UpkeepModel *model);
extern const ModelFigures *upkeepmodel_figures(UpkeepModel *model);
extern pg_prng_state *upkeepmodel_random(UpkeepModel *model);

/*
 * upkeepmodel_flush - add "wal" bytes of changes, spread as weights[] of the data
 * buckets say; "growth" is the part of them by which images grow.
 */
extern void upkeepmodel_flush(UpkeepModel *model, double wal,
							  const double *weights, double growth);

/* upkeepmodel_step - do the next job, if there is one. */
extern bool upkeepmodel_step(UpkeepModel *model);

/* upkeepmodel_upkeep - do all jobs there are. */
extern void upkeepmodel_upkeep(UpkeepModel *model);

/* upkeepmodel_job - check one job, and do it. */
extern void upkeepmodel_job(UpkeepModel *model, const BbUpkeepJob *job);

/*
 * upkeepmodel_break - a layer of the manifest can't be read from now on, which jobs
 * are checked for; upkeepmodel_mend - all can be read again.
 */
extern void upkeepmodel_break(UpkeepModel *model, int layer);
extern void upkeepmodel_mend(UpkeepModel *model);

/* upkeepmodel_read - read data buckets, at the end and at an LSN of the window. */
extern void upkeepmodel_read(UpkeepModel *model, const double *weights);

/*
 * upkeepmodel_depth - return the most layers that a read at the end opens;
 * upkeepmodel_whole_depth - without one that is broken in between.
 */
extern int upkeepmodel_depth(const UpkeepModel *model);
extern int upkeepmodel_whole_depth(const UpkeepModel *model);

/* upkeepmodel_percentile - so many layers open "part" of all reads at most. */
extern int upkeepmodel_percentile(const ModelFigures *figures, double part);

#endif /* UPKEEPMODEL_H */

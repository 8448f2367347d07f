/*-------------------------------------------------------------------------
 *
 * bench_manifest.c
 *	  How long a commit of a large manifest takes, opening it, and what upkeep
 *	  does with it before it reads a layer.
 *
 * See bench/manifest, which calls this.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "upkeep/policy.h"
#include "upkeep/retention.h"
#include "upkeep/upkeep.h"
#include "utils/builtins.h"

#define ROUNDS 41

extern PGDLLEXPORT Datum bb_bench_manifest(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(bb_bench_manifest);

/* Layers as upkeep makes them: runs of 100, side by side. */
static BbLayerDesc
some_layer(int i)
{
	int			run = i / 100;
	int			place = i % 100;
	BbLayerDesc layer = {.lsn_start = 101 + 1000 * run,
						 .lsn_end = 1101 + 1000 * run,
						 .file_id = UINT64CONST(0x9e3779b97f4a7c15) *
							 (uint64) (i + 1),
						 .size = 64 * 1024 * 1024,
						 .entries = 10000,
						 .crc = (uint32) i};

	layer.keys.start = model_block_key((uint32) place * 1000);
	layer.keys.end = model_block_key((uint32) (place + 1) * 1000);
	return layer;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return (left > right) - (left < right);
}

static double
median(double *ms)
{
	qsort(ms, ROUNDS, sizeof(double), compare_doubles);
	return ms[ROUNDS / 2];
}

/* The processor time of this process, which other ones disturb less. */
static double
now_ms(void)
{
	struct timespec now;

	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* Upkeep's looks at a manifest, milliseconds each. */
static char *
looks(const BbManifest *manifest)
{
	BbPolicySettings settings = bb_policy_settings();
	BbReadable	readable = bb_retention_readable(manifest, NIL);
	BbUpkeepJob job;
	double		start = now_ms();
	double		planned;
	double		owed;

	(void) bb_policy_next(manifest, &settings, &job);
	planned = now_ms();
	(void) bb_upkeep_debt(manifest, InvalidXLogRecPtr);
	owed = now_ms();
	(void) bb_reach(manifest, &readable);
	return psprintf("plan %.2f ms, debt %.2f ms, reach %.2f ms",
					planned - start, owed - planned, now_ms() - owed);
}

/* bb_bench_manifest(url text, layers int): the median times, as text */
Datum
bb_bench_manifest(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			nlayers = PG_GETARG_INT32(1);
	const BbReqCtx *ctx = bb_reqctx_uncounted_root(BB_TASK_INGEST,
												   BB_DOWNLOAD_ALLOW);
	BbObjectStore *objects = bb_objstore_open(ctx, url, NULL);
	BbManifest	manifest = model_manifest("main");
	BbManifest *now;
	double		commit_ms[ROUNDS];
	double		open_ms[ROUNDS];
	double		commit;
	double		open;

	manifest.end_lsn = 200 + 1000 * (XLogRecPtr) (nlayers / 100 + 1);
	manifest.nlayers = nlayers;
	manifest.layers = MemoryContextAllocHuge(CurrentMemoryContext,
											 nlayers * sizeof(BbLayerDesc));
	for (int i = 0; i < nlayers; i++)
		manifest.layers[i] = some_layer(i);
	now = bb_manifest_edit(ctx, objects, &(BbManifestEdit){.base = &manifest});
	for (int i = 0; i < ROUNDS; i++)
	{
		BbManifestEnd end = {.end_lsn = now->end_lsn + 1000, .tli = 1};
		BbLayerDesc layer = some_layer(nlayers + i);
		BbManifestEdit edit = {.base = now, .end = &end};
		double		start;

		layer.lsn_start = now->end_lsn + 1;
		layer.lsn_end = end.end_lsn + 1;
		edit.added = list_make1(&layer);
		start = now_ms();
		now = bb_manifest_edit(ctx, objects, &edit);
		commit_ms[i] = now_ms() - start;
		start = now_ms();
		now = bb_manifest_read(ctx, objects, "main");
		open_ms[i] = now_ms() - start;
	}
	bb_reqctx_end(ctx);
	commit = median(commit_ms);
	open = median(open_ms);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(
		"commit %.2f ms (at best %.2f), open %.2f ms (at best %.2f), %s",
		commit, commit_ms[0], open, open_ms[0], looks(now))));
}

/*-------------------------------------------------------------------------
 *
 * compressor_zstd.c
 *	  zstd, in the backend or in threads of the library ("workers").
 *
 * Threads start with a stream, and end with the compressor.  They only compress
 * memory of the library and call nothing of PostgreSQL.  They are safe in a
 * backend as long as they get no signals, whose handlers would run in them.
 *
 * A thread's job has a fixed size, so the bytes of a stream depend neither on
 * the number of threads nor on their speed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_ZSTD

#include <signal.h>
#include <zstd.h>

#include "sinks/compressor.h"

/*
 * Up to this level, jobs are smaller than the library's default, which is 8 MB
 * from level 3 on.  With zstd 1.5.4 and a pgbench cluster, small jobs take a
 * third of the memory, the same time and the same bytes, and a cancelled backup
 * waits for a quarter of the work.  At higher levels each job costs too much.
 */
#define SMALL_JOBS_LEVEL 6
#define SMALL_JOB (2 * 1024 * 1024)

typedef struct ZstdCompressor
{
	BbCompressor base;
	pg_compress_specification spec;
	ZSTD_CCtx  *cctx; /* NULL: closed */
} ZstdCompressor;

static void
set_parameter(ZstdCompressor *zstd, ZSTD_cParameter parameter, int value,
			  const char *message)
{
	size_t		result = ZSTD_CCtx_setParameter(zstd->cctx, parameter, value);

	if (ZSTD_isError(result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(message, value, ZSTD_getErrorName(result))));
}

static void
zstd_open(BbCompressor *compressor)
{
	ZstdCompressor *zstd = (ZstdCompressor *) compressor;

	zstd->cctx = ZSTD_createCCtx();
	if (zstd->cctx == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not create zstd compression context")));
	set_parameter(zstd, ZSTD_c_compressionLevel, zstd->spec.level,
				  "could not set zstd compression level to %d: %s");
	if (zstd->spec.options & PG_COMPRESSION_OPTION_WORKERS)
	{
		/* a library without threads refuses, as PostgreSQL then does */
		set_parameter(zstd, ZSTD_c_nbWorkers, zstd->spec.workers,
					  "could not set compression worker count to %d: %s");
		if (zstd->spec.workers > 0 && zstd->spec.level <= SMALL_JOBS_LEVEL)
			set_parameter(zstd, ZSTD_c_jobSize, SMALL_JOB,
						  "could not set compression job size to %d: %s");
	}
#ifdef PG_COMPRESSION_OPTION_LONG_DISTANCE
	if (zstd->spec.options & PG_COMPRESSION_OPTION_LONG_DISTANCE)
		set_parameter(zstd, ZSTD_c_enableLongDistanceMatching,
					  zstd->spec.long_distance,
					  "could not set long-distance mode to %d: %s");
#endif
	zstd->base.in_size = ZSTD_CStreamInSize();
	zstd->base.out_size = ZSTD_CStreamOutSize();
}

/* Returns the number of bytes that the library still has to put out. */
static size_t
compress(ZstdCompressor *zstd, BbCompressorFlow *flow,
		 ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = {flow->in, flow->in_left, 0};
	ZSTD_outBuffer out = {flow->out, flow->out_left, 0};
	size_t		result = ZSTD_compressStream2(zstd->cctx, &out, &in,
											  directive);

	flow->in += in.pos;
	flow->in_left -= in.pos;
	flow->out += out.pos;
	flow->out_left -= out.pos;
	return result;
}

static size_t
check(size_t result)
{
	if (ZSTD_isError(result))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compress data: %s",
						ZSTD_getErrorName(result))));
	return result;
}

static void
zstd_begin(BbCompressor *compressor, BbCompressorFlow *flow)
{
	ZstdCompressor *zstd = (ZstdCompressor *) compressor;
	sigset_t	all;
	sigset_t	before;
	size_t		result;

	/* this keeps the parameters */
	check(ZSTD_CCtx_reset(zstd->cctx, ZSTD_reset_session_only));

	/* threads are created here, and inherit the signal mask */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = compress(zstd, flow, ZSTD_e_continue);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	check(result);
}

static bool
zstd_pump(BbCompressor *compressor, BbCompressorFlow *flow, bool end)
{
	ZstdCompressor *zstd = (ZstdCompressor *) compressor;

	return check(compress(zstd, flow, end ? ZSTD_e_end : ZSTD_e_continue)) ==
		0;
}

/* Waits for the current jobs of threads. */
static void
zstd_close(BbCompressor *compressor)
{
	ZstdCompressor *zstd = (ZstdCompressor *) compressor;

	ZSTD_freeCCtx(zstd->cctx);
	zstd->cctx = NULL;
}

static const BbCompressorOps zstd_ops = {
	.suffix = ".zst",
	.open = zstd_open,
	.begin = zstd_begin,
	.pump = zstd_pump,
	.close = zstd_close,
};

BbCompressor *
bb_compressor_zstd_new(const pg_compress_specification *spec)
{
	ZstdCompressor *zstd = palloc0(sizeof(ZstdCompressor));

	zstd->base.ops = &zstd_ops;
	zstd->spec = *spec;
	return &zstd->base;
}

#endif /* USE_ZSTD */

/*-------------------------------------------------------------------------
 *
 * test_compress.c
 *	  The compressing sink: the libraries decompress its output.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>

#ifdef HAVE_LIBZ
#include <zlib.h>
#endif
#ifdef USE_LZ4
#include <lz4frame.h>
#endif
#ifdef USE_ZSTD
#include <zstd.h>
#endif

#include "common/pg_prng.h"

#include "backup/backup.h"
#include "sinks/destinations.h"
#include "sinks/stages.h"
#include "base/compat.h"
#include "unit.h"

/* ---- what comes out ---- */

/* How many bytes "in" becomes, all of it one stream. */
static size_t
decompress(pg_compress_algorithm algorithm, const char *in, size_t in_size,
		   char *out, size_t out_size)
{
#ifdef HAVE_LIBZ
	if (algorithm == PG_COMPRESSION_GZIP)
	{
		z_stream	stream = {0};

		CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
		stream.next_in = (Bytef *) in;
		stream.avail_in = in_size;
		stream.next_out = (Bytef *) out;
		stream.avail_out = out_size;
		CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
		CHECK(stream.avail_in == 0);
		CHECK(inflateEnd(&stream) == Z_OK);
		return stream.total_out;
	}
#endif
#ifdef USE_LZ4
	if (algorithm == PG_COMPRESSION_LZ4)
	{
		LZ4F_dctx  *dctx;
		size_t		in_used = 0;
		size_t		made = 0;
		size_t		hint;

		CHECK(!LZ4F_isError(
			LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)));
		do
		{
			size_t		n = in_size - in_used;
			size_t		m = out_size - made;

			hint = LZ4F_decompress(dctx, out + made, &m, in + in_used, &n,
								   NULL);
			CHECK(!LZ4F_isError(hint));
			CHECK(n > 0 || m > 0);
			in_used += n;
			made += m;
		} while (hint != 0);
		CHECK(in_used == in_size);
		LZ4F_freeDecompressionContext(dctx);
		return made;
	}
#endif
#ifdef USE_ZSTD
	if (algorithm == PG_COMPRESSION_ZSTD)
	{
		size_t		made;

		CHECK(ZSTD_findFrameCompressedSize(in, in_size) == in_size);
		made = ZSTD_decompress(out, out_size, in, in_size);
		CHECK(!ZSTD_isError(made));
		return made;
	}
#endif
	elog(ERROR, "no way to decompress");
}

/* ---- what goes in ---- */

static pg_compress_specification
specification(const char *text)
{
	BbBackupOptions options = bb_options_defaults();

	bb_options_set_compression(&options, text);
	return options.compression;
}

/* Pages of which half can be compressed, or none at all. */
static char *
some_bytes(size_t size, bool compressible)
{
	char	   *bytes = palloc(size + 1);
	pg_prng_state random;

	pg_prng_seed(&random, size);
	for (size_t i = 0; i < size; i++)
		bytes[i] = compressible && i % 8192 < 4096
			? (char) (i / 8192)
			: (char) pg_prng_uint64(&random);
	return bytes;
}

static void
write_archive(const BbReqCtx *ctx, BbSink *sink, const char *bytes,
			  size_t size, size_t piece)
{
	bb_sink_begin_archive(ctx, sink, "base.tar");
	for (size_t at = 0; at < size; at += piece)
		bb_sink_write(ctx, sink, bytes + at, Min(piece, size - at));
	bb_sink_end_archive(ctx, sink);
}

/* An archive of so many bytes, as a stream of its own. */
static bytea *
compressed(const BbReqCtx *ctx, const pg_compress_specification *spec,
		   const char *bytes, size_t size, size_t piece)
{
	BbSink	   *chunks = bb_sink_chunks_new(0);
	BbSink	   *sink = bb_sink_compress_new(chunks, spec);

	bb_sink_begin(ctx, sink);
	write_archive(ctx, sink, bytes, size, piece);
	bb_sink_end(ctx, sink);
	return bb_sink_chunks_take(chunks);
}

static bool
same(const bytea *a, const bytea *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* ---- threads ---- */

/* SIGKILL and SIGSTOP, and two of the C library's own. */
#define NEVER_BLOCKED UINT64CONST(0x180040100)

/* How many has this process?  All but the first have every signal blocked. */
static int
count_threads(void)
{
	DIR		   *tasks = opendir("/proc/self/task");
	struct dirent *task;
	int			count = 0;

	CHECK(tasks != NULL);
	while ((task = readdir(tasks)) != NULL)
	{
		FILE	   *file;
		char		line[1000];
		uint64		blocked = 0;

		if (task->d_name[0] == '.')
			continue;
		count++;
		if (atoi(task->d_name) == MyProcPid)
			continue;
		file = fopen(psprintf("/proc/self/task/%s/status", task->d_name), "r");
		CHECK(file != NULL);
		while (fgets(line, sizeof(line), file) != NULL)
		{
			if (strncmp(line, "SigBlk:", 7) == 0)
				blocked = strtoull(line + 7, NULL, 16);
		}
		fclose(file);
		CHECK((blocked | NEVER_BLOCKED) == PG_UINT64_MAX);
	}
	closedir(tasks);
	return count;
}

/* ---- the tests ---- */

static const char *const specifications[] = {
#ifdef HAVE_LIBZ
	"gzip",
	"gzip:level=1",
	"gzip:9",
#endif
#ifdef USE_LZ4
	"lz4",
	"lz4:level=1",
	"lz4:12",
#endif
#ifdef USE_ZSTD
	"zstd",
	"zstd:level=1",
	"zstd:level=-3",
	"zstd:workers=1",
	"zstd:level=3,workers=2",
#ifdef PG_COMPRESSION_OPTION_LONG_DISTANCE
	"zstd:long",
#endif
#endif
};

UNIT_TEST(compressed_is_what_it_was)
{
	/* none, one, the amounts that the libraries get and their neighbours */
	static const size_t sizes[] = {0,	   1,		65535,	 65536,	 65537,
								   131071, 131072,	131073,	 262143, 262144,
								   262145, 3000000, 12345678};

	for (int s = 0; s < lengthof(specifications); s++)
	{
		pg_compress_specification spec = specification(specifications[s]);

		for (int n = 0; n < lengthof(sizes) * 2; n++)
		{
			size_t		size = sizes[n / 2];
			char	   *bytes = some_bytes(size, n % 2 == 0);
			bytea	   *result = compressed(ctx, &spec, bytes, size, 8192);
			char	   *again = palloc(size + 1);

			CHECK(decompress(spec.algorithm, VARDATA(result),
							 VARSIZE(result) - VARHDRSZ, again,
							 size + 1) == size);
			CHECK(memcmp(bytes, again, size) == 0);
			/* in other pieces, and in one */
			if (size < 1000000)
			{
				CHECK(same(result, compressed(ctx, &spec, bytes, size, 1000)));
				CHECK(same(result,
						   compressed(ctx, &spec, bytes, size, 1000000)));
			}
			CHECK_FOR_INTERRUPTS();
			pfree(bytes);
			pfree(again);
		}
	}
}

/* Each archive is a stream as if it were alone. */
UNIT_TEST(compressed_archives)
{
	size_t		size = 700000;
	char	   *bytes = some_bytes(size, true);

	for (int s = 0; s < lengthof(specifications); s++)
	{
		pg_compress_specification spec = specification(specifications[s]);
		bytea	   *alone = compressed(ctx, &spec, bytes, size, 8192);
		BbSink	   *chunks = bb_sink_chunks_new(0);
		BbSink	   *sink = bb_sink_compress_new(chunks, &spec);
		const char *name;

		bb_sink_begin(ctx, sink);
		for (int i = 0; i < 3; i++)
		{
			write_archive(ctx, sink, bytes, size, 8192);
			CHECK(same(bb_sink_chunks_take(chunks), alone));
		}
		bb_sink_end(ctx, sink);
		name = bb_sink_chunks_archive(chunks);
		CHECK(strcmp(name,
					 spec.algorithm == PG_COMPRESSION_GZIP ? "base.tar.gz"
						 : spec.algorithm == PG_COMPRESSION_LZ4
						 ? "base.tar.lz4"
						 : "base.tar.zst") == 0);
	}
}

#ifdef HAVE_LIBZ
/* A header without a time or a name. */
UNIT_TEST(compressed_header_has_no_time)
{
	pg_compress_specification spec = specification("gzip:5");
	bytea	   *result = compressed(ctx, &spec, "abc", 3, 3);

	CHECK(memcmp(VARDATA(result), "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8) == 0);
}
#endif

#ifdef USE_ZSTD
UNIT_TEST(compressing_threads_end)
{
	pg_compress_specification spec = specification("zstd:level=1,workers=3");
	char	   *bytes = some_bytes(20000000, true);
	int			before = count_threads();
	MemoryContext backup;
	BbSink	   *sink;

	/* left in the midst */
	backup = unit_enter();
	sink = bb_sink_compress_new(bb_sink_chunks_new(0), &spec);
	bb_sink_begin(ctx, sink);
	bb_sink_begin_archive(ctx, sink, "base.tar");
	bb_sink_write(ctx, sink, bytes, 20000000);
	CHECK(count_threads() == before + 3);
	unit_leave(backup);
	CHECK(count_threads() == before);

	/* done; the context is still there */
	(void) compressed(ctx, &spec, bytes, 20000000, 1000000);
	CHECK(count_threads() == before);
}
#endif

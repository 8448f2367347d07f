/*-------------------------------------------------------------------------
 *
 * unpacker.c
 *	  A stream that may be compressed, decompressed while it arrives.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/unpacker.h"
#include "base/compat.h"
#include "utils/memutils.h"

#define OUTPUT_BYTES (256 * 1024)

struct BbUnpacker
{
	MemoryContext context;
	BbUnpackerTake take;
	void	   *arg;
	bool		started;			  /* the method is known */
	const BbDecompressMethod *method; /* NULL: not compressed */
	BbDecompressor *decompressor;
	bool		in_stream; /* one has begun, and not ended */
	uint8	   *output;	   /* of OUTPUT_BYTES */
	size_t		have; /* the first bytes, until there are enough of them */
	uint8		first[BB_DECOMPRESS_MAGIC];
};

BbUnpacker *
bb_unpacker_new(BbUnpackerTake take, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup unpacker",
												  ALLOCSET_DEFAULT_SIZES);
	BbUnpacker *unpacker = MemoryContextAllocZero(context, sizeof(BbUnpacker));

	unpacker->context = context;
	unpacker->take = take;
	unpacker->arg = arg;
	return unpacker;
}

/* Find out how the stream is compressed. */
static void
start(BbUnpacker *unpacker)
{
	MemoryContext old = MemoryContextSwitchTo(unpacker->context);

	unpacker->started = true;
	unpacker->method = bb_decompress_magic(unpacker->first, unpacker->have);
	if (unpacker->method != NULL)
	{
		if (!bb_decompress_is_built(unpacker->method))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("could not decompress the stream"),
					 errdetail("bbackup was built without %s.",
							   bb_decompress_name(unpacker->method)),
					 errhint("Decompress it before you send it.")));
		unpacker->decompressor = bb_decompressor_new(unpacker->method);
		unpacker->output = palloc(OUTPUT_BYTES);
	}
	MemoryContextSwitchTo(old);
}

pg_noreturn static void broken(const BbUnpacker *unpacker, const char *what);

static void
broken(const BbUnpacker *unpacker, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not decompress the stream"),
			 errdetail("Its %s data is broken: %s.",
					   bb_decompress_name(unpacker->method), what)));
	pg_unreachable();
}

/* Decompress until input and output are used up. */
static void
pump(const BbReqCtx *ctx, BbUnpacker *unpacker, const uint8 *data,
	 size_t length)
{
	BbDecompressFlow flow = {.in = data, .in_left = length};
	BbDecompressState state;

	do
	{
		size_t		in = flow.in_left;

		bb_reqctx_check(ctx);
		flow.out = unpacker->output;
		flow.out_left = OUTPUT_BYTES;
		state = bb_decompressor_pump(unpacker->decompressor, &flow);
		unpacker->in_stream = state == BB_DECOMPRESS_MORE;
		if (state == BB_DECOMPRESS_BROKEN)
			broken(unpacker,
				   bb_decompressor_complaint(unpacker->decompressor));
		if (flow.out_left < OUTPUT_BYTES)
			unpacker->take(unpacker->arg, (const char *) unpacker->output,
						   OUTPUT_BYTES - flow.out_left);
		else if (in > 0 && flow.in_left == in && state == BB_DECOMPRESS_MORE)
			broken(unpacker, "invalid data");
		/* with a full output, the library may have more of it */
	} while (flow.in_left > 0 ||
			 (flow.out_left == 0 && state == BB_DECOMPRESS_MORE));
}

static void
pass(const BbReqCtx *ctx, BbUnpacker *unpacker, const char *data,
	 size_t length)
{
	if (unpacker->method != NULL)
		pump(ctx, unpacker, (const uint8 *) data, length);
	else if (length > 0)
		unpacker->take(unpacker->arg, data, length);
}

void
bb_unpacker_feed(const BbReqCtx *ctx, BbUnpacker *unpacker, const char *data,
				 size_t length)
{
	if (!unpacker->started)
	{
		size_t		some = Min(length, BB_DECOMPRESS_MAGIC - unpacker->have);

		memcpy(unpacker->first + unpacker->have, data, some);
		unpacker->have += some;
		data += some;
		length -= some;
		if (unpacker->have < BB_DECOMPRESS_MAGIC)
			return;
		start(unpacker);
		pass(ctx, unpacker, (const char *) unpacker->first, unpacker->have);
	}
	if (length > 0)
		pass(ctx, unpacker, data, length);
}

void
bb_unpacker_end(const BbReqCtx *ctx, BbUnpacker *unpacker)
{
	if (!unpacker->started)
	{
		start(unpacker);
		pass(ctx, unpacker, (const char *) unpacker->first, unpacker->have);
	}
	if (unpacker->in_stream)
		broken(unpacker, "it ends too early");
	MemoryContextDelete(unpacker->context);
}

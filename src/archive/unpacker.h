/*-------------------------------------------------------------------------
 *
 * unpacker.h
 *	  A stream that may be compressed, decompressed while it arrives.
 *
 *	  bytes, as they come ──► decompress.h ──► take
 *
 * The first bytes tell how the stream is compressed, since it has no name.
 * packedfile.h is the same for a file, which is read when its bytes are wanted.
 *
 *	  new, feed*, end
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UNPACKER_H
#define BB_UNPACKER_H

#include "archive/decompress.h"
#include "base/reqctx.h"

typedef struct BbUnpacker BbUnpacker;

/* Take the next bytes of the decompressed stream. */
typedef void (*BbUnpackerTake) (void *arg, const char *data, size_t length);

/*
 * bb_unpacker_new - begin a stream, in CurrentMemoryContext.
 */
extern BbUnpacker *bb_unpacker_new(BbUnpackerTake take, void *arg);

/*
 * bb_unpacker_feed - decompress the next bytes.
 *
 * Errors: DATA_CORRUPTED; FEATURE_NOT_SUPPORTED (the method's library is not
 * built in); OUT_OF_MEMORY; those of "take".
 */
extern void bb_unpacker_feed(const BbReqCtx *ctx, BbUnpacker *unpacker,
							 const char *data, size_t length);

/*
 * bb_unpacker_end - end the stream, and free the unpacker.
 *
 * Errors: DATA_CORRUPTED (it was cut); those of bb_unpacker_feed.
 */
extern void bb_unpacker_end(const BbReqCtx *ctx, BbUnpacker *unpacker);

#endif /* BB_UNPACKER_H */

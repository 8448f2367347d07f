/*-------------------------------------------------------------------------
 *
 * copy_decoder.h
 *	  A decoder of binary COPY that returns the bytes of archives.
 *
 *	  header  row*	trailer
 *
 * A row has the columns "data", or "archive" and "data".  The server sends the
 * trailer only after success, so a stream without one was cut.
 *
 * The decoder keeps a few bytes (lengths, the archive's name) and passes data to
 * the output as it arrives, whatever the size of a row.
 *
 * (The format is described in PostgreSQL's documentation of COPY, "Binary
 * Format".)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_COPY_DECODER_H
#define BB_CLIENT_COPY_DECODER_H

#include "output.h"

typedef struct BbCopyDecoder BbCopyDecoder;

/* archive: its name if the rows have none. */
extern BbCopyDecoder *bb_copy_decoder_new(BbOutput *output,
										  const char *archive);
extern void bb_copy_decoder_feed(BbCopyDecoder *decoder, const char *data,
								 size_t length);
/*
 * bb_copy_decoder_end - end the stream and the last archive, and free the
 * decoder.  Ends the program if the stream was cut.
 */
extern void bb_copy_decoder_end(BbCopyDecoder *decoder);

#endif /* BB_CLIENT_COPY_DECODER_H */

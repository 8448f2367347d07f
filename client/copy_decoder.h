/*-------------------------------------------------------------------------
 *
 * copy_decoder.h
 *	  Rows of a binary COPY, back into the bytes of archives.
 *
 *	  header  row*	trailer
 *
 * where a row has the columns "data", or "archive" and "data".  The server
 * sends the trailer only after success, so a stream without one was cut.
 *
 * Nothing is collected but what has a few bytes (lengths, the archive's name):
 * data goes to the output as it comes, whatever a row's size.
 *
 * (PostgreSQL's documentation of COPY, "Binary Format".)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_COPY_DECODER_H
#define BB_CLIENT_COPY_DECODER_H

#include "output.h"

typedef struct BbCopyDecoder BbCopyDecoder;

/* archive: what it's called if the rows don't say. */
extern BbCopyDecoder *bb_copy_decoder_new(BbOutput *output,
										  const char *archive);
extern void bb_copy_decoder_feed(BbCopyDecoder *decoder, const char *data,
								 size_t length);
/*
 * bb_copy_decoder_end - nothing more comes: end the last archive, unless the
 * stream was cut, and free the decoder.
 */
extern void bb_copy_decoder_end(BbCopyDecoder *decoder);

#endif /* BB_CLIENT_COPY_DECODER_H */

/*-------------------------------------------------------------------------
 *
 * copyinput.h
 *	  A base backup that the client sends, as COPY ... FROM STDIN reads it.
 *
 *	  server: CopyInResponse		  client: CopyData*, CopyDone or CopyFail
 *
 * If the import fails while the client sends, the client gets an INFO with
 * BB_COPY_REFUSED as its SQLSTATE at once.  The error comes when the server is
 * done, and libpq shows it only after the end of the stream; until then a client
 * that doesn't know better sends what the server throws away.
 *
 * A message of the client isn't interrupted by a cancel, as in COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_COPYINPUT_H
#define BB_COPYINPUT_H

#include "import/stream_import.h"

/* client/import_stream.c has it, too. */
#define BB_COPY_REFUSED MAKE_SQLSTATE('0', '1', 'B', 'B', '1')

/*
 * bb_copyinput_new - return a stream in CurrentMemoryContext.
 *
 * REQUIRES: the client waits for the answer to a statement, and gets no other one
 * before the stream's end.
 *
 * Errors while reading: QUERY_CANCELED (also by the client's CopyFail);
 * CONNECTION_FAILURE, PROTOCOL_VIOLATION.
 */
extern BbImportStream *bb_copyinput_new(void);

#endif /* BB_COPYINPUT_H */

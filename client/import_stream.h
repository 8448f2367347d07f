/*-------------------------------------------------------------------------
 *
 * import_stream.h
 *	  A base backup on its way to the server: CALL bb_import_copy().
 *
 *	  begin ── send* ── end
 *
 * An error or a signal ends the program, which then tells the server that the
 * stream is not complete, and waits until the server has removed what it had.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_IMPORT_STREAM_H
#define BB_CLIENT_IMPORT_STREAM_H

#include "server.h"

/* bb_import_begin - call the procedure, with the arguments of "call". */
extern void bb_import_begin(BbServer *server, BbCall *call);

/* bb_import_send - send bytes. */
extern void bb_import_send(BbServer *server, const char *data, size_t length);

/* bb_import_end - end the stream; returns the procedure's row. */
extern PGresult *bb_import_end(BbServer *server);

#endif /* BB_CLIENT_IMPORT_STREAM_H */

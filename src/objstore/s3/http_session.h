/*-------------------------------------------------------------------------
 *
 * http_session.h
 *	  The HTTP connections of this session: waiting for all that are in use.
 *
 *	  open (add | drive | wait | next_ended | remove)*
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTP_SESSION_H
#define BB_HTTP_SESSION_H

#include <curl/curl.h>

#include "base/reqctx.h"

/*
 * bb_http_session_open - initialize libcurl, once in a session.
 *
 * Errors: INSUFFICIENT_RESOURCES.
 */
extern void bb_http_session_open(void);

/*
 * bb_http_session_add, bb_http_session_remove - let libcurl begin a transfer;
 * end it.
 *
 * Removing never throws, and does nothing after the session has ended.
 */
extern void bb_http_session_add(CURL *easy);
extern void bb_http_session_remove(CURL *easy);

/* bb_http_session_drive - let libcurl continue as far as it can now. */
extern void bb_http_session_drive(void);

/*
 * bb_http_session_wait - wait until a socket is ready, a timer of libcurl is
 * due, our latch is set, or a second has passed, and let libcurl continue.
 *
 * Returns early at the deadline of ctx (may be NULL) or at give_up (0: none).
 */
extern void bb_http_session_wait(const BbReqCtx *ctx, TimestampTz give_up);

/*
 * bb_http_session_next_ended - return a transfer that has ended, and in *code
 * how; NULL if there is no other one.
 */
extern CURL *bb_http_session_next_ended(CURLcode *code);

#endif /* BB_HTTP_SESSION_H */

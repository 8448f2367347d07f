/*-------------------------------------------------------------------------
 *
 * httpheader.h
 *	  Decoding the headers of an answer: sizes, ETag, date, redirection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTPHEADER_H
#define BB_HTTPHEADER_H

#include "objstore/s3/http.h"

/*
 * bb_http_take_header - decode a line that ends at "end" into *answer, if it is
 * one of the headers that are used.
 *
 * The line comes from the server and is not terminated.  Malformed values are
 * ignored.  Never throws, because libcurl calls it.
 */
extern void bb_http_take_header(const char *line, size_t end,
								BbHttpAnswer *answer);

#endif /* BB_HTTPHEADER_H */

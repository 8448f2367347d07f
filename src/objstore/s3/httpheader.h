/*-------------------------------------------------------------------------
 *
 * httpheader.h
 *	  What the headers of an answer tell: the size of the body, a redirection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTPHEADER_H
#define BB_HTTPHEADER_H

#include "objstore/s3/http.h"

/*
 * bb_http_take_header - decode a line that ends at "end" into *answer, if it is
 * a header that is used.
 *
 * The line comes from the server, and is not terminated.
 * What is not as expected is left out.  Never throws: libcurl calls it.
 */
extern void bb_http_take_header(const char *line, size_t end,
								BbHttpAnswer *answer);

#endif /* BB_HTTPHEADER_H */

/*-------------------------------------------------------------------------
 *
 * httpheader.h
 *	  What the headers of an answer say of its body, and of where it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HTTPHEADER_H
#define BB_HTTPHEADER_H

#include "objstore/http.h"

/*
 * bb_http_take_header - into *answer what a line that ends at "end" says, if
 * anybody wants to know it.
 *
 * The line is what the server sent, and not terminated.
 * What is not as expected is left out.  Never throws: libcurl calls it.
 */
extern void bb_http_take_header(const char *line, size_t end,
								BbHttpAnswer *answer);

#endif /* BB_HTTPHEADER_H */

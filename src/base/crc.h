/*-------------------------------------------------------------------------
 *
 * crc.h
 *	  The server's CRC-32C, of a whole value or of a stream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CRC_H
#define BB_CRC_H

#include "port/pg_crc32c.h"

/*
 * bb_crc32c - do what COMP_CRC32C does, between INIT_CRC32C and FIN_CRC32C.
 *
 * Use it for pages and larger data: on a processor that supports it, it takes
 * a third of the time.
 */
extern pg_crc32c bb_crc32c(pg_crc32c crc, const void *data, size_t length);

/* bb_crc32c_of - return the finished CRC of a short value. */
static inline pg_crc32c
bb_crc32c_of(const void *data, size_t length)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, length);
	FIN_CRC32C(crc);
	return crc;
}

#endif /* BB_CRC_H */

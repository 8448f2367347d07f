/*-------------------------------------------------------------------------
 *
 * crc.h
 *	  The server's CRC-32C, of what is long.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CRC_H
#define BB_CRC_H

#include "port/pg_crc32c.h"

/*
 * bb_crc32c - what COMP_CRC32C makes of crc, between INIT_CRC32C and
 * FIN_CRC32C.
 *
 * Pays for pages and more: where the processor can, it takes a third of the
 * time.
 */
extern pg_crc32c bb_crc32c(pg_crc32c crc, const void *data, size_t length);

#endif /* BB_CRC_H */

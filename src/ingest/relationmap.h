/*-------------------------------------------------------------------------
 *
 * relationmap.h
 *	  Is a pg_filenode.map one that a server starts with?
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_RELATIONMAP_H
#define BB_RELATIONMAP_H

#include "base/compat.h"
#include "port/pg_crc32c.h"

/*
 * bb_relmap_valid - are magic number and checksum right, and is the number of
 * mappings one that fits?  "data" has BB_RELMAP_SIZE bytes.
 *
 * (read_relmap_file in PostgreSQL's relmapper.c.)
 */
static inline bool
bb_relmap_valid(const char *data)
{
	const uint32 max_mappings = (BB_RELMAP_CRC_AT - 2 * sizeof(uint32)) /
		(2 * sizeof(Oid));
	uint32		magic;
	uint32		mappings;
	pg_crc32c	stored;
	pg_crc32c	crc;

	memcpy(&magic, data, sizeof(magic));
	memcpy(&mappings, data + sizeof(magic), sizeof(mappings));
	memcpy(&stored, data + BB_RELMAP_CRC_AT, sizeof(stored));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, BB_RELMAP_CRC_AT);
	FIN_CRC32C(crc);
	return magic == BB_RELMAP_MAGIC && mappings <= max_mappings &&
		EQ_CRC32C(crc, stored);
}

#endif /* BB_RELATIONMAP_H */

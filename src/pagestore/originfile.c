/*-------------------------------------------------------------------------
 *
 * originfile.c
 *	  pg_logical/replorigin_checkpoint: the file of replication origins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "pagestore/originfile.h"

/* As REPLICATION_STATE_MAGIC in PostgreSQL's origin.c. */
#define ORIGIN_MAGIC ((uint32) 0x1257DADE)

/* As ReplicationStateOnDisk there; padding is zero. */
typedef struct OriginOnDisk
{
	uint16		id;
	uint64		remote_lsn;
} OriginOnDisk;

void
bb_originfile_begin(StringInfo file)
{
	uint32		magic = ORIGIN_MAGIC;

	appendBinaryStringInfo(file, (char *) &magic, sizeof(magic));
}

void
bb_originfile_add(StringInfo file, const BbOrigin *origin)
{
	OriginOnDisk entry;

	if (origin->id == 0 || origin->id > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page store has an impossible replication origin %u",
						origin->id)));
	memset(&entry, 0, sizeof(entry));
	entry.id = (uint16) origin->id;
	entry.remote_lsn = origin->remote_lsn;
	appendBinaryStringInfo(file, (char *) &entry, sizeof(entry));
}

void
bb_originfile_end(StringInfo file)
{
	pg_crc32c	crc = bb_crc32c_of(file->data, file->len);

	appendBinaryStringInfo(file, (char *) &crc, sizeof(crc));
}

static int
compare_origins(const ListCell *a, const ListCell *b)
{
	uint32		left = ((const BbOrigin *) lfirst(a))->id;
	uint32		right = ((const BbOrigin *) lfirst(b))->id;

	return left < right ? -1 : left > right ? 1 : 0;
}

bool
bb_originfile_decode(const char *data, size_t length, List **origins)
{
	uint32		magic;
	pg_crc32c	crc;
	size_t		end = length - sizeof(crc);

	*origins = NIL;
	if (length < sizeof(magic) + sizeof(crc) ||
		(end - sizeof(magic)) % sizeof(OriginOnDisk) != 0)
		return false;
	memcpy(&magic, data, sizeof(magic));
	memcpy(&crc, data + end, sizeof(crc));
	if (magic != ORIGIN_MAGIC || !EQ_CRC32C(crc, bb_crc32c_of(data, end)))
		return false;

	for (size_t at = sizeof(magic); at < end; at += sizeof(OriginOnDisk))
	{
		OriginOnDisk entry;
		BbOrigin   *origin = palloc0(sizeof(BbOrigin));

		memcpy(&entry, data + at, sizeof(entry));
		origin->id = entry.id;
		origin->remote_lsn = entry.remote_lsn;
		*origins = lappend(*origins, origin);
	}
	list_sort(*origins, compare_origins);
	return true;
}

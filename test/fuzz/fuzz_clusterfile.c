/*-------------------------------------------------------------------------
 *
 * fuzz_clusterfile.c
 *	  Control files, checkpoints, relation maps and files of replication
 *	  origins, some with a correct checksum.
 *
 *	  which u8 | bytes		(which: the kind, and a major version)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "fuzz.h"
#include "pagestore/originfile.h"
#include "port/pg_crc32c.h"

/* Write the CRC of all bytes before "at" there. */
static void
seal(uint8 *bytes, size_t size, size_t at)
{
	pg_crc32c	crc;

	if (size < at + sizeof(crc))
		return;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, at);
	FIN_CRC32C(crc);
	memcpy(bytes + at, &crc, sizeof(crc));
}

static void
take(const uint8_t *data, size_t size)
{
	const int	count = BB_MAJOR_NEWEST - BB_MAJOR_OLDEST + 1;
	uint8	   *bytes = palloc(size);
	List	   *origins;
	const BbMajor *major;
	BbControl	control;

	if (size < 2)
		return;
	memcpy(bytes, data + 1, size - 1);
	size--;
	major = bb_major_of((BB_MAJOR_OLDEST + data[0] / 4 % count) * 10000);
	switch (data[0] % 4)
	{
		case 0:
			seal(bytes, size, major->crc_at);
			if (bb_control_error(major, bytes, size) == NULL)
				bb_control_read(major, bytes, &control);
			break;
		case 1:
			(void) bb_checkpoint_error(major, bytes, size);
			break;
		case 2:
			seal(bytes, size, major->relmap_crc_at);
			(void) bb_relmap_error(major, bytes, size);
			break;
		case 3:
			if (size > sizeof(pg_crc32c))
				seal(bytes, size, size - sizeof(pg_crc32c));
			(void) bb_originfile_decode((char *) bytes, size, &origins);
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

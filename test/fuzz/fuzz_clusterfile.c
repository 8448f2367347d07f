/*-------------------------------------------------------------------------
 *
 * fuzz_clusterfile.c
 *	  Control files, checkpoints, relation maps and files of replication
 *	  origins, some with a correct checksum.
 *
 *	  which u8 | bytes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
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
	uint8	   *bytes = palloc(size);
	List	   *origins;

	if (size < 2)
		return;
	memcpy(bytes, data + 1, size - 1);
	size--;
	switch (data[0] % 4)
	{
		case 0:
			seal(bytes, size, offsetof(ControlFileData, crc));
			(void) bb_control_error(bytes, size);
			break;
		case 1:
			(void) bb_checkpoint_error(bytes, size);
			break;
		case 2:
			seal(bytes, size, BB_RELMAP_CRC_AT);
			(void) bb_relmap_error(bytes, size);
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

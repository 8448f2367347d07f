/*-------------------------------------------------------------------------
 *
 * fuzz_native.c
 *	  Native records, on pages of all kinds that have them.
 *
 *	  key 18 | records: length u16, bytes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "layer/native.h"

static void
take(const uint8_t *data, size_t size)
{
	uint8	   *page = palloc0(BLCKSZ);
	BbKey		key;
	XLogRecPtr	lsn = 100;

	if (size < BB_KEY_LENGTH)
		return;
	memcpy(key.bytes, data, BB_KEY_LENGTH);
	data += BB_KEY_LENGTH;
	size -= BB_KEY_LENGTH;
	while (size >= 2)
	{
		size_t		length = Min((size_t) (data[0] | data[1] << 8), size - 2);
		uint8	   *copy = palloc(length);
		BbChange	change = {lsn++, BB_ENTRY_NATIVE, copy, (uint32) length};

		memcpy(copy, data + 2, length);
		bb_native_apply(&key, &change, page);
		data += 2 + length;
		size -= 2 + length;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

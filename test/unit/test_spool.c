/*-------------------------------------------------------------------------
 *
 * test_spool.c
 *	  Spools: what can be read, their memory, and their temporary files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "files/spool.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "unit.h"
#include "utils/memutils.h"

/* Count the temporary files of this process. */
static int
temporary_files(void)
{
	char	   *prefix = psprintf("pgsql_tmp%d.", MyProcPid);
	DIR		   *dir = opendir("base/pgsql_tmp");
	struct dirent *entry;
	int			count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(dir);
	return count;
}

static uint8
byte_at(uint64 n)
{
	return (uint8) (n * 2654435761U >> 13);
}

/* A spool with "size" bytes, written in pieces of up to "piece". */
static BbSpool *
filled(uint64 size, uint32 piece)
{
	BbSpool	   *spool = bb_spool_new();
	uint8	   *bytes = palloc(piece);

	for (uint64 at = 0; at < size; at += piece)
	{
		uint32		length = (uint32) Min(piece, size - at);

		for (uint32 i = 0; i < length; i++)
			bytes[i] = byte_at(at + i);
		bb_spool_append(spool, bytes, length);
	}
	pfree(bytes);
	return spool;
}

static void
check_spool(uint64 size, uint32 piece)
{
	BbSpool	   *spool = filled(size, piece);
	const uint8 *data;
	uint32		length;
	uint64		at = 0;

	while (bb_spool_next(spool, &data, &length))
	{
		CHECK(length > 0 && length <= BLCKSZ);
		for (uint32 i = 0; i < length; i++)
			CHECK(data[i] == byte_at(at + i));
		at += length;
	}
	CHECK(at == size);
	CHECK(!bb_spool_next(spool, &data, &length));
}

UNIT_TEST(spool_gives_what_it_got)
{
	uint64		megabyte = 1024 * 1024;

	check_spool(0, 10);
	check_spool(1, 10);
	check_spool(BLCKSZ, 1000);
	check_spool(megabyte, 4096);
	CHECK(temporary_files() == 0);
	check_spool(megabyte + 1, 4096);
	check_spool(megabyte + 1, 1000);
	check_spool(5 * megabyte + 77, 1001);
	check_spool(3 * megabyte, megabyte);
}

UNIT_TEST(spool_memory_is_bounded)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "spool",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BbSpool	   *spool = filled(20 * 1024 * 1024, 333);
	const uint8 *data;
	uint32		length;

	CHECK(MemoryContextMemAllocated(context, true) < 3 * 1024 * 1024);
	for (int i = 0; i < 100; i++)
		CHECK(bb_spool_next(spool, &data, &length));
	CHECK(MemoryContextMemAllocated(context, true) < 3 * 1024 * 1024);
	CHECK(temporary_files() == 1);
	MemoryContextSwitchTo(old_context);

	/* if reading stops, the file is removed with the context */
	MemoryContextDelete(context);
	CHECK(temporary_files() == 0);
}

/*-------------------------------------------------------------------------
 *
 * spool.c
 *	  Bytes that are written first and then read once, in bounded memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "files/spool.h"
#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

/* So many bytes stay in memory. */
#define SPOOL_MEMORY (1024 * 1024)
/* The file is read in pieces of this size. */
#define READ_SIZE (64 * 1024)

#define NO_FILE (-1)

struct BbSpool
{
	StringInfoData buffer; /* bytes not yet in the file, or read from it */
	File		file;
	uint64		file_size;
	bool		reading;
	int			at;		   /* bytes read from the buffer */
	uint64		read_size; /* bytes read from the file */
};

static void
close_with_context(void *arg)
{
	BbSpool	   *spool = arg;

	if (spool->file != NO_FILE)
		FileClose(spool->file);
	spool->file = NO_FILE;
}

BbSpool *
bb_spool_new(void)
{
	BbSpool	   *spool = palloc0(sizeof(BbSpool));

	initStringInfo(&spool->buffer);
	spool->file = NO_FILE;
	bb_on_reset(CurrentMemoryContext, close_with_context, spool);
	return spool;
}

/* Append the buffer to the file. */
static void
write_out(BbSpool *spool)
{
	int			done = 0;

	/* "interXact": our memory context closes it, not the transaction */
	if (spool->file == NO_FILE)
		spool->file = OpenTemporaryFile(true);
	while (done < spool->buffer.len)
	{
		int			written = FileWrite(spool->file, spool->buffer.data + done,
										spool->buffer.len - done,
										(off_t) spool->file_size,
										WAIT_EVENT_BUFFILE_WRITE);

		if (written <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write to file \"%s\": %m",
							FilePathName(spool->file))));
		done += written;
		spool->file_size += written;
	}
	resetStringInfo(&spool->buffer);
}

void
bb_spool_append(BbSpool *spool, const void *data, size_t length)
{
	Assert(!spool->reading && length <= SPOOL_MEMORY);

	if (spool->buffer.len + length > SPOOL_MEMORY)
		write_out(spool);
	appendBinaryStringInfo(&spool->buffer, data, (int) length);
}

/* Fill the buffer from the file; false at its end. */
static bool
refill(BbSpool *spool)
{
	int			wanted = (int) Min(READ_SIZE,
								   spool->file_size - spool->read_size);
	int			found;

	if (wanted == 0)
		return false;
	found = FileRead(spool->file, spool->buffer.data, wanted,
					 (off_t) spool->read_size, WAIT_EVENT_BUFFILE_READ);
	if (found < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m",
						FilePathName(spool->file))));
	if (found == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" has become shorter",
						FilePathName(spool->file)),
				 errdetail("It ends at byte " UINT64_FORMAT " of " UINT64_FORMAT
						   ".",
						   spool->read_size, spool->file_size)));
	spool->buffer.len = found;
	spool->at = 0;
	spool->read_size += found;
	return true;
}

bool
bb_spool_next(BbSpool *spool, const uint8 **data, uint32 *length)
{
	if (!spool->reading)
	{
		if (spool->file != NO_FILE)
		{
			write_out(spool);
			enlargeStringInfo(&spool->buffer, READ_SIZE);
		}
		spool->reading = true;
	}
	if (spool->at == spool->buffer.len && !refill(spool))
		return false;

	*data = (const uint8 *) spool->buffer.data + spool->at;
	*length = Min(BLCKSZ, spool->buffer.len - spool->at);
	spool->at += *length;
	return true;
}

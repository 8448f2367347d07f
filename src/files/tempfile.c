/*-------------------------------------------------------------------------
 *
 * tempfile.c
 *	  A temporary file of the server that is written front to back, and then
 *	  read at any place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "files/tempfile.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

/* Bytes are written in pieces of this size. */
#define BUFFER_SIZE (256 * 1024)

struct BbTempFile
{
	File		file;
	uint64		written; /* bytes in the file */
	char	   *buffer;	 /* those after them */
	size_t		buffered;
};

BbTempFile *
bb_tempfile_new(void)
{
	BbTempFile *file = palloc0(sizeof(BbTempFile));

	file->buffer = palloc(BUFFER_SIZE);
	PrepareTempTablespaces();
	file->file = OpenTemporaryFile(false);
	return file;
}

uint64
bb_tempfile_size(const BbTempFile *file)
{
	return file->written + file->buffered;
}

static void
write_bytes(BbTempFile *file, const char *data, size_t length)
{
	while (length > 0)
	{
		int			n = FileWrite(file->file, unconstify(char *, data),
								  (int) Min(length, BUFFER_SIZE),
								  (off_t) file->written,
								  WAIT_EVENT_BUFFILE_WRITE);

		if (n <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write to file \"%s\": %m",
							FilePathName(file->file))));
		file->written += n;
		data += n;
		length -= n;
	}
}

static void
flush(BbTempFile *file)
{
	size_t		length = file->buffered;

	file->buffered = 0;
	write_bytes(file, file->buffer, length);
}

void
bb_tempfile_append(BbTempFile *file, const void *data, size_t length)
{
	if (file->buffered + length > BUFFER_SIZE)
		flush(file);
	if (length > BUFFER_SIZE)
	{
		write_bytes(file, data, length);
		return;
	}
	memcpy(file->buffer + file->buffered, data, length);
	file->buffered += length;
}

void
bb_tempfile_read(BbTempFile *file, uint64 offset, void *data, size_t length)
{
	char	   *to = data;

	if (offset + length > file->written)
		flush(file);
	while (length > 0)
	{
		int			n = FileRead(file->file, to,
								 (int) Min(length, BUFFER_SIZE),
								 (off_t) offset, WAIT_EVENT_BUFFILE_READ);

		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m",
							FilePathName(file->file))));
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s\" has become shorter",
							FilePathName(file->file)),
					 errdetail("It ends at byte " UINT64_FORMAT " of " UINT64_FORMAT
							   ".",
							   offset, file->written)));
		to += n;
		offset += n;
		length -= n;
	}
}

void
bb_tempfile_close(BbTempFile *file)
{
	FileClose(file->file);
	pfree(file->buffer);
	pfree(file);
}

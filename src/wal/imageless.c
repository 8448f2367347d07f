/*-------------------------------------------------------------------------
 *
 * imageless.c
 *	  WAL records without full-page images that nothing reads.
 *
 * A record is its header, the headers of its parts, then the parts, in the same
 * order: for each block reference the image and the data, and last the main data.
 * (As DecodeXLogRecord in xlogreader.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlogrecord.h"
#include "base/compat.h"
#include "wal/imageless.h"
#include "wal/page.h"

typedef struct Part
{
	uint32		image; /* bytes to be left out */
	uint32		kept;  /* bytes after them */
} Part;

typedef struct Cursor
{
	const uint8 *in;
	const uint8 *end;
	uint8	   *out;
	uint64		parts_length;
	bool		found; /* an image to be left out */
	int			nparts;
	Part		parts[XLR_MAX_BLOCK_ID + 2]; /* and the main data */
} Cursor;

bool
bb_wal_images_unread(RmgrId rmid)
{
	return rmid == RM_HEAP_ID || rmid == RM_HEAP2_ID || rmid == RM_BTREE_ID;
}

static bool
has(const Cursor *cursor, size_t size)
{
	return (size_t) (cursor->end - cursor->in) >= size;
}

static bool
copy(Cursor *cursor, size_t size)
{
	if (!has(cursor, size))
		return false;
	memcpy(cursor->out, cursor->in, size);
	cursor->in += size;
	cursor->out += size;
	return true;
}

static void
add_part(Cursor *cursor, uint32 image, uint32 kept)
{
	Part	   *part = &cursor->parts[cursor->nparts++];

	part->image = image;
	part->kept = kept;
	cursor->parts_length += (uint64) image + kept;
}

/* Reads the header of an image without copying it. */
static bool
read_image_header(Cursor *cursor, uint16 *length)
{
	XLogRecordBlockImageHeader header;
	size_t		size = SizeOfXLogRecordBlockImageHeader;

	if (!has(cursor, size))
		return false;
	memcpy(&header.length, cursor->in, sizeof(header.length));
	memcpy(&header.bimg_info,
		   cursor->in + offsetof(XLogRecordBlockImageHeader, bimg_info),
		   sizeof(header.bimg_info));
	if (BKPIMAGE_COMPRESSED(header.bimg_info) &&
		(header.bimg_info & BKPIMAGE_HAS_HOLE) != 0)
		size += SizeOfXLogRecordBlockCompressHeader;
	if (!has(cursor, size))
		return false;
	cursor->in += size;
	*length = header.length;
	return true;
}

static bool
copy_block_header(Cursor *cursor)
{
	uint8	   *flags = cursor->out +
		offsetof(XLogRecordBlockHeader, fork_flags);
	const uint8 *start;
	uint16		data_length;
	uint16		image_length = 0;
	bool		drop;
	size_t		rest = sizeof(BlockNumber);

	if (!copy(cursor, SizeOfXLogRecordBlockHeader))
		return false;
	memcpy(&data_length,
		   cursor->in - SizeOfXLogRecordBlockHeader +
			   offsetof(XLogRecordBlockHeader, data_length),
		   sizeof(data_length));
	if ((*flags & BKPBLOCK_SAME_REL) == 0)
		rest += sizeof(BbRelLocator);

	drop = (*flags & BKPBLOCK_HAS_IMAGE) != 0 &&
		(*flags & BKPBLOCK_WILL_INIT) == 0;
	start = cursor->in;
	if ((*flags & BKPBLOCK_HAS_IMAGE) != 0 &&
		!read_image_header(cursor, &image_length))
		return false;
	if (drop)
	{
		*flags &= ~BKPBLOCK_HAS_IMAGE;
		cursor->found = true;
		add_part(cursor, image_length, data_length);
	}
	else
	{
		size_t		size = cursor->in - start;

		memcpy(cursor->out, start, size);
		cursor->out += size;
		add_part(cursor, 0, (uint32) image_length + data_length);
	}
	return copy(cursor, rest);
}

static bool
copy_main_header(Cursor *cursor, bool is_long)
{
	const uint8 *length = cursor->in + 1;

	if (!copy(cursor, is_long ? 1 + sizeof(uint32) : 1 + sizeof(uint8)))
		return false;
	if (is_long)
	{
		uint32		main_length;

		memcpy(&main_length, length, sizeof(main_length));
		add_part(cursor, 0, main_length);
	}
	else
		add_part(cursor, 0, *length);
	return true;
}

/* Headers come in order of their blocks; main data ends them. */
static bool
copy_headers(Cursor *cursor)
{
	int			last_id = -1;

	while ((uint64) (cursor->end - cursor->in) > cursor->parts_length)
	{
		uint8		id = *cursor->in;

		if (id == XLR_BLOCK_ID_DATA_SHORT || id == XLR_BLOCK_ID_DATA_LONG)
			return copy_main_header(cursor, id == XLR_BLOCK_ID_DATA_LONG);
		else if (id == XLR_BLOCK_ID_ORIGIN)
		{
			if (!copy(cursor, 1 + sizeof(uint16)))
				return false;
		}
		else if (id == XLR_BLOCK_ID_TOPLEVEL_XID)
		{
			if (!copy(cursor, 1 + sizeof(TransactionId)))
				return false;
		}
		else if (id <= XLR_MAX_BLOCK_ID && id > last_id)
		{
			last_id = id;
			if (!copy_block_header(cursor))
				return false;
		}
		else
			return false;
	}
	return true;
}

uint32
bb_wal_without_images(const uint8 *record, uint32 length, uint8 *copy_to)
{
	Cursor		cursor = {
		.in = record,
		.end = record + length,
		.out = copy_to,
	};

	if (!copy(&cursor, SizeOfXLogRecord) || !copy_headers(&cursor) ||
		(uint64) (cursor.end - cursor.in) != cursor.parts_length ||
		!cursor.found)
		return 0;
	for (int i = 0; i < cursor.nparts; i++)
	{
		cursor.in += cursor.parts[i].image;
		(void) copy(&cursor, cursor.parts[i].kept);
	}
	bb_wal_record_finish(copy_to, cursor.out - copy_to);
	return cursor.out - copy_to;
}

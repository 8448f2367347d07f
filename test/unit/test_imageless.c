/*-------------------------------------------------------------------------
 *
 * test_imageless.c
 *	  Records without images: what the server's decoder reads of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "base/compat.h"
#include "common/pg_prng.h"
#include "port/pg_crc32c.h"
#include "unit.h"
#include "wal/imageless.h"

#define LSN UINT64CONST(0x1000028)
#define MAX_SIZE 16384
#define GUARD 64

typedef struct Maker
{
	pg_prng_state random;
	uint8		bytes[MAX_SIZE];
	uint32		length;
	int			dropped; /* images that the copy lacks */
	uint32		dropped_bytes;
} Maker;

static uint32
upto(Maker *maker, uint32 max)
{
	return (uint32) pg_prng_uint64_range(&maker->random, 0, max);
}

static void
put(Maker *maker, const void *bytes, size_t size)
{
	memcpy(maker->bytes + maker->length, bytes, size);
	maker->length += size;
}

static void
put_random(Maker *maker, uint32 size)
{
	for (uint32 i = 0; i < size; i++)
		maker->bytes[maker->length++] = (uint8) upto(maker, 255);
}

static void
set_crc(uint8 *record, uint32 length)
{
	XLogRecord	header;
	pg_crc32c	crc;

	memcpy(&header, record, SizeOfXLogRecord);
	header.xl_tot_len = length;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, record + SizeOfXLogRecord, length - SizeOfXLogRecord);
	COMP_CRC32C(crc, &header, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(crc);
	header.xl_crc = crc;
	memcpy(record, &header, SizeOfXLogRecord);
}

/* One of the ways in which an image can be written; returns its length. */
static uint16
put_image_header(Maker *maker)
{
	XLogRecordBlockImageHeader image = {0};
	uint16		hole = 1 + upto(maker, 8000 - 7800);
	uint32		kind = upto(maker, 2);

	image.bimg_info = upto(maker, 1) ? BKPIMAGE_APPLY : 0;
	if (kind == 0)
	{
		/* not compressed: the hole is what the length leaves */
		image.length = 1 + upto(maker, 300);
		image.hole_offset = 1;
		image.bimg_info |= BKPIMAGE_HAS_HOLE;
		put(maker, &image, SizeOfXLogRecordBlockImageHeader);
		return image.length;
	}
	image.length = 1 + upto(maker, 300);
	image.bimg_info |= BKPIMAGE_COMPRESS_PGLZ;
	if (kind == 2)
	{
		image.hole_offset = 24;
		image.bimg_info |= BKPIMAGE_HAS_HOLE;
	}
	put(maker, &image, SizeOfXLogRecordBlockImageHeader);
	if (kind == 2)
		put(maker, &hole, sizeof(hole));
	return image.length;
}

static void
make(Maker *maker)
{
	XLogRecord	header = {0};
	uint16		sizes[2 * (XLR_MAX_BLOCK_ID + 1)];
	int			nsizes = 0;
	uint32		main_size = upto(maker, 1) ? upto(maker, 255)
										   : upto(maker, 900);
	bool		have_rel = false;

	maker->length = 0;
	maker->dropped = 0;
	maker->dropped_bytes = 0;
	header.xl_rmid = RM_HEAP_ID;
	header.xl_xid = 700;
	put(maker, &header, SizeOfXLogRecord);
	for (int id = 0; id <= XLR_MAX_BLOCK_ID; id++)
	{
		XLogRecordBlockHeader block = {.id = id, .fork_flags = MAIN_FORKNUM};
		BlockNumber number = upto(maker, 100000);
		bool		image = upto(maker, 1);
		uint32		at;

		if (upto(maker, 3) != 0)
			continue;
		block.data_length = upto(maker, 1) ? 1 + upto(maker, 100) : 0;
		if (block.data_length > 0)
			block.fork_flags |= BKPBLOCK_HAS_DATA;
		if (image)
			block.fork_flags |= BKPBLOCK_HAS_IMAGE;
		if (upto(maker, 3) == 0)
			block.fork_flags |= BKPBLOCK_WILL_INIT;
		if (have_rel && upto(maker, 1))
			block.fork_flags |= BKPBLOCK_SAME_REL;
		put(maker, &block, SizeOfXLogRecordBlockHeader);
		at = maker->length;
		if (image)
		{
			sizes[nsizes++] = put_image_header(maker);
			if ((block.fork_flags & BKPBLOCK_WILL_INIT) == 0)
			{
				maker->dropped++;
				maker->dropped_bytes += maker->length - at + sizes[nsizes - 1];
			}
		}
		sizes[nsizes++] = block.data_length;
		if ((block.fork_flags & BKPBLOCK_SAME_REL) == 0)
			put_random(maker, sizeof(BbRelLocator));
		have_rel = true;
		put(maker, &number, sizeof(number));
	}
	if (upto(maker, 3) == 0)
	{
		put(maker, &(uint8){XLR_BLOCK_ID_ORIGIN}, 1);
		put_random(maker, sizeof(uint16));
	}
	if (upto(maker, 3) == 0)
	{
		put(maker, &(uint8){XLR_BLOCK_ID_TOPLEVEL_XID}, 1);
		put_random(maker, sizeof(TransactionId));
	}
	if (main_size > 255)
	{
		put(maker, &(uint8){XLR_BLOCK_ID_DATA_LONG}, 1);
		put(maker, &main_size, sizeof(main_size));
	}
	else if (main_size > 0)
	{
		put(maker, &(uint8){XLR_BLOCK_ID_DATA_SHORT}, 1);
		put(maker, &(uint8){main_size}, 1);
	}
	for (int i = 0; i < nsizes; i++)
		put_random(maker, sizes[i]);
	put_random(maker, main_size);
	set_crc(maker->bytes, maker->length);
}

static DecodedXLogRecord *
decode(XLogReaderState *reader, const uint8 *record, uint32 length)
{
	DecodedXLogRecord *decoded = palloc0(
		DecodeXLogRecordRequiredSpace(length));
	XLogRecord *aligned = palloc(length);
	char	   *complaint = NULL;

	memcpy(aligned, record, length);
	XLogBeginRead(reader, LSN);
	if (aligned->xl_tot_len != length ||
		!DecodeXLogRecord(reader, decoded, aligned, LSN, &complaint))
		return NULL;
	return decoded;
}

static XLogReaderState *
new_reader(void)
{
	return XLogReaderAllocate(DEFAULT_XLOG_SEG_SIZE, NULL,
							  XL_ROUTINE(.page_read = NULL), NULL);
}

static bool
same_bytes(const char *a, const char *b, size_t size)
{
	return size == 0 || memcmp(a, b, size) == 0;
}

static void
check_same_block(const DecodedBkpBlock *whole, const DecodedBkpBlock *copy,
				 uint64 seed)
{
	bool		init = (whole->flags & BKPBLOCK_WILL_INIT) != 0;

	CHECK_SEED(copy->in_use == whole->in_use);
	if (!whole->in_use)
		return;
	CHECK_SEED(BB_LOCATOR_EQUALS(BB_DECODED_LOCATOR(copy),
								 BB_DECODED_LOCATOR(whole)));
	CHECK_SEED(copy->forknum == whole->forknum);
	CHECK_SEED(copy->blkno == whole->blkno);
	CHECK_SEED((copy->flags | BKPBLOCK_HAS_IMAGE) ==
			   (whole->flags | BKPBLOCK_HAS_IMAGE));
	CHECK_SEED(copy->has_image == (whole->has_image && init));
	if (copy->has_image)
	{
		CHECK_SEED(copy->bimg_len == whole->bimg_len);
		CHECK_SEED(copy->bimg_info == whole->bimg_info);
		CHECK_SEED(copy->hole_offset == whole->hole_offset);
		CHECK_SEED(copy->hole_length == whole->hole_length);
		CHECK_SEED(
			same_bytes(copy->bkp_image, whole->bkp_image, whole->bimg_len));
	}
	CHECK_SEED(copy->has_data == whole->has_data);
	CHECK_SEED(copy->data_len == whole->data_len);
	CHECK_SEED(same_bytes(copy->data, whole->data, whole->data_len));
}

/* The decoder reads the same of the copy, but for the images. */
UNIT_TEST(imageless_decoded_the_same)
{
	uint64		seed = unit_seed();
	Maker	   *maker = palloc0(sizeof(Maker));
	uint8	   *copy = palloc(MAX_SIZE);
	XLogReaderState *reader = new_reader();
	int			with = 0;
	int			without = 0;

	pg_prng_seed(&maker->random, seed);
	for (int round = 0; round < 3000; round++)
	{
		DecodedXLogRecord *a;
		DecodedXLogRecord *b;
		uint32		length;
		XLogRecord	header;

		make(maker);
		a = decode(reader, maker->bytes, maker->length);
		CHECK_SEED(a != NULL);
		length = bb_wal_without_images(maker->bytes, maker->length, copy);
		if (maker->dropped == 0)
		{
			CHECK_SEED(length == 0);
			without++;
			continue;
		}
		with++;
		CHECK_SEED(length == maker->length - maker->dropped_bytes);
		memcpy(&header, copy, SizeOfXLogRecord);
		set_crc(copy, length);
		CHECK_SEED(memcmp(&header, copy, SizeOfXLogRecord) == 0);

		b = decode(reader, copy, length);
		CHECK_SEED(b != NULL);
		CHECK_SEED(b->header.xl_rmid == a->header.xl_rmid);
		CHECK_SEED(b->header.xl_xid == a->header.xl_xid);
		CHECK_SEED(b->record_origin == a->record_origin);
		CHECK_SEED(b->toplevel_xid == a->toplevel_xid);
		CHECK_SEED(b->max_block_id == a->max_block_id);
		for (int id = 0; id <= a->max_block_id; id++)
			check_same_block(&a->blocks[id], &b->blocks[id], seed);
		CHECK_SEED(b->main_data_len == a->main_data_len);
		CHECK_SEED(same_bytes(b->main_data, a->main_data, a->main_data_len));
	}
	CHECK_SEED(with > 1000 && without > 10);
}

/*
 * Whatever the bytes are, nothing is read or written outside, and what the decoder
 * reads of a record that it accepts, it can read of the copy.
 */
UNIT_TEST(imageless_any_bytes)
{
	uint64		seed = unit_seed();
	Maker	   *maker = palloc0(sizeof(Maker));
	XLogReaderState *reader = new_reader();
	MemoryContext
		round_context = AllocSetContextCreate(CurrentMemoryContext, "round",
											  ALLOCSET_DEFAULT_SIZES);
	int			accepted = 0;
	int			refused = 0;

	pg_prng_seed(&maker->random, seed);
	for (int round = 0; round < 20000; round++)
	{
		MemoryContext old = MemoryContextSwitchTo(round_context);
		uint8	   *record;
		uint8	   *copy;
		uint32		length;
		uint32		copied;

		make(maker);
		length = upto(maker, 3) == 0 ? upto(maker, maker->length)
									 : maker->length;
		/* of their exact sizes, for valgrind and address sanitizers */
		record = palloc(length + 1);
		copy = palloc(length + GUARD);
		memcpy(record, maker->bytes, length);
		memset(copy, 0x5A, length + GUARD);
		for (uint32 i = upto(maker, 4); i > 0 && length > SizeOfXLogRecord;
			 i--)
			record[SizeOfXLogRecord +
				   upto(maker,
						Min(length - SizeOfXLogRecord - 1, 120))] = (uint8)
				upto(maker, 255);

		copied = bb_wal_without_images(record, length, copy);
		CHECK_SEED(copied <= length);
		for (int i = 0; i < GUARD; i++)
			CHECK_SEED(copy[length + i] == 0x5A);
		if (copied == 0)
			refused++;
		else if (decode(reader, record, length) != NULL)
		{
			CHECK_SEED(copied < length);
			CHECK_SEED(decode(reader, copy, copied) != NULL);
			accepted++;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(round_context);
	}
	CHECK_SEED(accepted > 1000 && refused > 1000);
}

UNIT_TEST(imageless_resource_managers)
{
	CHECK(bb_wal_images_unread(RM_HEAP_ID));
	CHECK(bb_wal_images_unread(RM_HEAP2_ID));
	CHECK(bb_wal_images_unread(RM_BTREE_ID));
	CHECK(!bb_wal_images_unread(RM_GIN_ID));
	CHECK(!bb_wal_images_unread(RM_BRIN_ID));
	CHECK(!bb_wal_images_unread(RM_GENERIC_ID));
}

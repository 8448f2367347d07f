/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  The block references of a decoded WAL record, checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "base/compress.h"
#include "catalog/pg_tablespace_d.h"
#include "common/pg_lzcompress.h"
#include "storage/bufpage.h"
#include "wal/blocks.h"

/* The three ways to compress an image, of which it has one at most. */
#define ALL_METHODS \
	(BKPIMAGE_COMPRESS_PGLZ | BKPIMAGE_COMPRESS_LZ4 | BKPIMAGE_COMPRESS_ZSTD)

bool
bb_walblocks_locator_valid(Oid spc, Oid db, Oid rel)
{
	return spc != InvalidOid && rel != InvalidOid &&
		(spc == GLOBALTABLESPACE_OID) == (db == InvalidOid);
}

static const char *
place_error(const DecodedBkpBlock *block, int id)
{
	BbRelLocator locator = BB_DECODED_LOCATOR(block);

	if (!bb_walblocks_locator_valid(BB_LOCATOR_SPC(locator),
									BB_LOCATOR_DB(locator),
									BB_LOCATOR_REL(locator)))
		return psprintf(
			"Block reference %d is of the impossible relation %u/%u/%u.", id,
			BB_LOCATOR_SPC(locator), BB_LOCATOR_DB(locator),
			BB_LOCATOR_REL(locator));
	if (block->forknum < MAIN_FORKNUM || block->forknum > MAX_FORKNUM)
		return psprintf("Block reference %d is of the impossible fork %d.", id,
						(int) block->forknum);
	/* a fork that has the last one has as many blocks as none */
	if (block->blkno >= MaxBlockNumber)
		return psprintf("Block reference %d is of the impossible block %u.",
						id, block->blkno);
	return NULL;
}

static const char *
image_error(const DecodedBkpBlock *block, int id)
{
	uint8		methods = block->bimg_info & ALL_METHODS;

	/* as signed integers: what is subtracted may be larger */
	if ((int) block->hole_offset + (int) block->hole_length > BLCKSZ)
		return psprintf(
			"The full-page image of block reference %d has a hole of %u bytes at offset %u.",
			id, block->hole_length, block->hole_offset);
	if (block->bimg_len > BLCKSZ)
		return psprintf(
			"The full-page image of block reference %d has %u bytes.", id,
			block->bimg_len);
	if ((methods & (methods - 1)) != 0)
		return psprintf(
			"The full-page image of block reference %d has flags %02X of several compression methods.",
			id, block->bimg_info);
	if (methods == 0 &&
		(int) block->bimg_len + (int) block->hole_length != BLCKSZ)
		return psprintf(
			"The full-page image of block reference %d has %u bytes and a hole of %u.",
			id, block->bimg_len, block->hole_length);
	return NULL;
}

const char *
bb_walblocks_error(XLogReaderState *record)
{
	for (int id = 0; id <= XLogRecMaxBlockId(record); id++)
	{
		const DecodedBkpBlock *block = XLogRecGetBlock(record, id);
		const char *complaint;

		if (!block->in_use)
			continue;
		complaint = place_error(block, id);
		if (complaint == NULL && block->has_image)
			complaint = image_error(block, id);
		if (complaint != NULL)
			return complaint;
	}
	return NULL;
}

/* The image's bytes without its hole. */
static bool
decompress(const DecodedBkpBlock *block, char *buffer, int length)
{
	switch (block->bimg_info & ALL_METHODS)
	{
		case BKPIMAGE_COMPRESS_PGLZ:
			return pglz_decompress(block->bkp_image, block->bimg_len, buffer,
								   length, true) >= 0;
		case BKPIMAGE_COMPRESS_LZ4:
			return bb_decompress(BB_COMPRESSION_LZ4, block->bkp_image,
								 block->bimg_len, buffer, length);
		case BKPIMAGE_COMPRESS_ZSTD:
			return bb_decompress(BB_COMPRESSION_ZSTD, block->bkp_image,
								 block->bimg_len, buffer, length);
	}
	return false;
}

/* (As RestoreBlockImage in xlogreader.c.) */
const char *
bb_walblocks_restore(XLogReaderState *record, uint8 id, char *page)
{
	const DecodedBkpBlock *block = XLogRecGetBlock(record, id);
	int			length = BLCKSZ - block->hole_length;
	int			behind = block->hole_offset + block->hole_length;
	const char *image = block->bkp_image;
	PGAlignedBlock buffer;

	Assert(block->has_image && behind <= BLCKSZ);

	if (BKPIMAGE_COMPRESSED(block->bimg_info))
	{
		if (!decompress(block, buffer.data, length))
			return psprintf(
				"The full-page image of block reference %u can't be decompressed to %d bytes.",
				id, length);
		image = buffer.data;
	}
	memcpy(page, image, block->hole_offset);
	memset(page + block->hole_offset, 0, block->hole_length);
	memcpy(page + behind, image + block->hole_offset, BLCKSZ - behind);
	return NULL;
}

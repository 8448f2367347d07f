/*-------------------------------------------------------------------------
 *
 * cloneread.c
 *	  The contents of a clone's small files, without their zeros.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/cloneread.h"
#include "lib/stringinfo.h"

/* A piece ends at that many bytes, or where zeros begin. */
#define PIECE_BYTES (1024 * 1024)

bool
bb_cloneread_has_content(const BbMember *member, uint64 max_bytes)
{
	switch (member->content)
	{
		case BB_CONTENT_NONE:
		case BB_CONTENT_RELATION:
		case BB_CONTENT_SLRU:
		case BB_CONTENT_MANIFEST:
			return false;
		case BB_CONTENT_WAL:
		case BB_CONTENT_CONTROL:
			return true;
		default:
			return member->size <= max_bytes;
	}
}

void
bb_cloneread_pieces(const BbReqCtx *ctx, BbContentReader *reader,
					const BbMember *member, BbPieceFunction function,
					void *arg)
{
	StringInfoData piece;
	uint64		begin = 0; /* of the piece */
	uint64		at = 0;
	const uint8 *data;
	uint32		length;

	initStringInfo(&piece);
	bb_content_begin(ctx, reader, member);
	while (bb_content_next(ctx, reader, &data, &length))
	{
		uint32		used = length;

		while (used > 0 && data[used - 1] == 0)
			used--;
		if (piece.len == 0)
			begin = at;
		appendBinaryStringInfo(&piece, (const char *) data, (int) used);
		at += length;
		if (piece.len > 0 && (used < length || piece.len >= PIECE_BYTES))
		{
			function(arg, begin, (const uint8 *) piece.data, piece.len);
			resetStringInfo(&piece);
		}
	}
	if (piece.len > 0)
		function(arg, begin, (const uint8 *) piece.data, piece.len);
	pfree(piece.data);
}

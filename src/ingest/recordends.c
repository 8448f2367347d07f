/*-------------------------------------------------------------------------
 *
 * recordends.c
 *	  Where records end, so that any LSN can be rounded down to one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "base/compat.h"
#include "ingest/recordends.h"

/* The most records that can end in a page. */
#define ENDS_MAX (XLOG_BLCKSZ / MAXALIGN(SizeOfXLogRecord) + 1)

/* An end takes two bytes, little-endian. */
#define END_BYTES 2

struct BbRecordEnds
{
	BbOpenLayer *layer;
	uint64		page; /* LSN / XLOG_BLCKSZ */
	int			nends;
	int			nwritten;  /* how many of them are written */
	XLogRecPtr	first_new; /* the first that isn't written */
	uint8		ends[ENDS_MAX * END_BYTES];
};

BbKey
bb_recordends_key(XLogRecPtr lsn)
{
	uint64		page = lsn / XLOG_BLCKSZ;

	return bb_key_make(BB_KEY_RECORD_ENDS, 0, (uint32) (page >> 32),
					   (uint32) page, 0, 0);
}

static void
append(BbRecordEnds *ends, uint32 offset)
{
	uint8	   *at = ends->ends + ends->nends * END_BYTES;

	if (ends->nends == ENDS_MAX)
		elog(ERROR, "too many records end in the WAL page of " BB_LSN_FORMAT,
			 LSN_FORMAT_ARGS(ends->page * XLOG_BLCKSZ));
	at[0] = (uint8) offset;
	at[1] = (uint8) (offset >> 8);
	ends->nends++;
}

/* Load the timeline's ends; an ancestor may have more in the same page. */
static void
load(BbRecordEnds *ends, const BbKey *key, const BbEntry *entry,
	 XLogRecPtr lsn)
{
	if (entry->length % END_BYTES != 0 || entry->length > sizeof(ends->ends))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value of %s has an impossible length",
						bb_key_text(key)),
				 errdetail("It has %u bytes.", entry->length)));
	for (uint32 at = 0; at < entry->length; at += END_BYTES)
	{
		uint32		offset = entry->value[at] | entry->value[at + 1] << 8;

		if (offset <= lsn % XLOG_BLCKSZ)
			append(ends, offset);
	}
	ends->nwritten = ends->nends;
}

BbRecordEnds *
bb_recordends_new(const BbReqCtx *ctx, BbOpenLayer *layer,
				  BbTimeline *timeline, XLogRecPtr lsn)
{
	BbRecordEnds *ends = palloc0(sizeof(BbRecordEnds));
	BbKey		key = bb_recordends_key(lsn);
	BbEntry		entry;

	ends->layer = layer;
	ends->page = lsn / XLOG_BLCKSZ;
	if (bb_timeline_get(ctx, timeline, &key, lsn, &entry))
		load(ends, &key, &entry, lsn);
	return ends;
}

void
bb_recordends_flush(BbRecordEnds *ends)
{
	BbKey		key;

	if (ends->nends == ends->nwritten)
		return;
	key = bb_recordends_key(ends->page * XLOG_BLCKSZ);
	bb_openlayer_put(ends->layer, &key, ends->first_new, BB_ENTRY_IMAGE,
					 ends->ends, ends->nends * END_BYTES);
	ends->nwritten = ends->nends;
}

void
bb_recordends_add(BbRecordEnds *ends, XLogRecPtr lsn)
{
	if (lsn / XLOG_BLCKSZ != ends->page)
	{
		bb_recordends_flush(ends);
		ends->page = lsn / XLOG_BLCKSZ;
		ends->nends = ends->nwritten = 0;
	}
	if (ends->nends == ends->nwritten)
		ends->first_new = lsn;
	append(ends, lsn % XLOG_BLCKSZ);
}

/*-------------------------------------------------------------------------
 *
 * difference.c
 *	  Writes what differs between a timeline at an LSN and values in key order.
 *
 * A page whose LSN is after "from" can't be in the timeline, so it is stored
 * without a look at the old one.  Old keys of other kinds before it still have to
 * be deleted first.  The scan goes on from key to key, since redo
 * works ahead of it, but seeks over longer stretches that aren't needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "import/difference.h"
#include "storage/bufpage.h"
#include "utils/memutils.h"

/* Seek after this many blocks that aren't needed. */
#define SEEK_AFTER 8

struct BbDifference
{
	MemoryContext context;
	BbDifferencePlace place;
	BbKeyRange	range;

	BbTimelineScan *scan;
	bool		loaded; /* is "old" the next value of the scan, or "ended" true? */
	bool		ended;
	BbEntry		old;
	int			passed; /* blocks, one after the other */

	BbLayerWriter *layer; /* NULL: none is open */
	BbKey		last;	  /* written to it */
	List	   *finished; /* BbLayerDesc */
	uint64		pages;
};

BbDifference *
bb_difference_new(const BbReqCtx *ctx, const BbDifferencePlace *place,
				  const BbKeyRange *range)
{
	BbDifference *difference = palloc0(sizeof(BbDifference));

	difference->context = CurrentMemoryContext;
	difference->place = *place;
	difference->range = *range;
	difference->scan = bb_timeline_scan_new(ctx, place->timeline, range,
											place->from);
	return difference;
}

/* ---- layers ---- */

static void
finish_layer(const BbReqCtx *ctx, BbDifference *difference)
{
	MemoryContext old = MemoryContextSwitchTo(difference->context);
	BbKey		end = bb_key_next(&difference->last);

	difference->finished = lappend(difference->finished,
								   bb_layer_writer_finish(ctx,
														  difference->layer,
														  &end));
	difference->layer = NULL;
	MemoryContextSwitchTo(old);
}

static void
begin_layer(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key)
{
	const BbDifferencePlace *place = &difference->place;
	MemoryContext old = MemoryContextSwitchTo(difference->context);
	const char *name = bb_timeline_manifest(place->timeline)->timeline;

	difference->layer = bb_layer_writer_new_delta(ctx, place->objects, name,
												  key, place->from + 1,
												  place->lsn + 1,
												  (BbCompression)
													  bb_setting_compression);
	MemoryContextSwitchTo(old);
}

static void
write_entry(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key,
			BbEntryType type, const void *value, size_t length)
{
	BbEntry		entry = {.key = *key,
						 .lsn = difference->place.lsn,
						 .type = type,
						 .value = value,
						 .length = (uint32) length};

	if (difference->layer != NULL &&
		bb_layer_writer_size(difference->layer) >=
			(uint64) bb_setting_layer_size_mb * 1024 * 1024)
		finish_layer(ctx, difference);
	if (difference->layer == NULL)
		begin_layer(ctx, difference, key);
	bb_layer_writer_add_entry(ctx, difference->layer, &entry);
	difference->last = *key;
}

static void
write_image(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key,
			const void *value, size_t length)
{
	if (key->bytes[0] == BB_KEY_REL_BLOCK)
		difference->pages++;
	write_entry(ctx, difference, key, BB_ENTRY_IMAGE, value, length);
}

/* ---- old values ---- */

/* Go on with the first old value at or after a key. */
static void
seek(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key)
{
	bb_timeline_scan_seek(ctx, difference->scan, key);
	difference->loaded = false;
	difference->passed = 0;
}

/* Seek to the end of a kind of keys, but not beyond "limit". */
static void
seek_past_kind(const BbReqCtx *ctx, BbDifference *difference, BbKeyKind kind,
			   const BbKey *limit)
{
	BbKeyRange	range = bb_key_range_kind(kind);

	seek(ctx, difference,
		 bb_key_compare(&range.end, limit) < 0 ? &range.end : limit);
}

/* Pass an old value before "limit" that has no counterpart. */
static void
pass_old(const BbReqCtx *ctx, BbDifference *difference, const BbKey *limit)
{
	BbKeyKind	kind = (BbKeyKind) difference->old.key.bytes[0];

	switch (kind)
	{
		case BB_KEY_RECORD_ENDS:
		case BB_KEY_RESTORE_POINT:
		case BB_KEY_TARGETS_FROM:
			seek_past_kind(ctx, difference, kind, limit);
			return;
		case BB_KEY_REL_BLOCK:
			if (++difference->passed == SEEK_AFTER)
			{
				seek_past_kind(ctx, difference, kind, limit);
				return;
			}
			break;
		default:
			write_entry(ctx, difference, &difference->old.key,
						BB_ENTRY_DELETED, NULL, 0);
			break;
	}
	difference->loaded = false;
}

/* Pass all old values before a key. */
static void
pass_before(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key)
{
	for (;;)
	{
		bb_reqctx_check(ctx);
		if (!difference->loaded)
		{
			difference->ended = !bb_timeline_scan_next(ctx, difference->scan,
													   &difference->old);
			difference->loaded = true;
		}
		if (difference->ended ||
			bb_key_compare(&difference->old.key, key) >= 0)
			return;
		pass_old(ctx, difference, key);
	}
}

/* Find the old value of a key; it isn't passed. */
static const BbEntry *
find_old(const BbReqCtx *ctx, BbDifference *difference, const BbKey *key)
{
	pass_before(ctx, difference, key);
	difference->passed = 0;
	if (difference->ended || bb_key_compare(&difference->old.key, key) != 0)
		return NULL;
	return &difference->old;
}

/* ---- new values ---- */

/* Can no page of the timeline at "from" be equal? */
static bool
is_newer(const BbDifference *difference, const BbKey *key, const void *value,
		 size_t length)
{
	return key->bytes[0] == BB_KEY_REL_BLOCK && length == BLCKSZ &&
		PageGetLSN((Page) value) > difference->place.from;
}

void
bb_difference_add(const BbReqCtx *ctx, BbDifference *difference,
				  const BbKey *key, const void *value, size_t length)
{
	BbKeyRange	blocks = bb_key_range_kind(BB_KEY_REL_BLOCK);
	const BbEntry *old;

	if (is_newer(difference, key, value, length))
	{
		pass_before(ctx, difference, &blocks.start);
		write_image(ctx, difference, key, value, length);
		return;
	}
	old = find_old(ctx, difference, key);
	if (old == NULL || old->length != length ||
		memcmp(old->value, value, length) != 0)
		write_image(ctx, difference, key, value, length);
	if (old != NULL)
		difference->loaded = false;
}

void
bb_difference_omit(const BbReqCtx *ctx, BbDifference *difference,
				   const BbKey *key)
{
	if (find_old(ctx, difference, key) == NULL)
		return;
	write_entry(ctx, difference, key, BB_ENTRY_DELETED, NULL, 0);
	difference->loaded = false;
}

void
bb_difference_include(const BbReqCtx *ctx, BbDifference *difference,
					  const BbKeyRange *part, List *layers)
{
	MemoryContext old;

	pass_before(ctx, difference, &part->start);
	/* layers of the same LSNs don't overlap */
	if (difference->layer != NULL)
		finish_layer(ctx, difference);
	if (!difference->ended &&
		bb_key_compare(&difference->old.key, &part->end) < 0)
		seek(ctx, difference, &part->end);
	old = MemoryContextSwitchTo(difference->context);
	difference->finished = list_concat(difference->finished, layers);
	MemoryContextSwitchTo(old);
}

List *
bb_difference_finish(const BbReqCtx *ctx, BbDifference *difference)
{
	pass_before(ctx, difference, &difference->range.end);
	if (difference->layer != NULL)
		finish_layer(ctx, difference);
	bb_timeline_scan_close(difference->scan);
	difference->scan = NULL;
	return difference->finished;
}

List *
bb_difference_layers(const BbDifference *difference)
{
	return difference->finished;
}

uint64
bb_difference_pages(const BbDifference *difference)
{
	return difference->pages;
}

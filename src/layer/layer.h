/*-------------------------------------------------------------------------
 *
 * layer.h
 *	  Layer files: what they are called, writing one, reading one.
 *
 * An image layer holds one value for each key of a key range, at one LSN; a
 * key in its range that it lacks does not exist at that LSN.  A delta layer
 * holds what happened to the keys of a range in a range of LSNs: many entries
 * for a key, or none.  A layer file is immutable, and named by the manifest
 * of its timeline before anybody reads it.
 *
 *	  LSN
 *	   ^	+--------- delta ---------+		a read at LSN L takes the entries
 *	   |	+-- delta --+-- delta ----+		at or below L, newest first, down
 *	   |	===========image===========		to a whole value or the image
 *	   +--------------------------------> key
 *
 * Writing:	 new, add* in (key, LSN) order, finish.
 * Reading:	 open, then get or collect (a point) or a cursor (a range).
 *
 * Every byte read is checked: sizes against bounds, blocks against their
 * CRC32C, the footer against what the manifest says.
 *
 * Errors, of every function that reads: DATA_CORRUPTED (layer and byte
 * offset); UNDEFINED_FILE (layer); those of the object store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYER_H
#define BB_LAYER_H

#include "access/xlogdefs.h"
#include "base/compress.h"
#include "base/key.h"
#include "layer/format.h"
#include "layer/history.h"
#include "objstore/objstore.h"

/* What the manifest knows of a layer. */
typedef struct BbLayerDesc
{
	BbKeyRange	keys;
	XLogRecPtr	lsn_start; /* an image layer: the LSN of the image */
	XLogRecPtr	lsn_end;   /* exclusive; an image layer: lsn_start + 1 */
	bool		image;
	uint64		file_id; /* random; tells apart layers of the same range */
	uint64		size;	 /* bytes */
	uint64		entries;
	uint32		crc; /* CRC32C of the whole file */
} BbLayerDesc;

/*
 * bb_layer_object_name - "timelines/TIMELINE/layers/delta-…", palloc'd.
 */
extern char *bb_layer_object_name(const char *timeline,
								  const BbLayerDesc *desc);
/* The same, with what the manifest knows of it. */
extern BbWholeObject bb_layer_object(const char *timeline,
									 const BbLayerDesc *desc);
/* Can an object of that name be a layer of the timeline? */
extern bool bb_layer_is_object_name(const char *timeline, const char *name);
/* Its last part, by which people see it. */
extern char *bb_layer_name(const BbLayerDesc *desc);

/* ---- writing ---- */

typedef struct BbLayerWriter BbLayerWriter;

/*
 * bb_layer_writer_new - begin an image layer at lsn, of keys from "start".
 */
extern BbLayerWriter *bb_layer_writer_new(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const char *timeline,
										  const BbKey *start, XLogRecPtr lsn,
										  BbCompression compression);

/*
 * bb_layer_writer_new_delta - begin a delta layer of [lsn_start, lsn_end).
 */
extern BbLayerWriter *bb_layer_writer_new_delta(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const BbKey *start, XLogRecPtr lsn_start, XLogRecPtr lsn_end,
	BbCompression compression);

/*
 * bb_layer_writer_add - add an image, to an image layer.
 *
 * REQUIRES: keys ascending.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more than BB_VALUE_MAX_SIZE bytes).
 */
extern void bb_layer_writer_add(const BbReqCtx *ctx, BbLayerWriter *writer,
								const BbKey *key, const void *value,
								size_t length);

/*
 * bb_layer_writer_add_entry - add an entry of any type but INDEX, to a delta
 * layer.
 *
 * Several entries of one key may have the same LSN, as when a record changes a
 * page in two ways; they are read, and applied, in the order in which they
 * were added.
 *
 * REQUIRES: (key, lsn) not descending; lsn in the layer's range.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more than BB_VALUE_MAX_SIZE bytes).
 */
extern void bb_layer_writer_add_entry(const BbReqCtx *ctx,
									  BbLayerWriter *writer,
									  const BbEntry *entry);
/*
 * About how many bytes are stored: the blocks written, and the open data block
 * as it is before compression; not the open index blocks, nor the key filter.
 */
extern uint64 bb_layer_writer_size(const BbLayerWriter *writer);

/*
 * bb_layer_writer_finish - make it durable; it covers keys up to "end".
 *
 * The description is palloc'd in CurrentMemoryContext.  The writer is gone.
 */
extern BbLayerDesc *bb_layer_writer_finish(const BbReqCtx *ctx,
										   BbLayerWriter *writer,
										   const BbKey *end);

/* ---- reading ---- */

typedef struct BbLayer BbLayer;
typedef struct BbLayerCursor BbLayerCursor;

/*
 * bb_layer_open - open a layer, check that it is the one described.
 */
extern BbLayer *bb_layer_open(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *timeline, const BbLayerDesc *desc);
extern void bb_layer_close(BbLayer *layer);

/*
 * bb_layer_may_hold - false: the layer has no entry of that key.
 *
 * Cheap: a delta layer's key filter is asked.  It errs on the side of true.
 */
extern bool bb_layer_may_hold(const BbReqCtx *ctx, BbLayer *layer,
							  const BbKey *key);

/*
 * bb_layer_get - the value of a key, from an image layer.
 *
 * entry->value stays valid until the next get or collect.  Returns false when
 * the layer lacks the key.
 */
extern bool bb_layer_get(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key,
						 BbEntry *entry);

/*
 * bb_layer_collect - add to *history what a delta layer knows of its key.
 *
 * Looks at the entries above floor and up to ceiling, newest first, and stops
 * when the history is complete.  Its base then stays valid until the next
 * get or collect.
 */
extern void bb_layer_collect(const BbReqCtx *ctx, BbLayer *layer,
							 XLogRecPtr floor, XLogRecPtr ceiling,
							 BbPageHistory *history);

/*
 * bb_layer_forget - free the blocks that get and collect keep for the next.
 */
extern void bb_layer_forget(BbLayer *layer);

/*
 * bb_layer_cursor_new - read entries in order, from the first at or after
 * (start, lsn).
 *
 * A cursor reads ahead in pieces, of up to window_bytes when it goes on and
 * on.  It must not outlive its layer.
 */
extern BbLayerCursor *bb_layer_cursor_new(const BbReqCtx *ctx, BbLayer *layer,
										  const BbKey *start, XLogRecPtr lsn,
										  size_t window_bytes);
/* The next entry; its value stays valid until the next call.  False: end. */
extern bool bb_layer_cursor_next(const BbReqCtx *ctx, BbLayerCursor *cursor,
								 BbEntry *entry);

/*
 * bb_layer_cursor_seek - go forward to the first entry at or after (key, lsn),
 * which next then returns.
 *
 * REQUIRES: (key, lsn) after what next returned last.
 */
extern void bb_layer_cursor_seek(const BbReqCtx *ctx, BbLayerCursor *cursor,
								 const BbKey *key, XLogRecPtr lsn);
extern void bb_layer_cursor_close(BbLayerCursor *cursor);

#endif /* BB_LAYER_H */

/*-------------------------------------------------------------------------
 *
 * layer.h
 *	  Layer files: their names, writing one, reading one.
 *
 * An image layer holds the value of each key of a key range that exists at one
 * LSN.  A delta layer holds what happened to the keys of a key range in a
 * range of LSNs: many entries for a key, or none.  A layer file is immutable,
 * and is read only once the manifest of its timeline names it.
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
 * CRC32C, the footer against the manifest.
 *
 * Errors of every function that reads: DATA_CORRUPTED (layer and byte
 * offset); UNDEFINED_FILE (layer); FEATURE_NOT_SUPPORTED (a layer that a newer
 * version of bbackup has written); those of the object store.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_LAYER_H
#define BB_LAYER_H

#include "access/xlogdefs.h"
#include "base/compress.h"
#include "base/key.h"
#include "datatype/timestamp.h"
#include "layer/format.h"
#include "layer/history.h"
#include "nodes/pg_list.h"
#include "objstore/objstore.h"

/* Values of BbLayerDesc.newest_commit. */
#define BB_COMMIT_UNKNOWN ((TimestampTz) 0) /* written before version 4 */
#define BB_COMMIT_NONE DT_NOBEGIN			/* the layer has no commit time */

/* What the manifest says of a layer. */
typedef struct BbLayerDesc
{
	BbKeyRange	keys;
	XLogRecPtr	lsn_start; /* an image layer: the LSN of the image */
	XLogRecPtr	lsn_end;   /* exclusive; an image layer: lsn_start + 1 */
	bool		image;
	uint64		file_id; /* random; distinguishes layers of the same range */
	uint64		size;	 /* bytes */
	uint64		entries;
	uint32		crc;		   /* CRC32C of the whole file */
	TimestampTz newest_commit; /* the greatest value of BB_KEY_COMMIT_TIME */
} BbLayerDesc;

/* bb_layer_overlaps - do two layers, or rectangles, share a key and an LSN? */
extern bool bb_layer_overlaps(const BbLayerDesc *a, const BbLayerDesc *b);

/* bb_layer_compare_lsns - order a list of BbLayerDesc * by lsn_start, then key. */
extern int bb_layer_compare_lsns(const ListCell *a, const ListCell *b);

/* bb_commit_is_valid - is that a time, or one of the values above? */
static inline bool
bb_commit_is_valid(TimestampTz commit)
{
	return commit == BB_COMMIT_NONE || IS_VALID_TIMESTAMP(commit);
}

/*
 * bb_layer_object_name - return "timelines/TIMELINE/layers/delta-…", palloc'd.
 */
extern char *bb_layer_object_name(const char *timeline,
								  const BbLayerDesc *desc);
/* bb_layer_object - return the layer as an object, with its size and CRC. */
extern BbWholeObject bb_layer_object(const char *timeline,
									 const BbLayerDesc *desc);
/* bb_layer_is_object_name - can an object of that name be a layer? */
extern bool bb_layer_is_object_name(const char *timeline, const char *name);
/* bb_layer_name - return the last part of the name, which users see. */
extern char *bb_layer_name(const BbLayerDesc *desc);

/* ---- writing ---- */

typedef struct BbLayerWriter BbLayerWriter;

/*
 * bb_layer_writer_new - begin an image layer at lsn, with keys from "start".
 */
extern BbLayerWriter *bb_layer_writer_new(const BbReqCtx *ctx,
										  BbObjectStore *objects,
										  const char *timeline,
										  const BbKey *start, XLogRecPtr lsn,
										  BbCompression compression);

/* bb_layer_writer_new_delta - begin a delta layer of [lsn_start, lsn_end). */
extern BbLayerWriter *bb_layer_writer_new_delta(
	const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
	const BbKey *start, XLogRecPtr lsn_start, XLogRecPtr lsn_end,
	BbCompression compression);

/*
 * bb_layer_writer_add - add an image to an image layer.
 *
 * REQUIRES: keys ascending.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more than BB_VALUE_MAX_SIZE bytes).
 */
extern void bb_layer_writer_add(const BbReqCtx *ctx, BbLayerWriter *writer,
								const BbKey *key, const void *value,
								size_t length);

/*
 * bb_layer_writer_add_entry - add an entry of any type except INDEX to a delta
 * layer.
 *
 * Several entries of one key may have the same LSN, for example if a record
 * changes a page in two ways.  They are read and applied in the order in which
 * they were added.
 *
 * REQUIRES: (key, lsn) not descending; lsn in the layer's range.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (more than BB_VALUE_MAX_SIZE bytes).
 */
extern void bb_layer_writer_add_entry(const BbReqCtx *ctx,
									  BbLayerWriter *writer,
									  const BbEntry *entry);

/*
 * bb_layer_writer_size - return about how many bytes the layer has.
 *
 * These are the blocks written so far and the open data block, before
 * compression.  Open index blocks and the key filter don't count.
 */
extern uint64 bb_layer_writer_size(const BbLayerWriter *writer);

/*
 * bb_layer_writer_finish - make a layer durable, and free its writer.
 *
 * The layer covers keys up to "end", exclusive.  Returns its description,
 * palloc'd.
 */
extern BbLayerDesc *bb_layer_writer_finish(const BbReqCtx *ctx,
										   BbLayerWriter *writer,
										   const BbKey *end);

/* ---- reading ---- */

typedef struct BbLayer BbLayer;
typedef struct BbLayerCursor BbLayerCursor;

/* bb_layer_open - open a layer, and check that it is the one described. */
extern BbLayer *bb_layer_open(const BbReqCtx *ctx, BbObjectStore *objects,
							  const char *timeline, const BbLayerDesc *desc);
extern void bb_layer_close(BbLayer *layer);

/*
 * bb_layer_may_hold - may the layer have an entry of that key?
 *
 * The answer is cheap, since it comes from the key filter of a delta layer.
 * False is certain, true is not.
 */
extern bool bb_layer_may_hold(const BbReqCtx *ctx, BbLayer *layer,
							  const BbKey *key);

/*
 * bb_layer_get - get the value of a key from an image layer.
 *
 * entry->value stays valid until the next get or collect.  Returns false if
 * the layer doesn't have the key.
 */
extern bool bb_layer_get(const BbReqCtx *ctx, BbLayer *layer, const BbKey *key,
						 BbEntry *entry);

/*
 * bb_layer_collect - add the entries of a delta layer to *history.
 *
 * Adds the entries of the history's key above floor and up to ceiling, newest
 * first, until the history is complete.  Its base then stays valid until the
 * next get or collect.
 */
extern void bb_layer_collect(const BbReqCtx *ctx, BbLayer *layer,
							 XLogRecPtr floor, XLogRecPtr ceiling,
							 BbPageHistory *history);

/*
 * bb_layer_forget - free the blocks that get and collect keep for later reads.
 */
extern void bb_layer_forget(BbLayer *layer);

/*
 * bb_layer_cursor_new - read entries in order, from the first at or after
 * (start, lsn).
 *
 * A cursor reads ahead in pieces, which grow up to window_bytes.  It must not
 * outlive its layer.
 */
extern BbLayerCursor *bb_layer_cursor_new(const BbReqCtx *ctx, BbLayer *layer,
										  const BbKey *start, XLogRecPtr lsn,
										  size_t window_bytes);

/*
 * bb_layer_cursor_next - read the next entry.
 *
 * entry->value stays valid until the next call.  Returns false at the end.
 */
extern bool bb_layer_cursor_next(const BbReqCtx *ctx, BbLayerCursor *cursor,
								 BbEntry *entry);

/*
 * bb_layer_cursor_seek - go forward to the first entry at or after (key, lsn).
 * The next call of bb_layer_cursor_next returns it.
 *
 * REQUIRES: (key, lsn) after the last entry returned.
 */
extern void bb_layer_cursor_seek(const BbReqCtx *ctx, BbLayerCursor *cursor,
								 const BbKey *key, XLogRecPtr lsn);
extern void bb_layer_cursor_close(BbLayerCursor *cursor);

#endif /* BB_LAYER_H */

/*-------------------------------------------------------------------------
 *
 * directlayers.h
 *	  Large relation files, written as layers while they are received.
 *
 * A file of a base backup arrives when the server happens to read it, and not in
 * the order of the keys.  A file of some megabytes makes layers of its own, a
 * part in the words of imagewriter.h.  Its last page is kept back in a temporary
 * file: it becomes a value of the gap behind the part, which so isn't empty.
 *
 *	  file:	 page 0 │ page 1 │ … │ page n-2 │ page n-1
 *			 └───────── layers ─────────────┘	└─► temporary file ─► the gap
 *
 * For a rebase, the file is compared as a whole, and no page is kept back.
 *
 *	  begin, data*, end, …, for each file; then use, …; remove_unused
 *
 * Everything belongs to the context of the import.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIRECTLAYERS_H
#define BB_DIRECTLAYERS_H

#include "files/tempfile.h"
#include "import/inventory.h"

/* Smaller files are sorted: a layer has a footer, an index and an object. */
#define BB_DIRECT_BYTES (16 * 1024 * 1024)

typedef struct BbImport BbImport;
typedef struct BbDirectLayers BbDirectLayers;

extern BbDirectLayers *bb_directlayers_new(BbImport *import, BbTempFile *temp);

/*
 * bb_directlayers_begin - begin the file "path" of "size" bytes, a segment of a
 * fork.  Its number of blocks is ignored.
 */
extern void bb_directlayers_begin(const BbReqCtx *ctx, BbDirectLayers *direct,
								  const BbSourceFork *fork, uint32 segment,
								  const char *path, uint64 size);
/* bb_directlayers_data - check and store the next bytes of it. */
extern void bb_directlayers_data(const BbReqCtx *ctx, BbDirectLayers *direct,
								 const char *data, size_t length);
/* bb_directlayers_end - make the layers of the file durable. */
extern void bb_directlayers_end(const BbReqCtx *ctx, BbDirectLayers *direct);

/*
 * bb_directlayers_use - include the layers of "count" blocks of a fork, from
 * "first" on, in the import's writer.
 *
 * Returns false if there are none of just these blocks.
 */
extern bool bb_directlayers_use(const BbReqCtx *ctx, BbDirectLayers *direct,
								const BbSourceFork *fork, BlockNumber first,
								BlockNumber count);

/* bb_directlayers_remove_unused - remove layers that were never included. */
extern void bb_directlayers_remove_unused(const BbReqCtx *ctx,
										  BbDirectLayers *direct);

/* bb_directlayers_all - return all layers (BbLayerDesc *) that are durable. */
extern List *bb_directlayers_all(const BbDirectLayers *direct);

#endif /* BB_DIRECTLAYERS_H */

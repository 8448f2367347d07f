/*-------------------------------------------------------------------------
 *
 * sink_largeobject.c
 *	  Write bytes to a new large object.
 *
 * The sink calls the functions that SQL calls (PostgreSQL's be-fsstubs.c).  They
 * close the object's relations and descriptor at the end of the transaction, or
 * when the subtransaction fails, which also removes the object.
 *
 * A large object is stored in pieces of LOBLKSIZE bytes.  The sink writes whole
 * pieces, since others would be written twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/collect.h"
#include "fmgr.h"
#include "libpq/be-fsstubs.h"
#include "libpq/libpq-fs.h"
#include "sinks/destinations.h"
#include "storage/large_object.h"
#include "utils/fmgrprotos.h"

#define BUFFER_BYTES (64 * LOBLKSIZE)

typedef struct LargeObjectSink
{
	BbSink		base;
	Oid			oid;
	int			fd;	  /* a large object descriptor of the session */
	uint64		size; /* written so far */
	size_t		filled;
	char		buffer[BUFFER_BYTES];
} LargeObjectSink;

void
bb_sink_largeobject_check_size(uint64 size)
{
	if (size > MAX_LARGE_OBJECT_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("base backup is too large for a large object"),
				 errdetail("It has at least " UINT64_FORMAT
						   " bytes; the limit is " INT64_FORMAT ".",
						   size, MAX_LARGE_OBJECT_SIZE)));
}

static void
largeobject_begin(const BbReqCtx *ctx, BbSink *sink)
{
	LargeObjectSink *object = (LargeObjectSink *) sink;

	object->oid = DatumGetObjectId(
		DirectFunctionCall1(be_lo_create, ObjectIdGetDatum(InvalidOid)));
	object->fd = DatumGetInt32(
		DirectFunctionCall2(be_lo_open, ObjectIdGetDatum(object->oid),
							Int32GetDatum(INV_WRITE)));
}

static void
write_collected(const BbReqCtx *ctx, LargeObjectSink *object)
{
	object->size += object->filled;
	bb_sink_largeobject_check_size(object->size);
	(void) lo_write(object->fd, object->buffer, (int) object->filled);
	BB_COUNT(ctx, bytes_out, object->filled);
	object->filled = 0;
	bb_reqctx_check(ctx);
}

static void
largeobject_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
				  size_t length)
{
	LargeObjectSink *object = (LargeObjectSink *) sink;

	while (length > 0)
		if (bb_collect(object->buffer, BUFFER_BYTES, &object->filled, &data,
					   &length))
			write_collected(ctx, object);
}

static void
largeobject_end(const BbReqCtx *ctx, BbSink *sink)
{
	LargeObjectSink *object = (LargeObjectSink *) sink;

	write_collected(ctx, object);
	DirectFunctionCall1(be_lo_close, Int32GetDatum(object->fd));
}

static const BbSinkOps largeobject_ops = {
	.begin = largeobject_begin,
	.write = largeobject_write,
	.end = largeobject_end,
};

BbSink *
bb_sink_largeobject_new(void)
{
	LargeObjectSink *object = palloc(sizeof(LargeObjectSink));

	object->base.ops = &largeobject_ops;
	object->base.next = NULL;
	object->oid = InvalidOid;
	object->size = 0;
	object->filled = 0;
	return &object->base;
}

Oid
bb_sink_largeobject_oid(const BbSink *sink)
{
	return ((const LargeObjectSink *) sink)->oid;
}

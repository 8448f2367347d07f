/*-------------------------------------------------------------------------
 *
 * sink_largeobject.c
 *	  Bytes to a new large object.
 *
 * By the functions that SQL has for it (PostgreSQL's be-fsstubs.c): they see
 * to it that its relations and its descriptor are closed with the transaction,
 * and that both go with a subtransaction that fails, as the object does.
 *
 * A large object is stored in pieces of LOBLKSIZE; writes are of whole ones,
 * or each would be written twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "libpq/be-fsstubs.h"
#include "libpq/libpq-fs.h"
#include "sinks/sink.h"
#include "storage/large_object.h"
#include "utils/fmgrprotos.h"

#define BUFFER_BYTES (64 * LOBLKSIZE)

typedef struct LargeObjectSink
{
	BbSink		base;
	Oid			oid;
	int			fd;	  /* of the session's, for large objects */
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
	{
		size_t		n = Min(length, BUFFER_BYTES - object->filled);

		memcpy(object->buffer + object->filled, data, n);
		object->filled += n;
		data = (const char *) data + n;
		length -= n;
		if (object->filled == BUFFER_BYTES)
			write_collected(ctx, object);
	}
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

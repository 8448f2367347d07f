/*-------------------------------------------------------------------------
 *
 * sink_copy.c
 *	  Bytes to the client, as a COPY stream.
 *
 * CopyOutResponse, CopyData and CopyDone, as BASE_BACKUP sends them
 * (PostgreSQL's basebackup_copy.c).  A message goes into the server's send
 * buffer as a whole, which grows to its size, and from there to the socket in
 * one system call.  The server's own would be of 8 kB each; that takes a third
 * more time.
 *
 * A client that doesn't read is waited for in the server's own way: a request
 * to end the session is heeded then, a cancel once the client reads again.
 * After an error the server sends an ErrorResponse, which ends a COPY too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/*
 * The server's header would include GSSAPI's, which are rarely there.  Without
 * them the layout of its structs is the same, for the sake of modules.
 */
#undef ENABLE_GSS
#include "libpq/libpq.h"

#include "sinks/sink.h"

/* Of a CopyData message. */
#define MESSAGE_BYTES (128 * 1024)

typedef struct CopySink
{
	BbSink		base;
	size_t		filled;
	char		message[MESSAGE_BYTES];
} CopySink;

/*
 * What the client doesn't take at once is sent ahead of the next message, so
 * it has time while that one is made.  A client that has gone ends the session
 * in the next check.
 */
static void
send_message(const BbReqCtx *ctx, char type, const char *data, size_t length)
{
	(void) pq_flush();
	bb_reqctx_check(ctx);
	pq_putmessage_noblock(type, data, length);
	(void) pq_flush_if_writable();
}

static void
copy_begin(const BbReqCtx *ctx, BbSink *sink)
{
	/* binary, and of no columns */
	static const char response[] = {1, 0, 0};

	send_message(ctx, 'H', response, sizeof(response));
}

static void
send_collected(const BbReqCtx *ctx, CopySink *copy)
{
	send_message(ctx, 'd', copy->message, copy->filled);
	BB_COUNT(ctx, bytes_out, copy->filled);
	copy->filled = 0;
}

static void
copy_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	CopySink   *copy = (CopySink *) sink;

	while (length > 0)
	{
		size_t		n = Min(length, MESSAGE_BYTES - copy->filled);

		memcpy(copy->message + copy->filled, data, n);
		copy->filled += n;
		data = (const char *) data + n;
		length -= n;
		if (copy->filled == MESSAGE_BYTES)
			send_collected(ctx, copy);
	}
}

static void
copy_end(const BbReqCtx *ctx, BbSink *sink)
{
	CopySink   *copy = (CopySink *) sink;

	if (copy->filled > 0)
		send_collected(ctx, copy);
	send_message(ctx, 'c', NULL, 0);
}

static const BbSinkOps copy_ops = {
	.begin = copy_begin,
	.write = copy_write,
	.end = copy_end,
};

BbSink *
bb_sink_copy_new(void)
{
	CopySink   *copy = palloc(sizeof(CopySink));

	copy->base.ops = &copy_ops;
	copy->base.next = NULL;
	copy->filled = 0;
	return &copy->base;
}

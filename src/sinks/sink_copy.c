/*-------------------------------------------------------------------------
 *
 * sink_copy.c
 *	  Send bytes to the client, as a COPY stream.
 *
 * The messages are CopyOutResponse, CopyData and CopyDone, as BASE_BACKUP sends
 * them (PostgreSQL's basebackup_copy.c).  The server's send buffer grows to the
 * size of a message and goes to the socket in one system call.  Messages of 8 kB,
 * the buffer's usual size, take a third more time.
 *
 * If the client doesn't read, the server waits as for any result: it reacts to a
 * request to end the session at once, to a cancel when the client reads again.
 * After an error the server sends an ErrorResponse, which also ends a COPY.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/*
 * The server's header would include GSSAPI's, which are rarely installed.  The
 * layout of its structs is the same without them, as modules need it.
 */
#undef ENABLE_GSS
#include "libpq/libpq.h"

#include "base/collect.h"
#include "sinks/destinations.h"

/* The size of a CopyData message. */
#define MESSAGE_BYTES (128 * 1024)

typedef struct CopySink
{
	BbSink		base;
	size_t		filled;
	char		message[MESSAGE_BYTES];
} CopySink;

/*
 * The rest that the client doesn't take at once is sent before the next message,
 * so the client has time while that one is collected.  If the client has gone,
 * the next check ends the session.
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
	/* binary, without columns */
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
		if (bb_collect(copy->message, MESSAGE_BYTES, &copy->filled, &data,
					   &length))
			send_collected(ctx, copy);
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

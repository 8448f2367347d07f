/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  Calls of a chain of sinks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/sink.h"

/* Call the first sink of a chain that has the operation; NULL: none has it. */
#define CALL(sink, operation, ...)                               \
	do                                                           \
	{                                                            \
		while ((sink) != NULL && (sink)->ops->operation == NULL) \
			(sink) = (sink)->next;                               \
		if ((sink) != NULL)                                      \
			(sink)->ops->operation(ctx, sink, ##__VA_ARGS__);    \
	} while (0)

void
bb_sink_begin(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, begin);
}

void
bb_sink_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	CALL(sink, begin_archive, name);
}

void
bb_sink_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	CALL(sink, begin_member, member);
}

void
bb_sink_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			  size_t length)
{
	CALL(sink, write, data, length);
	if (sink == NULL)
		elog(ERROR, "no sink takes the bytes of a backup");
}

void
bb_sink_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, end_member);
}

void
bb_sink_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, end_archive);
}

void
bb_sink_begin_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, begin_manifest);
}

void
bb_sink_write_manifest(const BbReqCtx *ctx, BbSink *sink, const void *data,
					   size_t length)
{
	CALL(sink, write_manifest, data, length);
	if (sink == NULL)
		elog(ERROR, "no sink takes the manifest of a backup");
}

void
bb_sink_end_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, end_manifest);
}

void
bb_sink_end(const BbReqCtx *ctx, BbSink *sink)
{
	CALL(sink, end);
}

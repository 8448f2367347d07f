/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  Calls of a chain of sinks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/sink.h"

/* Go to the first sink of a chain that has an operation, or to NULL. */
#define SINK_WITH(sink, operation)                               \
	do                                                           \
	{                                                            \
		while ((sink) != NULL && (sink)->ops->operation == NULL) \
			(sink) = (sink)->next;                               \
	} while (0)

void
bb_sink_begin(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, begin);
	if (sink != NULL)
		sink->ops->begin(ctx, sink);
}

void
bb_sink_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	SINK_WITH(sink, begin_archive);
	if (sink != NULL)
		sink->ops->begin_archive(ctx, sink, name);
}

void
bb_sink_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	SINK_WITH(sink, begin_member);
	if (sink != NULL)
		sink->ops->begin_member(ctx, sink, member);
}

void
bb_sink_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			  size_t length)
{
	SINK_WITH(sink, write);
	if (sink == NULL)
		elog(ERROR, "no sink takes the bytes of a backup");
	sink->ops->write(ctx, sink, data, length);
}

void
bb_sink_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, end_member);
	if (sink != NULL)
		sink->ops->end_member(ctx, sink);
}

void
bb_sink_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, end_archive);
	if (sink != NULL)
		sink->ops->end_archive(ctx, sink);
}

void
bb_sink_begin_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, begin_manifest);
	if (sink != NULL)
		sink->ops->begin_manifest(ctx, sink);
}

void
bb_sink_write_manifest(const BbReqCtx *ctx, BbSink *sink, const void *data,
					   size_t length)
{
	SINK_WITH(sink, write_manifest);
	if (sink == NULL)
		elog(ERROR, "no sink takes the manifest of a backup");
	sink->ops->write_manifest(ctx, sink, data, length);
}

void
bb_sink_end_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, end_manifest);
	if (sink != NULL)
		sink->ops->end_manifest(ctx, sink);
}

void
bb_sink_end(const BbReqCtx *ctx, BbSink *sink)
{
	SINK_WITH(sink, end);
	if (sink != NULL)
		sink->ops->end(ctx, sink);
}

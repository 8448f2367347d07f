/*-------------------------------------------------------------------------
 *
 * sink_check.c
 *	  Check the pages of relations that pass, and pass them on, or drop them.
 *
 * What a backup has besides pages was checked where it was decoded
 * (pagestore/catalog.h) or is made by us.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/pagecheck.h"
#include "sinks/stages.h"

typedef struct CheckSink
{
	BbSink		base;
	bool		checksums; /* the cluster has them */
	XLogRecPtr	lsn;
	BbMember	member; /* a relation's, if "in_relation" */
	bool		in_relation;
	BlockNumber block;	/* the next one of the fork */
	uint32		filled; /* bytes of "page" */
	PGAlignedBlock page;
	BbChecked	checked;
} CheckSink;

static void
check_page(CheckSink *check)
{
	const char *complaint = bb_pagecheck(check->page.data, check->block,
										 check->checksums, check->lsn);

	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of file \"%s\" is not a valid page",
						check->block - check->member.source.relation.first,
						check->member.path),
				 errdetail_internal("%s", complaint)));
	check->block++;
	check->filled = 0;
	check->checked.pages++;
}

static void
check_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	CheckSink  *check = (CheckSink *) sink;

	check->in_relation = member->content == BB_CONTENT_RELATION;
	if (check->in_relation)
	{
		check->member = *member;
		check->block = member->source.relation.first;
		check->filled = 0;
	}
	if (member->kind != BB_MEMBER_DIRECTORY)
		check->checked.files++;
	bb_sink_begin_member(ctx, sink->next, member);
}

static void
check_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	CheckSink  *check = (CheckSink *) sink;
	const char *from = data;

	for (size_t left = check->in_relation ? length : 0; left > 0;)
	{
		size_t		n = Min(left, BLCKSZ - check->filled);

		memcpy(check->page.data + check->filled, from, n);
		check->filled += n;
		from += n;
		left -= n;
		if (check->filled == BLCKSZ)
			check_page(check);
	}
	check->checked.bytes += length;
	if (sink->next != NULL)
		bb_sink_write(ctx, sink->next, data, length);
	else
		BB_COUNT(ctx, bytes_out, length);
	bb_reqctx_check(ctx);
}

static const BbSinkOps check_ops = {
	.begin_member = check_begin_member,
	.write = check_write,
};

BbSink *
bb_sink_check_new(BbSink *next, bool checksums, XLogRecPtr lsn)
{
	CheckSink  *check = palloc0(sizeof(CheckSink));

	check->base.ops = &check_ops;
	check->base.next = next;
	check->checksums = checksums;
	check->lsn = lsn;
	return &check->base;
}

BbChecked
bb_sink_check_result(const BbSink *sink)
{
	return ((const CheckSink *) sink)->checked;
}

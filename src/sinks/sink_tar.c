/*-------------------------------------------------------------------------
 *
 * sink_tar.c
 *	  Turn members into POSIX ustar archives.
 *
 * The server's tarCreateHeader makes the headers, so they are like those of
 * pg_basebackup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "pgtar.h"
#include "sinks/stages.h"

typedef struct TarSink
{
	BbSink		base;
	uint32		uid;
	uint32		gid;
	int64		mtime;
	uint64		size;	 /* of the open member */
	uint64		written; /* bytes of it */
} TarSink;

static const uint8 zeros[BB_TAR_END_SIZE];

static void
tar_begin_archive(const BbReqCtx *ctx, BbSink *sink, const char *name)
{
	bb_sink_begin_archive(ctx, sink->next, psprintf("%s.tar", name));
}

static void
tar_begin_member(const BbReqCtx *ctx, BbSink *sink, const BbMember *member)
{
	TarSink	   *tar = (TarSink *) sink;
	char		header[TAR_BLOCK_SIZE];
	const char *path = bb_member_archive_path(member);
	bool		directory = member->kind == BB_MEMBER_DIRECTORY;
	mode_t		type = directory ? S_IFDIR : S_IFREG;

	Assert(!directory || member->size == 0);

	if (tarCreateHeader(header, path, NULL, member->size, type | member->mode,
						tar->uid, tar->gid, tar->mtime) != TAR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("path is too long for tar: \"%s\"", path),
				 errdetail("It has %zu bytes; the limit is 99.",
						   strlen(path))));

	bb_sink_write(ctx, sink->next, header, sizeof(header));
	tar->size = member->size;
	tar->written = 0;
}

static void
tar_write(const BbReqCtx *ctx, BbSink *sink, const void *data, size_t length)
{
	TarSink	   *tar = (TarSink *) sink;

	if (length > tar->size - tar->written)
		elog(ERROR, "member of a tar has more bytes than announced");
	tar->written += length;
	bb_sink_write(ctx, sink->next, data, length);
}

static void
tar_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	TarSink	   *tar = (TarSink *) sink;
	size_t		padding = tarPaddingBytesRequired(tar->size);

	if (tar->written != tar->size)
		elog(ERROR, "member of a tar has fewer bytes than announced");
	if (padding > 0)
		bb_sink_write(ctx, sink->next, zeros, padding);
}

static void
tar_end_archive(const BbReqCtx *ctx, BbSink *sink)
{
	bb_sink_write(ctx, sink->next, zeros, BB_TAR_END_SIZE);
	bb_sink_end_archive(ctx, sink->next);
}

static const BbSinkOps tar_ops = {
	.begin_archive = tar_begin_archive,
	.begin_member = tar_begin_member,
	.write = tar_write,
	.end_member = tar_end_member,
	.end_archive = tar_end_archive,
};

BbSink *
bb_sink_tar_new(BbSink *next, uint32 uid, uint32 gid, int64 mtime)
{
	TarSink	   *tar = palloc0(sizeof(TarSink));

	tar->base.ops = &tar_ops;
	tar->base.next = next;
	tar->uid = uid;
	tar->gid = gid;
	tar->mtime = mtime;
	return &tar->base;
}

uint64
bb_sink_tar_member_size(const BbMember *member)
{
	return TAR_BLOCK_SIZE + member->size +
		tarPaddingBytesRequired(member->size);
}

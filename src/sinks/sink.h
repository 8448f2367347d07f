/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  The output chain of a base backup: the interface of sinks.
 *
 * The driver (backup/backup.c) calls the first sink of a chain, and each sink
 * calls the next one:
 *
 *	  driver -> manifest -> tar -> compress -> throttle -> chunks
 *
 * stages.h has the sinks that have a next one, destinations.h those that are
 * the last.  Calls come in this order, and in no other:
 *
 *	  begin (begin_archive (begin_member write* end_member)* end_archive)*
 *		  (begin_manifest write_manifest* end_manifest)? end
 *
 * The writes of a member add up to its size.  After a sink that creates
 * archives there are no members any more, only bytes:
 *
 *	  begin (begin_archive write* end_archive)*
 *		  (begin_manifest write_manifest* end_manifest)? end
 *
 * If there is one archive, the manifest is its last member.  With several
 * archives, the manifest is in none of them and bypasses tar and compression.
 *
 * The last archive has the data directory.  It is named "base", and sinks
 * append to the name, as in base.tar.gz.  "end" comes only after success.
 * After an error there are no more calls; the memory context of a sink releases
 * what the sink holds.
 *
 * A new sink is one file with a struct that begins with BbSink, its operations,
 * and a function bb_sink_NAME_new(), declared in stages.h or destinations.h.
 * An operation that is NULL forwards to the next sink.
 *
 * (As PostgreSQL's backup/basebackup_sink.h.  The server exports the symbols
 * of that, so no symbol here has its prefix.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SINK_H
#define BB_SINK_H

#include "members/member.h"

typedef struct BbSink BbSink;

typedef struct BbSinkOps
{
	void		(*begin) (const BbReqCtx *ctx, BbSink *sink);
	void		(*begin_archive) (const BbReqCtx *ctx, BbSink *sink,
								  const char *name);
	void		(*begin_member) (const BbReqCtx *ctx, BbSink *sink,
								 const BbMember *member);
	void		(*write) (const BbReqCtx *ctx, BbSink *sink, const void *data,
						  size_t length);
	void		(*end_member) (const BbReqCtx *ctx, BbSink *sink);
	void		(*end_archive) (const BbReqCtx *ctx, BbSink *sink);
	void		(*begin_manifest) (const BbReqCtx *ctx, BbSink *sink);
	void		(*write_manifest) (const BbReqCtx *ctx, BbSink *sink,
								   const void *data, size_t length);
	void		(*end_manifest) (const BbReqCtx *ctx, BbSink *sink);
	void		(*end) (const BbReqCtx *ctx, BbSink *sink);
} BbSinkOps;

struct BbSink
{
	const BbSinkOps *ops;
	BbSink	   *next; /* NULL for the last */
};

/* Call the first sink of a chain that has the operation. */
extern void bb_sink_begin(const BbReqCtx *ctx, BbSink *sink);
extern void bb_sink_begin_archive(const BbReqCtx *ctx, BbSink *sink,
								  const char *name);
extern void bb_sink_begin_member(const BbReqCtx *ctx, BbSink *sink,
								 const BbMember *member);
extern void bb_sink_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
						  size_t length);
extern void bb_sink_end_member(const BbReqCtx *ctx, BbSink *sink);
extern void bb_sink_end_archive(const BbReqCtx *ctx, BbSink *sink);
extern void bb_sink_begin_manifest(const BbReqCtx *ctx, BbSink *sink);
extern void bb_sink_write_manifest(const BbReqCtx *ctx, BbSink *sink,
								   const void *data, size_t length);
extern void bb_sink_end_manifest(const BbReqCtx *ctx, BbSink *sink);
extern void bb_sink_end(const BbReqCtx *ctx, BbSink *sink);

#endif /* BB_SINK_H */

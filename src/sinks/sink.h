/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  One stage of the output chain.
 *
 * The driver speaks to the first sink of a chain, each sink to the next:
 *
 *	  driver -> manifest -> tar -> compress -> throttle -> chunks
 *
 * Calls come in this order, and in no other:
 *
 *	  begin (begin_archive (begin_member write* end_member)* end_archive)*
 *		  (begin_manifest write_manifest* end_manifest)? end
 *
 * where the writes of a member add up to its size.	 Behind a sink that makes
 * archives there are no members any more, only bytes:
 *
 *	  begin (begin_archive write* end_archive)*
 *		  (begin_manifest write_manifest* end_manifest)? end
 *
 * A manifest is a member, the last one, of the only archive; where there may
 * be several it is none's, and goes past who makes or compresses archives.
 *
 * The last archive is the one with the data directory, "base"; its name gets
 * longer on the way, as it becomes base.tar.gz.  "end" comes only after success.
 * On an error nothing more comes; what a sink holds hangs on its memory
 * context.
 *
 * A new sink is one file with a struct that begins with BbSink, its
 * operations, and a function bb_sink_NAME_new().  An operation left NULL
 * forwards to the next sink.
 *
 * (As PostgreSQL's backup/basebackup_sink.h; no symbol here begins with its
 * prefix, since the server exports those.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SINK_H
#define BB_SINK_H

#include "common/compression.h"
#include "members/backupmanifest.h"
#include "members/member.h"

struct BbTree;

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

/*
 * bb_sink_tar_new - members to POSIX ustar archives, in bytes to "next".
 *
 * All members get the same owner and mtime (time_t).
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (a path too long for tar).
 */
extern BbSink *bb_sink_tar_new(BbSink *next, uint32 uid, uint32 gid,
							   int64 mtime);
/* The bytes that a member takes in the archive: header, content, padding. */
extern uint64 bb_sink_tar_member_size(const BbMember *member);
/* The bytes of the end-of-archive marker. */
#define BB_TAR_END_SIZE 1024

/*
 * bb_sink_compress_new - each archive as one compressed stream.
 *
 * Same bytes, same specification: same result.  What the libraries hold,
 * threads too, is gone with CurrentMemoryContext, or after "end".
 *
 * Errors: FEATURE_NOT_SUPPORTED; those of compressor.h.
 */
extern BbSink *bb_sink_compress_new(BbSink *next,
									const pg_compress_specification *spec);

/*
 * bb_sink_manifest_new - all to "next" as it comes, with a look at it.
 *
 * When the member comes that is the manifest itself, or begin_manifest, its
 * text is complete: the driver gets it by bb_sink_manifest_next, as it gets that of others by
 * bb_content_next, in pieces of BLCKSZ at most.  "text" has to outlive it.
 *
 * Errors: those of files/spool.h.
 */
extern BbSink *bb_sink_manifest_new(BbSink *next, const BbManifestText *text);
extern bool bb_sink_manifest_next(BbSink *sink, const uint8 **data,
								  uint32 *length);

/*
 * bb_sink_throttle_new - to "next" at no more than max_rate kB/s.
 */
extern BbSink *bb_sink_throttle_new(BbSink *next, int max_rate);

/*
 * bb_sink_chunks_new - collect bytes in one buffer, for a puller.
 *
 * The buffer is a bytea: it starts with room for the varlena header.  It has
 * room for "size" bytes and grows as needed, up to what a bytea can hold.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED.
 */
extern BbSink *bb_sink_chunks_new(size_t size);
/* How many bytes are in the buffer? */
extern size_t bb_sink_chunks_filled(const BbSink *sink);
/* The archive that they are of: "base.tar"; or "backup_manifest". */
extern const char *bb_sink_chunks_archive(const BbSink *sink);
/* Has that come to its end?  What is left of it is to be taken first then. */
extern bool bb_sink_chunks_ended(const BbSink *sink);
/*
 * The bytes collected as a bytea, and an empty buffer from here on.  The
 * bytea stays valid until the next write.
 */
extern bytea *bb_sink_chunks_take(BbSink *sink);

/* What a sink that writes a cluster's files did. */
typedef struct BbRestored
{
	uint64		files; /* of the backup */
	uint64		bytes; /* in them */
	uint64		bytes_written;
	uint64		files_removed; /* that aren't of the backup */
} BbRestored;

/*
 * bb_sink_directory_new - members as files of an empty tree (tree.h), for
 * BB_FORM_FILES.
 *
 * pg_control gets its name last, when all else is durable.  Unless it comes to
 * that, all that was made is removed again with the memory context.
 *
 * Directories that hold everything get "mode".
 */
extern BbSink *bb_sink_directory_new(struct BbTree *tree, mode_t mode);
extern BbRestored bb_sink_directory_result(const BbSink *sink);

/*
 * bb_sink_delta_new - members to the files of a cluster's tree that is there:
 * what differs is written, what isn't in the backup removed.
 *
 * It has to be a cluster of that system, in which no server runs; or what a
 * call before left, that didn't come to its end.  From the first member until
 * the end it has no pg_control.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (no such cluster).
 */
extern BbSink *bb_sink_delta_new(struct BbTree *tree, mode_t mode,
								 uint64 system_identifier);
extern BbRestored bb_sink_delta_result(const BbSink *sink);

/*
 * bb_sink_file_new - bytes to a file, at an absolute path, which appears there
 * once it is whole and durable.
 *
 * off_limits: see outdir.h.
 *
 * Errors: DUPLICATE_FILE (there is one); INVALID_PARAMETER_VALUE (path);
 * errcode_for_file_access().
 */
extern BbSink *bb_sink_file_new(const char *path, List *off_limits);
/* The bytes in the file. */
extern uint64 bb_sink_file_written(const BbSink *sink);

/*
 * bb_sink_archives_new - each archive, and the manifest, to a file of its name,
 * in a directory at an absolute path, which appears there once all of it is
 * whole and durable.
 *
 * off_limits and errors: see outdir.h.
 */
extern BbSink *bb_sink_archives_new(const char *path, List *off_limits);
/* The bytes in all of them. */
extern uint64 bb_sink_archives_written(const BbSink *sink);

/*
 * bb_sink_copy_new - to the client, as a COPY stream of the protocol.
 *
 * REQUIRES: the client waits for the answer to a statement, and has got
 * nothing of it.  After an error the session goes on; a client that has gone
 * ends it.
 */
extern BbSink *bb_sink_copy_new(void);

/*
 * bb_sink_program_new - to the standard input of a command of the shell.
 *
 * It is started by "begin", and "end" waits for its end.  Where "end" doesn't
 * come, the memory context kills it before it could see the end of its input.
 *
 * Errors: EXTERNAL_ROUTINE_EXCEPTION (it failed, or didn't read all);
 * INSUFFICIENT_RESOURCES; SYSTEM_ERROR.
 */
extern BbSink *bb_sink_program_new(const char *command);

/*
 * bb_sink_largeobject_new - to a new large object of the current user's.
 *
 * It goes with its transaction, or subtransaction, if that fails.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED.
 */
extern BbSink *bb_sink_largeobject_new(void);
/* Its OID, once "begin" has made it. */
extern Oid bb_sink_largeobject_oid(const BbSink *sink);
/* Is there room for so many bytes in one?  The error is the same. */
extern void bb_sink_largeobject_check_size(uint64 size);

#endif /* BB_SINK_H */

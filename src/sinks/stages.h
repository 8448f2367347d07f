/*-------------------------------------------------------------------------
 *
 * stages.h
 *	  The sinks that pass what they get, changed or not, to a next one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_STAGES_H
#define BB_STAGES_H

#include "common/compression.h"
#include "members/backupmanifest.h"
#include "sinks/sink.h"

/*
 * bb_sink_tar_new - turn members into POSIX ustar archives.
 *
 * All members get the same owner and mtime (time_t).
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (a path is too long for tar).
 */
extern BbSink *bb_sink_tar_new(BbSink *next, uint32 uid, uint32 gid,
							   int64 mtime);
/* The bytes that a member takes in an archive: header, content, padding. */
extern uint64 bb_sink_tar_member_size(const BbMember *member);
/* The bytes of the end-of-archive marker. */
#define BB_TAR_END_SIZE 1024

/*
 * bb_sink_compress_new - compress each archive as one stream.
 *
 * The result depends on the bytes and the specification only.  The memory and
 * the threads of the library are released with CurrentMemoryContext, or after
 * "end".
 *
 * Errors: FEATURE_NOT_SUPPORTED; those of compressor.h.
 */
extern BbSink *bb_sink_compress_new(BbSink *next,
									const pg_compress_specification *spec);

/*
 * bb_sink_manifest_new - write a backup manifest of the members that pass.
 *
 * The text is complete when the manifest begins, as a member or by
 * begin_manifest.  The driver then reads it by bb_sink_manifest_next, as it
 * reads other members by bb_content_next, in pieces of at most BLCKSZ bytes.
 * "text" has to outlive the sink.
 *
 * Errors: those of files/spool.h.
 */
extern BbSink *bb_sink_manifest_new(BbSink *next,
									const BbBackupManifest *text);
extern bool bb_sink_manifest_next(BbSink *sink, const uint8 **data,
								  uint32 *length);

/* bb_sink_throttle_new - pass on at most max_rate kB/s. */
extern BbSink *bb_sink_throttle_new(BbSink *next, int max_rate);

/*
 * bb_sink_check_new - check the pages of relations, and drop what passes if
 * there is no next sink.
 *
 * "checksums": the cluster has data checksums.  "lsn": the LSN of the backup.
 * Between members and files only, not behind a sink that makes archives.
 *
 * Errors: DATA_CORRUPTED (a page that no server has written).
 */
extern BbSink *bb_sink_check_new(BbSink *next, bool checksums, XLogRecPtr lsn);

/* What has passed so far. */
typedef struct BbChecked
{
	uint64		files;
	uint64		bytes;
	uint64		pages; /* of relations, each checked */
} BbChecked;

extern BbChecked bb_sink_check_result(const BbSink *sink);

#endif /* BB_STAGES_H */

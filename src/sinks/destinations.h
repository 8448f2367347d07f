/*-------------------------------------------------------------------------
 *
 * destinations.h
 *	  The sinks at the end of a chain: where a backup goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DESTINATIONS_H
#define BB_DESTINATIONS_H

#include "sinks/sink.h"

struct BbTree;

/*
 * bb_sink_chunks_new - collect bytes in a buffer, from which the caller takes
 * them.
 *
 * The buffer is a bytea: it starts with room for the varlena header.  It has
 * room for "size" bytes and grows as needed, up to the limit of a bytea.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED.
 */
extern BbSink *bb_sink_chunks_new(size_t size);
/* The number of bytes in the buffer. */
extern size_t bb_sink_chunks_filled(const BbSink *sink);
/* The name of the archive that has them, as "base.tar"; or the manifest's. */
extern const char *bb_sink_chunks_archive(const BbSink *sink);
/*
 * Has that archive ended?  Then the caller has to take the bytes before the
 * next one begins.
 */
extern bool bb_sink_chunks_ended(const BbSink *sink);
/*
 * bb_sink_chunks_take - empty the buffer; returns its bytes as a bytea, which
 * is valid until the next write.
 */
extern bytea *bb_sink_chunks_take(BbSink *sink);

/*
 * bb_sink_directory_new - write members as files of an empty tree
 * (files/tree.h), for BB_FORM_FILES.
 *
 * pg_control gets its name last, when everything else is durable.  If that
 * doesn't happen, the memory context removes all files that the sink created.
 *
 * The tree's directory and those of mapped tablespaces get "mode".
 */
extern BbSink *bb_sink_directory_new(struct BbTree *tree, mode_t mode);

/*
 * bb_sink_delta_new - write members to the files of a cluster's tree where they
 * differ, and remove files that the backup doesn't have.
 *
 * "control" is the control file of the backup.  The tree has to be of a cluster of that system and major version in which no server runs, or
 * one that an interrupted call left.  It has no pg_control from the first
 * member until the end.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (there is no such cluster).
 */
extern BbSink *bb_sink_delta_new(struct BbTree *tree, mode_t mode,
								 const struct BbControl *control);

/* What either of the two did. */
typedef struct BbRestored
{
	uint64		files; /* of the backup */
	uint64		bytes; /* in them */
	uint64		bytes_written;
	uint64		files_removed; /* that the backup doesn't have */
} BbRestored;

extern BbRestored bb_sink_tree_result(const BbSink *sink);

/*
 * bb_sink_file_new - write bytes to a file, at an absolute path, which appears
 * when it is complete and durable.
 *
 * off_limits: see files/outdir.h.
 *
 * Errors: DUPLICATE_FILE (the file exists); INVALID_PARAMETER_VALUE (path);
 * errcode_for_file_access().
 */
extern BbSink *bb_sink_file_new(const char *path, List *off_limits);
/* The number of bytes in the file. */
extern uint64 bb_sink_file_written(const BbSink *sink);

/*
 * bb_sink_archives_new - write each archive, and the manifest, to a file of its
 * name, in a directory at an absolute path, which appears when all of them are
 * complete and durable.
 *
 * off_limits and errors: see files/outdir.h.
 */
extern BbSink *bb_sink_archives_new(const char *path, List *off_limits);
/* The number of bytes in all files. */
extern uint64 bb_sink_archives_written(const BbSink *sink);

/*
 * bb_sink_copy_new - send bytes to the client, as a COPY stream of the protocol.
 *
 * REQUIRES: the client waits for the answer to a statement, of which nothing
 * has been sent.  The session continues after an error, and ends if the client
 * has gone.
 */
extern BbSink *bb_sink_copy_new(void);

/*
 * bb_sink_program_new - write bytes to the standard input of a shell command.
 *
 * "begin" starts the command, and "end" waits for it to exit.  Without "end",
 * the memory context kills it before it could see the end of its input.
 *
 * Errors: EXTERNAL_ROUTINE_EXCEPTION (it failed, or didn't read everything);
 * INSUFFICIENT_RESOURCES; SYSTEM_ERROR.
 */
extern BbSink *bb_sink_program_new(const char *command);

/*
 * bb_sink_largeobject_new - write bytes to a new large object of the current
 * user.
 *
 * It is rolled back with its transaction or subtransaction.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED.
 */
extern BbSink *bb_sink_largeobject_new(void);
/* The object's OID, after "begin". */
extern Oid bb_sink_largeobject_oid(const BbSink *sink);
/* Raise the same error if a large object can't hold so many bytes. */
extern void bb_sink_largeobject_check_size(uint64 size);

#endif /* BB_DESTINATIONS_H */

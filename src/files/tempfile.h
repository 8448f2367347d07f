/*-------------------------------------------------------------------------
 *
 * tempfile.h
 *	  A temporary file of the server that is written front to back, and then
 *	  read at any place.
 *
 * It is in temp_tablespaces, its size counts for temp_file_limit, and the server
 * removes it after a crash.  The current resource owner closes it if the caller
 * can't.  (spool.h is for bytes that are read once, and outlive a transaction.)
 *
 * Errors of all functions: errcode_for_file_access(), DISK_FULL among them;
 * CONFIGURATION_LIMIT_EXCEEDED (temp_file_limit).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TEMPFILE_H
#define BB_TEMPFILE_H

typedef struct BbTempFile BbTempFile;

/*
 * bb_tempfile_new - create a file, in CurrentMemoryContext.
 *
 * REQUIRES: a transaction.
 */
extern BbTempFile *bb_tempfile_new(void);

/* bb_tempfile_append - append bytes. */
extern void bb_tempfile_append(BbTempFile *file, const void *data,
							   size_t length);

/* bb_tempfile_size - return where the next byte will be. */
extern uint64 bb_tempfile_size(const BbTempFile *file);

/*
 * bb_tempfile_read - read bytes that were appended.
 *
 * Errors, also: DATA_CORRUPTED (the file has become shorter).
 */
extern void bb_tempfile_read(BbTempFile *file, uint64 offset, void *data,
							 size_t length);

/* bb_tempfile_close - close and remove the file. */
extern void bb_tempfile_close(BbTempFile *file);

#endif /* BB_TEMPFILE_H */

/*-------------------------------------------------------------------------
 *
 * spool.h
 *	  Bytes that are written first and then read once, in bounded memory.
 *
 * Up to a megabyte stays in memory; more goes to a temporary file of the server,
 * with the usual place, limit (temp_file_limit) and removal after a crash.
 *
 * A spool belongs to a memory context and to no transaction.  So a portal may
 * keep it from call to call, also across savepoints, and nothing is left behind
 * when the consumer stops early.  (A resource owner or the caller has to close a
 * BufFile of the server.  That may write, and fail, which a reset callback of a
 * memory context must not.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SPOOL_H
#define BB_SPOOL_H

typedef struct BbSpool BbSpool;

/* bb_spool_new - create a spool in CurrentMemoryContext. */
extern BbSpool *bb_spool_new(void);

/*
 * bb_spool_append - append bytes.  REQUIRES: nothing has been read yet.
 *
 * Errors: those of file access; CONFIGURATION_LIMIT_EXCEEDED
 * (temp_file_limit).
 */
extern void bb_spool_append(BbSpool *spool, const void *data, size_t length);

/*
 * bb_spool_next - read the next piece, of at most BLCKSZ bytes, which is valid
 * until the next call; false at the end.
 *
 * Errors: those of file access; DATA_CORRUPTED (the file has become shorter).
 */
extern bool bb_spool_next(BbSpool *spool, const uint8 **data, uint32 *length);

#endif /* BB_SPOOL_H */

/*-------------------------------------------------------------------------
 *
 * spool.h
 *	  Bytes that are written first and read once, in bounded memory.
 *
 * What doesn't fit into a megabyte of memory goes to a temporary file of the
 * server's: its place, its limit (temp_file_limit) and its end after a crash
 * are those of any other.
 *
 * It belongs to a memory context and to no transaction, so a portal may keep
 * it from call to call, through savepoints too, and who stops early leaves
 * nothing behind.  (A BufFile of the server's is closed by a resource owner
 * or by hand; and closing may write, and fail, which no reset callback of a
 * context may.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SPOOL_H
#define BB_SPOOL_H

typedef struct BbSpool BbSpool;

/* bb_spool_new - an empty one, in CurrentMemoryContext. */
extern BbSpool *bb_spool_new(void);

/*
 * bb_spool_append - at its end; not once it is being read.
 *
 * Errors: those of file access; CONFIGURATION_LIMIT_EXCEEDED
 * (temp_file_limit).
 */
extern void bb_spool_append(BbSpool *spool, const void *data, size_t length);

/*
 * bb_spool_next - the next piece, of BLCKSZ bytes at most, valid until the
 * next call; false at the end.
 *
 * Errors: those of file access; DATA_CORRUPTED (the file has become shorter).
 */
extern bool bb_spool_next(BbSpool *spool, const uint8 **data, uint32 *length);

#endif /* BB_SPOOL_H */

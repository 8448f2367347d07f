/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Notes: small objects in a store that remember what was done to it.
 *
 *	  magic 8 | version u32 | body | crc u32
 *
 * Nothing that a reader of pages needs is in a note: one that is missing, broken
 * or of another version is none, and it can be removed at any time.  Who can
 * write to the store can write what he likes there.
 *
 * Of two sessions that write a note at once, the later one stands.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_NOTE_H
#define BB_NOTE_H

#include "base/codec.h"
#include "objstore/objstore.h"

#define BB_NOTE_MAGIC_SIZE 8

typedef struct BbNoteKind
{
	const char *magic; /* BB_NOTE_MAGIC_SIZE bytes */
	uint32		version;
	size_t		max_size;
} BbNoteKind;

/*
 * bb_note_read - read the body of a note, into CurrentMemoryContext; false: there
 * is none that can be read.
 *
 * Errors: QUERY_CANCELED and the like.
 */
extern bool bb_note_read(const BbReqCtx *ctx, BbObjectStore *objects,
						 const BbNoteKind *kind, const char *name,
						 BbReader *body);

/* bb_note_begin - begin a note; the caller appends the body. */
extern void bb_note_begin(StringInfo note, const BbNoteKind *kind);

/*
 * bb_note_write - write a note, and free its bytes.
 *
 * Returns NULL, or the error for which it isn't written.
 *
 * Errors: QUERY_CANCELED and the like.
 */
extern ErrorData *bb_note_write(const BbReqCtx *ctx, BbObjectStore *objects,
								const char *name, StringInfo note);

#endif /* BB_NOTE_H */

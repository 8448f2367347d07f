/*-------------------------------------------------------------------------
 *
 * parallel_internal.h
 *	  What a backup and its workers say to each other.
 *
 *	  to a worker    (BbBlockRange+)*                           a unit each
 *	  from a worker  READY (page | MISSING | OTHER_LENGTH)* UNIT_DONE ...
 *
 * A page is a message of BLCKSZ bytes, as it is; all others are BbNotes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PARALLEL_INTERNAL_H
#define BB_PARALLEL_INTERNAL_H

typedef enum BbNoteKind
{
	BB_NOTE_READY = 1,	  /* units are welcome */
	BB_NOTE_MISSING,	  /* in a block's place: there is none */
	BB_NOTE_OTHER_LENGTH, /* in a block's place: it isn't a page */
	BB_NOTE_UNIT_DONE
} BbNoteKind;

typedef struct BbNote
{
	BbNoteKind	kind;
	uint32		length; /* of OTHER_LENGTH */
} BbNote;

StaticAssertDecl(sizeof(BbNote) != BLCKSZ, "a note is no page");

#endif /* BB_PARALLEL_INTERNAL_H */

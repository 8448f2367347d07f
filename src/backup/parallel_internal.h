/*-------------------------------------------------------------------------
 *
 * parallel_internal.h
 *	  The messages between a backup and its workers.
 *
 *	  to a worker    (BbBlockRange+)*                           a unit each
 *	  from a worker  READY (page | MISSING | OTHER_LENGTH)* UNIT_DONE ...
 *
 * A page is a message of BLCKSZ bytes; all other messages are BbNotes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_PARALLEL_INTERNAL_H
#define BB_PARALLEL_INTERNAL_H

typedef enum BbNoteKind
{
	BB_NOTE_READY = 1,	  /* the worker takes units */
	BB_NOTE_MISSING,	  /* in place of a page: there is no such block */
	BB_NOTE_OTHER_LENGTH, /* in place of a page: the value is no page */
	BB_NOTE_UNIT_DONE
} BbNoteKind;

typedef struct BbNote
{
	BbNoteKind	kind;
	uint32		length; /* of OTHER_LENGTH */
} BbNote;

StaticAssertDecl(sizeof(BbNote) != BLCKSZ, "a note is no page");

#endif /* BB_PARALLEL_INTERNAL_H */

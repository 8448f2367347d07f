/*-------------------------------------------------------------------------
 *
 * verify_note.h
 *	  Noting what a verification finds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_VERIFY_NOTE_H
#define BB_VERIFY_NOTE_H

#include "upkeep/verify.h"

/* bb_verify_note - add a copy of a finding to a pass, or extend the last one. */
extern void bb_verify_note(BbVerifyPass *pass, const BbFinding *finding);

/*
 * bb_verify_note_at - note a finding of some keys at an LSN.
 *
 * That keys can't be read because of a layer that has a finding is not noted: a
 * layer that is lost is one fault, at however many LSNs its pages are looked for.
 */
extern void bb_verify_note_at(BbVerifyPass *pass, XLogRecPtr lsn,
							  BbFindingKind kind, const BbKeyRange *keys,
							  const char *message);

/*
 * bb_verify_try - call a function; returns NULL, or the error that it raised if
 * that says something of the store.  Other errors are raised again.
 *
 * What the function allocated and opened is left to CurrentMemoryContext.
 */
extern ErrorData *bb_verify_try(void (*function) (void *arg), void *arg);

#endif /* BB_VERIFY_NOTE_H */

/*-------------------------------------------------------------------------
 *
 * xactrecord.h
 *	  Check of the lengths in records of commits, aborts and prepares.
 *
 * Flags in a record say which parts it has, and some parts begin with a count
 * of items.  The server's parser trusts these (ParseCommitRecord and
 * ParseAbortRecord in PostgreSQL's xactdesc.c), so they are checked before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_XACTRECORD_H
#define BB_XACTRECORD_H

/*
 * bb_xactrecord_fits - do the "length" bytes of "data" contain all parts of a
 * commit or abort record with that info?
 *
 * More bytes may follow.
 */
extern bool bb_xactrecord_fits(uint8 info, const char *data, size_t length);

/*
 * bb_xactrecord_prepared_fits - check the same of a record that prepares a
 * transaction.  Its data becomes the state file.
 *
 * (ReadTwoPhaseFile and ProcessTwoPhaseBuffer in PostgreSQL's twophase.c check
 * the length and the magic number; a server that starts trusts the rest.)
 */
extern bool bb_xactrecord_prepared_fits(const char *data, size_t length);

#endif /* BB_XACTRECORD_H */

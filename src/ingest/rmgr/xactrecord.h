/*-------------------------------------------------------------------------
 *
 * xactrecord.h
 *	  Is a record of a commit or an abort as long as it says?
 *
 * It has parts that flags in it tell of, some with a count of items, and the
 * server's parser goes by these (ParseCommitRecord and ParseAbortRecord in
 * PostgreSQL's xactdesc.c).  So they are looked at before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_XACTRECORD_H
#define BB_XACTRECORD_H

/*
 * bb_xactrecord_fits - is "data", of "length" bytes, all of a record with that
 * info?
 *
 * There may be more behind it.
 */
extern bool bb_xactrecord_fits(uint8 info, const char *data, size_t length);

/*
 * bb_xactrecord_prepared_fits - the same of a record that prepares a
 * transaction, which becomes its state file.
 *
 * (ReadTwoPhaseFile and ProcessTwoPhaseBuffer in PostgreSQL's twophase.c check
 * the length and the magic number; a server that starts trusts the rest.)
 */
extern bool bb_xactrecord_prepared_fits(const char *data, size_t length);

#endif /* BB_XACTRECORD_H */

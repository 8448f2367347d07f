/*-------------------------------------------------------------------------
 *
 * native.h
 *	  Native records: changes that no rm_redo call makes.
 *
 * SLRU pages and visibility-map pages change by WAL records that name no
 * block of theirs.  Ingest (src/ingest) writes what such a record does to one
 * page as a native record; here it is applied.  A native record is a type
 * byte and its arguments, little-endian; docs/format.md lists them.
 *
 * SLRU pages (xact, multixact offsets and members, commit_ts) and the pages
 * of visibility maps have only images and native changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_NATIVE_H
#define BB_NATIVE_H

#include "layer/history.h"

/*
 * bb_native_apply - apply one NATIVE change of "key" to its page, in place.
 *
 * "page" has BLCKSZ bytes and is aligned as a Page.
 *
 * Errors: DATA_CORRUPTED (key, LSN): a change that can't be decoded, or that
 * doesn't fit the key.
 */
extern void bb_native_apply(const BbKey *key, const BbChange *change,
							uint8 *page);

#endif /* BB_NATIVE_H */

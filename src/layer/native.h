/*-------------------------------------------------------------------------
 *
 * native.h
 *	  Native records: changes that no rm_redo call makes.
 *
 * SLRU pages and pages of visibility and free space maps change by WAL
 * records that name no block of theirs.  Ingest (src/ingest) writes what such
 * a record does to one page as a native record; here it is applied.	A native
 * record is a type byte and its arguments, little-endian; docs/format.md
 * lists them.
 *
 * SLRU pages (xact, multixact offsets and members, commit_ts) and the pages
 * of visibility and free space maps have only images and native changes.
 *
 * Places within a page (a transaction in pg_xact, a heap block in a
 * visibility map, …) are "entries", counted from 0; the constants below say
 * how many a page has.
 *
 * (Layouts from PostgreSQL's clog.c, commit_ts.c, multixact.c and
 * visibilitymap.c, which keep them to themselves.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_NATIVE_H
#define BB_NATIVE_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "layer/history.h"
#include "lib/stringinfo.h"
#include "storage/bufpage.h"

typedef enum BbNativeType
{
	BB_NATIVE_XACT_SET = 1,
	BB_NATIVE_COMMIT_TS_SET = 2,
	BB_NATIVE_OFFSETS_SET = 3,
	BB_NATIVE_MEMBERS_SET = 4,
	BB_NATIVE_VM_SET = 5,
	BB_NATIVE_VM_CLEAR = 6,
	BB_NATIVE_VM_TRUNCATE = 7,
	BB_NATIVE_FSM_TRUNCATE = 8,
	BB_NATIVE_VM_CLEAR_LOGGED = 9
} BbNativeType;

/* pg_xact: two bits a transaction. */
#define BB_XACT_PER_PAGE (BLCKSZ * 4)

/* pg_commit_ts: a time and an origin, without padding. */
#define BB_COMMIT_TS_ENTRY_SIZE (sizeof(TimestampTz) + sizeof(RepOriginId))
#define BB_COMMIT_TS_PER_PAGE (BLCKSZ / BB_COMMIT_TS_ENTRY_SIZE)

/* pg_multixact/offsets */
#define BB_OFFSETS_PER_PAGE (BLCKSZ / sizeof(uint32))

/* pg_multixact/members: groups of four flag bytes and four xids. */
#define BB_MEMBERS_PER_GROUP 4
#define BB_MEMBERS_FLAG_BYTES 4
#define BB_MEMBERS_GROUP_SIZE \
	(BB_MEMBERS_FLAG_BYTES + BB_MEMBERS_PER_GROUP * sizeof(TransactionId))
#define BB_MEMBERS_PER_PAGE \
	(BLCKSZ / BB_MEMBERS_GROUP_SIZE * BB_MEMBERS_PER_GROUP)

/* visibility map: two bits a heap block, behind a page header. */
#define BB_VM_BYTES (BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define BB_VM_PER_PAGE (BB_VM_BYTES * 4)

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

/*
 * Writing native records: "begin" what takes a list, then add to it; one call
 * for the others.  Each appends to "buf", which holds one record.
 *
 * REQUIRES: entries below the page's number of them.
 */

/* Transactions of one page of pg_xact get a status (clog.h). */
extern void bb_native_xact_begin(StringInfo buf, uint8 status);
extern void bb_native_xact_add(StringInfo buf, uint32 entry);

/* Transactions of one page of pg_commit_ts get a time and an origin. */
extern void bb_native_commit_ts_begin(StringInfo buf, TimestampTz time,
									  uint16 origin);
extern void bb_native_commit_ts_add(StringInfo buf, uint32 entry);

/* Multixacts of one page of pg_multixact/offsets get where they begin. */
extern void bb_native_offsets_begin(StringInfo buf);
extern void bb_native_offsets_add(StringInfo buf, uint32 entry, uint32 offset);

/* Members from "entry" on, all in one page of pg_multixact/members. */
extern void bb_native_members_begin(StringInfo buf, uint32 entry);
extern void bb_native_members_add(StringInfo buf, TransactionId xid,
								  uint8 status);

/*
 * Visibility map: set bits of a heap block as visibilitymap_set does in
 * recovery (not if the page is newer, and its LSN follows); clear bits as
 * visibilitymap_clear does (always, and the LSN stays), or, "logged", as where
 * the record names the map's page (as a set does: not if the page is newer, and
 * its LSN follows if a bit changes); clear all from "entry" on.
 */
extern void bb_native_vm_set(StringInfo buf, uint32 entry, uint8 flags);
extern void bb_native_vm_clear_begin(StringInfo buf, bool logged);
extern void bb_native_vm_clear_add(StringInfo buf, uint32 entry, uint8 flags);
extern void bb_native_vm_truncate(StringInfo buf, uint32 entry);

/* Free space map, a page of the lowest level: only "slots" of it remain. */
extern void bb_native_fsm_truncate(StringInfo buf, uint32 slots);

#endif /* BB_NATIVE_H */

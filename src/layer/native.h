/*-------------------------------------------------------------------------
 *
 * native.h
 *	  Native records: changes that no rm_redo call makes.
 *
 * SLRU pages (pg_xact, multixact offsets and members, pg_commit_ts) and pages
 * of visibility and free space maps are changed by WAL records that don't
 * refer to them as blocks.  Ingest writes the effect of such a record on one
 * page as a native record, and reads apply it by bb_native_apply.  These pages
 * have only images and native changes.
 *
 * A native record is a type byte and its arguments, little-endian;
 * docs/format.md lists them.
 *
 * Items within a page (a transaction in pg_xact, a heap block in a visibility
 * map, …) are called entries and counted from 0.  The constants below say how
 * many a page has.
 *
 * (The layouts are those of PostgreSQL's clog.c, commit_ts.c, multixact.c and
 * visibilitymap.c, whose headers don't export them.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_NATIVE_H
#define BB_NATIVE_H

#include "access/xlogdefs.h"
#include "base/compat.h"
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
	BB_NATIVE_VM_CLEAR_LOGGED = 9,
	BB_NATIVE_LONG_OFFSETS_SET = 10
} BbNativeType;

/* pg_xact: two bits for each transaction. */
#define BB_XACT_PER_PAGE (BLCKSZ * 4)

/* pg_commit_ts: a time and an origin, without padding. */
#define BB_COMMIT_TS_ENTRY_SIZE (sizeof(TimestampTz) + sizeof(RepOriginId))
#define BB_COMMIT_TS_PER_PAGE (BLCKSZ / BB_COMMIT_TS_ENTRY_SIZE)

/* pg_multixact/offsets: of four bytes up to 18, of eight from 19 on. */
#define BB_OFFSETS_PER_PAGE (BLCKSZ / sizeof(MultiXactOffset))

/* pg_multixact/members: groups of four flag bytes and four xids. */
#define BB_MEMBERS_PER_GROUP 4
#define BB_MEMBERS_FLAG_BYTES 4
#define BB_MEMBERS_GROUP_SIZE \
	(BB_MEMBERS_FLAG_BYTES + BB_MEMBERS_PER_GROUP * sizeof(TransactionId))
#define BB_MEMBERS_PER_PAGE \
	(BLCKSZ / BB_MEMBERS_GROUP_SIZE * BB_MEMBERS_PER_GROUP)

/* visibility map: two bits for each heap block, after a page header. */
#define BB_VM_BYTES (BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define BB_VM_PER_PAGE (BB_VM_BYTES * 4)

/*
 * bb_native_apply - apply a NATIVE change of "key" to its page, in place.
 *
 * "page" has BLCKSZ bytes and is aligned as a Page.
 *
 * Errors: DATA_CORRUPTED with key and LSN (the change can't be decoded, or the
 * key can't have it).
 */
extern void bb_native_apply(const BbKey *key, const BbChange *change,
							uint8 *page);

/*
 * Writing native records.  Each function appends to "buf", which holds one
 * record.  A record with a list takes a "begin", then an "add" for each
 * element.
 *
 * REQUIRES: entries lower than the number of entries of the page.
 */

/* pg_xact: set the status (clog.h) of transactions. */
extern void bb_native_xact_begin(StringInfo buf, uint8 status);
extern void bb_native_xact_add(StringInfo buf, uint32 entry);

/* pg_commit_ts: set the time and the origin of transactions. */
extern void bb_native_commit_ts_begin(StringInfo buf, TimestampTz time,
									  uint16 origin);
extern void bb_native_commit_ts_add(StringInfo buf, uint32 entry);

/* pg_multixact/offsets: set where the members of multixacts begin. */
extern void bb_native_offsets_begin(StringInfo buf);
extern void bb_native_offsets_add(StringInfo buf, uint32 entry,
								  MultiXactOffset offset);

/* pg_multixact/members: set members from "entry" on. */
extern void bb_native_members_begin(StringInfo buf, uint32 entry);
extern void bb_native_members_add(StringInfo buf, TransactionId xid,
								  uint8 status);

/*
 * Visibility map:
 *
 * set		set bits of a heap block, like visibilitymap_set in recovery:
 *			unless the page is newer; this advances the page's LSN
 * clear	clear bits, like visibilitymap_clear: always, keeping the LSN.
 *			"logged": the record refers to the map's page; unless the page is
 *			newer, and a bit that changes advances the LSN
 * truncate clear all bits from "entry" on
 */
extern void bb_native_vm_set(StringInfo buf, uint32 entry, uint8 flags);
extern void bb_native_vm_clear_begin(StringInfo buf, bool logged);
extern void bb_native_vm_clear_add(StringInfo buf, uint32 entry, uint8 flags);
extern void bb_native_vm_truncate(StringInfo buf, uint32 entry);

/* Free space map, a page of the lowest level: keep only "slots" slots. */
extern void bb_native_fsm_truncate(StringInfo buf, uint32 slots);

#endif /* BB_NATIVE_H */

/*-------------------------------------------------------------------------
 *
 * native.c
 *	  Writing and applying native records.
 *
 * A native record is untrusted, like everything in a page store: it is decoded
 * by a BbReader, and each entry that it names is checked against the number of
 * entries of the page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/multixact.h"
#include "access/visibilitymapdefs.h"
#include "base/codec.h"
#include "base/compat.h"
#include "layer/native.h"
#include "replication/origin.h"
#include "storage/fsm_internals.h"

#define XACT_BITS 2
#define XACT_MASK 0x03
#define MEMBER_BITS 8
#define MEMBER_MASK 0xFF
#define VM_BITS 2

StaticAssertDecl(BB_XACT_PER_PAGE <= PG_UINT16_MAX + 1,
				 "an entry of pg_xact fits 16 bits");
StaticAssertDecl(BB_VM_PER_PAGE <= PG_UINT16_MAX + 1,
				 "an entry of a visibility map fits 16 bits");

/* ---- writing ---- */

static void
append_u16(StringInfo buf, uint32 value)
{
	Assert(value <= PG_UINT16_MAX);
	bb_append_u8(buf, (uint8) value);
	bb_append_u8(buf, (uint8) (value >> 8));
}

void
bb_native_xact_begin(StringInfo buf, uint8 status)
{
	bb_append_u8(buf, BB_NATIVE_XACT_SET);
	bb_append_u8(buf, status);
}

void
bb_native_xact_add(StringInfo buf, uint32 entry)
{
	append_u16(buf, entry);
}

void
bb_native_commit_ts_begin(StringInfo buf, TimestampTz time, uint16 origin)
{
	bb_append_u8(buf, BB_NATIVE_COMMIT_TS_SET);
	bb_append_le64(buf, (uint64) time);
	append_u16(buf, origin);
}

void
bb_native_commit_ts_add(StringInfo buf, uint32 entry)
{
	append_u16(buf, entry);
}

void
bb_native_offsets_begin(StringInfo buf)
{
#ifdef BB_HAVE_LONG_OFFSETS
	bb_append_u8(buf, BB_NATIVE_LONG_OFFSETS_SET);
#else
	bb_append_u8(buf, BB_NATIVE_OFFSETS_SET);
#endif
}

void
bb_native_offsets_add(StringInfo buf, uint32 entry, MultiXactOffset offset)
{
	append_u16(buf, entry);
#ifdef BB_HAVE_LONG_OFFSETS
	bb_append_le64(buf, offset);
#else
	bb_append_le32(buf, offset);
#endif
}

void
bb_native_members_begin(StringInfo buf, uint32 entry)
{
	bb_append_u8(buf, BB_NATIVE_MEMBERS_SET);
	append_u16(buf, entry);
}

void
bb_native_members_add(StringInfo buf, TransactionId xid, uint8 status)
{
	bb_append_le32(buf, xid);
	bb_append_u8(buf, status);
}

void
bb_native_vm_set(StringInfo buf, uint32 entry, uint8 flags)
{
	bb_append_u8(buf, BB_NATIVE_VM_SET);
	append_u16(buf, entry);
	bb_append_u8(buf, flags);
}

void
bb_native_vm_clear_begin(StringInfo buf, bool logged)
{
	bb_append_u8(buf, logged ? BB_NATIVE_VM_CLEAR_LOGGED : BB_NATIVE_VM_CLEAR);
}

void
bb_native_vm_clear_add(StringInfo buf, uint32 entry, uint8 flags)
{
	append_u16(buf, entry);
	bb_append_u8(buf, flags);
}

void
bb_native_vm_truncate(StringInfo buf, uint32 entry)
{
	bb_append_u8(buf, BB_NATIVE_VM_TRUNCATE);
	append_u16(buf, entry);
}

void
bb_native_fsm_truncate(StringInfo buf, uint32 slots)
{
	bb_append_u8(buf, BB_NATIVE_FSM_TRUNCATE);
	append_u16(buf, slots);
}

/* ---- applying ---- */

/* Read and check an entry number.  If it is too high: 0, and failed is set. */
static uint32
read_entry(BbReader *reader, uint32 limit)
{
	uint32		entry = bb_reader_u8(reader);

	entry |= (uint32) bb_reader_u8(reader) << 8;
	if (entry >= limit)
	{
		reader->failed = true;
		return 0;
	}
	return entry;
}

static uint8
read_flags(BbReader *reader)
{
	uint8		flags = bb_reader_u8(reader);

	if ((flags & ~VISIBILITYMAP_VALID_BITS) != 0)
		reader->failed = true;
	return flags & VISIBILITYMAP_VALID_BITS;
}

static bool
more(const BbReader *reader)
{
	return !reader->failed && reader->at < reader->length;
}

/*
 * As TransactionIdSetStatusBit in clog.c.  Recovery marks subtransactions as
 * sub-committed for a moment, which leaves no trace.
 */
static void
apply_xact_set(BbReader *reader, uint8 *page)
{
	uint8		status = bb_reader_u8(reader);

	if (status > TRANSACTION_STATUS_SUB_COMMITTED)
		reader->failed = true;
	while (more(reader))
	{
		uint32		entry = read_entry(reader, BB_XACT_PER_PAGE);
		uint32		shift = entry % 4 * XACT_BITS;
		uint8	   *byte = page + entry / 4;

		if (!reader->failed)
			*byte = (*byte & ~(XACT_MASK << shift)) | (status << shift);
	}
}

static void
apply_commit_ts_set(BbReader *reader, uint8 *page)
{
	TimestampTz time = (TimestampTz) bb_reader_le64(reader);
	RepOriginId origin = (RepOriginId) read_entry(reader, PG_UINT16_MAX + 1);

	while (more(reader))
	{
		uint8	   *at = page +
			read_entry(reader, BB_COMMIT_TS_PER_PAGE) *
				BB_COMMIT_TS_ENTRY_SIZE;

		if (!reader->failed)
		{
			memcpy(at, &time, sizeof(time));
			memcpy(at + sizeof(time), &origin, sizeof(origin));
		}
	}
}

static void
apply_offsets_set(BbReader *reader, uint8 *page)
{
	while (more(reader))
	{
		uint32		offset;
		uint32		entry = read_entry(reader, BLCKSZ / sizeof(offset));

		offset = bb_reader_le32(reader);

		if (!reader->failed)
			memcpy(page + entry * sizeof(offset), &offset, sizeof(offset));
	}
}

static void
apply_long_offsets_set(BbReader *reader, uint8 *page)
{
	while (more(reader))
	{
		uint64		offset;
		uint32		entry = read_entry(reader, BLCKSZ / sizeof(offset));

		offset = bb_reader_le64(reader);
		if (!reader->failed)
			memcpy(page + entry * sizeof(offset), &offset, sizeof(offset));
	}
}

/* As RecordNewMultiXact in multixact.c. */
static void
apply_members_set(BbReader *reader, uint8 *page)
{
	uint32		entry = read_entry(reader, BB_MEMBERS_PER_PAGE);

	for (; more(reader); entry++)
	{
		TransactionId xid = bb_reader_le32(reader);
		uint8		status = bb_reader_u8(reader);
		uint8	   *group = page +
			entry / BB_MEMBERS_PER_GROUP * BB_MEMBERS_GROUP_SIZE;
		uint32		member = entry % BB_MEMBERS_PER_GROUP;
		uint32		shift = member * MEMBER_BITS;
		uint32		flags;

		if (entry >= BB_MEMBERS_PER_PAGE || status > MaxMultiXactStatus)
			reader->failed = true;
		if (reader->failed)
			break;

		memcpy(group + BB_MEMBERS_FLAG_BYTES + member * sizeof(xid), &xid,
			   sizeof(xid));
		memcpy(&flags, group, sizeof(flags));
		flags &= ~((uint32) MEMBER_MASK << shift);
		flags |= (uint32) status << shift;
		memcpy(group, &flags, sizeof(flags));
	}
}

/* As heap_xlog_visible in heapam.c, and visibilitymap_set. */
static void
apply_vm_set(BbReader *reader, XLogRecPtr lsn, Page page)
{
	uint32		entry = read_entry(reader, BB_VM_PER_PAGE);
	uint8		flags = read_flags(reader);
	uint32		shift = entry % 4 * VM_BITS;
	uint8	   *byte;

	if (reader->failed || lsn <= PageGetLSN(page))
		return;
	if (PageIsNew(page))
		PageInit(page, BLCKSZ, 0);

	byte = (uint8 *) PageGetContents(page) + entry / 4;
	if (((*byte >> shift) & VISIBILITYMAP_VALID_BITS) != flags)
	{
		*byte |= flags << shift;
		PageSetLSN(page, lsn);
	}
}

/*
 * As vm_readbuf and visibilitymap_clear in visibilitymap.c.  A logged change is
 * as in heap_xlog_vm_clear in heapam_xlog.c, which skips a page of zeros and
 * sets the LSN only if a bit was cleared.
 */
static void
apply_vm_clear(BbReader *reader, XLogRecPtr lsn, Page page, bool logged)
{
	bool		stays = logged && (PageIsNew(page) || lsn <= PageGetLSN(page));
	bool		cleared = false;

	if (!stays && PageIsNew(page))
		PageInit(page, BLCKSZ, 0);
	while (more(reader))
	{
		uint32		entry = read_entry(reader, BB_VM_PER_PAGE);
		uint8		flags = read_flags(reader);
		uint8	   *byte = (uint8 *) PageGetContents(page) + entry / 4;
		uint8		mask = flags << (entry % 4 * VM_BITS);

		if (!reader->failed && !stays && (*byte & mask) != 0)
		{
			*byte &= ~mask;
			cleared = true;
		}
	}
	if (logged && cleared)
		PageSetLSN(page, lsn);
}

/* As visibilitymap_prepare_truncate in visibilitymap.c. */
static void
apply_vm_truncate(BbReader *reader, Page page)
{
	uint32		entry = read_entry(reader, BB_VM_PER_PAGE);
	uint8	   *map = (uint8 *) PageGetContents(page);
	uint32		byte = entry / 4;

	if (reader->failed)
		return;
	if (PageIsNew(page))
		PageInit(page, BLCKSZ, 0);
	memset(map + byte + 1, 0, BB_VM_BYTES - (byte + 1));
	map[byte] &= (1 << (entry % 4 * VM_BITS)) - 1;
}

/* As FreeSpaceMapPrepareTruncateRel in freespace.c. */
static void
apply_fsm_truncate(BbReader *reader, Page page)
{
	uint32		slots = read_entry(reader, LeafNodesPerPage);

	if (!reader->failed && !PageIsNew(page))
		fsm_truncate_avail(page, (int) slots);
}

/* Can the page of this key have such a change? */
static bool
fits(const BbKey *key, BbNativeType type)
{
	BbKeyFields fields = bb_key_fields(key);
	bool		slru = fields.kind == BB_KEY_SLRU_BLOCK;
	bool		relation = fields.kind == BB_KEY_REL_BLOCK;

	switch (type)
	{
		case BB_NATIVE_XACT_SET:
			return slru && fields.spc == BB_SLRU_XACT;
		case BB_NATIVE_COMMIT_TS_SET:
			return slru && fields.spc == BB_SLRU_COMMIT_TS;
		case BB_NATIVE_OFFSETS_SET:
		case BB_NATIVE_LONG_OFFSETS_SET:
			return slru && fields.spc == BB_SLRU_MULTIXACT_OFFSETS;
		case BB_NATIVE_MEMBERS_SET:
			return slru && fields.spc == BB_SLRU_MULTIXACT_MEMBERS;
		case BB_NATIVE_VM_SET:
		case BB_NATIVE_VM_CLEAR:
		case BB_NATIVE_VM_CLEAR_LOGGED:
		case BB_NATIVE_VM_TRUNCATE:
			return relation && fields.fork == VISIBILITYMAP_FORKNUM;
		case BB_NATIVE_FSM_TRUNCATE:
			return relation && fields.fork == FSM_FORKNUM;
	}
	return false;
}

static void
apply(BbReader *reader, BbNativeType type, XLogRecPtr lsn, uint8 *page)
{
	switch (type)
	{
		case BB_NATIVE_XACT_SET:
			apply_xact_set(reader, page);
			break;
		case BB_NATIVE_COMMIT_TS_SET:
			apply_commit_ts_set(reader, page);
			break;
		case BB_NATIVE_OFFSETS_SET:
			apply_offsets_set(reader, page);
			break;
		case BB_NATIVE_LONG_OFFSETS_SET:
			apply_long_offsets_set(reader, page);
			break;
		case BB_NATIVE_MEMBERS_SET:
			apply_members_set(reader, page);
			break;
		case BB_NATIVE_VM_SET:
			apply_vm_set(reader, lsn, (Page) page);
			break;
		case BB_NATIVE_VM_CLEAR:
			apply_vm_clear(reader, lsn, (Page) page, false);
			break;
		case BB_NATIVE_VM_CLEAR_LOGGED:
			apply_vm_clear(reader, lsn, (Page) page, true);
			break;
		case BB_NATIVE_VM_TRUNCATE:
			apply_vm_truncate(reader, (Page) page);
			break;
		case BB_NATIVE_FSM_TRUNCATE:
			apply_fsm_truncate(reader, (Page) page);
			break;
	}
}

void
bb_native_apply(const BbKey *key, const BbChange *change, uint8 *page)
{
	BbReader	reader;
	BbNativeType type;
	bool		fitting;

	bb_reader_init(&reader, change->data, change->length);
	type = (BbNativeType) bb_reader_u8(&reader);
	fitting = fits(key, type);
	if (fitting)
		apply(&reader, type, change->lsn, page);
	if (!fitting || !bb_reader_done(&reader))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page store has a native record that cannot be applied"),
				 errdetail("The record is of %s at " BB_LSN_FORMAT ", has type %u and %u bytes.",
						   bb_key_text(key), LSN_FORMAT_ARGS(change->lsn),
						   (unsigned) type, change->length)));
}

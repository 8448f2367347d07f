/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Builds keys, decodes them, and describes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogdefs.h"
#include "base/codec.h"
#include "base/compat.h"
#include "base/key.h"

/* Where the fields are; see key.h. */
#define AT_SPC 1
#define AT_DB 5
#define AT_REL 9
#define AT_FORK 13
#define AT_BLOCK 14

/* Greater than every kind. */
#define KIND_LIMIT 0xFF

BbKey
bb_key_make(BbKeyKind kind, uint32 spc, uint32 db, uint32 rel, uint8 fork,
			uint32 block)
{
	BbKey		key;

	key.bytes[0] = (uint8) kind;
	bb_put_be32(key.bytes + AT_SPC, spc);
	bb_put_be32(key.bytes + AT_DB, db);
	bb_put_be32(key.bytes + AT_REL, rel);
	key.bytes[AT_FORK] = fork;
	bb_put_be32(key.bytes + AT_BLOCK, block);
	return key;
}

BbKeyFields
bb_key_fields(const BbKey *key)
{
	return (BbKeyFields){.kind = (BbKeyKind) key->bytes[0],
						 .spc = bb_get_be32(key->bytes + AT_SPC),
						 .db = bb_get_be32(key->bytes + AT_DB),
						 .rel = bb_get_be32(key->bytes + AT_REL),
						 .fork = key->bytes[AT_FORK],
						 .block = bb_get_be32(key->bytes + AT_BLOCK)};
}

BbKey
bb_key_rel_size(Oid spc, Oid db, Oid rel, ForkNumber fork)
{
	return bb_key_make(BB_KEY_REL_SIZE, spc, db, rel, (uint8) fork, 0);
}

BbKey
bb_key_rel_block(Oid spc, Oid db, Oid rel, ForkNumber fork, BlockNumber block)
{
	return bb_key_make(BB_KEY_REL_BLOCK, spc, db, rel, (uint8) fork, block);
}

BbKey
bb_key_rel_zeros(Oid spc, Oid db, Oid rel, ForkNumber fork)
{
	return bb_key_make(BB_KEY_REL_ZEROS, spc, db, rel, (uint8) fork, 0);
}

BbKey
bb_key_slru_size(BbSlru slru, uint64 segment)
{
	return bb_key_make(BB_KEY_SLRU_SIZE, slru, (uint32) (segment >> 32),
					   (uint32) segment, 0, 0);
}

BbKey
bb_key_slru_block(BbSlru slru, uint64 segment, uint32 page)
{
	return bb_key_make(BB_KEY_SLRU_BLOCK, slru, (uint32) (segment >> 32),
					   (uint32) segment, 0, page);
}

BbKey
bb_key_twophase_size(uint64 xid)
{
	return bb_key_make(BB_KEY_TWOPHASE_SIZE, (uint32) (xid >> 32),
					   (uint32) xid, 0, 0, 0);
}

BbKey
bb_key_twophase_block(uint64 xid, uint32 block)
{
	return bb_key_make(BB_KEY_TWOPHASE_BLOCK, (uint32) (xid >> 32),
					   (uint32) xid, 0, 0, block);
}

static BbKeyRange
range_of_kinds(int first, int end)
{
	return (BbKeyRange){bb_key_make((BbKeyKind) first, 0, 0, 0, 0, 0),
						bb_key_make((BbKeyKind) end, 0, 0, 0, 0, 0)};
}

BbKeyRange
bb_key_range_kind(BbKeyKind kind)
{
	return range_of_kinds(kind, kind + 1);
}

BbKeyRange
bb_key_range_all(void)
{
	return range_of_kinds(0, KIND_LIMIT);
}

BbKeyRange
bb_key_range_events(void)
{
	return range_of_kinds(BB_KEY_COMMIT_TIME, BB_KEY_TABLESPACE);
}

BbKey
bb_key_next(const BbKey *key)
{
	BbKey		next = *key;

	for (int i = BB_KEY_LENGTH - 1; i >= 0; i--)
	{
		if (++next.bytes[i] != 0)
			break;
	}
	return next;
}

char *
bb_key_text(const BbKey *key)
{
	BbKeyFields f = bb_key_fields(key);
	const char *fork = f.fork <= MAX_FORKNUM ? forkNames[f.fork] : "?";

	switch (f.kind)
	{
		case BB_KEY_CONTROL_FILE:
			return pstrdup("control file");
		case BB_KEY_CHECKPOINT:
			return pstrdup("checkpoint");
		case BB_KEY_COMMIT_TIME:
			return pstrdup("commit time");
		case BB_KEY_RECORD_ENDS:
			return psprintf("record ends of WAL page " BB_LSN_FORMAT,
							LSN_FORMAT_ARGS((((uint64) f.db << 32) | f.rel) *
											XLOG_BLCKSZ));
		case BB_KEY_RESTORE_POINT:
			return pstrdup("restore point");
		case BB_KEY_TARGETS_FROM:
			return pstrdup("start of xids and restore points");
		case BB_KEY_TABLESPACE:
			return psprintf("tablespace %u", f.spc);
		case BB_KEY_DATABASE:
			return psprintf("database %u/%u", f.spc, f.db);
		case BB_KEY_FILE_ENTRY:
			return psprintf("file %u", f.rel);
		case BB_KEY_FILE_BLOCK:
			return psprintf("file %u block %u", f.rel, f.block);
		case BB_KEY_FILE_DIRECTORY:
			return psprintf("directory %u", f.rel);
		case BB_KEY_SLRU_SIZE:
			return psprintf("SLRU %u segment " UINT64_FORMAT, f.spc,
							((uint64) f.db << 32) | f.rel);
		case BB_KEY_SLRU_BLOCK:
			return psprintf("SLRU %u segment " UINT64_FORMAT " page %u", f.spc,
							((uint64) f.db << 32) | f.rel, f.block);
		case BB_KEY_RELMAP:
			return psprintf("relation map %u/%u", f.spc, f.db);
		case BB_KEY_REL_SIZE:
			return psprintf("relation %u/%u/%u %s", f.spc, f.db, f.rel, fork);
		case BB_KEY_REL_BLOCK:
			return psprintf("relation %u/%u/%u %s block %u", f.spc, f.db,
							f.rel, fork, f.block);
		case BB_KEY_REL_ZEROS:
			return psprintf("zeros of relation %u/%u/%u %s", f.spc, f.db,
							f.rel, fork);
		case BB_KEY_TWOPHASE_SIZE:
			return psprintf("prepared transaction " UINT64_FORMAT,
							((uint64) f.spc << 32) | f.db);
		case BB_KEY_TWOPHASE_BLOCK:
			return psprintf("prepared transaction " UINT64_FORMAT " block %u",
							((uint64) f.spc << 32) | f.db, f.block);
		case BB_KEY_REPLICATION_ORIGIN:
			return psprintf("replication origin %u", f.rel);
	}

	/* keys that only begin or end a range have no kind */
	if (f.kind == 0)
		return pstrdup("start");
	if (f.kind == KIND_LIMIT)
		return pstrdup("end");
	return psprintf("kind 0x%02X %u/%u/%u %u %u", (unsigned) f.kind, f.spc,
					f.db, f.rel, f.fork, f.block);
}

/*-------------------------------------------------------------------------
 *
 * key.h
 *	  What a value in the page store belongs to.
 *
 * A page store is an ordered map (key, LSN) -> value.  A key is 18 bytes,
 * big-endian, ordered by memcmp, so that the blocks of a relation fork are
 * contiguous and a scan in key order returns them as a base backup needs them:
 *
 *	  byte	0	 1..4	5..8   9..12   13	 14..17
 *			kind spc	db	   rel	   fork  block
 *
 * A field that a kind doesn't use is zero.  No value lists the keys that
 * exist: a relation exists if its size key does, a database if its DATABASE key
 * does.  So a change costs the same with a million relations as with ten.
 *
 *	kind				spc			db		 rel	  fork	block	value
 *	------------------- ----------- -------- -------- ----- ------- --------
 *	CONTROL_FILE		-			-		 -		  -		-		ControlFileData, as on disk
 *	CHECKPOINT			-			-		 -		  -		-		CheckPoint, as in the control file
 *	COMMIT_TIME			-			-		 -		  -		-		the commit or abort that ends at the LSN: see events.h
 *	RECORD_ENDS			-			page hi	 page lo  -		-		u16 each: where records end in the WAL page (LSN / XLOG_BLCKSZ)
 *	RESTORE_POINT		-			-		 -		  -		-		the restore point that ends at the LSN: see events.h
 *	TARGETS_FROM		-			-		 -		  -		-		u64: LSN from which on xids and restore points are known
 *	TABLESPACE			tablespace	-		 -		  -		-		its location, as text
 *	DATABASE			tablespace	database -		  -		-		u8: BB_DATABASE_* flags
 *	FILE_ENTRY			-			-		 ordinal  -		-		see catalog.h
 *	FILE_BLOCK			-			-		 ordinal  -		block	up to BLCKSZ bytes
 *	FILE_DIRECTORY		-			-		 ordinal  -		-		its path, as text
 *	SLRU_SIZE			BbSlru		seg high seg low  -		-		u32: pages in the segment
 *	SLRU_BLOCK			BbSlru		seg high seg low  -		page	BLCKSZ bytes
 *	RELMAP				tablespace	database -		  -		-		pg_filenode.map, as on disk
 *	REL_SIZE			tablespace	database relnode  fork	-		u32: blocks in the fork
 *	REL_BLOCK			tablespace	database relnode  fork	block	BLCKSZ bytes
 *	REL_ZEROS			tablespace	database relnode  fork	-		runs of blocks that are zeros: see zerorun.h
 *	TWOPHASE_SIZE		xid high	xid low	 -		  -		-		u32: bytes in the state file
 *	TWOPHASE_BLOCK		xid high	xid low	 -		  -		block	up to BLCKSZ bytes, without the CRC
 *	REPLICATION_ORIGIN	-			-		 origin   -		-		u64: remote LSN
 *
 * Values "as on disk" have the byte order and layout of the cluster's major
 * version; integers of bbackup are little-endian.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_KEY_H
#define BB_KEY_H

#include "common/relpath.h"
#include "port/pg_bswap.h"
#include "storage/block.h"

#define BB_KEY_LENGTH 18

typedef enum BbKeyKind
{
	BB_KEY_CONTROL_FILE = 0x01,
	BB_KEY_CHECKPOINT = 0x02,
	BB_KEY_COMMIT_TIME = 0x03,
	BB_KEY_RECORD_ENDS = 0x04,
	BB_KEY_RESTORE_POINT = 0x05,
	BB_KEY_TARGETS_FROM = 0x06,
	BB_KEY_TABLESPACE = 0x10,
	BB_KEY_DATABASE = 0x11,
	BB_KEY_FILE_ENTRY = 0x20,
	BB_KEY_FILE_BLOCK = 0x21,
	BB_KEY_FILE_DIRECTORY = 0x22,
	BB_KEY_SLRU_SIZE = 0x30,
	BB_KEY_SLRU_BLOCK = 0x31,
	BB_KEY_RELMAP = 0x40,
	BB_KEY_REL_SIZE = 0x41,
	BB_KEY_REL_BLOCK = 0x42,
	BB_KEY_REL_ZEROS = 0x43,
	BB_KEY_TWOPHASE_SIZE = 0x50,
	BB_KEY_TWOPHASE_BLOCK = 0x51,
	BB_KEY_REPLICATION_ORIGIN = 0x60
} BbKeyKind;

/* The SLRUs of a base backup.  Their numbers are stored: append only. */
typedef enum BbSlru
{
	BB_SLRU_XACT = 0,
	BB_SLRU_MULTIXACT_OFFSETS = 1,
	BB_SLRU_MULTIXACT_MEMBERS = 2,
	BB_SLRU_COMMIT_TS = 3
} BbSlru;
#define BB_SLRU_COUNT 4

/* Flags of a DATABASE value. */
#define BB_DATABASE_DEFAULT_TABLESPACE 0x01 /* PG_VERSION and relmap here */

typedef struct BbKey
{
	uint8		bytes[BB_KEY_LENGTH];
} BbKey;

/* Half-open: start <= key < end. */
typedef struct BbKeyRange
{
	BbKey		start;
	BbKey		end;
} BbKeyRange;

/* The fields of a key. */
typedef struct BbKeyFields
{
	BbKeyKind	kind;
	uint32		spc;
	uint32		db;
	uint32		rel;
	uint8		fork;
	uint32		block;
} BbKeyFields;

extern BbKey bb_key_make(BbKeyKind kind, uint32 spc, uint32 db, uint32 rel,
						 uint8 fork, uint32 block);
extern BbKeyFields bb_key_fields(const BbKey *key);

/* Keys of frequent kinds. */
extern BbKey bb_key_rel_size(Oid spc, Oid db, Oid rel, ForkNumber fork);
extern BbKey bb_key_rel_block(Oid spc, Oid db, Oid rel, ForkNumber fork,
							  BlockNumber block);
extern BbKey bb_key_rel_zeros(Oid spc, Oid db, Oid rel, ForkNumber fork);
extern BbKey bb_key_slru_size(BbSlru slru, uint64 segment);
extern BbKey bb_key_slru_block(BbSlru slru, uint64 segment, uint32 page);
extern BbKey bb_key_twophase_size(uint64 xid);
extern BbKey bb_key_twophase_block(uint64 xid, uint32 block);

/*
 * Return the range of all keys of a kind below 0xFF, or of all such kinds; kind
 * 0xFF is reserved for the end of ranges.
 */
extern BbKeyRange bb_key_range_kind(BbKeyKind kind);
extern BbKeyRange bb_key_range_all(void);

/*
 * bb_key_range_events - return the range of the kinds that are events: their values
 * are whole, and in no image that upkeep makes (events.h).
 */
extern BbKeyRange bb_key_range_events(void);

/*
 * bb_key_next - return the smallest key that is greater than "key".
 *
 * REQUIRES: there is one; after 18 bytes 0xFF comes the smallest of all keys.
 */
extern BbKey bb_key_next(const BbKey *key);

/*
 * bb_key_text - describe a key for messages, palloc'd, such as:
 * "relation 1663/5/1259 main block 3".
 */
extern char *bb_key_text(const BbKey *key);

static inline int
bb_key_compare(const BbKey *a, const BbKey *b)
{
	uint64		left[2];
	uint64		right[2];

	memcpy(left, a->bytes, sizeof(left));
	memcpy(right, b->bytes, sizeof(right));
	for (int i = 0; i < lengthof(left); i++)
	{
		if (left[i] != right[i])
			return pg_ntoh64(left[i]) < pg_ntoh64(right[i]) ? -1 : 1;
	}
	return memcmp(a->bytes + sizeof(left), b->bytes + sizeof(right),
				  BB_KEY_LENGTH - sizeof(left));
}

static inline bool
bb_key_in_range(const BbKey *key, const BbKeyRange *range)
{
	return bb_key_compare(key, &range->start) >= 0 &&
		bb_key_compare(key, &range->end) < 0;
}

#endif /* BB_KEY_H */

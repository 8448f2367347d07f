/*-------------------------------------------------------------------------
 *
 * xacts.c
 *	  Transactions and multixacts, as they were at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/clog.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "catalog/pg_control.h"
#include "heap/xacts.h"
#include "layer/native.h"

/* pg_xact: two bits for each transaction (clog.c). */
#define XACTS_PER_BYTE 4
#define XACTS_PER_PAGE (BLCKSZ * XACTS_PER_BYTE)

struct BbXacts
{
	BbPages	   *pages;
	/* the transaction that was asked about last */
	TransactionId last_xid;
	bool		last_committed;
	/* the next multixact and where its members begin; read when needed */
	bool		counters_read;
	MultiXactId next_multi;
	MultiXactOffset next_offset;
};

BbXacts *
bb_xacts_new(BbPages *pages)
{
	BbXacts	   *xacts = palloc0(sizeof(BbXacts));

	xacts->pages = pages;
	return xacts;
}

static XLogRecPtr
lsn_of(const BbXacts *xacts)
{
	return bb_pages_snapshot(xacts->pages)->lsn;
}

/*
 * A subtransaction whose status is SUB_COMMITTED has a parent that did not commit:
 * redo of a commit sets the status of the whole family.
 */
bool
bb_xacts_committed(const BbReqCtx *ctx, BbXacts *xacts, TransactionId xid)
{
	const uint8 *page;
	uint32		entry = xid % XACTS_PER_PAGE;
	int			status;

	if (!TransactionIdIsNormal(xid))
		return xid == FrozenTransactionId || xid == BootstrapTransactionId;
	if (xid == xacts->last_xid)
		return xacts->last_committed;

	page = bb_pages_slru(ctx, xacts->pages, BB_SLRU_XACT,
						 xid / XACTS_PER_PAGE);
	if (page == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("status of transaction %u is missing at " BB_LSN_FORMAT,
						xid, LSN_FORMAT_ARGS(lsn_of(xacts)))));
	status = (page[entry / XACTS_PER_BYTE] >> (entry % XACTS_PER_BYTE * 2)) &
		3;
	xacts->last_xid = xid;
	xacts->last_committed = status == TRANSACTION_STATUS_COMMITTED;
	return xacts->last_committed;
}

/* ---- multixacts ---- */

static void
read_counters(const BbReqCtx *ctx, BbXacts *xacts)
{
	BbKey		key = bb_key_make(BB_KEY_CHECKPOINT, 0, 0, 0, 0, 0);
	BbValue		value = bb_pagestore_need(ctx, bb_pages_snapshot(xacts->pages),
										  &key, sizeof(CheckPoint));
	CheckPoint	checkpoint;

	memcpy(&checkpoint, value.data, sizeof(checkpoint));
	/* it may not have wrapped around to the first one yet */
	xacts->next_multi = Max(checkpoint.nextMulti, FirstMultiXactId);
	xacts->next_offset = checkpoint.nextMultiOffset;
	xacts->counters_read = true;
}

/* Where the members of a multixact begin; 0: not known. */
static MultiXactOffset
multi_offset(const BbReqCtx *ctx, BbXacts *xacts, MultiXactId multi)
{
	const uint8 *page = bb_pages_slru(ctx, xacts->pages,
									  BB_SLRU_MULTIXACT_OFFSETS,
									  multi / BB_OFFSETS_PER_PAGE);
	MultiXactOffset offset;

	if (page == NULL)
		return 0;
	memcpy(&offset, page + multi % BB_OFFSETS_PER_PAGE * sizeof(offset),
		   sizeof(offset));
	return offset;
}

/*
 * Where the members of the multixact end, which is where the next one's begin.
 *
 * *known is false if that isn't written yet: minor releases before November 2025
 * wrote it with the next multixact, so its record may come after the LSN.
 */
static MultiXactOffset
multi_end(const BbReqCtx *ctx, BbXacts *xacts, MultiXactId multi, bool *known)
{
	MultiXactId next = multi + 1;
	MultiXactOffset end;

	*known = true;
	if (!xacts->counters_read)
		read_counters(ctx, xacts);
	if (next < FirstMultiXactId)
		next = FirstMultiXactId;
	if (next == xacts->next_multi)
		return xacts->next_offset;
	end = multi_offset(ctx, xacts, next);
	if (end != 0)
		return end;
	*known = false;
	return xacts->next_offset;
}

typedef struct Member
{
	TransactionId xid; /* Invalid: not written */
	MultiXactStatus status;
} Member;

/*
 * No multixact begins at offset 0, so it may be unused, and its page may be missing.
 * But one that begins before it may have a member there.
 */
static Member
read_member(const BbReqCtx *ctx, BbXacts *xacts, MultiXactId multi,
			MultiXactOffset offset)
{
	const uint8 *page = bb_pages_slru(ctx, xacts->pages,
									  BB_SLRU_MULTIXACT_MEMBERS,
									  offset / BB_MEMBERS_PER_PAGE);
	uint32		entry = (uint32) (offset % BB_MEMBERS_PER_PAGE);
	uint32		in_group = entry % BB_MEMBERS_PER_GROUP;
	const uint8 *group;
	Member		member;

	if (page == NULL && offset == 0)
		return (Member){.xid = InvalidTransactionId};
	if (page == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("members of multixact %u are missing at " BB_LSN_FORMAT,
						multi, LSN_FORMAT_ARGS(lsn_of(xacts)))));
	group = page + entry / BB_MEMBERS_PER_GROUP * BB_MEMBERS_GROUP_SIZE;
	memcpy(&member.xid,
		   group + BB_MEMBERS_FLAG_BYTES + in_group * sizeof(TransactionId),
		   sizeof(TransactionId));
	member.status = (MultiXactStatus) group[in_group];
	return member;
}

TransactionId
bb_xacts_updater(const BbReqCtx *ctx, BbXacts *xacts, MultiXactId multi)
{
	MultiXactOffset offset = multi_offset(ctx, xacts, multi);
	bool		end_known;
	MultiXactOffset end;

	if (offset == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("multixact %u is missing at " BB_LSN_FORMAT, multi,
						LSN_FORMAT_ARGS(lsn_of(xacts)))));
	end = multi_end(ctx, xacts, multi, &end_known);
	for (; offset != end; offset++)
	{
		Member		member;

		bb_reqctx_check(ctx);
		member = read_member(ctx, xacts, multi, offset);
		if (!TransactionIdIsValid(member.xid))
		{
			if (!end_known && offset != 0)
				break;
			continue;
		}
		if (ISUPDATE_from_mxstatus(member.status))
			return member.xid;
	}
	return InvalidTransactionId;
}

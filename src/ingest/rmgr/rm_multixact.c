/*-------------------------------------------------------------------------
 *
 * rm_multixact.c
 *	  Multixacts: their creation, new pages, and truncation.
 *
 * (multixact_redo, RecordNewMultiXact, PerformMembersTruncation and
 * PerformOffsetsTruncation in PostgreSQL's multixact.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/slru.h"
#include "access/transam.h"
#include "ingest/recordcheck.h"
#include "ingest/rmgr/slrupages.h"
#include "layer/native.h"

/* (MultiXactOffsetPagePrecedes) */
static bool
precedes(int64 page, int64 other)
{
	MultiXactId multi = (MultiXactId) page * BB_OFFSETS_PER_PAGE +
		FirstMultiXactId + 1;
	MultiXactId other_multi = (MultiXactId) other * BB_OFFSETS_PER_PAGE +
		FirstMultiXactId + 1;

	return MultiXactIdPrecedes(multi, other_multi) &&
		MultiXactIdPrecedes(multi, other_multi + BB_OFFSETS_PER_PAGE - 1);
}

static MultiXactId
next_multi(MultiXactId multi)
{
	return multi == MaxMultiXactId ? FirstMultiXactId : multi + 1;
}

/*
 * Zero a page of offsets, unless it exists already.  The end of the last
 * multixact of a page is the first entry of the next page, and servers before
 * 15.15 (and the minor releases of its date) zero that page only afterwards.
 */
static void
zero_offsets(BbIngest *ingest, int64 page)
{
	MultiXactId next = ingest->state->checkpoint.nextMulti;

	if (next / BB_OFFSETS_PER_PAGE == page &&
		(next % BB_OFFSETS_PER_PAGE == 0 || next == FirstMultiXactId) &&
		bb_slrupages_exists(ingest, BB_SLRU_MULTIXACT_OFFSETS, page))
		return;
	bb_slrupages_zero(ingest, BB_SLRU_MULTIXACT_OFFSETS, page);
}

/* Set the offsets of a multixact's members and of the next multixact's. */
static void
set_offsets(BbIngest *ingest, const xl_multixact_create *create)
{
	MultiXactId next = next_multi(create->mid);
	MultiXactOffset next_offset = create->moff + create->nmembers;
	int64		page = create->mid / BB_OFFSETS_PER_PAGE;
	int64		next_page = next / BB_OFFSETS_PER_PAGE;
	StringInfo	native = bb_ingest_native_begin(ingest);

#ifndef BB_HAVE_LONG_OFFSETS
	if (next_offset == 0)
		next_offset = 1; /* 0 means that there is no offset */
#endif

	bb_native_offsets_begin(native);
	bb_native_offsets_add(native, create->mid % BB_OFFSETS_PER_PAGE,
						  create->moff);
	if (next_page != page)
	{
		bb_slrupages_change(ingest, BB_SLRU_MULTIXACT_OFFSETS, page);
		native = bb_ingest_native_begin(ingest);
		bb_native_offsets_begin(native);
	}
	bb_native_offsets_add(native, next % BB_OFFSETS_PER_PAGE, next_offset);
	bb_slrupages_change(ingest, BB_SLRU_MULTIXACT_OFFSETS, next_page);
}

static void
set_members(BbIngest *ingest, const xl_multixact_create *create)
{
	int			i = 0;

	while (i < create->nmembers)
	{
		MultiXactOffset offset = create->moff + i;
		int64		page = offset / BB_MEMBERS_PER_PAGE;
		StringInfo	native = bb_ingest_native_begin(ingest);

		bb_native_members_begin(native, offset % BB_MEMBERS_PER_PAGE);
		for (; i < create->nmembers; i++)
		{
			offset = create->moff + i; /* wraps around up to 18 */
			if (offset / BB_MEMBERS_PER_PAGE != page)
				break;
			bb_native_members_add(native, create->members[i].xid,
								  create->members[i].status);
		}
		bb_slrupages_change(ingest, BB_SLRU_MULTIXACT_MEMBERS, page);
	}
}

static void
create(BbIngest *ingest)
{
	const xl_multixact_create *create = (const xl_multixact_create *)
		bb_ingest_data(ingest, SizeOfMultiXactCreate);
	TransactionId max_xid = XLogRecGetXid(ingest->record);

	if (create->nmembers <= 0 || create->mid < FirstMultiXactId)
		bb_ingest_refuse(ingest,
						 "There cannot be a multixact %u with %d members.",
						 create->mid, create->nmembers);
#ifdef BB_HAVE_LONG_OFFSETS
	if (create->moff > BB_MAX_MULTIXACT_OFFSET - create->nmembers)
		bb_ingest_refuse(ingest,
						 "There cannot be members from " UINT64_FORMAT " on.",
						 create->moff);
#endif
	bb_recordcheck_items(ingest, SizeOfMultiXactCreate, create->nmembers,
						 sizeof(MultiXactMember));
	for (int i = 0; i < create->nmembers; i++)
		if ((uint32) create->members[i].status > MaxMultiXactStatus)
			bb_ingest_refuse(ingest, "There cannot be a member of status %d.",
							 (int) create->members[i].status);

	set_offsets(ingest, create);
	set_members(ingest, create);

	bb_clusterstate_past_multi(ingest->state, create->mid + 1,
							   create->moff + create->nmembers);
	for (int i = 0; i < create->nmembers; i++)
		if (TransactionIdPrecedes(max_xid, create->members[i].xid))
			max_xid = create->members[i].xid;
	bb_clusterstate_past_xid(ingest->state, max_xid);
}

#ifdef BB_HAVE_LONG_OFFSETS

/* (MultiXactMemberPagePrecedes) */
static bool
members_precede(int64 page, int64 other)
{
	return page < other;
}

static MultiXactId
truncate_members(BbIngest *ingest, const xl_multixact_truncate *truncate)
{
	bb_slrupages_truncate(ingest, BB_SLRU_MULTIXACT_MEMBERS,
						  truncate->oldestOffset / BB_MEMBERS_PER_PAGE,
						  members_precede);
	return truncate->oldestMulti;
}

#else

static uint64
members_segment(MultiXactOffset offset)
{
	return offset / BB_MEMBERS_PER_PAGE / SLRU_PAGES_PER_SEGMENT;
}

static MultiXactId
truncate_members(BbIngest *ingest, const xl_multixact_truncate *truncate)
{
	bb_slrupages_remove_range(ingest, BB_SLRU_MULTIXACT_MEMBERS,
							  members_segment(truncate->startTruncMemb),
							  members_segment(truncate->endTruncMemb));
	return truncate->endTruncOff;
}

#endif

static void
truncate_both(BbIngest *ingest)
{
	CheckPoint *checkpoint = &ingest->state->checkpoint;
	xl_multixact_truncate truncate;
	MultiXactId oldest;
	MultiXactId last;

	memcpy(&truncate, bb_ingest_data(ingest, SizeOfMultiXactTruncate),
		   SizeOfMultiXactTruncate);
	oldest = truncate_members(ingest, &truncate);
	if (!MultiXactIdIsValid(oldest))
		bb_ingest_refuse(ingest, "There cannot be a multixact %u.", oldest);
	checkpoint->oldestMulti = oldest;
	checkpoint->oldestMultiDB = truncate.oldestMultiDB;

	/* go one back, since the page of the oldest may not exist yet */
	last = oldest == FirstMultiXactId ? MaxMultiXactId : oldest - 1;
	bb_slrupages_truncate(ingest, BB_SLRU_MULTIXACT_OFFSETS,
						  last / BB_OFFSETS_PER_PAGE, precedes);
}

void
bb_rm_multixact(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_MULTIXACT_ZERO_OFF_PAGE:
			zero_offsets(ingest, bb_slrupages_of_record(ingest));
			break;
		case XLOG_MULTIXACT_ZERO_MEM_PAGE:
			bb_slrupages_zero(ingest, BB_SLRU_MULTIXACT_MEMBERS,
							  bb_slrupages_of_record(ingest));
			break;
		case XLOG_MULTIXACT_CREATE_ID:
			create(ingest);
			break;
		case XLOG_MULTIXACT_TRUNCATE_ID:
			truncate_both(ingest);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}

/*-------------------------------------------------------------------------
 *
 * xactrecord.c
 *	  Check of the lengths in records of commits, aborts and prepares.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "ingest/rmgr/xactrecord.h"
#include "port/pg_crc32c.h"
#include "storage/sinval.h"
#include "wal/compat.h"

/* The first bytes of a state file (twophase.c). */
#define TWOPHASE_MAGIC 0x57F94534

/* The rest of the record. */
typedef struct Rest
{
	const char *data;
	size_t		length;
} Rest;

static bool
skip(Rest *rest, size_t length)
{
	if (rest->length < length)
		return false;
	rest->data += length;
	rest->length -= length;
	return true;
}

/* Skip a count, and as many items. */
static bool
skip_items(Rest *rest, size_t item_size)
{
	const char *at = rest->data;
	int			count;

	if (!skip(rest, sizeof(count)))
		return false;
	memcpy(&count, at, sizeof(count));
	return count >= 0 && rest->length / item_size >= count &&
		skip(rest, count * item_size);
}

static bool
skip_string(Rest *rest)
{
	return skip(rest, strnlen(rest->data, rest->length) + 1);
}

bool
bb_xactrecord_fits(uint8 info, const char *data, size_t length)
{
	uint8		kind = info & XLOG_XACT_OPMASK;
	bool		commit = kind == XLOG_XACT_COMMIT ||
		kind == XLOG_XACT_COMMIT_PREPARED;
	Rest		rest = {data, length};
	uint32		has = 0;

	if (!skip(&rest, commit ? MinSizeOfXactCommit : MinSizeOfXactAbort))
		return false;
	if ((info & XLOG_XACT_HAS_INFO) != 0)
	{
		const char *at = rest.data;

		if (!skip(&rest, sizeof(xl_xact_xinfo)))
			return false;
		memcpy(&has, at, sizeof(has));
	}

	if ((has & XACT_XINFO_HAS_DBINFO) != 0 &&
		!skip(&rest, sizeof(xl_xact_dbinfo)))
		return false;
	if ((has & XACT_XINFO_HAS_SUBXACTS) != 0 &&
		!skip_items(&rest, sizeof(TransactionId)))
		return false;
	if ((has & BB_XACT_HAS_DROPPED) != 0 &&
		!skip_items(&rest, sizeof(BbWalLocator)))
		return false;
	if ((has & XACT_XINFO_HAS_DROPPED_STATS) != 0 &&
		!skip_items(&rest, sizeof(xl_xact_stats_item)))
		return false;
	if (commit && (has & XACT_XINFO_HAS_INVALS) != 0 &&
		!skip_items(&rest, sizeof(SharedInvalidationMessage)))
		return false;
	if ((has & XACT_XINFO_HAS_TWOPHASE) != 0)
	{
		if (!skip(&rest, sizeof(xl_xact_twophase)))
			return false;
		if ((has & XACT_XINFO_HAS_GID) != 0 && !skip_string(&rest))
			return false;
	}
	return (has & XACT_XINFO_HAS_ORIGIN) == 0 ||
		skip(&rest, sizeof(xl_xact_origin));
}

/* Each part of a state file begins at a multiple of MAXALIGN. */
static bool
skip_part(Rest *rest, int64 count, size_t item_size)
{
	return count >= 0 && rest->length / item_size >= (uint64) count &&
		skip(rest, Min(MAXALIGN(count * item_size), rest->length));
}

bool
bb_xactrecord_prepared_fits(const char *data, size_t length)
{
	xl_xact_prepare header;
	Rest		rest = {data, length};

	if (!skip_part(&rest, 1, sizeof(header)))
		return false;
	memcpy(&header, data, sizeof(header));

	/* the length is that of the file, which also has a CRC */
	return header.magic == TWOPHASE_MAGIC &&
		header.total_len == length + sizeof(pg_crc32c) &&
		TransactionIdIsNormal(header.xid) && header.gidlen > 0 &&
		header.gidlen <= GIDSIZE && skip_part(&rest, header.gidlen, 1) &&
		skip_part(&rest, header.nsubxacts, sizeof(TransactionId)) &&
		skip_part(&rest, header.ncommitrels, sizeof(BbWalLocator)) &&
		skip_part(&rest, header.nabortrels, sizeof(BbWalLocator)) &&
		skip_part(&rest, header.ncommitstats, sizeof(xl_xact_stats_item)) &&
		skip_part(&rest, header.nabortstats, sizeof(xl_xact_stats_item)) &&
		skip_part(&rest, header.ninvalmsgs, sizeof(SharedInvalidationMessage));
}

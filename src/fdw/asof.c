/*-------------------------------------------------------------------------
 *
 * asof.c
 *	  Which LSN a table of the past is read at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/settings.h"
#include "common/hashfn.h"
#include "fdw/asof.h"
#include "stores/store_targets.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

/* What the present statement has looked up; a few tables of one timeline. */
#define RESOLVED_MAX 8

typedef struct Resolved
{
	TimestampTz statement;
	uint64		hash; /* of the store, the timeline and the text */
	XLogRecPtr	lsn;
} Resolved;

static Resolved resolved[RESOLVED_MAX];
static int	next_resolved = 0;

static uint64
hash_text(const char *text, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) text,
							   (int) strlen(text), seed);
}

/* "0/4B2C1A8", but not "2026-11-24 22:58" nor "lsn:0/4B2C1A8". */
static bool
is_lsn(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t		length = strlen(text);

	return slash != NULL &&
		strspn(text, "0123456789abcdefABCDEF/") == length &&
		slash - text <= 8 && length - (slash - text) <= 9;
}

/* A target of recovery, an LSN, a time; nothing: the end. */
static XLogRecPtr
look_up(const BbReqCtx *ctx, BbPageStore *store, const char *text)
{
	if (*text == '\0')
		return bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	if (is_lsn(text))
		return DatumGetLSN(
			DirectFunctionCall1(pg_lsn_in, CStringGetDatum(text)));
	if (strcmp(text, "latest") == 0 || strncmp(text, "name:", 5) == 0 ||
		strncmp(text, "xid:", 4) == 0 || strncmp(text, "time:", 5) == 0 ||
		strncmp(text, "lsn:", 4) == 0)
		return bb_store_lsn_of_target(ctx, store, text, true);
	return bb_store_lsn_at_text(ctx, store, text, true);
}

XLogRecPtr
bb_asof_lsn(const BbReqCtx *ctx, BbPageStore *store,
			const BbTableOptions *options, const char *identity)
{
	const char *text = options->time != NULL ? options->time
											 : bb_setting_as_of;
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	uint64		hash;
	XLogRecPtr	lsn;

	if (!XLogRecPtrIsInvalid(options->lsn))
		return bb_pagestore_check_lsn(store, options->lsn);
	hash = hash_text(text,
					 hash_text(options->timeline, hash_text(identity, 0)));
	for (int i = 0; i < RESOLVED_MAX; i++)
	{
		if (resolved[i].statement == statement && resolved[i].hash == hash)
			return bb_pagestore_check_lsn(store, resolved[i].lsn);
	}
	lsn = bb_pagestore_check_lsn(store, look_up(ctx, store, text));
	resolved[next_resolved++ % RESOLVED_MAX] = (Resolved){statement, hash,
														  lsn};
	return lsn;
}

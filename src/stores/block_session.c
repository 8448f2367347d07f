/*-------------------------------------------------------------------------
 *
 * block_session.c
 *	  What a session that reads blocks keeps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "stats/calls.h"
#include "stores/block_session.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "utils/memutils.h"

/* So many timelines stay open. */
#define SESSIONS_KEPT 2

/* A timeline is used that long without a look whether it has changed. */
#define LOOK_INTERVAL_MS 5000

typedef struct Session
{
	dlist_node	node;
	char		server[NAMEDATALEN];
	char		timeline[BB_TIMELINE_NAME_MAX + 1];
	BbKeptStore *kept;
	MemoryContext context; /* of the reader; NULL: there is none */
	BbRangeReader *reader;
	XLogRecPtr	lsn; /* that the reader was asked for */
} Session;

/* The one that was used last comes first. */
static dlist_head sessions = DLIST_STATIC_INIT(sessions);

static void
forget_reader(Session *session)
{
	if (session->context != NULL)
		MemoryContextDelete(session->context);
	session->context = NULL;
	session->reader = NULL;
}

/* The session of a timeline, perhaps without anything open. */
static Session *
find_session(const char *server, const char *timeline)
{
	Session	   *session = NULL;
	int			n = 0;
	dlist_iter	i;

	dlist_foreach(i, &sessions)
	{
		session = dlist_container(Session, node, i.cur);
		if (strcmp(session->server, server) == 0 &&
			strcmp(session->timeline, timeline) == 0)
		{
			dlist_move_head(&sessions, &session->node);
			return session;
		}
		n++;
	}
	if (n < SESSIONS_KEPT)
		session = MemoryContextAllocZero(TopMemoryContext, sizeof(Session));
	else
	{
		forget_reader(session);
		dlist_delete(&session->node);
	}
	strlcpy(session->server, server, sizeof(session->server));
	strlcpy(session->timeline, timeline, sizeof(session->timeline));
	dlist_push_head(&sessions, &session->node);
	return session;
}

static void
open_reader(const BbReqCtx *ctx, Session *session, BbPageStore *store,
			XLogRecPtr lsn)
{
	BbSnapshot	snapshot = bb_store_snapshot(ctx, store, lsn);
	MemoryContext old;

	session->context = AllocSetContextCreate(TopMemoryContext,
											 "bbackup block session",
											 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(session->context);
	session->reader = bb_rangereader_new(&snapshot);
	MemoryContextSwitchTo(old);
	session->lsn = lsn;
}

BbRangeReader *
bb_blocksession_begin(const BbReqCtx *ctx, const char *server,
					  const char *timeline, XLogRecPtr lsn)
{
	Session	   *session;
	BbPageStore *store;
	bool		opened;

	bb_timeline_name_check(timeline);
	session = find_session(server, timeline);
	store = bb_keptstore_open_for(ctx, &session->kept, TopMemoryContext,
								  server, timeline,
								  XLogRecPtrIsInvalid(lsn) ? 0
														   : LOOK_INTERVAL_MS,
								  &opened);
	if (opened || session->lsn != lsn)
		forget_reader(session);
	if (session->reader == NULL && lsn > bb_pagestore_info(store)->end_lsn)
	{
		/* it may have grown */
		bb_keptstore_release(session->kept);
		store = bb_keptstore_open_for(ctx, &session->kept, TopMemoryContext,
									  server, timeline, 0, &opened);
	}
	if (session->reader == NULL)
		open_reader(ctx, session, store, lsn);
	bb_calls_describe(ctx,
					  &(BbCallAbout){
						  .lsn = bb_rangereader_snapshot(session->reader)
									 ->lsn});
	return session->reader;
}

void
bb_blocksession_end(BbRangeReader *reader)
{
	dlist_iter	i;

	dlist_foreach(i, &sessions)
	{
		Session	   *session = dlist_container(Session, node, i.cur);

		if (session->reader == reader)
			bb_keptstore_release(session->kept);
	}
}

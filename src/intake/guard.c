/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  No foreign server is dropped while a timeline is followed through it, or
 *	  copied from or to it continuously.
 *
 * Rows of bb_following and bb_replicating name their servers, which no dependency
 * in the catalogs can express.  Without its source, a follower would fail, and
 * its slot would keep WAL on the source; without one of its stores, a copy would
 * get old unnoticed.  So the object access hook refuses that.  It does so in
 * each process that has loaded the library: in all of them, if it is preloaded,
 * as following wants it to be.
 *
 * DROP EXTENSION ... CASCADE drops the tables first, and isn't refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "intake/follow.h"
#include "stores/replicating.h"
#include "utils/builtins.h"

static object_access_hook_type previous_hook = NULL;

static void
refuse(const char *server, const BbFollowing *following)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop server \"%s\" because it is used to follow a server",
					server),
			 errdetail("Timeline \"%s\" of page store \"%s\" follows source \"%s\" through replication slot \"%s\".",
					   following->timeline, following->store,
					   following->source, following->slot),
			 errhint("End that first: SELECT bb_unfollow(%s, store => %s).",
					 quote_literal_cstr(following->timeline),
					 quote_literal_cstr(following->store))));
}

static void
refuse_copied(const char *server, const BbReplicating *row)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop server \"%s\" because it is used to copy a timeline continuously",
					server),
			 errdetail("Timeline \"%s\" of page store \"%s\" is copied to page store \"%s\".",
					   row->timeline, row->from_store, row->to_store),
			 errhint("End that first: SELECT bb_stop_replicating(%s, %s, %s).",
					 quote_literal_cstr(row->timeline),
					 quote_literal_cstr(row->from_store),
					 quote_literal_cstr(row->to_store))));
}

static void
look_at_drop(Oid object)
{
	const char *server = GetForeignServer(object)->servername;
	ListCell   *cell;

	foreach(cell, bb_following_all())
	{
		const BbFollowing *following = lfirst(cell);

		if (strcmp(following->source, server) == 0 ||
			strcmp(following->store, server) == 0)
			refuse(server, following);
	}
	foreach(cell, bb_replicating_all())
	{
		const BbReplicating *row = lfirst(cell);

		if (strcmp(row->from_store, server) == 0 ||
			strcmp(row->to_store, server) == 0)
			refuse_copied(server, row);
	}
}

static void
look_at_statement(ObjectAccessType access, Oid class, Oid object, int part,
				  void *arg)
{
	if (previous_hook != NULL)
		previous_hook(access, class, object, part, arg);
	if (access == OAT_DROP && class == ForeignServerRelationId &&
		(((ObjectAccessDrop *) arg)->dropflags & PERFORM_DELETION_INTERNAL) ==
			0)
		look_at_drop(object);
}

void
bb_follow_guard_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = look_at_statement;
}

/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Following begins and ends: what a session does.
 *
 * bb_follow checks at once what can be checked, since errors of a follower are
 * only seen by those who look.  Nothing is started before the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "common/file_utils.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "intake/position.h"
#include "intake/starts.h"
#include "layer/manifest.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/waitset.h"
#include "stores/store_access.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* How long the end of workers and of a walsender is waited for, at a time. */
#define LOOK_MS 20

/* A walsender keeps its slot for a moment after its client has gone. */
#define SLOT_MS 10000

/* ---- checks ---- */

/* May this role connect, as a background worker must? */
static void
check_login(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		can_login = HeapTupleIsValid(tuple) &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!can_login)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" is not permitted to log in",
						GetUserNameFromId(role, true)),
				 errdetail("Background workers that follow a server connect as the role that called bb_follow().")));
}

static void
check_slot_name(const char *slot)
{
	size_t		length = strlen(slot);

	if (length == 0 || length >= NAMEDATALEN ||
		strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("replication slot name \"%s\" is not valid", slot),
				 errhint("Replication slot names may only contain lower case letters, numbers, and the underscore character.")));
}

/*
 * Two followers of one source must not share a slot, so its default name has a
 * hash of what is different between them.
 */
static const char *
default_slot(Oid store, const char *timeline)
{
	StringInfoData name;
	struct
	{
		uint64		system_identifier;
		Oid			database;
		Oid			store;
	}			place = {GetSystemIdentifier(), MyDatabaseId, store};
	uint64		hash = hash_bytes_extended((const unsigned char *) timeline,
										   (int) strlen(timeline), 0);

	hash = hash_bytes_extended((const unsigned char *) &place, sizeof(place),
							   hash);
	initStringInfo(&name);
	appendStringInfoString(&name, "bbackup_");
	for (const char *c = timeline; *c != '\0' && name.len < NAMEDATALEN - 10;
		 c++)
	{
		char		lower = pg_ascii_tolower((unsigned char) *c);

		appendStringInfoChar(&name,
							 (lower >= 'a' && lower <= 'z') ||
									 (lower >= '0' && lower <= '9')
								 ? lower
								 : '_');
	}
	appendStringInfo(&name, "_%08x", (uint32) hash);
	return name.data;
}

/* Is the source the system whose timeline this is? */
static void
check_same_system(const BbManifest *manifest, const BbSource *source,
				  const BbReplServer *server)
{
	bb_manifest_check_version(manifest);
	if (server->system_identifier != manifest->system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source \"%s\" is another system than timeline \"%s\"",
						source->name, manifest->timeline),
				 errdetail("The system identifier of %s is " UINT64_FORMAT
						   ", that of the timeline is " UINT64_FORMAT ".",
						   server->host, server->system_identifier,
						   manifest->system_identifier),
				 errhint("If the source was upgraded by pg_upgrade, follow it as a new timeline, and let bb_set_upgraded_from() note that it continues \"%s\".",
						 manifest->timeline)));
	if (server->segment_size != manifest->wal_segment_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("WAL segments of source \"%s\" have another size than those of timeline \"%s\"",
						source->name, manifest->timeline)));
}

/* Does another process write the timeline?  The follower will take the lock. */
static void
check_writer(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup follow lock",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	bb_manifest_lock(ctx, objects, timeline);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* A source that waits for a standby of this name would wait for us. */
static void
notice_synchronous(const BbReqCtx *ctx, BbReplConnection *connection,
				   const BbSource *source)
{
	const char *names = bb_repl_show(ctx, connection,
									 "synchronous_standby_names");

	if (bb_sync_names_has(names, source->application_name))
		ereport(NOTICE,
				(errmsg("synchronous_standby_names of source \"%s\" makes this server a synchronous standby",
						source->name),
				 errdetail("Its value is \"%s\", and application_name is \"%s\". %s",
						   names, source->application_name,
						   source->confirm == BB_CONFIRM_SPOOL
							   ? "Commits in the source wait until their WAL is synced in the spool."
							   : "Commits in the source wait until the page store has their WAL."),
				 source->confirm == BB_CONFIRM_SPOOL
					 ? 0
					 : errhint("Set the option confirm of the source to 'spool', or its application_name to another value.")));
}

/* Look at the source, and at the timeline if there is one. */
static void
check_source(const BbReqCtx *ctx, const BbManifest *manifest,
			 const BbSource *source)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup follow check",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbReplConnection *connection = bb_repl_connect(ctx, &source->target);

	if (manifest != NULL)
		check_same_system(manifest, source, bb_repl_server(connection));
	notice_synchronous(ctx, connection, source);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
check_transaction(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
	if (!IsUnderPostmaster)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot follow a server in single-user mode")));
}

static void
check_owner(const BbFollowing *following)
{
	if (!has_privs_of_role(GetUserId(), following->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change the following of timeline \"%s\"",
						following->timeline),
				 errdetail("It belongs to role \"%s\".",
						   GetUserNameFromId(following->owner, true))));
}

/* ---- stopping ---- */

/* Ask the follower to end. */
static void
ask_to_end(BbFollowControl *control)
{
	BbFollowStatus *status = bb_followcontrol_lock(control);
	int			pid = 0;

	if (status->state != BB_FOLLOW_STOPPED)
		pid = status->leader_pid;
	status->state = BB_FOLLOW_STOPPED;
	bb_followcontrol_unlock(control);
	/* it may be in the midst of an import */
	if (pid != 0)
		(void) kill(pid, SIGTERM);
}

/*
 * Lead the spool in the place of the follower.  Returns NULL if another process
 * does.
 */
static BbFollowControl *
try_lead(const char *directory)
{
	MemoryContext caller = CurrentMemoryContext;
	BbFollowControl *volatile control = NULL;

	PG_TRY();
	{
		control = bb_followcontrol_create(directory);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_OBJECT_IN_USE)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	return control;
}

/*
 * Stop the workers of a spool; returns the context that then leads it.
 *
 * Sets *last to what they said last, if they said anything.  The receiver goes on
 * confirming until it ends, in the control block of its leader.
 */
static MemoryContext
stop_workers(const BbReqCtx *ctx, const char *directory, BbFollowStatus *last)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext lead = AllocSetContextCreate(caller, "bbackup follow lead",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext seen = AllocSetContextCreate(caller,
											   "bbackup follow control",
											   ALLOCSET_SMALL_SIZES);
	BbFollowControl *control;
	BbFollowControl *former = NULL;

	for (;;)
	{
		MemoryContextSwitchTo(lead);
		if (!bb_followcontrol_is_led(directory) &&
			(control = try_lead(directory)) != NULL)
			break;
		MemoryContextSwitchTo(seen);
		if (former == NULL || !bb_followcontrol_is_current(former))
		{
			MemoryContextReset(seen);
			former = bb_followcontrol_attach(directory);
		}
		if (former != NULL)
			ask_to_end(former);
		bb_latch_wait(ctx, LOOK_MS);
	}
	/* it ends when it sees that its leader has */
	while (bb_followcontrol_has_receiver(control))
		bb_latch_wait(ctx, LOOK_MS);
	if (former != NULL)
		bb_followcontrol_get(former, last);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(seen);
	return lead;
}

/* ---- begin ---- */

/* May a new bb_follow replace this row? */
static void
check_replaceable(const BbFollowing *following)
{
	BbFollowStatus status;
	int64		lag;

	check_owner(following);
	if (!bb_follow_status(following, &status, &lag) ||
		status.state == BB_FOLLOW_FAILED)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("timeline \"%s\" already follows source \"%s\"",
					following->timeline, following->source),
			 errhint("bb_unfollow() ends that; bb_stat_follow shows its state.")));
}

static BbFollowOrder
order_of(Oid store, const char *timeline)
{
	BbFollowOrder order = {.store = store};

	strlcpy(order.timeline, timeline, sizeof(order.timeline));
	return order;
}

/*
 * Stop a follower that has failed.  It starts again, and fails again, if this
 * transaction is rolled back.
 */
static void
replace_follower(const BbReqCtx *ctx, const BbFollowOrder *order,
				 const BbFollowing *present)
{
	BbFollowStatus last = {0};

	bb_starts_at_abort(order, present->owner,
					   stop_workers(ctx,
									bb_followcontrol_path(order->store,
														  order->timeline),
									&last),
					   NULL);
}

void
bb_follow_begin(const BbReqCtx *ctx, const BbFollowing *wanted)
{
	BbFollowing following = *wanted;
	BbObjectStore *objects;
	BbManifest *manifest;
	BbFollowing *present;
	BbFollowOrder order;

	check_transaction("bb_follow()");
	bb_timeline_name_check(following.timeline);
	following.owner = GetUserId();
	check_login(following.owner);
	objects = bb_store_open(ctx, following.store, following.timeline);
	order = order_of(get_foreign_server_oid(following.store, false),
					 following.timeline);
	if (following.slot == NULL)
		following.slot = default_slot(order.store, following.timeline);
	check_slot_name(following.slot);
	manifest = bb_manifest_find(ctx, objects, following.timeline);
	if (manifest != NULL)
		bb_manifest_check_no_copy(manifest);
	check_source(ctx, manifest, bb_source_access(following.source));

	bb_following_lock();
	present = bb_following_find(following.store, following.timeline);
	if (present != NULL)
	{
		check_replaceable(present);
		bb_following_remove(present);
		replace_follower(ctx, &order, present);
	}
	if (manifest != NULL)
		check_writer(ctx, objects, following.timeline);
	following.imported = manifest != NULL && bb_manifest_consistent(manifest);
	bb_following_add(&following);
	bb_starts_at_commit(&order, following.owner);
	if (!bb_follow_is_launched())
		ereport(NOTICE,
				(errmsg("timeline \"%s\" is followed until the server stops",
						following.timeline),
				 errhint("To follow it after a restart, too, add bbackup to shared_preload_libraries.")));
}

/* ---- end ---- */

static void
warn_of_slot(const BbFollowing *following, const char *why)
{
	ereport(WARNING,
			(errmsg("replication slot \"%s\" of source \"%s\" could not be dropped",
					following->slot, following->source),
			 errdetail_internal("%s", why),
			 errhint("The source keeps WAL for it. Drop it there: SELECT pg_drop_replication_slot('%s').",
					 following->slot)));
}

/* Is WAL confirmed before the page store has it? */
static bool
confirms_spool(const BbFollowing *following)
{
	ForeignServer *source = GetForeignServerByName(following->source, true);
	ListCell   *cell;

	if (source == NULL)
		return true;
	foreach(cell, source->options)
	{
		DefElem	   *option = lfirst(cell);

		if (strcmp(option->defname, "confirm") == 0)
			return strcmp(defGetString(option), "spool") == 0;
	}
	return false;
}

/* Is a spool to be kept when following ends?  Then that is a WARNING. */
static bool
keeps_spool(const BbFollowing *following, const char *spool,
			const BbFollowStatus *last)
{
	bool		is_known = last->receiving_order != 0;

	if (!bb_follow_spool_is_needed(last, spool) ||
		(!is_known && !confirms_spool(following)))
		return false;
	ereport(WARNING,
			(errmsg("the spool \"%s\" is kept", spool),
			 is_known
				 ? errdetail("It has WAL from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ", which was confirmed to the source, and isn't in the page store.",
							 LSN_FORMAT_ARGS(last->stored_lsn),
							 LSN_FORMAT_ARGS(Max(last->promised_lsn,
												 last->synced_lsn)))
				 : errdetail("It may have WAL that was confirmed to the source, and isn't in the page store: nobody has read it since the server started."),
			 errhint("bb_ingest() can ingest it from that directory. Remove the directory when it isn't needed any more.")));
	return true;
}

/*
 * Returns the options of the source as the workers have them, since a superuser
 * need not have a user mapping.
 */
static const BbSource *
source_of(const BbFollowing *following)
{
	Oid			caller;
	int			sec_context;
	const BbSource *volatile source = NULL;

	/* an error may be caught, so it must not leave another role */
	GetUserIdAndSecContext(&caller, &sec_context);
	SetUserIdAndSecContext(following->owner,
						   sec_context | SECURITY_LOCAL_USERID_CHANGE);
	PG_TRY();
	{
		source = bb_source_access(following->source);
	}
	PG_FINALLY();
	{
		SetUserIdAndSecContext(caller, sec_context);
	}
	PG_END_TRY();
	return source;
}

/* Connect, and drop the slot.  Returns false if it is in use. */
static bool
try_drop_slot(const BbReqCtx *ctx, const BbFollowing *following)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "bbackup drop slot",
												  ALLOCSET_DEFAULT_SIZES);
	volatile bool in_use = false;

	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		bb_repl_slot_drop(ctx,
						  bb_repl_connect(ctx, &source_of(following)->target),
						  following->slot);
		MemoryContextSwitchTo(caller);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		in_use = error->sqlerrcode == ERRCODE_OBJECT_IN_USE;
		if (!in_use)
			warn_of_slot(following, error->message);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
	return !in_use;
}

static void
drop_slot_of(const BbReqCtx *ctx, const BbFollowing *following)
{
	TimestampTz start = GetCurrentTimestamp();

	if (GetForeignServerByName(following->source, true) == NULL)
	{
		warn_of_slot(
			following,
			"The foreign server of the source does not exist any more.");
		return;
	}
	while (!try_drop_slot(ctx, following))
	{
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), SLOT_MS))
		{
			warn_of_slot(following, "Another connection uses it.");
			return;
		}
		bb_latch_wait(ctx, LOOK_MS);
	}
}

void
bb_follow_end(const BbReqCtx *ctx, const char *store, const char *timeline,
			  bool drop_slot)
{
	BbFollowing *following;
	ForeignServer *server;

	check_transaction("bb_unfollow()");
	bb_following_lock();
	following = bb_following_find(store, timeline);
	if (following == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("timeline \"%s\" of page store \"%s\" does not follow a source",
						timeline, store),
				 errhint("bb_stat_follow lists those that do.")));
	check_owner(following);
	bb_following_remove(following);

	server = GetForeignServerByName(store, true);
	if (server != NULL)
	{
		BbFollowOrder order = order_of(server->serverid, timeline);
		const char *spool = bb_followcontrol_path(order.store, timeline);
		BbFollowStatus last = {0};
		MemoryContext lead = stop_workers(ctx, spool, &last);

		if (keeps_spool(following, spool, &last))
			spool = NULL;
		bb_starts_at_abort(&order, following->owner, lead, spool);
	}
	if (drop_slot)
		drop_slot_of(ctx, following);
}

/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Statistics of each call, and totals of all calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/foreigntext.h"
#include "base/settings.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "stats/calls.h"
#include "stats/shared_internal.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

/* Live slots: for each possible backend; for a session without shared memory. */
#define SLOTS_PER_BACKEND 2
#define SLOTS_OF_SESSION 16

#define NO_SLOT (-1)

/* A running call.  Protected by the lock, except changecount and call. */
typedef struct Slot
{
	bool		used;
	int			next_free;	 /* NO_SLOT: the last */
	uint32		changecount; /* odd: the call is being written */
	BbCall		call;
} Slot;

/* Followed by the slots and the ring.  Everything is protected by the lock. */
typedef struct Table
{
	pg_atomic_uint64 last_call_id; /* except this one */
	int			nslots;
	int			first_free;
	int			ring_size;
	uint64		ended; /* calls since the last reset */
	BbAllTotals totals;
} Table;

/* A call of this process, in the memory context of its request context. */
typedef struct BbAccount
{
	const BbReqCtx *ctx;
	BbCall		call;
	int			slot; /* NO_SLOT: all were occupied */
	bool		ended;
	dlist_node	node; /* in "running" */
	MemoryContextCallback callback;
} BbAccount;

static Table *table = NULL;
static Slot *slots;
static BbCall *ring; /* the call that ended as number n: at n % ring_size */

static dlist_head running = DLIST_STATIC_INIT(running);

/*
 * The last error since a call began, which is the reason if the call ends in an
 * abort.  An error in one of our functions is seen when it is raised, even if
 * it is caught later; any other error is seen when it is reported.
 */
static struct
{
	int			sqlstate; /* 0: none */
	char		message[BB_CALL_MESSAGE_SIZE];
}			last_error;
static emit_log_hook_type previous_emit_log_hook = NULL;

/* ---- the memory ---- */

static int
count_slots(bool shared)
{
	return shared ? MaxBackends * SLOTS_PER_BACKEND : SLOTS_OF_SESSION;
}

static Size
part_size(bool shared)
{
	return MAXALIGN(sizeof(Table)) +
		MAXALIGN(count_slots(shared) * sizeof(Slot)) +
		MAXALIGN(bb_setting_track_calls * sizeof(BbCall));
}

static void
attach(void *memory)
{
	char	   *at = memory;

	table = memory;
	at += MAXALIGN(sizeof(Table));
	slots = (Slot *) at;
	at += MAXALIGN(table->nslots * sizeof(Slot));
	ring = (BbCall *) at;
}

static void
init(void *memory, bool shared)
{
	Table	   *new_table = memory;

	memset(new_table, 0, sizeof(Table));
	pg_atomic_init_u64(&new_table->last_call_id, 0);
	new_table->nslots = count_slots(shared);
	new_table->ring_size = bb_setting_track_calls;
	new_table->totals.since = GetCurrentTimestamp();

	attach(memory);
	memset(slots, 0, table->nslots * sizeof(Slot));
	for (int i = 0; i < table->nslots; i++)
		slots[i].next_free = i + 1 < table->nslots ? i + 1 : NO_SLOT;
}

const BbStatsPart bb_calls_part = {
	.size = part_size,
	.init = init,
	.attach = attach,
};

void
bb_calls_reset(void)
{
	table->ended = 0;
	memset(&table->totals, 0, sizeof(table->totals));
	table->totals.since = GetCurrentTimestamp();
}

/* ---- the life of a call ---- */

/*
 * REQUIRES: the account has a slot.
 */
static void
write_slot(BbAccount *account)
{
	Slot	   *slot = &slots[account->slot];

	slot->changecount++;
	pg_write_barrier();
	slot->call = account->call;
	pg_write_barrier();
	slot->changecount++;
}

static void
publish(const BbReqCtx *ctx)
{
	BbAccount  *account = ctx->account;

	if (account->ended)
		return;
	account->call.counters = *ctx->counters;
	if (account->slot != NO_SLOT)
		write_slot(account);
}

static void
take_slot(BbAccount *account)
{
	bb_stats_lock(LW_EXCLUSIVE);
	account->slot = table->first_free;
	if (account->slot != NO_SLOT)
	{
		table->first_free = slots[account->slot].next_free;
		slots[account->slot].used = true;
		write_slot(account);
	}
	bb_stats_unlock();
}

static void
add_to_totals(const BbCall *call)
{
	BbCallTotals *totals = &table->totals.totals[call->task_kind]
												[call->download_behavior];

	totals->calls++;
	if (call->state == BB_CALL_ERROR)
		totals->errors++;
	if (call->state == BB_CALL_CANCELLED)
		totals->cancelled++;
	totals->duration_us += call->ended_at - call->started_at;
	bb_counters_add(&totals->counters, &call->counters);
}

/*
 * Move a call from its slot to ring and totals.
 */
static void
end_account(BbAccount *account, BbCallState state)
{
	BbCall	   *call = &account->call;

	if (account->ended)
		return;
	account->ended = true;
	dlist_delete(&account->node);
	call->counters = *account->ctx->counters;
	call->state = state;
	call->ended_at = GetCurrentTimestamp();
	if (state != BB_CALL_DONE)
	{
		call->sqlstate = last_error.sqlstate;
		strlcpy(call->message, last_error.message, sizeof(call->message));
	}

	bb_stats_lock(LW_EXCLUSIVE);
	if (account->slot != NO_SLOT)
	{
		slots[account->slot].used = false;
		slots[account->slot].next_free = table->first_free;
		table->first_free = account->slot;
	}
	if (table->ring_size > 0)
		ring[table->ended % table->ring_size] = *call;
	table->ended++;
	add_to_totals(call);
	bb_stats_unlock();
}

/* An attached child of ctx that still runs, or NULL. */
static BbAccount *
running_child(const BbReqCtx *ctx)
{
	dlist_iter	iter;

	dlist_foreach(iter, &running)
	{
		BbAccount  *account = dlist_container(BbAccount, node, iter.cur);

		if (account->ctx->parent == ctx)
			return account;
	}
	return NULL;
}

static void
end_with_children(BbAccount *account, BbCallState state)
{
	BbAccount  *child;

	while ((child = running_child(account->ctx)) != NULL)
		end_with_children(child, state);
	end_account(account, state);
}

static void
end(const BbReqCtx *ctx)
{
	end_with_children(ctx->account, BB_CALL_DONE);
}

/*
 * The memory context is reset before the call has been ended.
 */
static void
end_with_context(void *arg)
{
	BbCallState state = BB_CALL_DONE;

	/* an abort has left the transaction already */
	if (!IsTransactionState())
		state = last_error.sqlstate == ERRCODE_QUERY_CANCELED
			? BB_CALL_CANCELLED
			: BB_CALL_ERROR;
	end_with_children(arg, state);
}

/*
 * The process ends, maybe during calls.
 */
static void
end_with_process(int code, Datum arg)
{
	while (!dlist_is_empty(&running))
		end_account(dlist_head_element(BbAccount, node, &running),
					BB_CALL_CANCELLED);
}

static void
note_error(const ErrorData *error)
{
	last_error.sqlstate = error->sqlerrcode;
	bb_text_copy(last_error.message, error->message ? error->message : "",
				 sizeof(last_error.message));
}

static void
note_logged_error(ErrorData *error)
{
	if (error->elevel >= ERROR)
		note_error(error);
	if (previous_emit_log_hook != NULL)
		previous_emit_log_hook(error);
}

static void
begin(BbReqCtx *ctx, const BbReqCtx *parent)
{
	static bool registered = false;
	BbAccount  *account = palloc0(sizeof(BbAccount));
	BbCall	   *call = &account->call;

	bb_stats_need();
	if (!registered)
		before_shmem_exit(end_with_process, (Datum) 0);
	registered = true;

	if (parent != NULL && parent->account != NULL)
	{
		*call = parent->account->call;
		memset(&call->counters, 0, sizeof(call->counters));
		call->bytes_total = 0;
	}
	ctx->call_id = pg_atomic_add_fetch_u64(&table->last_call_id, 1);
	call->call_id = ctx->call_id;
	call->pid = MyProcPid;
	call->user = GetOuterUserId();
	call->task_kind = ctx->task_kind;
	call->download_behavior = ctx->download_behavior;
	call->parent_call_id = ctx->parent_call_id;
	call->parent_link = ctx->parent_link;
	call->started_at = ctx->started_at;
	call->ended_at = 0;
	call->state = BB_CALL_RUNNING;

	account->ctx = ctx;
	ctx->account = account;
	take_slot(account);
	dlist_push_tail(&running, &account->node);
	last_error.sqlstate = 0;
	last_error.message[0] = '\0';
	account->callback.func = end_with_context;
	account->callback.arg = account;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &account->callback);
}

static const BbReqCtxObserver calls_observer = {
	.begin = begin,
	.publish = publish,
	.end = end,
};

void
bb_calls_observe(void)
{
	bb_reqctx_observe(&calls_observer);
	previous_emit_log_hook = emit_log_hook;
	emit_log_hook = note_logged_error;
	bb_text_observe_errors(note_error);
}

void
bb_calls_describe(const BbReqCtx *ctx, const BbCallAbout *about)
{
	BbCall	   *call;

	if (ctx->account == NULL)
		return;
	call = &ctx->account->call;
	if (about->function != NULL)
		strlcpy(call->function, about->function, sizeof(call->function));
	if (about->store != NULL)
		strlcpy(call->store, about->store, sizeof(call->store));
	if (about->timeline != NULL)
		strlcpy(call->timeline, about->timeline, sizeof(call->timeline));
	if (!XLogRecPtrIsInvalid(about->lsn))
		call->lsn = about->lsn;
	if (!XLogRecPtrIsInvalid(about->start_lsn))
		call->start_lsn = about->start_lsn;
	if (!XLogRecPtrIsInvalid(about->end_lsn))
		call->end_lsn = about->end_lsn;
	if (about->bytes_total != 0)
		call->bytes_total = about->bytes_total;
	publish(ctx);
}

/* ---- reading ---- */

/*
 * Copy a call that its backend may be writing.
 */
static void
read_slot(const Slot *slot, BbCall *call)
{
	const volatile uint32 *changecount = &slot->changecount;

	for (;;)
	{
		uint32		before = *changecount;

		pg_read_barrier();
		*call = slot->call;
		pg_read_barrier();
		if (before % 2 == 0 && *changecount == before)
			return;
	}
}

static int
by_call_id(const ListCell *a, const ListCell *b)
{
	uint64		left = ((const BbCall *) lfirst(a))->call_id;
	uint64		right = ((const BbCall *) lfirst(b))->call_id;

	return left < right ? -1 : left > right;
}

List *
bb_calls_fetch(void)
{
	List	   *calls = NIL;
	BbCall	   *copies;
	int			n = 0;

	bb_stats_need();
	/* the maximum, so that nothing is allocated under the lock */
	copies = MemoryContextAllocHuge(CurrentMemoryContext,
									(Size) (table->nslots + table->ring_size) *
										sizeof(BbCall));

	bb_stats_lock(LW_SHARED);
	while (n < table->ring_size && n < table->ended)
	{
		copies[n] = ring[n];
		n++;
	}
	for (int i = 0; i < table->nslots; i++)
		if (slots[i].used)
			read_slot(&slots[i], &copies[n++]);
	bb_stats_unlock();

	for (int i = 0; i < n; i++)
		calls = lappend(calls, &copies[i]);
	list_sort(calls, by_call_id);
	return calls;
}

void
bb_calls_totals(BbAllTotals *totals)
{
	bb_stats_need();
	bb_stats_lock(LW_SHARED);
	*totals = table->totals;
	bb_stats_unlock();
}

const char *
bb_call_state_name(BbCallState state)
{
	static const char *const names[] = {[BB_CALL_RUNNING] = "running",
										[BB_CALL_DONE] = "done",
										[BB_CALL_ERROR] = "error",
										[BB_CALL_CANCELLED] = "cancelled"};

	return names[state];
}

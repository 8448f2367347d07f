/*-------------------------------------------------------------------------
 *
 * test_receiver.c
 *	  A receiver of WAL, whose source is the server in which the tests run.
 *
 *	  this session (leads) ──► receiver ──► walsender of this server
 *			 ▲					  │
 *			 └────── spool ◄──────┘
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "intake/receiver.h"
#include "intake/serverwal.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "process/standingworker.h"
#include "replication/message.h"
#include "replication/slot.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "unit.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#define SOURCE "unit_source"
#define SLOT "unit_receiver"

/* What a test of a receiver has. */
typedef struct Bench
{
	const BbReqCtx *ctx;
	const char *directory;
	BbFollowControl *control;
	int			pid; /* of the receiver */
	const BbWalTail *tail;
	BbWalSource *source;
	XLogRecPtr	start;
} Bench;

static Bench bench;

/* ---- the source ---- */

static void
make_source(const char *options)
{
	unit_psql("postgres",
			  psprintf("DO $$ BEGIN IF NOT EXISTS (SELECT FROM "
					   "pg_foreign_data_wrapper WHERE fdwname = "
					   "'bbackup_source') THEN CREATE FOREIGN DATA WRAPPER "
					   "bbackup_source; END IF; END $$;\n"
					   "DROP SERVER IF EXISTS " SOURCE " CASCADE;\n"
					   "CREATE SERVER " SOURCE " FOREIGN DATA WRAPPER "
					   "bbackup_source OPTIONS (host '%s', port '%d'%s);\n"
					   "CREATE USER MAPPING FOR PUBLIC SERVER " SOURCE
					   " OPTIONS (user '%s', password_required 'false');\n",
					   Unix_socket_directories, PostPortNumber, options,
					   GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false)));
	AcceptInvalidationMessages();
}

static XLogRecPtr
restart_lsn(const char *name)
{
	ReplicationSlot *slot = SearchNamedReplicationSlot(name, true);

	return slot == NULL ? InvalidXLogRecPtr : slot->data.restart_lsn;
}

static void
drop_slot(const char *name)
{
	if (SearchNamedReplicationSlot(name, true) == NULL)
		return;
	ReplicationSlotDrop(name, false);
}

/* ---- the leader ---- */

static BbFollowStatus
status_now(void)
{
	BbFollowStatus status;

	bb_followcontrol_get(bench.control, &status);
	return status;
}

/* Wait a moment, at most two minutes in a test. */
static void
nap(int line)
{
	bb_reqctx_check(bench.ctx);
	if (TimestampDifferenceExceeds(bench.ctx->started_at,
								   GetCurrentTimestamp(), 120000))
		elog(ERROR, "a receiver doesn't get on at line %d: %s", line,
			 status_now().error);
	pg_usleep(1000);
}

#define AWAIT(condition) \
	while (!(condition)) \
	nap(__LINE__)

static void
start_receiver(void)
{
	BbReceiverOrder order = {.store = InvalidOid};

	strlcpy(order.timeline, "unit-receiver", sizeof(order.timeline));
	bench.pid = bb_standingworker_start(
		&(BbStandingWorker){.task = BB_RECEIVE_TASK,
							.database = MyDatabaseId,
							.role = InvalidOid,
							.payload = &order,
							.payload_length = sizeof(order)});
}

static void
end_receiver(int signal)
{
	kill(bench.pid, signal);
	AWAIT(BackendPidGetProc(bench.pid) == NULL);
}

static void
remove_all(const char *directory)
{
	(void) rmtree(directory, true);
}

/* Order to receive from lsn on, and read what comes. */
static void
order_without_wait(XLogRecPtr lsn)
{
	BbWalStart	start = {.lsn = lsn};
	const BbWalOrigin *origin;

	bench.start = lsn;
	bb_followcontrol_order(bench.control, 1, lsn, true);
	start.stream.tli = 1;
	start.stream.system_identifier = GetSystemIdentifier();
	start.stream.segment_size = wal_segment_size;
	bench.tail = bb_receiver_tail(bench.control);
	origin = bb_walspool_origin(bench.directory, bench.tail);
	bench.source = origin->open(bench.ctx, origin, &start);
}

static void
order_from(XLogRecPtr lsn)
{
	order_without_wait(lsn);
	AWAIT(status_now().receiving_order == status_now().order);
}

static void
begin(const BbReqCtx *ctx, const char *options)
{
	BbFollowStatus *status;

	make_source(options);
	drop_slot(SLOT);
	bench = (Bench){.ctx = ctx};
	bench.directory = bb_followcontrol_path(InvalidOid, "unit-receiver");
	CHECK(bb_followcontrol_remove(bench.directory, remove_all));
	bench.control = bb_followcontrol_create(bench.directory);
	bb_followcontrol_source(bench.control, SOURCE, SLOT, false);
	start_receiver();
	AWAIT(status_now().connected);
	CHECK(!status_now().slot_ready);
	status = bb_followcontrol_lock(bench.control);
	status->system_identifier = GetSystemIdentifier();
	status->segment_size = wal_segment_size;
	bb_followcontrol_unlock(bench.control);
	bb_followcontrol_wake_receiver(bench.control);
	AWAIT(status_now().slot_ready);
	CHECK(!XLogRecPtrIsInvalid(restart_lsn(SLOT)));
	order_from(GetXLogInsertRecPtr());
}

static void
finish(void)
{
	end_receiver(SIGTERM);
	drop_slot(SLOT);
}

/* Write a message to WAL; its end. */
static XLogRecPtr
write_message(const char *text, size_t length)
{
	XLogRecPtr	lsn = LogLogicalMessage("unit", text, length, false
#if PG_VERSION_NUM >= 170000
										,
										true
#endif
	);

	XLogFlush(lsn);
	return lsn;
}

/* Read records up to lsn, which must be the end of one. */
static void
read_to(XLogRecPtr lsn)
{
	for (;;)
	{
		BbWalNext	next = bb_walsource_next(bench.ctx, bench.source);

		if (next == BB_WAL_RECORD)
		{
			if (bench.source->reader->EndRecPtr == lsn)
				return;
			CHECK(bench.source->reader->EndRecPtr < lsn);
			continue;
		}
		if (next != BB_WAL_WAIT)
			bb_walsource_raise(bench.ctx, bench.source, lsn);
		nap(__LINE__);
		bb_walsource_wait(bench.ctx, bench.source, 1000);
	}
}

/* ---- tests ---- */

UNIT_TEST(receiver_receives_and_confirms)
{
	XLogRecPtr	lsn;

	begin(ctx, "");
	CHECK(status_now().connected && status_now().receiver_pid == bench.pid);
	lsn = write_message("one", 3);
	read_to(lsn);
	CHECK(status_now().received_lsn >= lsn);
	/* what isn't stored isn't confirmed */
	CHECK(status_now().confirmed_lsn <= bench.start);
	CHECK(restart_lsn(SLOT) <= bench.start);
	/* what is, is, at once: far less than the interval of 10 s */
	bb_walsource_committed(ctx, bench.source, lsn);
	AWAIT(restart_lsn(SLOT) == lsn);
	CHECK(status_now().confirmed_lsn == lsn);
	CHECK(status_now().source_lsn >= lsn);

	/* the leader's end is the receiver's */
	finish();
}

UNIT_TEST(receiver_ends_with_its_leader)
{
	MemoryContext context = unit_enter();

	begin(ctx, "");
	read_to(write_message("x", 1));
	unit_leave(context);
	AWAIT(BackendPidGetProc(bench.pid) == NULL);
	drop_slot(SLOT);
}

UNIT_TEST(receiver_with_confirm_spool)
{
	XLogRecPtr	lsn;
	char	   *large = palloc0(3 * 1024 * 1024);

	begin(ctx, ", confirm 'spool'");
	for (int i = 0; i < 20; i++)
	{
		lsn = write_message("two", 3);
		AWAIT(restart_lsn(SLOT) >= lsn);
		CHECK(status_now().synced_lsn >= lsn);
		CHECK(XLogRecPtrIsInvalid(status_now().stored_lsn) ||
			  status_now().stored_lsn == bench.start);
	}
	/* a record in many messages is confirmed as a whole */
	lsn = write_message(large, 3 * 1024 * 1024);
	AWAIT(restart_lsn(SLOT) >= lsn);
	read_to(lsn);
	finish();
}

UNIT_TEST(receiver_goes_on_after_its_end)
{
	XLogRecPtr	first;
	XLogRecPtr	second;

	begin(ctx, ", confirm 'spool'");
	first = write_message("first", 5);
	AWAIT(restart_lsn(SLOT) >= first);
	end_receiver(SIGTERM);
	second = write_message("second", 6);
	start_receiver();
	/* what was confirmed is found again, and never less is reported */
	AWAIT(restart_lsn(SLOT) >= second);
	read_to(first);
	read_to(second);
	finish();
}

UNIT_TEST(receiver_goes_on_after_an_error)
{
	XLogRecPtr	first;
	XLogRecPtr	second;
	uint64		order;

	begin(ctx, "");
	first = write_message("first", 5);
	read_to(first);
	order = status_now().order;
	unit_psql("postgres",
			  "SELECT pg_terminate_backend(pid) FROM pg_stat_replication;\n");
	AWAIT(!status_now().connected);
	CHECK(status_now().error[0] != '\0');
	second = write_message("second", 6);
	read_to(second);
	CHECK(status_now().order == order && status_now().connected);
	CHECK(status_now().receiver_pid == bench.pid);
	finish();
}

UNIT_TEST(receiver_takes_a_changed_source)
{
	begin(ctx, "");
	read_to(write_message("x", 1));
	unit_psql("postgres",
			  psprintf("ALTER SERVER " SOURCE " OPTIONS (SET port '1');\n"
					   "SELECT pg_terminate_backend(pid) FROM "
					   "pg_stat_replication;\n"));
	AWAIT(strstr(status_now().error, "refused") != NULL ||
		  strstr(status_now().error, "No such file") != NULL);
	unit_psql("postgres",
			  psprintf("ALTER SERVER " SOURCE " OPTIONS (SET port '%d');\n",
					   PostPortNumber));
	read_to(write_message("y", 1));
	finish();
}

UNIT_TEST(receiver_makes_its_slot_again)
{
	begin(ctx, "");
	read_to(write_message("x", 1));
	unit_psql("postgres",
			  "SELECT pg_terminate_backend(pid, 60000) FROM "
			  "pg_stat_replication;\n"
			  "SELECT pg_drop_replication_slot('" SLOT "') FROM "
			  "pg_replication_slots WHERE NOT active;\n");
	read_to(write_message("y", 1));
	CHECK(!XLogRecPtrIsInvalid(restart_lsn(SLOT)));
	finish();
}

UNIT_TEST(receiver_obeys_a_new_order)
{
	XLogRecPtr	lsn;

	begin(ctx, "");
	lsn = write_message("x", 1);
	read_to(lsn);
	/* from the same position, and what is there already is read again */
	order_from(bench.start);
	read_to(lsn);
	order_from(lsn);
	read_to(write_message("y", 1));
	finish();
}

UNIT_TEST(receiver_reports_a_gap)
{
	begin(ctx, "");
	read_to(write_message("x", 1));
	/* a position that no server has any more */
	bb_followcontrol_order(bench.control, 1, wal_segment_size / 2, true);
	AWAIT(status_now().problem != BB_RECEIVER_FINE);
	CHECK(status_now().problem == BB_RECEIVER_GAP);
	CHECK(status_now().problem_tli == 1 && status_now().problem_lsn == 0);
	/* and goes on when it is ordered to */
	order_from(GetXLogInsertRecPtr());
	CHECK(status_now().problem == BB_RECEIVER_FINE);
	read_to(write_message("y", 1));
	finish();
}

/* Change a byte of the first segment that is in the spool. */
static void
change_byte(XLogRecPtr lsn)
{
	char		name[MAXFNAMELEN];
	uint8		byte;
	int			fd;

	XLogFileName(name, 1, lsn / wal_segment_size, wal_segment_size);
	fd = open(psprintf("%s/%s", bench.directory, name), O_RDWR);
	CHECK(fd >= 0);
	CHECK(pg_pread(fd, &byte, 1, XLogSegmentOffset(lsn, wal_segment_size)) ==
		  1);
	byte = ~byte;
	CHECK(pg_pwrite(fd, &byte, 1, XLogSegmentOffset(lsn, wal_segment_size)) ==
		  1);
	CHECK(close(fd) == 0);
}

static void
reconnect(void)
{
	unit_psql("postgres",
			  "SELECT pg_terminate_backend(pid, 60000) FROM "
			  "pg_stat_replication;\n");
}

/*
 * A source that sends other WAL than before; here it is the spool that has
 * another one.
 */
UNIT_TEST(receiver_notices_other_wal)
{
	XLogRecPtr	first;
	XLogRecPtr	second;

	begin(ctx, "");
	first = write_message("first", 5);
	second = write_message("second", 6);
	read_to(second);
	bb_followcontrol_lock(bench.control)->applied_lsn = second;
	bb_followcontrol_unlock(bench.control);

	/* in what was read, and isn't durable */
	bb_walsource_committed(ctx, bench.source, first);
	change_byte(second - 1);
	reconnect();
	AWAIT(status_now().problem != BB_RECEIVER_FINE);
	CHECK(status_now().problem == BB_RECEIVER_REWIND);
	CHECK(status_now().problem_lsn == second - 1);
	CHECK(status_now().received_lsn == first);
	order_from(first);
	read_to(second);

	/* in what wasn't even read */
	change_byte(second - 1);
	reconnect();
	AWAIT(strstr(status_now().error, "other WAL") != NULL);
	read_to(write_message("third", 5));
	CHECK(status_now().problem == BB_RECEIVER_FINE);

	/* in what is durable */
	change_byte(first - 1);
	reconnect();
	AWAIT(status_now().problem != BB_RECEIVER_FINE);
	CHECK(status_now().problem == BB_RECEIVER_DIFFERS);
	CHECK(status_now().problem_lsn == first - 1);
	CHECK(restart_lsn(SLOT) == first);
	finish();
}

/* What was confirmed under 'spool' stays durable under 'store'. */
UNIT_TEST(receiver_keeps_what_it_promised)
{
	XLogRecPtr	lsn;

	begin(ctx, ", confirm 'spool'");
	lsn = write_message("promised", 8);
	AWAIT(restart_lsn(SLOT) >= lsn);
	read_to(lsn);
	unit_psql("postgres",
			  "ALTER SERVER " SOURCE " OPTIONS (SET confirm 'store');\n");
	reconnect();
	AWAIT(status_now().confirmed_lsn == bench.start);

	/* the source has other WAL in its place */
	change_byte(lsn - 1);
	reconnect();
	AWAIT(strstr(status_now().error, "other WAL") != NULL);
	CHECK(status_now().problem == BB_RECEIVER_DIFFERS);
	CHECK(status_now().problem_lsn == lsn - 1);
	CHECK(status_now().received_lsn >= lsn);
	finish();
}

/* Holes that a crash left in WAL that is stored are no difference. */
UNIT_TEST(receiver_fills_holes)
{
	char		name[MAXFNAMELEN];
	char		zeros[8192] = {0};
	char	   *text = palloc0(100000);
	XLogRecPtr	lsn;
	int			fd;

	begin(ctx, "");
	memset(text, 'x', 100000);
	lsn = write_message(text, 100000);
	read_to(lsn);
	bb_walsource_committed(ctx, bench.source, lsn);
	end_receiver(SIGTERM);
	XLogFileName(name, 1, lsn / wal_segment_size, wal_segment_size);
	fd = open(psprintf("%s/%s", bench.directory, name), O_RDWR);
	CHECK(fd >= 0);
	CHECK(pg_pwrite(fd, zeros, 8192,
					XLogSegmentOffset(lsn, wal_segment_size) / 8192 * 8192 -
						16384) == 8192);
	CHECK(close(fd) == 0);
	start_receiver();
	read_to(write_message("y", 1));
	CHECK(status_now().problem == BB_RECEIVER_FINE);

	/* a difference before the position of a new receiver */
	lsn = write_message("z", 1);
	read_to(lsn);
	bb_walsource_committed(ctx, bench.source, lsn);
	end_receiver(SIGTERM);
	change_byte(lsn - 1);
	start_receiver();
	AWAIT(status_now().problem == BB_RECEIVER_DIFFERS);
	CHECK(status_now().problem_lsn == lsn - 1);
	finish();
}

/* What the spool has can be read without the source. */
UNIT_TEST(receiver_without_its_source)
{
	XLogRecPtr	lsn;

	begin(ctx, ", confirm 'spool'");
	lsn = write_message("x", 1);
	AWAIT(restart_lsn(SLOT) >= lsn);
	end_receiver(SIGTERM);
	unit_psql("postgres", "ALTER SERVER " SOURCE " OPTIONS (SET port '1');\n");
	order_without_wait(bench.start);
	start_receiver();
	AWAIT(status_now().receiving_order == status_now().order);
	CHECK(!status_now().connected);
	read_to(lsn);
	finish();
}

UNIT_TEST(receiver_refuses_another_system)
{
	begin(ctx, "");
	read_to(write_message("x", 1));
	bb_followcontrol_lock(bench.control)->system_identifier++;
	bb_followcontrol_unlock(bench.control);
	unit_psql("postgres",
			  "SELECT pg_terminate_backend(pid) FROM pg_stat_replication;\n");
	AWAIT(strstr(status_now().error, "another server") != NULL);
	CHECK(!status_now().connected);
	/* which may be a mistake in the list of hosts */
	CHECK(status_now().problem == BB_RECEIVER_FINE);
	bb_followcontrol_lock(bench.control)->system_identifier--;
	bb_followcontrol_unlock(bench.control);
	read_to(write_message("y", 1));
	finish();
}

UNIT_TEST(receiver_as_synchronous_standby)
{
	begin(ctx, ", confirm 'spool'");
	unit_psql(
		"postgres",
		"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"BBackup\")';\n"
		"SELECT pg_reload_conf();\n"
		"SELECT pg_terminate_backend(pid, 60000) FROM "
		"pg_stat_replication;\n");
	AWAIT(status_now().is_synchronous && status_now().connected);
	/* these commits wait for the spool, and the leader stores nothing */
	unit_psql("postgres",
			  "CREATE TABLE unit_sync (a int);\n"
			  "DROP TABLE unit_sync;\n"
			  "SELECT 1 / count(*) FROM pg_stat_replication WHERE "
			  "sync_state = 'quorum' AND application_name = 'bbackup';\n"
			  "ALTER SYSTEM RESET synchronous_standby_names;\n"
			  "SELECT pg_reload_conf();\n");
	CHECK(status_now().stored_lsn == bench.start);
	finish();
}

/* The spool of these tests has room for 64 MB: see unit_worker_init. */
UNIT_TEST(receiver_waits_for_room)
{
	char	   *large = palloc0(1024 * 1024);
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	XLogRecPtr	received;

	begin(ctx, "");
	read_to(write_message("x", 1));
	for (int i = 0; i < 120; i++)
		lsn = write_message(large, 1024 * 1024);
	CHECK(bb_setting_spool_size_mb == 64);
	AWAIT(status_now().spool_full);
	received = status_now().received_lsn;
	CHECK(received < lsn);
	CHECK(status_now().spool_bytes < UINT64CONST(66) * 1024 * 1024);
	pg_usleep(100000);
	CHECK(status_now().received_lsn == received);
	CHECK(status_now().connected);
	/* what is committed makes room */
	while (bench.source->reader->EndRecPtr != lsn)
	{
		if (bb_walsource_next(ctx, bench.source) == BB_WAL_WAIT)
			nap(__LINE__);
		else
			bb_walsource_committed(ctx, bench.source,
								   bench.source->reader->EndRecPtr);
		CHECK(status_now().spool_bytes < UINT64CONST(66) * 1024 * 1024);
	}
	AWAIT(!status_now().spool_full);
	finish();
}

UNIT_TEST(receiver_larger_than_its_spool)
{
	size_t		size = 100 * 1024 * 1024;
	char	   *large = palloc0(size);
	XLogRecPtr	lsn;

	begin(ctx, "");
	lsn = write_message("x", 1);
	read_to(lsn);
	bb_walsource_committed(ctx, bench.source, lsn);
	/* one record; nothing before it can be committed to make room */
	read_to(write_message(large, size));
	finish();
}

/* ---- of a session ---- */

UNIT_TEST(serverwal_of_a_session)
{
	MemoryContext context;
	BbServerWal *wal;
	const BbWalOrigin *origin;
	BbWalStart	start = {.lsn = GetXLogInsertRecPtr()};
	BbReplServer server = {.system_identifier = GetSystemIdentifier(),
						   .segment_size = wal_segment_size};
	char	   *left = bb_followcontrol_path(InvalidOid, "import-left");
	char	   *spools = pstrdup(left);
	int			slots = 0;

	/* what a killed session left */
	get_parent_directory(spools);
	bench = (Bench){.ctx = ctx};
	make_source("");
	CHECK(mkdir(spools, 0700) == 0 || errno == EEXIST);
	CHECK(mkdir(left, 0700) == 0);

	context = unit_enter();
	wal = bb_serverwal_session(ctx, SOURCE);
	CHECK(access(left, F_OK) != 0);
	wal->reserve(ctx, wal, &server);
	for (int i = 0; i < max_replication_slots; i++)
		slots += ReplicationSlotCtl->replication_slots[i].in_use;
	CHECK(slots == 1);
	wal->receive(ctx, wal, 1, start.lsn);
	origin = wal->origin(ctx, wal);
	start.stream.tli = 1;
	start.stream.system_identifier = GetSystemIdentifier();
	start.stream.segment_size = wal_segment_size;
	bench.source = origin->open(ctx, origin, &start);
	bench.control = NULL;
	read_to(write_message("x", 1));

	/* a lost connection ends the import */
	unit_psql("postgres",
			  "SELECT pg_terminate_backend(pid) FROM pg_stat_replication;\n");
	CHECK_ERROR(read_to(PG_UINT64_MAX), ERRCODE_ADMIN_SHUTDOWN);
	unit_leave(context);
	slots = 0;
	for (int i = 0; i < max_replication_slots; i++)
		slots += ReplicationSlotCtl->replication_slots[i].in_use;
	CHECK(slots == 0);
}

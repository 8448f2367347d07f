/*-------------------------------------------------------------------------
 *
 * test_control.c
 *	  Control blocks of spools: who leads, what processes tell each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "intake/control.h"
#include "intake/receiver.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "unit.h"

static const char *
spool_directory(void)
{
	return bb_followcontrol_path(InvalidOid, "unit-control");
}

static void
remove_all(const char *directory)
{
	(void) rmtree(directory, true);
}

UNIT_TEST(control_has_one_leader)
{
	const char *directory = spool_directory();
	MemoryContext context = unit_enter();
	BbFollowControl *leader;
	BbFollowControl *other;
	BbFollowStatus status;

	CHECK(!bb_followcontrol_is_led(directory));
	CHECK(bb_followcontrol_attach(directory) == NULL);
	leader = bb_followcontrol_create(directory);
	CHECK(bb_followcontrol_is_led(directory));
	CHECK(bb_followcontrol_is_current(leader));
	CHECK_ERROR((void) bb_followcontrol_create(directory),
				ERRCODE_OBJECT_IN_USE);
	CHECK(!bb_followcontrol_remove(directory, remove_all));

	/* what one writes, the other reads */
	other = bb_followcontrol_attach(directory);
	CHECK(other != NULL && bb_followcontrol_is_current(other));
	bb_followcontrol_source(leader, "shop", "slot", true);
	bb_followcontrol_lock(other)->wanted_lsn = 4711;
	bb_followcontrol_unlock(other);
	bb_followcontrol_get(other, &status);
	CHECK(status.leader_pid == MyProcPid && status.temporary);
	CHECK(strcmp(status.source, "shop") == 0);
	CHECK(strcmp(status.slot, "slot") == 0);
	bb_followcontrol_get(leader, &status);
	CHECK(status.wanted_lsn == 4711);

	/* an order ends a problem, and what was read beyond is forgotten */
	bb_followcontrol_lock(other)->problem = BB_RECEIVER_GAP;
	bb_followcontrol_unlock(other);
	bb_followcontrol_order(leader, 3, 1000, true);
	bb_followcontrol_get(leader, &status);
	CHECK(status.order == 1 && status.order_tli == 3);
	CHECK(status.order_lsn == 1000 && status.stored_lsn == 1000);
	CHECK(status.problem == BB_RECEIVER_FINE);
	/* an import has nothing of one that failed, which may be of another server */
	bb_followcontrol_lock(leader)->promised_lsn = 1000;
	bb_followcontrol_unlock(leader);
	bb_followcontrol_order(leader, 3, 900, false);
	bb_followcontrol_get(leader, &status);
	CHECK(status.order == 2 && status.order_lsn == 900);
	CHECK(XLogRecPtrIsInvalid(status.stored_lsn));
	CHECK(XLogRecPtrIsInvalid(status.promised_lsn));

	unit_leave(context);
	CHECK(!bb_followcontrol_is_led(directory));
	CHECK(bb_followcontrol_attach(directory) == NULL);
	CHECK(bb_followcontrol_remove(directory, remove_all));
	CHECK(access(directory, F_OK) != 0);
}

UNIT_TEST(control_of_a_former_leader)
{
	const char *directory = spool_directory();
	MemoryContext test = CurrentMemoryContext;
	MemoryContext context = unit_enter();
	BbFollowControl *second;
	BbFollowControl *old;

	(void) bb_followcontrol_create(directory);
	/* this one outlives the leader */
	MemoryContextSwitchTo(test);
	old = bb_followcontrol_attach(directory);
	CHECK(old != NULL && bb_followcontrol_is_current(old));
	MemoryContextSwitchTo(context);
	unit_leave(context);
	CHECK(!bb_followcontrol_is_current(old));

	context = unit_enter();
	second = bb_followcontrol_create(directory);
	/* there is a leader, but another one */
	CHECK(!bb_followcontrol_is_current(old));
	CHECK(bb_followcontrol_is_current(second));
	bb_followcontrol_lock(second)->wanted_lsn = 1;
	bb_followcontrol_unlock(second);
	CHECK(bb_followcontrol_lock(old)->wanted_lsn == 0);
	bb_followcontrol_unlock(old);
	unit_leave(context);
	CHECK(bb_followcontrol_remove(directory, remove_all));
}

UNIT_TEST(control_has_one_receiver)
{
	const char *directory = spool_directory();
	MemoryContext context = unit_enter();
	BbFollowControl *leader = bb_followcontrol_create(directory);
	BbFollowControl *one = bb_followcontrol_attach(directory);
	BbFollowControl *two = bb_followcontrol_attach(directory);
	MemoryContext inner;
	BbFollowStatus status;

	CHECK(!bb_followcontrol_has_receiver(leader));
	CHECK(bb_followcontrol_receive(one));
	CHECK(!bb_followcontrol_receive(two));
	CHECK(bb_followcontrol_has_receiver(leader));
	bb_followcontrol_get(leader, &status);
	CHECK(status.receiver_pid == MyProcPid);

	/* each wakes the other */
	ResetLatch(MyLatch);
	bb_followcontrol_wake_receiver(leader);
	CHECK(MyLatch->is_set);
	ResetLatch(MyLatch);
	bb_followcontrol_wake_leader(one);
	CHECK(MyLatch->is_set);

	/* its end is seen */
	inner = unit_enter();
	CHECK(bb_followcontrol_attach(directory) != NULL);
	unit_leave(inner);
	CHECK(bb_followcontrol_has_receiver(leader));
	unit_leave(context);
	CHECK(bb_followcontrol_remove(directory, remove_all));
}

UNIT_TEST(control_file_of_another_kind)
{
	const char *directory = spool_directory();
	char	   *path = psprintf("%s/control", directory);
	MemoryContext context = unit_enter();
	BbFollowControl *leader = bb_followcontrol_create(directory);
	int			fd;

	/* one that isn't this leader's, and one of another size */
	CHECK(rename(path, psprintf("%s.old", path)) == 0);
	CHECK(bb_followcontrol_attach(directory) == NULL);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && write(fd, "12345678", 8) == 8 && close(fd) == 0);
	CHECK(bb_followcontrol_attach(directory) == NULL);
	CHECK(rename(psprintf("%s.old", path), path) == 0);
	CHECK(bb_followcontrol_attach(directory) != NULL);
	CHECK(bb_followcontrol_is_current(leader));
	unit_leave(context);
	CHECK(bb_followcontrol_remove(directory, remove_all));
}

UNIT_TEST(control_notes_errors_once)
{
	const char *directory = spool_directory();
	MemoryContext context = unit_enter();
	BbFollowControl *control = bb_followcontrol_create(directory);
	ErrorData	error = {.sqlerrcode = ERRCODE_CONNECTION_FAILURE,
						 .message = "it is gone",
						 .detail = "for 1 s",
						 .assoc_context = CurrentMemoryContext};
	BbFollowStatus status;

	bb_followcontrol_error(control, &error);
	bb_followcontrol_get(control, &status);
	CHECK(strcmp(status.error, "it is gone (for 1 s)") == 0);
	CHECK(status.error_time != 0);
	error.detail = NULL;
	bb_followcontrol_error(control, &error);
	bb_followcontrol_get(control, &status);
	CHECK(strcmp(status.error, "it is gone") == 0);
	/* libpq's */
	error.message = "no answer\n\tfrom host:\r\n  FATAL\n";
	bb_followcontrol_error(control, &error);
	bb_followcontrol_get(control, &status);
	CHECK(strcmp(status.error, "no answer from host: FATAL") == 0);
	/* longer than the block has room for */
	error.message = psprintf("%02000d", 1);
	bb_followcontrol_error(control, &error);
	bb_followcontrol_get(control, &status);
	CHECK(strlen(status.error) == sizeof(status.error) - 1);
	bb_followcontrol_fine(control);
	unit_leave(context);
	CHECK(bb_followcontrol_remove(directory, remove_all));
}

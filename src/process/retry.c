/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Errors in the loop of a standing worker that goes on after them.
 *
 * (What has to be released: AutoVacLauncherMain in PostgreSQL's autovacuum.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "process/retry.h"
#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define FIRST_PAUSE_MS 1000
#define LAST_PAUSE_MS 30000

ErrorData *
bb_retry_caught(MemoryContext context)
{
	ErrorData  *error;

	if (geterrcode() == ERRCODE_QUERY_CANCELED)
		PG_RE_THROW();
	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	AtEOXact_Files(false);
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
	return error;
}

void
bb_retry_clean_up(ResourceOwner *owner, MemoryContext attempt,
				  MemoryContext context)
{
	ResourceOwner released = *owner;

	*owner = NULL;
	CurrentResourceOwner = NULL;
	MemoryContextSwitchTo(context);
	MemoryContextReset(attempt);
	if (released == NULL)
		return;
	ResourceOwnerRelease(released, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
	ResourceOwnerRelease(released, RESOURCE_RELEASE_LOCKS, false, true);
	ResourceOwnerRelease(released, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
	ResourceOwnerDelete(released);
}

long
bb_retry_pause_ms(int failures)
{
	long		pause = FIRST_PAUSE_MS;

	for (int i = 1; i < failures && pause < LAST_PAUSE_MS; i++)
		pause *= 2;
	return Min(pause, LAST_PAUSE_MS);
}

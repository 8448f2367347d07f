/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  The memory that statistics are in, and its lock.
 *
 *	  _PG_init, preloaded:  shmem_request_hook   request memory and a lock
 *							shmem_startup_hook   create or find them
 *	  otherwise:            the first call       allocates in TopMemoryContext
 *
 * Redo helpers preload the library too, but are no servers: they have no
 * statistics (redo/helper.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "stats/shared_internal.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define NAME "bbackup"

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static const BbStatsPart *const *parts = NULL;
static int	nparts = 0;
static void *memory = NULL; /* the parts, one after the other */
static LWLock *lock = NULL; /* NULL: the memory is not shared */

static Size
parts_size(bool shared)
{
	Size		size = 0;

	for (int i = 0; i < nparts; i++)
		size = add_size(size, parts[i]->size(shared));
	return size;
}

static void
attach_parts(bool shared, bool init)
{
	char	   *at = memory;

	for (int i = 0; i < nparts; i++)
	{
		if (init)
			parts[i]->init(at, shared);
		parts[i]->attach(at);
		at += parts[i]->size(shared);
	}
}

static void
request(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(parts_size(true));
	RequestNamedLWLockTranche(NAME, 1);
}

static void
startup(void)
{
	bool		found;

	if (previous_startup_hook != NULL)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct(NAME, parts_size(true), &found);
	lock = &GetNamedLWLockTranche(NAME)->lock;
	attach_parts(true, !found);
	LWLockRelease(AddinShmemInitLock);
}

void
bb_stats_set_parts(const BbStatsPart *const *all_parts, int n)
{
	parts = all_parts;
	nparts = n;
	if (process_shared_preload_libraries_in_progress &&
		IsPostmasterEnvironment)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup;
	}
}

void
bb_stats_need(void)
{
	if (memory != NULL)
		return;
	memory = MemoryContextAllocHuge(TopMemoryContext, parts_size(false));
	attach_parts(false, true);
}

bool
bb_stats_shared(void)
{
	return lock != NULL;
}

void
bb_stats_lock(LWLockMode mode)
{
	if (lock != NULL)
		LWLockAcquire(lock, mode);
}

void
bb_stats_unlock(void)
{
	if (lock != NULL)
		LWLockRelease(lock);
}

/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  The memory that statistics are in, and its lock.
 *
 *	  _PG_init, preloaded:  shmem_request_hook   how much, and a lock
 *							shmem_startup_hook   made, or found
 *	  otherwise:            the first call       from TopMemoryContext
 *
 * Redo helpers preload the library too, without being a server: they get
 * none (redo/helper.h).
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

static void *memory = NULL; /* the parts, one after the other */
static LWLock *lock = NULL; /* NULL: the memory is not shared */

/* Where the second part is. */
static void *
layerstats_at(bool shared)
{
	return (char *) memory + bb_calls_size(shared);
}

static Size
parts_size(bool shared)
{
	return add_size(bb_calls_size(shared), bb_layerstats_size(shared));
}

static void
make_parts(bool shared)
{
	bb_calls_init(memory, shared);
	bb_layerstats_init(layerstats_at(shared), shared);
}

static void
attach_parts(bool shared)
{
	bb_calls_attach(memory);
	bb_layerstats_attach(layerstats_at(shared));
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
	if (!found)
		make_parts(true);
	attach_parts(true);
	LWLockRelease(AddinShmemInitLock);
}

void
bb_stats_init(void)
{
	if (process_shared_preload_libraries_in_progress &&
		IsPostmasterEnvironment)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup;
	}
	bb_calls_observe();
}

void
bb_stats_need(void)
{
	if (memory != NULL)
		return;
	memory = MemoryContextAllocHuge(TopMemoryContext, parts_size(false));
	make_parts(false);
	attach_parts(false);
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

void
bb_stats_reset(void)
{
	bb_stats_need();
	bb_stats_lock(LW_EXCLUSIVE);
	bb_calls_reset();
	bb_layerstats_reset();
	bb_stats_unlock();
}

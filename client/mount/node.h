/*-------------------------------------------------------------------------
 *
 * node.h
 *	  Names and inodes of a mount.
 *
 * A node is an inode; a name is an entry of a directory.  A node exists while the
 * kernel knows it (lookups), while it is open, or while a node below it exists.
 * Nodes of base files that nobody uses don't exist, so memory depends on what is
 * in use.
 *
 * Locks, in this order: the tree's, which protects names, counts and the lists;
 * sync_lock of a node's blocks; the node's own, which protects its descriptor and
 * its blocks.  No lock is held while the source is read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_NODE_H
#define BB_MOUNT_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "overlay.h"

#define BB_PATH_SIZE 4096

typedef struct BbNode BbNode;
typedef struct BbName BbName;

/* A range of blocks that a thread reads from the source. */
typedef struct BbFlight
{
	uint32		first;
	uint32		end;
	struct BbFlight *next;
} BbFlight;

/* What is known of a base file that isn't whole. */
typedef struct BbBlocks
{
	uint32		limit;	 /* blocks from there on are local */
	uint32		missing; /* blocks before it that aren't local */
	uint64	   *have;	 /* the bitmap */
	BbFlight   *flights;
	pthread_cond_t landed; /* a flight has ended */
	uint32		waiters;   /* for that */

	/* the last block isn't local, and the file ends in it */
	bool		ragged;

	/* the overlay has no file yet */
	bool		remote;

	/* the file has no name: the map isn't changed any more */
	bool		orphan;

	/* what the durable half of the map doesn't have: words, and whether any */
	uint32		dirty_first;
	uint32		dirty_end;
	bool		dirty;

	/* sequential reading */
	uint32		next_block;
	uint32		window;
} BbBlocks;

struct BbName
{
	BbNode	   *parent;
	BbNode	   *node;
	BbName	   *hash_next;
	BbName	   *node_next; /* another name of the node */
	char		text[FLEXIBLE_ARRAY_MEMBER];
};

struct BbNode
{
	pthread_mutex_t lock;
	pthread_mutex_t sync_lock;
	_Atomic int fd; /* of the overlay's file, or -1 */

	/* Does it need the source?  Once false, it stays so. */
	_Atomic bool partial;
	int64		base;	/* ID in the list, or -1 */
	BbBlocks   *blocks; /* NULL: not loaded, or all are local */

	/* All is local, but the durable half of the map doesn't say so. */
	bool		undurable;

	/* The file ended within a block when it was loaded: see settle_end(). */
	_Atomic bool settle_first;
	int			sync_error; /* an error of a sync stays */

	mode_t		type; /* S_IFMT bits */
	uint64		number;
	dev_t		device; /* of the overlay's file, if it has several names */
	ino_t		inode;

	uint64		lookups;
	uint32		opens;
	uint32		children;  /* names that have it as parent */
	BbName	   *names;	   /* NULL: removed */
	BbNode	   *link_next; /* of the list of nodes with several names */
	bool		linked;
};

typedef struct BbTree
{
	BbOverlay  *overlay;
	BbNode		root;
	pthread_rwlock_t lock;
	BbName	  **hash;
	uint32		hash_size;
	uint32		count;
	BbNode	   *links; /* nodes with several names */
	uint64		last_number;

	/* base files that are gone, but not durably */
	uint32	   *gone;
	uint32		gone_count;
	uint32		gone_room;

	/* counters, for bb_mount --list and tests */
	_Atomic uint64 blocks_read;
	_Atomic uint64 blocks_unstored;
	_Atomic uint64 source_errors;
	uint32		window_max; /* blocks that sequential reading fetches at once */
} BbTree;

#endif /* BB_MOUNT_NODE_H */

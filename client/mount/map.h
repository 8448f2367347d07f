/*-------------------------------------------------------------------------
 *
 * map.h
 *	  Which blocks of the base files the overlay has: a file of records and bitmaps.
 *
 *	  bb_mount/map:  header | record of each file | bitmaps of each file
 *							   first, durable		  first, durable
 *
 * There are two of everything.  The first one changes after the data was written:
 * it is right as long as the machine runs, also if the program is killed.  The
 * durable one changes after the data was synced, and a sync is answered only after
 * it is durable itself.  After the machine has restarted (its boot ID differs),
 * bb_map_open() replaces the first one by the durable one: blocks that were
 * written, but not synced, may be lost, and a hole of a sparse file looks like a
 * page of zeros.
 *
 * A record has the state of a file and its limit: blocks from the limit on were
 * truncated and are never read from the source again.  Limits only fall.
 *
 * The file is changed by pwrite(), not by mmap(), so that a full disk is an error
 * and no signal.  Space is allocated before it is needed: bb_map_reserve().
 *
 * Callers serialize changes of one file; different files may be changed at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MOUNT_MAP_H
#define BB_MOUNT_MAP_H

#include "list.h"

typedef enum BbFileState
{
	BB_FILE_REMOTE, /* the overlay has no file; one that is there is ignored */
	BB_FILE_PARTIAL, /* the overlay has the blocks of the bitmap */
	BB_FILE_LOCAL,	 /* the overlay alone decides what the path is */
	BB_FILE_GONE	 /* the same, after the file was removed */
} BbFileState;

typedef struct BbMapRecord
{
	uint32		state;
	uint32		limit;
} BbMapRecord;

typedef struct BbMap BbMap;

/* bb_map_create - create the map of an overlay, all remote and durable. */
extern int bb_map_create(BbMap **map, int root, const BbFileList *list);

/*
 * bb_map_open - open the map.
 *
 * Trusts what is durable alone if the machine was restarted, or bb_map_distrust()
 * was called, and sets "*restarted" then.  Returns 0 or -errno; -EUCLEAN: broken.
 */
extern int bb_map_open(BbMap **map, int root, const BbFileList *list,
					   bool *restarted);
extern void bb_map_close(BbMap *map);

/* bb_map_distrust - let the next open trust what is durable alone. */
extern void bb_map_distrust(BbMap *map);

extern BbMapRecord bb_map_record(const BbMap *map, uint32 file);
extern BbMapRecord bb_map_durable_record(const BbMap *map, uint32 file);

/* bb_map_reserve - allocate the space of a file's bitmaps. */
extern int bb_map_reserve(BbMap *map, uint32 file);

/* bb_map_words - the number of 64-bit words in a bitmap of a file. */
extern uint32 bb_map_words(const BbMap *map, uint32 file);

extern int bb_map_read_bits(BbMap *map, uint32 file, uint64 *words);

/* bb_map_write_bits - write words of the first bitmap, or the durable one. */
extern int bb_map_write_bits(BbMap *map, uint32 file, bool durable,
							 uint32 first, uint32 count, const uint64 *words);
extern int bb_map_write_record(BbMap *map, uint32 file, bool durable,
							   BbMapRecord record);

/* bb_map_sync - make all changes of the calling thread durable. */
extern int bb_map_sync(BbMap *map);

/*
 * Tests set it: trust the first bitmap always.  They show that data is lost then.
 */
extern bool bb_map_trust_always;

/* Tests set it: the boot ID, instead of the machine's. */
extern const char *bb_map_boot_id;

#endif /* BB_MOUNT_MAP_H */

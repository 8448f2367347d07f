/*-------------------------------------------------------------------------
 *
 * overlay_test.h
 *	  What the files of the test program share.
 *
 * model.c has what the files should be, operations.c what is done to them, and
 * overlay_test.c the runs and what is looked at after them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TEST_OVERLAY_TEST_H
#define BB_TEST_OVERLAY_TEST_H

#include "content.h"
#include "disk.h"
#include "tree.h"

#define SECTOR 512
#define SECTORS_MAX 320 /* of a file */
#define DIRECTORIES 2
#define NAMES 6
#define SLOTS (DIRECTORIES * NAMES)
#define BASE_FILES 8
#define HANDLES 3
#define HISTORY 64
#define RUNS_EACH 8

typedef struct Version
{
	struct Version *next;
	unsigned char data[SECTOR];
} Version;

/* A file. */
typedef struct Object
{
	uint32		sectors;
	unsigned char data[SECTORS_MAX][SECTOR];
	uint32		before_sectors; /* before the operation in progress */
	unsigned char before[SECTORS_MAX][SECTOR];
	Version	   *versions[SECTORS_MAX]; /* since it was synced, and then */
	bool		sizes[SECTORS_MAX + 1];
} Object;

/* What a name is. */
typedef struct Slot
{
	Object	   *now;
	Object	   *before;
	Object	   *history[HISTORY]; /* since the directory was synced, and then */
	int			count;
} Slot;

typedef struct Handle
{
	BbNode	   *node;
	Object	   *object;
} Handle;

extern Slot slots[SLOTS];
extern Handle handles[HANDLES];
extern BbOverlay overlay;
extern BbTree *tree;
extern BbSource *directory_source;
extern char overlay_path[1024];
extern int last_kept; /* a descriptor */
extern char boot[64];
extern bool faulty_source;
extern uint64 seed;
extern int step;
extern char doing[256];

/* model.c */
extern uint64 random_state;
extern void fail(const char *format, ...) pg_attribute_printf(1, 2);
extern const char *slot_name(int slot);
extern void add_version(Object *object, uint32 sector);
extern void free_versions(Object *object, uint32 sector);
extern void object_synced(Object *object);
extern void resize(Object *object, uint32 sectors);
extern void write_sectors(Object *object, uint32 first, uint32 count,
						  const void *data);
extern void set_slot(int slot, Object *object);
extern void directory_synced(int directory);
extern void remember_before(void);

/* operations.c */
extern BbNode *directory_node(int directory);
extern int lookup(int slot, BbNode **node);
extern void must(int error, const char *what);
extern void operate(void);

#endif /* BB_TEST_OVERLAY_TEST_H */

/*-------------------------------------------------------------------------
 *
 * test_redo.h
 *	  Declarations for several tests of redo.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_REDO_H
#define TEST_REDO_H

#include "access/rmgr.h"
#include "catalog/pg_control.h"
#include "nodes/pg_list.h"
#include "redo/redo.h"

/* The resource manager of test_redo_rmgr.c, and its records. */
#define UNIT_RMGR_ID RM_EXPERIMENTAL_ID
#define UNIT_REDO_APPEND 0x00  /* append the record's first byte */
#define UNIT_REDO_ERROR 0x10   /* throw */
#define UNIT_REDO_PANIC 0x20   /* panic */
#define UNIT_REDO_CRASH 0x30   /* write to an unmapped address */
#define UNIT_REDO_EXIT 0x40	   /* exit silently */
#define UNIT_REDO_HANG 0x50	   /* never end */
#define UNIT_REDO_GARBAGE 0x60 /* write garbage to the socket */
#define UNIT_REDO_OPEN 0x70	   /* open a file */
#define UNIT_REDO_SOCKET 0x80  /* create a socket */
#define UNIT_REDO_FORK 0x90	   /* fork */
#define UNIT_REDO_NOTHING 0xA0 /* leave the page as it is */
#define UNIT_REDO_MAP 0xB0	   /* map a file */
#define UNIT_REDO_CODE 0xC0	   /* map memory that can be executed */
#define UNIT_REDO_MEMORY 0xD0  /* allocate more memory than redo needs */

/* Selects how a redo helper fails to start: see test_redo_rmgr.c. */
#define UNIT_HELPER_ENVIRONMENT "BB_REDO_UNIT_TEST"

/* A client for a cluster with that control file. */
extern BbRedo *test_redo_open_as(const BbReqCtx *ctx,
								 const ControlFileData *control);

/* A client for this server's own cluster. */
extern BbRedo *test_redo_open(const BbReqCtx *ctx);

/* Append a change to a history. */
extern void test_redo_add(BbPageHistory *history, BbEntryType type,
						  const void *data, uint32 length, XLogRecPtr lsn);

/* Histories of blocks of one relation; records of UNIT_RMGR_ID. */
#define TEST_SPC 1663
#define TEST_DB 5
#define TEST_REL 4711
extern BbPageHistory test_redo_new_history(BlockNumber block);
extern void test_redo_add_record(BbPageHistory *history, uint8 info,
								 char value, uint32 length);

/* Submit a history that makes a page of "text"; read the next page. */
extern void test_redo_submit_text(const BbReqCtx *ctx, BbRedo *redo,
								  BlockNumber block, const char *text);
extern char *test_redo_next_text(const BbReqCtx *ctx, BbRedo *redo);
#define CHECK_REDO_FAILS(ctx, redo)                    \
	CHECK_ERROR((void) test_redo_next_text(ctx, redo), \
				ERRCODE_EXTERNAL_ROUTINE_EXCEPTION)
extern void test_redo_check_works(const BbReqCtx *ctx, BbRedo *redo);

/* This cluster's control file, and that of another cluster. */
extern ControlFileData test_redo_control(void);
extern ControlFileData test_redo_other_control(int n);
extern BbRedo *test_redo_open_anew(const BbReqCtx *ctx);

/* Helpers as the system has them. */
extern char *test_redo_proc_file(int pid, const char *name);
extern bool test_redo_is_running(int pid);
extern List *test_redo_children(void);
extern int test_redo_only_child(void);
extern int test_redo_scratch_directories(void);
extern int test_redo_open_files(void);
extern bool test_redo_has_segment(int pid);

extern void test_redo_at_end_of_test(MemoryContextCallbackFunction function);
extern void test_redo_reset_timeouts(void *unused);

#endif /* TEST_REDO_H */

/*-------------------------------------------------------------------------
 *
 * tarhead.h
 *	  The archives of a base backup in the tar format: their names, and what
 *	  has to be known of them before the rest can be stored.
 *
 *	  backup_label		first in base.tar: the LSN of the images
 *	  tablespace_map	next: the archives of tablespaces
 *	  pg_control		last: whether pages have checksums
 *
 * These are collected in memory while an archive passes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TARHEAD_H
#define BB_TARHEAD_H

#include "import/import_internal.h"
#include "import/receivedtree.h"
#include "lib/stringinfo.h"
#include "streaming/tarreader.h"

#define BB_BASE_ARCHIVE "base.tar"
#define BB_WAL_ARCHIVE "pg_wal.tar"

/*
 * bb_archive_named - is "name" that of an archive, with or without a suffix of
 * compression?
 */
extern bool bb_archive_named(const char *name, const char *archive);

/* The files that are collected. */
typedef enum BbHeadFile
{
	BB_HEAD_LABEL,
	BB_HEAD_MAP,
	BB_HEAD_CONTROL,
	BB_HEAD_COUNT
} BbHeadFile;

typedef struct BbTarHead
{
	StringInfoData files[BB_HEAD_COUNT]; /* empty: not seen yet */
	BbHeadFile	at; /* of the member; BB_HEAD_COUNT: it is another file */
} BbTarHead;

extern void bb_tarhead_init(BbTarHead *head);

/* Events for a reader of the main archive; the argument is the head. */
extern const BbTarEvents bb_tarhead_events;

/*
 * bb_tarhead_use_label - set the LSN of the images.
 *
 * Errors: INVALID_PARAMETER_VALUE (there is no label); DATA_CORRUPTED.
 */
extern void bb_tarhead_use_label(BbImport *import, const BbTarHead *head);

/*
 * bb_tarhead_has_checksums - return whether the control file says that pages have
 * checksums.
 *
 * Errors: DATA_CORRUPTED (it is missing).
 */
extern bool bb_tarhead_has_checksums(const BbImport *import,
									 const BbTarHead *head);

/*
 * bb_tarhead_next_tablespace - parse the next line of the tablespace map.
 *
 * *text is NULL before the first call.  Returns false at the end.
 *
 * Errors: DATA_CORRUPTED.
 */
extern bool bb_tarhead_next_tablespace(const BbTarHead *head,
									   const char **text, Oid *spc,
									   StringInfo target);

/* bb_tarhead_add_link - add the link that a line of the map stands for. */
extern void bb_tarhead_add_link(BbReceivedTree *tree, Oid spc,
								const char *target);

/*
 * bb_tarhead_map_done - replace the map by an empty one, since all links are
 * there.
 */
extern void bb_tarhead_map_done(BbReceivedTree *tree);

#endif /* BB_TARHEAD_H */

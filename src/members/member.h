/*-------------------------------------------------------------------------
 *
 * member.h
 *	  One file or directory of a base backup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MEMBER_H
#define BB_MEMBER_H

#include "pagestore/catalog.h"

/* The kind of a member; SQL shows bb_member_kind_name(). */
typedef enum BbMemberKind
{
	BB_MEMBER_DIRECTORY,
	BB_MEMBER_VERSION,	 /* PG_VERSION */
	BB_MEMBER_CONFIG,	 /* a captured small file */
	BB_MEMBER_GENERATED, /* a configuration file that was not captured */
	BB_MEMBER_LABEL,	 /* backup_label.old */
	BB_MEMBER_MAP,		 /* tablespace_map */
	BB_MEMBER_SLRU,		 /* one SLRU segment */
	BB_MEMBER_RELMAP,	 /* pg_filenode.map */
	BB_MEMBER_RELATION,	 /* one segment of one fork */
	BB_MEMBER_TWOPHASE,	 /* one prepared transaction */
	BB_MEMBER_ORIGIN,	 /* pg_logical/replorigin_checkpoint */
	BB_MEMBER_SIGNAL,	 /* neon.signal, zenith.signal */
	BB_MEMBER_HISTORY,	 /* timeline history */
	BB_MEMBER_WAL,		 /* the WAL with the checkpoint record */
	BB_MEMBER_CONTROL,	 /* global/pg_control */
	BB_MEMBER_MANIFEST	 /* backup_manifest */
} BbMemberKind;

/*
 * Where the content comes from.  The kind doesn't determine it: a timeline
 * history may be captured or generated.
 */
typedef enum BbMemberContent
{
	BB_CONTENT_NONE,	 /* a directory */
	BB_CONTENT_BYTES,	 /* source.bytes */
	BB_CONTENT_FILE,	 /* source.ordinal: FILE_BLOCKs */
	BB_CONTENT_SLRU,	 /* source.slru: SLRU_BLOCKs */
	BB_CONTENT_RELMAP,	 /* source.relmap: RELMAP */
	BB_CONTENT_RELATION, /* source.relation: REL_BLOCKs */
	BB_CONTENT_TWOPHASE, /* source.xid: TWOPHASE_BLOCKs, then a CRC */
	BB_CONTENT_WAL,		 /* source.wal: a segment of the seed */
	BB_CONTENT_CONTROL,	 /* the control file of the seed */
	BB_CONTENT_MANIFEST	 /* made from all other members: sink_manifest.c */
} BbMemberContent;

/*
 * The path is relative to the data directory, without "./" and without a
 * '/' at the end, in every archive.
 */
typedef struct BbMember
{
	BbMemberKind kind;
	BbMemberContent content;
	char		path[MAXPGPATH];
	uint64		size;		/* bytes; 0 for a directory */
	mode_t		mode;		/* permission bits */
	Oid			tablespace; /* whose archive it is in; Invalid: "base" */
	bool		apart;		/* in no archive: a manifest beside them */
	union
	{
		struct
		{
			BbSlru		slru;
			uint64		segment;
		}			slru;
		struct
		{
			Oid			spc;
			Oid			db;
			Oid			rel;
			ForkNumber	fork; /* the fork to read: init for an unlogged main */
			BlockNumber first; /* block of the fork */
		}			relation;
		struct
		{
			Oid			spc;
			Oid			db;
		}			relmap;
		uint32		ordinal;
		uint64		xid;
		const char *bytes; /* the content; owned by the list or its plan */
		XLogSegNo	wal;
	}			source;
} BbMember;

/*
 * bb_member_init - initialize a member without content; the path is given by a
 * printf format.
 *
 * Errors: PROGRAM_LIMIT_EXCEEDED (a path of MAXPGPATH bytes or more);
 * DATA_CORRUPTED (a path that leads out of the data directory; base/beneath.h).
 */
extern void bb_member_init(BbMember *member, BbMemberKind kind, mode_t mode,
						   const char *format, ...) pg_attribute_printf(4, 5);

/*
 * bb_member_set_bytes - give an initialized member its content.
 *
 * The bytes aren't copied, and must outlive the member.
 */
extern void bb_member_set_bytes(BbMember *member, const void *data,
								size_t length);

/*
 * bb_member_file_path - return the path that a member is written to in a
 * directory: its own, or BB_CONTROL_NEW for the control file (files/tree.h).
 */
extern const char *bb_member_file_path(const BbMember *member);

/*
 * bb_member_archive_path - return its path within its archive: for that of a
 * tablespace, without pg_tblspc/OID.
 */
extern const char *bb_member_archive_path(const BbMember *member);

/* bb_member_kind_name - return "relation", "config", …, as in bb_files(). */
extern const char *bb_member_kind_name(BbMemberKind kind);

/*
 * bb_dirtree_get - return the n-th of the directories that every data directory
 * of a major version has, parents before children; NULL after the last.
 */
extern const char *bb_dirtree_get(const BbMajor *major, int n);

/* bb_dirtree_contains - is this path one of these directories? */
extern bool bb_dirtree_contains(const BbMajor *major, const char *path);

#endif /* BB_MEMBER_H */

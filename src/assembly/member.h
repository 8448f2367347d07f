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

/* What a member is; SQL shows it by bb_member_kind_name(). */
typedef enum BbMemberKind
{
	BB_MEMBER_DIRECTORY,
	BB_MEMBER_VERSION,	  /* PG_VERSION */
	BB_MEMBER_CONFIG,	  /* a captured small file */
	BB_MEMBER_GENERATED,  /* a configuration file that the source lacked */
	BB_MEMBER_SLRU,		  /* one SLRU segment */
	BB_MEMBER_RELMAP,	  /* pg_filenode.map */
	BB_MEMBER_RELATION,	  /* one segment of one fork */
	BB_MEMBER_TWOPHASE,	  /* one prepared transaction */
	BB_MEMBER_ORIGIN,	  /* pg_logical/replorigin_checkpoint */
	BB_MEMBER_SIGNAL,	  /* neon.signal, zenith.signal */
	BB_MEMBER_HISTORY,	  /* timeline history */
	BB_MEMBER_WAL,		  /* the WAL with the checkpoint record */
	BB_MEMBER_CONTROL	  /* global/pg_control */
} BbMemberKind;

/*
 * The path is relative to the data directory, without "./" and without a
 * '/' at the end.  What is behind "source" tells where the content comes
 * from; which field counts follows from the kind.
 */
typedef struct BbMember
{
	BbMemberKind kind;
	char		path[MAXPGPATH];
	uint64		size; /* bytes; 0 for a directory */
	mode_t		mode; /* permission bits */
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
			ForkNumber	fork; /* to read from: init, for an unlogged main */
			BlockNumber first; /* block of the fork */
			BlockNumber count;
		}			relation;
		struct
		{
			Oid			spc;
			Oid			db;
		}			relmap;
		struct
		{
			uint32		ordinal;
		}			file;
		struct
		{
			uint64		xid;
		}			twophase;
		struct
		{
			const char *data; /* the content itself; owned by the list */
		}			bytes;
		struct
		{
			XLogSegNo	segment;
		}			wal;
	}			source;
} BbMember;

/* "relation", "config", …: the words of bb_files(). */
extern const char *bb_member_kind_name(BbMemberKind kind);

#endif /* BB_MEMBER_H */

/*-------------------------------------------------------------------------
 *
 * backupmanifest.h
 *	  The text of a backup_manifest, as pg_verifybackup reads it.
 *
 *	  begin (file)* end, then the checksum of these parts
 *
 * Each part has a length that doesn't depend on any checksum's value, so that
 * the size of a manifest is known before a byte of the backup is read.
 *
 * (PostgreSQL's documentation, "Backup Manifest Format", and its
 * backup_manifest.c, whose output this matches byte for byte.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_BACKUPMANIFEST_H
#define BB_BACKUPMANIFEST_H

#include "lib/stringinfo.h"
#include "members/member.h"
#include "members/options.h"
#include "members/seed.h"

/* The path of the manifest. */
#define BB_MANIFEST_FILE "backup_manifest"

/* What all parts of a manifest need. */
typedef struct BbBackupManifest
{
	bool		force_encode;
	pg_checksum_type checksum_type; /* of the files */
	int64		mtime;				/* time_t of every file */
	const BbSeed *seed;				/* system identifier and WAL */
} BbBackupManifest;

/* Does a manifest list this member?  It lists neither WAL nor itself. */
extern bool bb_backupmanifest_lists(const BbMember *member);

/* Return the length of a checksum, bytes. */
extern int bb_backupmanifest_checksum_length(pg_checksum_type type);

/*
 * bb_backupmanifest_… - append a part to buf.
 *
 * "checksum" is the checksum of the file's content, with the length of its type.
 */
extern void bb_backupmanifest_begin(const BbBackupManifest *text,
									StringInfo buf);
extern void bb_backupmanifest_file(const BbBackupManifest *text,
								   StringInfo buf, bool first,
								   const char *path, uint64 size,
								   const uint8 *checksum);
extern void bb_backupmanifest_end(const BbBackupManifest *text,
								  StringInfo buf);

/* Append the last line, with the SHA-256 of all parts before it. */
extern void bb_backupmanifest_checksum(StringInfo buf, const uint8 *sha256);

#endif /* BB_BACKUPMANIFEST_H */

/*-------------------------------------------------------------------------
 *
 * options.h
 *	  What the caller of a base backup may choose.
 *
 * The words are those of BASE_BACKUP, where it has them (PostgreSQL's
 * documentation, "Streaming Replication Protocol"), and so is the wording of
 * errors, which the server's own parsers give.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OPTIONS_H
#define BB_OPTIONS_H

#include "access/xlogdefs.h"
#include "common/checksum_helper.h"
#include "common/compression.h"

/* Bounds of max_rate, kB/s (MAX_RATE_LOWER and _UPPER of basebackup.c). */
#define BB_MAX_RATE_LOWER 32
#define BB_MAX_RATE_UPPER 1048576

/* Of a label, bytes: what a server would read back (MAXPGPATH). */
#define BB_LABEL_MAX 1023

/* Of jobs. */
#define BB_JOBS_MAX 64

/* Where the files of tablespaces are. */
typedef enum BbTablespaces
{
	BB_TABLESPACES_IN_PLACE, /* below pg_tblspc, with all others */
	BB_TABLESPACES_ARCHIVES	 /* in an archive a tablespace, "OID" */
} BbTablespaces;

typedef enum BbManifestOption
{
	BB_MANIFEST_NO,
	BB_MANIFEST_YES,
	BB_MANIFEST_FORCE_ENCODE /* all paths in hexadecimal digits */
} BbManifestOption;

/* What the configuration of the copy is to be. */
typedef enum BbSettingsOption
{
	BB_SETTINGS_CLONE, /* the source's, without what would harm the source */
	BB_SETTINGS_SOURCE /* the source's, to take its place */
} BbSettingsOption;

typedef struct BbBackupOptions
{
	bool		full;	  /* with relation data */
	XLogRecPtr	prev_lsn; /* the caller's; Invalid: not given */
	TimeLineID	new_tli;  /* 0: one that the source doesn't have */
	BbSettingsOption settings;
	const char *label;	  /* NULL: none */
	int			max_rate; /* kB/s; 0: as fast as it goes */
	BbTablespaces tablespaces;
	bool		progress; /* find out the size first, to report it */
	pg_compress_specification compression;
	BbManifestOption manifest;
	pg_checksum_type manifest_checksums; /* of the files in it */
	int			jobs; /* workers that make pages; 1: the caller makes them */
} BbBackupOptions;

/*
 * bb_options_defaults - a full backup, as it comes.
 */
extern BbBackupOptions bb_options_defaults(void);

/*
 * bb_options_set_… - an option as its SQL argument says it; what is NULL stays
 * as it was.
 *
 * compression: METHOD[:DETAIL], as of pg_basebackup's --compress=server-METHOD.
 *
 * manifest: yes, no (or what else is a boolean), force-encode.  checksums:
 * none, crc32c, sha224, …; not without a manifest.
 *
 * tablespaces: in-place, archives.  settings: clone, source.
 *
 * Errors: INVALID_PARAMETER_VALUE; SYNTAX_ERROR (compression, manifest,
 * tablespaces, settings); FEATURE_NOT_SUPPORTED (compression).
 */
extern void bb_options_set_label(BbBackupOptions *options, const char *label);
extern void bb_options_set_max_rate(BbBackupOptions *options, int max_rate);
extern void bb_options_set_compression(BbBackupOptions *options,
									   const char *compression);
extern void bb_options_set_tablespaces(BbBackupOptions *options,
									   const char *tablespaces);
extern void bb_options_set_settings(BbBackupOptions *options,
									const char *settings);
extern void bb_options_set_manifest(BbBackupOptions *options,
									const char *manifest,
									const char *checksums);
extern void bb_options_set_jobs(BbBackupOptions *options, int jobs);

#endif /* BB_OPTIONS_H */

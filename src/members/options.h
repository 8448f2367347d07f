/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The options of a base backup.
 *
 * Names, values and error messages are those of BASE_BACKUP, where it has the
 * option (PostgreSQL's documentation, "Streaming Replication Protocol").
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_OPTIONS_H
#define BB_OPTIONS_H

#include "access/xlogdefs.h"
#include "common/checksum_helper.h"
#include "common/compression.h"
#include "members/partial.h"

/* Bounds of max_rate, kB/s (MAX_RATE_LOWER and _UPPER of basebackup.c). */
#define BB_MAX_RATE_LOWER 32
#define BB_MAX_RATE_UPPER 1048576

/* Maximum length of a label, bytes: what a server would read (MAXPGPATH). */
#define BB_LABEL_MAX 1023

/* Maximum number of jobs. */
#define BB_JOBS_MAX 64

/* Where a backup has the files of tablespaces. */
typedef enum BbTablespaces
{
	BB_TABLESPACES_IN_PLACE, /* below pg_tblspc, with all other files */
	BB_TABLESPACES_ARCHIVES	 /* in an archive "OID" for each tablespace */
} BbTablespaces;

typedef enum BbManifestOption
{
	BB_MANIFEST_NO,
	BB_MANIFEST_YES,
	BB_MANIFEST_FORCE_ENCODE /* all paths in hexadecimal */
} BbManifestOption;

/* The configuration of the copy. */
typedef enum BbSettingsOption
{
	BB_SETTINGS_CLONE, /* the source's, except settings that would harm it */
	BB_SETTINGS_SOURCE /* the source's, for a server that replaces it */
} BbSettingsOption;

typedef struct BbBackupOptions
{
	bool		full;		  /* with relation data */
	XLogRecPtr	prev_lsn;	  /* the caller's; Invalid: not given */
	TimeLineID	new_tli;	  /* 0: choose one that the source doesn't have */
	bool		tli_reserved; /* a lease has chosen new_tli; don't check it */
	BbSettingsOption settings;
	const char *label;	  /* NULL: none */
	int			max_rate; /* kB/s; 0: unlimited */
	BbTablespaces tablespaces;
	bool		progress; /* measure the size first, to report it */
	pg_compress_specification compression;
	BbManifestOption manifest;
	pg_checksum_type manifest_checksums; /* of the files in it */
	const BbPartial *partial;			 /* NULL: all databases */
	int			jobs; /* workers that make pages; 1: the caller makes them */
} BbBackupOptions;

/* bb_options_defaults - return the options of a full backup. */
extern BbBackupOptions bb_options_defaults(void);

/*
 * bb_options_set_… - set an option from its SQL argument; NULL leaves it
 * unchanged.
 *
 * compression: METHOD[:DETAIL], as in pg_basebackup's --compress=server-METHOD.
 *
 * manifest: yes, no (or any boolean), force-encode.  checksums: none, crc32c,
 * sha224, …; refused without a manifest.
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

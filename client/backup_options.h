/*-------------------------------------------------------------------------
 *
 * backup_options.h
 *	  Which backup a program makes: the arguments of the server's functions.
 *
 * Programs that make a backup share these options: bb_content_options, and some
 * that they have in tables of their own.  The server interprets values: LSNs,
 * times, labels.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_BACKUP_OPTIONS_H
#define BB_CLIENT_BACKUP_OPTIONS_H

#include "mapping.h"

/* NULL: the default of the function. */
typedef struct BbBackupOptions
{
	const char *lsn;
	const char *time;
	const char *recovery_target;
	bool		exclusive; /* of the time or the target */
	const char *store;
	const char *timeline;
	const char *new_tli;
	const char *settings;
	const char *label;
	const char *manifest;
	const char *manifest_checksums;
	const char *max_rate;
	const char *jobs;
	bool		thin;
	BbMappings	mappings;
} BbBackupOptions;

/*
 * bb_backup_option - take an option with the value optarg.
 *
 * Returns false if it is another option; ends the program on error.
 */
extern bool bb_backup_option(int letter, BbBackupOptions *options);

/* bb_backup_options_check - check which options can be used together. */
extern void bb_backup_options_check(const BbBackupOptions *options);

#endif /* BB_CLIENT_BACKUP_OPTIONS_H */

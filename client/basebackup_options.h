/*-------------------------------------------------------------------------
 *
 * basebackup_options.h
 *	  The command line of bb_basebackup.
 *
 * Options that pg_basebackup also has have the same names.  The server interprets
 * values, such as the details of a compression.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_BASEBACKUP_OPTIONS_H
#define BB_CLIENT_BASEBACKUP_OPTIONS_H

#include "backup_options.h"
#include "server.h"

/* The target of the backup. */
typedef enum BbTarget
{
	BB_TARGET_DIRECTORY, /* extracted, into the directory "target" */
	BB_TARGET_ARCHIVES,	 /* a file for each, in the directory "target" */
	BB_TARGET_FILE		 /* one tar: the file "target", "-" is stdout */
} BbTarget;

typedef struct BbOptions
{
	ConnParams	connection;
	bool		decode; /* read standard input, not from a server */

	BbTarget	to;
	const char *target;
	BbBackupOptions backup;
	const char *compression; /* NULL: the default of the function */
	const char *suffix; /* of a compressed archive's name: "", ".gz", … */
	bool		progress;
	bool		estimate; /* ask for the size, for progress */
	bool		verbose;
	bool		sync;
	bool		clean; /* remove created files on failure */
} BbOptions;

/*
 * bb_options_parse - parse argv.
 *
 * Ends the program after an error, and after --help or --version.
 */
extern BbOptions bb_options_parse(int argc, char **argv);

#endif /* BB_CLIENT_BASEBACKUP_OPTIONS_H */

/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The command line.
 *
 * Options that pg_basebackup also has have the same names.  The server interprets
 * values: LSNs, times, labels, the details of a compression.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_OPTIONS_H
#define BB_CLIENT_OPTIONS_H

#include "fe_utils/connect_utils.h"
#include "mapping.h"

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
	BbMappings	mappings;

	/* Arguments of the server's functions; NULL: the default. */
	const char *lsn;
	const char *time;
	const char *store;
	const char *timeline;
	const char *new_tli;
	const char *settings;
	const char *label;
	const char *compression;
	const char *manifest;
	const char *manifest_checksums;
	const char *max_rate;
	const char *jobs;
	bool		thin;

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

#endif /* BB_CLIENT_OPTIONS_H */

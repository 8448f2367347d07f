/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The command line.
 *
 * Options have pg_basebackup's names where it has them.  What values mean,
 * the server says: LSNs, times, labels, the details of a compression.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_OPTIONS_H
#define BB_CLIENT_OPTIONS_H

#include "fe_utils/connect_utils.h"
#include "mapping.h"

/* Where the backup goes. */
typedef enum BbTarget
{
	BB_TARGET_DIRECTORY, /* extracted, into the directory "target" */
	BB_TARGET_ARCHIVES,	 /* a file each in the directory "target" */
	BB_TARGET_FILE		 /* one tar: the file "target", "-" is stdout */
} BbTarget;

typedef struct BbOptions
{
	ConnParams	connection;
	bool		decode; /* standard input rather than a server */

	BbTarget	to;
	const char *target;
	BbMappings	mappings;

	/* Arguments of the server's functions; NULL: its default. */
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
	bool		estimate; /* find out the size, for progress */
	bool		verbose;
	bool		sync;
	bool		clean; /* remove what was made, on failure */
} BbOptions;

/*
 * bb_options_parse - all of argv; ends the program where that's wrong, or if
 * help or version is all that is asked for.
 */
extern BbOptions bb_options_parse(int argc, char **argv);

#endif /* BB_CLIENT_OPTIONS_H */

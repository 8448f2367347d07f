/*-------------------------------------------------------------------------
 *
 * option_table.h
 *	  The options of the program: getopt_long's tables, --help, the man page.
 *
 * A new option is a row of a table in option_table.c.  manpage.awk reads that
 * for the man page, and the completion of bash reads --help.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_OPTION_TABLE_H
#define BB_CLIENT_OPTION_TABLE_H

#include "getopt_long.h"

/* Values of options without a letter. */
enum
{
	OPTION_DECODE = 1000,
	OPTION_LSN,
	OPTION_MANIFEST_CHECKSUMS,
	OPTION_MANIFEST_FORCE_ENCODE,
	OPTION_NEW_TLI,
	OPTION_NO_ESTIMATE_SIZE,
	OPTION_NO_MANIFEST,
	OPTION_NO_SLOT,
	OPTION_NO_VERIFY_CHECKSUMS,
	OPTION_SETTINGS,
	OPTION_STORE,
	OPTION_THIN,
	OPTION_TIME,
	OPTION_TIMELINE,
	OPTION_WALDIR
};

typedef struct BbOption
{
	const char *name;	  /* NULL: "help" is a heading */
	int			value;	  /* its letter, or OPTION_... */
	const char *argument; /* as --help shows it; NULL: it takes none */
	const char *help;
} BbOption;

/* bb_option_next - call getopt_long with the options of the tables. */
extern int bb_option_next(int argc, char **argv);

/*
 * bb_option_refused - find an option of pg_basebackup that is an error here.
 *
 * Its "help" says why.  Returns NULL if there is no such option.
 */
extern const BbOption *bb_option_refused(int value);

/* bb_option_help - print what --help prints. */
extern void bb_option_help(void);

#endif /* BB_CLIENT_OPTION_TABLE_H */

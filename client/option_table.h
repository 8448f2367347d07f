/*-------------------------------------------------------------------------
 *
 * option_table.h
 *	  The options of a program: getopt_long's tables, --help, the man page.
 *
 * A program has its options in tables, some of which several programs share.  A
 * new option is a row of a table.  manpage.awk reads the tables for the man page,
 * and the completion of bash reads --help.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_OPTION_TABLE_H
#define BB_CLIENT_OPTION_TABLE_H

#include "compat.h"
#include "getopt_long.h"

/* Values of options without a letter. */
enum
{
	OPTION_DECODE = 1000,
	OPTION_DELTA,
	OPTION_EPHEMERAL,
	OPTION_EXCLUSIVE,
	OPTION_FINISH,
	OPTION_FOREGROUND,
	OPTION_FULL_WITHIN,
	OPTION_GAPS,
	OPTION_HYDRATE,
	OPTION_JSON,
	OPTION_KEEPS,
	OPTION_LIST,
	OPTION_LSN,
	OPTION_MANIFEST_CHECKSUMS,
	OPTION_MANIFEST_FORCE_ENCODE,
	OPTION_MAX_AGE,
	OPTION_MAX_COPY_LAG,
	OPTION_MAX_KEY_AGE,
	OPTION_MAX_LAG,
	OPTION_MAX_LAG_BYTES,
	OPTION_MIN_FREE_PERCENT,
	OPTION_NEW_TLI,
	OPTION_NO_ESTIMATE_SIZE,
	OPTION_NO_MANIFEST,
	OPTION_NO_SLOT,
	OPTION_NO_VERIFY_CHECKSUMS,
	OPTION_NO_WRITE,
	OPTION_ONLY_DATABASE,
	OPTION_OVERLAY,
	OPTION_PIN_NOTICE,
	OPTION_READ_ONLY,
	OPTION_RESERVE,
	OPTION_RESTORE_COMMAND,
	OPTION_RESTORE_POINTS,
	OPTION_SETTINGS,
	OPTION_STORE,
	OPTION_TARGET,
	OPTION_THIN,
	OPTION_TIME,
	OPTION_TIMELINE,
	OPTION_TIMEOUT,
	OPTION_WAL_DIRECTORY,
	OPTION_WALDIR
};

typedef struct BbOption
{
	const char *name;	  /* NULL: "help" is a heading */
	int			value;	  /* its letter, or OPTION_... */
	const char *argument; /* as --help shows it; NULL: it takes none */
	const char *help;
} BbOption;

typedef struct BbOptionTable
{
	const BbOption *options;
	int			count;
} BbOptionTable;

/* A table of an array; for tables of other files, the array has its size. */
#define BB_OPTION_TABLE(array) \
	{                          \
		array, lengthof(array) \
	}

/* What a program is; each has one. */
typedef struct BbProgram
{
	const char *name;
	const char *summary;	 /* a sentence for --help */
	const char *usage;		 /* what follows the name */
	BbOptionTable tables[5]; /* as --help shows them */
	BbOptionTable refused;	 /* "help" says why they are errors */
	const char *notes;		 /* at the end of --help, or NULL */
} BbProgram;

extern const BbProgram bb_program;

/* Tables that programs share. */
extern const BbOption bb_connection_options[7];
extern const BbOption bb_content_options[10];

/*
 * bb_option_start - begin to handle options; ends the program after --help or
 * --version.
 */
extern void bb_option_start(int argc, char **argv);

/* bb_option_next - call getopt_long with the options of the tables. */
extern int bb_option_next(int argc, char **argv);

/* bb_option_refused - find an option that is an error, or NULL. */
extern const BbOption *bb_option_refused(int value);

/* bb_option_no_arguments - end the program if there are more arguments. */
extern void bb_option_no_arguments(int argc, char **argv);

/* bb_option_try_help - end the program with a hint. */
pg_noreturn extern void bb_option_try_help(void);

/* bb_option_positive - check a positive number, and return its digits. */
extern const char *bb_option_positive(const char *value, const char *option);

#endif /* BB_CLIENT_OPTION_TABLE_H */

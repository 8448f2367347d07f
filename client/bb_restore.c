/*-------------------------------------------------------------------------
 *
 * bb_restore.c
 *	  A program that lets the server restore a data directory on its machine.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "backup_call.h"
#include "cleanup.h"
#include "common/logging.h"
#include "fe_utils/simple_list.h"
#include "fe_utils/string_utils.h"
#include "option_table.h"
#include "rows.h"

static const BbOption own_options[] = {
	{NULL, 0, NULL, "Options controlling the output"},
	{"pgdata", 'D', "SERVERDIR",
	 "data directory on the server of the page store; must not exist, or be empty"},
	{"delta", OPTION_DELTA, NULL,
	 "update a data directory that an earlier restore has made"},
	{"only-database", OPTION_ONLY_DATABASE, "DBNAME",
	 "restore only this database (may be given several times); others have no relations, and are marked invalid"},
	{"max-rate", 'r', "RATE",
	 "maximum rate of writing (in kB/s, or use suffix \"k\", \"M\" or \"G\")"},
	{"tablespace-mapping", 'T', "OLDDIR=NEWDIR",
	 "relocate the tablespace in OLDDIR, or with that OID, to NEWDIR on the server; others become directories in pg_tblspc"},
};

static const BbOption general_options[] = {
	{NULL, 0, NULL, "General options"},
	{"jobs", 'j', "NUM", "use this many workers"},
	{"label", 'l', "LABEL", "set backup label"},
	{"json", OPTION_JSON, NULL, "output JSON instead of a table"},
	{"verbose", 'v', NULL, "output verbose messages"},
	{"version", 'V', NULL, "output version information, then exit"},
	{"manifest-checksums", OPTION_MANIFEST_CHECKSUMS,
	 "SHA224|SHA256|SHA384|SHA512|CRC32C|NONE",
	 "use algorithm for manifest checksums"},
	{"manifest-force-encode", OPTION_MANIFEST_FORCE_ENCODE, NULL,
	 "hex encode all file names in manifest"},
	{"no-manifest", OPTION_NO_MANIFEST, NULL,
	 "suppress generation of backup manifest"},
	{"help", '?', NULL, "show this help, then exit"},
};

const BbProgram bb_program = {
	.name = "bb_restore",
	.summary =
		"bb_restore restores a data directory on the server of a page store.",
	.usage = "[OPTION]...",
	.tables = {BB_OPTION_TABLE(own_options),
			   BB_OPTION_TABLE(bb_content_options),
			   BB_OPTION_TABLE(general_options),
			   BB_OPTION_TABLE(bb_connection_options)},
};

static const BbColumn columns[] = {
	{"restored_lsn", "LSN", BB_COLUMN_TEXT},
	{"files", "Files", BB_COLUMN_NUMBER},
	{"bytes", "Size", BB_COLUMN_SIZE},
	{"bytes_written", "Written", BB_COLUMN_SIZE},
	{"files_removed", "Files removed", BB_COLUMN_NUMBER},
	{"duration", "Duration", BB_COLUMN_DURATION},
};

typedef struct RestoreOptions
{
	ConnParams	connection;
	const char *directory;
	bool		delta;
	SimpleStringList only_databases;
	bool		json;
	bool		verbose;
	BbBackupOptions backup;
} RestoreOptions;

static RestoreOptions
parse(int argc, char **argv)
{
	RestoreOptions options = {.connection = BB_CONNECTION_DEFAULT};
	int			letter;

	bb_option_start(argc, argv);
	while ((letter = bb_option_next(argc, argv)) != -1)
	{
		if (bb_connection_option(letter, &options.connection) ||
			bb_backup_option(letter, &options.backup))
			continue;
		switch (letter)
		{
			case 'D':
				options.directory = optarg;
				break;
			case 'v':
				options.verbose = true;
				break;
			case OPTION_DELTA:
				options.delta = true;
				break;
			case OPTION_ONLY_DATABASE:
				simple_string_list_append(&options.only_databases, optarg);
				break;
			case OPTION_JSON:
				options.json = true;
				break;
			default:
				bb_option_try_help();
		}
	}
	bb_option_no_arguments(argc, argv);
	if (options.directory == NULL)
	{
		pg_log_error("no target directory specified");
		bb_option_try_help();
	}
	bb_backup_options_check(&options.backup);
	return options;
}

/* Put a backslash before each "=" of a path. */
static char *
escape_equals(const char *path)
{
	char	   *escaped = pg_malloc(2 * strlen(path) + 1);
	char	   *to = escaped;

	for (; *path != '\0'; path++)
	{
		if (*path == '=')
			*to++ = '\\';
		*to++ = *path;
	}
	*to = '\0';
	return escaped;
}

/* The mappings as an array of OID=DIRECTORY, or NULL. */
static char *
mapping_array(const BbMappings *mappings)
{
	PQExpBufferData text;

	if (mappings->first == NULL)
		return NULL;
	initPQExpBuffer(&text);
	appendPQExpBufferChar(&text, '{');
	for (const BbMapping *mapping = mappings->first; mapping != NULL;
		 mapping = mapping->next)
		appendPGArray(&text,
					  psprintf("%u=%s", mapping->oid,
							   escape_equals(mapping->new_dir)));
	appendPQExpBufferChar(&text, '}');
	if (PQExpBufferDataBroken(text))
		pg_fatal("out of memory");
	return text.data;
}

/* The names as an array, or NULL. */
static char *
name_array(const SimpleStringList *names)
{
	PQExpBufferData text;

	if (names->head == NULL)
		return NULL;
	initPQExpBuffer(&text);
	appendPQExpBufferChar(&text, '{');
	for (const SimpleStringListCell *cell = names->head; cell != NULL;
		 cell = cell->next)
		appendPGArray(&text, cell->val);
	appendPQExpBufferChar(&text, '}');
	if (PQExpBufferDataBroken(text))
		pg_fatal("out of memory");
	return text.data;
}

static char *
restore_call(const BbServer *server, const RestoreOptions *options)
{
	BbCall		call = bb_call_begin(server, "bb_restore");

	bb_call_argument(&call, "directory", options->directory);
	bb_call_content(&call, &options->backup);
	bb_call_argument(&call, "max_rate", options->backup.max_rate);
	bb_call_argument(&call, "jobs", options->backup.jobs);
	bb_call_argument(&call, "tablespace_mapping",
					 mapping_array(&options->backup.mappings));
	if (options->delta)
		bb_call_argument(&call, "delta", "true");
	bb_call_argument(&call, "only_databases",
					 name_array(&options->only_databases));
	return bb_call_end(&call);
}

int
main(int argc, char **argv)
{
	RestoreOptions options;
	BbServer   *server;
	PGresult   *result;

	pg_logging_init(argv[0]);
	set_pglocale_pgservice(argv[0], PG_TEXTDOMAIN("bb_restore"));
	options = parse(argc, argv);
	bb_cleanup_init(true);
	server = bb_server_connect(&options.connection);
	bb_rows_settings(server, options.json);
	bb_server_find_lsn(server, &options.backup, options.verbose);
	if (options.backup.mappings.first != NULL)
		(void) bb_server_find_tablespaces(server, &options.backup);
	if (options.verbose && options.backup.lsn != NULL)
		pg_log_info("restoring LSN %s to directory \"%s\" of the server",
					options.backup.lsn, options.directory);
	result = bb_server_ask(server,
						   bb_rows_select(BB_COLUMNS(columns), options.json,
										  restore_call(server, &options)),
						   "restore failed");
	if (options.json)
	{
		bb_rows_object(BB_COLUMNS(columns), result, 0);
		putchar('\n');
	}
	else
		bb_rows_table(server, result);
	bb_rows_end();
	PQclear(result);
	bb_server_close(server);
	return 0;
}

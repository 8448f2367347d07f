/*-------------------------------------------------------------------------
 *
 * confparse.c
 *	  Reading the settings in the configuration files of a backup.
 *
 * (The meaning of include directives and the characters of a name are from
 * ParseConfigFile, ParseConfigDirectory and AbsoluteConfigLocation in
 * PostgreSQL's guc-file.l.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/resource.h"
#include "lib/stringinfo.h"
#include "members/confparse.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* The prefix that makes a setting of an include directive. */
#define DIRECTIVE "bbackup_directive."

/* As in ParseConfigFile. */
#define MAX_DEPTH 10

/* Within that depth, files that include each other could be read for ever. */
#define MAX_FILES 1000

static void parse_file(const BbReqCtx *ctx, BbSmallFiles *files,
					   const char *path, int depth, BbConf *conf);

/* Does the text begin with this word, and not with a longer one? */
static bool
begins_with_word(const char *text, const char *end, const char *word)
{
	size_t		length = strlen(word);

	if ((size_t) (end - text) < length ||
		pg_strncasecmp(text, word, length) != 0)
		return false;
	if (text + length == end)
		return true;
	/* letters, digits, and the dot of a qualified name */
	return !isalnum((unsigned char) text[length]) && text[length] != '_' &&
		text[length] != '.' && !IS_HIGHBIT_SET(text[length]);
}

static bool
is_directive(const char *line, const char *end)
{
	return begins_with_word(line, end, "include") ||
		begins_with_word(line, end, "include_if_exists") ||
		begins_with_word(line, end, "include_dir");
}

/* Copy the text, with its include directives as settings of another name. */
static void
hide_directives(const char *text, size_t length, StringInfo hidden)
{
	const char *end = text + length;

	initStringInfo(hidden);
	for (const char *line = text; line < end;)
	{
		const char *eol = memchr(line, '\n', end - line);
		const char *word = line;

		eol = eol == NULL ? end : eol + 1;
		while (word < eol && (*word == ' ' || *word == '\t' || *word == '\r'))
			word++;
		if (is_directive(word, eol))
			appendStringInfoString(hidden, DIRECTIVE);
		appendBinaryStringInfo(hidden, word, eol - word);
		line = eol;
	}
	/* fmemopen refuses an empty stream */
	appendStringInfoChar(hidden, '\n');
}

static void
close_stream(void *arg)
{
	FILE	  **stream = arg;

	if (*stream != NULL)
		fclose(*stream);
	*stream = NULL;
}

/* Parse the settings in a text, with the server's parser. */
static ConfigVariable *
parse_text(const char *path, const char *text, size_t length)
{
	FILE	  **stream = palloc0(sizeof(FILE *));
	ConfigVariable *first = NULL;
	ConfigVariable *last = NULL;
	StringInfoData hidden;

	hide_directives(text, length, &hidden);
	bb_on_reset(CurrentMemoryContext, close_stream, stream);
	*stream = fmemopen(hidden.data, hidden.len, "r");
	if (*stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not read configuration file \"%s\" of the backup: %m",
						path)));
	/* a server that doesn't start because of an error will report it */
	(void) ParseConfigFp(*stream, path, 0, DEBUG2, &first, &last);
	close_stream(stream);
	pfree(hidden.data);
	return first;
}

/*
 * The path that an include in the file "from" names; NULL if it is outside the
 * data directory, or empty.
 */
static char *
locate(const char *location, const char *from)
{
	char		path[MAXPGPATH];

	if (strspn(location, " \t\r\n") == strlen(location) ||
		is_absolute_path(location))
		return NULL;
	strlcpy(path, from, sizeof(path));
	get_parent_directory(path);
	if (path[0] != '\0')
		join_path_components(path, path, location);
	else
		strlcpy(path, location, sizeof(path));
	canonicalize_path(path);
	if (path[0] == '\0' || !path_is_relative_and_below_cwd(path))
		return NULL;
	return pstrdup(path);
}

/* Does the backup have what the directive names, if it must exist? */
static bool
is_present(const BbSmallFiles *files, const char *directive, const char *path)
{
	if (pg_strcasecmp(directive, "include_if_exists") == 0 ||
		strcmp(path, ".") == 0)
		return true;
	return bb_smallfiles_has(files, path,
							 pg_strcasecmp(directive, "include_dir") == 0);
}

static void
follow(const BbReqCtx *ctx, BbSmallFiles *files, const char *directive,
	   const char *location, const char *from, int depth, BbConf *conf)
{
	char	   *path = locate(location, from);
	ListCell   *cell;

	if (path == NULL)
		conf->outside = lappend(conf->outside, pstrdup(location));
	else if (!is_present(files, directive, path))
		conf->missing = lappend(conf->missing, path);
	else if (pg_strcasecmp(directive, "include_dir") != 0)
		parse_file(ctx, files, path, depth + 1, conf);
	else
	{
		foreach(cell, bb_smallfiles_list(files, path))
		{
			const char *file = lfirst(cell);
			const char *name = strrchr(file, '/') + 1;
			size_t		length = strlen(name);

			if (length >= 6 && name[0] != '.' &&
				strcmp(name + length - 5, ".conf") == 0)
				parse_file(ctx, files, file, depth + 1, conf);
		}
	}
}

static void
parse_file(const BbReqCtx *ctx, BbSmallFiles *files, const char *path,
		   int depth, BbConf *conf)
{
	size_t		length;
	char	   *text;

	bb_reqctx_check(ctx);
	if (depth > MAX_DEPTH || conf->files == MAX_FILES)
		return;
	text = bb_smallfiles_read(ctx, files, path, &length);
	if (text == NULL)
		return;
	conf->files++;
	for (ConfigVariable *item = parse_text(path, text, length); item != NULL;
		 item = item->next)
	{
		BbConfSetting *setting;

		if (item->name == NULL) /* an error */
			continue;
		if (strncmp(item->name, DIRECTIVE, strlen(DIRECTIVE)) == 0)
		{
			follow(ctx, files, item->name + strlen(DIRECTIVE), item->value,
				   path, depth, conf);
			continue;
		}
		setting = palloc(sizeof(BbConfSetting));
		setting->name = item->name;
		setting->value = item->value;
		setting->path = pstrdup(path);
		setting->line = item->sourceline;
		conf->settings = lappend(conf->settings, setting);
	}
	pfree(text);
}

BbConf
bb_conf_parse(const BbReqCtx *ctx, BbSmallFiles *files)
{
	BbConf		conf = {0};

	parse_file(ctx, files, "postgresql.conf", 0, &conf);
	parse_file(ctx, files, PG_AUTOCONF_FILENAME, 0, &conf);
	return conf;
}

const char *
bb_conf_value(const BbConf *conf, const char *name)
{
	const char *value = NULL;
	ListCell   *cell;

	foreach(cell, conf->settings)
	{
		const BbConfSetting *setting = lfirst(cell);

		if (pg_strcasecmp(setting->name, name) == 0)
			value = setting->value;
	}
	return value;
}

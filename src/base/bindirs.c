/*-------------------------------------------------------------------------
 *
 * bindirs.c
 *	  The setting bbackup.redo_bindir: installations of other major versions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "base/bindirs.h"
#include "base/major.h"
#include "base/settings.h"
#include "miscadmin.h"

/* What "postgres --version" says before the version, as find_other_exec expects. */
#define VERSION_PREFIX "postgres (PostgreSQL) "

/* An element of the list. */
typedef struct Bindir
{
	int			major;
	const char *directory; /* in the value */
	size_t		length;
} Bindir;

/*
 * Take the next element from *rest.  Returns false at the end; *complaint is an
 * errdetail if the element is not valid.
 */
static bool
next_bindir(const char **rest, Bindir *bindir, const char **complaint)
{
	const char *at = *rest;
	const char *end;
	char	   *number_end;
	long		number;

	*complaint = NULL;
	at += strspn(at, " \t\n\r");
	if (*at == '\0')
		return false;
	number = strtol(at, &number_end, 10);
	number_end += strspn(number_end, " \t");
	if (!isdigit((unsigned char) *at) || *number_end != '=')
	{
		*complaint = "Each element has the form VERSION=DIRECTORY.";
		return true;
	}
	if (number < BB_MAJOR_OLDEST || number > BB_MAJOR_NEWEST)
	{
		*complaint = "There is a major version that bbackup does not know.";
		return true;
	}
	at = number_end + 1;
	at += strspn(at, " \t");
	end = at + strcspn(at, ",");
	*rest = *end == ',' ? end + 1 : end;
	while (end > at && isspace((unsigned char) end[-1]))
		end--;
	*bindir = (Bindir){.major = (int) number,
					   .directory = at,
					   .length = end - at};
	if (bindir->length == 0 || *at != '/')
		*complaint = "Each directory must be an absolute path.";
	else if (bindir->length >= MAXPGPATH - sizeof("/postgres"))
		*complaint = "A directory is too long.";
	return true;
}

char *
bb_bindirs_find(const char *value, int major)
{
	const char *rest = value;
	const char *complaint;
	Bindir		bindir;

	while (next_bindir(&rest, &bindir, &complaint) && complaint == NULL)
		if (bindir.major == major)
			return pnstrdup(bindir.directory, bindir.length);
	return NULL;
}

/* Copy a directory, quoted for the shell; false if that is too long. */
static bool
quote_for_shell(const Bindir *bindir, char *quoted, size_t size)
{
	size_t		length = 0;

	for (size_t i = 0; i < bindir->length; i++)
	{
		if (length + 5 > size)
			return false;
		if (bindir->directory[i] == '\'')
		{
			memcpy(quoted + length, "'\\''", 4);
			length += 4;
		}
		else
			quoted[length++] = bindir->directory[i];
	}
	quoted[length] = '\0';
	return true;
}

/* Is the program "postgres" there of that major version?  If not, say why. */
static bool
check_program(const Bindir *bindir)
{
	char		quoted[2 * MAXPGPATH];
	char		command[3 * MAXPGPATH];
	char		line[100] = "";
	FILE	   *output = NULL;
	int			found = 0;

	if (quote_for_shell(bindir, quoted, sizeof(quoted)))
	{
		snprintf(command, sizeof(command),
				 "LC_ALL=C '%s/postgres' --version 2>/dev/null", quoted);
		fflush(NULL);
		output = popen(command, "r");
	}
	if (output != NULL)
	{
		if (fgets(line, sizeof(line), output) == NULL)
			line[0] = '\0';
		(void) pclose(output);
	}
	if (strncmp(line, VERSION_PREFIX, strlen(VERSION_PREFIX)) == 0)
		found = atoi(line + strlen(VERSION_PREFIX));
	if (found == bindir->major)
		return true;
	if (found == 0)
		GUC_check_errdetail(
			"There is no program \"%.*s/postgres\" that can be run.",
			(int) bindir->length, bindir->directory);
	else
		GUC_check_errdetail("\"%.*s/postgres\" is PostgreSQL %d, not %d.",
							(int) bindir->length, bindir->directory, found,
							bindir->major);
	return false;
}

/* Does a user set the value, rather than a process that starts or reloads? */
static bool
set_by_user(const char *newval)
{
	return IsUnderPostmaster && !InitializingParallelWorker &&
		IsTransactionState() && bb_settings_defined &&
		strcmp(newval, bb_setting_redo_bindir) != 0;
}

bool
bb_bindirs_check(char **newval, void **extra, GucSource source)
{
	const bool	run = set_by_user(*newval);
	const char *rest = *newval;
	const char *complaint;
	Bindir		bindir;
	uint32		seen = 0;

	while (next_bindir(&rest, &bindir, &complaint))
	{
		if (complaint == NULL && (seen & (1U << bindir.major)) != 0)
			complaint = "A major version has two directories.";
		if (complaint != NULL)
		{
			GUC_check_errdetail("%s", complaint);
			return false;
		}
		seen |= 1U << bindir.major;
		if (run && !check_program(&bindir))
			return false;
	}
	return true;
}

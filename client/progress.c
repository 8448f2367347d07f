/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  The progress line, in pg_basebackup's format.
 *
 * (progress_report in PostgreSQL's pg_basebackup.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>
#include <unistd.h>

#include "progress.h"

/* The width of the column with the file's name. */
#define FILE_WIDTH 35

static struct
{
	bool		shown;
	bool		verbose;
	bool		terminal;
	uint64		total_kb;
	uint64		done; /* bytes */
	int			archives;
	int			archives_done;
	time_t		reported;
	char		file[MAXPGPATH];
}			progress;

/* Print the size that has arrived, and the total. */
static void
print_amount(int percent)
{
	char		done[32];
	char		total[32];

	snprintf(done, sizeof(done), UINT64_FORMAT, progress.done / 1024);
	snprintf(total, sizeof(total), UINT64_FORMAT, progress.total_kb);
	fprintf(stderr, "%*s/%s kB (%d%%), %d/%d %s", (int) strlen(total), done,
			total, percent, progress.archives_done, progress.archives,
			progress.archives == 1 ? "tablespace" : "tablespaces");
}

/* Print the file's name, or the end of it. */
static void
print_file(void)
{
	size_t		length = strlen(progress.file);

	if (length > FILE_WIDTH)
		fprintf(stderr, " (...%s)", progress.file + length - FILE_WIDTH + 3);
	else
		fprintf(stderr, " (%-*s)", FILE_WIDTH, progress.file);
}

static void
report(bool finished)
{
	uint64		done_kb = progress.done / 1024;
	int			percent = 0;

	/* the size is an estimate */
	if (done_kb > progress.total_kb)
		progress.total_kb = done_kb;
	if (progress.total_kb > 0)
		percent = (int) (done_kb * 100 / progress.total_kb);

	print_amount(progress.verbose && finished ? 100 : percent);
	if (progress.verbose && finished)
		fprintf(stderr, " %*s", FILE_WIDTH + 5, ""); /* blank out the name */
	else if (progress.verbose)
		print_file();
	fputc(!finished && progress.terminal ? '\r' : '\n', stderr);
}

/* Report at most once a second. */
static void
report_sometimes(void)
{
	time_t		now;

	if (!progress.shown)
		return;
	now = time(NULL);
	if (now == progress.reported)
		return;
	progress.reported = now;
	report(false);
}

void
bb_progress_init(bool verbose, uint64 size, int archives)
{
	progress.shown = true;
	progress.verbose = verbose;
	progress.terminal = isatty(fileno(stderr));
	progress.total_kb = size / 1024;
	progress.archives = archives;
}

void
bb_progress_add(size_t bytes)
{
	progress.done += bytes;
	report_sometimes();
}

void
bb_progress_file(const char *path)
{
	if (progress.shown)
		strlcpy(progress.file, path, sizeof(progress.file));
}

void
bb_progress_archive_done(void)
{
	progress.archives_done++;
	if (progress.archives < progress.archives_done)
		progress.archives = progress.archives_done;
}

void
bb_progress_end(void)
{
	if (progress.shown)
		report(true);
}

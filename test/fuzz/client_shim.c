/*-------------------------------------------------------------------------
 *
 * client_shim.c
 *	  The parts of the client that its decoders need: messages, and exit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "common/logging.h"
#include "compat.h"
#include "fuzz.h"
#include "progress.h"

enum pg_log_level __pg_log_level = PG_LOG_INFO;

pg_noreturn extern void fuzz_exit(int status);

void
fuzz_exit(int status)
{
	siglongjmp(fuzz_error, 1);
}

void
pg_log_generic(enum pg_log_level level, enum pg_log_part part,
			   const char *pg_restrict fmt, ...)
{
	char		text[16384];
	va_list		args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
}

void
bb_progress_add(uint64 bytes)
{
}

void
bb_progress_archive_done(void)
{
}

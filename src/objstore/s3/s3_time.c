/*-------------------------------------------------------------------------
 *
 * s3_time.c
 *	  Times in S3's documents and headers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "objstore/s3/s3_time.h"
#include "pgtime.h"

int64
bb_s3_time_parse(const char *text)
{
	struct tm	tm = {0};

	if (sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

char *
bb_s3_time_text(int64 time)
{
	pg_time_t	seconds = (pg_time_t) time;
	char		text[32];

	pg_strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", pg_gmtime(&seconds));
	return pstrdup(text);
}

/*-------------------------------------------------------------------------
 *
 * httpheader.c
 *	  Decoding the headers of an answer: sizes, ETag, date, redirection.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "objstore/s3/httpheader.h"

/* "content-range: bytes 0-99/1234": 1234; 0 if it isn't known. */
static uint64
total_of_range(const char *line, size_t end)
{
	uint64		total = 0;
	uint64		unit = 1;

	for (; end > 0 && line[end - 1] >= '0' && line[end - 1] <= '9'; end--)
	{
		total += unit * (line[end - 1] - '0');
		unit *= 10;
	}
	return end > 0 && line[end - 1] == '/' ? total : 0;
}

/* Can this character be in the name of a host or region, or a port? */
static bool
is_plain(char c)
{
	return isalnum((unsigned char) c) || strchr("-.:[]_", c) != NULL;
}

/*
 * Copy "https://host:port" of "location: https://host:port/path?query".  The
 * rest isn't kept, because the query may contain a signature.
 */
static void
take_location(const char *line, size_t end, BbHttpAnswer *answer)
{
	size_t		start = strlen("location: ");
	size_t		at = start;

	while (at < end && line[at] != ':')
		at++;
	if (at + 3 > end || strncmp(line + at, "://", 3) != 0)
		return;
	for (at += 3; at < end && is_plain(line[at]);)
		at++;
	if (at - start < sizeof(answer->location))
	{
		memcpy(answer->location, line + start, at - start);
		answer->location[at - start] = '\0';
	}
}

static void
take_region(const char *line, size_t end, BbHttpAnswer *answer)
{
	size_t		start = strlen("x-amz-bucket-region: ");

	for (size_t at = start; at < end; at++)
		if (!is_plain(line[at]))
			return;
	if (end - start < sizeof(answer->region))
	{
		memcpy(answer->region, line + start, end - start);
		answer->region[end - start] = '\0';
	}
}

void
bb_http_take_header(const char *line, size_t end, BbHttpAnswer *answer)
{
	if (end > 6 && pg_strncasecmp(line, "etag: ", 6) == 0 &&
		end - 6 < sizeof(answer->etag))
	{
		memcpy(answer->etag, line + 6, end - 6);
		answer->etag[end - 6] = '\0';
	}
	else if (end > 10 && pg_strncasecmp(line, "location: ", 10) == 0)
		take_location(line, end, answer);
	else if (end > 21 &&
			 pg_strncasecmp(line, "x-amz-bucket-region: ", 21) == 0)
		take_region(line, end, answer);
	else if (end > 15 && pg_strncasecmp(line, "content-range: ", 15) == 0)
		answer->total_length = total_of_range(line, end);
	else if (end > 6 && end < 100 && pg_strncasecmp(line, "date: ", 6) == 0)
	{
		char		date[100];

		memcpy(date, line + 6, end - 6);
		date[end - 6] = '\0';
		answer->date = Max(curl_getdate(date, NULL), 0);
	}
}

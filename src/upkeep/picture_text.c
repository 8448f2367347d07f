/*-------------------------------------------------------------------------
 *
 * picture_text.c
 *	  Text in a picture.
 *
 * Names and reasons come from the store, which others can write to.  They may
 * have any bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "upkeep/picture_internal.h"

/* Append a character that isn't ASCII; returns its length. */
static int
escape_wide(StringInfo out, const char *text)
{
	const unsigned char *bytes = (const unsigned char *) text;
	int			length = pg_utf_mblen(bytes);
	pg_wchar	c;

	if (strnlen(text, length) < length || length == 1 ||
		!pg_utf8_islegal(bytes, length))
	{
		appendStringInfoChar(out, '?');
		return 1;
	}
	c = utf8_to_unicode(bytes);
	/* XML has neither control characters nor these two */
	if (c < 0xA0 || (c & 0xFFFF) == 0xFFFE || (c & 0xFFFF) == 0xFFFF)
		appendStringInfoChar(out, '?');
	else
		appendStringInfo(out, "&#%u;", (unsigned) c);
	return length;
}

void
bb_picture_escape(StringInfo out, const char *text)
{
	while (*text != '\0')
	{
		unsigned char c = (unsigned char) *text;

		if (c >= 0x80)
		{
			text += escape_wide(out, text);
			continue;
		}
		switch (c)
		{
			case '&':
				appendStringInfoString(out, "&amp;");
				break;
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '>':
				appendStringInfoString(out, "&gt;");
				break;
			case '"':
				appendStringInfoString(out, "&quot;");
				break;
			case '\'':
				appendStringInfoString(out, "&#39;");
				break;
			default:
				if (c == '\n' || c == '\t')
					c = ' ';
				appendStringInfoChar(out, c < ' ' || c == 0x7F ? '?' : c);
		}
		text++;
	}
}

char *
bb_picture_bytes(uint64 bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double		value = (double) bytes;
	int			unit = -1;

	while (value >= 1024 && unit + 1 < (int) lengthof(units))
	{
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		return psprintf(UINT64_FORMAT " bytes", bytes);
	return psprintf(value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

char *
bb_picture_time(int64 time)
{
	pg_time_t	t = (pg_time_t) time;
	struct pg_tm *tm = pg_gmtime(&t);
	char		text[64];

	if (tm == NULL ||
		pg_strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", tm) == 0)
		return pstrdup("?");
	return pstrdup(text);
}

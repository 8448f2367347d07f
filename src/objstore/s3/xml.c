/*-------------------------------------------------------------------------
 *
 * xml.c
 *	  A reader of the small XML documents in S3's answers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "objstore/s3/xml.h"

void
bb_xml_init(BbXml *xml, const char *document)
{
	memset(xml, 0, sizeof(BbXml));
	xml->at = document;
	initStringInfo(&xml->path);
	initStringInfo(&xml->text);
}

static bool
report_error(BbXml *xml, const char *error)
{
	xml->error = error;
	return false;
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':';
}

/* Go past the next "end". */
static bool
skip_to(BbXml *xml, const char *end)
{
	const char *found = strstr(xml->at, end);

	if (found == NULL)
		return report_error(xml, "It ends too early.");
	xml->at = found + strlen(end);
	return true;
}

/* At '&'. */
static bool
take_entity(BbXml *xml)
{
	static const struct
	{
		const char *entity;
		char		c;
	}			entities[] = {{"&lt;", '<'},
					{"&gt;", '>'},
					{"&amp;", '&'},
					{"&quot;", '"'},
					{"&apos;", '\''}};
	unsigned char utf8[8] = {0};
	unsigned long number;
	char	   *end;

	for (int i = 0; i < lengthof(entities); i++)
	{
		size_t		length = strlen(entities[i].entity);

		if (strncmp(xml->at, entities[i].entity, length) == 0)
		{
			appendStringInfoChar(&xml->text, entities[i].c);
			xml->at += length;
			return true;
		}
	}
	if (xml->at[1] != '#')
		return report_error(xml, "It has an unknown entity.");
	if (xml->at[2] == 'x')
		number = strtoul(xml->at + 3, &end, 16);
	else
		number = strtoul(xml->at + 2, &end, 10);
	if (*end != ';' || number == 0 || number > 0x10FFFF)
		return report_error(xml, "It has an invalid character reference.");
	unicode_to_utf8((pg_wchar) number, utf8);
	appendBinaryStringInfo(&xml->text, (char *) utf8, pg_utf_mblen(utf8));
	xml->at = end + 1;
	return true;
}

/* After the name in a start tag: go past its '>'. */
static bool
skip_attributes(BbXml *xml, bool *empty)
{
	char		quote = '\0';
	const char *p = xml->at;

	while (*p != '\0' && (quote != '\0' || *p != '>'))
	{
		if (quote != '\0' ? *p == quote : (*p == '"' || *p == '\''))
			quote = quote != '\0' ? '\0' : *p;
		p++;
	}
	if (*p == '\0')
		return report_error(xml, "It ends too early.");
	*empty = p[-1] == '/';
	xml->at = p + 1;
	return true;
}

static bool
open_element(BbXml *xml, bool *empty)
{
	const char *name = ++xml->at;

	while (is_name(*xml->at))
		xml->at++;
	if (xml->at == name)
		return report_error(xml, "It has an invalid tag.");
	if (xml->depth == BB_XML_MAX_DEPTH)
		return report_error(xml, "Its elements are nested too deeply.");
	xml->parents[xml->depth++] = xml->path.len;
	if (xml->path.len > 0)
		appendStringInfoChar(&xml->path, '/');
	appendBinaryStringInfo(&xml->path, name, (int) (xml->at - name));
	resetStringInfo(&xml->text);
	return skip_attributes(xml, empty);
}

/* At "</". */
static bool
close_element(BbXml *xml)
{
	const char *open;
	size_t		length;

	if (xml->depth == 0)
		return report_error(xml, "It closes what is not open.");
	open = xml->path.data + xml->parents[xml->depth - 1];
	if (*open == '/')
		open++;
	length = strlen(open);
	xml->at += 2;
	if (strncmp(xml->at, open, length) != 0)
		return report_error(xml, "It closes what is not open.");
	xml->at += length;
	xml->at += strspn(xml->at, " \t\r\n");
	if (*xml->at != '>')
		return report_error(xml, "It has an invalid tag.");
	xml->at++;
	return true;
}

/* Leave the innermost element. */
static void
leave_element(BbXml *xml)
{
	xml->path.len = xml->parents[--xml->depth];
	xml->path.data[xml->path.len] = '\0';
	resetStringInfo(&xml->text);
	xml->ended = xml->depth == 0;
}

bool
bb_xml_next(BbXml *xml, const char **path, const char **text)
{
	bool		closed = false;

	if (xml->error != NULL)
		return false;
	if (xml->pop)
		leave_element(xml);
	xml->pop = false;

	while (!closed)
	{
		if (*xml->at == '\0')
			return xml->ended ? false
							  : report_error(xml, "It ends too early.");
		if (xml->ended && strchr(" \t\r\n", *xml->at) == NULL)
			return report_error(xml, "Something follows its end.");

		if (strncmp(xml->at, "<?", 2) == 0)
		{
			if (!skip_to(xml, "?>"))
				return false;
		}
		else if (strncmp(xml->at, "<!--", 4) == 0)
		{
			if (!skip_to(xml, "-->"))
				return false;
		}
		else if (strncmp(xml->at, "</", 2) == 0)
		{
			if (!close_element(xml))
				return false;
			closed = true;
		}
		else if (*xml->at == '<')
		{
			if (!open_element(xml, &closed))
				return false;
		}
		else if (*xml->at == '&')
		{
			if (!take_entity(xml))
				return false;
		}
		else
		{
			if (xml->depth > 0)
				appendStringInfoChar(&xml->text, *xml->at);
			xml->at++;
		}
	}
	xml->pop = true;
	*path = xml->path.data;
	*text = xml->text.data;
	return true;
}

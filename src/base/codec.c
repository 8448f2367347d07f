/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  Appending integers to buffers, and reading them from untrusted bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"

void
bb_append_u8(StringInfo buf, uint8 v)
{
	appendStringInfoCharMacro(buf, (char) v);
}

void
bb_append_le32(StringInfo buf, uint32 v)
{
	uint8		bytes[sizeof(v)];

	bb_put_le32(bytes, v);
	appendBinaryStringInfo(buf, (char *) bytes, sizeof(bytes));
}

void
bb_append_le64(StringInfo buf, uint64 v)
{
	uint8		bytes[sizeof(v)];

	bb_put_le64(bytes, v);
	appendBinaryStringInfo(buf, (char *) bytes, sizeof(bytes));
}

void
bb_append_text(StringInfo buf, const char *text)
{
	size_t		length = strlen(text);

	bb_append_le32(buf, (uint32) length);
	appendBinaryStringInfo(buf, text, (int) length);
}

void
bb_reader_init(BbReader *reader, const void *data, size_t length)
{
	reader->data = data;
	reader->length = length;
	reader->at = 0;
	reader->failed = false;
}

const uint8 *
bb_reader_bytes(BbReader *reader, size_t n)
{
	const uint8 *bytes;

	if (reader->failed || n > reader->length - reader->at)
	{
		reader->failed = true;
		return NULL;
	}
	bytes = reader->data + reader->at;
	reader->at += n;
	return bytes;
}

uint8
bb_reader_u8(BbReader *reader)
{
	const uint8 *bytes = bb_reader_bytes(reader, 1);

	return bytes ? bytes[0] : 0;
}

uint32
bb_reader_le32(BbReader *reader)
{
	const uint8 *bytes = bb_reader_bytes(reader, sizeof(uint32));

	return bytes ? bb_get_le32(bytes) : 0;
}

uint64
bb_reader_le64(BbReader *reader)
{
	const uint8 *bytes = bb_reader_bytes(reader, sizeof(uint64));

	return bytes ? bb_get_le64(bytes) : 0;
}

char *
bb_reader_text(BbReader *reader, size_t max_length)
{
	size_t		length = bb_reader_le32(reader);
	const uint8 *bytes = NULL;

	if (length <= max_length)
		bytes = bb_reader_bytes(reader, length);
	if (bytes == NULL || memchr(bytes, 0, length) != NULL)
	{
		reader->failed = true;
		return NULL;
	}
	return pnstrdup((const char *) bytes, length);
}

bool
bb_reader_done(const BbReader *reader)
{
	return !reader->failed && reader->at == reader->length;
}

/*-------------------------------------------------------------------------
 *
 * copy_decoder.c
 *	  A decoder of binary COPY that returns the bytes of archives.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/logging.h"
#include "compat.h"
#include "copy_decoder.h"
#include "port/pg_bswap.h"
#include "progress.h"

#define SIGNATURE_SIZE 11
static const char signature[SIGNATURE_SIZE] = "PGCOPY\n\377\r\n";

/* Flags that a reader must understand; the decoder accepts none of them. */
#define CRITICAL_FLAGS 0xffff0000

/* The greatest length of an archive's name, bytes. */
#define NAME_MAX_LENGTH 99

typedef enum CopyState
{
	COPY_SIGNATURE,
	COPY_FLAGS,
	COPY_EXTENSION_SIZE,
	COPY_EXTENSION, /* skipped */
	COPY_COLUMNS,	/* the number of a row; -1 is the trailer */
	COPY_NAME_SIZE,
	COPY_NAME,
	COPY_DATA_SIZE,
	COPY_DATA,
	COPY_DONE
} CopyState;

struct BbCopyDecoder
{
	BbOutput   *output;
	CopyState	state;
	/* the part that is being read */
	uint32		size;
	uint32		have;
	char		bytes[NAME_MAX_LENGTH + 1];

	int			columns; /* of a row; 0 before the first row */
	char		archive[NAME_MAX_LENGTH + 1];
	bool		open;  /* the output has an archive open */
	bool		fresh; /* the open archive has no bytes yet */
	char		opened[NAME_MAX_LENGTH + 1];
};

pg_noreturn static void not_a_backup(void);

/* Expect a part of "size" bytes next. */
static void
expect(BbCopyDecoder *decoder, CopyState state, uint32 size)
{
	decoder->state = state;
	decoder->size = size;
	decoder->have = 0;
}

BbCopyDecoder *
bb_copy_decoder_new(BbOutput *output, const char *archive)
{
	BbCopyDecoder *decoder = pg_malloc0(sizeof(BbCopyDecoder));

	decoder->output = output;
	strlcpy(decoder->archive, archive, sizeof(decoder->archive));
	expect(decoder, COPY_SIGNATURE, SIGNATURE_SIZE);
	return decoder;
}

static uint32
get_uint32(const BbCopyDecoder *decoder)
{
	uint32		value;

	memcpy(&value, decoder->bytes, sizeof(value));
	return pg_ntoh32(value);
}

static void
not_a_backup(void)
{
	bb_fatal_hint(
		"It comes from COPY (SELECT bb_basebackup_stream(...)) TO "
		"... (FORMAT binary), or from COPY (SELECT (a).archive, (a).data FROM "
		"(SELECT bb_basebackup_archives(...) AS a) AS s).",
		"stream is not that of a backup in binary COPY format");
}

/* Return the size of a column, which can't be NULL. */
static uint32
column_size(const BbCopyDecoder *decoder)
{
	int32		size = (int32) get_uint32(decoder);

	if (size < 0)
		not_a_backup();
	return size;
}

/* Begin a row, or end the stream. */
static void
begin_row(BbCopyDecoder *decoder)
{
	int16		columns;

	memcpy(&columns, decoder->bytes, sizeof(columns));
	columns = (int16) pg_ntoh16((uint16) columns);
	if (columns == -1)
	{
		expect(decoder, COPY_DONE, 0);
		return;
	}
	if (columns < 1 || columns > 2 ||
		(decoder->columns != 0 && columns != decoder->columns))
		not_a_backup();
	decoder->columns = columns;
	expect(decoder, columns == 2 ? COPY_NAME_SIZE : COPY_DATA_SIZE, 4);
}

static void
end_archive(BbCopyDecoder *decoder)
{
	bb_output_end_archive(decoder->output);
	/* a separate manifest is no archive of a tablespace */
	if (strcmp(decoder->opened, "backup_manifest") != 0)
		bb_progress_archive_done();
	decoder->open = false;
}

/* Begin the data of a row, in the archive that it names. */
static void
begin_data(BbCopyDecoder *decoder)
{
	if (decoder->open && strcmp(decoder->archive, decoder->opened) != 0)
		end_archive(decoder);
	if (!decoder->open)
	{
		bb_output_begin_archive(decoder->output, decoder->archive);
		strlcpy(decoder->opened, decoder->archive, sizeof(decoder->opened));
		decoder->open = true;
		decoder->fresh = true;
	}
	expect(decoder, COPY_DATA, column_size(decoder));
}

/*
 * No archive, compressed or not, begins with a zero.  A row of
 * bb_basebackup_archives() as one column does.
 */
static void
check_begin(BbCopyDecoder *decoder, const char *data, size_t length)
{
	if (!decoder->fresh || length == 0)
		return;
	if (data[0] == '\0')
		not_a_backup();
	decoder->fresh = false;
}

/* Handle a complete part. */
static void
take_part(BbCopyDecoder *decoder)
{
	switch (decoder->state)
	{
		case COPY_SIGNATURE:
			if (memcmp(decoder->bytes, signature, SIGNATURE_SIZE) != 0)
				not_a_backup();
			expect(decoder, COPY_FLAGS, 4);
			break;
		case COPY_FLAGS:
			if (get_uint32(decoder) & CRITICAL_FLAGS)
				not_a_backup();
			expect(decoder, COPY_EXTENSION_SIZE, 4);
			break;
		case COPY_EXTENSION_SIZE:
			expect(decoder, COPY_EXTENSION, column_size(decoder));
			break;
		case COPY_EXTENSION:
			expect(decoder, COPY_COLUMNS, 2);
			break;
		case COPY_COLUMNS:
			begin_row(decoder);
			break;
		case COPY_NAME_SIZE:
			if (column_size(decoder) > NAME_MAX_LENGTH)
				not_a_backup();
			expect(decoder, COPY_NAME, column_size(decoder));
			break;
		case COPY_NAME:
			decoder->bytes[decoder->size] = '\0';
			strlcpy(decoder->archive, decoder->bytes,
					sizeof(decoder->archive));
			expect(decoder, COPY_DATA_SIZE, 4);
			break;
		case COPY_DATA_SIZE:
			begin_data(decoder);
			break;
		case COPY_DATA:
			expect(decoder, COPY_COLUMNS, 2);
			break;
		case COPY_DONE:
			break;
	}
}

void
bb_copy_decoder_feed(BbCopyDecoder *decoder, const char *data, size_t length)
{
	while (length > 0)
	{
		size_t		some = Min(length, decoder->size - decoder->have);

		if (decoder->state == COPY_DONE)
			pg_fatal("stream has data after its end");
		if (decoder->state == COPY_DATA)
		{
			check_begin(decoder, data, some);
			bb_output_write(decoder->output, data, some);
			bb_progress_add(some);
		}
		else if (decoder->state != COPY_EXTENSION)
			memcpy(decoder->bytes + decoder->have, data, some);
		decoder->have += some;
		data += some;
		length -= some;

		/* a part may be empty */
		while (decoder->have == decoder->size && decoder->state != COPY_DONE)
			take_part(decoder);
	}
}

void
bb_copy_decoder_end(BbCopyDecoder *decoder)
{
	if (decoder->state != COPY_DONE)
		bb_fatal_hint("The query that wrote it has failed; the client that "
					  "ran it has the error.",
					  "backup is incomplete: the stream was cut");
	if (!decoder->open)
		not_a_backup();
	end_archive(decoder);
	pg_free(decoder);
}

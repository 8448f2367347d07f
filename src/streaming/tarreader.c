/*-------------------------------------------------------------------------
 *
 * tarreader.c
 *	  A reader of the tar archives of a base backup.
 *
 * (The fields of a header are those of tarCreateHeader in PostgreSQL's
 * src/port/tar.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "pgtar.h"
#include "streaming/tarreader.h"

/* Two blocks of zeros end an archive. */
#define END_BLOCKS 2

/* Fields of a header: place and size. */
#define NAME_AT 0
#define NAME_SIZE 100
#define MODE_AT 100
#define UID_AT 108
#define GID_AT 116
#define NUMBER_SIZE 8 /* of those three, and of the checksum */
#define SIZE_AT 124
#define SIZE_SIZE 12
#define CHECKSUM_AT 148
#define TYPE_AT 156
#define TYPE_FILE '0'
#define TYPE_LINK '2'
#define TYPE_DIRECTORY '5'
#define TARGET_AT 157
#define MAGIC_AT 257
#define PREFIX_AT 345
#define PREFIX_SIZE 155

#define ALL_MODE_BITS 07777

typedef enum TarState
{
	TAR_HEADER,	 /* collecting a header */
	TAR_CONTENT, /* content of a member */
	TAR_PADDING, /* padding after it */
	TAR_END		 /* only zeros may follow */
} TarState;

struct BbTarReader
{
	const BbTarEvents *events;
	void	   *arg;
	TarState	state;
	char		header[TAR_BLOCK_SIZE];
	size_t		have;  /* bytes of the header so far */
	uint64		left;  /* bytes of the content or the padding */
	uint64		zeros; /* bytes at the end */
	size_t		padding;
};

pg_noreturn static void invalid(const char *detail);

static void
invalid(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("invalid tar archive of a base backup"),
			 errdetail("%s", detail)));
	pg_unreachable();
}

BbTarReader *
bb_tarreader_new(const BbTarEvents *events, void *arg)
{
	BbTarReader *reader = palloc0(sizeof(BbTarReader));

	reader->events = events;
	reader->arg = arg;
	reader->state = TAR_HEADER;
	return reader;
}

static bool
all_zeros(const char *data, size_t length)
{
	return length == 0 ||
		(data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

/*
 * Read a number: octal digits, ended by spaces or zeros; or, marked by the bit
 * 0x80 of the first byte, in base 256 (print_tar_number).
 */
static uint64
number(const char *field, size_t size)
{
	const uint8 *bytes = (const uint8 *) field;
	uint64		value = 0;
	size_t		i = 0;

	if (bytes[0] == 0x80)
	{
		for (i = 1; i < size; i++)
		{
			if (value > (PG_UINT64_MAX >> 8))
				invalid("A number in a header is too large.");
			value = value << 8 | bytes[i];
		}
		return value;
	}
	for (; i < size && bytes[i] >= '0' && bytes[i] <= '7'; i++)
		value = value << 3 | (bytes[i] - '0'); /* up to 36 bits */
	if (i == 0)
		invalid("A number in a header has no digits.");
	for (; i < size; i++)
		if (bytes[i] != ' ' && bytes[i] != '\0')
			invalid("A number in a header has other characters than digits.");
	return value;
}

static uint32
small_number(const char *field)
{
	uint64		value = number(field, NUMBER_SIZE);

	if (value > PG_UINT32_MAX)
		invalid("A number in a header is too large.");
	return (uint32) value;
}

/* Each part of a path must be a name. */
static bool
is_inside(const char *path)
{
	for (const char *part = path; part != NULL;)
	{
		const char *slash = strchr(part, '/');
		size_t		letters = slash ? slash - part : strlen(part);

		if (letters == 0 || (letters == 1 && part[0] == '.') ||
			(letters == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part = slash ? slash + 1 : NULL;
	}
	return true;
}

/* Return the path in a header, palloc'd. */
static char *
member_path(const char *header)
{
	char	   *path;
	size_t		length;

	if (header[PREFIX_AT] != '\0')
		path = psprintf("%.*s/%.*s", PREFIX_SIZE, header + PREFIX_AT,
						NAME_SIZE, header + NAME_AT);
	else
		path = pnstrdup(header + NAME_AT, NAME_SIZE);
	/* "./pg_wal/archive_status" in basebackup.c */
	if (strncmp(path, "./", 2) == 0)
		memmove(path, path + 2, strlen(path) - 1);
	length = strlen(path);
	/* tarCreateHeader adds a '/' to the name of a link, too */
	if (header[TYPE_AT] != TYPE_FILE && length > 1 && path[length - 1] == '/')
		path[length - 1] = '\0';
	if (!is_inside(path))
		invalid(psprintf("A member has the unsafe path \"%s\".", path));
	return path;
}

static void
begin_member(BbTarReader *reader)
{
	const char *header = reader->header;
	BbTarMember member = {0};
	char	   *path;
	char	   *target = NULL;

	if (memcmp(header + MAGIC_AT, "ustar", 5) != 0)
		invalid("A header has no magic.");
	if (number(header + CHECKSUM_AT, NUMBER_SIZE) !=
		(uint64) tarChecksum(reader->header))
		invalid("A header has a wrong checksum.");

	member.path = path = member_path(header);
	member.mode = (mode_t) (small_number(header + MODE_AT) & ALL_MODE_BITS);
	member.uid = small_number(header + UID_AT);
	member.gid = small_number(header + GID_AT);
	member.size = number(header + SIZE_AT, SIZE_SIZE);
	if (member.size > PG_INT64_MAX)
		invalid(psprintf("The size of \"%s\" is impossible.", path));
	switch (header[TYPE_AT])
	{
		case TYPE_FILE:
			member.kind = BB_TAR_FILE;
			break;
		case TYPE_DIRECTORY:
			member.kind = BB_TAR_DIRECTORY;
			break;
		case TYPE_LINK:
			member.kind = BB_TAR_LINK;
			target = pnstrdup(header + TARGET_AT, NAME_SIZE);
			member.target = target;
			break;
		default:
			invalid(psprintf("\"%s\" is of the unknown type %u.", path,
							 (uint8) header[TYPE_AT]));
	}
	if (member.kind != BB_TAR_FILE && member.size != 0)
		invalid(psprintf("\"%s\" has content, but is not a file.", path));

	reader->state = TAR_CONTENT;
	reader->left = member.size;
	reader->padding = tarPaddingBytesRequired(member.size);
	reader->events->begin_member(reader->arg, &member);
	pfree(path);
	if (target != NULL)
		pfree(target);
}

/* Handle a complete header. */
static void
take_header(BbTarReader *reader)
{
	reader->have = 0;
	if (all_zeros(reader->header, TAR_BLOCK_SIZE))
	{
		reader->state = TAR_END;
		reader->zeros = TAR_BLOCK_SIZE;
	}
	else
		begin_member(reader);
}

/* Go to the next state if the content or the padding is complete. */
static void
next_state(BbTarReader *reader)
{
	if (reader->state == TAR_CONTENT && reader->left == 0)
	{
		reader->events->end_member(reader->arg);
		reader->state = TAR_PADDING;
		reader->left = reader->padding;
	}
	if (reader->state == TAR_PADDING && reader->left == 0)
		reader->state = TAR_HEADER;
}

void
bb_tarreader_feed(BbTarReader *reader, const char *data, size_t length)
{
	while (length > 0)
	{
		size_t		some = length;

		switch (reader->state)
		{
			case TAR_HEADER:
				some = Min(length, TAR_BLOCK_SIZE - reader->have);
				memcpy(reader->header + reader->have, data, some);
				reader->have += some;
				if (reader->have == TAR_BLOCK_SIZE)
					take_header(reader);
				break;
			case TAR_CONTENT:
				some = (size_t) Min((uint64) length, reader->left);
				reader->left -= some;
				reader->events->data(reader->arg, data, some);
				break;
			case TAR_PADDING:
				some = (size_t) Min((uint64) length, reader->left);
				reader->left -= some;
				break;
			case TAR_END:
				if (!all_zeros(data, length))
					invalid("There are bytes after its end.");
				reader->zeros += length;
				break;
		}
		data += some;
		length -= some;
		next_state(reader);
	}
}

void
bb_tarreader_end(BbTarReader *reader)
{
	if (reader->state != TAR_END ||
		reader->zeros < END_BLOCKS * TAR_BLOCK_SIZE ||
		reader->zeros % TAR_BLOCK_SIZE != 0)
		invalid("It ends early.");
	pfree(reader);
}

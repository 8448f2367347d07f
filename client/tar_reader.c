/*-------------------------------------------------------------------------
 *
 * tar_reader.c
 *	  A reader of tar archives that works while the bytes arrive.
 *
 * (The offsets of a header's fields are those of tarCreateHeader in
 * PostgreSQL's src/port/tar.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "cleanup.h"
#include "common/logging.h"
#include "compat.h"
#include "pgtar.h"
#include "tar_reader.h"

/* Two blocks of zeros end an archive. */
#define END_BLOCKS 2

/*
 * All permission bits, and those that a member of a backup may have: no setuid
 * or setgid, and write permission for the owner only.
 */
#define ALL_MODE_BITS 07777
#define SAFE_MODE_BITS 0755

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

pg_noreturn static void not_a_tar(const char *header);

BbTarReader *
bb_tar_reader_new(const BbTarEvents *events, void *arg)
{
	BbTarReader *reader = pg_malloc0(sizeof(BbTarReader));

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

/* Report bytes that are no tar, or a compressed one. */
static void
not_a_tar(const char *header)
{
	static const char *const magic[] = {"\x1f\x8b", "\x04\x22\x4d\x18",
										"\x28\xb5\x2f\xfd"};

	for (int i = 0; i < lengthof(magic); i++)
	{
		if (memcmp(header, magic[i], strlen(magic[i])) == 0)
			bb_fatal_hint("Use --format=tar, or no compression.",
						  "backup is compressed, and can't be extracted");
	}
	pg_fatal("invalid header of a tar archive");
}

/* Return the path in a header; ends the program if the path is unsafe. */
static char *
member_path(const char *header)
{
	char	   *path;
	size_t		length;

	if (header[345] != '\0')
		path = psprintf("%.155s/%.100s", header + 345, header);
	else
		path = psprintf("%.100s", header);
	length = strlen(path);
	if (length > 1 && path[length - 1] == '/')
		path[length - 1] = '\0';

	/* each part must be a name */
	for (const char *part = path; part != NULL;)
	{
		const char *slash = strchr(part, '/');
		size_t		letters = slash ? slash - part : strlen(part);

		if (letters == 0 || (letters == 1 && part[0] == '.') ||
			(letters == 2 && part[0] == '.' && part[1] == '.'))
			pg_fatal("tar archive has a member with an unsafe path: \"%s\"",
					 path);
		part = slash ? slash + 1 : NULL;
	}
	return path;
}

static void
begin_member(BbTarReader *reader)
{
	char	   *header = reader->header;
	BbTarMember member = {0};
	uint64		mode;

	if (memcmp(header + 257, "ustar", 5) != 0 ||
		read_tar_number(header + 148, 8) != tarChecksum(header))
		not_a_tar(header);

	member.path = member_path(header);
	mode = read_tar_number(header + 100, 8) & ALL_MODE_BITS;
	if ((mode & ~SAFE_MODE_BITS) != 0)
		pg_fatal(
			"tar archive has a member with unsafe permissions %04o: \"%s\"",
			(unsigned int) mode, member.path);
	member.mode = (mode_t) mode;
	member.size = read_tar_number(header + 124, 12);
	if (member.size > PG_INT64_MAX)
		pg_fatal("tar archive has a member with an impossible size: \"%s\"",
				 member.path);
	switch (header[156])
	{
		case '0':
			break;
		case '5':
			member.directory = true;
			if (member.size != 0)
				pg_fatal("tar archive has a directory with content: \"%s\"",
						 member.path);
			break;
		default:
			pg_fatal("tar archive has a member of unknown type \"%c\": \"%s\"",
					 header[156], member.path);
	}

	reader->events->begin_member(reader->arg, &member);
	pg_free(member.path);
	reader->state = TAR_CONTENT;
	reader->left = member.size;
	reader->padding = tarPaddingBytesRequired(member.size);
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
bb_tar_reader_feed(BbTarReader *reader, const char *data, size_t length)
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
				some = Min((uint64) length, reader->left);
				reader->events->data(reader->arg, data, some);
				reader->left -= some;
				break;
			case TAR_PADDING:
				some = Min((uint64) length, reader->left);
				reader->left -= some;
				break;
			case TAR_END:
				if (!all_zeros(data, length))
					pg_fatal("tar archive has data after its end");
				reader->zeros += length;
				break;
		}
		data += some;
		length -= some;
		next_state(reader);
	}
}

void
bb_tar_reader_end(BbTarReader *reader)
{
	if (reader->state != TAR_END ||
		reader->zeros < END_BLOCKS * TAR_BLOCK_SIZE ||
		reader->zeros % TAR_BLOCK_SIZE != 0)
		pg_fatal("tar archive ends early");
	pg_free(reader);
}

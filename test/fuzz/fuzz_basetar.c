/*-------------------------------------------------------------------------
 *
 * fuzz_basetar.c
 *	  The reader of the archives of a base backup, which gets them in pieces.
 *	  The checksums of headers are corrected before.
 *
 *	  size of the pieces u8 | archive
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "pgtar.h"
#include "streaming/tarreader.h"

static bool in_member;
static uint64 left;

static void
begin_member(void *arg, const BbTarMember *member)
{
	const char *path = member->path;

	FUZZ_CHECK(!in_member);
	in_member = true;
	left = member->size;
	FUZZ_CHECK(path[0] != '/' && path[0] != '\0');
	FUZZ_CHECK(strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0);
	FUZZ_CHECK(strstr(path, "/../") == NULL && strstr(path, "//") == NULL);
	FUZZ_CHECK(strlen(path) < 3 ||
			   strcmp(path + strlen(path) - 3, "/..") != 0);
	FUZZ_CHECK((member->mode & ~07777) == 0);
	FUZZ_CHECK((member->kind == BB_TAR_LINK) == (member->target != NULL));
	FUZZ_CHECK(member->kind == BB_TAR_FILE || member->size == 0);
}

static void
take_data(void *arg, const char *data, size_t length)
{
	FUZZ_CHECK(in_member && length > 0 && length <= left);
	left -= length;
}

static void
end_member(void *arg)
{
	FUZZ_CHECK(in_member && left == 0);
	in_member = false;
}

static const BbTarEvents events = {
	.begin_member = begin_member,
	.data = take_data,
	.end_member = end_member,
};

static void
take(const uint8_t *data, size_t size)
{
	BbTarReader *reader = bb_tarreader_new(&events, NULL);
	size_t		piece = size > 0 ? data[0] * 8 + 1 : 1;
	char	   *archive = palloc0(size + 1);

	in_member = false;
	if (size > 0)
		memcpy(archive, data + 1, size - 1);
	for (size_t at = 0; at + TAR_BLOCK_SIZE < size; at += TAR_BLOCK_SIZE)
	{
		if (memcmp(archive + at + 257, "ustar", 5) == 0)
			print_tar_number(archive + at + 148, 8, tarChecksum(archive + at));
	}
	for (size_t at = 0; at + 1 < size; at += piece)
		bb_tarreader_feed(reader, archive + at, Min(piece, size - 1 - at));
	bb_tarreader_end(reader);
	FUZZ_CHECK(!in_member);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

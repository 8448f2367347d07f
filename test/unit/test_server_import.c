/*-------------------------------------------------------------------------
 *
 * test_server_import.c
 *	  Parts of the import of a server: archives, received files, layers that
 *	  are written out of order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "common/pg_prng.h"
#include "import/receivedtree.h"
#include "import/relationfiles.h"
#include "layer/imagewriter.h"
#include "lib/stringinfo.h"
#include "pgtar.h"
#include "streaming/tarreader.h"
#include "unit.h"

#define LSN 0x5000000

/* ---- archives ---- */

/* What the events of a reader say, as text. */
static void
told_member(void *arg, const BbTarMember *member)
{
	appendStringInfo(arg, "%c %s %s " UINT64_FORMAT " %o %u %u:",
					 "fdl"[member->kind], member -> path,
					 member -> target ? member -> target : "-", member->size,
					 (unsigned) member->mode, member->uid, member->gid);
}

static void
told_data(void *arg, const char *data, size_t length)
{
	appendBinaryStringInfo(arg, data, (int) length);
}

static void
told_end(void *arg)
{
	appendStringInfoString(arg, ".\n");
}

static const BbTarEvents told = {told_member, told_data, told_end};

static void
add_member(StringInfo tar, const char *path, const char *target, int mode,
		   const char *content)
{
	char		header[TAR_BLOCK_SIZE];
	size_t		length = content ? strlen(content) : 0;

	tarCreateHeader(header, path, target, length, mode, 10, 20, 0);
	appendBinaryStringInfo(tar, header, sizeof(header));
	if (length > 0)
		appendBinaryStringInfo(tar, content, (int) length);
	for (size_t i = tarPaddingBytesRequired(length); i > 0; i--)
		appendStringInfoChar(tar, '\0');
}

static void
add_end(StringInfo tar)
{
	for (int i = 0; i < 2 * TAR_BLOCK_SIZE; i++)
		appendStringInfoChar(tar, '\0');
}

/* Correct the checksum of the header at "at". */
static void
correct(StringInfo tar, int at)
{
	print_tar_number(tar->data + at + 148, 8, tarChecksum(tar->data + at));
}

/* Read an archive in pieces of a size. */
static char *
read_tar(const StringInfoData *tar, int piece)
{
	StringInfoData out;
	BbTarReader *reader;

	initStringInfo(&out);
	reader = bb_tarreader_new(&told, &out);
	for (int at = 0; at < tar->len; at += piece)
		bb_tarreader_feed(reader, tar->data + at, Min(piece, tar->len - at));
	bb_tarreader_end(reader);
	return out.data;
}

static StringInfoData
good_tar(void)
{
	StringInfoData tar;

	initStringInfo(&tar);
	add_member(&tar, "backup_label", NULL, S_IFREG | 0600, "label");
	add_member(&tar, "./base", NULL, S_IFDIR | 0700, NULL);
	add_member(&tar, "pg_tblspc/16384", "/elsewhere", S_IFLNK | 0777, NULL);
	add_member(&tar, "empty", NULL, S_IFREG | 0640, "");
	add_end(&tar);
	return tar;
}

UNIT_TEST(tarreader_pieces)
{
	StringInfoData tar = good_tar();
	const char *expected = "f backup_label - 5 600 10 20:label.\n"
						   "d base - 0 700 10 20:.\n"
						   "l pg_tblspc/16384 /elsewhere 0 777 10 20:.\n"
						   "f empty - 0 640 10 20:.\n";

	for (int piece = 1; piece < 1100; piece += piece < 20 ? 1 : 37)
		CHECK(strcmp(read_tar(&tar, piece), expected) == 0);
}

UNIT_TEST(tarreader_refuses)
{
	static const char *const paths[] = {"/etc/passwd", "../x",	"a/../b",
										"a//b",		   "././a", "..",
										"a/.",		   "./"};
	StringInfoData tar;

	for (int i = 0; i < lengthof(paths); i++)
	{
		tar = good_tar();
		memset(tar.data, 0, 100);
		strcpy(tar.data, paths[i]);
		correct(&tar, 0);
		CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);
	}

	tar = good_tar(); /* a changed byte */
	tar.data[3]++;
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	tar = good_tar(); /* a hard link */
	tar.data[156] = '1';
	correct(&tar, 0);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	tar = good_tar(); /* a directory with content */
	tar.data[156] = '5';
	correct(&tar, 0);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	tar = good_tar(); /* no magic */
	memset(tar.data + 257, 0, 5);
	correct(&tar, 0);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	tar = good_tar(); /* a size with other characters */
	tar.data[130] = '9';
	correct(&tar, 0);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	tar = good_tar(); /* a size of 2^95 */
	memset(tar.data + 124, 0, 12);
	tar.data[124] = (char) 0x80;
	tar.data[125] = (char) 0x80;
	correct(&tar, 0);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);

	for (int cut = 1; cut < 2 * TAR_BLOCK_SIZE; cut += 100)
	{
		tar = good_tar(); /* no whole end */
		tar.len -= cut;
		CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);
	}

	tar = good_tar(); /* something after the end */
	add_member(&tar, "more", NULL, S_IFREG | 0600, NULL);
	CHECK_ERROR(read_tar(&tar, 512), ERRCODE_PROTOCOL_VIOLATION);
}

/* A size that octal digits can't express. */
UNIT_TEST(tarreader_base_256)
{
	StringInfoData tar = good_tar();
	StringInfoData out;
	BbTarReader *reader;

	print_tar_number(tar.data + 124, 12, UINT64CONST(1) << 40);
	correct(&tar, 0);
	initStringInfo(&out);
	reader = bb_tarreader_new(&told, &out);
	bb_tarreader_feed(reader, tar.data, TAR_BLOCK_SIZE);
	CHECK(strstr(out.data, " 1099511627776 ") != NULL);
	CHECK_ERROR(bb_tarreader_end(reader), ERRCODE_PROTOCOL_VIOLATION);
}

/* ---- received files ---- */

static void
add_file(BbReceivedTree *tree, BbSourceKind kind, const char *path,
		 const char *content)
{
	BbSourceStat st = {.kind = kind, .size = strlen(content), .mode = 0600};

	bb_receivedtree_add(tree, path, &st,
						kind == BB_SOURCE_LINK ? content : NULL, false);
	if (kind == BB_SOURCE_FILE)
		bb_receivedtree_append(tree, content, strlen(content));
}

/* The names in a directory, each followed by a space. */
static char *
names_in(const BbReqCtx *ctx, const BbSourceTree *tree, const char *path)
{
	BbSourceList *list = bb_sourcetree_list(ctx, tree, path, true);
	StringInfoData names;
	const char *name;

	if (list == NULL)
		return NULL;
	initStringInfo(&names);
	while ((name = bb_sourcelist_next(ctx, list)) != NULL)
		appendStringInfo(&names, "%s ", name);
	bb_sourcelist_close(list);
	return names.data;
}

UNIT_TEST(receivedtree_lists_and_reads)
{
	BbTempFile *content = bb_tempfile_new();
	BbReceivedTree *received = bb_receivedtree_new("db1:5432", content);
	const BbSourceTree *tree;
	BbSourceStat st;
	BbSourceStat again;
	size_t		length;

	add_file(received, BB_SOURCE_DIRECTORY, "pg_tblspc/16384/PG_15", "");
	add_file(received, BB_SOURCE_FILE, "pg_tblspc/16384/PG_15/5", "spaced");
	add_file(received, BB_SOURCE_FILE, "base.txt", "beside");
	add_file(received, BB_SOURCE_FILE, "base/1/2619", "old");
	add_file(received, BB_SOURCE_FILE, "base/1/12", "twelve");
	add_file(received, BB_SOURCE_DIRECTORY, "base", "");
	add_file(received, BB_SOURCE_DIRECTORY, "base/1", "");
	add_file(received, BB_SOURCE_DIRECTORY, "base/10", "");
	add_file(received, BB_SOURCE_FILE, "base/1/2619", "newer");
	add_file(received, BB_SOURCE_DIRECTORY, "pg_tblspc", "");
	add_file(received, BB_SOURCE_LINK, "pg_tblspc/16384", "/elsewhere");
	add_file(received, BB_SOURCE_LINK, "pg_tblspc/16385", "/lost");
	tree = bb_receivedtree_finish(received);

	CHECK(strcmp(names_in(ctx, tree, ""), "base base.txt pg_tblspc ") == 0);
	CHECK(strcmp(names_in(ctx, tree, "base"), "1 10 ") == 0);
	CHECK(strcmp(names_in(ctx, tree, "base/1"), "12 2619 ") == 0);
	CHECK(strcmp(names_in(ctx, tree, "base/10"), "") == 0);
	CHECK(strcmp(names_in(ctx, tree, "pg_tblspc"), "16384 16385 ") == 0);
	CHECK(strcmp(names_in(ctx, tree, "pg_tblspc/16384"), "PG_15 ") == 0);
	CHECK(names_in(ctx, tree, "base/100") == NULL);
	CHECK(names_in(ctx, tree, "base.txt") == NULL);
	CHECK_ERROR(bb_sourcetree_list(ctx, tree, "pg_wal", false),
				ERRCODE_UNDEFINED_FILE);

	CHECK(strcmp(bb_sourcefile_load(ctx, tree, "base/1/2619", 10, &length),
				 "newer") == 0);
	CHECK(strcmp(bb_sourcefile_load(ctx, tree, "pg_tblspc/16384/PG_15/5", 10,
									&length),
				 "spaced") == 0);
	CHECK(bb_sourcefile_open(ctx, tree, "base/1/1") == NULL);
	CHECK_ERROR(bb_sourcefile_load(ctx, tree, "base.txt", 3, &length),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_sourcefile_open(ctx, tree, "base"),
				ERRCODE_INVALID_PARAMETER_VALUE);

	CHECK(bb_sourcetree_stat(tree, "base/1/2619", true, &st));
	CHECK(st.kind == BB_SOURCE_FILE && st.size == 5 && st.mode == 0600);
	CHECK(bb_sourcetree_stat(tree, "pg_tblspc/16384", false, &st));
	CHECK(st.kind == BB_SOURCE_LINK);
	CHECK(strcmp(bb_sourcetree_link_target(tree, "pg_tblspc/16384"),
				 "/elsewhere") == 0);
	CHECK(bb_sourcetree_link_target(tree, "base") == NULL);
	CHECK(bb_sourcetree_stat(tree, "pg_tblspc/16384", true, &st));
	CHECK(st.kind == BB_SOURCE_DIRECTORY);
	CHECK(bb_sourcetree_stat(tree, "pg_tblspc/16384", true, &again));
	CHECK(st.device == again.device && st.inode == again.inode);
	CHECK(!bb_sourcetree_stat(tree, "pg_tblspc/16385", true, &st) &&
		  errno == ENOENT);
	bb_tempfile_close(content);
}

/* Bytes of a temporary file, in pieces of all sizes, are what was appended. */
UNIT_TEST(tempfile_random_places)
{
	BbTempFile *file = bb_tempfile_new();
	size_t		size = 3 * 1024 * 1024;
	char	   *bytes = palloc(size);
	char	   *found = palloc(size);
	size_t		at = 0;
	pg_prng_state random;
	uint64		seed = unit_seed();

	elog(LOG, "tempfile_random_places: seed " UINT64_FORMAT, seed);
	pg_prng_seed(&random, seed);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char) pg_prng_uint32(&random);
	while (at < size)
	{
		size_t		some = pg_prng_uint64_range(&random, 0,
												pg_prng_bool(&random)
													? 600 * 1024
													: 100);

		some = Min(some, size - at);
		bb_tempfile_append(file, bytes + at, some);
		at += some;
		CHECK(bb_tempfile_size(file) == at);
		if (at > 0)
		{
			size_t		from = pg_prng_uint64_range(&random, 0, at - 1);
			size_t		length = pg_prng_uint64_range(&random, 0, at - from);

			bb_tempfile_read(file, from, found, length);
			CHECK(memcmp(found, bytes + from, length) == 0);
		}
	}
	bb_tempfile_close(file);
}

UNIT_TEST(relationfiles_parse)
{
	static const char *const others[] =
		{"base/5/PG_VERSION", "base/5/t3_16384",
		 "base/5/",			  "base/16384",
		 "global/pg_control", "base/5/1259_xyz",
		 "base/5/01259",	  "pg_tblspc/16384/PG_14_1/5/1259",
		 "base/5/1259.",	  "base/5/1259/1",
		 "postgresql.conf",	  "pg_xact/0000",
		 "base/x/1259"};
	BbSourceFork fork;
	uint32		segment;

	CHECK(bb_relationfiles_parse("base/5/1259", &fork, &segment));
	CHECK(fork.spc == 1663 && fork.db == 5 && fork.rel == 1259 &&
		  fork.fork == MAIN_FORKNUM && segment == 0);
	CHECK(bb_relationfiles_parse("global/1262_fsm.3", &fork, &segment));
	CHECK(fork.spc == 1664 && fork.db == 0 && fork.rel == 1262 &&
		  fork.fork == FSM_FORKNUM && segment == 3);
	CHECK(
		bb_relationfiles_parse("pg_tblspc/16384/" TABLESPACE_VERSION_DIRECTORY
							   "/5/1259_vm",
							   &fork, &segment));
	CHECK(fork.spc == 16384 && fork.db == 5 &&
		  fork.fork == VISIBILITYMAP_FORKNUM && segment == 0);
	for (int i = 0; i < lengthof(others); i++)
		CHECK(!bb_relationfiles_parse(others[i], &fork, &segment));
}

/* ---- layers out of order ---- */

static void
add_block(const BbReqCtx *ctx, BbImageWriter *writer, Oid rel,
		  BlockNumber block)
{
	BbKey		key = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, block);

	bb_imagewriter_add(ctx, writer, &key, &key, sizeof(key));
}

/* Make a part of blocks [0, count) of a relation. */
static List *
make_part(const BbReqCtx *ctx, BbObjectStore *objects, Oid rel,
		  BlockNumber count)
{
	BbKey		start = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, 0);
	BbKey		end = bb_key_rel_block(1663, 5, rel, MAIN_FORKNUM, count);
	BbImageWriter *writer = bb_imagewriter_new_part(objects, "main", LSN,
													&start);

	for (BlockNumber block = 0; block < count; block++)
		add_block(ctx, writer, rel, block);
	return bb_imagewriter_finish_part(ctx, writer, &end);
}

/* The layers of parts and of the rest lie side by side over all keys. */
UNIT_TEST(imagewriter_parts)
{
	BbObjectStore *objects = unit_store(ctx);
	BbKeyRange	all = bb_key_range_all();
	List	   *later = make_part(ctx, objects, 2000, 5);
	List	   *sooner = make_part(ctx, objects, 1000, 3);
	BbImageWriter *writer = bb_imagewriter_new(objects, "main", LSN);
	BbKey		next = all.start;
	uint64		entries = 0;
	ListCell   *cell;
	List	   *layers;

	CHECK(make_part(ctx, objects, 3000, 0) == NIL);
	add_block(ctx, writer, 999, 7);
	bb_imagewriter_include(ctx, writer, sooner);
	add_block(ctx, writer, 1000, 3);
	bb_imagewriter_include(ctx, writer, later);
	add_block(ctx, writer, 2000, 5);
	layers = bb_imagewriter_finish(ctx, writer);

	CHECK(list_length(layers) == 5);
	foreach(cell, layers)
	{
		const BbLayerDesc *layer = lfirst(cell);

		CHECK(bb_key_compare(&layer->keys.start, &next) == 0);
		next = layer->keys.end;
		entries += layer->entries;
	}
	CHECK(bb_key_compare(&next, &all.end) == 0);
	CHECK(entries == 5 + 3 + 3);

	/* a gap without a value, and a part that begins too early */
	writer = bb_imagewriter_new(objects, "main", LSN);
	CHECK_ERROR(bb_imagewriter_include(ctx, writer, sooner),
				ERRCODE_INTERNAL_ERROR);
	add_block(ctx, writer, 1500, 0);
	CHECK_ERROR(bb_imagewriter_include(ctx, writer, sooner),
				ERRCODE_INTERNAL_ERROR);
}

/*-------------------------------------------------------------------------
 *
 * test_objstore.c
 *	  The conformance suite that every object store driver passes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/*
 * A test that runs on each driver: on S3, as NAME_s3, where the environment
 * says where a server is.
 */
#define STORE_TEST(name)                                                \
	static void name##_on(const BbReqCtx *ctx, BbObjectStore *store);   \
	static void name##_s3(const BbReqCtx *ctx)                          \
	{                                                                   \
		name##_on(ctx, unit_s3_store(ctx));                             \
	}                                                                   \
	__attribute__((constructor)) static void register_##name##_s3(void) \
	{                                                                   \
		if (unit_s3_available())                                        \
			unit_register(#name "_s3", name##_s3);                      \
	}                                                                   \
	UNIT_TEST(name)                                                     \
	{                                                                   \
		name##_on(ctx, unit_store(ctx));                                \
	}                                                                   \
	static void name##_on(const BbReqCtx *ctx, BbObjectStore *store)

static void
put(const BbReqCtx *ctx, BbObjectStore *store, const char *name,
	const char *data)
{
	BbObjectWriter *writer = bb_object_create(ctx, store, name);

	bb_object_write(ctx, writer, data, strlen(data));
	bb_object_finish(ctx, writer);
}

static bool
exists(const BbReqCtx *ctx, BbObjectStore *store, const char *name)
{
	char	   *data;
	size_t		length;
	BbObjectTag tag;

	return bb_objstore_get(ctx, store, name, 1024, &data, &length, &tag);
}

STORE_TEST(objstore_put_get_range)
{
	BbObjectReader *reader;
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	char		range[4];

	put(ctx, store, "a/b/c", "0123456789");
	CHECK(bb_objstore_get(ctx, store, "a/b/c", 10, &data, &length, &tag));
	CHECK(length == 10 && memcmp(data, "0123456789", 10) == 0);
	CHECK(tag != BB_OBJECT_ABSENT);
	CHECK_ERROR(bb_objstore_get(ctx, store, "a/b/c", 9, &data, &length, &tag),
				ERRCODE_DATA_CORRUPTED);

	reader = bb_object_open(ctx, store, "a/b/c");
	CHECK(bb_object_size(reader) == 10);
	bb_object_read(ctx, reader, 6, range, 4);
	CHECK(memcmp(range, "6789", 4) == 0);
	bb_object_read(ctx, reader, 10, range, 0);
	CHECK_ERROR(bb_object_read(ctx, reader, 7, range, 4),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_object_read(ctx, reader, PG_UINT64_MAX, range, 4),
				ERRCODE_DATA_CORRUPTED);
	bb_object_close(reader);
}

STORE_TEST(objstore_large_object)
{
	size_t		length = 20 * 1000 * 1000 + 3;
	uint8	   *data = MemoryContextAllocHuge(CurrentMemoryContext, length);
	uint8	   *again = MemoryContextAllocHuge(CurrentMemoryContext, length);
	BbObjectWriter *writer = bb_object_create(ctx, store, "large");
	BbObjectReader *reader;
	size_t		at = 0;

	for (size_t i = 0; i < length; i++)
		data[i] = (uint8) (i * 7 + i / 1000);
	for (size_t piece = 1; at < length; piece = piece * 2 + 1)
	{
		size_t		n = Min(piece, length - at);

		bb_object_write(ctx, writer, data + at, n);
		at += n;
	}
	bb_object_finish(ctx, writer);

	reader = bb_object_open(ctx, store, "large");
	CHECK(bb_object_size(reader) == length);
	bb_object_read(ctx, reader, 0, again, length);
	CHECK(memcmp(data, again, length) == 0);
}

STORE_TEST(objstore_missing)
{
	CHECK(!exists(ctx, store, "nothing"));
	CHECK_ERROR(bb_object_open(ctx, store, "nothing"), ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, "\"nothing\"") != NULL);
	CHECK(bb_objstore_list(ctx, store, "nothing") == NIL);
	bb_objstore_remove(ctx, store, "nothing");
	bb_objstore_sweep(ctx, store, "nothing");

	/* a part of a name that is an object itself */
	put(ctx, store, "a", "x");
	CHECK(!exists(ctx, store, "a/b"));
	bb_objstore_remove(ctx, store, "a/b");
}

UNIT_TEST(objstore_what_is_no_file)
{
	BbObjectStore *store = unit_store(ctx);

	put(ctx, store, "t/object", "x");
	CHECK(mkfifo(unit_object_path(store, "t/fifo"), 0600) == 0);
	CHECK(mkdir(unit_object_path(store, "t/directory"), 0700) == 0);
	CHECK(mknod(unit_object_path(store, "t/socket"), S_IFSOCK | 0600, 0) == 0);
	CHECK_ERROR(exists(ctx, store, "t/fifo"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_object_open(ctx, store, "t/fifo"), ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "t/fifo\" is not a regular file") != NULL);
	CHECK_ERROR(exists(ctx, store, "t/directory"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(exists(ctx, store, "t/socket"), ERRCODE_DATA_CORRUPTED);

	/* nor does one where a writer or a lock wants its file */
	CHECK(mkfifo(unit_object_path(store, "t/.new.tmp"), 0600) == 0);
	put(ctx, store, "t/new", "x");
	CHECK(exists(ctx, store, "t/new"));
	CHECK(mkfifo(unit_object_path(store, "t/.lock.lock"), 0600) == 0);
	(void) bb_objstore_lock(ctx, store, "t/lock");
}

STORE_TEST(objstore_list_and_remove)
{
	List	   *list;

	put(ctx, store, "t/b", "22");
	put(ctx, store, "t/a/z", "1");
	put(ctx, store, "t/c", "333");
	put(ctx, store, "u/a", "");

	list = bb_objstore_list(ctx, store, "t");
	CHECK(list_length(list) == 3);
	CHECK(strcmp(((BbObjectInfo *) linitial(list))->name, "t/a/z") == 0);
	CHECK(strcmp(((BbObjectInfo *) llast(list))->name, "t/c") == 0);
	CHECK(((BbObjectInfo *) llast(list))->size == 3);

	bb_objstore_remove(ctx, store, "t/b");
	CHECK(!exists(ctx, store, "t/b"));
	CHECK(list_length(bb_objstore_list(ctx, store, "t")) == 2);
	CHECK(exists(ctx, store, "u/a"));
}

STORE_TEST(objstore_list_parts)
{
	List	   *parts;

	CHECK(bb_objstore_list_parts(ctx, store, "t") == NIL);
	put(ctx, store, "t/c/object", "x");
	put(ctx, store, "t/a/b/object", "x");
	put(ctx, store, "t/a/c/object", "x");
	parts = bb_objstore_list_parts(ctx, store, "t");
	CHECK(list_length(parts) == 2);
	CHECK(strcmp(linitial(parts), "a") == 0);
	CHECK(strcmp(lsecond(parts), "c") == 0);
}

STORE_TEST(objstore_remove_all)
{
	List	   *list;

	put(ctx, store, "t/a", "x");
	put(ctx, store, "t/b", "x");
	put(ctx, store, "u/a", "x");
	put(ctx, store, "u/b", "x");
	bb_objstore_remove_all(ctx, store, NIL);
	list = list_make4("t/a", "u/a", "nothing/a", "t/b");
	bb_objstore_remove_all(ctx, store, list);
	CHECK(bb_objstore_list(ctx, store, "t") == NIL);
	CHECK(list_length(bb_objstore_list(ctx, store, "u")) == 1);
	CHECK(exists(ctx, store, "u/b"));
}

UNIT_TEST(objstore_list_parts_of_a_directory)
{
	BbObjectStore *store = unit_store(ctx);
	List	   *parts;

	CHECK(bb_objstore_list_parts(ctx, store, "t") == NIL);
	put(ctx, store, "t/c/object", "x");
	put(ctx, store, "t/a/b/object", "x");
	put(ctx, store, "t/b", "x");
	CHECK(mkdir(unit_object_path(store, "t/b (copy)"), 0700) == 0);
	CHECK(mkdir(unit_object_path(store, "t/.d"), 0700) == 0);
	parts = bb_objstore_list_parts(ctx, store, "t");
	CHECK(list_length(parts) == 3);
	CHECK(strcmp(linitial(parts), "a") == 0);
	CHECK(strcmp(lsecond(parts), "b (copy)") == 0);
	CHECK(strcmp(lthird(parts), "c") == 0);
}

/* What an unfinished writer has stored, if it can be seen, is gone. */
static bool
nothing_left(BbObjectStore *store, const char *path)
{
	struct stat st;

	return bb_objstore_local_directory(store) == NULL ||
		stat(unit_object_path(store, path), &st) != 0;
}

/* More than the S3 driver keeps to itself before it begins an upload. */
static void
write_much(const BbReqCtx *ctx, BbObjectWriter *writer)
{
	size_t		length = 17 * 1024 * 1024;

	bb_object_write(ctx, writer,
					MemoryContextAllocExtended(CurrentMemoryContext, length,
											   MCXT_ALLOC_ZERO),
					length);
}

STORE_TEST(objstore_unfinished_is_no_object)
{
	BbObjectWriter *writer = bb_object_create(ctx, store, "t/object");

	write_much(ctx, writer);
	CHECK(!exists(ctx, store, "t/object"));
	CHECK(bb_objstore_list(ctx, store, "t") == NIL);

	bb_object_finish(ctx, writer);
	CHECK(bb_object_size(bb_object_open(ctx, store, "t/object")) ==
		  17 * 1024 * 1024);
}

STORE_TEST(objstore_writer_dies_with_its_context)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "writer",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	write_much(ctx, bb_object_create(ctx, store, "t/object"));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CHECK(nothing_left(store, "t/.object.tmp"));
	CHECK(!exists(ctx, store, "t/object"));
}

STORE_TEST(objstore_sweep_takes_leftovers_only)
{
	BbObjectWriter *swept = bb_object_create(ctx, store, "t/swept");
	BbObjectWriter *other = bb_object_create(ctx, store, "u/other");
	int			sqlstate;

	put(ctx, store, "t/object", "x");
	write_much(ctx, swept);
	write_much(ctx, other);

	bb_objstore_sweep(ctx, store, "t");
	CHECK(nothing_left(store, "t/.swept.tmp"));
	CHECK(exists(ctx, store, "t/object"));
	ERROR_OF(bb_object_finish(ctx, swept), sqlstate);
	CHECK(sqlstate != 0);
	CHECK(!exists(ctx, store, "t/swept"));
	bb_object_finish(ctx, other);
	CHECK(bb_object_size(bb_object_open(ctx, store, "u/other")) ==
		  17 * 1024 * 1024);
}

/* Many objects that are read bit by bit share a bounded memory. */
STORE_TEST(objstore_many_readers)
{
	enum
	{
		N = 120,
		SIZE = 1024 * 1024
	};
	char	   *data = palloc(SIZE);
	BbObjectWriter *writer = bb_object_create(ctx, store, "t/object");
	BbObjectReader *readers[N];
	MemoryContext context;
	MemoryContext old;

	for (int i = 0; i < SIZE; i++)
		data[i] = (char) (i % 251);
	bb_object_write(ctx, writer, data, SIZE);
	bb_object_finish(ctx, writer);

	context = AllocSetContextCreate(CurrentMemoryContext, "readers",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < N; i++)
		readers[i] = bb_object_open(ctx, store, "t/object");
	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < N; i++)
		{
			char		got[1000];
			uint64		offset = (i * 5000 + round * 2000) % (SIZE - 1000);

			bb_object_read(ctx, readers[i], offset, got, sizeof(got));
			CHECK(memcmp(got, data + offset, sizeof(got)) == 0);
		}
	}
	CHECK(MemoryContextMemAllocated(context, true) < 20 * 1024 * 1024);
	/* what one gives back others have */
	for (int i = 1; i < N; i++)
		bb_object_close(readers[i]);
	bb_object_read(ctx, readers[0], SIZE - 10, data, 10);
	CHECK((uint8) data[0] == (SIZE - 10) % 251);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static bool
file_exists(BbObjectStore *store, const char *name)
{
	struct stat st;

	return lstat(unit_object_path(store, name), &st) == 0;
}

static void
make_file(BbObjectStore *store, const char *name)
{
	FILE	   *file = fopen(unit_object_path(store, name), "w");

	CHECK(file != NULL);
	fclose(file);
}

UNIT_TEST(objstore_sweep_a_directory)
{
	BbObjectStore *store = unit_store(ctx);

	put(ctx, store, "t/object", "x");
	put(ctx, store, "t/deep/er/object", "x");
	bb_objstore_remove(ctx, store, "t/deep/er/object");
	put(ctx, store, "t/there/object", "x");
	make_file(store, "t/.other.tmp");
	make_file(store, "t/there/.other.tmp");

	bb_objstore_sweep(ctx, store, "t");
	CHECK(!file_exists(store, "t/.other.tmp"));
	CHECK(!file_exists(store, "t/there/.other.tmp"));
	CHECK(!file_exists(store, "t/deep"));
	CHECK(exists(ctx, store, "t/object"));
	CHECK(exists(ctx, store, "t/there/object"));
}

STORE_TEST(objstore_list_of_many)
{
	List	   *list;

	/* several pages, of the S3 server that tests have */
	for (int i = 0; i < 25; i++)
		put(ctx, store, psprintf("t/object-%02d", i), "x");
	list = bb_objstore_list(ctx, store, "t");
	CHECK(list_length(list) == 25);
	for (int i = 0; i < 25; i++)
		CHECK(strcmp(((BbObjectInfo *) list_nth(list, i))->name,
					 psprintf("t/object-%02d", i)) == 0);
}

STORE_TEST(objstore_put_if)
{
	BbObjectTag first;
	BbObjectTag second;
	BbObjectTag tag;
	char	   *data;
	size_t		length;

	CHECK(bb_objstore_put_if(ctx, store, "m", "one", 3, BB_OBJECT_ABSENT,
							 &first));
	CHECK(!bb_objstore_put_if(ctx, store, "m", "two", 3, BB_OBJECT_ABSENT,
							  &tag));
	CHECK(bb_objstore_put_if(ctx, store, "m", "two", 3, first, &second));
	CHECK(!bb_objstore_put_if(ctx, store, "m", "three", 5, first, &tag));
	CHECK(bb_objstore_get(ctx, store, "m", 100, &data, &length, &tag));
	CHECK(tag == second && length == 3 && memcmp(data, "two", 3) == 0);
	CHECK(!bb_objstore_put_if(ctx, store, "n", "one", 3, first, &tag));
	CHECK(!exists(ctx, store, "n"));
}

STORE_TEST(objstore_lock_excludes)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "lock",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	MemoryContextSwitchTo(old);
	CHECK(!bb_objstore_lock(ctx, store, "t/writer"));
	CHECK(bb_objstore_lock(ctx, store, "u/writer"));
	MemoryContextDelete(context);
	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	CHECK(bb_objstore_list(ctx, store, "t") == NIL);
}

UNIT_TEST(objstore_lock_leaves_nothing)
{
	BbObjectStore *store = unit_store(ctx);
	MemoryContext first = AllocSetContextCreate(CurrentMemoryContext, "lock",
												ALLOCSET_SMALL_SIZES);
	MemoryContext second = AllocSetContextCreate(CurrentMemoryContext, "lock",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(first);

	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	CHECK(file_exists(store, "t/.writer.lock"));
	MemoryContextReset(first);
	CHECK(!file_exists(store, "t"));

	/* what a killed one left is as good as a new one */
	put(ctx, store, "t/object", "x");
	make_file(store, "t/.writer.lock");
	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	MemoryContextReset(first);
	CHECK(!file_exists(store, "t/.writer.lock"));
	CHECK(exists(ctx, store, "t/object"));

	/* a lock whose file somebody removed lets alone the next one's */
	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	CHECK(unlink(unit_object_path(store, "t/.writer.lock")) == 0);
	MemoryContextSwitchTo(second);
	CHECK(bb_objstore_lock(ctx, store, "t/writer"));
	MemoryContextDelete(first);
	CHECK(file_exists(store, "t/.writer.lock"));
	CHECK(!bb_objstore_lock(ctx, store, "t/writer"));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(second);
}

#define ROUNDS 2000

/* Take and release a lock; true: nobody else ever had it, too. */
static bool
fight_for_lock(const BbReqCtx *ctx, BbObjectStore *store)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "lock",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			taken = 0;

	while (taken < ROUNDS)
	{
		const char *mark = unit_object_path(store, "held");
		int			fd;

		if (bb_objstore_lock(ctx, store, "t/writer"))
		{
			fd = open(mark, O_CREAT | O_EXCL, 0600);
			if (fd < 0 || close(fd) != 0 || unlink(mark) != 0)
				break;
			taken++;
		}
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return taken == ROUNDS;
}

/*
 * Two processes fight for one lock, each time with its file and its directory
 * anew.
 */
UNIT_TEST(objstore_lock_is_one_holders)
{
	BbObjectStore *store = unit_store(ctx);
	bool		mine;
	int			status;
	pid_t		pid;

	put(ctx, store, "object", "x");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
	{
		/* an error must not lead out of here */
		PG_TRY();
		{
			status = fight_for_lock(ctx, store) ? 0 : 1;
		}
		PG_CATCH();
		{
			status = 2;
		}
		PG_END_TRY();
		_exit(status);
	}
	mine = fight_for_lock(ctx, store);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(mine);
	CHECK(status == 0);
}

STORE_TEST(objstore_names_cannot_escape)
{
	static const char *const names[] = {"",		"/",   "/a",	 "a/",
										"a//b", "..",  "a/../b", ".a",
										"a/.b", "a b", "a\nb",	 "a\\b"};

	for (int i = 0; i < lengthof(names); i++)
		CHECK_ERROR(bb_object_open(ctx, store, names[i]),
					ERRCODE_INTERNAL_ERROR);
}

UNIT_TEST(objstore_urls)
{
	static const char *const bad[] = {"",
									  "/tmp",
									  "file:/tmp",
									  "file://tmp",
									  "file://",
									  "file:///",
									  "file:///a/../b",
									  "s4://bucket",
									  "files:///tmp",
									  "s3://",
									  "s3://ab",
									  "s3:///bucket",
									  "s3://bucket/../a",
									  "s3://bucket//a",
									  "s3://bucket/a b",
									  "s3://key:secret@bucket"};

	for (int i = 0; i < lengthof(bad); i++)
		CHECK_ERROR(bb_objstore_check_url(bad[i]),
					ERRCODE_INVALID_PARAMETER_VALUE);
	bb_objstore_check_url("file:///some/directory");
	bb_objstore_check_url("s3://bucket");
	bb_objstore_check_url("s3://bucket/");
	bb_objstore_check_url("s3://my.bucket-1/some/prefix_2");
}

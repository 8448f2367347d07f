/*-------------------------------------------------------------------------
 *
 * test_objstore.c
 *	  The conformance suite that every object store driver passes, and which
 *	  objects are resident.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objstore/objstore_driver.h"
#include "port/pg_crc32c.h"
#include "unit.h"
#include "utils/timestamp.h"

/*
 * A test that runs on each driver, and as NAME_encrypted on encrypted stores.
 * It runs on S3, as NAME_s3 and NAME_s3_encrypted, if the environment names a
 * server.
 */
#define STORE_TEST(name)                                                \
	static void name##_on(const BbReqCtx *ctx, BbObjectStore *objects); \
	static void name##_s3(const BbReqCtx *ctx)                          \
	{                                                                   \
		name##_on(ctx, unit_s3_store(ctx));                             \
	}                                                                   \
	static void name##_encrypted(const BbReqCtx *ctx)                   \
	{                                                                   \
		name##_on(ctx, unit_encrypted_store(ctx));                      \
	}                                                                   \
	static void name##_s3_encrypted(const BbReqCtx *ctx)                \
	{                                                                   \
		name##_on(ctx, unit_s3_encrypted_store(ctx, NULL));             \
	}                                                                   \
	__attribute__((constructor)) static void register_##name##_s3(void) \
	{                                                                   \
		unit_register(#name "_encrypted", name##_encrypted);            \
		if (!unit_s3_available())                                       \
			return;                                                     \
		unit_register(#name "_s3", name##_s3);                          \
		unit_register(#name "_s3_encrypted", name##_s3_encrypted);      \
	}                                                                   \
	UNIT_TEST(name)                                                     \
	{                                                                   \
		name##_on(ctx, unit_store(ctx));                                \
	}                                                                   \
	static void name##_on(const BbReqCtx *ctx, BbObjectStore *objects)

static void
put(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
	const char *data)
{
	BbObjectWriter *writer = bb_object_create(ctx, objects, name);

	bb_object_write(ctx, writer, data, strlen(data));
	bb_object_finish(ctx, writer);
}

static bool
exists(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	char	   *data;
	size_t		length;
	BbObjectTag tag;

	return bb_objstore_get(ctx, objects, name, 1024, &data, &length, &tag);
}

STORE_TEST(objstore_put_get_range)
{
	BbObjectReader *reader;
	char	   *data;
	size_t		length;
	BbObjectTag tag;
	char		range[4];

	put(ctx, objects, "a/b/c", "0123456789");
	CHECK(bb_objstore_get(ctx, objects, "a/b/c", 10, &data, &length, &tag));
	CHECK(length == 10 && memcmp(data, "0123456789", 10) == 0);
	CHECK(tag != BB_OBJECT_ABSENT);
	CHECK_ERROR(bb_objstore_get(ctx, objects, "a/b/c", 9, &data, &length,
								&tag),
				ERRCODE_DATA_CORRUPTED);

	reader = bb_object_open(ctx, objects, "a/b/c");
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
	BbObjectWriter *writer = bb_object_create(ctx, objects, "large");
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

	reader = bb_object_open(ctx, objects, "large");
	CHECK(bb_object_size(reader) == length);
	bb_object_read(ctx, reader, 0, again, length);
	CHECK(memcmp(data, again, length) == 0);
}

STORE_TEST(objstore_missing)
{
	CHECK(!exists(ctx, objects, "nothing"));
	CHECK_ERROR(bb_object_open(ctx, objects, "nothing"),
				ERRCODE_UNDEFINED_FILE);
	CHECK(strstr(unit_last_error, "\"nothing\"") != NULL);
	CHECK(bb_objstore_list(ctx, objects, "nothing") == NIL);
	bb_objstore_remove(ctx, objects, "nothing");
	bb_objstore_sweep(ctx, objects, "nothing");

	/* a part of a name that is an object itself */
	put(ctx, objects, "a", "x");
	CHECK(!exists(ctx, objects, "a/b"));
	bb_objstore_remove(ctx, objects, "a/b");
}

UNIT_TEST(objstore_what_is_no_file)
{
	BbObjectStore *objects = unit_store(ctx);

	put(ctx, objects, "t/object", "x");
	CHECK(mkfifo(unit_object_path(objects, "t/fifo"), 0600) == 0);
	CHECK(mkdir(unit_object_path(objects, "t/directory"), 0700) == 0);
	CHECK(mknod(unit_object_path(objects, "t/socket"), S_IFSOCK | 0600, 0) ==
		  0);
	CHECK_ERROR(exists(ctx, objects, "t/fifo"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_object_open(ctx, objects, "t/fifo"),
				ERRCODE_DATA_CORRUPTED);
	CHECK(strstr(unit_last_error, "t/fifo\" is not a regular file") != NULL);
	CHECK_ERROR(exists(ctx, objects, "t/directory"), ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(exists(ctx, objects, "t/socket"), ERRCODE_DATA_CORRUPTED);

	/* nor does a FIFO in the place of a writer's or a lock's file */
	CHECK(mkfifo(unit_object_path(objects, "t/.new.tmp"), 0600) == 0);
	put(ctx, objects, "t/new", "x");
	CHECK(exists(ctx, objects, "t/new"));
	CHECK(mkfifo(unit_object_path(objects, "t/.lock.lock"), 0600) == 0);
	(void) bb_objstore_lock(ctx, objects, "t/lock");
}

STORE_TEST(objstore_list_and_remove)
{
	List	   *list;

	put(ctx, objects, "t/b", "22");
	put(ctx, objects, "t/a/z", "1");
	put(ctx, objects, "t/c", "333");
	put(ctx, objects, "u/a", "");

	list = bb_objstore_list(ctx, objects, "t");
	CHECK(list_length(list) == 3);
	CHECK(strcmp(((BbObjectInfo *) linitial(list))->name, "t/a/z") == 0);
	CHECK(strcmp(((BbObjectInfo *) llast(list))->name, "t/c") == 0);
	CHECK(((BbObjectInfo *) llast(list))->size == 3);

	bb_objstore_remove(ctx, objects, "t/b");
	CHECK(!exists(ctx, objects, "t/b"));
	CHECK(list_length(bb_objstore_list(ctx, objects, "t")) == 2);
	CHECK(exists(ctx, objects, "u/a"));
}

STORE_TEST(objstore_list_parts)
{
	List	   *parts;

	CHECK(bb_objstore_list_parts(ctx, objects, "t") == NIL);
	put(ctx, objects, "t/c/object", "x");
	put(ctx, objects, "t/a/b/object", "x");
	put(ctx, objects, "t/a/c/object", "x");
	parts = bb_objstore_list_parts(ctx, objects, "t");
	CHECK(list_length(parts) == 2);
	CHECK(strcmp(linitial(parts), "a") == 0);
	CHECK(strcmp(lsecond(parts), "c") == 0);
}

STORE_TEST(objstore_remove_all)
{
	put(ctx, objects, "t/a", "x");
	put(ctx, objects, "t/b", "x");
	put(ctx, objects, "u/a", "x");
	put(ctx, objects, "u/b", "x");
	bb_objstore_remove_all(ctx, objects, NIL);
	bb_objstore_remove_all(ctx, objects,
						   list_make4("t/a", "u/a", "nothing/a", "t/b"));
	CHECK(bb_objstore_list(ctx, objects, "t") == NIL);
	CHECK(list_length(bb_objstore_list(ctx, objects, "u")) == 1);
	CHECK(exists(ctx, objects, "u/b"));
}

UNIT_TEST(objstore_list_parts_of_a_directory)
{
	BbObjectStore *objects = unit_store(ctx);
	List	   *parts;

	CHECK(bb_objstore_list_parts(ctx, objects, "t") == NIL);
	put(ctx, objects, "t/c/object", "x");
	put(ctx, objects, "t/a/b/object", "x");
	put(ctx, objects, "t/b", "x");
	CHECK(mkdir(unit_object_path(objects, "t/b (copy)"), 0700) == 0);
	CHECK(mkdir(unit_object_path(objects, "t/.d"), 0700) == 0);
	parts = bb_objstore_list_parts(ctx, objects, "t");
	CHECK(list_length(parts) == 3);
	CHECK(strcmp(linitial(parts), "a") == 0);
	CHECK(strcmp(lsecond(parts), "b (copy)") == 0);
	CHECK(strcmp(lthird(parts), "c") == 0);
}

static bool
file_exists(BbObjectStore *objects, const char *name)
{
	struct stat st;

	return lstat(unit_object_path(objects, name), &st) == 0;
}

/* Is the file of an unfinished writer gone, if the store has files? */
static bool
nothing_left(BbObjectStore *objects, const char *path)
{
	return bb_objstore_local_directory(objects) == NULL ||
		!file_exists(objects, path);
}

/* Write more than the S3 driver buffers before it begins an upload. */
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
	BbObjectWriter *writer = bb_object_create(ctx, objects, "t/object");

	write_much(ctx, writer);
	CHECK(!exists(ctx, objects, "t/object"));
	CHECK(bb_objstore_list(ctx, objects, "t") == NIL);

	bb_object_finish(ctx, writer);
	CHECK(bb_object_size(bb_object_open(ctx, objects, "t/object")) ==
		  17 * 1024 * 1024);
}

STORE_TEST(objstore_writer_dies_with_its_context)
{
	MemoryContext context = unit_enter();

	write_much(ctx, bb_object_create(ctx, objects, "t/object"));
	unit_leave(context);
	CHECK(nothing_left(objects, "t/.object.tmp"));
	CHECK(!exists(ctx, objects, "t/object"));
}

STORE_TEST(objstore_sweep_takes_leftovers_only)
{
	BbObjectWriter *swept = bb_object_create(ctx, objects, "t/swept");
	BbObjectWriter *other = bb_object_create(ctx, objects, "u/other");
	bool		local = bb_objstore_local_directory(objects) != NULL;
	int			sqlstate;

	put(ctx, objects, "t/object", "x");
	write_much(ctx, swept);
	write_much(ctx, other);

	bb_objstore_sweep(ctx, objects, "t");
	CHECK(exists(ctx, objects, "t/object"));
	ERROR_OF(bb_object_finish(ctx, swept), sqlstate);
	/* in a local store it can be seen that its writer lives */
	CHECK((sqlstate == 0) == local);
	CHECK(list_length(bb_objstore_list(ctx, objects, "t")) == 1 + local);
	CHECK(nothing_left(objects, "t/.swept.tmp"));
	bb_object_finish(ctx, other);
	CHECK(bb_object_size(bb_object_open(ctx, objects, "u/other")) ==
		  17 * 1024 * 1024);
}

/* Many objects that are read in small pieces share a limited memory. */
STORE_TEST(objstore_many_readers)
{
	enum
	{
		N = 120,
		SIZE = 1024 * 1024
	};
	char	   *data = palloc(SIZE);
	BbObjectWriter *writer = bb_object_create(ctx, objects, "t/object");
	BbObjectReader *readers[N];
	MemoryContext context;

	for (int i = 0; i < SIZE; i++)
		data[i] = (char) (i % 251);
	bb_object_write(ctx, writer, data, SIZE);
	bb_object_finish(ctx, writer);

	context = unit_enter();
	for (int i = 0; i < N; i++)
		readers[i] = bb_object_open(ctx, objects, "t/object");
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
	/* memory that a reader frees is available to others */
	for (int i = 1; i < N; i++)
		bb_object_close(readers[i]);
	bb_object_read(ctx, readers[0], SIZE - 10, data, 10);
	CHECK((uint8) data[0] == (SIZE - 10) % 251);
	unit_leave(context);
}

static void
make_file(BbObjectStore *objects, const char *name)
{
	FILE	   *file = fopen(unit_object_path(objects, name), "w");

	CHECK(file != NULL);
	fclose(file);
}

UNIT_TEST(objstore_sweep_a_directory)
{
	BbObjectStore *objects = unit_store(ctx);

	put(ctx, objects, "t/object", "x");
	put(ctx, objects, "t/deep/er/object", "x");
	bb_objstore_remove(ctx, objects, "t/deep/er/object");
	put(ctx, objects, "t/there/object", "x");
	make_file(objects, "t/.other.tmp");
	make_file(objects, "t/there/.other.tmp");

	bb_objstore_sweep(ctx, objects, "t");
	CHECK(!file_exists(objects, "t/.other.tmp"));
	CHECK(!file_exists(objects, "t/there/.other.tmp"));
	CHECK(!file_exists(objects, "t/deep"));
	CHECK(exists(ctx, objects, "t/object"));
	CHECK(exists(ctx, objects, "t/there/object"));
}

STORE_TEST(objstore_list_of_many)
{
	List	   *list;

	/* several pages in the tests' S3 server */
	for (int i = 0; i < 25; i++)
		put(ctx, objects, psprintf("t/object-%02d", i), "x");
	list = bb_objstore_list(ctx, objects, "t");
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

	CHECK(bb_objstore_put_if(ctx, objects, "m", "one", 3, BB_OBJECT_ABSENT,
							 &first));
	CHECK(!bb_objstore_put_if(ctx, objects, "m", "two", 3, BB_OBJECT_ABSENT,
							  &tag));
	CHECK(bb_objstore_put_if(ctx, objects, "m", "two", 3, first, &second));
	CHECK(!bb_objstore_put_if(ctx, objects, "m", "three", 5, first, &tag));
	CHECK(bb_objstore_get(ctx, objects, "m", 100, &data, &length, &tag));
	CHECK(tag == second && length == 3 && memcmp(data, "two", 3) == 0);
	CHECK(!bb_objstore_put_if(ctx, objects, "n", "one", 3, first, &tag));
	CHECK(!exists(ctx, objects, "n"));
}

STORE_TEST(objstore_lock_excludes)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = unit_enter();

	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	MemoryContextSwitchTo(old);
	CHECK(!bb_objstore_lock(ctx, objects, "t/writer"));
	CHECK(bb_objstore_lock(ctx, objects, "u/writer"));
	MemoryContextDelete(context);
	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	CHECK(bb_objstore_list(ctx, objects, "t") == NIL);
}

/* A driver may compute a tag piece by piece. */
UNIT_TEST(objstore_tags)
{
	static const size_t sizes[] = {1, 31, 32, 33, 65535, 65536, 65537, 200000};
	BbObjectStore *objects = unit_store(ctx);
	char	   *data = palloc0(200000);
	BbObjectTag tag = BB_OBJECT_ABSENT;

	for (int i = 0; i < 200000; i++)
		data[i] = (char) (i * 7919 >> 5);
	for (int i = 0; i < lengthof(sizes); i++)
	{
		size_t		last = sizes[i] - 1;
		BbObjectTag other = bb_object_tag(data, sizes[i]);

		for (size_t at = 0; at < sizes[i]; at += 1 + at / 3)
		{
			data[at] ^= 0x10;
			CHECK(bb_object_tag(data, sizes[i]) != other);
			data[at] ^= 0x10;
		}
		CHECK(bb_object_tag(data, last) != other);
		data[last] ^= 1;
		other = bb_object_tag(data, sizes[i]);
		data[last] ^= 1;

		CHECK(
			bb_objstore_put_if(ctx, objects, "o", data, sizes[i], tag, &tag));
		CHECK(tag == bb_object_tag(data, sizes[i]));
		CHECK(!bb_objstore_put_if(ctx, objects, "o", data, 1, other, &other));
	}
}

UNIT_TEST(objstore_lock_leaves_nothing)
{
	BbObjectStore *objects = unit_store(ctx);
	MemoryContext first = AllocSetContextCreate(CurrentMemoryContext, "lock",
												ALLOCSET_SMALL_SIZES);
	MemoryContext second = AllocSetContextCreate(CurrentMemoryContext, "lock",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(first);

	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	CHECK(file_exists(objects, "t/.writer.lock"));
	MemoryContextReset(first);
	CHECK(!file_exists(objects, "t"));

	/* the file that a killed process left doesn't prevent a lock */
	put(ctx, objects, "t/object", "x");
	make_file(objects, "t/.writer.lock");
	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	MemoryContextReset(first);
	CHECK(!file_exists(objects, "t/.writer.lock"));
	CHECK(exists(ctx, objects, "t/object"));

	/* releasing a lock whose file was removed keeps the next lock's file */
	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	CHECK(unlink(unit_object_path(objects, "t/.writer.lock")) == 0);
	MemoryContextSwitchTo(second);
	CHECK(bb_objstore_lock(ctx, objects, "t/writer"));
	MemoryContextDelete(first);
	CHECK(file_exists(objects, "t/.writer.lock"));
	CHECK(!bb_objstore_lock(ctx, objects, "t/writer"));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(second);
}

#define ROUNDS 2000

/* Take and release a lock.  Returns false if both processes ever had it. */
static bool
fight_for_lock(const BbReqCtx *ctx, BbObjectStore *objects)
{
	MemoryContext context = unit_enter();
	int			taken = 0;

	while (taken < ROUNDS)
	{
		const char *mark = unit_object_path(objects, "held");
		int			fd;

		if (bb_objstore_lock(ctx, objects, "t/writer"))
		{
			fd = open(mark, O_CREAT | O_EXCL, 0600);
			if (fd < 0 || close(fd) != 0 || unlink(mark) != 0)
				break;
			taken++;
		}
		MemoryContextReset(context);
	}
	unit_leave(context);
	return taken == ROUNDS;
}

/*
 * Two processes fight for one lock, whose file and directory are created each
 * time.
 */
UNIT_TEST(objstore_lock_is_one_holders)
{
	BbObjectStore *objects = unit_store(ctx);
	bool		mine;
	int			status;
	pid_t		pid;

	put(ctx, objects, "object", "x");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
	{
		/* an error must not lead out of here */
		PG_TRY();
		{
			status = fight_for_lock(ctx, objects) ? 0 : 1;
		}
		PG_CATCH();
		{
			status = 2;
		}
		PG_END_TRY();
		_exit(status);
	}
	mine = fight_for_lock(ctx, objects);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(mine);
	CHECK(status == 0);
}

/* A context that may not download. */
static BbReqCtx
refusing(const BbReqCtx *ctx)
{
	BbReqCtx	child = *ctx;

	child.download_behavior = BB_DOWNLOAD_ERROR;
	return child;
}

/* Put an object whose size and checksum are known. */
static BbWholeObject *
put_whole(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	BbWholeObject *object = palloc0(sizeof(BbWholeObject));

	put(ctx, objects, name, "0123456789");
	*object = (BbWholeObject){.name = name, .size = 10, .id = 1};
	INIT_CRC32C(object->crc);
	COMP_CRC32C(object->crc, "0123456789", 10);
	FIN_CRC32C(object->crc);
	return object;
}

UNIT_TEST(objstore_all_is_resident)
{
	BbObjectStore *objects = unit_store(ctx);
	BbWholeObject *object = put_whole(ctx, objects, "t/object");
	BbReqCtx	hasty = refusing(ctx);

	CHECK(bb_objstore_residency(objects) == BB_RESIDENT_ALL);
	CHECK(bb_object_is_resident(objects, object));
	CHECK(bb_objstore_cache_size(objects) == 0);
	bb_object_permit_download(&hasty, objects, object);
	CHECK(
		!bb_object_is_copy(bb_object_open_resident(&hasty, objects, object)));
	CHECK(bb_objects_hold(ctx, objects, list_make1(object), NULL, NULL) ==
		  NULL);
	CHECK(bb_object_evict(objects, object) == BB_EVICTION_NOT_RESIDENT);
	CHECK(bb_objstore_evict_idle(ctx, objects, DT_NOEND).objects == 0);
	CHECK(exists(ctx, objects, "t/object"));
}

static void
none_is_resident_of(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbWholeObject *object = put_whole(ctx, objects, "t/object");
	BbReqCtx	hasty = refusing(ctx);

	CHECK(bb_objstore_residency(objects) == BB_RESIDENT_NONE);
	CHECK(!bb_object_is_resident(objects, object));
	CHECK(bb_objstore_cache_size(objects) == 0);
	CHECK_ERROR(bb_object_permit_download(&hasty, objects, object),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR(bb_object_open_resident(&hasty, objects, object),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(!bb_object_is_copy(bb_object_open_resident(ctx, objects, object)));
	CHECK(bb_objects_hold(ctx, objects, list_make1(object), NULL, NULL) ==
		  object);
	CHECK(bb_object_evict(objects, object) == BB_EVICTION_NOT_RESIDENT);
}

static void
count_fetched(const BbReqCtx *ctx, const BbWholeObject *object, void *arg)
{
	++*(int *) arg;
}

static void
cached_is_resident_of(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbWholeObject *object = put_whole(ctx, objects, "t/object");
	List	   *wanted = list_make1(object);
	BbReqCtx	hasty = refusing(ctx);
	MemoryContext context;
	int			fetched = 0;

	CHECK(bb_objstore_residency(objects) == BB_RESIDENT_IN_CACHE);
	CHECK(bb_objstore_cache_size(objects) == 1024 * 1024);
	CHECK(!bb_object_is_resident(objects, object));

	context = unit_enter();
	CHECK_ERROR(bb_object_open_resident(&hasty, objects, object),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(bb_objects_hold(ctx, objects, wanted, count_fetched, &fetched) ==
		  NULL);
	CHECK(bb_objects_hold(ctx, objects, wanted, count_fetched, &fetched) ==
		  NULL);
	CHECK(fetched == 1);
	CHECK(bb_object_is_copy(bb_object_open_resident(&hasty, objects, object)));
	CHECK(bb_object_evict(objects, object) == BB_EVICTION_IN_USE);
	unit_leave(context);
	CHECK(bb_object_evict(objects, object) == BB_EVICTED);
	CHECK(bb_object_evict(objects, object) == BB_EVICTION_NOT_RESIDENT);

	/* a permission is good for one download */
	bb_object_permit_download(ctx, objects, object);
	context = unit_enter();
	CHECK(bb_object_is_copy(bb_object_open_resident(&hasty, objects, object)));
	unit_leave(context);
	CHECK(bb_objstore_evict_idle(ctx, objects, DT_NOEND).objects == 1);
	CHECK_ERROR(bb_object_open_resident(&hasty, objects, object),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
}

static void
none_is_resident(const BbReqCtx *ctx)
{
	none_is_resident_of(ctx, unit_s3_store(ctx));
	none_is_resident_of(ctx, unit_s3_encrypted_store(ctx, NULL));
}

static void
cached_is_resident(const BbReqCtx *ctx)
{
	char		directory[] = "/tmp/bb_unit.XXXXXX";

	CHECK(mkdtemp(directory) != NULL);
	cached_is_resident_of(ctx, unit_s3_cached_store(ctx, directory));
	cached_is_resident_of(ctx, unit_s3_encrypted_store(ctx, directory));
	CHECK(rmtree(directory, true));
}

__attribute__((constructor)) static void
register_residency(void)
{
	if (!unit_s3_available())
		return;
	unit_register("objstore_none_is_resident_s3", none_is_resident);
	unit_register("objstore_cached_is_resident_s3", cached_is_resident);
}

STORE_TEST(objstore_names_cannot_escape)
{
	static const char *const names[] = {"",		"/",   "/a",	 "a/",
										"a//b", "..",  "a/../b", ".a",
										"a/.b", "a b", "a\nb",	 "a\\b"};

	for (int i = 0; i < lengthof(names); i++)
		CHECK_ERROR(bb_object_open(ctx, objects, names[i]),
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

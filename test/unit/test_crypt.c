/*-------------------------------------------------------------------------
 *
 * test_crypt.c
 *	  Encrypted stores: what was changed is noticed; keys, given and rotated.
 *
 * test_objstore.c runs the conformance suite on them, and t/600_encryption.pl
 * decrypts a store by another program.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crc.h"
#include "common/pg_prng.h"
#include "objstore/crypt/crypt_internal.h"
#include "objstore/objstore_driver.h"
#include "unit.h"
#include "utils/timestamp.h"

#define KEY_2 \
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

static BbObjectStore *
reopen_with(const BbReqCtx *ctx, BbObjectStore *objects,
			BbObjectStoreOptions options)
{
	options.encrypted = true;
	return bb_objstore_open(ctx, bb_objstore_url(objects), &options);
}

static BbObjectStore *
reopen(const BbReqCtx *ctx, BbObjectStore *objects, const char *keys)
{
	return reopen_with(ctx, objects,
					   (BbObjectStoreOptions){.encryption_key = keys});
}

static uint8 *
make_data(size_t length, uint64 seed)
{
	uint8	   *data = palloc(length + 1);
	pg_prng_state state;

	pg_prng_seed(&state, seed);
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8) pg_prng_uint32(&state);
	return data;
}

static void
put(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
	const void *data, size_t length)
{
	BbObjectWriter *writer = bb_object_create(ctx, objects, name);

	bb_object_write(ctx, writer, data, length);
	bb_object_finish(ctx, writer);
}

static bool
get(const BbReqCtx *ctx, BbObjectStore *objects, const char *name, char **data,
	size_t *length)
{
	BbObjectTag tag;

	return bb_objstore_get(ctx, objects, name, 1024 * 1024, data, length,
						   &tag);
}

/* ---- files of a local store ---- */

static char *
read_file(BbObjectStore *objects, const char *name, size_t *length)
{
	FILE	   *file = fopen(unit_object_path(objects, name), "rb");
	char	   *data = palloc(1024 * 1024);

	CHECK(file != NULL);
	*length = fread(data, 1, 1024 * 1024, file);
	fclose(file);
	return data;
}

static void
write_file(BbObjectStore *objects, const char *name, const char *data,
		   size_t length)
{
	FILE	   *file = fopen(unit_object_path(objects, name), "wb");

	CHECK(file != NULL);
	CHECK(fwrite(data, 1, length, file) == length);
	CHECK(fclose(file) == 0);
}

/* Read an object in both ways, expecting DATA_CORRUPTED. */
static void
check_noticed(const BbReqCtx *ctx, BbObjectStore *objects, const char *name)
{
	MemoryContext context = unit_enter();
	char	   *data;
	size_t		length;
	BbObjectReader *reader;

	CHECK_ERROR(get(ctx, objects, name, &data, &length),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(
		{
			reader = bb_object_open(ctx, objects, name);
			data = palloc(bb_object_size(reader) + 1);
			bb_object_read(ctx, reader, 0, data, bb_object_size(reader));
			/* an empty object has nothing to be read */
			if (bb_object_size(reader) == 0)
				(void) get(ctx, objects, name, &data, &length);
		},
		ERRCODE_DATA_CORRUPTED);
	unit_leave(context);
}

/* The cases 13, 14 and 16 of the GCM specification. */
UNIT_TEST(crypt_known_answers)
{
	static const uint8 zeros[BB_KEY_BYTES] = {0};
	static const uint8 tag_13[] = {0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45,
								   0x36, 0xb9, 0xa9, 0x63, 0xb4, 0xf1,
								   0xc4, 0xcb, 0x73, 0x8b};
	static const uint8 sealed_14[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b,
									  0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3,
									  0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99,
									  0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5,
									  0xd4, 0x8a, 0xb9, 0x19};
	static const uint8 key_16[] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73,
								   0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30,
								   0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86,
								   0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94,
								   0x67, 0x30, 0x83, 0x08};
	static const uint8 nonce_16[] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
									 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
	static const uint8 aad_16[] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe,
								   0xef, 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad,
								   0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
	static const uint8 plain_16[] = {0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06,
									 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5,
									 0x26, 0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15,
									 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d,
									 0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c,
									 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf,
									 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25, 0xb1,
									 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57,
									 0xba, 0x63, 0x7b, 0x39};
	static const uint8 tag_16[] = {0x76, 0xfc, 0x6e, 0xce, 0x0f, 0x4e,
								   0x17, 0x68, 0xcd, 0xdf, 0x88, 0x53,
								   0xbb, 0x2d, 0x55, 0x1b};
	uint8		sealed[sizeof(plain_16) + BB_TAG_BYTES];
	uint8		plain[sizeof(plain_16)];
	BbAead	   *seal = bb_aead_new(zeros, true);
	BbAead	   *open;

	bb_aead_seal(seal, zeros, NULL, 0, NULL, 0, sealed);
	CHECK(memcmp(sealed, tag_13, sizeof(tag_13)) == 0);
	bb_aead_seal(seal, zeros, NULL, 0, zeros, 16, sealed);
	CHECK(memcmp(sealed, sealed_14, sizeof(sealed_14)) == 0);

	seal = bb_aead_new(key_16, true);
	open = bb_aead_new(key_16, false);
	bb_aead_seal(seal, nonce_16, aad_16, sizeof(aad_16), plain_16,
				 sizeof(plain_16), sealed);
	CHECK(memcmp(sealed + sizeof(plain_16), tag_16, BB_TAG_BYTES) == 0);
	CHECK(bb_aead_open(open, nonce_16, aad_16, sizeof(aad_16), sealed,
					   sizeof(sealed), plain));
	CHECK(memcmp(plain, plain_16, sizeof(plain)) == 0);
	CHECK(!bb_aead_open(open, nonce_16, aad_16, sizeof(aad_16) - 1, sealed,
						sizeof(sealed), plain));
	CHECK(!bb_aead_open(open, zeros, aad_16, sizeof(aad_16), sealed,
						sizeof(sealed), plain));
	CHECK(!bb_aead_open(open, nonce_16, aad_16, sizeof(aad_16), sealed, 15,
						plain));
	CHECK(bb_aead_open(open, nonce_16, aad_16, sizeof(aad_16), sealed,
					   sizeof(sealed), plain));
}

/* Objects of sizes around the borders of chunks, read at random. */
UNIT_TEST(crypt_sizes_and_ranges)
{
	static const size_t sizes[] = {0,
								   1,
								   BB_CHUNK_BYTES - 1,
								   BB_CHUNK_BYTES,
								   BB_CHUNK_BYTES + 1,
								   2 * BB_CHUNK_BYTES,
								   2 * BB_CHUNK_BYTES + 1,
								   700 * 1000};
	BbObjectStore *objects = unit_encrypted_store(ctx);
	uint64		seed = unit_seed();
	pg_prng_state state;

	pg_prng_seed(&state, seed);
	for (int i = 0; i < lengthof(sizes); i++)
	{
		uint8	   *data = make_data(sizes[i], seed + i);
		BbObjectWriter *writer = bb_object_create(ctx, objects, "t/o");
		BbObjectReader *reader;
		BbObjectInfo *info;
		char	   *again;
		size_t		length;

		for (size_t at = 0; at < sizes[i];)
		{
			size_t		n = pg_prng_uint64_range(&state, 1, 50000);

			n = Min(n, sizes[i] - at);
			bb_object_write(ctx, writer, data + at, n);
			at += n;
		}
		bb_object_finish(ctx, writer);

		info = linitial(bb_objstore_list(ctx, objects, "t"));
		CHECK(info->size == sizes[i]);
		again = read_file(objects, "t/o", &length);
		CHECK(length == bb_sealed_size(sizes[i]));
		CHECK(get(ctx, objects, "t/o", &again, &length));
		CHECK(length == sizes[i] && memcmp(again, data, length) == 0);

		reader = bb_object_open(ctx, objects, "t/o");
		CHECK(bb_object_size(reader) == sizes[i]);
		for (int n = 0; n < 200; n++)
		{
			size_t		from = pg_prng_uint64_range(&state, 0, sizes[i]);
			size_t		most = n % 2 == 0 ? 1000 : sizes[i];

			length = pg_prng_uint64_range(&state, 0,
										  Min(sizes[i] - from, most));
			memset(again, 0, length);
			bb_object_read(ctx, reader, from, again, length);
			CHECK(memcmp(again, data + from, length) == 0);
		}
		bb_object_close(reader);
	}
}

/* No size of a file but those of objects is taken for one. */
UNIT_TEST(crypt_impossible_sizes)
{
	uint64		next = 0;
	uint64		plain;

	for (uint64 sealed = 0; sealed < 3 * BB_SEALED_CHUNK_BYTES; sealed++)
	{
		bool		possible = bb_plain_size(sealed, &plain);

		CHECK(possible == (sealed == bb_sealed_size(next)));
		if (possible)
			CHECK(plain == next++);
	}
	CHECK(bb_plain_size(bb_sealed_size(UINT64CONST(1) << 50), &plain));
	CHECK(plain == UINT64CONST(1) << 50);
}

UNIT_TEST(crypt_every_byte_counts)
{
	BbObjectStore *objects = unit_encrypted_store(ctx);
	char	   *file;
	char	   *data;
	size_t		length;

	put(ctx, objects, "t/o", "what is stored", 14);
	file = read_file(objects, "t/o", &length);
	for (size_t i = 0; i < length; i++)
	{
		file[i] ^= (char) (1 << (i % 8));
		write_file(objects, "t/o", file, length);
		check_noticed(ctx, objects, "t/o");
		file[i] ^= (char) (1 << (i % 8));
	}
	/* every end that was lost, and one that was added */
	for (size_t i = 0; i < length; i++)
	{
		write_file(objects, "t/o", file, i);
		check_noticed(ctx, objects, "t/o");
	}
	write_file(objects, "t/o", file, length + 1);
	check_noticed(ctx, objects, "t/o");

	write_file(objects, "t/o", file, length);
	CHECK(get(ctx, objects, "t/o", &data, &length));
	CHECK(length == 14);
}

UNIT_TEST(crypt_chunks_stay_in_place)
{
	BbObjectStore *objects = unit_encrypted_store(ctx);
	size_t		size = 3 * BB_CHUNK_BYTES;
	size_t		length;
	char	   *one;
	char	   *other;
	char	   *changed = palloc(1024 * 1024);

	put(ctx, objects, "t/one", make_data(size, 1), size);
	put(ctx, objects, "t/other", make_data(size, 1), size);
	one = read_file(objects, "t/one", &length);
	other = read_file(objects, "t/other", &length);
	/* of the same content, nothing is the same */
	for (uint64 i = 0; i < 3; i++)
		CHECK(memcmp(one + bb_sealed_at(i), other + bb_sealed_at(i),
					 BB_SEALED_CHUNK_BYTES) != 0);

	/* two chunks of an object, and one of another object, in their place */
	memcpy(changed, one, length);
	memcpy(changed + bb_sealed_at(0), one + bb_sealed_at(1),
		   BB_SEALED_CHUNK_BYTES);
	memcpy(changed + bb_sealed_at(1), one + bb_sealed_at(0),
		   BB_SEALED_CHUNK_BYTES);
	write_file(objects, "t/one", changed, length);
	check_noticed(ctx, objects, "t/one");
	memcpy(changed, one, length);
	memcpy(changed + bb_sealed_at(1), other + bb_sealed_at(1),
		   BB_SEALED_CHUNK_BYTES);
	write_file(objects, "t/one", changed, length);
	check_noticed(ctx, objects, "t/one");

	/* an end that is lost or repeated at the border of a chunk */
	write_file(objects, "t/one", one, bb_sealed_at(2));
	check_noticed(ctx, objects, "t/one");
	memcpy(changed, one, length);
	memcpy(changed + length, one + bb_sealed_at(2), BB_SEALED_CHUNK_BYTES);
	write_file(objects, "t/one", changed, length + BB_SEALED_CHUNK_BYTES);
	check_noticed(ctx, objects, "t/one");

	/* another object under this name, and its header on these chunks */
	write_file(objects, "t/one", other, length);
	check_noticed(ctx, objects, "t/one");
	memcpy(changed, one, length);
	memcpy(changed, other, BB_CRYPT_HEADER_BYTES);
	write_file(objects, "t/one", changed, length);
	check_noticed(ctx, objects, "t/one");

	write_file(objects, "t/one", one, length);
	CHECK(get(ctx, objects, "t/one", &one, &length));
}

UNIT_TEST(crypt_every_byte_of_the_key_ring_counts)
{
	BbObjectStore *objects = unit_encrypted_store(ctx);
	char	   *file;
	char	   *data;
	size_t		length;

	put(ctx, objects, "t/o", "x", 1);
	file = read_file(objects, "keyring", &length);
	for (size_t i = 0; i < length; i++)
	{
		int			sqlstate;

		file[i] ^= (char) (1 << (i % 8));
		write_file(objects, "keyring", file, length);
		ERROR_OF(get(ctx, reopen(ctx, objects, UNIT_KEY), "t/o", &data,
					 &length),
				 sqlstate);
		CHECK(sqlstate == ERRCODE_DATA_CORRUPTED ||
			  (sqlstate == ERRCODE_INVALID_PASSWORD && i >= 16 && i < 24));
		file[i] ^= (char) (1 << (i % 8));
		(void) read_file(objects, "keyring", &length);
	}
	for (size_t i = 0; i < length; i++)
	{
		write_file(objects, "keyring", file, i);
		CHECK_ERROR(get(ctx, reopen(ctx, objects, UNIT_KEY), "t/o", &data,
						&length),
					ERRCODE_DATA_CORRUPTED);
	}
	unlink(unit_object_path(objects, "keyring"));
	CHECK_ERROR(get(ctx, reopen(ctx, objects, UNIT_KEY), "t/o", &data,
					&length),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
}

/* ---- plain and encrypted stores ---- */

UNIT_TEST(crypt_no_downgrade)
{
	BbObjectStore *plain = unit_store(ctx);
	BbObjectStore *objects = unit_encrypted_store(ctx);
	BbObjectStore *opened;
	char	   *data;
	size_t		length;
	BbObjectTag tag;

	/* a plain store isn't an encrypted one */
	put(ctx, plain, "timelines/t/o", "plain", 5);
	CHECK_ERROR(get(ctx, reopen(ctx, plain, UNIT_KEY), "timelines/t/o", &data,
					&length),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(bb_object_open(ctx, reopen(ctx, plain, UNIT_KEY),
							   "timelines/t/o"),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(put(ctx, reopen(ctx, plain, UNIT_KEY), "timelines/t/p", "x",
					1),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK(!bb_objstore_encryption(ctx, plain).encrypted);
	CHECK_ERROR(bb_objstore_rotate_key(ctx, plain, false),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);

	/* nor an encrypted one a plain one */
	put(ctx, objects, "timelines/t/o", "secret", 6);
	opened = bb_objstore_open(ctx, bb_objstore_url(objects), NULL);
	CHECK_ERROR(get(ctx, opened, "timelines/t/o", &data, &length),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR(put(ctx, opened, "timelines/u/o", "x", 1),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR(bb_objstore_encryption(ctx, opened),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);

	/* an object that was put there is refused */
	write_file(objects, "timelines/t/o", "plain", 5);
	check_noticed(ctx, objects, "timelines/t/o");

	/* what is put on a condition is encrypted, too */
	CHECK(bb_objstore_put_if(ctx, objects, "timelines/t/m", "secret words", 12,
							 BB_OBJECT_ABSENT, &tag));
	data = read_file(objects, "timelines/t/m", &length);
	CHECK(memmem(data, length, "secret", 6) == NULL);
}

/* ---- keys ---- */

static bool
can_read(const BbReqCtx *ctx, BbObjectStore *objects, const char *keys)
{
	char	   *data;
	size_t		length;
	int			sqlstate;

	ERROR_OF(get(ctx, reopen(ctx, objects, keys), "t/o", &data, &length),
			 sqlstate);
	CHECK(sqlstate == 0 || sqlstate == ERRCODE_INVALID_PASSWORD);
	/* ids are in the message, keys never */
	CHECK(sqlstate == 0 ||
		  (strstr(unit_last_detail, keys) == NULL &&
		   strstr(unit_last_error, keys) == NULL));
	return sqlstate == 0;
}

UNIT_TEST(crypt_keys_rotate)
{
	BbObjectStore *objects = unit_encrypted_store(ctx);
	BbObjectStore *old;
	BbEncryption about;
	char	   *before;
	char	   *after;
	size_t		length;
	size_t		length_after;

	about = bb_objstore_encryption(ctx, objects);
	CHECK(about.encrypted && about.store_key == NULL && about.data_keys == 0);
	put(ctx, objects, "t/o", "what is stored", 14);
	old = reopen(ctx, objects, UNIT_KEY);
	CHECK(get(ctx, old, "t/o", &before, &length));
	about = bb_objstore_encryption(ctx, objects);
	CHECK(strcmp(about.store_key, about.given_key) == 0);
	CHECK(about.data_keys == 1 &&
		  labs((long) (about.data_key_created - time(NULL))) < 600);
	CHECK(can_read(ctx, objects, UNIT_KEY));
	CHECK(can_read(ctx, objects, KEY_2 "\n" UNIT_KEY "\n"));
	CHECK(!can_read(ctx, objects, KEY_2));

	/* the new key has to be known together with the old one */
	CHECK_ERROR(bb_objstore_rotate_key(ctx, reopen(ctx, objects, KEY_2),
									   false),
				ERRCODE_INVALID_PASSWORD);
	before = read_file(objects, "t/o", &length);
	about = bb_objstore_rotate_key(ctx,
								   reopen(ctx, objects, KEY_2 "," UNIT_KEY),
								   false);
	CHECK(strcmp(about.store_key, about.given_key) == 0);
	CHECK(about.data_keys == 1);
	CHECK(can_read(ctx, objects, KEY_2));
	CHECK(!can_read(ctx, objects, UNIT_KEY));
	after = read_file(objects, "t/o", &length_after);
	CHECK(length == length_after && memcmp(before, after, length) == 0);

	/* with another data key; a session that knows only the first goes on */
	old = reopen(ctx, objects, KEY_2);
	CHECK(get(ctx, old, "t/o", &before, &length));
	about = bb_objstore_rotate_key(ctx, reopen(ctx, objects, KEY_2), true);
	CHECK(about.data_keys == 2);
	put(ctx, reopen(ctx, objects, KEY_2), "t/new", "new", 3);
	CHECK(get(ctx, old, "t/new", &before, &length));
	CHECK(get(ctx, old, "t/o", &before, &length));
	put(ctx, objects, "t/old", "old", 3); /* with the first data key */
	CHECK(get(ctx, old, "t/old", &before, &length));
	CHECK(can_read(ctx, objects, KEY_2));
}

static int
error_of_options(const BbReqCtx *ctx, BbObjectStore *objects,
				 BbObjectStoreOptions options)
{
	char	   *data;
	size_t		length;
	int			sqlstate;

	ERROR_OF(get(ctx, reopen_with(ctx, objects, options), "t/o", &data,
				 &length),
			 sqlstate);
	return sqlstate;
}

UNIT_TEST(crypt_keys_are_given)
{
	static const char *const bad[] = {"",
									  "# a comment only",
									  "00",
									  UNIT_KEY "00",
									  UNIT_KEY UNIT_KEY,
									  UNIT_KEY " word",
									  ("x" UNIT_KEY)};
	BbObjectStore *objects = unit_encrypted_store(ctx);
	char	   *path = unit_object_path(objects, "key");
	char	   *command = psprintf("cat '%s'", path);

	put(ctx, objects, "t/o", "x", 1);
	CHECK(error_of_options(ctx, objects, (BbObjectStoreOptions){0}) ==
		  ERRCODE_FDW_OPTION_NAME_NOT_FOUND);
	for (int i = 0; i < lengthof(bad); i++)
	{
		CHECK(error_of_options(ctx, objects,
							   (BbObjectStoreOptions){
								   .encryption_key = bad[i]}) ==
			  ERRCODE_INVALID_PASSWORD);
		CHECK(strstr(unit_last_error, "00") == NULL);
	}
	CHECK(can_read(ctx, objects,
				   "# comment " KEY_2 "\n\t" KEY_2 "\r\n" UNIT_KEY
				   "# the old one\n"));

	/* a file */
#define FILE_OPTIONS ((BbObjectStoreOptions){.encryption_key_file = path})
	CHECK(error_of_options(ctx, objects, FILE_OPTIONS) ==
		  ERRCODE_UNDEFINED_FILE);
	write_file(objects, "key", UNIT_KEY "\n", strlen(UNIT_KEY) + 1);
	CHECK(chmod(path, 0640) == 0);
	CHECK(error_of_options(ctx, objects, FILE_OPTIONS) ==
		  ERRCODE_INVALID_PASSWORD);
	CHECK(chmod(path, 0600) == 0);
	CHECK(error_of_options(ctx, objects, FILE_OPTIONS) == 0);

	/* a command, whose output is kept until another key is needed */
#define COMMAND_OPTIONS \
	((BbObjectStoreOptions){.encryption_key_command = command})
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) == 0);
	write_file(objects, "key", KEY_2, strlen(KEY_2));
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) == 0);
	(void) bb_objstore_rotate_key(ctx,
								  reopen(ctx, objects, KEY_2 " " UNIT_KEY),
								  false);
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) == 0);
	CHECK(unlink(path) == 0);
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) == 0);
	command = psprintf("cat '%s' 2>/dev/null", path);
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) ==
		  ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	command = "echo " UNIT_KEY "; exit 3";
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) ==
		  ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	CHECK(strstr(unit_last_error, "0001") == NULL);
	command = "kill -9 $$";
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) ==
		  ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
	command = "yes";
	CHECK(error_of_options(ctx, objects, COMMAND_OPTIONS) ==
		  ERRCODE_EXTERNAL_ROUTINE_EXCEPTION);
}

/* ---- downloads ---- */

/* Put an object as it is into the store that holds the ciphertext. */
static void
put_below(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
		  const void *data, size_t length)
{
	BbObjectStore *below = ((BbCryptStore *) objects)->below;

	put(ctx, below, name, data, length);
}

static BbWholeObject
describe(const char *name, const uint8 *data, size_t length)
{
	BbWholeObject object = {.name = name, .size = length, .id = 7};

	INIT_CRC32C(object.crc);
	object.crc = bb_crc32c(object.crc, data, length);
	FIN_CRC32C(object.crc);
	return object;
}

/*
 * Parts that are read one after another or alone; and what was downloaded into
 * a cache was verified.
 */
static void
crypt_downloads(const BbReqCtx *ctx)
{
	char		directory[] = "/tmp/bb_unit.XXXXXX";
	size_t		size = 200 * 1000;
	uint8	   *data = make_data(size, unit_seed());
	uint8	   *again = palloc(size);
	BbWholeObject object = describe("t/o", data, size);
	BbObjectStore *objects;
	BbObjectStore *below;
	BbObjectReader *reader;
	char	   *sealed;
	size_t		length;
	BbObjectTag tag;
	MemoryContext context;

	CHECK(mkdtemp(directory) != NULL);
	objects = unit_s3_encrypted_store(ctx, directory);
	below = ((BbCryptStore *) objects)->below;
	put(ctx, objects, "t/o", data, size);
	CHECK(
		bb_objstore_get(ctx, below, "keyring", 1000, &sealed, &length, &tag));

	/* parts: first a later one, then all of them */
	CHECK(bb_object_end_part(ctx,
							 bb_object_begin_part(ctx, objects, &object, 99999,
												  again, 50000)));
	CHECK(memcmp(again, data + 99999, 50000) == 0);
	for (size_t at = 0; at < size; at += 30000)
		CHECK(bb_object_end_part(ctx,
								 bb_object_begin_part(ctx, objects, &object,
													  at, again + at,
													  Min(30000, size - at))));
	CHECK(memcmp(again, data, size) == 0);
	object.size++;
	CHECK(!bb_object_end_part(ctx,
							  bb_object_begin_part(ctx, objects, &object, 0,
												   again, 1000)));
	object.size--;

	/* the cache */
	context = unit_enter();
	reader = bb_object_open_resident(ctx, objects, &object);
	CHECK(bb_object_is_copy(reader));
	bb_object_read(ctx, reader, 0, again, size);
	CHECK(memcmp(again, data, size) == 0);
	bb_object_close(reader);
	unit_leave(context);
	CHECK(bb_object_evict(objects, &object) == BB_EVICTED);

	CHECK(below->ops->get(ctx, below, "t/o", 1024 * 1024, &sealed, &length,
						  &tag));
	for (int i = 0; i < 10; i++)
	{
		sealed[i * (length - 1) / 9] ^= 1;
		put_below(ctx, objects, "t/o", sealed, length);
		CHECK_ERROR(bb_object_open_resident(ctx, objects, &object),
					ERRCODE_DATA_CORRUPTED);
		CHECK(!bb_object_is_resident(objects, &object));
		sealed[i * (length - 1) / 9] ^= 1;
	}
	/* a right object, but not the one that is wanted */
	put_below(ctx, objects, "t/o", sealed, length);
	object.crc ^= 1;
	CHECK_ERROR(bb_object_open_resident(ctx, objects, &object),
				ERRCODE_DATA_CORRUPTED);
	object.crc ^= 1;
	(void) bb_object_open_resident(ctx, objects, &object);
	CHECK(bb_object_is_resident(objects, &object));
	CHECK(rmtree(directory, true));
}

__attribute__((constructor)) static void
register_downloads(void)
{
	if (unit_s3_available())
		unit_register("crypt_downloads_s3", crypt_downloads);
}

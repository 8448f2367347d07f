/*-------------------------------------------------------------------------
 *
 * crypt_internal.h
 *	  Encrypted stores: an object store over another one, which holds
 *	  ciphertext.
 *
 *	  callers ─ plaintext ─► crypt/ ─ ciphertext ─► cache/ ─► driver
 *
 * What is in the directory of a cache is ciphertext, too.  Names, locks and
 * conditional puts are those of the store below.
 *
 * Three kinds of keys, all of 256 bits, for AES-256-GCM:
 *
 *	  store's key		given by the options; wraps the key ring
 *		 └─ data keys	in the key ring, an object of the store; wrap
 *			   └─ the key of each object, in its header
 *
 * So another key of the store needs only a new key ring.  docs/format.md
 * describes the bytes.
 *
 *	  crypt.c		 the operations of the store
 *	  crypt_cache.c	 those of its cache
 *	  crypt_check.c	 verifies what the cache downloads
 *	  crypt_read.c	 readers and parts
 *	  crypt_write.c	 writers
 *	  crypt_frame.c	 the bytes of an object: header, chunks, sizes
 *	  crypt_ring.c	 the key ring
 *	  crypt_key.c	 the keys of the store that the options give
 *	  crypt_aead.c	 AES-256-GCM by libcrypto
 *
 * Each file calls those below it only.
 *
 * No message has a key.  What holds a key is wiped when its memory context is
 * reset.  Copies that the server itself makes, such as those of a user
 * mapping's options, aren't.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CRYPT_INTERNAL_H
#define BB_CRYPT_INTERNAL_H

#include "objstore/objstore_driver.h"

#define BB_KEY_BYTES 32
#define BB_NONCE_BYTES 12
#define BB_TAG_BYTES 16

/* An object is a header and chunks, see docs/format.md. */
#define BB_CRYPT_VERSION 1
#define BB_CRYPT_HEADER_BYTES 80
#define BB_CHUNK_BYTES 16384
#define BB_SEALED_CHUNK_BYTES (BB_CHUNK_BYTES + BB_TAG_BYTES)

/* ---- crypt_aead.c ---- */

typedef struct BbAead BbAead;

/*
 * bb_aead_new - prepare to encrypt ("seal") or to decrypt with a key, until
 * CurrentMemoryContext is reset.
 *
 * Errors: FEATURE_NOT_SUPPORTED (the server was built without OpenSSL).
 */
extern BbAead *bb_aead_new(const uint8 *key, bool seal);

/*
 * bb_aead_seal - encrypt "length" bytes to "sealed", followed by the tag.
 *
 * REQUIRES: the nonce was never used with this key.
 */
extern void bb_aead_seal(BbAead *aead, const uint8 *nonce, const void *aad,
						 size_t aad_length, const void *data, size_t length,
						 uint8 *sealed);

/*
 * bb_aead_open - decrypt so many sealed bytes, the last of which are the tag.
 *
 * Returns false if they aren't what was sealed; *data is undefined then.
 */
extern bool bb_aead_open(BbAead *aead, const uint8 *nonce, const void *aad,
						 size_t aad_length, const uint8 *sealed,
						 size_t sealed_length, void *data);

/* ---- crypt_key.c ---- */

#define BB_STORE_KEYS_MAX 16
#define BB_KEY_ID_BYTES 8

typedef struct BbStoreKey
{
	uint8		id[BB_KEY_ID_BYTES];
	uint8		bytes[BB_KEY_BYTES];
} BbStoreKey;

/* The keys of a store that the options give: the first wraps, all unwrap. */
typedef struct BbStoreKeys
{
	int			n;
	BbStoreKey	keys[BB_STORE_KEYS_MAX];
} BbStoreKeys;

/*
 * bb_storekeys_read - read the keys from the user mapping, the file or the
 * command.  Allocated in CurrentMemoryContext, and wiped with it.
 *
 * The output of a command is kept for the session.  "again": don't use that.
 *
 * Errors: FDW_OPTION_NAME_NOT_FOUND (no key is given); INVALID_PASSWORD (the
 * file has no key, or others may read it); EXTERNAL_ROUTINE_EXCEPTION (the
 * command failed); QUERY_CANCELED; those of local I/O.
 */
extern const BbStoreKeys *bb_storekeys_read(
	const BbReqCtx *ctx, const BbObjectStoreOptions *options, bool again);

/* bb_storekey_name - return a key's id as text, palloc'd, for messages. */
extern char *bb_storekey_name(const uint8 *id);

/* ---- crypt_ring.c ---- */

typedef struct BbDataKey
{
	uint32		id;		 /* from 1 on */
	int64		created; /* seconds since 1970 */
	uint8		bytes[BB_KEY_BYTES];
} BbDataKey;

typedef struct BbKeyRing
{
	uint8		wrapped_by[BB_KEY_ID_BYTES];
	uint32		n;	  /* > 0; the last one is for new objects */
	BbDataKey  *keys; /* in the order of their ids */
	BbObjectTag tag;
} BbKeyRing;

/*
 * bb_keyring_read - read the key ring of the store below; NULL if it has none.
 *
 * Allocated in CurrentMemoryContext, and wiped with it.
 *
 * Errors: those of bb_storekeys_read; INVALID_PASSWORD (it is wrapped by a key
 * that isn't given); DATA_CORRUPTED.
 */
extern BbKeyRing *bb_keyring_read(const BbReqCtx *ctx, BbObjectStore *below,
								  const BbObjectStoreOptions *options);

/*
 * bb_keyring_make - make the key ring of a store without objects.
 *
 * Errors: as above; OBJECT_NOT_IN_PREREQUISITE_STATE (the store has objects).
 */
extern BbKeyRing *bb_keyring_make(const BbReqCtx *ctx, BbObjectStore *below,
								  const BbObjectStoreOptions *options);

/*
 * bb_keyring_rotate - wrap the key ring by the first key that is given, and,
 * with "data_key", add a data key.  Returns what it has become.
 *
 * Errors: as above; OBJECT_IN_USE (others keep replacing it).
 */
extern BbKeyRing *bb_keyring_rotate(const BbReqCtx *ctx, BbObjectStore *below,
									const BbObjectStoreOptions *options,
									bool data_key);

/* ---- the store ---- */

typedef struct BbCryptStore
{
	BbObjectStore base;
	BbObjectStore *below;
	BbObjectStoreOptions options; /* its own copies of the texts */
	MemoryContext ring_context;	  /* NULL: no key ring was read */
	BbKeyRing  *ring;

	/* crypt_read.c */
	uint8	   *sealed;		  /* what is being decrypted; NULL: none so far */
	size_t		sealed_bytes; /* allocated */
	char	   *part_name;	  /* of the object with this key; NULL: none */
	uint8		part_key[BB_KEY_BYTES];
} BbCryptStore;

/* ---- crypt_frame.c ---- */

/*
 * bb_sealed_size - return the size of an object whose plaintext has so many
 * bytes.
 * bb_plain_size - the reverse.  Returns false if no object has that size.
 * bb_sealed_at - where a chunk begins.
 */
extern uint64 bb_sealed_size(uint64 plain);
extern bool bb_plain_size(uint64 sealed, uint64 *plain);
extern uint64 bb_sealed_at(uint64 chunk);
extern uint64 bb_chunk_count(uint64 plain);

/*
 * bb_frame_begin - make the key and the header of a new object.  Makes the key
 * ring if the store has none and no objects.
 */
extern void bb_frame_begin(const BbReqCtx *ctx, BbCryptStore *crypt,
						   const char *name, uint8 *header, uint8 *key);

/*
 * bb_frame_open - unwrap the key of an object.
 *
 * Errors: DATA_CORRUPTED (this isn't the header of an encrypted object of this
 * name); those of bb_keyring_read; OBJECT_NOT_IN_PREREQUISITE_STATE (the store
 * has no key ring).
 */
extern void bb_frame_open(const BbReqCtx *ctx, BbCryptStore *crypt,
						  const char *name, const uint8 *header, uint8 *key);

/* The same for a header that may be anything: returns false. */
extern bool bb_frame_try(const BbReqCtx *ctx, BbCryptStore *crypt,
						 const char *name, const uint8 *header, uint8 *key);

/* bb_chunk_seal, bb_chunk_open - encrypt and decrypt a chunk by its number. */
extern void bb_chunk_seal(BbAead *aead, uint64 chunk, bool last,
						  const void *data, size_t length, uint8 *sealed);
extern bool bb_chunk_open(BbAead *aead, uint64 chunk, bool last,
						  const uint8 *sealed, size_t sealed_length,
						  void *data);

/* bb_chunk_broken - report that a chunk isn't what was written. */
pg_noreturn extern void bb_chunk_broken(const char *name, uint64 chunk);

/* ---- operations: see BbObjectStoreOps and BbCacheOps ---- */

extern BbObjectWriter *bb_crypt_create(const BbReqCtx *ctx,
									   BbObjectStore *objects,
									   const char *name);
extern void bb_crypt_write(const BbReqCtx *ctx, BbObjectWriter *writer,
						   const void *data, size_t length);
extern void bb_crypt_finish(const BbReqCtx *ctx, BbObjectWriter *writer);

/* bb_crypt_reader - read an object through a reader of the store below. */
extern BbObjectReader *bb_crypt_reader(const BbReqCtx *ctx,
									   BbCryptStore *crypt, const char *name,
									   BbObjectReader *below);
extern BbObjectReader *bb_crypt_open_object(const BbReqCtx *ctx,
											BbObjectStore *objects,
											const char *name);
extern void bb_crypt_read(const BbReqCtx *ctx, BbObjectReader *reader,
						  uint64 offset, void *data, size_t length);
extern void bb_crypt_close(BbObjectReader *reader);
extern BbObjectPart *bb_crypt_begin_part(const BbReqCtx *ctx,
										 BbObjectStore *objects,
										 const BbWholeObject *object,
										 uint64 offset, void *data,
										 size_t length);
extern bool bb_crypt_end_part(const BbReqCtx *ctx, BbObjectPart *part);

extern const BbCacheOps bb_crypt_cache_ops;
extern const BbContentCheckOps bb_crypt_check_ops;

#endif /* BB_CRYPT_INTERNAL_H */

/*-------------------------------------------------------------------------
 *
 * crypt_aead.c
 *	  AES-256-GCM, by the libcrypto that the server uses for TLS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef USE_OPENSSL
#include <openssl/evp.h>
#endif

#include "base/resource.h"
#include "objstore/crypt/crypt_internal.h"

#ifdef USE_OPENSSL

struct BbAead
{
	EVP_CIPHER_CTX *cipher;
	bool		seal;
};

static void
free_cipher(void *arg)
{
	/* this wipes the key */
	EVP_CIPHER_CTX_free(((BbAead *) arg)->cipher);
}

/* What fails here can't fail with any data. */
static void
need(int result)
{
	if (result != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("AES-256-GCM of libcrypto failed")));
}

BbAead *
bb_aead_new(const uint8 *key, bool seal)
{
	BbAead	   *aead = palloc0(sizeof(BbAead));

	aead->seal = seal;
	bb_on_reset(CurrentMemoryContext, free_cipher, aead);
	aead->cipher = EVP_CIPHER_CTX_new();
	if (aead->cipher == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	need(EVP_CipherInit_ex(aead->cipher, EVP_aes_256_gcm(), NULL, key, NULL,
						   seal));
	return aead;
}

static void
begin(BbAead *aead, const uint8 *nonce, const void *aad, size_t aad_length)
{
	int			n;

	need(EVP_CipherInit_ex(aead->cipher, NULL, NULL, NULL, nonce, aead->seal));
	if (aad_length > 0)
		need(EVP_CipherUpdate(aead->cipher, NULL, &n, aad, (int) aad_length));
}

void
bb_aead_seal(BbAead *aead, const uint8 *nonce, const void *aad,
			 size_t aad_length, const void *data, size_t length, uint8 *sealed)
{
	int			n;

	Assert(aead->seal);
	begin(aead, nonce, aad, aad_length);
	if (length > 0)
		need(EVP_CipherUpdate(aead->cipher, sealed, &n, data, (int) length));
	need(EVP_CipherFinal_ex(aead->cipher, sealed + length, &n));
	need(EVP_CIPHER_CTX_ctrl(aead->cipher, EVP_CTRL_GCM_GET_TAG, BB_TAG_BYTES,
							 sealed + length));
}

bool
bb_aead_open(BbAead *aead, const uint8 *nonce, const void *aad,
			 size_t aad_length, const uint8 *sealed, size_t sealed_length,
			 void *data)
{
	int			length = (int) (sealed_length - BB_TAG_BYTES);
	uint8		tag[BB_TAG_BYTES];
	uint8		none[BB_TAG_BYTES];
	int			n;

	Assert(!aead->seal);
	if (sealed_length < BB_TAG_BYTES)
		return false;
	begin(aead, nonce, aad, aad_length);
	memcpy(tag, sealed + length, BB_TAG_BYTES);
	if (length > 0)
		need(EVP_CipherUpdate(aead->cipher, data, &n, sealed, length));
	need(EVP_CIPHER_CTX_ctrl(aead->cipher, EVP_CTRL_GCM_SET_TAG, BB_TAG_BYTES,
							 tag));
	return EVP_CipherFinal_ex(aead->cipher, none, &n) == 1;
}

#else /* !USE_OPENSSL */

BbAead *
bb_aead_new(const uint8 *key, bool seal)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("encrypted page stores are not supported by this build"),
			 errdetail("The server was built without OpenSSL.")));
}

void
bb_aead_seal(BbAead *aead, const uint8 *nonce, const void *aad,
			 size_t aad_length, const void *data, size_t length, uint8 *sealed)
{
	elog(ERROR, "no cipher");
}

bool
bb_aead_open(BbAead *aead, const uint8 *nonce, const void *aad,
			 size_t aad_length, const uint8 *sealed, size_t sealed_length,
			 void *data)
{
	elog(ERROR, "no cipher");
}

#endif /* USE_OPENSSL */

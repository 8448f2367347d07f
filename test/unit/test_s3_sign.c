/*-------------------------------------------------------------------------
 *
 * test_s3_sign.c
 *	  Signatures of S3 requests.
 *
 * The first tests are the examples of AWS's documentation ("Signature
 * Calculations for the Authorization Header: Transferring Payload in a Single
 * Chunk"), with the signatures that it gives.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/s3_sign.h"
#include "unit.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

static BbS3Keys keys =
	{.access_key_id = "AKIAIOSFODNN7EXAMPLE",
	 .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	 .region = "us-east-1"};

/* Fri, 24 May 2013 00:00:00 GMT */
#define EXAMPLE_TIME time_t_to_timestamptz(1369353600)

static const char *none[] = {NULL};

static const char *
header_of(const char **headers, const char *name)
{
	for (; *headers != NULL; headers++)
	{
		if (strncmp(*headers, name, strlen(name)) == 0)
			return *headers + strlen(name);
	}
	return "";
}

static const char *
signature_of(const BbS3Keys *with, const char *method, const char *url,
			 const char **headers, const char *body)
{
	BbHttpRequest request = {.method = method,
							 .url = url,
							 .headers = headers,
							 .body = body,
							 .body_length = body != NULL ? strlen(body) : 0};
	const char **all = bb_s3_sign(with, &request, EXAMPLE_TIME);
	const char *authorization = header_of(all, "Authorization: ");
	const char *signature = strstr(authorization, "Signature=");

	CHECK(signature != NULL);
	return signature + strlen("Signature=");
}

static bool
signs(const char *method, const char *url, const char **headers,
	  const char *body, const char *expected)
{
	return strcmp(signature_of(&keys, method, url, headers, body), expected) ==
		0;
}

UNIT_TEST(s3_sign_examples)
{
	const char *range[] = {"Range: bytes=0-9", NULL};
	const char *put[] = {"Date: Fri, 24 May 2013 00:00:00 GMT",
						 "x-amz-storage-class: REDUCED_REDUNDANCY", NULL};
	CHECK(signs(
		"GET", "https://examplebucket.s3.amazonaws.com/test.txt", range, NULL,
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
	CHECK(signs(
		"PUT",
		psprintf("https://examplebucket.s3.amazonaws.com/%s",
				 bb_s3_encode_path("test$file.text")),
		put, "Welcome to Amazon S3.",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
	/* a parameter without a value */
	CHECK(signs(
		"GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", none, NULL,
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
	CHECK(signs(
		"GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
		none, NULL,
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

/* Equal requests have the same signature. */
UNIT_TEST(s3_sign_canonical)
{
	const char *plain[] = {"if-match:\"x y\"", "x-amz-a:1", "x-amz-a-b:2",
						   NULL};
	const char *odd[] = {"X-Amz-A-B:   2 ", "If-Match:  \"x   y\"",
						 "X-AMZ-a: 1", NULL};
	const char *sorted = signature_of(&keys, "GET",
									  "https://host/b/?a=1&a=2&a-b=&c=%2F",
									  none, NULL);

	CHECK(
		signs("GET", "https://host/b/?c=%2F&a-b&a=2&a=1", none, NULL, sorted));
	CHECK(!signs("GET", "https://host/b/?c=%2f&a-b&a=2&a=1", none, NULL,
				 sorted));
	CHECK(signs("PUT", "https://host/b/o", plain, "x",
				signature_of(&keys, "PUT", "https://host/b/o", odd, "x")));
}

/* The port is part of the host unless it is the scheme's. */
UNIT_TEST(s3_sign_host)
{
	static const char *const hosts[][2] = {
		{"http://host/b", "host"},
		{"http://host:80/b", "host"},
		{"http://host:443/b", "host:443"},
		{"https://host:443/b", "host"},
		{"https://host:80/b", "host:80"},
		{"https://[::1]:8080/b?x=:80", "[::1]:8080"},
		{"https://host:8443", "host:8443"},
	};
	for (int i = 0; i < lengthof(hosts); i++)
	{
		BbHttpRequest request = {.method = "GET",
								 .url = hosts[i][0],
								 .headers = none};
		const char *host = header_of(bb_s3_sign(&keys, &request, EXAMPLE_TIME),
									 "Host: ");

		if (strcmp(host, hosts[i][1]) != 0)
			elog(ERROR, "host of %s is %s", hosts[i][0], host);
	}
}

/* A key is copied to the header unchanged. */
UNIT_TEST(s3_sign_keys)
{
	BbS3Keys	swift = {.access_key_id = "account:user/%3A+=",
						 .secret_access_key = "s:%/",
						 .session_token = "to/ken==",
						 .region = "eu-1"};
	static const char begin[] =
		"AWS4-HMAC-SHA256 Credential=account:user/%3A+=/20130524/eu-1/s3/"
		"aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
		"x-amz-security-token,Signature=";
	BbHttpRequest request = {.method = "GET",
							 .url = "http://host/b",
							 .headers = none};
	const char **headers = bb_s3_sign(&swift, &request, EXAMPLE_TIME);
	const char *authorization = header_of(headers, "Authorization: ");

	CHECK(strncmp(authorization, begin, strlen(begin)) == 0);
	CHECK(strcmp(header_of(headers, "x-amz-security-token: "), "to/ken==") ==
		  0);
	CHECK(strcmp(header_of(headers, "x-amz-date: "), "20130524T000000Z") == 0);
	swift.session_token = NULL;
	CHECK(strcmp(signature_of(&swift, "GET", "http://host/b", none, NULL),
				 strstr(authorization, "Signature=") + strlen("Signature=")) !=
		  0);
}

UNIT_TEST(s3_sign_encodes)
{
	CHECK(strcmp(bb_s3_encode("aZ09-._~/ +:\xc3\xa4%"),
				 "aZ09-._~%2F%20%2B%3A%C3%A4%25") == 0);
	CHECK(strcmp(bb_s3_encode_path("a/b c/.lock+"), "a/b%20c/.lock%2B") == 0);
}

/* There is no resource owner, as in a session that cleans up. */
UNIT_TEST(s3_sign_without_owner)
{
	ResourceOwner owner = CurrentResourceOwner;
	CurrentResourceOwner = NULL;
	CHECK(signs(
		"GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", none, NULL,
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
	CHECK(CurrentResourceOwner == NULL);
	CurrentResourceOwner = owner;
}

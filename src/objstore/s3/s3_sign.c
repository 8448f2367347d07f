/*-------------------------------------------------------------------------
 *
 * s3_sign.c
 *	  Signatures of S3 requests: AWS Signature Version 4.
 *
 *	  canonical request = method, path, query, headers, names of the headers,
 *						  hash of the body; one line each
 *	  scope				= DATE/REGION/s3/aws4_request
 *	  string to sign	= algorithm, time, scope, hash of the canonical request
 *	  key				= HMAC(HMAC(... "AWS4" SECRET, date), region, ...)
 *	  signature			= HMAC(key, string to sign)
 *
 * The server's functions compute hashes and HMACs.  If the server was built
 * with OpenSSL, these belong to a resource owner while they are computed.  A
 * session that cleans up may have no resource owner, so each signature creates
 * one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "objstore/s3/s3_sign.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SERVICE "s3"
#define TERMINATOR "aws4_request"

#define DATE_LENGTH 8 /* the date is the beginning of the time */

typedef uint8 Digest[PG_SHA256_DIGEST_LENGTH];

static char *
encode(const char *text, const char *kept)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr(kept, *p) != NULL)
			appendStringInfoChar(&buf, *p);
		else
			appendStringInfo(&buf, "%%%02X", *p);
	}
	return buf.data;
}

char *
bb_s3_encode(const char *text)
{
	return encode(text, "-._~");
}

char *
bb_s3_encode_path(const char *path)
{
	return encode(path, "-._~/");
}

const char *
bb_s3_domain(const char *region)
{
	return strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn"
										  : "amazonaws.com";
}

/* ---- hashes ---- */

static char *
hex(const Digest digest)
{
	char	   *text = palloc0(2 * sizeof(Digest) + 1);

	hex_encode((const char *) digest, sizeof(Digest), text);
	return text;
}

static char *
hash(const void *data, size_t length)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	Digest		digest;

	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, data, length) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256 hash: %s",
			 pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	return hex(digest);
}

static void
hmac(Digest result, const void *key, size_t key_length, const char *text)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (pg_hmac_init(context, key, key_length) < 0 ||
		pg_hmac_update(context, (const uint8 *) text, strlen(text)) < 0 ||
		pg_hmac_final(context, result, sizeof(Digest)) < 0)
		elog(ERROR, "could not compute an HMAC: %s", pg_hmac_error(context));
	pg_hmac_free(context);
}

/* ---- the canonical request ---- */

/*
 * Compare by name, then by value.  A name ends at the ":" of a header or the
 * "=" of a parameter; a name that is the beginning of another is less than it.
 */
static int
compare_named(const ListCell *a, const ListCell *b)
{
	const char *one = lfirst(a);
	const char *other = lfirst(b);
	size_t		one_length = strcspn(one, ":=");
	size_t		other_length = strcspn(other, ":=");
	int			order = memcmp(one, other, Min(one_length, other_length));

	if (order != 0)
		return order;
	if (one_length != other_length)
		return one_length < other_length ? -1 : 1;
	return strcmp(one, other);
}

/* Append the parameters in order, each with a "=". */
static void
append_query(StringInfo buf, const char *query)
{
	List	   *parameters = NIL;
	ListCell   *cell;

	while (*query != '\0')
	{
		size_t		length = strcspn(query, "&");
		char	   *parameter = pnstrdup(query, length);

		if (length > 0 && strchr(parameter, '=') == NULL)
			parameter = psprintf("%s=", parameter);
		if (length > 0)
			parameters = lappend(parameters, parameter);
		query += length + (query[length] == '&');
	}
	list_sort(parameters, compare_named);
	foreach(cell, parameters)
		appendStringInfo(buf, "%s%s",
						 foreach_current_index(cell) > 0 ? "&" : "",
						 (char *) lfirst(cell));
}

/*
 * Return "Name: a  value " as "name:a value": the name in lower case, no space
 * around the value, and single spaces in it.
 */
static char *
canonical_header(const char *header)
{
	StringInfoData buf;
	size_t		name_length = strcspn(header, ":");
	const char *value = header + name_length;

	initStringInfo(&buf);
	for (size_t i = 0; i < name_length; i++)
		appendStringInfoChar(&buf, pg_ascii_tolower(header[i]));
	value += *value == ':';
	appendStringInfoChar(&buf, ':');
	value += strspn(value, " ");
	for (; *value != '\0'; value++)
	{
		if (*value != ' ' || (value[1] != ' ' && value[1] != '\0'))
			appendStringInfoChar(&buf, *value);
	}
	return buf.data;
}

/* Return the names of the sorted headers, separated by ";". */
static char *
header_names(const List *canonical)
{
	StringInfoData buf;
	ListCell   *cell;

	initStringInfo(&buf);
	foreach(cell, canonical)
	{
		const char *header = lfirst(cell);

		appendStringInfo(&buf, "%s%.*s",
						 foreach_current_index(cell) > 0 ? ";" : "",
						 (int) strcspn(header, ":"), header);
	}
	return buf.data;
}

static char *
canonical_request(const BbHttpRequest *request, const char *path,
				  const List *headers, const char *names,
				  const char *body_hash)
{
	StringInfoData buf;
	size_t		length = strcspn(path, "?");
	ListCell   *cell;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s\n", request->method);
	appendStringInfo(&buf, "%.*s\n", (int) Max(length, 1),
					 length > 0 ? path : "/");
	append_query(&buf, path + length + (path[length] == '?'));
	appendStringInfoChar(&buf, '\n');
	foreach(cell, headers)
		appendStringInfo(&buf, "%s\n", (char *) lfirst(cell));
	appendStringInfo(&buf, "\n%s\n%s", names, body_hash);
	return buf.data;
}

/* ---- the signature ---- */

/* Return the host as libcurl sends it: without the scheme's default port. */
static char *
host_of(const char *url, const char **path)
{
	const char *host = strstr(url, "://") + 3;
	const char *scheme_port = strncmp(url, "https:", 6) == 0 ? ":443" : ":80";
	size_t		length = strcspn(host, "/?");
	size_t		port_length = strlen(scheme_port);

	*path = host + length;
	if (length > port_length &&
		strncmp(host + length - port_length, scheme_port, port_length) == 0)
		length -= port_length;
	return pnstrdup(host, length);
}

static char *
time_of(TimestampTz now)
{
	pg_time_t	seconds = timestamptz_to_time_t(now);
	char		text[32];

	pg_strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", pg_gmtime(&seconds));
	return pstrdup(text);
}

static char *
signature(const BbS3Keys *keys, const char *date, const char *string_to_sign)
{
	const char *parts[] = {date, keys->region, SERVICE, TERMINATOR,
						   string_to_sign};
	const char *secret = psprintf("AWS4%s", keys->secret_access_key);
	Digest		key;

	hmac(key, secret, strlen(secret), parts[0]);
	for (int i = 1; i < lengthof(parts); i++)
	{
		Digest		next;

		hmac(next, key, sizeof(key), parts[i]);
		memcpy(key, next, sizeof(key));
	}
	return hex(key);
}

static const char **
sign(const BbS3Keys *keys, const BbHttpRequest *request, TimestampTz now)
{
	const char *path;
	const char *host = host_of(request->url, &path);
	const char *time = time_of(now);
	const char *date = pnstrdup(time, DATE_LENGTH);
	const char *scope = psprintf("%s/%s/" SERVICE "/" TERMINATOR, date,
								 keys->region);
	const char *body_hash = hash(request->body, request->body_length);
	const char *names;
	const char *canonical;
	const char *to_sign;
	const char **headers;
	List	   *sorted = NIL;
	int			n = 0;

	/* five are added */
	while (request->headers[n] != NULL)
		n++;
	headers = palloc((n + 6) * sizeof(char *));
	memcpy(headers, request->headers, n * sizeof(char *));
	headers[n++] = psprintf("Host: %s", host);
	headers[n++] = psprintf("x-amz-content-sha256: %s", body_hash);
	headers[n++] = psprintf("x-amz-date: %s", time);
	if (keys->session_token != NULL)
		headers[n++] = psprintf("x-amz-security-token: %s",
								keys->session_token);
	for (int i = 0; i < n; i++)
		sorted = lappend(sorted, canonical_header(headers[i]));
	list_sort(sorted, compare_named);
	names = header_names(sorted);

	canonical = canonical_request(request, path, sorted, names, body_hash);
	to_sign = psprintf(ALGORITHM "\n%s\n%s\n%s", time, scope,
					   hash(canonical, strlen(canonical)));
	headers[n++] = psprintf("Authorization: " ALGORITHM " Credential=%s/%s,"
							"SignedHeaders=%s,Signature=%s",
							keys->access_key_id, scope, names,
							signature(keys, date, to_sign));
	headers[n] = NULL;
	return headers;
}

const char **
bb_s3_sign(const BbS3Keys *keys, const BbHttpRequest *request, TimestampTz now)
{
	ResourceOwner caller = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(NULL, "bbackup signature");
	const char **volatile headers = NULL;

	CurrentResourceOwner = owner;
	PG_TRY();
	{
		headers = sign(keys, request, now);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = caller;
		/* after an error, the owner may still have a hash */
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false,
							 false);
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
		ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false,
							 false);
		ResourceOwnerDelete(owner);
	}
	PG_END_TRY();
	return headers;
}

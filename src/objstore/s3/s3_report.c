/*-------------------------------------------------------------------------
 *
 * s3_report.c
 *	  Why a request to S3 failed: codes, and hints what to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "objstore/s3/s3_internal.h"
#include "objstore/s3/xml.h"
#include "utils/timestamp.h"

/* Copy a word of an error's body, unless it has unexpected characters. */
static void
take_word(const char *text, const char *others, char *to, size_t size)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char) *p) && strchr(others, *p) == NULL)
			return;
	if (strlen(text) < size)
		strlcpy(to, text, size);
}

/* Where the bucket is, the headers may say if the body doesn't. */
void
bb_s3_find_code(BbS3Answer *answer)
{
	BbXml		xml;
	const char *path;
	const char *text;

	answer->code[0] = '\0';
	strlcpy(answer->endpoint, answer->http.location, sizeof(answer->endpoint));
	strlcpy(answer->region, answer->http.region, sizeof(answer->region));
	bb_xml_init(&xml, answer->http.error);
	while (bb_xml_next(&xml, &path, &text))
	{
		if (strcmp(path, "Error/Code") == 0)
			take_word(text, ".", answer->code, sizeof(answer->code));
		else if (strcmp(path, "Error/Endpoint") == 0)
			take_word(text, "-.:[]", answer->endpoint,
					  sizeof(answer->endpoint));
		else if (strcmp(path, "Error/Region") == 0)
			take_word(text, "-", answer->region, sizeof(answer->region));
	}
}

bool
bb_s3_worth_retrying(const BbS3Answer *answer)
{
	if (answer->http.failure != NULL)
		return answer->http.worth_retrying;
	switch (answer->http.status)
	{
		case 408:
		case 429:
		case 500:
		case 502:
		case 503:
		case 504:
			return true;
		case 400:
			return strcmp(answer->code, "RequestTimeout") == 0;
		default:
			return false;
	}
}

/* Does the server say that the bucket is elsewhere? */
static bool
is_elsewhere(const BbS3Answer *answer)
{
	return (answer->http.status >= 300 && answer->http.status < 400) ||
		strcmp(answer->code, "AuthorizationHeaderMalformed") == 0 ||
		strcmp(answer->code, "PermanentRedirect") == 0;
}

/* Hints that depend on where the keys are from, or on what was asked for. */
static const char *
special_hint(const BbS3Store *objects, const BbS3Request *request,
			 const BbS3Answer *answer)
{
	const BbS3Storage *storage = &objects->storage;
	bool		token = strcmp(answer->code, "ExpiredToken") == 0 ||
		strcmp(answer->code, "InvalidToken") == 0;
	bool		kms = storage->encryption != NULL &&
		strncmp(storage->encryption, "aws:kms", 7) == 0;

	if (token && objects->credentials != NULL)
		return "The source of the keys gave others, which were refused, too.";
	if (strcmp(answer->code, "AccessDenied") == 0 && kms)
		return "The keys need the rights kms:GenerateDataKey and kms:Decrypt "
			   "for the key of the option \"kms_key_id\", besides those to "
			   "list, read, write and delete in the bucket.";
	if (strcmp(answer->code, "AccessDenied") == 0 &&
		objects->credentials != NULL)
		return "The role needs the right to list, read, write and delete in "
			   "the bucket.";
	if (request->kind != BB_S3_NO_OBJECT &&
		(storage->encryption != NULL || storage->storage_class != NULL ||
		 storage->lock_mode != NULL) &&
		(answer->http.status == 501 || answer->http.status == 400))
		return "Do the server and the bucket support what the options "
			   "\"server_side_encryption\", \"kms_key_id\", "
			   "\"storage_class\" and \"object_lock_mode\" ask for? A "
			   "retention needs a bucket with object lock.";
	return NULL;
}

static const char *
hint_for(const BbS3Store *objects, const BbS3Request *request,
		 const BbS3Answer *answer)
{
	static const struct
	{
		const char *code;
		const char *hint;
	}			hints[] = {
		{"SignatureDoesNotMatch",
		 "Is secret_access_key in the user mapping the right one?"},
		{"InvalidAccessKeyId",
		 "Is access_key_id in the user mapping the right one?"},
		{"AccessDenied",
		 "The keys in the user mapping need the right to list, read, write "
		 "and delete in the bucket."},
		{"ExpiredToken", "Renew session_token in the user mapping."},
		{"InvalidToken", "Renew session_token in the user mapping."},
		{"RequestTimeTooSkewed", "Set the clock of this machine."},
		{"InvalidObjectState",
		 "The object is in an archive, where it can't be read. Restore it "
		 "(aws s3api restore-object), and keep lifecycle rules from moving "
		 "layers and manifests to archive classes."},
		{"NoSuchBucket", "Create the bucket, or correct the store's URL."},
	};

	if (answer->http.untrusted && objects->dotted)
		return "Set the server's option \"path_style\" to true: a wildcard "
			   "certificate isn't valid for a bucket whose name has dots. For "
			   "a private authority, set bbackup.s3_ca_file.";
	if (answer->http.untrusted)
		return "Set bbackup.s3_ca_file to a file with the certificate of the "
			   "authority that signed the server's.";
	if (answer->http.failure != NULL)
		return "Is the server's option \"endpoint\" right, and does the "
			   "object storage run?";
	if (is_elsewhere(answer))
		return answer->region[0] != '\0'
			? psprintf("The bucket is in region \"%s\": set the server's "
					   "option \"region\" to it.",
					   answer->region)
			: "The bucket is in another region or at another endpoint: set "
			  "the server's options \"region\" and \"endpoint\" to them.";
	if (special_hint(objects, request, answer) != NULL)
		return special_hint(objects, request, answer);
	for (int i = 0; i < lengthof(hints); i++)
	{
		if (strcmp(answer->code, hints[i].code) == 0)
			return hints[i].hint;
	}
	switch (answer->http.status)
	{
		case 403:
			return "Are the keys in the user mapping right, and the clock of "
				   "this machine?";
		case 404:
			return "Does the bucket exist?";
		default:
			return bb_s3_worth_retrying(answer)
				? "Try again when the object storage has recovered; "
				  "bbackup.s3_retry_time says for how long calls do "
				  "that."
				: NULL;
	}
}

/* How far the clocks differ, for an error that says so; else "". */
static const char *
skew_of(const BbS3Answer *answer)
{
	int64		ahead = answer->http.date - time(NULL);

	if (strcmp(answer->code, "RequestTimeTooSkewed") != 0 ||
		answer->http.date == 0)
		return "";
	return psprintf(", and its clock is " INT64_FORMAT " seconds %s",
					ahead < 0 ? -ahead : ahead,
					ahead < 0 ? "behind" : "ahead");
}

void
bb_s3_report(int level, const BbS3Store *objects, const BbS3Request *request,
			 const BbS3Answer *answer, const BbS3Attempts *attempts)
{
	const char *hint = level >= ERROR
		? hint_for(objects, request, answer)
		: psprintf("It is retried until %s.",
				   timestamptz_to_str(attempts->until));
	bool		redirected = is_elsewhere(answer) &&
		answer->endpoint[0] != '\0';
	const char *reason;

	if (answer->http.failure != NULL)
		reason = answer->http.failure;
	else
		reason = psprintf("The server answered %d%s%s%s%s%s%s",
						  answer->http.status, answer->code[0] ? " " : "",
						  answer->code,
						  redirected ? ", a redirection to \"" : "",
						  redirected ? answer->endpoint : "",
						  redirected ? "\"" : "", skew_of(answer));
	ereport(level,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 request->name != NULL
			 ? errmsg("could not %s \"%s\" of page store \"%s\"",
					  request->action, request->name, objects->base.url)
			 : errmsg("could not %s of page store \"%s\"", request->action,
					  objects->base.url),
			 errdetail_plural("%s (%d attempt).", "%s (%d attempts).",
							  attempts->count, reason, attempts->count),
			 hint != NULL ? errhint("%s", hint) : 0));
}

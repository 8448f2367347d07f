/*-------------------------------------------------------------------------
 *
 * credentials_fetch.c
 *	  One request to a source of keys, and the file of a token.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "base/resource.h"
#include "base/settings.h"
#include "objstore/s3/credentials.h"
#include "process/waitset.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A source on this machine or its network answers at once, or never. */
#define LOCAL_SECONDS 2
#define REMOTE_SECONDS 20

#define ATTEMPTS 3
#define PAUSE_MS 200

#define ANSWER_CAPACITY (64 * 1024)

/* AWS limits the tokens of web identities to 20,000 characters. */
#define TOKEN_CAPACITY (32 * 1024)

void
bb_credentials_refuse(const BbCredentialFetch *fetch, const char *detail,
					  const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not get keys from the %s", fetch->source),
			 errdetail("%s", detail), hint != NULL ? errhint("%s", hint) : 0));
}

/* Send a request once. */
static void
attempt(const BbReqCtx *ctx, const BbCredentialFetch *fetch,
		BbHttpAnswer *answer)
{
	int			seconds = fetch->local ? LOCAL_SECONDS : REMOTE_SECONDS;
	const char *headers[3] = {NULL};
	int			n = 0;
	BbHttpRequest request =
		{.method = fetch->method,
		 .url = fetch->url,
		 .headers = headers,
		 .body = fetch->body,
		 .body_length = fetch->body != NULL ? strlen(fetch->body) : 0,
		 .direct = fetch->local,
		 .ca_file = bb_setting_s3_ca_file,
		 .timeout_s = seconds,
		 .give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												seconds * 1000),
		 .capacity = ANSWER_CAPACITY};

	if (fetch->header != NULL)
		headers[n++] = fetch->header;
	if (fetch->body != NULL)
		headers[n++] = "Content-Type: application/x-www-form-urlencoded";
	bb_http_end(ctx, bb_http_begin(&request, answer));
}

static bool
is_temporary(const BbHttpAnswer *answer)
{
	return answer->failure != NULL
		? answer->worth_retrying
		: answer->status == 429 || answer->status >= 500;
}

char *
bb_credentials_fetch(const BbReqCtx *ctx, const BbCredentialFetch *fetch,
					 int *status, char **refused)
{
	BbHttpAnswer answer;

	for (int attempts = 1;; attempts++)
	{
		attempt(ctx, fetch, &answer);
		if (!is_temporary(&answer) || attempts == ATTEMPTS)
			break;
		bb_latch_wait(ctx, PAUSE_MS * attempts);
	}
	if (answer.failure != NULL)
		bb_credentials_refuse(fetch, psprintf("%s.", answer.failure),
							  fetch->hint);
	*status = answer.status;
	if (answer.status == 200 && !answer.too_long && answer.length > 0)
		return answer.body;
	if (refused == NULL || answer.status == 200 || is_temporary(&answer))
		bb_credentials_refuse(fetch,
							  answer.status == 200
								  ? "Its answer has the wrong length."
								  : psprintf("It answered %d.", answer.status),
							  NULL);
	*refused = pstrdup(answer.error);
	return NULL;
}

char *
bb_credentials_token(const char *file)
{
	BbFd	   *fd = bb_fd_open(file, O_RDONLY | O_CLOEXEC, 0);
	char	   *token = palloc(TOKEN_CAPACITY + 1);
	ssize_t		length;
	char	   *start;

	if (fd == NULL)
		bb_report_file("could not open token file \"%s\": %m", file);
	length = bb_fd_read_at(fd, token, TOKEN_CAPACITY, 0);
	if (length < 0)
		bb_report_file("could not read token file \"%s\": %m", file);
	(void) bb_fd_close(fd);
	token[length] = '\0';
	while (length > 0 && isspace((unsigned char) token[length - 1]))
		token[--length] = '\0';
	start = token + strspn(token, " \t\r\n");
	for (const char *p = start; *p != '\0'; p++)
	{
		if (*p <= ' ' || *p > '~')
			*start = '\0';
	}
	if (*start == '\0' || length == TOKEN_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("file \"%s\" has no token", file),
				 errdetail("A token consists of printable ASCII "
						   "characters.")));
	return start;
}

static bool
is_printable(const char *text, bool required)
{
	if (text == NULL || *text == '\0')
		return !required;
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p <= ' ' || *p > '~')
			return false;
	}
	return true;
}

void
bb_credentials_check(const BbCredentialFetch *fetch,
					 const BbObtained *obtained)
{
	if (!is_printable(obtained->access_key_id, true) ||
		!is_printable(obtained->secret_access_key, true) ||
		!is_printable(obtained->session_token, false))
		bb_credentials_refuse(fetch, "Its answer has no keys.", NULL);
}

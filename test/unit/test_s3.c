/*-------------------------------------------------------------------------
 *
 * test_s3.c
 *	  The S3 driver beyond the conformance suite: wrong answers, missing
 *	  servers, what is called before requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/settings.h"
#include "objstore/s3/s3_internal.h"
#include "objstore/s3/xml.h"
#include "unit.h"
#include "utils/timestamp.h"

/* Return "path=text;" of all elements, and an error in brackets. */
static char *
parsed(const char *document)
{
	BbXml		xml;
	StringInfoData all;
	const char *path;
	const char *text;

	initStringInfo(&all);
	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
		appendStringInfo(&all, "%s=%s;", path, text);
	if (xml.error != NULL)
		appendStringInfo(&all, "[%s]", xml.error);
	return all.data;
}

UNIT_TEST(s3_xml)
{
	CHECK(strcmp(parsed("<?xml version='1.0'?>\n<a x='>'><b>1</b><!-- <c> -->"
						"<b>&lt;&amp;&#65;&#x42;</b><d/></a>\n"),
				 "a/b=1;a/b=<&AB;a/d=;a=;") == 0);
}

UNIT_TEST(s3_xml_broken)
{
	static const char *const broken[] =
		{"",
		 "text",
		 "<a>",
		 "<a></b>",
		 "<a></a></a>",
		 "<a></a><b></b>",
		 "<a",
		 "<a>&nbsp;</a>",
		 "<a>&#0;</a>",
		 "<a>&#1114112;</a>",
		 "<a>&#x;</a>",
		 "<!DOCTYPE a><a></a>",
		 "<a><![CDATA[x]]></a>",
		 "</a>",
		 "<>",
		 "<a b='></a>",
		 "<!--",
		 "<?xml",
		 "<a></a",
		 "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"};

	for (int i = 0; i < lengthof(broken); i++)
	{
		char	   *seen = parsed(broken[i]);

		if (strchr(seen, '[') == NULL)
			elog(ERROR, "\"%s\" was read as \"%s\"", broken[i], seen);
	}
}

UNIT_TEST(s3_needs_keys)
{
	CHECK_ERROR(bb_objstore_open(ctx, "s3://bucket", NULL),
				ERRCODE_FDW_OPTION_NAME_NOT_FOUND);
}

UNIT_TEST(s3_endpoints)
{
	static const char *const bad[] =
		{"",		   "host",		  "ftp://host",
		 "http://",	   "https://a/b", "https://key:secret@host",
		 "http://a?b", "http://a b"};

	for (int i = 0; i < lengthof(bad); i++)
		CHECK_ERROR(bb_objstore_check_endpoint(bad[i]),
					ERRCODE_INVALID_PARAMETER_VALUE);
	bb_objstore_check_endpoint("http://127.0.0.1:8080");
	bb_objstore_check_endpoint("https://[::1]:8080");
	bb_objstore_check_endpoint("https://s3.example.org");
}

/* A store where no server listens. */
static BbObjectStore *
unreachable_store(const BbReqCtx *ctx)
{
	BbObjectStoreOptions options = {.endpoint = "http://127.0.0.1:1",
									.path_style = true,
									.access_key_id = "AKEY",
									.secret_access_key = "ASECRET"};

	return bb_objstore_open(ctx, "s3://bucket/x", &options);
}

/* No server listens: several attempts, and a clear error. */
UNIT_TEST(s3_refused)
{
	BbObjectStore *objects = unreachable_store(ctx);
	int			saved = bb_setting_s3_retry_time_s;

	bb_setting_s3_retry_time_s = 1;
	CHECK_ERROR(bb_objstore_list(ctx, objects, "t"),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(strstr(unit_last_error, "s3://bucket/x") != NULL);
	CHECK(strstr(unit_last_detail, "attempts") != NULL);
	CHECK(strstr(unit_last_detail, "AKEY") == NULL);

	bb_setting_s3_retry_time_s = 0;
	CHECK_ERROR(bb_objstore_list(ctx, objects, "t"),
				ERRCODE_CONNECTION_FAILURE);
	CHECK(strstr(unit_last_detail, "(1 attempt)") != NULL);
	bb_setting_s3_retry_time_s = saved;
}

static int	calls_before_request;

static void
count_call(const BbReqCtx *ctx, BbS3Store *objects)
{
	calls_before_request++;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE), errmsg("the lock was lost")));
}

/* What a lock registers is called before a request, and can prevent it. */
UNIT_TEST(s3_before_request)
{
	BbObjectStore *objects = unreachable_store(ctx);

	calls_before_request = 0;
	((BbS3Store *) objects)->before_request = count_call;
	CHECK_ERROR(bb_objstore_list(ctx, objects, "t"), ERRCODE_OBJECT_IN_USE);
	CHECK_ERROR(bb_objstore_remove(ctx, objects, "t"), ERRCODE_OBJECT_IN_USE);
	CHECK(calls_before_request == 2);
}

/* The deadline of the context ends the attempts. */
UNIT_TEST(s3_deadline)
{
	BbObjectStore *objects = unreachable_store(ctx);
	BbReqCtx	hasty = *ctx;
	TimestampTz start = GetCurrentTimestamp();

	hasty.deadline = TimestampTzPlusMilliseconds(start, 300);
	CHECK_ERROR(bb_objstore_list(&hasty, objects, "t"),
				ERRCODE_QUERY_CANCELED);
	CHECK(!TimestampDifferenceExceeds(start, GetCurrentTimestamp(), 1500));
}

/* Return a socket that listens on loopback, at *url. */
static int
listen_on_loopback(char **url)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t	length = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *) &address, length) == 0);
	CHECK(getsockname(fd, (struct sockaddr *) &address, &length) == 0);
	CHECK(listen(fd, 5) == 0);
	*url = psprintf("http://127.0.0.1:%d/", ntohs(address.sin_port));
	return fd;
}

/*
 * An error ends a request.  Its answer arrives during the next request and must
 * not be written to memory that is used for something else by then.
 */
UNIT_TEST(s3_late_answer)
{
	static const char late[] = "HTTP/1.1 500 No\r\nETag: \"late\"\r\n"
							   "Content-Length: 5\r\n\r\nerror";
	const char *no_headers[] = {NULL};
	BbHttpRequest request = {.method = "GET",
							 .headers = no_headers,
							 .ca_file = "",
							 .timeout_s = 30,
							 .capacity = 100};
	BbHttpAnswer first;
	BbHttpAnswer before;
	BbHttpAnswer second;
	BbReqCtx	hasty = *ctx;
	char	   *url;
	int			listening = listen_on_loopback(&url);
	int			connected;

	request.url = url;
	hasty.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 300);
	CHECK_ERROR(bb_http_end(&hasty, bb_http_begin(&request, &first)),
				ERRCODE_QUERY_CANCELED);
	connected = accept(listening, NULL, NULL);
	CHECK(connected >= 0);
	CHECK(write(connected, late, strlen(late)) == strlen(late));
	memset(&first, 'x', sizeof(first));
	before = first;

	request.give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 300);
	bb_http_end(NULL, bb_http_begin(&request, &second));
	close(connected);
	close(listening);
	CHECK(second.failure != NULL);
	CHECK(memcmp(&first, &before, sizeof(first)) == 0);
}

/*-------------------------------------------------------------------------
 *
 * credentials_metadata.c
 *	  Keys from services beside the server: the metadata of an instance, the
 *	  agent of a container.
 *
 *	  instance:	 PUT .../api/token					 a token for the session
 *				 GET .../security-credentials/		 the name of the role
 *				 GET .../security-credentials/ROLE	 its keys, as JSON
 *
 *	  container: GET the URL in the environment		 keys, as JSON
 *
 * Only version 2 of the metadata service is used: a request without a token,
 * which a server might be tricked into, gets nothing.
 *
 * The environment's URL and token are those that ECS and EKS set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/caught.h"
#include "fmgr.h"
#include "objstore/s3/credentials.h"
#include "objstore/s3/s3_time.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define INSTANCE_ENDPOINT "http://169.254.169.254"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define CONTAINER_ENDPOINT "http://169.254.170.2"

/* Keys are asked for at once after the token. */
#define TOKEN_TTL "X-aws-ec2-metadata-token-ttl-seconds: 60"

/* ---- the answer ---- */

static char *
member_of(Jsonb *object, const char *name)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(object) ||
		getKeyJsonValueFromContainer(&object->root, name, (int) strlen(name),
									 &value) == NULL ||
		value.type != jbvString)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* The error of a document that isn't JSON would show some of it. */
static Jsonb *
parse(const char *document)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile object = NULL;

	for (const char *p = document; *p != '\0'; p++)
	{
		if ((unsigned char) *p > '~')
			return NULL;
	}
	PG_TRY();
	{
		object = DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum(document)));
	}
	PG_CATCH();
	{
		(void) bb_caught(context);
	}
	PG_END_TRY();
	return object;
}

static void
take_keys(const BbCredentialFetch *fetch, char *document, BbObtained *obtained)
{
	Jsonb	   *object = parse(document);
	char	   *code;
	char	   *expires;

	explicit_bzero(document, strlen(document));
	if (object == NULL)
		bb_credentials_refuse(fetch, "Its answer is not JSON.", NULL);
	code = member_of(object, "Code");
	if (code != NULL && strcmp(code, "Success") != 0)
		bb_credentials_refuse(fetch,
							  "It has no keys for the role of the instance.",
							  "Look at the role's trust policy.");
	obtained->access_key_id = member_of(object, "AccessKeyId");
	obtained->secret_access_key = member_of(object, "SecretAccessKey");
	obtained->session_token = member_of(object, "Token");
	expires = member_of(object, "Expiration");
	obtained->expires = expires != NULL ? bb_s3_time_parse(expires) : 0;
	explicit_bzero(object, VARSIZE(object));
	bb_credentials_check(fetch, obtained);
}

/* ---- an instance ---- */

/* The first line, if it can be the name of a role. */
static char *
role_name(const BbCredentialFetch *fetch, char *names)
{
	size_t		length = strcspn(names, "\r\n");

	names[length] = '\0';
	if (length == 0 || length > 128)
		bb_credentials_refuse(fetch, "It names no role.", NULL);
	for (const char *p = names; *p != '\0'; p++)
	{
		if (!isalnum((unsigned char) *p) && strchr("+=,.@_-", *p) == NULL)
			bb_credentials_refuse(fetch, "It names no role.", NULL);
	}
	return names;
}

static char *
read_metadata(const BbReqCtx *ctx, BbCredentialFetch *fetch,
			  const char *endpoint, const char *path, const char *name)
{
	char	   *refused;
	char	   *body;
	int			status;

	fetch->method = "GET";
	fetch->url = psprintf("%s%s%s", endpoint, path, name);
	body = bb_credentials_fetch(ctx, fetch, &status, &refused);
	if (body == NULL)
		bb_credentials_refuse(fetch, psprintf("It answered %d.", status),
							  status == 404 ? "Attach a role to the instance "
											  "(an instance profile)."
											: NULL);
	return body;
}

void
bb_credentials_instance(const BbReqCtx *ctx,
						const BbObjectStoreOptions *options,
						BbObtained *obtained)
{
	const char *endpoint = options->credentials_endpoint != NULL
		? options->credentials_endpoint
		: INSTANCE_ENDPOINT;
	BbCredentialFetch fetch =
		{.source = "instance metadata service",
		 .method = "PUT",
		 .url = psprintf("%s/latest/api/token", endpoint),
		 .header = TOKEN_TTL,
		 .local = true,
		 .hint = "Is this an instance with a metadata service? In a container "
				 "on it, the hop limit of the service has to be 2 "
				 "(http-put-response-hop-limit)."};
	char	   *refused;
	char	   *token;
	char	   *role;
	int			status;

	token = bb_credentials_fetch(ctx, &fetch, &status, &refused);
	if (token == NULL)
		bb_credentials_refuse(&fetch, psprintf("It answered %d.", status),
							  status == 403
								  ? "The service is turned off: see "
									"modify-instance-metadata-options."
								  : "Version 2 of the service is needed.");
	token[strcspn(token, "\r\n")] = '\0';
	fetch.header = psprintf("X-aws-ec2-metadata-token: %s", token);
	role = role_name(&fetch, read_metadata(ctx, &fetch, endpoint, ROLES, ""));
	take_keys(&fetch, read_metadata(ctx, &fetch, endpoint, ROLES, role),
			  obtained);
}

/* ---- a container ---- */

static const char *
container_url(const BbObjectStoreOptions *options)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (options->credentials_endpoint != NULL)
		return options->credentials_endpoint;
	if (relative != NULL)
		return psprintf(CONTAINER_ENDPOINT "%s", relative);
	if (full == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("there is no URL of the keys of the container"),
				 errdetail("The server's environment has neither "
						   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
						   "AWS_CONTAINER_CREDENTIALS_FULL_URI."),
				 errhint("If the server's starter removes them from the "
						 "environment, set the server's option "
						 "\"credentials_endpoint\".")));
	bb_objstore_check_credentials_endpoint(full);
	return full;
}

/* The token, which authorizes the request; NULL: none is needed. */
static const char *
container_token(const BbObjectStoreOptions *options)
{
	const char *file = options->credentials_token_file;

	if (file == NULL)
		file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	return file != NULL ? bb_credentials_token(file)
						: getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
}

void
bb_credentials_container(const BbReqCtx *ctx,
						 const BbObjectStoreOptions *options,
						 BbObtained *obtained)
{
	BbCredentialFetch fetch = {.source = "agent of the container",
							   .method = "GET",
							   .local = true,
							   .hint = "Does the agent of ECS or EKS run?"};
	const char *token = container_token(options);
	char	   *refused;
	char	   *body;
	int			status;

	fetch.url = container_url(options);
	if (token != NULL)
		fetch.header = psprintf("Authorization: %s", token);
	body = bb_credentials_fetch(ctx, &fetch, &status, &refused);
	if (body == NULL)
		bb_credentials_refuse(
			&fetch, psprintf("It answered %d.", status),
			"Has the task or the service account a role, and "
			"is the token its own?");
	take_keys(&fetch, body, obtained);
}

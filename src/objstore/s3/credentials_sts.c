/*-------------------------------------------------------------------------
 *
 * credentials_sts.c
 *	  Keys for a web identity: AssumeRoleWithWebIdentity of AWS's STS.
 *
 * An identity provider, for instance Kubernetes, keeps a token in a file, which
 * it replaces before the token expires.  STS gives keys of a role for it.  The
 * request isn't signed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "objstore/s3/credentials.h"
#include "objstore/s3/s3_time.h"
#include "objstore/s3/xml.h"

#define KEYS \
	"AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/"

#define SESSION_NAME "bbackup"

/* An option, or the variable that Kubernetes sets. */
static const char *
need(const char *option, const char *name, const char *variable)
{
	const char *value = option != NULL ? option : getenv(variable);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" of the page store is missing", name),
				 errdetail("The server's environment has no %s either.",
						   variable)));
	return value;
}

/* Set what has this path. */
static void
take(const char *path, const char *text, const char *wanted, char **to)
{
	if (strcmp(path, wanted) == 0)
		*to = pstrdup(text);
}

static void
take_keys(const BbCredentialFetch *fetch, char *document, BbObtained *obtained)
{
	BbXml		xml;
	const char *path;
	const char *text;
	char	   *expires = NULL;

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
	{
		take(path, text, KEYS "AccessKeyId", &obtained->access_key_id);
		take(path, text, KEYS "SecretAccessKey", &obtained->secret_access_key);
		take(path, text, KEYS "SessionToken", &obtained->session_token);
		take(path, text, KEYS "Expiration", &expires);
	}
	explicit_bzero(document, strlen(document));
	if (xml.error != NULL)
		bb_credentials_refuse(fetch,
							  psprintf("Its answer can't be read: %s",
									   xml.error),
							  NULL);
	obtained->expires = expires != NULL ? bb_s3_time_parse(expires) : 0;
	bb_credentials_check(fetch, obtained);
}

static void
report_refused(const BbCredentialFetch *fetch, int status, char *document,
			   const char *role, const char *file)
{
	BbXml		xml;
	const char *path;
	const char *text;
	char	   *code = NULL;
	const char *hint = NULL;

	bb_xml_init(&xml, document);
	while (bb_xml_next(&xml, &path, &text))
		take(path, text, "ErrorResponse/Error/Code", &code);
	if (code != NULL &&
		strspn(code,
			   "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.") != strlen(code))
		code = NULL;
	if (code == NULL)
		hint = NULL;
	else if (strcmp(code, "ExpiredTokenException") == 0)
		hint = psprintf("The identity provider has to replace the token in "
						"\"%s\" before it expires.",
						file);
	else if (strcmp(code, "AccessDenied") == 0)
		hint = psprintf("The trust policy of \"%s\" has to allow this "
						"identity sts:AssumeRoleWithWebIdentity.",
						role);
	else if (strcmp(code, "InvalidIdentityToken") == 0)
		hint = "Is the identity provider of the token known to the account?";
	bb_credentials_refuse(fetch,
						  psprintf("It answered %d%s%s.", status,
								   code != NULL ? " " : "",
								   code != NULL ? code : ""),
						  hint);
}

void
bb_credentials_web_identity(const BbReqCtx *ctx,
							const BbObjectStoreOptions *options,
							BbObtained *obtained)
{
	const char *role = need(options->role_arn, "role_arn", "AWS_ROLE_ARN");
	const char *file = need(options->credentials_token_file,
							"credentials_token_file",
							"AWS_WEB_IDENTITY_TOKEN_FILE");
	char	   *token = bb_credentials_token(file);
	char	   *refused;
	char	   *body;
	int			status;
	BbCredentialFetch fetch =
		{.source = "security token service (STS)",
		 .method = "POST",
		 .hint = "Is the server's option \"credentials_endpoint\" right?"};

	fetch.url = options->credentials_endpoint != NULL
		? options->credentials_endpoint
		: psprintf("https://sts.%s.%s/", options->region,
				   bb_s3_domain(options->region));
	fetch.body = psprintf("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
						  "&RoleArn=%s&RoleSessionName=" SESSION_NAME
						  "&WebIdentityToken=%s",
						  bb_s3_encode(role), bb_s3_encode(token));
	explicit_bzero(token, strlen(token));
	body = bb_credentials_fetch(ctx, &fetch, &status, &refused);
	explicit_bzero(unconstify(char *, fetch.body), strlen(fetch.body));
	if (body == NULL)
		report_refused(&fetch, status, refused, role, file);
	take_keys(&fetch, body, obtained);
}

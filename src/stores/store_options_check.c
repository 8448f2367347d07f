/*-------------------------------------------------------------------------
 *
 * store_options_check.c
 *	  The options of page stores: which values they may have, and who may set
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "stores/call.h"
#include "stores/option_value.h"
#include "stores/store_options_internal.h"
#include "stores/table_options.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static void
need_files(const char *what)
{
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files", what);
	bb_call_need_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files",
					  what);
}

static void
check_url(const char *value)
{
	bb_objstore_check_url(value);
	if (strncmp(value, "file:", 5) == 0)
		need_files("set the URL of a page store");
}

static void
check_region(const char *value)
{
	if (*value == '\0' || strlen(value) > 63 ||
		strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
			strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region of a page store"),
				 errhint("A region is a name such as \"eu-central-1\".")));
}

static void
check_boolean(const char *option, const char *value)
{
	bool		parsed;

	if (!parse_bool(value, &parsed))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" requires a Boolean value", option)));
}

static void
check_path_style(const char *value)
{
	check_boolean(BB_OPTION_PATH_STYLE, value);
}

static void
check_upkeep(const char *value)
{
	check_boolean(BB_OPTION_UPKEEP, value);
}

static void
check_cache_directory(const char *value)
{
	if (!is_absolute_path(value) || strlen(value) > MAXPGPATH / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be an absolute path")));
	/* the rule for a local store, since the cache is read as one */
	if (strstr(psprintf("%s/", value), "/../") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_CACHE_DIRECTORY
						"\" must be a path without \"..\"")));
	need_files("set the cache directory of a page store");
	bb_objstore_check_cache_directory(value);
}

static void
check_cache_size(const char *value)
{
	int			megabytes;

	if (!parse_int(value, &megabytes, GUC_UNIT_MB, NULL) || megabytes < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"" BB_OPTION_CACHE_SIZE
						"\": \"%s\"",
						value),
				 errhint("It must be at least 1MB, for example \"20GB\".")));
}

/* Keys go into HTTP headers.  The error message must not show them. */
static void
check_key(const char *value)
{
	for (const char *p = value; *p; p++)
	{
		if (*p <= ' ' || *p > '~')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid key of a page store"),
					 errdetail("Keys consist of printable ASCII characters.")));
	}
}

static void
check_encrypted(const char *value)
{
	check_boolean(BB_OPTION_ENCRYPTED, value);
}

static void
check_key_file(const char *value)
{
	if (!is_absolute_path(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_KEY_FILE
						"\" must be an absolute path")));
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  "set the key file of a page store");
}

static void
check_key_command(const char *value)
{
	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program",
					  "set the key command of a page store");
}

/* The error message must not show the key. */
static void
check_encryption_key(const char *value)
{
	if (strspn(value, "0123456789abcdefABCDEF, ") != strlen(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid encryption key of a page store"),
				 errdetail("A key has 64 hexadecimal digits."),
				 errhint("Make one by \"openssl rand -hex 32\".")));
}

/* ---- keys that a role gives ---- */

static const char *const credential_kinds[] = {
	[BB_CREDENTIALS_KEYS] = "keys",
	[BB_CREDENTIALS_INSTANCE] = "instance",
	[BB_CREDENTIALS_CONTAINER] = "container",
	[BB_CREDENTIALS_WEB_IDENTITY] = "web_identity",
};

static void
invalid_value(const char *option, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", option),
			 errhint("%s", hint)));
}

/* Return the index of a value in a list; -1 if it isn't there. */
static int
index_of(const char *value, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(value, list[i]) == 0)
			return i;
	}
	return -1;
}

/*
 * The role is the machine's, not the user's.  A user who runs programs as the
 * server can get its keys anyway.
 */
static void
need_role_of_machine(void)
{
	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program",
					  "use the machine's role for a page store");
}

BbCredentialKind
bb_storeoption_credentials(const char *value)
{
	int			kind = index_of(value, credential_kinds,
								lengthof(credential_kinds));

	if (kind < 0)
		invalid_value(BB_OPTION_CREDENTIALS,
					  "Values are \"keys\", \"instance\", \"container\" and "
					  "\"web_identity\".");
	return (BbCredentialKind) kind;
}

static void
check_credentials(const char *value)
{
	if (bb_storeoption_credentials(value) != BB_CREDENTIALS_KEYS)
		need_role_of_machine();
}

static void
check_credentials_endpoint(const char *value)
{
	bb_objstore_check_credentials_endpoint(value);
	need_role_of_machine();
}

static void
check_token_file(const char *value)
{
	if (!is_absolute_path(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_TOKEN_FILE
						"\" must be an absolute path")));
	need_role_of_machine();
}

static void
check_role_arn(const char *value)
{
	check_key(value);
	if (strncmp(value, "arn:", 4) != 0 || strlen(value) > 2048)
		invalid_value(BB_OPTION_ROLE_ARN,
					  "Write it as \"arn:aws:iam::123456789012:role/name\".");
	need_role_of_machine();
}

/* ---- how object storage keeps objects ---- */

static const char *const encryptions[] = {"AES256", "aws:kms", "aws:kms:dsse"};
static const char *const lock_modes[] = {"GOVERNANCE", "COMPLIANCE"};
static const char *const archive_classes[] = {"GLACIER", "DEEP_ARCHIVE"};

static void
check_encryption(const char *value)
{
	if (index_of(value, encryptions, lengthof(encryptions)) < 0)
		invalid_value(BB_OPTION_ENCRYPTION,
					  "Values are \"AES256\" (SSE-S3), \"aws:kms\" (SSE-KMS) "
					  "and \"aws:kms:dsse\".");
}

static void
check_kms_key_id(const char *value)
{
	if (strlen(value) >= 2048 || *value == '\0' ||
		strspn(value,
			   "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-.") != strlen(value))
		invalid_value(BB_OPTION_KMS_KEY_ID,
					  "It is the ARN, the id or an alias of a key of KMS.");
}

static void
check_bucket_key(const char *value)
{
	check_boolean(BB_OPTION_BUCKET_KEY, value);
}

static void
check_storage_class(const char *value)
{
	if (*value == '\0' || strlen(value) > 31 ||
		strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
			strlen(value))
		invalid_value(BB_OPTION_STORAGE_CLASS,
					  "It is a name such as \"STANDARD_IA\" or "
					  "\"GLACIER_IR\".");
	if (index_of(value, archive_classes, lengthof(archive_classes)) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("layers cannot be in storage class \"%s\"", value),
				 errdetail("An object in an archive has to be restored, which "
						   "takes hours, before it can be read. Any call may "
						   "read any layer, and upkeep rewrites them."),
				 errhint("For layers that are read rarely, use "
						 "\"STANDARD_IA\" or \"GLACIER_IR\".")));
}

static void
check_lock_mode(const char *value)
{
	if (index_of(value, lock_modes, lengthof(lock_modes)) < 0)
		invalid_value(BB_OPTION_LOCK_MODE,
					  "Values are \"GOVERNANCE\" and \"COMPLIANCE\".");
}

int
bb_storeoption_days(const char *value)
{
	char	   *end;
	long		days = strtol(value, &end, 10);

	/* S3's maximum is a hundred years */
	if (*value < '0' || *value > '9' || *end != '\0' || days < 1 ||
		days > 36500)
		invalid_value(BB_OPTION_LOCK_DAYS, "It is a number of days.");
	return (int) days;
}

static void
check_lock_days(const char *value)
{
	(void) bb_storeoption_days(value);
}

static const struct
{
	const char *name;
	Oid			catalog; /* whose objects have the option */
	void		(*check) (const char *value);
}			valid_options[] = {
	{BB_OPTION_URL, ForeignServerRelationId, check_url},
	{BB_OPTION_ENDPOINT, ForeignServerRelationId, bb_objstore_check_endpoint},
	{BB_OPTION_REGION, ForeignServerRelationId, check_region},
	{BB_OPTION_PATH_STYLE, ForeignServerRelationId, check_path_style},
	{BB_OPTION_CACHE_DIRECTORY, ForeignServerRelationId,
	 check_cache_directory},
	{BB_OPTION_CACHE_SIZE, ForeignServerRelationId, check_cache_size},
	{BB_OPTION_UPKEEP, ForeignServerRelationId, check_upkeep},
	{BB_OPTION_ENCRYPTED, ForeignServerRelationId, check_encrypted},
	{BB_OPTION_KEY_FILE, ForeignServerRelationId, check_key_file},
	{BB_OPTION_KEY_COMMAND, ForeignServerRelationId, check_key_command},
	{BB_OPTION_CREDENTIALS, ForeignServerRelationId, check_credentials},
	{BB_OPTION_CREDENTIALS_ENDPOINT, ForeignServerRelationId,
	 check_credentials_endpoint},
	{BB_OPTION_TOKEN_FILE, ForeignServerRelationId, check_token_file},
	{BB_OPTION_ROLE_ARN, ForeignServerRelationId, check_role_arn},
	{BB_OPTION_ENCRYPTION, ForeignServerRelationId, check_encryption},
	{BB_OPTION_KMS_KEY_ID, ForeignServerRelationId, check_kms_key_id},
	{BB_OPTION_BUCKET_KEY, ForeignServerRelationId, check_bucket_key},
	{BB_OPTION_STORAGE_CLASS, ForeignServerRelationId, check_storage_class},
	{BB_OPTION_LOCK_MODE, ForeignServerRelationId, check_lock_mode},
	{BB_OPTION_LOCK_DAYS, ForeignServerRelationId, check_lock_days},
	{BB_OPTION_ACCESS_KEY_ID, UserMappingRelationId, check_key},
	{BB_OPTION_SECRET_ACCESS_KEY, UserMappingRelationId, check_key},
	{BB_OPTION_SESSION_TOKEN, UserMappingRelationId, check_key},
	{BB_OPTION_ENCRYPTION_KEY, UserMappingRelationId, check_encryption_key},
	{BB_OPTION_DATABASE, ForeignTableRelationId, bb_tableoptions_check_name},
	{BB_OPTION_SCHEMA_NAME, ForeignTableRelationId,
	 bb_tableoptions_check_name},
	{BB_OPTION_TABLE_NAME, ForeignTableRelationId, bb_tableoptions_check_name},
	{BB_OPTION_TIMELINE, ForeignTableRelationId,
	 bb_tableoptions_check_timeline},
	{BB_OPTION_LSN, ForeignTableRelationId, bb_tableoptions_check_lsn},
	{BB_OPTION_TIME, ForeignTableRelationId, bb_tableoptions_check_time},
	{BB_OPTION_ONLY, ForeignTableRelationId, bb_tableoptions_check_only},
	{BB_OPTION_COLUMN_NAME, AttributeRelationId, bb_tableoptions_check_name},
};

static void
invalid_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 valid_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

/* An option without the one that it is for would have no effect. */
static void
need_with(List *options, const char *name, const char *other)
{
	if (bb_option_value(options, name) != NULL &&
		bb_option_value(options, other) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" requires option \"%s\"", name,
						other)));
}

static void
check_together(List *options)
{
	const char *encryption = bb_option_value(options, BB_OPTION_ENCRYPTION);
	const char *url = bb_option_value(options, BB_OPTION_URL);
	static const char *const of_object_storage[] = {BB_OPTION_CREDENTIALS,
													BB_OPTION_ENCRYPTION,
													BB_OPTION_STORAGE_CLASS,
													BB_OPTION_LOCK_MODE};

	bb_tableoptions_check_together(bb_option_value(options, BB_OPTION_LSN) !=
									   NULL,
								   bb_option_value(options, BB_OPTION_TIME) !=
									   NULL);
	need_with(options, BB_OPTION_CREDENTIALS_ENDPOINT, BB_OPTION_CREDENTIALS);
	need_with(options, BB_OPTION_TOKEN_FILE, BB_OPTION_CREDENTIALS);
	need_with(options, BB_OPTION_ROLE_ARN, BB_OPTION_CREDENTIALS);
	need_with(options, BB_OPTION_KMS_KEY_ID, BB_OPTION_ENCRYPTION);
	need_with(options, BB_OPTION_BUCKET_KEY, BB_OPTION_ENCRYPTION);
	need_with(options, BB_OPTION_LOCK_MODE, BB_OPTION_LOCK_DAYS);
	need_with(options, BB_OPTION_LOCK_DAYS, BB_OPTION_LOCK_MODE);
	if (encryption != NULL && strcmp(encryption, "AES256") == 0 &&
		(bb_option_value(options, BB_OPTION_KMS_KEY_ID) != NULL ||
		 bb_option_value(options, BB_OPTION_BUCKET_KEY) != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"" BB_OPTION_ENCRYPTION
						"\" must be \"aws:kms\" for a key of KMS")));
	for (int i = 0; i < lengthof(of_object_storage); i++)
	{
		if (url != NULL && strncmp(url, "file:", 5) == 0 &&
			bb_option_value(options, of_object_storage[i]) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" is for object storage",
							of_object_storage[i])));
	}
}

void
bb_storeoptions_check(List *options, Oid catalog)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);
		int			i = 0;

		while (i < lengthof(valid_options) &&
			   (valid_options[i].catalog != catalog ||
				strcmp(valid_options[i].name, option->defname) != 0))
			i++;
		if (i == lengthof(valid_options))
			invalid_option(option->defname, catalog);
		valid_options[i].check(defGetString(option));
	}
	check_together(options);
}

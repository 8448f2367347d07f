/*-------------------------------------------------------------------------
 *
 * source_options.c
 *	  The options of sources: of foreign servers and their user mappings.
 *
 * (Which options of libpq are a danger: postgres_fdw's option.c and
 * connection.c.  How libpq checks their values: connectOptions2 in
 * fe-connect.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "stores/call.h"
#include "stores/option_value.h"
#include "stores/source_options.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#define BB_OPTION_CONFIRM "confirm"
#define BB_OPTION_WAL_DIRECTORY "wal_directory"
#define BB_OPTION_RESTORE_COMMAND "restore_command"
#define BB_OPTION_PASSWORD_REQUIRED "password_required"

#define DEFAULT_APPLICATION_NAME "bbackup"

/* ---- checking values ---- */

pg_noreturn static void
invalid_value(const char *name, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
			 errhint("%s", hint)));
}

static void
check_text(const char *name, const char *value)
{
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must not be empty", name)));
}

static void
check_number(const char *name, const char *value)
{
	size_t		length = strlen(value);

	if (length < 1 || length > 9 || strspn(value, "0123456789") != length)
		invalid_value(name, value, "It must be a number, 0 or greater.");
}

/* One port, or one for each host; an empty one is the default. */
static void
check_port(const char *name, const char *value)
{
	const char *rest = value;

	check_text(name, value);
	for (;;)
	{
		size_t		length = strcspn(rest, ",");
		char	   *port = pnstrdup(rest, length);

		if (length > 0 &&
			(length > 5 || strspn(port, "0123456789") != length ||
			 atoi(port) < 1 || atoi(port) > 65535))
			invalid_value(name, value,
						  "It must be a port, or one for each host, separated "
						  "by commas.");
		if (rest[length] == '\0')
			break;
		rest += length + 1;
	}
}

static void
check_one_of(const char *name, const char *value, const char *const *valid)
{
	StringInfoData hint;

	initStringInfo(&hint);
	for (int i = 0; valid[i] != NULL; i++)
	{
		if (strcmp(value, valid[i]) == 0)
			return;
		appendStringInfo(&hint, "%s%s", i > 0 ? ", " : "", valid[i]);
	}
	invalid_value(name, value, psprintf("Valid values: %s.", hint.data));
}

static void
check_switch(const char *name, const char *value)
{
	static const char *const valid[] = {"0", "1", NULL};

	check_one_of(name, value, valid);
}

static void
check_session(const char *name, const char *value)
{
	static const char *const valid[] = {"any",		 "read-write",
										"read-only", "primary",
										"standby",	 "prefer-standby",
										NULL};

	check_one_of(name, value, valid);
}

static void
check_sslmode(const char *name, const char *value)
{
	static const char *const valid[] = {"disable", "allow",		"prefer",
										"require", "verify-ca", "verify-full",
										NULL};

	check_one_of(name, value, valid);
}

static void
check_preference(const char *name, const char *value)
{
	static const char *const valid[] = {"disable", "prefer", "require", NULL};

	check_one_of(name, value, valid);
}

static void
check_confirm(const char *name, const char *value)
{
	static const char *const valid[] = {"store", "spool", NULL};

	check_one_of(name, value, valid);
}

static void
need_files(const char *name)
{
	bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
					  psprintf("set the option \"%s\" of a source", name));
}

/* "system" are the certificates that OpenSSL trusts, from libpq 16 on. */
static void
check_root(const char *name, const char *value)
{
	check_text(name, value);
	if (strcmp(value, "system") != 0)
		need_files(name);
}

static void
check_file(const char *name, const char *value)
{
	check_text(name, value);
	need_files(name);
}

static void
check_wal_directory(const char *name, const char *value)
{
	if (!is_absolute_path(value) || strlen(value) > MAXPGPATH / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be an absolute path", name)));
	need_files(name);
}

static void
check_restore_command(const char *name, const char *value)
{
	check_text(name, value);
	bb_call_need_role(ROLE_PG_EXECUTE_SERVER_PROGRAM,
					  "pg_execute_server_program",
					  psprintf("set the option \"%s\" of a source", name));
}

static void
need_superuser(const char *name)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers can set the option \"%s\" of a user "
						"mapping",
						name),
				 errdetail("It lets a connection use what belongs to the "
						   "operating system user of this server.")));
}

static void
check_identity(const char *name, const char *value)
{
	check_text(name, value);
	need_superuser(name);
}

static void
check_password_required(const char *name, const char *value)
{
	bool		required;

	if (!parse_bool(value, &required))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" requires a Boolean value", name)));
	if (!required && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers can set \"%s\" to \"false\"", name)));
}

/* A secret may be anything; the message of an error must not show it. */
static void
check_secret(const char *name, const char *value)
{
}

/* ---- the options ---- */

typedef struct SourceOption
{
	const char *name;
	Oid			catalog; /* whose objects have the option */
	bool		ours;	 /* libpq doesn't get it */
	void		(*check) (const char *name, const char *value);
} SourceOption;

#define SERVER ForeignServerRelationId
#define MAPPING UserMappingRelationId

static const SourceOption all_options[] = {
	{"host", SERVER, false, check_text},
	{"hostaddr", SERVER, false, check_text},
	{"port", SERVER, false, check_port},
	{"target_session_attrs", SERVER, false, check_session},
	{"connect_timeout", SERVER, false, check_number},
	{"keepalives", SERVER, false, check_switch},
	{"keepalives_idle", SERVER, false, check_number},
	{"keepalives_interval", SERVER, false, check_number},
	{"keepalives_count", SERVER, false, check_number},
	{"tcp_user_timeout", SERVER, false, check_number},
	{"sslmode", SERVER, false, check_sslmode},
	{"sslnegotiation", SERVER, false, check_text},
	{"sslcompression", SERVER, false, check_switch},
	{"sslrootcert", SERVER, false, check_root},
	{"sslcrl", SERVER, false, check_file},
	{"sslcrldir", SERVER, false, check_file},
	{"sslsni", SERVER, false, check_switch},
	{"ssl_min_protocol_version", SERVER, false, check_text},
	{"ssl_max_protocol_version", SERVER, false, check_text},
	{"channel_binding", SERVER, false, check_preference},
	{"require_auth", SERVER, false, check_text},
	{"gssencmode", SERVER, false, check_preference},
	{"krbsrvname", SERVER, false, check_text},
	{"application_name", SERVER, false, check_text},
	{BB_OPTION_CONFIRM, SERVER, true, check_confirm},
	{BB_OPTION_WAL_DIRECTORY, SERVER, true, check_wal_directory},
	{BB_OPTION_RESTORE_COMMAND, SERVER, true, check_restore_command},
	{"user", MAPPING, false, check_text},
	{"password", MAPPING, false, check_secret},
	{"passfile", MAPPING, false, check_identity},
	{"sslcert", MAPPING, false, check_identity},
	{"sslkey", MAPPING, false, check_identity},
	{"sslpassword", MAPPING, false, check_secret},
	{BB_OPTION_PASSWORD_REQUIRED, MAPPING, true, check_password_required},
};

/* Does the libpq that is installed know the option? */
static bool
is_known(const SourceOption *option)
{
	PQconninfoOption *defaults;
	bool		known = false;

	if (option->ours)
		return true;
	defaults = PQconndefaults();
	if (defaults == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (PQconninfoOption *p = defaults; p->keyword != NULL && !known; p++)
		known = strcmp(p->keyword, option->name) == 0;
	PQconninfoFree(defaults);
	return known;
}

/* Options that people will try, and what they are meant to know. */
static const char *
advice_on(const char *name, Oid catalog)
{
	if (strcmp(name, "dbname") == 0 || strcmp(name, "replication") == 0 ||
		strcmp(name, "options") == 0 || strcmp(name, "client_encoding") == 0)
		return "A source is a replication connection, which belongs to no "
			   "database; bbackup sets this itself.";
	if (strcmp(name, "service") == 0)
		return "Options in files of services are not used; set them here.";
	for (int i = 0; i < lengthof(all_options); i++)
	{
		if (strcmp(all_options[i].name, name) != 0)
			continue;
		if (all_options[i].catalog == SERVER && catalog != SERVER)
			return "Set it for the server: CREATE SERVER, ALTER SERVER.";
		if (all_options[i].catalog == MAPPING && catalog != MAPPING)
			return "Set it for a role: CREATE USER MAPPING, ALTER USER "
				   "MAPPING.";
		if (all_options[i].catalog == catalog)
			return "The libpq that is installed does not know it.";
	}
	return NULL;
}

pg_noreturn static void
invalid_option(const char *name, Oid catalog)
{
	const char *advice = advice_on(name, catalog);
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(all_options); i++)
	{
		if (all_options[i].catalog == catalog && is_known(&all_options[i]))
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 all_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 advice != NULL	 ? errhint("%s", advice)
			 : valid.len > 0 ? errhint("Valid options in this context are: %s",
									   valid.data)
							 : errhint("There are no valid options in this "
									   "context.")));
}

void
bb_sourceoptions_check(List *options, Oid catalog)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem	   *option = lfirst(cell);
		int			i = 0;

		while (i < lengthof(all_options) &&
			   (all_options[i].catalog != catalog ||
				strcmp(all_options[i].name, option->defname) != 0))
			i++;
		if (i == lengthof(all_options) || !is_known(&all_options[i]))
			invalid_option(option->defname, catalog);
		all_options[i].check(option->defname, defGetString(option));
	}
}

/* ---- using options ---- */

static bool
has_mapping(Oid user, Oid server)
{
	return SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
								 ObjectIdGetDatum(server));
}

/* Return the options of the current user's mapping; NIL if there is none. */
static List *
mapping_of(const ForeignServer *server)
{
	if (has_mapping(GetUserId(), server->serverid) ||
		has_mapping(InvalidOid, server->serverid))
		return GetUserMapping(GetUserId(), server->serverid)->options;
	if (!superuser() || !superuser_arg(server->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" has no user mapping for source \"%s\"",
						GetUserNameFromId(GetUserId(), false),
						server->servername),
				 errhint("CREATE USER MAPPING FOR CURRENT_USER SERVER %s "
						 "OPTIONS (user 'name', password 'secret').",
						 quote_identifier(server->servername))));
	return NIL;
}

/* May the current user connect only with a password of the mapping? */
static bool
needs_password(List *mapping)
{
	const char *value = bb_option_value(mapping, BB_OPTION_PASSWORD_REQUIRED);
	bool		required = true;

	if (superuser())
		return false;
	/* only a superuser can have set it to false */
	if (value != NULL)
		(void) parse_bool(value, &required);
	return required;
}

static void
check_password(const ForeignServer *server, List *mapping)
{
	const char *password = bb_option_value(mapping, "password");

	/* to libpq, an empty one is none */
	if (password == NULL || password[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("password is required for source \"%s\"",
						server->servername),
				 errdetail("Roles that are not superusers must have a "
						   "password in their user mapping."),
				 errhint("ALTER USER MAPPING FOR CURRENT_USER SERVER %s "
						 "OPTIONS (ADD password 'secret').",
						 quote_identifier(server->servername))));
}

static int
add_options(BbReplTarget *target, int n, List *options)
{
	for (int i = 0; i < lengthof(all_options); i++)
	{
		const char *value = bb_option_value(options, all_options[i].name);

		if (value == NULL || all_options[i].ours)
			continue;
		target->keywords[n] = all_options[i].name;
		target->values[n++] = value;
	}
	return n;
}

void
bb_sourceoptions_of(const ForeignServer *server, BbSource *source)
{
	List	   *mapping = mapping_of(server);
	const char *confirm = bb_option_value(server->options, BB_OPTION_CONFIRM);
	BbReplTarget *target = &source->target;
	/* the options of both, what is set here, and NULL */
	int			size = lengthof(all_options) + 10;
	int			n = 0;

	source->confirm = confirm != NULL && strcmp(confirm, "spool") == 0
		? BB_CONFIRM_SPOOL
		: BB_CONFIRM_STORE;
	source->wal_directory = bb_option_value(server->options,
											BB_OPTION_WAL_DIRECTORY);
	source->restore_command = bb_option_value(server->options,
											  BB_OPTION_RESTORE_COMMAND);
	source->application_name = bb_option_value(server->options,
											   "application_name");
	if (source->application_name == NULL)
		source->application_name = DEFAULT_APPLICATION_NAME;

	target->name = server->servername;
	target->need_password = needs_password(mapping);
	if (target->need_password)
		check_password(server, mapping);
	target->keywords = palloc0(size * sizeof(char *));
	target->values = palloc0(size * sizeof(char *));
	/* the defaults: of two values libpq takes the last */
	target->keywords[n] = "user";
	target->values[n++] = GetUserNameFromId(GetUserId(), false);
	target->keywords[n] = "application_name";
	target->values[n++] = source->application_name;
	/* a network that is gone is noticed within a minute, not in hours */
	target->keywords[n] = "keepalives_idle";
	target->values[n++] = "30";
	target->keywords[n] = "keepalives_interval";
	target->values[n++] = "10";
	target->keywords[n] = "keepalives_count";
	target->values[n++] = "3";
	/*
	 * libpq would show what the operating system user has: a client
	 * certificate (a file that doesn't exist is no error), and a ticket
	 */
	if (target->need_password)
	{
		target->keywords[n] = "sslcert";
		target->values[n++] = "/dev/null/none";
		target->keywords[n] = "gssencmode";
		target->values[n++] = "disable";
	}
	n = add_options(target, n, server->options);
	n = add_options(target, n, mapping);
	Assert(n < size);
}

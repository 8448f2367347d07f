/*-------------------------------------------------------------------------
 *
 * source_access.c
 *	  Connecting to sources: servers that are followed, by the name of their
 *	  foreign server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "miscadmin.h"
#include "stores/source_access.h"
#include "stores/source_options.h"
#include "utils/acl.h"

BbSource *
bb_source_access(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	BbSource   *source;
	AclResult	allowed;

	if (server == NULL ||
		strcmp(GetForeignDataWrapper(server->fdwid)->fdwname,
			   BB_SOURCE_WRAPPER_NAME) != 0)
		ereport(ERROR,
				(errcode(server == NULL ? ERRCODE_UNDEFINED_OBJECT
										: ERRCODE_WRONG_OBJECT_TYPE),
				 server == NULL
				 ? errmsg("source \"%s\" does not exist", name)
				 : errmsg("server \"%s\" is not a source", name),
				 errhint("Sources are foreign servers of the wrapper "
						 "\"" BB_SOURCE_WRAPPER_NAME "\".")));
	allowed = bb_compat_server_usage(server->serverid, GetUserId());
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);

	source = palloc0(sizeof(BbSource));
	source->server = server->serverid;
	source->name = server->servername;
	bb_sourceoptions_of(server, source);
	return source;
}

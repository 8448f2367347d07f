/*-------------------------------------------------------------------------
 *
 * acls.c
 *	  Values of type aclitem, whose roles are those of the stored cluster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "heap/acls.h"
#include "heap/objects.h"
#include "heap/syscat.h"
#include "lib/stringinfo.h"

static bool
is_plain(const char *name)
{
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char) *name) && *name != '_')
			return false;
	return true;
}

/* As putid in PostgreSQL's acl.c; one that was dropped is a number. */
static void
append_role(const BbReqCtx *ctx, BbPast *past, Oid role, StringInfo text)
{
	HeapTuple	row = bb_syscat_find_oid(ctx, past, AuthIdRelationId,
										 AuthIdOidIndexId, role);
	const char *name;

	if (row == NULL)
	{
		appendStringInfo(text, "%u", role);
		return;
	}
	name = NameStr(BB_SYSCAT_FORM(pg_authid, row)->rolname);
	if (is_plain(name))
	{
		appendStringInfoString(text, name);
		return;
	}
	appendStringInfoChar(text, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"')
			appendStringInfoChar(text, '"');
		appendStringInfoChar(text, *name);
	}
	appendStringInfoChar(text, '"');
}

char *
bb_acl_text(const BbReqCtx *ctx, BbPast *past, const AclItem *item)
{
	static const char letters[] = ACL_ALL_RIGHTS_STR;
	StringInfoData text;

	initStringInfo(&text);
	if (item->ai_grantee != ACL_ID_PUBLIC)
		append_role(ctx, past, item->ai_grantee, &text);
	appendStringInfoChar(&text, '=');
	for (int i = 0; letters[i] != '\0'; i++)
	{
		AclMode		bit = (AclMode) 1 << i;

		if ((ACLITEM_GET_PRIVS(*item) & bit) == 0)
			continue;
		appendStringInfoChar(&text, letters[i]);
		if ((ACLITEM_GET_GOPTIONS(*item) & bit) != 0)
			appendStringInfoChar(&text, '*');
	}
	appendStringInfoChar(&text, '/');
	append_role(ctx, past, item->ai_grantor, &text);
	return text.data;
}

static Oid
role_here(const BbReqCtx *ctx, BbPast *past, Oid there)
{
	Oid			here = bb_object_here(ctx, past, BB_OBJECT_ROLE, there);

	if (!OidIsValid(here))
	{
		char	   *name = bb_object_name(ctx, past, BB_OBJECT_ROLE, there);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("this server has no role %s, which a value of type aclitem in the page store names",
						name != NULL ? name : psprintf("%u", there)),
				 errhint("Make the column of type text.")));
	}
	return here;
}

AclItem *
bb_acl_here(const BbReqCtx *ctx, BbPast *past, const AclItem *item)
{
	AclItem	   *here = palloc(sizeof(AclItem));

	*here = *item;
	if (item->ai_grantee != ACL_ID_PUBLIC)
		here->ai_grantee = role_here(ctx, past, item->ai_grantee);
	here->ai_grantor = role_here(ctx, past, item->ai_grantor);
	return here;
}

/*-------------------------------------------------------------------------
 *
 * clauses.c
 *	  Clauses that several statements have: operator classes, collations,
 *	  tablespaces.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/pg_opclass.h"
#include "ddl/ddl.h"
#include "heap/syscat.h"
#include "heap/types.h"

const char *
bb_ddl_opclass(BbScript *script, BbScriptPart part, const char *object,
			   Oid opclass, Oid type, bool always)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 OperatorClassRelationId,
										 OpclassOidIndexId, opclass);

	if (row != NULL && !always && OidIsValid(type))
	{
		Form_pg_opclass form = BB_SYSCAT_FORM(pg_opclass, row);

		if (form->opcdefault &&
			form->opcintype ==
				bb_type_base(script->ctx, script->past, type)->oid)
			return "";
	}
	if (!bb_script_need(script, part, object, BB_OBJECT_OPCLASS, opclass))
		return "";
	return psprintf(" %s",
					bb_object_name(script->ctx, script->past,
								   BB_OBJECT_OPCLASS, opclass));
}

const char *
bb_ddl_collation(BbScript *script, BbScriptPart part, const char *object,
				 Oid collation, Oid usual)
{
	if (!OidIsValid(collation) || collation == usual ||
		!bb_script_need(script, part, object, BB_OBJECT_COLLATION, collation))
		return "";
	return psprintf(" COLLATE %s",
					bb_object_name(script->ctx, script->past,
								   BB_OBJECT_COLLATION, collation));
}

void
bb_ddl_append_tablespace(BbScript *script, BbScriptPart part,
						 const char *object, Oid tablespace, const char *words,
						 StringInfo text)
{
	char	   *name = bb_object_name(script->ctx, script->past,
									  BB_OBJECT_TABLESPACE, tablespace);

	if (name == NULL)
		return;
	if (OidIsValid(bb_object_here(script->ctx, script->past,
								  BB_OBJECT_TABLESPACE, tablespace)))
		appendStringInfo(text, " %s %s", words, name);
	else
		bb_script_note(
			script, part, object,
			psprintf(
				"was in tablespace %s, which is not here, and gets into the default tablespace",
				name));
}

/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  Owners, privileges, comments and security labels.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_default_acl.h"
#include "catalog/pg_description.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_type.h"
#include "ddl/ddl.h"
#include "heap/syscat.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

typedef struct Privilege
{
	AclMode		bit;
	const char *word;
} Privilege;

static const Privilege privileges[] = {
	{ACL_SELECT, "SELECT"},		{ACL_INSERT, "INSERT"},
	{ACL_UPDATE, "UPDATE"},		{ACL_DELETE, "DELETE"},
	{ACL_TRUNCATE, "TRUNCATE"}, {ACL_REFERENCES, "REFERENCES"},
	{ACL_TRIGGER, "TRIGGER"},	{ACL_USAGE, "USAGE"},
#if PG_VERSION_NUM >= 170000
	{ACL_MAINTAIN, "MAINTAIN"},
#endif
};

/* What privileges are on. */
typedef struct Target
{
	BbScript   *script;
	BbTable	   *relation;
	const char *object;
	const char *name;	/* "TABLE schema.name" */
	const char *column; /* NULL: all of it */
} Target;

void
bb_ddl_owner(BbScript *script, const char *what, Oid role)
{
	const char *object = psprintf("owner of %s", what);

	if (bb_script_need(script, BB_SCRIPT_AFTER, object, BB_OBJECT_ROLE, role))
		bb_script_add(script, BB_SCRIPT_AFTER, object,
					  psprintf("ALTER %s OWNER TO %s", what,
							   bb_object_name(script->ctx, script->past,
											  BB_OBJECT_ROLE, role)));
}

/* ---- privileges ---- */

/* "SELECT, INSERT", or "SELECT (column), INSERT (column)". */
static char *
words_of(const Target *target, AclMode bits)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(privileges); i++)
	{
		if (!(bits & privileges[i].bit))
			continue;
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "",
						 privileges[i].word);
		if (target->column != NULL)
			appendStringInfo(&text, " (%s)", target->column);
	}
	return text.data;
}

static void
grant(const Target *target, const AclItem *item, AclMode bits, bool option,
	  Oid owner)
{
	BbScript   *script = target->script;
	const char *grantee = item->ai_grantee == ACL_ID_PUBLIC
		? "PUBLIC"
		: bb_object_name(script->ctx, script->past, BB_OBJECT_ROLE,
						 item->ai_grantee);
	char	   *statement;

	if (bits == 0)
		return;
	statement = psprintf("GRANT %s ON %s TO %s%s", words_of(target, bits),
						 target->name, grantee,
						 option ? " WITH GRANT OPTION" : "");
	if (item->ai_grantor == owner)
	{
		bb_script_add(script, BB_SCRIPT_AFTER, target->object, statement);
		return;
	}
	if (!bb_script_need(script, BB_SCRIPT_AFTER, target->object,
						BB_OBJECT_ROLE, item->ai_grantor))
		return;
	bb_script_add(script, BB_SCRIPT_AFTER, target->object,
				  psprintf("SET ROLE %s",
						   bb_object_name(script->ctx, script->past,
										  BB_OBJECT_ROLE, item->ai_grantor)));
	bb_script_add(script, BB_SCRIPT_AFTER, target->object, statement);
	bb_script_add(script, BB_SCRIPT_AFTER, target->object, "RESET ROLE");
}

static void
grant_all(const Target *target, HeapTuple row, Oid catalog, AttrNumber column,
		  Oid owner)
{
	int			n;
	AclItem	   *items = bb_script_array(target->script, row, catalog, column,
										ACLITEMOID, sizeof(AclItem), &n);

	for (int i = 0; i < n; i++)
	{
		const AclItem *item = &items[i];

		if (item->ai_grantee != ACL_ID_PUBLIC &&
			!bb_script_need(target->script, BB_SCRIPT_AFTER, target->object,
							BB_OBJECT_ROLE, item->ai_grantee))
			continue;
		/* that the owner has grant options goes without saying */
		grant(target, item,
			  ACLITEM_GET_PRIVS(*item) & ~ACLITEM_GET_GOPTIONS(*item), false,
			  owner);
		grant(target, item, ACLITEM_GET_GOPTIONS(*item),
			  item->ai_grantee != owner, owner);
	}
}

static bool
is_null(HeapTuple row, Oid catalog, AttrNumber column)
{
	bool		isnull;

	(void) bb_syscat_value(row, catalog, column, &isnull);
	return isnull;
}

/* Default privileges of this database would give rights that nobody had then. */
static List *
default_grantees(char kind)
{
	Relation	catalog = table_open(DefaultAclRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0,
										  NULL);
	List	   *grantees = NIL;
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		value = heap_getattr(row, Anum_pg_default_acl_defaclacl,
										 RelationGetDescr(catalog), &isnull);
		Acl		   *acl;

		if (isnull ||
			((Form_pg_default_acl) GETSTRUCT(row))->defaclobjtype != kind)
			continue;
		acl = DatumGetAclPCopy(value);
		for (int i = 0; i < ACL_NUM(acl); i++)
			grantees = list_append_unique_oid(grantees,
											  ACL_DAT(acl)[i].ai_grantee);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return grantees;
}

static void
revoke_defaults(const Target *target, Oid owner)
{
	char		kind = target->relation->kind == RELKIND_SEQUENCE
		? DEFACLOBJ_SEQUENCE
		: DEFACLOBJ_RELATION;
	ListCell   *cell;

	foreach(cell, default_grantees(kind))
	{
		Oid			role = lfirst_oid(cell);
		char	   *name = OidIsValid(role) ? GetUserNameFromId(role, true)
											: NULL;

		if (role == owner || (OidIsValid(role) && name == NULL))
			continue;
		bb_script_add(target->script, BB_SCRIPT_AFTER, target->object,
					  psprintf("REVOKE ALL ON %s FROM %s", target->name,
							   name ? quote_identifier(name) : "PUBLIC"));
	}
}

static void
grant_columns(Target *target, Oid owner)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(target->script, AttributeRelationId,
						   AttributeRelidNumIndexId, target->relation->oid,
						   InvalidOid))
	{
		Form_pg_attribute column = BB_SYSCAT_FORM(pg_attribute, lfirst(cell));

		if (column->attnum <= 0 || column->attisdropped)
			continue;
		target->column = pstrdup(quote_identifier(NameStr(column->attname)));
		grant_all(target, lfirst(cell), AttributeRelationId,
				  Anum_pg_attribute_attacl, owner);
	}
}

void
bb_ddl_privileges(BbScript *script, BbTable *relation)
{
	HeapTuple	row = bb_syscat_find_oid(script->ctx, script->past,
										 RelationRelationId, ClassOidIndexId,
										 relation->oid);
	bool		sequence = relation->kind == RELKIND_SEQUENCE;
	Target		target = {.script = script, .relation = relation};
	Oid			owner;

	target.name = psprintf("%s %s", sequence ? "SEQUENCE" : "TABLE",
						   bb_script_relation(script, relation->oid));
	target.object = psprintf("privileges on %s %s",
							 sequence ? "sequence" : "table",
							 bb_script_relation(script, relation->oid));
	owner = BB_SYSCAT_FORM(pg_class, row)->relowner;
	/* the owner of a sequence is that of its table */
	if (!sequence)
		bb_ddl_owner(script, target.name, owner);
	revoke_defaults(&target,
					bb_object_here(script->ctx, script->past, BB_OBJECT_ROLE,
								   owner));
	if (!is_null(row, RelationRelationId, Anum_pg_class_relacl))
	{
		const char *role = bb_object_name(script->ctx, script->past,
										  BB_OBJECT_ROLE, owner);

		if (OidIsValid(bb_object_here(script->ctx, script->past,
									  BB_OBJECT_ROLE, owner)))
			bb_script_add(script, BB_SCRIPT_AFTER, target.object,
						  psprintf("REVOKE ALL ON %s FROM %s", target.name,
								   role));
		grant_all(&target, row, RelationRelationId, Anum_pg_class_relacl,
				  owner);
	}
	if (!sequence)
		grant_columns(&target, owner);
}

/* ---- comments ---- */

/* "COLUMN table.column" for a part of a table. */
static const char *
part_of(BbScript *script, const char *what, BbTable *table, int column)
{
	if (column == 0)
		return what;
	return psprintf("COLUMN %s.%s", bb_script_relation(script, table->oid),
					bb_script_column(script, table, (AttrNumber) column));
}

void
bb_ddl_comments(BbScript *script, const char *what, Oid catalog, Oid oid,
				BbTable *table)
{
	ListCell   *cell;

	foreach(cell,
			bb_script_rows(script, DescriptionRelationId,
						   DescriptionObjIndexId, oid, catalog))
	{
		HeapTuple	row = lfirst(cell);
		int			column = BB_SYSCAT_FORM(pg_description, row)->objsubid;
		char	   *comment = bb_script_text(script, row,
											 DescriptionRelationId,
											 Anum_pg_description_description);

		if (column != 0 && table == NULL)
			continue;
		bb_script_add(script, BB_SCRIPT_AFTER, psprintf("comment on %s", what),
					  psprintf("COMMENT ON %s IS %s",
							   part_of(script, what, table, column),
							   quote_literal_cstr(comment)));
	}
	foreach(cell,
			bb_script_rows(script, SecLabelRelationId, SecLabelObjectIndexId,
						   oid, catalog))
	{
		HeapTuple	row = lfirst(cell);
		bool		isnull;
		int			column = DatumGetInt32(
			bb_syscat_value(row, SecLabelRelationId, Anum_pg_seclabel_objsubid,
							&isnull));
		char	   *provider = bb_script_text(script, row, SecLabelRelationId,
											  Anum_pg_seclabel_provider);
		char	   *label = bb_script_text(script, row, SecLabelRelationId,
										   Anum_pg_seclabel_label);

		if (column != 0 && table == NULL)
			continue;
		bb_script_add(script, BB_SCRIPT_AFTER,
					  psprintf("security label of %s", what),
					  psprintf("SECURITY LABEL FOR %s ON %s IS %s",
							   quote_identifier(provider),
							   part_of(script, what, table, column),
							   quote_literal_cstr(label)));
	}
}

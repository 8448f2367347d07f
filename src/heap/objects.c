/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Objects of the past by their names, and the same objects of this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#include "catalog/pg_ts_config.h"
#include "catalog/pg_ts_dict.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "heap/objects.h"
#include "heap/syscat.h"
#include "heap/tables.h"
#include "heap/toast.h"
#include "heap/types.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct Catalog
{
	const char *word;
	Oid			catalog;
	Oid			index;
	AttrNumber	name;
	AttrNumber	schema; /* 0: it has none */
} Catalog;

static const Catalog catalogs[] = {
	[BB_OBJECT_RELATION] = {"relation", RelationRelationId, ClassOidIndexId,
							Anum_pg_class_relname, Anum_pg_class_relnamespace},
	[BB_OBJECT_TYPE] = {"type", TypeRelationId, TypeOidIndexId,
						Anum_pg_type_typname, Anum_pg_type_typnamespace},
	[BB_OBJECT_FUNCTION] = {"function", ProcedureRelationId,
							ProcedureOidIndexId, Anum_pg_proc_proname,
							Anum_pg_proc_pronamespace},
	[BB_OBJECT_OPERATOR] = {"operator", OperatorRelationId, OperatorOidIndexId,
							Anum_pg_operator_oprname,
							Anum_pg_operator_oprnamespace},
	[BB_OBJECT_COLLATION] = {"collation", CollationRelationId,
							 CollationOidIndexId, Anum_pg_collation_collname,
							 Anum_pg_collation_collnamespace},
	[BB_OBJECT_OPCLASS] = {"operator class", OperatorClassRelationId,
						   OpclassOidIndexId, Anum_pg_opclass_opcname,
						   Anum_pg_opclass_opcnamespace},
	[BB_OBJECT_OPFAMILY] = {"operator family", OperatorFamilyRelationId,
							OpfamilyOidIndexId, Anum_pg_opfamily_opfname,
							Anum_pg_opfamily_opfnamespace},
	[BB_OBJECT_ROLE] = {"role", AuthIdRelationId, AuthIdOidIndexId,
						Anum_pg_authid_rolname, 0},
	[BB_OBJECT_SCHEMA] = {"schema", NamespaceRelationId, NamespaceOidIndexId,
						  Anum_pg_namespace_nspname, 0},
	[BB_OBJECT_TABLESPACE] = {"tablespace", TableSpaceRelationId,
							  TablespaceOidIndexId, Anum_pg_tablespace_spcname,
							  0},
	[BB_OBJECT_TS_CONFIG] = {"text search configuration", TSConfigRelationId,
							 TSConfigOidIndexId, Anum_pg_ts_config_cfgname,
							 Anum_pg_ts_config_cfgnamespace},
	[BB_OBJECT_TS_DICTIONARY] = {"text search dictionary",
								 TSDictionaryRelationId,
								 TSDictionaryOidIndexId,
								 Anum_pg_ts_dict_dictname,
								 Anum_pg_ts_dict_dictnamespace},
	[BB_OBJECT_ACCESS_METHOD] = {"access method", AccessMethodRelationId,
								 AmOidIndexId, Anum_pg_am_amname, 0},
};

const char *
bb_object_word(BbObjectKind kind)
{
	return catalogs[kind].word;
}

/* ---- there ---- */

/* An object there: its row, name and schema.  Returns false if there is none. */
typedef struct Named
{
	HeapTuple	row;
	char	   *name;
	char	   *schema; /* NULL: none */
} Named;

static Datum
column_of(HeapTuple row, Oid catalog, AttrNumber number)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, catalog, number, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column %d of a row of catalog %u in the page store is NULL",
						number, catalog)));
	return value;
}

static bool
find_named(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind, Oid oid,
		   Named *named)
{
	const Catalog *catalog = &catalogs[kind];

	memset(named, 0, sizeof(*named));
	named->row = bb_syscat_find_oid(ctx, past, catalog->catalog,
									catalog->index, oid);
	if (named->row == NULL)
		return false;
	named->name = pnstrdup(NameStr(*DatumGetName(column_of(named->row,
														   catalog->catalog,
														   catalog->name))),
						   NAMEDATALEN - 1);
	if (catalog->schema == 0)
		return true;
	named->schema = bb_table_schema_name(ctx, past,
										 DatumGetObjectId(
											 column_of(named->row,
													   catalog->catalog,
													   catalog->schema)));
	return named->schema != NULL;
}

char *
bb_object_name(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind, Oid oid)
{
	Named		named;

	if (!OidIsValid(oid) || !find_named(ctx, past, kind, oid, &named))
		return NULL;
	/* the name of an operator is never quoted, and has no letters to fold */
	if (kind == BB_OBJECT_OPERATOR)
		return psprintf("%s.%s", quote_identifier(named.schema), named.name);
	return named.schema == NULL
		? pstrdup(quote_identifier(named.name))
		: quote_qualified_identifier(named.schema, named.name);
}

static oidvector *
arguments_of(const BbReqCtx *ctx, BbPast *past, HeapTuple row)
{
	oidvector  *types = (oidvector *)
		bb_toast_flat(ctx, past,
					  column_of(row, ProcedureRelationId,
								Anum_pg_proc_proargtypes));

	if (types->ndim != 1 || types->dim1 < 0 || types->dim1 > FUNC_MAX_ARGS ||
		VARSIZE(types) <
			offsetof(oidvector, values) + types->dim1 * sizeof(Oid))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a function in the page store has impossible arguments")));
	return types;
}

static void
append_types(const BbReqCtx *ctx, BbPast *past, StringInfo text,
			 const Oid *types, int n)
{
	for (int i = 0; i < n; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "",
						 OidIsValid(types[i])
							 ? bb_object_type_text(ctx, past, types[i], -1)
							 : "NONE");
}

char *
bb_object_identity(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind,
				   Oid oid)
{
	char	   *name;
	Named		named;
	StringInfoData text;

	if (kind == BB_OBJECT_TYPE)
		return bb_object_type_text(ctx, past, oid, -1);
	name = bb_object_name(ctx, past, kind, oid);
	if (name == NULL)
		return psprintf("with OID %u", oid);
	if (kind != BB_OBJECT_FUNCTION && kind != BB_OBJECT_OPERATOR)
		return name;
	find_named(ctx, past, kind, oid, &named);
	initStringInfo(&text);
	appendStringInfo(&text, "%s(", name);
	if (kind == BB_OBJECT_FUNCTION)
	{
		oidvector  *types = arguments_of(ctx, past, named.row);

		append_types(ctx, past, &text, types->values, types->dim1);
	}
	else
	{
		Form_pg_operator row = BB_SYSCAT_FORM(pg_operator, named.row);
		Oid			types[] = {row->oprleft, row->oprright};

		append_types(ctx, past, &text, types, lengthof(types));
	}
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* ---- here ---- */

static Oid
type_here(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	const BbType *there = bb_type_of(ctx, past, oid);
	Oid			schema;

	if (OidIsValid(there->element))
	{
		Oid			element = bb_object_here(ctx, past, BB_OBJECT_TYPE,
											 there->element);

		return OidIsValid(element) ? get_array_type(element) : InvalidOid;
	}
	schema = get_namespace_oid(NameStr(there->schema), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						  NameGetDatum(&there->name),
						  ObjectIdGetDatum(schema));
	/* a type of another kind by that name is another type */
	return OidIsValid(oid) && get_typtype(oid) == there->kind &&
			get_typisdefined(oid)
		? oid
		: InvalidOid;
}

static Oid
function_here(const BbReqCtx *ctx, BbPast *past, const Named *named,
			  Oid schema)
{
	Form_pg_proc row = BB_SYSCAT_FORM(pg_proc, named->row);
	oidvector  *there = arguments_of(ctx, past, named->row);
	Oid		   *types = palloc0((there->dim1 + 1) * sizeof(Oid));
	Oid			function;

	for (int i = 0; i < there->dim1; i++)
	{
		types[i] = bb_object_here(ctx, past, BB_OBJECT_TYPE, there->values[i]);
		if (!OidIsValid(types[i]))
			return InvalidOid;
	}
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(named->name),
							   PointerGetDatum(
								   buildoidvector(types, there->dim1)),
							   ObjectIdGetDatum(schema));
	if (OidIsValid(function) &&
		(get_func_rettype(function) !=
			 bb_object_here(ctx, past, BB_OBJECT_TYPE, row->prorettype) ||
		 get_func_retset(function) != row->proretset ||
		 get_func_prokind(function) != row->prokind))
		return InvalidOid;
	return function;
}

static Oid
operator_here(const BbReqCtx *ctx, BbPast *past, const Named *named,
			  Oid schema)
{
	Form_pg_operator row = BB_SYSCAT_FORM(pg_operator, named->row);
	Oid			left = InvalidOid;
	Oid			right = bb_object_here(ctx, past, BB_OBJECT_TYPE,
									   row->oprright);

	if (OidIsValid(row->oprleft))
	{
		left = bb_object_here(ctx, past, BB_OBJECT_TYPE, row->oprleft);
		if (!OidIsValid(left))
			return InvalidOid;
	}
	if (!OidIsValid(right))
		return InvalidOid;
	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
						   CStringGetDatum(named->name),
						   ObjectIdGetDatum(left), ObjectIdGetDatum(right),
						   ObjectIdGetDatum(schema));
}

static Oid
collation_here(const Named *named, Oid schema)
{
	int32		encodings[] = {-1, GetDatabaseEncoding()};

	for (int i = 0; i < lengthof(encodings); i++)
	{
		Oid			oid = GetSysCacheOid3(COLLNAMEENCNSP,
										  Anum_pg_collation_oid,
										  CStringGetDatum(named->name),
										  Int32GetDatum(encodings[i]),
										  ObjectIdGetDatum(schema));

		if (OidIsValid(oid))
			return oid;
	}
	return InvalidOid;
}

/* Operator classes and families belong to an access method. */
static Oid
class_here(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind,
		   const Named *named, Oid schema)
{
	bool		family = kind == BB_OBJECT_OPFAMILY;
	Oid			method = family
		? BB_SYSCAT_FORM(pg_opfamily, named->row)->opfmethod
		: BB_SYSCAT_FORM(pg_opclass, named->row)->opcmethod;

	method = bb_object_here(ctx, past, BB_OBJECT_ACCESS_METHOD, method);
	if (!OidIsValid(method))
		return InvalidOid;
	if (family)
		return GetSysCacheOid3(OPFAMILYAMNAMENSP, Anum_pg_opfamily_oid,
							   ObjectIdGetDatum(method),
							   CStringGetDatum(named->name),
							   ObjectIdGetDatum(schema));
	return GetSysCacheOid3(CLAAMNAMENSP, Anum_pg_opclass_oid,
						   ObjectIdGetDatum(method),
						   CStringGetDatum(named->name),
						   ObjectIdGetDatum(schema));
}

static Oid
in_schema(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind,
		  const Named *named, Oid schema)
{
	switch (kind)
	{
		case BB_OBJECT_RELATION:
			return get_relname_relid(named->name, schema);
		case BB_OBJECT_FUNCTION:
			return function_here(ctx, past, named, schema);
		case BB_OBJECT_OPERATOR:
			return operator_here(ctx, past, named, schema);
		case BB_OBJECT_COLLATION:
			return collation_here(named, schema);
		case BB_OBJECT_OPCLASS:
		case BB_OBJECT_OPFAMILY:
			return class_here(ctx, past, kind, named, schema);
		case BB_OBJECT_TS_CONFIG:
			return GetSysCacheOid2(TSCONFIGNAMENSP, Anum_pg_ts_config_oid,
								   CStringGetDatum(named->name),
								   ObjectIdGetDatum(schema));
		case BB_OBJECT_TS_DICTIONARY:
			return GetSysCacheOid2(TSDICTNAMENSP, Anum_pg_ts_dict_oid,
								   CStringGetDatum(named->name),
								   ObjectIdGetDatum(schema));
		default:
			elog(ERROR, "objects of kind %d are in no schema", kind);
	}
}

Oid
bb_object_here(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind, Oid oid)
{
	Named		named;
	Oid			schema;

	if (!OidIsValid(oid))
		return InvalidOid;
	if (oid < FirstUnpinnedObjectId && kind != BB_OBJECT_ROLE &&
		kind != BB_OBJECT_SCHEMA)
		return oid;
	if (!find_named(ctx, past, kind, oid, &named))
		return InvalidOid;
	switch (kind)
	{
		case BB_OBJECT_TYPE:
			return type_here(ctx, past, oid);
		case BB_OBJECT_ROLE:
			return get_role_oid(named.name, true);
		case BB_OBJECT_SCHEMA:
			return get_namespace_oid(named.name, true);
		case BB_OBJECT_TABLESPACE:
			return get_tablespace_oid(named.name, true);
		case BB_OBJECT_ACCESS_METHOD:
			return get_am_oid(named.name, true);
		default:
			break;
	}
	schema = get_namespace_oid(named.schema, true);
	return OidIsValid(schema) ? in_schema(ctx, past, kind, &named, schema)
							  : InvalidOid;
}

/* ---- types ---- */

char *
bb_object_type_text(const BbReqCtx *ctx, BbPast *past, Oid oid, int32 typmod)
{
	Oid			here = bb_object_here(ctx, past, BB_OBJECT_TYPE, oid);
	const BbType *there;

	if (OidIsValid(here))
		return format_type_extended(here, typmod,
									FORMAT_TYPE_TYPEMOD_GIVEN |
										FORMAT_TYPE_FORCE_QUALIFY);
	there = bb_type_of(ctx, past, oid);
	if (OidIsValid(there->element))
		return psprintf("%s[]",
						bb_object_type_text(ctx, past, there->element, -1));
	return quote_qualified_identifier(NameStr(there->schema),
									  NameStr(there->name));
}

bool
bb_object_kind_of_type(Oid type, BbObjectKind *kind)
{
	switch (type)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
			*kind = BB_OBJECT_FUNCTION;
			return true;
		case REGOPEROID:
		case REGOPERATOROID:
			*kind = BB_OBJECT_OPERATOR;
			return true;
		case REGCLASSOID:
			*kind = BB_OBJECT_RELATION;
			return true;
		case REGCOLLATIONOID:
			*kind = BB_OBJECT_COLLATION;
			return true;
		case REGTYPEOID:
			*kind = BB_OBJECT_TYPE;
			return true;
		case REGROLEOID:
			*kind = BB_OBJECT_ROLE;
			return true;
		case REGNAMESPACEOID:
			*kind = BB_OBJECT_SCHEMA;
			return true;
		case REGCONFIGOID:
			*kind = BB_OBJECT_TS_CONFIG;
			return true;
		case REGDICTIONARYOID:
			*kind = BB_OBJECT_TS_DICTIONARY;
			return true;
	}
	return false;
}

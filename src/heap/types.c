/*-------------------------------------------------------------------------
 *
 * types.c
 *	  Types of the past: pg_type, pg_range and pg_enum.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "heap/syscat.h"
#include "heap/tables.h"
#include "heap/types.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Domains over domains; more than that is a circle. */
#define DOMAINS_MAX 100

typedef struct Label
{
	Oid			oid;
	NameData	name;
} Label;

static HTAB *
new_table(const BbPast *past, const char *name, Size entry)
{
	HASHCTL		info = {.keysize = sizeof(Oid),
						.entrysize = entry,
						.hcxt = past->context};

	return hash_create(name, 32, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

pg_noreturn static void
report_missing(const BbPast *past, const char *what, Oid oid)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s %u of database \"%s\" does not exist at " BB_LSN_FORMAT,
					what, oid, past->database,
					LSN_FORMAT_ARGS(past->snapshot.lsn))));
}

bool
bb_type_is_fixed(Oid oid)
{
	return oid < FirstUnpinnedObjectId;
}

/* What a range is of; of a multirange, its range. */
static Oid
subtype_of(const BbReqCtx *ctx, BbPast *past, const BbType *type)
{
	bool		multi = type->kind == TYPTYPE_MULTIRANGE;
	HeapTuple	row;

	if (!multi && type->kind != TYPTYPE_RANGE)
		return InvalidOid;
	if (bb_type_is_fixed(type->oid))
		return multi ? get_multirange_range(type->oid)
					 : get_range_subtype(type->oid);
	row = bb_syscat_find_oid(ctx, past, RangeRelationId,
							 multi ? RangeMultirangeTypidIndexId
								   : RangeTypidIndexId,
							 type->oid);
	if (row == NULL)
		report_missing(past, "range type", type->oid);
	return multi ? BB_SYSCAT_FORM(pg_range, row)->rngtypid
				 : BB_SYSCAT_FORM(pg_range, row)->rngsubtype;
}

/* All but the schema and the subtype. */
static BbType
type_of_row(Form_pg_type row)
{
	BbType		type = {
		.oid = row->oid,
		.name = row->typname,
		.length = row->typlen,
		.by_value = row->typbyval,
		.align = row->typalign,
		.kind = row->typtype,
		.relation = row->typrelid,
		.base = row->typbasetype,
	};

	/* types of fixed length may be subscripted, too, such as point */
	if (row->typlen == -1 && row->typsubscript == F_ARRAY_SUBSCRIPT_HANDLER)
		type.element = row->typelem;
	return type;
}

/* A type that is the same in all clusters is that of this server. */
static BbType
read_fixed_type(const BbPast *past, Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	Form_pg_type row;
	BbType		type;
	char	   *schema;

	if (!HeapTupleIsValid(tuple))
		report_missing(past, "type", oid);
	row = (Form_pg_type) GETSTRUCT(tuple);
	type = type_of_row(row);
	schema = get_namespace_name(row->typnamespace);
	namestrcpy(&type.schema, schema ? schema : "");
	ReleaseSysCache(tuple);
	return type;
}

static BbType
read_type(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	HeapTuple	tuple = bb_syscat_find_oid(ctx, past, TypeRelationId,
										   TypeOidIndexId, oid);
	Form_pg_type row;
	BbType		type;
	char	   *schema;

	if (tuple == NULL)
		report_missing(past, "type", oid);
	row = BB_SYSCAT_FORM(pg_type, tuple);
	type = type_of_row(row);
	schema = bb_table_schema_name(ctx, past, row->typnamespace);
	namestrcpy(&type.schema, schema ? schema : "");
	return type;
}

const BbType *
bb_type_of(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	BbType		type;
	BbType	   *entry;

	if (past->types == NULL)
		past->types = new_table(past, "bbackup types of the past",
								sizeof(BbType));
	entry = hash_search(past->types, &oid, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	type = bb_type_is_fixed(oid) ? read_fixed_type(past, oid)
								 : read_type(ctx, past, oid);
	type.subtype = subtype_of(ctx, past, &type);
	entry = hash_search(past->types, &oid, HASH_ENTER, NULL);
	*entry = type;
	return entry;
}

const BbType *
bb_type_base(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	const BbType *type = bb_type_of(ctx, past, oid);

	for (int i = 0; type->kind == TYPTYPE_DOMAIN; i++)
	{
		if (i == DOMAINS_MAX)
			report_missing(past, "the base type of domain", oid);
		type = bb_type_of(ctx, past, type->base);
	}
	return type;
}

const char *
bb_type_enum_label(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	Label	   *entry;
	HeapTuple	row;
	NameData	name;

	if (past->labels == NULL)
		past->labels = new_table(past, "bbackup enum labels of the past",
								 sizeof(Label));
	entry = hash_search(past->labels, &oid, HASH_FIND, NULL);
	if (entry != NULL)
		return NameStr(entry->name);
	row = bb_syscat_find_oid(ctx, past, EnumRelationId, EnumOidIndexId, oid);
	if (row == NULL)
		report_missing(past, "enum label", oid);
	name = BB_SYSCAT_FORM(pg_enum, row)->enumlabel;
	entry = hash_search(past->labels, &oid, HASH_ENTER, NULL);
	entry->name = name;
	return NameStr(entry->name);
}

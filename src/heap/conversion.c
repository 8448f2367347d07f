/*-------------------------------------------------------------------------
 *
 * conversion.c
 *	  Values of a type of the past, as values of a type of this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "heap/acls.h"
#include "heap/conversion.h"
#include "heap/deform.h"
#include "heap/objects.h"
#include "heap/tables.h"
#include "heap/types.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct Element
{
	int16		length;
	bool		by_value;
	char		align;
} Element;

struct BbConversion
{
	Datum		(*run) (const BbReqCtx *ctx, BbPast *past,
						BbConversion *conversion, Datum value);
	const BbType *there;
	Oid			here;
	/* an array, a range, a multirange: of what is in it; NULL: the same */
	BbConversion *inner;
	Oid			inner_here;
	Element		inner_there_form; /* of an array's elements */
	Element		inner_here_form;
	/* a composite type */
	TupleDesc	desc_there;
	TupleDesc	desc_here;
	int		   *map; /* of columns here to columns there */
	BbConversion **columns;
};

pg_noreturn static void
report_mismatch(const BbType *there, Oid here, const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" has type %s.%s in the page store, which cannot be read as %s",
					column, quote_identifier(NameStr(there->schema)),
					quote_identifier(NameStr(there->name)),
					format_type_be(here))));
}

/* ---- which type ---- */

bool
bb_conversion_is_object_id(Oid type)
{
	switch (type)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
			return true;
	}
	return false;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* A base type here that has the name of the one there, and values of its form. */
static bool
has_form_of(const BbType *there, Oid here)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(here));
	Form_pg_type row;
	bool		same;

	if (!HeapTupleIsValid(tuple))
		return false;
	row = (Form_pg_type) GETSTRUCT(tuple);
	same = strcmp(NameStr(row->typname), NameStr(there->name)) == 0 &&
		row->typtype == there->kind && row->typisdefined &&
		row->typlen == there->length && row->typbyval == there->by_value &&
		row->typalign == there->align;
	ReleaseSysCache(tuple);
	return same;
}

/* By name: in the same schema, or else by the search path. */
static Oid
type_of_name(const BbType *there)
{
	Oid			schema = get_namespace_oid(NameStr(there->schema), true);
	Oid			type = InvalidOid;

	if (OidIsValid(schema))
		type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
							   NameGetDatum(&there->name),
							   ObjectIdGetDatum(schema));
	return OidIsValid(type) ? type : TypenameGetTypid(NameStr(there->name));
}

Oid
bb_conversion_type(const BbReqCtx *ctx, BbPast *past, Oid oid)
{
	const BbType *there;
	Oid			here;

	if (bb_conversion_is_object_id(oid))
		return OIDOID;
	if (oid == ACLITEMOID)
		return TEXTOID;
	there = bb_type_of(ctx, past, oid);
	if (OidIsValid(there->element))
	{
		Oid			element = bb_conversion_type(ctx, past, there->element);

		/* oidvector and int2vector are arrays, too, and stay what they are */
		if (element == there->element && bb_type_is_fixed(oid))
			return oid;
		return OidIsValid(element) ? get_array_type(element) : InvalidOid;
	}
	/* rows of catalogs have columns of pseudo-types */
	if (there->kind == TYPTYPE_PSEUDO ||
		(there->kind == TYPTYPE_COMPOSITE && bb_type_is_fixed(oid)))
		return InvalidOid;
	if (bb_type_is_fixed(oid))
		return oid;
	here = type_of_name(there);
	if (OidIsValid(here) && has_form_of(there, here))
		return here;
	if (there->kind == TYPTYPE_ENUM)
		return TEXTOID;
	if (there->kind == TYPTYPE_DOMAIN)
		return bb_conversion_type(ctx, past, there->base);
	return InvalidOid;
}

bool
bb_conversion_keeps_expanded(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
		case JSONOID:
		case JSONBOID:
		case XMLOID:
			return true;
	}
	return false;
}

/* ---- enums ---- */

static Datum
enum_to_text(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			 Datum value)
{
	return CStringGetTextDatum(
		bb_type_enum_label(ctx, past, DatumGetObjectId(value)));
}

static Datum
enum_to_enum(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			 Datum value)
{
	const char *label = bb_type_enum_label(ctx, past, DatumGetObjectId(value));
	Oid			here = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
									   ObjectIdGetDatum(conversion->here),
									   CStringGetDatum(label));

	if (!OidIsValid(here))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("enum %s does not have the label \"%s\" that is in the page store",
						format_type_be(conversion->here), label),
				 errhint("Make the column of type text.")));
	return ObjectIdGetDatum(here);
}

/* ---- names of objects ---- */

/* What has no name there is only a number. */
static Datum
object_to_object(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
				 Datum value)
{
	Oid			there = DatumGetObjectId(value);
	BbObjectKind kind;
	Oid			here;

	if (!bb_object_kind_of_type(conversion->here, &kind) ||
		bb_object_name(ctx, past, kind, there) == NULL)
		return value;
	here = bb_object_here(ctx, past, kind, there);
	if (!OidIsValid(here))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("this database has no %s %s, which a value in the page store names",
						bb_object_word(kind),
						bb_object_identity(ctx, past, kind, there)),
				 errhint("Make the column of type oid.")));
	return ObjectIdGetDatum(here);
}

/* ---- privileges ---- */

static Datum
acl_to_text(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			Datum value)
{
	return CStringGetTextDatum(
		bb_acl_text(ctx, past, DatumGetAclItemP(value)));
}

static Datum
acl_to_acl(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
		   Datum value)
{
	return PointerGetDatum(bb_acl_here(ctx, past, DatumGetAclItemP(value)));
}

/* ---- arrays ---- */

static Datum
convert_array(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			  Datum value)
{
	ArrayType  *array = DatumGetArrayTypePCopy(value);
	const Element *there = &conversion->inner_there_form;
	const Element *here = &conversion->inner_here_form;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (conversion->inner == NULL)
	{
		array->elemtype = conversion->inner_here;
		return PointerGetDatum(array);
	}
	deconstruct_array(array, conversion->there->element, there->length,
					  there->by_value, there->align, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			elements[i] = bb_conversion_run(ctx, past, conversion->inner,
											elements[i]);
	}
	return PointerGetDatum(
		construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
						   ARR_LBOUND(array), conversion->inner_here,
						   here->length, here->by_value, here->align));
}

static void
prepare_array(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			  const char *column)
{
	const BbType *element = bb_type_of(ctx, past, conversion->there->element);
	Element	   *here = &conversion->inner_here_form;

	conversion->inner_here = get_element_type(conversion->here);
	if (!OidIsValid(conversion->inner_here))
		report_mismatch(conversion->there, conversion->here, column);
	conversion->run = convert_array;
	conversion->inner = bb_conversion_new(ctx, past, element->oid,
										  conversion->inner_here, column);
	conversion->inner_there_form = (Element){.length = element->length,
											 .by_value = element->by_value,
											 .align = element->align};
	get_typlenbyvalalign(conversion->inner_here, &here->length,
						 &here->by_value, &here->align);
}

/* ---- rows ---- */

/*
 * The header of a row in a column is that of a tuple.  What else it says, such as
 * the type's OID, means nothing here, and the server's functions would look it up.
 */
static Datum
convert_row(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			Datum value)
{
	HeapTupleHeader header = (HeapTupleHeader) PG_DETOAST_DATUM(value);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),
						   .t_data = header};
	TupleDesc	there = conversion->desc_there;
	TupleDesc	here = conversion->desc_here;
	Datum	   *from = palloc(there->natts * sizeof(Datum));
	bool	   *from_null = palloc(there->natts * sizeof(bool));
	Datum	   *to = palloc(here->natts * sizeof(Datum));
	bool	   *to_null = palloc(here->natts * sizeof(bool));

	if (!bb_tuple_is_sound(header, tuple.t_len) ||
		!bb_deform_heap(&tuple, there, there->natts, from, from_null))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a value of type %s in the page store is too short",
						NameStr(conversion->there->name))));
	for (int i = 0; i < here->natts; i++)
	{
		int			column = conversion->map[i];

		to_null[i] = column < 0 || from_null[column];
		to[i] = to_null[i] ? (Datum) 0 : from[column];
		if (!to_null[i])
			to[i] = bb_conversion_run(ctx, past, conversion->columns[i],
									  to[i]);
	}
	return HeapTupleGetDatum(heap_form_tuple(here, to, to_null));
}

/* Columns of the same names; what the type here lacks would be lost. */
static void
map_columns(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			const char *column)
{
	TupleDesc	there = conversion->desc_there;
	TupleDesc	here = conversion->desc_here;
	int			mapped = 0;
	int			live = 0;

	for (int j = 0; j < there->natts; j++)
		live += !TupleDescAttr(there, j)->attisdropped;
	for (int i = 0; i < here->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(here, i);

		conversion->map[i] = -1;
		for (int j = 0; j < there->natts && !a->attisdropped; j++)
		{
			Form_pg_attribute b = TupleDescAttr(there, j);

			if (b->attisdropped ||
				namestrcmp(&a->attname, NameStr(b->attname)) != 0)
				continue;
			conversion->map[i] = j;
			conversion->columns[i] = bb_conversion_new(ctx, past, b->atttypid,
													   a->atttypid, column);
			mapped++;
		}
		if (!a->attisdropped && conversion->map[i] < 0)
			report_mismatch(conversion->there, conversion->here, column);
	}
	if (mapped != live)
		report_mismatch(conversion->there, conversion->here, column);
}

static void
prepare_row(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			const char *column)
{
	BbTable	   *table;

	if (get_typtype(conversion->here) != TYPTYPE_COMPOSITE)
		report_mismatch(conversion->there, conversion->here, column);
	table = bb_table_of(ctx, past, conversion->there->relation);
	conversion->run = convert_row;
	conversion->desc_there = bb_table_desc(ctx, past, table);
	conversion->desc_here = lookup_rowtype_tupdesc_copy(conversion->here, -1);
	conversion->map = palloc(conversion->desc_here->natts * sizeof(int));
	conversion->columns = palloc0(conversion->desc_here->natts *
								  sizeof(BbConversion *));
	map_columns(ctx, past, conversion, column);
}

/* ---- ranges ---- */

/*
 * The bounds stay where they are; only the OID of the range's type changes.  So
 * their type has to be the same.
 */
static Datum
convert_range(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			  Datum value)
{
	RangeType  *range = (RangeType *) PG_DETOAST_DATUM_COPY(value);

	range->rangetypid = conversion->here;
	return PointerGetDatum(range);
}

static Datum
convert_multirange(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
				   Datum value)
{
	MultirangeType *multirange = (MultirangeType *) PG_DETOAST_DATUM_COPY(
		value);

	multirange->multirangetypid = conversion->here;
	return PointerGetDatum(multirange);
}

static void
prepare_range(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
			  const char *column)
{
	bool		multi = conversion->there->kind == TYPTYPE_MULTIRANGE;
	const BbType *range = multi
		? bb_type_of(ctx, past, conversion->there->subtype)
		: conversion->there;
	Oid			range_here = multi ? get_multirange_range(conversion->here)
								   : conversion->here;
	Oid			subtype_here = OidIsValid(range_here)
		? get_range_subtype(range_here)
		: InvalidOid;

	if (!OidIsValid(subtype_here) ||
		bb_conversion_new(ctx, past, range->subtype, subtype_here, column) !=
			NULL)
		report_mismatch(conversion->there, conversion->here, column);
	conversion->run = multi ? convert_multirange : convert_range;
}

/* ---- conversions ---- */

/* Are values of both types the same bytes? */
static bool
is_same(const BbType *there, Oid here)
{
	if (bb_conversion_is_object_id(there->oid))
		return here == OIDOID;
	if (there->oid == ACLITEMOID)
		return false;
	if (there->oid == here && bb_type_is_fixed(here))
		return !OidIsValid(there->element) ||
			(bb_type_is_fixed(there->element) &&
			 !bb_conversion_is_object_id(there->element) &&
			 there->element != ACLITEMOID);
	if (is_text(there->oid))
		return here == TEXTOID || here == VARCHAROID;
	return there->kind == TYPTYPE_BASE && !OidIsValid(there->element) &&
		!bb_type_is_fixed(there->oid) && has_form_of(there, here);
}

BbConversion *
bb_conversion_new(const BbReqCtx *ctx, BbPast *past, Oid oid, Oid type,
				  const char *column)
{
	const BbType *there = bb_type_base(ctx, past, oid);
	Oid			here = getBaseType(type);
	BbConversion *conversion;

	if (is_same(there, here))
		return NULL;
	conversion = palloc0(sizeof(BbConversion));
	conversion->there = there;
	conversion->here = here;
	if (there->kind == TYPTYPE_ENUM && here == TEXTOID)
		conversion->run = enum_to_text;
	else if (there->kind == TYPTYPE_ENUM && get_typtype(here) == TYPTYPE_ENUM)
		conversion->run = enum_to_enum;
	else if (bb_conversion_is_object_id(there->oid) && there->oid == here)
		conversion->run = object_to_object;
	else if (there->oid == ACLITEMOID && here == TEXTOID)
		conversion->run = acl_to_text;
	else if (there->oid == ACLITEMOID && here == ACLITEMOID)
		conversion->run = acl_to_acl;
	else if (OidIsValid(there->element))
		prepare_array(ctx, past, conversion, column);
	else if (there->kind == TYPTYPE_COMPOSITE)
		prepare_row(ctx, past, conversion, column);
	else if (there->kind == TYPTYPE_RANGE || there->kind == TYPTYPE_MULTIRANGE)
		prepare_range(ctx, past, conversion, column);
	else
		report_mismatch(there, type, column);
	return conversion;
}

Datum
bb_conversion_run(const BbReqCtx *ctx, BbPast *past, BbConversion *conversion,
				  Datum value)
{
	return conversion == NULL ? value
							  : conversion->run(ctx, past, conversion, value);
}

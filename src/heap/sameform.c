/*-------------------------------------------------------------------------
 *
 * sameform.c
 *	  Do the bytes of a row mean the same at two snapshots?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "heap/sameform.h"
#include "heap/syscat.h"
#include "heap/types.h"
#include "miscadmin.h"
#include "utils/datum.h"

typedef struct Pair
{
	const BbReqCtx *ctx;
	BbPast	   *a;
	BbPast	   *b;
} Pair;

static bool same_type(const Pair *pair, Oid oid);

/* Labels may have been added, but none may have another name. */
static bool
same_labels(const Pair *pair, Oid oid)
{
	Datum		value = ObjectIdGetDatum(oid);
	ListCell   *cell;

	foreach(cell,
			bb_syscat_find(pair->ctx, pair->a, EnumRelationId,
						   EnumTypIdLabelIndexId, &value, 1))
	{
		Form_pg_enum row = BB_SYSCAT_FORM(pg_enum, lfirst(cell));
		HeapTuple	other = bb_syscat_find_oid(pair->ctx, pair->b,
											   EnumRelationId, EnumOidIndexId,
											   row->oid);

		if (other == NULL ||
			strcmp(NameStr(row->enumlabel),
				   NameStr(BB_SYSCAT_FORM(pg_enum, other)->enumlabel)) != 0)
			return false;
	}
	return true;
}

static bool
same_columns(const Pair *pair, Oid relation)
{
	TupleDesc	a = bb_table_desc(pair->ctx, pair->a,
								  bb_table_of(pair->ctx, pair->a, relation));
	TupleDesc	b = bb_table_desc(pair->ctx, pair->b,
								  bb_table_of(pair->ctx, pair->b, relation));

	if (a->natts != b->natts)
		return false;
	for (int i = 0; i < a->natts; i++)
	{
		Form_pg_attribute left = TupleDescAttr(a, i);
		Form_pg_attribute right = TupleDescAttr(b, i);

		if (left->attisdropped != right->attisdropped ||
			(!left->attisdropped &&
			 (strcmp(NameStr(left->attname), NameStr(right->attname)) != 0 ||
			  left->atttypid != right->atttypid ||
			  !same_type(pair, left->atttypid))))
			return false;
	}
	return true;
}

static bool
same_type(const Pair *pair, Oid oid)
{
	const BbType *a;
	const BbType *b;

	if (bb_type_is_fixed(oid))
		return true;
	/* a composite type cannot contain itself, but forged catalogs may say so */
	check_stack_depth();
	a = bb_type_of(pair->ctx, pair->a, oid);
	b = bb_type_of(pair->ctx, pair->b, oid);
	if (strcmp(NameStr(a->name), NameStr(b->name)) != 0 ||
		strcmp(NameStr(a->schema), NameStr(b->schema)) != 0 ||
		a->kind != b->kind || a->length != b->length ||
		a->by_value != b->by_value || a->align != b->align ||
		a->relation != b->relation || a->element != b->element ||
		a->base != b->base || a->subtype != b->subtype)
		return false;
	if (OidIsValid(a->element))
		return same_type(pair, a->element);
	switch (a->kind)
	{
		case TYPTYPE_ENUM:
			return same_labels(pair, oid);
		case TYPTYPE_COMPOSITE:
			return same_columns(pair, a->relation);
		case TYPTYPE_DOMAIN:
			return same_type(pair, a->base);
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			return same_type(pair, a->subtype);
	}
	return true;
}

static const AttrMissing *
missing_of(TupleDesc desc, AttrNumber column)
{
	if (desc->constr == NULL || desc->constr->missing == NULL ||
		!desc->constr->missing[column - 1].am_present)
		return NULL;
	return &desc->constr->missing[column - 1];
}

bool
bb_sameform_column(const BbReqCtx *ctx, BbPast *a, BbTable *table_a, BbPast *b,
				   BbTable *table_b, AttrNumber column)
{
	Pair		pair = {ctx, a, b};
	TupleDesc	desc_a = bb_table_desc(ctx, a, table_a);
	TupleDesc	desc_b = bb_table_desc(ctx, b, table_b);
	Form_pg_attribute left;
	Form_pg_attribute right;
	const AttrMissing *missing_a;
	const AttrMissing *missing_b;

	if (column > desc_a->natts || column > desc_b->natts)
		return false;
	left = TupleDescAttr(desc_a, column - 1);
	right = TupleDescAttr(desc_b, column - 1);
	if (left->atttypid != right->atttypid || left->attlen != right->attlen ||
		left->attbyval != right->attbyval ||
		left->attalign != right->attalign || !same_type(&pair, left->atttypid))
		return false;
	missing_a = missing_of(desc_a, column);
	missing_b = missing_of(desc_b, column);
	if (missing_a == NULL || missing_b == NULL)
		return missing_a == missing_b;
	return datumIsEqual(missing_a->am_value, missing_b->am_value,
						left->attbyval, left->attlen);
}

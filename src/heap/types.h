/*-------------------------------------------------------------------------
 *
 * types.h
 *	  Types of the past: pg_type, pg_range and pg_enum.
 *
 * What is returned is kept for as long as the BbPast.  Types that are the same in
 * all clusters of the major version are looked up in this server's catalogs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_TYPES_H
#define BB_HEAP_TYPES_H

#include "heap/past.h"

typedef struct BbType
{
	Oid			oid;
	NameData	name;
	NameData	schema;
	int16		length;
	bool		by_value;
	char		align;
	char		kind;	  /* TYPTYPE_* */
	Oid			relation; /* of a composite type */
	Oid			element;  /* of an array type; Invalid: it isn't one */
	Oid			base;	  /* of a domain */
	Oid			subtype;  /* of a range; of a multirange: its range */
} BbType;

/*
 * bb_type_of - return a type.
 *
 * Errors: DATA_CORRUPTED (there is no such type).
 */
extern const BbType *bb_type_of(const BbReqCtx *ctx, BbPast *past, Oid oid);

/* bb_type_base - return the type below all domains. */
extern const BbType *bb_type_base(const BbReqCtx *ctx, BbPast *past, Oid oid);

/*
 * bb_type_is_fixed - has the type the same OID in all clusters of this major
 * version?
 */
extern bool bb_type_is_fixed(Oid oid);

/* bb_type_enum_label - return the label with this OID in pg_enum. */
extern const char *bb_type_enum_label(const BbReqCtx *ctx, BbPast *past,
									  Oid label);

#endif /* BB_HEAP_TYPES_H */

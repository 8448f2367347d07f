/*-------------------------------------------------------------------------
 *
 * conversion.h
 *	  Values of a type of the past, as values of a type of this database.
 *
 * Most values are the same in both.  What differs are the OIDs inside of values:
 * an enum value is the OID of its label; arrays, rows, ranges and multiranges have
 * the OID of a type.
 *
 *	  there					here
 *	  a built-in type		the same type
 *	  a domain				its base type, or any domain over that
 *	  text, varchar, char	text or varchar
 *	  regclass, …			oid, or the object here that has the name of the one there
 *	  aclitem				text, or aclitem with the roles here of these names
 *	  an enum				an enum with these labels, or text
 *	  an array				an array, if its elements can be converted
 *	  a composite type		one that has the same columns, by name
 *	  a range, multirange	one over the same type
 *	  another base type		one of the same name and form: an extension's
 *
 * The inside of a value is not checked further: what a type's functions make of
 * a value that was forged in the store is not known.
 *
 * Errors: those of past.h; DATATYPE_MISMATCH (there is no conversion).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_CONVERSION_H
#define BB_HEAP_CONVERSION_H

#include "heap/past.h"

typedef struct BbConversion BbConversion;

/*
 * bb_conversion_type - return the type of this database by which a column of a
 * type of the past is best shown; Invalid: there is none.
 */
extern Oid bb_conversion_type(const BbReqCtx *ctx, BbPast *past, Oid there);

/*
 * bb_conversion_new - prepare a conversion, in CurrentMemoryContext.
 *
 * Returns NULL if the values are the same.  "column" is for messages.
 */
extern BbConversion *bb_conversion_new(const BbReqCtx *ctx, BbPast *past,
									   Oid there, Oid here,
									   const char *column);

/*
 * bb_conversion_run - convert a value that is not NULL and not out of line.
 *
 * Errors, in addition: INVALID_TEXT_REPRESENTATION (the enum here lacks the
 * label); those of the input of types.
 */
extern Datum bb_conversion_run(const BbReqCtx *ctx, BbPast *past,
							   BbConversion *conversion, Datum value);

/* bb_conversion_is_object_id - is it regclass, or another type of object's OIDs? */
extern bool bb_conversion_is_object_id(Oid type);

/*
 * bb_conversion_keeps_expanded - do functions of the type accept an expanded object
 * which only knows how to become flat (toast.h)?
 */
extern bool bb_conversion_keeps_expanded(Oid there);

#endif /* BB_HEAP_CONVERSION_H */

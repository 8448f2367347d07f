/*-------------------------------------------------------------------------
 *
 * objects.h
 *	  Objects of the past by their names, and the same objects of this database.
 *
 *	  OID there ── row of its catalog there ── schema, name, arguments ── OID here
 *
 * Objects that initdb makes by fixed OIDs are the same in all clusters of a major
 * version.  Roles and schemas are not, since each can be renamed.
 *
 * Names are quoted, and qualified by their schema.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_OBJECTS_H
#define BB_HEAP_OBJECTS_H

#include "heap/past.h"

typedef enum BbObjectKind
{
	BB_OBJECT_RELATION,
	BB_OBJECT_TYPE,
	BB_OBJECT_FUNCTION,
	BB_OBJECT_OPERATOR,
	BB_OBJECT_COLLATION,
	BB_OBJECT_OPCLASS,
	BB_OBJECT_OPFAMILY,
	BB_OBJECT_ROLE,
	BB_OBJECT_SCHEMA,
	BB_OBJECT_TABLESPACE,
	BB_OBJECT_TS_CONFIG,
	BB_OBJECT_TS_DICTIONARY,
	BB_OBJECT_ACCESS_METHOD
} BbObjectKind;

/* bb_object_word - return what an object of this kind is called in messages. */
extern const char *bb_object_word(BbObjectKind kind);

/*
 * bb_object_name - return the name of an object there, palloc'd, or NULL if there
 * is none.
 */
extern char *bb_object_name(const BbReqCtx *ctx, BbPast *past,
							BbObjectKind kind, Oid oid);

/*
 * bb_object_identity - return the name with what tells it from others: the types
 * of arguments or operands.
 */
extern char *bb_object_identity(const BbReqCtx *ctx, BbPast *past,
								BbObjectKind kind, Oid oid);

/*
 * bb_object_here - return the OID of the same object here; Invalid: there is none.
 *
 * A function is the same if its arguments and its result have the same types.
 */
extern Oid bb_object_here(const BbReqCtx *ctx, BbPast *past, BbObjectKind kind,
						  Oid oid);

/* bb_object_type_text - return a type of a column, as in CREATE TABLE. */
extern char *bb_object_type_text(const BbReqCtx *ctx, BbPast *past, Oid oid,
								 int32 typmod);

/*
 * bb_object_kind_of_type - set *kind to what values of a type such as regclass are
 * of.  Returns false for other types.
 */
extern bool bb_object_kind_of_type(Oid type, BbObjectKind *kind);

#endif /* BB_HEAP_OBJECTS_H */

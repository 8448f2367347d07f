/*-------------------------------------------------------------------------
 *
 * collations.h
 *	  Collations of the past, and those of this server that sort alike.
 *
 * The order of an index of text depends on the operating system, or ICU, of the
 * source.  Only where provider, locale and version are the same is it known that
 * this server has the same order.  "C" is the same everywhere.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_COLLATIONS_H
#define BB_HEAP_COLLATIONS_H

#include "heap/past.h"

/*
 * bb_collation_here - return a deterministic collation of this server that sorts
 * as the one of the past does; Invalid: none is known.
 *
 * All that sort as "C" are C_COLLATION_OID.
 */
extern Oid bb_collation_here(const BbReqCtx *ctx, BbPast *past, Oid there);

/*
 * bb_collation_canonical - return C_COLLATION_OID for all collations of this server
 * that sort as "C", and others as they are.
 */
extern Oid bb_collation_canonical(Oid here);

/*
 * bb_collation_named - return the collation of this database that has the name and
 * the schema of the one of the past; Invalid: there is none, or the current user may
 * not use that schema.  It may sort in another way.
 */
extern Oid bb_collation_named(const BbReqCtx *ctx, BbPast *past, Oid there);

#endif /* BB_HEAP_COLLATIONS_H */

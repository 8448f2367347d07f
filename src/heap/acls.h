/*-------------------------------------------------------------------------
 *
 * acls.h
 *	  Values of type aclitem, whose roles are those of the stored cluster.
 *
 * Errors: those of past.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_ACLS_H
#define BB_HEAP_ACLS_H

#include "heap/past.h"
#include "utils/acl.h"

/* bb_acl_text - return it as the server of then showed it. */
extern char *bb_acl_text(const BbReqCtx *ctx, BbPast *past,
						 const AclItem *item);

/*
 * bb_acl_here - return the same with the roles of those names here, palloc'd.
 *
 * Errors: UNDEFINED_OBJECT (there is none).
 */
extern AclItem *bb_acl_here(const BbReqCtx *ctx, BbPast *past,
							const AclItem *item);

#endif /* BB_HEAP_ACLS_H */

/*-------------------------------------------------------------------------
 *
 * manifest_apply.h
 *	  What an edit makes of a manifest, without an object store.
 *
 * For manifest_edit.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_APPLY_H
#define BB_MANIFEST_APPLY_H

#include "layer/manifest_edit.h"

/*
 * bb_manifest_edit_refuse - raise the error that the edit conflicts with what
 * another session has committed.
 *
 * Errors: OBJECT_IN_USE, always.
 */
pg_noreturn extern void bb_manifest_edit_refuse(const BbManifestEdit *edit,
												const char *detail);

/*
 * bb_manifest_report_no_lease - raise the error that there is no such lease.
 *
 * Errors: UNDEFINED_OBJECT, always.
 */
pg_noreturn extern void bb_manifest_report_no_lease(const BbManifest *manifest,
													const char *name);

/*
 * bb_manifest_edit_apply - make the manifest that comes next.
 *
 * Its layers are allocated in "context".  Otherwise it shares the memory of
 * "current" and of the edit, or is allocated in CurrentMemoryContext.
 *
 * Errors: OBJECT_IN_USE (a layer to remove isn't there); UNDEFINED_OBJECT (the
 * base has no such pin); OBJECT_NOT_IN_PREREQUISITE_STATE (a copy).
 */
extern void bb_manifest_edit_apply(const BbManifestEdit *edit,
								   const BbManifest *current, BbManifest *next,
								   MemoryContext context);

/*
 * bb_manifest_edit_added - has the edit been applied already, as its layers
 * show?
 *
 * Their file IDs are random.  So if "current" has one of them, an earlier attempt
 * has succeeded, even if other ones were merged and removed since.  It counts
 * only as long as the end is that of the edit.
 */
extern bool bb_manifest_edit_added(const BbManifestEdit *edit,
								   const BbManifest *current);

/*
 * bb_manifest_edit_holds - is everything that an edit asks for, which adds no
 * layers, so in "current"?
 *
 * Then it doesn't matter whether an earlier attempt or another writer did it.
 *
 * REQUIRES: "current" is a later state of the base.
 */
extern bool bb_manifest_edit_holds(const BbManifestEdit *edit,
								   const BbManifest *current);

#endif /* BB_MANIFEST_APPLY_H */

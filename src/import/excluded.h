/*-------------------------------------------------------------------------
 *
 * excluded.h
 *	  Warnings of files that an import omits although no rule excludes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_EXCLUDED_H
#define BB_EXCLUDED_H

/*
 * bb_excluded_warn - warn that the file "name" in the directory "path" is
 * omitted.  The detail says why.
 */
extern void bb_excluded_warn(const char *path, const char *name,
							 const char *detail);

#endif /* BB_EXCLUDED_H */

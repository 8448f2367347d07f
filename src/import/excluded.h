/*-------------------------------------------------------------------------
 *
 * excluded.h
 *	  Files that an import leaves out although nothing says that it may.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_EXCLUDED_H
#define BB_EXCLUDED_H

/*
 * bb_leftout_warn - a WARNING that names the file, "name" in the directory
 * "path", and why.
 */
extern void bb_leftout_warn(const char *path, const char *name,
							const char *detail);

#endif /* BB_EXCLUDED_H */

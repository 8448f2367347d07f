/*-------------------------------------------------------------------------
 *
 * help.h
 *	  What --help prints.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLIENT_HELP_H
#define BB_CLIENT_HELP_H

extern void bb_help(void);

#endif /* BB_CLIENT_HELP_H */

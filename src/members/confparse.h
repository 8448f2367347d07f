/*-------------------------------------------------------------------------
 *
 * confparse.h
 *	  What the configuration files of a backup say.
 *
 *	  postgresql.conf ── include, include_dir ── postgresql.auto.conf
 *
 * They are read in the server's order with the server's own parser
 * (ParseConfigFp of guc-file.l), so quotes, comments and units are its own
 * business.  But the parser follows include directives by itself, into the
 * file system of this server, and what they name is in the page store.  So
 * each directive is given to the parser as a setting of another name, and
 * followed here.
 *
 * A file outside of the data directory wasn't captured, so what it says isn't
 * known.  Nor is that of one that import left out, as it does a link to a
 * directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CONFPARSE_H
#define BB_CONFPARSE_H

#include "members/smallfiles.h"

/* One line that sets something. */
typedef struct BbConfSetting
{
	const char *name;
	const char *value;
	const char *path; /* of the file */
	int			line; /* from 1 on */
} BbConfSetting;

typedef struct BbConf
{
	List	   *settings; /* BbConfSetting *, in order: the last one counts */
	List	   *outside;  /* char *: included, but not in the data directory */
	List	   *missing;	   /* char *: included from there, but not in the backup */
	int			files; /* that were read */
} BbConf;

/*
 * bb_conf_parse - read postgresql.conf and postgresql.auto.conf, and what they
 * include.
 *
 * What a server would refuse to start with is passed over.
 *
 * Errors: those of bb_smallfiles_read.
 */
extern BbConf bb_conf_parse(const BbReqCtx *ctx, BbSmallFiles *files);

/* bb_conf_value - what a parameter is set to; NULL: it isn't set. */
extern const char *bb_conf_value(const BbConf *conf, const char *name);

#endif /* BB_CONFPARSE_H */

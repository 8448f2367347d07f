/*-------------------------------------------------------------------------
 *
 * confparse.h
 *	  Reading the settings in the configuration files of a backup.
 *
 *	  postgresql.conf ── include, include_dir ── postgresql.auto.conf
 *
 * The files are read in the server's order with the server's parser
 * (ParseConfigFp of guc-file.l), which handles quotes, comments and units.  But
 * the parser follows include directives into the file system of this server,
 * while the included files are in the page store.  So the parser gets each
 * directive as a setting with another name, and the directive is followed here.
 *
 * The content of a file outside the data directory isn't known, since it wasn't
 * captured.  The same is true of a file that import omits, such as one behind a
 * link to a directory.
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
	List	   *settings; /* BbConfSetting *, in order: the last one wins */
	List	   *outside; /* char *: included files outside the data directory */
	List	   *missing; /* char *: other included files that are not in a backup */
	int			files; /* number of files read */
} BbConf;

/*
 * bb_conf_parse - read postgresql.conf and postgresql.auto.conf, and the files
 * that they include.
 *
 * Lines that would keep a server from starting are skipped.
 *
 * Errors: those of bb_smallfiles_read.
 */
extern BbConf bb_conf_parse(const BbReqCtx *ctx, BbSmallFiles *files);

/* bb_conf_value - return the value of a parameter; NULL if it isn't set. */
extern const char *bb_conf_value(const BbConf *conf, const char *name);

#endif /* BB_CONFPARSE_H */

/*-------------------------------------------------------------------------
 *
 * clonesettings.h
 *	  The configuration of a backup: settings of the source that a clone must
 *	  not have, and settings that its data need.
 *
 * A server reads postgresql.auto.conf last, so its end overrides
 * postgresql.conf and all included files.  Two blocks may be there, each between
 * two lines that say which program wrote it and why:
 *
 *	  settings that the data need		- with any settings option
 *	  settings that keep a clone apart	- in a clone only
 *
 * A block that was captured, from a source that is a clone itself, is replaced.
 *
 * Two parameters can't be overridden there: data_directory, which a server
 * reads before it knows where that file is, and external_pid_file, which can't
 * be set to none.  In a clone, their lines become comments.
 *
 * (What a server requires of its configuration after a shutdown is from
 * PostgreSQL's twophase.c, MarkAsPreparingGuts and lock_twophase_recover in
 * lock.c; CompleteCommitTsInitialization in commit_ts.c;
 * StartupReplicationOrigin in origin.c; ReadControlFile in xlog.c.  What it
 * requires of a standby, CheckRequiredParameterValues, doesn't matter here.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CLONESETTINGS_H
#define BB_CLONESETTINGS_H

#include "base/clusterfile.h"
#include "members/options.h"
#include "members/smallfiles.h"

/* Facts about the data that the configuration has to fit. */
typedef struct BbDataNeeds
{
	const BbControl *control;
	uint32		prepared; /* transactions */
	uint32		origins;  /* of replication */
} BbDataNeeds;

/* A NOTICE about a setting; raised for a backup, but not for a listing. */
typedef struct BbSettingNotice
{
	char	   *message;
	char	   *detail;
} BbSettingNotice;

/*
 * bb_clonesettings_apply - change the files as the option says.
 *
 * Returns NOTICEs (BbSettingNotice *), in CurrentMemoryContext.
 */
extern List *bb_clonesettings_apply(const BbReqCtx *ctx, BbSmallFiles *files,
									BbSettingsOption option,
									const BbDataNeeds *needs);

#endif /* BB_CLONESETTINGS_H */

/*-------------------------------------------------------------------------
 *
 * sessionworker_settings.h
 *	  The settings that a session worker takes over from its starter.
 *
 * These are all settings of bbackup that a session can change, and those of
 * the server on which our tasks depend: messages and the log, date and time
 * formats, and limits of memory and temporary files.
 *
 * PostgreSQL hands all settings to a parallel worker (RestoreGUCState() in
 * guc.c).  That is not possible here.  It first resets transaction_read_only
 * and the like, which their check hooks refuse on a standby and in a
 * transaction that has a snapshot; and hooks that read catalogs
 * (default_text_search_config, temp_tablespaces, session_authorization) refuse
 * objects that the starter's transaction has created, or that another
 * transaction has dropped.  A worker needs none of these settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SESSIONWORKER_SETTINGS_H
#define BB_SESSIONWORKER_SETTINGS_H

/*
 * bb_sessionworker_settings_pack - return this session's values as
 * "name\0value\0name\0value\0", palloc'd.
 */
extern char *bb_sessionworker_settings_pack(size_t *length);

/*
 * bb_sessionworker_settings_apply - set them in this session.
 *
 * REQUIRES: a transaction.
 *
 * Errors: those of the settings' check hooks.
 */
extern void bb_sessionworker_settings_apply(const char *packed, size_t length);

#endif /* BB_SESSIONWORKER_SETTINGS_H */

/*-------------------------------------------------------------------------
 *
 * worker_settings.h
 *	  The settings that a background worker takes over from its starter.
 *
 * These are all settings of bbackup that a session can change, and those of
 * the server on which our tasks depend: messages and the log, date and time
 * formats, limits of memory and temporary files.
 *
 * PostgreSQL hands all settings to a parallel worker (RestoreGUCState() in
 * guc.c).  That is not possible here.  It first resets transaction_read_only
 * and the like, which their check hooks refuse on a standby and in a
 * transaction that has a snapshot; and hooks that look into the catalogs
 * (default_text_search_config, temp_tablespaces, session_authorization) refuse
 * what the starter's transaction has made, or another one has dropped.  A
 * worker needs none of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WORKER_SETTINGS_H
#define BB_WORKER_SETTINGS_H

/*
 * bb_worker_settings_pack - this session's, in CurrentMemoryContext:
 * "name\0value\0name\0value\0".
 */
extern char *bb_worker_settings_pack(size_t *length);

/*
 * bb_worker_settings_apply - have them in this session.
 *
 * REQUIRES: a transaction.
 *
 * Errors: those of the settings' check hooks.
 */
extern void bb_worker_settings_apply(const char *packed, size_t length);

#endif /* BB_WORKER_SETTINGS_H */

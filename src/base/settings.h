/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings bbackup.*, as variables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SETTINGS_H
#define BB_SETTINGS_H

/* bbackup.store_directory: absolute path; empty: DATA_DIRECTORY.bbackup */
extern char *bb_setting_store_directory;
/* bbackup.call_timeout, in milliseconds; 0: none */
extern int bb_setting_call_timeout_ms;
/* bbackup.compression: a BbCompression, for the blocks of new layers */
extern int bb_setting_compression;
/* bbackup.layer_size, in megabytes: a new layer is cut at about this size */
extern int bb_setting_layer_size_mb;
/* bbackup.checkpoint_distance, in megabytes: ingest flushes when it has taken
 * so much memory */
extern int bb_setting_checkpoint_distance_mb;

/* bbackup.redo_processes: redo helpers of a backend, at most */
extern int bb_setting_redo_processes;
/* bbackup.redo_timeout, in milliseconds; 0: none */
extern int bb_setting_redo_timeout_ms;
/* bbackup.redo_preload_libraries: what redo helpers load, beside ourselves */
extern char *bb_setting_redo_preload_libraries;
/* bbackup.redo_seccomp: redo helpers have to lock themselves down */
extern bool bb_setting_redo_seccomp;

/* bbackup.s3_timeout, in seconds: to connect, and without a byte */
extern int bb_setting_s3_timeout_s;
/* bbackup.s3_retry_time, in seconds since the first failure; 0: never again */
extern int bb_setting_s3_retry_time_s;
/* bbackup.s3_ca_file: trusted certificates; empty: libcurl's */
extern char *bb_setting_s3_ca_file;

/* bbackup.download_behavior: a BbDownloadBehavior, for the session's calls */
extern int bb_setting_download_behavior;
/* bbackup.on_demand_download_behavior_treat_error_as_warn */
extern bool bb_setting_download_error_as_warn;
extern int bb_setting_eviction_threshold_s; /* 0: never */

/* bbackup.track_calls: ended calls that the statistics remember */
extern int bb_setting_track_calls;

/* Define them; called once, from _PG_init. */
extern void bb_settings_init(void);

#endif /* BB_SETTINGS_H */

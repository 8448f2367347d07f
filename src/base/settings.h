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
/* bbackup.layer_size, in megabytes: approximate size of new layers */
extern int bb_setting_layer_size_mb;
/* bbackup.checkpoint_distance, in megabytes: ingest flushes when it uses this
 * much memory */
extern int bb_setting_checkpoint_distance_mb;

/* bbackup.redo_processes: maximum number of redo helpers of a backend */
extern int bb_setting_redo_processes;
/* bbackup.redo_timeout, in milliseconds; 0: none */
extern int bb_setting_redo_timeout_ms;
/* bbackup.redo_preload_libraries: what redo helpers load before bbackup */
extern char *bb_setting_redo_preload_libraries;
/* bbackup.redo_seccomp: redo helpers must use seccomp */
extern bool bb_setting_redo_seccomp;

/* bbackup.s3_timeout, in seconds: limit of connecting, and of a pause between two bytes */
extern int bb_setting_s3_timeout_s;
/* bbackup.s3_retry_time, in seconds since the first failure; 0: no retry */
extern int bb_setting_s3_retry_time_s;
/* bbackup.s3_ca_file: trusted authorities; empty: libcurl's */
extern char *bb_setting_s3_ca_file;

/* bbackup.download_behavior: a BbDownloadBehavior */
extern int bb_setting_download_behavior;
/* bbackup.on_demand_download_behavior_treat_error_as_warn */
extern bool bb_setting_download_error_as_warn;
extern int bb_setting_eviction_threshold_s; /* 0: never */

/* bbackup.track_calls: ended calls that the statistics remember */
extern int bb_setting_track_calls;

/* Define the settings; called once, by _PG_init. */
extern void bb_settings_init(void);

#endif /* BB_SETTINGS_H */

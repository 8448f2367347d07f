/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings bbackup.*, as variables; settings.c says what they mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SETTINGS_H
#define BB_SETTINGS_H

extern char *bb_setting_store_directory; /* empty: DATA_DIRECTORY.bbackup */
extern int bb_setting_call_timeout_ms;	 /* 0: none */
extern int bb_setting_compression;		 /* a BbCompression */
extern int bb_setting_layer_size_mb;
extern int bb_setting_checkpoint_distance_mb;

extern int bb_setting_redo_processes;
extern int bb_setting_redo_timeout_ms; /* 0: none */
extern char *bb_setting_redo_preload_libraries;
extern bool bb_setting_redo_seccomp;
extern char *bb_setting_redo_bindir; /* bindirs.h */

/* The limit of connecting, and of a pause between two bytes. */
extern int bb_setting_s3_timeout_s;
extern int
	bb_setting_s3_retry_time_s;		/* since the first failure; 0: no retry */
extern char *bb_setting_s3_ca_file; /* empty: libcurl's */

extern char *bb_setting_as_of; /* empty: the end of the timeline */

extern int bb_setting_download_behavior; /* a BbDownloadBehavior */
/* bbackup.on_demand_download_behavior_treat_error_as_warn */
extern bool bb_setting_download_error_as_warn;
extern int bb_setting_eviction_threshold_s; /* 0: never */

extern int bb_setting_track_calls;

/* empty: DATA_DIRECTORY.bbackup_spool */
extern char *bb_setting_spool_directory;
extern int bb_setting_spool_size_mb;	 /* of each spool */
extern int bb_setting_flush_interval_ms; /* 0: none */

extern bool bb_setting_upkeep;
extern int bb_setting_upkeep_naptime_s;
extern int bb_setting_upkeep_rate_mb;	  /* per second; 0: no limit */
extern int bb_setting_upkeep_cpu_share;	  /* percent of one processor */
extern int bb_setting_upkeep_compression; /* a BbCompression */
extern int bb_setting_merge_layers;
extern int bb_setting_image_percent;	   /* 0: no images */
extern int bb_setting_cache_free_space_mb; /* 0: no limit */

/* The time from when a layer is retired until its object is removed. */
extern int bb_setting_removal_delay_s;

extern int bb_setting_verify_interval_s; /* 0: the worker doesn't verify */

extern int bb_setting_restore_test_interval_s; /* 0: the worker tests none */
extern bool bb_setting_restore_test_start;
extern char *bb_setting_restore_test_query; /* empty: the usual one */
/* empty: base/pgsql_tmp in the data directory */
extern char *bb_setting_restore_test_directory;

/* Have the settings been defined, so that values are those that users set? */
extern bool bb_settings_defined;

/* Define the settings; called once, by _PG_init. */
extern void bb_settings_init(void);

#endif /* BB_SETTINGS_H */

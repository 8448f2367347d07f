/*-------------------------------------------------------------------------
 *
 * window.h
 *	  What can be read of a timeline, what holds it, and what it takes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_WINDOW_H
#define BB_UPKEEP_WINDOW_H

#include "layer/manifest.h"

typedef struct BbWindow
{
	XLogRecPtr	oldest_lsn;	 /* every LSN from here on can be read */
	int64		oldest_time; /* -1: not known */
	XLogRecPtr	newest_lsn;
	int64		newest_time;
	int			ngaps;
	int			npoints;
	XLogRecPtr	oldest_point; /* Invalid: there are no points */
	int64		oldest_point_time;
	const char *held_by; /* what holds the oldest LSN that can be read */
	int			nlayers;
	uint64		bytes;		   /* of the layers */
	uint64		bytes_window;  /* of those that the window needs */
	uint64		bytes_points;  /* of the others that points need */
	uint64		bytes_expired; /* of those that no LSN needs */
	uint64		bytes_retired; /* of layers that are to be removed */
	double		bytes_per_day; /* that the window grew; -1: not known */
	const char *wal_needed;	   /* the oldest WAL segment that ingest needs */
} BbWindow;

/*
 * bb_window_of - describe a timeline.
 *
 * REQUIRES: it is consistent.
 *
 * Errors: those of reads.
 */
extern BbWindow bb_window_of(const BbReqCtx *ctx, BbObjectStore *objects,
							 const BbManifest *manifest, int64 now);

/*
 * bb_window_time - the time (time_t) of an LSN that can be read; -1: not known,
 * since the cluster is of another major version than this server.
 */
extern int64 bb_window_time(const BbReqCtx *ctx, BbObjectStore *objects,
							const BbManifest *manifest, XLogRecPtr lsn);

/*
 * bb_window_points - say why each point of a manifest is kept: an array of
 * texts, palloc'd.
 */
extern const char **bb_window_points(const BbManifest *manifest,
									 List *branches, int64 start_time,
									 int64 now);

#endif /* BB_UPKEEP_WINDOW_H */

/*-------------------------------------------------------------------------
 *
 * manifest_keeps.h
 *	  What a timeline keeps, and what it has given up.
 *
 *	  points (sparse)				 start_lsn				   end_lsn
 *	  ---o---------o----------o------|=========================|----> LSN
 *	  only these LSNs can be read	  every LSN can be read
 *
 * The retention says how far back every LSN stays readable.  When upkeep moves
 * the start up to that LSN, it leaves points behind: the LSNs of pins, of
 * branches, and one a day or month as the retention asks for.  Layers that no
 * readable LSN needs are retired: the manifest has them apart, readers don't use
 * them any more, and their objects are removed some time later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_KEEPS_H
#define BB_MANIFEST_KEEPS_H

#include "layer/layer.h"

#define BB_PIN_NAME_MAX 63
#define BB_PIN_REASON_MAX 1000
#define BB_COPY_SOURCE_MAX 2048
#define BB_PIN_OWNER_MAX 63

/* More points of a kind than that are impossible in a retention. */
#define BB_RETENTION_POINTS_MAX 100000

/* How far back a timeline can be read, before the time of its end. */
typedef struct BbRetention
{
	int64		window_s; /* every LSN of so many seconds; 0: all of them */
	int64		floor_s;  /* at least that, whatever the window becomes */
	/* behind the window, so many points, each the last LSN of its period (UTC) */
	uint32		hourly;
	uint32		daily;
	uint32		weekly; /* weeks begin on Monday */
	uint32		monthly;
	uint32		yearly;
} BbRetention;

/*
 * An LSN that stays readable until the pin is removed or expires.
 *
 * A lease is a pin of a client that reads this LSN, such as a mounted clone, and
 * renews it as long as it lives.  It also reserves the clone's tli.
 */
typedef struct BbPin
{
	char	   *name; /* unique; as the name of a timeline */
	XLogRecPtr	lsn;
	char	   *reason;		/* "": none */
	char	   *owner;		/* the role that set it */
	int64		created_at; /* time_t */
	int64		expires_at; /* time_t; 0: never, which no lease has */
	TimeLineID	new_tli;	/* of the clone; 0: this is no lease */
} BbPin;

/* An LSN before the start that can be read, since somebody needs it. */
typedef struct BbPoint
{
	XLogRecPtr	lsn;
	int64		time; /* time_t of the last commit up to it */
} BbPoint;

/* A layer that isn't read any more, and whose object will be removed. */
typedef struct BbRetired
{
	BbLayerDesc layer;
	int64		since; /* time_t */
} BbRetired;

/*
 * The mark of a copy: the timeline mirrors the one of the same name in another
 * page store (upkeep/replicate.h), and nobody else may change it.
 */
typedef struct BbCopyMark
{
	char	   *source;		/* URL of that page store; NULL: this is no copy */
	uint64		generation; /* of the manifest there that was copied last */
	int64		copied_at;	/* time_t */
} BbCopyMark;

typedef struct BbKeeps
{
	uint64		origin; /* see bb_manifest_origin; 0: its first layers say it */
	BbRetention retention;
	int			npins; /* ordered by name */
	BbPin	   *pins;
	int			npoints; /* rising, all below start_lsn */
	BbPoint	   *points;
	int			nretired;
	BbRetired  *retired;
	BbCopyMark	copy;
} BbKeeps;

/* bb_retention_equal - are all values of two retentions equal? */
extern bool bb_retention_equal(const BbRetention *a, const BbRetention *b);

/* bb_keeps_empty - is there nothing that a manifest of version 2 lacks? */
extern bool bb_keeps_empty(const BbKeeps *keeps);

/* bb_keeps_find_pin - return the index of a pin, or -1. */
extern int bb_keeps_find_pin(const BbKeeps *keeps, const char *name);

/* bb_keeps_has_pin - is there a pin with the same name and the same values? */
extern bool bb_keeps_has_pin(const BbKeeps *keeps, const BbPin *pin);

/* bb_pin_is_lease - is the pin a lease? */
static inline bool
bb_pin_is_lease(const BbPin *pin)
{
	return pin->new_tli != 0;
}

/* bb_pin_lapsed - is the pin a lease that had expired by then (time_t)? */
extern bool bb_pin_lapsed(const BbPin *pin, int64 now);

/* bb_keeps_lapsed - is there such a lease? */
extern bool bb_keeps_lapsed(const BbKeeps *keeps, int64 now);

/* bb_keeps_has_point - is that LSN a point? */
extern bool bb_keeps_has_point(const BbKeeps *keeps, XLogRecPtr lsn);

#endif /* BB_MANIFEST_KEEPS_H */

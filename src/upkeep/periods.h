/*-------------------------------------------------------------------------
 *
 * periods.h
 *	  Hours, days, weeks, months and years: what "keep 'daily 30'" counts.
 *
 * Periods are those of UTC.  A week begins on Monday.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_UPKEEP_PERIODS_H
#define BB_UPKEEP_PERIODS_H

#include "layer/manifest_keeps.h"

typedef enum BbPeriodUnit
{
	BB_PERIOD_HOUR,
	BB_PERIOD_DAY,
	BB_PERIOD_WEEK,
	BB_PERIOD_MONTH,
	BB_PERIOD_YEAR
} BbPeriodUnit;
#define BB_PERIOD_UNITS (BB_PERIOD_YEAR + 1)

/* The most points of a unit that a retention may keep. */
#define BB_PERIOD_COUNT_MAX BB_RETENTION_POINTS_MAX

/* bb_period_of - number the periods of a unit: which one has this time_t? */
extern int64 bb_period_of(BbPeriodUnit unit, int64 time);

/* bb_period_label - "daily 2026-11-30": the period of a time_t, palloc'd. */
extern char *bb_period_label(BbPeriodUnit unit, int64 time);

/* bb_period_count - how many points of a unit are kept? */
extern uint32 bb_period_count(const BbRetention *retention, BbPeriodUnit unit);

/* bb_periods_any - are points of any unit kept? */
extern bool bb_periods_any(const BbRetention *retention);

/*
 * bb_periods_parse - set the numbers of points of a retention by a text like
 * 'hourly 24, daily 30, weekly 8, monthly 12, yearly 5'.
 *
 * A unit that isn't named gets none; so does each by an empty text.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern void bb_periods_parse(const char *text, BbRetention *retention);

/* bb_periods_text - return such a text, palloc'd; "" if no points are kept. */
extern char *bb_periods_text(const BbRetention *retention);

#endif /* BB_UPKEEP_PERIODS_H */

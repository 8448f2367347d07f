/*-------------------------------------------------------------------------
 *
 * periods.c
 *	  Hours, days, weeks, months and years.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "upkeep/periods.h"

/* 1970-01-01 was a Thursday: three days after a Monday. */
#define DAYS_SINCE_MONDAY 3
#define DAYS_PER_WEEK 7

static const char *const names[BB_PERIOD_UNITS] = {"hourly", "daily", "weekly",
												   "monthly", "yearly"};

static int64
day_of(int64 time)
{
	return time / SECS_PER_DAY;
}

static struct pg_tm
calendar(int64 time)
{
	pg_time_t	t = (pg_time_t) time;
	struct pg_tm *tm = pg_gmtime(&t);

	if (tm == NULL)
		elog(ERROR, "time " INT64_FORMAT " has no date", time);
	return *tm;
}

int64
bb_period_of(BbPeriodUnit unit, int64 time)
{
	struct pg_tm tm;

	switch (unit)
	{
		case BB_PERIOD_HOUR:
			return time / SECS_PER_HOUR;
		case BB_PERIOD_DAY:
			return day_of(time);
		case BB_PERIOD_WEEK:
			return (day_of(time) + DAYS_SINCE_MONDAY) / DAYS_PER_WEEK;
		case BB_PERIOD_MONTH:
			tm = calendar(time);
			return (int64) tm.tm_year * MONTHS_PER_YEAR + tm.tm_mon;
		case BB_PERIOD_YEAR:
			return calendar(time).tm_year;
	}
	pg_unreachable();
}

char *
bb_period_label(BbPeriodUnit unit, int64 time)
{
	struct pg_tm tm;
	int			year;

	if (unit == BB_PERIOD_WEEK) /* named after its Monday */
		time = Max((bb_period_of(unit, time) * DAYS_PER_WEEK -
					DAYS_SINCE_MONDAY) *
					   SECS_PER_DAY,
				   0);
	tm = calendar(time);
	year = tm.tm_year + 1900;
	switch (unit)
	{
		case BB_PERIOD_HOUR:
			return psprintf("hourly %04d-%02d-%02d %02d:00", year,
							tm.tm_mon + 1, tm.tm_mday, tm.tm_hour);
		case BB_PERIOD_DAY:
		case BB_PERIOD_WEEK:
			return psprintf("%s %04d-%02d-%02d", names[unit], year,
							tm.tm_mon + 1, tm.tm_mday);
		case BB_PERIOD_MONTH:
			return psprintf("monthly %04d-%02d", year, tm.tm_mon + 1);
		case BB_PERIOD_YEAR:
			return psprintf("yearly %04d", year);
	}
	pg_unreachable();
}

static uint32 *
count_in(BbRetention *retention, BbPeriodUnit unit)
{
	switch (unit)
	{
		case BB_PERIOD_HOUR:
			return &retention->hourly;
		case BB_PERIOD_DAY:
			return &retention->daily;
		case BB_PERIOD_WEEK:
			return &retention->weekly;
		case BB_PERIOD_MONTH:
			return &retention->monthly;
		case BB_PERIOD_YEAR:
			return &retention->yearly;
	}
	pg_unreachable();
}

uint32
bb_period_count(const BbRetention *retention, BbPeriodUnit unit)
{
	BbRetention copy = *retention;

	return *count_in(&copy, unit);
}

bool
bb_periods_any(const BbRetention *retention)
{
	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
		if (bb_period_count(retention, (BbPeriodUnit) unit) > 0)
			return true;
	return false;
}

/* ---- text ---- */

static void
report_invalid(const char *text, const char *at)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid list of points to keep: \"%s\"", text),
			 errdetail("It is not valid from \"%s\" on.", at),
			 errhint("An example is 'hourly 24, daily 30, weekly 8, monthly 12, yearly 5'. Each unit may be there once, with a number up to %d.",
					 BB_PERIOD_COUNT_MAX)));
}

static const char *
skip_spaces(const char *p)
{
	while (isspace((unsigned char) *p))
		p++;
	return p;
}

/* Return the unit whose name is at *p, and move *p past it; -1: there is none. */
static int
take_unit(const char **p)
{
	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
	{
		size_t		length = strlen(names[unit]);

		if (pg_strncasecmp(*p, names[unit], length) == 0 &&
			isspace((unsigned char) (*p)[length]))
		{
			*p += length;
			return unit;
		}
	}
	return -1;
}

/* Return the number at *p, and move *p past it; -1: there is none. */
static int
take_number(const char **p)
{
	int			number = 0;

	if (!isdigit((unsigned char) **p))
		return -1;
	for (; isdigit((unsigned char) **p); (*p)++)
	{
		number = number * 10 + (**p - '0');
		if (number > BB_PERIOD_COUNT_MAX)
			return -1;
	}
	return number;
}

void
bb_periods_parse(const char *text, BbRetention *retention)
{
	const char *p = skip_spaces(text);
	bool		given[BB_PERIOD_UNITS] = {0};

	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
		*count_in(retention, (BbPeriodUnit) unit) = 0;
	while (*p != '\0')
	{
		const char *at = p;
		int			unit = take_unit(&p);
		int			number;

		p = skip_spaces(p);
		number = unit < 0 ? -1 : take_number(&p);
		if (number < 0 || given[unit])
			report_invalid(text, at);
		given[unit] = true;
		*count_in(retention, (BbPeriodUnit) unit) = (uint32) number;
		p = skip_spaces(p);
		if (*p != ',' && *p != '\0')
			report_invalid(text, at);
		if (*p == ',')
		{
			p = skip_spaces(p + 1);
			if (*p == '\0')
				report_invalid(text, at);
		}
	}
}

char *
bb_periods_text(const BbRetention *retention)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
	{
		uint32		count = bb_period_count(retention, (BbPeriodUnit) unit);

		if (count > 0)
			appendStringInfo(&text, "%s%s %u", text.len > 0 ? ", " : "",
							 names[unit], count);
	}
	return text.data;
}

/*-------------------------------------------------------------------------
 *
 * test_retention.c
 *	  Periods, points, pins, and the removal of retired layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "datatype/timestamp.h"
#include "layer/manifest_edit.h"
#include "model.h"
#include "stats/jobs.h"
#include "upkeep/cutoff.h"
#include "upkeep/keeps.h"
#include "upkeep/periods.h"
#include "upkeep/points.h"
#include "upkeep/removal.h"
#include "upkeep/retention.h"

/* 2026-11-30 00:00 UTC, a Monday */
#define MONDAY INT64CONST(1795996800)
#define HOUR 3600
#define DAY (24 * HOUR)

/* ---- periods ---- */

UNIT_TEST(periods_of_times)
{
	CHECK(strcmp(bb_period_label(BB_PERIOD_HOUR, MONDAY + HOUR - 1),
				 "hourly 2026-11-30 00:00") == 0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_DAY, MONDAY), "daily 2026-11-30") ==
		  0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_WEEK, MONDAY + 7 * DAY - 1),
				 "weekly 2026-11-30") == 0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_WEEK, MONDAY - 1),
				 "weekly 2026-11-23") == 0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_MONTH, MONDAY + DAY),
				 "monthly 2026-12") == 0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_YEAR, MONDAY), "yearly 2026") == 0);
	CHECK(strcmp(bb_period_label(BB_PERIOD_WEEK, 0), "weekly 1970-01-01") ==
		  0);

	/* a period changes where its label does, and numbers rise by one */
	for (int unit = 0; unit < BB_PERIOD_UNITS; unit++)
		for (int64 time = 0; time < MONDAY; time += 977 * HOUR)
		{
			int64		before = bb_period_of((BbPeriodUnit) unit, time);
			int64		after = bb_period_of((BbPeriodUnit) unit, time + HOUR);
			char	   *label = bb_period_label((BbPeriodUnit) unit, time);

			CHECK(after == before || after == before + 1);
			CHECK((strcmp(label,
						  bb_period_label((BbPeriodUnit) unit, time + HOUR)) ==
				   0) == (after == before));
		}
}

UNIT_TEST(periods_as_text)
{
	BbRetention retention = {.window_s = 5, .hourly = 7};

	bb_periods_parse("  daily 30,MONTHLY   12 ", &retention);
	CHECK(retention.hourly == 0 && retention.daily == 30 &&
		  retention.monthly == 12 && retention.window_s == 5);
	CHECK(strcmp(bb_periods_text(&retention), "daily 30, monthly 12") == 0);
	CHECK(bb_periods_any(&retention));
	bb_periods_parse("weekly 0", &retention);
	CHECK(!bb_periods_any(&retention));
	CHECK(strcmp(bb_periods_text(&retention), "") == 0);
	bb_periods_parse("", &retention);
	CHECK_ERROR(bb_periods_parse("daily", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("daily -1", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("daily 1,", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("daily 1 weekly 2", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("days 1", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("daily 1, daily 2", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(bb_periods_parse("daily 99999999999", &retention),
				ERRCODE_INVALID_PARAMETER_VALUE);
}

/* ---- points ---- */

/* "LSN(why) …" of the points that are chosen. */
static char *
choose(const BbManifest *manifest, List *branches, const BbPoint *moments,
	   int n, int64 next)
{
	BbPoints   *points = bb_points_choose(manifest, branches, moments, n, next,
										  MONDAY);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < points->n; i++)
		appendStringInfo(&text, "%s%d(%s)", i > 0 ? " " : "",
						 (int) points->points[i].lsn, points->why[i]);
	return text.data;
}

#define CHECK_TEXT(actual, expected)                                    \
	do                                                                  \
	{                                                                   \
		char	   *actual_ = (actual);                                 \
		if (strcmp(actual_, expected) != 0)                             \
			elog(ERROR, "\"%s\" instead of \"%s\"", actual_, expected); \
	} while (0)

UNIT_TEST(points_of_periods)
{
	BbManifest	manifest = {0};
	BbRetention *retention = &manifest.keeps.retention;
	BbPoint		moments[] = {{10, MONDAY - 3 * DAY},
							 {20, MONDAY - 2 * DAY},
							 {30, MONDAY - 2 * DAY + HOUR},
							 {40, MONDAY - DAY},
							 {50, MONDAY},
							 {60, MONDAY + HOUR}};

	CHECK_TEXT(choose(&manifest, NIL, moments, 6, MONDAY + DAY), "");
	retention->daily = 2;
	CHECK_TEXT(choose(&manifest, NIL, moments, 6, MONDAY + DAY),
			   "40(daily 2026-11-29) 60(daily 2026-11-30)");
	/* the day isn't over: its last LSN is in the window */
	CHECK_TEXT(choose(&manifest, NIL, moments, 6, MONDAY + DAY - 1),
			   "30(daily 2026-11-28) 40(daily 2026-11-29)");
	retention->daily = 0;
	retention->weekly = 2;
	CHECK_TEXT(choose(&manifest, NIL, moments, 6, MONDAY + 2 * HOUR),
			   "40(weekly 2026-11-23)");
	retention->daily = 9;
	retention->hourly = 1;
	CHECK_TEXT(choose(&manifest, NIL, moments, 6, MONDAY + 2 * HOUR),
			   "10(daily 2026-11-27) 30(daily 2026-11-28) "
			   "40(daily 2026-11-29, weekly 2026-11-23) "
			   "60(hourly 2026-11-30 01:00)");
}

/* The clock was set back by a day: a day comes twice. */
UNIT_TEST(points_of_a_clock_set_back)
{
	BbManifest	manifest = {.keeps.retention.daily = 2};
	BbPoint		moments[] = {{10, MONDAY - DAY},
							 {20, MONDAY},
							 {30, MONDAY - DAY},
							 {40, MONDAY - DAY + HOUR},
							 {50, MONDAY}};

	CHECK_TEXT(choose(&manifest, NIL, moments, 5, MONDAY + DAY),
			   "10(daily 2026-11-29) 20(daily 2026-11-30) "
			   "40(daily 2026-11-29) 50(daily 2026-11-30)");
}

UNIT_TEST(points_of_pins_and_branches)
{
	BbPin		pins[] = {{"a", 20, "", "", 0, 0, 0},
						  {"b", 30, "", "", 0, MONDAY, 0},
						  {"c", 30, "", "", 0, MONDAY + 1, 0},
						  {"d", 15, "", "", 0, 0, 0},
						  {"e", 70, "", "", 0, 0, 0}};
	BbManifest	manifest = {.keeps = {.npins = 5, .pins = pins}};
	BbPoint		moments[] = {{10, 0}, {20, 0}, {30, 0}, {40, 0}};
	BbBranch	branch = {.name = "x", .lsn = 20};
	BbBranch	later = {.name = "y", .lsn = 60};

	/* an expired pin holds nothing, nor does one of an LSN that is no moment */
	CHECK_TEXT(choose(&manifest, list_make2(&branch, &later), moments, 4, 0),
			   "20(pin \"a\", branch \"x\") 30(pin \"c\")");
}

/* ---- edits ---- */

static BbManifest *
make_timeline(const BbReqCtx *ctx, BbObjectStore *objects)
{
	BbManifest	manifest = model_manifest("main");
	BbManifestEdit edit = {.base = &manifest};

	edit.added = list_make2(model_write_delta(ctx, objects, "main", 100, 500),
							model_write_delta(ctx, objects, "main", 500,
											  1000));
	return bb_manifest_edit(ctx, objects, &edit);
}

static BbPin
pin_at(const char *name, XLogRecPtr lsn)
{
	return (BbPin){.name = pstrdup(name),
				   .lsn = lsn,
				   .reason = "",
				   .owner = "me",
				   .created_at = MONDAY};
}

/* Of a pin and a start that moves past it, the first one wins. */
UNIT_TEST(retention_pin_meets_start)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestPoints none = {0};
	BbPoint		point = {.lsn = 300};
	BbManifestPoints points = {1, &point};
	BbManifestEdit move = {.base = base, .start_lsn = 600, .points = &none};
	BbPin		early = pin_at("early", 300);
	BbPin		other = pin_at("other", 400);
	BbPin		moved = pin_at("early", 700);

	bb_keeps_pin(ctx, objects, "main", &early);
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &move), ERRCODE_OBJECT_IN_USE);
	CHECK(strstr(unit_last_detail, "pin \"early\" was set") != NULL);

	move.base = bb_manifest_read(ctx, objects, "main");
	move.points = &points;
	(void) bb_manifest_edit(ctx, objects, &move);
	CHECK_ERROR(bb_keeps_pin(ctx, objects, "main", &other),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_ERROR(bb_keeps_pin(ctx, objects, "main", &moved),
				ERRCODE_DUPLICATE_OBJECT);
	bb_keeps_unpin(ctx, objects, "main", "early");
	CHECK_ERROR(bb_keeps_unpin(ctx, objects, "main", "early"),
				ERRCODE_UNDEFINED_OBJECT);
	other.lsn = 300;
	bb_keeps_pin(ctx, objects, "main", &other); /* a point can be pinned */
}

UNIT_TEST(retention_changed_meanwhile)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestPoints none = {0};
	BbManifestEdit move = {.base = base, .start_lsn = 600, .points = &none};
	BbRetentionChange change = {.window = true, .window_s = 7 * DAY};

	bb_keeps_set(ctx, objects, "main", &change);
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &move), ERRCODE_OBJECT_IN_USE);
	CHECK(strstr(unit_last_detail, "retention was changed") != NULL);
	CHECK(bb_manifest_read(ctx, objects, "main")->start_lsn == 100);
}

/* Intake goes on: the end, at a time. */
static void
add_end(const BbReqCtx *ctx, BbObjectStore *objects, int64 time)
{
	BbManifest *base = bb_manifest_read(ctx, objects, "main");
	BbManifestEnd end = {.end_lsn = base->end_lsn + 100,
						 .prev_lsn = base->end_lsn + 50,
						 .end_time = time,
						 .tli = base->tli};
	BbManifestEdit edit = {.base = base, .end = &end};

	edit.added = list_make1(
		model_write_delta(ctx, objects, "main", base->end_lsn, end.end_lsn));
	(void) bb_manifest_edit(ctx, objects, &edit);
}

/* A start that was chosen before the cluster's clock was set back. */
UNIT_TEST(retention_end_set_back)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestPoints none = {0};
	BbManifestEdit move = {.start_lsn = 600, .points = &none};

	add_end(ctx, objects, base->end_time + DAY);
	move.base = bb_manifest_read(ctx, objects, "main");
	add_end(ctx, objects, base->end_time + HOUR);
	CHECK_ERROR(bb_manifest_edit(ctx, objects, &move), ERRCODE_OBJECT_IN_USE);
	CHECK(strstr(unit_last_detail, "was set back") != NULL);
	CHECK(bb_manifest_read(ctx, objects, "main")->start_lsn == 100);

	/* one that is chosen anew may be committed beside intake */
	move.base = bb_manifest_read(ctx, objects, "main");
	add_end(ctx, objects, base->end_time + HOUR);
	CHECK(bb_manifest_edit(ctx, objects, &move)->start_lsn == 600);
}

/* ---- removal ---- */

static bool
is_there(const BbReqCtx *ctx, BbObjectStore *objects, const BbLayerDesc *layer)
{
	int			error;

	ERROR_OF(bb_object_close(
				 bb_object_open(ctx, objects,
								bb_layer_object_name("main", layer))),
			 error);
	CHECK(error == 0 || error == ERRCODE_UNDEFINED_FILE);
	return error == 0;
}

UNIT_TEST(removal_when_due)
{
	int			delay = bb_setting_removal_delay_s;
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbLayerDesc layer = base->layers[0];
	BbManifestEdit retire = {.base = base, .retired_at = MONDAY};
	BbManifest *now;

	bb_setting_removal_delay_s = HOUR;
	retire.removed = list_make1(&base->layers[0]);
	now = bb_manifest_edit(ctx, objects, &retire);
	CHECK(now->keeps.nretired == 1 && now->nlayers == 1);

	/* not yet; and not if the clock was set back by a day */
	now = bb_removal_run(ctx, objects, now, MONDAY + HOUR - 1);
	CHECK(now->keeps.nretired == 1);
	now = bb_removal_run(ctx, objects, now, MONDAY - DAY);
	CHECK(now->keeps.nretired == 1 && is_there(ctx, objects, &layer));

	/* two at once: the second one has the manifest of before */
	base = now;
	now = bb_removal_run(ctx, objects, base, MONDAY + HOUR);
	CHECK(now->keeps.nretired == 0 && !is_there(ctx, objects, &layer));
	CHECK(is_there(ctx, objects, &now->layers[0]));
	CHECK(bb_removal_run(ctx, objects, base, MONDAY + HOUR)->generation ==
		  now->generation);

	/* without a delay, at once, but not before it was retired */
	bb_setting_removal_delay_s = 0;
	CHECK(bb_removal_due(&(BbRetired){.since = MONDAY}, MONDAY));
	CHECK(!bb_removal_due(&(BbRetired){.since = MONDAY}, MONDAY - 1));
	bb_setting_removal_delay_s = delay;
}

/* A clock was ahead when a layer was retired. */
UNIT_TEST(removal_of_the_future)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbLayerDesc layer = base->layers[0];
	BbManifestEdit retire = {.base = base, .retired_at = MONDAY + 999 * DAY};
	BbJobPlace	place = bb_jobplace("s", "main");
	BbJobPlace	other = bb_jobplace("s", "other");
	BbJobDebt	debt = {0};
	List	   *future;
	uint64		sum;

	retire.removed = list_make1(&base->layers[0]);
	base = bb_manifest_edit(ctx, objects, &retire);
	CHECK(bb_removal_list(base, MONDAY) == NIL);
	CHECK(bb_removal_future(base, MONDAY + 999 * DAY) == NIL);
	future = bb_removal_future(base, MONDAY);
	CHECK(list_length(future) == 1);
	sum = bb_removal_sum(future);
	CHECK(sum != 0 && bb_removal_sum(NIL) == 0);

	/* it waits from the first sight on, and anew when others come */
	bb_jobs_look(&place, &debt, BB_JOBS_IDLE);
	CHECK(!bb_jobs_waited(&other, sum, 0));
	CHECK(!bb_jobs_waited(&place, 0, 0));
	CHECK(bb_jobs_waited(&place, sum, 0));
	CHECK(!bb_jobs_waited(&place, sum, 1));
	pg_usleep(1100000);
	CHECK(bb_jobs_waited(&place, sum, 1));
	CHECK(!bb_jobs_waited(&place, sum + 1, 1));
	CHECK(!bb_jobs_waited(&place, sum, 1));
	bb_jobs_forget(&place);

	base = bb_removal_of(ctx, objects, base, future);
	CHECK(base->keeps.nretired == 0 && !is_there(ctx, objects, &layer));
	/* another process has done it already */
	CHECK(bb_removal_of(ctx, objects, base, list_make1(&layer))->nlayers == 1);
}

/* A failed job waits at most an hour, also if the clock is set back. */
UNIT_TEST(job_pauses)
{
	TimestampTz now = INT64CONST(849000000) * USECS_PER_SEC;

	CHECK(bb_jobs_pause_is_over(0, now));
	CHECK(bb_jobs_pause_is_over(now, now));
	CHECK(!bb_jobs_pause_is_over(now + 1, now));
	CHECK(!bb_jobs_pause_is_over(now + USECS_PER_HOUR, now));
	CHECK(bb_jobs_pause_is_over(now + USECS_PER_HOUR + 1, now));
	CHECK(bb_jobs_pause_is_over(now + USECS_PER_DAY, now));
}

/* The server died after the object was removed: the layer is forgotten. */
UNIT_TEST(removal_after_crash)
{
	BbObjectStore *objects = unit_store(ctx);
	BbManifest *base = make_timeline(ctx, objects);
	BbManifestEdit retire = {.base = base, .retired_at = MONDAY};
	BbManifest *now;

	retire.removed = list_make1(&base->layers[0]);
	now = bb_manifest_edit(ctx, objects, &retire);
	bb_objstore_remove(ctx, objects,
					   bb_layer_object_name("main", &base->layers[0]));
	now = bb_removal_run(ctx, objects, now, MONDAY + 10 * DAY);
	CHECK(now->keeps.nretired == 0 && now->nlayers == 1);
}

/* ---- windows and clocks ---- */

typedef struct Commit
{
	XLogRecPtr	lsn;
	double		days;
} Commit;

/* The cutoff of a window of seven days, of commits whose first one is the start. */
static int
cutoff_of(const Commit *commits, int n, double end)
{
	BbCutoff	cutoff = bb_cutoff_begin((TimestampTz) (end * USECS_PER_DAY),
										 7 * DAY, commits[0].lsn,
										 (TimestampTz) (commits[0].days *
														USECS_PER_DAY));
	int			passes = 0;

	do
	{
		CHECK(++passes <= n);
		for (int i = 1; i < n; i++)
			if (!bb_cutoff_add(&cutoff, commits[i].lsn,
							   (TimestampTz) (commits[i].days *
											  USECS_PER_DAY)))
				break;
	} while (bb_cutoff_again(&cutoff, commits[0].lsn,
							 (TimestampTz) (commits[0].days * USECS_PER_DAY)));
	return (int) cutoff.lsn;
}

#define CUTOFF(end, ...)               \
	cutoff_of((Commit[]){__VA_ARGS__}, \
			  (int) (sizeof((Commit[]){__VA_ARGS__}) / sizeof(Commit)), end)

UNIT_TEST(cutoff_of_a_window)
{
	CHECK(CUTOFF(9, {1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 9}) == 3);
	CHECK(CUTOFF(9, {1, 3}, {2, 4}, {3, 9}) == 1);
	CHECK(CUTOFF(99, {1, 0}, {2, 1}, {3, 2}) == 3);
	/* the clock was set back by some days: the window is longer */
	CHECK(CUTOFF(9, {1, 0}, {2, 1}, {3, 4}, {4, 2}, {5, 9}) == 2);
}

/* Both clocks are five years ahead: half of the window is left. */
UNIT_TEST(cutoff_of_a_clock_ahead)
{
	const double year = 365;

#define AHEAD(after)                                                        \
	CUTOFF(10 + 5 * year + (after), {1, 0}, {2, 2}, {3, 4}, {4, 6}, {5, 8}, \
		   {6, 10}, {7, 10 + 5 * year}, {8, 10 + 5 * year + (after)})

	CHECK(AHEAD(0.1) == 4); /* 10 + 0.1 - 3.5 */
	CHECK(AHEAD(2) == 5);
	CHECK(AHEAD(3.4) == 5);
	CHECK(AHEAD(3.6) == 6);
	CHECK(AHEAD(6.9) == 6);
	CHECK(AHEAD(7) == 7);

	/* it is set right: as if nothing had happened, while the wrong times last */
	CHECK(CUTOFF(11, {1, 0}, {2, 2}, {3, 4}, {4, 6}, {5, 10},
				 {6, 10 + 5 * year}, {7, 10 + 5 * year + 0.1}, {8, 10.5},
				 {9, 11}) == 3);
	CHECK(CUTOFF(17.2, {1, 0}, {2, 4}, {3, 10}, {4, 10 + 5 * year}, {5, 10.5},
				 {6, 17.2}) == 3);
	CHECK(CUTOFF(17.6, {1, 0}, {2, 4}, {3, 10}, {4, 10 + 5 * year}, {5, 10.5},
				 {6, 14}, {7, 17.6}) == 5);
}

/* The clock is set back by years: nothing goes until a window has passed. */
UNIT_TEST(cutoff_of_a_clock_set_back)
{
	CHECK(CUTOFF(101, {1, 5000}, {2, 5010}, {3, 5020}, {4, 100}, {5, 101}) ==
		  1);
	CHECK(CUTOFF(107, {1, 5000}, {2, 5010}, {3, 5020}, {4, 100}, {5, 107}) ==
		  4);
	/* and right again: what was before that goes half a window later */
	CHECK(CUTOFF(5027.5, {1, 5000}, {2, 5010}, {3, 5020}, {4, 100}, {5, 103},
				 {6, 5026}, {7, 5027.5}) == 4);
	CHECK(CUTOFF(5030, {1, 5000}, {2, 5010}, {3, 5020}, {4, 100}, {5, 103},
				 {6, 5026}, {7, 5030}) == 5);
}

/* A timeline that is fed once a month keeps two or three of its months. */
UNIT_TEST(cutoff_of_rare_commits)
{
	CHECK(CUTOFF(90.1, {1, 0}, {2, 0.1}, {3, 30}, {4, 30.1}, {5, 60},
				 {6, 60.1}, {7, 90}, {8, 90.1}) == 4);
	/* a gap of which the end is known is no jump by itself */
	{
		BbCutoff	cutoff = bb_cutoff_begin(30 * USECS_PER_DAY, 7 * DAY, 1,
											 0);

		CHECK(bb_cutoff_add(&cutoff, 2, USECS_PER_DAY));
		bb_cutoff_gap(&cutoff, 9, 29 * USECS_PER_DAY);
		CHECK(cutoff.lsn == 9);
		CHECK(!bb_cutoff_add(&cutoff, 10, 30 * USECS_PER_DAY));
		CHECK(!bb_cutoff_again(&cutoff, 1, 0) && cutoff.lsn == 9);
	}
}

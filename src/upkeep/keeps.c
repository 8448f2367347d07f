/*-------------------------------------------------------------------------
 *
 * keeps.c
 *	  What a user says is kept: the retention and pins of a timeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
#include "datatype/timestamp.h"
#include "layer/manifest_edit.h"
#include "lib/stringinfo.h"
#include "upkeep/keeps.h"
#include "upkeep/periods.h"

/* ---- the retention ---- */

/* "7 days", "1 day 02:30:00": the duration of so many seconds, palloc'd. */
static char *
duration_text(int64 seconds)
{
	int64		days = seconds / SECS_PER_DAY;
	int			rest = (int) (seconds % SECS_PER_DAY);
	StringInfoData text;

	initStringInfo(&text);
	if (days > 0)
		appendStringInfo(&text, INT64_FORMAT " day%s", days,
						 days == 1 ? "" : "s");
	if (rest > 0 || days == 0)
		appendStringInfo(&text, "%s%02d:%02d:%02d", days > 0 ? " " : "",
						 rest / SECS_PER_HOUR,
						 rest / SECS_PER_MINUTE % MINS_PER_HOUR,
						 rest % SECS_PER_MINUTE);
	return text.data;
}

char *
bb_keeps_text(const BbRetention *retention)
{
	StringInfoData text;

	initStringInfo(&text);
	if (retention->window_s == 0)
		appendStringInfoString(&text, "everything is kept");
	else
		appendStringInfo(&text, "window %s",
						 duration_text(retention->window_s));
	if (retention->floor_s > 0)
		appendStringInfo(&text, ", floor %s",
						 duration_text(retention->floor_s));
	if (bb_periods_any(retention))
		appendStringInfo(&text, ", keep %s", bb_periods_text(retention));
	return text.data;
}

static void
check_duration(const char *what, int64 seconds, bool zero)
{
	if (seconds < (zero ? 0 : 1) || !bb_time_is_valid(seconds))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s", what),
				 errhint("It is an interval of %s.",
						 zero ? "no time or more" : "a second or more")));
}

static void
check_floor(const BbRetention *retention, const BbRetention *before)
{
	if (retention->window_s == 0 || retention->window_s >= retention->floor_s)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the window is below the floor"),
			 errdetail("The window would be %s, and the floor is %s.",
					   duration_text(retention->window_s),
					   duration_text(retention->floor_s)),
			 before->floor_s == retention->floor_s
			 ? errhint("To let newer history expire nevertheless, lower the floor, too: it is an argument of bb_set_retention().")
			 : errhint("A floor is at most as long as the window.")));
}

/* Does a longer window ask for history that may be gone? */
static void
notice_expired(const BbManifest *manifest, const BbRetention *before)
{
	int64		window_s = manifest->keeps.retention.window_s;

	if (before->window_s == 0 ||
		(window_s != 0 && window_s <= before->window_s))
		return;
	ereport(NOTICE,
			(errmsg("what has expired of timeline \"%s\" does not come back",
					manifest->timeline),
			 errdetail("Every LSN can be read from " BB_LSN_FORMAT " on.",
					   LSN_FORMAT_ARGS(manifest->start_lsn))));
}

void
bb_keeps_set(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			 const BbRetentionChange *change)
{
	BbManifest *manifest = bb_manifest_read(ctx, objects, timeline);
	BbRetention retention = manifest->keeps.retention;
	BbManifestEdit edit = {.base = manifest, .retention = &retention};

	retention.window_s = change->window ? change->window_s : 0;
	if (change->window)
		check_duration("window", change->window_s, false);
	if (change->floor)
	{
		check_duration("floor", change->floor_s, true);
		retention.floor_s = change->floor_s;
	}
	if (change->points != NULL)
		bb_periods_parse(change->points, &retention);
	check_floor(&retention, &manifest->keeps.retention);
	notice_expired(bb_manifest_edit(ctx, objects, &edit),
				   &manifest->keeps.retention);
}

/* ---- pins ---- */

static void
check_pin_name(const char *name)
{
	if (!bb_timeline_name_is_valid(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid pin name \"%s\"", name),
				 errhint("A pin's name has up to %d letters, digits, \"_\", \"-\" and \".\", and begins with a letter or digit.",
						 BB_PIN_NAME_MAX)));
}

void
bb_keeps_pin(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			 const BbPin *pin)
{
	BbManifestEdit edit = {.pinned = pin};

	check_pin_name(pin->name);
	if (strlen(pin->reason) > BB_PIN_REASON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason of pin \"%s\" is too long", pin->name),
				 errdetail("It has %zu bytes, and at most %d are possible.",
						   strlen(pin->reason), BB_PIN_REASON_MAX)));
	if (pin->expires_at != 0 && pin->expires_at <= pin->created_at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pin \"%s\" would have expired already", pin->name),
				 errhint("Give a time in the future, or none.")));
	edit.base = bb_manifest_read(ctx, objects, timeline);
	(void) bb_manifest_edit(ctx, objects, &edit);
}

void
bb_keeps_unpin(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, const char *name)
{
	BbManifestEdit edit = {.unpinned = name};
	int			i;

	check_pin_name(name);
	edit.base = bb_manifest_read(ctx, objects, timeline);
	i = bb_keeps_find_pin(&edit.base->keeps, name);
	if (i >= 0 && bb_pin_is_lease(&edit.base->keeps.pins[i]))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a lease, not a pin", name),
				 errhint("bb_release_lease() removes a lease.")));
	(void) bb_manifest_edit(ctx, objects, &edit);
}

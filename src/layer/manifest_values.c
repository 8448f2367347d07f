/*-------------------------------------------------------------------------
 *
 * manifest_values.c
 *	  What a manifest says, and which values are possible.
 *
 * The checksum of a manifest detects a flipped bit, but not a forged value.
 * All readers of a timeline calculate with these values, so they are checked
 * once, when a manifest is decoded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "common/file_perm.h"
#include "layer/filter.h"
#include "layer/layerset.h"
#include "layer/manifest_values.h"
#include "storage/bufpage.h"

/* 1 PB, larger than any object, so that sums of sizes don't overflow. */
#define LAYER_MAX_SIZE (UINT64CONST(1) << 50)

bool
bb_timeline_name_is_valid(const char *name)
{
	size_t		length = strlen(name);
	bool		good = length > 0 && length <= BB_TIMELINE_NAME_MAX;

	for (const char *p = name; good && *p; p++)
	{
		bool		alphanumeric = (*p >= 'a' && *p <= 'z') ||
			(*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

		good = alphanumeric ||
			(p > name && (*p == '_' || *p == '-' || *p == '.'));
	}
	return good;
}

void
bb_timeline_name_check(const char *name)
{
	if (!bb_timeline_name_is_valid(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeline name \"%s\"", name),
				 errhint("A timeline's name has up to %d letters, digits, "
						 "\"_\", \"-\" and \".\", and begins with a letter or "
						 "digit.",
						 BB_TIMELINE_NAME_MAX)));
}

TimeLineID
bb_tli_at(const BbTliSwitch *switches, int nswitches, TimeLineID last,
		  XLogRecPtr lsn)
{
	for (int i = 0; i < nswitches; i++)
	{
		if (lsn <= switches[i].until)
			return switches[i].tli;
	}
	return last;
}

void
bb_manifest_cut(BbManifest *manifest, XLogRecPtr lsn)
{
	manifest->end_lsn = lsn;
	manifest->tli = bb_tli_at(manifest->switches, manifest->nswitches,
							  manifest->tli, lsn);
	while (manifest->nswitches > 0 &&
		   manifest->switches[manifest->nswitches - 1].until >= lsn)
		manifest->nswitches--;
}

/* ---- gaps ---- */

BbManifest
bb_manifest_readable(const BbManifest *manifest)
{
	BbManifest	readable = *manifest;

	if (bb_manifest_gap_open(manifest))
	{
		const BbGap *gap = &manifest->gaps[--readable.ngaps];

		bb_manifest_cut(&readable, gap->from);
		readable.prev_lsn = gap->from_prev;
		readable.end_time = gap->from_time;
	}
	return readable;
}

bool
bb_manifest_has_lsn(const BbManifest *manifest, XLogRecPtr lsn)
{
	BbManifest	readable = bb_manifest_readable(manifest);

	if (bb_keeps_has_point(&manifest->keeps, lsn))
		return true;
	return lsn >= readable.start_lsn && lsn <= readable.end_lsn &&
		bb_gap_at(readable.gaps, readable.ngaps, lsn) == NULL;
}

const BbGap *
bb_gap_at(const BbGap *gaps, int ngaps, XLogRecPtr lsn)
{
	for (int i = 0; i < ngaps; i++)
		if (lsn > gaps[i].from && lsn < gaps[i].until)
			return &gaps[i];
	return NULL;
}

const BbGap *
bb_gap_before(const BbGap *gaps, int ngaps, XLogRecPtr lsn)
{
	for (int i = ngaps - 1; i >= 0; i--)
		if (lsn >= gaps[i].until)
			return &gaps[i];
	return NULL;
}

const BbGap *
bb_manifest_gaps(const BbManifest *manifest, int *n)
{
	int			first = 0;

	while (first < manifest->ngaps &&
		   manifest->gaps[first].until <= manifest->start_lsn)
		first++;
	*n = manifest->ngaps - first;
	return manifest->gaps + first;
}

const BbMajor *
bb_manifest_major(const BbManifest *manifest)
{
	const BbMajor *major = bb_major_of(manifest->pg_version_num);

	if (major == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" is of a PostgreSQL %u cluster",
						manifest->timeline, manifest->pg_version_num / 10000),
				 errdetail("This version of bbackup knows PostgreSQL %d to %d.",
						   BB_MAJOR_OLDEST, BB_MAJOR_NEWEST),
				 errhint("Use a newer version of bbackup.")));
	return major;
}

void
bb_manifest_check_version(const BbManifest *manifest)
{
	if (manifest->pg_version_num / 10000 != PG_VERSION_NUM / 10000)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" is of a PostgreSQL %u cluster",
						manifest->timeline, manifest->pg_version_num / 10000),
				 errdetail("This server is PostgreSQL %d. It can read the timeline, but not the WAL of the cluster.",
						   PG_VERSION_NUM / 10000),
				 errhint("Add WAL to it on a server of PostgreSQL %u that uses the same page store. If the cluster was upgraded since, import it as a new timeline, and let bb_set_upgraded_from() note that it continues \"%s\".",
						 manifest->pg_version_num / 10000,
						 manifest->timeline)));
}

void
bb_manifest_check_no_copy(const BbManifest *manifest)
{
	if (manifest->keeps.copy.source != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("timeline \"%s\" is a copy, and cannot be changed",
						manifest->timeline),
				 errdetail("It mirrors the timeline of that name in page store \"%s\".",
						   manifest->keeps.copy.source),
				 errhint("Change it there. bb_detach_copy() makes the copy independent, for example after the loss of that page store.")));
}

/* ---- checks ---- */

static const char *
cluster_error(const BbManifest *manifest)
{
	uint32		major = manifest->pg_version_num / 10000;

	if (major < 10 || major > 99)
		return "The PostgreSQL version is impossible.";
	if (!IsValidWalSegSize(manifest->wal_segment_size))
		return "The WAL segment size is impossible.";
	if (manifest->data_checksum_version != 0 &&
		manifest->data_checksum_version != PG_DATA_CHECKSUM_VERSION)
		return "The version of data checksums is unknown.";
	if (manifest->directory_mode != PG_DIR_MODE_OWNER &&
		manifest->directory_mode != PG_DIR_MODE_GROUP)
		return "The permissions of the data directory are neither 0700 nor "
			   "0750.";
	if (!bb_time_is_valid(manifest->end_time))
		return "The time of the end is impossible.";
	return NULL;
}

/* As readTimeLineHistory in PostgreSQL's timeline.c. */
static const char *
switches_error(const BbManifest *manifest)
{
	TimeLineID	tli = 0;
	XLogRecPtr	until = 0;

	for (int i = 0; i < manifest->nswitches; i++)
	{
		const BbTliSwitch *tli_switch = &manifest->switches[i];

		if (tli_switch->tli <= tli)
			return "The timeline IDs do not rise.";
		if (tli_switch->until < until)
			return "The switches of timeline IDs are not in the order of "
				   "their LSNs.";
		tli = tli_switch->tli;
		until = tli_switch->until;
	}
	if (manifest->tli == 0)
		return "The timeline ID is 0.";
	if (manifest->tli <= tli)
		return "The timeline IDs do not rise.";
	if (until > manifest->end_lsn)
		return "A switch of timeline IDs is past the end.";
	return NULL;
}

static const char *
history_error(const BbManifest *manifest)
{
	XLogRecPtr	start = manifest->start_lsn;

	if (manifest->generation == 0)
		return "The generation is 0.";
	/* the start is past the end until an import is complete */
	if (XLogRecPtrIsInvalid(start))
		return "The start is 0.";
	if (XLogRecPtrIsInvalid(manifest->end_lsn) ||
		manifest->end_lsn == BB_LSN_UNKNOWN)
		return "The end is impossible.";
	if (!XLogRecPtrIsInvalid(manifest->prev_lsn) &&
		manifest->prev_lsn >= manifest->end_lsn)
		return "The last record does not begin before the end.";
	if (manifest->ancestor == NULL)
	{
		if (!XLogRecPtrIsInvalid(manifest->ancestor_lsn))
			return "There is an LSN of an ancestor, but no ancestor.";
	}
	else if (!bb_timeline_name_is_valid(manifest->ancestor))
		return "The name of the ancestor is invalid.";
	else if (strcmp(manifest->ancestor, manifest->timeline) == 0)
		return "The timeline is its own ancestor.";
	else if (XLogRecPtrIsInvalid(manifest->ancestor_lsn) ||
			 manifest->ancestor_lsn > start)
		return "The timeline does not begin where it branches off its "
			   "ancestor.";
	return NULL;
}

static const char *
upgrade_error(const BbManifest *manifest)
{
	if (manifest->upgraded_from == NULL)
		return NULL;
	if (!bb_timeline_name_is_valid(manifest->upgraded_from))
		return "The name of the timeline that was upgraded is invalid.";
	if (strcmp(manifest->upgraded_from, manifest->timeline) == 0)
		return "The timeline was upgraded from itself.";
	if (manifest->ancestor != NULL)
		return "A branch was upgraded.";
	return NULL;
}

static const char *
gap_error(const BbManifest *manifest, const BbGap *gap, XLogRecPtr after,
		  bool last)
{
	bool		open = gap->until > manifest->end_lsn;

	if (gap->from < after || gap->from >= manifest->end_lsn ||
		!bb_manifest_consistent(manifest))
		return "A gap does not begin within the timeline.";
	if (gap->from < manifest->start_lsn && gap->until > manifest->start_lsn)
		return "The timeline begins in a gap.";
	if (gap->until <= gap->from || (open && !last))
		return "A gap does not end within the timeline.";
	if (!XLogRecPtrIsInvalid(gap->from_prev) && gap->from_prev >= gap->from)
		return "The last record before a gap does not begin before the gap.";
	if (!bb_time_is_valid(gap->from_time) ||
		!bb_time_is_valid(gap->until_time) || (open && gap->until_time != 0))
		return "The time of a gap is impossible.";
	return NULL;
}

static const char *
gaps_error(const BbManifest *manifest)
{
	const char *error = NULL;
	XLogRecPtr	after = manifest->ancestor_lsn;

	for (int i = 0; error == NULL && i < manifest->ngaps; i++)
	{
		error = gap_error(manifest, &manifest->gaps[i], after,
						  i == manifest->ngaps - 1);
		after = manifest->gaps[i].until;
	}
	return error;
}

static const char *
layer_error(const BbLayerDesc *layer, XLogRecPtr end_lsn)
{
	if (bb_key_compare(&layer->keys.start, &layer->keys.end) >= 0)
		return "The key range of a layer is empty.";
	if (layer->lsn_start >= layer->lsn_end || layer->lsn_end - 1 > end_lsn)
		return "The LSN range of a layer is impossible.";
	if (layer->image && layer->lsn_end != layer->lsn_start + 1)
		return "An image layer has more than one LSN.";
	if (layer->size <
			BB_LAYER_HEADER_SIZE + BB_BLOCK_HEADER_SIZE + BB_FOOTER_SIZE ||
		layer->size > LAYER_MAX_SIZE)
		return "The size of a layer is impossible.";
	if (layer->entries == 0 || layer->entries > LAYER_MAX_SIZE)
		return "The number of entries of a layer is impossible.";
	if (!bb_commit_is_valid(layer->newest_commit))
		return "The newest commit of a layer is impossible.";
	return NULL;
}

static const char *
retention_error(const BbRetention *retention)
{
	if (!bb_time_is_valid(retention->window_s) ||
		!bb_time_is_valid(retention->floor_s) ||
		retention->hourly > BB_RETENTION_POINTS_MAX ||
		retention->daily > BB_RETENTION_POINTS_MAX ||
		retention->weekly > BB_RETENTION_POINTS_MAX ||
		retention->monthly > BB_RETENTION_POINTS_MAX ||
		retention->yearly > BB_RETENTION_POINTS_MAX)
		return "The retention is impossible.";
	return NULL;
}

static const char *
pins_error(const BbKeeps *keeps)
{
	for (int i = 0; i < keeps->npins; i++)
	{
		const BbPin *pin = &keeps->pins[i];

		if (!bb_timeline_name_is_valid(pin->name))
			return "The name of a pin is invalid.";
		if (i > 0 && strcmp(keeps->pins[i - 1].name, pin->name) >= 0)
			return "The pins are not in the order of their names.";
		if (XLogRecPtrIsInvalid(pin->lsn))
			return "The LSN of a pin is 0.";
		if (strlen(pin->reason) > BB_PIN_REASON_MAX ||
			strlen(pin->owner) > BB_PIN_OWNER_MAX)
			return "The reason or the owner of a pin is too long.";
		if (!bb_time_is_valid(pin->created_at) ||
			!bb_time_is_valid(pin->expires_at))
			return "The time of a pin is impossible.";
		if (bb_pin_is_lease(pin) && pin->expires_at == 0)
			return "A lease does not expire.";
	}
	return NULL;
}

static const char *
copy_error(const BbCopyMark *copy)
{
	bool		marked = copy->source != NULL;

	if (marked != (copy->generation != 0) || (!marked && copy->copied_at != 0))
		return "The mark of a copy is not complete.";
	if (marked && strlen(copy->source) > BB_COPY_SOURCE_MAX)
		return "The URL of what is copied is too long.";
	if (!bb_time_is_valid(copy->copied_at))
		return "The time of a copy is impossible.";
	return NULL;
}

static const char *
points_error(const BbManifest *manifest)
{
	const BbKeeps *keeps = &manifest->keeps;
	XLogRecPtr	before = InvalidXLogRecPtr;

	for (int i = 0; i < keeps->npoints; i++)
	{
		if (keeps->points[i].lsn <= before ||
			keeps->points[i].lsn >= manifest->start_lsn)
			return "The points do not rise up to the start.";
		if (!bb_time_is_valid(keeps->points[i].time))
			return "The time of a point is impossible.";
		before = keeps->points[i].lsn;
	}
	return NULL;
}

/*
 * The end may have been moved back since a layer was retired.  The object of a
 * retired layer is removed some day, so a layer in use must not be one.
 */
static const char *
retired_error(const BbManifest *manifest)
{
	const BbKeeps *keeps = &manifest->keeps;
	BbLayerSet *retired;

	if (keeps->nretired == 0)
		return NULL;
	retired = bb_layerset_new(keeps->nretired);
	for (int i = 0; i < keeps->nretired; i++)
	{
		const char *error = layer_error(&keeps->retired[i].layer,
										PG_UINT64_MAX);

		if (error != NULL)
			return error;
		if (!bb_time_is_valid(keeps->retired[i].since))
			return "The time of a retired layer is impossible.";
		bb_layerset_add(retired, &keeps->retired[i].layer);
	}
	if (!bb_layerset_complete(retired))
		return "A layer is retired twice.";
	for (int i = 0; i < manifest->nlayers; i++)
		if (bb_layerset_has(retired, &manifest->layers[i]))
			return "A retired layer is still in use.";
	return NULL;
}

static const char *
keeps_error(const BbManifest *manifest)
{
	const char *error = retention_error(&manifest->keeps.retention);

	if (error == NULL)
		error = pins_error(&manifest->keeps);
	if (error == NULL)
		error = points_error(manifest);
	if (error == NULL)
		error = retired_error(manifest);
	if (error == NULL)
		error = copy_error(&manifest->keeps.copy);
	return error;
}

const char *
bb_manifest_error(const BbManifest *manifest)
{
	const char *error = NULL;

	if (!bb_timeline_name_is_valid(manifest->timeline))
		return "The name of the timeline is invalid.";
	error = cluster_error(manifest);
	if (error == NULL)
		error = history_error(manifest);
	if (error == NULL)
		error = upgrade_error(manifest);
	if (error == NULL)
		error = switches_error(manifest);
	if (error == NULL)
		error = gaps_error(manifest);
	if (error == NULL)
		error = keeps_error(manifest);
	for (int i = 0; error == NULL && i < manifest->nlayers; i++)
		error = layer_error(&manifest->layers[i], manifest->end_lsn);
	return error;
}

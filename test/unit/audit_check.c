/*-------------------------------------------------------------------------
 *
 * audit_check.c
 *	  What an audit checks after steps.
 *
 * The rules of manifests are stated here once more, by themselves: nothing here
 * calls the code that plans upkeep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "audit.h"
#include "base/compat.h"
#include "base/settings.h"
#include "datatype/timestamp.h"
#include "wal/page.h"

AuditDone	audit_done;

void
audit_broken(const AuditLine *line, const char *format, ...)
{
	StringInfoData text;
	va_list		args;

	initStringInfo(&text);
	va_start(args, format);
	if (appendStringInfoVA(&text, format, args) != 0)
		text.data = unconstify(char *, format);
	va_end(args);
	elog(ERROR, "%s: %s", line->name, text.data);
}

static bool
is_readable(const BbManifest *manifest, XLogRecPtr lsn)
{
	if (lsn >= manifest->start_lsn && lsn <= manifest->end_lsn)
		return bb_gap_at(manifest->gaps, manifest->ngaps, lsn) == NULL;
	for (int i = 0; i < manifest->keeps.npoints; i++)
		if (manifest->keeps.points[i].lsn == lsn)
			return true;
	return false;
}

/* ---- manifests ---- */

/* An LSN that was given up doesn't come back, and what is held stays. */
static void
check_readable(const AuditWorld *world, const AuditLine *line,
			   const BbManifest *now)
{
	const BbManifest *before = line->seen;

	for (int i = 0; i < now->keeps.npoints; i++)
		if (!is_readable(before, now->keeps.points[i].lsn))
			audit_broken(line, "point " BB_LSN_FORMAT " came back",
						 LSN_FORMAT_ARGS(now->keeps.points[i].lsn));
	if (now->start_lsn < before->start_lsn)
		audit_broken(line,
					 "the start fell from " BB_LSN_FORMAT " to " BB_LSN_FORMAT,
					 LSN_FORMAT_ARGS(before->start_lsn),
					 LSN_FORMAT_ARGS(now->start_lsn));
	if (now->start_lsn > now->end_lsn || now->end_lsn != line->lsn)
		audit_broken(line,
					 "it reaches from " BB_LSN_FORMAT " to " BB_LSN_FORMAT
					 ", not " BB_LSN_FORMAT,
					 LSN_FORMAT_ARGS(now->start_lsn),
					 LSN_FORMAT_ARGS(now->end_lsn),
					 LSN_FORMAT_ARGS(line->lsn));
	for (int i = 0; i < AUDIT_PINS; i++)
	{
		const AuditPin *pin = &line->pins[i];

		if (pin->set &&
			(pin->expires_at == 0 || pin->expires_at > world->latest) &&
			!is_readable(now, pin->lsn))
			audit_broken(line,
						 "pin %d holds " BB_LSN_FORMAT ", which can't be read",
						 i, LSN_FORMAT_ARGS(pin->lsn));
	}
	for (int i = 0; i < AUDIT_LINES; i++)
	{
		const AuditLine *branch = world->lines[i];

		if (audit_alive(branch) && branch->ancestor == line &&
			!is_readable(now, branch->ancestor_lsn))
			audit_broken(line,
						 "branch %s holds " BB_LSN_FORMAT
						 ", which can't be read",
						 branch->name, LSN_FORMAT_ARGS(branch->ancestor_lsn));
	}
}

/*
 * Was the clock ahead at a commit, by more than "jump" of what is the end now, and
 * have later commits left the window?
 */
static bool
was_ahead(const AuditLine *line, int commit, int64 since, int64 jump)
{
	int64		window = Max(line->seen->keeps.retention.window_s,
							 line->seen->keeps.retention.floor_s);

	if (line->records[commit].time <= since + window + jump)
		return false;
	for (int i = commit + 1; i < line->nrecords; i++)
	{
		const AuditRecord *record = &line->records[i];

		if (!record->commit || record->time > since + window + jump)
			continue;
		return record->time <= since;
	}
	return false;
}

/*
 * After a jump of the clock, what came before it goes only when half of a window
 * has passed.
 */
static void
check_jump(const AuditLine *line, const BbManifest *now, int64 end,
		   int64 window)
{
	const AuditRecord *last = NULL;

	for (int i = 0; i < line->nrecords; i++)
	{
		const AuditRecord *record = &line->records[i];

		if (!record->commit)
			continue;
		if (last != NULL && last->lsn <= now->start_lsn &&
			last->lsn > line->seen->start_lsn &&
			record->lsn > now->start_lsn && record->time <= end &&
			record->time - last->time > Max(window, SECS_PER_HOUR) &&
			end - record->time < window / 2)
			audit_broken(
				line,
				"the start moved to the jump of a clock at " BB_LSN_FORMAT,
				LSN_FORMAT_ARGS(record->lsn));
		last = record;
	}
}

/*
 * The start moves no further than the window before says, by the clocks as they
 * are now: also if an EXPIRE was planned before one of them was set back.
 */
static void
check_cutoff(const AuditWorld *world, const AuditLine *line,
			 const BbManifest *now)
{
	const BbManifest *before = line->seen;
	const BbRetention *retention = &before->keeps.retention;
	int64		window = Max(retention->window_s, retention->floor_s);
	int64		since = Min(now->end_time, audit_now(world)) - window;

	if (now->start_lsn == before->start_lsn)
		return;
	if (retention->window_s == 0)
		audit_broken(line, "the start moved without a window");
	check_jump(line, now, since + window, window);
	for (int i = 0; i < line->nrecords; i++)
	{
		const AuditRecord *record = &line->records[i];

		/* what was given up when a clock was ahead doesn't hold the rest */
		if (!record->commit || record->time <= since ||
			record->lsn <= before->start_lsn ||
			was_ahead(line, i, since, Max(window, SECS_PER_HOUR)))
			continue;
		/* what was there when the window begins is in it */
		if (now->start_lsn >= record->lsn)
			audit_broken(line,
						 "the start moved to " BB_LSN_FORMAT
						 ", but the commit at " BB_LSN_FORMAT
						 " is within the window",
						 LSN_FORMAT_ARGS(now->start_lsn),
						 LSN_FORMAT_ARGS(record->lsn));
		break;
	}
}

static bool
same_layer(const BbLayerDesc *a, const BbLayerDesc *b)
{
	return a->file_id == b->file_id &&
		bb_key_compare(&a->keys.start, &b->keys.start) == 0;
}

static bool
is_named(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (same_layer(&manifest->layers[i], layer))
			return true;
	for (int i = 0; i < manifest->keeps.nretired; i++)
		if (same_layer(&manifest->keeps.retired[i].layer, layer))
			return true;
	return false;
}

static bool
is_due(const BbRetired *retired, int64 now)
{
	return now - retired->since >= AUDIT_DELAY_S;
}

/* A layer is retired first, and forgotten after the delay. */
static void
check_removal(const AuditWorld *world, const AuditLine *line,
			  const BbManifest *now)
{
	const BbManifest *before = line->seen;

	for (int i = 0; i < before->nlayers; i++)
		if (!is_named(now, &before->layers[i]))
			audit_broken(line, "layer %s went without being retired",
						 bb_layer_name(&before->layers[i]));
	for (int i = 0; i < before->keeps.nretired; i++)
	{
		const BbRetired *retired = &before->keeps.retired[i];

		if (is_named(now, &retired->layer))
			continue;
		audit_done.forgotten++;
		/* a crash between would leave what nobody knows of */
		if (access(unit_object_path(world->objects,
									bb_layer_object_name(line->name,
														 &retired->layer)),
				   F_OK) == 0)
			audit_broken(line, "layer %s was forgotten before its removal",
						 bb_layer_name(&retired->layer));
		if (!is_due(retired, audit_now(world)))
			audit_broken(line, "layer %s was forgotten early",
						 bb_layer_name(&retired->layer));
	}
}

/* No two delta layers, and no two images of an LSN, have the same keys. */
static void
check_rectangles(const AuditLine *line, const BbManifest *now)
{
	for (int i = 0; i < now->nlayers; i++)
		for (int j = 0; j < i; j++)
		{
			const BbLayerDesc *a = &now->layers[i];
			const BbLayerDesc *b = &now->layers[j];

			if (a->image == b->image && a->lsn_start < b->lsn_end &&
				b->lsn_start < a->lsn_end &&
				bb_key_compare(&a->keys.start, &b->keys.end) < 0 &&
				bb_key_compare(&b->keys.start, &a->keys.end) < 0)
				audit_broken(line, "layers %s and %s overlap",
							 bb_layer_name(a), bb_layer_name(b));
		}
}

static List *
list_objects(const AuditWorld *world, const AuditLine *line)
{
	return bb_objstore_list(world->ctx, world->objects,
							psprintf("timelines/%s/layers", line->name));
}

static bool
is_listed(List *objects, const AuditLine *line, const BbLayerDesc *layer)
{
	char	   *name = bb_layer_object_name(line->name, layer);
	ListCell   *cell;
	bool		found = false;

	foreach(cell, objects)
		found = found ||
			strcmp(((BbObjectInfo *) lfirst(cell))->name, name) == 0;
	return found;
}

/* What the manifest names is there. */
static void
check_objects(const AuditWorld *world, const AuditLine *line,
			  const BbManifest *now)
{
	List	   *objects = list_objects(world, line);

	for (int i = 0; i < now->nlayers; i++)
		if (!is_listed(objects, line, &now->layers[i]))
			audit_broken(line, "layer %s is lost",
						 bb_layer_name(&now->layers[i]));
	for (int i = 0; i < now->keeps.nretired; i++)
	{
		const BbRetired *retired = &now->keeps.retired[i];

		if (!is_due(retired, world->latest) &&
			!is_listed(objects, line, &retired->layer))
			audit_broken(line, "retired layer %s was removed early",
						 bb_layer_name(&retired->layer));
	}
}

static void
check_manifest(AuditWorld *world, AuditLine *line, bool objects)
{
	MemoryContext context = AllocSetContextCreate(world->context, "seen",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbManifest *now = bb_manifest_read(world->ctx, world->objects, line->name);

	if (line->seen != NULL)
	{
		check_readable(world, line, now);
		check_cutoff(world, line, now);
		audit_check_points(world, line, now);
		check_removal(world, line, now);
		MemoryContextDelete(line->seen_context);
	}
	check_rectangles(line, now);
	if (objects)
		check_objects(world, line, now);
	line->seen = now;
	line->seen_context = context;
	MemoryContextSwitchTo(old);
}

void
audit_check_manifests(AuditWorld *world, const AuditLine *line)
{
	for (int i = 0; i < AUDIT_LINES; i++)
		if (audit_alive(world->lines[i]))
			check_manifest(world, world->lines[i],
						   line == NULL || line == world->lines[i]);
}

void
audit_check_swept(AuditWorld *world, const AuditLine *line)
{
	BbManifest *now = bb_manifest_find(world->ctx, world->objects, line->name);
	ListCell   *cell;

	foreach(cell, list_objects(world, line))
	{
		const char *name = ((BbObjectInfo *) lfirst(cell))->name;
		bool		found = false;

		for (int i = 0; now != NULL && i < now->nlayers && !found; i++)
			found = strcmp(bb_layer_object_name(line->name, &now->layers[i]),
						   name) == 0;
		for (int i = 0; now != NULL && i < now->keeps.nretired && !found; i++)
			found = strcmp(bb_layer_object_name(line->name,
												&now->keeps.retired[i].layer),
						   name) == 0;
		if (!found)
			audit_broken(line, "%s is left after a sweep", name);
	}
}

/* ---- reads ---- */

static bool
equals(const uint8 *data, uint32 length, const AuditValue *value)
{
	return length == value->length &&
		memcmp(data, value->page.data, length) == 0;
}

static void
check_value(const AuditLine *line, const BbKey *key, XLogRecPtr lsn,
			const BbValue *got, const char *how)
{
	AuditValue	value;

	audit_line_value(line, key, lsn, &value);
	if (value.optional)
		return;
	if ((got != NULL) != value.exists)
		audit_broken(line, "%s at " BB_LSN_FORMAT " %s in a %s",
					 bb_key_text(key), LSN_FORMAT_ARGS(lsn),
					 value.exists ? "is missing" : "should not exist", how);
	if (got != NULL && !equals(got->data, got->length, &value))
		audit_broken(line, "%s at " BB_LSN_FORMAT " has another value in a %s",
					 bb_key_text(key), LSN_FORMAT_ARGS(lsn), how);
}

void
audit_check_point(AuditWorld *world, const AuditLine *line,
				  const BbSnapshot *snapshot, const BbKey *key)
{
	BbValue		value;
	bool		found = bb_pagestore_get(world->ctx, snapshot, key, &value);

	check_value(line, key, snapshot->lsn, found ? &value : NULL, "point read");
}

/* The next key of a scan; false: there is none. */
static bool
scan_next(const BbReqCtx *ctx, BbPageScan *scan, BbKey *key, BbValue *value)
{
	while (bb_pagestore_scan_next(ctx, scan, key, value))
		if (key->bytes[0] != BB_KEY_RECORD_ENDS)
			return true;
	return false;
}

/*
 * Compare what the scan of a reader returns next with the keys that it should,
 * up to an existing one.  Returns false at the end.
 */
static bool
check_scan_step(AuditWorld *world, AuditReader *reader)
{
	const AuditLine *line = reader->line;
	XLogRecPtr	lsn = reader->snapshot.lsn;
	BbKey		key;
	BbValue		value;
	bool		more = scan_next(world->ctx, reader->scan, &key, &value);

	for (; reader->at < reader->nkeys; reader->at++)
	{
		const BbKey *expected = &reader->keys[reader->at];

		if (more && bb_key_compare(&key, expected) <= 0)
			break;
		check_value(line, expected, lsn, NULL, "scan");
	}
	if (!more)
		return false;
	if (reader->at == reader->nkeys ||
		bb_key_compare(&key, &reader->keys[reader->at]) != 0)
		audit_broken(line, "%s at " BB_LSN_FORMAT " was never there",
					 bb_key_text(&key), LSN_FORMAT_ARGS(lsn));
	check_value(line, &key, lsn, &value, "scan");
	reader->at++;
	return true;
}

/* What a backup needs of the record that ends there. */
static void
check_record(AuditWorld *world, const AuditLine *line,
			 const BbSnapshot *snapshot)
{
	XLogRecPtr	lsn = snapshot->lsn;
	int64		time = bb_snapshot_time(world->ctx, snapshot);
	BbWalStream stream = {.tli = 1, .segment_size = 16 * 1024 * 1024};

	if (time != audit_line_record(line, lsn).time)
		audit_broken(line, "the time at " BB_LSN_FORMAT " is " INT64_FORMAT,
					 LSN_FORMAT_ARGS(lsn), time);
	/* ingest says it of the end, and the import of its own */
	for (int i = 1; i < line->nrecords && lsn != line->lsn; i++)
	{
		XLogRecPtr	before = line->records[i - 1].lsn;
		XLogRecPtr	found;

		if (line->records[i].lsn != lsn || before == START ||
			line->records[i].after_gap)
			continue;
		found = bb_snapshot_prev_lsn(world->ctx, snapshot);
		if (found != bb_wal_record_start(&stream, before))
			audit_broken(line,
						 "the record up to " BB_LSN_FORMAT
						 " begins at " BB_LSN_FORMAT
						 ", not after " BB_LSN_FORMAT,
						 LSN_FORMAT_ARGS(lsn), LSN_FORMAT_ARGS(found),
						 LSN_FORMAT_ARGS(before));
	}
}

/* All keys at an LSN that can be read. */
static void
check_lsn(AuditWorld *world, AuditLine *line, BbPageStore *store,
		  XLogRecPtr lsn)
{
	MemoryContext context = unit_enter();
	AuditRecord record = audit_line_record(line, lsn);
	BbKeyRange	all = bb_key_range_all();
	AuditReader reader = {.line = line, .lsn = lsn, .store = store};

	reader.snapshot = bb_snapshot_take(world->ctx, store, lsn);
	if (reader.snapshot.lsn != record.lsn)
		audit_broken(line,
					 "the record before " BB_LSN_FORMAT
					 " ends at " BB_LSN_FORMAT
					 " according to the store, not " BB_LSN_FORMAT,
					 LSN_FORMAT_ARGS(lsn),
					 LSN_FORMAT_ARGS(reader.snapshot.lsn),
					 LSN_FORMAT_ARGS(record.lsn));
	check_record(world, line, &reader.snapshot);
	reader.keys = audit_line_keys(line, &reader.nkeys);
	reader.scan = bb_pagestore_scan_new(world->ctx, &reader.snapshot, &all);
	while (check_scan_step(world, &reader))
	{
	}
	bb_pagestore_scan_close(reader.scan);
	for (int i = 0; i < 4; i++)
		audit_check_point(world, line, &reader.snapshot,
						  &reader.keys[model_roll(reader.nkeys)]);
	unit_leave(context);
}

/* Does the last error say from where on the timeline can be read? */
static bool
names_window(const BbManifest *manifest)
{
	char	   *start = psprintf(BB_LSN_FORMAT,
								 LSN_FORMAT_ARGS(manifest->start_lsn));

	return (unit_last_detail != NULL && strstr(unit_last_detail, start)) ||
		strstr(unit_last_error, start);
}

static void
check_refused(AuditWorld *world, AuditLine *line, BbPageStore *store,
			  const BbManifest *manifest, XLogRecPtr lsn)
{
	int			expected = lsn > manifest->end_lsn
		? ERRCODE_INVALID_PARAMETER_VALUE
		: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	XLogRecPtr	start = manifest->start_lsn;
	int			sqlstate;

	if (lsn == 0 || is_readable(manifest, lsn))
		return;
	ERROR_OF((void) bb_snapshot_take(world->ctx, store, lsn), sqlstate);
	if (sqlstate != expected ||
		(!names_window(manifest) && (lsn < start || lsn > manifest->end_lsn)))
		audit_broken(line,
					 "a read at " BB_LSN_FORMAT
					 ", outside of the window, gave: %s",
					 LSN_FORMAT_ARGS(lsn),
					 sqlstate == 0 ? "no error" : unit_last_error);
	audit_done.refusals++;
}

static void
check_line(AuditWorld *world, AuditLine *line)
{
	BbManifest *manifest = bb_manifest_read(world->ctx, world->objects,
											line->name);
	BbPageStore *store = bb_pagestore_open_in(world->ctx, world->objects,
											  line->name);
	XLogRecPtr	start = manifest->start_lsn;
	XLogRecPtr	end = manifest->end_lsn;

	check_lsn(world, line, store, start);
	check_lsn(world, line, store, end);
	for (int i = 0; i < 2; i++)
	{
		XLogRecPtr	lsn = pg_prng_uint64_range(&model_prng, start, end);

		if (is_readable(manifest, lsn))
			check_lsn(world, line, store, lsn);
		else
			check_refused(world, line, store, manifest, lsn);
	}
	for (int i = 0; i < manifest->ngaps; i++)
	{
		check_refused(world, line, store, manifest,
					  manifest->gaps[i].from + 1);
		check_refused(world, line, store, manifest,
					  manifest->gaps[i].until - 1);
	}
	check_lsn(world, line, store, audit_draw_lsn(line, manifest));
	for (int i = 0; i < manifest->keeps.npoints; i++)
		check_lsn(world, line, store, manifest->keeps.points[i].lsn);
	audit_done.points += manifest->keeps.npoints;
	/* around the layers' borders */
	for (int i = 0; i < 3 && manifest->nlayers > 0; i++)
	{
		const BbLayerDesc
			*layer = &manifest->layers[model_roll(manifest->nlayers)];
		XLogRecPtr	lsn = model_roll(2) ? layer->lsn_start - model_roll(2)
										: layer->lsn_end - model_roll(2);

		if (lsn >= start && lsn <= end && is_readable(manifest, lsn))
			check_lsn(world, line, store, lsn);
	}
	check_refused(world, line, store, manifest, start - 1);
	check_refused(world, line, store, manifest, end + 1);
	check_refused(world, line, store, manifest,
				  pg_prng_uint64_range(&model_prng, 1, start));
}

void
audit_check_reads(AuditWorld *world)
{
	for (int i = 0; i < AUDIT_LINES; i++)
	{
		MemoryContext context = unit_enter();

		if (audit_alive(world->lines[i]))
			check_line(world, world->lines[i]);
		unit_leave(context);
	}
}

/* ---- readers that stand still ---- */

void
audit_reader_close(AuditReader *reader)
{
	if (reader->context != NULL)
		MemoryContextDelete(reader->context);
	*reader = (AuditReader){0};
}

static void
go_on(AuditWorld *world, AuditReader *reader, int steps)
{
	if (reader->scan == NULL)
		steps = Min(steps, reader->nkeys);
	while (steps-- > 0)
	{
		if (reader->scan == NULL)
			audit_check_point(world, reader->line, &reader->snapshot,
							  &reader->keys[model_roll(reader->nkeys)]);
		else if (!check_scan_step(world, reader))
		{
			bb_pagestore_scan_close(reader->scan);
			reader->scan = NULL;
			return;
		}
	}
}

/* A reader may fail only if its LSN was given up. */
static void
check_failed(AuditWorld *world, const AuditReader *reader, int sqlstate)
{
	AuditLine  *line = reader->line;
	BbManifest *manifest;

	if (line->dropped)
	{
		if (sqlstate != ERRCODE_UNDEFINED_FILE &&
			sqlstate != ERRCODE_UNDEFINED_OBJECT &&
			sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
			audit_broken(line, "a reader of a dropped timeline got: %s",
						 unit_last_error);
		return;
	}
	manifest = bb_manifest_read(world->ctx, world->objects, line->name);
	if (is_readable(manifest, reader->snapshot.lsn))
		audit_broken(line, "a reader at " BB_LSN_FORMAT " failed: %s",
					 LSN_FORMAT_ARGS(reader->snapshot.lsn), unit_last_error);
	if (sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		!names_window(manifest))
		audit_broken(line,
					 "a reader at " BB_LSN_FORMAT
					 ", which has expired, got: %s",
					 LSN_FORMAT_ARGS(reader->snapshot.lsn), unit_last_error);
}

/* Have layers been removed that it began with? */
static bool
is_bereft(const AuditWorld *world, const AuditReader *reader)
{
	BbManifest *now = bb_manifest_find(world->ctx, world->objects,
									   reader->line->name);

	for (int i = 0; now != NULL && i < reader->opened->nlayers; i++)
		if (!is_named(now, &reader->opened->layers[i]))
			return true;
	return false;
}

void
audit_read_on(AuditWorld *world, AuditReader *reader, int steps)
{
	MemoryContext old;
	int			sqlstate;

	if (reader->context == NULL)
		return;
	old = MemoryContextSwitchTo(reader->context);
	ERROR_OF(go_on(world, reader, steps), sqlstate);
	MemoryContextSwitchTo(old);
	if (sqlstate == ERRCODE_INTERNAL_ERROR)
		elog(ERROR, "a reader that stood still: %s", unit_last_error);
	audit_done.stale += sqlstate == 0 &&
		!bb_pagestore_is_current(world->ctx, reader->store);
	audit_done.bereft += sqlstate == 0 && is_bereft(world, reader);
	if (sqlstate == 0)
		return;
	audit_done.expired++;
	check_failed(world, reader, sqlstate);
	audit_reader_close(reader);
}

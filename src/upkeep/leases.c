/*-------------------------------------------------------------------------
 *
 * leases.c
 *	  Leases: LSNs that stay readable while a client reads them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "layer/manifest_apply.h"
#include "layer/manifest_edit.h"
#include "members/plan.h"
#include "upkeep/leases.h"

static void
check_name(const char *name)
{
	if (!bb_timeline_name_is_valid(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid lease name \"%s\"", name),
				 errhint("A lease's name has up to %d letters, digits, \"_\", \"-\" and \".\", and begins with a letter or digit.",
						 BB_PIN_NAME_MAX)));
}

static void
check_duration(int64 duration_s)
{
	if (duration_s < BB_LEASE_MIN_S || duration_s > BB_LEASE_MAX_S)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid duration of a lease"),
				 errdetail("It is " INT64_FORMAT " seconds.", duration_s),
				 errhint("A lease is for a second to 30 days, and can be renewed. bb_pin() keeps an LSN for longer.")));
}

/* The lease of that name, or NULL; a pin counts if "pins" says so. */
static const BbPin *
find(const BbManifest *manifest, const char *name, bool pins)
{
	int			i = bb_keeps_find_pin(&manifest->keeps, name);

	return i >= 0 && (pins || bb_pin_is_lease(&manifest->keeps.pins[i]))
		? &manifest->keeps.pins[i]
		: NULL;
}

const BbPin *
bb_lease_find(const BbManifest *manifest, const char *name)
{
	const BbPin *lease = find(manifest, name, false);

	if (lease == NULL)
		bb_manifest_report_no_lease(manifest, name);
	return lease;
}

/* ---- the tli ---- */

/* The tli of a new lease: one that neither the source nor a lease has. */
static TimeLineID
choose_tli(const BbReqCtx *ctx, const BbManifest *manifest,
		   const BbSnapshot *snapshot, TimeLineID wanted, int64 now)
{
	List	   *known = bb_clonetli_known(ctx, snapshot->store,
										  bb_smallfiles_new(ctx, snapshot));

	for (int i = 0; i < manifest->keeps.npins; i++)
	{
		const BbPin *lease = &manifest->keeps.pins[i];

		if (!bb_pin_is_lease(lease) || bb_pin_lapsed(lease, now))
			continue;
		if (wanted != 0 && lease->new_tli == wanted)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("new_tli %u is that of lease \"%s\"", wanted,
							lease->name),
					 errhint("Omit new_tli to get one that no lease has.")));
		known = list_append_unique_oid(known, lease->new_tli);
	}
	return bb_clonetli_choose(known, snapshot->tli, wanted);
}

/* ---- taking, renewing, releasing ---- */

/* Does the request ask for what the lease of that name has? */
static bool
is_same(const BbPin *lease, const BbLeaseRequest *request)
{
	return bb_pin_is_lease(lease) &&
		(XLogRecPtrIsInvalid(request->lsn) || request->lsn == lease->lsn) &&
		(request->new_tli == 0 || request->new_tli == lease->new_tli);
}

static void
check_request(const BbManifest *manifest, const BbLeaseRequest *request,
			  const BbPin *same)
{
	if (strlen(request->reason) > BB_PIN_REASON_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason of lease \"%s\" is too long", request->name),
				 errdetail("It has %zu bytes, and at most %d are possible.",
						   strlen(request->reason), BB_PIN_REASON_MAX)));
	if (same == NULL || is_same(same, request))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("timeline \"%s\" has a %s \"%s\" already",
					manifest->timeline,
					bb_pin_is_lease(same) ? "lease" : "pin", same->name),
			 errdetail("It is at " BB_LSN_FORMAT ", with new_tli %u.",
					   LSN_FORMAT_ARGS(same->lsn), same->new_tli),
			 errhint("Use another name.")));
}

static BbPin
commit(const BbReqCtx *ctx, BbObjectStore *objects, const BbManifest *manifest,
	   BbPin *lease, bool renewal, int64 now)
{
	/* a lease that has expired, and is renewed, stays */
	BbManifestEdit edit = {.base = manifest,
						   .pinned = lease,
						   .renewal = renewal,
						   .lapsed_at = now};

	(void) bb_manifest_edit(ctx, objects, &edit);
	return *lease;
}

/* The snapshot of the request. */
static BbSnapshot
snapshot_of(const BbReqCtx *ctx, BbObjectStore *objects, const char *timeline,
			const BbLeaseRequest *request)
{
	return bb_snapshot_take(ctx, bb_pagestore_open_in(ctx, objects, timeline),
							request->lsn);
}

BbPin
bb_lease_take(const BbReqCtx *ctx, BbObjectStore *objects,
			  const char *timeline, const BbLeaseRequest *asked)
{
	BbLeaseRequest request = *asked;
	BbManifest *manifest;
	const BbPin *same;
	BbSnapshot	snapshot;
	BbPin		lease = {.name = pstrdup(asked->name),
						 .reason = pstrdup(asked->reason),
						 .owner = pstrdup(asked->owner),
						 .created_at = asked->now,
						 .expires_at = asked->now + asked->duration_s};

	check_name(asked->name);
	check_duration(asked->duration_s);
	manifest = bb_manifest_read(ctx, objects, timeline);
	same = find(manifest, asked->name, true);
	/* an LSN at which no record ends stands for that of the record before */
	if (same != NULL && !XLogRecPtrIsInvalid(asked->lsn) &&
		asked->lsn != same->lsn)
		request.lsn = snapshot_of(ctx, objects, timeline, asked).lsn;
	check_request(manifest, &request, same);
	if (same != NULL)
	{
		lease = *same;
		lease.expires_at = Max(lease.expires_at,
							   asked->now + asked->duration_s);
		return commit(ctx, objects, manifest, &lease, false, asked->now);
	}
	snapshot = snapshot_of(ctx, objects, timeline, asked);
	lease.lsn = snapshot.lsn;
	lease.new_tli = choose_tli(ctx, manifest, &snapshot, asked->new_tli,
							   asked->now);
	return commit(ctx, objects, manifest, &lease, false, asked->now);
}

BbPin
bb_lease_renew(const BbReqCtx *ctx, BbObjectStore *objects,
			   const char *timeline, const char *name, int64 now,
			   int64 duration_s)
{
	BbManifest *manifest;
	BbPin		lease;

	check_name(name);
	check_duration(duration_s);
	manifest = bb_manifest_read(ctx, objects, timeline);
	lease = *bb_lease_find(manifest, name);
	lease.expires_at = now + duration_s;
	return commit(ctx, objects, manifest, &lease, true, now);
}

bool
bb_lease_release(const BbReqCtx *ctx, BbObjectStore *objects,
				 const char *timeline, const char *name)
{
	BbManifest *manifest;
	const BbPin *same;
	BbManifestEdit edit = {.unpinned = name};

	check_name(name);
	manifest = bb_manifest_read(ctx, objects, timeline);
	same = find(manifest, name, true);
	if (same == NULL)
		return false;
	if (!bb_pin_is_lease(same))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a pin, not a lease", name),
				 errhint("bb_unpin() removes a pin.")));
	edit.base = manifest;
	(void) bb_manifest_edit(ctx, objects, &edit);
	return true;
}

/*-------------------------------------------------------------------------
 *
 * audit_loss.c
 *	  A layer that is lost for a while.
 *
 * What verification doesn't say to be lost is read as before; what it does is the
 * right value, or an error that names the layer.  Upkeep does nothing that
 * would need the layer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "audit.h"
#include "base/compat.h"
#include "upkeep/verify.h"

/* What bb_verify says while the layer isn't there; nothing, if nobody needs it. */
static List *
verify(AuditWorld *world, const AuditLine *line, const BbLayerDesc *layer)
{
	BbVerifyPass *pass = bb_verify_begin(line->name, BB_VERIFY_OBJECTS, NULL,
										 0);
	ListCell   *cell;

	while (bb_verify_step(world->ctx, world->objects, pass))
	{
	}
	foreach(cell, pass->findings)
	{
		const BbFinding *finding = lfirst(cell);

		if (finding->kind != BB_FINDING_MISSING ||
			strcmp(finding->layer, bb_layer_name(layer)) != 0)
			audit_broken(line, "layer %s is lost, but a finding says: %s",
						 bb_layer_name(layer), finding->message);
	}
	return pass->findings;
}

static bool
is_said_lost(List *findings, const BbKey *key, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, findings)
	{
		const BbFinding *finding = lfirst(cell);

		if (bb_key_in_range(key, &finding->keys) && lsn >= finding->lsn_from &&
			(XLogRecPtrIsInvalid(finding->lsn_until) ||
			 lsn < finding->lsn_until))
			return true;
	}
	return false;
}

/* The last error has to be that of the layer. */
static void
check_error(const AuditLine *line, const BbLayerDesc *layer, int sqlstate,
			const char *what)
{
	const char *name = bb_layer_name(layer);

	if (sqlstate == ERRCODE_INTERNAL_ERROR)
		elog(ERROR, "%s, without layer %s: %s", what, name, unit_last_error);
	if (sqlstate != 0 &&
		(sqlstate != ERRCODE_UNDEFINED_FILE ||
		 !(strstr(unit_last_error, name) ||
		   (unit_last_detail && strstr(unit_last_detail, name)))))
		audit_broken(line, "%s, without layer %s: %s", what, name,
					 unit_last_error);
}

/* Returns whether an LSN that can be read needs the layer. */
static bool
read_without(AuditWorld *world, const AuditLine *line,
			 const BbManifest *manifest, const BbLayerDesc *layer)
{
	List	   *findings = verify(world, line, layer);
	BbPageStore *store = bb_pagestore_open_in(world->ctx, world->objects,
											  line->name);
	BbKey	   *keys;
	int			nkeys;

	keys = audit_line_keys(line, &nkeys);
	for (int i = 0; i < 3; i++)
	{
		BbSnapshot	snapshot = bb_snapshot_at(store,
											  audit_draw_lsn(line, manifest));

		for (int k = 0; k < nkeys; k++)
		{
			bool		lost = is_said_lost(findings, &keys[k], snapshot.lsn);
			int			sqlstate;

			ERROR_OF(audit_check_point(world, line, &snapshot, &keys[k]),
					 sqlstate);
			check_error(line, layer, sqlstate, "a point read");
			if (sqlstate != 0 && !lost)
				audit_broken(line,
							 "%s at " BB_LSN_FORMAT
							 " isn't said to be lost: %s",
							 bb_key_text(&keys[k]),
							 LSN_FORMAT_ARGS(snapshot.lsn), unit_last_error);
			audit_done.lost += sqlstate != 0;
			audit_done.spared += sqlstate == 0;
		}
	}
	return findings != NIL;
}

static bool
is_active(const BbManifest *manifest, const BbLayerDesc *layer)
{
	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].file_id == layer->file_id)
			return true;
	return false;
}

void
audit_lose(AuditWorld *world, AuditLine *line)
{
	BbManifest *manifest = bb_manifest_read(world->ctx, world->objects,
											line->name);
	BbLayerDesc *layer;
	char	   *there;
	char	   *away;
	bool		needed;
	int			sqlstate;

	if (manifest->nlayers == 0)
		return;
	layer = &manifest->layers[model_roll(manifest->nlayers)];
	there = unit_object_path(world->objects,
							 bb_layer_object_name(line->name, layer));
	away = unit_object_path(world->objects, "away");
	CHECK(rename(there, away) == 0);
	needed = read_without(world, line, manifest, layer);
	ERROR_OF(audit_jobs_random(world, line), sqlstate);
	check_error(line, layer, sqlstate, "a job");
	ERROR_OF(audit_jobs_policy(world, line), sqlstate);
	check_error(line, layer, sqlstate, "a job");
	/* a squash drops what no reader needs without reading it */
	if (needed &&
		!is_active(bb_manifest_read(world->ctx, world->objects, line->name),
				   layer))
		audit_broken(line, "layer %s was replaced, though it was lost",
					 bb_layer_name(layer));
	CHECK(rename(away, there) == 0);
}

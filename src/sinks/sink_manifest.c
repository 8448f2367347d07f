/*-------------------------------------------------------------------------
 *
 * sink_manifest.c
 *	  Write a backup manifest of the members that pass.
 *
 * The members pass unchanged.  Each adds its text at its end to a spool, so a
 * million files take no more memory than one.
 *
 * The server's SHA-2 contexts belong to a resource owner, and no memory context
 * of ours frees them.  The resource owner of a portal would free them on an
 * error before our context is reset, and warn of a leak after success if the
 * consumer had stopped early.  So this sink has a resource owner, which is
 * deleted with the memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "base/resource.h"
#include "common/checksum_helper.h"
#include "common/cryptohash.h"
#include "files/spool.h"
#include "members/backupmanifest.h"
#include "sinks/stages.h"
#include "utils/resowner.h"

typedef struct Checksum
{
	bool		open;
	pg_checksum_context context;
} Checksum;

typedef struct ManifestSink
{
	BbSink		base;
	const BbBackupManifest *text;
	StringInfoData part; /* text that is not in the spool yet */
	BbSpool	   *spool;
	bool		first; /* the text has no file yet */
	Checksum	own;   /* of the text; closed when that is complete */

	/* of the open member */
	bool		listed;
	char		path[MAXPGPATH];
	uint64		size;
	Checksum	checksum;

	ResourceOwner owner; /* of both checksums */
} ManifestSink;

/* ---- checksums; "path" is for errors ---- */

static void
checksum_begin(ManifestSink *manifest, Checksum *checksum,
			   pg_checksum_type type, const char *path)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	int			result;

	CurrentResourceOwner = manifest->owner;
	PG_TRY();
	{
		result = pg_checksum_init(&checksum->context, type);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = old_owner;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "could not initialize checksum of file \"%s\"", path);
	checksum->open = true;
}

static void
checksum_update(Checksum *checksum, const void *data, size_t length,
				const char *path)
{
	pg_checksum_raw_context *raw = &checksum->context.raw_context;

	if (checksum->context.type == CHECKSUM_TYPE_CRC32C)
		raw->c_crc32c = bb_crc32c(raw->c_crc32c, data, length);
	else if (pg_checksum_update(&checksum->context, data, length) < 0)
		elog(ERROR, "could not update checksum of file \"%s\"", path);
}

/* Put the checksum into a buffer of PG_CHECKSUM_MAX_LENGTH bytes. */
static void
checksum_end(Checksum *checksum, uint8 *result, const char *path)
{
	if (pg_checksum_final(&checksum->context, result) < 0)
		elog(ERROR, "could not finalize checksum of file \"%s\"", path);
	checksum->open = false;
}

static void
checksum_abandon(Checksum *checksum)
{
	pg_checksum_type type = checksum->context.type;

	if (checksum->open && type != CHECKSUM_TYPE_NONE &&
		type != CHECKSUM_TYPE_CRC32C)
		pg_cryptohash_free(checksum->context.raw_context.c_sha2);
	checksum->open = false;
}

static void
release_with_context(void *arg)
{
	ManifestSink *manifest = arg;

	checksum_abandon(&manifest->own);
	checksum_abandon(&manifest->checksum);
	ResourceOwnerDelete(manifest->owner);
}

/* ---- the text ---- */

/* Move "part" to the spool. */
static void
add_part(ManifestSink *manifest)
{
	StringInfo	part = &manifest->part;

	if (manifest->own.open)
		checksum_update(&manifest->own, part->data, part->len,
						BB_MANIFEST_FILE);
	bb_spool_append(manifest->spool, part->data, part->len);
	resetStringInfo(part);
}

static void
finish_text(ManifestSink *manifest)
{
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];

	bb_backupmanifest_end(manifest->text, &manifest->part);
	add_part(manifest);
	checksum_end(&manifest->own, checksum, BB_MANIFEST_FILE);
	bb_backupmanifest_checksum(&manifest->part, checksum);
	add_part(manifest);
}

/* ---- the sink ---- */

static void
manifest_begin_member(const BbReqCtx *ctx, BbSink *sink,
					  const BbMember *member)
{
	ManifestSink *manifest = (ManifestSink *) sink;

	manifest->listed = bb_backupmanifest_lists(member);
	if (manifest->listed)
	{
		strlcpy(manifest->path, member->path, sizeof(manifest->path));
		manifest->size = member->size;
		checksum_begin(manifest, &manifest->checksum,
					   manifest->text->checksum_type, manifest->path);
	}
	if (member->kind == BB_MEMBER_MANIFEST)
		finish_text(manifest);
	bb_sink_begin_member(ctx, sink->next, member);
}

static void
manifest_write(const BbReqCtx *ctx, BbSink *sink, const void *data,
			   size_t length)
{
	ManifestSink *manifest = (ManifestSink *) sink;

	if (manifest->listed)
		checksum_update(&manifest->checksum, data, length, manifest->path);
	bb_sink_write(ctx, sink->next, data, length);
}

static void
manifest_end_member(const BbReqCtx *ctx, BbSink *sink)
{
	ManifestSink *manifest = (ManifestSink *) sink;
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];

	if (manifest->listed)
	{
		checksum_end(&manifest->checksum, checksum, manifest->path);
		bb_backupmanifest_file(manifest->text, &manifest->part,
							   manifest->first, manifest->path, manifest->size,
							   checksum);
		manifest->first = false;
		add_part(manifest);
	}
	bb_sink_end_member(ctx, sink->next);
}

static void
manifest_begin_manifest(const BbReqCtx *ctx, BbSink *sink)
{
	finish_text((ManifestSink *) sink);
	bb_sink_begin_manifest(ctx, sink->next);
}

static const BbSinkOps manifest_ops = {
	.begin_member = manifest_begin_member,
	.write = manifest_write,
	.end_member = manifest_end_member,
	.begin_manifest = manifest_begin_manifest,
};

BbSink *
bb_sink_manifest_new(BbSink *next, const BbBackupManifest *text)
{
	ManifestSink *manifest = palloc0(sizeof(ManifestSink));

	manifest->base.ops = &manifest_ops;
	manifest->base.next = next;
	manifest->text = text;
	initStringInfo(&manifest->part);
	manifest->spool = bb_spool_new();
	manifest->first = true;

	manifest->owner = ResourceOwnerCreate(NULL, "bbackup manifest");
	bb_on_reset(CurrentMemoryContext, release_with_context, manifest);
	checksum_begin(manifest, &manifest->own, CHECKSUM_TYPE_SHA256,
				   BB_MANIFEST_FILE);

	bb_backupmanifest_begin(text, &manifest->part);
	add_part(manifest);
	return &manifest->base;
}

bool
bb_sink_manifest_next(BbSink *sink, const uint8 **data, uint32 *length)
{
	ManifestSink *manifest = (ManifestSink *) sink;

	Assert(!manifest->own.open);
	return bb_spool_next(manifest->spool, data, length);
}

/*-------------------------------------------------------------------------
 *
 * manifest_codec.c
 *	  Manifests as bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "base/crc.h"
#include "layer/manifest_values.h"
#include "utils/memutils.h"

#define MAGIC_SIZE 8

/* key start, key end, LSN start and end, image, file id, size, entries, crc */
#define LAYER_SIZE_OLD (BB_KEY_LENGTH * 2 + 8 * 2 + 1 + 8 * 3 + 4)

/* and newest commit */
#define LAYER_SIZE (LAYER_SIZE_OLD + 8)

/* tli, until */
#define SWITCH_SIZE (4 + 8)

/* from, from_prev, from_time, until, until_time */
#define GAP_SIZE (5 * 8)

/* lsn, time */
#define POINT_SIZE (2 * 8)

/* name and reason and owner, which may be empty, lsn, created_at, expires_at */
#define PIN_SIZE_MIN (3 * 4 + 3 * 8)

/* How many bytes has a layer? */
static inline size_t
layer_size(uint32 version)
{
	return version >= BB_MANIFEST_VERSION_COMMITS ? LAYER_SIZE
												  : LAYER_SIZE_OLD;
}

/* Write the bytes of a layer. */
static void
put_layer(const BbLayerDesc *layer, uint32 version, uint8 *at)
{
	memcpy(at, layer->keys.start.bytes, BB_KEY_LENGTH);
	memcpy(at + BB_KEY_LENGTH, layer->keys.end.bytes, BB_KEY_LENGTH);
	at += 2 * BB_KEY_LENGTH;
	bb_put_le64(at, layer->lsn_start);
	bb_put_le64(at + 8, layer->lsn_end);
	at[16] = layer->image;
	at += 17;
	bb_put_le64(at, layer->file_id);
	bb_put_le64(at + 8, layer->size);
	bb_put_le64(at + 16, layer->entries);
	bb_put_le32(at + 24, layer->crc);
	if (version >= BB_MANIFEST_VERSION_COMMITS)
		bb_put_le64(at + 28, (uint64) layer->newest_commit);
}

static void
encode_layer(const BbLayerDesc *layer, uint32 version, StringInfo out)
{
	uint8		bytes[LAYER_SIZE];

	put_layer(layer, version, bytes);
	appendBinaryStringInfo(out, (const char *) bytes, layer_size(version));
}

/* There may be a hundred thousand. */
static void
encode_layers(const BbManifest *manifest, uint32 version, StringInfo out)
{
	size_t		size = layer_size(version);
	uint8	   *at;

	bb_append_le32(out, (uint32) manifest->nlayers);
	enlargeStringInfo(out, manifest->nlayers * size + sizeof(uint32));
	at = (uint8 *) out->data + out->len;
	for (int i = 0; i < manifest->nlayers; i++)
		put_layer(&manifest->layers[i], version, at + i * size);
	out->len += manifest->nlayers * size;
}

static void
decode_layer(BbReader *reader, uint32 version, BbLayerDesc *layer)
{
	const uint8 *at = bb_reader_bytes(reader, layer_size(version));

	if (at == NULL)
		return;
	memcpy(layer->keys.start.bytes, at, BB_KEY_LENGTH);
	memcpy(layer->keys.end.bytes, at + BB_KEY_LENGTH, BB_KEY_LENGTH);
	at += 2 * BB_KEY_LENGTH;
	layer->lsn_start = bb_get_le64(at);
	layer->lsn_end = bb_get_le64(at + 8);
	if (at[16] > 1)
		reader->failed = true;
	layer->image = at[16] == 1;
	at += 17;
	layer->file_id = bb_get_le64(at);
	layer->size = bb_get_le64(at + 8);
	layer->entries = bb_get_le64(at + 16);
	layer->crc = bb_get_le32(at + 24);
	layer->newest_commit = BB_COMMIT_UNKNOWN;
	if (version >= BB_MANIFEST_VERSION_COMMITS)
		layer->newest_commit = (TimestampTz) bb_get_le64(at + 28);
}

static void
encode_gaps(const BbManifest *manifest, StringInfo out)
{
	bb_append_le32(out, (uint32) manifest->ngaps);
	for (int i = 0; i < manifest->ngaps; i++)
	{
		const BbGap *gap = &manifest->gaps[i];

		bb_append_le64(out, gap->from);
		bb_append_le64(out, gap->from_prev);
		bb_append_le64(out, (uint64) gap->from_time);
		bb_append_le64(out, gap->until);
		bb_append_le64(out, (uint64) gap->until_time);
	}
}

static void
encode_keeps(const BbKeeps *keeps, uint32 version, StringInfo out)
{
	const BbRetention *retention = &keeps->retention;

	bb_append_le64(out, keeps->origin);
	bb_append_le64(out, (uint64) retention->window_s);
	bb_append_le64(out, (uint64) retention->floor_s);
	bb_append_le32(out, retention->hourly);
	bb_append_le32(out, retention->daily);
	bb_append_le32(out, retention->weekly);
	bb_append_le32(out, retention->monthly);
	bb_append_le32(out, retention->yearly);

	bb_append_le32(out, (uint32) keeps->npins);
	for (int i = 0; i < keeps->npins; i++)
	{
		const BbPin *pin = &keeps->pins[i];

		bb_append_text(out, pin->name);
		bb_append_le64(out, pin->lsn);
		bb_append_text(out, pin->reason);
		bb_append_text(out, pin->owner);
		bb_append_le64(out, (uint64) pin->created_at);
		bb_append_le64(out, (uint64) pin->expires_at);
		if (version >= BB_MANIFEST_VERSION_LEASES)
			bb_append_le32(out, pin->new_tli);
	}
	bb_append_le32(out, (uint32) keeps->npoints);
	for (int i = 0; i < keeps->npoints; i++)
	{
		bb_append_le64(out, keeps->points[i].lsn);
		bb_append_le64(out, (uint64) keeps->points[i].time);
	}
	bb_append_le32(out, (uint32) keeps->nretired);
	for (int i = 0; i < keeps->nretired; i++)
	{
		encode_layer(&keeps->retired[i].layer, version, out);
		bb_append_le64(out, (uint64) keeps->retired[i].since);
	}
	bb_append_text(out, keeps->copy.source ? keeps->copy.source : "");
	bb_append_le64(out, keeps->copy.generation);
	bb_append_le64(out, (uint64) keeps->copy.copied_at);
}

/* Is the newest commit of any layer known? */
static bool
knows_commits(const BbManifest *manifest)
{
	const BbKeeps *keeps = &manifest->keeps;

	for (int i = 0; i < manifest->nlayers; i++)
		if (manifest->layers[i].newest_commit != BB_COMMIT_UNKNOWN)
			return true;
	for (int i = 0; i < keeps->nretired; i++)
		if (keeps->retired[i].layer.newest_commit != BB_COMMIT_UNKNOWN)
			return true;
	return false;
}

static bool
has_leases(const BbKeeps *keeps)
{
	for (int i = 0; i < keeps->npins; i++)
		if (bb_pin_is_lease(&keeps->pins[i]))
			return true;
	return false;
}

/* The first version that can hold the manifest. */
static uint32
version_of(const BbManifest *manifest)
{
	bool		kept = !bb_keeps_empty(&manifest->keeps);

	if (has_leases(&manifest->keeps))
		return BB_MANIFEST_VERSION_LEASES;
	if (manifest->upgraded_from != NULL)
		return BB_MANIFEST_VERSION_UPGRADES;
	/* version 3 implies that gaps may have been forgotten */
	if (manifest->gaps_forgotten != kept || knows_commits(manifest) ||
		(manifest->ngaps > 0 && manifest->gaps[0].from < manifest->start_lsn))
		return BB_MANIFEST_VERSION_COMMITS;
	if (kept)
		return BB_MANIFEST_VERSION_KEEPS;
	return manifest->ngaps > 0 ? BB_MANIFEST_VERSION_GAPS
							   : BB_MANIFEST_VERSION;
}

static uint32
checksum(const void *data, size_t length)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	crc = bb_crc32c(crc, data, length);
	FIN_CRC32C(crc);
	return crc;
}

void
bb_manifest_encode(const BbManifest *manifest, StringInfo out)
{
	uint32		version = version_of(manifest);

	appendBinaryStringInfo(out, BB_MANIFEST_MAGIC, MAGIC_SIZE);
	bb_append_le32(out, version);
	bb_append_text(out, manifest->timeline);
	bb_append_le64(out, manifest->generation);

	bb_append_le32(out, manifest->pg_version_num);
	bb_append_le64(out, manifest->system_identifier);
	bb_append_le32(out, manifest->wal_segment_size);
	bb_append_le32(out, manifest->data_checksum_version);
	bb_append_le32(out, manifest->tli);
	bb_append_le32(out, (uint32) manifest->nswitches);
	for (int i = 0; i < manifest->nswitches; i++)
	{
		bb_append_le32(out, manifest->switches[i].tli);
		bb_append_le64(out, manifest->switches[i].until);
	}
	bb_append_le32(out, manifest->uid);
	bb_append_le32(out, manifest->gid);
	bb_append_le32(out, manifest->directory_mode);

	bb_append_le64(out, manifest->start_lsn);
	bb_append_le64(out, manifest->end_lsn);
	bb_append_le64(out, manifest->prev_lsn);
	bb_append_le64(out, (uint64) manifest->end_time);
	bb_append_text(out, manifest->ancestor ? manifest->ancestor : "");
	bb_append_le64(out, manifest->ancestor_lsn);
	if (version >= BB_MANIFEST_VERSION_GAPS)
		encode_gaps(manifest, out);
	if (version >= BB_MANIFEST_VERSION_KEEPS)
		encode_keeps(&manifest->keeps, version, out);
	if (version >= BB_MANIFEST_VERSION_COMMITS)
		bb_append_u8(out, manifest->gaps_forgotten);
	if (version >= BB_MANIFEST_VERSION_UPGRADES)
		bb_append_text(out,
					   manifest->upgraded_from ? manifest->upgraded_from : "");

	encode_layers(manifest, version, out);
	bb_append_le32(out, checksum(out->data, out->len));
}

/*
 * The number of elements, of "size" bytes each, of the list that follows.  Not
 * more than the bytes that are left.
 */
static int
decode_count(BbReader *reader, size_t size)
{
	uint32		n = bb_reader_le32(reader);

	if (n > (reader->length - reader->at) / size)
		reader->failed = true;
	return reader->failed ? 0 : (int) n;
}

static void
decode_switches(BbReader *reader, BbManifest *manifest)
{
	manifest->nswitches = decode_count(reader, SWITCH_SIZE);
	manifest->switches = palloc(Max(manifest->nswitches, 1) *
								sizeof(BbTliSwitch));
	for (int i = 0; i < manifest->nswitches; i++)
	{
		manifest->switches[i].tli = bb_reader_le32(reader);
		manifest->switches[i].until = bb_reader_le64(reader);
	}
}

static void
decode_gaps(BbReader *reader, BbManifest *manifest)
{
	manifest->ngaps = decode_count(reader, GAP_SIZE);
	manifest->gaps = palloc(Max(manifest->ngaps, 1) * sizeof(BbGap));
	for (int i = 0; i < manifest->ngaps; i++)
	{
		BbGap	   *gap = &manifest->gaps[i];

		gap->from = bb_reader_le64(reader);
		gap->from_prev = bb_reader_le64(reader);
		gap->from_time = (int64) bb_reader_le64(reader);
		gap->until = bb_reader_le64(reader);
		gap->until_time = (int64) bb_reader_le64(reader);
	}
}

static void
decode_pins(BbReader *reader, uint32 version, BbKeeps *keeps)
{
	keeps->npins = decode_count(reader, PIN_SIZE_MIN);
	keeps->pins = palloc0(Max(keeps->npins, 1) * sizeof(BbPin));
	for (int i = 0; i < keeps->npins; i++)
	{
		BbPin	   *pin = &keeps->pins[i];

		pin->name = bb_reader_text(reader, BB_PIN_NAME_MAX);
		pin->lsn = bb_reader_le64(reader);
		pin->reason = bb_reader_text(reader, BB_PIN_REASON_MAX);
		pin->owner = bb_reader_text(reader, BB_PIN_OWNER_MAX);
		pin->created_at = (int64) bb_reader_le64(reader);
		pin->expires_at = (int64) bb_reader_le64(reader);
		if (version >= BB_MANIFEST_VERSION_LEASES)
			pin->new_tli = bb_reader_le32(reader);
	}
}

static void
decode_points(BbReader *reader, BbKeeps *keeps)
{
	keeps->npoints = decode_count(reader, POINT_SIZE);
	keeps->points = palloc(Max(keeps->npoints, 1) * sizeof(BbPoint));
	for (int i = 0; i < keeps->npoints; i++)
	{
		keeps->points[i].lsn = bb_reader_le64(reader);
		keeps->points[i].time = (int64) bb_reader_le64(reader);
	}
}

static void
decode_retired(BbReader *reader, uint32 version, BbKeeps *keeps)
{
	/* each has a layer, and since when */
	keeps->nretired = decode_count(reader, layer_size(version) + 8);
	keeps->retired = MemoryContextAllocHuge(CurrentMemoryContext,
											Max(keeps->nretired, 1) *
												sizeof(BbRetired));
	for (int i = 0; i < keeps->nretired; i++)
	{
		decode_layer(reader, version, &keeps->retired[i].layer);
		keeps->retired[i].since = (int64) bb_reader_le64(reader);
	}
}

static void
decode_copy(BbReader *reader, BbCopyMark *copy)
{
	copy->source = bb_reader_text(reader, BB_COPY_SOURCE_MAX);
	if (copy->source != NULL && copy->source[0] == '\0')
		copy->source = NULL;
	copy->generation = bb_reader_le64(reader);
	copy->copied_at = (int64) bb_reader_le64(reader);
}

static void
decode_keeps(BbReader *reader, uint32 version, BbKeeps *keeps)
{
	BbRetention *retention = &keeps->retention;

	keeps->origin = bb_reader_le64(reader);
	retention->window_s = (int64) bb_reader_le64(reader);
	retention->floor_s = (int64) bb_reader_le64(reader);
	retention->hourly = bb_reader_le32(reader);
	retention->daily = bb_reader_le32(reader);
	retention->weekly = bb_reader_le32(reader);
	retention->monthly = bb_reader_le32(reader);
	retention->yearly = bb_reader_le32(reader);
	decode_pins(reader, version, keeps);
	decode_points(reader, keeps);
	decode_retired(reader, version, keeps);
	decode_copy(reader, &keeps->copy);
}

/* Were gaps forgotten?  Version 3 doesn't say. */
static bool
decode_forgotten(BbReader *reader, uint32 version)
{
	uint8		forgotten = version == BB_MANIFEST_VERSION_KEEPS;

	if (version >= BB_MANIFEST_VERSION_COMMITS)
		forgotten = bb_reader_u8(reader);
	if (forgotten > 1)
		reader->failed = true;
	return forgotten == 1;
}

static void
decode_layers(BbReader *reader, uint32 version, BbManifest *manifest)
{
	manifest->nlayers = decode_count(reader, layer_size(version));
	manifest->layers = MemoryContextAllocHuge(CurrentMemoryContext,
											  Max(manifest->nlayers, 1) *
												  sizeof(BbLayerDesc));
	for (int i = 0; i < manifest->nlayers; i++)
		decode_layer(reader, version, &manifest->layers[i]);
}

/*
 * The magic and version in front and the checksum at the end are the same in all
 * versions.  Returns why the bytes are no manifest, or NULL, with its version.
 */
static const char *
frame_error(const void *data, size_t length, uint32 *version)
{
	size_t		end = length - sizeof(uint32);

	if (length < MAGIC_SIZE + 2 * sizeof(uint32))
		return "The manifest is too short.";
	if (memcmp(data, BB_MANIFEST_MAGIC, MAGIC_SIZE) != 0)
		return "The file is not a manifest.";
	if (bb_get_le32((const uint8 *) data + end) != checksum(data, end))
		return "The manifest's checksum does not match.";
	*version = bb_get_le32((const uint8 *) data + MAGIC_SIZE);
	return NULL;
}

uint32
bb_manifest_newer_version(const void *data, size_t length)
{
	uint32		version;

	return frame_error(data, length, &version) == NULL &&
			version > BB_MANIFEST_VERSION_NEWEST
		? version
		: 0;
}

BbManifest *
bb_manifest_decode(const void *data, size_t length, const char **error)
{
	BbManifest *manifest = palloc0(sizeof(BbManifest));
	BbReader	reader;
	uint32		version;

	*error = frame_error(data, length, &version);
	if (*error != NULL)
		return NULL;
	if (version < BB_MANIFEST_VERSION || version > BB_MANIFEST_VERSION_NEWEST)
	{
		*error = "The manifest's version is not one that this version of "
				 "bbackup reads.";
		return NULL;
	}
	bb_reader_init(&reader, data, length - sizeof(uint32));
	(void) bb_reader_bytes(&reader, MAGIC_SIZE + sizeof(uint32));

	manifest->timeline = bb_reader_text(&reader, BB_TIMELINE_NAME_MAX);
	manifest->generation = bb_reader_le64(&reader);

	manifest->pg_version_num = bb_reader_le32(&reader);
	manifest->system_identifier = bb_reader_le64(&reader);
	manifest->wal_segment_size = bb_reader_le32(&reader);
	manifest->data_checksum_version = bb_reader_le32(&reader);
	manifest->tli = bb_reader_le32(&reader);
	decode_switches(&reader, manifest);
	manifest->uid = bb_reader_le32(&reader);
	manifest->gid = bb_reader_le32(&reader);
	manifest->directory_mode = bb_reader_le32(&reader);

	manifest->start_lsn = bb_reader_le64(&reader);
	manifest->end_lsn = bb_reader_le64(&reader);
	manifest->prev_lsn = bb_reader_le64(&reader);
	manifest->end_time = (int64) bb_reader_le64(&reader);
	manifest->ancestor = bb_reader_text(&reader, BB_TIMELINE_NAME_MAX);
	if (manifest->ancestor != NULL && manifest->ancestor[0] == '\0')
		manifest->ancestor = NULL;
	manifest->ancestor_lsn = bb_reader_le64(&reader);
	if (version >= BB_MANIFEST_VERSION_GAPS)
		decode_gaps(&reader, manifest);
	if (version >= BB_MANIFEST_VERSION_KEEPS)
		decode_keeps(&reader, version, &manifest->keeps);
	manifest->gaps_forgotten = decode_forgotten(&reader, version);
	if (version >= BB_MANIFEST_VERSION_UPGRADES)
		manifest->upgraded_from = bb_reader_text(&reader,
												 BB_TIMELINE_NAME_MAX);
	/* version 5 has one, and later versions may */
	if (version > BB_MANIFEST_VERSION_UPGRADES &&
		manifest->upgraded_from != NULL && manifest->upgraded_from[0] == '\0')
		manifest->upgraded_from = NULL;

	decode_layers(&reader, version, manifest);
	if (reader.failed)
	{
		*error = "The manifest is cut short.";
		return NULL;
	}
	if (!bb_reader_done(&reader))
	{
		*error = "The manifest has the wrong length.";
		return NULL;
	}
	if (version != version_of(manifest))
	{
		*error = "The manifest's version is not that of its content.";
		return NULL;
	}
	*error = bb_manifest_error(manifest);
	if (*error != NULL)
		return NULL;
	return manifest;
}

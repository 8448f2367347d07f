/*-------------------------------------------------------------------------
 *
 * fuzz_manifest.c
 *	  Manifests with a correct checksum, and the layer maps of valid ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "fuzz.h"
#include "layer/layermap.h"
#include "port/pg_crc32c.h"

static void
take(const uint8_t *data, size_t size)
{
	uint8	   *copy = palloc(size);
	const char *error = NULL;
	BbManifest *manifest;
	StringInfoData again;
	BbLayerMap *map;
	pg_crc32c	crc;

	memcpy(copy, data, size);
	if (size >= sizeof(uint32))
	{
		INIT_CRC32C(crc);
		COMP_CRC32C(crc, copy, size - sizeof(uint32));
		FIN_CRC32C(crc);
		bb_put_le32(copy + size - sizeof(uint32), crc);
	}
	manifest = bb_manifest_decode(copy, size, &error);
	FUZZ_CHECK((manifest == NULL) == (error != NULL));
	if (manifest == NULL)
		return;

	initStringInfo(&again);
	bb_manifest_encode(manifest, &again);
	FUZZ_CHECK(again.len == size && memcmp(again.data, copy, size) == 0);
	map = bb_layermap_new(manifest);
	for (int i = 0; i < manifest->nlayers && i < 100; i++)
	{
		const BbLayerDesc *layer = &manifest->layers[i];
		BbKey		until = bb_key_range_all().end;
		BbDeltaSearch search = {0};

		(void) bb_layer_name(layer);
		(void) bb_layermap_image(map, &layer->keys.start, layer->lsn_end,
								 &until);
		while (bb_layermap_next_delta(map, &layer->keys.start, 0,
									  PG_UINT64_MAX, &search) >= 0)
			;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

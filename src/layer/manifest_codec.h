/*-------------------------------------------------------------------------
 *
 * manifest_codec.h
 *	  Manifests as bytes.
 *
 *	  magic 8, version u32, fields, layers, crc u32
 *
 * docs/format.md lists the fields.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_CODEC_H
#define BB_MANIFEST_CODEC_H

#include "layer/manifest_values.h"
#include "lib/stringinfo.h"

#define BB_MANIFEST_MAGIC "bbmanif\n"
#define BB_MANIFEST_VERSION 1

/*
 * bb_manifest_encode - append a manifest to "out".
 *
 * REQUIRES: "out" is empty, since the checksum covers all of it.
 */
extern void bb_manifest_encode(const BbManifest *manifest, StringInfo out);

/*
 * bb_manifest_decode - make a manifest of bytes, and check its values.
 *
 * Returns NULL, with an errdetail in *error, if the bytes are no manifest.
 */
extern BbManifest *bb_manifest_decode(const void *data, size_t length,
									  const char **error);

#endif /* BB_MANIFEST_CODEC_H */

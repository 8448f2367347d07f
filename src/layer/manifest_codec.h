/*-------------------------------------------------------------------------
 *
 * manifest_codec.h
 *	  A manifest to bytes and back.
 *
 *	  magic 8, version u32, fields, layers, crc u32
 *
 * docs/format.md lists the fields.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_CODEC_H
#define BB_MANIFEST_CODEC_H

#include "layer/manifest.h"
#include "lib/stringinfo.h"

#define BB_MANIFEST_MAGIC "bbmanif\n"
#define BB_MANIFEST_VERSION 1

extern void bb_manifest_encode(const BbManifest *manifest, StringInfo out);

/*
 * bb_manifest_decode - NULL, with what is wrong in *complaint, when the bytes
 * are no manifest.
 */
extern BbManifest *bb_manifest_decode(const void *data, size_t length,
									  const char **complaint);

/*
 * bb_manifest_complaint - which value of a manifest is impossible, as an
 * errdetail; NULL: none.  bb_manifest_decode calls it.
 */
extern const char *bb_manifest_complaint(const BbManifest *manifest);

#endif /* BB_MANIFEST_CODEC_H */

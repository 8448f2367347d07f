/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Integers to bytes and back; a reader that checks its bounds.
 *
 * Keys are big-endian (memcmp orders them); all other integers in bbackup's
 * files are little-endian.  Bytes from a store are untrusted: they are read
 * through a BbReader, which never reads past the buffer and records in "failed"
 * that there were too few bytes, so that a decoder checks only once, at its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_CODEC_H
#define BB_CODEC_H

#include "lib/stringinfo.h"
#include "port/pg_bswap.h"

static inline void
bb_put_be32(uint8 *p, uint32 v)
{
	v = pg_hton32(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint32
bb_get_be32(const uint8 *p)
{
	uint32		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh32(v);
}

/* Little-endian on every machine. */
static inline void
bb_put_le32(uint8 *p, uint32 v)
{
	v = pg_bswap32(pg_hton32(v));
	memcpy(p, &v, sizeof(v));
}

static inline uint32
bb_get_le32(const uint8 *p)
{
	uint32		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh32(pg_bswap32(v));
}

static inline void
bb_put_le64(uint8 *p, uint64 v)
{
	v = pg_bswap64(pg_hton64(v));
	memcpy(p, &v, sizeof(v));
}

static inline uint64
bb_get_le64(const uint8 *p)
{
	uint64		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh64(pg_bswap64(v));
}

/* Append to a StringInfo. */
extern void bb_append_u8(StringInfo buf, uint8 v);
extern void bb_append_le32(StringInfo buf, uint32 v);
extern void bb_append_le64(StringInfo buf, uint64 v);
/* u32 length, then the bytes; no terminating zero. */
extern void bb_append_text(StringInfo buf, const char *text);

/* A cursor over untrusted bytes. */
typedef struct BbReader
{
	const uint8 *data;
	size_t		length;
	size_t		at;
	bool		failed; /* there were too few bytes; stays set */
} BbReader;

extern void bb_reader_init(BbReader *reader, const void *data, size_t length);
/* Returns the next n bytes, or NULL (and failed) if there are fewer. */
extern const uint8 *bb_reader_bytes(BbReader *reader, size_t n);
/* Return zero (and failed) if there are too few bytes. */
extern uint8 bb_reader_u8(BbReader *reader);
extern uint32 bb_reader_le32(BbReader *reader);
extern uint64 bb_reader_le64(BbReader *reader);
/* Returns a palloc'd string; NULL (and failed) if too long or with a zero. */
extern char *bb_reader_text(BbReader *reader, size_t max_length);
/* Has everything been read, and was nothing missing? */
extern bool bb_reader_done(const BbReader *reader);

#endif /* BB_CODEC_H */

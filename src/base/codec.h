/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Integers to bytes and back; a reader that can't run over its end.
 *
 * Keys are big-endian (memcmp orders them); all other integers in our files
 * are little-endian.  Whatever comes out of a store is untrusted: it is read
 * through a BbReader, which remembers in "failed" that it ran short, so that
 * a decoder checks once, at its end, and never reads past the buffer.
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

/* Little-endian, whatever the machine. */
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

/* Appending to a StringInfo. */
extern void bb_append_u8(StringInfo buf, uint8 v);
extern void bb_append_le32(StringInfo buf, uint32 v);
extern void bb_append_le64(StringInfo buf, uint64 v);
/* u32 length, then the bytes; no terminating zero. */
extern void bb_append_text(StringInfo buf, const char *text);

/* A cursor over bytes that nobody has vouched for. */
typedef struct BbReader
{
	const uint8 *data;
	size_t		length;
	size_t		at;
	bool		failed; /* asked for more than there was; sticky */
} BbReader;

extern void bb_reader_init(BbReader *reader, const void *data, size_t length);
/* The next n bytes, or NULL (and failed) when there are fewer. */
extern const uint8 *bb_reader_bytes(BbReader *reader, size_t n);
/* Zero (and failed) when there are too few bytes. */
extern uint8 bb_reader_u8(BbReader *reader);
extern uint32 bb_reader_le32(BbReader *reader);
extern uint64 bb_reader_le64(BbReader *reader);
/* palloc'd, zero-terminated; NULL (and failed) if too long or with a zero. */
extern char *bb_reader_text(BbReader *reader, size_t max_length);
/* Everything read and nothing missing? */
extern bool bb_reader_done(const BbReader *reader);

#endif /* BB_CODEC_H */

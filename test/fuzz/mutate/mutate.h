/*-------------------------------------------------------------------------
 *
 * mutate.h
 *	  What the parts of store_mutate share.
 *
 * main.c draws a change, which is in manifest.c, keeps.c, layer.c (blocks, index,
 * footer, filter) or entry.c (entries and their values); basics.c has random
 * numbers, bytes, checksums and files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MUTATE_H
#define MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_LENGTH 18
#define LAYER_HEADER_SIZE 28
#define BLOCK_HEADER_SIZE 16
#define ENTRY_HEADER_SIZE 31
#define FOOTER_SIZE 110
#define FILTER_PAGE_SIZE 512
/* In a manifest of version 4; before that, without the newest commit. */
#define LAYER_ROW_SIZE 89
#define LAYER_ROW_SIZE_OLD 81
/* From the number of gaps up to the mark of version 4, if nothing is there. */
#define KEEPS_SIZE_EMPTY 80

/* Kinds of keys. */
#define KIND_CONTROL 0x01
#define KIND_CHECKPOINT 0x02
#define KIND_COMMIT_TIME 0x03
#define KIND_RECORD_ENDS 0x04
#define KIND_REL_BLOCK 0x42

/* Types of entries. */
#define TYPE_RECORD 3
#define TYPE_RECORD_INIT 4

/* How much of the answers may differ; see main.c. */
typedef enum Effect
{
	EFFECT_EQUAL,
	EFFECT_PAGES,
	EFFECT_ANY
} Effect;

typedef struct File
{
	char	   *path;
	uint8_t	   *data;
	size_t		size;
} File;

/* ---- basics.c ---- */

extern void seed_random(uint64_t seed);
extern uint64_t draw(void);
/* Draws from [0, n). */
extern uint64_t below(uint64_t n);

/* Little-endian numbers. */
extern uint64_t get(const uint8_t *p, int bytes);
extern void put(uint8_t *p, int bytes, uint64_t value);

extern uint32_t crc_add(uint32_t crc, const void *data, size_t length);
extern uint32_t crc_of(const void *data, size_t length);

extern File read_file(const char *path);
extern void write_file(const File *file);
extern void die(const char *message);

/* Note what was changed, and how much of the answers it may change. */
extern void report(Effect least, const char *format, ...);
/* Change a number, and report that as "what". */
extern void change_number(uint8_t *at, int bytes, Effect least,
						  const char *what);
extern uint64_t odd_number(uint64_t old, int bytes);

/* What was reported. */
extern Effect effect;
extern char description[4096];

/* ---- manifest.c ---- */

extern File manifest;
extern bool keep_manifest_crc;

extern void read_manifest(const char *directory);
extern void write_manifest(void);
extern uint32_t layer_count(void);
extern size_t layer_row_size(void);
/* What the manifest says of a layer. */
extern uint8_t *layer_row(uint32_t i);
extern void set_fact(const char *name, uint64_t value);
extern void change_fact(void);
extern void change_row(void);
extern void change_rows(void);
extern void change_keeps(void);
extern void change_manifest_bytes(void);

/* ---- keeps.c ---- */

extern void add_keeps(size_t at, size_t old, uint64_t start);

/* ---- layer.c ---- */

typedef struct Block
{
	size_t		at;
	int			level;
	uint32_t	raw;
	uint32_t	stored;
} Block;

/* The layer that is open. */
extern File layer;
extern uint32_t layer_number;
extern Block *blocks;
extern size_t nblocks;

extern void open_layer(const char *directory, uint32_t number);
extern void write_layer(void);
extern uint32_t entry_count(const Block *block);
extern uint8_t *entry_of(const Block *block, uint32_t i);
extern const Block *pick_block(bool index);
/* Correct the CRC of a block that was changed, and report its place. */
extern void finish_block(const Block *block);
extern void change_block(void);
extern void change_index(void);
extern void change_footer(void);
extern void change_filter(void);
extern void change_layer_bytes(void);

/* ---- entry.c ---- */

extern void change_entry(void);
extern void set_file(const char *directory, const char *old, const char *new,
					 uint32_t mode);

#endif /* MUTATE_H */

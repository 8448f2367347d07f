/*-------------------------------------------------------------------------
 *
 * layer.c
 *	  Changes of a layer: its blocks, index, footer, filter, or any byte.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

File		layer;
uint32_t	layer_number;
Block	   *blocks;
size_t		nblocks;

static uint64_t file_id;
static bool layer_crc_right = true;

static uint8_t *
footer(void)
{
	return layer.data + layer.size - FOOTER_SIZE;
}

void
open_layer(const char *directory, uint32_t number)
{
	char		path[4096];
	char		id_text[17];
	DIR		   *dir;
	struct dirent *entry;
	uint64_t	blocks_end;

	layer_number = number;
	nblocks = 0;
	file_id = get(layer_row(number) + 53, 8);
	snprintf(id_text, sizeof(id_text), "%016llx",
			 (unsigned long long) file_id);

	snprintf(path, sizeof(path), "%s/layers", directory);
	dir = opendir(path);
	if (dir == NULL)
		die(path);
	path[0] = '\0';
	while ((entry = readdir(dir)) != NULL)
		if (strlen(entry->d_name) > 16 &&
			strcmp(entry->d_name + strlen(entry->d_name) - 16, id_text) == 0)
			snprintf(path, sizeof(path), "%s/layers/%s", directory,
					 entry->d_name);
	closedir(dir);
	layer = read_file(path);

	/* the filter, or the footer */
	blocks_end = get(footer() + 12, 8);
	if (blocks_end == 0)
		blocks_end = layer.size - FOOTER_SIZE;
	blocks = malloc((layer.size / BLOCK_HEADER_SIZE + 1) * sizeof(Block));
	for (size_t at = LAYER_HEADER_SIZE; at < blocks_end;)
	{
		const uint8_t *header = layer.data + at;

		blocks[nblocks++] = (Block){at, header[0],
									(uint32_t) get(header + 4, 4),
									(uint32_t) get(header + 8, 4)};
		at += BLOCK_HEADER_SIZE + blocks[nblocks - 1].stored;
	}
}

/* Finish a CRC with the place that it covers, too. */
static uint32_t
crc_end(uint32_t crc, uint64_t offset)
{
	uint8_t		place[16];

	put(place, 8, file_id);
	put(place + 8, 8, offset);
	return crc_add(crc, place, sizeof(place)) ^ 0xFFFFFFFF;
}

void
finish_block(const Block *block)
{
	uint8_t	   *header = layer.data + block->at;
	uint32_t	crc = crc_add(0xFFFFFFFF, header, 12);

	crc = crc_add(crc, header + BLOCK_HEADER_SIZE, block->stored);
	put(header + 12, 4, crc_end(crc, block->at));
	report(EFFECT_EQUAL, "in layer %u at %zu", layer_number, block->at);
}

static void
seal_footer(void)
{
	put(footer() + 98, 4, crc_of(footer(), 98));
}

static uint8_t *
payload_of(const Block *block)
{
	return layer.data + block->at + BLOCK_HEADER_SIZE;
}

uint32_t
entry_count(const Block *block)
{
	return (uint32_t) get(payload_of(block) + block->raw - 4, 4);
}

uint8_t *
entry_of(const Block *block, uint32_t i)
{
	uint32_t	n = entry_count(block);
	uint8_t	   *offsets = payload_of(block) + block->raw - 4 - 4 * (size_t) n;

	return payload_of(block) + get(offsets + 4 * (size_t) i, 4);
}

const Block *
pick_block(bool index)
{
	for (int tries = 0; tries < 1000; tries++)
	{
		const Block *block = &blocks[below(nblocks)];

		if ((block->level > 0) == index && block->raw == block->stored &&
			entry_count(block) > 0)
			return block;
	}
	return NULL;
}

void
change_block(void)
{
	const Block *block = pick_block(below(3) == 0);
	uint8_t	   *header;
	uint32_t	n;
	uint8_t	   *offsets;
	uint8_t	   *a;
	uint8_t	   *b;
	uint64_t	swap;

	if (block == NULL)
		return; /* every block is compressed, or there is no index */
	header = layer.data + block->at;
	n = entry_count(block);
	offsets = payload_of(block) + block->raw - 4 - 4 * (size_t) n;
	a = offsets + 4 * below(n);
	b = offsets + 4 * below(n);
	switch (below(7))
	{
		case 0:
			change_number(header, 1, EFFECT_EQUAL, "block level");
			break;
		case 1:
			change_number(header + 1, 1, EFFECT_EQUAL, "block compression");
			break;
		case 2:
			change_number(header + 4, 4, EFFECT_EQUAL, "block length");
			break;
		case 3:
			change_number(header + 8, 4, EFFECT_EQUAL, "stored length");
			break;
		case 4:
			put(offsets + 4 * (size_t) n, 4, odd_number(n, 4));
			report(EFFECT_EQUAL, "number of entries");
			break;
		case 5:
			change_number(a, 4, EFFECT_EQUAL, "offset of an entry");
			break;
		case 6:
			swap = get(a, 4);
			put(a, 4, get(b, 4));
			put(b, 4, swap);
			report(EFFECT_EQUAL, "offsets of entries change places");
			break;
	}
	finish_block(block);
}

void
change_index(void)
{
	const Block *block = pick_block(true);
	uint8_t	   *entry;
	uint8_t	   *other;
	uint8_t		value[12];

	if (block == NULL)
		return;
	entry = entry_of(block, (uint32_t) below(entry_count(block)));
	other = entry_of(block, (uint32_t) below(entry_count(block)));
	switch (below(4))
	{
		case 0:
			change_number(entry + 31, 8, EFFECT_EQUAL, "index: offset");
			break;
		case 1:
			change_number(entry + 39, 4, EFFECT_EQUAL, "index: size");
			break;
		case 2:
			memcpy(value, entry + 31, 12);
			memcpy(entry + 31, other + 31, 12);
			memcpy(other + 31, value, 12);
			report(EFFECT_EQUAL, "index: places change");
			break;
		case 3:
			put(entry + 31, 8, block->at);
			put(entry + 39, 4, BLOCK_HEADER_SIZE + block->stored);
			report(EFFECT_EQUAL, "index: itself");
			break;
	}
	finish_block(block);
}

void
change_footer(void)
{
	static const struct
	{
		const char *name;
		size_t		at;
		int			bytes;
		size_t		row; /* where the manifest has the same; 0: nowhere */
	}			fields[] = {
		{"root offset", 0, 8, 0},	 {"root size", 8, 4, 0},
		{"filter offset", 12, 8, 0}, {"filter pages", 20, 4, 0},
		{"entries", 24, 8, 69},		 {"LSN start", 32, 8, 36},
		{"LSN end", 40, 8, 44},		 {"image", 84, 1, 52},
		{"root level", 85, 1, 0},	 {"file id", 86, 8, 53},
		{"version", 94, 4, 0},
	};
	size_t		which = below(sizeof(fields) / sizeof(fields[0]));
	uint8_t	   *at = footer() + fields[which].at;
	uint64_t	value = odd_number(get(at, fields[which].bytes),
								   fields[which].bytes);
	bool		both = fields[which].row != 0 && below(2) == 0;

	put(at, fields[which].bytes, value);
	if (both)
		put(layer_row(layer_number) + fields[which].row, fields[which].bytes,
			value);
	/* a wrong filter hides the changes in its layer */
	report(both || strncmp(fields[which].name, "filter", 6) == 0
			   ? EFFECT_ANY
			   : EFFECT_EQUAL,
		   "footer of layer %u: %s%s", layer_number, fields[which].name,
		   both ? ", in the manifest too" : "");
	seal_footer();
}

void
change_filter(void)
{
	uint64_t	offset = get(footer() + 12, 8);
	uint64_t	pages = get(footer() + 20, 4);
	uint8_t	   *page;
	uint32_t	crc;

	if (pages == 0)
		return;
	offset += FILTER_PAGE_SIZE * below(pages);
	page = layer.data + offset;
	for (int i = 0; i < 16; i++)
		page[below(FILTER_PAGE_SIZE - 4)] = (uint8_t) draw();
	crc = crc_add(0xFFFFFFFF, page, FILTER_PAGE_SIZE - 4);
	put(page + FILTER_PAGE_SIZE - 4, 4, crc_end(crc, offset));
	report(EFFECT_ANY, "filter of layer %u", layer_number);
}

void
change_layer_bytes(void)
{
	size_t		at = 0;
	size_t		n = 1 + below(8);

	for (size_t i = 0; i < n; i++)
	{
		at = below(layer.size);
		layer.data[at] ^= (uint8_t) (1 + below(255));
	}
	if (below(4) == 0)
	{
		layer.size = below(layer.size);
		put(layer_row(layer_number) + 61, 8, layer.size);
		report(EFFECT_EQUAL, "layer %u cut to %zu bytes", layer_number,
			   layer.size);
		if (layer.size == 0)
			layer.size = 1;
	}
	layer_crc_right = below(2) == 0;
	report(EFFECT_EQUAL, "layer %u: %zu bytes, one of them %zu", layer_number,
		   n, at);
}

void
write_layer(void)
{
	if (layer_crc_right)
		put(layer_row(layer_number) + 77, 4, crc_of(layer.data, layer.size));
	write_file(&layer);
}

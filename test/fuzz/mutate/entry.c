/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  Changes of entries: their keys, LSNs, types, lengths and values.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <string.h>

#include "mutate.h"

/* How much of the answers may an entry's value change? */
static Effect
effect_of(const uint8_t *entry)
{
	switch (entry[0])
	{
		case KIND_REL_BLOCK:
			return EFFECT_ANY;
		case KIND_RECORD_ENDS:
			return EFFECT_ANY; /* an LSN is rounded to a record's end */
		default:
			return EFFECT_PAGES;
	}
}

static void
fix_record(uint8_t *value, uint32_t length)
{
	uint32_t	crc;

	if (length < 24)
		return;
	crc = crc_add(0xFFFFFFFF, value + 24, length - 24);
	crc = crc_add(crc, value, 20) ^ 0xFFFFFFFF;
	put(value + 20, 4, crc);
}

/*
 * Correct the checksum that a value contains.  Records have one, and control
 * files and relation maps end with one.  Their sizes depend on the version, so
 * the sizes of PostgreSQL 15 to 18 are tried.
 */
static void
fix_value(uint8_t *entry, uint8_t *value, uint32_t length)
{
	if (entry[26] == TYPE_RECORD || entry[26] == TYPE_RECORD_INIT)
		fix_record(value, length);
	else if (entry[0] == KIND_CONTROL)
	{
		/* the CRC is followed by padding, or nothing */
		size_t		at = length - (length % 8 == 0 ? 8 : 4);

		put(value + at, 4, crc_of(value, at));
	}
	else if (entry[0] == 0x40 && length == 512)
		put(value + 504, 4, crc_of(value, 504));
	else if (entry[0] == 0x40 && length == 524)
		put(value + 520, 4, crc_of(value, 520));
}

static void
change_value(uint8_t *entry)
{
	static const char *const paths[] = {"../",
										"/",
										"a/../../",
										"./",
										"a//b",
										"global/../../victim/",
										"base/1/",
										"pg_tblspc/../",
										"\n",
										"\\",
										"postgresql.auto.conf",
										"standby.signal"};
	uint8_t	   *value = entry + ENTRY_HEADER_SIZE;
	uint32_t	length = (uint32_t) get(entry + 27, 4);
	size_t		at;

	report(effect_of(entry), "value of kind %02x, type %d, %u bytes", entry[0],
		   entry[26], length);
	if (length == 0)
		return;
	at = below(length);
	/* a long value has its structure at the beginning */
	if (below(2) == 0)
		at = below(length < 64 ? length : 64);
	if (entry[0] == 0x20 || entry[0] == 0x10)
	{
		size_t		begin = entry[0] == 0x20 ? 12 : 0;
		const char *path = paths[below(sizeof(paths) / sizeof(paths[0]))];

		if (length > begin && below(3) != 0)
		{
			size_t		n = strlen(path);

			if (n > length - begin)
				n = length - begin;
			memcpy(value + begin, path, n);
			report(EFFECT_PAGES, "path \"%.*s\"", (int) (length - begin),
				   (char *) value + begin);
			return;
		}
		if (begin > 0 && below(2) == 0)
		{
			put(value, 4, odd_number(get(value, 4), 4));
			return;
		}
	}
	switch (below(4))
	{
		case 0:
			value[at] = (uint8_t) draw();
			break;
		case 1:
			for (size_t n = 1 + below(32); n > 0 && at < length; n--)
				value[at++] = (uint8_t) draw();
			break;
		default:
		{
			int			bytes = 1 << below(4);

			if ((size_t) bytes > length - at)
				bytes = 1;
			put(value + at, bytes, odd_number(get(value + at, bytes), bytes));
		}
	}
	if (below(4) != 0)
		fix_value(entry, value, length);
}

/* Pick an entry; half of the time one with a small value, which are few. */
static uint8_t *
pick_entry(const Block **block)
{
	uint8_t		kind = (uint8_t) below(0x61);
	uint8_t	   *entry = NULL;
	bool		small = below(2) == 0;

	for (int tries = 0; tries < 5000; tries++)
	{
		*block = small && tries < 4000 ? &blocks[(size_t) tries % nblocks]
									   : pick_block(false);
		if (*block == NULL || (*block)->level > 0 ||
			(*block)->raw != (*block)->stored)
			continue;
		entry = entry_of(*block, (uint32_t) below(entry_count(*block)));
		if (!small || tries >= 4000)
			break;
		/* the first entry of the kind drawn, or of a higher one */
		for (uint32_t i = 0; i < entry_count(*block); i++)
		{
			uint8_t	   *candidate = entry_of(*block, i);

			if (candidate[0] >= kind && candidate[0] < KIND_REL_BLOCK &&
				below(8) == 0)
				return candidate;
		}
	}
	return entry;
}

void
change_entry(void)
{
	const Block *block;
	uint8_t	   *entry = pick_entry(&block);
	Effect		may;

	if (entry == NULL)
		return; /* every block is compressed */
	may = effect_of(entry);
	switch (below(8))
	{
		case 0:
			entry[below(KEY_LENGTH)] ^= (uint8_t) (1 + below(255));
			report(EFFECT_ANY, "key");
			break;
		case 1:
			change_number(entry + 18, 8, may, "LSN");
			break;
		case 2:
			entry[26] = (uint8_t) odd_number(entry[26], 1);
			report(may, "type -> %d", entry[26]);
			break;
		case 3:
			change_number(entry + 27, 4, EFFECT_EQUAL, "length");
			break;
		default:
			change_value(entry);
	}
	finish_block(block);
}

/* Change a captured file, in the layer that has it. */
void
set_file(const char *directory, const char *old, const char *new,
		 uint32_t mode)
{
	size_t		length = strlen(old);

	for (uint32_t number = 0; number < layer_count(); number++)
	{
		open_layer(directory, number);
		for (size_t i = 0; i < nblocks; i++)
		{
			const Block *block = &blocks[i];

			if (block->level > 0 || block->raw != block->stored)
				continue;
			for (uint32_t j = 0; j < entry_count(block); j++)
			{
				uint8_t	   *entry = entry_of(block, j);
				uint8_t	   *value = entry + ENTRY_HEADER_SIZE;

				if (entry[0] != 0x20 || get(entry + 27, 4) != length + 12 ||
					memcmp(value + 12, old, length) != 0)
					continue;
				put(value, 4, mode);
				memcpy(value + 12, new, length);
				finish_block(block);
				write_layer();
				return;
			}
		}
	}
	errno = ENOENT;
	die(old);
}

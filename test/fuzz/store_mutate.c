/*-------------------------------------------------------------------------
 *
 * store_mutate.c
 *	  Changes a timeline in a local page store, and makes all CRCs right.
 *
 *	  store_mutate SEED TIMELINE_DIRECTORY
 *	  store_mutate fact NAME VALUE TIMELINE_DIRECTORY
 *	  store_mutate file OLD_PATH NEW_PATH MODE TIMELINE_DIRECTORY
 *
 * The second changes one fact of the manifest, the third a captured file's
 * path, which keeps its length, and its mode (octal).  The first changes what
 * it likes.
 *
 * The change is drawn from the seed: a fact of the manifest, a key, an
 * LSN, a value, a length, a place, or any byte.  One line on standard output
 * says what, after a word that says how much of what is read may differ then:
 *
 *	  equal		nothing: an answer is that of the unchanged store, or an error
 *	  pages		what is not a page of a relation: the change was in a value of
 *				another kind, or in a fact that a backup carries along
 *	  any		the change was in the content or the history of pages
 *
 * It knows the format by docs/format.md alone, and shares no code with what it
 * tests.  Layers are to be stored with bbackup.compression = none.  A file
 * that changes is replaced, so the directory may be made of hard links.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_LENGTH 18
#define LAYER_HEADER_SIZE 28
#define BLOCK_HEADER_SIZE 16
#define ENTRY_HEADER_SIZE 31
#define FOOTER_SIZE 110
#define FILTER_PAGE_SIZE 512
#define LAYER_ROW_SIZE 81

/* Kinds of keys. */
#define KIND_CONTROL 0x01
#define KIND_CHECKPOINT 0x02
#define KIND_COMMIT_TIME 0x03
#define KIND_RECORD_ENDS 0x04
#define KIND_REL_BLOCK 0x42

/* Types of entries. */
#define TYPE_RECORD 3
#define TYPE_RECORD_INIT 4

typedef enum Effect
{
	EFFECT_EQUAL,
	EFFECT_PAGES,
	EFFECT_ANY
} Effect;

static const char *const effect_names[] = {"equal", "pages", "any"};

typedef struct File
{
	char	   *path;
	uint8_t	   *data;
	size_t		size;
} File;

static File manifest;
static Effect effect = EFFECT_EQUAL;
static char description[4096];

/* ---- basics ---- */

static uint64_t random_state;

/* splitmix64 */
static uint64_t
draw(void)
{
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static uint64_t
below(uint64_t n)
{
	return n == 0 ? 0 : draw() % n;
}

static void
die(const char *message)
{
	fprintf(stderr, "store_mutate: %s: %s\n", message, strerror(errno));
	exit(2);
}

static void
tell(Effect least, const char *format, ...)
{
	size_t		length = strlen(description);
	va_list		args;

	if (least > effect)
		effect = least;
	if (length > 0 && length < sizeof(description) - 2)
		strcpy(description + length, "; ");
	length = strlen(description);
	va_start(args, format);
	vsnprintf(description + length, sizeof(description) - length, format,
			  args);
	va_end(args);
}

static uint64_t
get(const uint8_t *p, int bytes)
{
	uint64_t	value = 0;

	for (int i = bytes - 1; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

static void
put(uint8_t *p, int bytes, uint64_t value)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t) (value >> 8 * i);
}

static uint32_t crc_table[256];

static uint32_t
crc_add(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *p = data;

	while (length-- > 0)
		crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return crc;
}

static uint32_t
crc_of(const void *data, size_t length)
{
	return crc_add(0xFFFFFFFF, data, length) ^ 0xFFFFFFFF;
}

static void
make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t	c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
		crc_table[i] = c;
	}
}

static File
read_file(const char *path)
{
	File		file = {strdup(path), NULL, 0};
	FILE	   *in = fopen(path, "rb");
	long		size;

	if (in == NULL || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0)
		die(path);
	rewind(in);
	file.size = (size_t) size;
	file.data = malloc(file.size + 1);
	if (fread(file.data, 1, file.size, in) != file.size)
		die(path);
	fclose(in);
	return file;
}

static void
write_file(const File *file)
{
	FILE	   *out;

	unlink(file->path);
	out = fopen(file->path, "wb");
	if (out == NULL || fwrite(file->data, 1, file->size, out) != file->size ||
		fclose(out) != 0)
		die(file->path);
}

/* A number that is worth trying in the place of another. */
static uint64_t
odd_number(uint64_t old, int bytes)
{
	static const uint64_t likely[] = {0,
									  1,
									  2,
									  7,
									  0x7f,
									  0x80,
									  0xff,
									  0x1000,
									  0x2000,
									  0x7fff,
									  0x8000,
									  0xffff,
									  0x100000,
									  0x1000000,
									  0x7fffffff,
									  0x80000000,
									  0xfffffffe,
									  0xffffffff,
									  UINT64_C(0x100000000),
									  UINT64_C(0x7fffffffffffffff),
									  UINT64_C(0x8000000000000000),
									  UINT64_C(0xfffffffffffffffe),
									  UINT64_C(0xffffffffffffffff)};
	uint64_t	mask = bytes == 8 ? UINT64_MAX
								  : (UINT64_C(1) << 8 * bytes) - 1;
	uint64_t	value = old;

	while ((value & mask) == old)
	{
		switch (below(6))
		{
			case 0:
				value = old + 1 + below(3);
				break;
			case 1:
				value = old - 1 - below(3);
				break;
			case 2:
				value = old ^ UINT64_C(1) << below(8 * bytes);
				break;
			case 3:
				value = draw();
				break;
			default:
				value = likely[below(sizeof(likely) / sizeof(likely[0]))];
		}
	}
	return value & mask;
}

/* ---- the manifest ---- */

typedef struct Fact
{
	const char *name;
	size_t		at;
	int			bytes;
	Effect		effect;
} Fact;

static size_t layer_rows; /* where they begin; their number is ahead */

/* Where the manifest's facts are; returns how many. */
static int
find_facts(Fact *facts)
{
	int			n = 0;
	size_t		at = 8;
	uint32_t	switches;

#define FACT(what, size, may) \
	(facts[n++] = (Fact){what, at, size, may}, at += size)
	FACT("version", 4, EFFECT_EQUAL);
	at += 4 + get(manifest.data + at, 4);
	FACT("generation", 8, EFFECT_EQUAL);
	/* what a backup says of its cluster: its seed, its tar headers */
	FACT("pg_version_num", 4, EFFECT_EQUAL);
	FACT("system identifier", 8, EFFECT_EQUAL);
	FACT("WAL segment size", 4, EFFECT_EQUAL);
	FACT("data checksum version", 4, EFFECT_EQUAL);
	FACT("tli", 4, EFFECT_PAGES);
	switches = (uint32_t) get(manifest.data + at, 4);
	FACT("number of switches", 4, EFFECT_PAGES);
	for (uint32_t i = 0; i < switches && i < 8; i++)
	{
		FACT("switch tli", 4, EFFECT_PAGES);
		FACT("switch until", 8, EFFECT_PAGES);
	}
	FACT("uid", 4, EFFECT_PAGES);
	FACT("gid", 4, EFFECT_PAGES);
	FACT("directory mode", 4, EFFECT_PAGES);
	FACT("start LSN", 8, EFFECT_PAGES);
	FACT("end LSN", 8, EFFECT_PAGES);
	FACT("prev LSN", 8, EFFECT_PAGES);
	FACT("end time", 8, EFFECT_PAGES);
	FACT("length of the ancestor's name", 4, EFFECT_EQUAL);
	at += get(manifest.data + at - 4, 4);
	FACT("ancestor LSN", 8, EFFECT_PAGES);
	FACT("number of layers", 4, EFFECT_EQUAL);
#undef FACT
	layer_rows = at;
	return n;
}

static uint32_t
layer_count(void)
{
	return (uint32_t) get(manifest.data + layer_rows - 4, 4);
}

static uint8_t *
layer_row(uint32_t i)
{
	return manifest.data + layer_rows + (size_t) i * LAYER_ROW_SIZE;
}

static void
change_fact(void)
{
	Fact		facts[64];
	int			n = find_facts(facts);
	const Fact *fact = &facts[below((uint64_t) n)];
	uint64_t	old = get(manifest.data + fact->at, fact->bytes);
	uint64_t	value = odd_number(old, fact->bytes);

	put(manifest.data + fact->at, fact->bytes, value);
	tell(fact->effect, "manifest: %s %llu -> %llu", fact->name,
		 (unsigned long long) old, (unsigned long long) value);
}

/*
 * What the manifest says of a layer.  A layer that is thought to have other
 * keys is not looked at, so its changes may be missing in pages; but not one
 * of other LSNs, as the layers' LSNs have to join.
 */
static void
change_row(void)
{
	static const struct
	{
		const char *name;
		size_t		at;
		int			bytes;
		Effect		effect;
	}			fields[] = {
		{"key start", 0, 0, EFFECT_ANY},	{"key end", 18, 0, EFFECT_ANY},
		{"LSN start", 36, 8, EFFECT_EQUAL}, {"LSN end", 44, 8, EFFECT_EQUAL},
		{"image", 52, 1, EFFECT_EQUAL},		{"file id", 53, 8, EFFECT_EQUAL},
		{"size", 61, 8, EFFECT_EQUAL},		{"entries", 69, 8, EFFECT_EQUAL},
		{"crc", 77, 4, EFFECT_EQUAL},
	};
	uint32_t	layer = (uint32_t) below(layer_count());
	size_t		which = below(sizeof(fields) / sizeof(fields[0]));
	uint8_t	   *at = layer_row(layer) + fields[which].at;

	if (fields[which].bytes == 0)
		at[below(KEY_LENGTH)] ^= (uint8_t) (1 + below(255));
	else
		put(at, fields[which].bytes,
			odd_number(get(at, fields[which].bytes), fields[which].bytes));
	tell(fields[which].effect, "manifest: %s of layer %u", fields[which].name,
		 layer);
}

static void
change_rows(void)
{
	uint32_t	n = layer_count();
	uint32_t	a = (uint32_t) below(n);
	uint32_t	b = (uint32_t) below(n);
	uint8_t		row[LAYER_ROW_SIZE];

	switch (below(3))
	{
		case 0:
			memcpy(row, layer_row(a), LAYER_ROW_SIZE);
			memcpy(layer_row(a), layer_row(b), LAYER_ROW_SIZE);
			memcpy(layer_row(b), row, LAYER_ROW_SIZE);
			tell(EFFECT_EQUAL, "manifest: layers %u and %u change places", a,
				 b);
			break;
		case 1:
			memcpy(layer_row(a), layer_row(b), LAYER_ROW_SIZE);
			tell(EFFECT_EQUAL, "manifest: layer %u in place of %u", b, a);
			break;
		case 2:
			memmove(layer_row(a), layer_row(a + 1),
					(size_t) (n - a - 1) * LAYER_ROW_SIZE + 4);
			manifest.size -= LAYER_ROW_SIZE;
			put(manifest.data + layer_rows - 4, 4, n - 1);
			tell(EFFECT_EQUAL, "manifest: layer %u is gone", a);
			break;
	}
}

/* Bytes anywhere, with a right CRC or without. */
static bool keep_manifest_crc = true;

static void
change_manifest_bytes(void)
{
	size_t		n = 1 + below(8);
	size_t		at = 0;

	for (size_t i = 0; i < n; i++)
	{
		at = below(manifest.size);
		manifest.data[at] = (uint8_t) draw();
	}
	keep_manifest_crc = below(4) != 0;
	tell(keep_manifest_crc ? EFFECT_ANY : EFFECT_EQUAL,
		 "manifest: %zu bytes, one of them %zu%s", n, at,
		 keep_manifest_crc ? "" : ", CRC wrong");
}

/* ---- a layer ---- */

typedef struct Block
{
	size_t		at;
	int			level;
	uint32_t	raw;
	uint32_t	stored;
} Block;

static File layer;
static uint32_t layer_number;
static uint64_t file_id;
static size_t blocks_end; /* where the filter, or the footer, begins */
static Block *blocks;
static size_t nblocks;

static bool layer_crc_right = true;

static uint8_t *
footer(void)
{
	return layer.data + layer.size - FOOTER_SIZE;
}

static void
open_layer(const char *directory, uint32_t number)
{
	static const char digits[] = "0123456789abcdef";
	char		path[4096];
	uint8_t	   *row;
	uint8_t		id_bytes[8];
	char		id_text[17] = "";
	DIR		   *dir;
	struct dirent *entry;
	uint64_t	filter;

	layer_number = number;
	row = layer_row(layer_number);
	nblocks = 0;
	file_id = get(row + 53, 8);
	for (int i = 0; i < 8; i++)
	{
		id_bytes[i] = (uint8_t) (file_id >> 8 * (7 - i));
		id_text[2 * i] = digits[id_bytes[i] >> 4];
		id_text[2 * i + 1] = digits[id_bytes[i] & 15];
	}

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

	filter = get(footer() + 12, 8);
	blocks_end = filter != 0 ? filter : layer.size - FOOTER_SIZE;
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

static void
seal_block(const Block *block)
{
	uint8_t	   *header = layer.data + block->at;
	uint8_t		place[16];
	uint32_t	crc;

	put(place, 8, file_id);
	put(place + 8, 8, block->at);
	crc = crc_add(0xFFFFFFFF, header, 12);
	crc = crc_add(crc, header + BLOCK_HEADER_SIZE, block->stored);
	crc = crc_add(crc, place, sizeof(place)) ^ 0xFFFFFFFF;
	put(header + 12, 4, crc);
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

static uint32_t
entry_count(const Block *block)
{
	return (uint32_t) get(payload_of(block) + block->raw - 4, 4);
}

static uint8_t *
entry_of(const Block *block, uint32_t i)
{
	uint32_t	n = entry_count(block);
	uint8_t	   *offsets = payload_of(block) + block->raw - 4 - 4 * (size_t) n;

	return payload_of(block) + get(offsets + 4 * (size_t) i, 4);
}

/* How much an entry's value may change of what is read. */
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
 * Make the checksum right that a value has in itself: a record's; the control
 * file's and a relation map's are the last four bytes that are used, which
 * differ by version, so the sizes of PostgreSQL 15 to 18 are tried.
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

	tell(effect_of(entry), "value of kind %02x, type %d, %u bytes", entry[0],
		 entry[26], length);
	if (length == 0)
		return;
	at = below(length);
	/* the beginning of what is long has the structure */
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
			tell(EFFECT_PAGES, "path \"%.*s\"", (int) (length - begin),
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

static const Block *
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

/* A data block; those with small values, of which there are few, too. */
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
		/* the first that isn't below the kind drawn */
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

static void
change_entry(void)
{
	const Block *block;
	uint8_t	   *entry = pick_entry(&block);
	Effect		may;

	if (entry == NULL)
		return; /* all is compressed */
	may = effect_of(entry);
	switch (below(8))
	{
		case 0:
			entry[below(KEY_LENGTH)] ^= (uint8_t) (1 + below(255));
			tell(EFFECT_ANY, "key");
			break;
		case 1:
			put(entry + 18, 8, odd_number(get(entry + 18, 8), 8));
			tell(may, "LSN");
			break;
		case 2:
			entry[26] = (uint8_t) odd_number(entry[26], 1);
			tell(may, "type -> %d", entry[26]);
			break;
		case 3:
			put(entry + 27, 4, odd_number(get(entry + 27, 4), 4));
			tell(EFFECT_EQUAL, "length");
			break;
		default:
			change_value(entry);
	}
	tell(EFFECT_EQUAL, "in layer %u at %zu", layer_number, block->at);
	seal_block(block);
}

static void
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
		return; /* all is compressed, or there is no index */
	header = layer.data + block->at;
	n = entry_count(block);
	offsets = payload_of(block) + block->raw - 4 - 4 * (size_t) n;
	a = offsets + 4 * below(n);
	b = offsets + 4 * below(n);
	switch (below(7))
	{
		case 0:
			header[0] = (uint8_t) odd_number(header[0], 1);
			tell(EFFECT_EQUAL, "block level");
			break;
		case 1:
			header[1] = (uint8_t) odd_number(header[1], 1);
			tell(EFFECT_EQUAL, "block compression");
			break;
		case 2:
			put(header + 4, 4, odd_number(get(header + 4, 4), 4));
			tell(EFFECT_EQUAL, "block length");
			break;
		case 3:
			put(header + 8, 4, odd_number(get(header + 8, 4), 4));
			tell(EFFECT_EQUAL, "stored length");
			break;
		case 4:
			put(offsets + 4 * (size_t) n, 4, odd_number(n, 4));
			tell(EFFECT_EQUAL, "number of entries");
			break;
		case 5:
			put(a, 4, odd_number(get(a, 4), 4));
			tell(EFFECT_EQUAL, "offset of an entry");
			break;
		case 6:
			swap = get(a, 4);
			put(a, 4, get(b, 4));
			put(b, 4, swap);
			tell(EFFECT_EQUAL, "offsets of entries change places");
			break;
	}
	tell(EFFECT_EQUAL, "in layer %u at %zu", layer_number, block->at);
	seal_block(block);
}

static void
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
			put(entry + 31, 8, odd_number(get(entry + 31, 8), 8));
			tell(EFFECT_EQUAL, "index: offset");
			break;
		case 1:
			put(entry + 39, 4, odd_number(get(entry + 39, 4), 4));
			tell(EFFECT_EQUAL, "index: size");
			break;
		case 2:
			memcpy(value, entry + 31, 12);
			memcpy(entry + 31, other + 31, 12);
			memcpy(other + 31, value, 12);
			tell(EFFECT_EQUAL, "index: places change");
			break;
		case 3:
			put(entry + 31, 8, block->at);
			put(entry + 39, 4, BLOCK_HEADER_SIZE + block->stored);
			tell(EFFECT_EQUAL, "index: itself");
			break;
	}
	tell(EFFECT_EQUAL, "in layer %u at %zu", layer_number, block->at);
	seal_block(block);
}

static void
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
	/* a filter that passes a layer by hides the changes in it */
	tell(both || strncmp(fields[which].name, "filter", 6) == 0 ? EFFECT_ANY
															   : EFFECT_EQUAL,
		 "footer of layer %u: %s%s", layer_number, fields[which].name,
		 both ? ", in the manifest too" : "");
	seal_footer();
}

static void
change_filter(void)
{
	uint64_t	offset = get(footer() + 12, 8);
	uint64_t	pages = get(footer() + 20, 4);
	uint8_t	   *page;
	uint8_t		place[16];
	uint32_t	crc;

	if (pages == 0)
		return;
	offset += FILTER_PAGE_SIZE * below(pages);
	page = layer.data + offset;
	for (int i = 0; i < 16; i++)
		page[below(FILTER_PAGE_SIZE - 4)] = (uint8_t) draw();
	put(place, 8, file_id);
	put(place + 8, 8, offset);
	crc = crc_add(0xFFFFFFFF, page, FILTER_PAGE_SIZE - 4);
	crc = crc_add(crc, place, sizeof(place)) ^ 0xFFFFFFFF;
	put(page + FILTER_PAGE_SIZE - 4, 4, crc);
	tell(EFFECT_ANY, "filter of layer %u", layer_number);
}

static void
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
		tell(EFFECT_EQUAL, "layer %u cut to %zu bytes", layer_number,
			 layer.size);
		if (layer.size == 0)
			layer.size = 1;
	}
	layer_crc_right = below(2) == 0;
	tell(EFFECT_EQUAL, "layer %u: %zu bytes, one of them %zu", layer_number, n,
		 at);
}

/* Lengths and places may be wrong now: a further change could go astray. */
static bool
is_astray(void)
{
	return strstr(description, "length") != NULL ||
		strstr(description, "offset") != NULL ||
		strstr(description, "number of") != NULL ||
		strstr(description, "footer") != NULL;
}

static void
change_layer(const char *directory)
{
	int			n = 1 + (int) below(3);

	open_layer(directory, (uint32_t) below(layer_count()));
	for (int i = 0; i < n; i++)
	{
		switch (below(16))
		{
			case 0:
			case 1:
				change_block();
				break;
			case 2:
			case 3:
				change_index();
				break;
			case 4:
				change_footer();
				break;
			case 5:
				change_filter();
				break;
			case 6:
				change_layer_bytes();
				i = n; /* its structure is gone */
				break;
			default:
				change_entry();
				break;
		}
		if (is_astray())
			break;
	}
	if (layer_crc_right)
		put(layer_row(layer_number) + 77, 4, crc_of(layer.data, layer.size));
	write_file(&layer);
}

static void
set_fact(const char *name, uint64_t value)
{
	Fact		facts[64];
	int			n = find_facts(facts);

	for (int i = 0; i < n; i++)
	{
		if (strcmp(facts[i].name, name) == 0)
		{
			put(manifest.data + facts[i].at, facts[i].bytes, value);
			return;
		}
	}
	errno = ENOENT;
	die(name);
}

/* In whichever layer it is. */
static void
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
				seal_block(block);
				put(layer_row(number) + 77, 4, crc_of(layer.data, layer.size));
				write_file(&layer);
				return;
			}
		}
	}
	errno = ENOENT;
	die(old);
}

static void
seal_manifest(void)
{
	put(manifest.data + manifest.size - 4, 4,
		crc_of(manifest.data, manifest.size - 4));
	write_file(&manifest);
}

int
main(int argc, char **argv)
{
	char		path[4096];
	Fact		facts[64];
	bool		fact = argc == 5 && strcmp(argv[1], "fact") == 0;
	bool		file = argc == 6 && strcmp(argv[1], "file") == 0 &&
		strlen(argv[2]) == strlen(argv[3]);

	if (argc != 3 && !fact && !file)
	{
		fprintf(stderr,
				"usage: store_mutate SEED TIMELINE_DIRECTORY\n"
				"       store_mutate fact NAME VALUE TIMELINE_DIRECTORY\n"
				"       store_mutate file OLD_PATH NEW_PATH MODE "
				"TIMELINE_DIRECTORY\n");
		return 2;
	}
	make_crc_table();
	snprintf(path, sizeof(path), "%s/manifest", argv[argc - 1]);
	manifest = read_file(path);
	(void) find_facts(facts);
	if (fact)
		set_fact(argv[2], strtoull(argv[3], NULL, 0));
	if (file)
		set_file(argv[5], argv[2], argv[3],
				 (uint32_t) strtoul(argv[4], NULL, 8));
	if (fact || file)
	{
		seal_manifest();
		return 0;
	}

	random_state = strtoull(argv[1], NULL, 10);
	switch (below(10))
	{
		case 0:
		case 1:
			for (int n = 1 + (int) below(2); n > 0 && !is_astray(); n--)
				change_fact();
			break;
		case 2:
			change_row();
			break;
		case 3:
			if (below(2) == 0)
				change_rows();
			else
				change_manifest_bytes();
			break;
		default:
			change_layer(argv[2]);
			break;
	}
	if (keep_manifest_crc)
		seal_manifest();
	else
		write_file(&manifest);
	printf("%s %s\n", effect_names[effect], description);
	return 0;
}

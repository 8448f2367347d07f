/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Changes of the manifest: its facts and its rows of layers.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mutate.h"

File		manifest;
bool		keep_manifest_crc = true;

typedef struct Fact
{
	const char *name;
	size_t		at;
	int			bytes;
	Effect		effect;
} Fact;

static size_t layer_rows; /* where they begin, after their number */

/* Is it a manifest of version 4?  Those of the tests are, or of version 1. */
static bool
is_v4(void)
{
	return get(manifest.data + 8, 4) == 4;
}

/* Find where the facts are.  Returns how many there are. */
static int
find_facts(Fact *facts)
{
	int			n = 0;
	size_t		at = 8;
	uint32_t	switches;
	bool		v4 = is_v4();

#define FACT(what, size, may) \
	(facts[n++] = (Fact){what, at, size, may}, at += size)
	FACT("version", 4, EFFECT_EQUAL);
	at += 4 + get(manifest.data + at, 4);
	FACT("generation", 8, EFFECT_EQUAL);
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
	if (v4)
	{
		at += KEEPS_SIZE_EMPTY;
		FACT("gaps forgotten", 1, EFFECT_EQUAL);
	}
	FACT("number of layers", 4, EFFECT_EQUAL);
#undef FACT
	layer_rows = at;
	return n;
}

uint32_t
layer_count(void)
{
	return (uint32_t) get(manifest.data + layer_rows - 4, 4);
}

size_t
layer_row_size(void)
{
	return is_v4() ? LAYER_ROW_SIZE : LAYER_ROW_SIZE_OLD;
}

uint8_t *
layer_row(uint32_t i)
{
	return manifest.data + layer_rows + (size_t) i * layer_row_size();
}

void
change_fact(void)
{
	Fact		facts[64];
	int			n = find_facts(facts);
	const Fact *fact = &facts[below((uint64_t) n)];
	uint64_t	old = get(manifest.data + fact->at, fact->bytes);
	uint64_t	value = odd_number(old, fact->bytes);

	put(manifest.data + fact->at, fact->bytes, value);
	report(fact->effect, "manifest: %s %llu -> %llu", fact->name,
		   (unsigned long long) old, (unsigned long long) value);
}

/*
 * Change the row of a layer.  With a wrong key range, a layer isn't read, so
 * pages may miss its changes.  A wrong LSN range is noticed, because the LSN
 * ranges of layers have to join.
 */
void
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
		{"crc", 77, 4, EFFECT_EQUAL},		{"newest commit", 81, 8, EFFECT_PAGES},
	};
	uint32_t	layer = (uint32_t) below(layer_count());
	size_t		which = below(sizeof(fields) / sizeof(fields[0]) - !is_v4());
	uint8_t	   *at = layer_row(layer) + fields[which].at;

	if (fields[which].bytes == 0)
		at[below(KEY_LENGTH)] ^= (uint8_t) (1 + below(255));
	else
		put(at, fields[which].bytes,
			odd_number(get(at, fields[which].bytes), fields[which].bytes));
	report(fields[which].effect, "manifest: %s of layer %u",
		   fields[which].name, layer);
}

void
change_rows(void)
{
	uint32_t	n = layer_count();
	uint32_t	a = (uint32_t) below(n);
	uint32_t	b = (uint32_t) below(n);
	size_t		size = layer_row_size();
	uint8_t		row[LAYER_ROW_SIZE];

	switch (below(3))
	{
		case 0:
			memcpy(row, layer_row(a), size);
			memcpy(layer_row(a), layer_row(b), size);
			memcpy(layer_row(b), row, size);
			report(EFFECT_EQUAL, "manifest: layers %u and %u change places", a,
				   b);
			break;
		case 1:
			memcpy(layer_row(a), layer_row(b), size);
			report(EFFECT_EQUAL, "manifest: layer %u in place of %u", b, a);
			break;
		case 2:
			memmove(layer_row(a), layer_row(a + 1),
					(size_t) (n - a - 1) * size + 4);
			manifest.size -= size;
			put(manifest.data + layer_rows - 4, 4, n - 1);
			report(EFFECT_EQUAL, "manifest: layer %u is gone", a);
			break;
	}
}

/* Change any bytes, with a correct CRC or without. */
void
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
	report(keep_manifest_crc ? EFFECT_ANY : EFFECT_EQUAL,
		   "manifest: %zu bytes, one of them %zu%s", n, at,
		   keep_manifest_crc ? "" : ", CRC wrong");
}

/* Add what is kept, before the number of layers, in place of nothing. */
void
change_keeps(void)
{
	Fact		facts[64];
	int			n = find_facts(facts);
	uint64_t	start = 0;

	for (int i = 0; i < n; i++)
		if (strcmp(facts[i].name, "start LSN") == 0)
			start = get(manifest.data + facts[i].at, 8);
	if (is_v4())
		add_keeps(layer_rows - 4 - 1 - KEEPS_SIZE_EMPTY, KEEPS_SIZE_EMPTY,
				  start);
	else
		add_keeps(layer_rows - 4, 0, start);
}

void
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

void
read_manifest(const char *directory)
{
	char		path[4096];
	Fact		facts[64];

	snprintf(path, sizeof(path), "%s/manifest", directory);
	manifest = read_file(path);
	(void) find_facts(facts);
}

void
write_manifest(void)
{
	if (keep_manifest_crc)
		put(manifest.data + manifest.size - 4, 4,
			crc_of(manifest.data, manifest.size - 4));
	write_file(&manifest);
}

/*-------------------------------------------------------------------------
 *
 * keeps.c
 *	  Changes of the manifest: a retention, pins, points and retired layers.
 *
 * Stores of the tests have none, so they are added: a manifest of version
 * 1 becomes one of version 3.  Most values are possible ones, some aren't.  A layer is retired
 * in place of being used, or in addition to that, which is refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

#define ROWS_MAX 4

static uint8_t bytes[8192];
static size_t nbytes;

static void
add(uint64_t value, int size)
{
	put(bytes + nbytes, size, value);
	nbytes += (size_t) size;
}

static uint64_t
maybe_odd(uint64_t value, int size)
{
	return below(20) == 0 ? odd_number(value, size) : value;
}

static void
add_text(const char *text)
{
	size_t		length = strlen(text);

	add(maybe_odd(length, 4), 4);
	memcpy(bytes + nbytes, text, length);
	nbytes += length;
}

static void
add_pins(uint64_t lsn)
{
	static const char *const names[] = {"a", "b.1", "release-7", "x/y", ""};
	uint32_t	n = (uint32_t) below(4);

	add(maybe_odd(n, 4), 4);
	for (uint32_t i = 0; i < n; i++)
	{
		add_text(names[below(10) == 0 ? below(5) : i]);
		add(maybe_odd(lsn, 8), 8);
		add_text(below(2) ? "" : "a reason");
		add_text("postgres");
		add(maybe_odd(1700000000, 8), 8);
		add(maybe_odd(0, 8), 8);
	}
}

static void
add_points(uint64_t start)
{
	uint32_t	n = (uint32_t) below(4);

	add(maybe_odd(n, 4), 4);
	for (uint32_t i = 0; i < n; i++)
	{
		add(maybe_odd(start - 100 + 8 * i, 8), 8);
		add(maybe_odd(1600000000, 8), 8);
	}
}

/* Returns how many layers aren't in use any more. */
static uint32_t
add_retired(void)
{
	uint32_t	n = (uint32_t) below(ROWS_MAX);
	uint32_t	gone = 0;
	uint32_t	all = layer_count();

	if (n >= all)
		n = all - 1;
	if (below(4) != 0)
		gone = n;
	add(maybe_odd(n, 4), 4);
	for (uint32_t i = 0; i < n; i++)
	{
		memcpy(bytes + nbytes, layer_row(all - 1 - i), layer_row_size());
		nbytes += layer_row_size();
		add(maybe_odd(1700000000, 8), 8);
	}
	return gone;
}

static void
add_copy(void)
{
	bool		copy = below(4) == 0;

	add_text(copy ? "file:///original" : "");
	add(maybe_odd(copy ? 7 : 0, 8), 8);
	add(maybe_odd(copy ? 1700000000 : 0, 8), 8);
}

/*
 * "start" is the start LSN.  What is kept replaces the "old" bytes at "at", which say
 * that nothing is.
 */
void
add_keeps(size_t at, size_t old, uint64_t start)
{
	size_t		row = layer_row_size();
	uint32_t	gone;
	size_t		rest;
	size_t		count;
	uint8_t    *data;

	nbytes = 0;
	add(0, 4); /* gaps */
	add(below(2) ? 0 : draw(), 8); /* origin */
	add(maybe_odd(86400 * below(3), 8), 8);
	add(maybe_odd(3600 * below(3), 8), 8);
	for (int i = 0; i < 5; i++)
		add(maybe_odd(below(100), 4), 4);
	add_pins(start);
	add_points(start);
	gone = add_retired();
	add_copy();

	rest = manifest.size - at - old;
	data = malloc(manifest.size + nbytes);
	if (data == NULL)
		die("malloc");
	memcpy(data, manifest.data, at);
	memcpy(data + at, bytes, nbytes);
	memcpy(data + at + nbytes, manifest.data + at + old, rest);
	manifest.data = data;
	manifest.size += nbytes - old - gone * row;
	/* the number of layers follows, in version 4 after a mark */
	count = at + nbytes + (old > 0 ? 1 : 0);
	put(data + count, 4, get(data + count, 4) - gone);
	if (old == 0)
		put(data + 8, 4, 3);
	report(EFFECT_EQUAL, "manifest: %zu bytes of what is kept, %u layers gone",
		   nbytes, gone);
}

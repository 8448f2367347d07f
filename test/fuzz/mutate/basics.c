/*-------------------------------------------------------------------------
 *
 * basics.c
 *	  Random numbers, bytes, checksums, files, and the report.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mutate.h"

Effect		effect = EFFECT_EQUAL;
char		description[4096];

static uint64_t random_state;

void
seed_random(uint64_t seed)
{
	random_state = seed;
}

/* splitmix64 */
uint64_t
draw(void)
{
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t
below(uint64_t n)
{
	return n == 0 ? 0 : draw() % n;
}

void
die(const char *message)
{
	fprintf(stderr, "store_mutate: %s: %s\n", message, strerror(errno));
	exit(2);
}

void
report(Effect least, const char *format, ...)
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

uint64_t
get(const uint8_t *p, int bytes)
{
	uint64_t	value = 0;

	for (int i = bytes - 1; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

void
put(uint8_t *p, int bytes, uint64_t value)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t) (value >> 8 * i);
}

static uint32_t crc_table[256];

static void
make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		crc_table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			crc_table[i] = (crc_table[i] & 1 ? 0x82F63B78 : 0) ^
				crc_table[i] >> 1;
	}
}

uint32_t
crc_add(uint32_t crc, const void *data, size_t length)
{
	if (crc_table[1] == 0)
		make_crc_table();
	for (const uint8_t *p = data; length-- > 0; p++)
		crc = crc_table[(crc ^ *p) & 0xff] ^ (crc >> 8);
	return crc;
}

uint32_t
crc_of(const void *data, size_t length)
{
	return crc_add(0xFFFFFFFF, data, length) ^ 0xFFFFFFFF;
}

File
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

void
write_file(const File *file)
{
	FILE	   *out;

	unlink(file->path);
	out = fopen(file->path, "wb");
	if (out == NULL || fwrite(file->data, 1, file->size, out) != file->size ||
		fclose(out) != 0)
		die(file->path);
}

/* A number that is worth trying in place of another. */
uint64_t
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

void
change_number(uint8_t *at, int bytes, Effect least, const char *what)
{
	put(at, bytes, odd_number(get(at, bytes), bytes));
	report(least, "%s", what);
}

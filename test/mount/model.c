/*-------------------------------------------------------------------------
 *
 * model.c
 *	  What the files of an overlay should be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <stdarg.h>

#include "overlay_test.h"

/* ---- randomness ---- */

uint64		random_state;

uint32
random_below(uint32 limit)
{
	/* xorshift64*, as in Vigna's paper */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32) ((random_state * UINT64CONST(2685821657736338717)) >> 33) %
		limit;
}

Slot		slots[SLOTS];
Handle		handles[HANDLES];
BbOverlay	overlay;
BbTree	   *tree;
BbSource   *directory_source;
char		overlay_path[1024];
int			last_kept; /* a descriptor */
char		boot[64];
bool		faulty_source;
uint64		seed;
int			step;
char		doing[256];

void
fail(const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	printf("seed " UINT64_FORMAT ", step %d (%s): ", seed, step, doing);
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	exit(1);
}

const char *
slot_name(int slot)
{
	static char name[8];

	snprintf(name, sizeof(name), "%c/%c", 'x' + slot / NAMES,
			 'a' + slot % NAMES);
	return name;
}

void
add_version(Object *object, uint32 sector)
{
	Version	   *version;

	for (version = object->versions[sector]; version; version = version->next)
		if (memcmp(version->data, object->data[sector], SECTOR) == 0)
			return;
	version = pg_malloc(sizeof(Version));
	memcpy(version->data, object->data[sector], SECTOR);
	version->next = object->versions[sector];
	object->versions[sector] = version;
}

void
free_versions(Object *object, uint32 sector)
{
	while (object->versions[sector] != NULL)
	{
		Version	   *version = object->versions[sector];

		object->versions[sector] = version->next;
		pg_free(version);
	}
}

void
object_synced(Object *object)
{
	memset(object->sizes, 0, sizeof(object->sizes));
	object->sizes[object->sectors] = true;
	for (uint32 i = 0; i < SECTORS_MAX; i++)
	{
		free_versions(object, i);
		if (i < object->sectors)
			add_version(object, i);
	}
}

void
resize(Object *object, uint32 sectors)
{
	for (uint32 i = object->sectors; i < sectors; i++)
	{
		memset(object->data[i], 0, SECTOR);
		add_version(object, i);
	}
	object->sectors = sectors;
	object->sizes[sectors] = true;
}

void
write_sectors(Object *object, uint32 first, uint32 count, const void *data)
{
	if (first + count > object->sectors)
		resize(object, first + count);
	for (uint32 i = 0; i < count; i++)
	{
		if (data != NULL)
			memcpy(object->data[first + i], (const char *) data + i * SECTOR,
				   SECTOR);
		else
			memset(object->data[first + i], 0, SECTOR);
		add_version(object, first + i);
	}
}

void
set_slot(int slot, Object *object)
{
	slots[slot].now = object;
	for (int i = 0; i < slots[slot].count; i++)
		if (slots[slot].history[i] == object)
			return;
	if (slots[slot].count == HISTORY)
		fail("too many changes of a name");
	slots[slot].history[slots[slot].count++] = object;
}

void
directory_synced(int directory)
{
	for (int i = directory * NAMES; i < (directory + 1) * NAMES; i++)
	{
		slots[i].history[0] = slots[i].now;
		slots[i].count = 1;
	}
}

void
remember_before(void)
{
	for (int i = 0; i < SLOTS; i++)
	{
		Object	   *object = slots[i].now;

		slots[i].before = object;
		if (object == NULL)
			continue;
		object->before_sectors = object->sectors;
		memcpy(object->before, object->data,
			   (size_t) object->sectors * SECTOR);
	}
}

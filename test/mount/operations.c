/*-------------------------------------------------------------------------
 *
 * operations.c
 *	  Random operations on the files of an overlay, and looks at them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>

#include "overlay_test.h"

void
must(int error, const char *what)
{
	if (error != 0)
		fail("%s: %s", what, strerror(-error));
}

BbNode *
directory_node(int directory)
{
	char		name[2] = {'x' + directory, '\0'};
	BbNode	   *node;

	must(bb_tree_lookup(tree, &tree->root, name, &node),
		 "lookup of directory");
	return node;
}

int
lookup(int slot, BbNode **node)
{
	BbNode	   *directory = directory_node(slot / NAMES);
	int			error = bb_tree_lookup(tree, directory, slot_name(slot) + 2,
									   node);

	bb_tree_forget(tree, directory, 1);
	return error;
}

/* ---- looking ---- */

static void
compare_read(BbNode *node, const Object *object, uint32 first, uint32 count)
{
	static char data[SECTORS_MAX * SECTOR];
	ssize_t		done = bb_content_read(tree, node, data, count * SECTOR,
									   (off_t) first * SECTOR);
	uint32		end = Min(first + count, object->sectors);
	ssize_t		expected = end > first ? (end - first) * SECTOR : 0;

	if (done == -EIO && faulty_source)
		return;
	if (done != expected)
		fail("read of %u+%u: %zd, expected %zd", first, count, done, expected);
	for (uint32 i = first; i < end; i++)
		if (memcmp(data + (i - first) * SECTOR, object->data[i], SECTOR) != 0)
			fail("sector %u differs", i);
}

static void
check_size(BbNode *node, const Object *object)
{
	struct stat status;

	must(bb_content_stat(tree, node, &status), "stat");
	if (status.st_size != (off_t) object->sectors * SECTOR)
		fail("size %lld, expected %u", (long long) status.st_size,
			 object->sectors * SECTOR);
}

static void
check_listing(int directory)
{
	BbNode	   *node = directory_node(directory);
	BbTreeEntry *entries = NULL;
	uint32		count = 0;
	uint32		expected = 0;

	must(bb_tree_list(tree, node, &entries, &count), "list");
	for (int i = directory * NAMES; i < (directory + 1) * NAMES; i++)
		expected += slots[i].now != NULL;
	if (count != expected)
		fail("%u names in a directory, expected %u", count, expected);
	for (uint32 i = 0; i < count; i++)
		if (slots[directory * NAMES + entries[i].name[0] - 'a'].now == NULL)
			fail("unexpected name %s", entries[i].name);
	bb_tree_list_free(entries, count);
	bb_tree_forget(tree, node, 1);
}

/* ---- operations ---- */

/* Open a file of a slot, or take one that is open already. */
static bool
choose(Handle *chosen)
{
	int			slot = random_below(SLOTS);
	Handle	   *handle = &handles[random_below(HANDLES)];

	if (handle->node != NULL && random_below(2) == 0)
	{
		*chosen = *handle;
		chosen->node->lookups++;
		must(bb_tree_open(tree, chosen->node, 0), "open");
		return true;
	}
	if (slots[slot].now == NULL)
		return false;
	must(lookup(slot, &chosen->node), "lookup");
	must(bb_tree_open(tree, chosen->node, 0), "open");
	chosen->object = slots[slot].now;
	return true;
}

static void
unchoose(Handle *chosen)
{
	bb_tree_release(tree, chosen->node);
	bb_tree_forget(tree, chosen->node, 1);
}

/* An error that a faulty source explains leaves everything as it was. */
static bool
refused(int error, const char *what)
{
	if (error == -EIO && faulty_source)
		return true;
	must(error < 0 ? error : 0, what);
	return false;
}

static void
change_content(void)
{
	static char data[SECTORS_MAX * SECTOR];
	static Handle chosen;
	static uint32 first;
	static uint32 count;
	bool		blocks = random_below(2) == 0; /* whole blocks, aligned */

	if (!choose(&chosen))
		return;
	first = random_below(160);
	count = 1 + random_below(40);
	if (blocks)
	{
		first = first / 16 * 16;
		count = (1 + random_below(3)) * 16;
	}
	switch (random_below(10))
	{
		case 0:
		case 1:
			snprintf(doing, sizeof(doing), "truncate to %u", first);
			/* the model first: the operation may not return */
			{
				uint32		old = chosen.object->sectors;

				resize(chosen.object, first);
				/* not by resize(), which fills with zeros */
				if (refused(bb_content_truncate(tree, chosen.node,
												(off_t) first * SECTOR),
							"truncate"))
					chosen.object->sectors = old;
			}
			break;
		case 2:
			snprintf(doing, sizeof(doing), "punch %u+%u", first, count);
			{
				Object	   *copy = pg_malloc(sizeof(Object));
				uint32		end = Min(first + count, chosen.object->sectors);

				memcpy(copy, chosen.object, sizeof(Object));
				if (end > first)
					write_sectors(chosen.object, first, end - first, NULL);
				if (refused(bb_content_allocate(tree, chosen.node,
												FALLOC_FL_PUNCH_HOLE |
													FALLOC_FL_KEEP_SIZE,
												(off_t) first * SECTOR,
												count * SECTOR),
							"punch"))
					memcpy(chosen.object->data, copy->data,
						   sizeof(copy->data));
				pg_free(copy);
			}
			break;
		case 3:
			snprintf(doing, sizeof(doing), "allocate %u+%u", first, count);
			{
				uint32		old = chosen.object->sectors;

				if (first + count > old)
					resize(chosen.object, first + count);
				if (refused(bb_content_allocate(tree, chosen.node, 0,
												(off_t) first * SECTOR,
												count * SECTOR),
							"allocate"))
					chosen.object->sectors = old;
			}
			break;
		default:
			snprintf(doing, sizeof(doing), "write %u+%u", first, count);
			{
				Object	   *copy = pg_malloc(sizeof(Object));
				ssize_t		done;

				for (uint32 i = 0; i < count * SECTOR; i++)
					data[i] = (char) (1 + random_below(255));
				memcpy(copy, chosen.object, sizeof(Object));
				write_sectors(chosen.object, first, count, data);
				done = bb_content_write(tree, chosen.node, data,
										count * SECTOR,
										(off_t) first * SECTOR);
				if (refused(done < 0 ? (int) done : 0, "write"))
				{
					memcpy(chosen.object->data, copy->data,
						   sizeof(copy->data));
					chosen.object->sectors = copy->sectors;
				}
				else if (done != (ssize_t) count * SECTOR)
					fail("short write");
				pg_free(copy);
			}
	}
	unchoose(&chosen);
}

static void
look(void)
{
	Handle		chosen;
	uint32		first = random_below(180);

	snprintf(doing, sizeof(doing), "read");
	check_listing(random_below(DIRECTORIES));
	if (!choose(&chosen))
		return;
	check_size(chosen.node, chosen.object);
	compare_read(chosen.node, chosen.object, first, 1 + random_below(64));
	unchoose(&chosen);
}

static void
sync_one(void)
{
	Handle		chosen;

	snprintf(doing, sizeof(doing), "sync");
	if (!choose(&chosen))
		return;
	must(bb_content_sync(tree, chosen.node, random_below(2) == 0), "sync");
	object_synced(chosen.object);
	unchoose(&chosen);
}

static void
sync_directory(void)
{
	int			directory = random_below(DIRECTORIES);
	BbNode	   *node = directory_node(directory);

	snprintf(doing, sizeof(doing), "sync of directory");
	must(bb_tree_sync_directory(tree, node), "sync of directory");
	directory_synced(directory);
	bb_tree_forget(tree, node, 1);
}

static void
handle_file(void)
{
	Handle	   *handle = &handles[random_below(HANDLES)];

	snprintf(doing, sizeof(doing), "open");
	if (handle->node != NULL)
	{
		unchoose(handle);
		handle->node = NULL;
	}
	else if (!choose(handle))
		handle->node = NULL;
}

static void
create(void)
{
	int			slot = random_below(SLOTS);
	BbNode	   *directory = directory_node(slot / NAMES);
	BbNode	   *node;
	Object	   *object;

	snprintf(doing, sizeof(doing), "create %s", slot_name(slot));
	if (slots[slot].now == NULL)
	{
		object = pg_malloc0(sizeof(Object));
		object->sizes[0] = true;
		set_slot(slot, object);
		must(bb_tree_create(tree, directory, slot_name(slot) + 2, 0600, 0,
							&node),
			 "create");
		bb_tree_release(tree, node);
		bb_tree_forget(tree, node, 1);
	}
	else if (bb_tree_create(tree, directory, slot_name(slot) + 2, 0600, O_EXCL,
							&node) != -EEXIST)
		fail("created a file twice");
	bb_tree_forget(tree, directory, 1);
}

static void
change_name(void)
{
	int			from = random_below(SLOTS);
	int			to = random_below(SLOTS);
	BbNode	   *from_directory = directory_node(from / NAMES);
	BbNode	   *to_directory = directory_node(to / NAMES);
	char		from_name[2] = {slot_name(from)[2], '\0'};
	char		to_name[2] = {slot_name(to)[2], '\0'};
	Object	   *object = slots[from].now;
	Object	   *old = slots[to].now;
	BbNode	   *node;

	switch (random_below(4))
	{
		case 0:
			snprintf(doing, sizeof(doing), "unlink %s", slot_name(from));
			if (object == NULL)
			{
				if (bb_tree_unlink(tree, from_directory, from_name) != -ENOENT)
					fail("unlinked what there is not");
				break;
			}
			set_slot(from, NULL);
			must(bb_tree_unlink(tree, from_directory, from_name), "unlink");
			break;
		case 1:
		case 2:
			snprintf(doing, sizeof(doing), "rename %c/%s to %s",
					 'x' + from / NAMES, from_name, slot_name(to));
			if (object == NULL || object == old)
				break;
			set_slot(to, object);
			set_slot(from, NULL);
			if (refused(bb_tree_rename(tree, from_directory, from_name,
									   to_directory, to_name, 0),
						"rename"))
			{
				set_slot(to, old);
				set_slot(from, object);
			}
			break;
		case 3:
			snprintf(doing, sizeof(doing), "link %c/%s to %s",
					 'x' + from / NAMES, from_name, slot_name(to));
			if (object == NULL || old != NULL)
				break;
			must(lookup(from, &node), "lookup");
			set_slot(to, object);
			if (refused(bb_tree_link(tree, node, to_directory, to_name),
						"link"))
				set_slot(to, NULL);
			else
				bb_tree_forget(tree, node, 1);
			bb_tree_forget(tree, node, 1);
	}
	bb_tree_forget(tree, from_directory, 1);
	bb_tree_forget(tree, to_directory, 1);
}

void
operate(void)
{
	switch (random_below(16))
	{
		case 0:
		case 1:
			sync_one();
			break;
		case 2:
			sync_directory();
			break;
		case 3:
			handle_file();
			break;
		case 4:
			create();
			break;
		case 5:
		case 6:
			change_name();
			break;
		case 7:
		case 8:
		case 9:
		case 10:
			look();
			break;
		default:
			change_content();
	}
}

/*-------------------------------------------------------------------------
 *
 * overlay_test.c
 *	  Random operations on the files of an overlay, against a model.
 *
 *	  overlay_test [-t] DIRECTORY SEED RUNS
 *
 * A run does operations and looks at their effects, and at the end is killed
 * between or within operations, or the power is cut.  After a kill, all has to be
 * as it was, with or without the operation that was interrupted.  After a power
 * cut, each sector has to be one that it was since it was synced, and each name
 * what it was since its directory was synced.  The overlay is opened again, and
 * goes on.
 *
 * With -t, the first half of the map is trusted after a power cut, too: then the
 * program has to fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "overlay_test.h"

/* ---- the source ---- */

static int
faulty_read(BbSource *source, const char *path, uint32 first, uint32 count,
			char *data, bool background)
{
	if (faulty_source && random_below(20) == 0)
		return -EIO;
	return directory_source->ops->read(directory_source, path, first, count,
									   data, background);
}

static const BbSourceOps faulty_ops = {.read = faulty_read};
static BbSource source = {&faulty_ops};

/* ---- the overlay ---- */

static void
new_boot(void)
{
	snprintf(boot, sizeof(boot), "%08x-0000-0000-0000-%012x",
			 random_below(1 << 30), random_below(1 << 30));
}

/* Make a base directory, and an overlay of it, as the n-th one. */
static void
first_mount(const char *parent, int n)
{
	char		directory[1000];
	char		path[2048];

	disk_end();
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	memset(slots, 0, sizeof(slots));
	memset(handles, 0, sizeof(handles));
	snprintf(directory, sizeof(directory), "%s/%d", parent, n);
	must(mkdir(directory, 0700), directory);
	snprintf(path, sizeof(path), "%s/base", directory);
	must(mkdir(path, 0700), path);
	directory_source = bb_source_directory(path);
	last_kept = dup(0);
	snprintf(overlay_path, sizeof(overlay_path), "%s/overlay", directory);
	must(mkdir(overlay_path, 0700), overlay_path);
	overlay = (BbOverlay){.source = &source};
	must(bb_overlay_lock(&overlay, overlay_path), "lock");
	new_boot();
	bb_map_boot_id = boot;
	must(bb_overlay_begin(&overlay), "begin");
	for (int i = 0; i < DIRECTORIES; i++)
	{
		char		name[2] = {'x' + i, '\0'};

		must(bb_overlay_directory(&overlay, name, 0700), "directory");
		snprintf(path, sizeof(path), "%s/base/%s", directory, name);
		must(mkdir(path, 0700), path);
	}
	for (int i = 0; i < BASE_FILES; i++)
	{
		int			slot = i < 5 ? i : NAMES + i - 5;
		uint32		blocks = i == 0 ? 0 : random_below(12);
		Object	   *object = pg_malloc0(sizeof(Object));
		int			fd;

		for (uint32 j = 0; j < blocks * (BLCKSZ / SECTOR); j++)
		{
			for (int k = 0; k < SECTOR; k++)
				object->data[j][k] = 1 + random_below(255);
		}
		object->sectors = blocks * (BLCKSZ / SECTOR);
		snprintf(path, sizeof(path), "%s/base/%s", directory, slot_name(slot));
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (fd < 0 ||
			write(fd, object->data, object->sectors * SECTOR) !=
				object->sectors * SECTOR)
			fail("%s: %m", path);
		close(fd);
		bb_list_add(&overlay.list, slot_name(slot), blocks, 0600);
		object_synced(object);
		slots[slot].now = object;
	}
	must(bb_overlay_complete(&overlay), "complete");
	for (int i = 0; i < DIRECTORIES; i++)
		directory_synced(i);
	tree = bb_tree_new(&overlay);
	disk_start(overlay_path);
}

static void
close_all(void)
{
	/* locks may be held by the operation that was interrupted: leave them */
	memset(handles, 0, sizeof(handles));
	for (int fd = last_kept + 1; fd < 1024; fd++)
		close(fd);
	tree = NULL;
}

static void
open_again(void)
{
	bool		restarted;

	overlay = (BbOverlay){.source = &source};
	must(bb_overlay_lock(&overlay, overlay_path), "lock");
	must(bb_overlay_open(&overlay, &restarted), "open");
	tree = bb_tree_new(&overlay);
}

/* ---- after a kill or a power cut ---- */

static bool
is_version(const Object *object, uint32 sector, const void *data, bool cut)
{
	if (!cut)
		return memcmp(data, object->data[sector], SECTOR) == 0 ||
			(sector < object->before_sectors &&
			 memcmp(data, object->before[sector], SECTOR) == 0);
	for (const Version *version = object->versions[sector]; version != NULL;
		 version = version->next)
		if (memcmp(data, version->data, SECTOR) == 0)
			return true;
	return false;
}

static bool
is_object(const Object *object, const char *data, uint32 sectors, bool cut)
{
	if (cut ? !object->sizes[sectors]
			: sectors != object->sectors && sectors != object->before_sectors)
		return false;
	for (uint32 i = 0; i < sectors; i++)
		if (!is_version(object, i, data + i * SECTOR, cut))
			return false;
	return true;
}

/*
 * After a kill: did the interrupted operation change the names?  Contents can't
 * tell, since files may be alike.
 */
static bool
names_changed(void)
{
	bool		changed = true;

	for (int i = 0; i < SLOTS; i++)
	{
		BbNode	   *node;
		bool		exists = lookup(i, &node) == 0;

		if (exists)
			bb_tree_forget(tree, node, 1);
		if (exists != (slots[i].now != NULL))
			changed = false;
	}
	return changed;
}

/*
 * Look at a name, and take over what it is.  After a kill, "changed" says whether
 * the names are those after the interrupted operation.
 */
static void
check_slot(int slot, bool cut, bool changed)
{
	static char data[SECTORS_MAX * SECTOR];
	Slot	   *s = &slots[slot];
	BbNode	   *node;
	struct stat status;
	uint32		sectors = 0;
	bool		exists = lookup(slot, &node) == 0;
	Object	   *found = NULL;
	bool		right = false;

	if (exists)
	{
		must(bb_tree_open(tree, node, 0), "open");
		must(bb_content_stat(tree, node, &status), "stat");
		sectors = status.st_size / SECTOR;
		if (bb_content_read(tree, node, data, sizeof(data), 0) !=
			status.st_size)
			fail("%s can't be read", slot_name(slot));
		bb_tree_release(tree, node);
		bb_tree_forget(tree, node, 1);
	}
	for (int i = -1; i < (cut ? s->count : 0) && !right; i++)
	{
		Object	   *object = i >= 0 ? s->history[i]
			: cut || changed		? s->now
									: s->before;

		right = exists
			? object != NULL && is_object(object, data, sectors, cut)
			: object == NULL;
		found = object;
	}
	if (!right)
		fail("%s is wrong after a %s: %s, %u sectors", slot_name(slot),
			 cut ? "power cut" : "kill", exists ? "exists" : "is missing",
			 sectors);
	if (cut)
	{
		/* links are checked as files of their own from now on */
		s->now = NULL;
		if (exists)
		{
			s->now = pg_malloc0(sizeof(Object));
			s->now->sectors = sectors;
			memcpy(s->now->data, data, sectors * SECTOR);
			object_synced(s->now);
		}
	}
	else
	{
		set_slot(slot, found);
		if (exists)
		{
			resize(found, sectors);
			write_sectors(found, 0, sectors, data);
		}
	}
}

static void
end_run(bool cut)
{
	bool		changed;

	faulty_source = false;
	disk_stop_after(0);
	if (!cut)
		snprintf(doing + strlen(doing), sizeof(doing) - strlen(doing),
				 ", killed");
	close_all();
	if (cut)
	{
		disk_cut();
		new_boot();
	}
	open_again();
	changed = !cut && names_changed();
	for (int i = 0; i < SLOTS; i++)
		check_slot(i, cut, changed);
	if (!cut)
		return;
	/* hard links would be files of their own in the model: start without any */
	for (int i = 0; i < DIRECTORIES; i++)
		directory_synced(i);
	for (int i = 0; i < SLOTS; i++)
	{
		BbNode	   *node;
		struct stat status;
		BbNode	   *directory = directory_node(i / NAMES);

		if (lookup(i, &node) == 0)
		{
			must(bb_content_stat(tree, node, &status), "stat");
			bb_tree_forget(tree, node, 1);
			if (status.st_nlink > 1)
			{
				must(bb_tree_unlink(tree, directory, slot_name(i) + 2),
					 "unlink");
				set_slot(i, NULL);
			}
		}
		bb_tree_forget(tree, directory, 1);
	}
	disk_start(overlay_path);
	for (int i = 0; i < DIRECTORIES; i++)
		directory_synced(i);
}

static void
run(void)
{
	bool		cut = random_below(2) == 0;
	bool		within = random_below(2) == 0;
	volatile int steps = 5 + random_below(60);

	faulty_source = random_below(3) == 0;
	tree->window_max = random_below(8);
	if (setjmp(disk_stopped) == 0)
	{
		while (steps-- > 0)
		{
			step++;
			remember_before();
			if (steps == 0 && within)
				disk_stop_after(1 + random_below(6));
			operate();
		}
		remember_before();
	}
	end_run(cut);
}

int
main(int argc, char **argv)
{
	int			runs;

	if (argc > 1 && strcmp(argv[1], "-t") == 0)
	{
		bb_map_trust_always = true;
		argv++;
		argc--;
	}
	if (argc != 4)
	{
		fprintf(stderr, "usage: overlay_test [-t] DIRECTORY SEED RUNS\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 10);
	random_state = seed * UINT64CONST(0x9E3779B97F4A7C15) + 1;
	runs = atoi(argv[3]);
	for (int i = 0; i < runs; i++)
	{
		/* in the end, all files are local: start anew before */
		if (i % RUNS_EACH == 0)
			first_mount(argv[1], i / RUNS_EACH);
		run();
	}
	printf("%d runs, %d operations\n", runs, step);
	return 0;
}

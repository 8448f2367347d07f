/*-------------------------------------------------------------------------
 *
 * hydrate.c
 *	  Threads that make all base files of a mount local, in the background.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "access/transam.h"
#include "common/logging.h"
#include "content.h"
#include "hydrate.h"
#include "tree_internal.h"

/* Seconds until files that couldn't be read are tried again. */
#define RETRY_SECONDS 5

struct BbHydration
{
	BbTree	   *tree;
	uint32	   *order;
	pthread_t  *threads;
	int			count;
	_Atomic uint32 next;
	_Atomic bool failed; /* a file of this round */
	_Atomic bool stopped;
	pthread_barrier_t round;
};

/* Less comes first. */
static int
rank_of(const char *path)
{
	const char *name = strrchr(path, '/');

	if (strncmp(path, "pg_tblspc/", 10) != 0 && strncmp(path, "pg_", 3) == 0)
		return 0;
	if (strncmp(path, "global/", 7) == 0)
		return 1;
	return name != NULL && strtoul(name + 1, NULL, 10) < FirstNormalObjectId
		? 2
		: 3;
}

/* Sort IDs by rank; within a rank, they keep their order. */
static uint32 *
order_files(const BbFileList *list)
{
	uint32	   *order = pg_malloc((list->count + 1) * sizeof(uint32));
	uint32		n = 0;

	for (int rank = 0; rank <= 3; rank++)
		for (uint32 i = 0; i < list->count; i++)
			if (rank_of(list->files[i].path) == rank)
				order[n++] = i;
	return order;
}

/* Find the node of a path. */
static int
look_up(BbTree *tree, const char *path, BbNode **node)
{
	char		name[BB_PATH_SIZE];
	BbNode	   *directory = &tree->root;
	int			error = 0;

	for (;;)
	{
		size_t		length = strcspn(path, "/");

		memcpy(name, path, length);
		name[length] = '\0';
		error = bb_tree_lookup(tree, directory, name, node);
		if (directory != &tree->root)
			bb_tree_forget(tree, directory, 1);
		if (error != 0 || path[length] == '\0')
			return error;
		directory = *node;
		path += length + 1;
	}
}

static int
hydrate_file(BbTree *tree, uint32 file)
{
	BbNode	   *node;
	int			error;

	if (!bb_tree_needs_source(tree, file))
		return 0;
	error = look_up(tree, tree->overlay->list.files[file].path, &node);
	if (error != 0)
		return error == -ENOENT ? 0 : error;
	error = bb_tree_open(tree, node, 0);
	if (error == 0)
	{
		error = bb_content_make_whole(tree, node, false, true);
		bb_tree_release(tree, node);
	}
	bb_tree_forget(tree, node, 1);
	return error;
}

static void
finish(BbHydration *hydration)
{
	BbTree	   *tree = hydration->tree;
	int			error;

	pthread_rwlock_wrlock(&tree->lock);
	error = bb_overlay_finish(tree->overlay);
	pthread_rwlock_unlock(&tree->lock);
	if (error == 0)
		pg_log_info("all is local");
	else if (error != -EAGAIN)
		pg_log_warning("could not complete the overlay: %s", strerror(-error));
}

/* Set by the signal. */
static volatile sig_atomic_t wanted = false;

static void
handle_signal(SIGNAL_ARGS)
{
	wanted = true;
}

static void *
run(void *arg)
{
	BbHydration *hydration = arg;
	BbTree	   *tree = hydration->tree;

	while (!wanted && !atomic_load(&hydration->stopped))
		pg_usleep(100000L);
	while (!tree->overlay->whole && !atomic_load(&hydration->stopped))
	{
		uint32		i;
		bool		last;

		while (!atomic_load(&hydration->stopped) &&
			   (i = atomic_fetch_add(&hydration->next, 1)) <
				   tree->overlay->list.count)
		{
			if (hydrate_file(tree, hydration->order[i]) != 0)
				atomic_store(&hydration->failed, true);
		}
		/* one thread ends the round; the others wait for it */
		last = pthread_barrier_wait(&hydration->round) ==
			PTHREAD_BARRIER_SERIAL_THREAD;
		if (last && !atomic_load(&hydration->stopped))
		{
			if (!atomic_load(&hydration->failed))
				finish(hydration);
			for (int wait = 0; wait < RETRY_SECONDS * 10 &&
				 !tree->overlay->whole && !atomic_load(&hydration->stopped);
				 wait++)
				pg_usleep(100000L);
			atomic_store(&hydration->failed, false);
			atomic_store(&hydration->next, 0);
		}
		pthread_barrier_wait(&hydration->round);
	}
	return NULL;
}

BbHydration *
bb_hydrate_start(BbTree *tree, int threads, bool now)
{
	BbHydration *hydration = pg_malloc0(sizeof(BbHydration));

	wanted = now;
	pqsignal(BB_HYDRATE_SIGNAL, handle_signal);
	hydration->tree = tree;
	hydration->order = order_files(&tree->overlay->list);
	hydration->threads = pg_malloc0(threads * sizeof(pthread_t));
	hydration->count = threads;
	pthread_barrier_init(&hydration->round, NULL, threads);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&hydration->threads[i], NULL, run, hydration) != 0)
			pg_fatal("could not create a thread");
	return hydration;
}

void
bb_hydrate_end(BbHydration *hydration)
{
	atomic_store(&hydration->stopped, true);
	for (int i = 0; i < hydration->count; i++)
		pthread_join(hydration->threads[i], NULL);
	pthread_barrier_destroy(&hydration->round);
	pg_free(hydration->threads);
	pg_free(hydration->order);
	pg_free(hydration);
}

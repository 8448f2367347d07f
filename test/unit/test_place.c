/*-------------------------------------------------------------------------
 *
 * test_place.c
 *	  Files beneath a directory, with symbolic links in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "files/place.h"
#include "unit.h"

UNIT_TEST(place_follows_no_link)
{
	static const char *const outside[] = {"link/f", "../sibling/f", "/tmp/f"};
	BbObjectStore *objects = unit_store(ctx);
	char	   *directory = unit_object_path(objects, "root");
	char		target[8];
	struct stat st;
	BbFd	   *root;
	BbPlace		file;

	bb_object_finish(ctx, bb_object_create(ctx, objects, "root/d/f"));
	bb_object_finish(ctx, bb_object_create(ctx, objects, "sibling/f"));
	root = bb_fd_open(directory, O_RDONLY | O_DIRECTORY, 0);
	CHECK(root != NULL);
	file = (BbPlace){root, "d/f"};

	CHECK(bb_place_make_link((BbPlace){root, "link"}, "d") == 0);
	CHECK(bb_place_read_link((BbPlace){root, "link"}, target,
							 sizeof(target)) == 1);
	CHECK(bb_place_make_directory((BbPlace){root, "d/e"}) == 0);
	CHECK(bb_place_set_mode((BbPlace){root, "d/e"}, 0750) == 0);
	CHECK(bb_place_stat((BbPlace){root, "d/e"}, &st) == 0);
	CHECK((st.st_mode & 07777) == 0750);

	for (int i = 0; i < lengthof(outside); i++)
	{
		BbPlace		place = {root, outside[i]};

		CHECK(bb_place_stat(place, &st) < 0);
		CHECK(bb_place_unlink(place, false) < 0);
		CHECK(bb_place_set_mode(place, 0600) < 0);
		CHECK(bb_place_rename(file, place) < 0);
		CHECK(bb_place_make_link(place, "d") < 0);
	}
	/* the link itself can be seen and removed, not what it leads to */
	CHECK(bb_place_stat((BbPlace){root, "link"}, &st) == 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK(bb_place_unlink((BbPlace){root, "link"}, false) == 0);
	CHECK(bb_place_rename(file, (BbPlace){root, "d/e/f"}) == 0);
	CHECK(bb_place_unlink((BbPlace){root, "d/e"}, true) < 0);
	CHECK(bb_place_unlink((BbPlace){root, "d/e/f"}, false) == 0);
	CHECK(bb_place_unlink((BbPlace){root, "d/e"}, true) == 0);
}

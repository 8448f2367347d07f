/*-------------------------------------------------------------------------
 *
 * main.c
 *	  store_mutate: changes a timeline of a local page store, with correct
 *	  CRCs.
 *
 *	  store_mutate SEED TIMELINE_DIRECTORY
 *	  store_mutate fact NAME VALUE TIMELINE_DIRECTORY
 *	  store_mutate file OLD_PATH NEW_PATH MODE TIMELINE_DIRECTORY
 *
 * The second form changes one fact of the manifest.  The third changes the
 * path of a captured file, which keeps its length, and its mode (octal).
 *
 * The first form draws its changes from the seed: a fact of the manifest, a
 * key, an LSN, a value, a length, a place, or any byte.  It prints one line: a
 * word that says how much of what is read may differ, and the changes.
 *
 *	  equal		nothing: an answer is that of the unchanged store, or an error
 *	  pages		everything except pages of relations: a value of another kind
 *				was changed, or a fact that a backup carries along
 *	  any		the content or the history of pages was changed
 *
 * The program knows the format from docs/format.md alone, and shares no code
 * with the code under test.  Layers have to be stored with bbackup.compression
 * = none.  A file that changes is replaced, so the directory may be made of
 * hard links.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

static const char *const effect_names[] = {"equal", "pages", "any"};

/* Are lengths or places wrong now?  A further change could go astray. */
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
	write_layer();
}

int
main(int argc, char **argv)
{
	const char *directory = argv[argc - 1];
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
	read_manifest(directory);
	if (fact)
		set_fact(argv[2], strtoull(argv[3], NULL, 0));
	if (file)
		set_file(directory, argv[2], argv[3],
				 (uint32_t) strtoul(argv[4], NULL, 8));
	if (fact || file)
	{
		write_manifest();
		return 0;
	}

	seed_random(strtoull(argv[1], NULL, 10));
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
		case 4:
			change_keeps();
			break;
		default:
			change_layer(directory);
			break;
	}
	write_manifest();
	printf("%s %s\n", effect_names[effect], description);
	return 0;
}

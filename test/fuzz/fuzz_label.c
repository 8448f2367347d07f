/*-------------------------------------------------------------------------
 *
 * fuzz_label.c
 *	  backup_label files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "import/backuplabel.h"

static void
take(const uint8_t *data, size_t size)
{
	const char *complaint = NULL;
	const BbBackupLabel *label;

	label = bb_backuplabel_parse(pnstrdup((const char *) data, size),
								 &complaint);
	FUZZ_CHECK(label != NULL || complaint != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

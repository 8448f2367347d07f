/*-------------------------------------------------------------------------
 *
 * fuzz_history.c
 *	  Timeline history files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "wal/tlihistory.h"

static void
take(const uint8_t *data, size_t size)
{
	BbTliHistory *history;
	TimeLineID	before = PG_UINT32_MAX;

	history = bb_tlihistory_parse(pnstrdup((const char *) data, size),
								  PG_UINT32_MAX);
	if (history == NULL || history->complaint != NULL)
		return;
	/* newest first, and each tli once */
	for (int i = 0; i < list_length(history->tlis); i++)
	{
		const BbTliRange *tli = list_nth(history->tlis, i);

		FUZZ_CHECK(i == 0 || tli->tli < before);
		before = tli->tli;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

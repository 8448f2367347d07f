/*-------------------------------------------------------------------------
 *
 * pagecheck.c
 *	  Is a page of a relation one that a server can have written?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/pagecheck.h"
#include "storage/checksum.h"

static bool
is_zero(const void *page)
{
	const size_t *words = page;

	for (size_t i = 0; i < BLCKSZ / sizeof(size_t); i++)
		if (words[i] != 0)
			return false;
	return true;
}

char *
bb_pagecheck(Page page, BlockNumber block, bool checksums, XLogRecPtr end_lsn)
{
	PageHeader	header = (PageHeader) page;

	if (PageIsNew(page))
		return is_zero(page)
			? NULL
			: pstrdup("Its header is empty, but its content is not.");

	if (checksums)
	{
		uint16		checksum = pg_checksum_page((char *) page, block);

		if (checksum != header->pd_checksum)
			return psprintf(
				"Its checksum is %04X, but its content makes %04X.",
				header->pd_checksum, checksum);
	}
	if ((header->pd_flags & ~PD_VALID_FLAG_BITS) != 0 ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special || header->pd_special > BLCKSZ ||
		header->pd_special != MAXALIGN(header->pd_special))
		return psprintf(
			"Its header is invalid: flags %04X, lower %u, upper %u, special %u.",
			header->pd_flags, header->pd_lower, header->pd_upper,
			header->pd_special);
	if (PageGetLSN(page) > end_lsn)
		return psprintf("Its LSN is " BB_LSN_FORMAT
						", but WAL ends at " BB_LSN_FORMAT ".",
						LSN_FORMAT_ARGS(PageGetLSN(page)),
						LSN_FORMAT_ARGS(end_lsn));
	return NULL;
}

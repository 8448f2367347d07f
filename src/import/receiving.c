/*-------------------------------------------------------------------------
 *
 * receiving.c
 *	  The archives of a base backup, on their way into an import.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "import/directlayers.h"
#include "import/receiving.h"
#include "import/relationfiles.h"

/* ---- members of archives ---- */

/* Can the file be written as layers of its own? */
static bool
goes_direct(const BbImport *import, const char *path,
			const BbTarMember *member, BbSourceFork *fork, uint32 *segment)
{
	return import->direct != NULL && member->kind == BB_TAR_FILE &&
		member->size >= BB_DIRECT_BYTES &&
		member->size <= (uint64) RELSEG_SIZE * BLCKSZ &&
		bb_relationfiles_parse(path, fork, segment) &&
		((uint64) *segment + 1) * RELSEG_SIZE <= MaxBlockNumber;
}

static void
begin_member(void *arg, const BbTarMember *member)
{
	BbReceiving *receiving = arg;
	char	   *path;
	BbSourceFork fork;
	uint32		segment;
	BbSourceStat st = {
		.kind = member->kind == BB_TAR_FILE	   ? BB_SOURCE_FILE
			: member->kind == BB_TAR_DIRECTORY ? BB_SOURCE_DIRECTORY
											   : BB_SOURCE_LINK,
		.size = member->size,
		.mode = member->mode,
		.uid = member->uid,
		.gid = member->gid,
	};

	path = psprintf("%s%s", receiving->prefix, member->path);
	receiving->is_direct = goes_direct(receiving->import, path, member, &fork,
									   &segment);
	bb_receivedtree_add(receiving->tree, path, &st, member->target,
						receiving->is_direct);
	if (receiving->is_direct)
		bb_directlayers_begin(receiving->ctx, receiving->import->direct, &fork,
							  segment, path, member->size);
	pfree(path);
}

static void
take_data(void *arg, const char *data, size_t length)
{
	BbReceiving *receiving = arg;

	if (receiving->is_direct)
		bb_directlayers_data(receiving->ctx, receiving->import->direct, data,
							 length);
	else
		bb_receivedtree_append(receiving->tree, data, length);
}

static void
end_member(void *arg)
{
	BbReceiving *receiving = arg;

	if (receiving->is_direct)
		bb_directlayers_end(receiving->ctx, receiving->import->direct);
}

const BbTarEvents bb_receiving_events = {
	.begin_member = begin_member,
	.data = take_data,
	.end_member = end_member,
};

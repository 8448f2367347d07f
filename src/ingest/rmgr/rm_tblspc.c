/*-------------------------------------------------------------------------
 *
 * rm_tblspc.c
 *	  Creation and drop of tablespaces.
 *
 * A tablespace that is dropped has no relations, but may still have directories
 * of databases.
 *
 * (tblspc_redo in PostgreSQL's tablespace.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "ingest/recordcheck.h"
#include "ingest/relsizes.h"

static void
create(BbIngest *ingest)
{
	const size_t fixed = offsetof(xl_tblspc_create_rec, ts_path);
	const xl_tblspc_create_rec *create = (const xl_tblspc_create_rec *)
		bb_ingest_data(ingest, fixed + 1);
	size_t		room = XLogRecGetDataLen(ingest->record) - fixed;
	size_t		length = strnlen(create->ts_path, room);
	BbKey		key = bb_key_make(BB_KEY_TABLESPACE, create->ts_id, 0, 0, 0,
								  0);

	bb_recordcheck_tablespace(ingest, create->ts_id);
	/* an empty path is that of an in-place tablespace */
	if (length == room || length >= MAXPGPATH ||
		(length > 0 && !is_absolute_path(create->ts_path)))
		bb_ingest_refuse(
			ingest, "The location of tablespace %u is not an absolute path.",
			create->ts_id);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, create->ts_path,
					 length);
}

static void
drop(BbIngest *ingest)
{
	const xl_tblspc_drop_rec *drop = (const xl_tblspc_drop_rec *)
		bb_ingest_data(ingest, sizeof(*drop));
	BbKey		key = bb_key_make(BB_KEY_TABLESPACE, drop->ts_id, 0, 0, 0, 0);
	BbKeyRange	databases = bb_relsizes_range(BB_KEY_DATABASE, drop->ts_id,
											  InvalidOid);
	ListCell   *cell;

	bb_recordcheck_tablespace(ingest, drop->ts_id);
	bb_relsizes_drop_all(ingest, drop->ts_id, InvalidOid);
	foreach(cell, bb_knownkeys_list(ingest->ctx, ingest->known, &databases))
		bb_knownkeys_remove(ingest->ctx, ingest->known, lfirst(cell),
							ingest->lsn);
	bb_knownkeys_remove(ingest->ctx, ingest->known, &key, ingest->lsn);
}

void
bb_rm_tblspc(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_TBLSPC_CREATE:
			create(ingest);
			break;
		case XLOG_TBLSPC_DROP:
			drop(ingest);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}

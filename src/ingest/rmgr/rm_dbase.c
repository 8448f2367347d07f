/*-------------------------------------------------------------------------
 *
 * rm_dbase.c
 *	  Databases: creation by both strategies, move, and drop.
 *
 * (dbase_redo in PostgreSQL's dbcommands.c.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands_xlog.h"
#include "ingest/invalidpages.h"
#include "ingest/recordcheck.h"
#include "ingest/relsizes.h"
#include "ingest/rmgr/databasecopy.h"

static void
create_by_copy(BbIngest *ingest)
{
	const xl_dbase_create_file_copy_rec
		*create = (const xl_dbase_create_file_copy_rec *)
			bb_ingest_data(ingest, sizeof(*create));
	BbDatabaseDir from = {create->src_tablespace_id, create->src_db_id};
	BbDatabaseDir to = {create->tablespace_id, create->db_id};

	bb_recordcheck_database(ingest, from.spc, from.db);
	bb_recordcheck_database(ingest, to.spc, to.db);
	if (from.spc == to.spc && from.db == to.db)
		bb_ingest_refuse(ingest,
						 "It copies database %u in tablespace %u to itself.",
						 to.db, to.spc);
	bb_databasecopy_run(ingest, from, to);
}

/* Other records have the contents. */
static void
create_by_wal(BbIngest *ingest)
{
	const xl_dbase_create_wal_log_rec
		*create = (const xl_dbase_create_wal_log_rec *)
			bb_ingest_data(ingest, sizeof(*create));
	BbKey		key = bb_key_make(BB_KEY_DATABASE, create->tablespace_id,
								  create->db_id, 0, 0, 0);
	uint8		flags = BB_DATABASE_DEFAULT_TABLESPACE;

	bb_recordcheck_database(ingest, create->tablespace_id, create->db_id);
	bb_knownkeys_put(ingest->known, &key, ingest->lsn, &flags, sizeof(flags));
}

static void
drop(BbIngest *ingest)
{
	const size_t fixed = offsetof(xl_dbase_drop_rec, tablespace_ids);
	const xl_dbase_drop_rec *drop = (const xl_dbase_drop_rec *)
		bb_ingest_data(ingest, fixed);

	bb_recordcheck_items(ingest, fixed, drop->ntablespaces, sizeof(Oid));
	for (int i = 0; i < drop->ntablespaces; i++)
		bb_recordcheck_database(ingest, drop->tablespace_ids[i], drop->db_id);

	bb_invalidpages_forget_database(ingest, drop->db_id);
	for (int i = 0; i < drop->ntablespaces; i++)
	{
		Oid			spc = drop->tablespace_ids[i];
		BbKey		database = bb_key_make(BB_KEY_DATABASE, spc, drop->db_id,
										   0, 0, 0);
		BbKey		map = bb_key_make(BB_KEY_RELMAP, spc, drop->db_id, 0, 0,
									  0);

		bb_reqctx_check(ingest->ctx);
		bb_relsizes_drop_all(ingest, spc, drop->db_id);
		bb_knownkeys_remove(ingest->ctx, ingest->known, &database,
							ingest->lsn);
		bb_openlayer_put(ingest->layer, &map, ingest->lsn, BB_ENTRY_DELETED,
						 NULL, 0);
	}
}

void
bb_rm_dbase(BbIngest *ingest)
{
	switch (XLogRecGetInfo(ingest->record) & ~XLR_INFO_MASK)
	{
		case XLOG_DBASE_CREATE_FILE_COPY:
			create_by_copy(ingest);
			break;
		case XLOG_DBASE_CREATE_WAL_LOG:
			create_by_wal(ingest);
			break;
		case XLOG_DBASE_DROP:
			drop(ingest);
			break;
		default:
			bb_ingest_unknown(ingest);
	}
}

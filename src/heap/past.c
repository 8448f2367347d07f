/*-------------------------------------------------------------------------
 *
 * past.c
 *	  A database of the stored cluster, as it was at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "catalog/indexing.h"
#include "catalog/pg_database.h"
#include "catalog/pg_tablespace.h"
#include "heap/past.h"
#include "heap/relmap.h"
#include "heap/syscat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* The catalogs are only understood if they are those of this server. */
static void
check_cluster(const BbReqCtx *ctx, const BbPast *past)
{
	const BbPageStoreInfo *info = bb_pagestore_info(past->snapshot.store);
	const BbMajor *own = bb_major_own();
	int			number = (int) info->pg_version_num / 10000;
	BbKey		key = bb_key_make(BB_KEY_CONTROL_FILE, 0, 0, 0, 0, 0);
	BbValue		value;
	char	   *error;

	if (number != own->number)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables of timeline \"%s\" cannot be read by this server",
						info->timeline),
				 errdetail("They are of PostgreSQL %d, and this server is PostgreSQL %d.",
						   number, own->number),
				 errhint("Use the page store on a server of PostgreSQL %d.",
						 number)));
	value = bb_pagestore_need(ctx, &past->snapshot, &key, own->control_size);
	error = bb_control_error(own, value.data, value.length);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables of timeline \"%s\" cannot be read by this server",
						info->timeline),
				 errdetail_internal("%s", error)));
}

static char *
text_of(HeapTuple row, AttrNumber column)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, DatabaseRelationId, column,
										&isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static bool
find_database(const BbReqCtx *ctx, BbPast *past)
{
	NameData	name;
	Datum		value;
	List	   *rows;
	Form_pg_database row;

	namestrcpy(&name, past->database);
	value = NameGetDatum(&name);
	rows = bb_syscat_find(ctx, past, DatabaseRelationId, DatabaseNameIndexId,
						  &value, 1);
	if (rows == NIL)
		return false;
	row = BB_SYSCAT_FORM(pg_database, linitial(rows));
	past->db = row->oid;
	past->db_tablespace = row->dattablespace;
	past->encoding = row->encoding;
	past->collation_provider = row->datlocprovider;
	past->collation = text_of(linitial(rows), Anum_pg_database_datcollate);
	if (past->encoding != GetDatabaseEncoding())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("database \"%s\" of the page store has encoding \"%s\", and this one has \"%s\"",
						past->database, pg_encoding_to_char(past->encoding),
						GetDatabaseEncodingName()),
				 errhint("Read its tables from a database with that encoding.")));
	return true;
}

BbPast *
bb_past_shared(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup past",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbPast	   *past = palloc0(sizeof(BbPast));

	past->context = context;
	past->snapshot = *snapshot;
	check_cluster(ctx, past);
	past->pages = bb_pages_new(snapshot);
	past->xacts = bb_xacts_new(past->pages);
	past->shared_map = bb_relmap_read(ctx, snapshot, GLOBALTABLESPACE_OID,
									  InvalidOid);
	MemoryContextSwitchTo(old);
	return past;
}

BbPast *
bb_past_find(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			 const char *database)
{
	BbPast	   *past = bb_past_shared(ctx, snapshot);
	MemoryContext old = MemoryContextSwitchTo(past->context);

	past->database = pstrdup(database);
	if (!find_database(ctx, past))
	{
		MemoryContextSwitchTo(old);
		bb_past_close(past);
		return NULL;
	}
	past->map = bb_relmap_read(ctx, snapshot, past->db_tablespace, past->db);
	MemoryContextSwitchTo(old);
	return past;
}

BbPast *
bb_past_open(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			 const char *database)
{
	BbPast	   *past = bb_past_find(ctx, snapshot, database);

	if (past == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_DATABASE),
				 errmsg("database \"%s\" does not exist at " BB_LSN_FORMAT,
						database, LSN_FORMAT_ARGS(snapshot->lsn))));
	return past;
}

void
bb_past_close(BbPast *past)
{
	MemoryContextDelete(past->context);
}

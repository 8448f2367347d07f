/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  Operations that the handlers of records share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "base/compat.h"
#include "ingest/handler.h"
#include "layer/native.h"

const char *
bb_ingest_record_name(XLogReaderState *record)
{
	RmgrId		id = XLogRecGetRmid(record);
	const char *info;

	if (!RmgrIdExists(id))
		return psprintf("resource manager %d", id);
	info = RmgrTable[id].rm_identify(XLogRecGetInfo(record));
	return psprintf("%s/%s", RmgrTable[id].rm_name, info ? info : "UNKNOWN");
}

void
bb_ingest_refuse(BbIngest *ingest, const char *format, ...)
{
	StringInfoData text;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL record at " BB_LSN_FORMAT ", %s, is not valid",
					LSN_FORMAT_ARGS(ingest->record->ReadRecPtr),
					bb_ingest_record_name(ingest->record)),
			 errdetail_internal("%s", text.data),
			 errhint("The WAL was damaged or forged; its checksum is right.")));
}

const char *
bb_ingest_data(BbIngest *ingest, size_t size)
{
	if (XLogRecGetDataLen(ingest->record) < size)
		bb_ingest_refuse(ingest,
						 "It has %u bytes of data; at least %zu are expected.",
						 XLogRecGetDataLen(ingest->record), size);
	return XLogRecGetData(ingest->record);
}

void
bb_ingest_unknown(BbIngest *ingest)
{
	XLogReaderState *record = ingest->record;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("WAL record at " BB_LSN_FORMAT " is of an unknown kind",
					LSN_FORMAT_ARGS(record->ReadRecPtr)),
			 errdetail("It is of resource manager %d, info %02X (%s).",
					   XLogRecGetRmid(record), XLogRecGetInfo(record),
					   bb_ingest_record_name(record)),
			 errhint("A later version of bbackup may know it.")));
}

void
bb_ingest_native(BbIngest *ingest, const BbKey *key, bool fresh)
{
	BbChange	change;

	if (!fresh)
	{
		bb_openlayer_put(ingest->layer, key, ingest->lsn, BB_ENTRY_NATIVE,
						 ingest->native.data, ingest->native.len);
		return;
	}

	change.lsn = ingest->lsn;
	change.type = BB_ENTRY_NATIVE;
	change.data = (const uint8 *) ingest->native.data;
	change.length = ingest->native.len;
	memset(ingest->page.data, 0, BLCKSZ);
	bb_native_apply(key, &change, (uint8 *) ingest->page.data);
	bb_openlayer_put(ingest->layer, key, ingest->lsn, BB_ENTRY_IMAGE,
					 ingest->page.data, BLCKSZ);
}

void
bb_ingest_zeros(BbIngest *ingest, const BbKey *key)
{
	static const uint8 zeros[BLCKSZ] = {0};

	bb_openlayer_add(ingest->layer, key, ingest->lsn, BB_ENTRY_IMAGE, zeros,
					 BLCKSZ);
}

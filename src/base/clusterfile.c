/*-------------------------------------------------------------------------
 *
 * clusterfile.c
 *	  Checks of files of a cluster that a store holds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "base/compat.h"
#include "base/crc.h"
#include "catalog/catversion.h"
#include "storage/large_object.h"

/* As MAX_BACKENDS, which is in one header or another. */
#define MAX_PROCESSES 0x3FFFF

static char *
wrong_length(size_t length, size_t expected)
{
	if (length == expected)
		return NULL;
	return psprintf("It has %zu bytes instead of %zu.", length, expected);
}

/* Are the bytes at these offsets bools?  No other value may be read as one. */
static bool
are_bools(const void *data, const size_t *offsets, int n)
{
	for (int i = 0; i < n; i++)
		if (((const uint8 *) data)[offsets[i]] > 1)
			return false;
	return true;
}

char *
bb_control_build_error(const ControlFileData *control)
{
	const struct
	{
		const char *what;
		uint32		theirs;
		uint32		ours;
	}			facts[] = {
		{"catalog version", control->catalog_version_no, CATALOG_VERSION_NO},
		{"alignment", control->maxAlign, MAXIMUM_ALIGNOF},
		{"block size", control->blcksz, BLCKSZ},
		{"relation segment size", control->relseg_size, RELSEG_SIZE},
		{"WAL block size", control->xlog_blcksz, XLOG_BLCKSZ},
		{"name length", control->nameDataLen, NAMEDATALEN},
		{"number of index keys", control->indexMaxKeys, INDEX_MAX_KEYS},
		{"TOAST chunk size", control->toast_max_chunk_size,
		 TOAST_MAX_CHUNK_SIZE},
		{"large object chunk size", control->loblksize, LOBLKSIZE},
		{"passing of 8-byte values", control->float8ByVal, FLOAT8PASSBYVAL},
	};

	for (int i = 0; i < lengthof(facts); i++)
		if (facts[i].theirs != facts[i].ours)
			return psprintf("Its %s is %u; this server's is %u.",
							facts[i].what, facts[i].theirs, facts[i].ours);
	if (control->floatFormat != FLOATFORMAT_VALUE)
		return pstrdup("Its floating-point format is not this server's.");
	return NULL;
}

/* The limits are those of the settings, in guc_tables.c. */
static char *
wrong_setting(const ControlFileData *control)
{
	const struct
	{
		const char *what;
		int			value;
		int			min;
		int			max;
	}			settings[] = {
		{"max_connections", control->MaxConnections, 1, MAX_PROCESSES},
		{"max_worker_processes", control->max_worker_processes, 0,
		 MAX_PROCESSES},
		{"max_wal_senders", control->max_wal_senders, 0, MAX_PROCESSES},
		{"max_prepared_transactions", control->max_prepared_xacts, 0,
		 MAX_PROCESSES},
		{"max_locks_per_transaction", control->max_locks_per_xact, 1,
		 PG_INT32_MAX},
		{"wal_level", control->wal_level, WAL_LEVEL_MINIMAL,
		 WAL_LEVEL_LOGICAL},
	};

	for (int i = 0; i < lengthof(settings); i++)
		if (settings[i].value < settings[i].min ||
			settings[i].value > settings[i].max)
			return psprintf(
				"Its %s is %d, which is outside the range %d to %d.",
				settings[i].what, settings[i].value, settings[i].min,
				settings[i].max);
	return NULL;
}

pg_crc32c
bb_control_crc(const ControlFileData *control)
{
	return bb_crc32c_of(control, offsetof(ControlFileData, crc));
}

char *
bb_control_error(const void *data, size_t length)
{
	const size_t bools[] = {offsetof(ControlFileData,
									 checkPointCopy.fullPageWrites),
							offsetof(ControlFileData, backupEndRequired),
							offsetof(ControlFileData, wal_log_hints),
							offsetof(ControlFileData, track_commit_timestamp),
							offsetof(ControlFileData, float8ByVal)};
	ControlFileData control;
	pg_crc32c	crc;
	char	   *complaint = wrong_length(length, sizeof(control));

	if (complaint != NULL)
		return complaint;
	memcpy(&control, data, sizeof(control));

	/* a control file of another layout has its CRC elsewhere */
	if (control.pg_control_version != PG_CONTROL_VERSION ||
		control.catalog_version_no != CATALOG_VERSION_NO)
		return psprintf(
			"Its version is %u with catalog version %u; this server's is %u with %u.",
			control.pg_control_version, control.catalog_version_no,
			PG_CONTROL_VERSION, CATALOG_VERSION_NO);
	crc = bb_control_crc(&control);
	if (!EQ_CRC32C(crc, control.crc))
		return psprintf(
			"Its stored checksum is %08X, the calculated one %08X.",
			control.crc, crc);
	if (!are_bools(data, bools, lengthof(bools)))
		return pstrdup("It has a value that is neither true nor false.");
	if (control.state < DB_STARTUP || control.state > DB_IN_PRODUCTION)
		return psprintf("Its state %d is impossible.", (int) control.state);
	complaint = bb_control_build_error(&control);
	if (complaint != NULL)
		return complaint;
	if (!IsValidWalSegSize(control.xlog_seg_size))
		return psprintf("Its WAL segment size of %u bytes is impossible.",
						control.xlog_seg_size);
	return wrong_setting(&control);
}

char *
bb_checkpoint_error(const void *data, size_t length)
{
	const size_t bools = offsetof(CheckPoint, fullPageWrites);
	CheckPoint	checkpoint;
	char	   *complaint = wrong_length(length, sizeof(checkpoint));

	if (complaint != NULL)
		return complaint;
	if (!are_bools(data, &bools, 1))
		return pstrdup("It has a value that is neither true nor false.");
	memcpy(&checkpoint, data, sizeof(checkpoint));
	if (!TransactionIdIsNormal(XidFromFullTransactionId(checkpoint.nextXid)))
		return pstrdup("Its next transaction ID is invalid.");
	if (!bb_time_is_valid((int64) checkpoint.time))
		return psprintf("Its time " INT64_FORMAT " is impossible.",
						(int64) checkpoint.time);
	return NULL;
}

char *
bb_relmap_error(const void *data, size_t length)
{
	const uint32 max_mappings = (BB_RELMAP_CRC_AT - 2 * sizeof(uint32)) /
		(2 * sizeof(Oid));
	uint32		magic;
	uint32		mappings;
	pg_crc32c	stored;
	pg_crc32c	crc;
	char	   *complaint = wrong_length(length, BB_RELMAP_SIZE);

	if (complaint != NULL)
		return complaint;
	memcpy(&magic, data, sizeof(magic));
	memcpy(&mappings, (const char *) data + sizeof(magic), sizeof(mappings));
	memcpy(&stored, (const char *) data + BB_RELMAP_CRC_AT, sizeof(stored));
	crc = bb_crc32c_of(data, BB_RELMAP_CRC_AT);
	if (magic != BB_RELMAP_MAGIC || !EQ_CRC32C(crc, stored))
		return psprintf(
			"Its magic number is %X, its stored checksum %08X, the calculated one %08X.",
			magic, stored, crc);
	if (mappings > max_mappings)
		return psprintf("It has %u mappings; at most %u are possible.",
						mappings, max_mappings);
	return NULL;
}

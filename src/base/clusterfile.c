/*-------------------------------------------------------------------------
 *
 * clusterfile.c
 *	  Files of a cluster that a store holds: checks, and what they say.
 *
 * The layouts of ControlFileData differ between major versions in the checkpoint
 * and in what comes after the size of relation segments:
 *
 *	  Head | CheckPoint | Middle | ... Sizes | ... checksums ... crc
 *
 * major.h says where the latter are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "base/crc.h"
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

/* Is that byte a bool?  No other value may be read as one. */
static bool
is_bool(const void *data, size_t at)
{
	return ((const uint8 *) data)[at] <= 1;
}

/* How ControlFileData begins. */
typedef struct Head
{
	uint64		system_identifier;
	uint32		control_version;
	uint32		catalog_version;
	int32		state;
	int64		time;
	XLogRecPtr	checkpoint_lsn;
} Head;

/* What follows after the checkpoint. */
typedef struct Middle
{
	XLogRecPtr	unlogged_lsn;
	XLogRecPtr	min_recovery_point;
	TimeLineID	min_recovery_point_tli;
	XLogRecPtr	backup_start_point;
	XLogRecPtr	backup_end_point;
	uint8		backup_end_required; /* a bool, as the next two */
	int32		wal_level;
	uint8		wal_log_hints;
	int32		max_connections;
	int32		max_worker_processes;
	int32		max_wal_senders;
	int32		max_prepared_xacts;
	int32		max_locks_per_xact;
	uint8		track_commit_timestamp;
	uint32		max_align;
	double		float_format;
	uint32		blcksz;
	uint32		relseg_size;
} Middle;

/* The sizes after that of relation segments. */
typedef struct Sizes
{
	uint32		xlog_blcksz;
	uint32		xlog_seg_size;
	uint32		name_data_len;
	uint32		index_max_keys;
	uint32		toast_max_chunk_size;
	uint32		loblksize;
} Sizes;

/* How CheckPoint begins. */
typedef struct CheckpointHead
{
	XLogRecPtr	redo;
	TimeLineID	tli;
	TimeLineID	prev_tli;
	uint8		full_page_writes; /* a bool */
} CheckpointHead;

/* This server's structs are such, too; the unit tests check major.h against them. */
StaticAssertDecl(offsetof(ControlFileData, checkPointCopy) == sizeof(Head),
				 "ControlFileData begins with a Head");
StaticAssertDecl(offsetof(ControlFileData, relseg_size) -
						 offsetof(ControlFileData, unloggedLSN) ==
					 offsetof(Middle, relseg_size),
				 "ControlFileData has a Middle");
StaticAssertDecl(offsetof(ControlFileData, loblksize) -
						 offsetof(ControlFileData, xlog_blcksz) ==
					 offsetof(Sizes, loblksize),
				 "ControlFileData has Sizes");
StaticAssertDecl(offsetof(CheckPoint, fullPageWrites) ==
					 offsetof(CheckpointHead, full_page_writes),
				 "CheckPoint begins with a CheckpointHead");

static size_t
middle_at(const BbMajor *major)
{
	return sizeof(Head) + major->checkpoint_size;
}

static Head
read_head(const void *data)
{
	Head		head;

	memcpy(&head, data, sizeof(head));
	return head;
}

static Middle
read_middle(const BbMajor *major, const void *data)
{
	Middle		middle;

	memcpy(&middle, (const uint8 *) data + middle_at(major), sizeof(middle));
	return middle;
}

static Sizes
read_sizes(const BbMajor *major, const void *data)
{
	Sizes		sizes;

	memcpy(&sizes, (const uint8 *) data + major->wal_sizes_at, sizeof(sizes));
	return sizes;
}

static uint32
read_uint32(const void *data, size_t at)
{
	uint32		value;

	memcpy(&value, (const uint8 *) data + at, sizeof(value));
	return value;
}

static uint64
read_uint64(const void *data, size_t at)
{
	uint64		value;

	memcpy(&value, (const uint8 *) data + at, sizeof(value));
	return value;
}

/* ---- the control file ---- */

static char *
wrong_version(const BbMajor *major, const void *data)
{
	Head		head = read_head(data);

	if (head.control_version == major->control_version &&
		head.catalog_version == major->catalog_version)
		return NULL;
	return psprintf(
		"Its version is %u with catalog version %u; that of PostgreSQL %d is %u with %u.",
		head.control_version, head.catalog_version, major->number,
		major->control_version, major->catalog_version);
}

char *
bb_control_build_error(const BbMajor *major, const void *data)
{
	Middle		middle = read_middle(major, data);
	Sizes		sizes = read_sizes(major, data);
	const struct
	{
		const char *what;
		uint32		theirs;
		uint32		ours;
	}			facts[] = {
		{"alignment", middle.max_align, MAXIMUM_ALIGNOF},
		{"block size", middle.blcksz, BLCKSZ},
		{"relation segment size", middle.relseg_size, RELSEG_SIZE},
		{"WAL block size", sizes.xlog_blcksz, XLOG_BLCKSZ},
		{"name length", sizes.name_data_len, NAMEDATALEN},
		{"number of index keys", sizes.index_max_keys, INDEX_MAX_KEYS},
		{"TOAST chunk size", sizes.toast_max_chunk_size, TOAST_MAX_CHUNK_SIZE},
		{"large object chunk size", sizes.loblksize, LOBLKSIZE},
		{"passing of 8-byte values",
		 ((const uint8 *) data)[major->float8_by_val_at], FLOAT8PASSBYVAL},
	};
	char	   *complaint = wrong_version(major, data);

	if (complaint != NULL)
		return complaint;
	for (int i = 0; i < lengthof(facts); i++)
		if (facts[i].theirs != facts[i].ours)
			return psprintf("Its %s is %u; this server's is %u.",
							facts[i].what, facts[i].theirs, facts[i].ours);
	if (middle.float_format != FLOATFORMAT_VALUE)
		return pstrdup("Its floating-point format is not this server's.");
	return NULL;
}

/* The limits are those of the settings, in guc_tables.c. */
static char *
wrong_setting(const Middle *middle)
{
	const struct
	{
		const char *what;
		int			value;
		int			min;
		int			max;
	}			settings[] = {
		{"max_connections", middle->max_connections, 1, MAX_PROCESSES},
		{"max_worker_processes", middle->max_worker_processes, 0,
		 MAX_PROCESSES},
		{"max_wal_senders", middle->max_wal_senders, 0, MAX_PROCESSES},
		{"max_prepared_transactions", middle->max_prepared_xacts, 0,
		 MAX_PROCESSES},
		{"max_locks_per_transaction", middle->max_locks_per_xact, 1,
		 PG_INT32_MAX},
		{"wal_level", middle->wal_level, WAL_LEVEL_MINIMAL, WAL_LEVEL_LOGICAL},
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

/* Are the bools of a CheckPoint such? */
static bool
checkpoint_bools(const BbMajor *major, const uint8 *data)
{
	return is_bool(data, offsetof(CheckpointHead, full_page_writes)) &&
		is_bool(data,
				major->logical_decoding_at > 0
					? major->logical_decoding_at
					: offsetof(CheckpointHead, full_page_writes));
}

static bool
control_bools(const BbMajor *major, const uint8 *data)
{
	const uint8 *middle = data + middle_at(major);

	return checkpoint_bools(major, data + sizeof(Head)) &&
		is_bool(middle, offsetof(Middle, backup_end_required)) &&
		is_bool(middle, offsetof(Middle, wal_log_hints)) &&
		is_bool(middle, offsetof(Middle, track_commit_timestamp)) &&
		is_bool(data, major->float8_by_val_at);
}

pg_crc32c
bb_control_crc(const BbMajor *major, const void *data)
{
	return bb_crc32c_of(data, major->crc_at);
}

char *
bb_control_error(const BbMajor *major, const void *data, size_t length)
{
	pg_crc32c	stored;
	pg_crc32c	crc;
	Middle		middle;
	Sizes		sizes;
	int			state;
	char	   *complaint = NULL;

	/* a control file of another layout has its CRC elsewhere */
	if (length >= sizeof(Head))
		complaint = wrong_version(major, data);
	if (complaint == NULL)
		complaint = wrong_length(length, major->control_size);
	if (complaint != NULL)
		return complaint;
	stored = read_uint32(data, major->crc_at);
	crc = bb_control_crc(major, data);
	if (!EQ_CRC32C(crc, stored))
		return psprintf(
			"Its stored checksum is %08X, the calculated one %08X.", stored,
			crc);
	if (!control_bools(major, data))
		return pstrdup("It has a value that is neither true nor false.");
	state = read_head(data).state;
	if (state < DB_STARTUP || state > DB_IN_PRODUCTION)
		return psprintf("Its state %d is impossible.", state);
	complaint = bb_control_build_error(major, data);
	if (complaint != NULL)
		return complaint;
	middle = read_middle(major, data);
	sizes = read_sizes(major, data);
	if (!IsValidWalSegSize(sizes.xlog_seg_size))
		return psprintf("Its WAL segment size of %u bytes is impossible.",
						sizes.xlog_seg_size);
	return wrong_setting(&middle);
}

void
bb_control_read(const BbMajor *major, const void *data, BbControl *control)
{
	Head		head = read_head(data);
	Middle		middle = read_middle(major, data);
	Sizes		sizes = read_sizes(major, data);

	memset(control, 0, sizeof(*control));
	control->major = major;
	memcpy(control->bytes, data, major->control_size);
	control->system_identifier = head.system_identifier;
	control->control_version = head.control_version;
	control->catalog_version = head.catalog_version;
	control->state = head.state;
	control->checkpoint_lsn = head.checkpoint_lsn;
	control->wal_level = middle.wal_level;
	control->wal_log_hints = middle.wal_log_hints != 0;
	control->max_connections = middle.max_connections;
	control->max_worker_processes = middle.max_worker_processes;
	control->max_wal_senders = middle.max_wal_senders;
	control->max_prepared_xacts = middle.max_prepared_xacts;
	control->max_locks_per_xact = middle.max_locks_per_xact;
	control->track_commit_timestamp = middle.track_commit_timestamp != 0;
	control->wal_segment_size = sizes.xlog_seg_size;
	control->checksum_version = read_uint32(data, major->checksum_version_at);
	control->crc = read_uint32(data, major->crc_at);
}

void
bb_control_shut_down(BbControl *control, const void *checkpoint,
					 XLogRecPtr lsn)
{
	const BbMajor *major = control->major;
	Head		head = read_head(control->bytes);
	Middle		middle = read_middle(major, control->bytes);

	head.state = DB_SHUTDOWNED;
	head.checkpoint_lsn = lsn;
	middle.min_recovery_point = InvalidXLogRecPtr;
	middle.min_recovery_point_tli = 0;
	middle.backup_start_point = InvalidXLogRecPtr;
	middle.backup_end_point = InvalidXLogRecPtr;
	middle.backup_end_required = false;

	memcpy(control->bytes, &head, sizeof(head));
	memcpy(control->bytes + sizeof(head), checkpoint, major->checkpoint_size);
	memcpy(control->bytes + middle_at(major), &middle, sizeof(middle));
	control->state = head.state;
	control->checkpoint_lsn = lsn;
	control->crc = bb_control_crc(major, control->bytes);
	memcpy(control->bytes + major->crc_at, &control->crc,
		   sizeof(control->crc));
}

/* ---- the checkpoint ---- */

char *
bb_checkpoint_error(const BbMajor *major, const void *data, size_t length)
{
	BbCheckpoint checkpoint;
	char	   *complaint = wrong_length(length, major->checkpoint_size);

	if (complaint != NULL)
		return complaint;
	if (!checkpoint_bools(major, data))
		return pstrdup("It has a value that is neither true nor false.");
	checkpoint = bb_checkpoint_read(major, data);
	if (!TransactionIdIsNormal((TransactionId) checkpoint.next_xid))
		return pstrdup("Its next transaction ID is invalid.");
	if (!bb_time_is_valid(checkpoint.time))
		return psprintf("Its time " INT64_FORMAT " is impossible.",
						checkpoint.time);
	return NULL;
}

BbCheckpoint
bb_checkpoint_read(const BbMajor *major, const void *data)
{
	CheckpointHead head;

	memcpy(&head, data, sizeof(head));
	return (BbCheckpoint){
		.redo = head.redo,
		.tli = head.tli,
		.next_xid = read_uint64(data, major->next_xid_at),
		.time = (int64) read_uint64(data, major->time_at),
	};
}

void
bb_checkpoint_shut_down(const BbMajor *major, void *data, XLogRecPtr lsn,
						TimeLineID tli, TimeLineID prev_tli)
{
	const TransactionId none = InvalidTransactionId;
	CheckpointHead head;

	/* a shutdown checkpoint is its own redo point */
	memcpy(&head, data, sizeof(head));
	head.redo = lsn;
	head.tli = tli;
	head.prev_tli = prev_tli;
	memcpy(data, &head, offsetof(CheckpointHead, full_page_writes));
	memcpy((uint8 *) data + major->oldest_active_xid_at, &none, sizeof(none));
}

/* ---- relation maps ---- */

char *
bb_relmap_error(const BbMajor *major, const void *data, size_t length)
{
	const uint32 max_mappings = (major->relmap_crc_at - 2 * sizeof(uint32)) /
		(2 * sizeof(Oid));
	uint32		magic;
	uint32		mappings;
	pg_crc32c	stored;
	pg_crc32c	crc;
	char	   *complaint = wrong_length(length, major->relmap_size);

	if (complaint != NULL)
		return complaint;
	memcpy(&magic, data, sizeof(magic));
	memcpy(&mappings, (const char *) data + sizeof(magic), sizeof(mappings));
	memcpy(&stored, (const char *) data + major->relmap_crc_at,
		   sizeof(stored));
	crc = bb_crc32c_of(data, major->relmap_crc_at);
	if (magic != BB_RELMAP_MAGIC || !EQ_CRC32C(crc, stored))
		return psprintf(
			"Its magic number is %X, its stored checksum %08X, the calculated one %08X.",
			magic, stored, crc);
	if (mappings > max_mappings)
		return psprintf("It has %u mappings; at most %u are possible.",
						mappings, max_mappings);
	return NULL;
}

/*-------------------------------------------------------------------------
 *
 * manifest_values.h
 *	  What a manifest says, which values are possible, and how it is encoded.
 *
 *	  manifest_values.c	 the struct
 *	  manifest_codec.c	 the struct as bytes
 *	  manifest.c		 the bytes in an object store
 *	  manifest_edit.c	 changes beside other writers
 *
 * Each file uses those above it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_MANIFEST_VALUES_H
#define BB_MANIFEST_VALUES_H

#include "base/major.h"
#include "layer/manifest_keeps.h"
#include "lib/stringinfo.h"

#define BB_TIMELINE_NAME_MAX 63

/*
 * The start of a timeline whose base backup isn't consistent yet: its WAL
 * will say where it is.
 */
#define BB_LSN_UNKNOWN ((XLogRecPtr) PG_UINT64_MAX)

/* WAL up to and including "until" (a record's end) has the ID "tli". */
typedef struct BbTliSwitch
{
	TimeLineID	tli;
	XLogRecPtr	until;
} BbTliSwitch;

/*
 * WAL that was lost: the timeline can't be read between "from" and "until".
 *
 *	  records ──── from		 (lost)	   new base ── its WAL ── until ──── records
 *
 * A new base backup fills the gap (import/rebase.h).  The layers from "from" up
 * to its first LSN are what differs between the two.  The gap is open until the
 * WAL of the base makes it consistent; that of a killed rebase stays open.
 */
typedef struct BbGap
{
	XLogRecPtr	from;	   /* the end of the last record before the gap */
	XLogRecPtr	from_prev; /* where that record starts; 0: not known */
	int64		from_time; /* time_t of that record */
	XLogRecPtr	until;	   /* the first usable LSN after it; BB_LSN_UNKNOWN, or
							* past end_lsn: the gap is open */
	int64		until_time; /* time_t of that LSN; 0 if the gap is open */
} BbGap;

typedef struct BbManifest
{
	char	   *timeline;
	uint64		generation; /* 1 after the first commit */
	BbObjectTag tag;		/* of the object that it was read from */

	/* the cluster */
	uint32		pg_version_num; /* of the server that imported it */
	uint64		system_identifier;
	uint32		wal_segment_size; /* bytes */
	uint32		data_checksum_version;
	TimeLineID	tli;	   /* at end_lsn */
	int			nswitches; /* of tli before that, oldest first */
	BbTliSwitch *switches;
	uint32		uid; /* owner of the data directory, for the tar */
	uint32		gid;
	uint32		directory_mode; /* 0700 or 0750 */

	/* the history */
	XLogRecPtr	start_lsn; /* the first usable LSN; BB_LSN_UNKNOWN, or past
							* end_lsn, until an import is complete */
	XLogRecPtr	end_lsn;   /* the end of the last record known */
	XLogRecPtr	prev_lsn;  /* where that record starts; 0: not known */
	int64		end_time;  /* time_t of that record */
	char	   *ancestor;  /* NULL: none */
	XLogRecPtr	ancestor_lsn;
	int			ngaps; /* oldest first; the last one may be open, and the first
						* ones before the start (bb_manifest_gaps) */
	BbGap	   *gaps;
	bool		gaps_forgotten; /* older gaps may have been forgotten, though
								 * layers still reach below them */
	BbKeeps		keeps;
	char	   *upgraded_from; /* the timeline of the cluster that pg_upgrade
								* made this one of; NULL: none is known */

	int			nlayers;
	BbLayerDesc *layers;
} BbManifest;

/*
 * bb_timeline_name_is_valid - is that a letter or digit, then letters, digits,
 * '_', '-' and '.', 63 in all?
 */
extern bool bb_timeline_name_is_valid(const char *name);

/*
 * bb_timeline_name_check - refuse a name that isn't valid.
 *
 * Errors: INVALID_PARAMETER_VALUE.
 */
extern void bb_timeline_name_check(const char *name);

/*
 * bb_tli_at - PostgreSQL's timeline ID of the record that ends at lsn.
 *
 * "last" is the ID after all switches.
 */
extern TimeLineID bb_tli_at(const BbTliSwitch *switches, int nswitches,
							TimeLineID last, XLogRecPtr lsn);

/*
 * bb_manifest_consistent - can the timeline be read?
 *
 * If not, its import is under way, or was killed.
 */
static inline bool
bb_manifest_consistent(const BbManifest *manifest)
{
	return manifest->start_lsn <= manifest->end_lsn;
}

/* bb_manifest_gap_open - was a new base begun that isn't consistent yet? */
static inline bool
bb_manifest_gap_open(const BbManifest *manifest)
{
	return manifest->ngaps > 0 &&
		manifest->gaps[manifest->ngaps - 1].until > manifest->end_lsn;
}

/*
 * bb_manifest_origin - return a number of the timeline that never changes, and
 * that no other timeline has, also none of the same name.
 *
 * It is made of the random ids of its oldest layers.  Later layers don't change
 * it.  Before the first layer is removed, the manifest stores it.  It is 0 for a
 * branch that has no layers yet.
 */
extern uint64 bb_manifest_origin(const BbManifest *manifest);

/*
 * bb_manifest_cut - make lsn, the end of a record, the end of the timeline.
 *
 * Sets the tli at lsn, and drops later tli switches.
 */
extern void bb_manifest_cut(BbManifest *manifest, XLogRecPtr lsn);

/*
 * bb_manifest_readable - return a manifest as those who read the timeline see
 * it: with an open gap, it ends where the gap begins.
 *
 * The result shares the memory of "manifest", and has all of its layers.
 */
extern BbManifest bb_manifest_readable(const BbManifest *manifest);

/*
 * bb_manifest_has_lsn - can the timeline itself be read at lsn?
 *
 * It can between its start and its end, unless there is a gap, and at its points.
 */
extern bool bb_manifest_has_lsn(const BbManifest *manifest, XLogRecPtr lsn);

/* bb_gap_at - return the gap that has an LSN; NULL: the LSN can be read. */
extern const BbGap *bb_gap_at(const BbGap *gaps, int ngaps, XLogRecPtr lsn);

/* bb_gap_before - return the newest gap that ends at or before lsn, or NULL. */
extern const BbGap *bb_gap_before(const BbGap *gaps, int ngaps,
								  XLogRecPtr lsn);

/*
 * bb_manifest_gaps - return the gaps from the start on, and how many there are.
 *
 * Those before it only explain what the layers that fill them lack
 * (layercheck.c), and concern no LSN that can be read.
 */
extern const BbGap *bb_manifest_gaps(const BbManifest *manifest, int *n);

/*
 * bb_manifest_major - return the major version of the cluster.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE (it is none that can be read).
 */
extern const BbMajor *bb_manifest_major(const BbManifest *manifest);

/*
 * bb_manifest_check_version - refuse to add to a timeline of another major version
 * than this server's, since its WAL has another form.
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_manifest_check_version(const BbManifest *manifest);

/*
 * bb_manifest_check_no_copy - refuse a timeline that is a copy, which only
 * replication may change (BbCopyMark).
 *
 * Errors: OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void bb_manifest_check_no_copy(const BbManifest *manifest);

/*
 * bb_manifest_error - say which value of a manifest is impossible.
 *
 * Returns an errdetail, or NULL if all values are possible.
 */
extern const char *bb_manifest_error(const BbManifest *manifest);

/*
 * The bytes are magic 8, version u32, fields, layers, crc u32 (docs/format.md).
 * A manifest has the first version that can hold it.  Version 1 is one without
 * gaps, and 2 one with gaps, if nothing is kept or retired (bb_keeps_empty) and no
 * gap was forgotten.  In version 3 something is kept, and gaps may have been
 * forgotten.  In these three, no layer's newest commit is known, and no gap is before
 * the start.  In version 5 the timeline was upgraded from another one.
 */
#define BB_MANIFEST_MAGIC "bbmanif\n"
#define BB_MANIFEST_VERSION 1
#define BB_MANIFEST_VERSION_GAPS 2
#define BB_MANIFEST_VERSION_KEEPS 3
#define BB_MANIFEST_VERSION_COMMITS 4
#define BB_MANIFEST_VERSION_UPGRADES 5
#define BB_MANIFEST_VERSION_LEASES 6
#define BB_MANIFEST_VERSION_NEWEST BB_MANIFEST_VERSION_LEASES

/*
 * bb_manifest_encode - append a manifest to "out".
 *
 * REQUIRES: "out" is empty, since the checksum covers all of it.
 */
extern void bb_manifest_encode(const BbManifest *manifest, StringInfo out);

/*
 * bb_manifest_newer_version - return the version of a manifest that only a newer
 * version of bbackup can read; 0: the bytes are none.
 */
extern uint32 bb_manifest_newer_version(const void *data, size_t length);

/*
 * bb_manifest_decode - make a manifest of bytes, and check its values.
 *
 * Returns NULL, with an errdetail in *error, if the bytes are no manifest.
 */
extern BbManifest *bb_manifest_decode(const void *data, size_t length,
									  const char **error);

#endif /* BB_MANIFEST_VALUES_H */

/*-------------------------------------------------------------------------
 *
 * directory_source.h
 *	  A source of WAL that reads files of segments, such as a directory.
 *
 * The files (files.h) are those of a pg_wal or an archive: segments and timeline
 * history files.  The last segment may be incomplete, or may have been archived
 * as such (".partial").
 *
 *	  path ── segments ── page ── xlogreader ── record ── does it follow?
 *
 * WAL ends at the first record that isn't valid, since zeros or WAL of an older
 * use of the file follow the end of WAL.  But a record that isn't valid while
 * WAL goes on in a later segment is broken, and a segment that is missing
 * while there are later ones is a gap.  The source never waits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DIRECTORY_SOURCE_H
#define BB_DIRECTORY_SOURCE_H

#include "wal/source.h"

/*
 * bb_waldirectory_origin - returns a place's files as an origin.
 *
 * place->start need not be set: the origin is opened at one.
 *
 * Errors of open: INVALID_PARAMETER_VALUE (WAL of another system); those
 * of bb_walfiles_begin and bb_tlipath_choose.  Errors of
 * next, also: INVALID_PARAMETER_VALUE (with BB_WAL_LATEST, WAL goes on under
 * two tlis); errcode_for_file_access().
 */
extern const BbWalOrigin *bb_waldirectory_origin(const BbWalPlace *place);

#endif /* BB_DIRECTORY_SOURCE_H */

/*-------------------------------------------------------------------------
 *
 * fileread.c
 *	  One file of a backup, or a part of it, by its path.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "base/compat.h"
#include "base/foreigntext.h"
#include "members/filelist.h"
#include "members/memberpath.h"
#include "utils/memutils.h"

/*
 * Find the member that has this path in the file list.  A thin backup has all
 * members but relation segments, and has signal files that a full one lacks.
 */
static void
find_listed(const BbReqCtx *ctx, BbFileList *list, const char *path,
			XLogRecPtr lsn, BbMember *member)
{
	while (bb_filelist_next(ctx, list, member))
	{
		if (member->kind == BB_MEMBER_SIGNAL ||
			!bb_text_names(path, member->path))
			continue;
		if (member->kind == BB_MEMBER_DIRECTORY)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is a directory", path)));
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("there is no file \"%s\" at " BB_LSN_FORMAT, path,
					LSN_FORMAT_ARGS(lsn)),
			 errhint("bb_files() lists the files; paths are relative to the "
					 "data directory.")));
}

static bytea *
read_part(const BbReqCtx *ctx, BbContentReader *reader, const BbMember *member,
		  uint64 offset, uint64 length)
{
	uint64		from = Min(offset, member->size);
	uint64		skip;
	uint64		left = Min(length, member->size - from);
	bytea	   *file;
	char	   *to;
	const uint8 *data;
	uint32		piece;

	if (left > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is too large for a bytea", member->path),
				 errdetail("It has " UINT64_FORMAT " bytes.", member->size),
				 errhint("Read it in parts, by \"offset\" and length.")));
	file = palloc(VARHDRSZ + left);
	SET_VARSIZE(file, VARHDRSZ + left);
	to = VARDATA(file);
	bb_content_begin(ctx, reader, member);
	skip = from - bb_content_seek(ctx, reader, from, left);
	while (left > 0 && bb_content_next(ctx, reader, &data, &piece))
	{
		uint64		usable = Min(piece - skip, left);

		memcpy(to, data + skip, usable);
		to += usable;
		left -= usable;
		skip = 0;
	}
	if (left > 0)
		elog(ERROR, "content of file \"%s\" ended early", member->path);
	bb_content_close(reader);
	return file;
}

bytea *
bb_file_read(const BbReqCtx *ctx, const BbSnapshot *snapshot, const char *path,
			 uint64 offset, uint64 length)
{
	BbBackupOptions options = bb_options_defaults();
	BbBackupPlan *plan;
	BbFileList *list;
	BbMember	member;
	bytea	   *file;

	if (bb_memberpath_find(ctx, snapshot, path, &member))
		return read_part(ctx, bb_content_new_at(snapshot), &member, offset,
						 length);
	/* a manifest would have to read all other files */
	options.manifest = BB_MANIFEST_NO;
	options.full = false;
	plan = bb_plan_new(ctx, snapshot, &options);
	list = bb_filelist_new(plan);
	find_listed(ctx, list, path, snapshot->lsn, &member);
	file = read_part(ctx, bb_content_new(plan), &member, offset, length);
	bb_filelist_close(list);
	return file;
}

/*-------------------------------------------------------------------------
 *
 * fileread.c
 *	  Reading one file of a full backup at a snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backup/content.h"
#include "backup/fileread.h"
#include "base/foreigntext.h"
#include "members/filelist.h"
#include "utils/memutils.h"

/* Find the member of a full backup that has this path. */
static void
find_member(const BbReqCtx *ctx, BbFileList *list, const char *path,
			XLogRecPtr lsn, BbMember *member)
{
	while (bb_filelist_next(ctx, list, member))
	{
		if (!bb_text_names(path, member->path))
			continue;
		if (member->kind == BB_MEMBER_DIRECTORY)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is a directory", path)));
		if (member->size > MaxAllocSize - VARHDRSZ)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("file \"%s\" is too large for a bytea", path),
					 errdetail("It has " UINT64_FORMAT " bytes.",
							   member->size)));
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("there is no file \"%s\" at %X/%X", path,
					LSN_FORMAT_ARGS(lsn)),
			 errhint("bb_files() lists the files; paths are relative to the "
					 "data directory.")));
}

bytea *
bb_file_read(const BbReqCtx *ctx, const BbSnapshot *snapshot, const char *path)
{
	BbBackupOptions options = bb_options_defaults();
	BbBackupPlan *plan;
	BbFileList *list;
	BbContentReader *reader;
	BbMember	member;
	bytea	   *file;
	char	   *to;
	const uint8 *data;
	uint32		length;

	/* a manifest would have to read all other files */
	options.manifest = BB_MANIFEST_NO;
	plan = bb_plan_new(ctx, snapshot, &options);
	list = bb_filelist_new(plan);
	find_member(ctx, list, path, snapshot->lsn, &member);

	file = palloc(VARHDRSZ + member.size);
	SET_VARSIZE(file, VARHDRSZ + member.size);
	to = VARDATA(file);
	reader = bb_content_new(plan);
	bb_content_begin(ctx, reader, &member);
	while (bb_content_next(ctx, reader, &data, &length))
	{
		memcpy(to, data, length);
		to += length;
	}
	bb_content_close(reader);
	bb_filelist_close(list);
	return file;
}

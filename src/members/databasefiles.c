/*-------------------------------------------------------------------------
 *
 * databasefiles.c
 *	  The members of all databases.
 *
 * One database directory is open at a time, one relation of it, and one fork
 * of that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "members/databasefiles.h"

/* The part of a database that comes next. */
typedef enum DatabaseStep
{
	STEP_DATABASE, /* open the next one; its directory */
	STEP_VERSION,  /* PG_VERSION */
	STEP_RELMAP,   /* pg_filenode.map */
	STEP_RELATION, /* open the next relation */
	STEP_FORK,	   /* the next fork of the relation */
	STEP_SEGMENT,  /* the next segment of the fork */
	STEP_DONE
} DatabaseStep;

struct BbDatabaseFiles
{
	const BbBackupPlan *plan;
	Oid			spc; /* see bb_databasefiles_new */

	DatabaseStep step;
	BbCatalogScan *databases;
	BbDatabase	database;
	char		directory[MAXPGPATH]; /* the database's */
	BbCatalogScan *relations;
	BbRelation	relation;
	int			fork;			 /* the file that comes next */
	ForkNumber	content_fork;	 /* the fork whose bytes the open file has */
	BlockNumber blocks;			 /* in the open fork */
	BlockNumber block;			 /* where its next segment begins */
	char		path[MAXPGPATH]; /* of its first segment */
};

BbDatabaseFiles *
bb_databasefiles_new(const BbReqCtx *ctx, const BbBackupPlan *plan, Oid spc)
{
	BbDatabaseFiles *files = palloc0(sizeof(BbDatabaseFiles));

	files->plan = plan;
	files->spc = spc;
	files->step = STEP_DATABASE;
	if (OidIsValid(spc) && spc != DEFAULTTABLESPACE_OID)
		files->databases = bb_catalog_databases_of(ctx, &plan->snapshot, spc);
	else
		files->databases = bb_catalog_scan_new(ctx, &plan->snapshot,
											   BB_KEY_DATABASE);
	return files;
}

void
bb_databasefiles_close(BbDatabaseFiles *files)
{
	if (files->relations != NULL)
		bb_catalog_scan_close(files->relations);
	if (files->databases != NULL)
		bb_catalog_scan_close(files->databases);
	pfree(files);
}

/* The shared catalogs are in "global", in every cluster. */
static inline bool
is_shared(const BbDatabase *database)
{
	return database->spc == GLOBALTABLESPACE_OID;
}

static inline bool
is_built_in(const BbDatabase *database)
{
	return is_shared(database) || database->spc == DEFAULTTABLESPACE_OID;
}

/*
 * Check that the database's tablespace exists: a backup must not put relations
 * where no server looks for them.
 */
static void
check_tablespace(const BbReqCtx *ctx, BbDatabaseFiles *files)
{
	BbKey		key = bb_key_make(BB_KEY_TABLESPACE, files->database.spc, 0, 0,
								  0, 0);

	if (!is_built_in(&files->database))
		bb_pagestore_need(ctx, &files->plan->snapshot, &key, 0);
}

/* Open the next database.  True if its directory is the next member. */
static bool
next_database(const BbReqCtx *ctx, BbDatabaseFiles *files, BbMember *member)
{
	if (!bb_catalog_next_database(ctx, files->databases, &files->database))
	{
		bb_catalog_scan_close(files->databases);
		files->databases = NULL;
		files->step = STEP_DONE;
		return false;
	}
	/* check those of other archives too, or one without a tablespace gets lost */
	check_tablespace(ctx, files);
	if (files->spc == DEFAULTTABLESPACE_OID && !is_built_in(&files->database))
		return false;

	bb_major_database_path(files->plan->major, files->directory,
						   sizeof(files->directory), files->database.spc,
						   files->database.db);

	files->step = STEP_VERSION;
	if (is_shared(&files->database))
		return false; /* "global" was one of the first members */
	bb_member_init(member, BB_MEMBER_DIRECTORY, files->plan->directory_mode,
				   "%s", files->directory);
	return true;
}

static bool
next_version(BbDatabaseFiles *files, BbMember *member)
{
	files->step = STEP_RELMAP;
	if (!files->database.default_tablespace)
		return false;
	bb_member_init(member, BB_MEMBER_VERSION, files->plan->file_mode,
				   "%s/PG_VERSION", files->directory);
	bb_member_set_bytes(member, files->plan->version,
						strlen(files->plan->version));
	return true;
}

/* Does the backup have no relations of the database? */
static bool
is_left_out(const BbDatabaseFiles *files)
{
	const BbPartial *partial = files->plan->options.partial;

	return partial != NULL &&
		list_member_oid(partial->left_out, files->database.db);
}

static bool
next_relmap(const BbReqCtx *ctx, BbDatabaseFiles *files, BbMember *member)
{
	const BbSnapshot *snapshot = &files->plan->snapshot;
	const BbDatabase *database = &files->database;
	BbKey		key = bb_key_make(BB_KEY_RELMAP, database->spc, database->db,
								  0, 0, 0);
	BbValue		value;
	const char *complaint;

	if (is_left_out(files))
		files->step = STEP_DATABASE;
	else
	{
		files->relations = bb_catalog_relations_of(ctx, snapshot,
												   database->spc,
												   database->db);
		files->step = STEP_RELATION;
	}
	if (!database->default_tablespace && !is_shared(database))
		return false;

	/* CREATE DATABASE by WAL makes the directory first, and then the map */
	if (!bb_pagestore_get(ctx, snapshot, &key, &value) && !is_shared(database))
		return false;
	value = bb_pagestore_need(ctx, snapshot, &key, 0);
	complaint = bb_relmap_error(files->plan->major, value.data, value.length);
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s of timeline \"%s\" at " BB_LSN_FORMAT " is corrupted",
						bb_key_text(&key),
						bb_pagestore_info(snapshot->store)->timeline,
						LSN_FORMAT_ARGS(snapshot->lsn)),
				 errdetail("%s", complaint)));

	bb_member_init(member, BB_MEMBER_RELMAP, files->plan->file_mode,
				   "%s/pg_filenode.map", files->directory);
	member->content = BB_CONTENT_RELMAP;
	member->size = value.length;
	member->source.relmap.spc = database->spc;
	member->source.relmap.db = database->db;
	return true;
}

static void
next_relation(const BbReqCtx *ctx, BbDatabaseFiles *files)
{
	do
	{
		bb_reqctx_check(ctx);
		if (!bb_catalog_next_relation(ctx, files->relations, &files->relation))
		{
			bb_catalog_scan_close(files->relations);
			files->relations = NULL;
			files->step = STEP_DATABASE;
			return;
		}
	} while (!files->plan->options.full &&
			 !bb_relation_unlogged(&files->relation));

	files->fork = MAIN_FORKNUM;
	files->step = STEP_FORK;
}

/* Open the next fork that the relation has in a backup. */
static void
next_fork(BbDatabaseFiles *files)
{
	const BbRelation *relation = &files->relation;
	bool		unlogged = bb_relation_unlogged(relation);

	for (; files->fork <= MAX_FORKNUM; files->fork++)
	{
		ForkNumber	fork = files->fork;

		if (unlogged && fork != MAIN_FORKNUM && fork != INIT_FORKNUM)
			continue;
		files->content_fork = unlogged ? INIT_FORKNUM : fork;
		files->blocks = relation->blocks[files->content_fork];
		if (files->blocks == BB_FORK_ABSENT)
			continue;

		bb_major_relation_path(files->plan->major, files->path,
							   sizeof(files->path), relation->spc,
							   relation->db, relation->rel, fork);
		files->block = 0;
		files->fork++;
		files->step = STEP_SEGMENT;
		return;
	}
	files->step = STEP_RELATION;
}

static void
next_segment(BbDatabaseFiles *files, BbMember *member)
{
	const BbRelation *relation = &files->relation;
	BlockNumber count = Min(files->blocks - files->block, RELSEG_SIZE);

	if (files->block == 0)
		bb_member_init(member, BB_MEMBER_RELATION, files->plan->file_mode,
					   "%s", files->path);
	else
		bb_member_init(member, BB_MEMBER_RELATION, files->plan->file_mode,
					   "%s.%u", files->path,
					   files->block / (BlockNumber) RELSEG_SIZE);
	member->content = BB_CONTENT_RELATION;
	member->size = (uint64) count * BLCKSZ;
	member->source.relation.spc = relation->spc;
	member->source.relation.db = relation->db;
	member->source.relation.rel = relation->rel;
	member->source.relation.fork = files->content_fork;
	member->source.relation.first = files->block;

	files->block += count;
	if (files->block == files->blocks)
		files->step = STEP_FORK;
}

bool
bb_databasefiles_next(const BbReqCtx *ctx, BbDatabaseFiles *files,
					  BbMember *member)
{
	for (;;)
	{
		switch (files->step)
		{
			case STEP_DATABASE:
				if (next_database(ctx, files, member))
					return true;
				break;
			case STEP_VERSION:
				if (next_version(files, member))
					return true;
				break;
			case STEP_RELMAP:
				if (next_relmap(ctx, files, member))
					return true;
				break;
			case STEP_RELATION:
				next_relation(ctx, files);
				break;
			case STEP_FORK:
				next_fork(files);
				break;
			case STEP_SEGMENT:
				next_segment(files, member);
				return true;
			case STEP_DONE:
				return false;
		}
	}
}

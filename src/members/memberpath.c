/*-------------------------------------------------------------------------
 *
 * memberpath.c
 *	  The member that a path names, found without a walk over the file list.
 *
 * A path is taken apart, and then made again of its parts.  Only a path that is
 * the same afterwards is one that the file list has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/slru.h"
#include "base/codec.h"
#include "base/compat.h"
#include "catalog/pg_tablespace_d.h"
#include "common/relpath.h"
#include "members/memberpath.h"

/* Read a decimal or hexadecimal number, and move *at past it. */
static bool
read_number(const char **at, int radix, uint64 max, uint64 *number)
{
	char	   *end;

	if (!(radix == 10 ? isdigit((unsigned char) **at)
					  : isxdigit((unsigned char) **at)))
		return false;
	errno = 0;
	*number = strtou64(*at, &end, radix);
	*at = end;
	return errno == 0 && *number <= max;
}

static bool
read_oid(const char **at, Oid *oid)
{
	uint64		number;

	if (!read_number(at, 10, PG_UINT32_MAX, &number))
		return false;
	*oid = (Oid) number;
	return true;
}

/* Move *at past a prefix. */
static bool
read_prefix(const char **at, const char *prefix)
{
	size_t		length = strlen(prefix);

	if (strncmp(*at, prefix, length) != 0)
		return false;
	*at += length;
	return true;
}

/* The parts of the path of a relation segment. */
typedef struct RelationPath
{
	Oid			spc;
	Oid			db;
	Oid			rel;
	ForkNumber	fork;
	uint32		segment;
} RelationPath;

/* "global/", "base/DB/", "pg_tblspc/SPC/PG_…/DB/" */
static bool
read_directory(const BbMajor *major, const char **at, RelationPath *relation)
{
	if (read_prefix(at, "global/"))
	{
		relation->spc = GLOBALTABLESPACE_OID;
		relation->db = InvalidOid;
		return true;
	}
	if (read_prefix(at, "base/"))
		relation->spc = DEFAULTTABLESPACE_OID;
	else if (!read_prefix(at, "pg_tblspc/") || !read_oid(at, &relation->spc) ||
			 !read_prefix(at, "/") ||
			 !read_prefix(at, bb_major_version_directory(major)) ||
			 !read_prefix(at, "/"))
		return false;
	return read_oid(at, &relation->db) && read_prefix(at, "/");
}

static bool
read_fork(const char **at, ForkNumber *fork)
{
	*fork = MAIN_FORKNUM;
	if (!read_prefix(at, "_"))
		return true;
	for (int n = MAIN_FORKNUM + 1; n <= MAX_FORKNUM; n++)
		if (read_prefix(at, forkNames[n]))
		{
			*fork = (ForkNumber) n;
			return true;
		}
	return false;
}

static char *
relation_path(const BbMajor *major, const RelationPath *relation)
{
	char		path[MAXPGPATH];

	bb_major_relation_path(major, path, sizeof(path), relation->spc,
						   relation->db, relation->rel, relation->fork);
	return relation->segment == 0 ? pstrdup(path)
								  : psprintf("%s.%u", path, relation->segment);
}

static bool
parse_relation(const BbMajor *major, const char *path, RelationPath *relation)
{
	const char *at = path;
	uint64		segment = 0;

	if (!read_directory(major, &at, relation) ||
		!read_oid(&at, &relation->rel) || !read_fork(&at, &relation->fork) ||
		(read_prefix(&at, ".") &&
		 !read_number(&at, 10, MaxBlockNumber / RELSEG_SIZE, &segment)))
		return false;
	relation->segment = (uint32) segment;
	return *at == '\0' && strcmp(path, relation_path(major, relation)) == 0;
}

/* The number of blocks of a fork; false: there is no such fork. */
static bool
fork_blocks(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			const RelationPath *relation, ForkNumber fork, BlockNumber *blocks)
{
	BbKey		key = bb_key_rel_size(relation->spc, relation->db,
									  relation->rel, fork);
	BbValue		value;

	if (!bb_pagestore_get(ctx, snapshot, &key, &value))
		return false;
	if (value.length != sizeof(uint32))
		bb_pagestore_report_invalid(&key);
	*blocks = bb_get_le32(value.data);
	if (*blocks == BB_FORK_ABSENT)
		bb_pagestore_report_invalid(&key);
	return true;
}

/* Does the file list have the database's directory? */
static bool
has_database(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			 const RelationPath *relation)
{
	BbKey		key = bb_key_make(BB_KEY_DATABASE, relation->spc, relation->db,
								  0, 0, 0);
	BbValue		value;

	return bb_pagestore_get(ctx, snapshot, &key, &value);
}

/* As databasefiles.c lists the forks of a relation. */
static bool
find_relation(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			  const RelationPath *relation, BbMember *member)
{
	BlockNumber first = relation->segment * (BlockNumber) RELSEG_SIZE;
	ForkNumber	fork = relation->fork;
	BlockNumber blocks;
	BlockNumber init_blocks;

	if (!has_database(ctx, snapshot, relation))
		return false;
	if (fork_blocks(ctx, snapshot, relation, INIT_FORKNUM, &init_blocks))
	{
		/* an unlogged relation begins as its init fork */
		if (fork != MAIN_FORKNUM && fork != INIT_FORKNUM)
			return false;
		fork = INIT_FORKNUM;
		blocks = init_blocks;
	}
	else if (!fork_blocks(ctx, snapshot, relation, fork, &blocks))
		return false;
	if (relation->segment > 0 && first >= blocks)
		return false;

	member->kind = BB_MEMBER_RELATION;
	member->content = BB_CONTENT_RELATION;
	member->size = (uint64) Min(blocks - first, RELSEG_SIZE) * BLCKSZ;
	member->source.relation.spc = relation->spc;
	member->source.relation.db = relation->db;
	member->source.relation.rel = relation->rel;
	member->source.relation.fork = fork;
	member->source.relation.first = first;
	return true;
}

static bool
parse_slru(const BbMajor *major, const char *path, BbSlru *slru,
		   uint64 *segment)
{
	for (int n = 0; n < BB_SLRU_COUNT; n++)
	{
		const char *at = path;

		*slru = (BbSlru) n;
		if (read_prefix(&at, bb_slru_directory(*slru)) &&
			read_prefix(&at, "/") &&
			read_number(&at, 16, PG_UINT64_MAX, segment))
			return strcmp(path, bb_slru_path(major, *slru, *segment)) == 0;
	}
	return false;
}

static bool
find_slru(const BbReqCtx *ctx, const BbSnapshot *snapshot, BbSlru slru,
		  uint64 segment, BbMember *member)
{
	BbKey		key = bb_key_slru_size(slru, segment);
	BbValue		value;

	if (!bb_pagestore_get(ctx, snapshot, &key, &value))
		return false;
	if (value.length != sizeof(uint32) ||
		bb_get_le32(value.data) > SLRU_PAGES_PER_SEGMENT)
		bb_pagestore_report_invalid(&key);
	member->kind = BB_MEMBER_SLRU;
	member->content = BB_CONTENT_SLRU;
	member->size = (uint64) bb_get_le32(value.data) * BLCKSZ;
	member->source.slru.slru = slru;
	member->source.slru.segment = segment;
	return true;
}

bool
bb_memberpath_find(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				   const char *path, BbMember *member)
{
	const BbMajor *major = bb_pagestore_major(snapshot->store);
	RelationPath relation;
	BbSlru		slru;
	uint64		segment;

	bool		is_relation = parse_relation(major, path, &relation);

	if (!is_relation && !parse_slru(major, path, &slru, &segment))
		return false;
	bb_member_init(member, BB_MEMBER_RELATION,
				   bb_pagestore_info(snapshot->store)->directory_mode & 0666,
				   "%s", path);
	return is_relation ? find_relation(ctx, snapshot, &relation, member)
					   : find_slru(ctx, snapshot, slru, segment, member);
}

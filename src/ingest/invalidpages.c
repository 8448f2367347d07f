/*-------------------------------------------------------------------------
 *
 * invalidpages.c
 *	  Invalid pages: records refer to them, but they do not exist.
 *
 *	  fork ── hash table ──► pieces of 512 blocks ── hash table ──► bits
 *
 * A table that is vacuumed and then dropped during a backup leaves each of its
 * pages here, so a page takes one bit.  The time to forget a fork doesn't depend
 * on the number of pages that are remembered of other forks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "ingest/invalidpages.h"
#include "utils/memutils.h"

#define PIECE_WORDS 8
#define WORD_BITS 64
#define PIECE_BLOCKS (PIECE_WORDS * WORD_BITS)

/* The limit of pieces, some 150 MB; a contiguous terabyte takes 262,144. */
#define PIECES_MAX (1024 * 1024)

/* Interrupts are checked after this many pieces. */
#define CHECK_PIECES 1024

typedef struct Piece
{
	uint32		number; /* block / PIECE_BLOCKS */
	char		status; /* of the hash table */
	uint64		words[PIECE_WORDS];
} Piece;

#define SH_PREFIX pieces
#define SH_ELEMENT_TYPE Piece
#define SH_KEY_TYPE uint32
#define SH_KEY number
#define SH_HASH_KEY(table, key) murmurhash32(key)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct MissingFork
{
	BbKey		key;	 /* of its size */
	char		status;	 /* of the hash table */
	pieces_hash *pieces; /* NULL: all were forgotten */
} MissingFork;

#define SH_PREFIX forks
#define SH_ELEMENT_TYPE MissingFork
#define SH_KEY_TYPE BbKey
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_bytes((key).bytes, BB_KEY_LENGTH)
#define SH_EQUAL(table, a, b) (bb_key_compare(&(a), &(b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct BbInvalidPages
{
	MemoryContext context; /* of the following */
	forks_hash *forks;
	uint64		npieces;
};

static void
refuse(const BbKey *key, XLogRecPtr lsn)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("WAL refers to a page that does not exist"),
			 errdetail("The %s does not exist at " BB_LSN_FORMAT ".", bb_key_text(key),
					   LSN_FORMAT_ARGS(lsn)),
			 errhint("The WAL is not that of the cluster that was imported, "
					 "or the cluster was damaged.")));
}

static BbInvalidPages *
pages_of(BbIngest *ingest)
{
	BbInvalidPages *pages = ingest->invalid_pages;

	if (pages != NULL)
		return pages;
	pages = MemoryContextAllocZero(ingest->context, sizeof(BbInvalidPages));
	pages->context = AllocSetContextCreate(ingest->context,
										   "bbackup invalid pages",
										   ALLOCSET_DEFAULT_SIZES);
	pages->forks = forks_create(pages->context, 16, NULL);
	ingest->invalid_pages = pages;
	return pages;
}

/* Return the piece that has a block.  Create it if necessary. */
static Piece *
piece_of(BbInvalidPages *pages, const BbFork *fork, BlockNumber block)
{
	MissingFork *missing;
	Piece	   *piece;
	bool		found;

	missing = forks_insert(pages->forks, bb_fork_size_key(fork), &found);
	if (!found || missing->pieces == NULL)
		missing->pieces = pieces_create(pages->context, 2, NULL);
	piece = pieces_insert(missing->pieces, block / PIECE_BLOCKS, &found);
	if (!found)
	{
		memset(piece->words, 0, sizeof(piece->words));
		pages->npieces++;
	}
	return piece;
}

void
bb_invalidpages_add(BbIngest *ingest, const BbFork *fork, BlockNumber block)
{
	BbKey		key = bb_fork_block_key(fork, block);
	BbInvalidPages *pages;
	Piece	   *piece;
	uint32		bit = block % PIECE_BLOCKS;

	if (ingest->done_lsn >= ingest->start_lsn)
		refuse(&key, ingest->lsn);

	pages = pages_of(ingest);
	piece = piece_of(pages, fork, block);
	piece->words[bit / WORD_BITS] |= UINT64CONST(1) << bit % WORD_BITS;
	if (pages->npieces > PIECES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("WAL refers to too many pages that do not exist"),
				 errdetail("They are in more than %d places, %d pages each.",
						   PIECES_MAX, PIECE_BLOCKS)));
}

/* Forget all pages of a fork. */
static void
forget_fork(BbInvalidPages *pages, MissingFork *missing)
{
	pages->npieces -= missing->pieces->members;
	pieces_destroy(missing->pieces);
	missing->pieces = NULL;
}

/* Clear the bits of a piece from a block on. */
static void
clear_piece(Piece *piece, BlockNumber from)
{
	uint64		first = (uint64) piece->number * PIECE_BLOCKS;

	for (int i = 0; i < PIECE_WORDS; i++)
	{
		uint64		begin = first + i * WORD_BITS;

		if (begin >= from)
			piece->words[i] = 0;
		else if (from - begin < WORD_BITS)
			piece->words[i] &= (UINT64CONST(1) << (from - begin)) - 1;
	}
}

void
bb_invalidpages_forget(BbIngest *ingest, const BbFork *fork, BlockNumber from)
{
	BbInvalidPages *pages = ingest->invalid_pages;
	MissingFork *missing;
	pieces_iterator iterator;
	Piece	   *piece;
	int			n = 0;

	if (pages == NULL)
		return;
	missing = forks_lookup(pages->forks, bb_fork_size_key(fork));
	if (missing == NULL || missing->pieces == NULL)
		return;
	if (from == 0)
	{
		forget_fork(pages, missing);
		return;
	}
	pieces_start_iterate(missing->pieces, &iterator);
	while ((piece = pieces_iterate(missing->pieces, &iterator)) != NULL)
	{
		if (++n % CHECK_PIECES == 0)
			bb_reqctx_check(ingest->ctx);
		clear_piece(piece, from);
	}
}

void
bb_invalidpages_forget_database(BbIngest *ingest, Oid db)
{
	BbInvalidPages *pages = ingest->invalid_pages;
	forks_iterator iterator;
	MissingFork *missing;

	if (pages == NULL)
		return;
	forks_start_iterate(pages->forks, &iterator);
	while ((missing = forks_iterate(pages->forks, &iterator)) != NULL)
	{
		bb_reqctx_check(ingest->ctx);
		if (missing->pieces != NULL && bb_key_fields(&missing->key).db == db)
			forget_fork(pages, missing);
	}
}

/* Find the first remembered block of a piece. */
static bool
first_block(const Piece *piece, BlockNumber *block)
{
	for (uint32 bit = 0; bit < PIECE_BLOCKS; bit++)
	{
		if ((piece->words[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0)
		{
			*block = piece->number * PIECE_BLOCKS + bit;
			return true;
		}
	}
	return false;
}

static void
check_fork(BbIngest *ingest, const MissingFork *missing)
{
	BbKeyFields f = bb_key_fields(&missing->key);
	pieces_iterator iterator;
	Piece	   *piece;
	BlockNumber block;
	int			n = 0;

	pieces_start_iterate(missing->pieces, &iterator);
	while ((piece = pieces_iterate(missing->pieces, &iterator)) != NULL)
	{
		if (++n % CHECK_PIECES == 0)
			bb_reqctx_check(ingest->ctx);
		if (first_block(piece, &block))
		{
			BbKey		key = bb_key_rel_block(f.spc, f.db, f.rel,
											   (ForkNumber) f.fork, block);

			refuse(&key, ingest->lsn);
		}
	}
}

void
bb_invalidpages_check(BbIngest *ingest)
{
	BbInvalidPages *pages = ingest->invalid_pages;
	forks_iterator iterator;
	MissingFork *missing;

	if (pages == NULL)
		return;
	forks_start_iterate(pages->forks, &iterator);
	while ((missing = forks_iterate(pages->forks, &iterator)) != NULL)
	{
		bb_reqctx_check(ingest->ctx);
		if (missing->pieces != NULL)
			check_fork(ingest, missing);
	}
	MemoryContextDelete(pages->context);
	pfree(pages);
	ingest->invalid_pages = NULL;
}

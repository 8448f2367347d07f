/*-------------------------------------------------------------------------
 *
 * memory_shim.c
 *	  palloc for targets: each piece is allocated separately, so that a
 *	  sanitizer detects overruns, and all are freed after an input.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "fuzz.h"

/* As MaxAllocSize in PostgreSQL's memutils.h. */
#define PALLOC_MAX ((size_t) 0x3fffffff)

typedef struct Piece
{
	struct Piece *next;
	struct Piece *previous;
	size_t		size;
	size_t		unused; /* aligns the following bytes to 16 bytes */
} Piece;

static Piece pieces = {&pieces, &pieces, 0, 0};

sigjmp_buf	fuzz_error;

static void *
allocate(size_t size, bool zero)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	FUZZ_CHECK(piece != NULL);
	piece->size = size;
	piece->next = pieces.next;
	piece->previous = &pieces;
	pieces.next->previous = piece;
	pieces.next = piece;
	memset(piece + 1, zero ? 0 : 0x7f, size);
	return piece + 1;
}

void
fuzz_free_all(void)
{
	while (pieces.next != &pieces)
	{
		Piece	   *piece = pieces.next;

		pieces.next = piece->next;
		free(piece);
	}
	pieces.previous = &pieces;
}

void *palloc(Size size);
void *palloc0(Size size);
void *palloc_extended(Size size, int flags);
void *repalloc(void *pointer, Size size);
void pfree(void *pointer);
char *pstrdup(const char *in);
char *pnstrdup(const char *in, Size size);
void *pg_malloc(size_t size);
void *pg_malloc0(size_t size);
void *pg_realloc(void *pointer, size_t size);
char *pg_strdup(const char *in);
void pg_free(void *pointer);
void *fuzz_allocate_huge(size_t size);

void *
palloc(Size size)
{
	FUZZ_CHECK(size <= PALLOC_MAX);
	return allocate(size, false);
}

void *
palloc0(Size size)
{
	FUZZ_CHECK(size <= PALLOC_MAX);
	return allocate(size, true);
}

void *
palloc_extended(Size size, int flags)
{
	return palloc0(size);
}

void *
fuzz_allocate_huge(size_t size)
{
	return allocate(size, false);
}

void
pfree(void *pointer)
{
	Piece	   *piece = (Piece *) pointer - 1;

	piece->previous->next = piece->next;
	piece->next->previous = piece->previous;
	free(piece);
}

void *
repalloc(void *pointer, Size size)
{
	void	   *copy = palloc(size);
	size_t		old = ((Piece *) pointer - 1)->size;

	memcpy(copy, pointer, old < size ? old : size);
	pfree(pointer);
	return copy;
}

char *
pnstrdup(const char *in, Size size)
{
	size_t		length = strnlen(in, size);
	char	   *copy = palloc(length + 1);

	memcpy(copy, in, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

void *
pg_malloc(size_t size)
{
	return palloc(size);
}

void *
pg_malloc0(size_t size)
{
	return palloc0(size);
}

void *
pg_realloc(void *pointer, size_t size)
{
	return pointer == NULL ? palloc(size) : repalloc(pointer, size);
}

char *
pg_strdup(const char *in)
{
	return pstrdup(in);
}

void
pg_free(void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

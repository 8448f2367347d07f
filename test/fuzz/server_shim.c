/*-------------------------------------------------------------------------
 *
 * server_shim.c
 *	  The parts of a server that decoders call, mostly errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "nodes/pg_list.h"
#include "storage/bufpage.h"
#include "storage/fsm_internals.h"
#include "utils/memutils.h"

extern void *fuzz_allocate_huge(size_t size);

/* ---- errors ---- */

static int	level;
static bool has_code;

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	has_code = false;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (level < ERROR)
		return;
	/* elog raises an error without a code, for what can't happen */
	FUZZ_CHECK(has_code);
	siglongjmp(fuzz_error, 1);
}

int
errcode(int sqlerrcode)
{
	has_code = sqlerrcode != ERRCODE_INTERNAL_ERROR;
	return 0;
}

/* Format messages, since they print values of the input. */
static int
make_message(const char *format, va_list args)
{
	char		text[16384];

	(void) vsnprintf(text, sizeof(text), format, args);
	return 0;
}

#define MESSAGE(name)                   \
	int name(const char *fmt, ...)      \
	{                                   \
		va_list		args;               \
                                        \
		va_start(args, fmt);            \
		(void) make_message(fmt, args); \
		va_end(args);                   \
		return 0;                       \
	}

MESSAGE(errmsg)
MESSAGE(errmsg_internal)
MESSAGE(errdetail)
MESSAGE(errdetail_internal)
MESSAGE(errhint)

void
ExceptionalCondition(const char *conditionName,
#if PG_VERSION_NUM < 160000
					 const char *errorType,
#endif
					 const char *fileName, int lineNumber)
{
	__builtin_trap();
}

/* ---- memory ---- */

MemoryContext CurrentMemoryContext = NULL;
MemoryContext TopMemoryContext = NULL;

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return fuzz_allocate_huge(size);
}

/* ---- pages, as PostgreSQL's bufpage.c and fsmpage.c ---- */

void
PageInit(Page page, Size pageSize, Size specialSize)
{
	PageHeader	header = (PageHeader) page;

	memset(page, 0, pageSize);
	header->pd_lower = SizeOfPageHeaderData;
	header->pd_upper = pageSize - specialSize;
	header->pd_special = pageSize - specialSize;
	PageSetPageSizeAndVersion(page, pageSize, PG_PAGE_LAYOUT_VERSION);
}

bool
fsm_truncate_avail(Page page, int nslots)
{
	FSMPage		fsm = (FSMPage) PageGetContents(page);

	FUZZ_CHECK(nslots >= 0 && nslots < LeafNodesPerPage);
	memset(&fsm->fp_nodes[NonLeafNodesPerPage + nslots], 0,
		   LeafNodesPerPage - nslots);
	return true;
}

/* ---- lists, as decoders use them ---- */

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
	}
	if (list->length == list->max_length)
	{
		ListCell   *elements;

		list->max_length = list->max_length * 2 + 1;
		elements = palloc(list->max_length * sizeof(ListCell));
		if (list->length > 0)
			memcpy(elements, list->elements, list->length * sizeof(ListCell));
		list->elements = elements;
	}
	list->elements[list->length++].ptr_value = datum;
	return list;
}

List *
lcons(void *datum, List *list)
{
	list = lappend(list, datum);
	for (int i = list->length - 1; i > 0; i--)
		list->elements[i] = list->elements[i - 1];
	list->elements[0].ptr_value = datum;
	return list;
}

void
list_sort(List *list, list_sort_comparator cmp)
{
	if (list != NIL && list->length > 1)
		qsort(list->elements, list->length, sizeof(ListCell),
			  (int (*)(const void *, const void *)) cmp);
}

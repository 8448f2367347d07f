/*-------------------------------------------------------------------------
 *
 * rowsort.h
 *	  Sorting, in work_mem and a temporary file: changes of rows by LSN, and rows of
 *	  numbers.
 *
 *	  new ── add … add ── finish ── next … next ── close
 *
 * A temporary file belongs to the current resource owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HISTORY_ROWSORT_H
#define BB_HISTORY_ROWSORT_H

#include "history/rowchanges.h"

/* ---- rows of numbers, by the first columns ---- */

#define BB_NUMBERS_MAX 10

typedef struct BbNumberSort BbNumberSort;

extern BbNumberSort *bb_numbersort_new(int ncolumns, int nkeys);
extern void bb_numbersort_add(BbNumberSort *sort, const int64 *row);
extern void bb_numbersort_finish(BbNumberSort *sort);
extern bool bb_numbersort_next(BbNumberSort *sort, int64 *row);
extern void bb_numbersort_close(BbNumberSort *sort);

/* ---- changes, by LSN ---- */

typedef struct BbRowSort BbRowSort;

extern BbRowSort *bb_rowsort_new(void);
extern void bb_rowsort_add(BbRowSort *sort, const BbRowChange *change);
extern void bb_rowsort_finish(BbRowSort *sort);
extern bool bb_rowsort_next(BbRowSort *sort, BbRowChange *change);
extern void bb_rowsort_close(BbRowSort *sort);

#endif /* BB_HISTORY_ROWSORT_H */

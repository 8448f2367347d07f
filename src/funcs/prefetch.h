/*-------------------------------------------------------------------------
 *
 * prefetch.h
 *	  bb_prefetch's part that runs in a background worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FUNCS_PREFETCH_H
#define BB_FUNCS_PREFETCH_H

#include "process/worker.h"

/* As BbWorkerTask's run. */
extern void bb_prefetch_task(const void *payload, size_t length);

#endif /* BB_FUNCS_PREFETCH_H */

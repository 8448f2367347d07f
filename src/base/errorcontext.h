/*-------------------------------------------------------------------------
 *
 * errorcontext.h
 *	  Callbacks that see every message raised while they are on a stack.
 *
 *	  ErrorContextCallback callback;
 *
 *	  bb_error_context_push(&callback, describe, &place);
 *	  ...
 *	  bb_error_context_pop(&callback);
 *
 * An error that leaves the code in between pops the callback as well: the
 * PG_CATCH that handles it restores the stack.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_ERRORCONTEXT_H
#define BB_ERRORCONTEXT_H

static inline void
bb_error_context_push(ErrorContextCallback *callback,
					  void (*function)(void *arg), void *arg)
{
	callback->previous = error_context_stack;
	callback->callback = function;
	callback->arg = arg;
	error_context_stack = callback;
}

static inline void
bb_error_context_pop(const ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}

#endif /* BB_ERRORCONTEXT_H */

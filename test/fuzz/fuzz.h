/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  Functions that the libFuzzer targets share.
 *
 * A target tests a decoder that needs no server.  The shims replace the parts
 * of a server that it calls: memory, which is freed after each input
 * (memory_shim.c), and errors, or exit() in the client, which end the input
 * (server_shim.c, client_shim.c).  An error is a correct answer.  A report of
 * a sanitizer, an elog (used for what can't happen), and a request for more
 * memory than palloc allows are faults.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_FUZZ_H
#define BB_FUZZ_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

/* The target of errors. */
extern sigjmp_buf fuzz_error;

/* Free all memory that was allocated. */
extern void fuzz_free_all(void);

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Run "code", which an error ends, and free what it allocated. */
#define FUZZ_RUN(code)                     \
	do                                     \
	{                                      \
		if (sigsetjmp(fuzz_error, 0) == 0) \
		{                                  \
			code;                          \
		}                                  \
		fuzz_free_all();                   \
	} while (0)

/* A condition that has to be true for all inputs. */
#define FUZZ_CHECK(condition) \
	do                        \
	{                         \
		if (!(condition))     \
			__builtin_trap(); \
	} while (0)

#endif /* BB_FUZZ_H */

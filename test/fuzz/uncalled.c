/*-------------------------------------------------------------------------
 *
 * uncalled.c
 *	  Functions that only untested code in the sources of a target calls.
 *
 *-------------------------------------------------------------------------
 */
#define UNCALLED(name)      \
	extern void name(void); \
	void name(void)         \
	{                       \
		__builtin_trap();   \
	}

UNCALLED(bb_reqctx_check)
UNCALLED(bb_sourcefile_load)
UNCALLED(bb_walcontent_close)
UNCALLED(bb_walcontent_read)
UNCALLED(errcode_for_file_access)
UNCALLED(lappend_oid)
UNCALLED(list_append_unique_oid)
UNCALLED(list_oid_cmp)

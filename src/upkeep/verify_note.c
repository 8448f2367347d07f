/*-------------------------------------------------------------------------
 *
 * verify_note.c
 *	  Noting what a verification finds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/verify_note.h"
#include "utils/memutils.h"

/* Is a finding the continuation of another one, at the next key? */
static bool
continues(const BbFinding *last, const BbFinding *next)
{
	return last->layer == NULL && next->layer == NULL &&
		last->kind == next->kind && last->lsn_from == next->lsn_from &&
		last->lsn_until == next->lsn_until &&
		bb_key_compare(&last->keys.end, &next->keys.start) == 0;
}

void
bb_verify_note(BbVerifyPass *pass, const BbFinding *finding)
{
	MemoryContext old;
	BbFinding  *copy;

	if (pass->findings != NIL && continues(llast(pass->findings), finding))
	{
		((BbFinding *) llast(pass->findings))->keys.end = finding->keys.end;
		return;
	}
	if (++pass->nfindings > BB_FINDINGS_MAX)
		return;
	old = MemoryContextSwitchTo(pass->context);
	copy = palloc(sizeof(BbFinding));
	*copy = *finding;
	copy->layer = finding->layer ? pstrdup(finding->layer) : NULL;
	copy->message = pstrdup(finding->message);
	pass->findings = lappend(pass->findings, copy);
	MemoryContextSwitchTo(old);
}

ErrorData *
bb_verify_try(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		/* a redo helper dies of a record that can't be right; values may be
		 * beyond a limit */
		if (!bb_layer_error_is_fault(error->sqlerrcode) &&
			error->sqlerrcode != ERRCODE_EXTERNAL_ROUTINE_EXCEPTION &&
			error->sqlerrcode != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

void
bb_verify_note_at(BbVerifyPass *pass, XLogRecPtr lsn, BbFindingKind kind,
				  const BbKeyRange *keys, const char *message)
{
	bb_verify_note(pass,
				   &(BbFinding){.kind = kind,
								.message = unconstify(char *, message),
								.keys = *keys,
								.lsn_from = lsn,
								.lsn_until = lsn + 1});
}

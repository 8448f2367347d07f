/*-------------------------------------------------------------------------
 *
 * verify_note.c
 *	  A pass of a verification, and what it finds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "upkeep/inherited.h"
#include "upkeep/verify_note.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

BbVerifyPass *
bb_verify_begin(const char *timeline, BbVerifyLevel level,
				const XLogRecPtr *lsns, int nlsns)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup verification",
												  ALLOCSET_DEFAULT_SIZES);
	BbVerifyPass *pass = MemoryContextAllocZero(context, sizeof(BbVerifyPass));

	pass->context = context;
	pass->timeline = MemoryContextStrdup(context, timeline);
	pass->level = level;
	pass->started_at = GetCurrentTimestamp();
	pass->nlsns = Min(nlsns, BB_VERIFY_LSNS_MAX);
	memcpy(pass->lsns, lsns, pass->nlsns * sizeof(XLogRecPtr));
	pass->key = bb_key_range_all().start;
	return pass;
}

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

/* Is an error that of a layer that has a finding? */
static bool
is_explained(const BbVerifyPass *pass, const char *message)
{
	const ListCell *cell;

	foreach(cell, pass->findings)
	{
		const BbFinding *finding = lfirst(cell);

		if (finding->layer != NULL && strstr(message, finding->layer) != NULL)
			return true;
	}
	foreach(cell, pass->inherited)
	{
		const BbInherited *inherited = lfirst(cell);

		if (strstr(message, inherited->finding.layer) != NULL)
			return true;
	}
	return false;
}

void
bb_verify_note_at(BbVerifyPass *pass, XLogRecPtr lsn, BbFindingKind kind,
				  const BbKeyRange *keys, const char *message)
{
	if (kind == BB_FINDING_READ && is_explained(pass, message))
		return;
	bb_verify_note(pass,
				   &(BbFinding){.kind = kind,
								.message = unconstify(char *, message),
								.keys = *keys,
								.lsn_from = lsn,
								.lsn_until = lsn + 1});
}

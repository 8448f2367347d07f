/*-------------------------------------------------------------------------
 *
 * test_verify_state.c
 *	  The note of a verification: what is read is what was written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "unit.h"
#include "upkeep/verify_state.h"

/* A pass in the midst of pages, at the second of three LSNs. */
static BbVerifyPass *
make_pass(void)
{
	const XLogRecPtr lsns[] = {0x1000, 0x2000, 0x3000};
	BbVerifyPass *pass = bb_verify_begin("main", BB_VERIFY_PAGES, lsns,
										 lengthof(lsns));
	BbFinding  *finding = palloc0(sizeof(BbFinding));

	pass->started_at = 11;
	pass->layers_begun = true;
	pass->file_id = 12;
	pass->layers_done = true;
	pass->lsn_at = 1;
	pass->key = bb_key_rel_block(1663, 5, 16384, MAIN_FORKNUM, 13);
	pass->layers_total = 14;
	pass->layers = 15;
	pass->bytes = 16;
	pass->pages = 17;
	pass->nfindings = 18;
	*finding = (BbFinding){.kind = BB_FINDING_PAGE,
						   .message = pstrdup("it is wrong"),
						   .keys = {pass->key, bb_key_next(&pass->key)},
						   .lsn_from = 0x1000,
						   .lsn_until = 0x1001};
	pass->findings = list_make1(finding);
	return pass;
}

static void
check_pass(const BbVerifyPass *read, const BbVerifyPass *written)
{
	const BbFinding *finding = linitial(read->findings);
	const BbFinding *expected = linitial(written->findings);

	CHECK(read->level == written->level);
	CHECK(read->started_at == written->started_at);
	CHECK(read->finished_at == written->finished_at);
	CHECK(read->layers_begun == written->layers_begun);
	CHECK(read->file_id == written->file_id);
	CHECK(read->layers_done == written->layers_done);
	CHECK(read->nlsns == written->nlsns);
	CHECK(memcmp(read->lsns, written->lsns,
				 written->nlsns * sizeof(XLogRecPtr)) == 0);
	CHECK(read->lsn_at == written->lsn_at);
	CHECK(bb_key_compare(&read->key, &written->key) == 0);
	CHECK(read->layers_total == written->layers_total);
	CHECK(read->layers == written->layers);
	CHECK(read->bytes == written->bytes);
	CHECK(read->pages == written->pages);
	CHECK(read->nfindings == written->nfindings);
	CHECK(list_length(read->findings) == 1);
	CHECK(finding->kind == expected->kind && finding->layer == NULL);
	CHECK(strcmp(finding->message, expected->message) == 0);
	CHECK(bb_key_compare(&finding->keys.start, &expected->keys.start) == 0);
	CHECK(bb_key_compare(&finding->keys.end, &expected->keys.end) == 0);
	CHECK(finding->lsn_from == expected->lsn_from);
	CHECK(finding->lsn_until == expected->lsn_until);
}

UNIT_TEST(verify_state_is_what_was_written)
{
	BbObjectStore *objects = unit_store(ctx);
	BbVerifyState state = {.running = make_pass()};
	BbVerifyState read;

	CHECK(bb_verify_state_write(ctx, objects, "main", &state));
	read = bb_verify_state_read(ctx, objects, "main");
	CHECK(read.last == NULL);
	check_pass(read.running, state.running);

	/* one that is finished is the last one */
	state.running->finished_at = 19;
	CHECK(bb_verify_state_write(ctx, objects, "main", &state));
	read = bb_verify_state_read(ctx, objects, "main");
	CHECK(read.running == NULL);
	check_pass(read.last, state.last);
}

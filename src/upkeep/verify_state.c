/*-------------------------------------------------------------------------
 *
 * verify_state.c
 *	  What a store remembers of the verification of a timeline.
 *
 *	  running u8, pass | last u8, pass		a note (layer/note.h)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/codec.h"
#include "layer/manifest.h"
#include "layer/note.h"
#include "upkeep/verify_state.h"
#include "utils/memutils.h"

/* Two passes with their findings. */
static const BbNoteKind note_kind = {
	.magic = "bbverif\n",
	.version = 1,
	.max_size = 4 * 1024 * 1024,
};

#define TEXT_MAX_SIZE 8192

/* ---- bytes ---- */

static void
append_key(StringInfo out, const BbKey *key)
{
	appendBinaryStringInfo(out, (const char *) key->bytes, BB_KEY_LENGTH);
}

static void
encode_finding(StringInfo out, const BbFinding *finding)
{
	bb_append_u8(out, (uint8) finding->kind);
	bb_append_text(out, finding->layer ? finding->layer : "");
	bb_append_le64(out, finding->offset);
	bb_append_text(out,
				   strlen(finding->message) < TEXT_MAX_SIZE ? finding->message
															: "");
	append_key(out, &finding->keys.start);
	append_key(out, &finding->keys.end);
	bb_append_le64(out, finding->lsn_from);
	bb_append_le64(out, finding->lsn_until);
}

static void
encode_pass(StringInfo out, const BbVerifyPass *pass)
{
	int			n;

	bb_append_u8(out, pass != NULL);
	if (pass == NULL)
		return;
	n = Min(list_length(pass->findings), BB_VERIFY_STATE_FINDINGS);
	bb_append_u8(out, (uint8) pass->level);
	bb_append_le64(out, (uint64) pass->started_at);
	bb_append_le64(out, (uint64) pass->finished_at);
	bb_append_u8(out, pass->layers_begun);
	bb_append_le64(out, pass->file_id);
	bb_append_u8(out, pass->layers_done);
	bb_append_le32(out, (uint32) pass->nlsns);
	for (int i = 0; i < pass->nlsns; i++)
		bb_append_le64(out, pass->lsns[i]);
	bb_append_le32(out, (uint32) pass->lsn_at);
	append_key(out, &pass->key);
	bb_append_le64(out, pass->layers_total);
	bb_append_le64(out, pass->layers);
	bb_append_le64(out, pass->bytes);
	bb_append_le64(out, pass->pages);
	bb_append_le64(out, pass->nfindings);
	bb_append_le32(out, (uint32) n);
	for (int i = 0; i < n; i++)
		encode_finding(out, list_nth(pass->findings, i));
}

static BbKey
decode_key(BbReader *reader)
{
	BbKey		key = {0};
	const uint8 *bytes = bb_reader_bytes(reader, BB_KEY_LENGTH);

	if (bytes != NULL)
		memcpy(key.bytes, bytes, BB_KEY_LENGTH);
	return key;
}

static BbFinding *
decode_finding(BbReader *reader)
{
	BbFinding  *finding = palloc0(sizeof(BbFinding));
	uint8		kind = bb_reader_u8(reader);

	finding->kind = (BbFindingKind) kind;
	finding->layer = bb_reader_text(reader, TEXT_MAX_SIZE);
	finding->offset = bb_reader_le64(reader);
	finding->message = bb_reader_text(reader, TEXT_MAX_SIZE);
	finding->keys.start = decode_key(reader);
	finding->keys.end = decode_key(reader);
	finding->lsn_from = bb_reader_le64(reader);
	finding->lsn_until = bb_reader_le64(reader);
	if (kind < BB_FINDING_MISSING || kind > BB_FINDING_READ)
		reader->failed = true;
	if (finding->layer != NULL && finding->layer[0] == '\0')
		finding->layer = NULL;
	return finding;
}

/* Returns NULL if there is no pass, or (reader->failed) if it isn't valid. */
static BbVerifyPass *
decode_pass(BbReader *reader, const char *timeline)
{
	BbVerifyPass *pass;
	uint8		level;
	uint32		nlsns;
	uint32		lsn_at;
	uint32		n;

	if (bb_reader_u8(reader) == 0)
		return NULL;
	level = bb_reader_u8(reader);
	if (level < BB_VERIFY_OBJECTS || level > BB_VERIFY_PAGES)
		reader->failed = true;
	if (reader->failed)
		return NULL;
	pass = bb_verify_begin(timeline, (BbVerifyLevel) level, NULL, 0);
	pass->started_at = (TimestampTz) bb_reader_le64(reader);
	pass->finished_at = (TimestampTz) bb_reader_le64(reader);
	pass->layers_begun = bb_reader_u8(reader) != 0;
	pass->file_id = bb_reader_le64(reader);
	pass->layers_done = bb_reader_u8(reader) != 0;
	nlsns = bb_reader_le32(reader);
	if (nlsns > BB_VERIFY_LSNS_MAX)
		reader->failed = true;
	for (uint32 i = 0; i < nlsns && !reader->failed; i++)
		pass->lsns[pass->nlsns++] = bb_reader_le64(reader);
	lsn_at = bb_reader_le32(reader);
	pass->lsn_at = (int) Min(lsn_at, BB_VERIFY_LSNS_MAX);
	pass->key = decode_key(reader);
	pass->layers_total = bb_reader_le64(reader);
	pass->layers = bb_reader_le64(reader);
	pass->bytes = bb_reader_le64(reader);
	pass->pages = bb_reader_le64(reader);
	pass->nfindings = bb_reader_le64(reader);
	n = bb_reader_le32(reader);
	for (uint32 i = 0; i < n && !reader->failed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(pass->context);

		pass->findings = lappend(pass->findings, decode_finding(reader));
		MemoryContextSwitchTo(old);
	}
	return pass;
}

static bool
decode(BbReader *reader, const char *timeline, BbVerifyState *state)
{
	state->running = decode_pass(reader, timeline);
	state->last = decode_pass(reader, timeline);
	return bb_reader_done(reader) &&
		(state->running == NULL || state->running->finished_at == 0) &&
		(state->last == NULL || state->last->finished_at != 0);
}

/* ---- the object ---- */

static const char *
object_name(const char *timeline)
{
	return psprintf("timelines/%s/" BB_VERIFIED_OBJECT, timeline);
}

BbVerifyState
bb_verify_state_read(const BbReqCtx *ctx, BbObjectStore *objects,
					 const char *timeline)
{
	BbVerifyState state = {0};
	BbReader	reader;

	if (!bb_note_read(ctx, objects, &note_kind, object_name(timeline),
					  &reader) ||
		!decode(&reader, timeline, &state))
		return (BbVerifyState){0};
	return state;
}

bool
bb_verify_state_write(const BbReqCtx *ctx, BbObjectStore *objects,
					  const char *timeline, BbVerifyState *state)
{
	StringInfoData out;
	ErrorData  *error;

	if (state->running != NULL && state->running->finished_at != 0)
	{
		state->last = state->running;
		state->running = NULL;
	}
	bb_note_begin(&out, &note_kind);
	encode_pass(&out, state->running);
	encode_pass(&out, state->last);
	error = bb_note_write(ctx, objects, object_name(timeline), &out);
	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("the verification of timeline \"%s\" is not recorded in the page store: %s",
						timeline, error->message),
				 errdetail("It goes on, but could not be continued by another session.")));
	return error == NULL;
}

/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Notes: small objects in a store that remember what was done to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/crc.h"
#include "layer/note.h"

/* Of a note that is there, so much is read before it is replaced. */
#define REPLACED_MAX_SIZE (16 * 1024 * 1024)

typedef struct NoteCall
{
	const BbReqCtx *ctx;
	BbObjectStore *objects;
	const char *name;
	size_t		max_size;
	char	   *data;
	size_t		length;
	bool		found;
} NoteCall;

/* Call a function; returns its error, unless the call was canceled. */
static ErrorData *
try_object(void (*function) (NoteCall *call), NoteCall *call)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		function(call);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
			ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

static void
get_object(NoteCall *call)
{
	BbObjectTag tag;

	call->found = bb_objstore_get(call->ctx, call->objects, call->name,
								  call->max_size, &call->data, &call->length,
								  &tag);
}

static void
put_object(NoteCall *call)
{
	BbObjectTag before;
	BbObjectTag tag;
	char	   *old;
	size_t		length;

	if (!bb_objstore_get(call->ctx, call->objects, call->name,
						 REPLACED_MAX_SIZE, &old, &length, &before))
		before = BB_OBJECT_ABSENT;
	/* another session's note, written at the same moment, is as good */
	(void) bb_objstore_put_if(call->ctx, call->objects, call->name, call->data,
							  call->length, before, &tag);
}

static void
remove_object(NoteCall *call)
{
	bb_objstore_remove(call->ctx, call->objects, call->name);
}

bool
bb_note_read(const BbReqCtx *ctx, BbObjectStore *objects,
			 const BbNoteKind *kind, const char *name, BbReader *body)
{
	NoteCall	call = {.ctx = ctx,
						.objects = objects,
						.name = name,
						.max_size = kind->max_size};

	if (try_object(get_object, &call) != NULL || !call.found ||
		call.length < BB_NOTE_MAGIC_SIZE + 4 + 4 ||
		memcmp(call.data, kind->magic, BB_NOTE_MAGIC_SIZE) != 0 ||
		bb_get_le32((const uint8 *) call.data + call.length - 4) !=
			bb_crc32c_of(call.data, call.length - 4))
		return false;
	bb_reader_init(body, call.data + BB_NOTE_MAGIC_SIZE,
				   call.length - BB_NOTE_MAGIC_SIZE - 4);
	return bb_reader_le32(body) == kind->version;
}

void
bb_note_begin(StringInfo note, const BbNoteKind *kind)
{
	initStringInfo(note);
	appendBinaryStringInfo(note, kind->magic, BB_NOTE_MAGIC_SIZE);
	bb_append_le32(note, kind->version);
}

ErrorData *
bb_note_write(const BbReqCtx *ctx, BbObjectStore *objects, const char *name,
			  StringInfo note)
{
	NoteCall	call = {.ctx = ctx, .objects = objects, .name = name};
	ErrorData  *error;

	bb_append_le32(note, bb_crc32c_of(note->data, note->len));
	call.data = note->data;
	call.length = note->len;
	error = try_object(put_object, &call);
	/* one that is broken is in the way of the first attempt only */
	if (error != NULL && error->sqlerrcode == ERRCODE_DATA_CORRUPTED &&
		try_object(remove_object, &call) == NULL)
		error = try_object(put_object, &call);
	pfree(note->data);
	return error;
}

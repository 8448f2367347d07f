/*-------------------------------------------------------------------------
 *
 * copyinput.c
 *	  A base backup that the client sends, as COPY ... FROM STDIN reads it.
 *
 * (ReceiveCopyBegin and CopyGetData in PostgreSQL's copyfromparse.c)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/* See sinks/sink_copy.c. */
#undef ENABLE_GSS
#include "libpq/libpq.h"

#include "base/compat.h"
#include "import/copyinput.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* The limits that COPY has. */
#define DATA_LIMIT PQ_LARGE_MESSAGE_LIMIT
#define OTHER_LIMIT PQ_SMALL_MESSAGE_LIMIT

typedef struct CopyInput
{
	BbImportStream base;
	StringInfoData message;
	bool		lost; /* the client has gone */
} CopyInput;

static void
copy_begin(const BbReqCtx *ctx, BbImportStream *stream)
{
	StringInfoData response;

	pq_beginmessage(&response, 'G');
	pq_sendbyte(&response, 1);	/* binary, */
	pq_sendint16(&response, 0); /* without columns */
	pq_endmessage(&response);
	(void) pq_flush();
}

/* Read a message; returns its type. */
static int
read_message(CopyInput *input)
{
	int			type;

	HOLD_CANCEL_INTERRUPTS();
	pq_startmsgread();
	type = pq_getbyte();
	input->lost = type == EOF ||
		pq_getmessage(&input->message, type == 'd' ? DATA_LIMIT : OTHER_LIMIT);
	if (input->lost)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("unexpected end of the client's connection during an import")));
	RESUME_CANCEL_INTERRUPTS();
	return type;
}

static size_t
copy_next(const BbReqCtx *ctx, BbImportStream *stream, const char **data)
{
	CopyInput  *input = (CopyInput *) stream;

	for (;;)
	{
		int			type;

		bb_reqctx_check(ctx);
		type = read_message(input);
		switch (type)
		{
			case 'd':
				if (input->message.len == 0)
					break;
				*data = input->message.data;
				return input->message.len;
			case 'c':
				return 0;
			case 'f':
				ereport(ERROR,
						(errcode(ERRCODE_QUERY_CANCELED),
						 errmsg("the client gave up the import: %s",
								pq_getmsgstring(&input->message))));
				break;
			case 'H': /* Flush and Sync are ignored, as in COPY */
			case 'S':
				break;
			default:
				ereport(ERROR,
						(errcode(ERRCODE_PROTOCOL_VIOLATION),
						 errmsg("unexpected message type 0x%02X during an import",
								type)));
		}
	}
}

static void
copy_refuse(BbImportStream *stream)
{
	if (((CopyInput *) stream)->lost)
		return;
	ereport(INFO,
			(errcode(BB_COPY_REFUSED),
			 errmsg("the import has failed, and the rest of the stream is ignored")));
}

BbImportStream *
bb_copyinput_new(void)
{
	CopyInput  *input = palloc0(sizeof(CopyInput));

	initStringInfo(&input->message);
	input->base.name = "STDIN";
	input->base.begin = copy_begin;
	input->base.next = copy_next;
	input->base.refuse = copy_refuse;
	return &input->base;
}

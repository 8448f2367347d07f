/*-------------------------------------------------------------------------
 *
 * protocol.h
 *	  The messages between a backend and its redo helper.
 *
 * Both run the same version of the library on the same machine, if perhaps built
 * for another major version, so structs are sent as they are, each part padded to a multiple of eight bytes:
 *
 *	  helper:	hello
 *	  backend:	{ request { record bytes }*? }*
 *	  helper:	{ answer message? }*
 *
 * Requests may be sent without waiting for answers; answers are sent in the order
 * of the requests.  The helper trusts what a backend sends, except the records,
 * which are read from a store.  The backend trusts nothing that a helper sends.
 *
 * Both also share memory, the slate.  It transports pages, and records unless
 * they are too large, because the kernel copies each byte of a socket twice.  A
 * request has a slot: the backend writes the page and the records there before
 * it sends the request, and the helper writes the resulting page there before
 * it sends the answer.  The slot belongs to the side that has to send next.
 * The helper also notes on the slate which record it is about to apply: if it
 * dies, the backend can report the record.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_PROTOCOL_H
#define BB_REDO_PROTOCOL_H

#include "access/xlogdefs.h"

/* A helper finds these open when it starts. */
#define BB_REDO_SOCKET_FD 3
#define BB_REDO_SLATE_FD 4

/* Set for helpers only: "PID SECCOMP", the PID of the backend, and 1 if the
 * helper has to use seccomp. */
#define BB_REDO_ENVIRONMENT "BB_REDO_HELPER"

#define BB_REDO_MAGIC 0x6f646572 /* "redo" */

/* Raised with each change of the protocol: the library may be replaced on disk
 * while a backend that loaded the old one still runs. */
#define BB_REDO_PROTOCOL 3

/* The maximal number of requests of a helper, and the number of its slots.  They
 * keep it busy while its backend does other things. */
#define BB_REDO_DEPTH 32

/* The size of the records in a slot. */
#define BB_REDO_SLOT_RECORDS (16 * 1024)

/* The longest message in a hello or an answer. */
#define BB_REDO_MESSAGE_MAX 1024

typedef enum BbRedoHelloStatus
{
	BB_REDO_READY = 0,
	BB_REDO_NO_SECCOMP = 1 /* message: why */
} BbRedoHelloStatus;

typedef struct BbRedoHello
{
	uint32		magic;
	uint32		protocol;
	uint32		status;
	uint32		reserved;
	char		message[BB_REDO_MESSAGE_MAX]; /* zero-terminated */
} BbRedoHello;

typedef struct BbRedoRequestHeader
{
	uint32		magic;
	uint32		length; /* of the header and its records, wherever they are */
	uint64		id;
	uint32		spc;
	uint32		db;
	uint32		rel;
	uint32		fork;
	uint32		block;
	uint32		has_page; /* it is in the slot; otherwise begin with zeros */
	uint32		nrecords;
	uint32		slot;
	uint32		records_in_slot; /* otherwise they follow */
	uint32		reserved;
} BbRedoRequestHeader;

/* Followed by the record's bytes, and by zeros up to a multiple of eight. */
typedef struct BbRedoRecordHeader
{
	XLogRecPtr	end_lsn;
	uint32		length;
	uint32		reserved;
} BbRedoRecordHeader;

typedef enum BbRedoAnswerStatus
{
	BB_REDO_PAGE = 0,  /* the page is in the request's slot */
	BB_REDO_FAILED = 1 /* followed by the message */
} BbRedoAnswerStatus;

typedef struct BbRedoAnswer
{
	uint32		magic;
	uint32		status;
	uint64		id;
	uint32		record; /* FAILED: which of the request's records, from 0 */
	uint32		length; /* of what follows */
} BbRedoAnswer;

typedef struct BbRedoSlate
{
	volatile uint64 request; /* 0: none */
	volatile uint32 record;
	/* by slot */
	PGAlignedBlock pages[BB_REDO_DEPTH];
	union
	{
		char		data[BB_REDO_SLOT_RECORDS];
		int64		force_align;
	}			records[BB_REDO_DEPTH];
} BbRedoSlate;

/* The helper may be of another major version. */
StaticAssertDecl(offsetof(BbRedoSlate, pages) == 16 &&
					 sizeof(PGAlignedBlock) == BLCKSZ,
				 "the slate has the same layout in all of them");

#define BB_REDO_PAD(length) TYPEALIGN(8, length)

#endif /* BB_REDO_PROTOCOL_H */

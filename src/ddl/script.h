/*-------------------------------------------------------------------------
 *
 * script.h
 *	  A script that makes tables of the past again, and what it lacks.
 *
 *	  tables ── rows ── after the rows		each a list of steps, in order
 *
 * A step is a statement, a problem, or both: a statement that cannot succeed until
 * what the problem names is there.  A problem without a statement is a part of the
 * table that does not come back.
 *
 * All names in statements are quoted and qualified, so statements do not depend on
 * search_path, as long as pg_catalog is first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DDL_SCRIPT_H
#define BB_DDL_SCRIPT_H

#include "heap/objects.h"
#include "heap/tables.h"
#include "lib/stringinfo.h"

typedef enum BbScriptPart
{
	BB_SCRIPT_TABLES, /* what rows need */
	BB_SCRIPT_ROWS,
	BB_SCRIPT_AFTER /* indexes, keys, triggers, privileges */
} BbScriptPart;

#define BB_SCRIPT_PARTS 3

typedef struct BbStep
{
	const char *object;
	const char *statement; /* NULL: none */
	const char *problem;   /* NULL: none */
	bool		blocks;	   /* the script cannot succeed with this problem */
} BbStep;

typedef struct BbScript
{
	const BbReqCtx *ctx;
	BbPast	   *past;
	List	   *steps[BB_SCRIPT_PARTS]; /* of BbStep * */
	List	   *family;					/* of BbTable *, parents first */
	List	   *made;	 /* OIDs there of relations that it makes */
	List	   *objects; /* (catalog, OID) of what else it makes, in pairs */
} BbScript;

/* Append a statement; "object" says what it makes, as in messages. */
extern void bb_script_add(BbScript *script, BbScriptPart part,
						  const char *object, const char *statement);

/* Append a problem that does not keep the script from being run. */
extern void bb_script_note(BbScript *script, BbScriptPart part,
						   const char *object, const char *problem);

/* Append a problem. */
extern void bb_script_problem(BbScript *script, BbScriptPart part,
							  const char *object, const char *problem);

/*
 * bb_script_need - append a problem for each object that is not in this database;
 * "object" needs it.  Returns whether it is there.
 */
extern bool bb_script_need(BbScript *script, BbScriptPart part,
						   const char *object, BbObjectKind kind, Oid oid);

/* What the script makes is no problem if it is not there yet. */
extern bool bb_script_makes(const BbScript *script, Oid relation);
extern void bb_script_note_made(BbScript *script, Oid catalog, Oid oid);
extern bool bb_script_has_made(const BbScript *script, Oid catalog, Oid oid);

/* ---- names ---- */

/* The name of a relation there, qualified. */
extern const char *bb_script_relation(const BbScript *script, Oid relation);
extern const char *bb_script_column(const BbScript *script, BbTable *table,
									AttrNumber column);

/* Append the names of columns, in parentheses. */
extern void bb_script_append_columns(const BbScript *script, StringInfo text,
									 BbTable *table, const int16 *columns,
									 int n);

/* ---- columns of catalogs ---- */

/* Each returns NULL, or n = 0, if the column is NULL. */
extern char *bb_script_text(const BbScript *script, HeapTuple row, Oid catalog,
							AttrNumber column);
extern char *bb_script_name(const BbScript *script, HeapTuple row, Oid catalog,
							AttrNumber column);

/*
 * bb_script_array - return the elements of an array of fixed length, and their
 * number.
 *
 * Errors: DATA_CORRUPTED (it has NULLs, more than one dimension or another type).
 */
extern void *bb_script_array(const BbScript *script, HeapTuple row,
							 Oid catalog, AttrNumber column, Oid type,
							 Size size, int *n);

/* bb_script_texts - return the elements (char *) of a text[]. */
extern List *bb_script_texts(const BbScript *script, HeapTuple row,
							 Oid catalog, AttrNumber column);

/* bb_script_rows - return rows whose index columns equal one or two OIDs. */
extern List *bb_script_rows(const BbScript *script, Oid catalog, Oid index,
							Oid first, Oid second);

/* Append storage parameters, "a='b', …", each with the prefix. */
extern void bb_script_append_options(StringInfo text, List *options,
									 const char *prefix);

#endif /* BB_DDL_SCRIPT_H */

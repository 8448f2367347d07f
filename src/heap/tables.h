/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  Tables of the past: pg_class, pg_attribute and what belongs to them.
 *
 * What is returned is kept for as long as the BbPast.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_HEAP_TABLES_H
#define BB_HEAP_TABLES_H

#include "access/tupdesc.h"
#include "heap/btree.h"
#include "heap/past.h"
#include "nodes/pg_list.h"

typedef struct BbTable
{
	Oid			oid;
	NameData	name;
	Oid			schema;
	char		kind;		 /* RELKIND_* */
	char		persistence; /* RELPERSISTENCE_* */
	Oid			handler;	 /* of its access method; Invalid: none */
	bool		populated;
	bool		has_children;
	bool		is_partition;
	int16		ncolumns; /* dropped ones among them */
	Oid			toast;	  /* Invalid: none */
	double		tuples;	  /* as VACUUM found them; -1: it has not run */
	double		pages;	  /* then */
	BbRelLocator relation;
	/* read when needed */
	TupleDesc	desc;
	bool		has_missing; /* columns with missing values */
	BbBtree	   *toast_index; /* of a TOAST table */
	bool		has_indexes; /* they have been read */
	List	   *indexes;	 /* of indexes.c */
} BbTable;

/* bb_table_schema - return the OID of a schema; Invalid: there is none. */
extern Oid bb_table_schema(const BbReqCtx *ctx, BbPast *past,
						   const char *name);

/* bb_table_schema_name - return the name of a schema, palloc'd, or NULL. */
extern char *bb_table_schema_name(const BbReqCtx *ctx, BbPast *past, Oid oid);

/* bb_table_find - return a relation of any kind by its name, or NULL. */
extern BbTable *bb_table_find(const BbReqCtx *ctx, BbPast *past, Oid schema,
							  const char *name);

/*
 * bb_table_of - return a relation by its OID.
 *
 * Errors: DATA_CORRUPTED (another catalog has the OID, but pg_class hasn't).
 */
extern BbTable *bb_table_of(const BbReqCtx *ctx, BbPast *past, Oid oid);

/* bb_table_children - return the OIDs of direct children and partitions. */
extern List *bb_table_children(const BbReqCtx *ctx, BbPast *past,
							   const BbTable *table);

/*
 * bb_table_desc - return the columns, with the types of the stored database.
 *
 * Each column has a length, an alignment and a number that are possible.
 */
extern TupleDesc bb_table_desc(const BbReqCtx *ctx, BbPast *past,
							   BbTable *table);

/* bb_table_toast_index - return the index of a TOAST table. */
extern const BbBtree *bb_table_toast_index(const BbReqCtx *ctx, BbPast *past,
										   BbTable *toast);

#endif /* BB_HEAP_TABLES_H */

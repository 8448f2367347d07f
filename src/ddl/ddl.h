/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Statements that make tables of the past again, out of the catalogs of then.
 *
 *	  bb_ddl_table ──┬── columns.c		CREATE TABLE, defaults, partitions
 *					 ├── sequences.c	those that columns own
 *					 ├── indexes.c		indexes, keys
 *					 ├── constraints.c	checks, foreign keys
 *					 ├── triggers.c		triggers, policies, statistics
 *					 ├── rights.c		owner, privileges, comments, labels
 *					 └── dependents.c	what depended on the table
 *
 * What is not made is named as a problem.
 *
 * Errors: those of past.h; WRONG_OBJECT_TYPE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DDL_DDL_H
#define BB_DDL_DDL_H

#include "ddl/script.h"

/*
 * bb_ddl_table - write the script for a table, with the partitions and tables that
 * inherit from it.
 *
 * The part for rows has only the values of sequences; script->family says which
 * tables have rows.
 */
extern void bb_ddl_table(BbScript *script, BbTable *table);

/* clauses.c */

/* The name of an operator class, or "" if it is that of the type anyway. */
extern const char *bb_ddl_opclass(BbScript *script, BbScriptPart part,
								  const char *object, Oid opclass, Oid type,
								  bool always);

/* " COLLATE name", or "" if it is "usual" anyway. */
extern const char *bb_ddl_collation(BbScript *script, BbScriptPart part,
									const char *object, Oid collation,
									Oid usual);

/* Append " words tablespace", if the relation is not in the default one. */
extern void bb_ddl_append_tablespace(BbScript *script, BbScriptPart part,
									 const char *object, Oid tablespace,
									 const char *words, StringInfo text);

/* columns.c */
extern void bb_ddl_create(BbScript *script, BbTable *table);
extern void bb_ddl_defaults(BbScript *script, BbTable *table);
extern void bb_ddl_attach(BbScript *script, BbScriptPart part, BbTable *table);
extern void bb_ddl_table_settings(BbScript *script, BbTable *table);

/*
 * bb_ddl_columns - return the columns, as in CREATE TABLE, without constraints; NULL:
 * a type is not here.  "names" gets the names of those that are not generated.
 */
extern char *bb_ddl_columns(BbScript *script, BbTable *table,
							StringInfo names);

/* sequences.c */
extern void bb_ddl_sequences(BbScript *script, BbTable *table);
extern void bb_ddl_sequence_rights(BbScript *script, BbTable *table);

/* indexes.c */
extern void bb_ddl_indexes(BbScript *script, BbTable *table);
extern void bb_ddl_index_attach(BbScript *script, BbTable *table);

/* constraints.c */

/* Append checks to the columns, and NOT NULL where it is a constraint. */
extern void bb_ddl_checks(BbScript *script, BbTable *table,
						  StringInfo columns);
extern void bb_ddl_constraints(BbScript *script, BbTable *table);

/* Append the statement for a foreign key, by its row. */
extern void bb_ddl_foreign_key(BbScript *script, HeapTuple row);
extern const char *bb_ddl_deferrable(bool deferrable, bool deferred);

/* triggers.c */
extern void bb_ddl_triggers(BbScript *script, BbTable *table);
extern void bb_ddl_policies(BbScript *script, BbTable *table);
extern void bb_ddl_statistics(BbScript *script, BbTable *table);

/* rights.c */
extern void bb_ddl_owner(BbScript *script, const char *what, Oid role);
extern void bb_ddl_privileges(BbScript *script, BbTable *table);
extern void bb_ddl_comments(BbScript *script, const char *what, Oid catalog,
							Oid oid, BbTable *table);

/* dependents.c */
extern void bb_ddl_dependents(BbScript *script, BbTable *table);

#endif /* BB_DDL_DDL_H */

/*-------------------------------------------------------------------------
 *
 * script.c
 *	  A script that makes tables of the past again, and what it lacks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "ddl/script.h"
#include "heap/syscat.h"
#include "heap/toast.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* ---- steps ---- */

static void
append(BbScript *script, BbScriptPart part, const char *object,
	   const char *statement, const char *problem, bool blocks)
{
	BbStep	   *step = palloc(sizeof(BbStep));

	*step = (BbStep){.object = pstrdup(object),
					 .statement = statement ? pstrdup(statement) : NULL,
					 .problem = problem ? pstrdup(problem) : NULL,
					 .blocks = blocks};
	script->steps[part] = lappend(script->steps[part], step);
}

void
bb_script_add(BbScript *script, BbScriptPart part, const char *object,
			  const char *statement)
{
	append(script, part, object, statement, NULL, false);
}

void
bb_script_problem(BbScript *script, BbScriptPart part, const char *object,
				  const char *problem)
{
	append(script, part, object, NULL, problem, true);
}

void
bb_script_note(BbScript *script, BbScriptPart part, const char *object,
			   const char *problem)
{
	append(script, part, object, NULL, problem, false);
}

bool
bb_script_makes(const BbScript *script, Oid relation)
{
	return list_member_oid(script->made, relation);
}

void
bb_script_note_made(BbScript *script, Oid catalog, Oid oid)
{
	script->objects = lappend_oid(script->objects, catalog);
	script->objects = lappend_oid(script->objects, oid);
	if (catalog == RelationRelationId)
		script->made = lappend_oid(script->made, oid);
}

bool
bb_script_has_made(const BbScript *script, Oid catalog, Oid oid)
{
	for (int i = 0; i + 1 < list_length(script->objects); i += 2)
	{
		if (list_nth_oid(script->objects, i) == catalog &&
			list_nth_oid(script->objects, i + 1) == oid)
			return true;
	}
	return false;
}

bool
bb_script_need(BbScript *script, BbScriptPart part, const char *object,
			   BbObjectKind kind, Oid oid)
{
	if (kind == BB_OBJECT_RELATION && bb_script_makes(script, oid))
		return true;
	if (OidIsValid(bb_object_here(script->ctx, script->past, kind, oid)))
		return true;
	bb_script_problem(script, part, object,
					  psprintf("needs %s %s, which is not in this database",
							   bb_object_word(kind),
							   bb_object_identity(script->ctx, script->past,
												  kind, oid)));
	return false;
}

/* ---- names ---- */

const char *
bb_script_relation(const BbScript *script, Oid relation)
{
	char	   *name = bb_object_name(script->ctx, script->past,
									  BB_OBJECT_RELATION, relation);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation %u of database \"%s\" does not exist at " BB_LSN_FORMAT,
						relation, script->past->database,
						LSN_FORMAT_ARGS(script->past->snapshot.lsn))));
	return name;
}

const char *
bb_script_column(const BbScript *script, BbTable *table, AttrNumber column)
{
	TupleDesc	desc = bb_table_desc(script->ctx, script->past, table);

	if (column < 1 || column > desc->natts ||
		TupleDescAttr(desc, column - 1)->attisdropped)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s\" has no column %d at " BB_LSN_FORMAT,
						NameStr(table->name), column,
						LSN_FORMAT_ARGS(script->past->snapshot.lsn))));
	return pstrdup(
		quote_identifier(NameStr(TupleDescAttr(desc, column - 1)->attname)));
}

void
bb_script_append_columns(const BbScript *script, StringInfo text,
						 BbTable *table, const int16 *columns, int n)
{
	appendStringInfoChar(text, '(');
	for (int i = 0; i < n; i++)
		appendStringInfo(text, "%s%s", i > 0 ? ", " : "",
						 bb_script_column(script, table, columns[i]));
	appendStringInfoChar(text, ')');
}

void
bb_script_append_options(StringInfo text, List *options, const char *prefix)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		char	   *option = lfirst(cell);
		char	   *equals = strchr(option, '=');

		if (equals != NULL)
			*equals = '\0';
		appendStringInfo(text, "%s%s%s", text->len > 0 ? ", " : "", prefix,
						 quote_identifier(option));
		if (equals == NULL)
			continue;
		appendStringInfo(text, "=%s", quote_literal_cstr(equals + 1));
		*equals = '=';
	}
}

/* ---- columns of catalogs ---- */

/* Flat; NULL if the column is. */
static struct varlena *
flat(const BbScript *script, HeapTuple row, Oid catalog, AttrNumber column)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, catalog, column, &isnull);

	return isnull ? NULL : bb_toast_flat(script->ctx, script->past, value);
}

char *
bb_script_text(const BbScript *script, HeapTuple row, Oid catalog,
			   AttrNumber column)
{
	struct varlena *value = flat(script, row, catalog, column);

	return value == NULL ? NULL : text_to_cstring((text *) value);
}

char *
bb_script_name(const BbScript *script, HeapTuple row, Oid catalog,
			   AttrNumber column)
{
	bool		isnull;
	Datum		value = bb_syscat_value(row, catalog, column, &isnull);

	return isnull ? NULL
				  : pnstrdup(NameStr(*DatumGetName(value)), NAMEDATALEN - 1);
}

pg_noreturn static void
report_array(const BbScript *script, Oid catalog, AttrNumber column)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("column %d of a row of catalog %u is an impossible array at " BB_LSN_FORMAT,
					column, catalog,
					LSN_FORMAT_ARGS(script->past->snapshot.lsn))));
}

/* An array of one dimension without NULLs; NULL if the column is NULL or empty. */
static ArrayType *
simple_array(const BbScript *script, HeapTuple row, Oid catalog,
			 AttrNumber column, Oid type)
{
	ArrayType  *array = (ArrayType *) flat(script, row, catalog, column);

	if (array == NULL)
		return NULL;
	if (VARSIZE(array) < sizeof(ArrayType) || ARR_ELEMTYPE(array) != type ||
		ARR_NDIM(array) < 0 || ARR_NDIM(array) > 1 || ARR_HASNULL(array))
		report_array(script, catalog, column);
	if (ARR_NDIM(array) == 0)
		return NULL;
	if (VARSIZE(array) < ARR_OVERHEAD_NONULLS(1) || ARR_DIMS(array)[0] < 0)
		report_array(script, catalog, column);
	return array;
}

void *
bb_script_array(const BbScript *script, HeapTuple row, Oid catalog,
				AttrNumber column, Oid type, Size size, int *n)
{
	ArrayType  *array = simple_array(script, row, catalog, column, type);

	*n = 0;
	if (array == NULL)
		return NULL;
	if ((VARSIZE(array) - ARR_OVERHEAD_NONULLS(1)) / size <
		(Size) ARR_DIMS(array)[0])
		report_array(script, catalog, column);
	*n = ARR_DIMS(array)[0];
	return ARR_DATA_PTR(array);
}

List *
bb_script_texts(const BbScript *script, HeapTuple row, Oid catalog,
				AttrNumber column)
{
	ArrayType  *array = simple_array(script, row, catalog, column, TEXTOID);
	List	   *texts = NIL;
	Datum	   *values;
	int			n;

	if (array == NULL)
		return NIL;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL,
					  &n);
	for (int i = 0; i < n; i++)
		texts = lappend(texts, TextDatumGetCString(values[i]));
	return texts;
}

List *
bb_script_rows(const BbScript *script, Oid catalog, Oid index, Oid first,
			   Oid second)
{
	Datum		values[] = {ObjectIdGetDatum(first), ObjectIdGetDatum(second)};

	return bb_syscat_find(script->ctx, script->past, catalog, index, values,
						  OidIsValid(second) ? 2 : 1);
}

/*-------------------------------------------------------------------------
 *
 * nodetext.c
 *	  Expressions of the past, as catalogs store them, with the OIDs of this database.
 *
 * The form is that of PostgreSQL's outfuncs.c and read.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "ddl/nodetext.h"
#include "heap/conversion.h"
#include "heap/types.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

typedef struct Token
{
	const char *start;
	int			length; /* 0: the end */
} Token;

typedef enum FieldKind
{
	FIELD_PLAIN,
	FIELD_OID,
	FIELD_DROPPED /* written as an empty list */
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind	kind;
	BbObjectKind object;
} Field;

static const Field fields[] = {
	/* types */
	{"aggargtypes", FIELD_OID, BB_OBJECT_TYPE},
	{"aggtranstype", FIELD_OID, BB_OBJECT_TYPE},
	{"aggtype", FIELD_OID, BB_OBJECT_TYPE},
	{"array_typeid", FIELD_OID, BB_OBJECT_TYPE},
	{"casetype", FIELD_OID, BB_OBJECT_TYPE},
	{"coalescetype", FIELD_OID, BB_OBJECT_TYPE},
	{"colTypes", FIELD_OID, BB_OBJECT_TYPE},
	{"coltypes", FIELD_OID, BB_OBJECT_TYPE},
	{"consttype", FIELD_OID, BB_OBJECT_TYPE},
	{"element_typeid", FIELD_OID, BB_OBJECT_TYPE},
	{"funccoltypes", FIELD_OID, BB_OBJECT_TYPE},
	{"funcresulttype", FIELD_OID, BB_OBJECT_TYPE},
	{"minmaxtype", FIELD_OID, BB_OBJECT_TYPE},
	{"opresulttype", FIELD_OID, BB_OBJECT_TYPE},
	{"paramtype", FIELD_OID, BB_OBJECT_TYPE},
	{"refcontainertype", FIELD_OID, BB_OBJECT_TYPE},
	{"refelemtype", FIELD_OID, BB_OBJECT_TYPE},
	{"refrestype", FIELD_OID, BB_OBJECT_TYPE},
	{"restype", FIELD_OID, BB_OBJECT_TYPE},
	{"resulttype", FIELD_OID, BB_OBJECT_TYPE},
	{"row_typeid", FIELD_OID, BB_OBJECT_TYPE},
	{"targettype", FIELD_OID, BB_OBJECT_TYPE},
	{"type", FIELD_OID, BB_OBJECT_TYPE},
	{"typeId", FIELD_OID, BB_OBJECT_TYPE},
	{"typid", FIELD_OID, BB_OBJECT_TYPE},
	{"vartype", FIELD_OID, BB_OBJECT_TYPE},
	{"wintype", FIELD_OID, BB_OBJECT_TYPE},
	/* collations */
	{"aggcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"array_collid", FIELD_OID, BB_OBJECT_COLLATION},
	{"casecollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"coalescecollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"colCollations", FIELD_OID, BB_OBJECT_COLLATION},
	{"colcollations", FIELD_OID, BB_OBJECT_COLLATION},
	{"collOid", FIELD_OID, BB_OBJECT_COLLATION},
	{"collation", FIELD_OID, BB_OBJECT_COLLATION},
	{"constcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"funccolcollations", FIELD_OID, BB_OBJECT_COLLATION},
	{"funccollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"inputcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"inputcollids", FIELD_OID, BB_OBJECT_COLLATION},
	{"minmaxcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"opcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"paramcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"refcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"resultcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"varcollid", FIELD_OID, BB_OBJECT_COLLATION},
	{"wincollid", FIELD_OID, BB_OBJECT_COLLATION},
	/* functions */
	{"aggfnoid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"elemfuncid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"funcid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"hashfuncid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"negfuncid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"opfuncid", FIELD_OID, BB_OBJECT_FUNCTION},
	{"winfnoid", FIELD_OID, BB_OBJECT_FUNCTION},
	/* operators */
	{"eqop", FIELD_OID, BB_OBJECT_OPERATOR},
	{"opfamilies", FIELD_OID, BB_OBJECT_OPFAMILY},
	{"opno", FIELD_OID, BB_OBJECT_OPERATOR},
	{"opnos", FIELD_OID, BB_OBJECT_OPERATOR},
	{"sortop", FIELD_OID, BB_OBJECT_OPERATOR},
	{"checkAsUser", FIELD_OID, BB_OBJECT_ROLE},
	/* relations stay: exprs.c replaces them by names */
	{.name = "relid"},
	{.name = "resorigtbl"},
	/* numbers that may be large, and are no OIDs */
	{.name = "consttypmod"},
	{.name = "coltypmods"},
	{.name = "colTypmods"},
	{.name = "funccoltypmods"},
	{.name = "location"},
	{.name = "paramtypmod"},
	{.name = "queryId"},
	{.name = "reftypmod"},
	{.name = "resulttypmod"},
	{.name = "stmt_len"},
	{.name = "stmt_location"},
	{.name = "typmod"},
	{.name = "typeMod"},
	{.name = "vartypmod"},
	/* needed to drop a constraint, not to show a query */
	{.name = "constraintDeps", .kind = FIELD_DROPPED},
};

pg_noreturn static void
report_tree(const BbNodeText *text, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the expression of %s cannot be read at " BB_LSN_FORMAT,
					text->object,
					LSN_FORMAT_ARGS(text->script->past->snapshot.lsn)),
			 errdetail_internal("%s", what)));
}

static void
refuse(BbNodeText *text, const char *problem)
{
	text->complete = false;
	bb_script_problem(text->script, text->part, text->object, problem);
}

/* ---- tokens, as pg_strtok in read.c ---- */

static Token
peek(const BbNodeText *text)
{
	const char *start = text->next;
	const char *end;

	while (*start == ' ' || *start == '\n' || *start == '\t')
		start++;
	end = start;
	if (*end != '\0' && strchr("(){}", *end) != NULL)
		return (Token){start, 1};
	while (*end != '\0' && strchr(" \n\t(){}", *end) == NULL)
	{
		if (*end == '\\' && end[1] != '\0')
			end++;
		end++;
	}
	return (Token){start, (int) (end - start)};
}

static Token
take(BbNodeText *text)
{
	Token		token = peek(text);

	if (token.length == 0)
		report_tree(text, "It ends too early.");
	text->next = token.start + token.length;
	return token;
}

static bool
is(Token token, const char *what)
{
	return token.length == (int) strlen(what) &&
		strncmp(token.start, what, token.length) == 0;
}

static void
put(BbNodeText *text, Token token)
{
	StringInfo	out = &text->out;

	if (out->len > 0 && out->data[out->len - 1] != '(' &&
		out->data[out->len - 1] != '{' && !is(token, ")") && !is(token, "}"))
		appendStringInfoChar(out, ' ');
	appendBinaryStringInfo(out, token.start, token.length);
}

static void
put_text(BbNodeText *text, const char *token)
{
	put(text, (Token){token, (int) strlen(token)});
}

/* A number without a sign; false if the token is none. */
static bool
number_of(Token token, uint64 *number)
{
	if (token.length < 1 || token.length > 10)
		return false;
	*number = 0;
	for (int i = 0; i < token.length; i++)
	{
		if (token.start[i] < '0' || token.start[i] > '9')
			return false;
		*number = *number * 10 + (token.start[i] - '0');
	}
	return *number <= PG_UINT32_MAX;
}

static long
take_integer(BbNodeText *text)
{
	Token		token = take(text);
	char	   *end;
	long		number = strtol(token.start, &end, 10);

	if (end != token.start + token.length)
		report_tree(text, "A number is missing.");
	return number;
}

/* ---- OIDs ---- */

/* Rows of a table that is not here are shown as a record: only their names count. */
static Oid
row_type(const BbNodeText *text, Oid there)
{
	const BbType *type = bb_type_of(text->script->ctx, text->script->past,
									there);

	return type->kind == TYPTYPE_COMPOSITE &&
			bb_script_makes(text->script, type->relation)
		? RECORDOID
		: InvalidOid;
}

static Oid
oid_here(BbNodeText *text, BbObjectKind kind, Oid there)
{
	BbScript   *script = text->script;
	Oid			here;

	if (!OidIsValid(there))
		return there;
	here = bb_object_here(script->ctx, script->past, kind, there);
	if (OidIsValid(here))
		return here;
	if (kind == BB_OBJECT_TYPE)
		here = row_type(text, there);
	if (!OidIsValid(here) &&
		!bb_script_need(script, text->part, text->object, kind, there))
		text->complete = false;
	return here;
}

static void
translate_oid(BbNodeText *text, const Field *field, Token token)
{
	uint64		number;

	if (!number_of(token, &number))
		report_tree(text, psprintf("Field \"%s\" has no OID.", field->name));
	put_text(text,
			 psprintf("%u", oid_here(text, field->object, (Oid) number)));
}

/* ---- constants ---- */

typedef struct Constant
{
	Oid			there;
	Oid			here;
	long		length; /* of the type */
	bool		by_value;
} Constant;

static uint8 *
take_bytes(BbNodeText *text, long length)
{
	uint8	   *bytes;

	if (length < 0 || length > (long) strlen(text->next))
		report_tree(text, "A constant has an impossible length.");
	bytes = palloc(length + 1);
	if (!is(take(text), "["))
		report_tree(text, "A constant has no bytes.");
	for (long i = 0; i < length; i++)
		bytes[i] = (uint8) take_integer(text);
	if (!is(take(text), "]"))
		report_tree(text, "A constant has too many bytes.");
	return bytes;
}

static bool
is_possible(const Constant *constant, const uint8 *bytes, long length)
{
	if (constant->by_value)
		return length == sizeof(Datum) && constant->length > 0;
	if (constant->length == -1)
		return length >= VARHDRSZ && !VARATT_IS_EXTERNAL(bytes) &&
			VARSIZE_ANY(bytes) == (Size) length;
	if (constant->length == -2)
		return length > 0 && bytes[length - 1] == '\0';
	return length == constant->length;
}

static void
put_datum(BbNodeText *text, Datum value, bool by_value, int16 length)
{
	Size		size = datumGetSize(value, by_value, length);
	const char *bytes = by_value ? (const char *) &value
								 : DatumGetPointer(value);

	put_text(text, psprintf("%zu", size));
	/* all bytes of a Datum are written, whatever the length of the type is */
	if (by_value)
		size = sizeof(Datum);
	put_text(text, "[");
	for (Size i = 0; i < size; i++)
		put_text(text, psprintf("%d", (int) bytes[i]));
	put_text(text, "]");
}

/* A number that no relation has here. */
static Oid
number_of_relation(BbNodeText *text, Oid there)
{
	text->relations = lappend_oid(text->relations, there);
	return text->number + list_length(text->relations) - 1;
}

static Datum
convert_constant(BbNodeText *text, const Constant *constant, Datum value)
{
	BbScript   *script = text->script;
	BbObjectKind kind;

	if (bb_object_kind_of_type(constant->there, &kind))
	{
		Oid			oid = DatumGetObjectId(value);

		if (kind == BB_OBJECT_RELATION && oid >= FirstUnpinnedObjectId &&
			bb_object_name(script->ctx, script->past, kind, oid) != NULL)
			return ObjectIdGetDatum(number_of_relation(text, oid));
		return ObjectIdGetDatum(oid_here(text, kind, oid));
	}
	if (!OidIsValid(constant->here) || constant->here == RECORDOID)
		return value;
	return bb_conversion_run(script->ctx, script->past,
							 bb_conversion_new(script->ctx, script->past,
											   constant->there, constant->here,
											   text->object),
							 value);
}

/* What follows :constvalue. */
static void
translate_constant(BbNodeText *text, const Constant *constant)
{
	long		length;
	uint8	   *bytes;
	Datum		value = (Datum) 0;
	int16		length_here;
	bool		by_value_here;

	if (is(peek(text), "<>"))
	{
		put(text, take(text));
		return;
	}
	length = take_integer(text);
	if (constant->by_value && length == constant->length)
		length = sizeof(Datum);
	bytes = take_bytes(text, length);
	if (!is_possible(constant, bytes, length))
		report_tree(text, "A constant has not the length of its type.");
	if (constant->by_value)
		memcpy(&value, bytes, sizeof(value));
	else
		value = PointerGetDatum(bytes);
	if (!OidIsValid(constant->here))
		return;
	get_typlenbyval(constant->here, &length_here, &by_value_here);
	if (length_here != constant->length || by_value_here != constant->by_value)
		report_tree(text, "A constant has not the form of its type.");
	put_datum(text, convert_constant(text, constant, value), by_value_here,
			  length_here);
}

/* ---- nodes ---- */

static void translate_node(BbNodeText *text);

static void
translate_atom(BbNodeText *text, const Field *field, const char *name,
			   Token token)
{
	uint64		number;

	if (field != NULL && field->kind == FIELD_OID)
	{
		translate_oid(text, field, token);
		return;
	}
	/* a quoted text is not a number */
	if (field == NULL && number_of(token, &number) &&
		number >= FirstUnpinnedObjectId)
		refuse(text,
			   psprintf("has an expression with an unknown field \"%s\"",
						name));
	put(text, token);
}

/* A node, a list of values, or one token. */
static void
translate_value(BbNodeText *text, const Field *field, const char *name)
{
	Token		token = take(text);

	check_stack_depth();
	if (is(token, "{"))
	{
		put(text, token);
		translate_node(text);
	}
	else if (is(token, "("))
	{
		put(text, token);
		/* what the list is of */
		if (is(peek(text), "o") || is(peek(text), "i") ||
			is(peek(text), "b") || is(peek(text), "x"))
			put(text, take(text));
		while (!is(peek(text), ")"))
			translate_value(text, field, name);
		put(text, take(text));
	}
	else if (is(token, ")") || is(token, "}"))
		report_tree(text, "A value is missing.");
	else if (is(token, "<>"))
		put(text, token);
	else
		translate_atom(text, field, name, token);
}

static const Field *
field_of(const char *node, const char *name)
{
	static const Field xml_option = {.name = "type"};

	/* these have enums of the same name */
	if (strcmp(name, "type") == 0 && strcmp(node, "SQLVALUEFUNCTION") != 0 &&
		strcmp(node, "XMLEXPR") != 0)
		return &xml_option;
	for (int i = 0; i < lengthof(fields); i++)
	{
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static void
translate_field(BbNodeText *text, const char *node, const char *name,
				Constant *constant)
{
	const Field *field = field_of(node, name);
	uint64		number;

	if (strcmp(name, "constvalue") == 0)
	{
		translate_constant(text, constant);
		return;
	}
	if (field != NULL && field->kind == FIELD_DROPPED)
	{
		BbNodeText	skipped = *text;

		/* read past it */
		initStringInfo(&skipped.out);
		skipped.complete = true;
		translate_value(&skipped, &(Field){.name = ""}, name);
		text->next = skipped.next;
		put_text(text, "<>");
		return;
	}
	if (strcmp(name, "consttype") == 0 && number_of(peek(text), &number))
	{
		constant->there = (Oid) number;
		constant->here = oid_here(text, BB_OBJECT_TYPE, constant->there);
		take(text);
		put_text(text, psprintf("%u", constant->here));
		return;
	}
	if (strcmp(name, "constlen") == 0)
	{
		Token		token = peek(text);

		constant->length = take_integer(text);
		put(text, token);
		return;
	}
	if (strcmp(name, "constbyval") == 0)
		constant->by_value = is(peek(text), "true");
	translate_value(text, field, name);
}

static char *
copy_token(Token token)
{
	return pnstrdup(token.start, token.length);
}

/* After the brace. */
static void
translate_node(BbNodeText *text)
{
	Token		token = take(text);
	char	   *node = copy_token(token);
	Constant	constant = {0};

	put(text, token);
	while (!is(token = take(text), "}"))
	{
		put(text, token);
		if (token.start[0] != ':' || token.length < 2)
			report_tree(text, "A field has no name.");
		translate_field(text, node, copy_token(token) + 1, &constant);
	}
	put(text, token);
}

char *
bb_nodetext_translate(BbNodeText *text, const char *tree)
{
	text->next = tree;
	text->complete = true;
	text->relations = NIL;
	/* above the OIDs that are in use, as far as the server can tell */
	text->number = PG_UINT32_MAX - 100000000 +
		(pg_prng_uint32(&pg_global_prng_state) % 90000000);
	initStringInfo(&text->out);
	translate_value(text, NULL, "");
	if (peek(text).length != 0)
		report_tree(text, "Something follows its end.");
	return text->complete ? text->out.data : NULL;
}

char *
bb_nodetext_names(const BbNodeText *text, const char *sql)
{
	StringInfoData out;

	initStringInfo(&out);
	while (*sql != '\0')
	{
		bool		replaced = false;

		for (int i = 0; *sql == '\'' && i < list_length(text->relations); i++)
		{
			char	   *number = psprintf("'%u'", text->number + i);

			if (strncmp(sql, number, strlen(number)) != 0)
				continue;
			appendStringInfoString(&out,
								   quote_literal_cstr(bb_script_relation(
									   text->script,
									   list_nth_oid(text->relations, i))));
			sql += strlen(number);
			replaced = true;
			break;
		}
		if (!replaced)
			appendStringInfoChar(&out, *sql++);
	}
	return out.data;
}

/*-------------------------------------------------------------------------
 *
 * collations.c
 *	  Collations of the past, and those of this server that sort alike.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "heap/collations.h"
#include "heap/deform.h"
#include "heap/syscat.h"
#include "heap/tables.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

/*
 * utils/pg_locale.h declares it, but includes a header of ICU up to 18, which the
 * packages of a server don't bring along everywhere.
 */
extern char *get_collation_actual_version(char collprovider,
										  const char *collcollate);

#define PROVIDER_LIBC 'c'
#define PROVIDER_BUILTIN 'b' /* from 17 on */

#if PG_VERSION_NUM >= 170000
#define ANUM_COLLATION_LOCALE Anum_pg_collation_colllocale
#define ANUM_DATABASE_LOCALE Anum_pg_database_datlocale
#else
#define ANUM_COLLATION_LOCALE Anum_pg_collation_colliculocale
#define ANUM_DATABASE_LOCALE Anum_pg_database_daticulocale
#endif

/* What decides about the order. */
typedef struct Locale
{
	bool		known;
	char		provider;
	bool		deterministic;
	const char *name;	 /* NULL: none */
	const char *rules;	 /* from 16 on */
	const char *version; /* when it was made */
} Locale;

/* A row of a catalog, of this server or of the past. */
typedef struct Row
{
	Oid			catalog;
	int			cache; /* of this server; -1: of the past */
	HeapTuple	tuple;
} Row;

static const char *
text_of(const Row *row, AttrNumber column)
{
	bool		isnull;
	Datum		value = row->cache >= 0
		? SysCacheGetAttr(row->cache, row->tuple, column, &isnull)
		: bb_syscat_value(row->tuple, row->catalog, column, &isnull);

	/* what a catalog of the past has out of line isn't fetched */
	if (isnull || VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		return NULL;
	return TextDatumGetCString(value);
}

static Locale
locale_of_database(const Row *row)
{
	Form_pg_database form = BB_SYSCAT_FORM(pg_database, row->tuple);
	Locale		locale = {.known = true,
						  .provider = form->datlocprovider,
						  .deterministic = true};

	locale.name = text_of(row,
						  locale.provider == PROVIDER_LIBC
							  ? Anum_pg_database_datcollate
							  : ANUM_DATABASE_LOCALE);
#if PG_VERSION_NUM >= 160000
	locale.rules = text_of(row, Anum_pg_database_daticurules);
#endif
	locale.version = text_of(row, Anum_pg_database_datcollversion);
	return locale;
}

static Locale
locale_of_collation(const Row *row)
{
	Form_pg_collation form = BB_SYSCAT_FORM(pg_collation, row->tuple);
	Locale		locale = {.known = true,
						  .provider = form->collprovider,
						  .deterministic = form->collisdeterministic};

	locale.name = text_of(row,
						  locale.provider == PROVIDER_LIBC
							  ? Anum_pg_collation_collcollate
							  : ANUM_COLLATION_LOCALE);
#if PG_VERSION_NUM >= 160000
	locale.rules = text_of(row, Anum_pg_collation_collicurules);
#endif
	locale.version = text_of(row, Anum_pg_collation_collversion);
	return locale;
}

/* ---- this server ---- */

static Locale
local_of(int cache, Oid catalog, HeapTuple tuple,
		 Locale (*locale_of) (const Row *row))
{
	Row			row = {.catalog = catalog, .cache = cache, .tuple = tuple};
	Locale		locale = {0};

	if (HeapTupleIsValid(tuple))
	{
		locale = locale_of(&row);
		ReleaseSysCache(tuple);
	}
	return locale;
}

static Locale
local_locale(Oid collation)
{
	if (collation == DEFAULT_COLLATION_OID)
		return local_of(DATABASEOID, DatabaseRelationId,
						SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(MyDatabaseId)),
						locale_of_database);
	return local_of(COLLOID, CollationRelationId,
					SearchSysCache1(COLLOID, ObjectIdGetDatum(collation)),
					locale_of_collation);
}

static bool
sorts_as_c(const Locale *locale)
{
	if (!locale->known || locale->name == NULL || locale->rules != NULL ||
		!locale->deterministic)
		return false;
	if (locale->provider == PROVIDER_LIBC)
		return strcmp(locale->name, "C") == 0 ||
			strcmp(locale->name, "POSIX") == 0;
	return locale->provider == PROVIDER_BUILTIN &&
		strcmp(locale->name, "C") == 0;
}

Oid
bb_collation_canonical(Oid here)
{
	Locale		locale;

	if (here == C_COLLATION_OID || !OidIsValid(here))
		return here;
	locale = local_locale(here);
	return sorts_as_c(&locale) ? C_COLLATION_OID : here;
}

/* ---- the past ---- */

static Locale
past_locale(const BbReqCtx *ctx, BbPast *past, Oid collation, char **name)
{
	Row			row = {.cache = -1};

	*name = NULL;
	if (collation == DEFAULT_COLLATION_OID)
	{
		row.catalog = DatabaseRelationId;
		row.tuple = bb_syscat_find_oid(ctx, past, row.catalog,
									   DatabaseOidIndexId, past->db);
		return row.tuple == NULL ? (Locale){0} : locale_of_database(&row);
	}
	row.catalog = CollationRelationId;
	row.tuple = bb_syscat_find_oid(ctx, past, row.catalog, CollationOidIndexId,
								   collation);
	if (row.tuple == NULL)
		return (Locale){0};
	if (BB_SYSCAT_FORM(pg_collation, row.tuple)->collnamespace ==
		PG_CATALOG_NAMESPACE)
		*name = pstrdup(
			NameStr(BB_SYSCAT_FORM(pg_collation, row.tuple)->collname));
	return locale_of_collation(&row);
}

/* Of this encoding, or of any. */
static Oid
local_named(const char *name, Oid schema)
{
	Oid			oid = GetSysCacheOid3(COLLNAMEENCNSP, Anum_pg_collation_oid,
									  CStringGetDatum(name),
									  Int32GetDatum(GetDatabaseEncoding()),
									  ObjectIdGetDatum(schema));

	if (OidIsValid(oid))
		return oid;
	return GetSysCacheOid3(COLLNAMEENCNSP, Anum_pg_collation_oid,
						   CStringGetDatum(name), Int32GetDatum(-1),
						   ObjectIdGetDatum(schema));
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Is the order of the past that of this server, as it is now? */
static bool
sort_alike(const Locale *there, const Locale *here)
{
	const char *version;

	if (!there->known || !here->known || !there->deterministic ||
		!here->deterministic || there->provider != here->provider ||
		there->name == NULL || !same_text(there->name, here->name) ||
		!same_text(there->rules, here->rules))
		return false;
	/* "C.UTF-8" and the like: the order of code points, without a version */
	if (here->provider == PROVIDER_LIBC &&
		pg_strncasecmp(here->name, "C.", 2) == 0)
		return true;
	if (there->version == NULL)
		return false;
	version = get_collation_actual_version(here->provider, here->name);
	return version != NULL && strcmp(version, there->version) == 0;
}

Oid
bb_collation_here(const BbReqCtx *ctx, BbPast *past, Oid there)
{
	char	   *name;
	Locale		past_one;
	Locale		local;
	Oid			here = there;

	if (there == C_COLLATION_OID)
		return there;
	past_one = past_locale(ctx, past, there, &name);
	if (sorts_as_c(&past_one))
		return C_COLLATION_OID;
	if (there != DEFAULT_COLLATION_OID)
	{
		/* initdb made it, so it has the same name here */
		if (name == NULL)
			return InvalidOid;
		here = local_named(name, PG_CATALOG_NAMESPACE);
		if (!OidIsValid(here))
			return InvalidOid;
	}
	local = local_locale(here);
	return sort_alike(&past_one, &local) ? here : InvalidOid;
}

Oid
bb_collation_named(const BbReqCtx *ctx, BbPast *past, Oid there)
{
	HeapTuple	tuple = bb_syscat_find_oid(ctx, past, CollationRelationId,
										   CollationOidIndexId, there);
	Form_pg_collation row;
	char	   *name;
	Oid			schema;

	if (tuple == NULL)
		return InvalidOid;
	row = BB_SYSCAT_FORM(pg_collation, tuple);
	name = bb_table_schema_name(ctx, past, row->collnamespace);
	schema = name == NULL ? InvalidOid : get_namespace_oid(name, true);
	if (!OidIsValid(schema) ||
		bb_compat_schema_usage(schema, GetUserId()) != ACLCHECK_OK)
		return InvalidOid;
	return local_named(NameStr(row->collname), schema);
}

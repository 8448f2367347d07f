/*-------------------------------------------------------------------------
 *
 * nodetext.h
 *	  Expressions of the past, as catalogs store them, with the OIDs of this database.
 *
 *	  {OPEXPR :opno 521 :opfuncid 147 … :args ({VAR …} {CONST :consttype 23 …})}
 *
 * A pg_node_tree names types, functions, operators and collations by OID.  The text
 * is rewritten token by token: which fields are OIDs, and of what, follows from
 * their names, which all node types of a major version share.  A number as large as
 * an OID of a user's object in a field that is not known is refused, so no OID of
 * the source is taken for one of this database.
 *
 * Values of constants are converted as those of columns are (conversion.h).
 *
 * Constants of type regclass may name relations that are not here yet, such as a
 * sequence that the script makes.  They get numbers that no relation has;
 * bb_nodetext_names puts the names into what the server has made of the tree.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_DDL_NODETEXT_H
#define BB_DDL_NODETEXT_H

#include "ddl/script.h"

typedef struct BbNodeText
{
	BbScript   *script;
	BbScriptPart part;
	const char *object; /* that the expression belongs to */
	const char *next;
	StringInfoData out;
	bool		complete;  /* false: the script has a problem instead */
	List	   *relations; /* OIDs there of constants of type regclass */
	uint32		number;	   /* of the first of them, here */
} BbNodeText;

/*
 * bb_nodetext_translate - return the tree with the OIDs of this database; NULL, and
 * problems in the script, if something that it needs is not here.
 *
 * Errors: DATA_CORRUPTED (it is no tree).
 */
extern char *bb_nodetext_translate(BbNodeText *text, const char *tree);

/* bb_nodetext_names - replace numbers of relations by their names; palloc'd. */
extern char *bb_nodetext_names(const BbNodeText *text, const char *sql);

#endif /* BB_DDL_NODETEXT_H */

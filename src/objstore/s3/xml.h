/*-------------------------------------------------------------------------
 *
 * xml.h
 *	  A reader of the small XML documents in S3's answers.
 *
 *	  <List><Contents><Key>a</Key><Size>1</Size></Contents></List>
 *
 * is returned as
 *
 *	  "List/Contents/Key" "a"
 *	  "List/Contents/Size" "1"
 *	  "List/Contents" ""
 *	  "List" ""
 *
 * Attributes, comments and processing instructions are skipped.  Document types
 * and CDATA sections, which such documents don't have, are errors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_XML_H
#define BB_XML_H

#include "lib/stringinfo.h"

#define BB_XML_MAX_DEPTH 16

typedef struct BbXml
{
	const char *at;
	const char *error;	 /* NULL: well-formed so far */
	StringInfoData path; /* of the elements that are open */
	StringInfoData text; /* since the last start tag */
	int			depth;
	int			parents[BB_XML_MAX_DEPTH]; /* lengths of their paths */
	bool		pop; /* the next call leaves the element returned last */
	bool		ended;
} BbXml;

/* bb_xml_init - start to read a document, which stays in use. */
extern void bb_xml_init(BbXml *xml, const char *document);

/*
 * bb_xml_next - return the next element that ends: its path, and its text if
 * it contains no elements; both are valid until the next call.
 *
 * Returns false at the end, or after setting xml->error, a sentence.
 */
extern bool bb_xml_next(BbXml *xml, const char **path, const char **text);

#endif /* BB_XML_H */

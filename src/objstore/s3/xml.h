/*-------------------------------------------------------------------------
 *
 * xml.h
 *	  Reading the small XML documents that S3 answers with.
 *
 *	  <List><Contents><Key>a</Key><Size>1</Size></Contents></List>
 *
 * is seen as
 *
 *	  "List/Contents/Key" "a"
 *	  "List/Contents/Size" "1"
 *	  "List/Contents" ""
 *	  "List" ""
 *
 * Attributes, comments and processing instructions are passed over.  What
 * such documents don't have (document types, CDATA sections) is an error.
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
	const char *complaint; /* NULL: well-formed so far */
	StringInfoData path;   /* of the elements that are open */
	StringInfoData text;   /* since the last tag that opened */
	int			depth;
	int			parents[BB_XML_MAX_DEPTH]; /* lengths of their paths */
	bool		pop; /* the element that was returned last is to be left */
	bool		ended;
} BbXml;

extern void bb_xml_init(BbXml *xml, const char *document);

/*
 * bb_xml_next - the next element that ends: its path, and its text if it has
 * no elements; both valid until the next call.
 *
 * Returns false at the end, or with a complaint.
 */
extern bool bb_xml_next(BbXml *xml, const char **path, const char **text);

#endif /* BB_XML_H */

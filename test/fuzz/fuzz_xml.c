/*-------------------------------------------------------------------------
 *
 * fuzz_xml.c
 *	  XML documents in the answers of S3.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "objstore/s3/xml.h"

static void
take(const uint8_t *data, size_t size)
{
	BbXml		xml;
	const char *path;
	const char *text;
	size_t		elements = 0;

	bb_xml_init(&xml, pnstrdup((const char *) data, size));
	while (bb_xml_next(&xml, &path, &text))
	{
		FUZZ_CHECK(strlen(path) <= size && strlen(text) <= size);
		FUZZ_CHECK(++elements <= size);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_RUN(take(data, size));
	return 0;
}

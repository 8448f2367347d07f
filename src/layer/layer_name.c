/*-------------------------------------------------------------------------
 *
 * layer_name.c
 *	  The names of layers.
 *
 *	  image-KEYSTART-LSN-FILEID
 *	  delta-KEYSTART-LSNSTART-LSNEND-FILEID
 *
 * Numbers are hexadecimal.  Names sort by key.  They say only what is known
 * when a layer is begun, so not where its keys end.  Programs rely on the
 * manifest, not on names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layer/layer.h"
#include "lib/stringinfo.h"

char *
bb_layer_name(const BbLayerDesc *desc)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, desc->image ? "image-" : "delta-");
	for (int i = 0; i < BB_KEY_LENGTH; i++)
		appendStringInfo(&buf, "%02x", desc->keys.start.bytes[i]);
	appendStringInfo(&buf, "-%016llx", (unsigned long long) desc->lsn_start);
	if (!desc->image)
		appendStringInfo(&buf, "-%016llx", (unsigned long long) desc->lsn_end);
	appendStringInfo(&buf, "-%016llx", (unsigned long long) desc->file_id);
	return buf.data;
}

char *
bb_layer_object_name(const char *timeline, const BbLayerDesc *desc)
{
	return psprintf("timelines/%s/layers/%s", timeline, bb_layer_name(desc));
}

BbWholeObject
bb_layer_object(const char *timeline, const BbLayerDesc *desc)
{
	return (BbWholeObject){.name = bb_layer_object_name(timeline, desc),
						   .size = desc->size,
						   .crc = desc->crc,
						   .id = desc->file_id};
}

/* Skip so many hexadecimal digits and the character "end". */
static bool
take_digits(const char **at, size_t digits, char end)
{
	if (strspn(*at, "0123456789abcdef") != digits || (*at)[digits] != end)
		return false;
	*at += digits + 1;
	return true;
}

bool
bb_layer_is_object_name(const char *timeline, const char *name)
{
	const char *prefix = psprintf("timelines/%s/layers/", timeline);
	const char *at = name + strlen(prefix);
	bool		image;

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	image = strncmp(at, "image-", 6) == 0;
	if (!image && strncmp(at, "delta-", 6) != 0)
		return false;
	at += 6;
	return take_digits(&at, 2 * BB_KEY_LENGTH, '-') &&
		take_digits(&at, 16, '-') && (image || take_digits(&at, 16, '-')) &&
		take_digits(&at, 16, '\0');
}

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

bool
bb_layer_overlaps(const BbLayerDesc *a, const BbLayerDesc *b)
{
	return a->lsn_start < b->lsn_end && b->lsn_start < a->lsn_end &&
		bb_key_compare(&a->keys.start, &b->keys.end) < 0 &&
		bb_key_compare(&b->keys.start, &a->keys.end) < 0;
}

int
bb_layer_compare_lsns(const ListCell *a, const ListCell *b)
{
	const BbLayerDesc *left = lfirst(a);
	const BbLayerDesc *right = lfirst(b);

	if (left->lsn_start != right->lsn_start)
		return left->lsn_start < right->lsn_start ? -1 : 1;
	return bb_key_compare(&left->keys.start, &right->keys.start);
}

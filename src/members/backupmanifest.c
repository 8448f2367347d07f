/*-------------------------------------------------------------------------
 *
 * backupmanifest.c
 *	  The text of a backup_manifest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clusterfile.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "members/backupmanifest.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/json.h"

bool
bb_backupmanifest_lists(const BbMember *member)
{
	return member->kind != BB_MEMBER_DIRECTORY &&
		member->kind != BB_MEMBER_WAL && member->kind != BB_MEMBER_MANIFEST;
}

int
bb_backupmanifest_checksum_length(pg_checksum_type type)
{
	switch (type)
	{
		case CHECKSUM_TYPE_NONE:
			break;
		case CHECKSUM_TYPE_CRC32C:
			return sizeof(pg_crc32c);
		case CHECKSUM_TYPE_SHA224:
			return PG_SHA224_DIGEST_LENGTH;
		case CHECKSUM_TYPE_SHA256:
			return PG_SHA256_DIGEST_LENGTH;
		case CHECKSUM_TYPE_SHA384:
			return PG_SHA384_DIGEST_LENGTH;
		case CHECKSUM_TYPE_SHA512:
			return PG_SHA512_DIGEST_LENGTH;
	}
	return 0;
}

static void
append_hex(StringInfo buf, const void *bytes, size_t length)
{
	enlargeStringInfo(buf, (int) (2 * length));
	buf->len += (int) hex_encode(bytes, length, buf->data + buf->len);
	buf->data[buf->len] = '\0';
}

/* A manifest is in UTF-8; a path may be in any encoding. */
static void
append_path(const BbBackupManifest *text, StringInfo buf, const char *path)
{
	int			length = (int) strlen(path);

	if (!text->force_encode && pg_verify_mbstr(PG_UTF8, path, length, true))
	{
		appendStringInfoString(buf, "\"Path\": ");
		escape_json(buf, path);
	}
	else
	{
		appendStringInfoString(buf, "\"Encoded-Path\": \"");
		append_hex(buf, path, length);
		appendStringInfoChar(buf, '"');
	}
}

void
bb_backupmanifest_begin(const BbBackupManifest *text, StringInfo buf)
{
	appendStringInfo(buf, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n",
					 text->seed->control.major->manifest_version);
	if (text->seed->control.major->manifest_version >= 2)
		appendStringInfo(buf, "\"System-Identifier\": " UINT64_FORMAT ",\n",
						 text->seed->control.system_identifier);
	appendStringInfoString(buf, "\"Files\": [");
}

void
bb_backupmanifest_file(const BbBackupManifest *text, StringInfo buf,
					   bool first, const char *path, uint64 size,
					   const uint8 *checksum)
{
	pg_time_t	mtime = text->mtime;
	char		time_text[64];

	appendStringInfoString(buf, first ? "\n{ " : ",\n{ ");
	append_path(text, buf, path);
	pg_strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S %Z",
				pg_gmtime(&mtime));
	appendStringInfo(buf,
					 ", \"Size\": " UINT64_FORMAT
					 ", \"Last-Modified\": \"%s\"",
					 size, time_text);
	if (text->checksum_type != CHECKSUM_TYPE_NONE)
	{
		appendStringInfo(buf,
						 ", \"Checksum-Algorithm\": \"%s\", \"Checksum\": \"",
						 pg_checksum_type_name(text->checksum_type));
		append_hex(buf, checksum,
				   bb_backupmanifest_checksum_length(text->checksum_type));
		appendStringInfoChar(buf, '"');
	}
	appendStringInfoString(buf, " }");
}

/* The WAL to verify is the one record of the seed. */
void
bb_backupmanifest_end(const BbBackupManifest *text, StringInfo buf)
{
	const BbSeed *seed = text->seed;

	appendStringInfo(buf,
					 "\n],\n\"WAL-Ranges\": [\n"
					 "{ \"Timeline\": %u, \"Start-LSN\": \"" BB_FILE_LSN_FORMAT
					 "\", "
					 "\"End-LSN\": \"" BB_FILE_LSN_FORMAT "\" }\n],\n",
					 seed->wal.tli, LSN_FORMAT_ARGS(seed->record_start),
					 LSN_FORMAT_ARGS(seed->record_end));
}

void
bb_backupmanifest_checksum(StringInfo buf, const uint8 *sha256)
{
	appendStringInfoString(buf, "\"Manifest-Checksum\": \"");
	append_hex(buf, sha256, PG_SHA256_DIGEST_LENGTH);
	appendStringInfoString(buf, "\"}\n");
}
